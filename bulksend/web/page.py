"""What the page's handlers share."""

from __future__ import annotations

import asyncio
import math
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import copy_context
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final, TypeVar

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError
from babel.dates import format_date, get_day_names
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from bulksend import __version__
from bulksend.errors import BulksendError, UsageError
from bulksend.forecast import predict_end
from bulksend.jobs.queued import QueuedJobs
from bulksend.jobs.threads import Threads
from bulksend.journal import Held, Journal
from bulksend.locale import _, language, ngettext
from bulksend.locale.formats import number
from bulksend.portal.redaction import without_secrets
from bulksend.schedule.parsing import hours_in_words
from bulksend.schedule.zones import zone_in_words
from bulksend.sender.options import duration
from bulksend.web.bbcode import as_read
from bulksend.web.checks import Checks
from bulksend.web.door import USER, NotAdmitted, refuse
from bulksend.web.preflights import Preflights
from bulksend.web.uploads import Upload, Uploads
from bulksend.web.verifications import Verifications

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping
    from concurrent.futures import Executor, Future
    from contextlib import ExitStack
    from pathlib import Path

    from multidict import MultiMapping

    from bulksend.campaign import Campaign
    from bulksend.jobs import CampaignJob, Jobs
    from bulksend.journal import Run
    from bulksend.locale import Language
    from bulksend.sender.options import Options
    from bulksend.target import Target
    from bulksend.web.door import Door

T = TypeVar("T")

AT_ONCE: Final = 4
"""Questions to the journal at once."""

PORTALS_AT_ONCE: Final = 8
"""People who wait for a portal's answers at once."""

LANGUAGE_NAMES: Final[Mapping[Language, str]] = {"en": "English", "ru": "Русский"}
"""Each language as its own readers call it."""


class Page:
    """One process that serves the page."""

    def __init__(self, home: Path, journal: str | Path, door: Door, *, queue: bool = False) -> None:
        """Set up without touching the disk.

        Args:
            home: the data folder.
            journal: the journal's address.
            door: who may come in.
            queue: whether campaigns are left to workers.
        """
        self.home, self.journal, self.door = home, journal, door
        self.jobs: Jobs = QueuedJobs(journal) if queue else Threads(journal)
        self.uploads = Uploads(home)
        self._threads = ThreadPoolExecutor(AT_ONCE, "bulksend-web")
        # Apart, so that neither a sheet of a million rows nor a slow portal keeps anybody from watching a campaign.
        self._checking = ThreadPoolExecutor(2, "bulksend-web-checking")
        self.files = ThreadPoolExecutor(2, "bulksend-web-files")
        self.portals = ThreadPoolExecutor(PORTALS_AT_ONCE, "bulksend-web-portals")
        self.checks = Checks(self.uploads, self._checking)
        self.preflights = Preflights(home, journal, self.uploads, self.portals)
        self.verifications = Verifications(home, journal)
        self.pace = Pace()
        self.ends_at: dict[int, float] = {}
        self._zones: dict[int, tuple[float, Collection[str]]] = {}
        self._locks: dict[str, asyncio.Lock] = {}
        self._mine = threading.local()
        self._journals: list[Journal] = []
        self._templates = _environment(door.prefix)

    def prepare(self) -> None:
        """Compile all templates in a thread, so that nobody waits for it at the first look at a page."""
        self._checking.submit(lambda: [self._templates.get_template(name) for name in self._templates.list_templates()])

    def close(self) -> int:
        """Stop the campaigns in good order, let go of the journal, and return how many campaigns that stopped."""
        self.verifications.close()
        stopped = self.jobs.close()
        self.preflights.close()
        for threads in (self._threads, self.files):  # those that use the journals that are closed here
            threads.shutdown(wait=True, cancel_futures=True)
        for threads in (self._checking, self.portals):
            threads.shutdown(wait=False, cancel_futures=True)
        for journal in self._journals:
            journal.close()
        return stopped

    async def do(self, work: Callable[[], T], threads: Executor | None = None) -> T:
        """Do something in another thread: of `files` what reads a sheet or writes one, of `portals` what asks one."""
        return await asyncio.get_running_loop().run_in_executor(threads or self._threads, copy_context().run, work)

    async def ask(self, question: Callable[[Journal], T], threads: Executor | None = None) -> T:
        """Ask the journal something, in a thread that has its own; of `files` where that takes long."""

        def work() -> T:
            journal = getattr(self._mine, "journal", None)
            if journal is None:
                journal = self._mine.journal = Journal(self.journal)
                self._journals.append(journal)
            return question(journal)

        return await self.do(work, threads)

    async def begin(self, prepare: Callable[[Journal, ExitStack], tuple[Campaign, Options]]) -> CampaignJob:
        """Start a campaign, and wait until it is entered or has ended.

        However long a large sheet takes to be entered: until then nothing else may begin it.
        """
        job = self.jobs.start(prepare)
        while not job.wait_until_entered(0):  # noqa: ASYNC110 - a thread's event; no thread of ours waits for it
            await asyncio.sleep(0.05)
        return job

    def foresee(self, journal: Journal, run: Run, target: Target, options: Options) -> None:
        """Reckon when the last message of a campaign will have left, where its times and hours decide that."""
        if not options.schedule.always:
            self.ends_at[run.id] = predict_end(journal, target, journal.open_zones(run.id), options).ends_at

    def zones_of(self, journal: Journal, run: Run) -> Collection[str]:
        """The zones of a campaign's open rows as they were within the last minute: to look at a million takes long."""
        until, zones = self._zones.get(run.id, (0.0, ()))
        if time.monotonic() > until:
            zones = tuple(journal.open_zones(run.id))
            self._zones[run.id] = time.monotonic() + 60.0, zones
        return zones

    def lock(self, name: str) -> asyncio.Lock:
        """A lock for what may not be done twice at once."""
        if len(self._locks) > 1_000:
            self._locks = {name: lock for name, lock in self._locks.items() if lock.locked()}
        return self._locks.setdefault(name, asyncio.Lock())

    def url(self, path: str) -> str:
        """The address of a place of the page."""
        return f"{self.door.prefix}{path}"

    def path_of(self, request: web.Request) -> str:
        """The place of the page that a request asks for, as `url` takes it."""
        return str(request.rel_url).removeprefix(self.door.prefix)

    def go(self, path: str) -> web.HTTPSeeOther:
        """An answer that leads on, after something was done."""
        return web.HTTPSeeOther(self.url(path))

    def show(self, template: str, *, status: int = 200, **values: Any) -> web.Response:
        """A page, made of a template."""
        html = self._templates.get_template(template).render(values, user=USER.get(), for_team=self.door.for_team)
        return web.Response(text=html, content_type="text/html", status=status)

    def excuse(self, error: BulksendError, status: int = 400) -> web.Response:
        """A page that says what kept something from being done."""
        sentence = without_secrets(str(error))
        if self.door.prefix and USER.get() is None:  # every link of a page would give the secret path away
            return refuse(status, sentence)
        return self.show("error.html", sentence=sentence, status=status)

    async def draft(self, request: web.Request) -> Upload:
        """The upload that an address names."""
        return await self.do(lambda: self.uploads.load(request.match_info["draft"]))


PAGE: Final = web.AppKey("page", Page)


def page_of(request: web.Request) -> Page:
    """What the handlers share."""
    return request.app[PAGE]


@contextmanager
def readable() -> Iterator[None]:
    """Say in a sentence that what a request holds cannot be read, whatever of it aiohttp stumbles over.

    Raises:
        UsageError: it cannot.
    """
    try:
        yield
    except (ValueError, LookupError, AssertionError, RuntimeError, HttpProcessingError):
        raise UsageError(_("What was sent cannot be read: go back, load the page anew, and try again.")) from None


async def form_of(request: web.Request) -> MultiMapping[Any]:
    """The form that a request holds.

    Raises:
        UsageError: it cannot be read.
    """
    with readable():
        return await request.post()


async def settled(future: Future[T], seconds: float) -> bool:
    """Whether a future is done, after waiting for it so long at the most."""
    if not future.done():
        waiter = asyncio.wrap_future(future)
        # Whoever looks at the future gets its error; asyncio would complain that nobody looked at the waiter's.
        waiter.add_done_callback(lambda done: done.cancelled() or done.exception())
        await asyncio.wait([waiter], timeout=seconds)
    return future.done()


@web.middleware
async def excuses(request: web.Request, handler: Any) -> web.StreamResponse:
    """Show what a person can act on as a page, and keep everything else to ourselves."""
    page = page_of(request)
    try:
        response: web.StreamResponse = await handler(request)
    except Held as error:
        return page.excuse(error, 409)
    except BulksendError as error:
        return page.excuse(error)
    except NotAdmitted:
        return page.show("not_admitted.html", status=403)
    except web.HTTPNotFound:
        return page.excuse(UsageError(_("There is no such page.")), 404)
    return response


@dataclass(slots=True)
class _Sample:
    at: float
    settled: int


class Pace:
    """How fast campaigns go, by what the journal said of them lately; whoever sends them."""

    SPAN: Final = 60.0

    def __init__(self) -> None:
        """Nothing has been seen yet."""
        self._seen: dict[int, list[_Sample]] = {}

    def see(self, run_id: int, settled_rows: int) -> float | None:
        """Rows a second over the last minute; None where too little has been seen."""
        now = time.monotonic()
        samples = self._seen.setdefault(run_id, [])
        if not samples or now - samples[-1].at >= 1:
            samples.append(_Sample(now, settled_rows))
        while samples[0].at < now - self.SPAN:
            samples.pop(0)
        first = samples[0]
        if now - first.at < 3:
            return None
        return max(0, settled_rows - first.settled) / (now - first.at)


def _environment(prefix: str) -> Environment:
    environment = Environment(
        loader=PackageLoader("bulksend.web"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        extensions=["jinja2.ext.i18n"],
    )
    environment.install_gettext_callables(_, ngettext, newstyle=True)  # type: ignore[attr-defined]
    environment.globals.update(
        url=lambda path: f"{prefix}{path}",
        version=__version__,
        never=math.inf,
        language=language,
        languages=LANGUAGE_NAMES.items(),
    )
    environment.filters.update(
        number=number,
        rough=lambda value: number(float(f"{value:.2g}")),
        moment=moment,
        span=lambda seconds: duration(seconds).replace(" ", "\N{NO-BREAK SPACE}"),
        weekday=weekday,
        as_read=as_read,
        hours=lambda hours: hours_in_words(hours).replace("-", "\N{EN DASH}"),
        zone=zone_in_words,
    )
    environment.policies["ext.i18n.trimmed"] = True
    return environment


def moment(at: float | None) -> Markup:
    """A time; the page's script shows it in the reader's own zone."""
    if at is None:
        return Markup("")
    local = datetime.fromtimestamp(at).astimezone()
    shown = f"{format_date(local, locale=language())}, {local:%H:%M}".replace(" г.", "\N{NO-BREAK SPACE}г.")
    return Markup('<time datetime="{}">{}</time>').format(local.isoformat(timespec="seconds"), shown)


def weekday(day: int) -> str:
    """The name of a day of the week, Monday being 0."""
    return str(get_day_names("wide", "stand-alone", locale=language())[day])


def chosen(form: Mapping[str, Any], name: str) -> str:
    """What a form's field holds, without blanks around it; empty where it has none."""
    value = form.get(name, "")
    return value.strip() if isinstance(value, str) else ""


def whole_number(text: str, digits: int = 9) -> int | None:
    """The whole number that a text is, of so many digits at the most; None where it is none.

    Python reads no longer ones than 4,300 digits, and a database's numbers end long before.
    """
    return int(text) if text.isdecimal() and len(text) <= digits else None
