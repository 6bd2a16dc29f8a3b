"""The transactions page, endpoint by endpoint: the request as the page wants it, and the page's own sample answer."""

import json
import platform
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any, cast

import aiohttp
import pytest

from gameball import (
    Branch,
    CashbackReward,
    Coupon,
    Hold,
    InvalidRequestError,
    LineItem,
    ManualTransaction,
    Merchant,
    OrderTransaction,
    OrderTransactions,
    Redemption,
    Transaction,
    TransactionPage,
    UnexpectedAnswerError,
    __version__,
)
from gameball.core.methods import Async
from gameball.core.waits import STANDARD
from gameball.resources.transactions import Transactions
from tests.support.mock_api import Ask, MockApi
from tests.support.server import Server

TIME = datetime(2019, 9, 19, 16, 14, 9, 895000, tzinfo=UTC)
KEYED = {"player_unique_id": "player123", "transaction_id": "tra_123456789", "transaction_time": TIME}

CASHBACK_ANSWER = """{
    "playerUniqueId": "player123",
    "gameballTransactionId": 17178,
    "rewardedPoints": 20
}"""
REDEEM_ANSWER = """{
    "playerUniqueId": "player123",
    "gameballTransactionId": 17179,
    "redeemedPoints": 200
}"""
ORDER_ROWS = """[
        {
            "transactionDate": "2021-10-19T21:46:24",
            "gameballTransactionId": 384081,
            "transactionType": "Payment",
            "amount": 70.0,
            "equivalentPoints":7.0,
            "transactionId": "111131212"
        },
        {
            "transactionDate": "2018-01-10T17:12:26.895",
            "gameballTransactionId": 384090,
            "transactionType": "PartialRefund",
            "amount": 10.0,
            "equivalentPoints":1.0,
            "transactionId": "1111201801"
        },
        {
            "transactionDate": "2018-02-10T17:12:26.895",
            "gameballTransactionId": 384091,
            "transactionType": "PartialRefund",
            "amount": 10.0,
            "equivalentPoints":1.0,
            "transactionId": "11112018101"
        }
    ]"""
REFUND_ANSWER = f'{{ "orderTransactions": {ORDER_ROWS} }}'
ORDER_ANSWER = f'{{ "orderTransactions": {ORDER_ROWS}, "total": 3, "count": 3 }}'
HOLD_ANSWER = """{
   "playerUniqueId":"player456",
   "amount":98.89,
   "holdPoints":9889,
   "holdReference":"ref_12343ds"
}"""
MANUAL_ANSWER = """{
    "playerUniqueId": "player123",
    "gameballTransactionId": 17178,
    "amount": 99.98,
    "transactionId": "tra_123456789",
    "transactionTime": "2019-09-19T16:14:09.895Z",
    "points":999
}"""
LIST_ANSWER = """{
    "transactions":[
       {
          "transactionId":"trx123",
          "gameballTransactionId":"gbtrx123",
          "transactionTime":"2019-09-21T16:53:28.190Z",
          "type":"Cash Back",
          "direction":"+",
          "playerUniqueId":"1234",
          "points":500,
          "amount":10,
          "status":"Active",
          "merchantName":"merchant",
          "branchName":"branch",
          "expiryDate": "2019-10-21T16:53:28.190Z",
          "pointsBalanceBefore": 1000,
          "pointsBalanceAfter": 1500
       },
       {
        "transactionId": "trx1234",
        "gameballTrasnactionId": "gbtrx1234",
        "type": "DiscountCode",
        "direction": "-",
        "playerUniqueId": "1234",
        "points": 1700,
        "amount": 17.0,
        "transactionTime": "2022-09-28T11:58:34.579234",
        "status": "Active",
        "couponCode": "50OFF",
        "isCouponUsed": false,
        "couponType": "fixed_rate_discount",
        "merchantName": "merchant",
        "branchName": "branch",
        "expiryDate": "2022-10-28T11:58:34.579234",
        "pointsBalanceBefore": 1000,
        "pointsBalanceAfter": 2700
    }
    ],
    "count":50,
    "total":344
 }"""
COUPON_ANSWER = """{
    "code": "freesundae1",
    "url": "https://www.mcdonalds.eg/sundae",
    "startDate": "2021-12-13T18:18:45.775Z",
    "expiryDate": "2022-12-13T18:18:45.775Z"
}"""

ORDER_TRANSACTIONS = (
    OrderTransaction(
        gameball_transaction_id="384081",
        transaction_type="Payment",  # type: ignore[arg-type]  # a member equals its word
        transaction_date=datetime(2021, 10, 19, 21, 46, 24, tzinfo=UTC),
        amount=Decimal("70.0"),
        equivalent_points=7,
        transaction_id="111131212",
    ),
    OrderTransaction(
        gameball_transaction_id="384090",
        transaction_type="PartialRefund",  # type: ignore[arg-type]
        transaction_date=datetime(2018, 1, 10, 17, 12, 26, 895000, tzinfo=UTC),
        amount=Decimal("10.0"),
        equivalent_points=1,
        transaction_id="1111201801",
    ),
    OrderTransaction(
        gameball_transaction_id="384091",
        transaction_type="PartialRefund",  # type: ignore[arg-type]
        transaction_date=datetime(2018, 2, 10, 17, 12, 26, 895000, tzinfo=UTC),
        amount=Decimal("10.0"),
        equivalent_points=1,
        transaction_id="11112018101",
    ),
)
LISTED = (
    Transaction(
        transaction_id="trx123",
        gameball_transaction_id="gbtrx123",
        transaction_time=datetime(2019, 9, 21, 16, 53, 28, 190000, tzinfo=UTC),
        type="Cash Back",  # type: ignore[arg-type]
        direction="+",  # type: ignore[arg-type]
        player_unique_id="1234",
        points=500,
        amount=Decimal(10),
        status="Active",  # type: ignore[arg-type]
        merchant_name="merchant",
        branch_name="branch",
        expiry_date=datetime(2019, 10, 21, 16, 53, 28, 190000, tzinfo=UTC),
        points_balance_before=1000,
        points_balance_after=1500,
    ),
    Transaction(
        transaction_id="trx1234",
        gameball_transaction_id="gbtrx1234",
        type="DiscountCode",  # type: ignore[arg-type]
        direction="-",  # type: ignore[arg-type]
        player_unique_id="1234",
        points=1700,
        amount=Decimal("17.0"),
        transaction_time=datetime(2022, 9, 28, 11, 58, 34, 579234, tzinfo=UTC),
        status="Active",  # type: ignore[arg-type]
        coupon_code="50OFF",
        is_coupon_used=False,
        coupon_type="fixed_rate_discount",  # type: ignore[arg-type]
        merchant_name="merchant",
        branch_name="branch",
        expiry_date=datetime(2022, 10, 28, 11, 58, 34, 579234, tzinfo=UTC),
        points_balance_before=1000,
        points_balance_after=2700,
    ),
)

# --- writes: the request's bytes, and what is made of the page's answer


@pytest.mark.parametrize(
    ("name", "arguments", "path", "body", "answer", "value"),
    [
        pytest.param(
            "cashback",
            {**KEYED, "amount": 99.98},
            "/integrations/transaction/cashback",
            '{"playerUniqueId":"player123","transactionTime":"2019-09-19T16:14:09.895Z",'
            '"transactionId":"tra_123456789","amount":99.98}',
            CASHBACK_ANSWER,
            CashbackReward(player_unique_id="player123", gameball_transaction_id="17178", rewarded_points=20),
            id="cashback",
        ),
        pytest.param(
            "cashback",
            {
                **KEYED,
                "amount": Decimal("100.00"),
                "email": "a@b.example",
                "mobile": "+201000000000",
                "merchant": Merchant(unique_id="m1", name="Shop", branch=Branch(unique_id="b1", name="Büro")),
            },
            "/integrations/transaction/cashback",
            '{"playerUniqueId":"player123","email":"a@b.example","mobile":"+201000000000",'
            '"transactionTime":"2019-09-19T16:14:09.895Z","transactionId":"tra_123456789","amount":100.00,'
            '"merchant":{"uniqueId":"m1","name":"Shop","branch":{"uniqueId":"b1","name":"Büro"}}}',
            CASHBACK_ANSWER,
            CashbackReward(player_unique_id="player123", gameball_transaction_id="17178", rewarded_points=20),
            id="cashback with everything",
        ),
        pytest.param(
            "redeem",
            {**KEYED, "hold_reference": "2342452352435234"},
            "/integrations/transaction/redeem",
            '{"playerUniqueId":"player123","transactionTime":"2019-09-19T16:14:09.895Z",'
            '"transactionId":"tra_123456789","holdReference":"2342452352435234"}',
            REDEEM_ANSWER,
            Redemption(player_unique_id="player123", gameball_transaction_id="17179", redeemed_points=200),
            id="redeem a hold",
        ),
        pytest.param(
            "redeem",
            {
                **KEYED,
                "redeemed_amount": 10,
                "otp": "0042",
                "merchant": Merchant(name="Shop"),
                "email": "a@b.example",
                "mobile": "+2",
            },
            "/integrations/transaction/redeem",
            '{"playerUniqueId":"player123","email":"a@b.example","mobile":"+2",'
            '"transactionTime":"2019-09-19T16:14:09.895Z",'
            '"transactionId":"tra_123456789","redeemedAmount":10,"merchant":{"name":"Shop"},"otp":"0042"}',
            REDEEM_ANSWER,
            Redemption(player_unique_id="player123", gameball_transaction_id="17179", redeemed_points=200),
            id="redeem an amount",
        ),
        pytest.param(
            "refund",
            {**KEYED, "original_transaction_id": "234567891"},
            "/integrations/transaction/refund",
            '{"playerUniqueId":"player123","transactionTime":"2019-09-19T16:14:09.895Z",'
            '"transactionId":"tra_123456789","reverseTransactionId":"234567891"}',
            REFUND_ANSWER,
            OrderTransactions(order_transactions=ORDER_TRANSACTIONS),
            id="refund all",
        ),
        pytest.param(
            "refund",
            {
                **KEYED,
                "original_transaction_id": "234567891",
                "amount": Decimal("15.5"),
                "line_items": [LineItem(product_id="p_01", quantity=1), LineItem(product_id="p_02")],
                "email": "a@b.example",
                "mobile": "+2",
                "otp": "0042",
            },
            "/integrations/transaction/refund",
            '{"playerUniqueId":"player123","email":"a@b.example","mobile":"+2",'
            '"transactionTime":"2019-09-19T16:14:09.895Z","transactionId":"tra_123456789",'
            '"reverseTransactionId":"234567891","amount":15.5,'
            '"lineItems":[{"productId":"p_01","quantity":1},{"productId":"p_02"}],"otp":"0042"}',
            REFUND_ANSWER,
            OrderTransactions(order_transactions=ORDER_TRANSACTIONS),
            id="refund a part",
        ),
        pytest.param(
            "hold",
            {"player_unique_id": "player456", "amount": 98.89, "transaction_time": TIME},
            "/integrations/transaction/hold",
            '{"playerUniqueId":"player456","transactionTime":"2019-09-19T16:14:09.895Z","amount":98.89}',
            HOLD_ANSWER,
            Hold(
                player_unique_id="player456",
                amount=Decimal("98.89"),
                hold_points=9889,
                hold_reference="ref_12343ds",
            ),
            id="hold an amount",
        ),
        pytest.param(
            "hold",
            {
                "player_unique_id": "player456",
                "hold_points": 50,
                "transaction_time": TIME,
                "email": "a@b.example",
                "mobile": "+2",
            },
            "/integrations/transaction/hold",
            '{"playerUniqueId":"player456","email":"a@b.example","mobile":"+2",'
            '"transactionTime":"2019-09-19T16:14:09.895Z","holdPoints":50}',
            HOLD_ANSWER,
            Hold(
                player_unique_id="player456",
                amount=Decimal("98.89"),
                hold_points=9889,
                hold_reference="ref_12343ds",
            ),
            id="hold points",
        ),
        pytest.param(
            "manual",
            {**KEYED, "amount": 99.98, "username": "admin_storename", "reason": "Thank You Gift"},
            "/integrations/transaction/manual",
            '{"playerUniqueId":"player123","transactionTime":"2019-09-19T16:14:09.895Z",'
            '"transactionId":"tra_123456789","username":"admin_storename","reason":"Thank You Gift","amount":99.98}',
            MANUAL_ANSWER,
            ManualTransaction(
                player_unique_id="player123",
                gameball_transaction_id="17178",
                amount=Decimal("99.98"),
                transaction_id="tra_123456789",
                transaction_time=TIME,
                points=999,
            ),
            id="manual by amount",
        ),
        pytest.param(
            "manual",
            {**KEYED, "points": -20, "username": "u", "reason": "r", "email": "a@b.example", "mobile": "+2"},
            "/integrations/transaction/manual",
            '{"playerUniqueId":"player123","email":"a@b.example","mobile":"+2",'
            '"transactionTime":"2019-09-19T16:14:09.895Z",'
            '"transactionId":"tra_123456789","username":"u","reason":"r","points":-20}',
            MANUAL_ANSWER,
            ManualTransaction(
                player_unique_id="player123",
                gameball_transaction_id="17178",
                amount=Decimal("99.98"),
                transaction_id="tra_123456789",
                transaction_time=TIME,
                points=999,
            ),
            id="manual by points",
        ),
        pytest.param(
            "create_coupon",
            {"player_unique_id": "player", "rule_id": 191269, "value": 17000000},
            "/integrations/transactions/coupon",
            '{"playerUniqueId":"player","ruleId":191269,"value":17000000}',
            COUPON_ANSWER,
            Coupon(
                code="freesundae1",
                url="https://www.mcdonalds.eg/sundae",
                start_date=datetime(2021, 12, 13, 18, 18, 45, 775000, tzinfo=UTC),
                expiry_date=datetime(2022, 12, 13, 18, 18, 45, 775000, tzinfo=UTC),
            ),
            id="create_coupon",
        ),
    ],
)
async def test_a_write_is_posted_as_its_page_says_and_the_pages_answer_is_read(
    ask: Ask,
    api: MockApi,
    *,
    name: str,
    arguments: dict[str, Any],
    path: str,
    body: str,
    answer: str,
    value: object,
) -> None:
    api.to("POST").answer(answer)
    assert await ask(name, **arguments) == value
    (sent,) = api.sent
    assert (sent.method, sent.target) == ("POST", path)
    assert sent.body == body.encode()


async def test_a_hold_is_reversed_by_its_reference_and_any_answer_of_success_will_do(ask: Ask, api: MockApi) -> None:
    api.to("DELETE").answer("")
    assert await ask("reverse_hold", "9245fe4a-d402-451c-b9ed-9c1a04247482") is None
    (sent,) = api.sent
    assert sent.method == "DELETE"
    assert sent.target == "/integrations/transaction/hold/9245fe4a-d402-451c-b9ed-9c1a04247482"
    assert sent.body is None


# --- reads


async def test_the_transactions_of_an_order_are_read(ask: Ask, api: MockApi) -> None:
    api.answer(ORDER_ANSWER)
    expected = OrderTransactions(order_transactions=ORDER_TRANSACTIONS, total=3, count=3)
    assert await ask("for_order", "Order #1") == expected
    (sent,) = api.sent
    assert (sent.method, sent.target) == ("GET", "/integrations/order/Order%20%231/transactions")
    assert sent.body is None


async def test_a_page_of_the_list_is_read(ask: Ask, api: MockApi) -> None:
    api.answer(LIST_ANSWER)
    assert await ask("list") == TransactionPage(transactions=LISTED, count=50, total=344)
    (sent,) = api.sent
    assert (sent.method, sent.target) == ("GET", "/integrations/transaction/list")
    assert sent.body is None


EAST = timezone(timedelta(hours=2))


@pytest.mark.parametrize(
    ("filters", "query"),
    [
        ({"direction": "+"}, "direction=%2B"),
        ({"direction": "-"}, "direction=-"),
        ({"page": 2, "limit": 200}, "page=2&limit=200"),
        ({"from_date": date(2024, 1, 31), "to_date": date(2024, 2, 1)}, "from=2024-01-31&to=2024-02-01"),
        ({"from_date": datetime(2024, 1, 31, 1, tzinfo=EAST)}, "from=2024-01-30T23%3A00%3A00.000Z"),
        ({"to_date": datetime(2024, 1, 31, 0, 0, 0, 1, tzinfo=UTC)}, "to=2024-01-31T00%3A00%3A00.000001Z"),
        ({"status": "Active"}, "status=1"),
        ({"status": "expired"}, "status=4"),
        ({"status": 2}, "status=2"),
        ({"transaction_id": "a+b c&d=e/ü%"}, "transactionId=a%2Bb%20c%26d%3De%2F%C3%BC%25"),
        ({"player_unique_id": "p@x"}, "playerUniqueId=p%40x"),
        (
            {
                "page": 1,
                "limit": 5,
                "direction": "-",
                "from_date": date(2024, 1, 1),
                "to_date": date(2024, 1, 2),
                "transaction_id": "t",
                "status": 3,
                "player_unique_id": "p",
            },
            "page=1&limit=5&direction=-&from=2024-01-01&to=2024-01-02&transactionId=t&status=3&playerUniqueId=p",
        ),
    ],
)
async def test_the_lists_filters_are_escaped_one_by_one(
    ask: Ask, api: MockApi, filters: dict[str, Any], query: str
) -> None:
    api.answer(LIST_ANSWER)
    await ask("list", **filters)
    (sent,) = api.sent
    assert sent.target == f"/integrations/transaction/list?{query}"


# --- what is not given


async def test_a_call_without_a_time_is_stamped_with_now_in_utc(ask: Ask, api: MockApi) -> None:
    api.to("POST").answer(CASHBACK_ANSWER)
    before = datetime.now(UTC)
    await ask("cashback", player_unique_id="player123", transaction_id="t", amount=1)
    after = datetime.now(UTC)
    stamped = json.loads(api.sent[0].body or b"")["transactionTime"]
    assert stamped.endswith("Z")
    assert before <= datetime.fromisoformat(stamped) <= after


@pytest.mark.parametrize(
    ("name", "arguments", "field"),
    [
        ("cashback", {**KEYED, "amount": 0}, "amount"),
        ("cashback", {**KEYED, "amount": 0.1 + 0.2}, "amount"),
        ("cashback", {**KEYED, "amount": 1, "transaction_time": datetime(2024, 1, 1)}, "transaction_time"),  # noqa: DTZ001 (naive on purpose)
        ("redeem", KEYED, "redeemed_amount or hold_reference"),
        ("redeem", {**KEYED, "redeemed_amount": 1, "hold_reference": "r"}, "redeemed_amount or hold_reference"),
        ("refund", {**KEYED, "original_transaction_id": ""}, "original_transaction_id"),
        ("hold", {"player_unique_id": "p"}, "amount or hold_points"),
        ("hold", {"player_unique_id": "p", "amount": 1, "hold_points": 1}, "amount or hold_points"),
        ("manual", {**KEYED, "username": "u", "reason": "r"}, "points or amount"),
        ("manual", {**KEYED, "username": "u", "reason": "r", "points": 0}, "points"),
        ("create_coupon", {"player_unique_id": "p"}, "rule_id or value"),
        ("reverse_hold", {"hold_reference": ".."}, "hold_reference"),
        ("for_order", {"order_id": ""}, "order_id"),
        ("list", {"limit": 201}, "limit"),
        ("list", {"direction": "up"}, "direction"),
        ("iterate", {"page_size": 0}, "page_size"),
        ("iterate", {"page_size": 201}, "page_size"),
    ],
)
async def test_a_broken_rule_is_told_before_anything_is_sent(
    ask: Ask, api: MockApi, name: str, arguments: dict[str, Any], field: str
) -> None:
    with pytest.raises(InvalidRequestError, match=f"^{field} ") as caught:
        await ask(name, **arguments)
    assert caught.value.field == field
    assert caught.value.outcome == "not_applied"
    assert api.sent == []


# --- the bytes themselves, on a real socket

AGENT = f"gameball-python/{__version__} python/{platform.python_version()} aiohttp/{aiohttp.__version__}"


async def test_a_posts_bytes_are_exact(ask_server: Ask, server: Server) -> None:
    server.script(server.answer(CASHBACK_ANSWER.encode()))
    await ask_server("cashback", **KEYED, amount=99.98)
    assert server.only.line == "POST /api/v3.0/integrations/transaction/cashback HTTP/1.1"
    body = server.only.body
    assert body == (
        b'{"playerUniqueId":"player123","transactionTime":"2019-09-19T16:14:09.895Z",'
        b'"transactionId":"tra_123456789","amount":99.98}'
    )
    assert sorted(server.only.headers.items()) == sorted(
        [
            ("Host", server.base_url.split("/")[2]),
            ("APIKey", "api-key-12345"),
            ("SecretKey", "secret-key-12345"),
            ("Accept", "application/json"),
            ("Accept-Encoding", server.only.headers["Accept-Encoding"]),
            ("User-Agent", AGENT),
            ("Content-Type", "application/json"),
            ("Content-Length", str(len(body))),
        ]
    )


async def test_a_gets_bytes_are_exact_and_a_plus_stays_a_plus(ask_server: Ask, server: Server) -> None:
    server.script(server.answer(LIST_ANSWER.encode()))
    await ask_server("list", direction="+", from_date=date(2024, 1, 31), transaction_id="a b/c?d")
    assert server.only.line == (
        "GET /api/v3.0/integrations/transaction/list?direction=%2B&from=2024-01-31&transactionId=a%20b%2Fc%3Fd HTTP/1.1"
    )
    body = server.only.body
    assert body == b""
    names = [name.casefold() for name, _ in server.only.headers.items()]
    assert "content-type" not in names
    assert "transfer-encoding" not in names


async def test_a_hold_reference_is_one_escaped_segment(ask_server: Ask, server: Server) -> None:
    await ask_server("reverse_hold", "a/b c+ü")
    assert server.only.line == ("DELETE /api/v3.0/integrations/transaction/hold/a%2Fb%20c%2B%C3%BC HTTP/1.1")


@pytest.mark.parametrize("reference", ["%2e%2e", "..%2f", "a?b#c", "...", "a;b=c", "\\..\\", "%"])
async def test_no_hold_reference_leads_anywhere_else(ask_server: Ask, server: Server, reference: str) -> None:
    await ask_server("reverse_hold", reference)
    _, target, _ = server.only.line.split(" ")
    segment = target.removeprefix("/api/v3.0/integrations/transaction/hold/")
    assert segment != target
    assert not set(segment) & set("/?#\\;")
    assert "%2e" not in segment.replace("%252e", "").casefold()


async def test_keys_travel_in_their_two_headers_only(ask_server: Ask, server: Server) -> None:
    server.script(server.answer(CASHBACK_ANSWER.encode()))
    await ask_server("cashback", **KEYED, amount=1)
    head, body = server.only.head, server.only.body
    assert [name for name, value in server.only.headers.items() if "key-12345" in value] == ["APIKey", "SecretKey"]
    assert head.count(b"key-12345") == 2
    assert b"key-12345" not in body


# --- iterate


def page(*ids: int, total: int | None = None) -> str:
    rows = [{"gameballTransactionId": number} for number in ids]
    return json.dumps({"transactions": rows, "count": len(ids), **({} if total is None else {"total": total})})


async def iterated(ask: Ask, api: MockApi, *pages: str, **arguments: Any) -> list[int]:
    for answer in pages:
        api.answer(answer)
    return [int(row.gameball_transaction_id) for row in await ask("iterate", **arguments)]


async def test_iterate_reads_page_after_page_until_total(ask: Ask, api: MockApi) -> None:
    assert await iterated(ask, api, page(5, 4, total=5), page(3, 2, total=5), page(1, total=5)) == [5, 4, 3, 2, 1]
    assert [sent.target.partition("?")[2] for sent in api.sent] == [
        "page=1&limit=200",
        "page=2&limit=200",
        "page=3&limit=200",
    ]


async def test_iterate_sends_page_size_and_filters_on_every_page(ask: Ask, api: MockApi) -> None:
    filters = {
        "direction": "+",
        "from_date": date(2024, 1, 1),
        "to_date": date(2024, 2, 1),
        "transaction_id": "t",
        "status": "Active",
        "player_unique_id": "p",
    }
    await iterated(ask, api, page(2, 1), page(), **filters, page_size=2)
    rest = "limit=2&direction=%2B&from=2024-01-01&to=2024-02-01&transactionId=t&status=1&playerUniqueId=p"
    assert [sent.target for sent in api.sent] == [
        f"/integrations/transaction/list?page={number}&{rest}" for number in (1, 2)
    ]


async def test_iterate_drops_rows_that_moved_on_from_the_page_before(ask: Ask, api: MockApi) -> None:
    """Between the pages a new row came in at the front: the last of the first page is the first of the second."""
    assert await iterated(ask, api, page(4, 3), page(3, 2), page(1), page()) == [4, 3, 2, 1]


async def test_iterate_goes_on_after_a_page_of_nothing_new(ask: Ask, api: MockApi) -> None:
    assert await iterated(ask, api, page(4, 3), page(4, 3), page(2, 1), page()) == [4, 3, 2, 1]


PAGES = {
    "one page again and again": [page(2, 1)] * 9,
    "with a total": [page(2, 1, total=99)] * 9,
    "two in turn": [page(4, 3), page(2, 1)] * 5,
    "three in turn": [page(6, 5), page(4, 3), page(2, 1)] * 4,
}


@pytest.mark.parametrize("pages", PAGES.values(), ids=PAGES)
async def test_iterate_ends_with_an_error_when_the_list_does_not_turn_its_pages(
    ask: Ask, api: MockApi, pages: list[str]
) -> None:
    with pytest.raises(UnexpectedAnswerError, match="bring no row that earlier ones did not have") as raised:
        await iterated(ask, api, *pages)

    assert raised.value.outcome == "not_applied"
    assert len(api.sent) == len(set(pages)) + 2


async def test_iterate_remembers_rows_beyond_the_page_before_in_bounded_memory() -> None:
    """Row 1 is pushed along over all pages; what lies more than 20,000 rows back is given again."""

    class Sender:
        async def send(self, operation: Any) -> Any:
            number = operation.query.page
            ids = [1, *range(number * 200, number * 200 + 199)] if number <= 110 else []
            rows = tuple(Transaction(gameball_transaction_id=str(each)) for each in ids)
            return TransactionPage(transactions=rows)

        send_regardless = send
        waits = STANDARD

    reader: Transactions[Async] = Transactions(Async, cast("Any", Sender()))
    rows = [row.gameball_transaction_id async for row in reader.iterate()]

    assert rows[:201].count("1") == 1
    assert rows.count("1") == 2
    assert len(set(rows)) == 110 * 199 + 1


async def test_iterate_ends_on_an_empty_page_whatever_the_total_says(ask: Ask, api: MockApi) -> None:
    assert await iterated(ask, api, page(2, 1, total=99), page(total=99)) == [2, 1]
    assert len(api.sent) == 2


async def test_iterate_does_not_end_on_a_short_page(ask: Ask, api: MockApi) -> None:
    assert await iterated(ask, api, page(3), page(2, 1), page(), page_size=2) == [3, 2, 1]


async def test_iterate_asks_no_more_once_it_has_seen_the_total(ask: Ask, api: MockApi) -> None:
    assert await iterated(ask, api, page(2, 1, total=2)) == [2, 1]
    assert len(api.sent) == 1


async def test_iterate_gives_nothing_where_there_is_nothing(ask: Ask, api: MockApi) -> None:
    assert await iterated(ask, api, page(total=0)) == []
    assert len(api.sent) == 1


async def test_iterate_loses_no_row_when_rows_shift_while_it_reads(ask: Ask, api: MockApi) -> None:
    """Four rows, two a page. A fifth comes in after the first page: the total and the places grow by one."""
    pages = [page(4, 3, total=4), page(3, 2, total=5), page(1, total=5), page(total=5)]
    assert await iterated(ask, api, *pages, page_size=2) == [4, 3, 2, 1]


async def test_iterate_loses_no_row_when_a_total_is_not_kept_up_to_date(ask: Ask, api: MockApi) -> None:
    """Rows seen twice are no progress towards a total that counts every row once."""
    pages = [page(4, 3, total=4), page(3, 2, total=4), page(1, total=4)]
    assert await iterated(ask, api, *pages, page_size=2) == [4, 3, 2, 1]
