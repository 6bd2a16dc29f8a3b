"""What a debugger or an error tracker shows of the frames of a failed call: all their variables, as they print."""

import asyncio
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from gameball import AsyncGameball, CredentialsError, Gameball, Timeouts
from tests.support.server import API_KEY, SECRET_KEY, Server, Step

OTP, EMAIL, MOBILE = "otp-713905", "frames@example.com", "+201234567890"
PRIVATE = (API_KEY, SECRET_KEY, OTP, EMAIL, MOBILE)
PUBLIC = {("transactions.py", "redeem"), ("methods.py", "wait")}
"""The frames of the method that was called, on either client: they have its arguments as they were given."""


def shown(error: BaseException | None) -> list[str]:
    """The variables that show something private, outside the tests' frames and that of the method that was called."""
    names: list[str] = []
    while error is not None:
        for frame, _ in traceback.walk_tb(error.__traceback__):
            file, function = frame.f_code.co_filename, frame.f_code.co_name
            own = file == __file__ or (Path(file).name, function) in PUBLIC
            names += [
                f"{function}: {name}"
                for name, value in ({} if own else frame.f_locals).items()
                if any(each in repr(value) for each in PRIVATE)
            ]
        error = error.__cause__ or error.__context__
    return names


def arguments() -> dict[str, Any]:
    given = {"player_unique_id": "p", "transaction_id": "t", "redeemed_amount": 1}
    return {**given, "otp": OTP, "email": EMAIL, "mobile": MOBILE}


ENDS: dict[str, Step] = {
    "refused": Server.refusal(1, status=401),
    "reset": "reset",
    "no answer in time": "hang",
    "not JSON": Server.answer(b"<html>", status=502),
    "another's": Server.answer({"playerUniqueId": "somebody else"}),
}


@pytest.mark.parametrize("end", ENDS)
async def test_a_call_that_failed_shows_nothing_private(end: str, awaited: Callable[..., AsyncGameball]) -> None:
    with Server().script(ENDS[end]) as server:
        client = awaited(server.base_url, timeouts=Timeouts(attempt=0.1, total=0.5))
        with pytest.raises(Exception, match=r"transactions\.redeem") as failed:
            await client.transactions.redeem(**arguments())
    assert shown(failed.value) == []


@pytest.mark.parametrize("end", ENDS)
def test_a_plain_call_that_failed_shows_nothing_private(end: str, plain: Callable[..., Gameball]) -> None:
    with Server().script(ENDS[end]) as server:
        client = plain(server.base_url, timeouts=Timeouts(attempt=0.1, total=0.5))
        with pytest.raises(Exception, match=r"transactions\.redeem") as failed:
            client.transactions.redeem(**arguments())
    assert shown(failed.value) == []


@pytest.mark.parametrize("lends", [False, True], ids=["its own session", "a session of the user's"])
@pytest.mark.parametrize("proxied", [False, True], ids=["direct", "by a proxy"])
async def test_a_call_that_was_cancelled_shows_nothing_private(proxied: bool, lends: bool) -> None:  # noqa: FBT001
    with Server().script("hang") as server:
        async with aiohttp.ClientSession() as session:
            settings: dict[str, Any] = {"proxy": server.origin} if proxied else {}
            if lends:
                settings["session"] = session
            async with AsyncGameball(API_KEY, SECRET_KEY, base_url=server.base_url, **settings) as client:
                call = asyncio.ensure_future(client.transactions.redeem(**arguments()))
                await server.wait_for(lambda: server.requests)
                call.cancel()
                with pytest.raises(asyncio.CancelledError) as ended:
                    await call
    assert shown(ended.value) == []


@pytest.mark.parametrize("client", [AsyncGameball, Gameball])
def test_a_key_that_cannot_be_one_is_in_no_frame(client: type[Any]) -> None:
    given = [f"{API_KEY}\nX-Injected: 1", f"{SECRET_KEY} with a blank"]
    with pytest.raises(CredentialsError) as failed:
        client(*given)
    inner = failed.value.__traceback__
    while inner is not None and inner.tb_frame.f_code.co_name != "__init__":
        inner = inner.tb_next
    assert inner is not None
    beyond = failed.value.with_traceback(inner.tb_next)
    assert shown(beyond) == []
