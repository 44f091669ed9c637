"""What is seen while a campaign runs: a bar on a terminal, a plain line now and then elsewhere."""

from __future__ import annotations

import contextlib
import math
import sys
import time
from abc import ABC, abstractmethod
from collections import deque
from typing import TYPE_CHECKING, Any, Final, Self

from bulksend.locale import _, ngettext
from bulksend.locale.formats import number
from bulksend.portal.redaction import without_secrets
from bulksend.sender.options import duration

if TYPE_CHECKING:
    from bulksend.journal import Counts
    from bulksend.sender.options import Progress

LINE_SECONDS: Final = 30.0
"""How often a line is written where there is no terminal."""


class Display(ABC):
    """Shows progress until it is closed."""

    def __init__(self) -> None:
        self._soon: deque[str] = deque()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._say_waiting()

    def show(self, progress: Progress) -> None:
        """Show the state of things now."""
        self._say_waiting()
        self._show(progress)

    def say_soon(self, sentence: str) -> None:
        """Write a sentence with what is shown next: for signal handlers, which may run in the middle of a write."""
        self._soon.append(sentence)

    def _say_waiting(self) -> None:
        while self._soon:
            self.say(self._soon.popleft())

    @abstractmethod
    def say(self, sentence: str) -> None:
        """Write a sentence without breaking what is shown."""

    @abstractmethod
    def _show(self, progress: Progress) -> None: ...


def display(counts: Counts) -> Display:
    """The display for standard error as it is."""
    return Bar(counts) if sys.stderr.isatty() else Lines(counts)


class Bar(Display):
    """A bar with what has been settled, the pace, the time left, and what is being waited for."""

    def __init__(self, counts: Counts) -> None:
        from tqdm import tqdm

        class InWords(tqdm):  # type: ignore[type-arg]
            """With the pace in the reader's language, which tqdm itself has in English alone."""

            @property
            def format_dict(self) -> dict[str, Any]:
                facts = dict(super().format_dict)
                elapsed = facts["elapsed"]
                rate = facts["rate"] or ((facts["n"] - facts["initial"]) / elapsed if elapsed else 0.0)
                return {**facts, "pace": _("{rate} rows/s").format(rate=f"{rate:.2f}")}

        super().__init__()
        self._settled = _settled(counts)
        self._bar = InWords(
            total=self._settled + counts.left,
            initial=self._settled,
            dynamic_ncols=True,
            file=sys.stderr,
            bar_format="{percentage:3.0f}%|{bar}| {n_fmt}/{total_fmt} [{elapsed}<{remaining}, {pace}]{postfix}",
        )

    def __exit__(self, *_: object) -> None:
        super().__exit__()
        self._bar.close()

    def _show(self, progress: Progress) -> None:
        settled = _settled(progress.counts)
        self._bar.set_postfix_str(_words(progress), refresh=False)
        if settled != self._settled:
            self._bar.update(settled - self._settled)
            self._settled = settled
        elif progress.waiting:
            self._bar.refresh()

    def say(self, sentence: str) -> None:
        """See `Display`."""
        with contextlib.suppress(OSError):  # as below; tqdm itself ignores that its terminal was closed
            self._bar.write(without_secrets(sentence), file=sys.stderr)


class Lines(Display):
    """A plain line every half minute, and one whenever something new is waited for."""

    def __init__(self, counts: Counts) -> None:
        super().__init__()
        self._total = _settled(counts) + counts.left
        self._next = time.monotonic() + LINE_SECONDS
        self._waiting = ""

    def _show(self, progress: Progress) -> None:
        now = time.monotonic()
        news = bool(progress.waiting) and progress.waiting != self._waiting and progress.until - time.time() > 2
        if now < self._next and not news:
            return
        self._waiting = progress.waiting
        self._next = now + LINE_SECONDS
        text = ngettext(
            "{done} of {total} row done: {progress}", "{done} of {total} rows done: {progress}", self._total
        )
        done = number(_settled(progress.counts))
        self.say(text.format(done=done, total=number(self._total), progress=_words(progress)))

    def say(self, sentence: str) -> None:
        """See `Display`."""
        with contextlib.suppress(OSError):  # a reader that has gone must not end a campaign
            print(without_secrets(sentence), file=sys.stderr, flush=True)  # noqa: T201 - this is the display


def _settled(counts: Counts) -> int:
    return counts.sent + counts.failed + counts.unknown


def _words(progress: Progress) -> str:
    counts = progress.counts
    words = [_("sent {rows}").format(rows=number(counts.sent))]
    if counts.failed:
        words.append(_("failed {rows}").format(rows=number(counts.failed)))
    if counts.unknown:
        words.append(_("unknown {rows}").format(rows=number(counts.unknown)))
    left = progress.until - time.time()
    if progress.waiting and 1 < left < math.inf:
        words.append(_("waiting {span} for {cause}").format(span=duration(left), cause=progress.waiting))
    return ", ".join(words)
