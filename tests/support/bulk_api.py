"""What bulk runs are tried with: rows, and an API that watches how it is called."""

import asyncio
import json
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final, Self

from aiohttp import web

from gameball import CashbackRequest, Retries

API_KEY: Final = "api-key-of-the-tests"
SECRET_KEY: Final = "secret-key-of-the-tests"
QUICK: Final = Retries(backoff=0.002, cap=0.004)

Response = tuple[int, Any]


@dataclass
class Api:
    """Takes cashbacks, and keeps what it saw; `answer` says what it answers, everything well by default."""

    answer: Callable[[str], Awaitable[Response | None]] | None = None
    ids: list[str] = field(default_factory=list)
    players: list[str] = field(default_factory=list)
    most: int = 0
    most_of_a_player: int = 0
    flying: Counter[str] = field(default_factory=Counter)
    listed: list[str] = field(default_factory=list)
    base_url: str = ""
    on_body: Callable[[bytes], object] = len
    headers: dict[str, str] = field(default_factory=dict)

    async def __aenter__(self) -> Self:
        app = web.Application()
        app.router.add_post("/integrations/transaction/cashback", self._cashback)
        app.router.add_get("/integrations/transaction/list", self._list)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.01)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        host, port = self._runner.addresses[0][:2]
        self.base_url = f"http://{host}:{port}"
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._runner.cleanup()

    async def sent(self, count: int) -> None:
        """Wait until so many rows have come."""
        while len(self.ids) < count:
            await asyncio.sleep(0.005)

    async def _cashback(self, request: web.Request) -> web.StreamResponse:
        self.on_body(await request.read())
        body = json.loads(await request.read())
        player, identity = body["playerUniqueId"], body["transactionId"]
        self.ids.append(identity)
        self.players.append(player)
        self.flying[player] += 1
        self.most = max(self.most, self.flying.total())
        self.most_of_a_player = max(self.most_of_a_player, self.flying[player])
        try:
            response = await self.answer(identity) if self.answer is not None else None
        finally:
            self.flying[player] -= 1
        if response is not None:
            return web.json_response(response[1], status=response[0], headers=self.headers)
        return web.json_response({"playerUniqueId": player, "gameballTransactionId": identity, "rewardedPoints": 1})

    async def _list(self, request: web.Request) -> web.StreamResponse:
        self.listed.append(request.query.get("transactionId", ""))
        return web.json_response({"transactions": [], "count": 0, "total": 0})


def pay(number: int, *, players: int | None = None, **particulars: Any) -> CashbackRequest:
    """One row of many."""
    player = f"p{number if players is None else number % players}"
    return CashbackRequest(
        player_unique_id=player, transaction_id=f"t{number}", **{"amount": 10 + number, **particulars}
    )


def pays(count: int, *, players: int | None = None) -> Iterator[CashbackRequest]:
    """Rows, one after the other."""
    return (pay(number, players=players) for number in range(count))


async def never() -> Response | None:
    """An answer that never comes."""
    await asyncio.Event().wait()
    return None
