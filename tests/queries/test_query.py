"""Many questions to the portal: packed, at its pace, asked again where that does no harm."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from bulksend.portal import methods
from bulksend.portal.outcomes import Outcome, Verdict
from bulksend.queries.query import QueryError, QueryProgress
from bulksend.ratelimit.limiter import RateLimit
from bulksend.sandbox import Faults, Limits, Sandbox, World
from bulksend.sandbox.limits import Operating
from tests.clocks import PROGRAM, Clock
from tests.ports import unused_port
from tests.processes import Commands, end, until
from tests.queries.conftest import asking, write_sheet

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

CHAT_GET = methods.CHAT_GET


def deals(count: int) -> World:
    """Deals 1, 2, 3 and so on, whose chats are 1001, 1002, 1003 and so on."""
    world = World.closed()
    for deal in range(1, count + 1):
        world.add_entity("deal", deal, chats=[1000 + deal])
    return world


def questions(count: int) -> list[methods.Call]:
    """Ask for the chats of as many deals."""
    return [methods.chat_get("deal", deal) for deal in range(1, count + 1)]


def chats(outcomes: list[Outcome]) -> list[int]:
    """The chats that were answered, in order."""
    return [methods.read_chats(outcome.result)[0].id for outcome in outcomes]


def expected(count: int) -> list[int]:
    """The chats of as many deals."""
    return [1000 + deal for deal in range(1, count + 1)]


def test_a_thousand_questions_take_twenty_requests(tmp_path: Path) -> None:
    """Fifty to a request, each answered once and in order."""
    with Sandbox(world=deals(1000), limits=Limits.none()) as portal, asking(portal, tmp_path) as queries:
        assert chats(list(queries.ask(questions(1000)))) == expected(1000)
        assert len(portal.calls) == 20


def test_one_question_alone_is_a_plain_call(tmp_path: Path) -> None:
    """A batch of one would hide the method from whoever reads the portal's log."""
    with Sandbox(world=deals(1)) as portal, asking(portal, tmp_path) as queries:
        assert chats(list(queries.ask(questions(1)))) == [1001]
        assert [call.method for call in portal.calls] == [CHAT_GET]


def test_no_questions_make_no_calls(tmp_path: Path) -> None:
    """Nothing is asked of the portal, and nothing answered."""
    with Sandbox() as portal, asking(portal, tmp_path) as queries:
        assert list(queries.ask([])) == []
        assert portal.calls == []


def test_questions_keep_to_the_pace(tmp_path: Path) -> None:
    """Requests leave at the rate, and a portal that takes long for each does not slow them."""
    rate_limit = RateLimit(rate=10)
    with (
        Sandbox(world=deals(500), limits=Limits.none(), latency=0.6) as portal,
        asking(portal, tmp_path, rate_limit) as queries,
    ):
        began = time.monotonic()
        assert chats(list(queries.ask(questions(500)))) == expected(500)
        took = time.monotonic() - began
        arrived = [call.arrived_at for call in portal.calls]
    assert len(arrived) == 10
    assert 0.7 < arrived[-1] - arrived[0] < 4.0
    assert took < 5.0  # one after another they would take 6


@pytest.mark.parametrize(
    "kind",
    ["close_before", "close_after", "error500_before", "error500_after", "html502_after", "cut_body", "broken_json"],
)
def test_a_lost_answer_is_asked_for_again(tmp_path: Path, kind: str) -> None:
    """Nothing is changed by a question, so it may be asked twice."""
    faults = Faults(at={1: kind, 3: kind})
    with Sandbox(world=deals(150), limits=Limits.none(), faults=faults) as portal, asking(portal, tmp_path) as queries:
        assert chats(list(queries.ask(questions(150)))) == expected(150)


@pytest.mark.parametrize("kind", ["query_limit", "query_limit_200"])
def test_a_refusal_for_the_rate_is_waited_out(tmp_path: Path, kind: str) -> None:
    """The pace steps back, and what was refused is asked again."""
    with Sandbox(world=deals(60), faults=Faults(at={1: kind})) as portal, asking(portal, tmp_path) as queries:
        assert chats(list(queries.ask(questions(60)))) == expected(60)


def test_the_clock_is_set_back(tmp_path: Path) -> None:
    """Questions go on at their pace while it is an hour earlier."""
    commands, clock = Commands(tmp_path, PROGRAM), Clock(tmp_path)
    sheet = write_sheet(tmp_path / "sheet.csv", [("deal", deal, "", "Hello") for deal in range(1, 401)])
    with Sandbox(world=deals(400)) as portal:
        process = commands.start("lookup", sheet, "--portal", portal.webhook, "--yes", changes=clock.changes)
        for _ in until(20):
            if len(portal.calls) >= 5:
                break
        clock.set(-3600.0)
        ended = end(process)  # long before the hour is over
        assert len(portal.calls) > 5
    assert ended.code == 0, ended.said


def test_an_execution_time_budget_is_kept_to(tmp_path: Path) -> None:
    """What answers tell of the budget is heeded: no call leaves into an exhausted one twice over."""
    limits = Limits(rate=None, operating=Operating(limit=1.0, window=2.0, other_cost=0.02))
    rate_limit = RateLimit(rate=0, operating_limit=1.0)
    told: list[QueryProgress] = []
    with (
        Sandbox(world=deals(120), limits=limits) as portal,
        asking(portal, tmp_path, rate_limit, max_in_flight=1, on_progress=told.append) as queries,
    ):
        assert chats(list(queries.ask(questions(120), total=120))) == expected(120)
        assert len(portal.calls) <= 6
    assert any("execution-time" in moment.waiting for moment in told)


def test_calls_of_one_method_go_together(tmp_path: Path) -> None:
    """Execution time is counted by method, so a request that waits for one method's does not use up another's."""
    calls = [call for chat in range(1001, 1031) for call in (methods.history_get(chat), methods.dialog_get(chat))]
    calls.sort(key=lambda call: call[0])
    with Sandbox(world=deals(30), limits=Limits.none()) as portal, asking(portal, tmp_path) as queries:
        assert all(outcome.verdict is Verdict.DONE for outcome in queries.ask(calls))
        assert [call.commands for call in portal.calls] == [30, 30]


def test_a_question_that_breaks_the_portal_is_left_open_and_the_others_answered(tmp_path: Path) -> None:
    """What is lost over and over is not known; it does not hold up what comes after it."""
    faults = Faults(at=dict.fromkeys([1, 2], "error500_after"), methods=[CHAT_GET])
    with Sandbox(world=deals(3), limits=Limits.none(), faults=faults) as portal, asking(portal, tmp_path) as queries:
        (lost,) = queries.ask(questions(1), tries=2)
        assert lost.verdict is Verdict.NOT_KNOWN
        assert chats(list(queries.ask(questions(3)))) == expected(3)


def test_one_refused_question_does_not_end_the_others(tmp_path: Path) -> None:
    """An entity that may not be read is refused by itself."""
    world = deals(3)
    world.add_entity("deal", 2, forbidden=True)
    with Sandbox(world=world) as portal, asking(portal, tmp_path) as queries:
        outcomes = list(queries.ask(questions(3)))
    assert [outcome.verdict for outcome in outcomes] == [Verdict.DONE, Verdict.REFUSED, Verdict.DONE]
    assert outcomes[1].code == "ACCESS_DENIED"


def test_what_refuses_every_question_ends_it_at_once(tmp_path: Path) -> None:
    """A webhook without the right, a revoked one: one sentence, and no more than one round of calls."""
    with Sandbox(world=deals(1000)) as portal, asking(portal, tmp_path, RateLimit(rate=0.1)) as queries:
        portal.scopes = ["crm"]
        with pytest.raises(QueryError, match="imopenlines"):
            list(queries.ask(questions(1000)))
        assert len(portal.calls) == 1


def test_a_portal_that_cannot_be_reached_ends_it_at_once(tmp_path: Path) -> None:
    """Nothing listens at the address: said at once, not after a minute of trying."""
    began = time.monotonic()
    with (
        unused_port() as port,
        asking(f"http://127.0.0.1:{port}/rest/27/secret/", tmp_path) as queries,
        pytest.raises(QueryError, match="could not be reached") as ended,
    ):
        list(queries.ask(questions(10)))
    assert time.monotonic() - began < 10
    assert ended.value.outcome.code == "PORTAL_UNREACHABLE"


def test_an_outage_in_the_middle_is_waited_out(tmp_path: Path) -> None:
    """A network that goes for a second does not throw away what was asked so far."""
    with (
        Sandbox(world=deals(200), limits=Limits.none()) as portal,
        asking(portal, tmp_path, max_in_flight=1) as queries,
    ):
        answers = queries.ask(questions(200))
        first = [next(answers) for _ in range(50)]
        portal.stop()
        portal.start()
        assert chats([*first, *answers]) == expected(200)


def test_progress_is_told(tmp_path: Path) -> None:
    """Whoever watches learns how many are answered, of how many."""
    told: list[QueryProgress] = []
    with Sandbox(world=deals(120)) as portal, asking(portal, tmp_path, on_progress=told.append) as queries:
        list(queries.ask(questions(120), total=120))
    assert {moment.total for moment in told} == {120}
    assert [moment.done for moment in told] == sorted(moment.done for moment in told)
    assert told[-1].done == 120


def test_questions_are_taken_as_they_are_needed(tmp_path: Path) -> None:
    """A million entities need not be there at once: no more are read ahead than can be asked."""
    taken = 0

    def endless() -> Iterator[methods.Call]:
        nonlocal taken
        while True:
            taken += 1
            yield methods.chat_get("deal", 1)

    with Sandbox(world=deals(1), limits=Limits.none()) as portal, asking(portal, tmp_path) as queries:
        answers = queries.ask(endless())
        for _ in range(100):
            next(answers)
        assert taken < 10_000
