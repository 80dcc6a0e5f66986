from collections.abc import Callable, Coroutine, Generator, Iterable
from types import GenericAlias
from typing import Any, Generic, Protocol, overload, type_check_only

from qcore import MarkerObject
from typing_extensions import ParamSpec, Self, TypeVar

from .async_task import AsyncTask
from .decorators import AsyncDecoratorBinder
from .futures import FutureBase

__all__ = ["END_OF_GENERATOR", "async_generator", "list_of_generator", "take_first", "Value"]

_P = ParamSpec("_P")
_T = TypeVar("_T")

END_OF_GENERATOR: MarkerObject

class Value(Generic[_T]):
    def __class_getitem__(cls, parameters: Any, /) -> GenericAlias: ...
    value: _T
    def __init__(self, value: _T) -> None: ...

# A body yields elements and what it waits for.
@type_check_only
class _MakesAsyncGenerator(Protocol):
    def __call__(
        self,
        fn: Callable[
            _P,
            Generator[
                Value[_T]
                | FutureBase[Any]
                | list[Any]
                | tuple[Any, ...]
                | dict[Any, Any]
                | None,
                Any,
                None,
            ],
        ],
        /,
    ) -> Callable[_P, _AsyncGenerator[_T]]: ...

def async_generator() -> _MakesAsyncGenerator: ...

# The last future may be END_OF_GENERATOR.
class _AsyncGenerator(Generic[_T]):
    def __class_getitem__(cls, parameters: Any, /) -> GenericAlias: ...
    generator: Generator[Any, Any, Any]
    last_task: FutureBase[_T | MarkerObject] | None
    def __init__(self, generator: Generator[Any, Any, Any]) -> None: ...
    @property
    def is_stopped(self) -> bool: ...
    def __iter__(self) -> Self: ...
    def __next__(self) -> FutureBase[_T | MarkerObject]: ...
    def next(self) -> FutureBase[_T | MarkerObject]: ...
    def __aiter__(self) -> Self: ...
    def __anext__(self) -> Coroutine[Any, Any, _T]: ...
    send: AsyncDecoratorBinder[[Any], _T | MarkerObject, FutureBase[_T | MarkerObject]]

@type_check_only
class _ListOfGenerator(Protocol):
    @overload
    def __call__(self, generator: _AsyncGenerator[_T]) -> list[_T]: ...
    @overload
    def __call__(self, generator: Iterable[FutureBase[_T]]) -> list[_T]: ...
    @overload
    def asynq(self, generator: _AsyncGenerator[_T]) -> AsyncTask[list[_T]]: ...
    @overload
    def asynq(self, generator: Iterable[FutureBase[_T]]) -> AsyncTask[list[_T]]: ...
    @overload
    async def asyncio(self, generator: _AsyncGenerator[_T]) -> list[_T]: ...
    @overload
    async def asyncio(self, generator: Iterable[FutureBase[_T]]) -> list[_T]: ...

list_of_generator: _ListOfGenerator

@type_check_only
class _TakeFirst(Protocol):
    @overload
    def __call__(self, generator: _AsyncGenerator[_T], n: int | None) -> list[_T]: ...
    @overload
    def __call__(self, generator: Iterable[FutureBase[_T]], n: int | None) -> list[_T]: ...
    @overload
    def asynq(self, generator: _AsyncGenerator[_T], n: int | None) -> AsyncTask[list[_T]]: ...
    @overload
    def asynq(
        self, generator: Iterable[FutureBase[_T]], n: int | None
    ) -> AsyncTask[list[_T]]: ...
    @overload
    async def asyncio(self, generator: _AsyncGenerator[_T], n: int | None) -> list[_T]: ...
    @overload
    async def asyncio(self, generator: Iterable[FutureBase[_T]], n: int | None) -> list[_T]: ...

take_first: _TakeFirst
