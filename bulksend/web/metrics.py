"""The metrics, for a program that has been given the token to read them."""

from __future__ import annotations

import hmac
from typing import TYPE_CHECKING

from aiohttp import web
from prometheus_client.exposition import choose_encoder

from bulksend.metrics import metrics_registry
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
        if not hmac.compare_digest(given.encode(), f"Bearer {self._token}".encode()):
            return web.Response(status=401, headers={"WWW-Authenticate": "Bearer"})
        encode, content_type = choose_encoder(request.headers.get("Accept", ""))
        body = await page_of(request).do(lambda: encode(self._registry))
        return web.Response(body=body, headers={"Content-Type": content_type})
