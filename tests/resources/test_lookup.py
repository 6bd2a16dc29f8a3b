"""What became of a transaction in doubt, as rows of the list show it."""

from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Context, Decimal, Inexact, Rounded, localcontext
from typing import Any

import pytest
from attrs import evolve

from gameball import UnexpectedAnswerError
from gameball.core.operation import Absent, Different, Found
from gameball.models.shared import KeyedRequest
from gameball.models.transactions import (
    CashbackRequest,
    CashbackReward,
    Direction,
    ManualRequest,
    ManualTransaction,
    OrderTransaction,
    OrderTransactions,
    RedeemRequest,
    Redemption,
    RefundRequest,
    Transaction,
    TransactionPage,
    TransactionType as Type,
)
from gameball.resources import lookup
from gameball.resources.transactions import cashback, manual, redeem, refund

NOON = datetime(2019, 9, 19, 12, tzinfo=UTC)

CASHBACK = CashbackRequest(player_unique_id="p1", transaction_id="tra_1", amount=Decimal("99.98"))
REDEEM = RedeemRequest(player_unique_id="p1", transaction_id="tra_1", redeemed_amount=Decimal("99.98"))
BY_HOLD = RedeemRequest(player_unique_id="p1", transaction_id="tra_1", hold_reference="h1")
REFUND = RefundRequest(
    player_unique_id="p1", transaction_id="tra_1", original_transaction_id="tra_0", amount=Decimal("99.98")
)
REFUND_ALL = RefundRequest(player_unique_id="p1", transaction_id="tra_1", original_transaction_id="tra_0")
ADDED = ManualRequest(player_unique_id="p1", transaction_id="tra_1", username="u", reason="r", points=20)
DEDUCTED = ManualRequest(player_unique_id="p1", transaction_id="tra_1", username="u", reason="r", points=-20)
REWARDED = ManualRequest(
    player_unique_id="p1", transaction_id="tra_1", username="u", reason="r", amount=Decimal("99.98")
)

MATCHES: dict[type[KeyedRequest], Callable[[Any, TransactionPage], lookup.Evidence[Any]]] = {
    CashbackRequest: lookup.cashback,
    RedeemRequest: lookup.redeem,
    RefundRequest: lookup.refund,
    ManualRequest: lookup.manual,
}
OWN: dict[str, tuple[KeyedRequest, Type, Direction]] = {
    "cashback": (CASHBACK, Type.PAYMENT_REWARD, Direction.ADDITION),
    "redeem": (REDEEM, Type.REDEMPTION, Direction.DEDUCTION),
    "redeem by hold": (BY_HOLD, Type.REDEMPTION, Direction.DEDUCTION),
    "refund": (REFUND, Type.PARTIAL_REFUND, Direction.DEDUCTION),
    "refund all": (REFUND_ALL, Type.CANCEL, Direction.DEDUCTION),
    "manual points added": (ADDED, Type.MANUAL_ACCUMULATION, Direction.ADDITION),
    "manual points deducted": (DEDUCTED, Type.MANUAL_DEDUCTION, Direction.DEDUCTION),
    "manual amount": (REWARDED, Type.MANUAL_REWARD, Direction.ADDITION),
}
Each = pytest.mark.parametrize("name", OWN)


def row(**fields: Any) -> Transaction:
    own: dict[str, Any] = {
        "gameball_transaction_id": "17178",
        "transaction_id": "tra_1",
        "player_unique_id": "p1",
        "points": 20,
        "amount": Decimal("99.98"),
        "transaction_time": NOON,
    }
    return Transaction(**{**own, **fields})


def own_row(name: str, **fields: Any) -> Transaction:
    _, kind, direction = OWN[name]
    return row(**{"type": kind, "direction": direction, **fields})


def found(request: KeyedRequest, *rows: Transaction) -> lookup.Evidence[Any]:
    return MATCHES[type(request)](request, TransactionPage(transactions=rows))


# --- what is ours


def test_a_cashback_is_rebuilt() -> None:
    assert found(CASHBACK, own_row("cashback")) == Found(
        CashbackReward(gameball_transaction_id="17178", rewarded_points=20, player_unique_id="p1")
    )


@pytest.mark.parametrize("points", [20, -20])
@pytest.mark.parametrize("name", ["redeem", "redeem by hold"])
def test_a_redemption_is_rebuilt_with_points_above_zero(name: str, points: int) -> None:
    assert found(OWN[name][0], own_row(name, points=points)) == Found(
        Redemption(gameball_transaction_id="17178", redeemed_points=20, player_unique_id="p1")
    )


@pytest.mark.parametrize(("name", "points"), [("manual points added", 20), ("manual points deducted", -20)])
@pytest.mark.parametrize("sign", [1, -1])
def test_a_manual_transaction_is_rebuilt_with_its_sign(name: str, points: int, sign: int) -> None:
    shown = own_row(name, amount=None, points=20 * sign if points < 0 else 20)

    assert found(OWN[name][0], shown) == Found(
        ManualTransaction(
            gameball_transaction_id="17178",
            points=points,
            player_unique_id="p1",
            transaction_id="tra_1",
            transaction_time=NOON,
        )
    )


@pytest.mark.parametrize("points", [999, Decimal("20.5"), None])
def test_a_manual_amount_is_rebuilt_with_the_lists_points(points: Any) -> None:
    finding = found(REWARDED, own_row("manual amount", points=points))

    assert isinstance(finding, Found)
    assert (finding.value.points, finding.value.amount) == (points, Decimal("99.98"))


def test_a_refund_is_rebuilt_with_all_of_its_rows_and_no_others() -> None:
    rows = (
        own_row("refund", points=5),
        row(transaction_id="tra_2", type=Type.REFUND),
        own_row("refund", gameball_transaction_id="17179", points=-3, type=Type.REFUND),
    )

    assert found(REFUND, *rows) == Found(
        OrderTransactions(
            order_transactions=tuple(
                OrderTransaction(
                    gameball_transaction_id=own,
                    transaction_type=kind,
                    transaction_date=NOON,
                    amount=Decimal("99.98"),
                    equivalent_points=points,
                    transaction_id="tra_1",
                )
                for own, kind, points in (("17178", Type.PARTIAL_REFUND, 5), ("17179", Type.REFUND, -3))
            ),
            total=None,
            count=None,
        )
    )


@Each
def test_among_others_it_is_found(name: str) -> None:
    others = [row(transaction_id=other, type=Type.EXPIRY) for other in ("tra_2", "TRA_1", "tra_1 ", None)]

    assert isinstance(found(OWN[name][0], *others, own_row(name), *others), Found)


@Each
def test_what_the_list_leaves_out_does_not_speak_against_it(name: str) -> None:
    shown = own_row(name, player_unique_id=None, amount=None, direction=None, type=None, transaction_time=None)

    assert isinstance(found(OWN[name][0], shown), Found)


@pytest.mark.parametrize("points", [Decimal("20.5"), 0, 10**30])
def test_any_points_are_taken_over(points: Any) -> None:
    finding = found(CASHBACK, own_row("cashback", points=points))

    assert isinstance(finding, Found)
    assert finding.value.rewarded_points == points


@pytest.mark.parametrize("amount", ["99.98", "99.980", "-99.98"])
@Each
def test_the_same_amount_in_another_spelling_agrees(name: str, amount: str) -> None:
    assert isinstance(found(OWN[name][0], own_row(name, amount=Decimal(amount))), Found)


# --- what is not there


ALTERED = [
    "TRA_1",
    "Tra_1",
    "tra_1 ",
    " tra_1",
    "tra_\uff11",
    "tra_1\u200b",
    "\u212bra_1",
    "tra_01",
    "tra_11",
    "tra_",
    "tra_2",
]


@Each
@pytest.mark.parametrize("other", ALTERED)
def test_another_or_an_altered_id_is_neither_ours_nor_absence(name: str, other: str) -> None:
    """A list that holds it did not obey the filter, or does not keep ids as they were sent."""
    assert isinstance(found(OWN[name][0], own_row(name, transaction_id=other)), UnexpectedAnswerError)
    assert isinstance(
        found(OWN[name][0], own_row(name, player_unique_id="p2"), row(transaction_id=other)), UnexpectedAnswerError
    )


@Each
def test_an_empty_page_is_absence(name: str) -> None:
    assert found(OWN[name][0]) == Absent()


@pytest.mark.parametrize(
    "rows",
    [(), (row(transaction_id="tra_2"),), (row(player_unique_id="p2"),)],
    ids=["none", "another", "another player's"],
)
@pytest.mark.parametrize("counts", [{"total": 2}, {"count": 2}, {"count": 1, "total": 5000}], ids=str)
def test_a_page_that_counts_more_than_it_shows_is_no_evidence(
    counts: dict[str, int], rows: tuple[Transaction, ...]
) -> None:
    finding = lookup.cashback(CASHBACK, TransactionPage(transactions=rows, **counts))

    assert isinstance(finding, UnexpectedAnswerError)


@pytest.mark.parametrize("lacking", [None, ""])
@Each
def test_a_row_without_its_id_may_be_ours(name: str, lacking: str | None) -> None:
    rows = row(transaction_id="tra_2"), row(transaction_id=lacking)

    assert isinstance(found(OWN[name][0], *rows), UnexpectedAnswerError)


@pytest.mark.parametrize("counts", [{}, {"count": 0}, {"count": 0, "total": 0}], ids=str)
def test_an_empty_page_that_counts_none_is_believed(counts: dict[str, int]) -> None:
    assert lookup.cashback(CASHBACK, TransactionPage(transactions=(), **counts)) == Absent()


def test_a_page_of_our_id_alone_that_shows_what_it_counts_is_believed() -> None:
    page = TransactionPage(transactions=(row(player_unique_id="p2"),), count=1, total=1)

    assert lookup.cashback(CASHBACK, page) == Different()


# --- what belongs to another transaction

KINDS: dict[str, set[Type]] = {
    "cashback": {Type.PAYMENT_REWARD, Type.CASH_BACK},
    "redeem": {Type.REDEMPTION},
    "refund": {Type.REFUND, Type.PARTIAL_REFUND, Type.CANCEL},
    "manual amount": {Type.MANUAL_ACCUMULATION, Type.MANUAL_REWARD},
}


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize("kind", Type)
def test_the_kind_tells(name: str, kind: Type) -> None:
    finding = found(OWN[name][0], own_row(name, type=kind))

    if kind in KINDS[name]:
        assert isinstance(finding, Found)
    elif (name, kind) != ("manual amount", Type.MANUAL_DEDUCTION):
        assert finding == Different()


def test_the_tables_of_kinds_are_the_designs() -> None:
    assert set(lookup.CASHBACK) == KINDS["cashback"]
    assert set(lookup.REDEMPTION) == KINDS["redeem"]
    assert set(lookup.REFUND) == KINDS["refund"]
    assert {*lookup.ADDED, *lookup.DEDUCTED} == {Type.MANUAL_ACCUMULATION, Type.MANUAL_DEDUCTION, Type.MANUAL_REWARD}


@pytest.mark.parametrize(
    ("name", "kind", "direction"),
    [
        ("manual points deducted", Type.MANUAL_ACCUMULATION, Direction.ADDITION),
        ("manual points added", Type.MANUAL_DEDUCTION, Direction.DEDUCTION),
    ],
)
def test_points_added_are_not_points_deducted(name: str, kind: Type, direction: Direction) -> None:
    assert found(OWN[name][0], own_row(name, type=kind, direction=direction)) == Different()


@pytest.mark.parametrize("direction", [Direction.ADDITION, Direction.DEDUCTION, None, Direction("?")])
@pytest.mark.parametrize("kind", [Type("BonusRain"), None], ids=["unknown word", "no word"])
@Each
def test_of_an_unknown_kind_the_direction_tells(name: str, kind: Type | None, direction: Direction | None) -> None:
    request, _, ours = OWN[name]

    finding = found(request, own_row(name, type=kind, direction=direction))

    agrees = isinstance(request, RefundRequest) or direction in (None, ours)
    assert isinstance(finding, Found if agrees else Different)


@Each
def test_another_player_is_another_transaction(name: str) -> None:
    for other in ("p2", "P1"):
        assert found(OWN[name][0], own_row(name, player_unique_id=other)) == Different()


@pytest.mark.parametrize("channel", [{"email": "a@b.example"}, {"mobile": "+20123"}])
@pytest.mark.parametrize(
    "request_",
    [
        lambda channel: CashbackRequest(player_unique_id="p1", transaction_id="tra_1", amount=1, **channel),
        lambda channel: RedeemRequest(player_unique_id="p1", transaction_id="tra_1", redeemed_amount=1, **channel),
        lambda channel: RefundRequest(
            player_unique_id="p1", transaction_id="tra_1", original_transaction_id="o", **channel
        ),
        lambda channel: ManualRequest(
            player_unique_id="p1", transaction_id="tra_1", username="u", reason="r", points=20, **channel
        ),
    ],
    ids=["cashback", "redeem", "refund", "manual"],
)
def test_but_with_merged_channels_another_player_proves_nothing(
    request_: Callable[[dict[str, str]], KeyedRequest], channel: dict[str, str]
) -> None:
    asked = request_(channel)
    kind = {
        CashbackRequest: Type.PAYMENT_REWARD,
        RedeemRequest: Type.REDEMPTION,
        RefundRequest: Type.CANCEL,
        ManualRequest: Type.MANUAL_ACCUMULATION,
    }[type(asked)]
    shown = row(type=kind, direction=None, amount=None, player_unique_id="merged")

    assert isinstance(found(asked, shown), Found)


@pytest.mark.parametrize(
    ("name", "amount"),
    [(name, amount) for name in ("cashback", "redeem", "manual amount") for amount in ("99.99", "100", "0")]
    + [("refund", "99.99"), ("refund", "100")],
)
def test_an_amount_that_disagrees_is_another_transaction(name: str, amount: str) -> None:
    assert found(OWN[name][0], own_row(name, amount=Decimal(amount))) == Different()


@pytest.mark.parametrize("name", ["redeem by hold", "refund all", "manual points added"])
def test_where_no_amount_was_given_none_disagrees(name: str) -> None:
    assert isinstance(found(OWN[name][0], own_row(name, amount=Decimal(7))), Found)


@pytest.mark.parametrize("name", ["manual points added", "manual points deducted"])
@pytest.mark.parametrize("points", [21, 19, 0, Decimal("20.5")])
def test_points_that_disagree_are_another_transaction(name: str, points: Any) -> None:
    assert found(OWN[name][0], own_row(name, points=points)) == Different()


def test_a_refund_that_the_api_cut_to_what_was_left_is_ours() -> None:
    """Refunds add up to no more than the original: the row tells what was left, which may be less than was asked."""
    assert isinstance(found(REFUND, own_row("refund", amount=Decimal(30), type=Type.CANCEL)), Found)


@pytest.mark.parametrize("name", ["cashback", "redeem", "redeem by hold"])
def test_a_row_of_ours_without_points_is_neither_another_transaction_nor_absent(name: str) -> None:
    """It is there, so it must not be sent again, nor be called somebody else's; its value just cannot be read."""
    finding = found(OWN[name][0], own_row(name, points=None))

    assert not isinstance(finding, Different | Absent)


# --- a refund's value, completed from its order


def order(*ids: str | None) -> OrderTransactions:
    rows = tuple(OrderTransaction(gameball_transaction_id=str(n), transaction_id=own) for n, own in enumerate(ids))
    return OrderTransactions(order_transactions=rows, total=len(rows), count=len(rows))


def test_a_refund_is_told_by_its_order() -> None:
    whole = order("tra_0", "tra_1")

    assert lookup.with_order(order("tra_1"), whole) == Found(whole)


@pytest.mark.parametrize("ids", [(), ("tra_0",), ("tra_0", "tra_2", "tra_11")])
def test_a_refund_that_its_order_lacks_is_another_orders(ids: tuple[str, ...]) -> None:
    assert lookup.with_order(order("tra_1"), order(*ids)) == Different()


@pytest.mark.parametrize(
    "partial",
    [
        order("tra_0", None),
        order("TRA_1 "),
        order("tra_\uff11"),
        evolve(order("tra_0"), total=2),
        evolve(order("tra_0"), count=2),
    ],
    ids=["a row without its id", "an altered id", "another form of it", "total", "count"],
)
def test_unless_the_order_does_not_show_all_of_it(partial: OrderTransactions) -> None:
    assert lookup.with_order(order("tra_1"), partial) == Absent()


# --- the caller's own arithmetic


@pytest.mark.parametrize("traps", [[], [Inexact], [Inexact, Rounded]], ids=["no trap", "inexact", "inexact, rounded"])
@Each
def test_amounts_are_compared_as_they_are_whatever_the_callers_decimal_context(name: str, traps: list[Any]) -> None:
    """Under three digits 99.98 and 99.99 would be one amount, and 100 000.4 points 100 000."""
    request, points = OWN[name][0], Decimal("-100000.4")
    points = points if request not in (ADDED, DEDUCTED) else Decimal(20)
    compared = request not in (BY_HOLD, REFUND_ALL, ADDED, DEDUCTED)
    with localcontext(Context(prec=3, traps=traps)):
        ours = found(request, own_row(name, points=points))
        others = found(request, own_row(name, points=points, amount=Decimal("99.9801")))

    assert isinstance(ours, Found)
    assert others == Different() if compared else isinstance(others, Found)
    if name == "redeem":
        assert ours.value.redeemed_points == Decimal("100000.4")


# --- how the operations carry it


def test_each_keyed_operation_looks_for_its_own_id() -> None:
    for operation in (cashback(CASHBACK), redeem(REDEEM), refund(REFUND), manual(ADDED)):
        assert operation.reconciliation is not None
        look_up = operation.reconciliation.lookup(operation.transaction_id or "")
        assert look_up.name == "transactions.list"
        assert look_up.query.transaction_id == operation.transaction_id == "tra_1"
        assert operation.reconciliation.match(operation.body, TransactionPage(transactions=())) == Absent()


def test_only_a_refund_asks_its_order_too() -> None:
    reconciliation = refund(REFUND).reconciliation

    assert reconciliation is not None
    assert reconciliation.detail is not None
    assert reconciliation.detail(REFUND).path == "/integrations/order/tra_0/transactions"
    assert reconciliation.merge is lookup.with_order
    others = (cashback(CASHBACK).reconciliation, redeem(REDEEM).reconciliation, manual(ADDED).reconciliation)
    assert [other and other.detail for other in others] == [None, None, None]
