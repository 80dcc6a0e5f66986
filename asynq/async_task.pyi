from collections import OrderedDict
from collections.abc import Callable, Generator
from typing import Any, overload

from typing_extensions import TypeVar

from .contexts import AsyncContext, NonAsyncContext
from .futures import FutureBase

__all__ = [
    "AsyncTask",
    "AsyncTaskCancelledError",
    "AsyncTaskResult",
    "MAX_DUMP_INDENT",
    "extract_futures",
    "unwrap",
]

_T = TypeVar("_T")
_U = TypeVar("_U")
_V = TypeVar("_V")
_K = TypeVar("_K")

MAX_DUMP_INDENT: int

class AsyncTaskCancelledError(GeneratorExit): ...

class AsyncTaskResult(GeneratorExit):
    result: Any
    def __init__(self, result: object) -> None: ...

class AsyncTask(FutureBase[_T]):
    fn: Callable[..., Any]
    args: tuple[Any, ...]
    @overload
    def __init__(
        self,
        generator: Generator[Any, Any, _T],
        fn: Callable[..., Any],
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
    ) -> None: ...
    @overload
    def __init__(
        self,
        generator: None,
        fn: Callable[..., _T],
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
    ) -> None: ...
    @property
    def kwargs(self) -> dict[str, Any]: ...
    @kwargs.setter
    def kwargs(self, kwargs: dict[str, Any]) -> None: ...
    @property
    def creator(self) -> AsyncTask[Any] | None: ...
    @property
    def iteration_index(self) -> int: ...
    @property
    def running(self) -> bool: ...
    @property
    def perf_stats(self) -> dict[str, Any]: ...
    @property
    def _contexts(self) -> OrderedDict[int, AsyncContext | NonAsyncContext]: ...
    @property
    def _dependencies(self) -> list[FutureBase[Any]]: ...
    def can_continue(self) -> bool: ...
    def is_blocked(self) -> bool: ...
    def to_str(self) -> str: ...
    def collect_perf_stats(self) -> None: ...
    def dump_perf_stats(self) -> None: ...
    def traceback(self) -> list[str]: ...

@overload
def unwrap(value: FutureBase[_T]) -> _T: ...
@overload
def unwrap(value: None) -> None: ...
@overload
def unwrap(value: list[FutureBase[_T]] | list[AsyncTask[_T]]) -> list[_T]: ...
@overload
def unwrap(value: dict[_K, FutureBase[_T]] | dict[_K, AsyncTask[_T]]) -> dict[_K, _T]: ...
@overload
def unwrap(value: tuple[FutureBase[_T], FutureBase[_U]]) -> tuple[_T, _U]: ...
@overload
def unwrap(
    value: tuple[FutureBase[_T], FutureBase[_U], FutureBase[_V]],
) -> tuple[_T, _U, _V]: ...
@overload
def unwrap(value: list[Any]) -> list[Any]: ...
@overload
def unwrap(value: dict[_K, Any]) -> dict[_K, Any]: ...
@overload
def unwrap(value: tuple[Any, ...]) -> tuple[Any, ...]: ...
def extract_futures(value: object, result: list[FutureBase[Any]]) -> list[FutureBase[Any]]: ...
