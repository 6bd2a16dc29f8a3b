"""What a test claims of a ledger: each claim that does not hold shows the lines that it is about."""

from abc import ABC, abstractmethod
from collections.abc import Collection, Sequence
from typing import Final, NoReturn

from gameball.sandbox.clock import stored
from gameball.sandbox.entries import Entry

__tracebackhide__ = __unittest = True
"""pytest and unittest show the test's own line instead of ours."""

REWARDS: Final = frozenset({"PaymentReward"})
REDEMPTIONS: Final = frozenset({"Redemption"})
REFUNDS: Final = frozenset({"Refund", "PartialRefund", "Cancel"})
MANUAL: Final = frozenset({"ManualAccumulation", "ManualDeduction"})

SHOWN: Final = 20
"""The most lines of a ledger that a message shows, beside those that it is about."""


class LedgerAssertions(ABC):
    """Assertions on a ledger, for tests.

    A refused repetition is no line of the ledger and so counts for nothing: what is counted is what moved points. The
    same id in a transaction of another kind, or of another account, counts for nothing either. `transaction_id` is
    the transaction's own id: a refund's, not that of what it takes back.
    """

    @abstractmethod
    def transactions(
        self, player: str | None = None, *, transaction_id: str | None = None, account: int = 1
    ) -> list[Entry]:
        """The lines of the ledger, oldest first."""

    @abstractmethod
    def balance(self, player: str, *, account: int = 1) -> int:
        """The player's points."""

    @abstractmethod
    def available(self, player: str, *, account: int = 1) -> int:
        """The points that the player can spend."""

    def assert_rewarded_once(self, transaction_id: str, *, player: str | None = None, account: int = 1) -> Entry:
        """Cashback was booked once under this id, for this player if one is named; gives its line.

        Raises:
            AssertionError: It was not booked, or more than once; shows the ledger.
        """
        return self._assert_times(1, "rewarded", REWARDS, transaction_id, player=player, account=account)[0]

    def assert_not_rewarded(self, transaction_id: str, *, player: str | None = None, account: int = 1) -> None:
        """No cashback was booked under this id.

        Raises:
            AssertionError: It was; shows the ledger.
        """
        self._assert_times(0, "rewarded", REWARDS, transaction_id, player=player, account=account)

    def assert_redeemed_once(self, transaction_id: str, *, player: str | None = None, account: int = 1) -> Entry:
        """A redemption was booked once under this id; see `assert_rewarded_once()`."""
        return self._assert_times(1, "redeemed", REDEMPTIONS, transaction_id, player=player, account=account)[0]

    def assert_not_redeemed(self, transaction_id: str, *, player: str | None = None, account: int = 1) -> None:
        """No redemption was booked under this id; see `assert_not_rewarded()`."""
        self._assert_times(0, "redeemed", REDEMPTIONS, transaction_id, player=player, account=account)

    def assert_refunded_once(self, transaction_id: str, *, player: str | None = None, account: int = 1) -> Entry:
        """A refund was booked once under this id, its own; see `assert_rewarded_once()`."""
        return self._assert_times(1, "refunded", REFUNDS, transaction_id, player=player, account=account)[0]

    def assert_not_refunded(self, transaction_id: str, *, player: str | None = None, account: int = 1) -> None:
        """No refund was booked under this id, its own; see `assert_not_rewarded()`."""
        self._assert_times(0, "refunded", REFUNDS, transaction_id, player=player, account=account)

    def assert_adjusted_once(self, transaction_id: str, *, player: str | None = None, account: int = 1) -> Entry:
        """A manual transaction was booked once under this id; see `assert_rewarded_once()`."""
        return self._assert_times(1, "adjusted", MANUAL, transaction_id, player=player, account=account)[0]

    def assert_not_adjusted(self, transaction_id: str, *, player: str | None = None, account: int = 1) -> None:
        """No manual transaction was booked under this id; see `assert_not_rewarded()`."""
        self._assert_times(0, "adjusted", MANUAL, transaction_id, player=player, account=account)

    def assert_balance(self, player: str, points: int, *, account: int = 1) -> None:
        """The player has so many points, held ones included; who does not exist has 0.

        Raises:
            AssertionError: There are more or fewer; shows the player's ledger.
        """
        _check_text("player", player)
        found = self.balance(player, account=account)
        if found != points:
            self._fail(f"{player} has {found} points, not {points}", [], {player}, account)

    def assert_held(self, player: str, points: int, *, account: int = 1) -> None:
        """So many of the player's points are set aside by live holds.

        Raises:
            AssertionError: There are more or fewer; shows the player's ledger.
        """
        _check_text("player", player)
        found = self.balance(player, account=account) - self.available(player, account=account)
        if found != points:
            self._fail(f"{found} points of {player} are held, not {points}", [], {player}, account)

    def _assert_times(
        self, times: int, done: str, types: Collection[str], transaction_id: str, *, player: str | None, account: int
    ) -> list[Entry]:
        """That many lines of these types have this id, and belong to this player if one is named; gives them."""
        _check_text("transaction_id", transaction_id)
        if player is not None:
            _check_text("player", player)
        alike = self.transactions(transaction_id=transaction_id, account=account)
        found = [entry for entry in alike if entry.type in types and player in {None, entry.player}]
        if len(found) != times:
            whose = "" if player is None else f" of {player}"
            how = f"never {done}" if not found else f"{done} {_OFTEN.get(len(found), f'{len(found)} times')}"
            players = {entry.player for entry in alike} | ({player} if player is not None else set())
            self._fail(f"{transaction_id}{whose} was {how}", alike, players, account)
        return found

    def _fail(self, claim: str, about: Sequence[Entry], players: Collection[str], account: int) -> NoReturn:
        """Say what is wrong, and show the ledger of these players, or all of it, with a mark at the lines concerned."""
        lines = [entry for entry in self.transactions(account=account) if not players or entry.player in players]
        whose = f"the ledger of {', '.join(sorted(players))}" if players else "the ledger"
        if not lines:
            raise AssertionError(f"{claim}; {whose} is empty")
        marked = {entry.id for entry in about}
        recent = {entry.id for entry in lines[-SHOWN:]}
        shown = [entry for entry in lines if entry.id in marked | recent]
        left_out = len(lines) - len(shown)
        title = f"{whose}, without {left_out} earlier lines" if left_out else whose
        raise AssertionError(f"{claim}; {title}:\n\n{_table(shown, marked)}\n")


_OFTEN: Final = {1: "once", 2: "twice"}
_HEAD: Final = ("", "id", "transaction", "player", "type", "points", "amount", "balance", "time")
_NUMBERS: Final = frozenset({"id", "points", "amount", "balance"})


def _table(entries: Sequence[Entry], marked: Collection[int]) -> str:
    """Lines of the ledger below one another, numbers to the right; `>` is before those that are marked."""
    rows = [_HEAD, *(_row(entry, ">" if entry.id in marked else "") for entry in entries)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(
            cell.rjust(width) if name in _NUMBERS else cell.ljust(width)
            for name, cell, width in zip(_HEAD, row, widths, strict=True)
        ).rstrip()
        for row in rows
    )


def _row(entry: Entry, mark: str) -> tuple[str, ...]:
    return (
        mark,
        str(entry.id),
        entry.transaction_id,
        entry.player,
        entry.type,
        f"{entry.direction}{entry.points}",
        "" if entry.amount is None else format(entry.amount, "f"),
        str(entry.balance_after),
        stored(entry.time),
    )


def _check_text(name: str, value: object) -> None:
    """Nothing but a text: None would match every line."""
    if not isinstance(value, str):
        raise TypeError(f"{name} must be a str, not {type(value).__name__}")
