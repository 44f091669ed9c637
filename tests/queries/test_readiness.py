"""What a preflight says of each row is what sending then meets, and what becomes of the message afterwards."""

from __future__ import annotations

import itertools
import time
from typing import TYPE_CHECKING, Any

from bulksend.campaign import Campaign
from bulksend.cli import run
from bulksend.journal import Delivery, State
from bulksend.plan import SheetOptions, examine
from bulksend.queries.lookup import look_up
from bulksend.queries.preflight import check_online, rows_of_plan
from bulksend.queries.verify import verify
from bulksend.sandbox import Limits, Sandbox, World
from bulksend.sandbox.special import CHATS
from bulksend.sender.options import Options
from tests.queries.conftest import UNLIMITED, asking, read_sheet, target_of, write_sheet
from tests.test_samples import SAMPLES

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

STATUSES = (0, 5, 10, 20, 25, 40, 50, 60, 65, 69, 75)
CONNECTORS = ("livechat", "telegrambot", "viber", "vkgroup")
WINDOWS: tuple[dict[str, Any], ...] = (
    {},
    {"closes_in": 90_000},
    {"closes_in": -60},
    {"closes_in": -60, "block_reason": "USER"},
)
OWNERS = ("own", "another's", "forbidden")


def test_every_verdict_is_what_sending_meets(tmp_path: Path) -> None:
    """Every status over every channel, in silent mode or not, with every window: refused or sent, reached or not."""
    world = World.closed()
    world.add_channel("telegrambot", confirms_after=0)
    rows: list[tuple[str, int, int, str]] = []
    line_off: set[int] = set()
    kinds = itertools.product(STATUSES, CONNECTORS, (False, True), WINDOWS, OWNERS)
    for number, (status, connector, silent, window, owner) in enumerate(kinds, 1):
        if owner != "own" and (silent or status not in {40, 60}):
            continue
        world.add_entity("deal", number, forbidden=owner == "forbidden")
        entity = number if owner != "another's" else 100_000 + number
        world.add_chat(number, "deal", entity, status=status, connector=connector, silent=silent, **window)
        if connector == "vkgroup":
            line_off.add(len(rows))
        rows.append(("deal", number, number, f"Hello {number}"))
    plan = examine(write_sheet(tmp_path / "kinds.csv", rows), SheetOptions())
    with Sandbox(world=world, limits=Limits.none()) as portal, asking(portal, tmp_path) as queries:
        findings = check_online(rows_of_plan(plan), queries)
        with Campaign.enter(queries.journal, plan, target_of(portal.webhook)) as campaign:
            campaign.send(Options(rate_limit=UNLIMITED, batch=50, same_refusals=None))
            verify(campaign.id, queries)
            met = list(queries.journal.outcomes(campaign.id))
    refusals = {
        "CHAT_NOT_IN_CRM": "CHAT_NOT_IN_CRM",
        "DIALOG_FINISHED": "CHAT_NOT_IN_CRM",
        "ACCESS_DENIED": "ACCESS_DENIED",
    }
    assert {row.n: row.error_code for row in met if row.state is State.FAILED} == {
        place: refusals[code] for place, (code, _) in findings.refused.items()
    }
    for row in met:
        code = findings.warnings.get(row.n, ("",))[0]
        if row.state is State.SENT and row.n not in line_off:  # no question can tell that a line is switched off
            assert (code, row.delivery) in {
                ("", Delivery.DELIVERED),
                ("SILENT_MODE", Delivery.HIDDEN),
                ("CHANNEL_CLOSED", Delivery.SENDING),
            }
    assert {code for code, _ in findings.refused.values()} == set(refusals)
    assert {code for code, _ in findings.warnings.values()} == {"SILENT_MODE", "CHANNEL_CLOSED"}
    assert set(findings.refused) & set(findings.warnings) == set()


def test_the_sample_of_dialogs(tmp_path: Path) -> None:
    """Each of the sandbox's chats is told apart, in words that are true of it."""
    plan = examine(SAMPLES / "dialogs.csv", SheetOptions())
    with Sandbox(world=World.from_rows(plan.sandbox_rows())) as portal, asking(portal, tmp_path) as queries:
        findings = check_online(rows_of_plan(plan), queries, plan.report, turn=float)
        reopening = check_online(rows_of_plan(plan), queries, reopen=True)
        assert portal.ledger == []
        assert portal.world.starts == []
    places = {row.row.chat_id: row.place for row in rows_of_plan(plan)}
    told = {chat: ({**findings.refused, **findings.warnings}).get(place, ("",))[0] for chat, place in places.items()}
    said = {chat: CHATS[chat].words for chat in told if chat in CHATS}
    for chat, words in said.items():
        code = told[chat]
        if "channel is switched off" in words or "channel that is switched off" in words or "colleagues" in words:
            assert code == "CHAT_NOT_IN_CRM", words
        elif CHATS[chat].answer == "CHAT_NOT_IN_CRM":
            assert code == "DIALOG_FINISHED", words
    kinds = {"SILENT_MODE": {425}, "CHANNEL_CLOSED": {431, 432}, "CHANNEL_CLOSING": {430}}
    assert {code: {chat for chat, found in told.items() if found == code} for code in kinds} == kinds
    assert findings.warnings[places[432]][1].count("(the customer has forbidden them)") == 1
    assert "closed since 20" in findings.warnings[places[431]][1]
    assert "chat 430, open until 20" in next(line for line in plan.report.lines() if "CHANNEL_CLOSING" in line)
    # With the dialogs started again, none of those refuses a row; the more so it is said that nobody would get it.
    assert {code for code, _ in reopening.refused.values()} == {"CHAT_NOT_IN_CRM"}
    assert reopening.warnings[places[407]][0] == "DIALOG_FINISHED"
    assert reopening.warnings[places[434]][0] == "CHANNEL_CLOSED"


def test_windows_close_by_the_portals_clock(tmp_path: Path) -> None:
    """A computer whose clock is wrong does not take an open channel for a closed one, or the other way round."""
    world = World.closed()
    world.clock_skew = 3600.0
    world.add_chat(1, "deal", 1, closes_in=600)
    world.add_chat(2, "deal", 2, closes_in=-600)
    plan = examine(write_sheet(tmp_path / "a.csv", [("deal", 1, 1, "Hello"), ("deal", 2, 2, "Hello")]), SheetOptions())
    with Sandbox(world=world, limits=Limits.none()) as portal, asking(portal, tmp_path) as queries:
        found = check_online(rows_of_plan(plan), queries).warnings
        assert {place: code for place, (code, _) in found.items()} == {1: "CHANNEL_CLOSED"}
        ten_minutes_ago = time.strftime("%Y-%m-%d %H:", time.localtime(time.time() - 600))
        assert f"closed since {ten_minutes_ago}" in found[1][1]
        found = check_online(rows_of_plan(plan), queries, turn=lambda _: 700.0).warnings
        assert found[0][0] == "CHANNEL_CLOSING"


def test_requests_for_a_thousand_chats(tmp_path: Path) -> None:
    """At most three calls a row, in full batches: at two requests a second it takes less than a minute."""
    world = World.closed()
    for deal in range(1, 1001):
        world.add_chat(1000 + deal, "deal", deal, status=60 if deal % 2 else 40)
    rows = [("deal", deal, 1000 + deal, "Hello") for deal in range(1, 1001)]
    plan = examine(write_sheet(tmp_path / "many.csv", rows), SheetOptions())
    with Sandbox(world=world, limits=Limits.none()) as portal, asking(portal, tmp_path) as queries:
        findings = check_online(rows_of_plan(plan), queries, reopen=True)
        assert len(portal.calls) <= 60
    assert findings.refused == {}
    assert len(findings.warnings) == 500


def test_chats_that_were_just_found(tmp_path: Path) -> None:
    """That they are active is known; whether the customer gets the message is not."""
    world = World.closed()
    world.add_chat(1, "deal", 1, silent=True)
    sheet = write_sheet(tmp_path / "a.csv", [("deal", 1, "Hello")], ("CRM_ENTITY_TYPE", "CRM_ENTITY", "MESSAGE"))
    plan = examine(sheet, SheetOptions(without_chats=True))
    with Sandbox(world=world, limits=Limits.none()) as portal, asking(portal, tmp_path) as queries:
        plan = look_up(plan, queries)
        findings = check_online(rows_of_plan(plan), queries)
        assert len(portal.calls) == 2
    assert findings.warnings[0][0] == "SILENT_MODE"


def test_a_copy_of_the_sheet_says_it_of_each_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`check --online --results`: warnings stand beside their rows, which have no status."""
    monkeypatch.setenv("BULKSEND_HOME", str(tmp_path / "home"))
    copy = tmp_path / "copy.csv"
    assert (
        run(
            [
                "check",
                str(SAMPLES / "dialogs.csv"),
                "--online",
                "--portal",
                "sandbox",
                "--rate",
                "1",
                "--results",
                str(copy),
            ]
        )
        == 1
    )
    told = {row["CHAT_ID"]: (row["status"], row["error_code"]) for row in read_sheet(copy)}
    assert told["407"] == ("invalid", "DIALOG_FINISHED")
    assert told["422"] == ("invalid", "CHAT_NOT_IN_CRM")
    assert told["425"] == ("", "SILENT_MODE")
    assert told["430"] == ("", "CHANNEL_CLOSING")
    assert told["412"] == ("", "")
