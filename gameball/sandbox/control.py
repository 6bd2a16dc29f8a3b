"""The control API below `/_sandbox/api/`: the sandbox read and changed by HTTP, from a shell or any language.

Every route does what `Sandbox` does in Python. A refusal is `{"error": "..."}`, naming the field and the rule.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

from aiohttp import web

from gameball.sandbox import fields, json_codec
from gameball.sandbox.access import OWN_ACCOUNT
from gameball.sandbox.books import HOLD_STATES
from gameball.sandbox.given import Given, part_of, ruled
from gameball.sandbox.guard import HEADERS, error, guarded
from gameball.sandbox.history import STATUSES, Filters
from gameball.sandbox.inspection import JSON, Inspected, Inspection
from gameball.sandbox.json_objects import FAULTS, changed_program, read_fault, seconds

API_PATH = "/_sandbox/api"
_BEAT = 1.0
"""Seconds after which an event is sent even if nothing changed."""
_LOOK = 0.2
"""Seconds between two looks for a change, while somebody listens."""


class NotFoundError(Exception):
    """There is no such thing."""


class Controlled(Inspected, Protocol):
    """What is changed of the sandbox itself."""

    host: str

    def reset(self) -> None:
        """Start afresh."""
        ...


class Control:
    """The routes' work, without HTTP."""

    def __init__(self, sandbox: Controlled, inspection: Inspection) -> None:
        self._sandbox = sandbox
        self._inspection = inspection

    def state(self, given: Given) -> JSON:
        """The overview."""
        return self._inspection.state(self._account(given))

    def reset(self, given: Given) -> JSON:
        """Start afresh."""
        given.end()
        self._sandbox.reset()
        return self._inspection.state()

    def clock(self, given: Given) -> JSON:
        """Let time pass: so many seconds, or until a moment."""
        advance, moment = given.take("advance", seconds), given.take("now", fields.moment)
        given.end()
        clock = self._sandbox.clock
        if advance is not None and moment is None:
            return {"now": ruled("advance", lambda: clock.advance(seconds=advance))}
        if moment is not None and advance is None:
            return {"now": ruled("now", lambda: clock.set(moment))}
        raise ValueError("exactly one of advance and now must be given")

    def players(self, given: Given) -> JSON:
        """A page of players with balances."""
        account, search = self._account(given), given.take("search", fields.text)
        return self._inspection.players(account, search=search or "", part=part_of(given))

    def player(self, given: Given) -> JSON:
        """One player."""
        account, player = self._account(given), given.required("player_unique_id", fields.text)
        found = self._inspection.player(account, player)
        if found is None:
            raise NotFoundError(f"player_unique_id: there is no player {player}")
        return found

    def transactions(self, given: Given) -> JSON:
        """A page of transactions, filtered."""
        account, part = self._account(given), part_of(given)
        filters = Filters(
            page=part.page,
            limit=part.limit,
            type=given.take("type", fields.text),
            direction=given.take("direction", fields.direction),
            first=given.take("from", fields.first_moment),
            last=given.take("to", fields.last_moment),
            transaction_id=given.take("transaction_id", fields.text),
            status=given.take("status", _status),
            player=given.take("player_unique_id", fields.text),
        )
        return self._inspection.transactions(account, filters)

    def holds(self, given: Given) -> JSON:
        """A page of holds."""
        return self._inspection.holds(
            self._account(given),
            player=given.take("player_unique_id", fields.text),
            state=given.take("state", fields.one_of(*HOLD_STATES)),
            part=part_of(given),
        )

    def batches(self, given: Given) -> JSON:
        """A page of batches."""
        return self._inspection.batch_list(self._account(given), part_of(given))

    def accounts(self, _: Given) -> JSON:
        """The accounts, whose numbers `account` takes elsewhere."""
        return {"accounts": self._inspection.accounts()}

    def requests(self, given: Given) -> JSON:
        """A page of the latest requests."""
        operation = given.take("operation", fields.text)
        return self._inspection.requests(operation=operation, part=part_of(given))

    def faults(self, _: Given) -> JSON:
        """What is armed and what of it was consumed."""
        return {"faults": self._inspection.faults(), "struck": len(self._sandbox.faults.fired)}

    def arm(self, given: Given) -> JSON:
        """Arm one fault."""
        operation = given.required("operation", fields.text)
        word = given.required("fault", fields.one_of(*FAULTS))
        options = {
            "effect": given.take("effect", fields.text),
            "transaction_id": given.take("transaction_id", fields.text),
            "nth": given.take("nth", fields.whole),
            "times": given.take("times", fields.whole),
            "later": given.take("later", seconds),
        }
        chosen: dict[str, Any] = {name: value for name, value in options.items() if value is not None}
        armed = self._sandbox.faults.arm(operation, read_fault(word, given.rest()), **chosen)
        return self._inspection.armed(armed)

    def disarm(self, given: Given) -> JSON:
        """Take away all that is armed."""
        given.end()
        armed = self._sandbox.faults.armed
        self._sandbox.faults.clear()
        return {"cleared": len(armed)}

    def programme(self, _: Given) -> JSON:
        """The programme's terms."""
        return self._inspection.programme()

    def change_programme(self, given: Given) -> JSON:
        """Other terms, from the next request on; those not given stay."""
        self._sandbox.program = changed_program(self._sandbox.program, given.rest())
        return self._inspection.programme()

    def _account(self, given: Given) -> int:
        return given.take("account", self._inspection.account) or OWN_ACCOUNT


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A route of the control API."""

    method: str
    path: str
    answer: Callable[[Control, Given], JSON]
    status: int = 200


ENDPOINTS = (
    Endpoint("GET", "/state", Control.state),
    Endpoint("POST", "/reset", Control.reset),
    Endpoint("POST", "/clock", Control.clock),
    Endpoint("GET", "/players", Control.players),
    Endpoint("GET", "/players/{player_unique_id}", Control.player),
    Endpoint("GET", "/transactions", Control.transactions),
    Endpoint("GET", "/holds", Control.holds),
    Endpoint("GET", "/batches", Control.batches),
    Endpoint("GET", "/accounts", Control.accounts),
    Endpoint("GET", "/requests", Control.requests),
    Endpoint("GET", "/faults", Control.faults),
    Endpoint("POST", "/faults", Control.arm, 201),
    Endpoint("DELETE", "/faults", Control.disarm),
    Endpoint("GET", "/programme", Control.programme),
    Endpoint("PUT", "/programme", Control.change_programme),
)
EVENTS = "/events"
"""A stream of server-sent events; see `_events`."""


def control_routes(sandbox: Controlled, inspection: Inspection) -> list[web.RouteDef]:
    """The routes for aiohttp."""
    control = Control(sandbox, inspection)
    routes = [
        web.route(
            endpoint.method,
            API_PATH + endpoint.path.replace("}", ":[^/]+}"),
            guarded(partial(_answer, control, endpoint), host=sandbox.host, changes=endpoint.method != "GET"),
        )
        for endpoint in ENDPOINTS
    ]
    routes.append(web.route("GET", API_PATH + EVENTS, guarded(partial(_events, inspection), host=sandbox.host)))
    routes.append(web.route("*", API_PATH + "{anything:(/.*)?}", guarded(_unknown, host=sandbox.host)))
    return routes


async def _answer(control: Control, endpoint: Endpoint, request: web.Request) -> web.StreamResponse:
    try:
        given = Given({**request.query, **request.match_info} if endpoint.method == "GET" else await _body(request))
        value = endpoint.answer(control, given)
        given.end()
        body = json_codec.write(value)
    except NotFoundError as sentence:
        return error(404, str(sentence))
    except web.HTTPRequestEntityTooLarge:
        return error(413, "the body is too large")
    except web.RequestPayloadError:
        return error(400, "the body is not what its headers say")
    except RecursionError:
        return error(400, "the body is nested too deeply")
    except ValueError as sentence:
        return error(400, str(sentence))
    return web.Response(status=endpoint.status, body=body, content_type="application/json", headers=HEADERS)


async def _body(request: web.Request) -> dict[str, Any]:
    raw = await request.read()
    value = json_codec.read(raw) if raw else {}
    if not isinstance(value, dict):
        raise ValueError("the body must be a JSON object")  # noqa: TRY004 - one exception for every broken rule
    return value


async def _unknown(request: web.Request) -> web.StreamResponse:
    routes = ", ".join(f"{endpoint.method} {endpoint.path}" for endpoint in ENDPOINTS)
    return error(
        404, f"{request.method} {request.path} is no route; below {API_PATH} there are: {routes}, GET {EVENTS}"
    )


async def _events(inspection: Inspection, request: web.Request) -> web.StreamResponse:
    """The time once a second and whenever something changed, with a mark of all there is to see."""
    response = web.StreamResponse(headers={**HEADERS, "Content-Type": "text/event-stream"})
    await response.prepare(request)
    loop = asyncio.get_running_loop()
    sent, due = "", 0.0
    with suppress(ConnectionError):
        while True:
            pulse = inspection.pulse()
            if pulse["mark"] != sent or loop.time() >= due:
                sent, due = pulse["mark"], loop.time() + _BEAT
                await response.write(b"data: " + json_codec.write(pulse) + b"\n\n")
            await asyncio.sleep(_LOOK)
    return response


def _status(value: str) -> int:
    return STATUSES.index(fields.one_of(*STATUSES)(value)) + 1
