"""Right uses of asynq, and the types that checkers are to find; never run (see ``make types``)."""

import asyncio
import logging
import random
from collections.abc import Callable, Coroutine, Generator
from typing import Any, TypeVar
from unittest.mock import AsyncMock, MagicMock

import qcore
from typing_extensions import ParamSpec, Self, assert_type

import asynq as package
from asynq import (
    END_OF_GENERATOR,
    AsyncContext,
    AsyncScopedValue,
    AsyncTask,
    AsyncTaskError,
    BatchBase,
    BatchItemBase,
    ConstFuture,
    ErrorFuture,
    Future,
    FutureBase,
    NonAsyncContext,
    Value,
    async_call,
    async_generator,
    async_override,
    async_proxy,
    asynq,
    asynq_to_async,
    debug,
    gather,
    get_active_task,
    get_async_fn,
    get_async_or_sync_fn,
    get_scheduler,
    has_async_fn,
    is_async_fn,
    is_asyncio_mode,
    is_pure_async_fn,
    list_of_generator,
    make_async_decorator,
    mock,
    none_future,
    profiler,
    result,
    scheduler,
    take_first,
    tools,
)
from asynq.async_task import extract_futures, unwrap
from asynq.batching import DebugBatch, DebugBatchItem
from asynq.decorators import (
    AsyncDecorator,
    AsyncWrapper,
    PureAsyncDecorator,
    asyncio_call,
    convert_asynq_to_async,
    lazy,
)

_P = ParamSpec("_P")
_R = TypeVar("_R")

# Futures

assert_type(ConstFuture(1), ConstFuture[int])
assert_type(ConstFuture("a").value(), str)
assert_type(ConstFuture("a")(), str)
assert_type(Future(lambda: 1.5).value(), float)
assert_type(none_future.value(), None)
assert_type(ErrorFuture(KeyError()).error(), BaseException | None)
assert_type(ErrorFuture(KeyError()), ErrorFuture[Any])

later: FutureBase[int] = FutureBase()
later.set_value(3)
later.set_error(KeyError())
later.set_error(None)
assert_type(later.value(), int)
assert_type(later.is_computed(), bool)
assert_type(later.on_computed, qcore.EventHook)
later.on_computed.subscribe(print)
later.raise_if_error()
later.reset_unsafe()
later.dump(1)


class Loaded(FutureBase[list[str]]):
    def _compute(self) -> None:
        self.set_value([])


assert_type(Loaded().value(), list[str])


# Batches


class Lookup(BatchItemBase[str]):
    def __init__(self, batch: "Lookups", key: int) -> None:
        super().__init__(batch)
        self.key = key


class Lookups(BatchBase[Lookup]):
    current: "Lookups"

    def _try_switch_active_batch(self) -> None:
        if Lookups.current is self:
            Lookups.current = Lookups()

    def _flush(self) -> None:
        for item in self.items:
            assert_type(item, Lookup)
            item.set_value(str(item.key))

    def get_priority(self) -> tuple[float, ...]:
        assert_type(super().get_priority(), tuple[float, ...])
        return (1, len(self.items))

    def _cancel(self) -> None:
        pass


Lookups.current = Lookups()
assert_type(Lookup(Lookups.current, 1).value(), str)
assert_type(Lookup(Lookups.current, 1).index, int)
assert_type(Lookups.current.value(), None)
assert_type(Lookups.current.items, list[Lookup])
assert_type(Lookups.current.is_flushed(), bool)
Lookups.current.flush()
Lookups.current.cancel()
Lookups.current.cancel(KeyError())


# As it is written for Python 2 and 3.6, too.
class PlainItem(BatchItemBase):
    pass


class PlainBatch(BatchBase):
    def _flush(self) -> None:
        for item in self.items:
            item.set_value(item.anything)


assert_type(PlainItem(PlainBatch()).value(), Any)

assert_type(DebugBatchItem(), DebugBatchItem[None])
assert_type(DebugBatchItem("name").value(), None)
assert_type(DebugBatchItem("name", 1).value(), int)
assert_type(DebugBatchItem(result="a").value(), str)
assert_type(DebugBatch("name").items, list[DebugBatchItem[Any]])
assert_type(debug.sync().value(), None)


# Functions


@asynq()
def plain(key: int) -> str:
    return str(key)


@asynq()
def generator(key: int, *rest: str, option: bool = False) -> Generator[Any, Any, list[str]]:
    # No checker knows what a yield gives: say it.
    assert_type((yield None), Any)
    text: str = yield plain.asynq(key)
    return [text]


assert_type(plain(1), str)
assert_type(plain.asynq(1), AsyncTask[str])
assert_type(plain.asynq(1).value(), str)
assert_type(generator(1), list[str])
assert_type(generator(1, "a", option=True), list[str])
assert_type(generator.asynq(key=1), AsyncTask[list[str]])
assert_type(generator.is_pure_async_fn(), bool)
assert_type(generator.__name__, str)


@asynq()
def with_result(key: int) -> Generator[Any, Any, str]:
    value = yield plain.asynq(key)
    result(value)


assert_type(with_result(1), str)


@asynq()
async def native(key: int, *rest: str, option: bool = False) -> list[str]:
    assert_type(await plain.asynq(key), str)
    assert_type(await generator.asynq(key), list[str])
    assert_type(await ConstFuture(1), int)
    return [await plain.asynq(key)]


assert_type(native(1, "a", option=True), list[str])
assert_type(native.asynq(key=1), AsyncTask[list[str]])


@asynq()
async def native_with_result(key: int) -> str:
    return result(await plain.asynq(key))


assert_type(native_with_result(1), str)


@asynq()
async def gathers(number: FutureBase[int]) -> None:
    text = plain.asynq(1)
    assert_type(await gather(text), tuple[str])
    assert_type(await gather(text, number), tuple[str, int])
    assert_type(await gather((text, number)), tuple[str, int])
    assert_type(await gather(text, number, text), tuple[str, int, str])
    assert_type(await gather((text, number, text)), tuple[str, int, str])
    assert_type(await gather(text, number, text, number), tuple[str, int, str, int])
    assert_type(await gather(*[text]), tuple[str, ...])
    assert_type(await gather(tuple([text])), tuple[str, ...])
    assert_type(await gather([text]), list[str])
    assert_type(await gather([text, ConstFuture("a")]), list[str])
    texts = [plain.asynq(key) for key in range(3)]
    assert_type(await gather(texts), list[str])
    by_key = {key: plain.asynq(key) for key in range(3)}
    assert_type(await gather(by_key), dict[int, str])
    assert_type(await gather({1: text}), dict[int, str])
    assert_type(await gather([[text], None]), Any)
    assert_type(await gather([text], {1: text}), Any)
    async for element in elements():
        assert_type(element, int)


@async_generator()
def elements() -> Generator[Value[int] | FutureBase[Any], Any, None]:
    yield plain.asynq(1)
    yield Value(1)


@asynq(pure=True)
async def native_pure(key: int) -> str:
    return await plain.asynq(key)


assert_type(native_pure(1), AsyncTask[str])


@asynq(sync_fn=len)
async def native_pair(key: str) -> str:
    return await plain.asynq(1)


assert_type(native_pair("a"), int)
assert_type(native_pair.asynq("a"), AsyncTask[str])


@asynq()
def nothing() -> Generator[Any, Any, None]:
    yield [plain.asynq(1), None, {"a": (plain.asynq(2),)}]


assert_type(nothing.asynq(), AsyncTask[None])


# Without annotations, or with half of them: nothing is known, and nothing is wrong.
@asynq()
def says_any(key: int) -> Any:
    return key


@asynq()
def yields_any(key: int) -> Generator[Any, Any, Any]:
    result((yield plain.asynq(key)))


assert_type(says_any(1), Any)
assert_type(says_any.asynq(1), AsyncTask[Any])
assert_type(yields_any(1), Any)
yields_any.asynq(1).value()


# Methods


class User:
    def __init__(self, uid: int) -> None:
        self.uid = uid

    @asynq()
    def name(self, default: str = "") -> Generator[Any, Any, str]:
        return (yield Lookup(Lookups.current, self.uid)) or default

    @asynq()
    def name_length(self) -> Generator[Any, Any, int]:
        return len((yield self.name.asynq()))

    @asynq()
    @classmethod
    def above(cls, aid: int) -> Generator[Any, Any, int]:
        yield None
        return cls(aid).uid

    @classmethod
    @asynq()
    def below(cls, aid: int) -> Generator[Any, Any, int]:
        yield None
        return cls(aid).uid

    @asynq()
    @staticmethod
    def outside(aid: int) -> Generator[Any, Any, bytes]:
        yield None
        return bytes(aid)

    @staticmethod
    @asynq()
    def inside(aid: int) -> Generator[Any, Any, bytes]:
        yield None
        return bytes(aid)

    @asynq(pure=True)
    def pure(self, key: int) -> Generator[Any, Any, str]:
        text: str = yield plain.asynq(key)
        return text

    @classmethod
    @asynq(pure=True)
    def pure_of_class(cls, key: int) -> Generator[Any, Any, str]:
        text: str = yield plain.asynq(key)
        return text

    @async_proxy()
    def proxy(self, key: int) -> FutureBase[str]:
        return Lookup(Lookups.current, key)

    @staticmethod
    @async_proxy()
    def static_proxy(key: int) -> FutureBase[str]:
        return Lookup(Lookups.current, key)

    @asynq()
    def itself(self) -> Generator[Any, Any, Self]:
        yield None
        return self

    @asynq()
    def others(self) -> list[Self]:
        return [self]


class Admin(User):
    pass


user = User(1)
assert_type(user.name(), str)
assert_type(user.name(default="a"), str)
assert_type(user.name.asynq("a"), AsyncTask[str])
assert_type(user.name_length(), int)
assert_type(User.name(user, "a"), str)
assert_type(User.name.asynq(user), AsyncTask[str])
assert_type(Admin(1).name(), str)
assert_type(Admin.name.asynq(Admin(1)), AsyncTask[str])

assert_type(User.above(1), int)
assert_type(User.above.asynq(aid=1), AsyncTask[int])
assert_type(user.above(1), int)
assert_type(User.below(1), int)
assert_type(User.below.asynq(aid=1), AsyncTask[int])
assert_type(user.below(1), int)
assert_type(Admin.above.asynq(1), AsyncTask[int])
assert_type(Admin(1).below.asynq(1), AsyncTask[int])

assert_type(User.outside(1), bytes)
assert_type(User.outside.asynq(aid=1), AsyncTask[bytes])
assert_type(user.outside.asynq(1), AsyncTask[bytes])
assert_type(User.inside(1), bytes)
assert_type(User.inside.asynq(aid=1), AsyncTask[bytes])
assert_type(user.inside.asynq(1), AsyncTask[bytes])
assert_type(Admin(1).inside(1), bytes)

assert_type(user.pure(1), AsyncTask[str])
assert_type(User.pure(user, 1), AsyncTask[str])
assert_type(User.pure_of_class(1), AsyncTask[str])
assert_type(user.proxy(1), str)
assert_type(user.proxy.asynq(1), FutureBase[str])
assert_type(User.static_proxy.asynq(1), FutureBase[str])
assert_type(Admin(1).others(), list[Admin])
# mypy takes this for Any, and pyright for Admin.
Admin(1).itself().uid


# Options of the decorators


def plain_sync(key: int) -> bytes:
    return bytes(key)


class Task(AsyncTask[Any]):
    pass


@asynq(sync_fn=plain_sync)
def pair(key: int) -> Generator[Any, Any, str]:
    text: str = yield plain.asynq(key)
    return text


@asynq(sync_fn=plain_sync)
def plain_pair(key: int) -> str:
    return str(key)


@asynq(pure=True)
def pure(key: int) -> Generator[Any, Any, str]:
    text: str = yield plain.asynq(key)
    return text


@asynq(pure=True)
def plain_pure(key: int) -> str:
    return str(key)


@asynq(True, cls=Task, more=1)
def pure_with_class(key: int) -> str:
    return str(key)


@asynq(cls=Task)
def with_class(key: int) -> str:
    return str(key)


@async_proxy()
def proxy(key: int | None) -> FutureBase[str]:
    if key is None:
        return ConstFuture("nobody")
    if key < 0:
        return ErrorFuture(KeyError(key))
    return Lookup(Lookups.current, key)


@async_proxy()
def proxy_of_lookup(key: int) -> Lookup | ErrorFuture[str]:
    return Lookup(Lookups.current, key)


@async_proxy(sync_fn=plain_sync)
def proxy_pair(key: int) -> FutureBase[str]:
    return Lookup(Lookups.current, key)


@async_proxy(pure=True)
def pure_proxy(key: int) -> FutureBase[str]:
    return Lookup(Lookups.current, key)


@lazy
def lazily(key: int) -> str:
    return str(key)


assert_type(pair(1), bytes)
assert_type(pair.asynq(1), AsyncTask[str])
assert_type(plain_pair(1), bytes)
assert_type(plain_pair.asynq(key=1), AsyncTask[str])
assert_type(pure(1), AsyncTask[str])
assert_type(pure(key=1).value(), str)
assert_type(plain_pure(1), AsyncTask[str])
assert_type(pure_with_class(1), AsyncTask[str])
assert_type(with_class(1), str)
assert_type(with_class.asynq(1), AsyncTask[str])
assert_type(proxy(1), str)
assert_type(proxy.asynq(key=None), FutureBase[str])
assert_type(proxy_of_lookup(1), str)
assert_type(proxy_of_lookup.asynq(1), FutureBase[str])
assert_type(proxy_pair(1), bytes)
assert_type(proxy_pair.asynq(1), FutureBase[str])
assert_type(pure_proxy(1), FutureBase[str])
assert_type(lazily(1), Future[str])
assert_type(lazily(key=1).value(), str)


# Decorators of one's own


def with_title(fn: AsyncDecorator[[int], str]) -> AsyncWrapper[[int], str]:
    @asynq(pure=True)
    def wrapper(key: int, /) -> Generator[Any, Any, str]:
        name: str = yield fn.asynq(key)
        return "Dr. " + name

    return make_async_decorator(fn, wrapper, "with_title")


@with_title
@asynq()
def doctor(key: int, /) -> str:
    return str(key)


assert_type(doctor(1), str)
assert_type(doctor.asynq(1), FutureBase[str])


def logged(fn: Callable[_P, FutureBase[_R]]) -> AsyncWrapper[_P, _R]:
    return make_async_decorator(fn, fn, "logged")


class Hospital:
    @logged
    def doctor(self, key: int) -> FutureBase[str]:
        return ConstFuture(str(key))


assert_type(Hospital().doctor(key=1), str)
assert_type(Hospital().doctor.asynq(1), FutureBase[str])

# Asking functions

assert_type(has_async_fn(plain), bool)
assert_type(is_async_fn(plain), bool)
assert_type(is_pure_async_fn(plain), bool)
assert_type(get_async_fn(plain)(1), AsyncTask[str])
assert_type(get_async_fn(user.name)(default="a"), AsyncTask[str])
assert_type(get_async_fn(pure)(key=1), AsyncTask[str])
assert_type(get_async_fn(plain_sync, wrap_if_none=True)(1), FutureBase[bytes])
maybe = get_async_fn(plain_sync)
if maybe is not None:
    assert_type(maybe(1), FutureBase[bytes])
assert_type(get_async_or_sync_fn(plain)(1), AsyncTask[str])
assert_type(get_async_or_sync_fn(pure)(1), AsyncTask[str])
assert_type(get_async_or_sync_fn(plain_sync)(1), bytes | FutureBase[bytes])

assert_type(async_call(plain, 1), str)
assert_type(async_call(plain, key=1), str)
assert_type(async_call(user.name), str)
assert_type(async_call(pure, 1), str)
assert_type(async_call(lazily, 1), str)
assert_type(async_call(proxy, 1), str)
assert_type(async_call(plain_sync, 1), bytes)
assert_type(async_call(len, "abc"), int)
assert_type(async_call.asynq(plain, 1), FutureBase[str])
assert_type(async_call.asynq(plain_sync, key=1), FutureBase[bytes])

# They can be passed where a function is expected.
called_plainly: Callable[[int], str] = plain
called_asynchronously: Callable[[int], FutureBase[Any]] = plain.asynq
called_on_instance: Callable[[], int] = user.name_length
called_purely: Callable[[int], AsyncTask[str]] = pure
kept: PureAsyncDecorator[..., AsyncTask[str]] = pure

# Tasks

task = plain.asynq(1)
assert_type(task.error(), BaseException | None)
assert_type(task.args, tuple[Any, ...])
assert_type(task.kwargs, dict[str, Any])
assert_type(task.creator, AsyncTask[Any] | None)
assert_type(task.running, bool)
assert_type(task.iteration_index, int)
assert_type(task.perf_stats, dict[str, Any])
assert_type(task.is_blocked(), bool)
assert_type(task.traceback(), list[str])
assert_type(AsyncTask(None, plain_sync, (1,), {}), AsyncTask[bytes])
assert_type(unwrap(task), str)
assert_type(unwrap(None), None)
assert_type(unwrap([task]), list[str])
assert_type(unwrap({1: task}), dict[int, str])
assert_type(unwrap((task, ConstFuture(1))), tuple[str, int])
assert_type(extract_futures([task, [none_future]], []), list[FutureBase[Any]])


def on_schedulers() -> None:
    assert_type(get_active_task(), AsyncTask[Any] | None)
    assert_type(get_scheduler(), scheduler.TaskScheduler)
    assert_type(get_scheduler().active_task, AsyncTask[Any] | None)
    get_scheduler().on_before_batch_flush.subscribe(print)
    assert_type(scheduler.run(task), str)
    assert_type(scheduler.run(plain, 1), str)
    scheduler.reset()
    raise AsyncTaskError("text")


# Tools


@asynq()
def length(text: str) -> Generator[Any, Any, int]:
    yield None
    return len(text)


@asynq()
def is_long(text: str) -> Generator[Any, Any, bool]:
    size: int = yield length.asynq(text)
    return size > 10


words = ["a", "b"]
assert_type(tools.amap(length, words), list[int])
assert_type(tools.amap(length, iter(words)), list[int])
assert_type(tools.amap.asynq(length, words), AsyncTask[list[int]])
assert_type(tools.amap(proxy, [1, None]), list[str])
assert_type(tools.afilter(is_long, words), list[str])
assert_type(tools.afilter.asynq(is_long, words), AsyncTask[list[str]])
assert_type(tools.afilterfalse(is_long, words), list[str])
assert_type(tools.afilterfalse.asynq(is_long, words), AsyncTask[list[str]])
assert_type(tools.afilterfalse(None, words), list[str])
maybe_words: list[str | None] = []
assert_type(tools.afilter(None, maybe_words), list[str])
assert_type(tools.afilter.asynq(None, maybe_words), AsyncTask[list[str]])
assert_type(tools.asift(is_long, words), tuple[list[str], list[str]])
assert_type(tools.asift.asynq(is_long, words), AsyncTask[tuple[list[str], list[str]]])
assert_type(tools.asorted(words), list[str])
assert_type(tools.asorted(words, key=length), list[str])
assert_type(tools.asorted(words, length, True), list[str])
assert_type(tools.asorted(words, key=None, reverse=True), list[str])
assert_type(tools.asorted.asynq(words, key=length), AsyncTask[list[str]])
assert_type(tools.amax(words), str)
assert_type(tools.amax(words, key=length), str)
assert_type(tools.amax("a", "b", "c"), str)
assert_type(tools.amax("a", "b", key=length), str)
assert_type(tools.amax(words, key=length, default=None), str | None)
assert_type(tools.amax(words, default=0), str | int)
assert_type(tools.amax.asynq(words, key=length), AsyncTask[str])
assert_type(tools.amin(words, default=None), str | None)
assert_type(tools.amin.asynq(words, key=length, default=None), AsyncTask[str | None])
assert_type(tools.amin.asynq("a", "b"), AsyncTask[str])


@tools.alru_cache(maxsize=10)
@asynq()
def cached(key: int, *, option: str = "") -> Generator[Any, Any, str]:
    text: str = yield plain.asynq(key)
    return text + option


@tools.alru_cache(key_fn=lambda args, kwargs: args[0])
@asynq(pure=True)
def cached_pure(key: int) -> str:
    return str(key)


@tools.alazy_constant(ttl=1000)
@asynq()
def constant() -> Generator[Any, Any, float]:
    yield None
    return 1.5


@tools.aretry((KeyError, OSError), max_tries=3, sleep=0.1)
@asynq()
def retried(key: int) -> Generator[Any, Any, str]:
    text: str = yield plain.asynq(key)
    return text


@tools.deduplicate()
@asynq()
def shared(key: int, *, option: str = "") -> Generator[Any, Any, str]:
    text: str = yield plain.asynq(key)
    return text + option


@tools.deduplicate(keygetter=lambda args, kwargs: args[0])
@asynq(pure=True)
def shared_pure(key: int) -> str:
    return str(key)


@tools.deduplicate()
@async_proxy()
def shared_proxy(key: int) -> FutureBase[str]:
    return ConstFuture(str(key))


class Caching:
    @tools.acached_per_instance()
    @asynq()
    def per_instance(self, key: int) -> Generator[Any, Any, str]:
        text: str = yield plain.asynq(key)
        return text

    @tools.alru_cache()
    @asynq()
    def by_use(self, key: int) -> str:
        return str(key)

    @tools.alru_cache()
    @classmethod
    @asynq()
    def of_class(cls, key: int) -> str:
        return str(key)

    @tools.deduplicate()
    @asynq()
    def shared(self, key: int) -> str:
        return str(key)

    @tools.aretry(KeyError)
    @asynq()
    def retried(self, key: int) -> str:
        return str(key)


assert_type(cached(1, option="a"), str)
assert_type(cached.asynq(key=1), AsyncTask[str])
assert_type(cached_pure(1), str)
assert_type(cached_pure.asynq(1), AsyncTask[str])
assert_type(constant(), float)
assert_type(constant.asynq(), AsyncTask[float])
constant.dirty()
assert_type(retried(1), str)
assert_type(retried.asynq(key=1), AsyncTask[str])
assert_type(shared(1, option="a"), str)
assert_type(shared.asynq(key=1), AsyncTask[str])
shared.dirty(1, option="a")
assert_type(shared_pure(1), AsyncTask[str])
assert_type(shared_pure.asynq(1), AsyncTask[str])
shared_pure.dirty(1)
assert_type(shared_proxy(1), str)
assert_type(shared_proxy.asynq(1), FutureBase[str])
assert_type(Caching().per_instance(1), str)
assert_type(Caching().per_instance.asynq(key=1), AsyncTask[str])
assert_type(Caching().by_use.asynq(key=1), AsyncTask[str])
assert_type(Caching.of_class.asynq(key=1), AsyncTask[str])
assert_type(Caching().shared.asynq(key=1), AsyncTask[str])
Caching().shared.dirty(key=1)
assert_type(Caching().retried.asynq(key=1), AsyncTask[str])

assert_type(tools.call_with_context(tools.AsyncTimer(), plain, 1), str)
assert_type(tools.call_with_context.asynq(open("file"), plain, key=1), AsyncTask[str])
with tools.AsyncTimer() as timer:
    assert_type(timer, tools.AsyncTimer)
assert_type(timer.total_time, int)
hook = tools.AsyncEventHook([plain, print])
hook.trigger(1)
hook(1)
assert_type(hook.trigger.asynq(1, "a"), AsyncTask[None])
assert_type(hook.safe_trigger.asynq(), AsyncTask[None])

# On event loops


class AwaitedLookups(BatchBase[Lookup]):
    flush_in_thread = False

    def _try_switch_active_batch(self) -> None:
        pass

    async def _flush(self) -> None:
        await asyncio.sleep(0)
        for item in self.items:
            item.set_value(str(item.key))


class MoreAwaitedLookups(AwaitedLookups):
    async def _flush(self) -> None:
        await super()._flush()


class BlockingLookups(Lookups):
    flush_in_thread = True

    def _flush(self) -> None:
        super()._flush()


async def native_sync(key: int) -> str:
    return str(key)


@asynq(asyncio_fn=native_sync, allow_sync_call=True)
def with_asyncio_fn(key: int) -> str:
    return str(key)


@asynq(pure=True, asyncio_fn=native_sync)
def pure_with_asyncio_fn(key: int) -> str:
    return str(key)


@asynq(sync_fn=plain_sync, asyncio_fn=native_sync, allow_sync_call=True)
def pair_with_asyncio_fn(key: int) -> str:
    return str(key)


@async_proxy(asyncio_fn=native_sync, allow_sync_call=True)
def proxy_with_asyncio_fn(key: int) -> FutureBase[str]:
    return ConstFuture(str(key))


@async_proxy(sync_fn=plain_sync, asyncio_fn=native_sync, allow_sync_call=True)
def proxy_pair_with_asyncio_fn(key: int) -> FutureBase[str]:
    return ConstFuture(str(key))


@convert_asynq_to_async
def converted(key: int) -> Generator[Any, Any, str]:
    text: str = yield plain.asynq(key)
    return text


@convert_asynq_to_async
def converted_with_result(key: int) -> Generator[Any, Any, str]:
    result((yield plain.asynq(key)))


@convert_asynq_to_async
def plain_converted(key: int) -> str:
    return str(key)


@convert_asynq_to_async
async def native_converted(key: int) -> str:
    return str(key)


@asynq()
def yields_awaitables(key: int) -> Generator[Any, Any, str]:
    text: str
    text, _ = yield native_sync(key), [plain.asynq(key), asyncio.sleep(0)]
    return text


async def on_loops() -> None:
    assert_type(await plain.asyncio(1), str)
    assert_type(await generator.asyncio(1, "a", option=True), list[str])
    assert_type(await with_result.asyncio(key=1), str)
    assert_type(await native.asyncio(1), list[str])
    assert_type(await nothing.asyncio(), None)
    assert_type(await says_any.asyncio(1), Any)
    assert_type(await user.name.asyncio(default="a"), str)
    assert_type(await User.name.asyncio(user, "a"), str)
    assert_type(await Admin(1).others.asyncio(), list[Admin])
    assert_type(await User.above.asyncio(1), int)
    assert_type(await user.below.asyncio(aid=1), int)
    assert_type(await Admin.below.asyncio(1), int)
    assert_type(await User.outside.asyncio(1), bytes)
    assert_type(await user.inside.asyncio(1), bytes)
    assert_type(await user.pure.asyncio(1), str)
    assert_type(await User.pure.asyncio(user, key=1), str)
    assert_type(await User.pure_of_class.asyncio(1), str)
    assert_type(await user.proxy.asyncio(1), str)
    assert_type(await User.static_proxy.asyncio(1), str)
    # With a function of its own for synchronous calls, it is still the asynchronous one.
    assert_type(await pair.asyncio(1), str)
    assert_type(await native_pair.asyncio("a"), str)
    assert_type(await proxy_pair.asyncio(1), str)
    assert_type(await pure.asyncio(1), str)
    assert_type(await native_pure.asyncio(key=1), str)
    assert_type(await pure_with_class.asyncio(1), str)
    assert_type(await with_class.asyncio(1), str)
    assert_type(await proxy.asyncio(None), str)
    assert_type(await doctor.asyncio(1), str)
    assert_type(await Hospital().doctor.asyncio(key=1), str)
    assert_type(await yields_awaitables.asyncio(1), str)

    assert_type(await with_asyncio_fn.asyncio(1), str)
    assert_type(await pure_with_asyncio_fn.asyncio(1), str)
    assert_type(await pair_with_asyncio_fn.asyncio(1), str)
    assert_type(await proxy_with_asyncio_fn.asyncio(1), str)
    assert_type(await proxy_pair_with_asyncio_fn.asyncio(1), str)
    assert_type(await converted(key=1), str)
    assert_type(await converted_with_result(1), str)
    assert_type(await plain_converted(1), str)
    assert_type(await native_converted(1), str)

    assert_type(await async_call.asyncio(plain, 1), str)
    assert_type(await asyncio_call(plain, key=1), str)
    assert_type(await asyncio_call(user.name, "a"), str)
    assert_type(await asyncio_call(pure, 1), str)
    assert_type(await asyncio_call(plain_sync, 1), bytes)

    assert_type(await tools.amap.asyncio(length, words), list[int])
    assert_type(await tools.afilter.asyncio(is_long, words), list[str])
    assert_type(await tools.afilterfalse.asyncio(is_long, words), list[str])
    assert_type(await tools.asift.asyncio(is_long, words), tuple[list[str], list[str]])
    assert_type(await tools.asorted.asyncio(words, key=length), list[str])
    assert_type(await tools.amax.asyncio(words, key=length, default=None), str | None)
    assert_type(await tools.amin.asyncio("a", "b"), str)
    assert_type(await tools.call_with_context.asyncio(open("file"), plain, key=1), str)
    assert_type(await cached.asyncio(1, option="a"), str)
    assert_type(await cached_pure.asyncio(1), str)
    assert_type(await constant.asyncio(), float)
    assert_type(await retried.asyncio(key=1), str)
    assert_type(await shared.asyncio(1, option="a"), str)
    assert_type(await shared_pure.asyncio(1), str)
    assert_type(await shared_proxy.asyncio(1), str)
    assert_type(await Caching().per_instance.asyncio(1), str)
    assert_type(await Caching.of_class.asyncio(key=1), str)
    assert_type(await Caching().shared.asyncio(key=1), str)
    assert_type(await hook.trigger.asyncio(1, "a"), None)
    assert_type(await take_first.asyncio(names([1]), 3), list[str])
    assert_type(await list_of_generator.asyncio(numbers()), list[int])
    async for name in names([1]):
        assert_type(name, str)

    # What has no loop yet can be given to any.
    coroutine: Coroutine[Any, Any, str] = plain.asyncio(1)
    assert_type(await asyncio.wait_for(coroutine, 1), str)
    both = await asyncio.gather(plain.asyncio(1), length.asyncio("a"))
    assert_type(both, tuple[str, int])
    started = asyncio.ensure_future(plain.asyncio(1))
    assert_type(await started, str)

    # Futures can be awaited by plain coroutines, too.
    assert_type(await plain.asynq(1), str)
    assert_type(await asyncio.wait_for(plain.asynq(1), 1), str)
    assert_type(await Lookup(Lookups.current, 1), str)
    assert_type(await gather(plain.asynq(1), asyncio.sleep(0, 1.5)), tuple[str, float])
    assert_type(await gather([native_sync(1), native_sync(2)]), list[str])
    assert_type(await gather({1: native_sync(1)}), dict[int, str])

    assert_type(is_asyncio_mode(), bool)
    assert_type(asynq_to_async.is_asyncio_mode(), bool)
    assert_type(await asynq_to_async.resolve_awaitables(plain.asynq(1)), str)
    assert_type(await asynq_to_async.resolve_awaitables(None), None)
    assert_type(await asynq_to_async.resolve_awaitables([native_sync(1)]), list[str])
    assert_type(await asynq_to_async.resolve_awaitables([plain.asynq(1)]), list[str])
    assert_type(await asynq_to_async.resolve_awaitables({1: plain.asynq(1)}), dict[int, str])
    two = plain.asynq(1), asyncio.sleep(0, 1.5)
    assert_type(await asynq_to_async.resolve_awaitables(two), tuple[str, float])
    assert_type(await asynq_to_async.resolve_awaitables([[plain.asynq(1)], None]), Any)
    with asynq_to_async.AsyncioMode():
        pass


called_on_loops: Callable[[int], Coroutine[Any, Any, str]] = plain.asyncio

# Contexts and scoped values


class Tagged(AsyncContext):
    def resume(self) -> None:
        pass

    def pause(self) -> None:
        pass


class Transaction(NonAsyncContext):
    pass


locale = AsyncScopedValue("en")
assert_type(locale, AsyncScopedValue[str])
assert_type(locale.get(), str)
assert_type(locale(), str)
locale.set("de")
with locale.override("fr"), async_override(user, "uid", 2), Transaction():
    pass
with Tagged() as tagged:
    assert_type(tagged, Tagged)
either = AsyncScopedValue[int | None](None)
either.set(1)
assert_type(either.get(), int | None)

# Generators


@async_generator()
def names(uids: list[int]) -> Generator[FutureBase[str] | Value[str], Any, None]:
    for uid in uids:
        name = yield plain.asynq(uid)
        yield Value(name)


@async_generator()
def numbers() -> Generator[Value[int], None, None]:
    yield Value(1)


assert_type(Value(1).value, int)
assert_type(take_first(names([1]), 3), list[str])
assert_type(take_first.asynq(names(uids=[1]), None), AsyncTask[list[str]])
assert_type(list_of_generator(numbers()), list[int])
assert_type(list_of_generator.asynq(numbers()), AsyncTask[list[int]])
assert_type(take_first([plain.asynq(1)], 1), list[str])
assert_type(numbers().is_stopped, bool)
for element in numbers():
    assert_type(element.value(), int | qcore.MarkerObject)
    if element.value() is END_OF_GENERATOR:
        break

# Mock

with mock.patch("module.name") as patched:
    assert_type(patched, MagicMock | AsyncMock)
with mock.patch("module.name", plain_sync) as new:
    assert_type(new(1), bytes)
with mock.patch.object(user, "name", new_callable=random.Random) as made:
    assert_type(made, random.Random)
with mock.patch.dict("os.environ", {"a": "b"}), mock.patch.multiple(user, uid=3):
    mock.patch.stopall()
started = mock.patch.object(User, "name", autospec=True).start()
started.return_value = "Ada"


@mock.patch("module.name")
@package.mock_.patch("module.other", 1)
def test_something(name: MagicMock) -> None:
    name.return_value = "Ada"


# Debugging

debug.options.DUMP_ALL(True)
assert_type(debug.options.DUMP_ALL(), bool)
assert_type(debug.DUMP_ALL(), bool)
debug.options.MAX_TASK_STACK_SIZE = 100
debug.options.STACK_DUMP_LIMIT = None
debug.options.SCHEDULER_STATE_DUMP_INTERVAL = 0.5
assert_type(debug.options.DUMP_NEW_TASKS, bool)
assert_type(debug.format_error(KeyError()), str)
assert_type(debug.format_error(None), None)
assert_type(debug.format_error(task.error()), str | None)
assert_type(debug.format_asynq_stack(), list[str] | None)
assert_type(debug.str(1), str)
assert_type(debug.repr(1, truncate=False), str)
with debug.enable_complex_assertions(), debug.disable_complex_assertions():
    debug.write("text", 1)
logging.StreamHandler().setFormatter(debug.AsynqStackTracebackFormatter())
debug.dump_error(KeyError())
debug.dump_stack(limit=3)
debug.detach_exception_hook()
profiler.append({"name": "a"})
assert_type(profiler.flush(), list[Any])
assert_type(profiler.incr_counter(), int)
