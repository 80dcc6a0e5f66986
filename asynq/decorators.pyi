from collections.abc import Callable, Coroutine, Generator
from types import GenericAlias
from typing import Any, Generic, Literal, NoReturn, Protocol, overload, type_check_only

from qcore.decorators import DecoratorBase, DecoratorBinder
from typing_extensions import Concatenate, ParamSpec, Self, TypeVar

from .async_task import AsyncTask
from .futures import Future, FutureBase

__all__ = [
    "asynq",
    "async_proxy",
    "async_call",
    "lazy",
    "make_async_decorator",
    "has_async_fn",
    "is_async_fn",
    "is_pure_async_fn",
    "get_async_fn",
    "get_async_or_sync_fn",
    "asyncio_call",
    "convert_asynq_to_async",
    "PureAsyncDecorator",
    "PureAsyncDecoratorBinder",
    "AsyncDecorator",
    "AsyncDecoratorBinder",
    "AsyncAndSyncPairDecorator",
    "AsyncAndSyncPairDecoratorBinder",
    "AsyncProxyDecorator",
    "AsyncAndSyncPairProxyDecorator",
    "AsyncWrapper",
]

# The parameters of a function, and those that are left once it is bound.
_P = ParamSpec("_P")
_Left = ParamSpec("_Left")
# What a call returns, and the future that ``.asynq`` returns, by default a task of the same.
_R = TypeVar("_R")
_Future = TypeVar("_Future", bound=FutureBase[Any], default=AsyncTask[_R])
_AnyFuture = TypeVar("_AnyFuture", bound=FutureBase[Any], default=FutureBase[_R])
# What ``sync_fn`` returns.
_S = TypeVar("_S")
# What a function is bound to.
_Self = TypeVar("_Self")
_T = TypeVar("_T")
_R_co = TypeVar("_R_co", covariant=True)

# What is taken in place of functions

@type_check_only
class _HasAsynq(Protocol[_P, _R_co]):
    def asynq(self, *args: _P.args, **kwargs: _P.kwargs) -> _R_co: ...

@type_check_only
class _Pure(Protocol[_P, _R_co]):
    def __call__(self, *args: _P.args, **kwargs: _P.kwargs) -> _R_co: ...
    def is_pure_async_fn(self) -> bool: ...

# Asking functions

def has_async_fn(fn: object) -> bool: ...
def is_pure_async_fn(fn: object) -> bool: ...
def is_async_fn(fn: object) -> bool: ...

# What is only known to be callable may be an async function, or may be none.
@overload
def get_async_fn(fn: _HasAsynq[_P, _R], wrap_if_none: bool = False) -> Callable[_P, _R]: ...
@overload
def get_async_fn(  # type: ignore[overload-overlap]  # pyright: ignore[reportOverlappingOverload]
    fn: _Pure[_P, _R], wrap_if_none: bool = False
) -> Callable[_P, _R]: ...
@overload
def get_async_fn(
    fn: Callable[_P, _R], wrap_if_none: Literal[True]
) -> Callable[_P, FutureBase[_R]]: ...
@overload
def get_async_fn(
    fn: Callable[_P, _R], wrap_if_none: Literal[False] = False
) -> Callable[_P, FutureBase[_R]] | None: ...
@overload
def get_async_fn(fn: object, wrap_if_none: bool = False) -> Callable[..., Any] | None: ...
@overload
def get_async_or_sync_fn(fn: _HasAsynq[_P, _R]) -> Callable[_P, _R]: ...
@overload
def get_async_or_sync_fn(fn: _Pure[_P, _R]) -> Callable[_P, _R]: ...
@overload
def get_async_or_sync_fn(fn: Callable[_P, _R]) -> Callable[_P, _R | FutureBase[_R]]: ...

# Binders
#
# ``asyncio`` gives the value of the future that a pure call or ``asynq`` returns: with ``sync_fn``,
# that is not what a synchronous call gives. Here it is ``async def``, because mypy overlooks the
# ``Any`` of such functions where it chooses an overload, as that of ``asyncio.gather``.

class _Bound(DecoratorBinder[Any]):
    def __class_getitem__(cls, parameters: Any, /) -> GenericAlias: ...
    __name__: str
    __qualname__: str
    @property
    def __self__(self) -> Any: ...
    @property
    def __func__(self) -> Any: ...
    @property
    def __wrapped__(self) -> Callable[..., Any]: ...
    def __copy__(self) -> Self: ...
    async def asyncio(self, *args: Any, **kwargs: Any) -> Any: ...

class PureAsyncDecoratorBinder(_Bound, Generic[_P, _R]):
    def is_pure_async_fn(self) -> bool: ...
    def __call__(self, *args: _P.args, **kwargs: _P.kwargs) -> _R: ...
    async def asyncio(
        self: PureAsyncDecoratorBinder[_P, AsyncTask[_T]], *args: _P.args, **kwargs: _P.kwargs
    ) -> _T: ...

class AsyncDecoratorBinder(_Bound, Generic[_P, _R, _Future]):
    def is_pure_async_fn(self) -> bool: ...
    def __call__(self, *args: _P.args, **kwargs: _P.kwargs) -> _R: ...
    def asynq(self, *args: _P.args, **kwargs: _P.kwargs) -> _Future: ...
    async def asyncio(
        self: _HasAsynq[_P, FutureBase[_T]], *args: _P.args, **kwargs: _P.kwargs
    ) -> _T: ...

class AsyncAndSyncPairDecoratorBinder(AsyncDecoratorBinder[_P, _R, _Future]): ...

# Decorators

class _AsyncDecoratorBase(DecoratorBase[Any]):
    def __class_getitem__(cls, parameters: Any, /) -> GenericAlias: ...
    fn: Callable[..., Any]
    __name__: str
    __qualname__: str
    __wrapped__: Callable[..., Any]
    def name(self) -> str: ...
    def __call__(self, *args: Any, **kwargs: Any) -> Any: ...
    def __copy__(self) -> Self: ...
    def __deepcopy__(self, memo: dict[int, Any]) -> Self: ...
    def is_pure_async_fn(self) -> bool: ...
    async def asyncio(self, *args: Any, **kwargs: Any) -> Any: ...

# A checker sees only the type of the function, and not whether it is a classmethod. So ``__get__``
# goes by the first parameter:
#
# * If it accepts anything at all, it has no annotation, and the function is a staticmethod:
#   checkers know the first parameter of a method without one.
# * If it accepts the class, the function is a classmethod.
# * On the class, every other function is left as it is.
# * If it accepts the instance, the function is a method.
# * Every other function is a staticmethod.
#
# This is wrong for one thing: a staticmethod, called on an instance, whose first parameter accepts
# that very instance. Call it on the class.

@type_check_only
class _Anything: ...

@type_check_only
class _TakesAnything(Protocol):
    def __call__(self, first: _Anything, /, *args: Any, **kwargs: Any) -> object: ...

# ``_R`` is what a call returns: a task.
class PureAsyncDecorator(_AsyncDecoratorBase, Generic[_P, _R]):
    task_cls: Any
    kwargs: dict[str, Any]
    needs_wrapper: bool
    asyncio_fn: Callable[..., Coroutine[Any, Any, Any]] | None
    allow_sync_call: bool
    def __init__(
        self,
        fn: Callable[_P, Any],
        task_cls: Callable[..., AsyncTask[Any]] | None,
        kwargs: dict[str, Any] = {},
        asyncio_fn: Callable[..., Coroutine[Any, Any, Any]] | None = None,
        allow_sync_call: bool = False,
    ) -> None: ...
    def __call__(self, *args: _P.args, **kwargs: _P.kwargs) -> _R: ...
    async def asyncio(
        self: PureAsyncDecorator[_P, AsyncTask[_T]], *args: _P.args, **kwargs: _P.kwargs
    ) -> _T: ...
    @overload
    def __get__(
        self: _TakesAnything, owner: object, cls: type[Any] | None = None, /
    ) -> PureAsyncDecoratorBinder[_P, _R]: ...
    @overload
    def __get__(  # type: ignore[misc]  # not every function can be called like this
        self: Callable[Concatenate[type[_Self], _Left], object],
        owner: _Self | None,
        cls: type[_Self] | None = None,
        /,
    ) -> PureAsyncDecoratorBinder[_Left, _R]: ...
    @overload
    def __get__(
        self, owner: None, cls: type[Any] | None = None, /
    ) -> PureAsyncDecoratorBinder[_P, _R]: ...
    @overload
    def __get__(
        self: Callable[Concatenate[_Self, _Left], object],
        owner: _Self,
        cls: type[_Self] | None = None,
        /,
    ) -> PureAsyncDecoratorBinder[_Left, _R]: ...
    @overload
    def __get__(  # pyright: ignore[reportIncompatibleMethodOverride]
        self, owner: object, cls: type[Any] | None = None, /
    ) -> PureAsyncDecoratorBinder[_P, _R]: ...

class AsyncDecorator(PureAsyncDecorator[_P, _R], Generic[_P, _R, _Future]):
    def __init__(
        self,
        fn: Callable[_P, Any],
        cls: Callable[..., AsyncTask[Any]] | None,
        kwargs: dict[str, Any] = {},
        asyncio_fn: Callable[..., Coroutine[Any, Any, Any]] | None = None,
        allow_sync_call: bool = False,
    ) -> None: ...
    def asynq(self, *args: _P.args, **kwargs: _P.kwargs) -> _Future: ...
    async def asyncio(
        self: _HasAsynq[_P, FutureBase[_T]], *args: _P.args, **kwargs: _P.kwargs
    ) -> _T: ...
    @overload  # type: ignore[override]  # its binder is not derived from the other one
    def __get__(
        self: _TakesAnything, owner: object, cls: type[Any] | None = None, /
    ) -> AsyncDecoratorBinder[_P, _R, _Future]: ...
    @overload
    def __get__(  # type: ignore[misc]
        self: Callable[Concatenate[type[_Self], _Left], object],
        owner: _Self | None,
        cls: type[_Self] | None = None,
        /,
    ) -> AsyncDecoratorBinder[_Left, _R, _Future]: ...
    @overload
    def __get__(
        self, owner: None, cls: type[Any] | None = None, /
    ) -> AsyncDecoratorBinder[_P, _R, _Future]: ...
    @overload
    def __get__(
        self: Callable[Concatenate[_Self, _Left], object],
        owner: _Self,
        cls: type[_Self] | None = None,
        /,
    ) -> AsyncDecoratorBinder[_Left, _R, _Future]: ...
    @overload
    def __get__(  # pyright: ignore[reportIncompatibleMethodOverride]
        self, owner: object, cls: type[Any] | None = None, /
    ) -> AsyncDecoratorBinder[_P, _R, _Future]: ...

class AsyncAndSyncPairDecorator(AsyncDecorator[_P, _S, AsyncTask[_R]], Generic[_P, _R, _S]):
    sync_fn: Any
    def __init__(
        self,
        fn: Callable[_P, Any],
        cls: Callable[..., AsyncTask[Any]],
        sync_fn: Callable[..., _S],
        kwargs: dict[str, Any] = {},
        asyncio_fn: Callable[..., Coroutine[Any, Any, Any]] | None = None,
        allow_sync_call: bool = False,
    ) -> None: ...

class AsyncProxyDecorator(AsyncDecorator[_P, _R, _AnyFuture]):
    def __init__(
        self,
        fn: Callable[_P, FutureBase[_R]],
        asyncio_fn: Callable[..., Coroutine[Any, Any, Any]] | None = None,
        allow_sync_call: bool = False,
    ) -> None: ...

class AsyncAndSyncPairProxyDecorator(
    AsyncProxyDecorator[_P, _S, FutureBase[_R]], Generic[_P, _R, _S]
):
    sync_fn: Any
    def __init__(
        self,
        fn: Callable[_P, FutureBase[_R]],
        sync_fn: Callable[..., _S],
        asyncio_fn: Callable[..., Coroutine[Any, Any, Any]] | None = None,
        allow_sync_call: bool = False,
    ) -> None: ...

class AsyncWrapper(_AsyncDecoratorBase, Generic[_P, _R]):
    wrapper_fn: Callable[_P, FutureBase[_R]]
    function_name: str
    @property
    def allow_sync_call(self) -> bool: ...
    def __init__(
        self, fn: Callable[..., Any], wrapper_fn: Callable[_P, FutureBase[_R]], name: str
    ) -> None: ...
    def __call__(self, *args: _P.args, **kwargs: _P.kwargs) -> _R: ...
    def asynq(self, *args: _P.args, **kwargs: _P.kwargs) -> FutureBase[_R]: ...
    async def asyncio(self, *args: _P.args, **kwargs: _P.kwargs) -> _R: ...
    @overload
    def __get__(
        self: _TakesAnything, owner: object, cls: type[Any] | None = None, /
    ) -> AsyncDecoratorBinder[_P, _R, FutureBase[_R]]: ...
    @overload
    def __get__(  # type: ignore[misc]
        self: Callable[Concatenate[type[_Self], _Left], object],
        owner: _Self | None,
        cls: type[_Self] | None = None,
        /,
    ) -> AsyncDecoratorBinder[_Left, _R, FutureBase[_R]]: ...
    @overload
    def __get__(
        self, owner: None, cls: type[Any] | None = None, /
    ) -> AsyncDecoratorBinder[_P, _R, FutureBase[_R]]: ...
    @overload
    def __get__(
        self: Callable[Concatenate[_Self, _Left], object],
        owner: _Self,
        cls: type[_Self] | None = None,
        /,
    ) -> AsyncDecoratorBinder[_Left, _R, FutureBase[_R]]: ...
    @overload
    def __get__(  # pyright: ignore[reportIncompatibleMethodOverride]
        self, owner: object, cls: type[Any] | None = None, /
    ) -> AsyncDecoratorBinder[_P, _R, FutureBase[_R]]: ...

# Making them. Of a generator function, and of an async def function, the result is what the body
# returns; what a yield gives is Any, because no type can say it. A function without annotations
# that ends by ``result(...)`` never returns, to a checker: so its result is Any, too.
#
# mypy does not take a function without a yield that returns just ``Self`` or just a type variable.

@type_check_only
class _MakesAsync(Protocol):
    @overload
    def __call__(
        self, fn: Callable[_P, Generator[Any, Any, NoReturn]], /
    ) -> AsyncDecorator[_P, Any]: ...
    @overload
    def __call__(
        self, fn: Callable[_P, Generator[Any, Any, _R]], /
    ) -> AsyncDecorator[_P, _R]: ...
    @overload
    def __call__(
        self, fn: Callable[_P, Coroutine[Any, Any, NoReturn]], /
    ) -> AsyncDecorator[_P, Any]: ...
    @overload
    def __call__(
        self, fn: Callable[_P, Coroutine[Any, Any, _R]], /
    ) -> AsyncDecorator[_P, _R]: ...
    @overload
    def __call__(self, fn: Callable[_P, _R], /) -> AsyncDecorator[_P, _R]: ...

@type_check_only
class _MakesPure(Protocol):
    @overload
    def __call__(
        self, fn: Callable[_P, Generator[Any, Any, NoReturn]], /
    ) -> PureAsyncDecorator[_P, AsyncTask[Any]]: ...
    @overload
    def __call__(
        self, fn: Callable[_P, Generator[Any, Any, _R]], /
    ) -> PureAsyncDecorator[_P, AsyncTask[_R]]: ...
    @overload
    def __call__(
        self, fn: Callable[_P, Coroutine[Any, Any, NoReturn]], /
    ) -> PureAsyncDecorator[_P, AsyncTask[Any]]: ...
    @overload
    def __call__(
        self, fn: Callable[_P, Coroutine[Any, Any, _R]], /
    ) -> PureAsyncDecorator[_P, AsyncTask[_R]]: ...
    @overload
    def __call__(self, fn: Callable[_P, _R], /) -> PureAsyncDecorator[_P, AsyncTask[_R]]: ...

@type_check_only
class _MakesPair(Protocol[_S]):
    @overload
    def __call__(
        self, fn: Callable[_P, Generator[Any, Any, NoReturn]], /
    ) -> AsyncAndSyncPairDecorator[_P, Any, _S]: ...
    @overload
    def __call__(
        self, fn: Callable[_P, Generator[Any, Any, _T]], /
    ) -> AsyncAndSyncPairDecorator[_P, _T, _S]: ...
    @overload
    def __call__(
        self, fn: Callable[_P, Coroutine[Any, Any, NoReturn]], /
    ) -> AsyncAndSyncPairDecorator[_P, Any, _S]: ...
    @overload
    def __call__(
        self, fn: Callable[_P, Coroutine[Any, Any, _T]], /
    ) -> AsyncAndSyncPairDecorator[_P, _T, _S]: ...
    @overload
    def __call__(
        self, fn: Callable[_P, _T], /
    ) -> AsyncAndSyncPairDecorator[_P, _T, _S]: ...

@overload
def asynq(
    pure: Literal[False] = False,
    sync_fn: None = None,
    cls: Callable[..., AsyncTask[Any]] = ...,
    asyncio_fn: Callable[..., Coroutine[Any, Any, Any]] | None = None,
    allow_sync_call: bool = False,
) -> _MakesAsync: ...
@overload
def asynq(
    pure: Literal[True],
    sync_fn: None = None,
    cls: Callable[..., AsyncTask[Any]] = ...,
    asyncio_fn: Callable[..., Coroutine[Any, Any, Any]] | None = None,
    allow_sync_call: bool = False,
    **kwargs: Any,
) -> _MakesPure: ...
@overload
def asynq(
    pure: Literal[False] = False,
    *,
    sync_fn: Callable[..., _S],
    cls: Callable[..., AsyncTask[Any]] = ...,
    asyncio_fn: Callable[..., Coroutine[Any, Any, Any]] | None = None,
    allow_sync_call: bool = False,
) -> _MakesPair[_S]: ...

@type_check_only
class _MakesProxy(Protocol):
    def __call__(self, fn: Callable[_P, FutureBase[_R]], /) -> AsyncProxyDecorator[_P, _R]: ...

@type_check_only
class _LeavesAsItIs(Protocol):
    def __call__(self, fn: _T, /) -> _T: ...

@type_check_only
class _MakesProxyPair(Protocol[_S]):
    def __call__(
        self, fn: Callable[_P, FutureBase[_T]], /
    ) -> AsyncAndSyncPairProxyDecorator[_P, _T, _S]: ...

@overload
def async_proxy(
    pure: Literal[False] = False,
    sync_fn: None = None,
    asyncio_fn: Callable[..., Coroutine[Any, Any, Any]] | None = None,
    allow_sync_call: bool = False,
) -> _MakesProxy: ...
@overload
def async_proxy(
    pure: Literal[True],
    sync_fn: None = None,
    asyncio_fn: None = None,
    allow_sync_call: bool = False,
) -> _LeavesAsItIs: ...
@overload
def async_proxy(
    pure: Literal[False] = False,
    *,
    sync_fn: Callable[..., _S],
    asyncio_fn: Callable[..., Coroutine[Any, Any, Any]] | None = None,
    allow_sync_call: bool = False,
) -> _MakesProxyPair[_S]: ...

# In truth it is a function with this attribute.
@type_check_only
class _Lazy(Protocol[_P, _R]):
    def __call__(self, *args: _P.args, **kwargs: _P.kwargs) -> Future[_R]: ...
    def is_pure_async_fn(self) -> bool: ...
    @overload
    def __get__(self, owner: None, cls: type[Any] | None = None, /) -> _Lazy[_P, _R]: ...
    @overload
    def __get__(
        self: Callable[Concatenate[_Self, _Left], object],
        owner: _Self,
        cls: type[_Self] | None = None,
        /,
    ) -> _Lazy[_Left, _R]: ...

def lazy(fn: Callable[_P, _R]) -> _Lazy[_P, _R]: ...

@type_check_only
class _AsyncCall(Protocol):
    @overload
    def __call__(
        self, fn: _HasAsynq[_P, FutureBase[_R]], *args: _P.args, **kwargs: _P.kwargs
    ) -> _R: ...
    @overload
    def __call__(
        self, fn: _Pure[_P, FutureBase[_R]], *args: _P.args, **kwargs: _P.kwargs
    ) -> _R: ...
    @overload
    def __call__(self, fn: Callable[_P, _R], *args: _P.args, **kwargs: _P.kwargs) -> _R: ...
    @overload
    def asynq(
        self, fn: _HasAsynq[_P, FutureBase[_R]], *args: _P.args, **kwargs: _P.kwargs
    ) -> FutureBase[_R]: ...
    @overload
    def asynq(
        self, fn: _Pure[_P, FutureBase[_R]], *args: _P.args, **kwargs: _P.kwargs
    ) -> FutureBase[_R]: ...
    @overload
    def asynq(
        self, fn: Callable[_P, _R], *args: _P.args, **kwargs: _P.kwargs
    ) -> FutureBase[_R]: ...
    @overload
    async def asyncio(
        self, fn: _HasAsynq[_P, FutureBase[_R]], *args: _P.args, **kwargs: _P.kwargs
    ) -> _R: ...
    @overload
    async def asyncio(
        self, fn: _Pure[_P, FutureBase[_R]], *args: _P.args, **kwargs: _P.kwargs
    ) -> _R: ...
    @overload
    async def asyncio(
        self, fn: Callable[_P, _R], *args: _P.args, **kwargs: _P.kwargs
    ) -> _R: ...

async_call: _AsyncCall

@overload
async def asyncio_call(
    fn: _HasAsynq[_P, FutureBase[_R]], *args: _P.args, **kwargs: _P.kwargs
) -> _R: ...
@overload
async def asyncio_call(
    fn: _Pure[_P, FutureBase[_R]], *args: _P.args, **kwargs: _P.kwargs
) -> _R: ...
@overload
async def asyncio_call(fn: Callable[_P, _R], *args: _P.args, **kwargs: _P.kwargs) -> _R: ...
@overload
def convert_asynq_to_async(
    fn: Callable[_P, Generator[Any, Any, NoReturn]],
) -> Callable[_P, Coroutine[Any, Any, Any]]: ...
@overload
def convert_asynq_to_async(
    fn: Callable[_P, Generator[Any, Any, _R]],
) -> Callable[_P, Coroutine[Any, Any, _R]]: ...
@overload
def convert_asynq_to_async(
    fn: Callable[_P, Coroutine[Any, Any, NoReturn]],
) -> Callable[_P, Coroutine[Any, Any, Any]]: ...
@overload
def convert_asynq_to_async(
    fn: Callable[_P, Coroutine[Any, Any, _R]],
) -> Callable[_P, Coroutine[Any, Any, _R]]: ...
@overload
def convert_asynq_to_async(
    fn: Callable[_P, _R],
) -> Callable[_P, Coroutine[Any, Any, _R]]: ...

def make_async_decorator(
    fn: Callable[..., Any], wrapper_fn: Callable[_P, FutureBase[_R]], name: str
) -> AsyncWrapper[_P, _R]: ...
