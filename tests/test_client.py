"""The two clients as their users meet them: settings in, calls out, and what an error says when a call fails."""

import asyncio
import copy
import io
import logging
import pickle
import socket
import traceback
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any, TypeAlias

import pytest
from aiohttp import web
from attrs import define, field

from gameball import (
    APIError,
    AsyncGameball,
    AuthenticationError,
    CashbackRequest,
    ConnectionFailedError,
    CredentialsError,
    Delivered,
    DuplicateTransactionError,
    Gameball,
    GameballError,
    HoldNotFoundError,
    InvalidRequestError,
    Operation,
    OutcomeUnknownError,
    PlayerNotFoundError,
    Replay,
    Retries,
    Secret,
    TimedOutError,
    Timeouts,
    TransactionPage,
)
from gameball.core.operation import Signature
from gameball.resources.transactions import cashback, reverse_hold
from gameball.sandbox import Sandbox, faults
from tests.support.waits import with_waits

API_KEY = "canary-api-key-7f3a9c"
SECRET_KEY = "canary-secret-key-b81d04"
TOKEN = "canary-partner-token-55e2"
CANARIES = (API_KEY, SECRET_KEY, TOKEN)
ONCE = Retries(attempts=1)
REWARD = '{"gameballTransactionId": 1, "rewardedPoints": 20}'

Clients = pytest.mark.parametrize("kind", [AsyncGameball, Gameball], ids=["awaited", "plain"])


@pytest.fixture(autouse=True)
def no_settings_of_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("API_KEY", "SECRET_KEY", "PARTNER_TOKEN", "BASE_URL"):
        monkeypatch.delenv(f"GAMEBALL_{name}", raising=False)
        monkeypatch.delenv(f"GAMEBALL_{name}_FILE", raising=False)


@define
class Listener:
    """A server that keeps the requests it gets and answers them all alike."""

    answer: str = REWARD
    status: int = 200
    headers: dict[str, str] = field(factory=dict)
    hold: float = 0
    base_url: str = ""
    requests: list[web.Request] = field(factory=list)
    at_once: int = 0
    most_at_once: int = 0

    async def serve(self, request: web.Request) -> web.Response:
        self.requests.append(request)
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            await asyncio.sleep(self.hold)
        finally:
            self.at_once -= 1
        return web.Response(text=self.answer, status=self.status, headers=self.headers)


@pytest.fixture
async def listener() -> AsyncIterator[Listener]:
    listener = Listener()
    application = web.Application()
    application.router.add_route("*", "/{anything:.*}", listener.serve)
    runner = web.AppRunner(application, handler_cancellation=True, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    listener.base_url = f"http://127.0.0.1:{runner.addresses[0][1]}/api/v3.0"
    yield listener
    await runner.cleanup()


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(api_key=API_KEY, secret_key=SECRET_KEY) as sandbox:
        yield sandbox


@pytest.fixture
def nobody() -> Iterator[str]:
    """An address at which nobody listens, and nobody else will."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{taken.getsockname()[1]}/api/v3.0"


Client: TypeAlias = "type[AsyncGameball | Gameball]"


async def call(kind: Client, use: Callable[[Any], Any], **settings: Any) -> Any:
    """Make a client, let it be used once, and close it; the plain one in a thread of its own."""
    keys = {"api_key": API_KEY, "secret_key": SECRET_KEY, **settings}
    if issubclass(kind, AsyncGameball):
        async with with_waits(kind(**keys)) as awaited:
            return await use(awaited)

    def plainly() -> Any:
        with with_waits(Gameball(**keys)) as plain:
            return use(plain)

    return await asyncio.to_thread(plainly)


def reward(client: Any) -> Any:
    return client.transactions.cashback(player_unique_id="player123", transaction_id="tra_1", amount=99.98)


# --- settings in


@Clients
async def test_keys_base_url_and_agent_reach_the_wire(kind: Client, listener: Listener) -> None:
    await call(kind, reward, base_url=listener.base_url + "/")
    (request,) = listener.requests
    assert request.path == "/api/v3.0/integrations/transaction/cashback"
    assert request.headers["APIKey"] == API_KEY
    assert request.headers["SecretKey"] == SECRET_KEY
    assert "Authorization" not in request.headers
    assert request.headers["User-Agent"].startswith("gameball-python/3.0.")


@Clients
async def test_what_is_not_given_comes_from_the_environment(
    kind: Client, listener: Listener, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GAMEBALL_API_KEY", "environment-key")
    monkeypatch.setenv("GAMEBALL_SECRET_KEY", "environment-secret")
    monkeypatch.setenv("GAMEBALL_BASE_URL", listener.base_url)
    await call(kind, reward, api_key=None, secret_key=None)
    (request,) = listener.requests
    assert (request.headers["APIKey"], request.headers["SecretKey"]) == ("environment-key", "environment-secret")


@Clients
async def test_what_is_given_comes_before_the_environment(
    kind: Client, listener: Listener, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GAMEBALL_API_KEY", "environment-key")
    await call(kind, reward, api_key=Secret("given-key"), base_url=listener.base_url)
    assert listener.requests[0].headers["APIKey"] == "given-key"


@Clients
async def test_a_partner_signs_with_the_token_alone(kind: Client, listener: Listener) -> None:
    operation = Operation(
        name="clients.get",
        method="GET",
        path="/integrations/client",
        returns=type(None),
        replay=Replay.SAFE,
        signature=Signature.PARTNER,
    )
    await call(kind, lambda client: client.send(operation), partner_token=TOKEN, base_url=listener.base_url)
    headers = listener.requests[0].headers
    assert headers["Authorization"] == f"Bearer {TOKEN}"
    assert "APIKey" not in headers
    assert "SecretKey" not in headers


@Clients
async def test_proxies_and_netrc_of_the_environment_are_never_read(
    kind: Client, listener: Listener, nobody: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login somebody password something\n")
    monkeypatch.setenv("NETRC", str(tmp_path / ".netrc"))
    monkeypatch.setenv("http_proxy", nobody)
    monkeypatch.setenv("HTTP_PROXY", nobody)
    monkeypatch.delenv("no_proxy", raising=False)
    await call(kind, reward, base_url=listener.base_url)
    assert "Authorization" not in listener.requests[0].headers


async def test_no_more_than_the_given_connections_are_open_at_a_time(listener: Listener) -> None:
    listener.hold = 0.02
    async with AsyncGameball(API_KEY, SECRET_KEY, base_url=listener.base_url, connections=3, retries=ONCE) as client:
        await asyncio.gather(
            *(client.transactions.for_order(f"order-{number}") for number in range(12)), return_exceptions=True
        )
    assert len(listener.requests) == 12
    assert listener.most_at_once == 3


@Clients
async def test_an_attempt_ends_in_its_time_and_a_write_that_left_is_of_unknown_outcome(
    kind: Client, listener: Listener
) -> None:
    listener.hold = 5
    with pytest.raises(OutcomeUnknownError) as caught:
        await call(kind, reward, base_url=listener.base_url, timeouts=Timeouts(attempt=0.1, total=0.4))
    assert caught.value.outcome == "unknown"
    assert (caught.value.transaction_id, caught.value.attempts) == ("tra_1", 1)
    assert [request.method for request in listener.requests[:2]] == ["POST", "GET"]
    assert [request.method for request in listener.requests].count("POST") == 1


@Clients
async def test_the_whole_call_ends_in_its_time(kind: Client, listener: Listener) -> None:
    listener.hold = 5
    with pytest.raises(TimedOutError) as caught:
        await call(
            kind, lambda c: c.transactions.for_order("o"), base_url=listener.base_url, timeouts=Timeouts(total=0.1)
        )
    assert isinstance(caught.value, TimeoutError)


@Clients
async def test_what_never_left_is_tried_as_often_as_told(kind: Client, nobody: str) -> None:
    with pytest.raises(ConnectionFailedError) as caught:
        await call(kind, reward, base_url=nobody, retries=Retries(attempts=3, backoff=0.001, cap=0.002))
    assert caught.value.attempts == 3


# --- settings refused


@Clients
def test_a_client_without_any_keys_is_refused_with_what_to_do(kind: Client) -> None:
    with pytest.raises(CredentialsError, match=r"pass api_key and secret_key .*or set GAMEBALL_API_KEY"):
        kind()


@Clients
@pytest.mark.parametrize(
    "url", ["http://api.gameball.co/api/v3.0", "http://127.0.0.1.example/", "http://localhost.example"]
)
def test_plain_http_to_another_machine_is_refused_unless_allowed(kind: Client, url: str) -> None:
    with pytest.raises(InvalidRequestError, match=r"base_url must be https: .*allow_http=True"):
        kind(API_KEY, SECRET_KEY, base_url=url)
    kind(API_KEY, SECRET_KEY, base_url=url, allow_http=True)


@Clients
@pytest.mark.parametrize("url", ["http://127.0.0.1:1/x", "http://localhost:8765/api/v3.0", "http://[::1]:1"])
def test_plain_http_to_this_machine_is_fine(kind: Client, url: str) -> None:
    assert repr(kind(API_KEY, SECRET_KEY, base_url=url)) == f"{kind.__name__}(base_url='{url}')"


@Clients
@pytest.mark.parametrize("connections", [0, -1, 1.5, True, "100", None])
def test_connections_are_a_whole_number_from_one(kind: Client, connections: Any) -> None:
    with pytest.raises(InvalidRequestError, match=r"^connections must be (a whole number|from 1 to)") as caught:
        kind(API_KEY, SECRET_KEY, connections=connections)
    assert caught.value.field == "connections"


@Clients
@pytest.mark.parametrize(("setting", "wrong"), [("timeouts", 5), ("timeouts", None), ("retries", 3), ("retries", None)])
def test_timeouts_and_retries_of_another_kind_are_refused_by_name(kind: Client, setting: str, wrong: object) -> None:
    with pytest.raises(InvalidRequestError, match=setting):
        kind(API_KEY, SECRET_KEY, **{setting: wrong})  # type: ignore[arg-type]


@Clients
async def test_a_missing_secret_key_is_refused_at_the_call_with_what_to_do(kind: Client, listener: Listener) -> None:
    with pytest.raises(CredentialsError, match="no secret_key: pass it, or set GAMEBALL_SECRET_KEY") as caught:
        await call(kind, reward, secret_key=None, base_url=listener.base_url)
    assert caught.value.operation == "transactions.cashback"
    assert caught.value.transaction_id == "tra_1"
    assert caught.value.outcome == "not_applied"
    assert (caught.value.attempts, listener.requests) == (0, [])


# --- a client's life


@Clients
def test_a_client_shows_its_address_and_no_key(kind: Client) -> None:
    client = kind(API_KEY, SECRET_KEY, partner_token=TOKEN, base_url="https://api.gameball.test/api/v3.0")
    assert repr(client) == f"{kind.__name__}(base_url='https://api.gameball.test/api/v3.0')"
    assert repr(client.transactions) == f"<Transactions[{'Async' if kind is AsyncGameball else 'Sync'}]>"
    for shown in (repr(client), str(client), repr(vars(client)), repr(client._delivery)):
        assert not any(canary in shown for canary in CANARIES)


async def test_an_awaited_client_is_closed_by_leaving_it_and_closing_again_is_fine(listener: Listener) -> None:
    async with AsyncGameball(API_KEY, SECRET_KEY, base_url=listener.base_url) as client:
        await reward(client)
        assert client._delivery.transport.opened
    assert not client._delivery.transport.opened
    await client.aclose()
    await client.aclose()


def test_a_plain_client_is_closed_by_leaving_it_and_closing_again_is_fine(sandbox: Sandbox) -> None:
    with Gameball(API_KEY, SECRET_KEY, base_url=sandbox.base_url) as client:
        reward(client)
        assert client._delivery.transport.opened
    assert not client._delivery.transport.opened
    client.close()
    client.close()


async def test_a_client_that_never_called_may_be_closed() -> None:
    await AsyncGameball(API_KEY, SECRET_KEY).aclose()
    Gameball(API_KEY, SECRET_KEY).close()


@Clients
async def test_leaving_a_client_lets_an_error_through(kind: Client, listener: Listener) -> None:
    def fail(_: Any) -> Any:
        raise KeyError("ours")

    with pytest.raises(KeyError, match="ours"):
        await call(kind, fail, base_url=listener.base_url)


async def test_an_awaited_client_opens_again_when_it_is_called_after_closing(listener: Listener) -> None:
    client = AsyncGameball(API_KEY, SECRET_KEY, base_url=listener.base_url)
    await reward(client)
    await client.aclose()
    await reward(client)
    assert client._delivery.transport.opened
    await client.aclose()
    assert not client._delivery.transport.opened


def test_a_plain_client_opens_again_when_it_is_called_after_closing(sandbox: Sandbox) -> None:
    client = Gameball(API_KEY, SECRET_KEY, base_url=sandbox.base_url)
    reward(client)
    client.close()
    assert client.transactions.for_order("tra_1").order_transactions
    assert client._delivery.transport.opened
    client.close()
    assert not client._delivery.transport.opened


# --- how a call went


@Clients
async def test_delivered_tells_how_it_went(kind: Client, listener: Listener) -> None:
    listener.headers = {"X-Request-Id": "req-1"}
    operation = cashback(CashbackRequest(player_unique_id="p", transaction_id="t", amount=1))
    delivered: Delivered[Any] = await call(kind, lambda client: client.deliver(operation), base_url=listener.base_url)
    assert delivered.value.rewarded_points == 20
    assert delivered.settled_by == "answer"
    assert (delivered.attempts, delivered.status) == (1, 200)
    assert delivered.headers["x-request-id"] == "req-1"
    assert delivered.json == {"gameballTransactionId": 1, "rewardedPoints": 20}
    assert delivered.body == REWARD.encode()
    assert "rewardedPoints" not in repr(delivered)


@Clients
async def test_the_same_content_under_the_same_id_is_the_same_reward(kind: Client, sandbox: Sandbox) -> None:
    operation = cashback(CashbackRequest(player_unique_id="p", transaction_id="t", amount=100))
    again = cashback(CashbackRequest(player_unique_id="p", transaction_id="t", amount=100))

    first = await call(kind, lambda client: client.deliver(operation), base_url=sandbox.base_url)
    second = await call(kind, lambda client: client.deliver(again), base_url=sandbox.base_url)

    assert (first.settled_by, first.lookups) == ("answer", 0)
    assert (second.settled_by, second.attempts, second.lookups, second.status) == ("duplicate", 1, 1, 200)
    assert second.value == first.value
    assert len(sandbox.ledger.transactions("p")) == 1


@Clients
async def test_other_content_under_the_same_id_is_refused(kind: Client, sandbox: Sandbox) -> None:
    await call(kind, reward, base_url=sandbox.base_url)

    with pytest.raises(DuplicateTransactionError, match="belongs to a different transaction") as caught:
        await call(kind, reward_differently, base_url=sandbox.base_url)

    assert (caught.value.outcome, caught.value.code, caught.value.attempts) == ("not_applied", 305, 1)
    assert len(sandbox.ledger.transactions("player123")) == 1


@Clients
@pytest.mark.parametrize("fault", [faults.Reset(), faults.Close(), faults.Status(502), faults.Html(200)], ids=repr)
async def test_a_lost_answer_is_looked_up(kind: Client, sandbox: Sandbox, fault: faults.Fault) -> None:
    sandbox.faults.arm("transactions.cashback", fault, effect="after")
    operation = cashback(CashbackRequest(player_unique_id="p", transaction_id="t", amount=100))

    delivered = await call(kind, lambda client: client.deliver(operation), base_url=sandbox.base_url)

    (entry,) = sandbox.ledger.transactions("p")
    assert (delivered.settled_by, delivered.attempts, delivered.lookups) == ("lookup", 1, 1)
    assert delivered.value.rewarded_points == entry.points
    assert delivered.value.gameball_transaction_id == str(entry.id)


@Clients
async def test_a_request_that_was_lost_is_sent_again_byte_for_byte(kind: Client, sandbox: Sandbox) -> None:
    sandbox.faults.arm("transactions.cashback", faults.Reset(), effect="before")
    operation = cashback(CashbackRequest(player_unique_id="p", transaction_id="t", amount=100))

    delivered = await call(kind, lambda client: client.deliver(operation), base_url=sandbox.base_url)

    assert (delivered.settled_by, delivered.attempts, delivered.lookups) == ("answer", 2, 2)
    first, second = (request.body for request in sandbox.requests if request.method == "POST")
    assert first == second
    assert len(sandbox.ledger.transactions("p")) == 1


@Clients
async def test_send_gives_the_value_alone(kind: Client, listener: Listener) -> None:
    operation = cashback(CashbackRequest(player_unique_id="p", transaction_id="t", amount=1))
    value = await call(kind, lambda client: client.send(operation), base_url=listener.base_url)
    assert value.rewarded_points == 20


@Clients
async def test_an_answer_that_is_no_json_is_delivered_where_it_does_not_matter(
    kind: Client, listener: Listener
) -> None:
    listener.answer = "done"
    delivered = await call(kind, lambda client: client.deliver(reverse_hold("ref")), base_url=listener.base_url)
    assert (delivered.value, delivered.json, delivered.body) == (None, None, b"done")


# --- how a call fails

Cause: TypeAlias = Callable[[Any], Any]


def reward_differently(client: Any) -> Any:
    return client.transactions.cashback(player_unique_id="player123", transaction_id="tra_1", amount=5)


def redeem_unknown_player(client: Any) -> Any:
    return client.transactions.redeem(player_unique_id="nobody", transaction_id="tra_3", redeemed_amount=1)


def redeem_unknown_hold(client: Any) -> Any:
    return client.transactions.redeem(player_unique_id="player123", transaction_id="tra_2", hold_reference="none")


FAILURES: dict[str, tuple[Cause, type[GameballError], int | None, int | None, str, str]] = {
    "305": (reward_differently, DuplicateTransactionError, 422, 305, "transactions.cashback", "tra_1"),
    "307": (redeem_unknown_hold, HoldNotFoundError, 422, 307, "transactions.redeem", "tra_2"),
    "101": (redeem_unknown_player, PlayerNotFoundError, 422, 101, "transactions.redeem", "tra_3"),
    "401": (reward, AuthenticationError, 401, 10, "transactions.cashback", "tra_1"),
    "unreachable": (reward, ConnectionFailedError, None, None, "transactions.cashback", "tra_1"),
}
Failing = pytest.mark.parametrize("failure", FAILURES)


@pytest.fixture
async def fail(sandbox: Sandbox, nobody: str) -> Callable[[Client, str], Awaitable[GameballError]]:
    """Bring about one of the failures, with the error as it reaches the user."""
    async with AsyncGameball(API_KEY, SECRET_KEY, base_url=sandbox.base_url) as client:
        await reward(client)

    async def bring_about(kind: Client, failure: str) -> GameballError:
        use, expected, *_ = FAILURES[failure]
        settings: dict[str, Any] = {"base_url": sandbox.base_url, "retries": ONCE, "partner_token": TOKEN}
        if failure == "401":
            settings["api_key"] = API_KEY + "-wrong"
        if failure == "unreachable":
            settings["base_url"] = nobody
        with pytest.raises(expected) as caught:
            await call(kind, use, **settings)
        return caught.value

    return bring_about


Fail: TypeAlias = Callable[[Client, str], Awaitable[GameballError]]


@Clients
@Failing
async def test_a_failure_raises_its_own_class_with_all_its_particulars(kind: Client, failure: str, fail: Fail) -> None:
    _, expected, status, code, operation, transaction_id = FAILURES[failure]
    error = await fail(kind, failure)
    assert type(error) is expected
    assert error.outcome == "not_applied"
    assert (error.operation, error.transaction_id, error.attempts) == (operation, transaction_id, 1)
    assert error.method == "POST"
    assert error.path == f"/integrations/transaction/{operation.removeprefix('transactions.')}"
    if isinstance(error, APIError):
        assert (error.status, error.code) == (status, code)


@Clients
async def test_a_failure_reads_as_one_line_to_act_on(kind: Client, fail: Fail) -> None:
    error = await fail(kind, "305")
    assert str(error).startswith("305 ")
    assert str(error).endswith("(transactions.cashback, transaction_id=tra_1, HTTP 422)")
    assert "\n" not in str(error)
    unreachable = await fail(kind, "unreachable")
    assert str(unreachable) == ("nothing was sent: connection refused (transactions.cashback, transaction_id=tra_1)")


@Clients
@Failing
async def test_an_error_survives_pickling(kind: Client, failure: str, fail: Fail) -> None:
    error = await fail(kind, failure)
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        twin = pickle.loads(pickle.dumps(error, protocol))  # noqa: S301 (our own bytes)
        assert type(twin) is type(error)
        assert (str(twin), twin.args, vars(twin)) == (str(error), error.args, vars(error))


@Clients
@Failing
async def test_an_error_has_nothing_of_aiohttps_behind_it(kind: Client, failure: str, fail: Fail) -> None:
    error = await fail(kind, failure)
    assert error.__cause__ is None
    assert error.__context__ is None


def everything_seen(error: BaseException) -> str:
    """All that a log, a debugger or an error tracker could show of an error."""
    seen = [repr(error), str(error), repr(error.args), repr(vars(error)), *traceback.format_exception(error)]
    link: BaseException | None = error
    while link is not None:
        seen += [repr(link), repr(link.args), repr(link.__cause__), repr(link.__context__)]
        link = link.__cause__ or link.__context__
    captured = traceback.TracebackException.from_exception(error, capture_locals=True)
    return "\n".join([*seen, *captured.format()])


def own_frames_only(error: BaseException) -> BaseException:
    """Leave out the frames up to this file's last, for their variables are the canaries themselves."""
    frame, kept = error.__traceback__, error.__traceback__
    while frame is not None:
        if frame.tb_frame.f_code.co_filename == __file__:
            kept = frame.tb_next
        frame = frame.tb_next
    return error.with_traceback(kept)


@pytest.fixture
def logged() -> Iterator[io.StringIO]:
    """All that any logger says, at the lowest level, with what a formatter would print."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(logging.Formatter("%(name)s %(message)s %(args)s"))
    root = logging.getLogger()
    before = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    yield stream
    root.setLevel(before)
    root.removeHandler(handler)


@Clients
@Failing
async def test_no_key_shows_in_an_error_its_traceback_or_a_log(
    kind: Client, failure: str, fail: Fail, logged: io.StringIO
) -> None:
    asyncio.get_running_loop().set_debug(True)
    error = await fail(kind, failure)
    seen = everything_seen(own_frames_only(error))
    assert "in _carry_out" in seen, "the frames of the SDK are there to be searched"
    assert "gameball " in logged.getvalue(), "the SDK's own log is there to be searched"
    for canary in CANARIES:
        assert canary not in seen
        assert canary not in logged.getvalue()


ECHOES = {
    "in its message": f'{{"code": 7, "message": "bad key {API_KEY}"}}',
    "in the name of the request": f'{{"code": 7, "message": "no", "requestId": "{API_KEY}"}}',
    "where the message is cut": f'{{"code": 7, "message": "{"x" * 285}{API_KEY}"}}',
    "in a split line": f'{{"code": 7, "message": "bad {SECRET_KEY[:10]}\\u200b{SECRET_KEY[10:]}"}}',
}


@Clients
@pytest.mark.parametrize("where", ECHOES)
async def test_a_key_that_the_api_repeats_is_masked(
    kind: Client, where: str, listener: Listener, logged: io.StringIO
) -> None:
    listener.status, listener.answer = 400, ECHOES[where]
    with pytest.raises(APIError) as caught:
        await call(kind, reward, base_url=listener.base_url)
    seen = everything_seen(own_frames_only(caught.value)) + logged.getvalue()
    assert not any(canary[:14] in seen for canary in CANARIES)


@Clients
async def test_a_one_time_password_that_the_api_repeats_is_masked(kind: Client, listener: Listener) -> None:
    listener.status, listener.answer = 400, '{"code": 7, "message": "code 482913 is wrong"}'

    def redeem(client: Any) -> Any:
        return client.transactions.redeem(player_unique_id="p", transaction_id="t", redeemed_amount=1, otp="482913")

    with pytest.raises(APIError) as caught:
        await call(kind, redeem, base_url=listener.base_url)
    assert "482913" not in f"{caught.value} {caught.value.args} {vars(caught.value)}"


@Clients
async def test_a_call_that_works_logs_no_key_email_mobile_or_password(
    kind: Client, listener: Listener, logged: io.StringIO
) -> None:
    def redeem(client: Any) -> Any:
        return client.transactions.cashback(
            player_unique_id="p", transaction_id="t", amount=1, email="someone@there.example", mobile="+201234567"
        )

    await call(kind, redeem, base_url=listener.base_url)
    said = logged.getvalue()
    assert "transactions.cashback: exchange 1: HTTP 200" in said
    for private in (*CANARIES, "someone@there", "201234567"):
        assert private not in said


def test_the_same_page_is_given_on_both_faces(sandbox: Sandbox) -> None:
    with Gameball(API_KEY, SECRET_KEY, base_url=sandbox.base_url) as client:
        reward(client)
        plain = client.transactions.list()

    async def ask() -> TransactionPage:
        async with AsyncGameball(API_KEY, SECRET_KEY, base_url=sandbox.base_url) as client:
            return await client.transactions.list()

    assert asyncio.run(ask()) == plain
    assert plain.total == 1


# --- subclasses, copies, and what a debugger sees


@Clients
def test_a_subclass_keeps_what_is_its_own_across_with_options(kind: Client) -> None:
    class Shop(kind):  # type: ignore[misc, valid-type]  # a variable class
        def __init__(self, tenant: str) -> None:
            self.tenant = tenant
            super().__init__(API_KEY, SECRET_KEY, base_url="http://127.0.0.1:9/api")

    shop = Shop("north")
    bulk = shop.bulk
    other = shop.with_options(timeouts=Timeouts(total=5))

    assert (type(other), other.tenant, shop.tenant) == (Shop, "north", "north")
    assert other.bulk is not bulk
    assert other._delivery.timeouts.total == 5


@Clients
def test_a_client_refuses_to_be_pickled_or_copied_whether_used_or_not(kind: Client) -> None:
    client = kind(API_KEY, SECRET_KEY, base_url="http://127.0.0.1:9/api")
    for _ in range(2):
        for refuse in (pickle.dumps, copy.copy, copy.deepcopy):
            with pytest.raises(TypeError, match="a client cannot be pickled or copied"):
                refuse(client)
        _ = client.transactions.cashback, client.bulk


@Clients
def test_a_client_can_be_shown_before_it_is_made(kind: Client) -> None:
    assert repr(kind.__new__(kind)) == f"{kind.__name__}(base_url=None)"
