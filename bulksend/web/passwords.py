"""Names and passwords of the users of a team's page."""

from __future__ import annotations

import re
import secrets
import unicodedata
from functools import cache
from typing import Final

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from bulksend.errors import UsageError
from bulksend.locale import _

SHORTEST: Final = 12
LONGEST: Final = 1_000
"""Characters of a password."""

_NAME: Final = re.compile(r"[\w.-]{1,64}")
_HASHER: Final = PasswordHasher()


def as_name(text: str) -> str:
    """A user's name as it is kept: without capitals, however the letters were typed."""
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text.strip()).casefold())[:64]


def new_name(text: str) -> str:
    """The name of a user who is to be added, as it is kept.

    Raises:
        UsageError: it cannot be one.
    """
    if _NAME.fullmatch(name := as_name(text)) is None or len(text.strip()) > 64:
        raise UsageError(_("A user's name has letters, digits, dots, hyphens and underscores, at most 64 in all."))
    return name


def hashed(password: str) -> str:
    """A new password's hash, to be kept.

    Raises:
        UsageError: it is too short or too long.
    """
    if not SHORTEST <= len(password) <= LONGEST:
        raise UsageError(
            _("A password has at least {shortest} characters: take several words that do not belong together.").format(
                shortest=SHORTEST
            )
        )
    return _HASHER.hash(_as_kept(password))


def matches(password: str, kept: str | None) -> bool:
    """Whether it is the password of that hash; where there is none, it takes as long to say that it is not."""
    try:
        return _HASHER.verify(kept or nobodys(), _as_kept(password[: LONGEST + 1])) and kept is not None
    except (VerificationError, InvalidHashError):
        return False


@cache
def nobodys() -> str:
    """The hash of a password that nobody knows."""
    return _HASHER.hash(secrets.token_urlsafe(32))


def _as_kept(password: str) -> str:
    """The same letters are the same password, however a system writes them."""
    return unicodedata.normalize("NFKC", password)
