"""What a command gives: lines for people, or with `--json` one JSON object; and how an error ends it.

An output that fails (a reader that ends, a full disk, a closed terminal) never ends a run: whatever it would have shown
goes to stderr from then on.
"""

import os
import re
import sys
from collections.abc import Generator, Mapping
from contextlib import contextmanager, suppress
from typing import Any, Final, TextIO, cast

import msgspec
from attrs import define, field

from gameball.cli.exit_codes import Exit
from gameball.cli.interrupts import Interrupts
from gameball.cli.problems import error_object, exit_code_of, sentence_of
from gameball.errors import printable

_encode: Final = msgspec.json.Encoder(decimal_format="number").encode

FIRST_HELP: Final = "to find out what is wrong: gameball ping"

# --- lines


def say(line: str) -> None:
    """Print a line."""
    try:
        _write(sys.stdout, line)
    except (OSError, ValueError) as error:
        go_on_without_stdout(error)
        complain(line)


def complain(line: str) -> None:
    """Print a line to stderr, if it can still be written to."""
    with suppress(OSError, ValueError):
        _write(sys.stderr, line)


def _write(stream: TextIO, line: str) -> None:
    stream.write(f"{printable(line)}\n")
    stream.flush()


def go_on_without_stdout(error: Exception) -> None:
    """Send what is printed from now on to stderr."""
    with suppress(OSError, ValueError):  # what is left in its buffer would be an error once more when Python ends
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)
    sys.stdout = sys.stderr
    reason = error.strerror if isinstance(error, OSError) else "it is closed"
    complain(f"the output cannot be written to ({reason}); what matters of it follows here")


# --- one command


@define
class Output:
    """What one command gives.

    Attributes:
        command: Its name.
        interrupts: The handler of the signals that end it.
        values: Of the object that `--json` prints.
    """

    command: str
    interrupts: Interrupts
    values: dict[str, Any] = field(factory=dict[str, Any])

    def end(self, code: Exit, **values: Any) -> Exit:
        """Give the exit code, and what the object says beside it."""
        self.values = {"command": self.command, "exit_code": code, "error": None, **values}
        return code


@contextmanager
def output_of(command: str, *, as_json: bool) -> Generator[Output]:
    """Catch what ends a command early: a sentence on stderr, and its exit code.

    With `as_json` all lines go to stderr, and stdout gets one JSON object at the end, whatever that is.
    """
    stdout = sys.stdout
    with Interrupts() as interrupts:
        if as_json:
            sys.stdout = sys.stderr
        given = Output(command, interrupts)
        try:
            yield given
        except BaseException as error:
            code = exit_code_of(error)
            given.end(code or Exit.FAILED, error=error_object(error))
            if code is None or isinstance(error, KeyboardInterrupt):
                raise
            for line in sentence_of(error).split("\n"):
                complain(line)
            if code is Exit.FAILED:
                complain(FIRST_HELP)
            raise SystemExit(code) from None
        finally:
            if as_json:
                sys.stdout = stdout
                say(to_json(given.values))


# --- the object


def to_json(values: Mapping[str, Any]) -> str:
    """An object in one line of ASCII: nothing in it is a command to a terminal."""
    return re.sub("[^ -~]", _escaped, _encode(_valid(values)).decode())


def _escaped(found: re.Match[str]) -> str:
    units = found[0].encode("utf-16-be")
    return "".join(f"\\u{units[at]:02x}{units[at + 1]:02x}" for at in range(0, len(units), 2))


def _valid(value: Any) -> Any:
    """The same without lone surrogates, which stand for bytes of a path that are no text."""
    if isinstance(value, str):
        return value.encode(errors="backslashreplace").decode()
    if isinstance(value, Mapping):
        return {name: _valid(inner) for name, inner in cast("Mapping[str, Any]", value).items()}
    return [_valid(inner) for inner in cast("list[Any]", value)] if isinstance(value, list | tuple) else value
