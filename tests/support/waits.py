"""Clients that hardly wait, where the length of a wait is not the point."""

from typing import Final, TypeVar

from attrs import evolve

from gameball import AsyncGameball, Gameball
from gameball.core.waits import Waits

Client = TypeVar("Client", AsyncGameball, Gameball)

SHORT: Final = Waits(
    first_lookup=0.01, between_lookups=0.03, concurrent=0.01, first_poll=0.01, batch_start=0.01, first_pause=0.05
)


def with_waits(client: Client, waits: Waits = SHORT) -> Client:
    """The client, before its first call, with these waits."""
    client._furnish(evolve(client._delivery, waits=waits))
    return client
