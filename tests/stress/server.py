"""The API on a bare socket, with faults: it keeps no ids apart and refuses no repetition."""

import asyncio
import json
import socket
import struct
import threading
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final, Self
from urllib.parse import parse_qs, unquote, urlsplit

from tests.stress.faults import Dice, Fate
from tests.stress.ledger import Entry, Ledger
from tests.stress.timing import BATCH_SECONDS, TIMEOUTS

KINDS: Final = {
    "cashback": "PaymentReward",
    "redeem": "Redemption",
    "refund": "Cancel",
    "manual": "ManualAccumulation",
    "hold": "Hold",
}
_HTML: Final = b"<html><body>Just a moment...</body></html>"
_TICK: Final = 0.01


@dataclass
class Batch:
    """A batch, whose rows take effect although nobody asks."""

    rows: Sequence[dict[str, Any]]
    entries: Sequence[Entry | None]
    """None for a row that was refused."""
    unlisted: frozenset[int]
    """Rows that the answer leaves out, or says have failed although they took effect."""
    started: float
    """Seconds, on the clock of `time.monotonic`; it may lie ahead."""

    def answer(self) -> dict[str, Any]:
        """What is said of it by now."""
        done = time.monotonic() - self.started >= BATCH_SECONDS
        numbered = [
            (number, row, entry) for number, (row, entry) in enumerate(zip(self.rows, self.entries, strict=True))
        ]
        successful = [
            {
                "playerUniqueId": row["playerUniqueId"],
                "amount": str(row["amount"]),
                "points": str(entry.points),
                "gameballTransactionId": str(entry.number),
            }
            for number, row, entry in numbered
            if entry is not None and number not in self.unlisted
        ]
        failed = [
            {"playerUniqueId": row["playerUniqueId"], "message": "no"}
            for number, row, entry in numbered
            if entry is None or (number in self.unlisted and number % 2)
        ]
        return {
            "status": "finished" if done else "inProgress",
            "totalCount": len(self.rows),
            "response": {"successful": successful, "failed": failed} if done else None,
        }


class Server:
    """Serves from a thread of its own, so that plain clients, awaited ones and other processes may call it."""

    def __init__(self, dice: Dice) -> None:
        self.ledger = Ledger()
        self.dice = dice
        self.stall = 0.0
        """The longest time, in seconds, that the machine did not get round to serving."""
        self.requests = 0
        self.drawn = Counter[str]()
        """How often each fault struck."""
        self._times = Counter[tuple[str, str]]()
        self._batches: dict[str, Batch] = {}
        self._ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), daemon=True)

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    def __enter__(self) -> Self:
        self._thread.start()
        self._ready.wait()
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._end.set)
        self._thread.join()

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._end = asyncio.Event()
        self._connections = set[asyncio.Task[None]]()
        server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self._port = server.sockets[0].getsockname()[1]
        self._ready.set()
        while not self._end.is_set():
            before = time.monotonic()
            await asyncio.sleep(_TICK)
            self.stall = max(self.stall, time.monotonic() - before - _TICK)
        server.close()
        for connection in self._connections:
            connection.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = asyncio.current_task()
        assert connection is not None
        self._connections.add(connection)
        try:
            with suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
                while await self._exchange(reader, writer):
                    pass
        finally:
            self._connections.discard(connection)
            writer.close()

    async def _exchange(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Answer one request; whether the connection goes on."""
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:])}
        body = await reader.readexactly(int(headers.get("content-length", 0)))
        method, target, _ = head[0].split(" ")
        self.requests += 1
        fate, answer = self._decide(method, target, json.loads(body) if body else {})
        if fate.shape != "answer":
            self.drawn[f"{fate.shape}, effect {fate.effect}" if method == "POST" else f"{fate.shape} to a look-up"] += 1
        return await _SHAPES[fate.shape](writer, fate, answer)

    # --- what the API does

    def _decide(self, method: str, target: str, body: dict[str, Any]) -> tuple[Fate, Any]:
        path = urlsplit(target)
        query = {name: values[0] for name, values in parse_qs(path.query).items()}
        *_, parent, last = path.path.split("/")
        if method == "POST" and last == "batch":
            return self._start(body["body"])
        if method == "POST":
            return self._write(last, body)
        if last == "list":
            return self._list(query["transactionId"])
        if parent == "batch":
            return self._fate("read", last), self._batches[last].answer()
        return self._order(unquote(parent))

    def _fate(self, what: str, key: str) -> Fate:
        nth = self._times[what, key] = self._times[what, key] + 1
        return self.dice.write(key, nth) if what == "write" else self.dice.read(key, nth)

    def _write(self, operation: str, body: dict[str, Any]) -> tuple[Fate, Any]:
        key = body.get("transactionId") or f"hold {body['amount']}"
        fate = self._fate("write", key)
        if fate.effect == "none":
            return fate, None
        entry = self.ledger.apply(KINDS[operation], body, key=key, after=fate.late, lag=fate.lag)
        if operation == "refund":
            original = body["reverseTransactionId"]
            return fate, {"orderTransactions": [_order_row(one) for one in (*self.ledger.of(original), entry)]}
        return fate, {
            "playerUniqueId": entry.player,
            "gameballTransactionId": entry.number,
            "transactionId": entry.key,
            "rewardedPoints": entry.points,
            "redeemedPoints": entry.points,
            "points": entry.points,
            "holdReference": str(entry.number),
            "holdPoints": entry.points,
        }

    def _start(self, rows: Sequence[dict[str, Any]]) -> tuple[Fate, Any]:
        batch_id = str(len(self._batches) + 1)
        fate = self._fate("write", f"batch of {rows[0]['transactionId']}")
        if fate.effect == "none":
            return fate, None
        entries: list[Entry | None] = []
        unlisted = set[int]()
        for number, row in enumerate(rows):
            dice = self.dice.of("row", row["transactionId"])
            if dice.random() < self.dice.rate / 4:
                self.drawn["row of a batch refused"] += 1
                entries.append(None)
                continue
            if dice.random() < self.dice.rate / 4:
                self.drawn["row of a batch left out, or said to have failed"] += 1
                unlisted.add(number)
            after = fate.late + number / len(rows) * BATCH_SECONDS
            key = row["transactionId"]
            entries.append(self.ledger.apply("PaymentReward", row, key=key, after=after, lag=fate.lag))
        self._batches[batch_id] = Batch(rows, entries, frozenset(unlisted), time.monotonic() + fate.late)
        return fate, {"batchId": batch_id}

    def _list(self, key: str) -> tuple[Fate, Any]:
        fate = self._fate("read", key)
        rows = [_row(entry) for entry in self.ledger.shown(key)]
        if fate.shape == "filter ignored":
            rows = [{**_row(_STRANGER), "transactionId": f"not {key}"}]
        if fate.shape == "id altered":
            rows = [{**_row(_STRANGER), "transactionId": f" {key.upper()}"}]
        return fate, {"transactions": rows, "count": len(rows), "total": len(rows)}

    def _order(self, key: str) -> tuple[Fate, Any]:
        rows = [_order_row(entry) for entry in self.ledger.order(key)]
        return self._fate("read", f"order {key}"), {"orderTransactions": rows, "count": len(rows), "total": len(rows)}


def _row(entry: Entry) -> dict[str, Any]:
    return {
        "transactionId": entry.key,
        "gameballTransactionId": entry.number,
        "type": entry.kind,
        "direction": "-" if entry.kind in {"Redemption", "Cancel"} else "+",
        "playerUniqueId": entry.player,
        "points": entry.points,
        "amount": None if entry.amount is None else float(entry.amount),
        "transactionTime": "2024-01-01T00:00:00Z",
        "status": "Active",
    }


def _order_row(entry: Entry) -> dict[str, Any]:
    return {
        "transactionDate": "2024-01-01T00:00:00Z",
        "gameballTransactionId": entry.number,
        "transactionType": entry.kind,
        "amount": None if entry.amount is None else float(entry.amount),
        "equivalentPoints": entry.points,
        "transactionId": entry.key,
    }


_STRANGER: Final = Entry(
    key="",
    number=999_999,
    kind="PaymentReward",
    player="stranger",
    points=1,
    amount=None,
    reverses=None,
    applied_at=0.0,
    visible_at=0.0,
)

# --- what goes over the socket

Write = Callable[[asyncio.StreamWriter, Fate, Any], Awaitable[bool]]


def _response(
    status: int, body: bytes, *, kind: str = "application/json", length: bool = True, more: str = ""
) -> bytes:
    framing = f"Content-Length: {len(body)}" if length else "Connection: close"
    return f"HTTP/1.1 {status} Status\r\nContent-Type: {kind}\r\n{more}{framing}\r\n\r\n".encode() + body


def _json(answer: Any, status: int = 200) -> bytes:
    return _response(status, json.dumps(answer).encode())


async def _answer(writer: asyncio.StreamWriter, _: Fate, answer: Any) -> bool:
    writer.write(_json(answer))
    await writer.drain()
    return True


async def _slow_answer(writer: asyncio.StreamWriter, fate: Fate, answer: Any) -> bool:
    await asyncio.sleep(TIMEOUTS.attempt / 3)
    return await _answer(writer, fate, answer)


async def _answer_and_close(writer: asyncio.StreamWriter, fate: Fate, answer: Any) -> bool:
    await _answer(writer, fate, answer)
    await asyncio.sleep(fate.pause)
    return False


async def _answer_and_a_strangers(writer: asyncio.StreamWriter, fate: Fate, answer: Any) -> bool:
    await _answer(writer, fate, answer)
    await asyncio.sleep(fate.pause)
    writer.write(_json({"playerUniqueId": "stranger", "gameballTransactionId": 999_999, "rewardedPoints": 1}))
    return True


async def _status(writer: asyncio.StreamWriter, fate: Fate, _: Any) -> bool:
    writer.write(_response(fate.status, b"{}"))
    return True


async def _refusal(writer: asyncio.StreamWriter, fate: Fate, _: Any) -> bool:
    writer.write(_json(fate.body, fate.status))
    return True


async def _html(writer: asyncio.StreamWriter, fate: Fate, _: Any) -> bool:
    status = (200, 403, 502, 410)[fate.status % 4]
    writer.write(_response(status, _HTML, kind="text/html"))
    return True


async def _redirect(writer: asyncio.StreamWriter, fate: Fate, _: Any) -> bool:
    writer.write(_response(302 + fate.status % 2, b"", more="Location: /elsewhere\r\n"))
    return True


async def _empty(writer: asyncio.StreamWriter, _: Fate, __: Any) -> bool:
    writer.write(_response(200, b""))
    return True


async def _cut(writer: asyncio.StreamWriter, _: Fate, answer: Any) -> bool:
    whole = _json(answer or {"playerUniqueId": "player", "gameballTransactionId": 1})
    writer.write(whole[: -len(whole) // 8])
    return False


async def _cut_without_length(writer: asyncio.StreamWriter, _: Fate, answer: Any) -> bool:
    whole = _response(200, json.dumps(answer or {"playerUniqueId": "player"}).encode(), length=False)
    writer.write(whole[:-5])
    return False


async def _close(_: asyncio.StreamWriter, __: Fate, ___: Any) -> bool:
    return False


async def _reset(writer: asyncio.StreamWriter, _: Fate, __: Any) -> bool:
    linger = struct.pack("ii", 1, 0)
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    writer.transport.abort()
    return False


async def _garbage(writer: asyncio.StreamWriter, _: Fate, __: Any) -> bool:
    writer.write(b"\x15\x03\x03\x00\x02\x02\x46 no HTTP\r\n\r\n")
    return False


async def _hang(_: asyncio.StreamWriter, __: Fate, ___: Any) -> bool:
    await asyncio.sleep(4 * TIMEOUTS.attempt)
    return False


async def _late_answer(writer: asyncio.StreamWriter, _: Fate, answer: Any) -> bool:
    await asyncio.sleep(1.2 * TIMEOUTS.attempt)
    writer.write(_json(answer or {}))
    return True


_SHAPES: Final[Mapping[str, Write]] = {
    "answer": _answer,
    "slow answer": _slow_answer,
    "status": _status,
    "html": _html,
    "redirect": _redirect,
    "empty": _empty,
    "cut": _cut,
    "cut without length": _cut_without_length,
    "close": _close,
    "reset": _reset,
    "garbage": _garbage,
    "hang": _hang,
    "late answer": _late_answer,
    "answer and close": _answer_and_close,
    "answer and a stranger's": _answer_and_a_strangers,
    "refusal": _refusal,
    "filter ignored": _answer,
    "id altered": _answer,
}
