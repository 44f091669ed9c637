"""The metrics: read by Prometheus's own parser, from the page and from a server beside a worker."""

import re
import socket
import subprocess
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.openmetrics.exposition import generate_latest as openmetrics
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parsed
from prometheus_client.parser import text_string_to_metric_families as parsed_as_text

import bulksend.metrics
from bulksend.campaign import Campaign
from bulksend.journal import Change, Journal, SlotGrant, State
from bulksend.metrics import metrics_registry
from bulksend.plan import SheetOptions, examine
from bulksend.portal.authorisation import parse_webhook
from bulksend.ratelimit.limiter import RateLimit
from bulksend.sandbox import Limits, Sandbox
from bulksend.sandbox.limits import Operating
from bulksend.sender.options import Options
from bulksend.target import Target
from tests.jobs.conftest import database, server
from tests.ports import unused_port
from tests.processes import Commands, PortalProcess, rows, wait_until, write_sheet
from tests.team import Team
from tests.web.conftest import PageProcess

__all__ = ["database", "server"]

Values = dict[tuple[str, str], float]
OPENMETRICS = {"Accept": "application/openmetrics-text; version=1.0.0"}
IN_TURN = Options(rate_limit=RateLimit(rate=0), same_refusals=None, max_in_flight=1)
"""One call after another: answers that refuse a row do not say what it cost, those after it do."""


def values(text: str) -> Values:
    """Each sample by its name and its labels' values; none is there twice."""
    samples = [
        ((sample.name, " ".join(value for _, value in sorted(sample.labels.items()))), sample.value)
        for family in parsed(text)
        for sample in family.samples
    ]
    assert [key for key, times in Counter(key for key, _ in samples).items() if times > 1] == []
    return dict(samples)


def now(source: CollectorRegistry) -> Values:
    """What the metrics say at this moment."""
    return values(openmetrics(source).decode())


def send(journal: Path, portal: Sandbox, sheet: Path, *, only_enter: bool = False) -> int:
    """Enter a sheet as a campaign on a portal that is saved as `crm`, and send it; its number."""
    caller = parse_webhook(portal.webhook)
    plan = examine(sheet, SheetOptions())
    target = Target(caller.portal, "crm", caller, 27)
    with Journal(journal) as opened, Campaign.enter(opened, plan, target) as campaign:
        if not only_enter:
            campaign.send(IN_TURN)
        return campaign.id


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the journal is to be."""
    (tmp_path / "home").mkdir()
    return tmp_path / "home" / "journal.db"


@pytest.fixture
def portal() -> Sandbox:
    """A portal that tells of its execution time."""
    portal = Sandbox(limits=Limits(rate=None, operating=Operating(cost=2.0)))
    portal.world.add_chat(5001, "deal", 1001, status=60)
    return portal


@pytest.fixture
def journal(path: Path, tmp_path: Path, portal: Sandbox) -> Path:
    """Two campaigns: one of which a row was refused, one of which nothing was sent yet."""
    with portal:
        send(path, portal, write_sheet(tmp_path / "a.csv", rows(4, 4, "Confidential")))
        send(path, portal, write_sheet(tmp_path / "b.csv", rows(4, 4, "Classified")), only_enter=True)
    return path


def leave(journal: Path, run_id: int, seconds_ago: float, *, then: State = State.SENDING) -> None:
    """A row leaves, and no answer comes: its process has died, or waits."""
    with Journal(journal) as opened:
        opened.acquire(run_id, {})
        row, run, at = opened.open_rows(run_id, State.PENDING, -1, 1)[0], opened.run(run_id), opened.now() - seconds_ago
        opened.leave(
            run_id,
            [row],
            portal=run.portal,
            take=lambda state, _: SlotGrant(state, 1),
            at=at,
            portal_time=None,
            again=False,
            since=at,
        )
        if then is not State.SENDING:
            opened.apply(run_id, [Change(row.n, State.SENDING, then)])
        opened.release(run_id, "")


def test_what_they_say(journal: Path, portal: Sandbox) -> None:
    """Rows by outcome, campaigns by state, pace, budget left, oldest doubt; in both formats, with help and type."""
    source = metrics_registry(journal)
    found = now(source)
    host = parse_webhook(portal.webhook).portal
    assert [found["bulksend_rows", status] for status in ("sent", "failed", "not_sent", "unknown")] == [3, 1, 4, 0]
    assert found["bulksend_campaigns", "finished"] == found["bulksend_campaigns", "waiting"] == 1
    assert found["bulksend_campaigns", "sending"] == 0
    assert found["bulksend_pace_rows_per_second", host] == 0
    assert found["bulksend_oldest_doubt_seconds", ""] == 0
    left = f"webhook 27 imopenlines.crm.message.add {host}"
    assert found["bulksend_execution_time_left_seconds", left] == 480 - 4 * 2
    plain = {sample.name for family in parsed_as_text(generate_latest(source).decode()) for sample in family.samples}
    assert plain == {name for name, _ in found}
    assert {(family.type, bool(family.documentation)) for family in parsed(openmetrics(source).decode())} == {
        ("gauge", True)
    }


def test_an_empty_journal(path: Path) -> None:
    """Every count is there from the start, as 0: a program that watches need not tell nothing from no answer."""
    found = now(metrics_registry(path))
    assert set(found.values()) == {0}
    assert len([name for name, _ in found if name == "bulksend_rows"]) == 6
    assert len([name for name, _ in found if name == "bulksend_campaigns"]) == 4


def test_no_text_and_no_secret(journal: Path, portal: Sandbox) -> None:
    """Nor the name of a sheet, nor a customer's chat."""
    source = metrics_registry(journal)
    for said in (openmetrics(source).decode(), generate_latest(source).decode()):
        secret = portal.webhook.rstrip("/").rpartition("/")[2]
        assert [word for word in ("Confidential", "Classified", ".csv", secret, "5001") if word in said] == []


def test_two_portals_that_were_saved_under_one_name(path: Path, tmp_path: Path) -> None:
    """Are told apart: a name is saved on one machine, and can be saved anew for another portal."""
    hosts = set()
    for name in ("a", "b"):
        with Sandbox(limits=Limits(rate=None, operating=Operating())) as portal:
            send(path, portal, write_sheet(tmp_path / f"{name}.csv", rows(2, 2, name)))
            hosts.add(parse_webhook(portal.webhook).portal)
    found = now(metrics_registry(path))
    assert {label for name, label in found if name == "bulksend_pace_rows_per_second"} == hosts
    left = [label.rpartition(" ")[2] for name, label in found if name == "bulksend_execution_time_left_seconds"]
    assert set(left) == hosts


def test_campaigns_by_where_they_are(journal: Path, portal: Sandbox, tmp_path: Path) -> None:
    """Finished, to be resumed, paused, and held by a process that sends it."""
    sheets = [write_sheet(tmp_path / f"{name}.csv", rows(2, 2, name)) for name in ("paused", "held")]
    paused, held = (send(journal, portal, sheet, only_enter=True) for sheet in sheets)
    with Journal(journal) as opened:
        opened.pause(paused)
        opened.acquire(held, {})
        found = now(metrics_registry(journal))
        assert {
            state: found["bulksend_campaigns", state] for state in ("finished", "waiting", "paused", "sending")
        } == {
            "finished": 1,
            "waiting": 1,
            "paused": 1,
            "sending": 1,
        }


def test_the_pace(path: Path, portal: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was settled since it was asked for last, whether sent or refused; 0 once nothing more is."""
    monkeypatch.setattr(bulksend.metrics, "SHORTEST", 0.0)
    source = metrics_registry(path)
    with portal:
        send(path, portal, write_sheet(tmp_path / "a.csv", rows(4, 4, "a")), only_enter=True)
        key = ("bulksend_pace_rows_per_second", parse_webhook(portal.webhook).portal)
        assert now(source)[key] == 0
        send(path, portal, write_sheet(tmp_path / "a.csv", rows(4, 4, "a")))
        assert now(source)[key] > 0
        assert now(source)[key] == 0


@pytest.mark.parametrize("state", [State.IN_DOUBT, State.SENDING], ids=["answer lost", "process died"])
def test_a_doubt_grows_older(journal: Path, state: State) -> None:
    """The oldest row of which it is not known whether it arrived, also while nobody has looked yet."""
    leave(journal, 2, 30, then=state)
    found = now(metrics_registry(journal))
    assert found["bulksend_oldest_doubt_seconds", ""] == pytest.approx(30, abs=20)
    assert found["bulksend_rows", "unknown"] == 1


def test_the_page_serves_them_to_whoever_names_the_token(journal: Path, tmp_path: Path) -> None:
    """Without the option nobody gets any; with it, not without the token; where the journal is gone it says so."""
    page = PageProcess(tmp_path)
    try:
        page.start()
        assert requests.get(f"{page.origin}/metrics", timeout=20).status_code == 403
        page.kill()
        page.start("--metrics-token", "t0ken")
        there = f"{page.origin}/metrics"
        for wrong in (
            {},
            {"Authorization": "Bearer other"},
            {"Authorization": b"Bearer \xff"},
            {"Authorization": "t0ken"},
        ):
            assert requests.get(there, headers=wrong, timeout=20).status_code == 401
        right = {"Authorization": "Bearer t0ken"}
        answer = requests.get(there, headers=right | OPENMETRICS, timeout=20)
        assert answer.headers["Content-Type"].startswith("application/openmetrics-text")
        assert values(answer.text)["bulksend_rows", "sent"] == 3
        plain = requests.get(there, headers=right, timeout=20)
        assert plain.headers["Content-Type"].startswith("text/plain")
        assert "bulksend_rows" in {family.name for family in parsed_as_text(plain.text)}
        assert requests.post(there, headers=right, timeout=20).status_code == 403
        damage(journal)
        gone = requests.get(there, headers=right, timeout=20)
        assert (gone.status_code, gone.headers["Content-Type"]) == (503, "text/plain; charset=utf-8")
    finally:
        page.kill()


SERVER = """
import sys
from bulksend.metrics.server import serve_metrics
serve_metrics(int(sys.argv[1]), sys.argv[2])
print("ready", flush=True)
input()
"""


@pytest.fixture
def port() -> Iterator[int]:
    """A port on which nobody listens."""
    with unused_port() as port:
        yield port


def damage(journal: Path) -> None:
    """Put something else in the journal's place."""
    for file in journal.parent.glob("journal.db*"):
        file.unlink()
    journal.write_bytes(b"no journal" * 1000)


def test_a_worker_serves_them_to_its_own_computer(database: str, tmp_path: Path, port: int) -> None:
    """As true after a campaign as what the page says, in both formats, and nothing of it to other computers."""
    there = f"http://127.0.0.1:{port}/metrics"
    with PortalProcess(tmp_path / "portal") as portal, Team(tmp_path, database) as team:
        team.save("crm", portal)
        team.enter("sheet", rows(12, 6, "Confidential"), "crm")
        worker = team.worker("--metrics", port)
        team.wait_until_finished()
        wait_until(lambda: team.runs()[0].holder is None)
        said = requests.get(there, headers=OPENMETRICS, timeout=20)
        assert said.headers["Content-Type"].startswith("application/openmetrics-text")
        found = values(said.text)
        assert (found["bulksend_rows", "sent"], found["bulksend_rows", "not_sent"]) == (12, 0)
        assert found == now(metrics_registry(database)) | {
            key: value for key, value in found.items() if key[0] == "bulksend_execution_time_left_seconds"
        }
        plain = requests.get(there, timeout=20)
        assert "bulksend_rows" in {family.name for family in parsed_as_text(plain.text)}
        password = database.partition("@")[0].rpartition(":")[2]
        assert [word for word in ("Confidential", password, "sheet.csv") if word in said.text] == []
        elsewhere = socket.gethostbyname(socket.gethostname())
        if not elsewhere.startswith("127."):
            with pytest.raises(OSError, match="refused"):
                socket.create_connection((elsewhere, port), timeout=5)
        refused = team.commands.run("worker", "--journal", database, "--metrics", port)
        assert (refused.code, refused.out) == (2, "")
        assert f"The metrics cannot be served on port {port}" in refused.err
        assert worker.hand_over() == 0
        assert not [line for line in worker.lines if "Traceback" in line or "GET /metrics" in line]


def test_a_journal_that_cannot_be_read_is_no_answer(path: Path, port: int) -> None:
    """A server beside a worker answers 503 and a sentence, which counts as down; nobody sees a traceback."""
    damage(path)
    process = Commands(path.parent.parent, ("-c", SERVER)).start(port, path, stdin=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    answer = requests.get(f"http://127.0.0.1:{port}/metrics", timeout=20)
    assert (answer.status_code, answer.headers["Content-Type"]) == (503, "text/plain; charset=utf-8")
    assert "journal" in answer.text
    assert requests.get(f"http://127.0.0.1:{port}/", timeout=20).status_code == 404
    _, errors = process.communicate("\n", timeout=20)
    assert (process.returncode, errors) == (0, "")


@pytest.mark.parametrize("folder", [".", "ru"])
def test_every_metric_is_documented(journal: Path, folder: str) -> None:
    """The page names them all with their labels and the values that these can have, and no other."""
    page = (Path(__file__).parents[2] / "docs" / folder / "watching.md").read_text(encoding="utf-8")
    lines = dict(re.findall(r"^\| `(bulksend_\w+)` \| (.*?) \|", page, re.MULTILINE))
    families = list(parsed(openmetrics(metrics_registry(journal)).decode()))
    assert set(lines) == {family.name for family in families}
    for family in families:
        for sample in family.samples:
            told = re.findall(r"`(\w+)`", lines[family.name])
            named = [*sample.labels] + [v for k, v in sample.labels.items() if k in {"status", "state"}]
            assert [word for word in named if word not in told] == []
