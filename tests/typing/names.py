"""What a type checker sees of the package itself: its names are known, and a misspelt one is flagged."""

import gameball
from gameball import AsyncGameball, Gamebal, Gameball  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue, reportUnknownVariableType]

clients: tuple[type[AsyncGameball], type[Gameball]] = (gameball.AsyncGameball, gameball.Gameball)
misspelt = (Gamebal, gameball.Gamebal)  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue, reportUnknownVariableType, reportUnknownMemberType]
