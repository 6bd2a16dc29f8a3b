"""One method, two modes: written once as a coroutine function, awaited on one client, waited for on the other.

A resource is generic in its mode. On `Transactions[Async]` a method is the genuine coroutine function; on
`Transactions[Sync]` it is a plain function that runs the same coroutine in the loop thread and returns its value.
"""

import inspect
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Coroutine, Generator, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, AbstractContextManager, asynccontextmanager, contextmanager
from types import GenericAlias, MethodType
from typing import TYPE_CHECKING, Any, Concatenate, Generic, ParamSpec, TypeVar, get_args, overload

from gameball.core import loop_thread

P = ParamSpec("P")
T = TypeVar("T")


class Async:
    """The mode of AsyncGameball: methods are awaited."""


class Sync:
    """The mode of Gameball: methods return their value."""


Mode = TypeVar("Mode", bound=Async | Sync, covariant=True)  # noqa: PLC0105 (named for what it is)


class ResourceBase(Generic[Mode]):
    """Something whose methods have two modes."""

    def __init__(self, mode: type[Async] | type[Sync]) -> None:
        self._mode = mode
        self._methods: dict[str, Callable[..., Any]] = {}


class _Method(ABC):
    """A function of a resource, as either mode has it.

    On the class it is the function itself. What an instance needs is made once and kept aside, not in the instance's
    own attributes: those would hide a patch of the class.
    """

    def __init__(self, function: Callable[..., Any]) -> None:
        self._function = function
        self.__doc__ = function.__doc__

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    def __get__(self, instance: Any, owner: type) -> Callable[..., Any]:
        if instance is None:
            return self._awaited(None)
        method: Callable[..., Any] | None = instance._methods.get(self._name)  # noqa: SLF001 (the other half of it)
        if method is None:
            make = self._plain if instance._mode is Sync else self._awaited  # noqa: SLF001 (the same)
            method = instance._methods[self._name] = make(instance)  # noqa: SLF001 (the same)
        return method

    @abstractmethod
    def _awaited(self, instance: Any) -> Callable[..., Any]:
        """The method for `await`, `async for` or `async with`; on None, the plain function."""

    @abstractmethod
    def _plain(self, instance: Any) -> Callable[..., Any]:
        """The method that waits."""

    def _presented(self, method: Callable[..., Any], instance: Any, returns: Any = None) -> Callable[..., Any]:
        """The method under the function's name, words and signature, which gives `returns` where that differs."""
        signature = inspect.signature(self._function)
        parameters = list(signature.parameters.values())[0 if instance is None else 1 :]
        returns = signature.return_annotation if returns is None else returns
        presented: Any = method
        for name in ("__name__", "__qualname__", "__module__", "__doc__"):
            setattr(presented, name, getattr(self._function, name))
        presented.__signature__ = signature.replace(parameters=parameters, return_annotation=returns)
        given = {each.name: each.annotation for each in parameters if each.annotation is not inspect.Parameter.empty}
        presented.__annotations__ = {**given, "return": returns}
        return method


class endpoint(_Method, Generic[P, T]):  # noqa: N801 (a decorator)
    """Decorates a coroutine method."""

    def __init__(self, function: Callable[Concatenate[Any, P], Coroutine[Any, Any, T]]) -> None:
        super().__init__(function)

    if TYPE_CHECKING:

        @overload
        def __get__(self, instance: None, owner: type) -> Callable[Concatenate[Any, P], Coroutine[Any, Any, T]]: ...
        @overload
        def __get__(self, instance: ResourceBase[Sync], owner: type) -> Callable[P, T]: ...
        @overload
        def __get__(self, instance: ResourceBase[Async], owner: type) -> Callable[P, Coroutine[Any, Any, T]]: ...
        def __get__(self, instance: Any, owner: type) -> Callable[..., Any]: ...

    def _awaited(self, instance: Any) -> Callable[..., Any]:
        return self._function if instance is None else MethodType(self._function, instance)

    def _plain(self, instance: Any) -> Callable[..., Any]:
        function = self._function

        def wait(*args: Any, **kwargs: Any) -> Any:
            return loop_thread.run(function, instance, *args, **kwargs)

        return self._presented(wait, instance)


class paginated(_Method, Generic[P, T]):  # noqa: N801 (a decorator)
    """Decorates an async generator method that yields its items in chunks; users see single items.

    The plain mode hops to the loop thread once per chunk. Leaving either loop early closes the generator.
    """

    def __init__(self, function: Callable[Concatenate[Any, P], AsyncIterator[Sequence[T]]]) -> None:
        super().__init__(function)

    if TYPE_CHECKING:

        @overload
        def __get__(self, instance: None, owner: type) -> Callable[Concatenate[Any, P], AsyncIterator[T]]: ...
        @overload
        def __get__(self, instance: ResourceBase[Sync], owner: type) -> Callable[P, Iterator[T]]: ...
        @overload
        def __get__(self, instance: ResourceBase[Async], owner: type) -> Callable[P, AsyncIterator[T]]: ...
        def __get__(self, instance: Any, owner: type) -> Callable[..., Any]: ...

    @property
    def _item(self) -> Any:
        (chunk,) = get_args(inspect.signature(self._function).return_annotation)
        return get_args(chunk)[0]

    def _awaited(self, instance: Any) -> Callable[..., Any]:
        function, bound = self._function, () if instance is None else (instance,)

        async def iterate(*args: Any, **kwargs: Any) -> AsyncIterator[Any]:
            chunks: Any = function(*bound, *args, **kwargs)
            try:
                async for chunk in chunks:
                    for item in chunk:
                        yield item
            finally:
                await chunks.aclose()

        return self._presented(iterate, instance, GenericAlias(AsyncIterator, (self._item,)))

    def _plain(self, instance: Any) -> Callable[..., Any]:
        function = self._function

        def iterate(*args: Any, **kwargs: Any) -> Iterator[Any]:
            chunks: Any = function(instance, *args, **kwargs)
            try:
                while (chunk := loop_thread.run(anext, chunks, None)) is not None:
                    yield from chunk
            finally:
                loop_thread.close(chunks)

        return self._presented(iterate, instance, GenericAlias(Iterator, (self._item,)))


class context_manager(_Method, Generic[P, T]):  # noqa: N801 (a decorator)
    """Decorates an async generator method that yields once: a context manager, for `async with` or `with`."""

    def __init__(self, function: Callable[Concatenate[Any, P], AsyncGenerator[T, None]]) -> None:
        super().__init__(function)
        self._manage = asynccontextmanager(self._function)

    if TYPE_CHECKING:

        @overload
        def __get__(
            self, instance: None, owner: type
        ) -> Callable[Concatenate[Any, P], AbstractAsyncContextManager[T]]: ...
        @overload
        def __get__(self, instance: ResourceBase[Sync], owner: type) -> Callable[P, AbstractContextManager[T]]: ...
        @overload
        def __get__(
            self, instance: ResourceBase[Async], owner: type
        ) -> Callable[P, AbstractAsyncContextManager[T]]: ...
        def __get__(self, instance: Any, owner: type) -> Callable[..., Any]: ...

    @property
    def _value(self) -> Any:
        return get_args(inspect.signature(self._function).return_annotation)[0]

    def _awaited(self, instance: Any) -> Callable[..., Any]:
        manage, bound = self._manage, () if instance is None else (instance,)

        def enter(*args: Any, **kwargs: Any) -> AbstractAsyncContextManager[Any]:
            return manage(*bound, *args, **kwargs)

        return self._presented(enter, instance, GenericAlias(AbstractAsyncContextManager, (self._value,)))

    def _plain(self, instance: Any) -> Callable[..., Any]:
        manage = self._manage

        @contextmanager
        def managed(*args: Any, **kwargs: Any) -> Generator[Any, None, None]:
            manager = manage(instance, *args, **kwargs)
            entered = loop_thread.run(manager.__aenter__)
            try:
                yield entered
            except BaseException as error:
                loop_thread.run(manager.__aexit__, type(error), error, error.__traceback__)
                raise
            loop_thread.run(manager.__aexit__, None, None, None)

        def enter(*args: Any, **kwargs: Any) -> AbstractContextManager[Any]:
            return managed(*args, **kwargs)

        return self._presented(enter, instance, GenericAlias(AbstractContextManager, (self._value,)))
