"""The client and the embedded portal: what is decided agrees with what the portal really did."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from bulksend.portal import methods
from bulksend.portal.authorisation import OAuth, application, parse_webhook
from bulksend.portal.credential_store import PortalStore
from bulksend.portal.outcomes import Outcome, Reason, Verdict
from bulksend.sandbox import FaultKind, Faults, Limits, OAuthApp, Sandbox
from tests.faults import parameters
from tests.portal.conftest import Connect

APP = OAuthApp(token_calls=20)


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    """One embedded portal for all tests here."""
    with Sandbox(limits=Limits(rate=None, operating=None), oauth=APP) as portal:
        yield portal


@pytest.mark.parametrize(("kind", "batch"), parameters(FaultKind))
def test_each_fault(sandbox: Sandbox, connect: Connect, kind: FaultKind, batch: int) -> None:
    """No fault makes a call that was carried out look as if it was not, or the other way round."""
    before = len(sandbox.ledger)
    sandbox.faults = Faults(at={1: kind}, silent_seconds=0.3, late_seconds=0.3)
    client = connect(parse_webhook(sandbox.webhook))
    calls = {f"r{n}": methods.message_add("deal", 288, 27, 8773, f"{kind} {n}") for n in range(3 if batch > 1 else 1)}
    outcomes: list[Outcome]
    outcomes = list(client.batch(calls).commands.values()) if batch > 1 else [client.call(*calls["r0"]).outcome]
    sandbox.faults = Faults()
    assert sandbox.drain()
    arrived = len(sandbox.ledger) - before
    assert arrived == (len(calls) if kind.carried_out else 0)
    verdicts = {outcome.verdict for outcome in outcomes}
    assert len(verdicts) == 1
    if arrived:
        assert verdicts == {Verdict.NOT_KNOWN if kind.loses_answer else Verdict.DONE}
    else:
        assert verdicts <= {Verdict.NOT_CARRIED_OUT, Verdict.CAMPAIGN_REFUSED, Verdict.NOT_KNOWN}
        told = kind.value.removesuffix("_200") in {"query_limit", "operating_limit"}
        assert not told or verdicts == {Verdict.NOT_CARRIED_OUT}
    # The next call is not disturbed by what happened to this one.
    assert client.call(*calls["r0"]).outcome.verdict is Verdict.DONE


def test_history(sandbox: Sandbox, connect: Connect) -> None:
    """A message is found again in its chat's history, by its sender and text and with its id."""
    client = connect(parse_webhook(sandbox.webhook))
    text = "  Привет & <b>всем</b>\r\nвторая строка " + "x" * 21_000
    sent = client.call(*methods.message_add("deal", 288, 27, 9901, text)).outcome.result
    history = methods.read_history(client.call(*methods.history_get(9901)).outcome.result)
    found = [message for message in history.messages if message.shows(methods.stored_text(text))]
    assert [(message.id, message.sender_id) for message in found] == [(sent, 27)]


def test_tokens_that_run_out(sandbox: Sandbox, connect: Connect, tmp_path: Path) -> None:
    """With calls in flight there is one renewal for each expiry, every call is made once, the newest pair is saved."""
    assert sandbox.gate.oauth is not None
    server = sandbox.gate.oauth
    store = PortalStore(tmp_path)
    store.add(
        "prod",
        application(
            sandbox.rest,
            client_id=APP.client_id,
            client_secret=APP.client_secret,
            refresh_token=server.refresh_token,
            token_url=sandbox.token_endpoint,
        ),
    )
    client = connect(store.get("prod"))
    before, renewed = len(sandbox.ledger), len(server.renewals)

    def until_done(number: int) -> None:
        call = methods.message_add("deal", 288, 27, 8773, f"message {number}")
        while (outcome := client.call(*call).outcome).verdict is not Verdict.DONE:
            assert outcome.reason is Reason.TOKEN

    with ThreadPoolExecutor(10) as pool:
        list(pool.map(until_done, range(100)))
    assert len(sandbox.ledger) - before == 100
    assert len(server.renewals) - renewed in (5, 6)
    authorisation = store.get("prod")
    assert isinstance(authorisation, OAuth)
    assert authorisation.parameters() == {"auth": server.access_token}


def test_over_tls(connect: Connect, monkeypatch: pytest.MonkeyPatch) -> None:
    """The embedded portal's throw-away certificate is trusted only when it is named."""
    with Sandbox(tls=True) as portal:
        webhook = parse_webhook(portal.webhook)
        assert connect(webhook).call(*methods.profile()).outcome.code == "PORTAL_UNREACHABLE"
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(portal.ca_path))
        assert methods.read_profile(connect(webhook).call(*methods.profile()).outcome.result).id == 27
