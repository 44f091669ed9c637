"""The metrics, for a program that has been given the token to read them."""

from __future__ import annotations

import hmac
from typing import TYPE_CHECKING

from aiohttp import web

from bulksend.metrics import metrics_registry
from bulksend.metrics.server import answer
from bulksend.web.page import page_of

if TYPE_CHECKING:
    from pathlib import Path


class Metrics:
    """Serves the metrics of a journal to whoever names the token."""

    def __init__(self, journal: str | Path, token: str) -> None:
        self._registry, self._token = metrics_registry(journal), token

    async def show(self, request: web.Request) -> web.Response:
        """Answer with OpenMetrics, or Prometheus's own format, as is asked for."""
        given = request.headers.get("Authorization", "")
        if not hmac.compare_digest(given.encode(errors="replace"), f"Bearer {self._token}".encode()):
            return web.Response(status=401, headers={"WWW-Authenticate": "Bearer"})
        accept = request.headers.get("Accept", "")
        status, content_type, body = await page_of(request).do(lambda: answer(self._registry, accept))
        return web.Response(status=status, body=body, headers={"Content-Type": content_type})
