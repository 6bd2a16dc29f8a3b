"""A call and its answer, as values: what the endpoints see of HTTP."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from aiohttp import web

from gameball.sandbox import json_codec
from gameball.sandbox.refusals import Refusal

_STATUSES = {3: 404, 4: 400, 5: 400, 7: 400, 13: 500}


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One request after its keys were found good."""

    account: int
    """Whose ledger; 0 for a partner's call."""
    path: Mapping[str, str] = field(default_factory=dict)
    query: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    body: Any = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    """What is sent back."""

    status: int
    body: bytes
    headers: Mapping[str, str] = field(default_factory=lambda: {"Content-Type": "application/json"})

    @classmethod
    def success(cls, value: Any) -> Self:
        """200 with the endpoint's JSON."""
        return cls(status=200, body=json_codec.write(value))

    def response(self) -> web.Response:
        """The same for aiohttp."""
        return web.Response(status=self.status, body=self.body, headers=self.headers)

    @classmethod
    def refusal(cls, refusal: Refusal, *, status: int) -> Self:
        """The envelope; `status` is for refusals of the program, whose HTTP status no page gives."""
        envelope = {"code": refusal.code, "message": refusal.message}
        own = refusal.status or _STATUSES.get(refusal.code, status)
        return cls(status=own, body=json_codec.write(envelope))
