"""Takes secrets out of texts, by the places where they stand: the last step before anything is shown or written."""

import re

_REPLACEMENTS = (
    # The secret in a webhook's address, which may have come apart as a path of Windows.
    (re.compile(r"([/\\]rest[/\\]+[0-9]+[/\\]+)[^/\\?#\s\"'<>]+", re.IGNORECASE), r"\1…"),
    # A password in front of a host; whoever did not escape an @ in it meant the last one.
    (re.compile(r"(://[^\s:/@\"']*:)[^\s\"']*@"), r"\1…@"),
    (
        re.compile(
            r"((?:^|[?&\s\"'{,])(?:auth|access_token|refresh_token|client_secret|APP_SID|\w*password)"
            r"[\"']?\s*[=:]\s*[\"']?)[^&\s\"',}]+",
            re.IGNORECASE,
        ),
        r"\1…",
    ),
)


def without_secrets(text: str) -> str:
    """A text in which what stands where addresses have their secrets is replaced by …."""
    for pattern, shown in _REPLACEMENTS:
        text = pattern.sub(shown, text)
    return text
