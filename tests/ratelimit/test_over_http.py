"""The pace as the portal sees it: `send` in processes of its own, measured by when its calls arrive."""

from contextlib import ExitStack
from pathlib import Path

import pytest

from bulksend.sandbox import Limits, Operating, Sandbox
from tests.processes import Commands, read_results, write_sheet
from tests.ratelimit.conftest import FIRST_CHAT, Seen, Sending, Start
from tests.ratelimit.test_budget import least


@pytest.mark.parametrize(
    ("rate", "call_time", "count", "close"),
    [(10, 1.0, 25, 0.5), pytest.param(2, 2.0, 120, 0.98, marks=[pytest.mark.slow, pytest.mark.timeout(180)])],
)
def test_slow_calls_do_not_slow_the_pace(start: Start, rate: int, call_time: float, count: int, close: float) -> None:
    """Calls that take longer than the pace between them are in flight together: close to the rate, none refused."""
    with Sandbox(limits=Limits(rate=(50, rate)), call_time=call_time) as portal:
        sent = start(portal, count, "--rate", rate).end()
        seen = Seen(portal)
    assert sent.code == 0
    assert seen.each_once(count)
    assert seen.errors == []
    assert close * rate <= seen.rate <= (1 + (1 - close) / 2) * rate


@pytest.mark.parametrize("burst", [1, pytest.param(13, marks=pytest.mark.slow)])
def test_somebody_else_uses_half_of_the_bucket(start: Start, burst: int) -> None:
    """Refused now and then, it steps back and comes again: every row is sent, once, at its first counted attempt."""
    with Sandbox(limits=Limits(rate=(12, 6)), call_time=0.2) as portal:
        portal.other_traffic = 3
        sent = start(portal, 36, "--rate", 6, "--burst", burst).end()
        seen = Seen(portal)
    assert sent.code == 0, sent.said
    assert seen.each_once(36)
    assert seen.errors.count("QUERY_LIMIT_EXCEEDED") == len(seen.errors)
    assert 1 <= len(seen.errors) <= 20
    results = read_results(Path(sent.summary["results"]))
    assert {row["attempts"] for row in results} == {"1"}


def test_fast_uses_the_whole_bucket(start: Start) -> None:
    """51 calls at once and then two a second, and nothing is refused."""
    with Sandbox(limits=Limits(rate=(50, 2)), latency=0.2) as portal:
        sent = start(portal, 2_645, "--fast").end()
        seen = Seen(portal)
    assert sent.code == 0
    assert seen.each_once(2_645)
    assert seen.errors == []
    assert len(seen.calls) == 53
    assert seen.seconds < 10  # 26 at two a second alone


Case = tuple[Operating, int, list[object]]
"""A budget, how many rows are sent into it, and how."""

CASES: list[Case] = [
    (Operating(limit=2, window=3, cost=0.5), 15, ["--rate", 10]),
    (Operating(limit=2, window=3, cost=0.5), 15, ["--rate", 0, "--batch", 50]),
    (Operating(limit=10, window=3, cost=0.7), 40, ["--fast"]),
    (Operating(limit=1, window=2, cost=1.5), 4, []),
]
LONG_CASES: list[Case] = [
    (Operating(limit=5, window=10, cost=1), 30, ["--rate", 20]),
    (Operating(limit=5, window=10, cost=1), 30, []),
    (Operating(limit=20, window=10, cost=0.5), 150, ["--fast"]),
    (Operating(limit=20, window=10, cost=0.5), 150, ["--rate", 20]),
    (Operating(limit=60, window=20, cost=3), 60, ["--batch", 8]),
    (Operating(limit=100, window=15, cost=0.3), 1000, ["--fast", "--rate", 0]),
    (Operating(limit=4, window=10, cost=5), 4, []),
]


@pytest.mark.parametrize(
    ("cases", "slack"),
    [
        (CASES, 6.0),  # a busy machine is slow; how little longer it takes elsewhere is measured by the slow ones
        pytest.param(CASES, 0.1, marks=pytest.mark.slow),
        pytest.param(LONG_CASES, 0.1, marks=pytest.mark.slow),
    ],
)
def test_large_charges_and_a_short_window(start: Start, cases: list[Case], slack: float) -> None:
    """Every row is sent, none into an exhausted budget, and it takes little longer than the budget does."""
    with ExitStack() as stack:
        under_way: list[tuple[Sandbox, int, Sending]] = []
        for operating, count, options in cases:
            portal = stack.enter_context(Sandbox(limits=Limits(rate=None, operating=operating), latency=0.02))
            first = FIRST_CHAT + 10_000 * len(under_way)
            sending = start(portal, count, "--operating-limit", operating.limit, *options, first=first)
            under_way.append((portal, first, sending))
        ended = [(sending.end(), Seen(portal), first) for portal, first, sending in under_way]
    for (operating, count, _), (sent, seen, first) in zip(cases, ended, strict=True):
        assert sent.code == 0
        assert seen.each_once(count, first)
        assert seen.errors == []
        assert sum(call.commands for call in seen.calls) == count  # so none in a batch was refused either
        assert seen.total_seconds <= 1.1 * least(operating, count) + slack


def test_a_budget_that_is_smaller_than_thought(start: Start) -> None:
    """The portal's own refusals are heeded: wait for the reset, then go on; no row fails."""
    with Sandbox(limits=Limits(rate=None, operating=Operating(limit=1, window=2, cost=0.5)), latency=0.02) as portal:
        sent = start(portal, 8, "--rate", 0, "--operating-limit", 480).end()
        seen = Seen(portal)
    assert sent.code == 0
    assert seen.each_once(8)
    assert {row["attempts"] for row in read_results(Path(sent.summary["results"]))} == {"1"}


@pytest.mark.parametrize("options", [("--burst", 9), pytest.param((), marks=pytest.mark.slow)])
def test_two_campaigns_share_the_rate(start: Start, options: tuple[object, ...]) -> None:
    """Two processes, two sheets, one portal: together within the rate, nothing refused, neither of them starved."""
    with Sandbox(limits=Limits(rate=(8, 8)), call_time=0.3) as portal:
        one = start(portal, 16, "--rate", 8)
        other = start(portal, 16, "--rate", 8, *options, first=FIRST_CHAT + 16)
        codes = one.end().code, other.end().code
        seen = Seen(portal)
    assert codes == (0, 0)
    assert seen.each_once(32)
    assert seen.errors == []
    extra = 9 if options else 1
    for first in range(0, 24, 4):
        for last in range(first + 1, 32):
            assert last - first <= 8 * (seen.arrivals[last] - seen.arrivals[first] + 1.0) + extra


@pytest.mark.parametrize("list_batches", [False, True])
def test_a_batch_with_a_bad_row(commands: Commands, list_batches: bool) -> None:
    """49 rows sent, each with its own message's id, and one failed with the portal's code; lists are read too."""
    sheet = write_sheet(
        commands.folder / "sheet.csv",
        [("deal", chat, 404 if chat == 1030 else chat, "", f"Row {chat}") for chat in range(FIRST_CHAT, 1051)],
    )
    with Sandbox(limits=Limits.none()) as portal:
        portal.list_batches = list_batches
        ended = commands.run("send", sheet, "--portal", portal.webhook, "--yes", "--batch", 50)
        texts = {str(delivery.message_id): delivery.text for delivery in portal.ledger}
        calls = len(portal.calls)
    assert ended.code == 1
    assert calls == 2
    results = read_results(commands.folder / "sheet.results.csv")
    failed = [row for row in results if row["status"] != "sent"]
    assert [(row["CHAT_ID"], row["status"], row["error_code"]) for row in failed] == [
        ("404", "failed", "CHAT_NOT_IN_CRM")
    ]
    assert {row["message_id"]: row["MESSAGE"] for row in results if row["status"] == "sent"} == texts
    assert len(texts) == 49


@pytest.mark.slow
def test_a_slow_portal_gets_small_batches(start: Start) -> None:
    """At 1.2 s a call no batch takes more than 30 s, from the first batch on."""
    with Sandbox(limits=Limits(rate=(50, 2)), call_time=1.2) as portal:
        sent = start(portal, 120, "--fast").end()
        seen = Seen(portal)
    assert sent.code == 0
    assert seen.each_once(120)
    assert max(call.finished_at - call.arrived_at for call in seen.calls) <= 30
