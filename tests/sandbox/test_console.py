"""The console below `/_sandbox/`, as the pages that a browser gets; tests/browser drives one."""

import re
import sys
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from html.parser import HTMLParser
from urllib.parse import quote

import aiohttp
import pytest

from gameball.sandbox import Program, Sandbox, faults
from gameball.sandbox.console import formats
from gameball.sandbox.console.pages import PAGES, WITHOUT_JINJA
from tests.support.sandbox_api import Api

pytestmark = pytest.mark.many_cases

PATHS = ["/players", "/player?id=ada", "/orders", "/holds", "/batches", "/requests", "/faults", "/"]
VOID = {"meta", "link", "input", "br", "path", "rect"}


class Text(HTMLParser):
    """The elements of a page and its text, row by row for tables; complains of what is not closed."""

    def __init__(self, markup: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self._rows: list[list[str]] = []
        self.text = ""
        self._open: list[str] = []
        self.feed(markup)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self._open.append(tag)
        if tag == "tr":
            self._rows.append([])
        if tag in {"td", "th"}:
            self._rows[-1].append("")

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag
        if tag in {"dt", "dd", "div", "p", "li"}:
            self.text += " "

    def handle_data(self, data: str) -> None:
        self.text += data
        if {"td", "th"} & set(self._open):
            self._rows[-1][-1] += data

    @property
    def rows(self) -> list[list[str]]:
        return [[" ".join(cell.split()) for cell in row] for row in self._rows]

    @property
    def words(self) -> str:
        return " ".join(self.text.split())


class Browser:
    """Gets pages as a browser without script does."""

    def __init__(self, session: aiohttp.ClientSession, sandbox: Sandbox) -> None:
        self._session = session
        self._url = sandbox.console_url.rstrip("/")

    async def open(self, path: str, *, status: int = 200, headers: dict[str, str] | None = None) -> Text:
        markup = await self.get(path, status=status, headers=headers)
        return Text(markup)

    async def get(self, path: str, *, status: int = 200, headers: dict[str, str] | None = None) -> str:
        async with self._session.get(self._url + path, headers=headers) as response:
            assert response.status == status
            policy = response.headers["Content-Security-Policy"]
            assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self';")
            assert "frame-ancestors 'none'" in policy
            assert "unsafe" not in policy
            return await response.text()


@pytest.fixture
async def browser(sandbox: Sandbox) -> AsyncIterator[Browser]:
    async with aiohttp.ClientSession() as session:
        yield Browser(session, sandbox)


async def fill(api: Api, sandbox: Sandbox, word: str = "ada") -> None:
    """Something on every page, with `word` wherever a caller may choose one."""
    known = {"playerUniqueId": word}
    await api.transact("cashback", **known, transactionId=f"order {word}", amount=1000, merchant={"name": word})
    await api.transact("redeem", **known, transactionId=f"basket {word}", redeemedAmount=0.5)
    await api.transact("refund", **known, transactionId=f"return {word}", reverseTransactionId=f"basket {word}")
    await api.transact("manual", **known, transactionId=f"gift {word}", points=5, username=word, reason=word)
    await api.transact("hold", **known, holdPoints=30)
    await api.post("batch", method="POST", operation="balance", body={"playerUniqueIds": [word]})
    await api.get(f"order/{quote(word, safe='')}/transactions", otp=word)
    sandbox.faults.arm("transactions.hold", faults.Status(503, {"said": word}, {"X-Word": "x"}), transaction_id=word)
    sandbox.faults.arm("transactions.hold", faults.Status(503, {"said": word}))
    await api.transact("hold", **known, holdPoints=30)


@pytest.mark.parametrize("filled", [False, True])
@pytest.mark.parametrize("path", PATHS)
async def test_every_page_is_whole_on_its_own(
    sandbox: Sandbox, api: Api, browser: Browser, path: str, *, filled: bool
) -> None:
    if filled:
        await fill(api, sandbox)
    page = await browser.open(path)
    ids = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    addresses = [
        value for _, attributes in page.elements for name in ("href", "src") if (value := attributes.get(name))
    ]
    assert addresses
    for address in addresses:
        assert address.startswith(("/_sandbox/", "#main"))
    for tag, attributes in page.elements:
        assert not [name for name in attributes if name.startswith("on") or name == "style"], tag
        if "data-live" in attributes:
            assert attributes["id"]
    assert not [tag for tag, attributes in page.elements if tag == "script" and "src" not in attributes]
    assert "reload for the latest" in page.words


HOSTILE = """<img src=x onerror=alert(1)>"'&{{6*7007}}\u202e"""


@pytest.mark.parametrize("path", [*PATHS, f"/player?id={quote(HOSTILE)}", f"/orders?id={quote('order ' + HOSTILE)}"])
async def test_text_from_outside_stays_text(sandbox: Sandbox, api: Api, browser: Browser, path: str) -> None:
    await fill(api, sandbox, HOSTILE)
    client = {"name": "n", "email": "e", "mobile": "m", "storeName": HOSTILE, "domain": "d", "country": "c"}
    token = {"Authorization": f"Bearer {sandbox.partner_token}"}
    made = await api.call("POST", "client", json={**client, "currency": "USD", "timeZone": "UTC"}, headers=token)
    assert made.status == 200
    sandbox.program = replace(sandbox.program, currency=HOSTILE, points_name=HOSTILE)

    markup = await browser.get(path)

    assert "<img" not in markup
    assert "onerror=alert(1)" in markup, "it is shown, as text"
    assert "\"'&" not in markup
    assert "42042" not in markup
    shown = Text(markup)
    assert HOSTILE in shown.text or HOSTILE in str([attributes.get("value") for _, attributes in shown.elements])
    assert "img" not in [tag for tag, _ in shown.elements]


async def test_no_page_shows_a_key_or_a_one_time_password(sandbox: Sandbox, api: Api, browser: Browser) -> None:
    await fill(api, sandbox)
    await api.transact("redeem", playerUniqueId="ada", redeemedAmount=0.1, otp="987654")
    for path in PATHS:
        markup = await browser.get(path)
        assert not [key for key in (sandbox.api_key, sandbox.secret_key, "987654") if key in markup]


async def test_the_overview_sums_up(sandbox: Sandbox, api: Api, browser: Browser) -> None:
    await fill(api, sandbox)
    page = await browser.open("/")
    for figure in ("Outstanding points 205", "Given 205", "Redeemed 50", "Returned by refunds 50", "Players 1"):
        assert figure in page.words
    assert "Held now 30 in 1 hold " in page.words
    assert "Faults armed 1 Faults struck 1" in page.words
    assert "10 USD earn 2 points; one is worth 0.01 USD and lives 720 days. A hold lasts 10 min." in page.words
    sandbox.program = Program(gameball_enabled=False, cashback_enabled=False, redemption_enabled=False)
    assert "Cashback is switched off. Redemption is switched off." in (await browser.open("/")).words


async def test_a_players_account_runs(sandbox: Sandbox, api: Api, browser: Browser) -> None:
    await fill(api, sandbox)
    page = await browser.open("/player?id=ada")
    assert "Balance 205 worth 2.05 Held 30 Available 175" in page.words
    assert re.search(r"30 points held, (9 min \d+|10 min 0) s left", page.words)
    assert [row[1:] for row in page.rows] == [
        ["What", "Transaction", "Amount", "Points", "Balance"],
        ["Given by hand ada", "gift ada", "0.05", "+5", "205"],
        ["Refund", "return ada", "0.50", "+50", "200"],
        ["Redemption", "basket ada", "0.50", "\N{MINUS SIGN}50", "150"],
        ["Cashback", "order ada", "1,000.00", "+200", "200"],
    ]
    assert "Nothing was ever booked for this player." in (await browser.open("/player?id=nobody")).words


async def test_orders_show_their_refunds_beneath(sandbox: Sandbox, api: Api, browser: Browser) -> None:
    await fill(api, sandbox)
    await api.transact("refund", playerUniqueId="ada", reverseTransactionId="order ada", amount=250, transactionId="r")
    rows = [row[1:] for row in (await browser.open("/orders")).rows[1:]]
    assert rows == [
        ["ada", "Redemption wholly refunded", "basket ada", "0.50", "\N{MINUS SIGN}50"],
        ["", "Refund", "return ada", "0.50", "+50"],
        ["ada", "Cashback partly refunded", "order ada", "1,000.00", "+200"],
        ["", "Part refund", "r", "250.00", "\N{MINUS SIGN}50"],
    ]
    assert len((await browser.open("/orders?id=order+ada")).rows) == 3
    assert "No cashback or redemption has this id." in (await browser.open("/orders?id=none")).words
    assert len((await browser.open("/orders?id=")).rows) == 5


async def test_holds_show_the_time_that_is_left(sandbox: Sandbox, api: Api, browser: Browser) -> None:
    await fill(api, sandbox)
    sandbox.clock.advance(minutes=8)
    [_, live] = (await browser.open("/holds")).rows
    assert live[2] == "live"
    assert re.fullmatch(r"1 min \d+ s|2 min 0 s", live[4])
    sandbox.clock.advance(minutes=2)
    [_, ended] = (await browser.open("/holds")).rows
    assert (ended[2], ended[4]) == ("expired", "")


async def test_players_are_found_and_paged(api: Api, browser: Browser) -> None:
    for number in range(60):
        await api.give(number + 1, player=f"p-{number:02}")
    first, second = await browser.open("/players"), await browser.open("/players?page=2")
    assert (len(first.rows), len(second.rows)) == (51, 11)
    assert "Page 1 of 2 Older" in first.words
    assert "Newer Page 2 of 2" in second.words
    assert [row[0] for row in (await browser.open("/players?search=-07")).rows[1:]] == ["p-07"]
    assert "No player's id contains that." in (await browser.open("/players?search=zz")).words


async def test_requests_show_answers_and_faults(sandbox: Sandbox, api: Api, browser: Browser) -> None:
    await fill(api, sandbox)
    page = await browser.open("/requests")
    assert "transactions.hold struck: status, before 503" in page.words
    assert '{"said": "ada"}' in page.text
    assert "APIKey: ****" in page.words


async def test_armed_faults_show_what_of_them_struck(sandbox: Sandbox, api: Api, browser: Browser) -> None:
    await fill(api, sandbox)
    sandbox.faults.arm("*", faults.Delay(2), nth=3, times=2)
    rows = [row for row in (await browser.open("/faults")).rows if "of" in row[-1]]
    assert rows == [
        ["transactions.hold", "status 503", "before", "ada", "armed", "0 of 1"],
        ["transactions.hold", "status 503", "before", "any", "struck", "1 of 1"],
        ["any", "delay 2 s", "before", "any", "armed after 2 more", "0 of 2"],
    ]


async def test_each_account_has_its_own_pages(sandbox: Sandbox, api: Api, browser: Browser) -> None:
    assert "own account" not in (await browser.open("/")).words
    client = {"name": "n", "email": "e", "mobile": "m", "storeName": "Shop", "domain": "d", "country": "c"}
    token = {"Authorization": f"Bearer {sandbox.partner_token}"}
    made = await api.call("POST", "client", json={**client, "currency": "USD", "timeZone": "UTC"}, headers=token)
    keys = {"APIKey": made.json["apiKey"], "SecretKey": made.json["secretKey"]}
    body = {"playerUniqueId": "yan", "transactionId": "t", "transactionTime": "2024-01-01T00:00:00Z", "amount": 100}
    await api.call("POST", "transaction/cashback", json=body, headers=keys)

    page = await browser.open("/players?account=2")

    assert [row[0] for row in page.rows[1:]] == ["yan"]
    assert "own account Shop" in page.words
    assert "/_sandbox/player?id=yan&account=2" in [attributes.get("href") for _, attributes in page.elements]
    assert len((await browser.open("/players")).rows) == 2
    wrong = await browser.open("/players?account=3", status=400)
    assert "account must be one of 1, 2" in wrong.words


@pytest.mark.parametrize(
    ("path", "status", "sentence"),
    [
        ("/players?page=0", 400, "page must be a whole number between 1"),
        ("/player", 400, "id is required"),
        ("/orders?x=1", 400, "x is not known here"),
        ("/nothing", 404, "There is no page /_sandbox/nothing."),
    ],
)
async def test_a_page_that_cannot_be_shown_says_why(browser: Browser, path: str, status: int, sentence: str) -> None:
    assert sentence in (await browser.open(path, status=status)).words


@pytest.mark.parametrize("name", ["console.css", "console.js", "icon.svg"])
async def test_what_pages_need_comes_from_the_sandbox_itself(browser: Browser, name: str) -> None:
    content = await browser.get(f"/{name}")
    assert content
    assert not re.findall(r"(?:https?:)?//(?!www\.w3\.org/2000/svg)[\w.-]+\.\w+/|url\(|@import", content)


async def test_without_a_slash_it_leads_to_the_overview(sandbox: Sandbox) -> None:
    async with aiohttp.ClientSession() as session, session.get(sandbox.console_url.rstrip("/")) as response:
        assert (response.status, str(response.url)) == (200, sandbox.console_url)


async def test_pages_of_other_sites_may_link_to_it_but_neither_read_nor_embed_it(browser: Browser) -> None:
    await browser.get("/", headers={"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"})
    for path in ("/", "/players", "/console.js", "/nothing"):
        for headers in ({"Host": "rebound.example"}, {"Sec-Fetch-Site": "same-site", "Sec-Fetch-Mode": "no-cors"}):
            assert "error" in await browser.get(path, status=403, headers=headers)


async def test_without_jinja2_one_line_says_what_installs_it_and_the_api_works(
    sandbox: Sandbox, browser: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "jinja2", None)
    assert await browser.get("/", status=501) == WITHOUT_JINJA
    async with aiohttp.ClientSession() as session, session.get(f"{sandbox.console_url}api/state") as response:
        assert response.status == 200


@pytest.mark.thorough
async def test_a_hundred_thousand_transactions_page_at_once(sandbox: Sandbox, browser: Browser) -> None:
    then, later = "2026-01-01T00:00:00.000000Z", "2100-01-01T00:00:00.000000Z"
    kinds = ("Redemption", "-"), ("PaymentReward", "+")
    with sandbox.ledger.reading() as sql:
        sql.executemany(
            "insert into transactions (account, time, points, amount, balance_before, balance_after, expires, player, "
            "transaction_id, type, direction) values (1, ?, 1, '10.00', 0, 1, ?, ?, ?, ?, ?)",
            ((then, later, f"player-{i % 20_000}", f"order-{i}", *kinds[i % 2]) for i in range(100_000)),
        )
        sql.executemany(
            "insert into holds values (?, 1, ?, 5, '0.05', ?, 'live')",
            ((str(i), f"player-{i % 500}", later if i % 2 else then) for i in range(10_000)),
        )
    pages = [*PATHS, "/players?page=200", "/players?search=99", "/player?id=player-7", "/orders?page=1000"]
    lists = ["page=1000", "player_unique_id=player-7", "direction=-&page=500", "transaction_id=order-7"]
    taken: dict[str, float] = {}
    for path in [*pages, *(f"/api/transactions?{query}" for query in lists)]:
        for _ in range(2):
            # Of the processor, which other work on the machine does not lengthen; caller and sandbox together.
            started = time.process_time()
            await browser.get(path)
            taken[path] = min(taken.get(path, 9.0), time.process_time() - started)
    assert {path: seconds for path, seconds in taken.items() if seconds > 0.2} == {}


def test_every_page_but_a_players_own_is_in_the_navigation() -> None:
    assert [page.path for page in PAGES if page.title is None] == ["/player"]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0 s"), (59.9, "59 s"), (60, "1 min 0 s"), (3661, "1 h 1 min"), (86400, "1 d 0 h"), (90000, "1 d 1 h")],
)
def test_a_time_span_is_written_in_its_two_largest_units(seconds: float, text: str) -> None:
    assert formats.duration(seconds) == text


def test_numbers_dates_and_queries_are_written_for_readers() -> None:
    assert formats.number(-1234567) == "\N{MINUS SIGN}1,234,567"
    assert formats.amount(Decimal("1234.5")) == "1,234.50"
    assert formats.amount(Decimal("-0.1234")) == "\N{MINUS SIGN}0.1234"
    assert formats.amount(Decimal("1E+3")) == "1,000.00"
    assert formats.rate(Decimal("100.00")) == "100"
    moment = datetime(2026, 1, 2, 3, 4, 5, 678_900, UTC)
    assert formats.when(moment) == "2026-01-02 03:04:05"
    assert formats.machine(moment + timedelta()) == "2026-01-02T03:04:05.678Z"
    assert formats.query(a=None) == ""
    assert formats.query(a="&", b=None, c=2) == "?a=%26&c=2"
    assert formats.word("Something") == "Something"
