"""``--join``: a speaker who is no member of a chat joins it, then speaks; in order, at the pace, not for ever."""

from dataclasses import replace
from pathlib import Path

import pytest

from bulksend.journal import State
from bulksend.portal.methods import MESSAGE_ADD, USER_ADD
from bulksend.sandbox import FaultKind, Faults, Sandbox
from bulksend.sender.options import StopReason
from tests.processes import Commands, TestRow, assert_exactly_once, end, read_results, rows, write_sheet
from tests.sender.conftest import SWIFT, Desk

JOIN = replace(SWIFT, join=True)


@pytest.fixture
def commands(tmp_path: Path) -> Commands:
    """The commands, with a data folder of their own."""
    return Commands(tmp_path)


def shut(portal: Sandbox, lines: list[TestRow], *, joinable: bool = True) -> None:
    """Let nobody be a member of these rows' chats."""
    for _, _, chat, *_ in lines:
        portal.world.add_chat(chat, members=(), joinable=joinable)


@pytest.mark.parametrize("batch", [1, 50])
@pytest.mark.parametrize("joinable", [True, False])
def test_join(desk: Desk, joinable: bool, batch: int) -> None:
    """The rows of such a chat arrive in order; where the speaker may not join, they fail and say why."""
    lines = rows(9, chats=3)
    shut(desk.portal, lines, joinable=joinable)
    _, run = desk.send(lines, JOIN, batch=batch)
    if joinable:
        desk.assert_each_once(lines, run)
    else:
        assert desk.states(run) == [State.FAILED] * 9
        assert not desk.portal.ledger
        assert "ACCESS_DENIED" in desk.sentence(run, 0)
        assert "--join" not in desk.sentence(run, 0)


@pytest.mark.parametrize("pace", [("--fast",), ("--batch", 50), ("--rate", 50)])
def test_nobody_is_a_member(portal: Sandbox, commands: Commands, pace: tuple[object, ...]) -> None:
    """Refusals that are being turned into joins do not stop a campaign as refusals of every row."""
    lines = rows(60, chats=60)
    shut(portal, lines)
    sheet = write_sheet(commands.folder / "sheet.csv", lines)
    ended = commands.run("send", sheet, "--portal", portal.webhook, "--yes", "--join", *pace)
    assert ended.code == 0, ended.said
    assert_exactly_once(lines, [delivery._asdict() for delivery in portal.ledger])


def test_nobody_may_join(desk: Desk) -> None:
    """When row after row fails because its speaker may not join, the others are kept back."""
    lines = rows(60, chats=60)
    shut(desk.portal, lines, joinable=False)
    ending, run = desk.send(lines, JOIN, max_in_flight=1)
    assert ending.how is StopReason.REFUSED
    assert "--join" not in ending.sentence
    assert (run.counts.failed, run.counts.pending) == (20, 40)


@pytest.mark.parametrize("batch", [1, 50])
def test_answers_to_a_join_are_lost(portal: Sandbox, commands: Commands, batch: int) -> None:
    """It is asked for a few times, with pauses, while the other chats' rows leave; then its row fails."""
    lines = rows(8, chats=8)
    shut(portal, lines[:1])
    portal.faults = Faults({FaultKind.ERROR500_BEFORE: 1.0}, methods=[USER_ADD])
    sheet = write_sheet(commands.folder / "sheet.csv", lines)
    options = ("--portal", portal.webhook, "--yes", "--join", "--rate", 10, "--batch", batch)
    ended = end(commands.start("send", sheet, *options))
    assert ended.code == 1, ended.said
    assert len([call for call in portal.calls if call.method == USER_ADD]) <= 5
    first, *others = read_results(commands.folder / "sheet.results.csv")
    assert (first["status"], first["error_code"]) == ("failed", "CANCELED")
    assert "lost" in first["error_description"]
    assert {line["status"] for line in others} == {"sent"}
    # Joins leave messages their turns: the others did not wait for the last of them.
    last_join = max(call.arrived_at for call in portal.calls if call.method == USER_ADD)
    assert last_join > max(call.arrived_at for call in portal.calls if call.method in {MESSAGE_ADD, "batch"})


@pytest.mark.parametrize("kind", [FaultKind.QUERY_LIMIT, FaultKind.OPERATING_LIMIT])
def test_a_join_is_refused_for_the_pace(desk: Desk, kind: FaultKind, monkeypatch: pytest.MonkeyPatch) -> None:
    """The pace steps back, as after any other call."""
    monkeypatch.setattr("bulksend.ratelimit.execution_time.UNTOLD_RESET", 1.0)
    lines = rows(1, chats=1)
    shut(desk.portal, lines)
    desk.portal.faults = Faults(at={1: kind}, methods=[USER_ADD])
    _, run = desk.send(lines, JOIN)
    desk.assert_each_once(lines, run)
    refused, joined = [call.arrived_at for call in desk.portal.calls if call.method == USER_ADD]
    assert joined - refused > 0.8


def test_a_join_is_not_tried_for_ever(desk: Desk) -> None:
    """Where the speaker has joined and is refused all the same, the row fails."""
    lines = rows(1, chats=1)
    desk.portal.world.add_chat(5000, refuses="CANCELED")
    _, run = desk.send(lines, JOIN)
    assert desk.states(run) == [State.FAILED]
    assert "--join" not in desk.sentence(run, 0)
    assert [call.method for call in desk.portal.calls][1:] == [MESSAGE_ADD, USER_ADD, MESSAGE_ADD]
