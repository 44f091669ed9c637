"""The metrics over HTTP: what is answered, and a small server beside a worker."""

from __future__ import annotations

import threading
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

from prometheus_client.exposition import choose_encoder

from bulksend.errors import BulksendError
from bulksend.metrics import metrics_registry

if TYPE_CHECKING:
    from pathlib import Path

    from prometheus_client import CollectorRegistry


def answer(source: CollectorRegistry, accept: str) -> tuple[int, str, bytes]:
    """Status, content type and body: OpenMetrics or Prometheus's own format; 503 where the journal cannot be read."""
    encode, content_type = choose_encoder(accept)
    try:
        return 200, content_type, encode(source)
    except BulksendError as error:
        return 503, "text/plain; charset=utf-8", f"{error}\n".encode()


def serve_metrics(port: int, address: str | Path) -> None:
    """Serve the metrics of the journal at that address to this computer alone, until the process ends.

    Raises:
        OSError: the port cannot be had.
    """
    server = ThreadingHTTPServer(("127.0.0.1", port), partial(_Handler, metrics_registry(address)))
    threading.Thread(target=server.serve_forever, name="metrics", daemon=True).start()


class _Handler(BaseHTTPRequestHandler):
    def __init__(self, source: CollectorRegistry, *connection: Any) -> None:
        self._source = source
        super().__init__(*connection)

    def do_GET(self) -> None:
        """Answer everybody."""
        if self.path.partition("?")[0] != "/metrics":
            self.send_error(404)
            return
        status, content_type, body = answer(self._source, self.headers.get("Accept", ""))
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Requests are nobody's business."""
