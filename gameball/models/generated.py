"""Functions that are written out for a class field by field: they take half the time of a loop over its fields.

Among them a request's `__init__`, which checks all fields in one pass. attrs would call a field's converter and then
its validator for every value, also for one that is left out. Here a rule may have a test beside it, true only of
values that the field takes as they are: for those nothing is called, and a refusal is the rule's own.
"""

from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from functools import cache, partial, update_wrapper
from typing import Any, Final, TypeAlias, TypeVar, cast

from attrs import NOTHING, Attribute, fields

T = TypeVar("T")

Rule: TypeAlias = "Callable[[Any, Attribute[Any], Any], None]"
R = TypeVar("R", bound=Rule)

_TESTS: Final[dict[Any, str]] = {}
"""By rule, an expression about a value that is called `{0}`."""

_KNOWN: Final[Mapping[str, Any]] = {"Decimal": Decimal, "UTC": UTC, "datetime": datetime}
"""What tests speak of, beside what is built in."""


def compiled(lines: Iterable[str], names: Mapping[str, Any]) -> Callable[..., Any]:
    """The function `made` of this source."""
    scope = dict(names)
    exec("\n".join(lines), scope)  # noqa: S102 (made of nothing but our own models' fields)
    made: Callable[..., Any] = scope["made"]
    return made


def surely_taken(test: str) -> Callable[[R], R]:
    """Decorates a rule with a test, true only of values that it takes, and that the converter beside it leaves."""

    def note(rule: R) -> R:
        _TESTS[rule] = test
        return rule

    return note


def checked(kind: type[T]) -> type[T]:
    """Decorates a frozen attrs class of keyword-only fields: they are checked in one pass."""
    names = dict(_KNOWN)
    parameters: list[str] = []
    lines: list[str] = []
    for number, a in enumerate(fields(cast("Any", kind))):
        names[f"set_{number}"], names[f"check_{number}"] = getattr(kind, a.name).__set__, partial(_check, a)
        # attrs' own `optional` has the rule for what is given.
        tests = [test.format(a.name)] if (test := _TESTS.get(getattr(a.validator, "validator", a.validator))) else []
        if a.default is NOTHING:
            parameters.append(a.name)
        else:
            parameters.append(f"{a.name}=default_{number}")
            names[f"default_{number}"] = a.default
            tests.insert(0, f"{a.name} is default_{number}")
        lines += [
            f"    if not ({' or '.join(tests)}):" if tests else "    if True:",
            f"        {a.name} = check_{number}(self, {a.name})",
            f"    set_{number}(self, {a.name})",
        ]
    if hasattr(kind, "__attrs_post_init__"):
        lines.append("    self.__attrs_post_init__()")
    made = compiled([f"def made(self, *, {', '.join(parameters)}):", *lines], names)
    setattr(kind, "__init__", update_wrapper(made, kind.__init__))  # noqa: B010 (for type checkers it is attrs' own)
    return kind


def _check(attribute: "Attribute[Any]", instance: object, value: Any) -> Any:
    """The value as the field takes it: what its converter makes of it, if its validator lets that pass."""
    convert: Any = cast("Any", attribute).converter
    if convert is not None:
        value = convert(value)
    if attribute.validator is not None:
        attribute.validator(instance, attribute, value)
    return value


@cache
def copier(kind: Any, changed: str) -> Callable[[Any, Any], Any]:
    """A function that copies a value of this attrs class, one field changed. What has been checked is not again."""
    names: dict[str, Any] = {"blank": partial(object.__new__, kind)}
    lines: list[str] = []
    for number, a in enumerate(fields(kind)):
        names[f"set_{number}"] = getattr(kind, a.name).__set__
        lines.append(f"    set_{number}(copy, {'value' if a.name == changed else f'original.{a.name}'})")
    return compiled(["def made(original, value):", "    copy = blank()", *lines, "    return copy"], names)
