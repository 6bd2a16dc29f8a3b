"""A call on its way: what is sent, and what is known of it so far."""

from typing import Generic, TypeVar

from attrs import define

from gameball.core.http import Request, Response
from gameball.core.operation import Operation
from gameball.core.retry import CallState, SettledBy
from gameball.errors import printable

T = TypeVar("T")


@define(eq=False)
class RunningCall(Generic[T]):
    """One call on its way."""

    operation: Operation[T]
    request: Request
    deadline: float
    state: CallState | None = None
    """What is known of it; None as long as its first exchange may be its last."""
    in_flight: bool = False
    response: Response | None = None
    """The last answer that said something."""
    settled_by: SettledBy = "answer"
    began: float = 0.0
    """When its last exchange began, after the wait for the rate limit; on the monotonic clock."""
    queued: float = 0.0
    """Seconds of that wait."""

    @property
    def sends(self) -> int:
        """How many times the request was tried."""
        return self.state.sends if self.state is not None else int(self.response is not None)

    @property
    def look_ups(self) -> int:
        """How many times the transaction was looked up."""
        return self.state.look_ups if self.state is not None else 0

    @property
    def may_be_applied(self) -> bool:
        """Whether the call, were it cut off now, may have changed something."""
        in_doubt = self.in_flight or (self.state is not None and self.state.in_doubt)
        return in_doubt and not self.operation.reads

    def interruption(self) -> str | None:
        """What to warn of, were the call cut off now; None where it cannot have changed anything."""
        if not self.may_be_applied:
            return None
        name, number, check = self.operation.name, self.operation.transaction_id, self.operation.check
        which = f" (transaction_id={number})" if number is not None else ""
        return printable(f"{name}{which} was given up: unless it had not left yet, it may be applied; {check}")
