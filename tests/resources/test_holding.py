"""Holding points for the length of a block, on both faces: kept when left well, reversed by whatever goes wrong."""

import asyncio
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import anyio
import pytest

from gameball import (
    AsyncGameball,
    Gameball,
    Hold,
    HoldNotFoundError,
    InsufficientBalanceError,
    InvalidRequestError,
    OutcomeUnknownError,
    PlayerNotFoundError,
    Retries,
)
from gameball.core.waits import STANDARD, Waits
from gameball.sandbox import Sandbox, faults
from tests.support.mock_api import MockApi
from tests.support.waits import with_waits

Block = Callable[[Any, Hold], object]


def client_of(sandbox: Sandbox, kind: type[Any], **settings: Any) -> Any:
    return kind(sandbox.api_key, sandbox.secret_key, base_url=sandbox.base_url, **settings)


async def hold_for(
    face: str, sandbox: Sandbox, block: Block | None = None, waits: Waits = STANDARD, **arguments: Any
) -> Hold:
    """Hold 100 points of "p" while a block runs; what the block does is awaited where it can be."""
    arguments = {"player_unique_id": "p", "hold_points": 100, **arguments}
    client = client_of(sandbox, AsyncGameball if face == "awaited" else Gameball, retries=Retries(attempts=1))
    with_waits(client, waits)
    if face == "awaited":
        async with client, client.transactions.holding(**arguments) as hold:
            if block is not None and asyncio.iscoroutine(done := block(client, hold)):
                await done
    else:
        with client, client.transactions.holding(**arguments) as hold:
            if block is not None:
                block(client, hold)
    assert isinstance(hold, Hold)
    return hold


@pytest.fixture
def sandbox(sandbox: Sandbox) -> Sandbox:
    """One with a player "p" who has 500 points."""
    with client_of(sandbox, Gameball) as client:
        client.transactions.manual(player_unique_id="p", transaction_id="t0", username="u", reason="r", points=500)
    return sandbox


def reversals(sandbox: Sandbox) -> int:
    return [request.operation for request in sandbox.requests].count("transactions.reverse_hold")


# --- left well


async def test_a_block_that_is_left_well_keeps_the_hold(face: str, sandbox: Sandbox) -> None:
    hold = await hold_for(face, sandbox)
    assert (hold.player_unique_id, hold.hold_points) == ("p", 100)
    assert [held.reference for held in sandbox.ledger.holds("p")] == [hold.hold_reference]
    assert reversals(sandbox) == 0


async def test_a_hold_can_be_redeemed_inside_the_block(face: str, sandbox: Sandbox) -> None:
    def redeem(client: Any, hold: Hold) -> object:
        return client.transactions.redeem(player_unique_id="p", transaction_id="t1", hold_reference=hold.hold_reference)

    await hold_for(face, sandbox, redeem)
    assert (sandbox.ledger.balance("p"), sandbox.ledger.available("p")) == (400, 400)
    assert reversals(sandbox) == 0


async def test_the_hold_is_asked_for_as_by_hold_itself(face: str, api: MockApi) -> None:
    """Every argument goes on."""
    api.to("POST").answer('{"holdReference": 12, "amount": 5}')
    arguments: dict[str, Any] = {"player_unique_id": "p", "amount": Decimal("5.00"), "email": "e@x.y", "mobile": "+1"}
    base = "https://api.gameball.test/api/v3.0"
    if face == "awaited":
        async with AsyncGameball("k", "s", base_url=base) as client, client.transactions.holding(**arguments) as hold:
            assert hold.hold_reference == "12"
    else:
        with Gameball("k", "s", base_url=base) as plain, plain.transactions.holding(**arguments) as hold:
            assert hold.hold_reference == "12"
    (sent,) = api.sent
    assert sent.target == "/integrations/transaction/hold"
    start, _, end = (sent.body or b"").partition(b'"transactionTime":"')
    assert start == b'{"playerUniqueId":"p","email":"e@x.y","mobile":"+1",'
    assert end.endswith(b'Z","amount":5.00}')


# --- an error


class _Mine(Exception):  # noqa: N818 (anybody's)
    pass


@pytest.mark.parametrize(
    "error", [_Mine("out of stock"), KeyboardInterrupt(), SystemExit(3), StopIteration(1), TimeoutError(), OSError(5)]
)
async def test_an_error_in_the_block_reverses_the_hold_and_comes_out_as_it_is(
    face: str, sandbox: Sandbox, error: BaseException
) -> None:
    def fail(_: Any, hold: Hold) -> None:
        assert [held.reference for held in sandbox.ledger.holds("p")] == [hold.hold_reference]
        raise error

    with pytest.raises((type(error), RuntimeError)) as caught:
        await hold_for(face, sandbox, fail)
    # Python itself wraps a StopIteration that leaves a coroutine.
    wrapped = isinstance(error, StopIteration)
    assert (caught.value.__cause__ if wrapped else caught.value) is error
    assert sandbox.ledger.holds("p") == []
    assert reversals(sandbox) == 1
    assert not hasattr(error, "__notes__")


def fail_in_a_block(client: Gameball, error: Exception) -> None:
    with client.transactions.holding(player_unique_id="p", hold_points=1):
        raise error


def test_a_stop_iteration_in_a_plain_block_comes_out_as_it_is(sandbox: Sandbox) -> None:
    error = StopIteration(1)
    with client_of(sandbox, Gameball) as client, pytest.raises(StopIteration) as caught:
        fail_in_a_block(client, error)
    assert caught.value is error
    assert sandbox.ledger.holds("p") == []


async def test_an_error_after_the_hold_was_redeemed_leaves_the_redemption(face: str, sandbox: Sandbox) -> None:
    async def redeem_awaited(client: AsyncGameball, hold: Hold) -> None:
        await client.transactions.redeem(player_unique_id="p", transaction_id="t1", hold_reference=hold.hold_reference)
        raise _Mine

    def redeem_plainly(client: Gameball, hold: Hold) -> None:
        client.transactions.redeem(player_unique_id="p", transaction_id="t1", hold_reference=hold.hold_reference)
        raise _Mine

    with pytest.raises(_Mine) as caught:
        await hold_for(face, sandbox, redeem_awaited if face == "awaited" else redeem_plainly)
    assert not hasattr(caught.value, "__notes__")
    assert sandbox.ledger.balance("p") == 400
    assert sandbox.ledger.holds("p") == []


async def test_a_hold_that_expired_inside_the_block_needs_no_reversal(face: str, sandbox: Sandbox) -> None:
    def dawdle(_: Any, __: Hold) -> None:
        sandbox.clock.advance(minutes=11)
        raise _Mine

    with pytest.raises(_Mine) as caught:
        await hold_for(face, sandbox, dawdle)
    assert not hasattr(caught.value, "__notes__")


# --- a reversal that fails


@pytest.mark.parametrize(
    ("fault", "name"),
    [
        (faults.Status(500), "OutcomeUnknownError"),
        (faults.Status(401, {"code": 10, "message": "no"}), "AuthenticationError"),
        (faults.Reset(), "OutcomeUnknownError"),
        (faults.Html(502), "OutcomeUnknownError"),
    ],
)
async def test_a_failing_reversal_never_masks_the_blocks_error_and_leaves_a_note(
    face: str, sandbox: Sandbox, fault: faults.Fault, name: str
) -> None:
    held: list[str] = []

    def fail(_: Any, hold: Hold) -> None:
        held.append(hold.hold_reference)
        sandbox.faults.arm("transactions.reverse_hold", fault)
        raise error

    error = _Mine("out of stock")
    with pytest.raises(_Mine) as caught:
        await hold_for(face, sandbox, fail)
    assert caught.value is error
    assert caught.value.__notes__ == [f"the hold {held[0]} could not be reversed ({name})"]


async def test_a_reversal_that_hangs_is_given_up_and_leaves_a_note(face: str, sandbox: Sandbox) -> None:

    def fail(_: Any, __: Hold) -> None:
        sandbox.faults.arm("transactions.reverse_hold", faults.Delay(5.0))
        raise _Mine

    with pytest.raises(_Mine) as caught:
        await hold_for(face, sandbox, fail, Waits(reversal=0.1))
    (note,) = caught.value.__notes__
    assert note.endswith("could not be reversed (TimeoutError)")


# --- a hold that was never made


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ({"hold_points": 501}, InsufficientBalanceError),
        ({"player_unique_id": "nobody"}, PlayerNotFoundError),
        ({"amount": 1}, InvalidRequestError),
        ({"hold_points": None}, InvalidRequestError),
        ({"hold_points": -5}, InvalidRequestError),
    ],
)
async def test_without_a_hold_the_block_is_never_entered(
    face: str, sandbox: Sandbox, arguments: dict[str, Any], error: type[Exception]
) -> None:
    def enter(_: Any, __: Hold) -> None:
        pytest.fail("the block was entered")

    with pytest.raises(error):
        await hold_for(face, sandbox, enter, **arguments)
    assert reversals(sandbox) == 0


async def test_a_lost_hold_is_neither_repeated_nor_reversed(face: str, sandbox: Sandbox) -> None:
    sandbox.faults.arm("transactions.hold", faults.Reset(), effect="after")
    with pytest.raises(OutcomeUnknownError, match="a hold that was made ends by itself"):
        await hold_for(face, sandbox)
    assert len(sandbox.ledger.holds("p")) == 1
    assert reversals(sandbox) == 0


# --- cancellation


async def held_until_cancelled(sandbox: Sandbox, entered: asyncio.Event, waits: Waits = STANDARD) -> None:
    client: AsyncGameball = with_waits(client_of(sandbox, AsyncGameball), waits)
    async with client, client.transactions.holding(player_unique_id="p", hold_points=100):
        entered.set()
        await asyncio.sleep(30)


async def test_a_cancelled_block_reverses_the_hold(sandbox: Sandbox) -> None:
    entered = asyncio.Event()
    task = asyncio.create_task(held_until_cancelled(sandbox, entered))
    await entered.wait()
    assert len(sandbox.ledger.holds("p")) == 1
    task.cancel()
    with pytest.raises(asyncio.CancelledError) as caught:
        await task
    assert not hasattr(caught.value, "__notes__")
    assert sandbox.ledger.holds("p") == []


async def test_a_deadline_over_the_block_reverses_the_hold(sandbox: Sandbox) -> None:
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.2):
            await held_until_cancelled(sandbox, asyncio.Event())
    assert sandbox.ledger.holds("p") == []
    assert reversals(sandbox) == 1


async def test_a_cancelled_scope_of_anyio_reverses_the_hold(sandbox: Sandbox) -> None:
    """Within a cancelled scope of anyio every await is cancelled anew; the reversal is shielded from that."""
    with anyio.move_on_after(0.2) as scope:
        await held_until_cancelled(sandbox, asyncio.Event())
    assert scope.cancelled_caught
    assert sandbox.ledger.holds("p") == []
    assert reversals(sandbox) == 1


async def test_a_neighbours_failure_in_a_task_group_reverses_the_hold(sandbox: Sandbox) -> None:
    async def fail_beside(entered: asyncio.Event) -> None:
        await entered.wait()
        raise _Mine

    entered = asyncio.Event()

    async def run_both() -> None:
        async with anyio.create_task_group() as group:
            group.start_soon(held_until_cancelled, sandbox, entered)
            group.start_soon(fail_beside, entered)

    with pytest.raises(ExceptionGroup) as caught:
        await run_both()
    assert [type(error) for error in caught.value.exceptions] == [_Mine]
    assert sandbox.ledger.holds("p") == []


async def test_a_reversal_that_fails_while_cancelled_leaves_the_cancellation_and_a_note(sandbox: Sandbox) -> None:
    sandbox.faults.arm("transactions.reverse_hold", faults.Delay(5.0))
    entered = asyncio.Event()
    task = asyncio.create_task(held_until_cancelled(sandbox, entered, Waits(reversal=0.1)))
    await entered.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError) as caught:
        await task
    (note,) = caught.value.__notes__
    assert note.endswith("could not be reversed (TimeoutError)")


# --- the manager itself


def test_one_manager_serves_one_block(sandbox: Sandbox) -> None:
    with client_of(sandbox, Gameball) as client:
        manager = client.transactions.holding(player_unique_id="p", hold_points=1)
        with manager:
            pass
        with pytest.raises((RuntimeError, AttributeError, TypeError)), manager:
            pytest.fail("the block was entered twice")
    assert len(sandbox.ledger.holds("p")) == 1


async def test_nothing_is_sent_before_the_block_is_entered(face: str, sandbox: Sandbox) -> None:
    client = client_of(sandbox, AsyncGameball if face == "awaited" else Gameball)
    before = len(sandbox.requests)
    manager = client.transactions.holding(player_unique_id="p", hold_points=1)
    assert hasattr(manager, "__aenter__") is (face == "awaited")
    assert hasattr(manager, "__enter__") is (face == "plain")
    assert len(sandbox.requests) == before


async def test_many_holds_at_once_are_each_reversed(sandbox: Sandbox) -> None:
    async def fail(client: AsyncGameball) -> None:
        async with client.transactions.holding(player_unique_id="p", hold_points=1):
            await asyncio.sleep(0.01)
            raise _Mine

    async with client_of(sandbox, AsyncGameball) as client:
        ended = await asyncio.gather(*(fail(client) for _ in range(20)), return_exceptions=True)
        assert [type(error) for error in ended] == [_Mine] * 20
        assert sandbox.ledger.holds("p") == []
        with pytest.raises(HoldNotFoundError):
            await client.transactions.reverse_hold("12")
