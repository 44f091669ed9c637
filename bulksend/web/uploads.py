"""Uploaded sheets with what was chosen for each, in a private folder under the data folder.

Each upload is a folder with a random name that holds the file, ``draft.json`` and what was made of the file.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import secrets
import shutil
import time
import unicodedata
from dataclasses import asdict, dataclass, field, fields, replace
from glob import escape
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import TYPE_CHECKING, Any, Final, Literal

from bulksend.errors import UsageError
from bulksend.locale import _
from bulksend.locale.formats import reason
from bulksend.plan import SheetOptions
from bulksend.sender.settings import Sending

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from bulksend.journal import Run

MOST_BYTES: Final = 512 << 20
"""The largest file that is taken."""

FORGOTTEN_SECONDS: Final = 30 * 24 * 3600.0
"""How long an upload is kept of which nothing was sent."""

_ID: Final = re.compile(r"[0-9a-f]{24}")
_LONGEST_NAME: Final = 100
_SUFFIXES: Final = frozenset({".csv", ".tsv", ".txt", ".xlsx", ".xlsm", ".xls", ".ods"})
_DEVICES: Final = re.compile(r"(?i:con|prn|aux|nul|com\d|lpt\d)")

PACES: Final[Mapping[str, Sending]] = {
    "usual": Sending(),
    "slow": Sending(rate=0.5),
    "fast": Sending(fast=True),
}
"""The paces that can be chosen."""

REPEATS: Final[tuple[Literal["skip", "send"], ...]] = ("skip", "send")
"""What can be chosen for rows that other campaigns sent lately."""


@dataclass(frozen=True, slots=True)
class Upload:
    """What was chosen for an uploaded sheet; the file's own name is shown, never used as a path.

    Attributes:
        id: random.
        name: the file's name, made safe.
        created: Unix seconds.
        version: rises with every choice that changes how the sheet is read.
        sheet, mapping, message, include_hidden, entity_type: as in `SheetOptions`.
        with_sent: whether rows that the sheet, being the results of an earlier campaign, marks as sent are sent again.
        look_up: whether the portal is to be asked for the chats.
        portal: the portal's name; empty where none is chosen yet.
        user_id: who speaks for rows that name nobody; None: the portal's own user.
        pace: one of `PACES`.
        limit: only so many rows; None for all.
        repeats: what to do with rows that other campaigns sent lately: one of `REPEATS`; None: not chosen yet.
        twice: whether rows are sent too whose text an earlier row of the sheet has for the same chat.
        again: whether a sheet that was sent before is to be sent once more.
        reopen: whether finished dialogs are started again before sending.
        verify: whether the portal is asked at the end which messages reached the customers.
        typed: when messages may leave, as it was typed into the form: field → text.
        schedule: the same for `Sending`, with times in full.
        stop_list: where among the upload's stop lists the one in force is; empty for none.
        confirmed: the campaign that each confirmation began.
        by: who uploaded it.
    """

    id: str
    name: str
    created: float
    version: int = 0
    sheet: str | None = None
    mapping: dict[str, str] = field(default_factory=dict)
    message: str | None = None
    include_hidden: bool = False
    entity_type: str = ""
    with_sent: bool = False
    look_up: bool = False
    portal: str = ""
    user_id: int | None = None
    pace: str = "usual"
    limit: int | None = None
    repeats: Literal["skip", "send"] | None = None
    twice: bool = False
    again: bool = False
    reopen: bool = False
    verify: bool = False
    typed: dict[str, str] = field(default_factory=dict)
    schedule: dict[str, Any] = field(default_factory=dict)
    stop_list: str = ""
    confirmed: dict[str, int] = field(default_factory=dict)
    by: str = ""

    @property
    def options(self) -> SheetOptions:
        """How the sheet is to be read."""
        return SheetOptions(
            sheet=self.sheet,
            mapping=self.mapping,
            message=self.message,
            include_hidden=self.include_hidden,
            without_chats=self.look_up,
            entity_type=self.entity_type,
            without_sent=not self.with_sent,
        )

    @property
    def stop_list_name(self) -> str:
        """The name of the sheet of those who are to get nothing; empty for none."""
        return PurePosixPath(self.stop_list).name

    def read_otherwise(self, **changes: Any) -> Upload:
        """The draft with other choices on how the sheet is read; what is sent once more is then to be chosen again."""
        return replace(self, version=self.version + 1, again=False, repeats=None, **changes)


class Uploads:
    """The uploads of one data folder."""

    def __init__(self, home: Path) -> None:
        """Set up without touching the disk."""
        self._folder = home.absolute() / "uploads"

    def begin(self, name: str, by: str = "") -> Upload:
        """Make room for a file that is called ``name`` by whoever uploads it, ``by``."""
        draft = Upload(secrets.token_hex(12), safe_name(name), time.time(), by=by)
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._folder.chmod(0o700)
            for folder in (self.folder(draft.id), self.file(draft).parent):
                folder.mkdir(mode=0o700)
        except OSError as error:
            raise _unwritable(error) from None
        return draft

    def folder(self, draft_id: str) -> Path:
        """The folder of an upload.

        Raises:
            UsageError: that is no upload's id.
        """
        if _ID.fullmatch(draft_id) is None:
            raise _gone()
        return self._folder / draft_id

    def file(self, draft: Upload) -> Path:
        """The uploaded file, in a folder without anything of ours that it could take the place of."""
        return self.folder(draft.id) / "sheet" / draft.name

    def like(self, earlier: Upload, draft: Upload) -> Upload:
        """A new upload with what was chosen for an earlier one, but for which of its rows are sent."""
        changed = replace(
            earlier,
            id=draft.id,
            name=draft.name,
            created=draft.created,
            by=draft.by,
            version=0,
            confirmed={},
            again=False,
            repeats=None,
            twice=False,
            with_sent=False,
            limit=None,
        )
        if earlier.stop_list:
            with contextlib.suppress(FileNotFoundError):  # before it is sent, the page says that the list is gone
                shutil.copytree(self.stop_list(earlier).parent, self.stop_list(changed).parent)
        return changed

    def named_alike(self, draft: Upload) -> Upload | None:
        """The newest other upload of a file with the same name by the same user."""
        found = []
        for file in self._folder.glob(f"*/sheet/{escape(draft.name)}"):
            with contextlib.suppress(UsageError):  # one that is being uploaded
                found.append(self.load(file.parent.parent.name))
        alike = [other for other in found if other.id != draft.id and other.by == draft.by]
        return max(alike, key=lambda other: other.created, default=None)

    def stop_list(self, draft: Upload) -> Path:
        """The stop list of an upload."""
        return self._stop_lists(draft) / draft.stop_list

    def _stop_lists(self, draft: Upload) -> Path:
        return self.folder(draft.id) / "stop-list"

    def begin_stop_list(self, draft: Upload, name: str) -> Upload:
        """Make room for a stop list that is called ``name``, beside those of campaigns; the draft as it would be."""
        changed = replace(draft, stop_list=f"{secrets.token_hex(4)}/{safe_name(name)}")
        try:
            self._stop_lists(draft).mkdir(mode=0o700, exist_ok=True)
            self.stop_list(changed).parent.mkdir(mode=0o700)
        except OSError as error:
            raise _unwritable(error) from None
        return changed

    def remove_stop_list(self, draft: Upload) -> None:
        """Delete the stop list of an upload."""
        path = self.stop_list(draft)
        with contextlib.suppress(OSError):  # what cannot be deleted now goes with the upload
            path.unlink(missing_ok=True)
            path.parent.rmdir()

    def sending(self, draft: Upload) -> Sending:
        """How an upload is to be sent."""
        return replace(
            PACES.get(draft.pace, PACES["usual"]),
            reopen=draft.reopen or None,
            stop_list=[str(self.stop_list(draft))] if draft.stop_list else None,
            **draft.schedule,
        )

    def save(self, draft: Upload) -> None:
        """Keep what was chosen."""
        path = self.folder(draft.id) / "draft.json"
        aside = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
        with open_private(aside) as file:
            file.write(json.dumps(asdict(draft), ensure_ascii=False).encode())
        aside.replace(path)

    def load(self, draft_id: str) -> Upload:
        """What was chosen for an upload.

        Raises:
            UsageError: there is none, or no longer.
        """
        try:
            kept = json.loads((self.folder(draft_id) / "draft.json").read_text(encoding="utf-8"))
        except (OSError, ValueError):
            raise _gone() from None
        known = {part.name for part in fields(Upload)}
        return Upload(**{name: value for name, value in kept.items() if name in known})

    def remove(self, draft_id: str) -> None:
        """Delete an upload with all that was made of it."""
        with contextlib.suppress(FileNotFoundError):
            shutil.rmtree(self.folder(draft_id))

    def tidy(self) -> None:
        """Delete uploads of which nothing was ever sent, once they are old."""
        for folder in self._folder.glob("*") if self._folder.exists() else ():
            with contextlib.suppress(UsageError, OSError):
                draft = self.load(folder.name)
                if not draft.confirmed and time.time() - draft.created > FORGOTTEN_SECONDS:
                    self.remove(draft.id)

    @staticmethod
    def needed_by(path: Path, runs: Iterable[Run]) -> list[int]:
        """The campaigns that keep their texts and need what is at a path: their sheet, results or stop list."""
        return [
            run.id
            for run in runs
            if run.headings  # else its texts were deleted
            for file in (run.file, run.results_path, *(run.settings.get("stop_list") or ()))
            if path in (Path(file), *Path(file).parents)
        ]

    def of_file(self, file: str) -> str | None:
        """The id of the upload that a campaign's file is, None where it was not uploaded."""
        folder = Path(file).parent.parent
        return folder.name if folder.parent == self._folder and _ID.fullmatch(folder.name) else None

    def verified(self, file: str) -> bool:
        """Whether it was chosen for a campaign's file that the portal is asked at the end which messages arrived."""
        draft_id = self.of_file(file)
        if draft_id is None:
            return False
        try:
            return self.load(draft_id).verify
        except UsageError:
            return False


def open_private(path: Path) -> Any:
    """Open a new file for writing bytes that only its owner can read."""
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o600), "wb")


def safe_name(name: str) -> str:
    """A file's name without anything that could be a path, a device or a command to whoever shows it."""
    name = unicodedata.normalize("NFC", PureWindowsPath(name.replace("/", "\\")).name)
    name = "".join(letter if letter.isalnum() or letter in " ._-()[]№+" else "_" for letter in name).strip(" .")
    suffix = PureWindowsPath(name).suffix.lower()
    suffix = suffix if suffix in _SUFFIXES else ""
    stem = (name[: len(name) - len(suffix)] if suffix else name).strip(" .")[:_LONGEST_NAME]
    while len(stem.encode()) > 200:  # file systems count bytes
        stem = stem[:-1]
    if not stem.strip("_") or _DEVICES.fullmatch(stem.partition(".")[0]):
        stem = f"sheet{stem if stem.strip('_') else ''}"
    return f"{stem}{suffix}"


def _unwritable(error: OSError) -> UsageError:
    return UsageError(_("The folder for uploads cannot be written ({why}).").format(why=reason(error)))


def _gone() -> UsageError:
    return UsageError(_("This sheet is no longer here: upload it again."))
