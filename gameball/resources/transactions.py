"""The transactions page: what moves a player's points, and what tells of it.

First the pure builders, one for each endpoint; then the class whose methods hand what they build to the client.
"""

from collections.abc import AsyncGenerator, Callable, Sequence
from datetime import date, datetime
from itertools import islice
from typing import Any, Final, TypeVar

from attrs import evolve

from gameball.core.methods import Items, Managed, Mode, context_manager, endpoint, paginated
from gameball.core.operation import Operation, Reconciliation, Replay, path
from gameball.core.timestamps import restamped, stamped
from gameball.errors import HoldNotFoundError, UnexpectedAnswerError
from gameball.models.generated import maker
from gameball.models.shared import KeyedRequest, Merchant, Number, check_whole
from gameball.models.transactions import (
    PAGE_ROWS,
    CashbackRequest,
    CashbackReward,
    Coupon,
    CouponRequest,
    Hold,
    HoldRequest,
    LineItem,
    ManualRequest,
    ManualTransaction,
    OrderTransactions,
    RedeemRequest,
    Redemption,
    RefundRequest,
    Transaction,
    TransactionFilter,
    TransactionPage,
)
from gameball.resources import lookup
from gameball.resources.resource import Resource

STALE_PAGES: Final = 2
"""Pages in a row without a new row that end an iteration. One alone may come of rows that arrived meanwhile."""

SEEN_ROWS: Final = 20_000
"""How many rows an iteration remembers to give each once."""

T = TypeVar("T")

# --- endpoints: what all calls of one have in common


def _with_id(transaction_id: str) -> Operation[Any]:
    """The list as evidence of whether a transaction is there."""
    return _LOOK_UP.call(query=TransactionFilter(transaction_id=transaction_id))


def _order_of(request: RefundRequest) -> Operation[Any]:
    """The refunded order as evidence: the list shows the refund; only the order has all that its answer would have."""
    return evolve(for_order(request.original_transaction_id), returns=lookup.LookupOrder)


def _keyed_endpoint(
    name: str, returns: type[T], match: Callable[[Any, TransactionPage], lookup.Evidence[T]], **second_read: Any
) -> Operation[T]:
    """A write that the API takes once for its transaction id."""
    return Operation(
        name=f"transactions.{name}",
        method="POST",
        path=f"/integrations/transaction/{name}",
        returns=returns,
        replay=Replay.BY_TRANSACTION_ID,
        reconciliation=Reconciliation(lookup=_with_id, match=match, **second_read),
        check="look for its transaction_id with transactions.list before sending it again",
    )


_CASHBACK: Final = _keyed_endpoint("cashback", CashbackReward, lookup.cashback)
_REDEEM: Final = _keyed_endpoint("redeem", Redemption, lookup.redeem)
_REFUND: Final = _keyed_endpoint("refund", OrderTransactions, lookup.refund, detail=_order_of, merge=lookup.with_order)
_MANUAL: Final = _keyed_endpoint("manual", ManualTransaction, lookup.manual)

_HOLD: Final = Operation(
    name="transactions.hold",
    method="POST",
    path="/integrations/transaction/hold",
    returns=Hold,
    replay=Replay.NEVER,
    check="check the player's balance; a hold that was made ends by itself, after ten minutes by default",
)
_REVERSE_HOLD: Final[Operation[None]] = Operation(
    name="transactions.reverse_hold",
    method="DELETE",
    path="/integrations/transaction/hold/{hold_reference}",
    returns=type(None),
    replay=Replay.SAFE,
    not_found_means_done=True,
    check="reversing it again is safe",
)
_LIST: Final = Operation(
    name="transactions.list",
    method="GET",
    path="/integrations/transaction/list",
    returns=TransactionPage,
    replay=Replay.SAFE,
)
_LOOK_UP: Final = evolve(_LIST, returns=lookup.LookupPage)
_FOR_ORDER: Final = Operation(
    name="transactions.for_order",
    method="GET",
    path="/integrations/order/{order_id}/transactions",
    returns=OrderTransactions,
    replay=Replay.SAFE,
)
_COUPON: Final = Operation(
    name="transactions.create_coupon",
    method="POST",
    path="/integrations/transactions/coupon",
    returns=Coupon,
    replay=Replay.NEVER,
    check="look for a DiscountCode transaction of the player with transactions.list before asking for another",
)

# --- builders; a `fresh` request is one that nobody else has, so that it need not be copied for its time


def cashback(request: CashbackRequest, *, fresh: bool = False) -> Operation[CashbackReward]:
    """POST /integrations/transaction/cashback."""
    return _keyed(_CASHBACK, request, fresh=fresh)


def redeem(request: RedeemRequest, *, fresh: bool = False) -> Operation[Redemption]:
    """POST /integrations/transaction/redeem."""
    return _keyed(_REDEEM, request, fresh=fresh)


def refund(request: RefundRequest, *, fresh: bool = False) -> Operation[OrderTransactions]:
    """POST /integrations/transaction/refund."""
    path(_FOR_ORDER.path, order_id=request.original_transaction_id)  # refused here, not when it is looked up
    return _keyed(_REFUND, request, fresh=fresh)


def manual(request: ManualRequest, *, fresh: bool = False) -> Operation[ManualTransaction]:
    """POST /integrations/transaction/manual."""
    return _keyed(_MANUAL, request, fresh=fresh)


def hold(request: HoldRequest, *, fresh: bool = False) -> Operation[Hold]:
    """POST /integrations/transaction/hold."""
    return _HOLD.call(body=stamped(request, fresh=fresh))


def reverse_hold(hold_reference: str) -> Operation[None]:
    """DELETE /integrations/transaction/hold/{holdReference}."""
    return _REVERSE_HOLD.call(path=path(_REVERSE_HOLD.path, hold_reference=hold_reference))


def transaction_page(filters: TransactionFilter) -> Operation[TransactionPage]:
    """GET /integrations/transaction/list."""
    return _LIST.call(query=filters)


def for_order(order_id: str) -> Operation[OrderTransactions]:
    """GET /integrations/order/{orderId}/transactions."""
    return _FOR_ORDER.call(path=path(_FOR_ORDER.path, order_id=order_id))


def create_coupon(request: CouponRequest) -> Operation[Coupon]:
    """POST /integrations/transactions/coupon."""
    return _COUPON.call(body=request)


def _keyed(endpoint: Operation[T], request: KeyedRequest, *, fresh: bool) -> Operation[T]:
    """Stamped now, unless the caller gave the time."""
    restamp = None if request.transaction_time else restamped
    return endpoint.call(body=stamped(request, fresh=fresh), transaction_id=request.transaction_id, restamp=restamp)


# --- the methods; what a method makes of its arguments is a request of its own


_cashback_request: Final = maker(CashbackRequest)
_redeem_request: Final = maker(RedeemRequest)
_refund_request: Final = maker(RefundRequest)
_hold_request: Final = maker(HoldRequest)
_manual_request: Final = maker(ManualRequest)


class Transactions(Resource[Mode]):
    """Reward, redeem, hold and refund points, and read what happened to them.

    API page: Transactions. Money is in the account's currency, as Decimal, int or float (a float stands for its
    shortest decimal); points are whole numbers; times are aware datetimes, by default now.

    Every method raises InvalidRequestError before anything is sent when a value breaks a rule, and otherwise a
    GameballError whose `outcome` tells whether the call took effect.
    """

    @endpoint
    async def cashback(
        self,
        *,
        player_unique_id: str,
        transaction_id: str,
        amount: Number,
        email: str | None = None,
        mobile: str | None = None,
        transaction_time: datetime | None = None,
        merchant: Merchant | None = None,
    ) -> CashbackReward:
        """Reward a player for money paid; a player who does not exist yet is made.

        API page: Transactions, POST Cashback.

        Args:
            player_unique_id: The player's id in your system.
            transaction_id: Your own id of the payment, an order number say; taken once.
            amount: Money paid, above zero.
            email: Only for accounts that merge channels.
            mobile: Only for accounts that merge channels.
            transaction_time: When it was paid.
            merchant: The shop, where the account has several.

        Raises:
            DuplicateTransactionError: The transaction id was taken before.
            OutcomeUnknownError: It may have been rewarded, and no answer says so.
        """
        return await self._send(
            cashback(
                _cashback_request(
                    player_unique_id=player_unique_id,
                    transaction_id=transaction_id,
                    amount=amount,
                    email=email,
                    mobile=mobile,
                    transaction_time=transaction_time,
                    merchant=merchant,
                ),
                fresh=True,
            )
        )

    @endpoint
    async def redeem(
        self,
        *,
        player_unique_id: str,
        transaction_id: str,
        redeemed_amount: Number | None = None,
        hold_reference: str | None = None,
        email: str | None = None,
        mobile: str | None = None,
        transaction_time: datetime | None = None,
        merchant: Merchant | None = None,
        otp: str | None = None,
    ) -> Redemption:
        """Let a player pay with points: an amount of money's worth, or what a hold has set aside.

        API page: Transactions, POST Redeem Points.

        Args:
            player_unique_id: The player's id in your system.
            transaction_id: Your own id of the redemption; taken once.
            redeemed_amount: Money's worth of points; or else
            hold_reference: What `hold()` gave.
            email: Only for accounts that merge channels.
            mobile: Only for accounts that merge channels.
            transaction_time: When it was redeemed.
            merchant: The shop, where the account has several.
            otp: The player's one-time password, for accounts that ask for one.

        Raises:
            InsufficientBalanceError: The player has too few points.
            HoldNotFoundError: The hold was never made, has expired, or was used.
            PlayerNotFoundError: There is no such player.
            DuplicateTransactionError: The transaction id was taken before.
            OutcomeUnknownError: It may have been redeemed, and no answer says so.
        """
        return await self._send(
            redeem(
                _redeem_request(
                    player_unique_id=player_unique_id,
                    transaction_id=transaction_id,
                    redeemed_amount=redeemed_amount,
                    hold_reference=hold_reference,
                    email=email,
                    mobile=mobile,
                    transaction_time=transaction_time,
                    merchant=merchant,
                    otp=otp,
                ),
                fresh=True,
            )
        )

    @endpoint
    async def refund(
        self,
        *,
        player_unique_id: str,
        transaction_id: str,
        original_transaction_id: str,
        amount: Number | None = None,
        line_items: Sequence[LineItem] = (),
        email: str | None = None,
        mobile: str | None = None,
        transaction_time: datetime | None = None,
        otp: str | None = None,
    ) -> OrderTransactions:
        """Take back an order or a part of it: points given are taken, points paid are given back.

        API page: Transactions, POST Refund. The balance may become negative.

        Args:
            player_unique_id: The player's id in your system.
            transaction_id: The refund's own new id; taken once.
            original_transaction_id: The id of what is refunded.
            amount: Money refunded; all that is left without it.
            line_items: The items that come back.
            email: Only for accounts that merge channels.
            mobile: Only for accounts that merge channels.
            transaction_time: When it was refunded.
            otp: The player's one-time password, for accounts that ask for one.

        Raises:
            TransactionNotFoundError: There is no original transaction with this id.
            AlreadyCancelledError: It was refunded in full before.
            NotReversibleError: Transactions of its type cannot be refunded.
            DuplicateTransactionError: The refund's transaction id was taken before.
            OutcomeUnknownError: It may have been refunded, and no answer says so.
        """
        return await self._send(
            refund(
                _refund_request(
                    player_unique_id=player_unique_id,
                    transaction_id=transaction_id,
                    original_transaction_id=original_transaction_id,
                    amount=amount,
                    line_items=line_items,
                    email=email,
                    mobile=mobile,
                    transaction_time=transaction_time,
                    otp=otp,
                ),
                fresh=True,
            )
        )

    @endpoint
    async def hold(
        self,
        *,
        player_unique_id: str,
        amount: Number | None = None,
        hold_points: Number | None = None,
        email: str | None = None,
        mobile: str | None = None,
        transaction_time: datetime | None = None,
    ) -> Hold:
        """Set points aside until the checkout is done, for ten minutes unless the account says otherwise.

        API page: Transactions, POST Hold Points. A hold has no id of yours: when no answer comes, it
        cannot be looked up, and it is never sent again by itself.

        Args:
            player_unique_id: The player's id in your system.
            amount: Money's worth of points; or else
            hold_points: A number of points.
            email: Only for accounts that merge channels.
            mobile: Only for accounts that merge channels.
            transaction_time: When it was asked for.

        Raises:
            InsufficientBalanceError: The player has too few points.
            PlayerNotFoundError: There is no such player.
            OutcomeUnknownError: It may have been made, and no answer says so.
        """
        return await self._send(
            hold(
                _hold_request(
                    player_unique_id=player_unique_id,
                    amount=amount,
                    hold_points=hold_points,
                    email=email,
                    mobile=mobile,
                    transaction_time=transaction_time,
                ),
                fresh=True,
            )
        )

    @endpoint
    async def reverse_hold(self, hold_reference: str) -> None:
        """Give points back that a hold has set aside.

        API page: Transactions, DELETE Reverse Hold.

        Args:
            hold_reference: What `hold()` gave.

        Raises:
            HoldNotFoundError: The hold was never made, has expired, or was used.
        """
        await self._send(reverse_hold(hold_reference))

    @context_manager
    def holding(
        self,
        *,
        player_unique_id: str,
        amount: Number | None = None,
        hold_points: Number | None = None,
        email: str | None = None,
        mobile: str | None = None,
        transaction_time: datetime | None = None,
    ) -> Managed[Hold]:
        """Hold points for the length of a block: left well, the hold stays for the redemption; an error reverses it.

        API page: Transactions, POST Hold Points and DELETE Reverse Hold. The block's own error is what comes out,
        whether or not the reversal succeeds; a hold that could not be reversed ends by itself.

        Args:
            player_unique_id: The player's id in your system.
            amount: Money's worth of points; or else
            hold_points: A number of points.
            email: Only for accounts that merge channels.
            mobile: Only for accounts that merge channels.
            transaction_time: When it was asked for.

        Raises:
            InsufficientBalanceError: The player has too few points.
            PlayerNotFoundError: There is no such player.
            OutcomeUnknownError: It may have been made, and no answer says so.
        """
        return Managed(
            self._hold(
                _hold_request(
                    player_unique_id=player_unique_id,
                    amount=amount,
                    hold_points=hold_points,
                    email=email,
                    mobile=mobile,
                    transaction_time=transaction_time,
                )
            )
        )

    async def _hold(self, request: HoldRequest) -> AsyncGenerator[Hold, None]:
        held = await self._send(hold(request, fresh=True))
        try:
            yield held
        except BaseException as error:
            try:
                await self._send_regardless(reverse_hold(held.hold_reference), self._waits.reversal)
            except HoldNotFoundError:
                pass  # redeemed or expired: nothing is held any more
            except Exception as failure:  # noqa: BLE001 (the block's own error must come out)
                error.add_note(f"the hold {held.hold_reference} could not be reversed ({type(failure).__name__})")
            raise

    @endpoint
    async def manual(
        self,
        *,
        player_unique_id: str,
        transaction_id: str,
        username: str,
        reason: str,
        points: int | None = None,
        amount: Number | None = None,
        email: str | None = None,
        mobile: str | None = None,
        transaction_time: datetime | None = None,
    ) -> ManualTransaction:
        """Add or deduct points by hand; a player who does not exist yet is made.

        API page: Transactions, POST Manual Transaction.

        Args:
            player_unique_id: The player's id in your system.
            transaction_id: Your own id of it; taken once.
            username: Who does it, in your system.
            reason: Why.
            points: Points to add (positive) or deduct (negative), not zero; or else
            amount: Money that the player is rewarded for.
            email: Only for accounts that merge channels.
            mobile: Only for accounts that merge channels.
            transaction_time: When it was done.

        Raises:
            DuplicateTransactionError: The transaction id was taken before.
            OutcomeUnknownError: It may have been done, and no answer says so.
        """
        return await self._send(
            manual(
                _manual_request(
                    player_unique_id=player_unique_id,
                    transaction_id=transaction_id,
                    username=username,
                    reason=reason,
                    points=points,
                    amount=amount,
                    email=email,
                    mobile=mobile,
                    transaction_time=transaction_time,
                ),
                fresh=True,
            )
        )

    @endpoint
    async def create_coupon(
        self, *, player_unique_id: str, rule_id: int | None = None, value: Number | None = None
    ) -> Coupon:
        """Turn a player's points into a coupon.

        API page: Transactions, POST Create Coupon. A coupon has no id of yours: when no answer comes, it
        cannot be looked up, and it is never sent again by itself.

        Args:
            player_unique_id: The player's id in your system.
            rule_id: The redemption rule; at least this or
            value: Money's worth, for the general redemption rule.

        Raises:
            InsufficientBalanceError: The player has too few points.
            PlayerNotFoundError: There is no such player.
            OutcomeUnknownError: It may have been made, and no answer says so.
        """
        return await self._send(
            create_coupon(CouponRequest(player_unique_id=player_unique_id, rule_id=rule_id, value=value))
        )

    @endpoint
    async def for_order(self, order_id: str) -> OrderTransactions:
        """Read all movements of points that belong to an order.

        API page: Transactions, GET List Order Transactions.

        Args:
            order_id: The transaction id that the order was rewarded with.
        """
        return await self._send(for_order(order_id))

    @paginated
    def iterate(
        self,
        *,
        direction: str | None = None,
        from_date: date | datetime | None = None,
        to_date: date | datetime | None = None,
        transaction_id: str | None = None,
        status: str | int | None = None,
        player_unique_id: str | None = None,
        page_size: int = PAGE_ROWS,
    ) -> Items[Transaction]:
        """Read all transactions that match, newest first, page by page as they are asked for.

        API page: Transactions, GET List Transactions. Rows that arrive meanwhile push others onto the next page:
        those are given once.

        Args:
            direction: "+" for additions, "-" for deductions.
            from_date: A day, or an aware time.
            to_date: A day, or an aware time.
            transaction_id: Your own id.
            status: Active, Pending, Blocked or Expired, or their number from 1 to 4.
            player_unique_id: The player's id in your system.
            page_size: Rows of one request, 1 to 200.

        Raises:
            UnexpectedAnswerError: Two pages in a row bring no row that earlier ones did not have: the list does not
                turn its pages.
        """
        check_whole("page_size", page_size, 1, PAGE_ROWS)
        return Items(
            self._pages(
                TransactionFilter(
                    limit=page_size,
                    direction=direction,
                    from_date=from_date,
                    to_date=to_date,
                    transaction_id=transaction_id,
                    status=status,
                    player_unique_id=player_unique_id,
                )
            )
        )

    async def _pages(self, filters: TransactionFilter) -> AsyncGenerator[tuple[Transaction, ...], None]:
        seen: dict[str, None] = {}
        number = rows = stale = 0
        while stale < STALE_PAGES:
            number += 1
            page = await self._send(transaction_page(evolve(filters, page=number)))
            fresh = tuple(row for row in page.transactions if row.gameball_transaction_id not in seen)
            if fresh:
                yield fresh
            rows += len(fresh)
            # A short page is no end: an account may have a lower limit than the one requested.
            if not page.transactions or (page.total is not None and rows >= page.total):
                return
            stale = 0 if fresh else stale + 1
            seen |= dict.fromkeys(row.gameball_transaction_id for row in fresh)
            for old in list(islice(seen, max(0, len(seen) - SEEN_ROWS))):
                del seen[old]
        raise UnexpectedAnswerError(
            f"pages {number - 1} and {number} of the list bring no row that earlier ones did not have",
            operation="transactions.list",
        )

    # Last, for after it `list` no longer means the type in this class.
    @endpoint
    async def list(
        self,
        *,
        page: int | None = None,
        limit: int | None = None,
        direction: str | None = None,
        from_date: date | datetime | None = None,
        to_date: date | datetime | None = None,
        transaction_id: str | None = None,
        status: str | int | None = None,
        player_unique_id: str | None = None,
    ) -> TransactionPage:
        """Read one page of the transactions that match, newest first.

        API page: Transactions, GET List Transactions.

        Args:
            page: Its number, from 1.
            limit: Its rows, 1 to 200; the API gives 50 by default.
            direction: "+" for additions, "-" for deductions.
            from_date: A day, or an aware time.
            to_date: A day, or an aware time.
            transaction_id: Your own id.
            status: Active, Pending, Blocked or Expired, or their number from 1 to 4.
            player_unique_id: The player's id in your system.
        """
        return await self._send(
            transaction_page(
                TransactionFilter(
                    page=page,
                    limit=limit,
                    direction=direction,
                    from_date=from_date,
                    to_date=to_date,
                    transaction_id=transaction_id,
                    status=status,
                    player_unique_id=player_unique_id,
                )
            )
        )
