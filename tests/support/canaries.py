"""Keys and private data that nothing may show, and a net that catches them in what is logged, raised or observed."""

import logging
import pickle
import traceback
from collections.abc import Iterator
from contextlib import suppress
from typing import Final

from gameball import Attempt

API_KEY: Final = "canary-api-key-5f1c9be2"
SECRET_KEY: Final = "canary-secret-key-a7d03e44"
PARTNER_TOKEN: Final = "canary-partner-token-c01d"
OTP: Final = "canary-otp-713905"
EMAIL: Final = "canary@example.com"
CANARIES: Final = (API_KEY, SECRET_KEY, PARTNER_TOKEN, OTP, EMAIL)


class Net(logging.Handler):
    """Keeps every log record, everything that a call raised and every Attempt, to look for secrets in them."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.said: list[str] = []
        self.errors: list[BaseException] = []
        self.attempts: list[Attempt] = []
        self.setFormatter(logging.Formatter("%(name)s %(levelname)s %(message)s"))

    def emit(self, record: logging.LogRecord) -> None:
        # The arguments too: a JSON formatter writes them beside the message.
        self.said.append(f"{self.format(record)} {record.args!r} {vars(record)!r}")

    def catch(self) -> list[str]:
        """Everything in which a secret was seen."""
        texts = [*self.said]
        for error in self.errors:
            texts += _forms_of(error)
        texts += [f"{attempt!r} {attempt.reason}" for attempt in self.attempts]
        return [text for text in texts if any(canary in text for canary in CANARIES)]


def _forms_of(error: BaseException) -> Iterator[str]:
    yield f"{error!r} {error} {error.args!r} {vars(error)!r} {getattr(error, '__notes__', '')}"
    yield "".join(traceback.format_exception(error))
    with suppress(pickle.PicklingError, TypeError):
        yield repr(pickle.dumps(error))
    for behind in (error.__cause__, error.__context__):
        if behind is not None and behind is not error:
            yield from _forms_of(behind)
