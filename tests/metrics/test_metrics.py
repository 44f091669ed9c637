"""The metrics: read by Prometheus's own parser, from the page and from a server beside a worker."""

import re
from pathlib import Path

import pytest
import requests
from prometheus_client import generate_latest
from prometheus_client.openmetrics.exposition import generate_latest as openmetrics
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parsed
from prometheus_client.parser import text_string_to_metric_families as parsed_as_text

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
from tests.processes import rows, write_sheet
from tests.web.conftest import PageProcess

Values = dict[tuple[str, str], float]


def values(text: str) -> Values:
    """Each sample by its name and its labels' values."""
    return {
        (sample.name, " ".join(value for _, value in sorted(sample.labels.items()))): sample.value
        for family in parsed(text)
        for sample in family.samples
    }


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    """Two campaigns: one of which a row was refused, one of which nothing was sent yet."""
    path = tmp_path / "home" / "journal.db"
    path.parent.mkdir()
    with Sandbox(limits=Limits(rate=None, operating=Operating(cost=2.0))) as portal, Journal(path) as opened:
        caller = parse_webhook(portal.webhook)
        target = Target(caller.portal, "crm", caller, 27)
        portal.world.add_chat(5001, "deal", 1001, status=60)
        for name, send in (("a.csv", True), ("b.csv", False)):
            plan = examine(write_sheet(tmp_path / name, rows(4, 4, name)), SheetOptions())
            with Campaign.enter(opened, plan, target) as campaign:
                if send:
                    campaign.send(Options(rate_limit=RateLimit(rate=0), same_refusals=None))
    return path


def test_what_they_say(journal: Path) -> None:
    """Rows by outcome, campaigns by state, pace, budget left, oldest doubt; in both formats."""
    source = metrics_registry(journal)
    found = values(openmetrics(source).decode())
    assert [found["bulksend_rows", status] for status in ("sent", "failed", "not_sent", "unknown")] == [3, 1, 4, 0]
    assert found["bulksend_campaigns", "finished"] == found["bulksend_campaigns", "waiting"] == 1
    assert found["bulksend_campaigns", "sending"] == 0
    assert found["bulksend_pace_rows_per_second", "crm"] == 0
    assert found["bulksend_oldest_doubt_seconds", ""] == 0
    left = "webhook 27 imopenlines.crm.message.add crm"
    assert found["bulksend_execution_time_left_seconds", left] == 480 - 4 * 2
    plain = {sample.name for family in parsed_as_text(generate_latest(source).decode()) for sample in family.samples}
    assert plain == {name for name, _ in found}


def test_a_doubt_grows_older(journal: Path) -> None:
    """The oldest row of which it is not known whether it arrived."""
    with Journal(journal) as opened:
        opened.acquire(2, {})
        row, run, at = opened.open_rows(2, State.PENDING, -1, 1)[0], opened.run(2), opened.now() - 30
        opened.leave(
            2,
            [row],
            portal=run.portal,
            take=lambda state, _: SlotGrant(state, 1),
            at=at,
            portal_time=None,
            again=False,
            since=at,
        )
        opened.apply(2, [Change(row.n, State.SENDING, State.IN_DOUBT)])
        opened.release(2, "")
    found = values(openmetrics(metrics_registry(journal)).decode())
    assert found["bulksend_oldest_doubt_seconds", ""] == pytest.approx(30, abs=20)


def test_the_page_serves_them_to_whoever_names_the_token(journal: Path, tmp_path: Path) -> None:
    """Without the option there are none; with it, not without the token."""
    page = PageProcess(tmp_path)
    try:
        page.start()
        assert requests.get(f"{page.origin}/metrics", timeout=20).status_code == 404
        page.kill()
        page.start("--metrics-token", "t0ken")
        there = f"{page.origin}/metrics"
        for wrong in ({}, {"Authorization": "Bearer other"}):
            assert requests.get(there, headers=wrong, timeout=20).status_code == 401
        wanted = {"Authorization": "Bearer t0ken", "Accept": "application/openmetrics-text; version=1.0.0"}
        answer = requests.get(there, headers=wanted, timeout=20)
        assert answer.headers["Content-Type"].startswith("application/openmetrics-text")
        assert values(answer.text)["bulksend_rows", "sent"] == 3
    finally:
        page.kill()


def test_every_metric_is_documented(journal: Path) -> None:
    """The page names them all, and no other."""
    page = (Path(__file__).parents[2] / "docs" / "watching.md").read_text(encoding="utf-8")
    found = {name for name, _ in values(openmetrics(metrics_registry(journal)).decode())}
    assert set(re.findall(r"`(bulksend_\w+)`", page)) == found
