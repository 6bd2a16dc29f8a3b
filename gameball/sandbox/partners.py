"""The client page: a partner makes accounts, each with keys and a ledger scope of its own, and changes them."""

import secrets
import sqlite3
from collections.abc import Callable
from typing import Any

from gameball.sandbox import fields, json_codec
from gameball.sandbox.access import OWN_ACCOUNT, Account
from gameball.sandbox.call import Call
from gameball.sandbox.fields import Fields
from gameball.sandbox.refusals import Refusal
from gameball.sandbox.store import Store

_REQUIRED = ("name", "email", "mobile", "storeName", "domain", "country", "currency", "timeZone")
_OPTIONAL: dict[str, Callable[[Any], Any]] = {
    "isLoyaltyEnabled": fields.boolean,
    "customDomain": fields.text,
    "plan": fields.text,
    "status": fields.one_of("active", "trial", "trialing", "suspended", "uninstall"),
    "subscriptionId": fields.whole,
}
_READERS = {**dict.fromkeys(_REQUIRED, fields.text), **_OPTIONAL}
_DEFAULTS = {
    "isLoyaltyEnabled": False,
    "customDomain": None,
    "plan": "Free",
    "status": "active",
    "subscriptionId": None,
}
_UNIQUE = {"name": 14, "storeName": 14, "email": 15}


class Partners:
    """The client page. A client's keys work at once, whether or not its loyalty program is enabled."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def create(self, call: Call) -> dict[str, Any]:
        """POST - Create New Client. The answer holds the only copy of the new keys."""
        body = _body(call)
        required = {name: body.required(name, _READERS[name]) for name in _REQUIRED}
        given = {name: body.optional(name, read) for name, read in _OPTIONAL.items()}
        client = {**required, **_DEFAULTS, **{name: value for name, value in given.items() if value is not None}}
        with self._store.atomic() as sql:
            _check_unique(sql, client, account=None)
            api_key, secret_key = secrets.token_hex(16), secrets.token_hex(16)
            account = sql.execute(
                "insert into clients values ((select coalesce(max(account), ?) + 1 from clients), ?, ?, ?) "
                "returning account",
                (OWN_ACCOUNT, api_key, secret_key, json_codec.write(client).decode()),
            ).fetchone()[0]
        return {"apiKey": api_key, "secretKey": secret_key, "gameballId": account}

    def update(self, call: Call) -> dict[str, Any]:
        """PUT - Update Client: the client whose storeName is in the header `storeId`. Only what is sent changes."""
        body = _body(call)
        store_id = Fields(call.headers, where="header ").required("storeId", fields.text)
        changes = {name: body.optional(name, read) for name, read in _READERS.items() if name in body}
        with self._store.atomic() as sql:
            found = [one for one in _clients(sql).items() if one[1]["storeName"] == store_id]
            if not found:
                raise Refusal(3, f"store {store_id}")
            [(account, client)] = found
            client |= changes
            _check_unique(sql, client, account=account)
            sql.execute("update clients set fields = ? where account = ?", (json_codec.write(client).decode(), account))
        return {"id": account, **client}

    def clients(self) -> dict[int, dict[str, Any]]:
        """What partners said of their clients, by account."""
        with self._store.atomic() as sql:
            return _clients(sql)

    def account(self, api_key: str) -> Account | None:
        """The account that an API key opens."""
        with self._store.atomic() as sql:
            row = sql.execute("select account, secret_key from clients where api_key = ?", (api_key,)).fetchone()
        return None if row is None else Account(id=row[0], secret_key=row[1])


def _body(call: Call) -> Fields:
    """The body; the time zone is `timeZone` in the tables and `timezone` in the samples."""
    body = dict(Fields(call.body).items())
    if "timezone" in body:
        body.setdefault("timeZone", body["timezone"])
    return Fields(body)


def _clients(sql: sqlite3.Connection) -> dict[int, dict[str, Any]]:
    return {account: json_codec.read(text) for account, text in sql.execute("select account, fields from clients")}


def _check_unique(sql: sqlite3.Connection, client: dict[str, Any], *, account: int | None) -> None:
    for other_account, other in _clients(sql).items():
        for name, code in _UNIQUE.items():
            if other_account != account and client[name] is not None and client[name] == other[name]:
                raise Refusal(code, name)
