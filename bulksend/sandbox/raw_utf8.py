"""An HTTP server that accepts URLs with unescaped UTF-8, as portals do; aiohttp's parser refuses them."""

import asyncio
import re
from typing import Any

from aiohttp import web

_LINE = re.compile(rb"[A-Z]+ /[^\r\n]*", re.DOTALL)
_RAW = re.compile(rb"[\x80-\xff]")


class _RequestHandler(web.RequestHandler):
    __slots__ = ()

    def data_received(self, data: bytes) -> None:
        line = _LINE.match(data)
        if line is not None and not line[0].isascii() and b" HTTP/1." in line[0]:
            data = _RAW.sub(lambda byte: b"%%%02X" % ord(byte[0]), line[0]) + data[line.end() :]
        super().data_received(data)


class HttpServer(web.Server):
    """aiohttp's server, with that one difference."""

    def __init__(self, handler: Any, *, request_factory: Any, **options: Any) -> None:
        super().__init__(handler, request_factory=request_factory, **options)
        self._options = options

    def __call__(self) -> web.RequestHandler:
        """Serve one more connection."""
        return _RequestHandler(self, loop=asyncio.get_running_loop(), **self._options)
