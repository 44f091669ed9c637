"""Portals saved by name, with their secrets in a keyring or in a private file."""

import json
import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import keyring
import pytest
from keyring.backend import KeyringBackend

from bulksend.errors import PortalError
from bulksend.portal.authorisation import OAuth, Webhook, application, parse_webhook
from bulksend.portal.credential_store import PortalStore, SavedPortal, resolve

SECRET = "k3ptS3cretWebh00k"
WEBHOOK = f"https://portal.example/rest/27/{SECRET}/"
FILE = "portal-prod.json"


class MemoryKeyring(KeyringBackend):
    """A keyring that works."""

    priority = 5

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.entries: dict[tuple[str, str], str] = {}
        self.locked = False

    def get_password(self, service: str, username: str) -> str | None:
        if self.locked:
            raise RuntimeError("locked")
        return self.entries.get((service, username))

    def set_password(self, service: str, username: str, password: str) -> None:
        if self.locked:
            raise RuntimeError("locked")
        self.entries[service, username] = password

    def delete_password(self, service: str, username: str) -> None:
        del self.entries[service, username]


@pytest.fixture
def store(tmp_path: Path) -> PortalStore:
    """A store with nothing in it."""
    return PortalStore(tmp_path)


@pytest.fixture
def with_keyring(monkeypatch: pytest.MonkeyPatch) -> Iterator[MemoryKeyring]:
    """A computer that has a keyring."""
    monkeypatch.delenv("BULKSEND_NO_KEYRING")
    before = keyring.get_keyring()
    backend = MemoryKeyring()
    keyring.set_keyring(backend)
    yield backend
    keyring.set_keyring(before)


def test_webhook_in_a_file(store: PortalStore, tmp_path: Path) -> None:
    """Without a keyring the secret is in a file that only the user can read, and the store says so."""
    shown = store.add("prod", parse_webhook(WEBHOOK))
    file = tmp_path / "portals" / FILE
    assert shown == SavedPortal(
        "prod", "https://portal.example/rest/27/…", "webhook", f"in a file that only you can read, {file}"
    )
    assert list(store.list()) == [shown]
    authorisation = store.get("PROD")
    assert isinstance(authorisation, Webhook)
    assert authorisation.url("") == WEBHOOK
    assert [path.name for path in (tmp_path / "portals").glob("*.json*")] == [FILE]
    if os.name == "posix":
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700


def test_webhook_in_the_keyring(store: PortalStore, tmp_path: Path, with_keyring: MemoryKeyring) -> None:
    """With a keyring the secret is there and not in the file."""
    assert store.add("prod", parse_webhook(WEBHOOK)).where == "in the system's keyring"
    assert SECRET not in (tmp_path / "portals" / FILE).read_text(encoding="utf-8")
    assert store.get("prod").url("") == WEBHOOK
    with_keyring.locked = True
    with pytest.raises(PortalError, match="unlock it"):
        store.get("prod")
    with_keyring.locked = False
    store.remove("prod")
    assert with_keyring.entries == {}
    assert list(store.list()) == []


def test_keyring_that_does_not_work(store: PortalStore, with_keyring: MemoryKeyring) -> None:
    """A keyring that takes nothing is as good as none."""
    with_keyring.locked = True
    assert "file" in store.add("prod", parse_webhook(WEBHOOK)).where
    assert store.get("prod").url("") == WEBHOOK


@pytest.mark.parametrize("keyrings", [False, True])
def test_application(store: PortalStore, tmp_path: Path, keyrings: bool, request: pytest.FixtureRequest) -> None:
    """An application comes back with its tokens; renewed ones replace them wherever they are kept."""
    if keyrings:
        request.getfixturevalue("with_keyring")
    app = application(
        "portal.example", client_id="app.1", client_secret="cl13nt", refresh_token="r1", access_token="a1"
    )
    shown = store.add("prod", app)
    assert (shown.kind, shown.masked) == ("application", "https://portal.example/rest/…")
    authorisation = store.get("prod")
    assert isinstance(authorisation, OAuth)
    assert authorisation.parameters() == {"auth": "a1"}
    assert authorisation.portal == "portal.example"
    text = (tmp_path / "portals" / FILE).read_text(encoding="utf-8")
    assert ("cl13nt" in text) is not keyrings


@pytest.mark.parametrize(
    "name",
    ["", " ", "sandbox", "Sandbox", "a b", "a.b", "a/b", "../a", "http://x", "-a", "_a", "a" * 65, "a\nb", "a:b"],
)
def test_name_that_cannot_be_used(store: PortalStore, name: str) -> None:
    """A name may not be taken for an address, a folder or the embedded portal."""
    with pytest.raises(PortalError):
        store.add(name, parse_webhook(WEBHOOK))
    assert list(store.list()) == []


@pytest.mark.parametrize("name", ["prod", "Prod-2", "p_1", "Продажи", "con", "2026"])
def test_name_that_can_be_used(store: PortalStore, name: str) -> None:
    """Letters of any language, digits, - and _."""
    store.add(name, parse_webhook(WEBHOOK))
    assert [portal.name for portal in store.list()] == [name]
    assert resolve(f" {name.upper()} ", store).url("") == WEBHOOK
    store.remove(name)
    with pytest.raises(PortalError, match="nor under any"):
        store.get(name)


def test_name_that_is_taken(store: PortalStore) -> None:
    """A saved portal is not overwritten unless that is meant."""
    store.add("prod", parse_webhook(WEBHOOK))
    with pytest.raises(PortalError, match="is saved already"):
        store.add("Prod", parse_webhook(WEBHOOK.replace("27", "28")))
    store.add("prod", parse_webhook(WEBHOOK.replace("27", "28")), replace=True)
    assert store.get("prod").user_id == 28


def test_resolving_what_a_person_names(store: PortalStore) -> None:
    """An address is an address, anything else a saved name; a slip is answered with the likely name."""
    store.add("production", parse_webhook(WEBHOOK))
    assert resolve("production", store).portal == "portal.example"
    assert resolve("other.example/rest/1/abc", store).portal == "other.example"
    for text, sentence in (
        ("prodction", "did you mean production"),
        ("zzz", "saved are production"),
        ("portal.example", "not that of an incoming webhook"),
    ):
        with pytest.raises(PortalError, match=sentence):
            resolve(text, store)
    with pytest.raises(PortalError) as caught:
        resolve(SECRET, store)
    assert SECRET not in str(caught.value)


def test_damaged_file(store: PortalStore, tmp_path: Path) -> None:
    """A damaged file is one sentence."""
    store.add("prod", parse_webhook(WEBHOOK))
    file = tmp_path / "portals" / FILE
    whole = json.loads(file.read_text(encoding="utf-8"))
    changes: tuple[dict[str, object], ...] = ({"secrets": {}}, {"secrets": None}, {"name": 5}, {"masked": None})
    for text in ("", "[]", "{}", *(json.dumps(whole | change) for change in changes)):
        file.write_text(text, encoding="utf-8")
        assert [saved.name for saved in store.list()] == ["prod"]
        with pytest.raises(PortalError, match="damaged"):
            store.get("prod")
    store.remove("prod")
    assert list(store.list()) == []
    with pytest.raises(PortalError, match="nor under any"):
        store.remove("prod")


def test_folder_that_cannot_be_written(tmp_path: Path) -> None:
    """A data folder that is a file is one sentence."""
    (tmp_path / "home").write_text("", encoding="utf-8")
    store = PortalStore(tmp_path / "home")
    with pytest.raises(PortalError, match="cannot be written"):
        store.add("prod", parse_webhook(WEBHOOK))


def test_listing_needs_no_keyring_library(store: PortalStore, tmp_path: Path) -> None:
    """What is slow to import is imported only where it is needed."""
    store.add("prod", parse_webhook(WEBHOOK))
    program = (
        "import sys; from pathlib import Path; from bulksend.portal.credential_store import PortalStore; "
        f"PortalStore(Path({str(tmp_path)!r})).list(); assert 'keyring' not in sys.modules"
    )
    root = Path(__file__).parents[2]
    subprocess.run([sys.executable, "-c", program], check=True, env=os.environ | {"PYTHONPATH": str(root)})
