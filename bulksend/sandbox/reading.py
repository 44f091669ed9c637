"""How a portal reads a request: who calls which method with which parameters, and how it is to be answered."""

import json
from email.parser import BytesParser
from email.policy import HTTP
from typing import Any, NamedTuple
from urllib.parse import unquote

from aiohttp import web

from bulksend.sandbox import php
from bulksend.sandbox.portal import Request

_TRANSPORTS = (".json", ".xml")
_LONGEST_INTEGER = 20


class Asked(NamedTuple):
    """A request to REST, and whether the answer is wanted as XML."""

    request: Request
    xml: bool


async def read(request: web.BaseRequest) -> Asked:
    """Read address, token and parameters of a request to REST."""
    segments = [unquote(segment) for segment in request.rel_url.raw_path.split("/")[2:] if segment]
    credential = None
    if len(segments) > 1 and segments[0].isdecimal():
        credential = (segments[0], segments[1])
        segments = segments[2:]
    method = "/".join(segments).lower()
    transport = next((suffix for suffix in _TRANSPORTS if method.endswith(suffix)), "")
    given = await parameters(request)
    scheme, _, bearer = request.headers.get("Authorization", "").partition(" ")
    token = given.get("auth") or given.get("access_token") or (bearer.strip() if scheme.lower() == "bearer" else None)
    return Asked(Request(credential, method.removesuffix(transport), given, token), xml=transport == ".xml")


async def parameters(request: web.BaseRequest) -> dict[str, Any]:
    """The parameters of the query and, over them, those of the body, which is read of POST only."""
    raw = request.rel_url.raw_query_string
    given = php.parse_query(raw.encode("utf-8", "surrogateescape").decode("utf-8", "replace")) if raw else {}
    body = await request.read() if request.method == "POST" else b""
    return given | _body(request, body) if body else given


def _body(request: web.BaseRequest, body: bytes) -> dict[str, Any]:
    match request.content_type:
        case "application/json":
            return _json(body)
        case "multipart/form-data":
            return _multipart(request.headers["Content-Type"], body)
        case _:
            return php.parse_query(body.decode("utf-8", "replace"))


def _json(body: bytes) -> dict[str, Any]:
    """A JSON body's parameters; none where it is not JSON that PHP can read."""
    try:
        value = json.loads(body.decode(), parse_int=_integer, parse_constant=_no_constant)
        if b"\\u" in body:
            json.dumps(value, ensure_ascii=False).encode()  # half a surrogate pair is no character
    except (ValueError, RecursionError):
        return {}
    return php.as_mapping(value) or {}


def _integer(digits: str) -> int | float:
    """An integer as PHP reads it: a float where it does not fit."""
    value = int(digits) if len(digits) <= _LONGEST_INTEGER else float(digits)
    return value if -php.LARGEST_INTEGER - 1 <= value <= php.LARGEST_INTEGER else float(value)


def _no_constant(name: str) -> None:
    raise ValueError(name)


def _multipart(content_type: str, body: bytes) -> dict[str, Any]:
    header = f"Content-Type: {content_type}\r\n\r\n".encode("utf-8", "surrogateescape")
    form = BytesParser(policy=HTTP).parsebytes(header + body)
    fields = []
    for part in form.iter_parts():
        name, content = part.get_param("name", header="content-disposition"), part.get_payload(decode=True)
        if isinstance(name, str) and isinstance(content, bytes):
            fields.append((name, content.decode("utf-8", "replace")))
    return php.nested(fields)
