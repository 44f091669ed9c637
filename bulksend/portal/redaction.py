"""Takes secrets out of texts, by the places where they stand: the last step before anything is shown or written."""

import re
from typing import Final

_PARAMETERS: Final = r"auth|access_token|refresh_token|client_secret|APP_SID|\w*password"
_REPLACEMENTS: Final = (
    # The secret in a webhook's address, which may have come apart as a path of Windows.
    (r"([/\\]rest[/\\]+[0-9]+[/\\]+)(?!…)[^/\\?#\s\"'<>]+", r"\1…"),
    # A password in front of a host; whoever did not escape an @ in it meant the last one.
    (r"(://[^\s:/@\"']*:)[^\s\"']*@", r"\1…@"),
    (rf"((?:^|[?&\s\"'{{,])(?:{_PARAMETERS})[\"']?\s*[=:]\s*[\"']?)[^&\s\"',}}]+", r"\1…"),
)


def without_secrets(text: str) -> str:
    """Return ``text`` with … in the place of whatever stands where addresses have their secrets."""
    for pattern, shown in _REPLACEMENTS:
        text = re.sub(pattern, shown, text, flags=re.IGNORECASE)
    return text
