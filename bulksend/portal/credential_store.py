"""Portals that a person has saved under a name, with their secrets in the system's keyring or in a private file.

One file for each portal under ``portals/`` in the data folder holds what may be shown, and the secrets too where
there is no keyring. It is written aside and renamed, so that it is whole at any moment.
"""

import difflib
import json
import os
import re
import secrets
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any, Protocol

from filelock import FileLock, Timeout

from bulksend.errors import PortalError, UnknownPortalError
from bulksend.folders import make_private
from bulksend.locale import _
from bulksend.locale.formats import reason
from bulksend.portal.address import looks_like_address
from bulksend.portal.authorisation import (
    Application,
    Authorisation,
    OAuth,
    PortalChangedError,
    Tokens,
    Webhook,
    parse_webhook,
)
from bulksend.portal.renewal_process import renew_in_subprocess

_NAME = re.compile(r"[^\W_][\w-]{0,63}")
_RESERVED = frozenset({"sandbox"})
_SERVICE = "bulksend"
_LOCK_TIMEOUT = 30.0
_KEYRING = "keyring"
_FILE = "file"


DAMAGED = "damaged"


@dataclass(frozen=True, slots=True)
class SavedPortal:
    """What may be shown of a saved portal.

    Attributes:
        name: what the person called it.
        masked: its address without the secret.
        kind: ``webhook`` or ``application``, or ``damaged``.
        where: where its secret is kept, in words; of a damaged one what is wrong.
        settle: how long it may go on with an unanswered call, seconds; None where that was not said.
    """

    name: str
    masked: str
    kind: str
    where: str
    settle: float | None = None


class _Keyring(Protocol):
    def get_password(self, service: str, username: str) -> str | None: ...
    def set_password(self, service: str, username: str, password: str) -> None: ...
    def delete_password(self, service: str, username: str) -> None: ...


class PortalStore:
    """The saved portals of one data folder; several processes may use it."""

    def __init__(self, home: Path) -> None:
        """Set up without touching the disk.

        Args:
            home: the data folder.
        """
        # Absolute, because keyrings know secrets by it, and the process that renews tokens is another one.
        self._folder = home.absolute() / "portals"

    def add(
        self, name: str, credentials: Webhook | Application, *, replace: bool = False, settle: float | None = None
    ) -> SavedPortal:
        """Save a portal under a name.

        Args:
            name: letters, digits, ``-`` and ``_``.
            credentials: what calls it.
            replace: whether a portal already saved under that name may be overwritten.
            settle: how long the portal may go on with an unanswered call, seconds.

        Returns:
            What was saved, and where its secret is.

        Raises:
            PortalError: the name cannot be used or is taken, or the disk cannot be written.
        """
        name = _checked(name)
        kept = _secrets_of(credentials)
        public: dict[str, Any]
        if isinstance(credentials, Webhook):
            public = {"kind": "webhook", "masked": credentials.masked}
        else:
            public = {
                "kind": "application",
                "masked": f"{credentials.tokens.endpoint}/…",
                "client_id": credentials.client_id,
                "portal": credentials.portal,
                "token_url": credentials.token_url,
            }
        with self._locked(name):
            if not replace and self._path(name).exists():
                raise PortalError(
                    _(
                        "A portal called {name} is saved already: replace it, remove it first, or choose another name."
                    ).format(name=name),
                    code="PORTAL_EXISTS",
                )
            record = {"name": name, **public, "settle": settle}
            if self._into_keyring(name, kept):
                record["secret_in"] = _KEYRING
            else:
                record |= {"secret_in": _FILE, "secrets": kept}
            self._write(name, record)
        return self._shown(record)

    def get(self, name: str, *, in_subprocess: bool = True) -> Authorisation:
        """What calls the portal saved under a name.

        Args:
            name: what it was saved under.
            in_subprocess: whether an application's tokens are renewed in a process that survives this one.

        Raises:
            PortalError: there is none, or its secret cannot be read.
        """
        record = self._read(name)
        name = record["name"]
        kept = self._secrets(record)
        try:
            if record["kind"] == "webhook":
                return parse_webhook(kept["address"])
            application = Application(
                record["client_id"],
                kept["client_secret"],
                _tokens_in(kept),
                record["portal"],
                record["token_url"],
            )
        except KeyError:
            raise _damaged(name) from None
        return OAuth(
            application,
            save=lambda tokens: self._save_tokens(record, tokens),
            load=lambda: _tokens_in(self._secrets(self._same(record))),
            lock=self._lock_path(name),
            renew_in_subprocess=partial(renew_in_subprocess, self._folder.parent, name) if in_subprocess else None,
        )

    def names_by_portal(self) -> dict[str, Sequence[str]]:
        """The names under which each portal is saved; those whose credentials cannot be used are left out.

        Raises:
            PortalError: the data folder cannot be read.
        """
        found: dict[str, Sequence[str]] = {}
        for saved in self.list():
            with suppress(PortalError):
                portal = self.get(saved.name).portal
                found[portal] = [*found.get(portal, ()), saved.name]
        return found

    def list(self) -> Sequence[SavedPortal]:
        """What may be shown of each saved portal, by name; one whose file is damaged is of the kind ``damaged``.

        Raises:
            PortalError: the data folder cannot be read.
        """
        return [self._found(name) for name in self._names()]

    def _found(self, name: str) -> SavedPortal:
        try:
            return self._shown(self._read(name))
        except PortalError as error:
            return SavedPortal(name, "", DAMAGED, str(error))

    def remove(self, name: str) -> None:
        """Forget a saved portal and its secret.

        Raises:
            PortalError: there is none, or its file cannot be removed.
        """
        path = self._path(name)
        if not path.exists():
            raise self.unknown(name)
        with self._locked(name):
            try:
                in_keyring = self._read(name)["secret_in"] == _KEYRING
            except PortalError:  # a damaged file can at least be removed
                in_keyring = False
            if in_keyring:
                self._out_of_keyring(name)
            try:
                path.unlink(missing_ok=True)
            except OSError as error:
                raise PortalError(
                    _("The saved portal cannot be removed ({reason}).").format(reason=reason(error))
                ) from None

    def saved(self, name: str) -> SavedPortal:
        """What may be shown of the portal saved under a name, in whatever case.

        Raises:
            PortalError: there is none, or its file cannot be read.
        """
        return self._shown(self._read(name))

    def unknown(self, name: str) -> UnknownPortalError:
        """The error for a name under which no portal is saved. It does not repeat what may be a pasted secret."""
        names = list(self._names())
        if not names:
            return UnknownPortalError(
                _("No portal is saved under that name, nor under any other: save one, or give the webhook's address.")
            )
        folded = {known.casefold(): known for known in names}
        close = difflib.get_close_matches(name.casefold(), folded, n=1)
        if close:
            sentence = _("No portal is saved under that name: did you mean {name}?").format(name=folded[close[0]])
        else:
            sentence = _("No portal is saved under that name: saved are {names}.").format(names=", ".join(names))
        return UnknownPortalError(sentence)

    def _names(self) -> Sequence[str]:
        try:
            return sorted(path.stem.removeprefix("portal-") for path in self._folder.glob("portal-*.json"))
        except OSError as error:
            raise PortalError(
                _("The folder with the saved portals cannot be read ({reason}).").format(reason=reason(error))
            ) from None

    def _path(self, name: str) -> Path:
        if _NAME.fullmatch(unicodedata.normalize("NFC", name)) is None:  # nor is it part of a path
            raise self.unknown(name)
        # The prefix keeps names such as "con" from being devices on Windows.
        return self._folder / f"portal-{_key(name)}.json"

    def _lock_path(self, name: str) -> Path:
        return self._path(name).with_suffix(".lock")

    @contextmanager
    def _locked(self, name: str) -> Iterator[None]:
        """Hold a portal's lock; what goes wrong with it is a `PortalError`."""
        lock = FileLock(self._lock_path(name), timeout=_LOCK_TIMEOUT, mode=0o600)
        try:
            make_private(self._folder)
            lock.acquire()
        except Timeout:
            raise PortalError(_("Another program is changing this saved portal: try again when it is done.")) from None
        except OSError as error:
            raise PortalError(
                _("The folder with the saved portals cannot be written ({reason}).").format(reason=reason(error))
            ) from None
        try:
            yield
        finally:
            lock.release()

    def _read(self, name: str) -> dict[str, Any]:
        try:
            text = self._path(name).read_text(encoding="utf-8")
        except FileNotFoundError:
            raise self.unknown(name) from None
        except OSError as error:
            raise PortalError(_("The saved portal cannot be read ({reason}).").format(reason=reason(error))) from None
        try:
            record = json.loads(text)
        except ValueError:
            record = None
        needed = "name", "kind", "masked", "secret_in"
        if not isinstance(record, dict) or not all(isinstance(record.get(field), str) for field in needed):
            raise _damaged(name)
        return record

    def _write(self, name: str, record: Mapping[str, Any]) -> None:
        try:
            _write_private(self._path(name), json.dumps(record, ensure_ascii=False, indent=1))
        except OSError as error:
            raise PortalError(
                _("The portal's credentials cannot be saved ({reason}).").format(reason=reason(error))
            ) from None

    def _shown(self, record: Mapping[str, Any]) -> SavedPortal:
        where = (
            _("in the system's keyring")
            if record["secret_in"] == _KEYRING
            else _("in a file that only you can read, {path}").format(path=self._path(record["name"]))
        )
        return SavedPortal(record["name"], record["masked"], record["kind"], where, record.get("settle"))

    def _secrets(self, record: Mapping[str, Any]) -> dict[str, Any]:
        name = record["name"]
        kept = record.get("secrets") if record["secret_in"] == _FILE else self._from_keyring(name)
        if not isinstance(kept, dict):
            raise _damaged(name)
        return kept

    def _same(self, used: Mapping[str, Any]) -> dict[str, Any]:
        """What is saved now of a portal in use; its tokens may be newer."""
        try:
            record = self._read(used["name"])
        except PortalError:
            if self._path(used["name"]).exists():
                raise
            raise PortalChangedError from None
        if any(record.get(mark) != used[mark] for mark in ("kind", "portal", "client_id")):
            raise PortalChangedError
        return record

    def _save_tokens(self, used: Mapping[str, Any], tokens: Tokens) -> None:
        """Keep renewed tokens; whoever calls this holds the portal's lock."""
        record, name = self._same(used), used["name"]
        kept = self._secrets(record) | asdict(tokens)
        if record["secret_in"] == _FILE:
            self._write(name, record | {"secrets": kept})
        elif not self._into_keyring(name, kept):
            raise PortalError(_("The system's keyring did not take the renewed sign-in: unlock it."))

    def _into_keyring(self, name: str, kept: Mapping[str, Any]) -> bool:
        keyring = _usable_keyring()
        if keyring is None:
            return False
        text = json.dumps(kept)
        with suppress(Exception):  # keyrings fail in as many ways as there are; then a file is used
            keyring.set_password(_SERVICE, self._entry(name), text)
            return keyring.get_password(_SERVICE, self._entry(name)) == text
        return False

    def _from_keyring(self, name: str) -> Any:
        keyring = _usable_keyring()
        text: str | None = None
        if keyring is not None:
            with suppress(Exception):  # likewise
                text = keyring.get_password(_SERVICE, self._entry(name))
        if text is None:
            raise PortalError(
                _(
                    "The system's keyring does not give the secret of the portal {name}: unlock it, or add "
                    "the portal again."
                ).format(name=name)
            )
        try:
            return json.loads(text)
        except ValueError:
            return None

    def _out_of_keyring(self, name: str) -> None:
        keyring = _usable_keyring()
        if keyring is not None:
            with suppress(Exception):  # likewise; an entry that is not there is as good as removed
                keyring.delete_password(_SERVICE, self._entry(name))

    def _entry(self, name: str) -> str:
        # With the folder, so that two data folders on one computer do not share a secret.
        return f"{_key(name)} in {self._folder}"


def resolve(text: str, store: PortalStore) -> Authorisation:
    """What calls the portal that a person named: by a saved name or by a webhook's address.

    Raises:
        AddressError: it is meant as an address, but none can be read from it.
        PortalError: no portal is saved under that name, or its secret cannot be read.
    """
    text = text.strip()
    if looks_like_address(text):
        return parse_webhook(text)
    return store.get(text)


def _key(name: str) -> str:
    return unicodedata.normalize("NFC", name).casefold()


def _checked(name: str) -> str:
    name = unicodedata.normalize("NFC", name.strip())
    if looks_like_address(name) or _NAME.fullmatch(name) is None:
        raise PortalError(
            _(
                "A portal's name is made of letters, digits, - and _, begins with a letter or digit, and "
                "has at most 64 characters."
            )
        )
    if _key(name) in _RESERVED:
        raise PortalError(_("{name} is the name of the embedded portal: choose another one.").format(name=name))
    return name


def _secrets_of(credentials: Webhook | Application) -> dict[str, Any]:
    if isinstance(credentials, Webhook):
        return {"address": credentials.address}
    return {"client_secret": credentials.client_secret, **asdict(credentials.tokens)}


def _tokens_in(kept: Mapping[str, Any]) -> Tokens:
    user_id = kept.get("user_id")
    return Tokens(
        kept["access_token"], kept["refresh_token"], kept["endpoint"], user_id if isinstance(user_id, int) else None
    )


def _damaged(name: str) -> PortalError:
    return PortalError(
        _("What is saved of the portal {name} is damaged: remove it and add it again.").format(name=name)
    )


def _usable_keyring() -> _Keyring | None:
    """The system's keyring; None where there is none that is worth its name, or BULKSEND_NO_KEYRING is set."""
    if os.environ.get("BULKSEND_NO_KEYRING", "") not in ("", "0"):
        return None
    try:
        import keyring  # noqa: PLC0415 - slow to import, and most commands need none

        backend = keyring.get_keyring()
        recommended = backend.priority >= 1  # the library's own measure; 0 and less is none at all
    except Exception:  # noqa: BLE001 - backends fail in as many ways as there are; then a file is used
        return None
    return backend if recommended else None


def _write_private(path: Path, text: str) -> None:
    """Write a file only its owner can read, whole and durably or not at all."""
    aside = path.with_name(f"{path.name}.{secrets.token_hex(4)}.new")
    descriptor = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        aside.replace(path)
    except BaseException:
        aside.unlink(missing_ok=True)
        raise
    if os.name == "posix":  # the renaming, too, must survive a power cut
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
