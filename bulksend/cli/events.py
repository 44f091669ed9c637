"""What happens, for other programs: one JSON object a line, on standard error (``--progress json``) or in a log file.

Events and what the library logs go the same way: through the loggers below ``bulksend``. An event is a record that has
one (`emit`); whatever else is logged goes into the log file alone.
"""

from __future__ import annotations

import contextlib
import json
import math
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from bulksend.cli.console import quiet
from bulksend.cli.progress import Display
from bulksend.portal.redaction import without_secrets

if TYPE_CHECKING:
    import logging

    import click

    from bulksend.journal import Counts, WaitReason
    from bulksend.sender.options import Progress
    from bulksend.validation.report import Report

LOG_BYTES: Final = 10_000_000
OLD_LOGS: Final = 5
"""A log file that has grown so large is put aside (``PATH.1``), and so many old ones are kept."""

PROGRESS_SECONDS: Final = 1.0
"""How often progress is written at the most."""

_state: dict[str, Any] = {"handlers": [], "ended": False}


def emit(event: str, **facts: Any) -> None:
    """Say that something has happened."""
    import logging

    _state["ended"] |= event == "ended"
    logging.getLogger("bulksend.cli").info(event, extra={"event": {"event": event, **facts}})


def checked(report: Report) -> None:
    """Say what the checks of a sheet have found: counts and codes, no texts."""
    emit(
        "checked",
        rows=report.rows,
        good=report.good,
        hidden=report.hidden,
        chats=report.chats,
        problems={problem.code: problem.count for problem in report.problems},
        warnings={problem.code: problem.count for problem in report.warnings},
    )


def to_standard_error(context: click.Context, _parameter: click.Parameter, form: str | None) -> str | None:
    """Write events to standard error instead of what people read there."""
    if form == "json" and not quiet.get():
        quiet.set(True)
        _add(_to_standard_error(context))
    return form


def to_file(_context: click.Context, _parameter: click.Parameter, path: Path | None) -> Path | None:
    """Write events and all that is logged to a file too.

    Raises:
        UsageError: it cannot be written.
    """
    if path is not None:
        from logging.handlers import RotatingFileHandler

        from bulksend.errors import UsageError
        from bulksend.locale import _
        from bulksend.locale.formats import reason

        try:
            handler = RotatingFileHandler(path, maxBytes=LOG_BYTES, backupCount=OLD_LOGS, encoding="utf-8")
        except OSError as error:
            raise UsageError(
                _("The log file {path} cannot be written ({why}).").format(
                    path=path, why=reason(error) or type(error).__name__
                )
            ) from None
        handler.setFormatter(_formatter())
        _add(handler)
    return path


def close(failure: dict[str, Any] | None = None) -> None:
    """End what `to_standard_error` and `to_file` began; ``failure`` is how the command ended without a campaign."""
    import logging

    if not _state["handlers"]:
        return
    if not _state["ended"] and failure is not None:
        emit("ended", **failure)
    logger = logging.getLogger("bulksend")
    for handler in _state["handlers"]:
        logger.removeHandler(handler)
        handler.close()
    _state.update(handlers=[], ended=False)


def _add(handler: logging.Handler) -> None:
    import logging

    logger = logging.getLogger("bulksend")
    logger.setLevel(logging.INFO)
    logger.addHandler(handler)
    _state["handlers"].append(handler)


def _line(facts: dict[str, Any], at: float, *, ascii_only: bool) -> str:
    moment = datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds")
    return json.dumps({"at": moment, **_clean(facts)}, ensure_ascii=ascii_only)


def _clean(value: Any) -> Any:
    if isinstance(value, str):
        return without_secrets(value)
    return {name: _clean(each) for name, each in value.items()} if isinstance(value, dict) else value


def _to_standard_error(context: click.Context) -> logging.Handler:
    import logging

    class ToStandardError(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            facts: dict[str, Any] | None = getattr(record, "event", None)
            if facts is None or (facts["event"] == "row" and not context.params.get("verbose")):
                return
            with contextlib.suppress(OSError):  # a reader that has gone must not end a campaign
                print(_line(facts, record.created, ascii_only=True), file=sys.stderr, flush=True)  # noqa: T201

    return ToStandardError()


def _formatter() -> logging.Formatter:
    import logging

    class Lines(logging.Formatter):
        def format(self, record: logging.LogRecord) -> str:
            facts = getattr(record, "event", None) or {"event": "log", "message": record.getMessage()}
            if record.exc_info:
                facts = {**facts, "error": self.formatException(record.exc_info)}
            facts = {**facts, "level": record.levelname.lower(), "logger": record.name}
            return _line(facts, record.created, ascii_only=False)

    return Lines()


class Events(Display):
    """Says as events how far a campaign is: once a second, and whenever something new is waited for."""

    def __init__(self, run_id: int, shown: Display | None = None) -> None:
        """Show the same to people on ``shown``."""
        super().__init__()
        self._run_id, self._shown = run_id, shown
        self._next = 0.0
        self._waiting: tuple[WaitReason | None, str] = (None, "")
        self._last: Counts | None = None

    def _show(self, progress: Progress) -> None:
        if self._shown is not None:
            self._shown.show(progress)
        now = time.monotonic()
        left = progress.until - time.time()
        waiting = (progress.reason, progress.zone) if left > 1 else (None, "")
        if waiting[0] and waiting != self._waiting:
            until = None if left == math.inf else datetime.fromtimestamp(progress.until, UTC).isoformat("T", "seconds")
            emit("waiting", run=self._run_id, reason=progress.reason, until=until)
        self._waiting = waiting
        if progress.counts == self._last or now < self._next:
            return
        self._last, self._next = progress.counts, now + PROGRESS_SECONDS
        emit(
            "progress",
            run=self._run_id,
            rows=progress.counts.total,
            **progress.counts.by_status(),
            in_flight=progress.in_flight,
        )

    def say(self, sentence: str) -> None:
        """See `Display`."""
        if self._shown is not None:
            self._shown.say(sentence)

    def __exit__(self, *exception: object) -> None:
        super().__exit__(*exception)
        if self._shown is not None:
            self._shown.__exit__(*exception)
