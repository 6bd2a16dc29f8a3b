"""One method, two faces: written once as a coroutine function, awaited on one client, waited for on the other.

A resource is generic in its mode. On `Transactions[Async]` a method is the genuine coroutine function; on
`Transactions[Sync]` it is a plain function that runs the same coroutine in the loop thread and returns its value.
"""

import inspect
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Coroutine, Generator, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, AbstractContextManager, asynccontextmanager, contextmanager
from types import GenericAlias, MethodType
from typing import Any, Concatenate, Generic, ParamSpec, TypeVar, get_args, overload

from gameball.core import loop_thread

P = ParamSpec("P")
T = TypeVar("T")


class Async:
    """The mode of AsyncGameball: methods are awaited."""


class Sync:
    """The mode of Gameball: methods return their value."""


Mode = TypeVar("Mode", bound=Async | Sync, covariant=True)  # noqa: PLC0105 (named for what it is)


class ResourceBase(Generic[Mode]):
    """Something whose methods have two faces."""

    def __init__(self, mode: type[Async] | type[Sync]) -> None:
        self._mode = mode


def _posing(
    method: Callable[..., Any], function: Callable[..., Any], owner: Any, returns: Any = inspect.Signature.empty
) -> Callable[..., Any]:
    """Give a method the name, the words and the signature of the function that it stands for.

    Bound to `owner` unless that is None; giving back `returns` where that differs.
    """
    signature = inspect.signature(function)
    parameters = list(signature.parameters.values())
    returns = signature.return_annotation if returns is inspect.Signature.empty else returns
    posing: Any = method
    posing.__name__ = function.__name__
    posing.__qualname__ = function.__qualname__
    posing.__module__ = function.__module__
    posing.__doc__ = function.__doc__
    bound = parameters if owner is None else parameters[1:]
    posing.__signature__ = signature.replace(parameters=bound, return_annotation=returns)
    return method


class endpoint(Generic[P, T]):  # noqa: N801 (a decorator)
    """Decorates a coroutine method."""

    def __init__(self, function: Callable[Concatenate[Any, P], Coroutine[Any, Any, T]]) -> None:
        self._function = function
        self.__doc__ = function.__doc__

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    @overload
    def __get__(self, instance: None, owner: type) -> Callable[Concatenate[Any, P], Coroutine[Any, Any, T]]: ...
    @overload
    def __get__(self, instance: ResourceBase[Sync], owner: type) -> Callable[P, T]: ...
    @overload
    def __get__(self, instance: ResourceBase[Async], owner: type) -> Callable[P, Coroutine[Any, Any, T]]: ...
    def __get__(self, instance: Any, owner: type) -> Callable[..., Any]:
        if instance is None:
            return self._function
        if instance._mode is Async:  # noqa: SLF001 (the other half of this module)
            return MethodType(self._function, instance)
        function = self._function

        def wait(*args: Any, **kwargs: Any) -> Any:
            return loop_thread.run(function, instance, *args, **kwargs)

        method = _posing(wait, function, instance)
        # An instance's own attribute comes before this descriptor: made once, found directly from then on.
        vars(instance)[self._name] = method
        return method


class paginated(Generic[P, T]):  # noqa: N801 (a decorator)
    """Decorates an async generator method that yields its items in chunks; users see single items.

    The plain mode hops to the loop thread once per chunk. Leaving either loop early closes the generator.
    """

    def __init__(self, function: Callable[Concatenate[Any, P], AsyncIterator[Sequence[T]]]) -> None:
        self._function = function
        self.__doc__ = function.__doc__

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    @overload
    def __get__(self, instance: None, owner: type) -> Callable[Concatenate[Any, P], AsyncIterator[T]]: ...
    @overload
    def __get__(self, instance: ResourceBase[Sync], owner: type) -> Callable[P, Iterator[T]]: ...
    @overload
    def __get__(self, instance: ResourceBase[Async], owner: type) -> Callable[P, AsyncIterator[T]]: ...
    def __get__(self, instance: Any, owner: type) -> Callable[..., Any]:
        function = self._function
        (chunk_type,) = get_args(inspect.signature(function).return_annotation)
        item = get_args(chunk_type)[0]
        bound = () if instance is None else (instance,)

        async def iterate(*args: Any, **kwargs: Any) -> AsyncIterator[T]:
            chunks: Any = function(*bound, *args, **kwargs)
            try:
                async for chunk in chunks:
                    for item in chunk:
                        yield item
            finally:
                await chunks.aclose()

        def iterate_plainly(*args: Any, **kwargs: Any) -> Iterator[T]:
            chunks: Any = function(*bound, *args, **kwargs)
            try:
                while (chunk := loop_thread.run(anext, chunks, None)) is not None:
                    yield from chunk
            finally:
                loop_thread.close(chunks)

        if instance is not None and instance._mode is Sync:  # noqa: SLF001 (the other half of this module)
            method = _posing(iterate_plainly, function, instance, GenericAlias(Iterator, (item,)))
        else:
            method = _posing(iterate, function, instance, GenericAlias(AsyncIterator, (item,)))
        if instance is not None:
            vars(instance)[self._name] = method
        return method


class context_manager(Generic[P, T]):  # noqa: N801 (a decorator)
    """Decorates an async generator method that yields once: a context manager, for `async with` or `with`."""

    def __init__(self, function: Callable[Concatenate[Any, P], AsyncGenerator[T, None]]) -> None:
        self._function: Callable[..., AsyncGenerator[T, None]] = function
        self.__doc__ = function.__doc__

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    @overload
    def __get__(self, instance: None, owner: type) -> Callable[Concatenate[Any, P], AbstractAsyncContextManager[T]]: ...
    @overload
    def __get__(self, instance: ResourceBase[Sync], owner: type) -> Callable[P, AbstractContextManager[T]]: ...
    @overload
    def __get__(self, instance: ResourceBase[Async], owner: type) -> Callable[P, AbstractAsyncContextManager[T]]: ...
    def __get__(self, instance: Any, owner: type) -> Callable[..., Any]:
        function = self._function
        manage = asynccontextmanager(function)
        value, *_ = get_args(inspect.signature(function).return_annotation)
        bound = () if instance is None else (instance,)

        def enter(*args: Any, **kwargs: Any) -> AbstractAsyncContextManager[T]:
            return manage(*bound, *args, **kwargs)

        @contextmanager
        def managed(*args: Any, **kwargs: Any) -> Generator[T, None, None]:
            manager = enter(*args, **kwargs)
            entered = loop_thread.run(manager.__aenter__)
            try:
                yield entered
            except BaseException as error:
                loop_thread.run(manager.__aexit__, type(error), error, error.__traceback__)
                raise
            loop_thread.run(manager.__aexit__, None, None, None)

        def enter_plainly(*args: Any, **kwargs: Any) -> AbstractContextManager[T]:
            return managed(*args, **kwargs)

        if instance is not None and instance._mode is Sync:  # noqa: SLF001 (the other half of this module)
            method = _posing(enter_plainly, function, instance, GenericAlias(AbstractContextManager, (value,)))
        else:
            method = _posing(enter, function, instance, GenericAlias(AbstractAsyncContextManager, (value,)))
        if instance is not None:
            vars(instance)[self._name] = method
        return method
