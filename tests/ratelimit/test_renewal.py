"""An application's token that runs out all the time: every row goes once, and each token is renewed once."""

import random
import time
from collections.abc import Iterator

import pytest

from bulksend.portal.authorisation import OAuth
from bulksend.portal.credential_store import PortalStore
from bulksend.sandbox import Limits, OAuthApp, Sandbox
from tests.processes import SLOWEST, Commands, end, until, write_sheet
from tests.ratelimit.conftest import FIRST_CHAT, Seen, Start, rows

CALLS = 20


@pytest.fixture
def portal(commands: Commands) -> Iterator[Sandbox]:
    """A portal saved as ``crm``, with an application whose tokens last for 20 calls."""
    with Sandbox(limits=Limits.none(), latency=0.05, oauth=OAuthApp(token_calls=CALLS)) as portal:
        app = portal.oauth
        added = commands.run(
            *("portal", "add", "crm", "--address", portal.rest, "--client-id", app.app.client_id),
            *("--token-url", portal.token_endpoint),
            changes={
                "BULKSEND_CLIENT_SECRET": app.app.client_secret,
                "BULKSEND_REFRESH_TOKEN": app.refresh_token,
                "BULKSEND_ACCESS_TOKEN": app.access_token,
            },
        )
        assert added.code == 0, added.said
        yield portal


def is_newest(commands: Commands, portal: Sandbox) -> bool:
    """Whether the pair that is saved is the one that the portal gave out last."""
    saved = PortalStore(commands.home).get("crm")
    assert isinstance(saved, OAuth)
    return (saved._tokens.access_token, saved._tokens.refresh_token) == (
        portal.oauth.access_token,
        portal.oauth.refresh_token,
    )


def expired(portal: Sandbox) -> int:
    """How many calls were made with a token that had run out."""
    return Seen(portal).errors.count("expired_token")


@pytest.mark.parametrize("options", [("--rate", 0), ("--rate", 0, "--batch", 3)])
def test_a_token_that_runs_out_every_20_calls(
    start: Start, commands: Commands, portal: Sandbox, options: tuple[object, ...]
) -> None:
    """Eight calls are in flight when it does: all are refused, one renews, all come again."""
    sent = start("crm", 205, "--user-id", 27, *options).end()
    seen = Seen(portal)
    assert sent.code == 0, sent.said
    assert seen.each_once(205)
    assert set(seen.errors) == {"expired_token"}
    accepted = len(seen.calls) - len(seen.errors)
    assert len(portal.oauth.renewals) == (accepted - 1) // CALLS
    assert is_newest(commands, portal)


@pytest.mark.parametrize("kills", [2, pytest.param(30, marks=[pytest.mark.slow, pytest.mark.timeout(400)])])
def test_killed_at_any_moment_the_newest_pair_is_kept(commands: Commands, portal: Sandbox, kills: int) -> None:
    """The process that renews is not the one that is killed: it ends its work, and no sign-in is lost."""
    dice = random.Random(7)
    sheet = write_sheet(commands.folder / "sheet.csv", rows(45 * kills))
    for turn in range(kills):
        refused, renewed = expired(portal), len(portal.oauth.renewals)
        process = commands.start(
            *("send", sheet, "--portal", "crm", "--user-id", 27, "--yes", "--rate", 0, "--settle", 1)
        )
        while expired(portal) == refused and process.poll() is None:
            time.sleep(0.002)
        if turn % 2:  # every other time just when the new pair has been given
            assert any(len(portal.oauth.renewals) > renewed for _ in until(SLOWEST, 0.002))
        time.sleep(dice.uniform(0, 0.1 if turn % 2 else 0.5))
        process.kill()
        process.communicate()
        portal.drain()
        assert any(is_newest(commands, portal) for _ in until(SLOWEST)), "a renewed pair was lost"
    assert len(portal.oauth.renewals) >= kills // 2
    ended = end(commands.start("send", sheet, "--portal", "crm", "--yes", "--rate", 0, "--settle", 1), timeout=200)
    assert ended.code == 0, ended.said
    assert sorted(delivery.chat_id for delivery in portal.ledger) == list(range(FIRST_CHAT, FIRST_CHAT + 45 * kills))
