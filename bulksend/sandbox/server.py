"""The HTTP side of the sandbox."""

import asyncio
import contextlib
import json
import socket
import struct
import sys
import time
from email.utils import formatdate

from aiohttp import web

from bulksend.sandbox import reading, refusal
from bulksend.sandbox.clock import server_ahead
from bulksend.sandbox.control import ControlDoor
from bulksend.sandbox.faults import FaultKind
from bulksend.sandbox.garbled import GARBLED, delivered
from bulksend.sandbox.portal import Answer, CallRecord, Portal, Request, RequestCut, calls_of, refuse
from bulksend.sandbox.refusal import CAMPAIGN_REFUSALS, CampaignRefusal, Refusal, Refused
from bulksend.sandbox.xml_answer import as_xml

MAX_BODY = 256 * 1024 * 1024
_JSON = "application/json; charset=utf-8"
_HTML = "text/html; charset=utf-8"
_XML = "text/xml; charset=utf-8"
_PREFLIGHT = {"Access-Control-Allow-Headers": "origin, content-type, accept, authorization"}
_RESET = struct.pack("hh" if sys.platform == "win32" else "ii", 1, 0)
"""Linger for no time at all: closing the socket then resets the connection."""

_GATEWAY_PAGE = "<html><head><title>{0}</title></head><body><center><h1>{0}</h1></center><hr>nginx</body></html>"
_PAGES = {
    FaultKind.HTML502_BEFORE: (502, "502 Bad Gateway"),
    FaultKind.HTML502_AFTER: (502, "502 Bad Gateway"),
    FaultKind.HTML200: (200, "Welcome to the guest network"),
    FaultKind.HTML200_AFTER: (200, "Error"),
    FaultKind.HTML401_BEFORE: (401, "401 Authorization Required"),
    FaultKind.HTML401_AFTER: (401, "401 Authorization Required"),
    FaultKind.HTML404_BEFORE: (404, "404 Not Found"),
    FaultKind.HTML404_AFTER: (404, "404 Not Found"),
}

_REFUSING: dict[FaultKind, tuple[Refusal, int | None]] = {
    FaultKind.ERROR500_BEFORE: (refusal.INTERNAL_ERROR, None),
    FaultKind.QUERY_LIMIT: (refusal.QUERY_LIMIT, None),
    FaultKind.QUERY_LIMIT_200: (refusal.QUERY_LIMIT, 200),
    FaultKind.OPERATING_LIMIT: (refusal.OPERATING_LIMIT, None),
    FaultKind.OPERATING_LIMIT_200: (refusal.OPERATING_LIMIT, 200),
    FaultKind.OVERLOAD: (CAMPAIGN_REFUSALS[CampaignRefusal.OVERLOAD], None),
    FaultKind.EXPIRED_TOKEN: (refusal.EXPIRED_TOKEN, None),
    FaultKind.NO_AUTH: (CAMPAIGN_REFUSALS[CampaignRefusal.NO_AUTH], None),
}


class Server:
    """Serves one portal. ``at_work`` counts the requests and late deliveries that are not finished."""

    def __init__(self, portal: Portal) -> None:
        self._portal = portal
        self._door = ControlDoor(portal)
        self._late: set[asyncio.Task[None]] = set()
        self._resets = False
        self.at_work = 0

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer one HTTP request."""
        path = request.path
        if path.startswith("/rest/"):
            return await self._rest(request)
        if path.rstrip("/") == "/oauth/token":
            return await self._token(request)
        if path.startswith("/_sandbox/"):
            return await self._door.handle(request)
        return _page(404, "404 Not Found")

    async def _rest(self, request: web.BaseRequest) -> web.StreamResponse:
        anywhere = {"Access-Control-Allow-Origin": "*"}
        if request.method == "OPTIONS":
            return web.Response(headers=anywhere | _PREFLIGHT)
        response = await self._call(request)
        if not response.prepared:
            response.headers.update(anywhere)
        return response

    async def _call(self, request: web.BaseRequest) -> web.StreamResponse:
        record = CallRecord(time.monotonic())
        self._portal.calls.append(record)
        self.at_work += 1
        try:
            asked, xml = await reading.read(request)
            calls = calls_of(asked)
            record.method, record.commands = asked.method, len(calls)
            response = await self._serve(request, asked, calls, record)
        finally:
            self.at_work -= 1
            record.finished_at = time.monotonic()
        if xml and isinstance(response, web.Response) and response.content_type == "application/json":
            response.body = as_xml(bytes(response.body or b""))  # type: ignore[arg-type]
            response.headers["Content-Type"] = _XML
        return response

    async def _serve(
        self, request: web.BaseRequest, asked: Request, calls: list[str], record: CallRecord
    ) -> web.StreamResponse:
        if not self._portal.admit(request.remote or ""):
            return self._json(refuse(refusal.QUERY_LIMIT), record)
        fault = self._portal.faults.pick(asked.method, calls)
        if fault is None:
            return self._response(await self._answer(asked), record)
        record.fault = str(fault)
        if fault in _REFUSING:
            return self._json(refuse(*_REFUSING[fault]), record)
        if fault is FaultKind.LATE:
            self._later(asked)
            return self._hang_up(request)
        if not fault.carried_out:
            return await self._fail(fault, request, record, None)
        ahead = server_ahead.set(self._portal.faults.ahead_seconds if fault is FaultKind.SERVER_AHEAD else 0.0)
        try:
            return await self._fail(fault, request, record, await self._answer(asked))
        finally:
            server_ahead.reset(ahead)

    async def _answer(self, asked: Request) -> Answer | None:
        try:
            return await self._portal.answer(asked)
        except RequestCut:
            return None

    def _response(self, answer: Answer | None, record: CallRecord) -> web.StreamResponse:
        if answer is None:
            record.status = 504
            return _page(504, "504 Gateway Time-out")
        return self._json(answer, record)

    async def _fail(
        self, fault: FaultKind, request: web.BaseRequest, record: CallRecord, answer: Answer | None
    ) -> web.StreamResponse:
        """Answer as the fault has it; ``answer`` is what the portal would have answered, where it did the work."""
        match fault:
            case FaultKind.CLOSE_BEFORE | FaultKind.CLOSE_AFTER:
                return self._hang_up(request)
            case FaultKind.SILENT_BEFORE | FaultKind.SILENT_AFTER:
                await self._keep_silent()
                return self._hang_up(request)
            case FaultKind.NEW_SESSION:
                if answer is not None:
                    self._portal.world.begin_sessions_after(delivered(answer.body))
                return self._hang_up(request)
            case _ if fault in _PAGES:
                record.status, title = _PAGES[fault]
                return _page(record.status, title)
            case FaultKind.CUT_BODY if answer is not None:
                record.status = answer.status
                return await self._cut(request, answer)
            case _ if fault in GARBLED and answer is not None:
                return self._json(answer._replace(body=GARBLED[fault](answer.body)), record)
            case FaultKind.ERROR500_AFTER:
                return self._json(refuse(refusal.INTERNAL_ERROR), record)
            case _:
                return self._response(answer, record)

    async def _keep_silent(self) -> None:
        """Leave the caller waiting; there is no work left in that."""
        self.at_work -= 1
        try:
            await asyncio.sleep(self._portal.faults.silent_seconds)
        finally:
            self.at_work += 1

    def _later(self, asked: Request) -> None:
        """Carry a call out after its caller was cut off."""

        async def carry_out() -> None:
            try:
                await asyncio.sleep(self._portal.faults.late_seconds)
                await self._answer(asked)
            finally:
                self.at_work -= 1

        self.at_work += 1
        task = asyncio.get_running_loop().create_task(carry_out())
        self._late.add(task)
        task.add_done_callback(self._late.discard)

    async def stop(self) -> None:
        """Give up what is still to be carried out late."""
        for task in self._late:
            task.cancel()
        await asyncio.gather(*self._late, return_exceptions=True)

    def _hang_up(self, request: web.BaseRequest) -> web.StreamResponse:
        """Close the connection without an answer: in turn with a TCP reset and in the ordinary way."""
        transport = request.transport
        if transport is not None:
            self._resets = not self._resets
            peer = transport.get_extra_info("socket")
            if self._resets and peer is not None:
                with contextlib.suppress(OSError):
                    peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            transport.abort()
        return web.Response()

    async def _cut(self, request: web.BaseRequest, answer: Answer) -> web.StreamResponse:
        """Send half of a body whose whole length was promised, then close."""
        headers = {"Content-Type": _JSON, "Content-Length": str(len(answer.body))}
        response = web.StreamResponse(status=answer.status, headers=headers)
        await response.prepare(request)
        await response.write(answer.body[: len(answer.body) // 2])
        if request.transport is not None:
            request.transport.close()
        return response

    def _json(self, answer: Answer, record: CallRecord) -> web.Response:
        record.status, record.error = answer.status, answer.error
        headers = {"Content-Type": _JSON}
        if self._portal.clock_skew or server_ahead.get():
            headers["Date"] = formatdate(self._portal.world.now(), usegmt=True)
        return web.Response(body=answer.body, status=answer.status, headers=headers)

    async def _token(self, request: web.BaseRequest) -> web.Response:
        if self._portal.gate.oauth is None:
            return _page(404, "404 Not Found")
        await asyncio.sleep(self._portal.latency / 2)
        try:
            pair = self._portal.gate.oauth.renew(
                await reading.parameters(request), now=self._portal.world.now(), scopes=self._portal.scopes
            )
        except Refused as refused:
            no = refuse(refused.refusal)
            return web.Response(body=no.body, status=no.status, headers={"Content-Type": _JSON})
        await asyncio.sleep(self._portal.latency / 2)
        return web.Response(body=json.dumps(pair).encode(), headers={"Content-Type": _JSON})


def _page(status: int, title: str) -> web.Response:
    return web.Response(text=_GATEWAY_PAGE.format(title), status=status, headers={"Content-Type": _HTML})
