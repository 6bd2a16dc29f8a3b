"""Requests to endpoints that this package does not know."""

import re
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import quote, unquote

from gameball.core.operation import Operation, Replay, Signature
from gameball.models.shared import check_text, refuse

_BARE_PERCENT: Final = re.compile("%(?![0-9A-Fa-f]{2})")

METHODS: Final = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")


def raw(method: str, path: str, *, query: Mapping[str, Any] | None, json: Any, replay: Replay | None) -> Operation[Any]:
    """Any request, with plain JSON both ways. What is escaped in the path stays so."""
    if method not in METHODS:
        raise refuse("method", f"must be one of {', '.join(METHODS)}")
    check_text("path", path)
    if not path.startswith("/") or set(path) & {"?", "#", "\\"}:
        raise refuse("path", "must start with / and hold neither query nor fragment: pass query=")
    if {".", ".."} & set(unquote(path).split("/")):
        raise refuse("path", "must not hold . or .. as a step")
    if _BARE_PERCENT.search(path):
        raise refuse("path", "must escape a % as %25")
    if replay is not None and (not isinstance(replay, Replay) or replay is Replay.BY_TRANSACTION_ID):
        raise refuse("replay", "must be Replay.SAFE or Replay.NEVER: nothing is known of how to look this request up")
    reads = method in ("GET", "HEAD")
    return Operation(
        name=f"{method} {path}",
        method=method,
        path=quote(path, safe="/%:@!$&'()*+,;=~"),
        query=query,
        body=json,
        returns=object,
        replay=replay or (Replay.SAFE if reads else Replay.NEVER),
        signature=Signature.ALL,
        check="find out at the API before sending it again",
    )
