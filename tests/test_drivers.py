"""What a synchronous call does in code that an event loop runs."""

import asyncio

import pytest

import asynq
from asynq import AsyncTaskError, is_asyncio_mode, result

from .helpers import Batch, Client

KNOT = "Can't proceed further: "


def run_on_loop(coroutine):
    return asyncio.run(asyncio.wait_for(coroutine, 10))


@asynq.asynq(allow_sync_call=True)
def wait_for(future):
    result((yield future))


@asynq.asynq()
def load(client, key):
    result((yield client.get(key)))


class Asking(Batch):
    """Its flush calls ``client.ask`` with the batch."""

    def _flush(self):
        self.client.ask(self)
        super()._flush()


def asking_client(ask):
    client = Client()
    client.ask = ask
    client.current_batch = Asking(client)
    return client


def test_a_flush_is_in_asyncio_mode_and_must_not_call_synchronously():
    modes = []
    other = Client("other")

    def ask(batch):
        modes.append(is_asyncio_mode())
        load(other, "x")

    client = asking_client(ask)
    with pytest.raises(RuntimeError, match="asyncio mode does not support.*: tests.test_drivers"):
        run_on_loop(load.asyncio(client, 1))
    assert modes == [True]
    assert other.requests == []


def test_a_synchronous_call_in_a_flush_leaves_the_other_batches_pending():
    other, inner = Client("other"), Client("inner", priority=(1, 0))
    client = asking_client(lambda batch: wait_for(inner.get("x")))
    client.priority = (2, 0)

    @asynq.asynq()
    def root():
        result((yield load.asynq(client, "a"), load.asynq(other, "b")))

    assert run_on_loop(root.asyncio()) == (("client", "a"), ("other", "b"))
    assert (client.requests, inner.requests, other.requests) == ([["a"]], [["x"]], [["b"]])


def test_a_task_that_a_flush_asks_for_in_vain_goes_on_where_it_was():
    tasks = []

    def ask(batch):
        with pytest.raises(AsyncTaskError, match="its batch .* is not going to be flushed again"):
            wait_for(tasks[0])

    client = asking_client(ask)

    @asynq.asynq()
    def root():
        tasks.append(load.asynq(client, "a"))
        result((yield tasks[0]))

    assert run_on_loop(root.asyncio()) == ("client", "a")


def test_a_flush_that_waits_for_its_own_item_gets_the_way_to_it():
    client = asking_client(lambda batch: batch.items[0].value())
    names = "tests.test_drivers.load -> <class 'tests.helpers.Item'> .*; the flush of "
    with pytest.raises(AsyncTaskError, match=KNOT + names):
        run_on_loop(load.asyncio(client, "a"))


def test_a_batch_that_has_to_be_awaited_is_an_error_in_a_synchronous_call():
    client = Client()

    class Native(Batch):
        async def _flush(self):
            super()._flush()

    client.current_batch = Native(client)

    @asynq.asynq()
    def root():
        with pytest.raises(RuntimeError, match=r"Native._flush\(\) has to be awaited, but"):
            wait_for(client.get("a"))
        client.current_batch = Native(client)
        result((yield client.get("b")))

    assert run_on_loop(root.asyncio()) == ("client", "b")


def test_a_knot_that_a_synchronous_call_leaves_behind_is_an_error():
    tasks = {}

    @asynq.asynq()
    def child():
        yield client.get("a")
        yield tasks["parent"]

    @asynq.asynq()
    def parent():
        yield tasks["child"]

    def ask(batch):
        for item in batch.items:
            item.set_value(None)
        with pytest.raises(AsyncTaskError, match="they wait for one another"):
            wait_for(tasks["child"])
        del batch.items[:]

    client = asking_client(ask)
    tasks.update(parent=parent.asynq(), child=child.asynq())
    with pytest.raises(AsyncTaskError, match="they wait for one another"):
        run_on_loop(wait_for.asyncio(tasks["parent"]))


def test_a_task_that_was_not_told_that_its_future_is_computed_can_be_cancelled():
    class Interrupted(asynq.FutureBase):
        def _computed(self):
            raise KeyboardInterrupt()

    async def main():
        future = Interrupted()
        waiting = asyncio.ensure_future(wait_for.asyncio(future))
        await asyncio.sleep(0)
        with pytest.raises(KeyboardInterrupt):
            future.set_value(1)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting

    run_on_loop(main())


def test_a_task_that_an_interrupted_synchronous_call_had_taken_over_goes_on():
    client = Client()
    tasks = []

    class Interrupted(asynq.AsyncContext):
        calls = 0

        def resume(self):
            self.calls += 1
            if self.calls == 2:
                raise KeyboardInterrupt()

        def pause(self):
            pass

    @asynq.asynq()
    def impatient():
        with Interrupted():
            yield client.get("a")
        result("went on")

    @asynq.asynq()
    def root():
        tasks.append(impatient.asynq())
        result((yield tasks[0], asks.asynq()))

    @asynq.asynq()
    def asks():
        try:
            wait_for(tasks[0])
        except KeyboardInterrupt:
            result("interrupted")
        yield None

    assert run_on_loop(root.asyncio()) == ("went on", "interrupted")


def test_an_item_that_was_taken_out_of_its_batch_still_shows_that():
    client = Client()
    item = client.get("a")

    async def main():
        waiting = asyncio.ensure_future(wait_for.asyncio(item))
        await asyncio.sleep(0)
        waiting.cancel()
        await load.asyncio(client, "b")
        with pytest.raises(asyncio.CancelledError):
            await waiting

    run_on_loop(main())
    assert client.requests == [["b"]]
    assert not item.is_computed()
    assert item.batch.client is client and item.batch.is_flushed()
    with pytest.raises(AttributeError):
        item.batch.color
