"""Runs resumed with another API key: one row shows that it is the same account's, or nothing is sent."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import pytest

from gameball import (
    AsyncGameball,
    AuthenticationError,
    BulkStoppedError,
    CashbackRequest,
    GameballError,
    JournalError,
    ManualRequest,
    RedeemRequest,
    RefundRequest,
)
from gameball.bulk.journal import JournalReader
from gameball.sandbox import Sandbox
from gameball.sandbox.faults import Delay, Fault, Status
from tests.support.bulk_api import QUICK, pay, pays
from tests.support.waits import with_waits

ROTATED: Final = "rotated-api-key"
WRITES: Final = ("transactions.cashback", "transactions.redeem", "transactions.refund", "transactions.manual")

KINDS: Final = {
    "cashback": lambda n: CashbackRequest(player_unique_id=f"p{n}", transaction_id=f"t{n}", amount=1),
    "redeem": lambda n: RedeemRequest(player_unique_id=f"p{n}", transaction_id=f"t{n}", redeemed_amount=1),
    "refund": lambda n: RefundRequest(
        player_unique_id=f"p{n}", transaction_id=f"t{n}", original_transaction_id=f"order{n}", amount=1
    ),
    "manual": lambda n: ManualRequest(
        player_unique_id=f"p{n}", transaction_id=f"t{n}", points=1, username="shop", reason="thanks"
    ),
}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "rewards.db"


@asynccontextmanager
async def client_of(sandbox: Sandbox, api_key: Any = None, secret_key: Any = None) -> AsyncIterator[AsyncGameball]:
    keys = api_key or sandbox.api_key, secret_key or sandbox.secret_key
    async with AsyncGameball(*keys, base_url=sandbox.base_url, retries=QUICK) as made:
        yield with_waits(made)


async def break_off(sandbox: Sandbox, path: Path, rows: Any, *, after: int) -> None:
    """Run until the key is refused, as it is when it was rotated meanwhile."""
    for write in WRITES:
        sandbox.faults.arm(write, Status(401, {"code": 10, "message": "the key was rotated"}), nth=after + 1, times=99)
    async with client_of(sandbox) as client:
        with pytest.raises(BulkStoppedError) as caught:
            await client.bulk.run(rows, journal=path, concurrency=1)
    assert caught.value.report.applied == after
    sandbox.faults.clear()


@pytest.fixture
async def rotated(tmp_path: Path, path: Path) -> AsyncIterator[Sandbox]:
    """The sandbox of a run that broke off after 3 of 20 rows; its account has another key now."""
    async with Sandbox(db=tmp_path / "ledger.db") as before:
        await break_off(before, path, pays(20), after=3)
    async with Sandbox(db=tmp_path / "ledger.db", port=before.port, api_key=ROTATED) as running:
        yield running


@asynccontextmanager
async def other_account(sandbox: Sandbox) -> AsyncIterator[AsyncGameball]:
    async with AsyncGameball(partner_token=sandbox.partner_token, base_url=sandbox.base_url) as partner:
        keys = await partner.clients.create(
            name="Jon Snow",
            email="jon@shop.example",
            mobile="+01010101010",
            store_name="MyNewStore",
            domain="mynewstore.example",
            country="Saudi Arabia",
            currency="USD",
            time_zone="GMT+1",
        )
    async with client_of(sandbox, keys.api_key, keys.secret_key) as client:
        yield client


def operations(sandbox: Sandbox) -> Sequence[str | None]:
    return [one.operation for one in sandbox.requests]


async def check_refused(
    sandbox: Sandbox, client: AsyncGameball, path: Path, sentence: str, error: type[GameballError] = JournalError
) -> None:
    """Nothing is sent but the one read, nothing is changed, and the key that is right goes on."""
    sandbox.requests.clear()
    with JournalReader(path) as before:
        account = before.contents.account
    with pytest.raises(error, match=sentence) as refused:
        await client.bulk.resume(path, new_key=True)

    assert "\n" not in str(refused.value)
    assert not set(WRITES) & set(operations(sandbox))
    with JournalReader(path) as after:
        assert (after.contents.account, after.contents.report.applied) == (account, 3)
    sandbox.faults.clear()
    async with client_of(sandbox) as right:
        assert (await right.bulk.resume(path, new_key=True)).applied == 20


# --- the same account


async def test_a_rotated_key_goes_on_after_one_read_and_the_journal_is_its_own(rotated: Sandbox, path: Path) -> None:
    async with client_of(rotated) as client:
        report = await client.bulk.resume(path, new_key=True)

        assert (report.applied, report.left) == (20, 0)
        assert operations(rotated) == ["transactions.list"] + 17 * ["transactions.cashback"]
        assert len(rotated.ledger.transactions()) == 20
        assert (await client.bulk.resume(path)).applied == 20
    async with client_of(rotated, "sandbox-api-key") as earlier:
        with pytest.raises(JournalError, match="belongs to another account"):
            await earlier.bulk.resume(path)


async def test_without_a_word_another_key_is_refused_and_told_how(rotated: Sandbox, path: Path) -> None:
    async with client_of(rotated) as client:
        with pytest.raises(JournalError, match=r"of the same account, resume with new_key=True, or --new-key\)"):
            await client.bulk.resume(path)

    assert not rotated.requests


async def test_the_same_key_reads_nothing(path: Path) -> None:
    async with Sandbox() as sandbox:
        await break_off(sandbox, path, pays(20), after=3)
        sandbox.requests.clear()
        async with client_of(sandbox) as client:
            assert (await client.bulk.resume(path, new_key=True)).applied == 20
        assert set(operations(sandbox)) == {"transactions.cashback"}


async def test_a_journal_that_never_reached_the_api_takes_any_key_without_a_read(path: Path) -> None:
    async with Sandbox() as sandbox:
        await break_off(sandbox, path, pays(5), after=0)
        sandbox.requests.clear()
        async with other_account(sandbox) as other:
            assert (await other.bulk.resume(path, new_key=True)).applied == 5
        assert "transactions.list" not in operations(sandbox)


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
async def test_a_row_of_any_kind_shows_the_account(tmp_path: Path, path: Path, kind: Callable[[int], Any]) -> None:
    async with Sandbox(db=tmp_path / "ledger.db") as before:
        async with client_of(before) as client:
            for number in range(4):
                await client.transactions.cashback(
                    player_unique_id=f"p{number}", transaction_id=f"order{number}", amount=500
                )
        await break_off(before, path, map(kind, range(4)), after=2)
    async with Sandbox(db=tmp_path / "ledger.db", port=before.port, api_key=ROTATED) as after, client_of(after) as new:
        assert (await new.bulk.resume(path, new_key=True)).applied == 4
        assert len(after.ledger.transactions()) == 8


async def test_a_row_without_an_email_is_looked_up_rather_than_one_with(tmp_path: Path, path: Path) -> None:
    """With an email the API may have put the player under another id."""
    rows = [pay(0, email="a@b.example"), pay(1, mobile="+201"), pay(2), pay(3)]
    async with Sandbox(db=tmp_path / "ledger.db") as before:
        await break_off(before, path, rows, after=3)
    async with Sandbox(db=tmp_path / "ledger.db", port=before.port, api_key=ROTATED) as after, client_of(after) as new:
        assert (await new.bulk.resume(path, new_key=True)).applied == 4
        assert after.requests[0].path.endswith("?transactionId=t2")


# --- another account, or one that does not show


async def test_an_account_without_the_row_is_another_one(rotated: Sandbox, path: Path) -> None:
    async with other_account(rotated) as other:
        await check_refused(rotated, other, path, r"does not show rows\[0\] \(transaction_id=t0\)")
    assert len(rotated.ledger.transactions()) == 20


@pytest.mark.parametrize("player", ["somebody", "p0"])
async def test_an_account_with_another_row_of_the_same_id_is_another_one(
    rotated: Sandbox, path: Path, player: str
) -> None:
    """Also one that has the same player: Gameball's own id is not the same."""
    async with other_account(rotated) as other:
        await other.transactions.cashback(player_unique_id=player, transaction_id="t0", amount=10)
        await check_refused(rotated, other, path, r"does not show rows\[0\] \(transaction_id=t0\)")


def listed(**changes: Any) -> Status:
    """A list with the row of the journal, but for these changes."""
    row = {"gameballTransactionId": "1", "transactionId": "t0", "playerUniqueId": "p0", **changes}
    return Status(200, {"transactions": [row], "count": 1, "total": 1})


@pytest.mark.parametrize(
    "answer",
    [
        Status(200, {"transactions": [], "count": 0, "total": 0}),
        listed(playerUniqueId="p1"),
        listed(playerUniqueId="P0"),
        listed(playerUniqueId=None),
        listed(transactionId="T0"),
        listed(transactionId=None),
        listed(gameballTransactionId="2"),
    ],
    ids=["lagging", "player", "player's case", "no player", "case", "no id", "Gameball's id"],
)
async def test_a_list_that_does_not_show_the_row_as_it_is_changes_nothing(
    rotated: Sandbox, path: Path, answer: Fault
) -> None:
    rotated.faults.arm("transactions.list", answer, times=99)
    async with client_of(rotated) as client:
        await check_refused(rotated, client, path, "it is another account, or its list lags; nothing was sent")


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (Status(401, {"code": 10, "message": "no"}), AuthenticationError),
        (Status(503, {"message": "down"}), GameballError),
        (Status(200, {"rows": "none"}), GameballError),
    ],
    ids=["refused", "down", "unreadable"],
)
async def test_a_read_that_fails_changes_nothing(
    rotated: Sandbox, path: Path, answer: Fault, error: type[GameballError]
) -> None:
    rotated.faults.arm("transactions.list", answer, times=99)
    async with client_of(rotated) as client:
        await check_refused(rotated, client, path, r"transactions\.list", error)


async def test_without_an_applied_row_nothing_shows_the_account(tmp_path: Path, path: Path) -> None:
    async with Sandbox(db=tmp_path / "ledger.db") as before, client_of(before) as client:
        before.faults.arm("transactions.cashback", Delay(30.0), times=99)
        running = asyncio.create_task(client.bulk.run(pays(4), journal=path))
        while len(before.requests) < 4:
            await asyncio.sleep(0.01)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
    async with Sandbox(db=tmp_path / "ledger.db", port=before.port, api_key=ROTATED) as after, client_of(after) as new:
        with pytest.raises(JournalError, match=r"no applied row .*: resume it with the key that it was made with, or"):
            await new.bulk.resume(path, new_key=True)
        assert not after.requests

        assert (await new.bulk.run(pays(4), journal=tmp_path / "again.db")).applied == 4


async def test_the_address_must_be_the_same(rotated: Sandbox, path: Path) -> None:
    async with Sandbox() as elsewhere, client_of(elsewhere, ROTATED) as client:
        with pytest.raises(JournalError, match=f"belongs to {rotated.base_url}, not to {elsewhere.base_url}"):
            await client.bulk.resume(path, new_key=True)
        assert not elsewhere.requests
