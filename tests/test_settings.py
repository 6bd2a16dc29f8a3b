"""Keys that do not show, and settings that are refused before they do harm."""

import copy
import math
import pickle
import traceback
from pathlib import Path
from typing import Any

import pytest

from gameball import Gameball
from gameball.errors import CredentialsError, GameballError, InvalidRequestError
from gameball.settings import LIVE, Credentials, Retries, Secret, Timeouts, base_url, credentials, free_headers, proxy

NAMES = ("api_key", "secret_key", "partner_token")


@pytest.fixture(autouse=True)
def _no_settings_around(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (*NAMES, "base_url", "allow_http"):
        monkeypatch.delenv(f"GAMEBALL_{name.upper()}", raising=False)
        monkeypatch.delenv(f"GAMEBALL_{name.upper()}_FILE", raising=False)


def given(**keys: Any) -> Credentials:
    return credentials(*(keys.get(name) for name in NAMES))


def everything_told(error: BaseException) -> str:
    """All that a log, a debugger or an error tracker would show of it."""
    chain = [error]
    while (earlier := chain[-1].__context__) is not None:
        chain.append(earlier)
    words = [f"{each!r} {each} {each.args!r} {vars(each)!r}" for each in chain]
    return "\n".join((*words, *traceback.format_exception(error)))


# --- Secret


def test_a_secret_shows_itself_only_on_request() -> None:
    secret = Secret("top-secret-key")

    shown = (repr(secret), str(secret), f"{secret}", f"{secret:>20}", f"{secret!r}", f"{[secret]}", f"{secret:s}")
    assert not any("top-secret-key" in text for text in shown)
    assert str(secret) == "****"
    assert f"{secret:>6}" == "  ****"
    assert secret.reveal() == "top-secret-key"


def test_a_secret_has_nothing_to_look_into() -> None:
    assert not hasattr(Secret("top-secret-key"), "__dict__")


@pytest.mark.parametrize("leak", [pickle.dumps, copy.copy, copy.deepcopy])
def test_a_secret_refuses_to_be_pickled_or_copied(leak: Any) -> None:
    secret = Secret("hush" * 3)

    with pytest.raises(TypeError, match=r"reveal\(\)") as refusal:
        leak(secret)

    assert "hushhush" not in everything_told(refusal.value)


def test_secrets_are_equal_when_their_texts_are_and_never_equal_to_a_text() -> None:
    assert Secret("a") == Secret("a")
    assert Secret("a") != Secret("b")
    assert Secret("a") != "a"
    assert len({Secret("a"), Secret("a"), Secret("b")}) == 2


# --- credentials


def test_keys_come_from_the_arguments() -> None:
    found = credentials("the-api-key", Secret("the-secret-key"), None)

    assert found == Credentials(api_key=Secret("the-api-key"), secret_key=Secret("the-secret-key"))
    assert "the-" not in repr(found)


def test_a_partner_needs_no_api_key() -> None:
    assert given(partner_token="token").partner_token == Secret("token")


@pytest.mark.parametrize("name", NAMES)
def test_what_is_not_given_comes_from_the_environment(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GAMEBALL_API_KEY", "needed")
    monkeypatch.setenv(f"GAMEBALL_{name.upper()}", " from-env\n")

    assert getattr(given(), name) == Secret("from-env")
    assert getattr(given(**{name: "from-code"}), name) == Secret("from-code")


@pytest.mark.parametrize("name", NAMES)
def test_or_from_a_file_that_the_environment_names(name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("GAMEBALL_API_KEY" if name != "api_key" else "GAMEBALL_PARTNER_TOKEN", "needed")
    file = tmp_path / "key"
    file.write_text("\tfrom-file\r\n")
    monkeypatch.setenv(f"GAMEBALL_{name.upper()}_FILE", str(file))

    assert getattr(given(), name) == Secret("from-file")


def test_a_byte_order_mark_before_a_key_in_a_file_is_no_part_of_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file = tmp_path / "key"
    file.write_bytes(b"\xef\xbb\xbffrom-file\r\n")
    monkeypatch.setenv("GAMEBALL_API_KEY_FILE", str(file))

    assert given().api_key == Secret("from-file")


def test_the_variable_itself_goes_before_the_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GAMEBALL_API_KEY", "from-env")
    monkeypatch.setenv("GAMEBALL_API_KEY_FILE", "/nowhere")

    assert given().api_key == Secret("from-env")


def test_a_blank_variable_is_as_good_as_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GAMEBALL_API_KEY", "  ")

    with pytest.raises(CredentialsError, match="no keys"):
        given()


@pytest.mark.parametrize("content", [None, b"", b" \n", b"\xff\xfe", b"two\nlines", b"two words"])
def test_a_file_that_holds_no_key_is_refused_by_name(
    content: bytes | None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file = tmp_path / "key"
    if content is not None:
        file.write_bytes(content)
    monkeypatch.setenv("GAMEBALL_API_KEY_FILE", str(file))

    with pytest.raises(CredentialsError, match=r"^api_key") as refusal:
        given()
    assert "two" not in everything_told(refusal.value)


def test_white_space_around_a_key_is_stripped() -> None:
    assert given(api_key="  the-key\r\n").api_key == Secret("the-key")


UNUSABLE = ["hush hush", "hush\nhush", "hush\r\nX-Evil: 1", "hush\x00hush", "hush\thush", "hushé", "hush\x7fhush"]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("key", UNUSABLE)
def test_an_unusable_key_is_refused_without_being_told(name: str, key: str) -> None:
    with pytest.raises(CredentialsError, match=f"^{name} must be printable ASCII") as refusal:
        given(**{name: key})

    shown = "\n".join(line for line in everything_told(refusal.value).splitlines() if "given(" not in line)
    assert "hush" not in shown


@pytest.mark.parametrize("key", UNUSABLE)
def test_a_secret_is_checked_like_any_other_key(key: str) -> None:
    with pytest.raises(CredentialsError, match=r"^api_key must be printable ASCII"):
        given(api_key=Secret(key))


@pytest.mark.parametrize("key", ["", "   ", "\n"])
def test_an_empty_key_is_refused(key: str) -> None:
    with pytest.raises(CredentialsError, match=r"^secret_key is empty"):
        given(api_key="k", secret_key=key)


@pytest.mark.parametrize("key", [5, b"bytes", ["k"], True])
def test_a_key_that_is_no_text_is_refused(key: object) -> None:
    with pytest.raises(CredentialsError, match=r"^api_key must be a str or a Secret"):
        given(api_key=key)


@pytest.mark.parametrize("keys", [{}, {"secret_key": "alone"}])
def test_nothing_to_sign_with_is_refused_and_the_sentence_names_the_variables(keys: dict[str, str]) -> None:
    with pytest.raises(CredentialsError, match="GAMEBALL_API_KEY"):
        given(**keys)


def test_keys_that_the_api_repeats_are_taken_out_of_its_words() -> None:
    keys = given(api_key="0123456789", secret_key="abcdefghij", partner_token="tokentoken")

    assert keys.redact("bad key 0123456789/abcdefghij (tokentoken)") == "bad key ****/**** (****)"
    assert given(api_key="0123456789").redact("fine") == "fine"


def test_a_key_that_begins_like_another_leaves_no_remainder() -> None:
    assert given(api_key="0123456789", secret_key="0123456789abcdef").redact("not 0123456789abcdef") == "not ****"


def test_a_key_too_short_to_be_one_does_not_riddle_the_words() -> None:
    assert given(api_key="a", secret_key="is").redact("a player is missing") == "a player is missing"


# --- base_url


def test_the_live_api_is_the_default() -> None:
    assert base_url(None, allow_http=False) == LIVE == "https://api.gameball.co/api/v3.0"


def test_the_base_url_comes_from_the_environment_too(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    file = tmp_path / "url"
    file.write_text("https://file.example/v3\n")
    monkeypatch.setenv("GAMEBALL_BASE_URL_FILE", str(file))
    assert base_url(None, allow_http=False) == "https://file.example/v3"

    monkeypatch.setenv("GAMEBALL_BASE_URL", " https://env.example/v3/ ")
    assert base_url(None, allow_http=False) == "https://env.example/v3"
    assert base_url("https://code.example", allow_http=False) == "https://code.example"


@pytest.mark.parametrize(
    "url",
    [
        "https://api.gameball.co/api/v3.0",
        "https://api.gameball.co:8443/api",
        "https://[2001:db8::1]/api",
        "http://localhost:8765/api/v3.0",
        "http://LOCALHOST:8765",
        "http://127.0.0.1:8765",
        "http://127.9.9.9",
        "http://[::1]:8765/api",
    ],
)
def test_https_anywhere_and_http_on_this_machine_are_taken(url: str) -> None:
    assert base_url(url, allow_http=False) == url
    assert base_url(f" {url}/\n", allow_http=False) == url


@pytest.mark.parametrize(
    "url", ["http://api.gameball.co", "http://10.0.0.1", "http://[2001:db8::1]", "http://127.0.0.1.evil.example"]
)
def test_plain_http_to_another_machine_is_for_those_who_ask_for_it(url: str) -> None:
    with pytest.raises(InvalidRequestError, match="base_url must be https") as refusal:
        base_url(url, allow_http=False)
    assert refusal.value.field == "base_url"

    assert base_url(url, allow_http=True) == url


@pytest.mark.parametrize(
    "url",
    [
        "",
        "   ",
        "api.gameball.co",
        "ftp://api.gameball.co",
        "https://",
        "https:///api",
        "https://[::1",
        "https://host:port",
        "https://host:99999",
        "https://shop..example",
        f"https://{'label' * 13}.example",
        "https://user@host",
        "https://user:hunter2@host",
        "https://@host",
        "https://host/api?x=1",
        "https://host/api#x",
        "https://host/a b",
        "https://ho\nst/",
        "https://hóst/",
        "https://user:hunter2\u2100@host",
    ],
)
def test_what_is_no_base_url_is_refused_without_being_told(url: str) -> None:
    with pytest.raises(InvalidRequestError, match=r"^base_url ") as refusal:
        base_url(url, allow_http=True)

    assert refusal.value.field == "base_url"
    shown = "\n".join(line for line in everything_told(refusal.value).splitlines() if "base_url(url" not in line)
    assert "hunter2" not in shown


@pytest.mark.parametrize("url", ["https://host/api?", "https://host/api#", "https://host?", "https://host/api/?"])
def test_an_empty_query_or_fragment_is_refused_too_for_paths_would_end_up_in_it(url: str) -> None:
    with pytest.raises(InvalidRequestError, match="base_url must be scheme, host and path only"):
        base_url(url, allow_http=True)


def test_a_base_url_that_is_no_text_is_refused() -> None:
    with pytest.raises(InvalidRequestError, match="base_url must be a str"):
        base_url(b"https://host", allow_http=True)  # type: ignore[arg-type]


# --- a proxy


@pytest.mark.parametrize("url", ["http://proxy:3128", "https://user:hunter2@proxy.example/", "http://[::1]:8080", None])
def test_a_proxy_is_an_address_perhaps_with_a_password(url: str | None) -> None:
    found = proxy(url, base_url="https://api.test", allow_http=False)

    assert (found and found.reveal()) == url
    assert "hunter2" not in repr(found)


@pytest.mark.parametrize(
    "url",
    [
        *("", " ", "proxy:3128", "//proxy:3128", "socks5://proxy", "http://", "http://:80", "http://proxy:port"),
        *("http://user:hunter2@", "http://user:hunter2@proxy:99999", "http://user:hunter2@[::1", "http://proxy/ x"),
        *("http://user:hunter2@proxy\n", "http://prüxy", b"http://proxy", 5, True),
    ],
)
def test_what_is_no_proxy_is_refused_without_being_told(url: Any) -> None:
    with pytest.raises(InvalidRequestError, match=r"^proxy must be an http:// or https:// address$") as refusal:
        proxy(url, base_url="https://api.test", allow_http=False)

    assert refusal.value.field == "proxy"
    assert refusal.value.__context__ is None
    assert "hunter2" not in repr(refusal.value)


def test_a_proxy_of_the_environment_is_never_read(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "GAMEBALL_PROXY"):
        monkeypatch.setenv(name, "http://elsewhere:1")

    assert proxy(None, base_url="https://api.test", allow_http=False) is None


# --- headers of the caller's own


def test_headers_are_kept_as_a_copy() -> None:
    given = {"X-Trace": "abc 123", "traceparent": "", "!#$%&'*+-.^_`|~09": "~"}

    kept = free_headers(given)

    assert kept == given
    given["X-Trace"] = "changed"
    assert kept["X-Trace"] == "abc 123"
    assert free_headers({}) == {}


@pytest.mark.parametrize(
    "name",
    [
        *("APIKey", "apikey", "SecretKey", "SECRETKEY", "Authorization", "storeId", "lang", "Host", "Content-Length"),
        *("Content-Type", "content-encoding", "Transfer-Encoding", "Connection", "Expect", "Upgrade", "TE", "Trailer"),
        *("Accept-Encoding", "Cookie", "Proxy-Authorization"),
    ],
)
def test_a_header_that_signs_or_frames_the_request_cannot_be_set(name: str) -> None:
    with pytest.raises(InvalidRequestError, match=f"^headers: {name} cannot be set") as refusal:
        free_headers({"X-Fine": "1", name: "canary"})

    assert refusal.value.field == "headers"
    assert "canary" not in str(refusal.value)


@pytest.mark.parametrize("name", ["", " ", "X Trace", "X-Trace:", "X\r\nAPIKey", "X-Träce", "X\x00", "(x)"])
def test_a_headers_name_is_a_token(name: str) -> None:
    with pytest.raises(InvalidRequestError, match=r"^headers: a name must be letters, digits and dashes$"):
        free_headers({name: "1"})


@pytest.mark.parametrize("value", ["a\r\nb", "a\nb", "\x00", "\x7f", "tab\tbed", "ü", 5, None, b"x"])
def test_a_headers_value_is_printable_ascii(value: Any) -> None:
    with pytest.raises(InvalidRequestError, match=r"^headers: the value of X-Trace must be printable ASCII$"):
        free_headers({"X-Trace": value})


@pytest.mark.parametrize("name", [5, None, b"X-Trace", ("X", "Y")])
def test_a_headers_name_is_a_text(name: Any) -> None:
    with pytest.raises(InvalidRequestError, match=r"^headers: a name must be"):
        free_headers({name: "1"})


# --- waiting and trying again


def test_the_defaults_are_those_of_the_design() -> None:
    assert Timeouts() == Timeouts(connect=5.0, attempt=20.0, total=90.0)
    assert Retries() == Retries(attempts=4, backoff=0.5, cap=8.0)


@pytest.mark.parametrize(
    ("kind", "name"),
    [(Timeouts, n) for n in ("connect", "attempt", "total")] + [(Retries, n) for n in ("backoff", "cap")],
)
@pytest.mark.parametrize("value", [0, -1, math.nan, math.inf, True, "5", None, pytest.param(10**400, id="huge")])
def test_seconds_are_a_positive_number(kind: type, name: str, value: object) -> None:
    with pytest.raises(InvalidRequestError, match=rf"^{kind.__name__}\.{name} must be a positive number") as refusal:
        kind(**{name: value})

    assert refusal.value.field == f"{kind.__name__}.{name}"


@pytest.mark.parametrize("value", [0, -1, 1.0, True, "4", None])
def test_attempts_are_a_whole_number_from_one(value: object) -> None:
    with pytest.raises(InvalidRequestError, match=r"^Retries\.attempts must be a whole number from 1"):
        Retries(attempts=value)  # type: ignore[arg-type]


def test_an_int_is_as_good_as_a_float() -> None:
    assert Timeouts(connect=1, attempt=2, total=3).total == 3
    assert Retries(attempts=1).attempts == 1


def test_settings_errors_are_of_the_family() -> None:
    assert issubclass(CredentialsError, GameballError)


# --- keys in the clear


@pytest.mark.parametrize(
    "address", ["http://[::1].example.com/a", "http://[::1]x/a", "http://user@[::1]/a", "http://127.0.0.1.example.com"]
)
def test_an_address_that_only_looks_like_this_machine_is_refused(address: str) -> None:
    with pytest.raises(InvalidRequestError, match=r"^base_url "):
        base_url(address, allow_http=False)


@pytest.mark.parametrize(
    "address", ["http://[::1]:8765/a", "http://[::1]/a", "http://127.0.0.2/a", "http://localhost:1"]
)
def test_an_address_of_this_machine_may_be_plain_http(address: str) -> None:
    assert base_url(address, allow_http=False) == address


@pytest.mark.parametrize("word", ["1", "true", "YES", " on "])
def test_the_environment_may_permit_plain_http(word: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GAMEBALL_ALLOW_HTTP", word)
    assert base_url("http://sandbox:8765/api", allow_http=False) == "http://sandbox:8765/api"


@pytest.mark.parametrize("word", ["0", "", "no", "perhaps"])
def test_any_other_word_permits_nothing(word: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GAMEBALL_ALLOW_HTTP", word)
    with pytest.raises(InvalidRequestError, match="must be https"):
        base_url("http://sandbox:8765/api", allow_http=False)


@pytest.mark.parametrize("address", ["http://proxy.corp:3128", "https://proxy.corp", "http://[::1].example.com"])
def test_a_proxy_elsewhere_is_refused_for_plain_http_to_this_machine(address: str) -> None:
    with pytest.raises(InvalidRequestError, match=r"^proxy must be"):
        proxy(address, base_url="http://localhost:1/api", allow_http=False)


def test_a_proxy_on_this_machine_may_serve_plain_http_to_it() -> None:
    address = "http://127.0.0.1:3128"
    assert proxy(address, base_url="http://localhost:1/api", allow_http=False) == Secret(address)


def test_a_proxy_elsewhere_may_serve_plain_http_that_was_allowed() -> None:
    address = "http://proxy.corp:3128"
    assert proxy(address, base_url="http://sandbox:1/api", allow_http=True) == Secret(address)


@pytest.mark.parametrize("key", ["live-key with blanks", "live-key-é", "live-key\nx"])
@pytest.mark.parametrize("where", ["argument", "environment", "file"])
def test_a_malformed_key_is_in_no_local_of_the_traceback(
    key: str, where: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    arguments: list[str | None] = [None, "another-secret-key"]
    if where == "argument":
        arguments[0] = key
    elif where == "environment":
        monkeypatch.setenv("GAMEBALL_API_KEY", key)
    else:
        (tmp_path / "key").write_text(key, encoding="utf-8")
        monkeypatch.setenv("GAMEBALL_API_KEY_FILE", str(tmp_path / "key"))
    with pytest.raises(CredentialsError) as refused:
        Gameball(*arguments)
    shown = "".join(
        f"{frame.f_code.co_name} {frame.f_locals!r}\n"
        for frame, _ in traceback.walk_tb(refused.value.__traceback__)
        if frame.f_code.co_filename != __file__
    )
    assert "_secret" in shown
    assert "live-key" not in shown
    assert "another-secret-key" not in shown


def test_a_key_file_may_begin_with_a_byte_order_mark(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "key").write_bytes(b"\xef\xbb\xbfthe-key-of-a-file\r\n")
    monkeypatch.setenv("GAMEBALL_API_KEY_FILE", str(tmp_path / "key"))
    assert credentials(None, "the-secret-key", None).api_key == Secret("the-key-of-a-file")
