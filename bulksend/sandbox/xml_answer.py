"""An answer as XML, for a method that was called as ``METHOD.xml``."""

import json
import re
from typing import Any
from xml.sax.saxutils import escape

from bulksend.sandbox import php

_NAME = re.compile(r"[A-Za-z_][\w.-]*", re.ASCII)
_NO_CHARACTER = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f]")


def as_xml(body: bytes) -> bytes:
    """Write a JSON answer as XML; one that is broken stays as it is."""
    try:
        answer = json.loads(body)
    except ValueError:
        return body
    return f'<?xml version="1.0" encoding="utf-8"?>\n<response>{_written(answer)}</response>'.encode("utf-8", "replace")


def _written(value: Any) -> str:
    items = php.as_mapping(value)
    if items is None:
        return escape(_NO_CHARACTER.sub("", php.text(value) or ""))
    return "".join(
        f"<{tag}>{_written(item)}</{tag}>" for tag, item in ((_tag(key), item) for key, item in items.items())
    )


def _tag(key: str) -> str:
    return key if _NAME.fullmatch(key) else "item"
