"""What a command says of an error that ends it: the exit code, a sentence, and what `--json` shows."""

import re
from typing import Any

from gameball.cli.exit_codes import Exit
from gameball.cli.input_file import BadRowsError
from gameball.errors import BulkStoppedError, CredentialsError, GameballError, InvalidRequestError, JournalError


def exit_code_of(error: BaseException) -> Exit | None:
    """The exit code; None for what is a bug."""
    match error:
        case BadRowsError() | CredentialsError() | InvalidRequestError() | JournalError():
            return Exit.USAGE
        case GameballError():
            return Exit.FAILED
        case OSError():
            return Exit.USAGE
        case KeyboardInterrupt():
            return Exit.INTERRUPTED
        case _:
            return None


def sentence_of(error: BaseException) -> str:
    """What went wrong; bad rows stand on lines of their own."""
    if isinstance(error, KeyboardInterrupt):
        return "interrupted"
    if isinstance(error, OSError) and not isinstance(error, GameballError):
        return ": ".join(filter(None, (error.filename, error.strerror)))
    return str(error)


def error_object(error: BaseException) -> dict[str, Any]:
    """What went wrong, and which field breaks which rule; of a run that was stopped, what stopped it."""
    cause = (error.reason or error) if isinstance(error, BulkStoppedError) else error
    field, rule = _field_and_rule(cause)
    return {
        "kind": type(cause).__name__,
        "message": sentence_of(error),
        "field": field,
        "rule": rule,
        "code": getattr(cause, "code", None),
        "status": getattr(cause, "status", None),
        "rows": list(cause.rows) if isinstance(cause, BadRowsError) else [],
    }


def usage_object(message: str, field: str | None) -> dict[str, Any]:
    """What `--json` prints where the command line cannot be understood."""
    error = {"kind": "UsageError", "message": message, "field": field, "rule": message}
    return {"command": None, "exit_code": Exit.USAGE, "error": {**error, "code": None, "status": None, "rows": []}}


def _field_and_rule(error: BaseException) -> tuple[str | None, str | None]:
    sentence = sentence_of(error).partition("\n")[0]
    match error:
        case InvalidRequestError(field=str(name)):
            return name, sentence.removeprefix(f"{name} ")
        case CredentialsError():
            keys = re.findall("api_key|secret_key|partner_token", sentence)
            return keys[0] if keys else None, sentence
        case JournalError():
            return "journal", sentence
        case BadRowsError():
            option = re.match("--[a-z]+", sentence)
            return (option[0], sentence.removeprefix(f"{option[0]} ")) if option else ("file", sentence)
        case OSError(filename=str(name), strerror=rule) if not isinstance(error, GameballError):
            return name, rule
        case _:
            return None, None
