"""Time-outs, task groups and cancel scopes inside of ``async def`` functions, on event loops.

They are opened around what the body itself awaits. What they cancel is that, and nothing else of
the request. No test depends on how long anything takes: what is cancelled would never end, and
what has to come first is awaited before the time-out is set.

"""

import asyncio

import pytest

import asynq

from .asyncio_helpers import (  # noqa: F401 (loop is a fixture)
    LONG,
    AwaitedBatch,
    Batch,
    Store,
    load,
    logged,
    loop,
    turns,
)


@asynq.asynq()
def never(log=None):
    """Wait for what never comes."""
    try:
        yield asyncio.get_running_loop().create_future()
    finally:
        if log is not None:
            log.append("left")


def tasks_of_native_functions(waits):
    """The native function's task is made inside of a run, or outside."""

    async def in_a_request():
        return await waits.asyncio()

    async def awaited_in_a_coroutine():
        return await waits.asynq()

    async def gathered_in_a_coroutine():
        return (await asynq.gather(waits.asynq(), asyncio.sleep(0)))[0]

    @asynq.asynq()
    def yields(task):
        return (yield task)

    async def yielded_by_who_got_it():
        return await yields.asyncio(waits.asynq())

    made_without_loop = waits.asynq()

    async def made_before_the_loop_ran():
        return await yields.asyncio(made_without_loop)

    return [
        in_a_request,
        awaited_in_a_coroutine,
        gathered_in_a_coroutine,
        yielded_by_who_got_it,
        made_before_the_loop_ran,
    ]


def test_a_time_out_works_wherever_the_task_was_made(loop):  # noqa: F811
    store = Store(Batch)

    @asynq.asynq()
    async def waits():
        key = await load.asynq(store, 1)
        try:
            async with asyncio.timeout(0):
                await never.asynq()
        except TimeoutError:
            return key, await store.get(2), asyncio.current_task().cancelling()

    for way in tasks_of_native_functions(waits):
        result = loop.run_until_complete(asyncio.wait_for(way(), LONG))
        assert result == ("value of 1", "value of 2", 0), way.__name__


@pytest.mark.skipif(
    not hasattr(asyncio, "eager_task_factory"), reason="eager tasks are there since Python 3.12"
)
def test_a_native_function_can_be_awaited_in_an_eager_task():
    store = Store(AwaitedBatch)

    @asynq.asynq()
    async def waits():
        async with asyncio.timeout(LONG), asyncio.TaskGroup() as group:
            child = group.create_task(load.asyncio(store, 1))
            other = await load.asynq(store, 2)
        return child.result(), other

    async def coroutine():
        return await waits.asynq()

    @asynq.asynq()
    def yields():
        return (yield coroutine(), waits.asynq())

    async def main():
        asyncio.get_running_loop().set_task_factory(asyncio.eager_task_factory)
        return await asyncio.wait_for(yields.asyncio(), LONG)

    assert asyncio.run(main()) == (("value of 1", "value of 2"),) * 2


def test_a_task_that_another_request_takes_over_leaves_that_its_own_asyncio_task(loop):  # noqa: F811
    gates = []

    @asynq.asynq()
    async def shared():
        for _ in range(2):
            gates.append(asyncio.get_running_loop().create_future())
            await gates[-1]
        return "value"

    @asynq.asynq()
    def yields(task):
        before = asyncio.current_task()
        value = yield task
        return value, asyncio.current_task() is before

    async def main():
        task = shared.asynq()
        requests = [asyncio.ensure_future(yields.asyncio(task)) for _ in range(2)]
        await turns(5)
        requests[0].cancel()
        await turns(5)
        for gate in gates:
            gate.set_result(None)
            await turns(5)
        return await asyncio.gather(*requests, return_exceptions=True)

    cancelled, result = loop.run_until_complete(main())
    assert isinstance(cancelled, asyncio.CancelledError)
    assert result == ("value", True)


def test_a_time_out_around_asynqs_own_awaits_leaves_the_siblings_alone(loop):  # noqa: F811
    store = Store(Batch)
    log = []

    @asynq.asynq()
    async def in_time():
        try:
            async with asyncio.timeout(0) as timeout:
                await asynq.gather(never.asynq(log), never.asynq(log))
        except TimeoutError:
            return timeout.expired(), asyncio.current_task().cancelling()

    @asynq.asynq()
    def request():
        sibling = logged.asynq(log, "sibling", store.get(1))
        later = logged.asynq(log, "later", asyncio.sleep(0.001, "a value"))
        return (yield in_time.asynq(), sibling, later)[0]

    assert loop.run_until_complete(request.asyncio()) == (True, 0)
    assert log.count("left") == 2
    assert "sibling got value of 1" in log and "later got a value" in log


def test_the_items_of_a_scope_that_was_cancelled_are_taken_out_of_their_batch(loop):  # noqa: F811
    store = Store(Batch)

    @asynq.asynq()
    async def gives_up():
        try:
            async with asyncio.timeout(0):  # over before the flush begins
                await asynq.gather(load.asynq(store, 1), never.asynq())
        except TimeoutError:
            return await load.asynq(store, 2)

    @asynq.asynq()
    async def cancels_itself():
        asyncio.current_task().cancel("enough")
        try:
            await load.asynq(store, 4)
        except asyncio.CancelledError as error:
            return error.args, asyncio.current_task().uncancel(), await load.asynq(store, 5)

    assert loop.run_until_complete(gives_up.asyncio()) == "value of 2"
    assert loop.run_until_complete(cancels_itself.asyncio()) == (("enough",), 0, "value of 5")
    assert store.requests == [[2], [5]]


def test_of_nested_time_outs_only_that_which_is_over_is_raised(loop):  # noqa: F811
    store = Store(Batch)
    log = []

    @asynq.asynq()
    async def nested():
        try:
            async with asyncio.timeout(LONG) as outer:
                try:
                    async with asyncio.timeout(0):
                        await never.asynq(log)
                except TimeoutError:
                    log.append("inner")
                log.append(await load.asynq(store, 1))
                try:
                    async with asyncio.timeout(LONG):
                        outer.reschedule(asyncio.get_running_loop().time())
                        await never.asynq(log)
                except TimeoutError:
                    log.append("must not be raised here")
        except TimeoutError:
            log.append("outer")
        return asyncio.current_task().cancelling()

    assert loop.run_until_complete(nested.asyncio()) == 0
    assert log == ["left", "inner", "value of 1", "left", "outer"]


def test_a_cancelled_request_is_not_a_time_out(loop):  # noqa: F811
    log = []

    @asynq.asynq()
    async def waits():
        try:
            async with asyncio.timeout(LONG):
                await never.asynq(log)
        except TimeoutError:
            log.append("timed out")
        except asyncio.CancelledError as error:
            log.append(error.args)
            raise

    async def main():
        request = asyncio.ensure_future(waits.asyncio())
        await turns(5)
        request.cancel("gone")
        await asyncio.wait([request], timeout=LONG)
        return request.cancelled()

    assert loop.run_until_complete(main())
    assert log == ["left", ("gone",)]


def test_a_failing_child_of_a_task_group_cancels_what_its_body_awaits(loop):  # noqa: F811
    store = Store(Batch)
    log = []

    @asynq.asynq()
    async def group_fails():
        async def fails():
            raise KeyError(await load.asyncio(store, 1))

        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(fails())
                other = group.create_task(never.asyncio(log))
                await never.asynq(log)
        except ExceptionGroup as error:  # noqa: F821 (there since Python 3.11)
            return error.exceptions, other.cancelled(), asyncio.current_task().cancelling()

    @asynq.asynq()
    def request():
        return (yield group_fails.asynq(), logged.asynq(log, "sibling", turns(9, "a value")))[0]

    (error,), cancelled, cancelling = loop.run_until_complete(request.asyncio())
    assert isinstance(error, KeyError) and error.args == ("value of 1",)
    assert cancelled and cancelling == 0
    assert log.count("left") == 2 and "sibling got a value" in log


def test_the_children_of_a_task_group_share_the_batch_of_the_body(loop):  # noqa: F811
    store = Store(AwaitedBatch)

    @asynq.asynq()
    async def in_a_group():
        async with asyncio.TaskGroup() as group:
            children = [group.create_task(load.asyncio(store, key)) for key in (1, 2)]
            last = await load.asynq(store, 3)
        return [child.result() for child in children], last

    values = loop.run_until_complete(in_a_group.asyncio())
    assert values == (["value of 1", "value of 2"], "value of 3")
    assert [sorted(keys) for keys in store.requests] == [[1, 2, 3]]


def test_wait_for_ends_what_it_waits_for_and_leaves_the_siblings_alone(loop):  # noqa: F811
    log = []

    @asynq.asynq()
    async def in_time():
        try:
            return await asyncio.wait_for(never.asyncio(log), 0.001)
        except TimeoutError:
            return "timed out"

    @asynq.asynq()
    def request():
        sibling = logged.asynq(log, "sibling", asyncio.sleep(0.002, "a value"))
        return (yield in_time.asynq(), sibling)

    assert loop.run_until_complete(request.asyncio())[0] == "timed out"
    assert sorted(log) == ["left", "sibling finally", "sibling got a value"]


def test_who_waits_for_the_end_of_the_current_task_hears_of_that_of_the_body(loop):  # noqa: F811
    store = Store(Batch)
    log = []

    @asynq.asynq()
    async def body():
        current = asyncio.current_task()
        assert not current.done() and "body of" in repr(current)
        current.add_done_callback(ended)
        return await load.asynq(store, 1)

    def ended(task):
        assert task.done()
        log.append("ended")
        task.add_done_callback(lambda task: log.append("has ended"))

    @asynq.asynq()
    def request():
        value = yield body.asynq()
        yield turns(5)
        return value, list(log)

    values = loop.run_until_complete(request.asyncio())
    assert values == ("value of 1", ["ended", "has ended"])
