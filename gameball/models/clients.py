"""Values of the client page, for partners."""

from enum import Enum
from typing import Any, Final, Literal

import attrs
from attrs import Attribute, field, frozen
from attrs.validators import optional

from gameball.models.generated import checked
from gameball.models.model import Model
from gameball.models.shared import OpenEnum, a, refuse, text, whole
from gameball.settings import Secret


class Unset(Enum):
    """The class of UNSET."""

    UNSET = "unset"

    def __repr__(self) -> str:
        return "UNSET"


UNSET: Final = Unset.UNSET
"""Leave a field as it is; None, on the other hand, sets it to null."""


class ClientStatus(OpenEnum):
    """Where a client stands in the partner's system."""

    ACTIVE = "active"
    TRIAL = "trial"
    TRIALING = "trialing"
    SUSPENDED = "suspended"
    UNINSTALL = "uninstall"


@checked
@frozen(kw_only=True)
class ClientRequest:
    """A new client of a partner."""

    name: str = field(validator=text)
    email: str = field(validator=text, repr=False)
    mobile: str = field(validator=text, repr=False)
    store_name: str = field(validator=text)
    domain: str = field(validator=text)
    country: str = field(validator=text)
    currency: str = field(validator=text)
    time_zone: str = field(validator=text)
    is_loyalty_enabled: bool | None = field(default=None, validator=optional(a(bool)))
    custom_domain: str | None = field(default=None, validator=optional(text))
    plan: str | None = field(default=None, validator=optional(text))
    status: str | None = field(default=None, validator=optional(text))
    subscription_id: int | None = field(default=None, validator=optional(whole(0, 2**63 - 1)))


def _if_set(rule: Any) -> Any:
    def check(instance: object, attribute: "Attribute[Any]", value: object) -> None:
        if value is not UNSET and value is not None:
            rule(instance, attribute, value)

    return check


_Text = str | Literal[Unset.UNSET] | None


@checked
@frozen(kw_only=True)
class ClientUpdate:
    """What changes of a client: fields left UNSET stay as they are, None sets to null."""

    name: _Text = field(default=UNSET, validator=_if_set(text))
    email: _Text = field(default=UNSET, validator=_if_set(text), repr=False)
    mobile: _Text = field(default=UNSET, validator=_if_set(text), repr=False)
    store_name: _Text = field(default=UNSET, validator=_if_set(text))
    domain: _Text = field(default=UNSET, validator=_if_set(text))
    country: _Text = field(default=UNSET, validator=_if_set(text))
    currency: _Text = field(default=UNSET, validator=_if_set(text))
    time_zone: _Text = field(default=UNSET, validator=_if_set(text))
    is_loyalty_enabled: bool | Literal[Unset.UNSET] | None = field(default=UNSET, validator=_if_set(a(bool)))
    custom_domain: _Text = field(default=UNSET, validator=_if_set(text))
    plan: _Text = field(default=UNSET, validator=_if_set(text))
    status: _Text = field(default=UNSET, validator=_if_set(text))
    subscription_id: int | Literal[Unset.UNSET] | None = field(default=UNSET, validator=_if_set(whole(0, 2**63 - 1)))

    def __attrs_post_init__(self) -> None:
        if all(value is UNSET for value in attrs.astuple(self, recurse=False)):
            raise refuse("name, email, ...", "is required: give at least one field to update")


@frozen(kw_only=True)
class ClientKeys(Model):
    """A new client's keys: the only copy there is. Hand them on: `Gameball(keys.api_key, keys.secret_key)`."""

    api_key: Secret
    secret_key: Secret
    gameball_id: int | None = None


@frozen(kw_only=True)
class PartnerClient(Model):
    """A partner's client."""

    id: int
    name: str | None = None
    email: str | None = field(default=None, repr=False)
    mobile: str | None = field(default=None, repr=False)
    store_name: str | None = None
    domain: str | None = None
    country: str | None = None
    currency: str | None = None
    time_zone: str | None = None
    is_loyalty_enabled: bool | None = None
    custom_domain: str | None = None
    plan: str | None = None
    status: ClientStatus | None = None
    subscription_id: int | None = None
