"""`gameball ping`: what it says of an account, of a wrong key, and of a network in between."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from gameball import Gameball
from gameball.cli import ping as module
from gameball.sandbox import Sandbox
from gameball.settings import LIVE, Timeouts
from tests.cli.commands import Command
from tests.support.server import Server, Step

pytestmark = pytest.mark.usefixtures("here")


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """What stands at the address instead of the API."""
    with Server() as running:
        monkeypatch.setenv("GAMEBALL_BASE_URL", running.base_url)
        yield running


def states(ping: Command) -> dict[str, str]:
    return dict(re.findall(r"^  (\S+(?: /\S+)?) +(answered|not open|failed|not made)", ping.said, re.MULTILINE))


# --- an account


def test_it_names_the_address_the_keys_and_the_programme_and_changes_nothing(sandbox: Sandbox, ping: Command) -> None:
    assert ping() == 0
    lines = ping.said.splitlines()
    assert lines[:5] == [
        f"address: {sandbox.base_url}, from GAMEBALL_BASE_URL",
        "keys: api_key, secret_key",
        "programme: Sandbox, in USD",
        "  cashback: on, 2 points for each 10",
        "  redemption: on, a point is worth 0.01, points expire after 720 days",
    ]
    assert re.fullmatch(r"  transactions.list +answered +\d+ ms  0 transactions", lines[-3])
    assert lines[-1] == "the API answers at this address, and takes these keys"
    assert ping.complained == ""
    assert set(states(ping).values()) == {"answered"}
    assert {request.method for request in sandbox.requests} == {"GET"}


def test_it_prints_what_the_docs_show(sandbox: Sandbox, ping: Command) -> None:
    page = (Path(__file__).parents[2] / "docs/troubleshooting.md").read_text(encoding="utf-8")
    (shown,) = re.findall(r"```text\n(address: .*?)```", page, re.DOTALL)
    assert ping() == 0
    said = ping.said.replace(f"{sandbox.base_url}, from GAMEBALL_BASE_URL", f"{LIVE}, the live API")
    assert re.sub(r" +\d+ ms", " TIME", said) == re.sub(r" +\d+ ms", " TIME", shown)


def test_as_json_it_is_one_object(sandbox: Sandbox, ping: Command) -> None:
    with Gameball() as client:
        client.transactions.cashback(player_unique_id="ada", transaction_id="t1", amount=10)
    assert ping("--json") == 0
    said = ping.object
    assert (said["command"], said["exit_code"], said["error"]) == ("ping", 0, None)
    assert said["base_url"] == sandbox.base_url
    assert said["keys"] == {"api_key": True, "secret_key": True, "partner_token": False}
    assert said["programme"]["cashback"] == {
        "enabled": True,
        "rules": [{"amount": 10, "points": 2}],
        "return_window_days": 14,
    }
    assert said["programme"]["transactions"] == 1
    assert [call["state"] for call in said["calls"]] == ["answered"] * 5
    assert ping.complained.startswith("address: ")


def test_no_key_is_shown(sandbox: Sandbox, ping: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GAMEBALL_PARTNER_TOKEN", sandbox.partner_token)
    assert ping("--json") == 0
    for key in (sandbox.api_key, sandbox.secret_key, sandbox.partner_token):
        assert key not in ping.said + ping.complained


def test_with_the_api_key_alone_it_reads_the_settings(ping: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GAMEBALL_SECRET_KEY")
    assert ping() == 0
    assert "keys: api_key; no secret_key, which most calls need" in ping.said
    assert states(ping) == {"configurations.get": "answered"}


def test_with_a_partners_token_alone_it_checks_the_address(
    sandbox: Sandbox, ping: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("GAMEBALL_API_KEY")
    monkeypatch.delenv("GAMEBALL_SECRET_KEY")
    monkeypatch.setenv("GAMEBALL_PARTNER_TOKEN", sandbox.partner_token)
    assert ping() == 0
    assert "so the token is not tried" in ping.said
    assert states(ping) == {"GET /integrations/config": "answered"}


def test_what_is_not_open_to_the_account_is_named_and_the_rest_still_counts(server: Server, ping: Command) -> None:
    closed = Server.answer({"code": 8000, "message": "not in your plan"}, status=403)
    server.script(
        Server.answer({"programName": "Stars", "controlConfig": {"gameballEnabled": False}}),
        *(closed, closed),
        Server.answer({"transactions": [], "count": 0, "total": 1234}),
        closed,
    )
    assert ping() == 0
    assert "programme: Stars; Gameball is switched off" in ping.said
    assert "1,234 transactions" in ping.said
    assert "8000 not in your plan (HTTP 403)" in ping.said
    assert list(states(ping).values()) == ["answered", "not open", "not open", "answered", "not open"]


def test_an_account_to_which_nothing_is_open_ends_with_1(server: Server, ping: Command) -> None:
    server.script(Server.answer({"code": 16, "message": "inactive"}, status=403))
    assert ping() == 1
    assert ping.complained == "nothing is open to the account of these keys: 16 inactive (HTTP 403)\n"


# --- what is wrong


@pytest.mark.parametrize("name", ["GAMEBALL_API_KEY", "GAMEBALL_SECRET_KEY"])
def test_a_wrong_key_is_a_sentence(ping: Command, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(name, "another-key")
    assert ping() == 1
    assert ping.complained == (
        "the keys are refused: 10 forbidden: the keys are wrong (HTTP 401);"
        " api_key and secret_key must be whole, and of one account\n"
    )
    assert list(states(ping).values()) == ["failed", *["not made"] * 4]


@pytest.mark.parametrize(
    ("step", "sentence"),
    [
        (Server.answer(b"<html>Log in</html>"), "the answer could not be read: not JSON, or cut short (HTTP 200)"),
        (Server.answer(b"<html>Not here</html>", status=404), "HTTP 404"),
        (Server.answer({"detail": "Not Found"}, status=404), "HTTP 404"),
        (Server.answer(b"{}", status=404), "HTTP 404"),
        (Server.answer({"status": "ok"}), "the answer holds no setting at all"),
        (Server.answer([]), "the answer could not be read"),
        (Server.answer(b"", status=302, headers={"Location": "/log-in"}), "a redirect, which is never followed"),
        (Server.answer(b"<html>Blocked</html>", status=403), "HTTP 403"),
    ],
)
def test_a_wrong_address_is_a_sentence(server: Server, ping: Command, step: Step, sentence: str) -> None:
    server.script(step)
    assert ping() == 1
    assert ping.complained.startswith(f"something else than the API answers at {server.base_url}: ")
    assert sentence in ping.complained
    assert "must include the version, as in https://api.gameball.co/api/v3.0" in ping.complained
    assert len(ping.complained.splitlines()) == 1
    assert len(server.requests) == 1


def test_a_401_that_is_not_the_apis_names_both_causes(server: Server, ping: Command) -> None:
    server.script(Server.answer(b"", status=401))
    assert ping() == 1
    assert ping.complained.startswith(f"the keys are refused, or {server.base_url} is not the API's address: ")


@pytest.mark.parametrize("status", [429, 503])
def test_an_api_that_fails_is_a_sentence(server: Server, ping: Command, status: int) -> None:
    server.script(Server.answer(b"", status=status))
    assert ping() == 1
    assert ping.complained.startswith("the API does not answer as it should: ")
    assert f"HTTP {status}" in ping.complained


@pytest.mark.parametrize(("step", "reason"), [("close", "without an answer"), ("hang", "no answer in time")])
def test_a_server_without_an_answer_is_a_sentence(
    server: Server, ping: Command, monkeypatch: pytest.MonkeyPatch, step: Step, reason: str
) -> None:
    monkeypatch.setattr(module, "SHORT", Timeouts(attempt=0.2, total=0.2))
    server.script(step)
    assert ping() == 1
    assert ping.complained.startswith(f"no answer from 127.0.0.1:{server.port}: ")
    assert reason in ping.complained


def test_without_a_network_it_names_the_host_and_a_proxy_that_is_not_used(
    ping: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GAMEBALL_BASE_URL", "http://127.0.0.1:1/api/v3.0")
    for name in module.PROXIES:
        monkeypatch.delenv(name, raising=False)
    assert ping() == 1
    assert ping.complained == "no answer from 127.0.0.1:1: connection refused\n"
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.example:3128")
    assert ping() == 1
    assert "HTTPS_PROXY is set, and never used by itself: try --proxy" in ping.complained


def test_a_proxy_that_is_named_is_asked(server: Server, ping: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GAMEBALL_BASE_URL", "http://127.0.0.1:1/api/v3.0")
    server.script(Server.answer(b"", status=407))
    assert ping("--proxy", server.origin) == 1
    assert "the proxy that --proxy names was asked" in ping.complained
    assert server.only.line.startswith("GET http://127.0.0.1:1/api/v3.0/integrations/config ")
    assert ping("--proxy", "http://127.0.0.1:1") == 1
    assert "the proxy that --proxy names was asked" in ping.complained


@pytest.mark.parametrize(
    ("setting", "field", "sentence"),
    [
        (("GAMEBALL_API_KEY", ""), "api_key", "no keys: pass api_key"),
        (("GAMEBALL_SECRET_KEY", "two words"), "secret_key", "secret_key must be printable ASCII"),
        (("GAMEBALL_BASE_URL", "http://gameball.example"), "base_url", "base_url must be https"),
    ],
)
def test_what_cannot_be_used_is_refused_before_anything_is_sent(
    ping: Command, monkeypatch: pytest.MonkeyPatch, setting: tuple[str, str], field: str, sentence: str
) -> None:
    monkeypatch.setenv(*setting)
    assert ping("--json") == 2
    assert sentence in ping.complained
    assert ping.object["exit_code"] == 2
    assert ping.object["error"]["field"] == field
    assert "calls:" not in ping.complained
