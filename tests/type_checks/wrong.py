"""Wrong uses of asynq: every line with a comment is an error to both checkers.

``# type: ignore[...]`` is for mypy, ``# pyright: ignore[...]`` for pyright; either complains of a
comment that it does not need.

"""

# pyright: reportUnknownMemberType=false

import asyncio
from collections.abc import Generator
from typing import Any

from asynq import (
    AsyncScopedValue,
    AsyncTask,
    BatchBase,
    BatchItemBase,
    ConstFuture,
    Future,
    FutureBase,
    Value,
    async_call,
    async_generator,
    async_proxy,
    asynq,
    asynq_to_async,
    debug,
    gather,
    get_active_task,
    list_of_generator,
    make_async_decorator,
    mock,
    tools,
)
from asynq.batching import DebugBatchItem
from asynq.decorators import asyncio_call, convert_asynq_to_async, lazy


@asynq()
def name_of_user(uid: int, *, full: bool = False) -> Generator[Any, Any, str]:
    yield None
    return str(uid)


@asynq()
def plain(uid: int) -> str:
    return str(uid)


class User:
    @asynq()
    def name(self, default: str) -> Generator[Any, Any, str]:
        yield None
        return default

    @classmethod
    @asynq()
    def of_answer(cls, aid: int) -> Generator[Any, Any, int]:
        yield None
        return aid

    @staticmethod
    @asynq()
    def is_author(aid: int) -> Generator[Any, Any, bool]:
        yield None
        return True


@asynq(pure=True)
def pure(uid: int) -> str:
    return str(uid)


@async_proxy()
def proxy(uid: int) -> FutureBase[str]:
    return ConstFuture(str(uid))


@asynq(sync_fn=len)
def pair(text: str) -> str:
    return text


@lazy
def lazily(uid: int) -> str:
    return str(uid)


user = User()

# Arguments

name_of_user("1")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
name_of_user()  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
name_of_user(1, 2)  # type: ignore[arg-type,call-arg]  # pyright: ignore[reportCallIssue]
name_of_user(1, fully=True)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
name_of_user.asynq("1")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
name_of_user.asynq(1, full=1)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
plain("1")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
plain.asynq()  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
user.name(1)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
user.name()  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
user.name.asynq(1)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
User.name("a")  # type: ignore[arg-type,call-arg]  # pyright: ignore[reportCallIssue]
User.name.asynq("a")  # type: ignore[arg-type,call-arg]  # pyright: ignore[reportCallIssue]
User.of_answer("a")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
User.of_answer.asynq()  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
user.of_answer.asynq("a")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
User.is_author("a")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
user.is_author.asynq("a")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
pure("1")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
proxy("1")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
proxy.asynq("1")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
pair.asynq(1)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
lazily("1")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]

# Values
number: int = name_of_user(1)  # type: ignore[assignment]  # pyright: ignore[reportAssignmentType]
number = name_of_user.asynq(1)  # type: ignore[assignment]  # pyright: ignore[reportAssignmentType]
number = name_of_user.asynq(1).value()  # type: ignore[assignment]  # pyright: ignore[reportAssignmentType]
number = user.name("a")  # type: ignore[assignment]  # pyright: ignore[reportAssignmentType]
number = user.name.asynq("a").value()  # type: ignore[assignment]  # pyright: ignore[reportAssignmentType]
text: str = User.of_answer(1)  # type: ignore[assignment]  # pyright: ignore[reportAssignmentType]
text = User.is_author.asynq(1).value()  # type: ignore[assignment]  # pyright: ignore[reportAssignmentType]
text = pure(1)  # type: ignore[assignment]  # pyright: ignore[reportAssignmentType]
number = proxy(1)  # type: ignore[assignment]  # pyright: ignore[reportAssignmentType]
task: AsyncTask[str] = proxy.asynq(1)  # type: ignore[assignment]  # pyright: ignore[reportAssignmentType]
text = pair("a")  # type: ignore[assignment]  # pyright: ignore[reportAssignmentType]
text = lazily(1)  # type: ignore[assignment]  # pyright: ignore[reportAssignmentType]
text = debug.options.DUMP_ALL()  # type: ignore[assignment]  # pyright: ignore[reportAssignmentType]


@asynq()
async def native(uid: int) -> str:
    text: str = await gather(plain.asynq(uid))  # type: ignore[assignment]  # pyright: ignore[reportAssignmentType]
    future = ConstFuture(1)
    text = await future  # type: ignore[assignment]  # pyright: ignore[reportAssignmentType]
    gather(1)  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType,reportCallIssue]
    gather(uid for uid in [1])  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType,reportCallIssue]
    await plain(uid)  # type: ignore[misc]  # pyright: ignore[reportGeneralTypeIssues]
    return text


native("1")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
number = native(1)  # type: ignore[assignment]  # pyright: ignore[reportAssignmentType]
number = native.asynq(1).value()  # type: ignore[assignment]  # pyright: ignore[reportAssignmentType]

# On event loops


class Batches(BatchBase[BatchItemBase[int]]):
    async def _flush(self) -> int:  # type: ignore[override]  # pyright: ignore[reportIncompatibleMethodOverride]
        return 1


def yields_text(key: int) -> Generator[Any, Any, str]:
    yield None
    return str(key)


async def on_loops() -> None:
    name_of_user.asyncio(1)  # type: ignore[unused-coroutine]  # pyright: ignore[reportUnusedCoroutine]
    await name_of_user.asyncio("1")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    await name_of_user.asyncio(1, 2)  # type: ignore[call-arg,arg-type]  # pyright: ignore[reportCallIssue]
    await name_of_user.asyncio()  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    await user.name.asyncio(1)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    await User.name.asyncio("a")  # type: ignore[call-arg,arg-type]  # pyright: ignore[reportCallIssue]
    await User.of_answer.asyncio("a")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    await User.is_author.asyncio("a")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    await pure.asyncio("a")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    await proxy.asyncio("a")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    await pair.asyncio(1)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    number: int = name_of_user.asyncio(1)  # type: ignore[assignment]  # pyright: ignore[reportAssignmentType]
    number = await name_of_user.asyncio(1)  # type: ignore[assignment]  # pyright: ignore[reportAssignmentType]
    number = await user.name.asyncio("a")  # type: ignore[assignment]  # pyright: ignore[reportAssignmentType]
    text: str = await User.of_answer.asyncio(1)  # type: ignore[assignment]  # pyright: ignore[reportAssignmentType]
    text = await User.is_author.asyncio(1)  # type: ignore[assignment]  # pyright: ignore[reportAssignmentType]
    number = await pure.asyncio(1)  # type: ignore[assignment]  # pyright: ignore[reportAssignmentType]
    number = await proxy.asyncio(1)  # type: ignore[assignment]  # pyright: ignore[reportAssignmentType]
    number = await pair.asyncio("a")  # type: ignore[assignment]  # pyright: ignore[reportAssignmentType]
    number = await tools.deduplicate()(plain).asyncio(1)  # type: ignore[assignment]  # pyright: ignore[reportAssignmentType]
    number = await plain.asynq(1)  # type: ignore[assignment]  # pyright: ignore[reportAssignmentType]
    text = await tools.amap.asyncio(plain, [1])  # type: ignore[assignment]  # pyright: ignore[reportAssignmentType]
    text = await tools.amax.asyncio([1])  # type: ignore[list-item]  # pyright: ignore[reportAssignmentType]
    await tools.amap.asyncio(plain, ["a"])  # type: ignore[misc]  # pyright: ignore[reportArgumentType]
    await asyncio_call(plain, "a")  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType,reportCallIssue]
    number = await asyncio_call(plain, 1)  # type: ignore[call-overload]  # pyright: ignore[reportAssignmentType]
    lazily.asyncio(1)  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue]
    await convert_asynq_to_async(yields_text)("a")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    number = await convert_asynq_to_async(yields_text)(1)  # type: ignore[assignment]  # pyright: ignore[reportAssignmentType]
    await asynq_to_async.resolve_awaitables(1)  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType,reportCallIssue]
    await asyncio.gather(plain(1))  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType,reportCallIssue]
    print(number, text)


asynq(asyncio_fn=len)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
asynq(allow_sync_call="a")  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType]
async_proxy(asyncio_fn=len)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
async_proxy(pure=True, asyncio_fn=native)  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType,reportCallIssue]

# What there is not
pure.asynq(1)  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue]
name_of_user.dirty(1)  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue]
name_of_user.nothing  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue]
user.name.dirty()  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue]
asynq(name_of_user)  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType,reportCallIssue]
asynq(pure=True, sync_fn=len)  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType,reportCallIssue]
asynq(more=1)  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue]
asynq(cls=FutureBase)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
async_proxy()(len)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
async_proxy(pure=True, sync_fn=len)  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType,reportCallIssue]
make_async_decorator(plain, len, "name")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]

# Futures
ConstFuture(1).set_value("a")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
wrong_value: FutureBase[str] = ConstFuture(1)  # type: ignore[arg-type]  # pyright: ignore[reportAssignmentType]
Future(1)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
Future(len)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
FutureBase[int]().set_value("a")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
FutureBase[int]().set_error("a")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
text = Future(lambda: 1).value()  # type: ignore[assignment]  # pyright: ignore[reportAssignmentType]
text = DebugBatchItem("name", 1).value()  # type: ignore[assignment]  # pyright: ignore[reportAssignmentType]
number = ConstFuture(1).error()  # type: ignore[assignment]  # pyright: ignore[reportAssignmentType]

# Tools
text = tools.amap(plain, [1])  # type: ignore[assignment]  # pyright: ignore[reportAssignmentType]
tools.amap(plain, ["a"])  # type: ignore[misc]  # pyright: ignore[reportArgumentType]
tools.amap(len, ["a"])  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
tools.afilter(plain, ["a"])  # type: ignore[misc]  # pyright: ignore[reportArgumentType,reportCallIssue]
tools.afilterfalse(plain, ["a"])  # type: ignore[misc]  # pyright: ignore[reportArgumentType]
tools.asift(plain, ["a"])  # type: ignore[misc]  # pyright: ignore[reportArgumentType]
tools.asorted([1], key=len)  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType,reportCallIssue]
tools.asorted(["a"], key=plain)  # type: ignore[misc]  # pyright: ignore[reportArgumentType,reportCallIssue]
tools.asorted([object()])  # type: ignore[type-var]  # pyright: ignore[reportArgumentType]
tools.amax()  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue]
tools.amax(1, 2, default=None)  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue]
tools.amax([object()])  # type: ignore[type-var]  # pyright: ignore[reportArgumentType]
number = tools.amin([1], default=None)  # type: ignore[assignment]  # pyright: ignore[reportAssignmentType]
tools.alru_cache()(len)  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType,reportCallIssue]
tools.alru_cache(maxsize="a")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
tools.alazy_constant()(plain)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType,reportCallIssue]
tools.deduplicate()(len)  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType,reportCallIssue]
tools.deduplicate()(plain)("a")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
tools.deduplicate()(plain).dirty("a")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
tools.aretry(1)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
tools.aretry(KeyError)(plain).asynq("a")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
tools.acached_per_instance()(len)  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType,reportCallIssue]
tools.call_with_context(1, plain, 1)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
tools.call_with_context(tools.AsyncTimer(), plain, "a")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
tools.call_with_context(tools.AsyncTimer(), len, "a")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType,reportCallIssue]
async_call(plain, "a")  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType,reportCallIssue]
async_call.asynq(plain)  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue]
async_call(len, 1)  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType,reportCallIssue]
text = async_call(len, "a")  # type: ignore[assignment]  # pyright: ignore[reportAssignmentType]

# Scoped values and generators
AsyncScopedValue(1).set("a")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
AsyncScopedValue(1).override("a")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
text = AsyncScopedValue(1).get()  # type: ignore[assignment]  # pyright: ignore[reportAssignmentType]
text = Value(1).value  # type: ignore[assignment]  # pyright: ignore[reportAssignmentType]
list_of_generator([1])  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType,reportCallIssue]

# Mock and debug
mock.patch(len)  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType]
mock.patch("name", 1).start().anything  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue]
debug.options.MAX_TASK_STACK_SIZE = "a"  # type: ignore[assignment]  # pyright: ignore[reportAttributeAccessIssue]
debug.options.DUMP_ALL("a")  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType,reportCallIssue]
debug.options.DUMP_NOTHING = True  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue]
debug.format_error("text")  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType,reportCallIssue]
get_active_task().fn  # type: ignore[union-attr]  # pyright: ignore[reportOptionalMemberAccess]


class Item(BatchItemBase[int]):
    pass


class Batch(BatchBase[Item]):
    def _flush(self) -> None:
        for item in self.items:
            item.set_value("a")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
            item.nothing  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue]

    def get_priority(self) -> str:  # type: ignore[override]  # pyright: ignore[reportIncompatibleMethodOverride]
        return "a"


@async_generator()  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
def yields_numbers() -> Generator[int, Any, None]:
    yield 1
