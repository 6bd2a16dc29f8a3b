"""The client page, for partners: making clients, and changing them."""

from typing import Literal

from gameball.core.methods import Mode, endpoint
from gameball.core.operation import Operation, Replay, Signature
from gameball.models.clients import UNSET, ClientKeys, ClientRequest, ClientUpdate, PartnerClient, Unset
from gameball.models.shared import check_header
from gameball.resources.resource import Resource

# --- builders


def create(request: ClientRequest) -> Operation[ClientKeys]:
    """POST /integrations/client."""
    return Operation(
        name="clients.create",
        method="POST",
        path="/integrations/client",
        body=request,
        returns=ClientKeys,
        replay=Replay.NEVER,
        signature=Signature.PARTNER,
        check="ask Gameball whether the client exists: its keys were only in the answer that did not come",
    )


def update(store_id: str, changes: ClientUpdate) -> Operation[PartnerClient]:
    """PUT /integrations/client."""
    check_header("store_id", store_id)
    return Operation(
        name="clients.update",
        method="PUT",
        path="/integrations/client",
        headers={"storeId": store_id},
        body=changes,
        returns=PartnerClient,
        replay=Replay.SAFE,
        signature=Signature.PARTNER,
        check="updating it again is safe",
    )


# --- the methods

Text = str | Literal[Unset.UNSET] | None


class Clients(Resource[Mode]):
    """A partner's clients. Needs `partner_token`.

    API page: Client.
    """

    @endpoint
    async def create(
        self,
        *,
        name: str,
        email: str,
        mobile: str,
        store_name: str,
        domain: str,
        country: str,
        currency: str,
        time_zone: str,
        is_loyalty_enabled: bool | None = None,
        custom_domain: str | None = None,
        plan: str | None = None,
        status: str | None = None,
        subscription_id: int | None = None,
    ) -> ClientKeys:
        """Make a client, and give its keys: keep them, for nothing tells them again.

        API page: Client, POST Create New Client.

        Args:
            name: The client's name.
            email: The client's email, not used by another.
            mobile: The client's mobile number.
            store_name: The store's name or id in your system; `update()` knows the client by it.
            domain: The store's domain.
            country: The store's country.
            currency: The store's currency, as in "USD".
            time_zone: The store's time zone, as in "GMT+1".
            is_loyalty_enabled: Whether the programme runs at once; the API's default is no.
            custom_domain: A second domain of the store.
            plan: The partner's plan; the API's default is Free.
            status: active, trial, suspended or uninstall; the API's default is active.
            subscription_id: The subscription's id in your system.

        Raises:
            OutcomeUnknownError: It may have been made; its keys were in the answer that did not come.
        """
        return await self._send(
            create(
                ClientRequest(
                    name=name,
                    email=email,
                    mobile=mobile,
                    store_name=store_name,
                    domain=domain,
                    country=country,
                    currency=currency,
                    time_zone=time_zone,
                    is_loyalty_enabled=is_loyalty_enabled,
                    custom_domain=custom_domain,
                    plan=plan,
                    status=status,
                    subscription_id=subscription_id,
                )
            )
        )

    @endpoint
    async def update(
        self,
        store_id: str,
        *,
        name: Text = UNSET,
        email: Text = UNSET,
        mobile: Text = UNSET,
        store_name: Text = UNSET,
        domain: Text = UNSET,
        country: Text = UNSET,
        currency: Text = UNSET,
        time_zone: Text = UNSET,
        is_loyalty_enabled: bool | Literal[Unset.UNSET] | None = UNSET,
        custom_domain: Text = UNSET,
        plan: Text = UNSET,
        status: Text = UNSET,
        subscription_id: int | Literal[Unset.UNSET] | None = UNSET,
    ) -> PartnerClient:
        """Change a client. Only what is given is sent; None sets a field to null.

        API page: Client, PUT Update Client.

        Args:
            store_id: The store's id in your system.
            name: The client's name.
            email: The client's email.
            mobile: The client's mobile number.
            store_name: The store's name or id in your system.
            domain: The store's domain.
            country: The store's country.
            currency: The store's currency.
            time_zone: The store's time zone.
            is_loyalty_enabled: Whether the programme runs.
            custom_domain: A second domain of the store.
            plan: The partner's plan.
            status: active, trial, suspended or uninstall.
            subscription_id: The subscription's id in your system.

        Raises:
            NotFoundError: You have no client with this store.
        """
        return await self._send(
            update(
                store_id,
                ClientUpdate(
                    name=name,
                    email=email,
                    mobile=mobile,
                    store_name=store_name,
                    domain=domain,
                    country=country,
                    currency=currency,
                    time_zone=time_zone,
                    is_loyalty_enabled=is_loyalty_enabled,
                    custom_domain=custom_domain,
                    plan=plan,
                    status=status,
                    subscription_id=subscription_id,
                ),
            )
        )
