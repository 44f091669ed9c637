"""A sandbox that speaks HTTPS with a certificate made for the run."""

import subprocess
import sys
from pathlib import Path

import pytest
import requests

from bulksend.errors import UsageError
from bulksend.sandbox import Limits, Sandbox
from tests.processes import Commands
from tests.sandbox.conftest import MESSAGE_ADD, call, message


def test_a_caller_that_trusts_the_certificate_is_served(monkeypatch: pytest.MonkeyPatch) -> None:
    """By the file, by the environment, and by the name localhost."""
    with Sandbox(tls=True, limits=Limits.none()) as portal:
        assert portal.webhook.startswith("https://")
        assert call(portal, MESSAGE_ADD, message(), verify=str(portal.ca_path)).ok
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(portal.ca_path))
        assert call(portal, MESSAGE_ADD, message()).ok
        assert requests.get(portal.webhook.replace("127.0.0.1", "localhost") + "profile", timeout=30).ok


def test_a_caller_that_does_not_trust_it_sends_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """The handshake fails; no call reaches the portal."""
    monkeypatch.delenv("REQUESTS_CA_BUNDLE", raising=False)
    with Sandbox(tls=True) as portal:
        with pytest.raises(requests.exceptions.SSLError):
            call(portal, MESSAGE_ADD, message())
        assert portal.calls == []


def test_faults_close_secure_connections_too() -> None:
    """A cut connection is a lost answer over HTTPS as well."""
    with Sandbox(tls=True, limits=Limits.none()) as portal:
        for kind in ("close_after", "close_after", "cut_body"):
            portal.faults = type(portal.faults)({kind: 1.0})
            with pytest.raises((requests.ConnectionError, requests.exceptions.ChunkedEncodingError)):
                call(portal, MESSAGE_ADD, message(), verify=str(portal.ca_path))
        assert len(portal.ledger) == 3


def test_the_certificate_is_thrown_away_with_the_sandbox() -> None:
    """Nothing stays on disk; over an outage it stays the same."""
    with Sandbox(tls=True) as portal:
        authority = portal.ca_path
        first = authority.read_bytes()
        portal.stop()
        portal.start()
        assert authority.read_bytes() == first
        assert call(portal, "profile", verify=str(authority)).ok
    assert not authority.parent.exists()
    with pytest.raises(AttributeError):
        _ = portal.ca_path


def test_the_command_says_where_its_certificate_is(tmp_path: Path) -> None:
    """On standard output, after the webhook; a caller that trusts the file is served."""
    process = Commands(tmp_path).start("sandbox", "--tls", stderr=subprocess.DEVNULL)
    try:
        assert process.stdout is not None
        webhook = process.stdout.readline().strip()
        name, path = process.stdout.readline().strip().split(maxsplit=1)
        assert name == "certificate"
        assert requests.get(webhook + "profile", verify=path, timeout=30).ok
    finally:
        process.terminate()
        process.communicate()


def test_what_is_missing_for_https_is_told_in_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the package cryptography the sentence says to install it, or to do without TLS."""
    monkeypatch.delitem(sys.modules, "bulksend.sandbox.certificate", raising=False)
    monkeypatch.setitem(sys.modules, "cryptography", None)
    with pytest.raises(UsageError, match="pip install cryptography"), Sandbox(tls=True):
        pass
