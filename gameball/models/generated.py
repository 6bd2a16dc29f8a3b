"""Functions that are written out for a class field by field: they take half the time of a loop over its fields.

Among them a request's `__init__`, which checks all fields in one pass. attrs would call a field's converter and then
its validator for every value, also for one that is left out. Here a rule may have a test beside it, true only of
values that the field takes as they are: for those nothing is called, and a refusal is the rule's own.
"""

from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from functools import cache, partial, update_wrapper
from typing import Any, Final, ParamSpec, TypeAlias, TypeVar, cast

from attrs import NOTHING, Attribute, fields

P = ParamSpec("P")
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
    parameters, lines, names = _checks(kind)
    made = compiled([f"def made(self, *, {parameters}):", *lines], names)
    setattr(kind, "__init__", update_wrapper(made, kind.__init__))  # noqa: B010 (for type checkers it is attrs' own)
    return kind


def maker(kind: Callable[P, T]) -> Callable[P, T]:
    """A function that makes values of a frozen attrs class as calling it does, in three quarters of the time.

    A class hands its arguments on to `__init__` in a dict. The fields are keyword-only, and checked as by `checked`.
    """
    parameters, lines, names = _checks(kind)
    names["blank"] = partial(object.__new__, cast("Any", kind))
    return compiled([f"def made(*, {parameters}):", "    self = blank()", *lines, "    return self"], names)


def _checks(kind: Any) -> tuple[str, list[str], dict[str, Any]]:
    """The parameters of an attrs class, the lines that check them and fill `self`, and what those name."""
    names = dict(_KNOWN)
    parameters: list[str] = []
    lines: list[str] = []
    for number, a in enumerate(fields(kind)):
        names[f"set_{number}"] = getattr(kind, a.name).__set__
        # attrs' own `optional` has the rule for what is given.
        tests = [test.format(a.name)] if (test := _TESTS.get(getattr(a.validator, "validator", a.validator))) else []
        if a.default is NOTHING:
            parameters.append(a.name)
        else:
            parameters.append(f"{a.name}=default_{number}")
            names[f"default_{number}"] = a.default
            tests.insert(0, f"{a.name} is default_{number}")
        if a.converter is not None or a.validator is not None:
            names[f"check_{number}"] = partial(_check, a)
            lines += [
                f"    if not ({' or '.join(tests)}):" if tests else "    if True:",
                f"        {a.name} = check_{number}(self, {a.name})",
            ]
        lines.append(f"    set_{number}(self, {a.name})")
    if hasattr(kind, "__attrs_post_init__"):
        lines.append("    self.__attrs_post_init__()")
    return ", ".join(parameters), lines, names


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
