"""No secret tells, from one end to the other: whatever the commands print, log and leave behind is searched for it."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from bulksend.sandbox import FaultKind, Faults, Limits, OAuthApp, Sandbox
from tests.processes import Commands, Ended, write_sheet
from tests.ratelimit.conftest import rows

SECRET = "s3cr3tW3bh00kk3y"
CLIENT_SECRET = "cl13ntS3cretOfTheApp"
TEXT = "Good day, customer"
FAULTS = {
    2: FaultKind.CLOSE_AFTER,
    4: FaultKind.CLOSE_BEFORE,
    6: FaultKind.ERROR500_AFTER,
    8: FaultKind.HTML502_BEFORE,
    10: FaultKind.CUT_BODY,
    12: FaultKind.BROKEN_JSON,
    14: FaultKind.EXPIRED_TOKEN,
    16: FaultKind.HTML200,
    18: FaultKind.QUERY_LIMIT_200,
}
"""What happens to the calls of such numbers."""


@pytest.fixture
def portal() -> Iterator[Sandbox]:
    """A portal on which everything goes wrong now and then."""
    faults = Faults(at=FAULTS)
    app = OAuthApp(client_secret=CLIENT_SECRET, token_calls=12)
    with Sandbox(limits=Limits.none(), secret=SECRET, faults=faults, oauth=app) as portal:
        yield portal


def saved(commands: Commands, secret: str) -> Path:
    """The one file that holds the secret: the saved portal's, which nobody else can read."""
    (path,) = [path for path in commands.home.rglob("*") if path.is_file() and secret.encode() in path.read_bytes()]
    if sys.platform != "win32":
        assert path.stat().st_mode & 0o077 == 0
    return path


def left_behind(commands: Commands, *but: Path) -> bytes:
    """All that the commands have written anywhere, but for these files."""
    files = [path for path in commands.folder.rglob("*") if path.is_file() and path not in but]
    assert any(path.name.startswith("journal.db") for path in files)
    return b"\n".join(path.read_bytes() for path in files)


def assert_untold(ended: list[Ended], files: bytes, secrets: list[str]) -> None:
    """No secret in what was said, nor in what was left behind."""
    said = "\n".join(one.said for one in ended)
    assert [secret for secret in secrets if secret in said] == []
    assert [secret for secret in secrets if secret.encode() in files] == []
    assert TEXT not in said


def test_a_webhook(commands: Commands, portal: Sandbox) -> None:
    """The address is given on the command line; a saved one is in its own file only."""
    sheet = write_sheet(commands.folder / "sheet.csv", rows(40))
    hurried = ("--yes", "--verbose", "--rate", 0, "--timeout", 1, "--settle", 0.5)
    ended = [
        commands.run("check", sheet, "--verbose"),
        commands.run("send", sheet, "--portal", portal.webhook, *hurried),
        commands.run("resume", "--portal", portal.webhook, *hurried),
        commands.run("runs", "--verbose"),
        commands.run("results", 1),
        commands.run("portal", "add", "crm", changes={"BULKSEND_WEBHOOK": portal.webhook}),
        commands.run("portal", "list"),
        commands.run("portal", "test", "crm"),
    ]
    assert not any("Traceback" in one.said for one in ended)
    assert any(portal.faults.happened.values())
    assert_untold(ended, left_behind(commands, saved(commands, SECRET)), [SECRET])


def test_an_application(commands: Commands, portal: Sandbox) -> None:
    """Tokens that are renewed again and again, on a portal that fails."""
    app = portal.oauth
    issued = {app.access_token, app.refresh_token}
    given = {
        "BULKSEND_CLIENT_SECRET": CLIENT_SECRET,
        "BULKSEND_REFRESH_TOKEN": app.refresh_token,
        "BULKSEND_ACCESS_TOKEN": app.access_token,
    }
    sheet = write_sheet(commands.folder / "sheet.csv", rows(40))
    names = ("--address", portal.rest, "--client-id", app.app.client_id, "--token-url", portal.token_endpoint)
    speed = ("--yes", "--verbose", "--rate", 0, "--timeout", 1, "--settle", 0.5)
    ended = [
        commands.run("portal", "add", "crm", *names, changes=given),
        commands.run("portal", "test", "crm"),
        commands.run("send", sheet, "--portal", "crm", "--user-id", 27, *speed),
        commands.run("portal", "list"),
    ]
    issued |= {*app._tokens, app.access_token, app.refresh_token}
    app.refresh_token = "revoked"
    app.expire()
    ended.append(commands.run("send", sheet, "--portal", "crm", "--again", *speed))
    assert not any("Traceback" in one.said for one in ended)
    assert len(app.renewals) >= 2
    assert ended[-1].code not in {0, 1}
    assert_untold(ended, left_behind(commands, saved(commands, CLIENT_SECRET)), [CLIENT_SECRET, SECRET, *issued])
