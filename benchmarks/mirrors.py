"""The same models as the peers would have them: ours, field by field, as msgspec structs and as pydantic models.

They read the API's samples and no more: nothing of what the API's pages contradict each other on.
"""

from collections.abc import Callable
from decimal import Decimal
from enum import Enum
from functools import partial, reduce
from operator import or_
from types import UnionType
from typing import Any, Union, get_args, get_origin

import attrs
import msgspec


def struct(kind: type, *, frozen: bool = False) -> Any:
    """A msgspec struct."""
    known: dict[type, Any] = {}

    def make(kind: type) -> Any:
        fields = [
            (a.name, translate(a.type), a.default) if a.default is not attrs.NOTHING else (a.name, translate(a.type))
            for a in attrs.fields(attrs.resolve_types(kind))
        ]
        return msgspec.defstruct(kind.__name__, fields, rename="camel", kw_only=True, frozen=frozen)

    translate = partial(_translate, make=make, known=known)
    return translate(kind)


def pydantic_model(kind: type) -> Any:
    """A frozen pydantic model; raises ModuleNotFoundError where pydantic is not installed."""
    from pydantic import ConfigDict, create_model
    from pydantic.alias_generators import to_camel

    known: dict[type, Any] = {}
    configuration = ConfigDict(alias_generator=to_camel, frozen=True)

    def make(kind: type) -> Any:
        fields: dict[str, Any] = {
            a.name: (translate(a.type), ... if a.default is attrs.NOTHING else a.default)
            for a in attrs.fields(attrs.resolve_types(kind))
        }
        return create_model(kind.__name__, __config__=configuration, **fields)

    translate = partial(_translate, make=make, known=known)
    return translate(kind)


def _translate(kind: Any, *, make: Callable[[type], Any], known: dict[type, Any]) -> Any:
    """A field's type with their models in the place of ours; an open enumeration is text."""
    inner = partial(_translate, make=make, known=known)
    if get_origin(kind) in (Union, UnionType):
        parts = set(get_args(kind))
        if {int, Decimal} <= parts:  # points: whole numbers in all samples
            parts.remove(Decimal)
        return reduce(or_, sorted(map(inner, parts), key=lambda part: part is type(None)))
    if get_origin(kind) is tuple:
        return tuple[inner(get_args(kind)[0]), ...]  # type: ignore[misc]  # made at run time
    if attrs.has(kind):
        if kind not in known:
            known[kind] = make(kind)
        return known[kind]
    return str if isinstance(kind, type) and issubclass(kind, Enum) else kind
