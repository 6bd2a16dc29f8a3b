"""Which fault strikes which call: armed one by one, or at random from a seed."""

import random
import threading
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from typing import Literal, get_args

from gameball.sandbox.faults import (
    LONGEST,
    Close,
    CutBody,
    Delay,
    EmptyBody,
    Fault,
    Html,
    Reset,
    Status,
    TooManyRequests,
)
from gameball.sandbox.routes import OPERATIONS

Effect = Literal["before", "after", "later"]
"""Whether the work is not done at all, is done already when the fault strikes, or is done some time after it."""

MONEY = frozenset(
    f"transactions.{call}" for call in ("cashback", "redeem", "refund", "hold", "manual", "create_coupon")
)
"""The operations that move points."""

_EITHER: tuple[Fault, ...] = (
    Reset(), Close(), CutBody(), CutBody(with_length=False), EmptyBody(), Html(), Html(502), Delay(0.05), Status(500),
    Status(503),
)  # fmt: skip
CHOICES: tuple[tuple[Fault, Effect], ...] = (
    *((fault, "before") for fault in _EITHER),
    *((fault, "after") for fault in _EITHER),
    # A server that limits the rate has done nothing.
    (TooManyRequests("0"), "before"),
)
"""What `random` chooses from by default: nothing that lasts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Strike:
    """One fault on one call."""

    operation: str
    fault: Fault
    effect: Effect
    later: float = 0.0


@dataclass(slots=True, kw_only=True)
class Armed:
    """A fault that waits for its calls: the `nth` that matches and those that follow, `times` in all."""

    operation: str
    fault: Fault
    effect: Effect
    transaction_id: str | None
    nth: int
    times: int
    later: float
    seen: int = field(default=0, repr=False)

    @property
    def fired(self) -> int:
        """How often it has struck."""
        return max(0, min(self.seen - self.nth + 1, self.times))

    def matches(self, operation: str, transaction_id: Callable[[], str | None]) -> bool:
        """Whether it is about this call; `transaction_id` is asked only if it matters."""
        if self.operation not in {"*", operation}:
            return False
        return self.transaction_id is None or self.transaction_id == transaction_id()


class Faults:
    """The faults of one sandbox. Calls are counted in the order they arrive, each by one fault at most."""

    def __init__(self) -> None:
        # Tests arm on their thread while the sandbox serves on its own.
        self._lock = threading.Lock()
        self._armed: list[Armed] = []
        self._fired: list[Strike] = []
        self._chance: Callable[[str], tuple[Fault, Effect] | None] = lambda _: None

    def arm(
        self,
        operation: str,
        fault: Fault,
        *,
        transaction_id: str | None = None,
        nth: int = 1,
        times: int = 1,
        effect: Effect = "before",
        later: float = 1.0,
    ) -> Armed:
        """Let `fault` strike the nth matching call from now on, and `times - 1` more.

        Faults armed earlier come first: a call that one of them strikes is not counted by the others.

        Args:
            operation: As in "transactions.cashback"; "*" is any.
            fault: One of `gameball.sandbox.faults`.
            transaction_id: Only calls whose body, or query, has this transactionId.
            nth: 1 is the next matching call.
            times: How many matching calls in a row are struck.
            effect: "before": the ledger stays as it is. "after": the work is done, its answer spoilt. "later":
                the fault strikes first and the work is done `later` seconds after, as by a server that was
                only slow.
            later: Seconds of real time, for the effect "later".

        Raises:
            ValueError: for an operation or an effect that does not exist, counts below 1, or a `later` out of range.
        """
        if operation not in OPERATIONS | {"*"}:
            raise ValueError(f"{operation} is no operation; there are: {', '.join(sorted(OPERATIONS))}")
        if effect not in get_args(Effect):
            raise ValueError(f"{effect} is no effect; there are: {', '.join(get_args(Effect))}")
        if nth < 1 or times < 1:
            raise ValueError("nth and times count from 1")
        if not 0 <= later <= LONGEST:
            raise ValueError(f"later must be a number of seconds from 0 to {LONGEST}")
        armed = Armed(
            operation=operation,
            fault=fault,
            effect=effect,
            transaction_id=transaction_id,
            nth=nth,
            times=times,
            later=later,
        )
        with self._lock:
            self._armed.append(armed)
        return armed

    def random(
        self,
        rate: float = 0.1,
        *,
        seed: int = 7,
        operations: Collection[str] = MONEY,
        choices: Sequence[tuple[Fault, Effect]] = CHOICES,
    ) -> None:
        """Strike that share of the calls that no armed fault strikes; a rate of 0 ends it.

        The same seed and the same order of calls give the same faults.
        """
        dice = random.Random(seed)  # noqa: S311 - to be repeatable is the point

        def chance(operation: str) -> tuple[Fault, Effect] | None:
            hit = operation in operations and dice.random() < rate
            return dice.choice(choices) if hit else None

        with self._lock:
            self._chance = chance

    def clear(self) -> None:
        """Take away all that is armed, one by one or at random; what has struck stays in `fired`."""
        with self._lock:
            self._armed.clear()
            self._chance = lambda _: None

    def reset(self) -> None:
        """The same, and forget what has struck."""
        self.clear()
        with self._lock:
            self._fired.clear()

    @property
    def armed(self) -> list[Armed]:
        """All that was armed, in order, consumed or not."""
        with self._lock:
            return list(self._armed)

    @property
    def fired(self) -> list[Strike]:
        """What has struck so far, in order."""
        with self._lock:
            return list(self._fired)

    @property
    def unfired(self) -> list[Armed]:
        """What is armed and has not struck as often as it should."""
        with self._lock:
            return [armed for armed in self._armed if armed.fired < armed.times]

    def draw(self, operation: str, transaction_id: Callable[[], str | None]) -> Strike | None:
        """The fault that strikes this call, if one does; the server asks once for each."""
        with self._lock:
            strike = self._aimed(operation, transaction_id) or self._by_chance(operation)
            if strike is not None:
                self._fired.append(strike)
            return strike

    def _aimed(self, operation: str, transaction_id: Callable[[], str | None]) -> Strike | None:
        for armed in self._armed:
            if armed.fired < armed.times and armed.matches(operation, transaction_id):
                armed.seen += 1
                if armed.fired:
                    return Strike(operation=operation, fault=armed.fault, effect=armed.effect, later=armed.later)
        return None

    def _by_chance(self, operation: str) -> Strike | None:
        drawn = self._chance(operation)
        return None if drawn is None else Strike(operation=operation, fault=drawn[0], effect=drawn[1])
