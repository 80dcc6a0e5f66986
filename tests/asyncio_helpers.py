"""What the tests on event loops share: loops that are looked at when they end, and stores."""

import asyncio
import gc
import logging
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

import asynq

# In seconds: nothing waits for that long unless it is broken.
LONG = 60


def new_uvloop():
    uvloop = pytest.importorskip("uvloop", reason="uvloop is not installed")
    return uvloop.new_event_loop()


@pytest.fixture(params=[asyncio.new_event_loop, new_uvloop], ids=["asyncio", "uvloop"])
def loop(request, caplog):
    """An event loop; what it, or asyncio, had to complain about is an error."""
    loop = request.param()
    caplog.set_level(logging.WARNING)
    yield loop
    if not loop.is_closed():
        close(loop)
    gc.collect(1)
    complaints = [
        record.getMessage()
        for record in caplog.get_records("call")
        if record.name == "asyncio" and not record.getMessage().startswith("Executing ")
    ]
    assert complaints == []


def close(loop):
    """What ``asyncio.run`` does in the end."""
    try:
        pending = asyncio.all_tasks(loop)
        for task in pending:
            task.cancel()
        loop.run_until_complete(gather_all(pending))
        loop.run_until_complete(loop.shutdown_asyncgens())
        if hasattr(loop, "shutdown_default_executor"):
            loop.run_until_complete(loop.shutdown_default_executor())
    finally:
        loop.close()


async def gather_all(tasks):
    await asyncio.gather(*tasks, return_exceptions=True)


async def turns(count, value=None):
    """Give the loop so many turns."""
    for _ in range(count):
        await asyncio.sleep(0)
    return value


async def settled():
    """Give the loop so many turns that nothing moves any longer."""
    await turns(20)


def others():
    """The asyncio tasks besides the one that asks."""
    return asyncio.all_tasks() - {asyncio.current_task()}


class InlineExecutor(ThreadPoolExecutor):
    """Calls at once what it is to call in a thread: that takes the same time on every run."""

    def submit(self, fn, *args, **kwargs):
        future = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except BaseException as error:
            future.set_exception(error)
        return future


class Store(object):
    """Something that is asked in batches of a class, and remembers the keys of each request."""

    def __init__(self, batch_cls):
        self.batch_cls = batch_cls
        self.requests = []
        # What a flush waits for: an asyncio future, or a threading.Event.
        self.gate = None
        # The keys of those requests that were not answered.
        self.broken_off = []
        self.current_batch = batch_cls(self)

    def get(self, key):
        return Item(self.current_batch, key)


class Item(asynq.BatchItemBase):
    def __init__(self, batch, key):
        super().__init__(batch)
        self.key = key


class Batch(asynq.BatchBase):
    def __init__(self, store):
        super().__init__()
        self.store = store

    def _try_switch_active_batch(self):
        if self.store.current_batch is self:
            self.store.current_batch = type(self)(self.store)

    def _flush(self):
        self.ask()
        self.answer()

    def ask(self):
        keys = [item.key for item in self.items]
        self.store.requests.append(keys)
        return keys

    def answer(self):
        for item in self.items:
            item.set_value("value of %s" % item.key)


class AwaitedBatch(Batch):
    async def _flush(self):
        keys = self.ask()
        try:
            if self.store.gate is None:
                await asyncio.sleep(0)
            else:
                await self.store.gate
        except asyncio.CancelledError:
            self.store.broken_off += keys
            raise
        self.answer()


class ThreadBatch(Batch):
    flush_in_thread = True

    def _flush(self):
        self.ask()
        if self.store.gate is not None:
            assert self.store.gate.wait(LONG)
        self.answer()


@asynq.asynq()
def load(store, key):
    return (yield store.get(key))


@asynq.asynq()
def logged(log, name, yielded):
    """Yield it, and log how that ends."""
    try:
        log.append("%s got %s" % (name, (yield yielded)))
    except asyncio.CancelledError:
        log.append("%s cancelled" % name)
        raise
    finally:
        log.append("%s finally" % name)
