"""What a client is given once: keys, where the API is, how long to wait, how often to try.

What is not given comes from the environment: `GAMEBALL_API_KEY`, `GAMEBALL_SECRET_KEY`, `GAMEBALL_PARTNER_TOKEN` and
`GAMEBALL_BASE_URL`, or from a file named by the same name with `_FILE` behind it. `GAMEBALL_ALLOW_HTTP=1` permits plain
http, as `allow_http=True` does.
"""

import ipaddress
import os
import re
import string
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, NoReturn, final
from urllib.parse import SplitResult, urlsplit

from attrs import Attribute, field, frozen, validate

from gameball.errors import CredentialsError, InvalidRequestError

LIVE: Final = "https://api.gameball.co/api/v3.0"
"""The API's own address. Test and live data share it: the key decides."""

_SHORTEST_KEY: Final = 8
"""What is shorter is no key but a stand-in in a test, and likely part of ordinary words."""


@final
class Secret:
    """A key that shows itself only on request: `reveal()`. It prints as `****` and refuses to be pickled."""

    __slots__ = ("__text",)

    def __init__(self, text: str) -> None:
        self.__text = text

    def reveal(self) -> str:
        """The key itself."""
        return self.__text

    def __repr__(self) -> str:
        return "Secret('****')"

    def __str__(self) -> str:
        return "****"

    def __format__(self, spec: str) -> str:
        return format("****", spec)

    def __eq__(self, other: object) -> bool:
        return self.__text == other.__text if isinstance(other, Secret) else NotImplemented

    def __hash__(self) -> int:
        return hash(self.__text)

    def __reduce__(self) -> NoReturn:
        raise TypeError("a Secret cannot be pickled or copied: a masked copy would lose the key; pass reveal() instead")


LONGEST: Final = 10.0**9
"""Seconds; more than any wait, and nothing that a clock could not add."""


def _seconds(instance: object, attribute: "Attribute[Any]", value: object) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= LONGEST:
        name = f"{type(instance).__name__}.{attribute.name}"
        raise InvalidRequestError(f"{name} must be a positive number of seconds", field=name)


def _count(instance: object, attribute: "Attribute[Any]", value: object) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        name = f"{type(instance).__name__}.{attribute.name}"
        raise InvalidRequestError(f"{name} must be a whole number from 1", field=name)


@frozen(kw_only=True)
class Timeouts:
    """How long to wait, in seconds.

    Attributes:
        connect: For a connection to open.
        attempt: For one exchange, from the moment it has a connection.
        total: For the whole call, with every retry and every wait for a free connection.
    """

    connect: float = field(default=5.0, validator=_seconds)
    attempt: float = field(default=20.0, validator=_seconds)
    total: float = field(default=90.0, validator=_seconds)


@frozen(kw_only=True)
class Retries:
    """How often a request is tried, and how long to wait in between, in seconds.

    The n-th wait is a random part of `backoff * 2**n`, never more than `cap`.
    """

    attempts: int = field(default=4, validator=_count)
    backoff: float = field(default=0.5, validator=_seconds)
    cap: float = field(default=8.0, validator=_seconds)


def _windows(_: object, attribute: "Attribute[Any]", windows: tuple[Any, ...]) -> None:
    if not windows or not all(map(_is_window, windows)):
        raise InvalidRequestError(
            "RateLimit takes windows such as (30, 1.0): a whole number of requests from 1, and a number of seconds",
            field=f"RateLimit.{attribute.name}",
        )


def _is_window(window: object) -> bool:
    match window:
        case (int(most), int(seconds) | float(seconds)):
            return most is not True and seconds is not True and most >= 1 and 0 < seconds <= LONGEST
        case _:
            return False


@frozen(init=False)
class RateLimit:
    """How many requests may reach the API within how many seconds; each window holds wherever it is laid.

    `RateLimit((30, 1.0), (360, 30.0))`: at most 30 in any second, and at most 360 in any 30 seconds.
    """

    windows: tuple[tuple[int, float], ...] = field(validator=_windows)

    def __init__(self, *windows: tuple[int, float]) -> None:
        object.__setattr__(self, "windows", windows)  # frozen, and attrs takes no *windows
        validate(self)


@frozen(kw_only=True)
class Credentials:
    """The keys of an account, and the token of a partner: whichever there are."""

    api_key: Secret | None = None
    secret_key: Secret | None = None
    partner_token: Secret | None = None

    def require(self, *names: str) -> None:
        """Refuse to go on without these.

        Raises:
            CredentialsError: One of them is not there.
        """
        for name in names:
            if getattr(self, name) is None:
                raise CredentialsError(f"no {name}: pass it, or set GAMEBALL_{name.upper()}")

    def redact(self, text: str) -> str:
        """The text with every key of ours replaced by `****`: an API may repeat a key in its complaint."""
        secrets = (self.api_key, self.secret_key, self.partner_token)
        # The longest first: one key may be the beginning of another.
        for key in sorted((secret.reveal() for secret in secrets if secret is not None), key=len, reverse=True):
            if len(key) >= _SHORTEST_KEY:
                text = text.replace(key, "****")
        return text


def credentials(
    api_key: str | Secret | None, secret_key: str | Secret | None, partner_token: str | Secret | None
) -> Credentials:
    """What was given, completed from the environment.

    Raises:
        CredentialsError: There is neither an API key nor a partner token, or one of them is unusable.
    """
    found = Credentials(
        api_key=_secret("api_key", api_key),
        secret_key=_secret("secret_key", secret_key),
        partner_token=_secret("partner_token", partner_token),
    )
    if found.api_key is None and found.partner_token is None:
        raise CredentialsError(
            "no keys: pass api_key and secret_key (partners: partner_token), or set GAMEBALL_API_KEY and"
            " GAMEBALL_SECRET_KEY (partners: GAMEBALL_PARTNER_TOKEN), or the same names with _FILE"
        )
    return found


def base_url(given: str | None, *, allow_http: bool) -> str:
    """The API's address, version included, without a slash at its end.

    Raises:
        InvalidRequestError: Not an http(s) address; plain http to another machine without `allow_http`.
    """
    if given is not None and not isinstance(given, str):
        raise _bad_url("must be a str")
    found = None if given is not None else _from_environment("base_url")
    text = (given if given is not None else found.reveal() if found is not None else LIVE).strip()
    url = _split(text)
    if url is None:
        raise _bad_url("is not an address")
    if url.scheme not in ("http", "https") or not url.hostname:
        raise _bad_url("must start with https:// and name a host")
    if url.username is not None or set(text) & {"?", "#"} or any(map(_unprintable, text)):
        raise _bad_url("must be scheme, host and path only, without user, query, fragment or white space")
    if url.scheme == "http" and not (allow_http or _http_is_allowed()) and not is_loopback(text):
        raise _bad_url("must be https: keys do not travel in the clear, except to this machine or with allow_http=True")
    return text.rstrip("/")


def proxy(given: str | Secret | None, *, base_url: str, allow_http: bool) -> Secret | None:
    """A proxy's address; it may hold a user and a password.

    Raises:
        InvalidRequestError: Not an http(s) address; another machine's, for a plain http `base_url` on this one.
    """
    if given is None:
        return None
    address = sealed(given)
    if not isinstance(address, Secret) or not _is_http(address):
        raise InvalidRequestError("proxy must be an http:// or https:// address", field="proxy")
    loopback = is_loopback(address.reveal())
    if base_url.startswith("http:") and not (allow_http or _http_is_allowed()) and not loopback:
        raise InvalidRequestError(
            "proxy must be on this machine where base_url is plain http: keys do not travel to another in the clear",
            field="proxy",
        )
    return address


def is_loopback(url: str) -> bool:
    """Whether an address is of this machine's own."""
    host = urlsplit(url).hostname or ""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _is_http(address: Secret) -> bool:
    url = _split(address.reveal())
    return (
        url is not None
        and url.scheme in ("http", "https")
        and bool(url.hostname)
        and not any(map(_unprintable, address.reveal()))
    )


_OUR_HEADERS: Final = frozenset(
    {"apikey", "authorization", "lang", "secretkey", "storeid"}
    | {"accept-encoding", "connection", "content-encoding", "content-length", "content-type", "cookie", "expect"}
    | {"host", "proxy-authorization", "te", "trailer", "transfer-encoding", "upgrade"}
)
"""Headers that sign or frame a request, or that an argument sets."""

_TOKEN: Final = frozenset("!#$%&'*+-.^_`|~" + string.ascii_letters + string.digits)


def free_headers(given: Mapping[str, str]) -> Mapping[str, str]:
    """Headers of the caller's own.

    Raises:
        InvalidRequestError: One of them signs or frames the request, or cannot travel.
    """
    for name, value in given.items():
        if not isinstance(name, str) or not name or not set(name) <= _TOKEN:
            raise InvalidRequestError("headers: a name must be letters, digits and dashes", field="headers")
        if name.casefold() in _OUR_HEADERS:
            raise InvalidRequestError(f"headers: {name} cannot be set: it signs or frames the request", field="headers")
        if not isinstance(value, str) or not value.isascii() or not value.isprintable():
            raise InvalidRequestError(f"headers: the value of {name} must be printable ASCII", field="headers")
    return dict(given)


_BRACKETED: Final = re.compile(r"\[[0-9A-Fa-f:.]+\](:\d+)?", re.ASCII)


def _split(text: str) -> SplitResult | None:
    try:
        url = urlsplit(text)
        url.port  # noqa: B018  (reading it is what checks it)
        (url.hostname or "").encode("idna")  # the same, for the length of its labels
    except ValueError:  # its own sentence may repeat a password
        return None
    # urlsplit takes what is in brackets for the whole name, and [::1].example.com for this machine.
    host = url.netloc.rpartition("@")[2]
    return url if "[" not in host or _BRACKETED.fullmatch(host) else None


def _secret(name: str, given: str | Secret | None) -> Secret | None:
    """A key as a Secret: from here on no frame of a traceback holds its text."""
    if given is not None and not isinstance(given, str | Secret):
        raise CredentialsError(f"{name} must be a str or a Secret")
    found = given if isinstance(given, Secret) else sealed(given) or _from_environment(name)
    if found is None:
        return None
    if not found.reveal().strip():
        raise CredentialsError(f"{name} is empty")
    if any(map(_unprintable, found.reveal().strip())):
        raise CredentialsError(f"{name} must be printable ASCII without white space or line breaks inside")
    return Secret(found.reveal().strip())


def sealed(given: Any) -> Any:
    """A key that was given as text, as a Secret; whatever else was given, as it is."""
    return Secret(given) if isinstance(given, str) else given


def _from_environment(name: str) -> Secret | None:
    variable = f"GAMEBALL_{name.upper()}"
    if os.environ.get(variable, "").strip():
        return Secret(os.environ[variable])
    path = os.environ.get(f"{variable}_FILE")
    if not path:
        return None
    try:
        return Secret(Path(path).read_text(encoding="utf-8-sig"))
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not text"
    raise CredentialsError(f"{name}: the file that {variable}_FILE names cannot be read: {reason}")


def _http_is_allowed() -> bool:
    return os.environ.get("GAMEBALL_ALLOW_HTTP", "").strip().casefold() in ("1", "true", "yes", "on")


def _unprintable(character: str) -> bool:
    return not "!" <= character <= "~"


def _bad_url(rule: str) -> InvalidRequestError:
    return InvalidRequestError(f"base_url {rule}", field="base_url")
