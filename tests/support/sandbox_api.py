"""A bare HTTP caller of the sandbox: the client of this package has no part in the sandbox's own tests."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from itertools import count
from typing import Any

import aiohttp

from gameball.sandbox import Sandbox


@dataclass(frozen=True)
class Reply:
    status: int
    json: Any

    @property
    def code(self) -> int:
        """The envelope's code; a refusal has a code, a message and nothing else."""
        assert set(self.json) == {"code", "message"}, self.json
        assert self.status >= 400
        return int(self.json["code"])


class Api:
    """Calls one sandbox. Bodies get an id and a time of their own unless they bring them."""

    def __init__(self, session: aiohttp.ClientSession, sandbox: Sandbox) -> None:
        self.session = session
        self.sandbox = sandbox
        self._numbers = count(1)

    async def call(self, method: str, path: str, *, query: Mapping[str, Any] | None = None, **options: Any) -> Reply:
        url = f"{self.sandbox.base_url}/integrations/{path}"
        async with self.session.request(method, url, params=query, **options) as answer:
            return Reply(answer.status, json.loads(await answer.read(), parse_float=Decimal))

    async def get(self, path: str, **query: Any) -> Reply:
        return await self.call("GET", path, query=query)

    async def post(self, path: str, **body: Any) -> Reply:
        return await self.call("POST", path, json=body)

    async def delete(self, path: str) -> Reply:
        return await self.call("DELETE", path)

    async def transact(self, kind: str, **body: Any) -> Reply:
        """POST to `transaction/{kind}` for player123, with the next id and the next second."""
        number = next(self._numbers)
        stamp = f"2024-01-01T{number // 3600:02}:{number // 60 % 60:02}:{number % 60:02}Z"
        known = {"playerUniqueId": "player123", "transactionId": f"tra_{number}", "transactionTime": stamp}
        return await self.post(f"transaction/{kind}", **{**known, **body})

    async def give(self, points: int, player: str = "player123") -> None:
        """Make the player and give him points."""
        reply = await self.transact("manual", playerUniqueId=player, points=points, username="admin", reason="gift")
        assert reply.status == 200, reply
