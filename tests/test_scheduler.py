"""The scheduler of a thread: its name, its state, and what happens when a run is cut short."""

import itertools
import threading

import pytest

import asynq
from asynq import AsyncTaskError, TaskScheduler, get_active_task, get_scheduler, result, scheduler
from asynq.debug import options

from .helpers import Client, Recorded


@asynq.asynq()
def load(client, key):
    result((yield client.get(key)))


def test_each_thread_has_its_scheduler():
    found = []

    def look():
        found.append(get_scheduler())
        found.append(get_scheduler())
        scheduler.reset()
        found.append(get_scheduler())

    thread = threading.Thread(target=look, name="other")
    thread.start()
    thread.join()
    assert found[0] is found[1] is not get_scheduler()
    assert [found[0].name, found[2].name] == ["other / 0", "other / 1"]
    assert get_scheduler().name.startswith("MainThread / ")


def test_threads_do_not_hear_of_one_another():
    client = Client()
    in_thread = []

    def other_thread():
        in_thread.append(get_active_task())
        in_thread.append(load(Client("other"), 1))

    @asynq.asynq()
    def root():
        thread = threading.Thread(target=other_thread)
        thread.start()
        thread.join()
        result((yield client.get(1)))

    assert root() == ("client", 1)
    assert in_thread == [None, ("other", 1)]


def test_a_task_made_in_one_thread_can_be_run_in_another():
    values = []
    task = load.asynq(Client(), 1)
    thread = threading.Thread(target=lambda: values.append(task.value()))
    thread.start()
    thread.join()
    assert values == [("client", 1)]
    assert task.value() == ("client", 1)


@pytest.mark.synchronous("the scheduler of an event loop is of another class")
def test_a_scheduler_tells_its_state(capsys):
    client = Client()

    @asynq.asynq()
    def look():
        yield None
        get_scheduler().dump()
        assert str(get_scheduler()) == repr(get_scheduler())
        result(str(get_scheduler()))

    @asynq.asynq()
    def root():
        values = yield load.asynq(client, 1), look.asynq(), load.asynq(client, 2)
        result(values[1])

    text = root()
    assert text.startswith("<class 'asynq.scheduler.TaskScheduler'> 'MainThread / ")
    assert "(1 tasks, 1 batches; active task: @asynq tests.test_scheduler.look()" in text
    lines = capsys.readouterr().out.splitlines()
    assert lines[1] == "  Task queue:"
    assert lines[2].startswith("    @asynq tests.test_scheduler.load(")
    assert lines[3] == "  Batches:"
    assert lines[4] == "    tests.helpers.Batch (pending, 1 items)"
    get_scheduler().dump()
    lines = capsys.readouterr().out.splitlines()
    assert lines[1:] == ["  No tasks in task queue.", "  No batches."]


def test_the_state_is_dumped_once_in_an_interval(capsys):
    fresh = TaskScheduler()
    fresh.try_time_based_dump()
    fresh.try_time_based_dump()
    assert capsys.readouterr().out.count("TaskScheduler") == 1
    options.SCHEDULER_STATE_DUMP_INTERVAL = -1
    try:
        fresh.try_time_based_dump(load.asynq(None, 1))
    finally:
        options.SCHEDULER_STATE_DUMP_INTERVAL = 1
    assert "Last task: @asynq tests.test_scheduler.load(None,1)" in capsys.readouterr().out


@pytest.mark.synchronous("an event loop waits for what somebody may compute")
def test_a_reset_scheduler_has_nothing_pending():
    client = Client()

    @asynq.asynq()
    def root():
        get_scheduler().reset()
        yield None

    @asynq.asynq()
    def outer():
        with pytest.raises(AsyncTaskError):
            yield load.asynq(client, 1), root.asynq()

    options.DUMP_PRE_ERROR_STATE = False
    try:
        outer()
    finally:
        options.DUMP_PRE_ERROR_STATE = True
    assert client.requests == []
    assert load(client, 2) == ("client", 2)
    assert client.requests == [[1, 2]]


# Runs that are cut short


class Fault(object):
    """Raises ``error_cls`` at the n-th call."""

    def __init__(self, error_cls, at):
        self.error_cls = error_cls
        self.at = at
        self.calls = 0

    def __call__(self, *args):
        self.calls += 1
        if self.calls == self.at:
            raise self.error_cls("injected")


class FaultyContext(Recorded):
    def __init__(self, fault, log, name):
        super(FaultyContext, self).__init__(log, name)
        self.fault = fault

    def resume(self):
        self.fault()
        super(FaultyContext, self).resume()

    def pause(self):
        super(FaultyContext, self).pause()
        self.fault()


class FaultyBatch(asynq.BatchBase):
    current = None
    all_items = []

    def __init__(self, fault):
        super(FaultyBatch, self).__init__()
        self.fault = fault

    def _try_switch_active_batch(self):
        if FaultyBatch.current is self:
            FaultyBatch.current = FaultyBatch(self.fault)
        self.fault()

    def _flush(self):
        for item in self.items:
            self.fault()
            item.set_value(1)

    def _cancel(self):
        self.fault()

    def get_priority(self):
        self.fault()
        return (0, 0)


class FaultyItem(asynq.BatchItemBase):
    def __init__(self):
        super(FaultyItem, self).__init__(FaultyBatch.current)
        FaultyBatch.all_items.append(self)


def program(fault):
    """A run in which every kind of foreign code is called."""
    contexts = []

    def context(name):
        contexts.append(FaultyContext(fault, [], name))
        return contexts[-1]

    @asynq.asynq()
    def leaf():
        fault()
        item = FaultyItem()
        item.on_computed.subscribe(fault)
        with context("leaf"):
            yield item
        fault()

    @asynq.asynq()
    def middle():
        with context("middle"):
            yield [leaf.asynq(), leaf.asynq(), asynq.Future(fault)]
            leaf()
        fault()

    @asynq.asynq()
    def root():
        try:
            with context("root"):
                yield {"a": middle.asynq(), "b": leaf.asynq(), "c": FaultyItem()}
        except ValueError:
            pass
        yield leaf.asynq()

    return root, contexts


@pytest.mark.parametrize(
    "error_cls", [ValueError, KeyboardInterrupt, SystemExit, GeneratorExit, MemoryError]
)
def test_after_a_fault_anywhere_everything_is_as_it_was(error_cls, capsys):
    total = None
    for at in itertools.count(1):
        fault = Fault(error_cls, at)
        FaultyBatch.current = FaultyBatch(fault)
        del FaultyBatch.all_items[:]
        root, contexts = program(fault)
        try:
            root()
        except error_cls as error:
            assert str(error) == "injected"
        assert get_active_task() is None
        assert get_scheduler().scope is None
        assert "(0 tasks, 0 batches; active task: None)" in str(get_scheduler())
        assert [context.name for context in contexts if context.active] == []
        for item in FaultyBatch.all_items:
            assert item.is_computed() or not item.batch.is_flushed()
        assert load(Client(), at) == ("client", at)
        if fault.calls < at:
            total = at
            break
    assert total > 60


@pytest.mark.parametrize("interrupt_cls", [KeyboardInterrupt, SystemExit])
def test_an_interrupt_of_a_context_ends_the_run(interrupt_cls):
    client = Client()
    log = []

    class Interrupted(Recorded):
        def pause(self):
            super(Interrupted, self).pause()
            raise interrupt_cls()

    @asynq.asynq()
    def inside():
        with Recorded(log, "a"), Interrupted(log, "b"):
            try:
                yield client.get(1)
            finally:
                log.append("closed")

    with pytest.raises(interrupt_cls):
        inside()
    assert log == ["+a", "+b", "-b", "-a", "closed"]
    assert client.requests == []


@pytest.mark.synchronous("an event loop cancels what an interrupt leaves")
def test_interrupts_while_an_interrupted_run_is_ended_do_not_stop_that():
    client = Client()
    client.fails_with = KeyboardInterrupt()
    log = []

    class Interrupted(Recorded):
        def pause(self):
            super(Interrupted, self).pause()
            raise SystemExit()

    @asynq.asynq()
    def leaf():
        try:
            yield client.get(1)
        finally:
            log.append("leaf")
            raise SystemExit()

    @asynq.asynq()
    def root():
        try:
            yield leaf.asynq(), leaf.asynq()
        finally:
            log.append("root")

    with pytest.raises(KeyboardInterrupt):
        root()
    assert log == ["leaf", "leaf", "root"]

    @asynq.asynq()
    def inside():
        with Interrupted(log, "c"):
            get_active_task()._run.ready.append(None)  # no entry: the loop itself fails
            yield asynq.FutureBase()

    with pytest.raises(SystemExit):  # an interrupt is never lost
        inside()
    assert log[3:] == ["+c", "-c"]
    assert get_scheduler().scope is None


def test_an_interrupted_inner_run_gives_back_what_it_took_over():
    client = Client()
    log = []

    @asynq.asynq()
    def shared():
        yield client.get("shared")
        yield Client().get("more")
        log.append("shared")

    @asynq.asynq()
    def interrupted(task):
        client.fails_with = KeyboardInterrupt()
        other = Client("other", priority=(1,))
        other.fails_with = KeyboardInterrupt()

        @asynq.asynq()
        def inner():
            yield task, other.get(1)

        try:
            inner()
        except KeyboardInterrupt:
            log.append("interrupted")
        client.fails_with = None
        yield None

    @asynq.asynq()
    def root():
        task = shared.asynq()
        yield task, interrupted.asynq(task)

    root()
    assert log == ["interrupted", "shared"]
