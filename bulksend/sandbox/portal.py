"""Answers REST requests as the portal does."""

import asyncio
import json
import secrets
import time
from dataclasses import dataclass
from typing import Any, NamedTuple

from bulksend.sandbox import batch, php, refusal
from bulksend.sandbox.authorisation import Caller, Gate, OAuthApp, OAuthServer
from bulksend.sandbox.chats import Delivery, Start
from bulksend.sandbox.clock import iso
from bulksend.sandbox.faults import Faults
from bulksend.sandbox.limits import Bucket, Budget, Limits, Operating
from bulksend.sandbox.methods import METHODS, OPEN_LINES, Call, Method, Parameters, message_add
from bulksend.sandbox.refusal import CAMPAIGN_REFUSALS, CampaignRefusal, Refusal, Refused
from bulksend.sandbox.world import World

BATCH_LIMIT = 50
"""Calls in one batch (portal documentation: batch)."""

USER_ID = 27
"""The user whose webhook the sandbox gives out."""


@dataclass(slots=True)
class CallRecord:
    """One HTTP request to REST: times in monotonic seconds, ``status`` 0 where no answer was given.

    ``commands`` is the number of calls in a batch, else 1; ``error`` the code answered; ``fault`` the dial's doing.
    """

    arrived_at: float
    finished_at: float = 0.0
    method: str = ""
    commands: int = 1
    status: int = 0
    error: str = ""
    fault: str = ""


class Request(NamedTuple):
    """What a request to REST asks for.

    Attributes:
        credential: The path's user and secret, where it has them.
        method: The method's name in lower case.
        parameters: What it is called with.
        token: The access token, where there is one.
    """

    credential: tuple[str, str] | None
    method: str
    parameters: Parameters
    token: object = None


class Answer(NamedTuple):
    """An answer of REST: HTTP status, JSON body, and the error's code where there is one."""

    status: int
    body: bytes
    error: str = ""


class RequestCut(Exception):
    """The request worked longer than the portal lets one request work; what it did stays done."""


class Portal:
    """The portal's state and behaviour; all its public attributes can be changed while it is running.

    Attributes:
        world: What the portal knows.
        faults: What goes wrong.
        latency: Seconds each HTTP request takes, half of them before its work and half after.
        call_time: Seconds of work for each executed method, also inside a batch; what ``request_limit`` is about.
        request_limit: Seconds of work after which a request is cut.
        scopes: What the webhook and the application may use.
        other_traffic: Requests a second that others make from the same address.
        filter_scripts: Break up what looks like a script in the parameters of a batch.
        list_batches: Answer batches as if their calls had been keyed 0, 1, 2…, so with lists where PHP makes lists.
        calls: A record of every request to REST, in order of arrival.
    """

    def __init__(
        self,
        *,
        world: World | None = None,
        limits: Limits | None = None,
        faults: Faults | None = None,
        latency: float = 0.0,
        call_time: float = 0.0,
        secret: str | None = None,
    ) -> None:
        self.world = world or World()
        self.faults = faults or Faults()
        self.latency = latency
        self.call_time = call_time
        self.request_limit = 60.0
        self.scopes = [OPEN_LINES, "crm", "im"]
        self.refusal = None
        self.other_traffic = 0.0
        self.list_batches = False
        self.filter_scripts = True
        self.calls: list[CallRecord] = []
        self.gate = Gate(USER_ID, secret or secrets.token_hex(8))
        self.limits = limits or Limits()

    @property
    def ledger(self) -> list[Delivery]:
        """Every message that was carried out, in order."""
        return list(self.world.ledger)

    @property
    def starts(self) -> list[Start]:
        """Every ``imopenlines.session.start`` that was carried out, in order."""
        return list(self.world.starts)

    @property
    def clock_skew(self) -> float:
        """Seconds by which the portal's clock is ahead of this computer's."""
        return self.world.clock_skew

    @clock_skew.setter
    def clock_skew(self, seconds: float) -> None:
        self.world.clock_skew = seconds

    @property
    def refusal(self) -> CampaignRefusal | None:
        """The refusal that meets every call, or ``None``; may be set by its name, such as ``overload``."""
        return self._refusal

    @refusal.setter
    def refusal(self, name: CampaignRefusal | str | None) -> None:
        self._refusal = None if name is None else CampaignRefusal(name)

    @property
    def limits(self) -> Limits:
        """The limits; setting them starts them afresh."""
        return self._limits

    @limits.setter
    def limits(self, limits: Limits) -> None:
        self._limits = limits
        self._buckets: dict[str, Bucket] = {}
        self._budgets: dict[tuple[str, str], Budget] = {}

    @property
    def oauth(self) -> OAuthServer:
        """The application's tokens, where the sandbox was started with an application."""
        if self.gate.oauth is None:
            raise AttributeError("This sandbox was started without an OAuth application.")
        return self.gate.oauth

    def install(self, app: OAuthApp, client_endpoint: str) -> None:
        """Install an application, whose callers are told to use this REST base address."""
        self.gate.oauth = OAuthServer(app, self.gate.user_id, client_endpoint)

    def admit(self, source: str) -> bool:
        """Count a request from an address against the rate limit and tell whether it may pass."""
        if self._limits.rate is None:
            return True
        now = time.monotonic()
        bucket = self._buckets.get(source)
        if bucket is None:
            bucket = self._buckets[source] = Bucket(*self._limits.rate, now)
        return bucket.admit(now, self.other_traffic)

    async def answer(self, request: Request) -> Answer:
        """Check a request, carry it out, and answer.

        Raises:
            RequestCut: If its work takes longer than the portal allows.
        """
        started = self.world.now()
        try:
            return await self._carry_out(request, started)
        except Refused as refused:
            return refuse(refused.refusal)

    async def _carry_out(self, request: Request, started: float) -> Answer:
        if self._refusal is not None:
            raise Refused(CAMPAIGN_REFUSALS[self._refusal])
        if request.method != "batch" and request.method not in METHODS:
            raise Refused(refusal.METHOD_NOT_FOUND)
        caller = self.gate.let_in(request.credential, request.token)
        if request.method == "batch":
            await self._wait()
            result = await self._batch(caller, request.parameters)
            times = self._times(started, None)
        else:
            method, budget = self._allowed(request.method, caller)
            await self._wait()
            if self.call_time > 0:
                await self._work(time.monotonic())
            try:
                result = method.carry_out(Call(self.world, caller, self.scopes, request.parameters))
            finally:
                self._charge(budget)
            times = self._times(started, budget)
        await self._wait()
        return Answer(200, json.dumps({"result": result, "time": times}).encode())

    async def _wait(self) -> None:
        if self.latency > 0:
            await asyncio.sleep(self.latency / 2)

    async def _work(self, began: float) -> None:
        """Spend a call's working time; ``began`` is when the request's first call began (monotonic)."""
        left = self.request_limit - (time.monotonic() - began)
        await asyncio.sleep(max(0.0, min(self.call_time, left)))
        if self.call_time > left:
            raise RequestCut

    def _allowed(self, name: str, caller: Caller) -> tuple[Method, Budget | None]:
        """Find a method and check that the caller may call it now."""
        method = METHODS.get(name)
        if method is None:
            raise Refused(refusal.METHOD_NOT_FOUND)
        if method.scope and method.scope not in self.scopes:
            raise Refused(refusal.INSUFFICIENT_SCOPE)
        if self._limits.operating is None:
            return method, None
        key = (caller.key, name)
        budget = self._budgets.get(key)
        if budget is None:
            budget = self._budgets[key] = self._new_budget(self._limits.operating, method)
        if budget.exhausted(self.world.now()):
            raise Refused(refusal.OPERATING_LIMIT)
        return method, budget

    @staticmethod
    def _new_budget(operating: Operating, method: Method) -> Budget:
        return Budget(operating, operating.cost if method.carry_out is message_add else operating.other_cost)

    def _charge(self, budget: Budget | None) -> None:
        if budget is not None:
            budget.charge(self.world.now())

    async def _batch(self, caller: Caller, parameters: Parameters) -> dict[str, Any]:
        commands = commands_of(parameters)
        halt = not php.is_empty(_in_capitals(parameters).get("HALT"))
        results: dict[str, Any] = {}
        errors: dict[str, Any] = {}
        times: dict[str, Any] = {}
        answers = {"result": results, "error": errors, "total": {}, "next": {}, "time": times}
        began = time.monotonic()
        for position, (key, command) in enumerate(commands.items()):
            started = self.world.now()
            try:
                if position >= BATCH_LIMIT:
                    raise Refused(refusal.BATCH_LENGTH)  # noqa: TRY301 - refused as the portal refuses a call
                if not isinstance(command, str):
                    continue
                name, query = batch.take_apart(command)
                if name == "batch":
                    raise Refused(refusal.BATCH_IN_BATCH)  # noqa: TRY301 - likewise
                method, budget = self._allowed(name, caller)
                asked = batch.parameters(query, answers, filter_scripts=self.filter_scripts)
                if self.call_time > 0:
                    await self._work(began)
                try:
                    results[key] = method.carry_out(Call(self.world, caller, self.scopes, asked))
                finally:
                    self._charge(budget)
                times[key] = self._times(started, budget)
            except Refused as refused:
                errors[key] = refused.refusal.as_json()
                if halt:
                    break
        names = {key: str(position) if self.list_batches else key for position, key in enumerate(commands)}
        return {
            f"result{'' if part == 'result' else f'_{part}'}": php.array(
                {names[key]: value for key, value in of.items()}
            )
            for part, of in answers.items()
        }

    def _times(self, started: float, budget: Budget | None) -> dict[str, Any]:
        """The ``time`` of an answer; a batch itself is charged nothing."""
        finished = self.world.now()
        times: dict[str, Any] = {
            "start": started,
            "finish": finished,
            "duration": finished - started,
            "processing": max(0.0, finished - started),
            "date_start": iso(started),
            "date_finish": iso(finished),
        }
        if self._limits.operating is not None:
            charged = budget or Budget(self._limits.operating, 0.0)
            times["operating_reset_at"] = charged.reset_at(finished)
            times["operating"] = charged.used(finished)
        return times


def refuse(no: Refusal, status: int | None = None) -> Answer:
    """The answer that says no; with another status where a portal is of the older kind."""
    return Answer(status or no.status, json.dumps(no.as_json()).encode(), no.code)


def calls_of(request: Request) -> list[str]:
    """The methods that a request calls, in lower case: its own, or those of its batch."""
    if request.method != "batch":
        return [request.method]
    return [batch.take_apart(str(command))[0] for command in commands_of(request.parameters).values()]


def commands_of(parameters: Parameters) -> dict[str, Any]:
    """The calls in a batch by their keys."""
    return php.as_mapping(_in_capitals(parameters).get("CMD")) or {}


def _in_capitals(parameters: Parameters) -> Parameters:
    """A batch's parameters, whose names may be written in any case."""
    return {name.upper(): value for name, value in parameters.items()}
