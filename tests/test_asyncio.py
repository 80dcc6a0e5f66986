"""asyncio as the driver: ``await f.asyncio(x)`` does on an event loop what ``f(x)`` does without.

What is here holds for requests that are not cancelled; those are in test_asyncio_cancellation.py.

"""

import asyncio
import collections
import contextvars
import functools
import gc
import inspect
import logging
import os
import subprocess
import sys
import threading
import types

import pytest

import asynq
from asynq import (
    AsyncScopedValue,
    AsyncTask,
    AsyncTaskError,
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
    asynq_to_async,
    debug,
    get_active_task,
    get_scheduler,
    is_asyncio_mode,
    list_of_generator,
    make_async_decorator,
    mock,
    result,
    take_first,
    tools,
)
from asynq.asynq_to_async import AsyncioMode, resolve_awaitables
from asynq.decorators import (
    AsyncDecorator,
    asyncio_call,
    convert_asynq_to_async,
    decorate,
    lazy,
)
from asynq.scheduler import Run

from .helpers import Batch, Client, Recorded, collect_garbage, counts_references, steps

# No test waits so long, unless for something that never comes.
NEVER = 10


def run(awaitable):
    """What ``awaitable`` gives, on an event loop of its own."""

    async def main():
        return await asyncio.wait_for(awaitable, NEVER)

    return asyncio.run(main())


def run_all(*coroutines):
    """The values of coroutines that run concurrently."""

    async def main():
        return await asyncio.gather(*coroutines)

    return run(main())


class Store(Client):
    """A client whose batches are of the class that is given."""

    def __init__(self, batch_cls, name="store", priority=None):
        super().__init__(name, priority)
        self.batch_cls = batch_cls
        self.current_batch = batch_cls(self)


class StoreBatch(Batch):
    def _try_switch_active_batch(self):
        if self.client.current_batch is self:
            self.client.current_batch = self.client.batch_cls(self.client)


class AwaitedBatch(StoreBatch):
    """Its flush awaits one turn of the loop."""

    async def _flush(self):
        await asyncio.sleep(0)
        super()._flush()


class ThreadedBatch(StoreBatch):
    """Its flush calls ``client.look()`` in the thread where it runs."""

    flush_in_thread = True

    def _flush(self):
        self.client.look()
        super()._flush()


@asynq.asynq()
def load(client, key):
    return (yield client.get(key))


@asynq.asynq()
def load_all(client, keys):
    return (yield [load.asynq(client, key) for key in keys])


@asynq.asynq()
def plain(x):
    return (x, is_asyncio_mode())


@pytest.fixture
def client():
    return Client()


# Every kind of function and method


def synchronous(x):
    return ("sync", x)


@asynq.asynq(sync_fn=synchronous)
def pair(x):
    yield ConstFuture(None)
    return (x, is_asyncio_mode())


@asynq.asynq(pure=True)
def pure(x):
    yield ConstFuture(None)
    return (x, is_asyncio_mode())


@async_proxy()
def proxy(x):
    return plain.asynq(x)


@async_proxy(sync_fn=synchronous)
def pair_proxy(x):
    return plain.asynq(x)


@async_proxy()
def const_proxy(x):
    return ConstFuture((x, is_asyncio_mode()))


@lazy
def lazily(x):
    return (x, is_asyncio_mode())


def wrapped(fn):
    @asynq.asynq()
    def call(*args):
        return (yield fn.asynq(*args))

    return make_async_decorator(fn, call.asynq, "wrapped")


@wrapped
@asynq.asynq()
def in_wrapper(x):
    return (x, is_asyncio_mode())


FUNCTIONS = [
    plain,
    asynq.asynq()(lambda x: (x, is_asyncio_mode())),
    pair,
    pure,
    proxy,
    pair_proxy,
    const_proxy,
    in_wrapper,
    tools.deduplicate()(plain),
    tools.alru_cache()(plain),
    tools.aretry(ValueError)(plain),
]


@pytest.mark.parametrize("fn", FUNCTIONS, ids=str)
def test_every_kind_of_function_runs_on_an_event_loop(fn):
    assert run(fn.asyncio(1)) == (1, True)
    assert run(fn.asyncio(x=1) if fn is not in_wrapper else fn.asyncio(1)) == (1, True)


@pytest.mark.parametrize("fn", FUNCTIONS, ids=str)
def test_every_kind_of_function_can_be_yielded_by_what_an_event_loop_runs(fn):
    @asynq.asynq()
    def outer():
        return (yield [asynq.get_async_fn(fn)(1), lazily(2)])

    assert run(outer.asyncio()) == [(1, True), (2, True)]


class Methods:
    name = "object"

    @asynq.asynq()
    def method(self, x):
        yield ConstFuture(None)
        return (self.name, x)

    @asynq.asynq()
    @classmethod
    def class_method(cls, x):
        return (cls.__name__, x)

    @classmethod
    @asynq.asynq()
    def class_method_outside(cls, x):
        return (cls.__name__, x)

    @asynq.asynq()
    @staticmethod
    def static_method(x):
        return (None, x)

    @staticmethod
    @asynq.asynq()
    def static_method_outside(x):
        return (None, x)

    @asynq.asynq(pure=True)
    def pure(self, x):
        return (self.name, x)

    @asynq.asynq(sync_fn=lambda self, x: "sync")
    def pair(self, x):
        return (self.name, x)

    @async_proxy()
    def proxy(self, x):
        return self.method.asynq(x)

    @async_proxy(sync_fn=lambda self, x: "sync")
    def pair_proxy(self, x):
        return self.method.asynq(x)

    @wrapped
    @asynq.asynq()
    def in_wrapper(self, x):
        return (self.name, x)

    @tools.deduplicate()
    @asynq.asynq()
    def deduplicated(self, x):
        return (self.name, x)

    @tools.acached_per_instance()
    @asynq.asynq()
    def cached_per_instance(self, x):
        return (self.name, x)

    @tools.alru_cache()
    @asynq.asynq()
    def cached(self, x):
        return (self.name, x)

    @tools.aretry(ValueError)
    @asynq.asynq()
    def retried(self, x):
        return (self.name, x)


class Derived(Methods):
    name = "derived"

    @asynq.asynq()
    def method(self, x):
        return ("super", (yield super().method.asynq(x)))


OF_INSTANCES = [
    "method",
    "pure",
    "pair",
    "proxy",
    "pair_proxy",
    "in_wrapper",
    "deduplicated",
    "cached_per_instance",
    "cached",
    "retried",
]


@pytest.mark.parametrize("name", OF_INSTANCES)
def test_every_kind_of_method_runs_on_an_event_loop(name):
    instance = Methods()
    assert run(getattr(instance, name).asyncio(1)) == ("object", 1)
    assert run(getattr(Methods, name).asyncio(instance, 1)) == ("object", 1)


@pytest.mark.parametrize("name", ["class_method", "class_method_outside"])
def test_class_methods_run_on_an_event_loop(name):
    assert run(getattr(Methods, name).asyncio(1)) == ("Methods", 1)
    assert run(getattr(Derived(), name).asyncio(1)) == ("Derived", 1)


@pytest.mark.parametrize("name", ["static_method", "static_method_outside"])
def test_static_methods_run_on_an_event_loop(name):
    assert run(getattr(Methods, name).asyncio(1)) == (None, 1)
    assert run(getattr(Methods(), name).asyncio(1)) == (None, 1)


def test_a_method_that_is_overridden_runs_on_an_event_loop():
    assert run(Derived().method.asyncio(1)) == ("super", ("derived", 1))


def test_a_proxy_may_return_an_item_and_a_task_that_was_started(client):
    @async_proxy()
    def get(key):
        return client.get(key)

    @asynq.asynq()
    def outer():
        task = load.asynq(client, 2)
        yield task
        return (yield returned.asynq(task))

    @async_proxy()
    def returned(future):
        return future

    assert run(get.asyncio(1)) == ("client", 1)
    assert run(outer.asyncio()) == ("client", 2)


def test_the_body_may_end_with_result_and_return_a_future_as_it_is(client):
    future = ConstFuture(1)

    @asynq.asynq()
    def body():
        yield load.asynq(client, 1)
        return future

    @asynq.asynq()
    def by_result():
        yield load.asynq(client, 1)
        result("value")

    assert run(body.asyncio()) is future
    assert run(by_result.asyncio()) == "value"


def test_a_task_class_of_the_users_is_used_on_an_event_loop():
    class Task(AsyncTask):
        def __init__(self, generator, fn, args, kwargs, tag=None):
            super().__init__(generator, fn, args, kwargs)
            self.tag = tag

    @asynq.asynq(cls=Task)
    def one():
        return type(get_active_task())

    @asynq.asynq(pure=True, cls=Task, tag="tagged")
    def two():
        yield ConstFuture(None)
        return get_active_task().tag

    assert run(one.asyncio()) is Task
    assert run(two.asyncio()) == "tagged"


def test_wrong_arguments_raise_a_type_error_in_the_coroutine():
    coroutine = load.asyncio(1, 2, 3)
    with pytest.raises(TypeError, match="load"):
        run(coroutine)


# The coroutine


def test_asyncio_returns_a_coroutine_that_has_run_nothing():
    log = []

    @asynq.asynq()
    def body():
        log.append("body")

    coroutine = body.asyncio()
    assert inspect.iscoroutine(coroutine)
    assert log == []
    assert run(coroutine) is None
    assert log == ["body"]
    unused = body.asyncio()
    unused.close()
    assert log == ["body"]


def test_a_coroutine_runs_on_whatever_loop_awaits_it(client):
    coroutine = load.asyncio(client, 1)
    values = []
    thread = threading.Thread(target=lambda: values.append(run(coroutine)))
    thread.start()
    thread.join(NEVER)
    assert values == [("client", 1)]


def test_loops_in_several_threads_have_batches_of_their_own():
    barrier = threading.Barrier(3)
    requests = {}

    def work(name):
        client = requests[name] = Client()

        async def main():
            barrier.wait(NEVER)
            for _ in range(20):
                await asyncio.gather(*[load_all.asyncio(client, [1, 2]) for _ in range(3)])

        asyncio.run(main())

    threads = [threading.Thread(target=work, args=(name,)) for name in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(NEVER)
    for name in range(3):
        assert requests[name].requests == [[1, 2] * 3] * 20


def test_one_loop_after_the_other_in_one_thread(client):
    for _ in range(3):
        assert run_all(load.asyncio(client, 1), load.asyncio(client, 2))
    assert client.requests == [[1, 2]] * 3
    assert load_all(client, [1, 2]) == [("client", 1), ("client", 2)]


def test_everything_works_on_uvloop():
    uvloop = pytest.importorskip("uvloop", reason="uvloop is not installed")
    client, awaited, threaded = Client(), Store(AwaitedBatch), Store(ThreadedBatch)
    threaded.look = lambda: None

    @asynq.asynq()
    def body(key):
        values = yield [load.asynq(one, key) for one in (client, awaited, threaded)]
        return values + (yield [asyncio.sleep(0, "slept")])

    async def main():
        return await asyncio.gather(*[body.asyncio(key) for key in range(3)])

    loop = uvloop.new_event_loop()
    try:
        assert loop.run_until_complete(main())[1] == [
            ("client", 1), ("store", 1), ("store", 1), "slept"
        ]
        assert client.requests == awaited.requests == threaded.requests == [[0, 1, 2]]
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.run_until_complete(loop.shutdown_default_executor())
    finally:
        loop.close()


@pytest.mark.skipif(
    not hasattr(asyncio, "eager_task_factory"), reason="this Python has no eager tasks"
)
def test_everything_works_with_eager_tasks():
    client, awaited = Client(), Store(AwaitedBatch)
    modes = []
    log = []

    async def foreign(key):
        modes.append((is_asyncio_mode(), get_active_task()))
        value = await load.asyncio(client, key)
        await asyncio.sleep(0)
        return value

    @asynq.asynq()
    def body(key):
        me = get_active_task()
        with Recorded(log, "context") as context:
            began = asyncio.ensure_future(load.asyncio(client, key))
            assert get_active_task() is me and is_asyncio_mode() and context.active
            values = yield [load.asynq(awaited, key), foreign(key), began]
            values.append((yield load.asynq(client, key)))
        return values

    async def main():
        asyncio.get_running_loop().set_task_factory(asyncio.eager_task_factory)
        return await asyncio.gather(body.asyncio(1), body.asyncio(2))

    assert run(main()) == [
        [("store", key), ("client", key), ("client", key), ("client", key)] for key in (1, 2)
    ]
    assert modes == [(False, None)] * 2
    assert log.count("+context") == log.count("-context")


# What may be yielded


class AwaitableObject:
    def __init__(self, value):
        self.value = value

    def __await__(self):
        yield from asyncio.sleep(0).__await__()
        return self.value


Pair = collections.namedtuple("Pair", "left right")


def test_all_that_is_yielded_synchronously_can_be_mixed_with_awaitables(client):
    @asynq.asynq()
    def body():
        loop = asyncio.get_running_loop()
        future = loop.create_future()
        loop.call_soon(future.set_result, "future")
        done = loop.create_future()
        done.set_result("done")
        return (yield {
            "futures": [client.get(1), load.asynq(client, 2), lazily(3), ConstFuture(4), None],
            "awaitables": (
                asyncio.sleep(0, "coroutine"),
                future,
                done,
                loop.create_task(asyncio.sleep(0, "task")),
                AwaitableObject("object"),
                plain.asyncio("asyncio"),
            ),
            "empty": [[], (), {}, [None]],
        })

    assert run(body.asyncio()) == {
        "futures": [("client", 1), ("client", 2), (3, True), 4, None],
        "awaitables": ("coroutine", "future", "done", "task", "object", ("asyncio", True)),
        "empty": [[], (), {}, [None]],
    }
    assert client.requests == [[1, 2]]


@pytest.mark.parametrize(
    "make",
    [
        lambda: asyncio.sleep(0, "value"),
        lambda: asyncio.ensure_future(asyncio.sleep(0, "value")),
        lambda: AwaitableObject("value"),
        lambda: asyncio.gather(asyncio.sleep(0, "value")),
    ],
    ids=["coroutine", "task", "object", "gather"],
)
def test_an_awaitable_can_be_yielded_alone(make):
    @asynq.asynq()
    def body():
        value = yield make()
        return value if isinstance(value, list) else [value]

    assert run(body.asyncio()) == ["value"]


def test_lists_tuples_and_dicts_of_derived_classes_become_plain_ones(client):
    class List(list):
        pass

    @asynq.asynq()
    def body():
        return (yield [
            Pair(load.asynq(client, 1), asyncio.sleep(0, 2)),
            List([load.asynq(client, 3), None]),
            collections.OrderedDict([("b", client.get(4)), ("a", Pair(None, ConstFuture(5)))]),
        ]), (yield Pair(ConstFuture(6), None))

    expected = (
        [(("client", 1), 2), [("client", 3), None], {"b": ("client", 4), "a": (None, 5)}],
        (6, None),
    )
    values = run(body.asyncio())
    assert values == expected
    assert [type(value) for value in values[0]] == [tuple, list, dict]
    assert list(values[0][2]) == ["b", "a"]
    assert type(values[1]) is tuple
    assert client.requests == [[4, 1, 3]]


def test_what_cannot_be_yielded_raises_a_type_error_after_the_others_are_computed(client):
    done = []

    @asynq.asynq()
    def body():
        future = client.get(1)
        try:
            yield [5, future, note(done)]
        except TypeError as error:
            return str(error), future.value()

    text, value = run(body.asyncio())
    assert "Cannot unwrap an object of type '<class 'int'>'" in text
    assert value == ("client", 1)
    assert done == ["done"]


async def note(log):
    await asyncio.sleep(0)
    log.append("done")


# Errors


async def fail(error, turns=0):
    for _ in range(turns):
        await asyncio.sleep(0)
    raise error


@pytest.mark.parametrize("make", [list, tuple, lambda futures: dict(enumerate(futures))])
def test_the_first_error_in_the_order_of_the_structure_is_raised_when_all_have_ended(make, client):
    done = []

    @asynq.asynq()
    def body():
        try:
            yield make([
                load.asynq(client, 1),
                fail(ValueError("first"), turns=5),
                fail(KeyError("second")),
                ErrorFuture(IndexError("third")),
                note(done),
            ])
        except Exception as error:
            return repr(error), list(done), client.requests

    assert run(body.asyncio()) == (repr(ValueError("first")), ["done"], [[1]])


def test_an_error_leaves_through_the_coroutine(client):
    error = ValueError("text")

    @asynq.asynq()
    def inner():
        yield client.get(1)
        raise error

    @asynq.asynq()
    def outer():
        yield inner.asynq()

    with pytest.raises(ValueError) as caught:
        run(outer.asyncio())
    assert caught.value is error


def test_one_failed_request_does_not_hurt_another(client):
    client.errors["bad"] = ValueError("bad")

    async def main():
        return await asyncio.gather(
            load.asyncio(client, "bad"), load.asyncio(client, 1), return_exceptions=True
        )

    assert run(main()) == [client.errors["bad"], ("client", 1)]
    assert client.requests == [["bad", 1]]


def test_a_synchronous_call_that_needs_an_awaited_flush_does_not_hurt_the_requests_of_a_loop():
    client = Store(AwaitedBatch)

    @asynq.asynq()
    def call():
        try:
            yield load.asynq(client, "synchronous")
        except RuntimeError as error:
            return str(error)

    async def main():
        request = asyncio.ensure_future(load.asyncio(client, "request"))
        await asyncio.sleep(0)
        text = call()
        with pytest.raises(RuntimeError, match="AwaitedBatch._flush\\(\\) has to be awaited"):
            client.get("item").value()
        return text, await request

    text, value = run(main())
    assert text.startswith("AwaitedBatch._flush() has to be awaited")
    assert value[1] == "request"
    assert client.requests == [["request", "synchronous", "item"]]


def test_a_bound_call_that_a_decorator_of_the_users_answers_itself_needs_no_event_loop():
    class Answers(AsyncDecorator):
        def __call__(self, *args):
            return "answered"

    class Service(object):
        method = decorate(Answers, lambda self: None, asynq.AsyncTask)

    @asynq.asynq()
    def root():
        return Service().method()

    assert run(root.asyncio()) == "answered"


def test_a_traceback_shows_each_level_of_the_users_code_once():
    @asynq.asynq()
    def inner():
        yield asyncio.sleep(0)
        raise ValueError("text")

    async def foreign():
        await asyncio.sleep(0)
        await inner.asyncio()

    @asynq.asynq()
    def outer():
        yield foreign()

    try:
        run(outer.asyncio())
    except ValueError as error:
        names = [entry[2] for entry in debug.extract_tb(error.__traceback__)]
        formatted = debug.format_error(error)
    mine = [name for name in names if name in ("outer", "foreign", "inner")]
    assert mine == ["outer", "foreign", "inner"]
    assert "asynq_to_async.py" not in formatted
    assert formatted.count("in inner") == formatted.count("in outer") == 1


def test_an_interrupt_of_a_body_is_its_error_as_in_a_synchronous_call():
    @asynq.asynq()
    def inner():
        yield ConstFuture(None)
        raise SystemExit(3)

    @asynq.asynq()
    def outer():
        try:
            yield inner.asynq()
        except SystemExit as error:
            return error.code

    assert run(outer.asyncio()) == 3


# Batches


@pytest.mark.parametrize("batch_cls", [StoreBatch, AwaitedBatch, ThreadedBatch])
def test_items_of_concurrent_requests_go_into_the_same_flushes(batch_cls):
    store = Store(batch_cls)
    store.look = lambda: None

    @asynq.asynq()
    def request(number):
        first = yield load.asynq(store, (number, 1))
        second = yield [load.asynq(store, (number, key)) for key in (2, 3)]
        return [first] + second

    values = run_all(*[request.asyncio(number) for number in range(4)])
    assert values[3] == [("store", (3, key)) for key in (1, 2, 3)]
    assert store.requests == [
        [(number, 1) for number in range(4)],
        [(number, key) for number in range(4) for key in (2, 3)],
    ]


async def after(turns, client, key):
    """Ask for ``key`` after so many turns of the loop."""
    for _ in range(turns):
        await asyncio.sleep(0)
    return await load.asyncio(client, key)


@pytest.mark.parametrize(
    "turns, requests",
    [
        # One turn: what was ready when nothing was left to do for asynq. What a task that began
        # earlier asks for in it, joins; in the next turn, it is too late.
        ([0, 0, 0], [[0, 1, 2]]),
        ([1, 0], [[1, 0]]),
        ([0, 1], [[0], [1]]),
        ([2, 0], [[1], [0]]),
        # What has joined gives all the others another turn.
        ([0, 0, 1], [[0, 1, 2]]),
        ([0, 1, 2], [[0], [1, 2]]),
        ([2, 1, 0], [[2, 1, 0]]),
    ],
    ids=str,
)
def test_a_flush_begins_after_one_turn_of_the_loop_that_brought_nothing_new(
    turns, requests, client
):
    run_all(*[after(turn, client, key) for key, turn in enumerate(turns)])
    assert client.requests == requests


def test_a_flush_does_not_wait_for_what_is_in_flight(client):
    @asynq.asynq()
    def body():
        gate = asyncio.Event()
        return (yield [open_gate.asynq(gate), gate.wait()])

    @asynq.asynq()
    def open_gate(gate):
        yield client.get(1)
        gate.set()

    assert run(body.asyncio()) == [None, True]


def test_no_timer_is_used(client, monkeypatch):
    async def main():
        loop = asyncio.get_running_loop()

        def refuse(*args, **kwargs):
            raise AssertionError("a timer was set")

        loop.call_later = loop.call_at = refuse
        try:
            return await load_all.asyncio(client, [1, 2])
        finally:
            del loop.call_later, loop.call_at

    assert asyncio.run(main()) == [("client", 1), ("client", 2)]


def test_an_item_nobody_asked_for_goes_along(client):
    @asynq.asynq()
    def body():
        other = client.get(1)
        yield client.get(2)
        return other.is_computed()

    assert run(body.asyncio())
    assert client.requests == [[1, 2]]


def test_the_batch_of_highest_priority_is_flushed_first_and_then_the_oldest():
    order = []
    clients = [Client(name, priority) for name, priority in [("a", 1), ("b", 2), ("c", 2)]]

    @asynq.asynq()
    def request(client):
        yield client.get(1)
        order.append(client.name)

    run_all(*[request.asyncio(client) for client in clients])
    assert order == ["b", "c", "a"]


def test_what_a_flush_sets_going_joins_the_next_one():
    low, high = Client("low", 1), Client("high", 2)

    @asynq.asynq()
    def both():
        yield high.get(1)
        yield low.get(2)

    run_all(load.asyncio(low, 1), both.asyncio())
    assert (high.requests, low.requests) == ([[1]], [[1, 2]])


class MeetingBatch(StoreBatch):
    """Its flush ends when those of two batches have begun."""

    async def _flush(self):
        meeting = self.client.meeting
        meeting.append(self.client.name)
        while len(meeting) < 2:
            await asyncio.sleep(0)
        super()._flush()


def test_independent_batches_with_asynchronous_flushes_are_flushed_concurrently():
    meeting = []
    stores = [Store(MeetingBatch, name) for name in "ab"]
    for store in stores:
        store.meeting = meeting

    @asynq.asynq()
    def body():
        return (yield [load.asynq(store, 1) for store in stores])

    assert run(body.asyncio()) == [("a", 1), ("b", 1)]
    assert meeting == ["a", "b"]


def test_items_asked_for_during_an_asynchronous_flush_go_into_the_next_batch():
    store = Store(AwaitedBatch)

    async def main():
        first = asyncio.ensure_future(load.asyncio(store, 1))
        while store.current_batch.items or not store.began:
            await asyncio.sleep(0)
            store.began = True
        return await load.asyncio(store, 2), await first

    store.began = False
    assert run(main()) == (("store", 2), ("store", 1))
    assert store.requests == [[1], [2]]


@pytest.mark.parametrize("batch_cls", [StoreBatch, AwaitedBatch, ThreadedBatch])
def test_a_failed_flush_fails_every_item(batch_cls):
    store = Store(batch_cls)
    store.look = lambda: None
    store.fails_with = ValueError("flush")
    cancelled = []

    @asynq.asynq()
    def body():
        items = [store.get(1), store.get(2)]
        items[0].batch.on_computed.subscribe(cancelled.append)
        try:
            yield items
        except ValueError as error:
            return error, [item.error() for item in items], items[0].batch

    error, errors, batch = run(body.asyncio())
    assert error is store.fails_with and errors == [error, error]
    assert cancelled == [batch] and batch.is_cancelled() and batch.items == []


class ForgetfulBatch(StoreBatch):
    async def _flush(self):
        await asyncio.sleep(0)
        self.items[0].set_value("value")


def test_an_item_that_an_asynchronous_flush_leaves_without_a_value_gets_an_error():
    store = Store(ForgetfulBatch)

    @asynq.asynq()
    def body():
        kept, forgotten = store.get(1), store.get(2)
        try:
            yield kept, forgotten
        except AssertionError as error:
            return kept.value(), str(error)

    value, text = run(body.asyncio())
    assert value == "value"
    assert text.startswith("Value of this item wasn't set on batch flush. The item is ")
    assert "ForgetfulBatch" in text


def test_a_flush_may_return_an_awaitable():
    class ReturnsAwaitable(StoreBatch):
        def _flush(self):
            super()._flush()
            return note(done)

    done = []
    store = Store(ReturnsAwaitable)
    assert run(load.asyncio(store, 1)) == ("store", 1)
    assert done == ["done"]


def test_an_asynchronous_flush_may_run_async_functions(client):
    class Asks(StoreBatch):
        async def _flush(self):
            modes.append(is_asyncio_mode())
            names = await load_all.asyncio(client, [item.key for item in self.items])
            for item, name in zip(self.items, names):
                item.set_value(name)

    modes = []
    store = Store(Asks)
    assert run_all(load.asyncio(store, 1), load.asyncio(store, 2)) == [
        ("client", 1), ("client", 2)
    ]
    assert client.requests == [[1, 2]]
    assert modes == [False]


def test_a_plain_flush_runs_on_the_loop_in_asyncio_mode():
    class Looks(StoreBatch):
        def _flush(self):
            seen.append((threading.current_thread(), is_asyncio_mode(), get_active_task()))
            super()._flush()

    seen = []
    run(load.asyncio(Store(Looks), 1))
    assert seen == [(threading.current_thread(), True, None)]


def test_a_synchronous_call_in_a_plain_flush_is_refused(client):
    class Calls(StoreBatch):
        def _flush(self):
            load(client, 1)

    with pytest.raises(RuntimeError, match="asyncio mode does not support synchronous calls"):
        run(load.asyncio(Store(Calls), 1))


def test_a_synchronous_call_that_is_allowed_in_a_plain_flush_leaves_the_rest_alone(client, caplog):
    class Calls(StoreBatch):
        def _flush(self):
            allowed_load(Client(priority=0), 1)
            super()._flush()

    async def waits_long():
        return await load.asyncio(low, 1)

    low = Client("low", -1)
    assert run_all(load.asyncio(Store(Calls, priority=1), 1), waits_long()) == [
        ("store", 1), ("low", 1)
    ]
    assert "was called in asyncio mode" in caplog.text


@asynq.asynq(allow_sync_call=True)
def allowed_load(client, key):
    return (yield client.get(key))


def test_flush_in_thread_runs_in_another_thread_where_synchronous_calls_are_allowed(client):
    variable = contextvars.ContextVar("variable", default=None)
    store = Store(ThreadedBatch)
    seen = []

    def look():
        seen.append((threading.get_ident(), is_asyncio_mode(), variable.get(), load(client, 1)))

    store.look = look

    async def main():
        variable.set("set")
        return await load.asyncio(store, 1)

    assert run(main()) == ("store", 1)
    thread, mode, value, loaded = seen[0]
    assert thread != threading.get_ident()
    assert (mode, value, loaded) == (False, "set", ("client", 1))


def test_the_loop_goes_on_during_a_flush_in_a_thread():
    store = Store(ThreadedBatch)
    going_on = threading.Event()
    store.look = lambda: going_on.wait(NEVER) or pytest.fail("the loop is blocked")

    @asynq.asynq()
    def body():
        return (yield [load.asynq(store, 1), goes_on()])

    async def goes_on():
        while store.current_batch.items or not store.requests:
            await asyncio.sleep(0)
            if not store.current_batch.items:
                going_on.set()

    assert run(body.asyncio())[0] == ("store", 1)


def test_a_batch_that_is_flushed_in_a_thread_is_flushed_as_usual_in_a_synchronous_call():
    store = Store(ThreadedBatch)
    seen = []
    store.look = lambda: seen.append(threading.get_ident())
    assert load(store, 1) == ("store", 1)
    assert seen == [threading.get_ident()]


SYNC_FLUSH = r"AwaitedBatch\._flush\(\) has to be awaited, .* Cure: await f\.asyncio\(\.\.\.\)"


def test_an_asynchronous_flush_in_a_synchronous_call_is_refused():
    store = Store(AwaitedBatch)
    with pytest.raises(RuntimeError, match=SYNC_FLUSH):
        load(store, 1)
    with pytest.raises(RuntimeError, match=SYNC_FLUSH):
        store.get(1).value()
    with pytest.raises(RuntimeError, match=SYNC_FLUSH):
        asynq.BatchBase.value(store.get(1).batch)


def test_an_asynchronous_flush_in_a_synchronous_call_on_a_loop_is_refused():
    store = Store(AwaitedBatch)

    @asynq.asynq()
    def allowed():
        with pytest.raises(RuntimeError, match=SYNC_FLUSH):
            allowed_load(store, 1)
        with pytest.raises(RuntimeError, match=SYNC_FLUSH):
            store.get(1).value()
        return (yield load.asynq(store, 2))

    async def main():
        with pytest.raises(RuntimeError, match=SYNC_FLUSH):
            load(store, 1)
        return await allowed.asyncio()

    assert run(main()) == ("store", 2)


def test_an_item_of_a_flush_in_flight_cannot_be_had_synchronously():
    store = Store(AwaitedBatch)

    async def main():
        item = store.get(1)
        waiting = asyncio.ensure_future(wait_for.asyncio(item))
        while store.current_batch is item.batch:
            await asyncio.sleep(0)
        with pytest.raises(AsyncTaskError, match="is being flushed on an event loop .MainThread"):
            item.value()
        with pytest.raises(AsyncTaskError, match="is being flushed on an event loop .MainThread"):
            wait_for(item)
        with pytest.raises(AsyncTaskError, match="is being flushed on an event loop .MainThread"):
            await ask.asyncio(item)
        return await waiting

    @asynq.asynq()
    def ask(item):
        return item.value()

    assert run(main()) == ("store", 1)


@asynq.asynq()
def wait_for(future):
    return (yield future)


def test_the_hooks_of_the_threads_scheduler_hear_of_flushes_on_its_loops():
    log = []
    store = Store(AwaitedBatch)
    hooks = get_scheduler().on_before_batch_flush, get_scheduler().on_after_batch_flush

    def before(batch):
        log.append(("before", batch.client.name, len(batch.items), batch.is_flushed()))

    def afterwards(batch):
        log.append(("after", batch.client.name, batch.is_flushed()))

    hooks[0].subscribe(before)
    hooks[1].subscribe(afterwards)
    try:
        run(load.asyncio(store, 1))
        run(load.asyncio(Client(), 1))
    finally:
        hooks[0].unsubscribe(before)
        hooks[1].unsubscribe(afterwards)
    assert log == [
        ("before", "store", 1, False),
        ("after", "store", True),
        ("before", "client", 1, False),
        ("after", "client", True),
    ]


def test_a_hook_that_fails_before_a_flush_fails_the_items(client):
    def refuse(batch):
        raise ValueError("refused")

    get_scheduler().on_before_batch_flush.subscribe(refuse)
    try:
        with pytest.raises(ValueError, match="refused"):
            run(load.asyncio(client, 1))
    finally:
        get_scheduler().on_before_batch_flush.unsubscribe(refuse)
    assert run(load.asyncio(client, 2)) == ("client", 2)


def test_a_batch_whose_hooks_fail_does_not_keep_the_loop_busy(capsys):
    class Fails(StoreBatch):
        def _try_switch_active_batch(self):
            turns.append(1)
            raise ValueError("switch")

    turns = []

    @asynq.asynq()
    def body():
        item = Store(Fails).get(1)
        try:
            yield item
        except ValueError:
            yield many_turns()
            return "caught"

    async def many_turns():
        for _ in range(100):
            await asyncio.sleep(0)

    assert run(body.asyncio()) == "caught"
    assert len(turns) < 10
    assert "switch" in capsys.readouterr().err


def test_get_scheduler_is_the_one_of_the_loop(client):
    seen = []

    @asynq.asynq()
    def body():
        yield client.get(1)
        seen.append((get_scheduler(), get_active_task()))
        str(get_scheduler())
        return get_active_task()

    own = get_scheduler()
    tasks = run_all(body.asyncio(), body.asyncio())
    assert seen[0][0] is seen[1][0] is not own
    assert [task for _, task in seen] == tasks
    assert all(isinstance(task, AsyncTask) for task in tasks)
    assert get_scheduler() is own and get_active_task() is None
    assert seen[0][0].name == "MainThread / event loop"


def test_schedulers_of_loops_do_not_count_among_those_of_a_thread():
    names = []

    def work():
        for _ in range(2):
            run(plain.asyncio(1))
            asynq.scheduler.reset()
        names.append(get_scheduler().name)

    thread = threading.Thread(target=work, name="worker")
    thread.start()
    thread.join(NEVER)
    assert names == ["worker / 2"]


# Contexts


def test_contexts_are_paused_while_control_is_with_the_loop(client):
    log = []

    async def look():
        log.append("look")

    @asynq.asynq()
    def child(key):
        log.append("child %s" % key)
        yield client.get(key)
        log.append("child %s" % key)

    @asynq.asynq()
    def parent():
        with Recorded(log, "p"):
            yield child.asynq(1), child.asynq(2)
            yield look()
            log.append("end")

    run(parent.asyncio())
    assert log == [
        "+p", "child 1", "child 2", "-p",
        "+p", "child 1", "child 2", "-p", "look", "+p", "end", "-p",
    ]


def test_contexts_are_paused_during_flushes():
    class Looks(StoreBatch):
        async def _flush(self):
            active.append(context.active)
            await asyncio.sleep(0)
            active.append(context.active)
            super()._flush()
            active.append(context.active)

    active = []
    context = Recorded([], "c")

    @asynq.asynq()
    def body():
        with context:
            yield load.asynq(Store(Looks), 1)
            active.append(context.active)

    run(body.asyncio())
    assert active == [False, False, False, True]


def test_concurrent_requests_never_see_each_others_scoped_values(client):
    value = AsyncScopedValue("default")

    class Target:
        attribute = "default"

    async def look():
        return (value.get(), Target.attribute)

    @asynq.asynq()
    def child():
        before = value.get(), Target.attribute
        yield client.get(1)
        yield asyncio.sleep(0)
        return before, (value.get(), Target.attribute)

    @asynq.asynq()
    def request(name):
        with value.override(name), async_override(Target, "attribute", name):
            seen = []
            for _ in range(3):
                seen += yield child.asynq()
            outside = yield look()
            return set(seen), outside

    values = run_all(*[request.asyncio(name) for name in "abc"])
    assert values == [({(name, name)}, ("default", "default")) for name in "abc"]
    assert value.get() == Target.attribute == "default"


def test_a_context_is_seen_by_a_task_that_is_shared_only_below_who_reaches_it_first(client):
    value = AsyncScopedValue("default")

    @asynq.asynq()
    def shared():
        yield client.get(1)
        return value.get()

    @asynq.asynq()
    def request(name, task):
        with value.override(name):
            return (yield task)

    async def main():
        task = shared.asynq()
        return await asyncio.gather(request.asyncio("a", task), request.asyncio("b", task))

    assert run(main()) == ["a", "a"]


class NonAsync(NonAsyncContext):
    pass


@pytest.mark.parametrize("wait", [lambda client: client.get(1), lambda client: asyncio.sleep(0)])
def test_a_non_async_context_refuses_to_block(wait, client):
    @asynq.asynq()
    def body():
        with NonAsync():
            yield wait(client)

    with pytest.raises(AssertionError, match="cannot yield while .* is active"):
        run(body.asyncio())


def test_a_non_async_context_allows_what_does_not_block():
    @asynq.asynq()
    def body():
        with NonAsync():
            return (yield [ConstFuture(1), None, lazily(2), plain.asynq(3)])

    assert run(body.asyncio()) == [1, None, (2, True), (3, True)]


def test_an_async_timer_measures_wall_time(client, monkeypatch):
    now = [0]
    monkeypatch.setattr(tools.qcore, "utime", lambda: now[0])

    async def takes(time):
        now[0] += time

    class Takes(StoreBatch):
        def _flush(self):
            now[0] += 10
            super()._flush()

    store = Store(Takes)

    @asynq.asynq()
    def body():
        with tools.AsyncTimer() as timer:
            yield load.asynq(store, 1)
            yield takes(100)
            now[0] += 1000
        now[0] += 10000
        return timer.total_time

    assert run(body.asyncio()) == 1110
    now[0] = 0
    with tools.AsyncTimer() as timer:
        now[0] += 5
    assert timer.total_time == 5


def test_each_request_has_its_contextvars(client):
    variable = contextvars.ContextVar("variable", default=None)

    async def look():
        return variable.get()

    @asynq.asynq()
    def child():
        before = variable.get()
        yield client.get(1)
        return [before, variable.get(), (yield look())]

    @asynq.asynq()
    def request(name):
        variable.set(name)
        return (yield child.asynq()) + (yield child.asynq())

    assert run_all(*[request.asyncio(name) for name in "abc"]) == [[name] * 6 for name in "abc"]
    assert variable.get() is None


# Promises


@pytest.mark.parametrize("how", ["call_soon", "task", "thread"])
def test_a_promise_that_is_set_later_wakes_who_waits_for_it(how):
    promise, failing = FutureBase(), FutureBase()
    error = ValueError("set")

    def set_them():
        promise.set_value("value")
        failing.set_error(error)

    async def set_later():
        for _ in range(5):
            await asyncio.sleep(0)
        set_them()

    @asynq.asynq()
    def body():
        value = yield promise
        try:
            yield failing
        except ValueError as caught:
            return value, caught is error

    async def main():
        loop = asyncio.get_running_loop()
        helper = None
        if how == "call_soon":
            loop.call_soon(loop.call_soon, loop.call_soon, set_them)
        elif how == "task":
            helper = loop.create_task(set_later())
        else:
            helper = loop.run_in_executor(None, set_them)
        value = await body.asyncio()
        if helper is not None:
            await helper
        return value

    assert run(main()) == ("value", True)


def test_a_promise_that_another_thread_sets_while_the_loop_sleeps_wakes_it():
    promise = FutureBase()
    waits = threading.Event()

    def set_it():
        waits.wait(NEVER)
        promise.set_value("value")

    async def main():
        loop = asyncio.get_running_loop()
        helper = loop.run_in_executor(None, set_it)
        request = asyncio.ensure_future(wait_for.asyncio(promise))
        while promise._waiters is None:
            await asyncio.sleep(0)
        loop.call_soon(waits.set)
        return await request, await helper

    assert run(main()) == ("value", None)


def test_two_requests_may_wait_for_one_promise():
    async def main():
        promise = FutureBase()
        asyncio.get_running_loop().call_soon(promise.set_value, "value")
        return await asyncio.gather(wait_for.asyncio(promise), wait_for.asyncio(promise))

    assert run(main()) == ["value", "value"]


@pytest.mark.parametrize("fails", [False, True])
def test_two_requests_may_wait_for_one_task(fails, client):
    count = []

    @asynq.asynq()
    def shared():
        count.append(1)
        yield asyncio.sleep(0)
        value = yield client.get(1)
        if fails:
            raise ValueError("shared")
        return value

    async def main():
        task = shared.asynq()
        return await asyncio.gather(
            *[wait_for.asyncio(task) for _ in range(3)], return_exceptions=True
        )

    values = run(main())
    assert count == [1]
    if fails:
        assert values[0] is values[1] is values[2] and isinstance(values[0], ValueError)
    else:
        assert values == [("client", 1)] * 3


# Knots


async def in_flight():
    """Something that never ends while anybody waits for it."""
    await asyncio.Event().wait()


def circle(size, box):
    """The task of a function in a circle of so many, each of which has waited for the loop."""

    @asynq.asynq()
    def knotted(number):
        yield asyncio.sleep(0)
        return (yield box[(number + 1) % size])

    for number in range(size):
        box[number] = knotted.asynq(number)
    return box[0]


@pytest.mark.parametrize("size", [1, 2, 3])
def test_tasks_that_wait_for_one_another_get_an_error(size):
    @asynq.asynq()
    def body():
        box = {}
        circle(size, box)
        others = in_flight()
        try:
            yield list(box.values()) + [never.asynq(others)]
        except AsyncTaskError as error:
            return str(error)

    @asynq.asynq()
    def never(awaitable):
        # It is found although this goes on; nothing more can be said before this ends.
        yield asyncio.wait([asyncio.ensure_future(awaitable)], timeout=0.001)

    text = run(body.asyncio())
    assert text.startswith("Can't proceed further: ")
    assert text.count("knotted") == size + 1
    assert "they wait for one another. Cure: " in text


def test_a_knot_is_found_while_something_else_is_in_flight():
    box = {}
    found = []

    @asynq.asynq()
    def body(event):
        yield [catches.asynq(event), event.wait()]

    @asynq.asynq()
    def catches(event):
        try:
            yield circle(2, box)
        except AsyncTaskError as error:
            found.append(error)
            event.set()

    async def main():
        await body.asyncio(asyncio.Event())

    run(main())
    assert len(found) == 1


def test_a_knot_across_two_requests_is_found():
    async def main():
        box = {}
        circle(2, box)
        return await asyncio.gather(
            wait_for.asyncio(box[0]), wait_for.asyncio(box[1]), return_exceptions=True
        )

    errors = run(main())
    assert [type(error) for error in errors] == [AsyncTaskError] * 2


def test_a_knot_that_is_caught_inside_lets_all_go_on():
    async def main():
        box = {}

        @asynq.asynq()
        def one():
            yield asyncio.sleep(0)
            try:
                return (yield box["two"])
            except AsyncTaskError:
                return "caught"

        @asynq.asynq()
        def two():
            yield asyncio.sleep(0)
            try:
                return (yield box["one"])
            except AsyncTaskError:
                return "caught"

        box["one"], box["two"] = one.asynq(), two.asynq()
        return await asyncio.gather(wait_for.asyncio(box["one"]), wait_for.asyncio(box["two"]))

    assert run(main()) == ["caught", "caught"]


def test_a_flush_that_waits_for_its_own_item_gets_an_error():
    class Asks(StoreBatch):
        async def _flush(self):
            try:
                await wait_for.asyncio(self.items[0])
            except AsyncTaskError as error:
                texts.append(str(error))
            super()._flush()

    texts = []
    store = Store(Asks)
    assert run(load.asyncio(store, 1)) == ("store", 1)
    assert "the flush of " in texts[0] and "waits for itself or for one of its own" in texts[0]


def test_two_flushes_that_wait_for_one_another_get_an_error():
    class Crosses(StoreBatch):
        async def _flush(self):
            try:
                await wait_for.asyncio(items[1 - self.client.index])
            except AsyncTaskError:
                knots.append(self.client.name)
            super()._flush()

    knots = []
    items = []
    stores = [Store(Crosses, name) for name in "ab"]
    for index, store in enumerate(stores):
        store.index = index
        items.append(store.get(1))
    assert run_all(*map(wait_for.asyncio, items)) == [("a", 1), ("b", 1)]
    assert len(knots) == 1


def test_a_flush_may_wait_for_another_one_that_is_in_flight():
    # The third is asked for by the flush of the first; that is no reason for the second, which is
    # flushed thereafter, not to wait for an item of the first.
    class First(StoreBatch):
        async def _flush(self):
            await load.asyncio(third, 1)
            super()._flush()

    class Second(StoreBatch):
        async def _flush(self):
            await wait_for.asyncio(item)
            super()._flush()

    first, second, third = Store(First, priority=3), Store(Second, priority=1), Client()
    third.priority = 2
    item = first.get(1)

    async def late():
        while first.current_batch is item.batch:
            await asyncio.sleep(0)
        await asyncio.sleep(0)
        return await load.asyncio(second, 1)

    assert run_all(wait_for.asyncio(item), late()) == [("store", 1), ("store", 1)]


# Asyncio mode


def test_is_asyncio_mode_is_true_exactly_in_what_the_driver_runs(client):
    seen = {}

    class Looks(asynq.AsyncContext):
        def resume(self):
            seen.setdefault("resume", is_asyncio_mode())

        def pause(self):
            seen.setdefault("pause", is_asyncio_mode())

    async def foreign(name):
        seen[name] = is_asyncio_mode()
        await asyncio.sleep(0)

    def note_mode(name):
        seen[name] = is_asyncio_mode()

    @asynq.asynq()
    def child():
        seen["child"] = is_asyncio_mode()
        yield client.get(1)

    @asynq.asynq()
    def body():
        seen["before"] = is_asyncio_mode()
        loop = asyncio.get_running_loop()
        loop.call_soon(note_mode, "callback")
        thread = threading.Thread(target=note_mode, args=("thread",))
        thread.start()
        thread.join(NEVER)
        unrelated = asyncio.ensure_future(foreign("unrelated task"))
        with Looks():
            yield child.asynq(), lazily(1), foreign("yielded coroutine"), unrelated
        yield loop.run_in_executor(None, note_mode, "executor")
        yield Future(lambda: note_mode("lazy"))
        seen["after"] = is_asyncio_mode()

    async def main():
        seen["main before"] = is_asyncio_mode()
        await body.asyncio()
        seen["main after"] = is_asyncio_mode()

    run(main())
    on = ["before", "after", "child", "lazy", "resume", "pause"]
    assert {name for name in seen if seen[name]} == set(on)
    assert set(seen) - set(on) == {
        "callback", "thread", "executor", "unrelated task", "yielded coroutine",
        "main before", "main after",
    }
    assert not is_asyncio_mode()


def test_an_ordinary_coroutine_may_call_synchronously(client):
    async def main():
        return load(client, 1)

    assert run(main()) == ("client", 1)
    assert client.requests == [[1]]


SYNC_CALL = "asyncio mode does not support synchronous calls, .*%s .*%s:%d.* was called. Cure: "


class Called:
    @asynq.asynq()
    def method(self, x):
        return x

    @async_proxy()
    def proxy(self, x):
        return ConstFuture(x)

    @asynq.asynq(sync_fn=lambda self, x: x)
    def pair(self, x):
        return x

    @async_proxy(sync_fn=lambda self, x: x)
    def pair_proxy(self, x):
        return ConstFuture(x)

    @tools.acached_per_instance()
    @asynq.asynq()
    def cached(self, x):
        return x

    @tools.deduplicate()
    @asynq.asynq()
    def deduplicated(self, x):
        return x

    @tools.aretry(ValueError)
    @asynq.asynq()
    def retried(self, x):
        return x


called = Called()
BOUND = [called.method, called.proxy, called.pair, called.pair_proxy]
TOOLS = [called.cached, called.deduplicated, called.retried]


@pytest.mark.parametrize(
    "fn",
    [fn for fn in FUNCTIONS if fn not in (pure, in_wrapper)]
    + BOUND + TOOLS + [fn.decorator.__get__(None, Called) for fn in BOUND],
    ids=str,
)
def test_a_synchronous_call_in_asyncio_mode_names_function_and_file(fn):
    args = (called, 1) if getattr(fn, "instance", fn) is None else (1,)

    @asynq.asynq()
    def body():
        fn(*args)

    with pytest.raises(RuntimeError) as caught:
        run(body.asyncio())
    text = str(caught.value)
    inner = fn
    while hasattr(inner, "__wrapped__"):
        inner = inner.__wrapped__
    assert text.startswith("asyncio mode does not support synchronous calls")
    assert ".%s (" % inner.__name__ in text
    assert os.path.basename(__file__) in text
    assert "Cure: yield f.asynq(...), or allow it by @asynq(allow_sync_call=True)." in text


def test_a_wrapped_function_cannot_be_called_synchronously_in_asyncio_mode():
    @asynq.asynq()
    def body():
        in_wrapper(1)

    with pytest.raises(RuntimeError, match="asyncio mode does not support synchronous calls"):
        run(body.asyncio())


def test_a_task_cannot_be_asked_for_its_value_in_asyncio_mode():
    @asynq.asynq()
    def body():
        plain.asynq(1).value()

    with pytest.raises(RuntimeError, match=r"mode does not support synchronous calls.*\.plain \("):
        run(body.asyncio())


def test_the_error_of_a_synchronous_call_names_the_line_of_the_function():
    @asynq.asynq()
    def body():
        plain(1)

    code = plain.fn.__code__
    with pytest.raises(
        RuntimeError, match=SYNC_CALL % ("test_asyncio.plain", "test_asyncio.py",
                                         code.co_firstlineno)
    ):
        run(body.asyncio())


class Allowed:
    name = "object"

    @asynq.asynq(allow_sync_call=True)
    def method(self, client, key):
        assert not is_asyncio_mode()
        return (yield load.asynq(client, key))

    @asynq.asynq(sync_fn=lambda self, client, key: load(client, key), allow_sync_call=True)
    def pair(self, client, key):
        return None

    @async_proxy(allow_sync_call=True)
    def proxy(self, client, key):
        return client.get(key)

    @async_proxy(allow_sync_call=True)
    def task_proxy(self, client, key):
        return load.asynq(client, key)

    @async_proxy(sync_fn=lambda self, client, key: ("client", key), allow_sync_call=True)
    def pair_proxy(self, client, key):
        return None

    @tools.deduplicate()
    @asynq.asynq(allow_sync_call=True)
    def deduplicated(self, client, key):
        return (yield load.asynq(client, key))

    @tools.alru_cache()
    @asynq.asynq(allow_sync_call=True)
    def cached(self, client, key):
        return (yield load.asynq(client, key))

    @tools.aretry(ValueError)
    @asynq.asynq(allow_sync_call=True)
    def retried(self, client, key):
        return (yield load.asynq(client, key))


@pytest.mark.parametrize("unbound", [False, True])
@pytest.mark.parametrize(
    "name",
    ["method", "proxy", "task_proxy", "pair_proxy", "deduplicated", "cached", "retried"],
)
def test_allow_sync_call_warns_once_and_makes_the_call(name, unbound, caplog):
    client = Client()
    instance = Allowed()

    @asynq.asynq()
    def body():
        if unbound:
            return getattr(Allowed, name)(instance, client, 1)
        return getattr(instance, name)(client, 1)

    with caplog.at_level(logging.WARNING, logger="asynq"):
        assert run(body.asyncio()) == ("client", 1)
    [record] = caplog.records
    assert record.name == "asynq" and record.levelname == "WARNING"
    assert "A synchronous call blocks the event loop: " in record.getMessage()
    assert os.path.basename(__file__) in record.getMessage()
    caplog.clear()
    client.current_batch = Client().current_batch
    getattr(instance, name)(client, 1)
    assert caplog.records == []


def test_a_pair_that_allows_synchronous_calls_calls_its_sync_fn(caplog):
    @asynq.asynq(sync_fn=synchronous, allow_sync_call=True)
    def allowed(x):
        return None

    @asynq.asynq()
    def body():
        return allowed(1)

    assert run(body.asyncio()) == ("sync", 1)
    assert len(caplog.records) == 1


def test_what_a_synchronous_call_shares_with_the_loop_is_flushed_together(client, caplog):
    @asynq.asynq()
    def body():
        item = client.get(1)
        value = allowed_load(client, 2)
        return value, item.is_computed(), (yield load.asynq(client, 3))

    assert run(body.asyncio()) == (("client", 2), True, ("client", 3))
    assert client.requests == [[1, 2], [3]]


def test_asyncio_mode_can_be_switched_on_for_other_code():
    with AsyncioMode():
        assert is_asyncio_mode()
        with AsyncioMode():
            assert is_asyncio_mode()
            with pytest.raises(RuntimeError, match="synchronous calls"):
                plain(1)
        assert is_asyncio_mode()
        with pytest.raises(RuntimeError, match="synchronous calls"):
            proxy(1)
    assert not is_asyncio_mode()
    assert plain(1) == (1, False)
    with pytest.raises(ValueError):
        with AsyncioMode():
            raise ValueError
    assert not is_asyncio_mode()


def test_asyncio_mode_can_be_switched_on_inside_a_body(client):
    @asynq.asynq()
    def body():
        with AsyncioMode():
            with pytest.raises(RuntimeError, match="synchronous calls"):
                plain(1)
        return (yield load.asynq(client, 1))

    assert body() == ("client", 1)
    assert run(body.asyncio()) == ("client", 1)


# asyncio_fn


def with_asyncio_fn(decorator, **kwargs):
    async def instead(*args):
        await asyncio.sleep(0)
        return ("asyncio_fn",) + args

    return decorator(asyncio_fn=instead, **kwargs)


class Replaced:
    @with_asyncio_fn(asynq.asynq)
    def method(self, x):
        yield ConstFuture(None)
        return ("own", self, x)

    @with_asyncio_fn(asynq.asynq, pure=True)
    def pure(self, x):
        return ("own", self, x)

    @with_asyncio_fn(asynq.asynq, sync_fn=lambda self, x: ("own", self, x))
    def pair(self, x):
        return ("own", self, x)

    @with_asyncio_fn(async_proxy)
    def proxy(self, x):
        return ConstFuture(("own", self, x))

    @with_asyncio_fn(async_proxy, sync_fn=lambda self, x: ("own", self, x))
    def pair_proxy(self, x):
        return ConstFuture(("own", self, x))

    @with_asyncio_fn(asynq.asynq)
    @classmethod
    def class_method(cls, x):
        return ("own", cls, x)

    @with_asyncio_fn(asynq.asynq, allow_sync_call=True)
    def allowed(self, x):
        yield ConstFuture(None)
        return ("own", self, x)

    @with_asyncio_fn(async_proxy, allow_sync_call=True)
    def allowed_proxy(self, x):
        return ConstFuture(("own", self, x))

    @tools.deduplicate()
    @with_asyncio_fn(asynq.asynq)
    def deduplicated(self, x):
        return ("own", self, x)


REPLACED = [name for name in vars(Replaced) if not name.startswith("_")]


@pytest.mark.parametrize("name", REPLACED)
def test_asyncio_fn_takes_the_place_of_the_function_on_an_event_loop(name):
    instance = Replaced if name == "class_method" else Replaced()
    method = getattr(instance, name)

    @asynq.asynq()
    def body():
        return (yield [asynq.get_async_fn(method)(2)])

    assert run(method.asyncio(1)) == ("asyncio_fn", instance, 1)
    assert run(body.asyncio()) == [("asyncio_fn", instance, 2)]
    assert body() == [("own", instance, 2)]
    if name != "pure":
        assert method(3) == ("own", instance, 3)


@pytest.mark.parametrize("name", ["allowed", "allowed_proxy"])
def test_a_synchronous_call_that_is_allowed_does_not_use_asyncio_fn(name, caplog):
    instance = Replaced()

    @asynq.asynq()
    def body():
        return getattr(instance, name)(1)

    assert run(body.asyncio()) == ("own", instance, 1)
    assert len(caplog.records) == 1


# Other ways in


def test_asyncio_call_calls_whatever_it_is():
    async def coroutine_function(x):
        return x

    class Foreign:
        pass

    setattr(Foreign, "async", staticmethod(plain.asynq))

    for fn in FUNCTIONS + [lazily]:
        assert run(asyncio_call(fn, 1)) == (1, True)
    assert run(asyncio_call(Methods().method, 1)) == ("object", 1)
    assert run(asyncio_call(lambda x, y: x + y, 1, y=2)) == 3
    assert run(asyncio_call(Foreign(), 1)) == (1, True)
    coroutine = run(asyncio_call(coroutine_function, 1))
    assert inspect.iscoroutine(coroutine)
    assert run(coroutine) == 1
    unused = asyncio_call(plain, 1)
    assert inspect.iscoroutine(unused)
    unused.close()


def test_async_call_runs_on_an_event_loop(client):
    @asynq.asynq()
    def body():
        return (yield [async_call.asynq(load, client, 1), async_call.asynq(len, "ab")])

    assert run(async_call.asyncio(load, client, 1)) == ("client", 1)
    assert run(async_call.asyncio(len, "abc")) == 3
    assert run(body.asyncio()) == [("client", 1), 2]


def test_convert_asynq_to_async_makes_a_coroutine_function(client):
    def original(key, *, more=None):
        """What it does."""
        value = yield client.get(key)
        assert is_asyncio_mode()
        return value, more

    def without_yield(x):
        return (x, is_asyncio_mode())

    converted = convert_asynq_to_async(original)
    assert inspect.iscoroutinefunction(converted)
    assert (converted.__name__, converted.__doc__) == ("original", "What it does.")
    assert inspect.signature(converted) == inspect.signature(original)
    assert run(converted(1, more=2)) == (("client", 1), 2)
    assert run(convert_asynq_to_async(without_yield)(1)) == (1, True)


def test_resolve_awaitables_computes_structures(client):
    structure = {
        "awaitables": [asyncio.sleep(0, 1), AwaitableObject(2)],
        "futures": (ConstFuture(3), load.asynq(client, 4), client.get(5), lazily(6), None),
        "pair": Pair(asyncio.sleep(0, 7), None),
    }
    value = run(resolve_awaitables(structure))
    assert value == {
        "awaitables": [1, 2],
        "futures": (3, ("client", 4), ("client", 5), (6, True), None),
        "pair": (7, None),
    }
    assert type(value["pair"]) is tuple
    assert run(resolve_awaitables(None)) is None
    assert run(resolve_awaitables([])) == []
    assert run(resolve_awaitables(asyncio.sleep(0, 1))) == 1
    with pytest.raises(TypeError, match="Cannot unwrap an object of type '<class 'int'>'"):
        run(resolve_awaitables([1]))
    done = []
    with pytest.raises(ValueError, match="first"):
        run(resolve_awaitables([
            fail(ValueError("first"), turns=3), fail(KeyError("second")), note(done)
        ]))
    assert done == ["done"]


def test_older_pythons_get_a_clear_error(monkeypatch):
    for version in ((3, 6, 15, "final", 0), (2, 7, 18, "final", 0)):
        monkeypatch.setattr(sys, "version_info", version)
        expected = r"needs Python 3\.7 or later, this is %d\.%d\. Cure: " % version[:2]
        with pytest.raises(RuntimeError, match=expected):
            plain.asyncio(1)
        with pytest.raises(RuntimeError, match=expected):
            asyncio_call(plain, 1)
        with pytest.raises(RuntimeError, match=expected):
            convert_asynq_to_async(lambda: None)


# Tools


def test_the_functions_on_many_values_run_on_an_event_loop(client):
    @asynq.asynq()
    def is_odd(x):
        yield client.get(x)
        return x % 2 == 1

    @asynq.asynq()
    def negated(x):
        yield client.get(x)
        return -x

    values = [3, 1, 2]
    assert run(tools.amap.asyncio(negated, values)) == [-3, -1, -2]
    assert client.requests == [[3, 1, 2]]
    assert run(tools.afilter.asyncio(is_odd, values)) == [3, 1]
    assert run(tools.afilterfalse.asyncio(is_odd, values)) == [2]
    assert run(tools.asorted.asyncio(values, key=negated)) == [3, 2, 1]
    assert run(tools.amax.asyncio(values, key=negated)) == 1
    assert run(tools.amin.asyncio(values, key=negated)) == 3
    assert run(tools.asift.asyncio(is_odd, values)) == ([3, 1], [2])


@pytest.mark.parametrize(
    "decorator",
    [tools.alru_cache(), tools.deduplicate(), tools.alazy_constant(), tools.acached_per_instance()],
)
def test_concurrent_requests_share_what_is_under_way(decorator, client):
    count = []

    class Owner:
        pass

    @asynq.asynq()
    def shared(*args):
        count.append(1)
        yield asyncio.sleep(0)
        return (yield client.get(1))

    args = {"alazy_constant": (), "acached_per_instance": (Owner(), 1)}.get(
        decorator.__qualname__.split(".")[0], (1,)
    )
    fn = decorator(shared)
    assert run_all(*[fn.asyncio(*args) for _ in range(3)]) == [("client", 1)] * 3
    assert count == [1]


@pytest.mark.parametrize("decorator", [tools.alru_cache(), tools.deduplicate()])
def test_a_synchronous_call_does_not_wait_for_what_a_loop_has_under_way(decorator, client):
    @decorator
    @asynq.asynq()
    def shared(key):
        value = yield client.get(key)
        if is_asyncio_mode():
            yield gate.wait()
        return value

    @asynq.asynq()
    def asks():
        return (yield [shared.asynq(1), shared.asynq(1)])

    async def main():
        nonlocal gate
        gate = asyncio.Event()
        request = asyncio.ensure_future(shared.asyncio(1))
        while not client.requests:
            await asyncio.sleep(0)
        called = shared(1), asks()
        gate.set()
        return called, await request

    gate = None
    value = ("client", 1)
    assert run(main()) == ((value, [value, value]), value)


def test_a_synchronous_call_of_a_deduplicated_proxy_calls_it_once():
    calls = []

    @tools.deduplicate()
    @async_proxy()
    def counted(x):
        calls.append(x)
        return lazily(x)

    assert counted(1) == (1, False)
    assert calls == [1]


def test_a_task_that_a_loop_has_started_cannot_be_had_synchronously(client):
    async def main():
        gate = asyncio.Event()
        task = waits.asynq(gate)
        request = asyncio.ensure_future(wait_for.asyncio(task))
        while not client.requests:
            await asyncio.sleep(0)
        with pytest.raises(AsyncTaskError) as caught:
            task.value()
        with pytest.raises(AsyncTaskError):
            wait_for(task)
        gate.set()
        return str(caught.value), await request

    @asynq.asynq()
    def waits(gate):
        yield client.get(1)
        return (yield gate.wait())

    text, value = run(main())
    assert value is True
    assert "was started on an event loop (MainThread / event loop) and is asked for in a" in text
    assert "Cure: wait for it where it was started" in text


def test_aretry_does_not_block_the_loop(monkeypatch):
    tries = []
    slept = []
    real_sleep = asyncio.sleep

    async def sleep(seconds):
        slept.append(seconds)
        await real_sleep(0)

    def refuse(seconds):
        raise AssertionError("the thread sleeps")

    monkeypatch.setattr(asyncio, "sleep", sleep)
    monkeypatch.setattr(tools.time, "sleep", refuse)

    @tools.aretry(ValueError, max_tries=3, sleep=0.25)
    @asynq.asynq()
    def fails_twice():
        yield ConstFuture(None)
        tries.append(1)
        if len(tries) < 3:
            raise ValueError
        return "value"

    assert run(fails_twice.asyncio()) == "value"
    assert slept == [0.25, 0.25]
    del tries[:]
    with pytest.raises(AssertionError, match="the thread sleeps"):
        fails_twice()


def test_call_with_context_runs_on_an_event_loop(client):
    log = []
    value = run(tools.call_with_context.asyncio(Recorded(log, "c"), load, client, 1))
    assert value == ("client", 1)
    assert log == ["+c", "-c", "+c", "-c"]


def test_event_hooks_run_on_an_event_loop(client):
    log = []

    @asynq.asynq()
    def handler(x):
        log.append((yield client.get(x)))

    @asynq.asynq()
    def failing(x):
        yield client.get(x)
        raise ValueError(x)

    hook = tools.AsyncEventHook([handler, log.append, handler])
    run(hook.trigger.asyncio(1))
    assert log == [1, ("client", 1), ("client", 1)]
    assert client.requests == [[1, 1]]
    hook.subscribe(failing)
    with pytest.raises(ValueError):
        run(hook.safe_trigger.asyncio(2))
    assert len(log) == 6


def test_async_generators_run_on_an_event_loop(client):
    @async_generator()
    def values(count):
        for key in range(count):
            yield Value((yield load.asynq(client, key)))
            yield asyncio.sleep(0)

    @asynq.asynq()
    def body():
        generator = values(3)
        return (yield take_first.asynq(generator, 1)), (yield list_of_generator.asynq(generator))

    assert run(list_of_generator.asyncio(values(2))) == [("client", 0), ("client", 1)]
    assert run(body.asyncio()) == ([("client", 0)], [("client", 1), ("client", 2)])


# Mocks

TARGET = "asynq_asyncio_target"


@pytest.fixture
def target(monkeypatch):
    module = types.ModuleType(TARGET)
    module.fn = plain
    monkeypatch.setitem(sys.modules, TARGET, module)
    return module


def every_way(target):
    """What the three ways of calling ``target.fn`` give, in code that an event loop runs."""

    @asynq.asynq()
    def body():
        return (yield target.fn.asynq(1))

    async def main():
        return [target.fn(1), await target.fn.asyncio(1), await body.asyncio()]

    return run(main())


def test_a_patch_replaces_all_ways_of_calling(target):
    with mock.patch(TARGET + ".fn") as fn:
        fn.return_value = "mocked"
        assert every_way(target) == ["mocked"] * 3
        assert [call[0] for call in fn.call_args_list] == [(1,)] * 3
        with pytest.raises(TypeError, match=r"attributes directly on a \.asyncio function"):
            fn.asyncio.return_value
        with pytest.raises(TypeError, match=r"attributes directly on a \.asyncio function"):
            fn.asyncio.return_value = 1
    assert target.fn is plain


def test_a_patch_as_a_decorator(target):
    @mock.patch(TARGET + ".fn")
    def patched(fn):
        fn.side_effect = lambda x: x + 1
        return every_way(target)

    assert patched() == [2, 2, 2]


@pytest.mark.parametrize(
    "new", [lambda x: x + 1, functools.partial(max, 2), plain, types.SimpleNamespace(real=2).__eq__]
)
def test_a_patch_with_a_new_object(new, target):
    with mock.patch(TARGET + ".fn", new):
        values = every_way(target)
    if new is plain:
        assert values == [(1, False), (1, True), (1, True)]
    else:
        assert values == [new(1)] * 3
    assert target.fn is plain
    assert run(plain.asyncio(1)) == (1, True)


def test_a_patch_with_autospec(target):
    def function(x):
        """It is called with one argument."""

    target.fn = function
    with mock.patch(TARGET + ".fn", autospec=True) as fn:
        fn.return_value = "mocked"
        assert every_way(target) == ["mocked"] * 3
        with pytest.raises(TypeError):
            run(fn.asyncio(1, 2))
    target.fn = plain
    with mock.patch(TARGET + ".fn", autospec=True) as fn:
        fn.return_value = "mocked"
        assert every_way(target) == ["mocked"] * 3


def test_a_patched_method_runs_on_an_event_loop():
    def new(self, x):
        return ("new", x)

    async def main():
        return await Methods().method.asyncio(1)

    with mock.patch.object(Methods, "method", new):
        assert run(main()) == ("new", 1)
        assert run(Derived().method.asyncio(1)) == ("super", ("new", 1))
    with mock.patch.object(Methods, "method") as method:
        method.side_effect = ValueError("mocked")
        with pytest.raises(ValueError, match="mocked"):
            run(main())


def test_the_asyncio_of_a_mock_calls_it_when_it_is_awaited(target):
    with mock.patch(TARGET + ".fn") as fn:
        coroutine = target.fn.asyncio(1)
        assert fn.call_count == 0
        run(coroutine)
        assert fn.call_count == 1


# Debugging


def test_stack_dumps_show_the_levels_of_tasks(client, capsys):
    @asynq.asynq()
    def inner():
        yield client.get(1)
        debug.dump_asynq_stack()
        return debug.format_asynq_stack()

    @asynq.asynq()
    def outer():
        return (yield inner.asynq())

    lines = run(outer.asyncio())
    assert [line.split(" in ")[1].split("\n")[0] for line in lines] == ["outer", "inner"]
    assert [line.split("\n")[1].strip() for line in lines] == [
        "return (yield inner.asynq())", "return debug.format_asynq_stack()"
    ]
    out = capsys.readouterr().out
    assert "in outer" in out and "in inner" in out and "asynq_to_async.py" not in out


def test_every_dump_option_bears_an_event_loop(client, capsys):
    store = Store(AwaitedBatch)

    @asynq.asynq()
    def body():
        with Recorded([], "c"):
            yield load.asynq(client, 1), load.asynq(store, 2), asyncio.sleep(0)

    debug.DUMP_ALL(True)
    try:
        run(body.asyncio())
    finally:
        debug.DUMP_ALL(False)
        debug.options.DUMP_PRE_ERROR_STATE = True
    out = "".join(capsys.readouterr())
    for text in (
        "new task: @asynq tests.test_asyncio.load(", "-> batch flush:", "<- batch flushed:",
        "AwaitedBatch", "+context:",
    ):
        assert text in out


# Garbage


@pytest.fixture
def collector_off():
    gc.collect()
    gc.disable()
    before = set(map(id, ours()))
    yield before
    gc.enable()


def ours():
    kinds = (FutureBase, Run, asynq.TaskScheduler)
    return [one for one in gc.get_objects() if isinstance(one, kinds)]


def left(before):
    return [one for one in ours() if id(one) not in before]


@asynq.asynq()
def everything(client, store, fails):
    values = yield [
        load.asynq(client, 1),
        load.asynq(store, 2),
        asyncio.sleep(0),
        Pair(asyncio.sleep(0), None),
    ]
    if fails:
        yield fail_by_itself()
    return values


async def fail_by_itself():
    await asyncio.sleep(0)
    raise ValueError("coroutine")


@counts_references
def test_a_request_leaves_nothing_to_the_collector(collector_off):
    client, store = Client(), Store(AwaitedBatch)

    async def main():
        for fails in (False, True, False):
            try:
                await everything.asyncio(client, store, fails)
            except ValueError:
                pass
            client.current_batch = store.current_batch = None
            assert left(collector_off) == []
            client.__init__()
            store.__init__(AwaitedBatch)

    asyncio.run(main())
    client.current_batch = store.current_batch = None
    assert left(collector_off) == []


@counts_references
@pytest.mark.parametrize("cls", [Batch, AwaitedBatch])
def test_a_failed_flush_leaves_nothing_to_the_collector(cls, collector_off):
    store = Store(StoreBatch if cls is Batch else cls)
    store.fails_with = ValueError("flush")

    async def main():
        try:
            await load.asyncio(store, 1)
        except ValueError:
            pass
        store.fails_with = store.current_batch = None
        assert left(collector_off) == []

    asyncio.run(main())


@counts_references
def test_a_knot_leaves_nothing_to_the_collector(collector_off):
    @asynq.asynq()
    def body(box):
        circle(2, box)
        yield box[0]

    async def main():
        box = {}
        try:
            await body.asyncio(box)
        except AsyncTaskError:
            pass
        box.clear()

    asyncio.run(main())
    assert left(collector_off) == []


@counts_references
def test_arguments_that_fail_leave_nothing_to_the_collector(collector_off):
    @asynq.asynq()
    def fails():
        yield ConstFuture(None)
        raise ValueError

    @async_proxy()
    def given(*futures):
        return futures[0]

    async def main():
        for call in (given.asyncio, resolve_awaitables):
            try:
                await call(fails.asynq())
            except ValueError:
                pass
            try:
                await resolve_awaitables([fails.asynq(), Pair(fails.asynq(), None)])
            except ValueError:
                pass

    asyncio.run(main())
    assert left(collector_off) == []


def test_a_turn_of_a_request_costs_nothing_for_what_is_blocked():
    def cost(count, turns):
        @asynq.asynq()
        def body():
            promise = FutureBase()
            yield [goes_on.asynq(promise)] + [wait_for.asynq(promise) for _ in range(count)]

        @asynq.asynq()
        def goes_on(promise):
            for _ in range(turns):
                yield asyncio.sleep(0)
            promise.set_value(None)

        return steps(asyncio.run, body.asyncio())

    cost(1, 1)
    few, many = (cost(count, 40) - cost(count, 0) for count in (2, 400))
    assert many < 3 * few


def test_no_scheduler_outlives_its_requests(client):
    schedulers = []

    async def main():
        await load.asyncio(client, 1)
        schedulers.append(asynq_to_async._schedulers[asyncio.get_running_loop()])

    run(main())
    collect_garbage()
    assert schedulers[0]() is None


# Strictness

STRICT_PROGRAM = """
import asyncio

import asynq
from asynq import BatchBase, BatchItemBase

class Batch(BatchBase):
    def _try_switch_active_batch(self):
        if Batch.current is self:
            Batch.current = Batch()

    async def _flush(self):
        await asyncio.sleep(0)
        for item in self.items:
            item.set_value(item.key)

Batch.current = Batch()

class Item(BatchItemBase):
    def __init__(self, key):
        super().__init__(Batch.current)
        self.key = key

@asynq.asynq()
def load(key):
    return (yield Item(key))

async def fails():
    raise ValueError

@asynq.asynq()
def body(key):
    values = yield [load.asynq(key), asyncio.sleep(0, key), load.asyncio(key)]
    try:
        yield fails(), asyncio.sleep(0)
    except ValueError:
        return values

async def main():
    print(await asyncio.gather(*[body.asyncio(key) for key in range(3)]))

asyncio.run(main())
"""


def test_asyncios_debug_mode_and_errors_for_warnings_find_nothing():
    environment = dict(os.environ, PYTHONASYNCIODEBUG="1")
    environment["PYTHONPATH"] = os.path.dirname(os.path.dirname(os.path.abspath(asynq.__file__)))
    process = subprocess.Popen(
        [sys.executable, "-W", "error", "-c", STRICT_PROGRAM],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment,
    )
    out, err = process.communicate()
    assert err == b""
    assert out.decode().strip() == str([[key] * 3 for key in range(3)])
    assert process.returncode == 0


def test_a_body_that_is_called_synchronously_can_run_a_loop():
    store = Store(AwaitedBatch)

    async def main():
        values = await load.asynq(store, 1), await load.asyncio(store, 2)
        return values + await asynq.gather(load.asynq(store, 3), asyncio.sleep(0, "slept"))

    @asynq.asynq()
    def generator_body():
        assert asyncio.run(main()) == values
        return (yield asynq.ConstFuture("generator"))

    @asynq.asynq()
    async def native_body():
        assert asyncio.run(main()) == values
        return await generator_body.asynq(), "native"

    @asynq.asynq()
    def plain_body():
        return asyncio.run(main())

    values = (("store", 1), ("store", 2), ("store", 3), "slept")
    assert generator_body() == "generator"
    assert native_body() == ("generator", "native")
    assert plain_body() == values


def test_a_coroutine_can_call_a_native_function_synchronously():
    client = Client()

    async def part_of_it():
        return await load.asynq(client, 1)

    @asynq.asynq()
    async def native_body():
        return await part_of_it(), await asynq.gather(load.asynq(client, 2), client.get(3))

    async def main():
        return native_body()

    assert run(main()) == (("client", 1), (("client", 2), ("client", 3)))
