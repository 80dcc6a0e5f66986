from collections.abc import Awaitable, Coroutine
from types import TracebackType
from typing import Any, TypeVar, overload

from .async_task import AsyncTask
from .futures import FutureBase
from .scheduler import is_asyncio_mode

__all__ = ["AsyncioMode", "is_asyncio_mode", "resolve_awaitables"]

_A = TypeVar("_A")
_B = TypeVar("_B")
_C = TypeVar("_C")
_K = TypeVar("_K")

class AsyncioMode:
    def __enter__(self) -> None: ...
    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        traceback: TracebackType | None,
        /,
    ) -> None: ...

# As ``gather`` in ``utils``. A future is awaitable.
@overload
async def resolve_awaitables(x: Awaitable[_A]) -> _A: ...
@overload
async def resolve_awaitables(x: None) -> None: ...
@overload
async def resolve_awaitables(
    x: tuple[Awaitable[_A], Awaitable[_B]],
) -> tuple[_A, _B]: ...
@overload
async def resolve_awaitables(
    x: tuple[Awaitable[_A], Awaitable[_B], Awaitable[_C]],
) -> tuple[_A, _B, _C]: ...
@overload
async def resolve_awaitables(
    x: tuple[Awaitable[_A], ...],
) -> tuple[_A, ...]: ...
@overload
async def resolve_awaitables(
    x: list[Awaitable[_A]]
    | list[FutureBase[_A]]
    | list[AsyncTask[_A]]
    | list[Coroutine[Any, Any, _A]],
) -> list[_A]: ...
@overload
async def resolve_awaitables(
    x: dict[_K, Awaitable[_A]]
    | dict[_K, FutureBase[_A]]
    | dict[_K, AsyncTask[_A]]
    | dict[_K, Coroutine[Any, Any, _A]],
) -> dict[_K, _A]: ...
@overload
async def resolve_awaitables(
    x: list[Any] | tuple[Any, ...] | dict[Any, Any],
) -> Any: ...
