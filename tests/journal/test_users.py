"""Users of the page, their sessions and failed sign-ins; who did what."""

import sqlite3
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from bulksend.errors import UsageError
from bulksend.journal import Action, Journal, Role, User, system_user
from bulksend.journal.users import Throttle

ANNA = User("anna", Role.SENDER)
SOON = Throttle(free=3, longest=60)


@pytest.fixture(params=["file", "database"])
def address(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A journal of either kind."""
    kind: str = request.param
    return str(tmp_path / "journal.db") if kind == "file" else str(request.getfixturevalue("database"))


@pytest.fixture
def journal(address: str) -> Iterator[Journal]:
    """The journal, open, with one user."""
    with Journal(address) as opened:
        opened.add_user(ANNA, "hash")
        yield opened


def _session(journal: Journal, session: str, *, idle: float = 60, absolute: float = 60) -> User | None:
    return journal.user_of_session(session, idle=idle, absolute=absolute)


def test_a_user_is_added_once(journal: Journal) -> None:
    """And found with role and hash; a second of that name is refused."""
    with pytest.raises(UsageError, match="There is a user anna already"):
        journal.add_user(User("anna", Role.VIEWER), "other")
    assert journal.users() == [ANNA]
    assert (journal.password_of("anna"), journal.password_of("boris")) == ("hash", None)


@pytest.mark.parametrize("change", ["password", "removal", "sign-out"])
def test_what_ends_sessions(journal: Journal, change: str) -> None:
    """A new password and removal end all of a user's sessions, signing out ends one."""
    assert journal.begin_session("one", "anna", "hash", absolute=60)
    assert journal.begin_session("two", "anna", "hash", absolute=60)
    assert _session(journal, "one") == ANNA
    if change == "password":
        journal.set_password("anna", "new hash")
    elif change == "removal":
        journal.remove_user("anna")
    else:
        journal.end_session("one")
    assert _session(journal, "one") is None
    assert (_session(journal, "two") is None) is (change != "sign-out")


def test_a_session_does_not_begin_with_a_password_that_was_just_changed(journal: Journal) -> None:
    """Whoever was checked against the old one is too late."""
    journal.set_password("anna", "new hash")
    assert not journal.begin_session("one", "anna", "hash", absolute=60)
    assert _session(journal, "one") is None


def test_sessions_end_by_themselves(journal: Journal) -> None:
    """Unused, or in all, after so long."""
    journal.begin_session("one", "anna", "hash", absolute=60)
    assert _session(journal, "one", idle=0.0) is None
    assert _session(journal, "one", absolute=0.0) is None
    assert _session(journal, "one") == ANNA


def test_use_keeps_a_session_and_asking_does_not(tmp_path: Path) -> None:
    """What the page's script asks by itself is no use."""
    path = tmp_path / "journal.db"
    with Journal(path) as journal:
        journal.add_user(ANNA, "hash")
        for used in (False, True):
            journal.begin_session(f"{used}", "anna", "hash", absolute=3600)
            with sqlite3.connect(path) as file:
                file.execute("UPDATE sessions SET seen_at = seen_at - 100")
            file.close()
            assert journal.user_of_session(f"{used}", idle=190, absolute=3600, used=used) == ANNA
        assert journal.user_of_session("False", idle=90, absolute=3600) is None
        assert journal.user_of_session("True", idle=90, absolute=3600) == ANNA


@pytest.fixture
def time_stands_still(monkeypatch: pytest.MonkeyPatch) -> None:
    """However long a busy machine takes for attempts, they are made at one moment."""
    monkeypatch.setattr(Journal, "now", lambda _: 1_800_000_000.0)


@pytest.mark.usefixtures("time_stands_still")
def test_attempts_are_slowed_down(journal: Journal) -> None:
    """After the free ones, whether they come one by one or at once; a success forgets the user's."""
    keys = {"user:anna": SOON, "address:1": Throttle(100, 60)}
    assert [journal.attempt(keys) for _ in range(3)] == [0.0] * 3
    assert 0 < journal.attempt(keys) <= 1
    assert journal.attempt({"user:boris": SOON, "address:1": Throttle(100, 60)}) == 0.0
    journal.succeeded("user:anna", "address:1")
    assert journal.attempt(keys) == 0.0


@pytest.mark.usefixtures("time_stands_still")
def test_many_attempts_at_once_are_no_more(address: str) -> None:
    """From several processes that share the journal either."""

    def attempt(_: int) -> bool:
        with Journal(address) as journal:
            return journal.attempt({"user:anna": SOON}) == 0.0

    Journal(address).close()
    with ThreadPoolExecutor(8) as threads:
        assert sum(threads.map(attempt, range(12))) == SOON.free


def test_longer_and_longer() -> None:
    """The wait doubles with each failure, up to a limit, and passes."""
    assert [SOON.wait(failures, 0) for failures in (2, 3, 4, 8, 9, 10**6)] == [0, 1, 2, 32, 60, 60]
    assert SOON.wait(4, 2) == 0
    assert SOON.wait(4, 0.5) == 1.5


def test_who_did_what(journal: Journal) -> None:
    """The newest first; without a name it is whoever runs the program."""
    journal.record(Action.ENTERED, 7, actor="anna")
    journal.record(Action.CONFIRMED, 7, detail="1204")
    journal.record(Action.PORTAL_SAVED, detail="crm")
    assert [(entry.actor, entry.action, entry.detail) for entry in journal.audit(7)] == [
        (system_user(), Action.CONFIRMED, "1204"),
        ("anna", Action.ENTERED, ""),
    ]
    assert [entry.action for entry in journal.audit(None)] == [Action.PORTAL_SAVED, Action.USER_ADDED]
    assert [entry.action for entry in journal.audit(7, limit=1)] == [Action.CONFIRMED]
