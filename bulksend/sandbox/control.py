"""The control door: how tests in other processes read the ledger and turn the dials, outside REST."""

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from aiohttp import web

from bulksend.errors import UsageError
from bulksend.sandbox.description import change
from bulksend.sandbox.faults import Faults
from bulksend.sandbox.limits import Limits, Operating
from bulksend.sandbox.portal import Portal

if TYPE_CHECKING:
    from collections.abc import Callable

_DIALS = (
    "latency",
    "call_time",
    "request_limit",
    "clock_skew",
    "list_batches",
    "filter_scripts",
    "other_traffic",
    "scopes",
    "refusal",
)


class ControlDoor:
    """Answers under ``/_sandbox/``, in JSON.

    ``GET ledger``, ``starts`` and ``calls`` list deliveries, started dialogs and requests (``?since=N`` leaves out the
    first N); ``GET state``
    tells the dials and tokens. ``POST faults``, ``limits``, ``world`` and ``dials`` change what the body names.
    """

    def __init__(self, portal: Portal) -> None:
        self._portal = portal
        self._readings: dict[str, Callable[[int], Any]] = {
            "ledger": lambda since: [entry._asdict() for entry in portal.world.ledger[since:]],
            "starts": lambda since: [entry._asdict() for entry in portal.world.starts[since:]],
            "calls": lambda since: [asdict(record) for record in portal.calls[since:]],
            "state": lambda _since: self._state(),
        }
        self._dials: dict[str, Callable[[dict[str, Any]], None]] = {
            "faults": self._turn_faults,
            "limits": self._turn_limits,
            "world": lambda asked: change(portal.world, asked),
            "dials": self._turn_dials,
        }

    async def handle(self, request: web.BaseRequest) -> web.Response:
        """Answer one request; 400 with a sentence where it makes no sense."""
        name = request.path.removeprefix("/_sandbox/").strip("/")
        try:
            if request.method == "GET" and name in self._readings:
                return _json(self._readings[name](int(request.query.get("since", "0"))))
            if request.method == "POST" and name in self._dials:
                self._dials[name](json.loads(await request.read()))
                return _json({"done": True})
        except (UsageError, ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
            return _json({"error": f"{name}: {type(error).__name__}: {error}"}, status=400)
        return _json({"error": f"There is no {request.method} {name} behind this door."}, status=404)

    def _state(self) -> dict[str, Any]:
        portal = self._portal
        state: dict[str, Any] = {name: getattr(portal, name) for name in _DIALS}
        state["limits"] = asdict(portal.limits)
        state["faults"] = {
            "probability": portal.faults.probability,
            "at": portal.faults.at,
            "happened": portal.faults.happened,
        }
        if portal.gate.oauth is not None:
            state["oauth"] = {
                "access_token": portal.oauth.access_token,
                "refresh_token": portal.oauth.refresh_token,
                "renewals": len(portal.oauth.renewals),
            }
        return state

    def _turn_faults(self, asked: dict[str, Any]) -> None:
        self._portal.faults = Faults(**asked)

    def _turn_limits(self, asked: dict[str, Any]) -> None:
        now = self._portal.limits
        rate = asked.get("rate", now.rate)
        operating = asked.get("operating", now.operating)
        self._portal.limits = Limits(
            rate=None if rate is None else (float(rate[0]), float(rate[1])),
            operating=Operating(**operating) if isinstance(operating, dict) else operating,
        )

    def _turn_dials(self, asked: dict[str, Any]) -> None:
        unknown = asked.keys() - set(_DIALS)
        if unknown:
            raise UsageError(f"There is no dial {', '.join(sorted(unknown))}; there are {', '.join(_DIALS)}.")
        for name, value in asked.items():
            setattr(self._portal, name, value)


def _json(value: object, status: int = 200) -> web.Response:
    return web.Response(body=json.dumps(value).encode(), status=status, headers={"Content-Type": "application/json"})
