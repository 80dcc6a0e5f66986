from collections.abc import Awaitable, Coroutine
from typing import Any, NoReturn, TypeVar, overload

from .async_task import AsyncTask
from .futures import FutureBase

# A stub cannot define ``await``, which is a keyword.
__all__ = ["gather", "result", "await"]  # noqa: F822  # pyright: ignore[reportUnsupportedDunderAll]

_A = TypeVar("_A")
_B = TypeVar("_B")
_C = TypeVar("_C")
_D = TypeVar("_D")
_E = TypeVar("_E")
_F = TypeVar("_F")
_K = TypeVar("_K")

def result(value: object) -> NoReturn: ...

# A future is awaitable; other awaitables are for event loops. To a checker, a list of tasks is no
# list of awaitables. Of what is nested, no type can say the value.
@overload
def gather(a: Awaitable[_A], /) -> Awaitable[tuple[_A]]: ...
@overload
def gather(a: Awaitable[_A], b: Awaitable[_B], /) -> Awaitable[tuple[_A, _B]]: ...
@overload
def gather(
    a: Awaitable[_A], b: Awaitable[_B], c: Awaitable[_C], /
) -> Awaitable[tuple[_A, _B, _C]]: ...
@overload
def gather(
    a: Awaitable[_A], b: Awaitable[_B], c: Awaitable[_C], d: Awaitable[_D], /
) -> Awaitable[tuple[_A, _B, _C, _D]]: ...
@overload
def gather(
    a: Awaitable[_A],
    b: Awaitable[_B],
    c: Awaitable[_C],
    d: Awaitable[_D],
    e: Awaitable[_E],
    /,
) -> Awaitable[tuple[_A, _B, _C, _D, _E]]: ...
@overload
def gather(
    a: Awaitable[_A],
    b: Awaitable[_B],
    c: Awaitable[_C],
    d: Awaitable[_D],
    e: Awaitable[_E],
    f: Awaitable[_F],
    /,
) -> Awaitable[tuple[_A, _B, _C, _D, _E, _F]]: ...
@overload
def gather(*futures: Awaitable[_A]) -> Awaitable[tuple[_A, ...]]: ...
@overload
def gather(
    futures: tuple[Awaitable[_A], Awaitable[_B]], /
) -> Awaitable[tuple[_A, _B]]: ...
@overload
def gather(
    futures: tuple[Awaitable[_A], Awaitable[_B], Awaitable[_C]], /
) -> Awaitable[tuple[_A, _B, _C]]: ...
@overload
def gather(futures: tuple[Awaitable[_A], ...], /) -> Awaitable[tuple[_A, ...]]: ...
@overload
def gather(
    futures: list[Awaitable[_A]]
    | list[FutureBase[_A]]
    | list[AsyncTask[_A]]
    | list[Coroutine[Any, Any, _A]],
    /,
) -> Awaitable[list[_A]]: ...
@overload
def gather(
    futures: dict[_K, Awaitable[_A]]
    | dict[_K, FutureBase[_A]]
    | dict[_K, AsyncTask[_A]]
    | dict[_K, Coroutine[Any, Any, _A]],
    /,
) -> Awaitable[dict[_K, _A]]: ...
@overload
def gather(
    *futures: Awaitable[Any] | list[Any] | tuple[Any, ...] | dict[Any, Any] | None,
) -> Awaitable[Any]: ...
