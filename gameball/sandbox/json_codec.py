"""JSON codec of requests and answers: numbers with a fraction are exact decimals, in both directions."""

import json
from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from json.encoder import encode_basestring_ascii
from typing import Any, NoReturn

from gameball.sandbox.clock import stored


def read(raw: bytes) -> Any:
    """The JSON value in `raw`.

    Raises:
        ValueError: if it is not JSON, or JSON that no honest client sends (NaN, bottomless nesting, a number
            beyond all limits).
    """
    try:
        return json.loads(raw, parse_float=Decimal, parse_constant=_refuse_constant)
    except (ValueError, ArithmeticError, RecursionError):
        raise ValueError("the body is not JSON") from None


def _refuse_constant(word: str) -> NoReturn:
    raise ValueError(f"{word} is not JSON")


def write(value: Any) -> bytes:
    """The JSON text of `value`: a Decimal goes out digit by digit as it is."""
    return _text(value).encode("ascii")


def time_text(moment: datetime) -> str:
    """A moment as the API pages write it: `2019-09-19T16:14:09.895Z`, with microseconds if there are any."""
    text = stored(moment)
    return f"{text[:-4]}Z" if text.endswith("000Z") else text


def _text(value: Any) -> str:
    return _WRITERS.get(type(value), _other)(value)


def _object(value: dict[str, Any]) -> str:
    return "{" + ",".join(f"{encode_basestring_ascii(k)}:{_text(v)}" for k, v in value.items()) + "}"


def _array(value: list[Any]) -> str:
    return "[" + ",".join(map(_text, value)) + "]"


def _other(value: Any) -> str:
    """A value of a subclass: under freezegun every moment is one."""
    return next(write(value) for known, write in _WRITERS.items() if isinstance(value, known))


# The json module writes no Decimal as an exact number; hence a writer of our own.
_WRITERS: dict[type, Callable[[Any], str]] = {
    dict: _object,
    list: _array,
    str: encode_basestring_ascii,
    int: str,
    Decimal: "{:f}".format,
    datetime: lambda moment: f'"{time_text(moment)}"',
    bool: {True: "true", False: "false"}.__getitem__,
    type(None): lambda _: "null",
}
