"""Runs with a journal: resumable after anything, never twice, and refused wherever it is not theirs."""

import asyncio
import os
import sqlite3
import stat
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import closing
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve

from gameball import (
    AsyncGameball,
    BulkReport,
    BulkStoppedError,
    CashbackRequest,
    Gameball,
    InvalidRequestError,
    JournalError,
    ManualRequest,
    RedeemRequest,
    RowResult,
    State,
)
from gameball.bulk.journal import Account, Journal, JournalReader, schema
from gameball.bulk.rows import Row
from gameball.sandbox import Sandbox
from gameball.sandbox.faults import Close, Status
from gameball.settings import Secret
from tests.support.bulk_api import API_KEY, SECRET_KEY, Api, Response, never, pay, pays
from tests.support.waits import SHORT, with_waits

pytestmark = [pytest.mark.many_cases, pytest.mark.usefixtures("quick_looks")]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "rewards.db"


async def until_sent(api: Api, count: int, running: "asyncio.Task[Any]") -> None:
    """Let so many rows be sent, then end the run as a crash would."""
    await api.sent(count)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


# --- run, run again, resume


async def test_a_run_that_is_run_again_with_its_journal_sends_nothing(
    sandbox: Sandbox, client: AsyncGameball, path: Path
) -> None:
    first = await client.bulk.run(pays(700, players=90), journal=path)
    again = await client.bulk.run(pays(700, players=90), journal=path)
    resumed = await client.bulk.resume(path)

    assert (first.rows, first.applied, first.sent) == (700, 700, 700)
    for report in (again, resumed, report_of(path)):
        assert (report.rows, report.applied, report.sent, report.points) == (700, 700, 700, first.points)
        assert report.seconds > 0
    assert len(sandbox.ledger.transactions()) == 700


async def test_a_journal_adds_up_its_rows_by_operation_and_status(
    sandbox: Sandbox, client: AsyncGameball, path: Path
) -> None:
    sandbox.faults.arm("transactions.cashback", Status(422, {"code": 7, "message": "no"}), transaction_id="t2")
    by_hand = ManualRequest(player_unique_id="m", transaction_id="m", username="u", reason="r", points=5)
    amounts = ("10.10", "0.20", "7", "10.10")
    rows = [pay(number, amount=Decimal(amount)) for number, amount in enumerate(amounts)]
    report = await client.bulk.run([*rows, by_hand], journal=path)

    with JournalReader(path) as recorded:
        sums = recorded.contents.sums
    assert [(one.operation, one.status, one.rows, one.amount) for one in sums] == [
        ("cashback", "applied", 3, Decimal("20.40")),
        ("cashback", "rejected", 1, Decimal(7)),
        ("manual", "applied", 1, Decimal(0)),
    ]
    assert sum(one.points for one in sums) == report.points


@pytest.mark.thorough
async def test_few_rows_are_written_down_ahead_of_a_slow_api(
    api: Api, caller: AsyncGameball, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever resumes has to look all of them up."""
    at_hand = most = 0
    claim = Journal.commit_and_claim

    def counted(self: Journal, results: Sequence[RowResult], back: Sequence[Row], count: int) -> list[Row]:
        nonlocal at_hand, most
        rows = claim(self, results, back, count)
        at_hand += len(rows) - len(results)
        most = max(most, at_hand)
        return rows

    async def answer(_: str) -> None:
        await asyncio.sleep(0.1)

    api.answer = answer
    monkeypatch.setattr(Journal, "commit_and_claim", counted)
    report = await caller.bulk.run(pays(60), journal=path, concurrency=4)

    assert report.applied == 60
    assert 4 < most <= 4 + 4 * 3 // 2


async def test_rows_in_flight_are_looked_up_and_rows_not_sent_are_sent(
    sandbox: Sandbox, client: AsyncGameball, api: Api, path: Path
) -> None:
    """Half of the rows in flight were applied, the other half were not; nobody heard of either."""
    for number in range(0, 8, 2):
        await client.transactions.cashback(
            player_unique_id=f"p{number}", transaction_id=f"t{number}", amount=10 + number
        )
    api.answer = lambda _: never()
    async with AsyncGameball(sandbox.api_key, sandbox.secret_key, base_url=api.base_url) as caller:
        await until_sent(api, 8, asyncio.create_task(caller.bulk.run(pays(40), journal=path, concurrency=8)))
    move(path, sandbox.base_url)
    report = await client.bulk.resume(path, concurrency=8)

    assert (report.rows, report.applied, report.already_applied, report.left) == (40, 40, 0, 0)
    assert len(sandbox.ledger.transactions()) == 40
    assert report.looked_up == 4 + 2 * 4


def report_of(path: Path) -> BulkReport:
    with JournalReader(path) as journal:
        return journal.contents.report


def problems_of(path: Path, state: State) -> list[RowResult]:
    with JournalReader(path) as journal:
        return list(journal.problems(state))


def move(path: Path, base_url: str) -> None:
    """Take a journal to another address, as no user can."""
    database = sqlite3.connect(path)
    with database:
        database.execute("UPDATE run SET base_url = ?", (base_url,))
    database.close()


async def test_a_row_that_is_sent_again_has_the_time_of_the_first_try(
    api: Api, caller: AsyncGameball, path: Path
) -> None:
    bodies = record_bodies(api)
    api.answer = lambda _: never()
    await until_sent(api, 4, asyncio.create_task(caller.bulk.run(pays(4), journal=path)))
    api.answer = None
    await caller.bulk.resume(path)

    assert len(bodies) == 8
    assert sorted(bodies[:4]) == sorted(bodies[4:])


def record_bodies(api: Api) -> list[bytes]:
    bodies: list[bytes] = []
    api.on_body = bodies.append
    return bodies


async def test_a_run_that_ends_early_leaves_the_other_rows_unsent(api: Api, caller: AsyncGameball, path: Path) -> None:
    async def answer(_: str) -> None:
        await asyncio.sleep(0.01)

    api.answer = answer
    stop = asyncio.Event()
    running = asyncio.create_task(caller.bulk.run(pays(500, players=20), journal=path, concurrency=4, stop=stop))
    await api.sent(30)
    stop.set()
    report = await running
    sent = len(api.ids)

    assert (report.rows, report.settled, report.left) == (500, sent, 500 - sent)
    database = sqlite3.connect(path)
    assert database.execute("SELECT count(*) FROM rows WHERE status = 'sending'").fetchone() == (0,)
    database.close()
    api.answer = None
    resumed = await caller.bulk.resume(path)
    assert (resumed.applied, resumed.looked_up, len(api.ids)) == (500, 0, 500)
    assert len(set(api.ids)) == 500


async def test_per_player_order_holds_over_runs(api: Api, caller: AsyncGameball, path: Path) -> None:
    async def answer(identity: str) -> None:
        await asyncio.sleep(int(identity[1:]) % 7 / 1000)

    api.answer = answer
    running = asyncio.create_task(caller.bulk.run(pays(600, players=25), journal=path, concurrency=16))
    await until_sent(api, 200, running)
    await caller.bulk.resume(path, concurrency=16)

    assert (api.most_of_a_player, api.most <= 16) == (1, True)
    latest = {f"p{n}": -1 for n in range(25)}
    for player, identity in zip(api.players, api.ids, strict=True):
        number = int(identity[1:])
        assert number >= latest[player]
        latest[player] = number
    assert set(api.ids) == {f"t{n}" for n in range(600)}


async def test_rows_of_another_journal_go_on_where_they_were(
    sandbox: Sandbox, client: AsyncGameball, path: Path, tmp_path: Path
) -> None:
    """Settled ones stay so, those in doubt are looked up, and a player's rows go in order whichever they are."""
    keys = Account(api_key=Secret(sandbox.api_key), base_url=sandbox.base_url)
    await client.bulk.run(pays(30, players=3), journal=path)
    sandbox.requests.clear()
    with JournalReader(path) as recorded:
        rows, results = list(recorded.parted(int_of)), list(recorded.results())
        assert recorded.in_doubt() == {}
    assert [row[3] for row in rows] == ["p0"] * 10 + ["p1"] * 10 + ["p2"] * 10

    other = Journal(tmp_path / "other.db", create=True)
    loading = other.load()
    loading.store((row[0] + 100, *row[1:]) for row in rows)
    loading.restore([(row[0] + 100, *row[1:]) for row in results if row[0] % 4 == 0], {101: None, 102: "b"})
    loading.doubt_all("")
    other.loaded_by(loading, keys, "calls")
    other.close()
    with JournalReader(tmp_path / "other.db") as recorded:
        assert recorded.contents.report.applied == 8
        assert {number for number, batch in recorded.in_doubt().items() if batch == "b"} == {102}
        assert {number for number, batch in recorded.in_doubt().items() if batch is None} == {101}
        assert len(recorded.in_doubt()) == 22


async def test_rows_in_doubt_of_a_player_are_looked_up_one_after_the_other(
    sandbox: Sandbox, client: AsyncGameball, path: Path, tmp_path: Path
) -> None:
    await client.bulk.run(pays(30, players=3), journal=path)
    sandbox.ledger.clear()
    sandbox.requests.clear()
    with JournalReader(path) as recorded:
        rows = list(recorded.parted(int_of))
    other = Journal(tmp_path / "other.db", create=True)
    loading = other.load()
    loading.store(rows)
    loading.doubt_all(None)
    other.loaded_by(loading, Account(api_key=Secret(sandbox.api_key), base_url=sandbox.base_url), "calls")
    other.close()
    report = await client.bulk.resume(tmp_path / "other.db")
    assert (report.applied, report.looked_up) == (30, 60)
    sent = [entry.transaction_id for entry in sandbox.ledger.transactions("p1")]
    assert sent == [f"t{number}" for number in range(1, 30, 3)]


def int_of(player: str) -> int:
    return int(player[1:])


async def test_a_player_with_many_rows_holds_up_no_other(api: Api, caller: AsyncGameball, path: Path) -> None:
    async def answer(identity: str) -> Response | None:
        return await never() if identity == "t0" else None

    api.answer = answer
    rows = [pay(n, players=1) for n in range(12_000)] + [
        CashbackRequest(player_unique_id=f"q{n}", transaction_id=f"u{n}", amount=1) for n in range(20)
    ]
    running = asyncio.create_task(caller.bulk.run(rows, journal=path, concurrency=4))
    async with asyncio.timeout(20):
        await until_sent(api, 21, running)

    assert set(api.ids) == {"t0", *(f"u{n}" for n in range(20))}


async def test_a_stream_with_a_journal_passes_over_settled_rows(client: AsyncGameball, path: Path) -> None:
    await client.bulk.run(pays(10), journal=path)
    assert [result async for result in client.bulk.stream(pays(10), journal=path)] == []


def test_the_plain_client_keeps_journals_too(path: Path) -> None:
    with Sandbox() as sandbox, Gameball(sandbox.api_key, sandbox.secret_key, base_url=sandbox.base_url) as client:
        assert client.bulk.run(pays(300), journal=str(path)).applied == 300
        assert client.bulk.resume(path).applied == 300
        assert len(sandbox.ledger.transactions()) == 300


async def test_a_journals_problems_are_kept_with_their_errors(
    sandbox: Sandbox, client: AsyncGameball, path: Path
) -> None:
    rows = [
        *pays(3),
        RedeemRequest(player_unique_id="p0", transaction_id="t9", redeemed_amount=10**6),
        ManualRequest(player_unique_id="p0", transaction_id="t10", points=3, username="u", reason="r"),
    ]
    first = await client.bulk.run(rows, journal=path)
    (problem,) = first.problems
    (kept,) = report_of(path).problems

    assert (first.rejected, problem.index, problem.state) == (1, 3, State.REJECTED)
    assert problem.error is not None
    assert kept.error is not None
    assert (kept.index, kept.request, type(kept.error)) == (3, rows[3], type(problem.error))
    assert (str(kept.error), vars(kept.error)) == (str(problem.error), vars(problem.error))
    assert [result.index for result in problems_of(path, State.REJECTED)] == [3]
    assert list(problems_of(path, State.NEEDS_REVIEW)) == []
    assert report_of(path).points == first.points == sum(entry.points for entry in sandbox.ledger.transactions())


async def test_a_time_that_was_taken_is_frozen_anew(sandbox: Sandbox, client: AsyncGameball, path: Path) -> None:
    sandbox.faults.arm("transactions.cashback", Status(422, {"code": 304, "message": "taken"}), times=2)
    report = await client.bulk.run(pays(1), journal=path)

    assert (report.applied, report.sent) == (1, 3)


async def test_a_time_of_the_rows_own_is_never_changed(api: Api, caller: AsyncGameball, path: Path) -> None:
    async def answer(_: str) -> Response:
        return 422, {"code": 304, "message": "taken"}

    api.answer = answer
    report = await caller.bulk.run([pay(0, transaction_time=datetime(2024, 1, 1, tzinfo=UTC))], journal=path)
    assert (report.needs_review, len(api.ids)) == (1, 1), "a list that lags may hide it"


async def test_a_journal_keeps_text_and_times_of_other_classes(
    sandbox: Sandbox, client: AsyncGameball, path: Path
) -> None:
    class SafeText(str):
        """Text, as Django's templates have it."""

        __slots__ = ()

    class FrozenTime(datetime):
        """A time, as freezegun has it."""

    row = CashbackRequest(
        player_unique_id=SafeText("p"),
        transaction_id=SafeText("t"),
        amount=10,
        transaction_time=FrozenTime(2024, 1, 1, tzinfo=UTC),
    )
    assert (await client.bulk.run([row], journal=path)).applied == 1
    assert (await client.bulk.run([row], journal=path)).applied == 1
    assert [entry.transaction_id for entry in sandbox.ledger.transactions()] == ["t"]


# --- what a journal is made of


async def test_only_its_owner_can_read_a_journal_and_no_key_is_in_it(
    sandbox: Sandbox, client: AsyncGameball, path: Path
) -> None:
    path.touch(mode=0o644)
    await client.bulk.run(pays(50), journal=path)

    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    content = path.read_bytes()
    assert sandbox.api_key.encode() not in content
    assert sandbox.secret_key.encode() not in content


async def test_a_one_time_password_is_not_written_down(api: Api, caller: AsyncGameball, path: Path) -> None:
    rows = [pay(0), RedeemRequest(player_unique_id="p", transaction_id="t1", redeemed_amount=1, otp="713905")]
    with pytest.raises(InvalidRequestError, match=r"rows\[1\]\.otp is a one-time password") as raised:
        await caller.bulk.run(rows, journal=path)

    assert "713905" not in str(raised.value)
    assert not path.exists()
    assert api.ids == []


async def test_a_row_that_stands_there_twice_is_sent_once(api: Api, caller: AsyncGameball, path: Path) -> None:
    report = await caller.bulk.run([*pays(300), *pays(200), pay(0)], journal=path)
    assert (report.rows, report.applied, sorted(set(api.ids)) == sorted(api.ids)) == (300, 300, True)


async def test_two_different_rows_with_one_id_are_refused(api: Api, caller: AsyncGameball, path: Path) -> None:
    with pytest.raises(InvalidRequestError, match=r"rows\[5\]\.transaction_id is the same as in rows\[3\], and the"):
        await caller.bulk.run([*pays(5), pay(3, amount=1)], journal=path)

    assert api.ids == []
    assert not path.exists()
    assert (await caller.bulk.run(pays(5), journal=path)).applied == 5


async def test_one_id_may_stand_for_a_cashback_and_a_redemption(client: AsyncGameball, path: Path) -> None:
    rows = [pay(1, amount=10_000), RedeemRequest(player_unique_id="p1", transaction_id="t1", redeemed_amount=1)]
    report = await client.bulk.run(rows, journal=path)
    assert report.rows == 2


async def test_a_source_that_breaks_off_leaves_no_journal(api: Api, caller: AsyncGameball, path: Path) -> None:
    def rows() -> Iterator[CashbackRequest]:
        yield from pays(1000)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await caller.bulk.run(rows(), journal=path)

    assert api.ids == []
    assert not path.exists()


# --- whose journal it is


@pytest.fixture
async def kept(caller: AsyncGameball, path: Path) -> Path:
    """A journal of ten rows, all settled."""
    await caller.bulk.run(pays(10), journal=path)
    return path


def spoil(statement: str) -> Callable[[Path], None]:
    def change(path: Path) -> None:
        database = sqlite3.connect(path, isolation_level=None)
        database.executescript(statement)
        database.close()

    return change


NO_ERRORS = (
    "",
    "7",
    '["GameballError"]',
    '["GameballError", []]',
    '["GameballError", {}]',
    '["NoSuchError", {"message": "x"}]',
    '["printable", {"message": "x"}]',
    '["Outcome", {"message": "x"}]',
    '[["GameballError"], {"message": "x"}]',
)


def spoil_state(status: str, *, points: str = "NULL", error: str = "NULL") -> Callable[[Path], None]:
    """Append a state of the fourth row; points and error as SQL has them."""
    state = f"json_array(3, '{status}', NULL, NULL, {points}, NULL, {error})"
    return spoil(f"INSERT INTO commits (states) VALUES (json_array({state}))")  # noqa: S608 (our own text)


def cut(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def lose_a_page(path: Path) -> None:
    with path.open("r+b") as file:
        file.seek(4096 * 3)
        file.write(bytes(4096))


def block_the_log(path: Path) -> None:
    path.with_name(path.name + "-wal").mkdir()


def scribble(path: Path) -> None:
    path.write_bytes(os.urandom(8192))


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (spoil(f"PRAGMA user_version = {schema.VERSION + 1}"), "was written by a newer version .* upgrade gameball"),
        (spoil("PRAGMA application_id = 7"), "is a database, but no journal"),
        (scribble, "is no journal"),
        (cut, "is damaged|is no journal"),
        (lose_a_page, "is damaged"),
        (spoil("PRAGMA user_version = 1"), "was written by an older version .*: use that one"),
        (spoil_state("perhaps"), "is damaged"),
        (spoil_state("applied", points="'many'"), "is damaged"),
        (spoil("UPDATE commits SET states = '[[3' WHERE number = 1"), "is damaged"),
        (spoil("UPDATE requests SET request = '{' WHERE number = 3"), "is damaged"),
        (spoil("""UPDATE requests SET request = '{"amount":"much"}' WHERE number = 3"""), "is damaged"),
        *((spoil_state("rejected", error=error), "is damaged") for error in ("NULL", *map(repr, NO_ERRORS))),
        (spoil("DELETE FROM run"), "is damaged"),
        (block_the_log, "cannot be used: unable to open database file"),
        (lambda path: path.unlink(), "there is no journal at"),
        (lambda path: path.write_bytes(b""), "holds no rows yet"),
    ],
    ids=[
        "newer",
        "a database",
        "scribbled",
        "cut",
        "a page missing",
        "older",
        "a state",
        "points",
        "cut states",
        "no request",
        "an amount",
        "no error",
        *(f"no error: {error}" for error in NO_ERRORS),
        "no account",
        "no log",
        "gone",
        "empty",
    ],
)
async def test_a_file_that_is_no_good_journal_is_refused_in_a_sentence(
    api: Api, caller: AsyncGameball, kept: Path, change: Callable[[Path], None], sentence: str
) -> None:
    change(kept)
    sent = len(api.ids)
    with pytest.raises(JournalError, match=sentence) as refused:
        await caller.bulk.resume(kept)

    assert "\n" not in str(refused.value)
    assert str(kept) in str(refused.value)
    assert len(api.ids) == sent


async def check_refused(client: AsyncGameball, kept: Path, sentence: str) -> None:
    async with client:
        with pytest.raises(JournalError, match=sentence):
            await client.bulk.resume(kept)
        with pytest.raises(JournalError, match=sentence):
            await client.bulk.run(pays(10), journal=kept)


def test_other_tools_find_the_last_state_of_each_row(kept: Path) -> None:
    spoil_state("rejected", error="'[]'")(kept)
    with closing(sqlite3.connect(kept)) as database:
        states = database.execute("SELECT number, transaction_id, status, error FROM rows ORDER BY number").fetchall()
    assert states == [(n, f"t{n}", "rejected" if n == 3 else "applied", "[]" if n == 3 else None) for n in range(10)]


async def test_a_journal_of_another_account_is_refused(api: Api, kept: Path) -> None:
    other = AsyncGameball("another-accounts-key", SECRET_KEY, base_url=api.base_url)
    await check_refused(other, kept, "belongs to another account: its API key is not this client's")
    assert len(api.ids) == 10


async def test_a_journal_of_another_address_is_refused(kept: Path) -> None:
    async with Api() as elsewhere:
        client = AsyncGameball(API_KEY, SECRET_KEY, base_url=elsewhere.base_url)
        await check_refused(client, kept, f"belongs to http://127.0.0.1:.*, not to {elsewhere.base_url}")
    assert elsewhere.ids == []


@pytest.mark.parametrize(
    "rows", [lambda: pays(11), lambda: pays(9), lambda: [*pays(9), pay(9, amount=1)]], ids=["more", "fewer", "other"]
)
async def test_rows_that_have_changed_are_refused(
    api: Api, caller: AsyncGameball, kept: Path, rows: Callable[[], Any]
) -> None:
    with pytest.raises(JournalError, match="was made of other rows: the input has changed since"):
        await caller.bulk.run(rows(), journal=kept)
    assert len(api.ids) == 10


async def test_a_second_process_is_refused_while_the_first_runs(api: Api, caller: AsyncGameball, path: Path) -> None:
    api.answer = lambda _: never()
    running = asyncio.create_task(caller.bulk.run(pays(10), journal=path))
    await api.sent(10)
    program = """
import sys
from attrs import evolve
from tests.support.waits import SHORT, with_waits
from gameball import Gameball, GameballError
try:
    Gameball(sys.argv[2], sys.argv[3], base_url=sys.argv[4]).bulk.resume(sys.argv[1])
except GameballError as error:
    print(error)
"""
    said = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-c", program, str(path), API_KEY, SECRET_KEY, api.base_url],
        capture_output=True,
        text=True,
        timeout=20,
        check=True,
    )
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)

    assert said.stdout.strip() == f"journal {path} is in use by process {os.getpid()}"
    assert len(api.ids) == 10


async def test_a_journal_that_is_in_use_is_refused_before_rows_are_read(
    api: Api, caller: AsyncGameball, kept: Path
) -> None:
    async def rows() -> AsyncIterator[CashbackRequest]:
        for row in pays(10):
            yield row

    other = sqlite3.connect(kept, isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    with pytest.raises(JournalError, match="is in use by another process"):
        await caller.bulk.run(rows(), journal=kept)
    other.close()
    assert len(api.ids) == 10


async def test_a_row_that_cannot_be_read_stops_the_run(api: Api, caller: AsyncGameball, kept: Path) -> None:
    spoil_state("pending")(kept)
    spoil("UPDATE requests SET request = '{}' WHERE number = 3")(kept)
    with pytest.raises(JournalError, match="is damaged"):
        await caller.bulk.resume(kept)
    assert len(api.ids) == 10


async def test_a_file_that_is_no_journal_is_left_as_it_is(caller: AsyncGameball, tmp_path: Path) -> None:
    orders = tmp_path / "orders.csv"
    orders.write_text("transaction_id,amount\n" * 1000)
    orders.chmod(0o644)
    with pytest.raises(JournalError, match="is no journal"):
        await caller.bulk.run(pays(1), journal=orders)

    assert orders.read_text() == "transaction_id,amount\n" * 1000
    assert stat.S_IMODE(orders.stat().st_mode) == 0o644


async def test_a_journal_in_a_folder_that_is_not_there_is_refused(caller: AsyncGameball, tmp_path: Path) -> None:
    with pytest.raises(JournalError, match="cannot be used: No such file or directory"):
        await caller.bulk.run(pays(1), journal=tmp_path / "nowhere" / "j.db")


# --- the disk is full


@pytest.fixture
def full_disk(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Lets journals grow to so many pages."""
    connect = sqlite3.connect

    def limit(pages: int) -> None:
        def connect_to_little(*args: Any, **kwargs: Any) -> sqlite3.Connection:
            database: sqlite3.Connection = connect(*args, **kwargs)
            database.execute(f"PRAGMA max_page_count = {pages}")
            return database

        monkeypatch.setattr("sqlite3.connect", connect_to_little)

    return limit


async def test_a_disk_that_is_too_small_for_the_rows_sends_nothing(
    api: Api, caller: AsyncGameball, path: Path, full_disk: Callable[[int], None]
) -> None:
    full_disk(10)
    with pytest.raises(JournalError, match="cannot grow: the disk is full"):
        await caller.bulk.run(pays(2000), journal=path)

    assert api.ids == []
    assert not path.exists()


@pytest.mark.thorough
async def test_a_disk_that_fills_up_stops_the_run_and_it_can_be_resumed(
    sandbox: Sandbox,
    client: AsyncGameball,
    path: Path,
    full_disk: Callable[[int], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with monkeypatch.context() as patched:
        stop = asyncio.Event()
        stop.set()
        patched.setattr("gameball.bulk.runner.PROGRESS", 0.0)
        await client.bulk.run(pays(1500), journal=path, stop=stop, concurrency=4)
    full_disk(path.stat().st_size // 4096 + 12)
    with pytest.raises(BulkStoppedError, match="the disk is full") as stopped:
        await client.bulk.resume(path)
    assert isinstance(stopped.value.reason, JournalError)
    monkeypatch.undo()
    report = await client.bulk.resume(path)

    assert (report.applied, report.left) == (1500, 0)
    assert len(sandbox.ledger.transactions()) == 1500


# --- an outage


async def test_an_outage_leaves_rows_unsent_and_the_journal_resumable(
    sandbox: Sandbox, client: AsyncGameball, path: Path
) -> None:
    with_waits(client, evolve(SHORT, first_pause=0.02, leaving=0.1))
    outage = [
        sandbox.faults.arm("transactions.cashback", Status(503), nth=100, times=10**6),
        sandbox.faults.arm("transactions.list", Status(503), times=10**6),
    ]
    with pytest.raises(BulkStoppedError, match="HTTP 503") as stopped:
        await client.bulk.run(pays(500), journal=path, concurrency=8, patience=0.3)
    report = stopped.value.report
    assert (report.applied, report.needs_review, report.rejected, report.left) == (99, 0, 0, 401)
    assert report.pauses == 1

    for armed in outage:
        armed.times = armed.fired
    report = await client.bulk.resume(path)
    assert (report.applied, report.left) == (500, 0)
    assert len(sandbox.ledger.transactions()) == 500


async def test_a_row_without_answer_in_a_run_with_a_journal_is_looked_up(
    sandbox: Sandbox, client: AsyncGameball, path: Path
) -> None:
    sandbox.faults.arm("transactions.cashback", Close(), transaction_id="t5", effect="after")
    sandbox.faults.arm("transactions.cashback", Close(), transaction_id="t6", effect="before")
    report = await client.bulk.run(pays(10), journal=path)

    assert (report.applied, len(sandbox.ledger.transactions())) == (10, 10)


def test_a_journal_that_nobody_filled_is_taken_away(path: Path) -> None:
    Journal(path, create=True).close()
    assert not path.exists()
