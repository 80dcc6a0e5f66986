# pyright: reportPrivateUsage=false
from collections.abc import Callable, Hashable, Iterable, Mapping
from contextlib import AbstractContextManager
from typing import Any, Protocol, overload, type_check_only

from _typeshed import SupportsRichComparison
from qcore import EventHook
from typing_extensions import Concatenate, ParamSpec, TypeVar

from .async_task import AsyncTask
from .contexts import AsyncContext
from .decorators import (
    AsyncDecorator,
    AsyncDecoratorBinder,
    PureAsyncDecorator,
    _TakesAnything,
    _HasAsynq,
    _Pure,
)
from .futures import FutureBase

__all__ = [
    "amap",
    "afilter",
    "afilterfalse",
    "asorted",
    "amax",
    "amin",
    "asift",
    "acached_per_instance",
    "alru_cache",
    "alazy_constant",
    "aretry",
    "call_with_context",
    "deduplicate",
    "AsyncTimer",
    "AsyncEventHook",
]

_P = ParamSpec("_P")
_Left = ParamSpec("_Left")
_T = TypeVar("_T")
_R = TypeVar("_R")
_Future = TypeVar("_Future", bound=FutureBase[Any], default=AsyncTask[_R])
_Self = TypeVar("_Self")
_Default = TypeVar("_Default")
_Key = TypeVar("_Key", bound=SupportsRichComparison)
_Comparable = TypeVar("_Comparable", bound=SupportsRichComparison)

# On many values at once. These are async functions whose types depend on their arguments.

@type_check_only
class _Map(Protocol):
    def __call__(
        self, function: _HasAsynq[[_T], FutureBase[_R]], sequence: Iterable[_T]
    ) -> list[_R]: ...
    def asynq(
        self, function: _HasAsynq[[_T], FutureBase[_R]], sequence: Iterable[_T]
    ) -> AsyncTask[list[_R]]: ...
    async def asyncio(
        self, function: _HasAsynq[[_T], FutureBase[_R]], sequence: Iterable[_T]
    ) -> list[_R]: ...

@type_check_only
class _Filter(Protocol):
    # None, as the function, leaves out None.
    @overload
    def __call__(self, function: None, sequence: Iterable[_T | None]) -> list[_T]: ...
    @overload
    def __call__(
        self, function: _HasAsynq[[_T], FutureBase[Any]], sequence: Iterable[_T]
    ) -> list[_T]: ...
    @overload
    def asynq(self, function: None, sequence: Iterable[_T | None]) -> AsyncTask[list[_T]]: ...
    @overload
    def asynq(
        self, function: _HasAsynq[[_T], FutureBase[Any]], sequence: Iterable[_T]
    ) -> AsyncTask[list[_T]]: ...
    @overload
    async def asyncio(self, function: None, sequence: Iterable[_T | None]) -> list[_T]: ...
    @overload
    async def asyncio(
        self, function: _HasAsynq[[_T], FutureBase[Any]], sequence: Iterable[_T]
    ) -> list[_T]: ...

@type_check_only
class _FilterFalse(Protocol):
    def __call__(
        self, function: _HasAsynq[[_T], FutureBase[Any]] | None, sequence: Iterable[_T]
    ) -> list[_T]: ...
    def asynq(
        self, function: _HasAsynq[[_T], FutureBase[Any]] | None, sequence: Iterable[_T]
    ) -> AsyncTask[list[_T]]: ...
    async def asyncio(
        self, function: _HasAsynq[[_T], FutureBase[Any]] | None, sequence: Iterable[_T]
    ) -> list[_T]: ...

@type_check_only
class _Sift(Protocol):
    def __call__(
        self, pred: _HasAsynq[[_T], FutureBase[Any]] | None, items: Iterable[_T]
    ) -> tuple[list[_T], list[_T]]: ...
    def asynq(
        self, pred: _HasAsynq[[_T], FutureBase[Any]] | None, items: Iterable[_T]
    ) -> AsyncTask[tuple[list[_T], list[_T]]]: ...
    async def asyncio(
        self, pred: _HasAsynq[[_T], FutureBase[Any]] | None, items: Iterable[_T]
    ) -> tuple[list[_T], list[_T]]: ...

@type_check_only
class _Sorted(Protocol):
    @overload
    def __call__(
        self, iterable: Iterable[_Comparable], key: None = None, reverse: bool = False
    ) -> list[_Comparable]: ...
    @overload
    def __call__(
        self,
        iterable: Iterable[_T],
        key: _HasAsynq[[_T], FutureBase[_Key]],
        reverse: bool = False,
    ) -> list[_T]: ...
    @overload
    def asynq(
        self, iterable: Iterable[_Comparable], key: None = None, reverse: bool = False
    ) -> AsyncTask[list[_Comparable]]: ...
    @overload
    def asynq(
        self,
        iterable: Iterable[_T],
        key: _HasAsynq[[_T], FutureBase[_Key]],
        reverse: bool = False,
    ) -> AsyncTask[list[_T]]: ...
    @overload
    async def asyncio(
        self, iterable: Iterable[_Comparable], key: None = None, reverse: bool = False
    ) -> list[_Comparable]: ...
    @overload
    async def asyncio(
        self,
        iterable: Iterable[_T],
        key: _HasAsynq[[_T], FutureBase[_Key]],
        reverse: bool = False,
    ) -> list[_T]: ...

@type_check_only
class _Extreme(Protocol):
    @overload
    def __call__(
        self, first: _Comparable, second: _Comparable, /, *rest: _Comparable, key: None = None
    ) -> _Comparable: ...
    @overload
    def __call__(
        self, first: _T, second: _T, /, *rest: _T, key: _HasAsynq[[_T], FutureBase[_Key]]
    ) -> _T: ...
    @overload
    def __call__(
        self, iterable: Iterable[_Comparable], /, *, key: None = None
    ) -> _Comparable: ...
    @overload
    def __call__(
        self, iterable: Iterable[_T], /, *, key: _HasAsynq[[_T], FutureBase[_Key]]
    ) -> _T: ...
    @overload
    def __call__(
        self, iterable: Iterable[_Comparable], /, *, key: None = None, default: _Default
    ) -> _Comparable | _Default: ...
    @overload
    def __call__(
        self,
        iterable: Iterable[_T],
        /,
        *,
        key: _HasAsynq[[_T], FutureBase[_Key]],
        default: _Default,
    ) -> _T | _Default: ...
    @overload
    def asynq(
        self, first: _Comparable, second: _Comparable, /, *rest: _Comparable, key: None = None
    ) -> AsyncTask[_Comparable]: ...
    @overload
    def asynq(
        self, first: _T, second: _T, /, *rest: _T, key: _HasAsynq[[_T], FutureBase[_Key]]
    ) -> AsyncTask[_T]: ...
    @overload
    def asynq(
        self, iterable: Iterable[_Comparable], /, *, key: None = None
    ) -> AsyncTask[_Comparable]: ...
    @overload
    def asynq(
        self, iterable: Iterable[_T], /, *, key: _HasAsynq[[_T], FutureBase[_Key]]
    ) -> AsyncTask[_T]: ...
    @overload
    def asynq(
        self, iterable: Iterable[_Comparable], /, *, key: None = None, default: _Default
    ) -> AsyncTask[_Comparable | _Default]: ...
    @overload
    def asynq(
        self,
        iterable: Iterable[_T],
        /,
        *,
        key: _HasAsynq[[_T], FutureBase[_Key]],
        default: _Default,
    ) -> AsyncTask[_T | _Default]: ...
    @overload
    async def asyncio(
        self, first: _Comparable, second: _Comparable, /, *rest: _Comparable, key: None = None
    ) -> _Comparable: ...
    @overload
    async def asyncio(
        self, first: _T, second: _T, /, *rest: _T, key: _HasAsynq[[_T], FutureBase[_Key]]
    ) -> _T: ...
    @overload
    async def asyncio(
        self, iterable: Iterable[_Comparable], /, *, key: None = None
    ) -> _Comparable: ...
    @overload
    async def asyncio(
        self, iterable: Iterable[_T], /, *, key: _HasAsynq[[_T], FutureBase[_Key]]
    ) -> _T: ...
    @overload
    async def asyncio(
        self, iterable: Iterable[_Comparable], /, *, key: None = None, default: _Default
    ) -> _Comparable | _Default: ...
    @overload
    async def asyncio(
        self,
        iterable: Iterable[_T],
        /,
        *,
        key: _HasAsynq[[_T], FutureBase[_Key]],
        default: _Default,
    ) -> _T | _Default: ...

amap: _Map
afilter: _Filter
afilterfalse: _FilterFalse
asift: _Sift
asorted: _Sorted
amax: _Extreme
amin: _Extreme

# Caches

@type_check_only
class _Caches(Protocol):
    @overload
    def __call__(self, fn: _HasAsynq[_P, FutureBase[_R]], /) -> AsyncDecorator[_P, _R]: ...
    @overload
    def __call__(self, fn: _Pure[_P, FutureBase[_R]], /) -> AsyncDecorator[_P, _R]: ...

def acached_per_instance() -> _Caches: ...
def alru_cache(
    maxsize: int = 128,
    key_fn: Callable[[tuple[Any, ...], dict[str, Any]], Hashable] | None = None,
) -> _Caches: ...

class _LazyConstant(AsyncDecorator[[], _R]):
    alazy_constant_cached_value: _R | None
    alazy_constant_refresh_time: int
    def __init__(self, fn: Callable[[], Any], ttl: int) -> None: ...
    def dirty(self) -> None: ...

@type_check_only
class _MakesLazyConstant(Protocol):
    @overload
    def __call__(self, fn: _HasAsynq[[], FutureBase[_R]], /) -> _LazyConstant[_R]: ...
    @overload
    def __call__(self, fn: _Pure[[], FutureBase[_R]], /) -> _LazyConstant[_R]: ...

def alazy_constant(ttl: int = 0) -> _MakesLazyConstant: ...

# Calls

@type_check_only
class _Retries(Protocol):
    def __call__(self, fn: _HasAsynq[_P, FutureBase[_R]], /) -> AsyncDecorator[_P, _R]: ...

def aretry(
    exception_cls: type[BaseException] | tuple[type[BaseException], ...],
    max_tries: int = 10,
    sleep: float = 0.05,
) -> _Retries: ...

@type_check_only
class _CallWithContext(Protocol):
    def __call__(
        self,
        context: AbstractContextManager[Any],
        fn: _HasAsynq[_P, FutureBase[_R]],
        *args: _P.args,
        **kwargs: _P.kwargs,
    ) -> _R: ...
    def asynq(
        self,
        context: AbstractContextManager[Any],
        fn: _HasAsynq[_P, FutureBase[_R]],
        *args: _P.args,
        **kwargs: _P.kwargs,
    ) -> AsyncTask[_R]: ...
    async def asyncio(
        self,
        context: AbstractContextManager[Any],
        fn: _HasAsynq[_P, FutureBase[_R]],
        *args: _P.args,
        **kwargs: _P.kwargs,
    ) -> _R: ...

call_with_context: _CallWithContext

class DeduplicateDecoratorBinder(AsyncDecoratorBinder[_P, _R, _Future]):
    def dirty(self, *args: _P.args, **kwargs: _P.kwargs) -> None: ...

# ``__get__`` is explained in ``decorators``.
class DeduplicateDecorator(AsyncDecorator[_P, _R, _Future]):
    # By key, thread and function.
    tasks: Mapping[tuple[Hashable, Any, int], FutureBase[Any] | None]
    keygetter: Callable[[tuple[Any, ...], dict[str, Any]], Hashable]
    def __init__(
        self,
        fn: Callable[_P, Any],
        keygetter: Callable[[tuple[Any, ...], dict[str, Any]], Hashable],
        complete: float = ...,
    ) -> None: ...
    def cache_key(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, ...]: ...
    def dirty(self, *args: _P.args, **kwargs: _P.kwargs) -> None: ...
    @overload  # type: ignore[override]
    def __get__(
        self: _TakesAnything, owner: object, cls: type[Any] | None = None, /
    ) -> DeduplicateDecoratorBinder[_P, _R, _Future]: ...
    @overload
    def __get__(  # type: ignore[misc]  # not every function can be called like this
        self: Callable[Concatenate[type[_Self], _Left], object],
        owner: _Self | None,
        cls: type[_Self] | None = None,
        /,
    ) -> DeduplicateDecoratorBinder[_Left, _R, _Future]: ...
    @overload
    def __get__(
        self, owner: None, cls: type[Any] | None = None, /
    ) -> DeduplicateDecoratorBinder[_P, _R, _Future]: ...
    @overload
    def __get__(
        self: Callable[Concatenate[_Self, _Left], object],
        owner: _Self,
        cls: type[_Self] | None = None,
        /,
    ) -> DeduplicateDecoratorBinder[_Left, _R, _Future]: ...
    @overload
    def __get__(  # pyright: ignore[reportIncompatibleMethodOverride]
        self, owner: object, cls: type[Any] | None = None, /
    ) -> DeduplicateDecoratorBinder[_P, _R, _Future]: ...

@type_check_only
class _Deduplicates(Protocol):
    @overload
    def __call__(  # type: ignore[overload-overlap]  # it is derived from the pure one
        self, fn: AsyncDecorator[_P, _R, _Future], /
    ) -> DeduplicateDecorator[_P, _R, _Future]: ...
    # Calling a pure one makes a task, and so does calling this.
    @overload
    def __call__(
        self, fn: PureAsyncDecorator[_P, AsyncTask[_R]], /
    ) -> DeduplicateDecorator[_P, AsyncTask[_R], AsyncTask[_R]]: ...

def deduplicate(
    keygetter: Callable[[tuple[Any, ...], dict[str, Any]], Hashable] | None = None,
) -> _Deduplicates: ...

# Time and events

class AsyncTimer(AsyncContext):
    total_time: int
    def __init__(self) -> None: ...

# Async functions can be called as the plain ones of EventHook.
class AsyncEventHook(EventHook):
    trigger: AsyncDecoratorBinder[..., None]  # pyright: ignore[reportIncompatibleMethodOverride]
    safe_trigger: AsyncDecoratorBinder[  # pyright: ignore[reportIncompatibleMethodOverride]
        ..., None
    ]
