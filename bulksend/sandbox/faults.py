"""The fault dial: what goes wrong between the portal and its caller, and when."""

import random
from collections import Counter
from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import Any, Self

from bulksend.errors import UsageError
from bulksend.locale import _


class FaultKind(StrEnum):
    """What can go wrong; ``before`` and ``after`` say on which side of carrying the call out."""

    CLOSE_BEFORE = "close_before"
    CLOSE_AFTER = "close_after"
    SILENT_BEFORE = "silent_before"
    SILENT_AFTER = "silent_after"
    LATE = "late"
    ERROR500_BEFORE = "error500_before"
    ERROR500_AFTER = "error500_after"
    HTML502_BEFORE = "html502_before"
    HTML502_AFTER = "html502_after"
    HTML200 = "html200"
    HTML200_AFTER = "html200_after"
    HTML401_BEFORE = "html401_before"
    HTML401_AFTER = "html401_after"
    HTML404_BEFORE = "html404_before"
    HTML404_AFTER = "html404_after"
    NEW_SESSION = "new_session"
    """The answer is lost, and then the customer begins a new session: histories show no earlier one."""
    CUT_BODY = "cut_body"
    BROKEN_JSON = "broken_json"
    RESULT_AND_ERROR = "result_and_error"
    EMPTY_ERROR = "empty_error"
    SHORT_LIST = "short_list"
    """The batch's results are a list without the first one."""
    ONE_ID = "one_id"
    """Each call of the batch is answered with the first one's id."""
    NONSENSE_START = "nonsense_start"
    """The answer is right, but for the time at which it says it began."""
    SERVER_AHEAD = "server_ahead"
    """Carried out and answered by a server of the portal whose clock is ahead."""
    QUERY_LIMIT = "query_limit"
    QUERY_LIMIT_200 = "query_limit_200"
    OPERATING_LIMIT = "operating_limit"
    OPERATING_LIMIT_200 = "operating_limit_200"
    OVERLOAD = "overload"
    EXPIRED_TOKEN = "expired_token"  # noqa: S105 - a code, not a token
    NO_AUTH = "no_auth"

    @property
    def carried_out(self) -> bool:
        """Whether the call is carried out all the same (at once, or late)."""
        return self in _CARRIED_OUT

    @property
    def loses_answer(self) -> bool:
        """Whether the call is carried out and its answer does not say so, or not what became of it."""
        return self in _CARRIED_OUT - {FaultKind.NONSENSE_START, FaultKind.SERVER_AHEAD}

    @property
    def only_in_batches(self) -> bool:
        """Whether it happens to batches only."""
        return self in {FaultKind.SHORT_LIST, FaultKind.ONE_ID}


_CARRIED_OUT = {
    FaultKind.CLOSE_AFTER,
    FaultKind.SILENT_AFTER,
    FaultKind.LATE,
    FaultKind.ERROR500_AFTER,
    FaultKind.HTML502_AFTER,
    FaultKind.HTML200_AFTER,
    FaultKind.HTML401_AFTER,
    FaultKind.HTML404_AFTER,
    FaultKind.NEW_SESSION,
    FaultKind.CUT_BODY,
    FaultKind.BROKEN_JSON,
    FaultKind.RESULT_AND_ERROR,
    FaultKind.EMPTY_ERROR,
    FaultKind.SHORT_LIST,
    FaultKind.ONE_ID,
    FaultKind.NONSENSE_START,
    FaultKind.SERVER_AHEAD,
}


class Faults:
    """Which calls go wrong, and how. Replace the portal's ``faults`` with another one to turn the dial."""

    def __init__(
        self,
        probability: Mapping[FaultKind, float] | Mapping[str, float] | None = None,
        *,
        seed: int = 0,
        at: Mapping[int, FaultKind] | Mapping[int, str] | None = None,
        methods: Iterable[str] | None = None,
        silent_seconds: float = 120.0,
        late_seconds: float = 2.0,
        ahead_seconds: float = 13.0,
    ) -> None:
        """Set the dial.

        Args:
            probability: How likely each kind is for a call; together at most 1.
            seed: Of the dice, so that a run can be repeated.
            at: Faults for certain calls, counted from 1 among those of ``methods``; they go before the dice.
            methods: The methods (any case) that the dial is for, alone or in a batch; ``None``: every REST call.
            silent_seconds: How long a silent portal keeps the connection open.
            late_seconds: How long after cutting the connection a ``late`` call is carried out.
            ahead_seconds: How far the clock of the portal's other server is ahead.

        Raises:
            UsageError: If a kind is unknown or the probabilities make no sense.
        """
        self.probability = {_kind(kind): float(chance) for kind, chance in (probability or {}).items()}
        if any(chance < 0 for chance in self.probability.values()) or sum(self.probability.values()) > 1 + 1e-9:
            raise UsageError(_("The probabilities of faults must not be negative, and together not above 1."))
        self.seed = seed
        self.at = {int(number): _kind(kind) for number, kind in (at or {}).items()}
        self.methods = None if methods is None else frozenset(method.lower() for method in methods)
        self.silent_seconds = silent_seconds
        self.late_seconds = late_seconds
        self.ahead_seconds = ahead_seconds
        self.seen = 0
        self.happened: Counter[FaultKind] = Counter()
        self._dice = random.Random(seed)  # noqa: S311 - repeatable faults, not secrets

    @classmethod
    def every(cls, chance: float, *, without: Iterable[FaultKind | str] = (), **options: Any) -> Self:
        """Every kind with the same probability, but for those ``without``."""
        left_out = {_kind(kind) for kind in without}
        return cls({kind: chance for kind in FaultKind if kind not in left_out}, **options)

    @classmethod
    def parse(cls, texts: Iterable[str], **options: Any) -> Self:
        """Read ``close_after=0.02`` (a probability) and ``late@3`` (the third call) as a command line gives them.

        Raises:
            UsageError: If a text is neither.
        """
        probability: dict[str, float] = {}
        at: dict[int, str] = {}
        for text in texts:
            kind, mark, figure = text.partition("@" if "@" in text else "=")
            try:
                if mark == "@":
                    at[int(figure)] = kind.strip()
                else:
                    probability[kind.strip()] = float(figure)
            except ValueError:
                raise UsageError(
                    _(
                        "{text!r} is not a fault: write KIND=PROBABILITY, such as close_after=0.02, or "
                        "KIND@CALL, such as late@3."
                    ).format(text=text)
                ) from None
        return cls(probability, at=at, **options)

    def pick(self, method: str, calls: Iterable[str]) -> FaultKind | None:
        """Decide what happens to the next request; ``calls`` are the methods it calls (all in lower case)."""
        if self.methods is not None and method not in self.methods and self.methods.isdisjoint(calls):
            return None
        self.seen += 1
        kind = self.at.get(self.seen) or self._throw()
        if kind is None or (kind.only_in_batches and method != "batch"):
            return None
        self.happened[kind] += 1
        return kind

    def _throw(self) -> FaultKind | None:
        if not self.probability:
            return None
        thrown = self._dice.random()
        for kind, chance in self.probability.items():
            thrown -= chance
            if thrown < 0:
                return kind
        return None


def _kind(name: str) -> FaultKind:
    try:
        return FaultKind(name)
    except ValueError:
        raise UsageError(
            _("There is no fault {name!r}; the kinds are: {kinds}.").format(name=name, kinds=", ".join(FaultKind))
        ) from None
