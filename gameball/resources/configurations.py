"""The configurations page: how the account's programmes are set up."""

from collections.abc import Mapping

from gameball.core.methods import Mode, endpoint
from gameball.core.operation import Operation, Replay, Signature, path
from gameball.models.configurations import (
    CashbackConfiguration,
    ChallengeConfiguration,
    Configuration,
    RedemptionConfiguration,
)
from gameball.models.shared import check_header
from gameball.resources.resource import Resource

# --- builders


def configuration(lang: str | None = None) -> Operation[Configuration]:
    """GET /integrations/config. The language goes both ways that are known: as a header and in the query."""
    return Operation(
        name="configurations.get",
        method="GET",
        path="/integrations/config",
        query=_language(lang),
        headers=_language(lang),
        returns=Configuration,
        replay=Replay.SAFE,
        signature=Signature.API_KEY,
    )


def challenge(handle: str, lang: str | None = None) -> Operation[tuple[ChallengeConfiguration, ...]]:
    """GET /integrations/config/challenge/{handle}."""
    return Operation(
        name="configurations.challenge",
        method="GET",
        path=path("/integrations/config/challenge/{handle}", handle=handle),
        headers=_language(lang),
        returns=tuple[ChallengeConfiguration, ...],
        replay=Replay.SAFE,
    )


def redemption(lang: str | None = None) -> Operation[RedemptionConfiguration]:
    """GET /integrations/client/redemption/config."""
    return Operation(
        name="configurations.redemption",
        method="GET",
        path="/integrations/client/redemption/config",
        headers=_language(lang),
        returns=RedemptionConfiguration,
        replay=Replay.SAFE,
    )


def cashback() -> Operation[CashbackConfiguration]:
    """GET /integrations/client/cashback."""
    return Operation(
        name="configurations.cashback",
        method="GET",
        path="/integrations/client/cashback",
        returns=CashbackConfiguration,
        replay=Replay.SAFE,
    )


def _language(lang: str | None) -> Mapping[str, str]:
    if lang is None:
        return {}
    check_header("lang", lang)
    return {"lang": lang}


# --- the methods


class Configurations(Resource[Mode]):
    """How the account's programmes are set up.

    API page: Configurations (for GURU accounts).
    """

    @endpoint
    async def get(self, *, lang: str | None = None) -> Configuration:
        """Read the account's settings and all its programmes. Needs the API key only.

        API page: Configurations, GET Configurations.

        Args:
            lang: A language of the account, as in "en"; its default language without it.
        """
        return await self._send(configuration(lang))

    @endpoint
    async def challenge(self, handle: str, *, lang: str | None = None) -> tuple[ChallengeConfiguration, ...]:
        """Read a challenge in full.

        API page: Configurations, GET Challenge Configurations.

        Args:
            handle: The challenge's id or its internal name.
            lang: A language of the account, as in "en"; its default language without it.

        Raises:
            NotFoundError: There is no such challenge.
        """
        return await self._send(challenge(handle, lang))

    @endpoint
    async def redemption(self, *, lang: str | None = None) -> RedemptionConfiguration:
        """Read the ways to spend points.

        API page: Configurations, GET Redemption Rules.

        Args:
            lang: A language of the account, as in "en"; its default language without it.
        """
        return await self._send(redemption(lang))

    @endpoint
    async def cashback(self) -> CashbackConfiguration:
        """Read the rules by which payments are rewarded.

        API page: Configurations, GET Cashback Rules.
        """
        return await self._send(cashback())
