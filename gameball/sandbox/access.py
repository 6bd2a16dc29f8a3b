"""Who may call what: the keys of an account, the token of a partner."""

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass

from gameball.sandbox.refusals import Refusal

OWN_ACCOUNT = 1
"""The account that the sandbox's own keys open."""
PARTNER = 0
"""Whose a partner's call is: no account's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """An account as its API key finds it."""

    id: int
    secret_key: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """Authentication of one sandbox: each method says whose ledger the call is about.

    Header names are matched without regard to case.

    Raises:
        Refusal: code 10 with HTTP 401 if a key is missing or wrong or a token missing, 403 if a token is wrong.
    """

    api_key: str
    secret_key: str
    partner_token: str
    clients: Callable[[str], Account | None]
    """Finds the account of a partner's client by its API key."""

    def by_both_keys(self, headers: Mapping[str, str]) -> int:
        """`APIKey` and `SecretKey`, both right."""
        if "SecretKey" not in headers:
            raise Refusal(10, "the header SecretKey is missing", status=401)
        return self.by_api_key(headers)

    def by_api_key(self, headers: Mapping[str, str]) -> int:
        """`APIKey` alone; a `SecretKey` that is sent along must be right."""
        if "APIKey" not in headers:
            raise Refusal(10, "the header APIKey is missing", status=401)
        account = self._account(headers["APIKey"])
        if account is None or headers.get("SecretKey", account.secret_key) != account.secret_key:
            raise Refusal(10, "the keys are wrong", status=401)
        return account.id

    def by_partner_token(self, headers: Mapping[str, str]) -> int:
        """`Authorization: Bearer TOKEN`."""
        scheme, _, token = headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not token:
            raise Refusal(10, "the header Authorization: Bearer is missing", status=401)
        if token != self.partner_token:
            raise Refusal(10, "the partner token is wrong", status=403)
        return PARTNER

    def recognizes(self, headers: Mapping[str, str]) -> bool:
        """Whether the keys or the token are good, whatever they are good for."""
        for authenticate in (self.by_both_keys, self.by_partner_token):
            with suppress(Refusal):
                authenticate(headers)
                return True
        return False

    def _account(self, api_key: str) -> Account | None:
        if api_key == self.api_key:
            return Account(id=OWN_ACCOUNT, secret_key=self.secret_key)
        # Header bytes that are no UTF-8 arrive as lone surrogates, which no key has and no database takes.
        return self.clients(api_key) if api_key.isascii() else None
