"""One method, two modes: written once as a coroutine function, awaited on one client, waited for on the other.

A resource is generic in its mode. On `Transactions[Async]` a method is the genuine coroutine function; on
`Transactions[Sync]` it is a plain function that runs the same coroutine in the loop thread and returns its value.

Editors and linters see the decorated functions, not what they become: jedi reads the decorators' annotations, pylint
passes over them. So the decorators are functions, and what an iterator or a context manager is made of has both modes.
"""

import inspect
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Coroutine, Generator, Iterator, Sequence
from contextlib import (
    AbstractAsyncContextManager,
    AbstractContextManager,
    aclosing,
    asynccontextmanager,
    contextmanager,
)
from types import GenericAlias, MethodType, TracebackType
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

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """What the class's function does: `mock.patch.object(…, autospec=True)` looks whether there is anything."""
        return self._awaited(None)(*args, **kwargs)

    @property
    def _of(self) -> tuple[Any, ...]:
        """What the function gives Items or Managed of."""
        return get_args(inspect.signature(self._function).return_annotation)

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


# --- calls


def endpoint(function: Callable[Concatenate[Any, P], Coroutine[Any, Any, T]]) -> "_Endpoint[T, P]":
    """Decorates a coroutine method."""
    return _Endpoint(function)


class _Endpoint(_Method, Generic[T, P]):  # in this order: jedi counts no ParamSpec
    if TYPE_CHECKING:

        @overload  # Awaitable: jedi, which takes all of them together, awaits no Coroutine
        def __get__(self, instance: None, owner: type) -> Callable[Concatenate[Any, P], Awaitable[T]]: ...
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
            return loop_thread.run(lambda: function(instance, *args, **kwargs))

        return self._presented(wait, instance)


# --- iterators


class Items(Generic[T]):
    """Single items of what an async generator yields in chunks, for either loop."""

    def __init__(self, chunks: AsyncGenerator[Sequence[T], None]) -> None:
        self.chunks = chunks

    if TYPE_CHECKING:

        def __aiter__(self) -> AsyncIterator[T]: ...
        def __iter__(self) -> Iterator[T]: ...


def paginated(function: Callable[Concatenate[Any, P], Items[T]]) -> "_Paginated[T, P]":
    """Decorates a method that gives Items; it is called when the first one is asked for.

    Leaving the loop early closes the generator. A plain loop hops to the loop thread once per chunk.
    """
    return _Paginated(function)


class _Paginated(_Method, Generic[T, P]):
    if TYPE_CHECKING:

        @overload
        def __get__(self, instance: None, owner: type) -> Callable[Concatenate[Any, P], AsyncIterator[T]]: ...
        @overload
        def __get__(self, instance: ResourceBase[Sync], owner: type) -> Callable[P, Iterator[T]]: ...
        @overload
        def __get__(self, instance: ResourceBase[Async], owner: type) -> Callable[P, AsyncIterator[T]]: ...
        def __get__(self, instance: Any, owner: type) -> Callable[..., Any]: ...

    def _awaited(self, instance: Any) -> Callable[..., Any]:
        function, bound = self._function, () if instance is None else (instance,)

        async def iterate(*args: Any, **kwargs: Any) -> AsyncIterator[Any]:
            items: Items[Any] = function(*bound, *args, **kwargs)
            async with aclosing(items.chunks) as chunks:
                async for chunk in chunks:
                    for item in chunk:
                        yield item

        return self._presented(iterate, instance, GenericAlias(AsyncIterator, self._of))

    def _plain(self, instance: Any) -> Callable[..., Any]:
        function = self._function

        def iterate(*args: Any, **kwargs: Any) -> Iterator[Any]:
            items: Items[Any] = function(instance, *args, **kwargs)
            try:
                while (chunk := loop_thread.run(lambda: anext(items.chunks, None))) is not None:
                    yield from chunk
            finally:
                loop_thread.close(items.chunks)

        return self._presented(iterate, instance, GenericAlias(Iterator, self._of))


# --- context managers


class Managed(Generic[T]):
    """What an async generator that yields once does around a block, for `async with` and for `with`."""

    def __init__(self, generator: AsyncGenerator[T, None]) -> None:
        self._manager = asynccontextmanager(lambda: generator)()

    async def __aenter__(self) -> T:
        return await self._manager.__aenter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> bool | None:
        return await self._manager.__aexit__(kind, error, traceback)

    def __enter__(self) -> T:
        return loop_thread.run(self._manager.__aenter__)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> bool | None:
        return loop_thread.run(lambda: self._manager.__aexit__(kind, error, traceback))


def context_manager(function: Callable[Concatenate[Any, P], Managed[T]]) -> "_ContextManager[T, P]":
    """Decorates a method that gives Managed; it is called when the block is entered."""
    return _ContextManager(function)


class _ContextManager(_Method, Generic[T, P]):
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

    def _awaited(self, instance: Any) -> Callable[..., Any]:
        function, bound = self._function, () if instance is None else (instance,)

        @asynccontextmanager
        async def managed(*args: Any, **kwargs: Any) -> AsyncGenerator[Any, None]:
            async with function(*bound, *args, **kwargs) as value:
                yield value

        def enter(*args: Any, **kwargs: Any) -> AbstractAsyncContextManager[Any]:
            return managed(*args, **kwargs)

        return self._presented(enter, instance, GenericAlias(AbstractAsyncContextManager, self._of))

    def _plain(self, instance: Any) -> Callable[..., Any]:
        function = self._function

        @contextmanager
        def managed(*args: Any, **kwargs: Any) -> Generator[Any, None, None]:
            with function(instance, *args, **kwargs) as value:
                yield value

        def enter(*args: Any, **kwargs: Any) -> AbstractContextManager[Any]:
            return managed(*args, **kwargs)

        return self._presented(enter, instance, GenericAlias(AbstractContextManager, self._of))
