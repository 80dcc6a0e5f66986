"""A request on an event loop that is cancelled ends as an asyncio task does, and hurts no other."""

import asyncio
import gc
import sys
import threading

import pytest

import asynq
from asynq import FutureBase
from asynq.batching import BatchBase
from asynq.scheduler import Run
from asynq.tools import deduplicate

from .asyncio_helpers import (
    LONG,
    AwaitedBatch,
    Batch,
    Store,
    ThreadBatch,
    close,
    load,
    logged,
    loop,
    others,
    settled,
    turns,
)
from .helpers import Recorded, counts_references

__all__ = ["loop"]  # a fixture

has_messages = pytest.mark.skipif(
    sys.version_info < (3, 9), reason="cancel() takes a message since Python 3.9"
)
passes_messages_on = pytest.mark.skipif(
    sys.version_info < (3, 11), reason="asyncio tasks pass messages on since Python 3.11"
)
has_timeout = pytest.mark.skipif(
    not hasattr(asyncio, "timeout"), reason="asyncio.timeout is there since Python 3.11"
)


def start(coroutine):
    return asyncio.ensure_future(coroutine)


async def started(coroutine):
    """A task of ``coroutine`` that has come to where it waits."""
    task = start(coroutine)
    await settled()
    return task


async def cancel(task, *message):
    """Cancel ``task``, and wait until it has ended with that."""
    task.cancel(*message)
    await ends_cancelled(task)


async def ends_cancelled(task):
    await asyncio.wait([task], timeout=LONG)
    assert task.cancelled()


async def never():
    await asyncio.get_running_loop().create_future()


# What the bodies see


def test_the_innermost_bodies_are_cancelled_first_and_siblings_in_their_order(loop):
    log = []

    @asynq.asynq()
    def inner(name):
        yield logged.asynq(log, name + ".1", never()), logged.asynq(log, name + ".2", never())

    @asynq.asynq()
    def outer():
        yield logged.asynq(log, "a", inner.asynq("a")), logged.asynq(log, "b", inner.asynq("b"))

    async def main():
        await cancel(await started(logged.asyncio(log, "root", outer.asynq())))
        assert others() == set()

    loop.run_until_complete(main())
    names = [entry.split()[0] for entry in log if entry.endswith("cancelled")]
    assert log == ["%s %s" % (name, what) for name in names for what in ("cancelled", "finally")]
    # A body goes on as soon as it can, before what was made ready with it.
    assert names == ["a.1", "a.2", "a", "b.1", "b.2", "b", "root"]


def test_bodies_that_wait_for_items_are_cancelled_in_their_order(loop):
    log = []
    store = Store(AwaitedBatch)

    @asynq.asynq()
    def root():
        yield [logged.asynq(log, name, store.get(name)) for name in "abc"]

    async def main():
        store.gate = asyncio.get_running_loop().create_future()
        await cancel(await started(logged.asyncio(log, "root", root.asynq())))
        store.gate.set_result(None)
        await settled()
        assert others() == set()

    loop.run_until_complete(main())
    assert log == [
        "%s %s" % (name, what)
        for name in ("a", "b", "c", "root")
        for what in ("cancelled", "finally")
    ]
    assert store.requests == [["a", "b", "c"]]
    assert store.broken_off == []


def test_contexts_are_resumed_for_the_cancelled_body_and_left_by_it(loop):
    log = []

    @asynq.asynq()
    def inside(name):
        with Recorded(log, name):
            yield logged.asynq(log, name + ".child", never())

    @asynq.asynq()
    def root():
        with Recorded(log, "root"):
            yield inside.asynq("a"), inside.asynq("b")

    async def main():
        task = await started(root.asyncio())
        del log[:]
        await cancel(task)

    loop.run_until_complete(main())
    assert log == [
        "+root",
        "+a",
        "a.child cancelled",
        "a.child finally",
        "-a",
        "+b",
        "b.child cancelled",
        "b.child finally",
        "-b",
        "-root",
    ]


def test_a_body_that_swallows_it_and_returns_gives_the_request_its_value(loop):
    @asynq.asynq()
    def root():
        try:
            yield never()
        except asyncio.CancelledError:
            return "nevertheless"

    async def main():
        task = await started(root.asyncio())
        task.cancel()
        assert await task == "nevertheless"

    loop.run_until_complete(main())


def test_a_child_that_swallows_it_lets_its_parents_go_on(loop):
    store = Store(Batch)

    @asynq.asynq()
    def child():
        try:
            yield never()
        except asyncio.CancelledError:
            return "nevertheless"

    @asynq.asynq()
    def root():
        value = yield child.asynq()
        return value, (yield load.asynq(store, "key"))

    async def main():
        task = await started(root.asyncio())
        task.cancel()
        assert await task == ("nevertheless", "value of key")

    loop.run_until_complete(main())


def test_a_sibling_that_goes_on_ends_before_the_parent_hears_of_the_cancelled_one(loop):
    log = []
    store = Store(Batch)

    @asynq.asynq()
    def cleans_up():
        try:
            yield never()
        except asyncio.CancelledError:
            log.append((yield store.get("cleanup")))

    async def main():
        task = await started(
            logged.asyncio(
                log, "root", [logged.asynq(log, "a", never()), cleans_up.asynq()]
            )
        )
        await cancel(task)

    loop.run_until_complete(main())
    assert log == [
        "a cancelled",
        "a finally",
        "value of cleanup",
        "root cancelled",
        "root finally",
    ]


@pytest.mark.parametrize("batch_cls", [Batch, AwaitedBatch, ThreadBatch])
def test_a_body_can_yield_items_tasks_and_awaitables_in_its_cleanup(loop, batch_cls):
    log = []
    store = Store(batch_cls)

    @asynq.asynq()
    def root():
        try:
            yield never()
        finally:
            log.append((yield store.get(1), load.asynq(store, 2), turns(3, "awaited")))

    async def main():
        await cancel(await started(root.asyncio()))

    loop.run_until_complete(main())
    assert log == [("value of 1", "value of 2", "awaited")]
    assert store.requests == [[1, 2]]


def test_a_second_cancel_breaks_off_the_cleanup(loop):
    log = []
    store = Store(Batch)

    @asynq.asynq()
    def root():
        try:
            yield logged.asynq(log, "first", never())
        finally:
            try:
                yield logged.asynq(log, "second", never())
            finally:
                log.append((yield store.get("third")))

    async def main():
        task = await started(root.asyncio())
        task.cancel()
        await settled()
        log.append("again")
        await cancel(task)

    loop.run_until_complete(main())
    assert log == [
        "first cancelled",
        "first finally",
        "again",
        "second cancelled",
        "second finally",
        "value of third",
    ]


def test_two_cancels_in_one_turn_are_one(loop):
    log = []

    async def main():
        task = await started(logged.asyncio(log, "root", never()))
        task.cancel()
        await cancel(task)

    loop.run_until_complete(main())
    assert log == ["root cancelled", "root finally"]


@has_messages
@pytest.mark.parametrize(
    "waits_for", ["item", pytest.param("awaitable", marks=passes_messages_on)]
)
def test_the_bodies_get_the_message_of_the_cancel(loop, waits_for):
    seen = []
    store = Store(AwaitedBatch)

    async def awaited():
        try:
            await never()
        except asyncio.CancelledError as error:
            seen.append(error.args)
            raise

    @asynq.asynq()
    def root():
        try:
            yield awaited() if waits_for == "awaitable" else store.get(1)
        except asyncio.CancelledError as error:
            seen.append(error.args)
            raise

    async def main():
        store.gate = asyncio.get_running_loop().create_future()
        task = await started(root.asyncio())
        await cancel(task, "why")
        store.gate.set_result(None)
        await settled()

    loop.run_until_complete(main())
    assert seen == [("why",)] * (2 if waits_for == "awaitable" else 1)


def test_an_error_in_the_cleanup_takes_the_place_of_the_cancellation(loop):
    @asynq.asynq()
    def root():
        try:
            yield never()
        finally:
            raise ValueError("in the cleanup")

    async def main():
        task = await started(root.asyncio())
        task.cancel()
        with pytest.raises(ValueError, match="in the cleanup"):
            await task

    loop.run_until_complete(main())


def test_an_error_of_a_sibling_that_was_there_before_gives_way(loop):
    """Else a body that expects that error would go on, and nobody could stop it."""

    @asynq.asynq()
    def fails():
        raise ValueError("before")

    @asynq.asynq()
    def root():
        try:
            yield fails.asynq(), logged.asynq([], "child", never())
        except ValueError:
            yield never()

    async def main():
        await cancel(await started(root.asyncio()))

    loop.run_until_complete(main())


# Time-outs around a request


def test_wait_for_cancels_the_bodies_and_raises_its_own_error(loop):
    log = []

    async def main():
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(logged.asyncio(log, "root", never()), 0.001)
        assert others() == set()

    loop.run_until_complete(main())
    assert log == ["root cancelled", "root finally"]


@has_timeout
def test_a_time_out_around_one_request_leaves_the_others_alone(loop):
    log = []

    async def hurried():
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.001):
                await logged.asyncio(log, "hurried", never())
        assert asyncio.current_task().cancelling() == 0
        return "went on"

    async def main():
        promise = FutureBase()
        other = start(logged.asyncio(log, "other", promise))
        assert await hurried() == "went on"
        promise.set_value("its value")
        await other

    loop.run_until_complete(main())
    assert log == [
        "hurried cancelled",
        "hurried finally",
        "other got its value",
        "other finally",
    ]


# At special moments


def test_a_request_that_is_cancelled_before_its_first_step_never_begins(loop):
    log = []

    async def main():
        await cancel(start(logged.asyncio(log, "root", None)))

    loop.run_until_complete(main())
    assert log == []


MAKES_READY = {
    "promise": lambda world: world.promise.set_value("there"),
    "awaitable": lambda world: world.future.set_result("there"),
    "flush": lambda world: world.batch.flush(),
}


@pytest.mark.parametrize("what", sorted(MAKES_READY))
def test_a_cancel_in_the_turn_in_which_the_body_was_made_ready_counts(loop, what):
    log = []

    class world:
        promise = FutureBase()

    async def main():
        store = Store(Batch)
        # Priority does not matter: the batch is flushed by hand.
        world.batch = store.current_batch
        world.future = asyncio.get_running_loop().create_future()
        yielded = {
            "promise": world.promise,
            "awaitable": world.future,
            "flush": store.get("key"),
        }[what]
        task = start(logged.asyncio(log, "root", yielded))
        await turns(1)
        MAKES_READY[what](world)
        await cancel(task)

    loop.run_until_complete(main())
    assert log == ["root cancelled", "root finally"]


def test_a_cancel_after_the_body_has_ended_is_too_late(loop):
    log = []
    promise = FutureBase()

    async def main():
        task = await started(logged.asyncio(log, "root", promise))
        promise.set_value("there")
        await task
        assert not task.cancel()

    loop.run_until_complete(main())
    assert log == ["root got there", "root finally"]


# Flushes in flight


def test_an_async_flush_goes_on_for_the_other_requests(loop):
    log = []
    store = Store(AwaitedBatch)

    async def main():
        store.gate = asyncio.get_running_loop().create_future()
        one = start(logged.asyncio(log, "one", store.get(1)))
        other = await started(logged.asyncio(log, "other", store.get(2)))
        await cancel(one)
        store.gate.set_result(None)
        await other
        assert others() == set()

    loop.run_until_complete(main())
    assert log == ["one cancelled", "one finally", "other got value of 2", "other finally"]
    assert (store.requests, store.broken_off) == ([[1, 2]], [])


@pytest.mark.parametrize("beside", ["nothing", "another item", "a child that cleans up"])
def test_a_cancel_after_the_value_was_set_but_before_the_flush_has_ended_counts(loop, beside):
    log = []

    class SlowToEnd(AwaitedBatch):
        async def _flush(self):
            self.answer()
            await self.store.gate

    store = Store(SlowToEnd)

    @asynq.asynq()
    def child():
        try:
            yield never()
        except asyncio.CancelledError:
            yield turns(3)
            log.append("cleaned up")
            raise

    async def main():
        store.gate = asyncio.get_running_loop().create_future()
        item = store.get(1)
        yielded = {
            "nothing": lambda: item,
            "another item": lambda: [item, Store(Batch).get(2)],
            "a child that cleans up": lambda: [item, child.asynq()],
        }[beside]()
        task = await started(logged.asyncio(log, "root", yielded))
        assert item.is_computed()
        task.cancel()
        await turns(1)
        store.gate.set_result(None)
        await ends_cancelled(task)

    loop.run_until_complete(main())
    cleaned_up = ["cleaned up"] if beside == "a child that cleans up" else []
    assert log == cleaned_up + ["root cancelled", "root finally"]


def test_an_async_flush_goes_on_when_nobody_waits_any_longer(loop):
    store = Store(AwaitedBatch)
    items = [store.get(1)]

    @asynq.asynq()
    def root():
        yield items[0]

    async def main():
        store.gate = asyncio.get_running_loop().create_future()
        await cancel(await started(root.asyncio()))
        assert not items[0].is_computed()
        store.gate.set_result(None)
        await settled()
        assert items[0].value() == "value of 1"

    loop.run_until_complete(main())


def test_a_flush_in_a_thread_goes_on_for_the_other_requests(loop):
    log = []
    store = Store(ThreadBatch)
    store.gate = threading.Event()

    async def main():
        one = start(logged.asyncio(log, "one", store.get(1)))
        other = await started(logged.asyncio(log, "other", store.get(2)))
        await cancel(one)
        store.gate.set()
        await other

    loop.run_until_complete(main())
    assert log == ["one cancelled", "one finally", "other got value of 2", "other finally"]


# Awaitables


def test_the_awaitables_end_before_the_body_that_waits_for_them_is_cancelled(loop):
    log = []

    async def awaited(name):
        try:
            await never()
        finally:
            await turns(2)
            log.append(name)

    async def main():
        task = await started(logged.asyncio(log, "root", [awaited("a"), awaited("b")]))
        await cancel(task)

    loop.run_until_complete(main())
    assert log == ["a", "b", "root cancelled", "root finally"]


def test_an_awaitable_that_refuses_to_be_cancelled_is_waited_for(loop):
    log = []

    async def stubborn(promise):
        try:
            await never()
        except asyncio.CancelledError:
            return await promise

    async def main():
        promise = asyncio.get_running_loop().create_future()
        task = await started(logged.asyncio(log, "root", stubborn(promise)))
        task.cancel()
        await settled()
        assert not task.done() and log == []
        promise.set_result("its value")
        await task

    loop.run_until_complete(main())
    assert log == ["root got its value", "root finally"]


def test_an_awaitable_of_two_requests_is_cancelled_with_the_last_of_them(loop):
    log = []

    async def awaited():
        try:
            await never()
        finally:
            log.append("awaited ends")

    @asynq.asynq()
    def root(name, box):
        yield logged.asynq(log, name, box[0])

    async def main():
        box = []

        @asynq.asynq()
        def shared():
            yield awaited()

        box.append(shared.asynq())
        one, other = start(root.asyncio("one", box)), start(root.asyncio("other", box))
        await settled()
        await cancel(one)
        log.append("now the other")
        await cancel(other)

    loop.run_until_complete(main())
    assert log == [
        "one cancelled",
        "one finally",
        "now the other",
        "awaited ends",
        "other cancelled",
        "other finally",
    ]


def test_a_request_inside_an_awaited_coroutine_is_cancelled_first(loop):
    log = []

    async def coroutine():
        await logged.asyncio(log, "inner", never())

    async def main():
        await cancel(await started(logged.asyncio(log, "outer", coroutine())))
        assert others() == set()

    loop.run_until_complete(main())
    assert log == ["inner cancelled", "inner finally", "outer cancelled", "outer finally"]


def test_an_awaitable_that_was_cancelled_by_someone_else_cancels_the_body_alone(loop):
    log = []

    @asynq.asynq()
    def root(future):
        try:
            yield logged.asynq(log, "child", future)
        except asyncio.CancelledError:
            return "went on"

    async def main():
        future = asyncio.get_running_loop().create_future()
        task = await started(root.asyncio(future))
        future.cancel()
        assert await task == "went on"

    loop.run_until_complete(main())
    assert log == ["child cancelled", "child finally"]


# Items that nobody waits for


class Busy(object):
    """Keeps a loop from being idle, so that nothing is flushed: it sets promises for a request."""

    @asynq.asynq()
    def request(self):
        while not self.is_over:
            self.promise = FutureBase()
            asyncio.get_running_loop().call_soon(self.promise.set_value, None)
            yield self.promise

    async def __aenter__(self):
        self.is_over = False
        self.task = start(self.request.asyncio())

    async def __aexit__(self, *exc_info):
        self.is_over = True
        await self.task


def test_items_of_a_cancelled_request_are_taken_out_of_their_batch(loop):
    store = Store(Batch)
    batch = store.current_batch

    @asynq.asynq()
    def root(keys):
        return (yield [store.get(key) for key in keys])

    async def main():
        async with Busy():
            first = start(root.asyncio(["a", "b"]))
            second = start(root.asyncio(["c", "d"]))
            third = start(root.asyncio(["e"]))
            await turns(2)
            await cancel(second)
            assert [item.key for item in batch.items] == ["a", "b", "e"]
            assert [item.index for item in batch.items] == [0, 1, 2]
        assert await first == ["value of a", "value of b"]
        assert await third == ["value of e"]

    loop.run_until_complete(main())
    assert store.requests == [["a", "b", "e"]]


def test_a_batch_that_was_emptied_is_not_flushed_but_can_be_used(loop):
    store = Store(Batch)
    batch = store.current_batch

    async def main():
        async with Busy():
            task = start(load.asyncio(store, "a"))
            await turns(2)
            await cancel(task)
            assert batch.items == []
        await settled()
        assert store.requests == [] and not batch.is_flushed()
        assert await load.asyncio(store, "b") == "value of b"
        assert batch.is_flushed()

    loop.run_until_complete(main())
    assert store.requests == [["b"]]


def test_an_item_for_which_another_request_waits_stays(loop):
    store = Store(Batch)

    @asynq.asynq()
    def root(item):
        return (yield item)

    async def main():
        async with Busy():
            item = store.get("shared")
            one, other = start(root.asyncio(item)), start(root.asyncio(item))
            await turns(2)
            await cancel(one)
            assert item.batch.items == [item]
        assert await other == "value of shared"

    loop.run_until_complete(main())
    assert store.requests == [["shared"]]


async def withdrawn(store):
    """An item that was taken out of its batch, beside one that was not."""

    @asynq.asynq()
    def root(item):
        yield item

    async with Busy():
        item = store.get("withdrawn")
        task = start(root.asyncio(item))
        await turns(2)
        await cancel(task)
    return item


def test_a_withdrawn_item_that_is_yielded_later_joins_its_batch_again(loop):
    store = Store(Batch)

    @asynq.asynq()
    def root(item):
        return (yield store.get("first"), item)

    async def main():
        item = await withdrawn(store)
        assert item.batch.store is store  # what the item's own methods may ask for
        assert await root.asyncio(item) == ("value of first", "value of withdrawn")
        assert item.index == 1

    loop.run_until_complete(main())
    assert store.requests == [["first", "withdrawn"]]


def test_the_value_of_a_withdrawn_item_can_be_asked_for(loop):
    store = Store(Batch)
    item = loop.run_until_complete(withdrawn(store))
    assert item.value() == "value of withdrawn"


def test_the_value_of_a_withdrawn_item_can_be_set(loop):
    item = loop.run_until_complete(withdrawn(Store(Batch)))
    item.set_value("set")
    assert item.value() == "set"


@pytest.mark.parametrize("how", ["yield", "value"])
def test_a_withdrawn_item_whose_batch_was_flushed_says_what_is_wrong(loop, how):
    store = Store(Batch)

    @asynq.asynq()
    def root(item):
        yield item

    async def main():
        item = await withdrawn(store)
        await load.asyncio(store, "other")
        with pytest.raises(
            asynq.AsyncTaskError, match="was taken out of its batch.*Cure: make a new item"
        ):
            if how == "yield":
                await root.asyncio(item)
            else:
                item.value()

    loop.run_until_complete(main())


def test_batches_that_compare_equal_lose_their_own_items_only(loop):
    class Equal(Batch):
        def __eq__(self, other):
            return isinstance(other, Equal)

        __hash__ = None

    stores = [Store(Equal), Store(Equal)]

    @asynq.asynq()
    def root():
        yield stores[0].get(1), stores[1].get(2)

    async def main():
        async with Busy():
            task = start(root.asyncio())
            await turns(2)
            await cancel(task)
            assert [store.current_batch.items for store in stores] == [[], []]

    loop.run_until_complete(main())


# Tasks of several requests


def deduplicated(store, log):
    @deduplicate()
    @asynq.asynq()
    def shared(key):
        log.append("begins")
        try:
            return (yield inner.asynq(key))
        finally:
            log.append("ends")

    @asynq.asynq()
    def inner(key):
        value = yield load.asynq(store, key)
        return value, (yield turns(3, "awaited"))

    return shared


@pytest.mark.parametrize("cancelled", [0, 1], ids=["the one that began it", "the other"])
@pytest.mark.parametrize("after", range(12))
def test_a_task_of_two_requests_goes_on_for_the_one_that_is_left(loop, cancelled, after):
    log = []
    store = Store(AwaitedBatch)
    shared = deduplicated(store, log)

    @asynq.asynq()
    def root(name):
        return (yield shared.asynq("key"), logged.asynq(log, name, turns(10)))

    async def main():
        tasks = [start(root.asyncio("a")), start(root.asyncio("b"))]
        await turns(1 + after)
        await cancel(tasks[cancelled])
        assert (await tasks[1 - cancelled])[0] == ("value of key", "awaited")
        assert others() == set()

    loop.run_until_complete(main())
    name, left = "ab"[cancelled], "ba"[cancelled]
    assert log.count("begins") == log.count("ends") == 1
    assert log.count(name + " cancelled") == log.count(left + " got None") == 1
    assert store.requests == [["key"]]


def test_a_task_that_was_handed_over_twice_goes_on_for_the_last_one(loop):
    log = []
    store = Store(Batch)
    promise = FutureBase()

    @asynq.asynq()
    def shared():
        yield promise
        log.append("shared goes on")
        return (yield store.get("key"))

    @asynq.asynq()
    def root(box):
        return (yield box[0])

    async def main():
        box = [shared.asynq()]
        tasks = [start(root.asyncio(box)) for _ in range(3)]
        await settled()
        await cancel(tasks[0])
        await cancel(tasks[1])
        promise.set_value(None)
        assert await tasks[2] == "value of key"

    loop.run_until_complete(main())
    assert log == ["shared goes on"]


def test_a_task_that_was_ready_when_it_was_handed_over_runs_once(loop):
    log = []
    promise = FutureBase()

    @asynq.asynq()
    def shared():
        yield promise
        log.append("shared goes on")
        yield turns(3)
        return "its value"

    @asynq.asynq()
    def root(box):
        try:
            return (yield box[0])
        except asyncio.CancelledError:
            yield turns(3)
            raise

    async def main():
        box = [shared.asynq()]
        one, other = start(root.asyncio(box)), start(root.asyncio(box))
        await settled()
        promise.set_value(None)
        await cancel(one)
        assert await other == "its value"

    loop.run_until_complete(main())
    assert log == ["shared goes on"]


def test_a_request_that_goes_on_after_a_cancel_shares_its_tasks_as_before(loop):
    log = []
    promises = [FutureBase(), FutureBase()]

    @asynq.asynq()
    def shared():
        yield promises[1]
        log.append("shared goes on")
        yield turns(2)
        return "its value"

    @asynq.asynq()
    def first(box):
        try:
            yield promises[0]
        except asyncio.CancelledError:
            pass
        return (yield box[0])

    @asynq.asynq()
    def second(box):
        return (yield box[0])

    async def main():
        box = [shared.asynq()]
        one = await started(first.asyncio(box))
        one.cancel()
        await settled()
        promises[1].set_value(None)
        other = start(second.asyncio(box))
        assert await one == await other == "its value"

    loop.run_until_complete(main())
    assert log == ["shared goes on"]


def test_a_promise_of_two_requests_is_left_to_the_other(loop):
    log = []
    promise = FutureBase()

    async def main():
        one = start(logged.asyncio(log, "one", promise))
        other = await started(logged.asyncio(log, "other", promise))
        await cancel(one)
        promise.set_value("there")
        await other

    loop.run_until_complete(main())
    assert log == ["one cancelled", "one finally", "other got there", "other finally"]


def test_what_waits_for_a_cancelled_task_of_another_request_is_cancelled_too(loop):
    """Who asks only after the cancel gets what the task ends with, as from an asyncio task."""
    log = []

    @asynq.asynq()
    def slow():
        try:
            yield never()
        finally:
            yield turns(30)

    @asynq.asynq()
    def root(box):
        yield box[0]

    async def main():
        box = [slow.asynq()]
        one = await started(root.asyncio(box))
        one.cancel()
        await turns(5)
        other = start(logged.asyncio(log, "other", root.asynq(box)))
        await ends_cancelled(one)
        await ends_cancelled(other)

    loop.run_until_complete(main())
    assert log == ["other cancelled", "other finally"]


# Coroutines that are closed, and loops


def closing(log, *yielded):
    """A coroutine that has come to where it waits; it is run without a task."""

    async def main():
        coroutine = logged.asyncio(log, "root", yielded)
        coroutine.send(None)
        await settled()
        return coroutine

    return main


def test_a_coroutine_that_is_closed_closes_the_bodies(loop):
    log = []
    store = Store(Batch)

    async def awaited():
        try:
            await never()
        finally:
            log.append("awaited ends")

    async def main():
        async with Busy():
            coroutine = logged.asyncio(log, "root", [store.get(1), awaited()])
            coroutine.send(None)
            await turns(2)
            coroutine.close()
            assert log == ["root finally"]
            assert store.current_batch.items == []
            await settled()
        assert others() == set()

    loop.run_until_complete(main())
    assert log == ["root finally", "awaited ends"]


def test_a_coroutine_that_is_dropped_without_having_begun_leaves_nothing(loop):
    async def main():
        logged.asyncio([], "root", None).close()

    loop.run_until_complete(main())


def test_a_coroutine_that_is_closed_after_its_loop_closes_the_bodies(loop):
    log = []
    coroutine = loop.run_until_complete(closing(log, FutureBase())())
    loop.close()
    coroutine.close()
    assert log == ["root finally"]


def test_a_coroutine_whose_awaitable_is_in_flight_can_be_closed_after_its_loop(loop):
    log = []
    future = loop.create_future()
    coroutine = loop.run_until_complete(closing(log, future)())
    loop.close()
    coroutine.close()
    assert log == ["root finally"] and not future.done()


def test_a_coroutine_that_is_closed_by_the_body_of_another_leaves_that_alone(loop):
    log = []
    others_context = Recorded(log, "other")

    @asynq.asynq()
    def other(coroutine):
        with others_context:
            me = asynq.get_active_task()
            coroutine.close()
            assert asynq.get_active_task() is me
            assert asynq.scheduler.is_asyncio_mode()
            log.append((yield turns(1, "went on")))

    async def main():
        await other.asyncio(await closing(log, FutureBase())())

    loop.run_until_complete(main())
    assert [entry for entry in log if entry[0] not in "+-"] == ["root finally", "went on"]
    assert not others_context.active


def test_a_closed_coroutine_hands_its_tasks_over(loop):
    store = Store(Batch)

    @asynq.asynq()
    def shared(promise):
        yield promise
        return (yield store.get("key"))

    @asynq.asynq()
    def root(box):
        return (yield box[0])

    async def main():
        promise = FutureBase()
        box = [shared.asynq(promise)]
        coroutine = root.asyncio(box)
        coroutine.send(None)
        other = await started(root.asyncio(box))
        coroutine.close()
        promise.set_value(None)
        assert await other == "value of key"

    loop.run_until_complete(main())


def test_a_closed_body_can_not_make_synchronous_calls(loop):
    """They would wait for what nobody drives any longer."""
    log = []

    @asynq.asynq()
    def root():
        try:
            yield FutureBase()
        finally:
            try:
                load(Store(Batch), "key")
            except RuntimeError as error:
                log.append(str(error).split(":")[0])

    async def main():
        coroutine = root.asyncio()
        coroutine.send(None)
        coroutine.close()

    loop.run_until_complete(main())
    assert log == [
        "asyncio mode does not support synchronous calls, which would block the event loop"
    ]


def test_a_loop_that_was_stopped_goes_on_later(loop):
    log = []
    store = Store(Batch)

    async def main():
        tasks.append(start(logged.asyncio(log, "root", store.get("key"))))
        asyncio.get_running_loop().stop()

    tasks = [loop.create_task(main())]
    loop.run_forever()
    loop.run_until_complete(settled())
    assert log == ["root got value of key", "root finally"]


@pytest.mark.parametrize("batch_cls", [Batch, AwaitedBatch, ThreadBatch])
def test_at_the_shutdown_of_a_loop_everything_ends(loop, batch_cls):
    log = []
    store = Store(batch_cls)

    async def awaited():
        try:
            await never()
        finally:
            log.append("awaited ends")

    async def main():
        if batch_cls is AwaitedBatch:
            store.gate = asyncio.get_running_loop().create_future()
        tasks = [
            start(logged.asyncio(log, "one", [awaited(), FutureBase()])),
            start(logged.asyncio(log, "two", store.get("key"))),
            start(logged.asyncio(log, "three", logged.asynq(log, "child", FutureBase()))),
        ]
        await turns(3)
        return tasks

    tasks = loop.run_until_complete(main())
    assert asyncio.all_tasks(loop) != set()
    close(loop)
    names = ["one", "two", "child", "three"]
    ended = [entry.split()[0] for entry in log if entry.endswith("finally")]
    assert sorted(ended) == sorted(names)
    assert all(task.done() for task in tasks)
    assert "one cancelled" in log and "awaited ends" in log
    assert "three cancelled" in log
    assert store.broken_off == (["key"] if batch_cls is AwaitedBatch else [])


def test_after_a_shutdown_the_next_loop_begins_afresh(loop):
    log = []
    store = Store(AwaitedBatch)

    async def main():
        store.gate = asyncio.get_running_loop().create_future()
        task = start(logged.asyncio(log, "root", store.get("key")))
        await turns(3)
        return task

    task = loop.run_until_complete(main())
    close(loop)
    assert task.cancelled()
    store.gate = None
    assert asyncio.run(load.asyncio(store, "other")) == "value of other"
    assert store.requests == [["key"], ["other"]]


# What is left


OURS = (FutureBase, Run)


@pytest.fixture
def nothing_is_left():
    """Neither alive nor in a cycle: no future, no run."""
    gc.collect()
    gc.disable()
    before = [one for one in gc.get_objects() if issubclass(type(one), OURS)]
    known = set(map(id, before))
    yield
    left = [one for one in gc.get_objects() if issubclass(type(one), OURS)]
    left = [one for one in left if id(one) not in known and not issubclass(type(one), BatchBase)]
    gc.enable()
    assert left == []


@counts_references
@pytest.mark.parametrize("moment", range(12))
@pytest.mark.parametrize("batch_cls", [Batch, AwaitedBatch])
def test_a_cancelled_request_leaves_nothing_to_the_collector(
    loop, batch_cls, moment, nothing_is_left
):
    store = Store(batch_cls)

    @asynq.asynq()
    def leaf(log, key):
        with Recorded(log, "leaf"):
            value = yield store.get(key), turns(3)
            return value

    @asynq.asynq()
    def root(log):
        with Recorded(log, "root"):
            yield [leaf.asynq(log, key) for key in range(3)]
            try:
                yield [leaf.asynq(log, key) for key in range(3)]
            finally:
                yield leaf.asynq(log, "cleanup")

    async def main():
        task = start(root.asyncio([]))
        await turns(moment)
        task.cancel()
        await asyncio.wait([task], timeout=LONG)
        await settled()

    loop.run_until_complete(main())
    store.current_batch = None
