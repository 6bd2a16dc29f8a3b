"""The same method, awaited on one face and waited for on the other."""

import asyncio
import gc
import inspect
import pydoc
import subprocess
import sys
import threading
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator
from contextlib import aclosing, closing
from typing import Any, get_type_hints
from unittest import mock

import pytest

from gameball import AsyncGameball, CashbackReward, Gameball, Merchant, Transaction
from gameball.core import loop_thread
from gameball.core.methods import Async, Items, Mode, ResourceBase, Sync, endpoint, paginated
from gameball.resources.transactions import Transactions

awaited = AsyncGameball("key", "secret").transactions
plain = Gameball("key", "secret").transactions

CALLS = ["cashback", "redeem", "refund", "hold", "reverse_hold", "manual", "create_coupon", "for_order", "list"]


class LostError(Exception):
    """What a user's own code raises in the midst of a loop."""


class Counter(ResourceBase[Mode]):
    """A resource without an API."""

    pages = 0
    ended_in = ""

    @endpoint
    async def add(self, one: int, *, other: int = 1) -> int:
        """Add two numbers."""
        await asyncio.sleep(0)
        if other < 0:
            raise LostError
        return one + other

    @endpoint
    async def where(self) -> str:
        """Tell the thread."""
        return threading.current_thread().name

    @paginated
    def count(self, *, size: int = 2, pages: int = 3, broken_at: int | None = None) -> Items[int]:
        """Count, page by page."""
        return Items(self._count(size, pages, broken_at))

    async def _count(self, size: int, pages: int, broken_at: int | None) -> AsyncGenerator[tuple[int, ...], None]:
        try:
            for page in range(pages):
                self.pages += 1
                if page == broken_at:
                    raise LostError
                await asyncio.sleep(0)
                yield tuple(range(page * size, (page + 1) * size))
        finally:
            await asyncio.sleep(0)
            self.ended_in = threading.current_thread().name


@pytest.fixture
def waiting() -> Counter[Sync]:
    return Counter(Sync)


@pytest.fixture
def awaiting() -> Counter[Async]:
    return Counter(Async)


# --- calls


@pytest.mark.parametrize("name", CALLS)
def test_a_method_is_a_coroutine_function_awaited_and_a_plain_function_waited_for(name: str) -> None:
    assert inspect.iscoroutinefunction(getattr(awaited, name))
    assert not inspect.iscoroutinefunction(getattr(plain, name))
    assert callable(getattr(plain, name))


async def test_a_call_gives_its_value_on_both_faces(awaiting: Counter[Async], waiting: Counter[Sync]) -> None:
    assert await awaiting.add(1, other=2) == 3
    assert waiting.add(1, other=2) == 3
    assert await Counter.add(awaiting, 1) == 2


def test_a_plain_call_runs_in_the_loop_thread_and_raises_in_the_callers(waiting: Counter[Sync]) -> None:
    assert waiting.where() == "gameball-loop"
    with pytest.raises(LostError):
        waiting.add(1, other=-1)


@pytest.mark.parametrize("wrong", [{}, {"one": 1, "another": 2}, {"other": 2}])
async def test_wrong_arguments_are_a_type_error_on_both_faces(
    awaiting: Counter[Async], waiting: Counter[Sync], wrong: dict[str, int]
) -> None:
    with pytest.raises(TypeError, match=r"add\(\)"):
        waiting.add(**wrong)
    with pytest.raises(TypeError, match=r"add\(\)"):
        await awaiting.add(**wrong)


def test_instances_do_not_share_what_they_are_bound_to() -> None:
    one: Counter[Sync] = Counter(Sync)
    other: Counter[Sync] = Counter(Sync)
    assert list(one.count()) == list(range(6))
    assert (one.pages, other.pages) == (3, 0)
    assert one.add is one.add
    assert one.add is not other.add


# --- what help() and inspect show


@pytest.mark.parametrize("name", [*CALLS, "iterate"])
@pytest.mark.parametrize("owner", [awaited, plain, Transactions], ids=["awaited", "plain", "class"])
def test_a_method_bears_its_own_name_and_words(owner: Any, name: str) -> None:
    method = getattr(owner, name)
    assert method.__name__ == name
    assert method.__qualname__ == f"Transactions.{name}"
    assert method.__module__ == "gameball.resources.transactions"
    assert "API page: Transactions, " in method.__doc__
    assert not hasattr(method, "__wrapped__")


@pytest.mark.parametrize("name", [*CALLS, "iterate"])
def test_both_faces_ask_for_the_same_arguments_and_only_the_class_for_self(name: str) -> None:
    on_class = list(inspect.signature(getattr(Transactions, name)).parameters.values())
    assert on_class[0].name == "self"
    for face in (awaited, plain):
        assert list(inspect.signature(getattr(face, name)).parameters.values()) == on_class[1:]


@pytest.mark.parametrize("owner", [awaited, plain, Transactions], ids=["awaited", "plain", "class"])
def test_a_signature_tells_parameters_defaults_and_what_comes_back(owner: Any) -> None:
    signature = inspect.signature(owner.cashback)
    parameters = {name: p for name, p in signature.parameters.items() if name != "self"}
    assert list(parameters) == [
        "player_unique_id",
        "transaction_id",
        "amount",
        "email",
        "mobile",
        "transaction_time",
        "merchant",
    ]
    assert {p.kind for p in parameters.values()} == {inspect.Parameter.KEYWORD_ONLY}
    assert parameters["amount"].default is inspect.Parameter.empty
    assert parameters["merchant"].default is None
    assert parameters["merchant"].annotation == Merchant | None
    assert signature.return_annotation is CashbackReward


@pytest.mark.parametrize("owner", [awaited, plain, Transactions], ids=["awaited", "plain", "class"])
def test_a_single_identifying_argument_may_go_without_its_name(owner: Any) -> None:
    parameters = inspect.signature(owner.reverse_hold).parameters
    assert parameters["hold_reference"].kind is inspect.Parameter.POSITIONAL_OR_KEYWORD
    assert inspect.signature(owner.reverse_hold).return_annotation is None


@pytest.mark.parametrize(
    ("owner", "returns"),
    [
        pytest.param(awaited, AsyncIterator[Transaction], id="awaited"),
        pytest.param(plain, Iterator[Transaction], id="plain"),
        pytest.param(Transactions, AsyncIterator[Transaction], id="class"),
    ],
)
def test_an_iterator_tells_of_single_transactions_not_of_pages(owner: Any, returns: object) -> None:
    signature = inspect.signature(owner.iterate)
    assert signature.return_annotation == returns
    assert signature.parameters["page_size"].default == 200


async def test_asked_on_the_class_an_iterator_gives_the_single_items_that_its_type_promises(
    awaiting: Counter[Async],
) -> None:
    assert [number async for number in Counter.count(awaiting, pages=1)] == [0, 1]


def test_an_awaited_iterator_is_an_async_generator_function_and_a_plain_one_a_generator_function() -> None:
    assert inspect.isasyncgenfunction(awaited.iterate)
    assert inspect.isgeneratorfunction(plain.iterate)


def help_on(thing: object) -> str:
    """What help() shows, without white space and margins: Python 3.13 breaks long signatures into lines."""
    return "".join(pydoc.plain(pydoc.render_doc(thing)).replace("|", "").split())


@pytest.mark.parametrize("name", ["cashback", "iterate"])
@pytest.mark.parametrize("owner", [awaited, plain, Transactions], ids=["awaited", "plain", "class"])
def test_help_shows_signature_and_words(owner: Any, name: str) -> None:
    text = help_on(getattr(owner, name))
    first, *_ = (getattr(Transactions, name).__doc__ or "").splitlines()
    assert "player_unique_id:str" in text
    assert "".join(first.split()) in text
    assert (f"{name}(self," in text) is (owner is Transactions)


@pytest.mark.parametrize("name", [*CALLS, "iterate"])
def test_help_on_the_class_lists_every_method(name: str) -> None:
    assert f"{name}(self," in help_on(Transactions)


# --- iterating


async def test_both_faces_give_the_same_items(awaiting: Counter[Async], waiting: Counter[Sync]) -> None:
    assert [number async for number in awaiting.count()] == [0, 1, 2, 3, 4, 5]
    assert list(waiting.count()) == [0, 1, 2, 3, 4, 5]
    assert waiting.ended_in == "gameball-loop"


async def test_nothing_is_asked_for_before_the_first_item(awaiting: Counter[Async], waiting: Counter[Sync]) -> None:
    aiter(awaiting.count())
    iter(waiting.count())
    assert (awaiting.pages, waiting.pages) == (0, 0)


@pytest.mark.parametrize("size", [1, 50])
def test_a_plain_iterator_hops_once_per_page_whatever_its_size(
    waiting: Counter[Sync], monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    hops = []
    run = loop_thread.run

    def counting(function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        hops.append(function)
        return run(function, *args, **kwargs)

    monkeypatch.setattr(loop_thread, "run", counting)
    assert len(list(waiting.count(size=size, pages=3))) == 3 * size
    assert len(hops) <= 3 + 2, "a hop for each page, one to find the end, one to close"


def test_breaking_out_of_a_plain_loop_closes_the_generator(waiting: Counter[Sync]) -> None:
    for number in waiting.count():
        if number == 2:
            break
    assert (waiting.pages, waiting.ended_in) == (2, "gameball-loop")


def test_an_error_in_a_plain_loop_closes_the_generator(waiting: Counter[Sync]) -> None:
    def stumble() -> None:
        for _ in waiting.count():
            raise LostError

    with pytest.raises(LostError) as caught:
        stumble()
    caught.value.__traceback__ = None  # which keeps the loop's frame, and its iterator, alive
    assert (waiting.pages, waiting.ended_in) == (1, "gameball-loop")


def test_closing_a_plain_iterator_closes_the_generator(waiting: Counter[Sync]) -> None:
    numbers: Any = waiting.count()
    with closing(numbers):
        assert next(numbers) == 0
        assert not waiting.ended_in
    assert (waiting.pages, waiting.ended_in) == (1, "gameball-loop")
    assert list(numbers) == []


async def test_breaking_out_of_an_awaited_loop_closes_the_generator(awaiting: Counter[Async]) -> None:
    async for number in awaiting.count():
        if number == 2:
            break
    for _ in range(10):  # the loop closes a forsaken async generator in a task of its own
        await asyncio.sleep(0)
    assert (awaiting.pages, awaiting.ended_in) == (2, "MainThread")


async def test_an_error_in_an_awaited_loop_closes_the_generator(awaiting: Counter[Async]) -> None:
    numbers: Any = awaiting.count()

    async def stumble() -> None:
        async with aclosing(numbers):
            async for _ in numbers:
                raise LostError

    with pytest.raises(LostError):
        await stumble()
    assert (awaiting.pages, awaiting.ended_in) == (1, "MainThread")


async def test_an_error_of_the_generator_comes_through_and_ends_it(
    awaiting: Counter[Async], waiting: Counter[Sync]
) -> None:
    with pytest.raises(LostError):
        list(waiting.count(broken_at=1))
    with pytest.raises(LostError):
        [number async for number in awaiting.count(broken_at=1)]
    assert waiting.ended_in == "gameball-loop"
    assert awaiting.ended_in == "MainThread"


def test_plain_iterators_may_run_side_by_side(waiting: Counter[Sync]) -> None:
    assert list(zip(waiting.count(), waiting.count(), strict=True)) == [(n, n) for n in range(6)]


@pytest.mark.filterwarnings("error::pytest.PytestUnraisableExceptionWarning")
def test_a_forsaken_plain_iterator_may_be_collected_on_the_loop_thread(waiting: Counter[Sync]) -> None:
    """The garbage collector runs in whatever thread allocates, the loop thread too: it must not wait for itself."""

    class Holder:
        """A cycle, which only the garbage collector breaks."""

    holder: Any = Holder()
    holder.itself = holder
    holder.numbers = waiting.count()
    next(holder.numbers)

    async def collect() -> None:
        gc.collect()

    gc.disable()
    try:
        del holder
        loop_thread.run(collect)
    finally:
        gc.enable()
    loop_thread.run(lambda: asyncio.sleep(0.01))
    assert waiting.ended_in == "gameball-loop"


FORSAKEN = """
from gameball.core.methods import Items, ResourceBase, Sync, paginated

async def chunks():
    try:
        yield (1, 2)
    finally:
        print("closed", flush=True)

class Counter(ResourceBase):
    @paginated
    def count(self) -> Items[int]:
        return Items(chunks())

numbers = Counter(Sync).count()
print(next(numbers), flush=True)
"""


def test_a_plain_iterator_still_open_at_exit_lets_the_interpreter_end_quietly() -> None:
    ended = subprocess.run(
        [sys.executable, "-W", "error", "-c", FORSAKEN], capture_output=True, text=True, timeout=20, check=False
    )
    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout.startswith("1\n")


# --- patches, mocks and tools that read annotations


@pytest.mark.parametrize("client", [AsyncGameball, Gameball])
def test_a_patch_of_the_class_reaches_a_client_that_made_the_call_before(client: Any) -> None:
    made = client("key-key-key", "secret-secret", base_url="http://127.0.0.1:9/api")
    for name in ("list", "iterate", "holding"):
        before = getattr(made.transactions, name)
        with mock.patch.object(Transactions, name, return_value="mocked"):
            assert getattr(made.transactions, name)() == "mocked"
        assert getattr(made.transactions, name) == before


@pytest.mark.parametrize("client", [AsyncGameball, Gameball])
@pytest.mark.parametrize("name", ["cashback", "iterate", "holding"])
def test_a_patch_of_the_class_may_be_made_of_what_it_replaces(client: Any, name: str) -> None:
    made = client("key-key-key", "secret-secret", base_url="http://127.0.0.1:9/api")
    with mock.patch.object(Transactions, name, autospec=True) as patched:
        patched.return_value = "mocked"
        assert getattr(made.transactions, name)(player_unique_id="p") == "mocked"
    assert patched.call_count == 1


async def test_what_stands_in_the_class_can_be_called_as_the_function_that_it_gives(awaiting: Counter[Async]) -> None:
    assert await vars(Counter)["add"](awaiting, 1) == 2


@pytest.mark.parametrize("client", [AsyncGameball, Gameball])
def test_annotations_equal_signatures(client: Any) -> None:
    made = client("key-key-key", "secret-secret", base_url="http://127.0.0.1:9/api")
    for resource in (made.transactions, made.batches, made.clients, made.configurations):
        names = [name for name in dir(type(resource)) if not name.startswith("_")]
        for name in names:
            method = getattr(resource, name)
            signature = inspect.signature(method)
            hints = get_type_hints(method)
            assert set(hints) - {"return"} == set(signature.parameters), name
            assert "return" in hints


@pytest.mark.parametrize("client", [AsyncGameball, Gameball])
def test_a_mock_made_of_the_class_or_of_a_client_knows_the_resources(client: Any) -> None:
    made = client("key-key-key", "secret-secret", base_url="http://127.0.0.1:9/api")
    for fake in (mock.create_autospec(client, instance=True), mock.create_autospec(made), mock.MagicMock(spec=client)):
        assert callable(fake.transactions.cashback)
        assert callable(fake.batches.stop)
    with pytest.raises(TypeError):
        mock.create_autospec(made).transactions.cashback(no_such=1)
