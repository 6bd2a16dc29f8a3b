"""The console's routes: each page is a template and what the inspection gives for it."""

import importlib.resources
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, get_args

from aiohttp import web

from gameball.sandbox import fields
from gameball.sandbox.access import OWN_ACCOUNT
from gameball.sandbox.arming import Effect
from gameball.sandbox.books import Part
from gameball.sandbox.console import formats
from gameball.sandbox.given import Given, part_of
from gameball.sandbox.guard import HEADERS, Handler, guarded
from gameball.sandbox.history import Filters
from gameball.sandbox.inspection import JSON, Inspection
from gameball.sandbox.json_objects import FAULTS, fault_fields
from gameball.sandbox.routes import ROUTES

if TYPE_CHECKING:
    from jinja2 import Environment

_PACKAGE = "gameball.sandbox.console"
CONSOLE_PATH = "/_sandbox"
WITHOUT_JINJA = "The console needs Jinja2, which the extra `cli` installs: pip install 'gameball[cli]'\n"
_FEW = Part(limit=10)
_STATIC = {"console.css": "text/css", "console.js": "text/javascript", "icon.svg": "image/svg+xml"}


class Pages:
    """What each page shows, by the names that its template knows."""

    def __init__(self, inspection: Inspection) -> None:
        self._inspection = inspection

    def overview(self, account: int, _: Given) -> JSON:
        """Points, traffic, faults, terms and the latest transactions."""
        return {
            "state": self._inspection.state(account),
            "programme": self._inspection.programme(),
            "latest": self._inspection.transactions(account, Filters(limit=_FEW.limit)),
        }

    def players(self, account: int, given: Given) -> JSON:
        """Players with balances."""
        search = given.take("search", _text_or_nothing)
        return {"search": search, "list": self._inspection.players(account, search=search or "", part=part_of(given))}

    def player(self, account: int, given: Given) -> JSON:
        """One player's running account."""
        player = given.required("id", fields.text)
        return {
            "id": player,
            "player": self._inspection.player(account, player),
            "list": self._inspection.statement(account, player, part_of(given)),
        }

    def orders(self, account: int, given: Given) -> JSON:
        """Cashbacks and redemptions with their refunds."""
        order = given.take("id", _text_or_nothing)
        found = self._inspection.orders(account, transaction_id=order or None, part=part_of(given))
        return {"id": order, "list": found}

    def holds(self, account: int, given: Given) -> JSON:
        """Holds, whatever became of them."""
        return {"list": self._inspection.holds(account, part=part_of(given))}

    def batches(self, account: int, given: Given) -> JSON:
        """Batches as they move."""
        return {"list": self._inspection.batch_list(account, part_of(given))}

    def requests(self, _: int, given: Given) -> JSON:
        """Requests with their answers."""
        return {"list": self._inspection.requests(part=part_of(given))}

    def faults(self, _: int, __: Given) -> JSON:
        """Faults, the clock and the reset."""
        return {
            "faults": self._inspection.faults(),
            "struck": self._inspection.requests(struck=True, part=_FEW),
            "operations": [route.operation for route in ROUTES],
            "effects": get_args(Effect),
            "forms": {word: fault_fields(word) for word in FAULTS},
        }


@dataclass(frozen=True, slots=True)
class Page:
    """A page of the console; `title` is None for one that the navigation does not list."""

    path: str
    template: str
    title: str | None
    show: Callable[[Pages, int, Given], JSON]


PAGES = (
    Page("/", "overview.html", "Overview", Pages.overview),
    Page("/players", "players.html", "Players", Pages.players),
    Page("/player", "player.html", None, Pages.player),
    Page("/orders", "orders.html", "Orders", Pages.orders),
    Page("/holds", "holds.html", "Holds", Pages.holds),
    Page("/batches", "batches.html", "Batches", Pages.batches),
    Page("/requests", "requests.html", "Requests", Pages.requests),
    Page("/faults", "faults.html", "Faults and clock", Pages.faults),
)


def console_routes(inspection: Inspection, *, host: str) -> list[web.RouteDef]:
    """The routes for aiohttp; to be added behind those of the control API."""
    console = Console(inspection)
    handlers: dict[str, Handler] = {CONSOLE_PATH + page.path: partial(console.page, page) for page in PAGES}
    handlers |= {f"{CONSOLE_PATH}/{name}": partial(_static, name) for name in _STATIC}
    handlers[CONSOLE_PATH] = _to_overview
    routes = [web.get(path, guarded(handler, host=host, page=True)) for path, handler in handlers.items()]
    return [*routes, web.route("*", CONSOLE_PATH + "/{anything:.*}", guarded(console.unknown, host=host, page=True))]


class Console:
    """Renders pages. Jinja2 is imported with the first of them: a sandbox that nobody looks at does without."""

    def __init__(self, inspection: Inspection) -> None:
        self._inspection = inspection
        self._pages = Pages(inspection)
        self._environment: Environment | None = None

    async def page(self, page: Page, request: web.Request) -> web.StreamResponse:
        """One page."""
        account, sentence, shown = OWN_ACCOUNT, None, {}
        try:
            given = Given(request.query)
            account = given.take("account", self._inspection.account) or OWN_ACCOUNT
            shown = page.show(self._pages, account, given)
            given.end()
        except ValueError as rule:
            sentence = str(rule)
        if sentence is not None:
            return self._render(400, "error.html", request, account, sentence=sentence)
        return self._render(200, page.template, request, account, **shown)

    async def unknown(self, request: web.Request) -> web.StreamResponse:
        """What is no page."""
        return self._render(404, "error.html", request, OWN_ACCOUNT, sentence=f"There is no page {request.path}.")

    def _render(self, status: int, template: str, request: web.Request, account: int, **shown: Any) -> web.Response:
        try:
            environment = self._environment = self._environment or _environment()
        except ImportError:
            return web.Response(status=501, text=WITHOUT_JINJA, headers=HEADERS)
        accounts = self._inspection.accounts()

        def link(path: str, **values: Any) -> str:
            """The address of a page for the account that is looked at."""
            other = values.pop("account", account)
            return f"{CONSOLE_PATH}{path}{formats.query(**values, account=None if other == OWN_ACCOUNT else other)}"

        text = environment.get_template(template).render(
            **shown,
            pages=[page for page in PAGES if page.title is not None],
            here=request.path.removeprefix(CONSOLE_PATH),
            account=account,
            accounts=accounts,
            link=link,
            api=f"{CONSOLE_PATH}/api",
            pulse=self._inspection.pulse(),
        )
        return web.Response(status=status, text=text, content_type="text/html", headers=HEADERS)


async def _to_overview(_: web.Request) -> web.StreamResponse:
    raise web.HTTPPermanentRedirect(f"{CONSOLE_PATH}/")


async def _static(name: str, _: web.Request) -> web.StreamResponse:
    body = importlib.resources.files(_PACKAGE).joinpath("static", name).read_bytes()
    return web.Response(body=body, content_type=_STATIC[name], charset="utf-8", headers=HEADERS)


def _environment() -> "Environment":
    from jinja2 import Environment, PackageLoader, StrictUndefined  # noqa: PLC0415 - see `Console`

    environment = Environment(
        loader=PackageLoader(_PACKAGE),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "number": formats.number,
        "amount": formats.amount,
        "rate": formats.rate,
        "signed": formats.signed,
        "when": formats.when,
        "machine": formats.machine,
        "duration": formats.duration,
        "word": formats.word,
    }
    return environment


def _text_or_nothing(value: str) -> str | None:
    """A search field that was sent empty asks for all."""
    return fields.text(value) if value else None
