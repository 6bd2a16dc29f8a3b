"""The HTTP side: bytes in, a call to an endpoint, and every answer in its envelope."""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from aiohttp import web

from gameball.sandbox import json_codec
from gameball.sandbox.access import Access
from gameball.sandbox.arming import Faults, Strike
from gameball.sandbox.call import Call, Response
from gameball.sandbox.clock import Clock
from gameball.sandbox.quirks import contradict
from gameball.sandbox.refusals import Refusal
from gameball.sandbox.requests import Request, answer_of, remembered
from gameball.sandbox.routes import ROUTES, Pages, Route
from gameball.sandbox.traffic import Traffic

BASE_PATH = "/api/v3.0"
_LARGEST_BODY = 8 * 1024 * 1024
"""Bytes. A batch of 1000 rows with every field filled stays far below it."""


@dataclass(kw_only=True, eq=False)
class Server:
    """Answers the routes, with the faults that are armed. `refusal_status` is for codes that have none of their own."""

    pages: Pages
    access: Access
    clock: Clock
    faults: Faults
    log: deque[Request]
    traffic: Traffic
    refusal_status: int
    quirks: bool
    beside: Iterable[web.AbstractRouteDef] = ()
    """Other routes to serve, which are neither counted nor remembered."""
    _delayed: set[asyncio.TimerHandle] = field(default_factory=set, init=False)

    def application(self) -> web.Application:
        """The routes as an aiohttp application."""
        application = web.Application(client_max_size=_LARGEST_BODY)
        for route in ROUTES:
            # Left to itself aiohttp matches no braces in a path, but an order id may well have some.
            path = route.path.replace("}", ":[^/]+}")
            application.router.add_route(route.method, BASE_PATH + path, partial(self._serve, route))
        application.add_routes(self.beside)
        application.router.add_route("*", "/{anything:.*}", self._serve_nothing)
        return application

    def close(self) -> None:
        """Put nothing off any longer: what was is never done."""
        for handle in self._delayed:
            handle.cancel()

    def reset(self) -> None:
        """Forget the work that faults have put off, from any thread, and count requests from 1."""
        self._delayed.clear()
        self.traffic.forget()

    async def _serve(self, route: Route, request: web.Request) -> web.StreamResponse:
        body = await _body(request)
        raw = body if isinstance(body, bytes) else b""
        arrived = time.monotonic()
        logged = self._remember(request, raw, route.operation)
        logged.strike = self.faults.draw(route.operation, lambda: _transaction_id(request, raw))
        response = await self._respond(route, request, body, logged.strike)
        logged.answer = answer_of(response, time.monotonic() - arrived)
        return response

    async def _respond(
        self, route: Route, request: web.Request, body: bytes | Refusal, strike: Strike | None
    ) -> web.StreamResponse:
        if strike is None:
            return self._answer(route, request, body).response()
        if strike.effect == "later":
            self._put_off(strike.later, partial(self._answer, route, request, body))
        done = self._answer(route, request, body) if strike.effect == "after" else None
        return await strike.fault.respond(done)

    async def _serve_nothing(self, request: web.Request) -> web.StreamResponse:
        body = await _body(request)
        raw = body if isinstance(body, bytes) else b""
        logged = self._remember(request, raw, None)
        response = self._refused(Refusal(3, f"{request.method} {request.path} is no endpoint")).response()
        logged.answer = answer_of(response, 0.0)
        return response

    def _remember(self, request: web.Request, raw: bytes, operation: str | None) -> Request:
        logged = remembered(self.traffic.count(), request, raw, operation, self.clock.now())
        self.log.append(logged)
        return logged

    def _answer(self, route: Route, request: web.Request, body: bytes | Refusal) -> Response:
        """Check and write without awaiting in between: no other request sees a call half done."""
        try:
            call = Call(
                account=route.authenticate(self.access, request.headers),
                path=request.match_info,
                query=request.query,
                headers=request.headers,
                body=_json(body) if route.method in {"POST", "PUT"} else None,
            )
            value = self.pages.endpoint(route.operation)(call)
        except Refusal as refusal:
            return self._refused(refusal)
        return Response.success(contradict(route.operation, value) if self.quirks else value)

    def _put_off(self, seconds: float, work: Callable[[], Response]) -> None:
        def catch_up() -> None:
            if handle in self._delayed:
                self._delayed.remove(handle)
                work()

        handle = asyncio.get_running_loop().call_later(seconds, catch_up)
        self._delayed.add(handle)

    def _refused(self, refusal: Refusal) -> Response:
        return Response.refusal(refusal, status=self.refusal_status)


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
    return body.get("transactionId") if isinstance(body, dict) else None
