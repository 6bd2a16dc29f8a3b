"""The base of every resource: its mode, and a way to send what it builds."""

from collections.abc import Coroutine
from typing import Any, Protocol, TypeVar

from gameball.core.methods import Async, Mode, ResourceBase, Sync
from gameball.core.operation import Operation
from gameball.core.waits import Waits

T = TypeVar("T")


class Sends(Protocol):
    """Carries out operations: the client's delivery, or a recorder in a test."""

    @property
    def waits(self) -> Waits:
        """How long to wait where no setting says so."""
        ...

    def send(self, operation: Operation[T]) -> Coroutine[Any, Any, T]:
        """Carry it out and give its value."""
        ...

    async def send_regardless(self, operation: Operation[Any], seconds: float) -> None:
        """Carry it out even while the caller is being cancelled; give up after some seconds."""
        ...


class Resource(ResourceBase[Mode]):
    """A part of the API, on one of the two faces."""

    def __init__(self, mode: type[Async] | type[Sync], sender: Sends) -> None:
        super().__init__(mode)
        self._send = sender.send
        self._send_regardless = sender.send_regardless
        self._waits = sender.waits

    def __repr__(self) -> str:
        return f"<{type(self).__name__}[{self._mode.__name__}]>"
