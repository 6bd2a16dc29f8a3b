"""`gameball ping`: address, keys and programme, by calls that change nothing. The first thing to try."""

import os
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Annotated, Any, Final, Literal, TypeAlias
from urllib.parse import urlsplit

from attrs import asdict, field, frozen
from cyclopts import Parameter

from gameball.cli.display import count
from gameball.cli.exit_codes import Exit
from gameball.cli.options import AsJson
from gameball.cli.output import complain, output_of, say
from gameball.cli.problems import error_object
from gameball.client import Gameball
from gameball.core.observers import Attempt
from gameball.core.retry import is_foreign
from gameball.errors import (
    APIError,
    AuthenticationError,
    BadRequestError,
    ConnectionFailedError,
    GameballError,
    NotFoundError,
    PermissionDeniedError,
    ProgramDisabledError,
    RateLimitedError,
    TimedOutError,
    UnexpectedAnswerError,
)
from gameball.models.configurations import CashbackConfiguration, Configuration, RedemptionConfiguration
from gameball.models.transactions import TransactionPage
from gameball.settings import LIVE, Credentials, Retries, Timeouts, base_url, credentials

ONCE: Final = Retries(attempts=1)
SHORT: Final = Timeouts(attempt=10.0, total=10.0)

NO_BATCH: Final = "0"
"""The id of a batch that is not there: that the API says so is an answer too."""

MOST_RULES: Final = 3
"""Cashback rules that are shown."""

PROXIES: Final = ("HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy")
"""What other programs find their proxy by."""

ASKED_PROXY: Final = "; the proxy that --proxy names was asked"

State: TypeAlias = Literal["answered", "not_open", "failed", "not_made"]


@frozen(kw_only=True)
class Check:
    """One call, and how it ended.

    Attributes:
        operation: Its name.
        state: Whether it was "answered", is "not_open" to this account, "failed", or was "not_made".
        seconds: How long its answer took.
        message: What the API said, or why it was not made.
        value: The answer.
        error: Why it failed.
    """

    operation: str
    state: State
    seconds: float | None = None
    message: str | None = None
    value: Any = field(default=None, repr=False)
    error: GameballError | None = None


def ping(
    *,
    proxy: Annotated[str | None, Parameter(negative=())] = None,
    as_json: AsJson = False,
) -> int:
    """Find out whether the API answers, takes your keys, and what they are good for. Nothing is changed.

    Keys come from GAMEBALL_API_KEY and GAMEBALL_SECRET_KEY (partners: GAMEBALL_PARTNER_TOKEN), the address from
    GAMEBALL_BASE_URL. Exit codes: 0 the API answers and takes the keys, 1 it does not, 2 a key or the address cannot
    be used.

    Parameters
    ----------
    proxy
        The address of a proxy, as in http://proxy:3128; those of the environment are not used.
    as_json
        Print one JSON object on stdout, and all else on stderr.
    """
    with output_of("ping", as_json=as_json) as given:
        keys, address = credentials(None, None, None), base_url(None, allow_http=False)
        seen: list[Attempt] = []
        with Gameball(proxy=proxy, timeouts=SHORT, retries=ONCE, observers=[seen.append]) as client:
            say(f"address: {address}, {'the live API' if address == LIVE else 'from GAMEBALL_BASE_URL'}")
            say(f"keys: {_in_words(keys)}")
            checks = _made(_calls(client, keys), seen)
        values = {check.operation: check.value for check in checks}
        programme = _programme(values)
        for line in _lines(programme):
            say(line)
        for check in checks:
            took = f"{check.seconds * 1000:,.0f} ms" if check.seconds is not None else ""
            state = check.state.replace("_", " ")
            say(f"  {check.operation:27}{state:10}{took:>8}  {check.message or ''}".rstrip())
        problem = next((check for check in checks if check.state == "failed"), None) or _all_closed(checks)
        sentence = _sentence(problem, address, proxy=proxy) if problem is not None else None
        if sentence is None:
            say("the API answers at this address, and takes these keys" if keys.api_key else WITHOUT_ACCOUNT)
        else:
            complain(sentence)
        return given.end(
            Exit.APPLIED if sentence is None else Exit.FAILED,
            base_url=address,
            keys={name: key is not None for name, key in asdict(keys, recurse=False).items()},
            programme=programme,
            calls=[
                {"operation": one.operation, "state": one.state, "seconds": one.seconds, "message": one.message}
                for one in checks
            ],
            error=_object(problem, sentence),
        )


# --- the calls

Call: TypeAlias = tuple[str, Callable[[], Any]]

UNSIGNED: Final = "GET /integrations/config"
"""What is asked without an account's keys."""

WITHOUT_ACCOUNT: Final = "the API answers at this address; whether it takes the token shows only a call that changes"


def _calls(client: Gameball, keys: Credentials) -> Sequence[Call]:
    """The calls that these keys are good for, and that change nothing."""
    if keys.api_key is None:
        return [(UNSIGNED, lambda: client.request(*UNSIGNED.split()))]
    settings = client.configurations
    calls: list[Call] = [("configurations.get", settings.get)]
    if keys.secret_key is not None:
        calls += [
            ("configurations.cashback", settings.cashback),
            ("configurations.redemption", settings.redemption),
            ("transactions.list", lambda: client.transactions.list(limit=1)),
            ("batches.get", lambda: client.batches.get(NO_BATCH)),
        ]
    return calls


def _made(calls: Sequence[Call], seen: Sequence[Attempt]) -> list[Check]:
    """Make the calls; none after one that no other would fare better than."""
    checks: list[Check] = []
    for operation, call in calls:
        if any(check.state == "failed" and _ends_all(check.error) for check in checks):
            checks.append(Check(operation=operation, state="not_made"))
        else:
            checks.append(_check(operation, call, seen))
    return checks


def _check(operation: str, call: Callable[[], Any], seen: Sequence[Attempt]) -> Check:
    before = len(seen)
    value: Any = None
    problem: GameballError | None = None
    try:
        value = call()
    except GameballError as error:
        error.operation = None  # it stands beside its name
        problem = error
    if value == Configuration():
        value, problem = None, UnexpectedAnswerError("the answer holds no setting at all", status=200)
    seconds = round(seen[-1].seconds, 4) if len(seen) > before and seen[-1].status is not None else None
    state, message = _state(operation, problem)
    if isinstance(value, TransactionPage) and value.total is not None:
        message = count(value.total, "transaction")
    return Check(operation=operation, state=state, seconds=seconds, message=message, value=value, error=problem)


def _state(operation: str, problem: GameballError | None) -> tuple[State, str | None]:
    if problem is None:
        return "answered", None
    ours = isinstance(problem, APIError) and problem.from_api
    if ours and operation == "batches.get" and isinstance(problem, NotFoundError | BadRequestError):
        return "answered", "no such batch, as expected"
    if ours and operation == UNSIGNED and isinstance(problem, AuthenticationError | PermissionDeniedError):
        return "answered", "it wants an API key, as expected"
    if ours and isinstance(problem, PermissionDeniedError | ProgramDisabledError):
        return "not_open", str(problem)
    return "failed", str(problem)


def _ends_all(problem: GameballError | None) -> bool:
    """Whether the other calls would end in the same way."""
    alike = AuthenticationError | ConnectionFailedError | NotFoundError | RateLimitedError | TimedOutError
    return isinstance(problem, alike | UnexpectedAnswerError) or is_foreign(problem)


# --- what they show


def _in_words(keys: Credentials) -> str:
    there = [name for name, key in asdict(keys, recurse=False).items() if key is not None]
    words = [", ".join(there)]
    if keys.api_key is not None and keys.secret_key is None:
        words.append("no secret_key, which most calls need")
    if keys.partner_token is not None:
        words.append("a partner's calls all change something, so the token is not tried")
    return "; ".join(words)


def _programme(values: Mapping[str, Any]) -> dict[str, Any] | None:
    """What the account's settings say, as far as they could be read."""
    settings: Configuration | None = values.get("configurations.get")
    if settings is None:
        return None
    control = settings.control_config
    cashback: CashbackConfiguration | None = values.get("configurations.cashback")
    redemption: RedemptionConfiguration | None = values.get("configurations.redemption")
    page: TransactionPage | None = values.get("transactions.list")
    return {
        "name": settings.program_name,
        "currency": settings.currency,
        "enabled": control.gameball_enabled if control else None,
        "cashback": {
            "enabled": cashback.is_cashback_active if cashback else getattr(control, "cashback_enabled", None),
            "rules": [
                {"amount": rule.min_amount_to_spend, "points": rule.points_rewarded_as_cashback}
                for rule in (cashback.cashback_rules if cashback else ())
            ],
            "return_window_days": cashback.return_window_duration if cashback else None,
        },
        "redemption": {
            "enabled": redemption.is_redemption_active if redemption else getattr(control, "redemption_enabled", None),
            "value_of_point": settings.redemption.redemption_factor if settings.redemption else None,
            "points_expire_after_days": redemption.points_expiry_period if redemption else None,
        },
        "transactions": page.total if page else None,
    }


def _lines(programme: Mapping[str, Any] | None) -> list[str]:
    lines: list[str] = []
    if programme is not None:
        currency = f", in {programme['currency']}" if programme["currency"] else ""
        off = "; Gameball is switched off" if programme["enabled"] is False else ""
        cashback, redemption = programme["cashback"], programme["redemption"]
        rules = [f"{_plain(rule['points'])} points for each {_plain(rule['amount'])}" for rule in cashback["rules"]]
        worth, days = redemption["value_of_point"], redemption["points_expire_after_days"]
        spent = [f"a point is worth {_plain(worth)}"] if worth else []
        lapse = [f"points expire after {days:,} days"] if days else []
        lines += [
            f"programme: {programme['name'] or 'without a name'}{currency}{off}",
            f"  cashback: {', '.join([_switch(cashback['enabled']), *rules[:MOST_RULES]])}",
            f"  redemption: {', '.join([_switch(redemption['enabled']), *spent, *lapse])}",
        ]
    return [*lines, "calls:"]


def _switch(on: bool | None) -> str:  # noqa: FBT001 (of a table of words)
    return {True: "on", False: "switched off", None: "unknown"}[on]


def _plain(number: Decimal | int | None) -> str:
    """A number without idle zeros."""
    return "?" if number is None else f"{Decimal(number).normalize():,f}"


def _all_closed(checks: Sequence[Check]) -> Check | None:
    return checks[0] if all(check.state == "not_open" for check in checks) else None


def _sentence(check: Check, address: str, *, proxy: str | None) -> str:
    """What is wrong, and what to do about it."""
    error = check.error
    foreign = is_foreign(error) or (isinstance(error, UnexpectedAnswerError) and error.status is not None)
    match error:
        case AuthenticationError() if foreign:
            return f"the keys are refused, or {address} is not the API's address: {error}"
        case AuthenticationError():
            return f"the keys are refused: {error}; api_key and secret_key must be whole, and of one account"
        case PermissionDeniedError() | ProgramDisabledError() if not foreign:
            return f"nothing is open to the account of these keys: {error}"
        case UnexpectedAnswerError() | APIError() if foreign or isinstance(error, NotFoundError):
            return (
                f"something else than the API answers at {address}: {error}; GAMEBALL_BASE_URL must include the"
                f" version, as in {LIVE}, and no proxy or log-in page may stand in between"
                f"{ASKED_PROXY if proxy is not None else ''}"
            )
        case ConnectionFailedError() | TimedOutError() | UnexpectedAnswerError():
            return f"no answer from {urlsplit(address).netloc}: {_reason(error)}{_about_proxies(proxy)}"
        case _:
            return f"the API does not answer as it should: {error}"


def _reason(error: GameballError) -> str:
    return error.message.removeprefix("nothing was sent: ").removeprefix("no answer came: ")


def _about_proxies(proxy: str | None) -> str:
    if proxy is not None:
        return ASKED_PROXY
    name = next((name for name in PROXIES if os.environ.get(name)), None)
    return f"; {name} is set, and never used by itself: try --proxy" if name else ""


def _object(check: Check | None, sentence: str | None) -> dict[str, Any] | None:
    if check is None or check.error is None:
        return None
    return {**error_object(check.error), "message": sentence}
