"""Messages as the customer will read them: BB codes as HTML that can do nothing."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import bbcode
from markupsafe import Markup, escape


@lru_cache(maxsize=1)
def _parser() -> bbcode.Parser:
    # Own formatters: the library's links could lead somewhere and its colours are inline styles.
    parser = bbcode.Parser(newline="<br>", install_defaults=False, replace_links=False, replace_cosmetic=False)
    for tag, name in (("b", "strong"), ("i", "em"), ("u", "u"), ("s", "s"), ("quote", "blockquote")):
        parser.add_simple_formatter(tag, f"<{name}>%(value)s</{name}>")
    parser.add_simple_formatter("code", "<code>%(value)s</code>", render_embedded=False)
    parser.add_simple_formatter("br", "<br>", standalone=True)
    for tag in ("color", "size", "font", "send", "put", "call", "user", "chat"):
        parser.add_simple_formatter(tag, "%(value)s")
    parser.add_formatter("url", _link)
    return parser


def _link(_tag: str, value: str, options: dict[str, str], _parent: Any, _context: Any) -> str:
    """A link as it looks, with where it leads beside it, for the reader of the preview is not to follow it."""
    leads = escape(options.get("url", ""))
    aside = f' <span class="leads">({leads})</span>' if leads and leads != value else ""
    return f'<span class="link">{value}</span>{aside}'


def as_read(message: str) -> Markup:
    """The message as the customer's messenger shows it."""
    try:
        html = _parser().format(message.strip())
    except RecursionError:  # hundreds of tags inside each other
        return escape(message.strip())
    return Markup(html)  # noqa: S704 - the library escapes all that is no tag of ours
