"""What is found out before anything is sent."""

from __future__ import annotations

import http.server
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from bulksend.campaign import Campaign
from bulksend.journal import Counts
from bulksend.plan import SheetOptions, examine
from bulksend.queries.preflight import check_online, probe, rows_of_plan
from bulksend.ratelimit.limiter import RateLimit
from bulksend.sandbox import Faults, Limits, Sandbox, World
from bulksend.sender.options import Options
from bulksend.validation.messages import describe
from tests.ports import unused_port
from tests.queries.conftest import UNLIMITED, asking, read_sheet, target_of, write_sheet

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


# The portal and the credentials


def test_a_portal_that_is_ready_says_who_speaks(tmp_path: Path) -> None:
    """One HTTP request tells who the webhook speaks as and what it may use."""
    with Sandbox() as portal, asking(portal, tmp_path) as queries:
        standing = probe(queries)
        assert standing.good
        assert (standing.user_id, standing.name, standing.admin) == (27, "Sandbox Operator", True)
        assert "imopenlines" in standing.scopes
        assert len(portal.calls) == 1


def test_a_missing_scope_is_named(tmp_path: Path) -> None:
    """The sentence names the right to give, and who speaks is still told."""
    with Sandbox() as portal, asking(portal, tmp_path) as queries:
        portal.scopes = ["crm", "im"]
        standing = probe(queries)
    assert (standing.code, standing.user_id) == ("insufficient_scope", 27)
    assert "`imopenlines`" in standing.sentence


@pytest.mark.parametrize(
    ("refusal", "words"),
    [
        ("no_auth", "revoked or mistyped"),
        ("invalid_credentials", "webhook is wrong"),
        ("overload", "blocked REST"),
        ("commercial_plan", "commercial plan"),
        ("user_access", "may not use the application"),
        ("portal_deleted", "closed or deleted"),
        ("no_module", "does not know this method"),
    ],
)
def test_what_the_portal_refuses_is_said_with_what_to_do(tmp_path: Path, refusal: str, words: str) -> None:
    """One sentence for each refusal, after one call."""
    with Sandbox() as portal, asking(portal, tmp_path) as queries:
        portal.refusal = refusal
        standing = probe(queries)
        assert words in standing.sentence
        assert standing.user_id == 0
        assert len(portal.calls) == 1


def test_a_wrong_webhook_is_said_at_once_without_its_secret(tmp_path: Path) -> None:
    """A mistyped secret: what to do, and nothing of the secret in it."""
    with Sandbox(secret="realsecret") as portal:
        wrong = portal.webhook.replace("realsecret", "wr0ngsecret")
        began = time.monotonic()
        with asking(wrong, tmp_path) as queries:
            standing = probe(queries)
    assert time.monotonic() - began < 10
    assert "webhook" in standing.sentence
    assert "wr0ngsecret" not in standing.sentence


def test_an_expired_webhook_says_so_once(tmp_path: Path) -> None:
    """A webhook has nothing to renew itself with: a new one is needed."""
    with Sandbox(faults=Faults({"expired_token": 1.0})) as portal, asking(portal, tmp_path) as queries:
        standing = probe(queries)
        assert standing.code.upper() == "EXPIRED_TOKEN"
        assert "Make a new one" in standing.sentence
        assert standing.sentence.count("Make a new one") == 1


def test_nothing_listening_is_said_at_once(tmp_path: Path) -> None:
    """The address is the portal's, but nobody answers."""
    began = time.monotonic()
    with unused_port() as port, asking(f"http://127.0.0.1:{port}/rest/27/secret/", tmp_path) as queries:
        standing = probe(queries)
    assert time.monotonic() - began < 10
    assert standing.code == "PORTAL_UNREACHABLE"
    assert "Check its address and the network" in standing.sentence


@contextmanager
def server(status: int, body: bytes) -> Iterator[str]:
    """Something on the web that is no portal; gives a webhook's address on it."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    web = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=web.serve_forever, args=(0.01,), daemon=True).start()
    try:
        yield f"http://127.0.0.1:{web.server_port}/rest/27/s3cret/"
    finally:
        web.shutdown()
        web.server_close()


@pytest.mark.parametrize(
    ("status", "body", "code"),
    [
        (200, b"<html><body>Sign in</body></html>", "NOT_THE_PORTAL"),
        (404, b"<html>Not found</html>", "NOT_A_REST_ADDRESS"),
        (200, b'{"hello": "world"}', "ANSWER_LOST"),
        (200, b'{"result": {"hello": "world"}}', "ANSWER_LOST"),
        (200, b"It works!", "ANSWER_LOST"),
        (302, b"", "REDIRECTED"),
        (502, b"<html>Bad gateway</html>", "GATEWAY_ERROR"),
    ],
)
def test_what_is_no_portal_is_told_apart(tmp_path: Path, status: int, body: bytes, code: str) -> None:
    """A sign-in page, another server, a gateway: one sentence, at once."""
    with server(status, body) as address, asking(address, tmp_path) as queries:
        began = time.monotonic()
        standing = probe(queries)
        assert time.monotonic() - began < 10
    assert standing.code == code
    assert standing.sentence.endswith(".")
    assert "s3cret" not in standing.sentence


# The rows


def world_of_eighteen() -> World:
    """40 deals of which 10 have finished chats, 5 another's chat, and 3 may not be read."""
    world = World.closed()
    for deal in range(1, 41):
        world.add_entity("deal", deal, chats=[1000 + deal], forbidden=deal in {31, 32, 33})
    for deal in range(1, 11):
        world.add_chat(1000 + deal, status=60)
    return world


def sheet_of_eighteen(folder: Path) -> Path:
    """A row for each deal; deals 11 to 15 name the chat of their neighbour's neighbour."""
    rows = [("deal", deal, 1000 + deal + (20 if 11 <= deal <= 15 else 0), f"Hello {deal}") for deal in range(1, 41)]
    return write_sheet(folder / "deals.csv", rows)


WRONG = {f"{deal + 1}" for deal in [*range(1, 16), 31, 32, 33]}
"""The sheet's numbers of the rows that would be refused."""


def test_exactly_the_rows_that_would_be_refused_are_named(tmp_path: Path) -> None:
    """10 finished, 5 of another entity, 3 forbidden: 18 rows, in the words of the offline report, nothing sent."""
    plan = examine(sheet_of_eighteen(tmp_path), SheetOptions())
    with Sandbox(world=world_of_eighteen()) as portal, asking(portal, tmp_path) as queries:
        findings = check_online(rows_of_plan(plan), queries, plan.report)
        assert portal.ledger == []
        assert {call.method for call in portal.calls} == {"batch"}
        assert len(portal.calls) == 3
    assert {str(number) for number in findings.numbers} == WRONG
    assert {code for code, _ in findings.refused.values()} == {"DIALOG_FINISHED", "CHAT_NOT_IN_CRM", "ACCESS_DENIED"}
    assert findings.refused[0] == ("DIALOG_FINISHED", describe("DIALOG_FINISHED"))
    assert (findings.rows, findings.entities, findings.unanswered) == (40, 40, 0)
    assert plan.report.good == 22
    assert [(group.code, group.count) for group in plan.report.problems] == [
        ("CHAT_NOT_IN_CRM", 5),
        ("DIALOG_FINISHED", 10),
        ("ACCESS_DENIED", 3),
    ]
    assert "chat 1001 of deal 1" in plan.report.lines()[1]


def test_the_others_are_sent_and_the_results_say_why(tmp_path: Path) -> None:
    """What the preflight refused is invalid in the results, with its code and words; every other row is sent."""
    plan = examine(sheet_of_eighteen(tmp_path), SheetOptions())
    with Sandbox(world=world_of_eighteen(), limits=Limits.none()) as portal, asking(portal, tmp_path) as queries:
        target = target_of(portal.webhook)
        refused = check_online(rows_of_plan(plan), queries).refused
        with Campaign.enter(queries.journal, plan, target, refused=refused) as campaign:
            assert campaign.run.counts.invalid == 18
            campaign.send(Options(rate_limit=UNLIMITED))
            results = campaign.write_results()
            counts = campaign.run.counts
        assert counts == Counts(sent=22, invalid=18)
        assert len(portal.ledger) == 22
        # A customer writes again, so that the chat is open once more.
        for deal in range(1, 11):
            portal.world.add_chat(1000 + deal, status=40)
        run = queries.journal.run(campaign.id)
        with Campaign.resume(queries.journal, run, target, retry=True) as campaign:
            assert campaign.run.counts.pending == 18
            campaign.send(Options(rate_limit=UNLIMITED))
            assert campaign.run.counts == Counts(sent=32, failed=8)
    told = {row["CRM_ENTITY"]: row for row in read_sheet(results)}
    assert {row["status"] for row in told.values()} == {"sent", "invalid"}
    assert (told["1"]["status"], told["1"]["error_code"]) == ("invalid", "DIALOG_FINISHED")
    assert told["31"]["error_code"] == "ACCESS_DENIED"
    assert told["31"]["error_description"] == describe("ACCESS_DENIED")


def test_only_pending_rows_can_be_made_invalid(tmp_path: Path) -> None:
    """A row that was sent meanwhile stays sent, whatever a preflight found."""
    plan = examine(write_sheet(tmp_path / "one.csv", [("deal", 1, 1001, "Hello")]), SheetOptions())
    with Sandbox(world=world_of_eighteen(), limits=Limits.none()) as portal, asking(portal, tmp_path) as queries:
        portal.world.add_chat(1001, status=40)
        with Campaign.enter(queries.journal, plan, target_of(portal.webhook)) as campaign:
            campaign.send(Options(rate_limit=UNLIMITED))
            assert queries.journal.leave_out(campaign.id, {0: ("CHAT_NOT_IN_CRM", "x")}) == 0
            assert campaign.run.counts == Counts(sent=1)


def test_each_entity_is_asked_for_once(tmp_path: Path) -> None:
    """A thousand rows of ten deals and eleven chats: a request for each kind of question."""
    rows = [("deal", 21 + row % 10, 1021 + row % 10 + (row == 500), f"Hello {row}") for row in range(1000)]
    plan = examine(write_sheet(tmp_path / "many.csv", rows), SheetOptions())
    with Sandbox(world=world_of_eighteen()) as portal, asking(portal, tmp_path) as queries:
        findings = check_online(rows_of_plan(plan), queries)
        assert [call.commands for call in portal.calls] == [10, 1, 10]
    assert findings.entities == 10
    assert set(findings.refused) == {500}


def test_rows_that_are_wrong_already_are_not_asked_for(tmp_path: Path) -> None:
    """Problems that need no portal come first; the places of the others stay right."""
    rows = [("deal", "x", 1001, "Hello"), ("deal", 1, 1001, "Hello"), ("deal", 40, 1040, ""), ("deal", 39, 1039, "Hi")]
    plan = examine(write_sheet(tmp_path / "some.csv", rows), SheetOptions())
    with Sandbox(world=world_of_eighteen()) as portal, asking(portal, tmp_path) as queries:
        findings = check_online(rows_of_plan(plan), queries, plan.report)
    assert (set(findings.refused), findings.numbers, findings.rows) == ({1}, (3,), 2)
    assert plan.report.good == 1


def test_what_the_portal_does_not_tell_is_a_warning(tmp_path: Path) -> None:
    """A row is not refused because an answer broke: it can be sent, and the portal decides."""
    faults = Faults({"error500_after": 1.0}, methods=["imopenlines.crm.chat.get"])
    plan = examine(write_sheet(tmp_path / "one.csv", [("deal", 40, 1040, "Hello")]), SheetOptions())
    with Sandbox(world=world_of_eighteen(), faults=faults) as portal, asking(portal, tmp_path) as queries:
        findings = check_online(rows_of_plan(plan), queries, plan.report)
    assert findings.unanswered == 1
    assert not findings.refused
    assert [group.code for group in plan.report.warnings] == ["NOT_CHECKED"]
    assert plan.report.good == 1


def test_a_hundred_entities_a_second_at_the_default_rate(tmp_path: Path) -> None:
    """200 entities and their chats are eight requests: the last leaves three and a half seconds after the first."""
    world = World.closed()
    for deal in range(1, 201):
        world.add_entity("deal", deal, chats=[1000 + deal])
    rows = [("deal", deal, 1000 + deal, "Hello") for deal in range(1, 201)]
    plan = examine(write_sheet(tmp_path / "many.csv", rows), SheetOptions())
    with Sandbox(world=world, latency=1.0) as portal, asking(portal, tmp_path, RateLimit()) as queries:
        began = time.monotonic()
        assert check_online(rows_of_plan(plan), queries).refused == {}
        assert time.monotonic() - began < 20  # one by one it would be 200
        assert len(portal.calls) == 8
