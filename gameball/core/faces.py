"""One method, two faces: written once as a coroutine function, awaited on one client, waited for on the other.

A resource is generic in its face. On `Transactions[Awaiting]` a method is the genuine coroutine function; on
`Transactions[Waiting]` it is a plain function that runs the same coroutine in the loop thread and returns its value.
"""

import inspect
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Sequence
from types import GenericAlias, MethodType
from typing import Any, Concatenate, Generic, ParamSpec, TypeVar, get_args, overload

from gameball.core import portal

P = ParamSpec("P")
T = TypeVar("T")


class Awaiting:
    """The face of AsyncGameball: methods are awaited."""


class Waiting:
    """The face of Gameball: methods return their value."""


Face = TypeVar("Face", bound=Awaiting | Waiting, covariant=True)  # noqa: PLC0105 (named for what it is)


class Faced(Generic[Face]):
    """Something whose methods have two faces."""

    def __init__(self, face: type[Awaiting] | type[Waiting]) -> None:
        self._face = face


def _plain(method: Callable[..., Any], function: Callable[..., Any], returns: Any, owner: Any) -> Callable[..., Any]:
    """Give a plain method the name, the words and the signature of the function that it stands for."""
    signature = inspect.signature(function)
    _, *parameters = signature.parameters.values()
    plain: Any = method
    plain.__name__ = function.__name__
    plain.__qualname__ = f"{type(owner).__name__}.{function.__name__}"
    plain.__module__ = function.__module__
    plain.__doc__ = function.__doc__
    plain.__signature__ = signature.replace(parameters=parameters, return_annotation=returns)
    return method


class call(Generic[P, T]):  # noqa: N801 (a decorator)
    """Decorates a coroutine method."""

    def __init__(self, function: Callable[Concatenate[Any, P], Coroutine[Any, Any, T]]) -> None:
        self._function = function
        self.__doc__ = function.__doc__

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    @overload
    def __get__(self, instance: None, owner: type) -> Callable[Concatenate[Any, P], Coroutine[Any, Any, T]]: ...
    @overload
    def __get__(self, instance: Faced[Waiting], owner: type) -> Callable[P, T]: ...
    @overload
    def __get__(self, instance: Faced[Awaiting], owner: type) -> Callable[P, Coroutine[Any, Any, T]]: ...
    def __get__(self, instance: Any, owner: type) -> Callable[..., Any]:
        if instance is None:
            return self._function
        if instance._face is Awaiting:  # noqa: SLF001 (the other half of this module)
            return MethodType(self._function, instance)
        function = self._function

        def wait(*args: Any, **kwargs: Any) -> Any:
            return portal.run(function, instance, *args, **kwargs)

        method = _plain(wait, function, inspect.signature(function).return_annotation, instance)
        # An instance's own attribute comes before this descriptor: made once, found directly from then on.
        vars(instance)[self._name] = method
        return method


class each(Generic[P, T]):  # noqa: N801 (a decorator)
    """Decorates an async generator method that yields its items in chunks; users see single items.

    The plain face hops to the loop thread once per chunk. Leaving either loop early closes the generator.
    """

    def __init__(self, function: Callable[Concatenate[Any, P], AsyncIterator[Sequence[T]]]) -> None:
        self._function = function
        self.__doc__ = function.__doc__

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    @overload
    def __get__(self, instance: None, owner: type) -> Callable[Concatenate[Any, P], AsyncIterator[T]]: ...
    @overload
    def __get__(self, instance: Faced[Waiting], owner: type) -> Callable[P, Iterator[T]]: ...
    @overload
    def __get__(self, instance: Faced[Awaiting], owner: type) -> Callable[P, AsyncIterator[T]]: ...
    def __get__(self, instance: Any, owner: type) -> Callable[..., Any]:
        if instance is None:
            return self._function
        function = self._function

        async def iterate(*args: Any, **kwargs: Any) -> AsyncIterator[T]:
            chunks: Any = function(instance, *args, **kwargs)
            try:
                async for chunk in chunks:
                    for item in chunk:
                        yield item
            finally:
                await chunks.aclose()

        def iterate_plainly(*args: Any, **kwargs: Any) -> Iterator[T]:
            chunks: Any = function(instance, *args, **kwargs)
            try:
                while (chunk := portal.run(anext, chunks, None)) is not None:
                    yield from chunk
            finally:
                portal.run(chunks.aclose)

        (chunk_type,) = get_args(inspect.signature(function).return_annotation)
        item = get_args(chunk_type)[0]
        if instance._face is Awaiting:  # noqa: SLF001 (the other half of this module)
            returns = GenericAlias(AsyncIterator, (item,))
            method = _plain(iterate, function, returns, instance)
        else:
            method = _plain(iterate_plainly, function, GenericAlias(Iterator, (item,)), instance)
        vars(instance)[self._name] = method
        return method
