"""What goes wrong with one exchange, drawn from a seed: the same for the n-th request about the same transaction."""

import random
from dataclasses import dataclass
from typing import Any, Final, Literal, Self

from tests.stress.timing import LATEST_EFFECT, LONGEST_LAG

Effect = Literal["none", "at once", "late"]
Shape = Literal[
    "answer", "slow answer", "status", "html", "redirect", "empty", "cut", "cut without length", "close", "reset",
    "garbage", "hang", "late answer", "answer and close", "answer and a stranger's", "refusal", "filter ignored",
    "id altered",
]  # fmt: skip

AMBIGUOUS: Final[tuple[Shape, ...]] = (
    "status", "html", "redirect", "empty", "cut", "cut without length", "close", "reset", "garbage", "hang",
    "late answer",
)  # fmt: skip
"""What says nothing about the effect."""
READING: Final[tuple[Shape, ...]] = (
    *(shape for shape in AMBIGUOUS if shape != "redirect"),
    "filter ignored",
    "id altered",
)
WELL: Final[tuple[Shape, ...]] = ("slow answer", "answer and close", "answer and a stranger's")
"""What gives the answer, and makes trouble for the next request."""
STATUSES: Final = (408, 425, 499, 500, 502, 503, 504)
REFUSALS: Final[tuple[tuple[int, dict[str, Any]], ...]] = (
    (429, {}),
    (422, {"code": 2001}),
    (422, {"code": 309}),
    (400, {"code": 7}),
)
"""Answers of the API itself: only what had no effect is answered so."""


@dataclass(frozen=True, kw_only=True)
class Fate:
    """What becomes of one request."""

    shape: Shape
    effect: Effect = "at once"
    status: int = 200
    body: Any = None
    late: float = 0.0
    lag: float = 0.0
    pause: float = 0.0
    """Seconds from an answer until the connection ends, or a stranger's answer follows: before the next request or
    after it."""


@dataclass(frozen=True)
class Dice:
    """The faults of one seed: at a `rate` of 0 the server works well, apart from its lag."""

    seed: int
    rate: float = 0.0

    @classmethod
    def of_seed(cls, seed: int, *, most: float = 0.6) -> Self:
        """The dice of a seed, whose faults are rare or frequent."""
        return cls(seed, cls(seed).of("rate").uniform(0.1, most))

    def write(self, key: str, nth: int) -> Fate:
        """The fate of the n-th write of a transaction."""
        dice = self.of("write", key, nth)
        lag = dice.uniform(0, LONGEST_LAG)
        if dice.random() >= self.rate:
            return Fate(shape="answer", lag=lag)
        kind = dice.random()
        if kind < 0.15:
            status, body = dice.choice(REFUSALS)
            return Fate(shape="refusal", effect="none", status=status, body={**body, "message": "no"} if body else {})
        if kind < 0.3:
            return Fate(shape=dice.choice(WELL), lag=lag, pause=dice.uniform(0, 0.003))
        effect: Effect = dice.choice(("none", "at once", "late"))
        late = dice.uniform(0, LATEST_EFFECT) if effect == "late" else 0.0
        return Fate(shape=dice.choice(AMBIGUOUS), effect=effect, status=dice.choice(STATUSES), late=late, lag=lag)

    def read(self, key: str, nth: int) -> Fate:
        """The fate of the n-th look at a transaction, a batch or an order."""
        dice = self.of("read", key, nth)
        if dice.random() >= self.rate:
            return Fate(shape="answer")
        shape, status = dice.choice((*READING, *WELL)), dice.choice((429, *STATUSES))
        return Fate(shape=shape, status=status, pause=dice.uniform(0, 0.003))

    def of(self, *what: object) -> random.Random:
        """Dice of their own for one matter: what else happens does not change how they fall."""
        return random.Random(f"{self.seed} {what}")  # noqa: S311 - to be repeatable is the point
