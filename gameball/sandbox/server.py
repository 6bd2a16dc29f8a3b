"""The HTTP side: bytes in, a call to an endpoint, and every answer in its envelope."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from aiohttp import web

from gameball.sandbox import json_codec
from gameball.sandbox.access import Access
from gameball.sandbox.arming import Faults, Strike
from gameball.sandbox.call import Call, Response
from gameball.sandbox.clock import Clock, steady
from gameball.sandbox.hosts import names_this_machine
from gameball.sandbox.quirks import Quirks
from gameball.sandbox.refusals import Refusal
from gameball.sandbox.requests import Request, RequestLog, answer_of, remembered
from gameball.sandbox.routes import Pages, Route, find
from gameball.sandbox.traffic import Traffic

_LARGEST_BODY = 8 * 1024 * 1024
"""Bytes. A batch of 1000 rows with every field filled stays far below it."""
_LOG = logging.getLogger("gameball.sandbox")


class _DebugLog(logging.LoggerAdapter[logging.Logger]):
    """Logs what aiohttp takes for errors as debug: bytes that are no HTTP are the sender's error, and answered 400."""

    def exception(self, msg: object, *args: object, **kwargs: Any) -> None:
        self.debug(msg, *args, **kwargs)


Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
HTTP_LOG = _DebugLog(logging.getLogger("gameball.sandbox.http"), None)


@dataclass(kw_only=True, eq=False)
class Server:
    """Answers the routes, with the faults that are armed. `refusal_status` is for codes that have none of their own."""

    pages: Pages
    access: Access
    clock: Clock
    faults: Faults
    log: RequestLog
    traffic: Traffic
    host: str
    """The name or address that is listened on."""
    refusal_status: int
    quirks: bool
    beside: Iterable[web.AbstractRouteDef] = ()
    """Other routes to serve, which are neither counted nor remembered."""
    _quirks: Quirks = field(default_factory=Quirks, init=False)
    _delayed: set[asyncio.TimerHandle] = field(default_factory=set, init=False)

    def application(self) -> web.Application:
        """The routes as an aiohttp application."""
        application = web.Application(client_max_size=_LARGEST_BODY, middlewares=[_never_failing])
        application.add_routes(self.beside)
        application.router.add_route("*", "/{anything:(?s:.*)}", self._handle)
        return application

    def close(self) -> None:
        """Put nothing off any longer: what was is never done."""
        for handle in self._delayed:
            handle.cancel()

    def reset(self) -> None:
        """Forget the work that faults have put off, from any thread, and count requests from 1."""
        self._delayed.clear()
        self.traffic.forget()

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        """Nothing of a request is read, kept or done before its host and its keys are found good."""
        hosts = request.headers.getall("Host", [])
        if len(hosts) != 1 or not names_this_machine(hosts[0], self.host):
            return self._refused(
                Refusal(10, "the header Host must name this machine, like localhost or 127.0.0.1", status=421)
            ).response()
        found = find(request.method, request.rel_url.raw_path)
        if found is None:
            return await self._serve_nothing(request)
        route, path = found
        try:
            account = route.authenticate(self.access, request.headers)
        except Refusal as refusal:
            return self._refused(refusal).response()
        return await self._serve(route, path, account, request)

    async def _serve(
        self, route: Route, path: dict[str, str], account: int, request: web.Request
    ) -> web.StreamResponse:
        body = await _body(request)
        raw = body if isinstance(body, bytes) else b""
        arrived = steady()
        logged = self._remember(request, raw, route.operation)
        logged.strike = self.faults.draw(route.operation, lambda: _transaction_id(request, raw))
        response = await self._respond(logged.strike, partial(self._answer, route, path, account, request, body))
        logged.answer = answer_of(response, steady() - arrived)
        return response

    async def _respond(self, strike: Strike | None, work: Callable[[], Response]) -> web.StreamResponse:
        if strike is None:
            return work().response()
        if strike.effect == "later":
            self._put_off(strike.later, work)
        done = work() if strike.effect == "after" else None
        return await strike.fault.respond(done)

    async def _serve_nothing(self, request: web.Request) -> web.StreamResponse:
        response = self._refused(Refusal(3, f"{request.method} {request.path} is no endpoint")).response()
        if self.access.recognizes(request.headers):
            body = await _body(request)
            logged = self._remember(request, body if isinstance(body, bytes) else b"", None)
            logged.answer = answer_of(response, 0.0)
        return response

    def _remember(self, request: web.Request, raw: bytes, operation: str | None) -> Request:
        logged = remembered(self.traffic.count(), request, raw, operation, self.clock.now())
        self.log.append(logged)
        return logged

    def _answer(
        self, route: Route, path: dict[str, str], account: int, request: web.Request, body: bytes | Refusal
    ) -> Response:
        """Check and write without awaiting in between: no other request sees a call half done."""
        try:
            call = Call(
                account=account,
                path=path,
                query=request.query,
                headers=request.headers,
                body=_json(body) if route.method in {"POST", "PUT"} else None,
            )
            value = self.pages.endpoint(route.operation)(call)
        except Refusal as refusal:
            return self._refused(refusal)
        return Response.success(self._quirks.contradict(route.operation, value) if self.quirks else value)

    def _put_off(self, seconds: float, work: Callable[[], Response]) -> None:
        def catch_up() -> None:
            if handle in self._delayed:
                self._delayed.remove(handle)
                work()

        handle = asyncio.get_running_loop().call_later(seconds, catch_up)
        self._delayed.add(handle)

    def _refused(self, refusal: Refusal) -> Response:
        return Response.refusal(refusal, status=self.refusal_status)


@web.middleware
async def _never_failing(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Answers a bug of the sandbox in the API's envelope too, and logs it."""
    try:
        return await handler(request)
    except (web.HTTPException, ConnectionError):
        raise
    except Exception:  # noqa: BLE001 - whatever it was, it is logged whole
        _LOG.exception("%s %s failed", request.method, request.path)
        return Response.refusal(Refusal(13), status=500).response()


async def _body(request: web.Request) -> bytes | Refusal:
    """The bytes of the body, or why there are none."""
    try:
        return await request.read()
    except web.HTTPRequestEntityTooLarge:
        return Refusal(7, f"the body is larger than {_LARGEST_BODY} bytes", status=413)
    except web.RequestPayloadError:
        return Refusal(7, "the body is not what its headers say")


def _json(body: bytes | Refusal) -> Any:
    if isinstance(body, Refusal):
        raise body
    try:
        return json_codec.read(body)
    except ValueError as reason:
        raise Refusal(7, str(reason)) from None


def _transaction_id(request: web.Request, raw: bytes) -> str | None:
    """The transactionId that a call is about, from its query or its body."""
    try:
        body = json_codec.read(raw)
    except ValueError:
        return request.query.get("transactionId")
    given = body.get("transactionId") if isinstance(body, dict) else None
    return str(given) if isinstance(given, str | int) else None
