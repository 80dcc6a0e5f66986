"""Whatever is raised, wherever: afterwards everything is as it was, and nothing is lost.

One fault is put into a run of one of the programs below: an error at the n-th call of the user's
code. Then all is looked at that a run could have left behind.

"""

import gc
import itertools
import sys

import pytest
import six

import asynq
from asynq import FutureBase, get_active_task, get_scheduler, result
from asynq.contexts import ContextScope
from asynq.debug import options
from asynq.scheduler import Run
from asynq.tools import alru_cache, deduplicate

from .helpers import Client

RECURSION_ERROR = RuntimeError if six.PY2 else RecursionError

# After gc.freeze() looking at all objects is looking at the new ones.
COUNTS_REFERENCES = hasattr(sys, "getrefcount") and hasattr(gc, "freeze")


class World(object):
    """What a program is made of. All that the library calls calls :meth:`fault` in turn."""

    def __init__(self, error_cls=None, at=0):
        self.error_cls = error_cls
        self.at = at
        self.calls = 0
        self.contexts = []
        self.items = []
        self.batch = Batch(self)
        self.shared = None

    def fault(self, *args):
        del args  # the traceback leads here
        self.calls += 1
        if self.calls == self.at:
            raise self.error_cls("injected")

    def key(self, args, kwargs):
        del args, kwargs
        self.fault()
        return 1

    def computed(self, future):
        del future  # as in fault()
        self.fault()

    def provide(self):
        self.fault()

    def before_or_after_flush(self, batch):
        del batch
        self.fault()

    def get(self):
        if self.batch.is_flushed():  # a hook that should have switched was interrupted
            self.batch = Batch(self)
        return Item(self)

    def context(self):
        return Context(self)

    def cancel(self):
        self.batch.cancel()


class Batch(asynq.BatchBase):
    def __init__(self, world):
        super(Batch, self).__init__()
        self.world = world

    def _try_switch_active_batch(self):
        if self.world.batch is self:
            self.world.batch = Batch(self.world)
        self.world.fault()

    def _flush(self):
        self.world.fault()
        for index in range(len(self.items)):
            self.items[index].set_value(1)
            self.world.fault()

    def _cancel(self):
        self.world.fault()

    def get_priority(self):
        self.world.fault()
        return (0, 0)


class Item(asynq.BatchItemBase):
    def __init__(self, world):
        super(Item, self).__init__(world.batch)
        world.items.append(self)
        self.on_computed.subscribe(world.computed)


class Context(asynq.AsyncContext):
    """What it does is one assignment: it is done, or it is not.

    Faults come before it in ``resume()`` and after it in ``pause()``, because a context whose
    ``resume()`` raises is not active, and neither is one whose ``pause()`` raises.

    """

    def __init__(self, world):
        self.world = world
        self.active = False
        world.contexts.append(self)

    def resume(self):
        self.world.fault()
        self.active = True

    def pause(self):
        self.active = False
        self.world.fault()


class Computed(FutureBase):
    def __init__(self, world):
        super(Computed, self).__init__()
        self.world = world

    def _compute(self):
        try:
            self.world.fault()
            self.set_value(1)
        finally:
            del self  # the traceback leads here


class Argument(object):
    def __init__(self, world):
        self.world = world

    def __repr__(self):
        self.world.fault()
        return "argument"

    __str__ = __repr__


# The programs


@asynq.asynq()
def leaf(world, argument=None):
    world.fault()
    yield world.get()
    world.fault()
    result(1)


@asynq.asynq()
def plain(world):
    world.fault()
    return 1


@asynq.asynq()
def leaf_in_context(world):
    with world.context():
        yield world.get()
        world.fault()
        with world.context():
            yield world.get(), leaf.asynq(world)
    result(1)


@asynq.asynq()
def fan_out(world):
    try:
        yield [leaf.asynq(world), plain.asynq(world), leaf.asynq(world)]
    except ValueError:
        pass
    yield observed(leaf.asynq(world), world)
    yield {"lazy": asynq.Future(world.provide), "own": Computed(world), "item": world.get()}
    result(1)


def observed(task, world):
    task.on_computed.subscribe(world.computed)
    return task


@asynq.asynq()
def nested_contexts(world):
    with world.context():
        with world.context():
            yield leaf_in_context.asynq(world), leaf.asynq(world), leaf_in_context.asynq(world)
        yield leaf.asynq(world)
    result(1)


@asynq.asynq()
def inner_run(world):
    with world.context():
        leaf_in_context(world)
        yield world.get()
        result(leaf(world))


@asynq.asynq()
def inner_runs(world):
    with world.context():
        yield inner_run.asynq(world), leaf_in_context.asynq(world), inner_run.asynq(world)
        inner_run(world)
    result(1)


@asynq.asynq()
def caught(world):
    """Goes on after a run in it was interrupted: what is outside is still as it was."""
    with world.context():
        with world.context():
            try:
                leaf_in_context(world)
            except (KeyboardInterrupt, ValueError):
                world.caught = True
            yield leaf_in_context.asynq(world)
    result(1)


@asynq.asynq()
def waits_for_shared(world):
    with world.context():
        yield world.shared
    result(1)


@asynq.asynq()
def asks_for_shared(world):
    with world.context():
        yield world.get()
        world.shared[0].value()
    result(1)


@asynq.asynq()
def shared_tasks(world):
    world.shared = [leaf_in_context.asynq(world), leaf.asynq(world)]
    yield waits_for_shared.asynq(world), waits_for_shared.asynq(world), asks_for_shared.asynq(world)
    result(1)


@asynq.asynq()
def caches(world):
    @alru_cache(key_fn=world.key)
    @asynq.asynq()
    def cached(number):
        yield leaf_in_context.asynq(world)

    @deduplicate(keygetter=world.key)
    @asynq.asynq()
    def deduplicated(number):
        yield leaf_in_context.asynq(world)

    yield cached.asynq(1), cached.asynq(2)
    yield deduplicated.asynq(1), deduplicated.asynq(2), cached.asynq(1)
    result(1)


@asynq.asynq()
def cancelled_batch(world):
    try:
        yield leaf_in_context.asynq(world), call.asynq(world.cancel), leaf.asynq(world)
    except asynq.BatchCancelledError:
        world.caught = True  # the first error, which may not be the only one
    yield leaf_in_context.asynq(world)
    result(1)


@asynq.asynq()
def call(fn):
    fn()


@asynq.asynq()
def dumped(world):
    yield leaf.asynq(world, Argument(world)), leaf.asynq(world, Argument(world))
    result(1)


PROGRAMS = [
    fan_out,
    nested_contexts,
    inner_runs,
    caught,
    shared_tasks,
    caches,
    cancelled_batch,
]


def run(program, world):
    """What the run has raised, or None. The error itself is dropped, and what it holds."""
    scheduler = get_scheduler()
    hooks = [scheduler.on_before_batch_flush, scheduler.on_after_batch_flush]
    for hook in hooks:
        hook.subscribe(world.before_or_after_flush)
    try:
        assert program(world) in (1, None)
    except BaseException as error:
        if isinstance(error, AssertionError):
            raise
        return type(error)
    finally:
        for hook in hooks:
            hook.unsubscribe(world.before_or_after_flush)


# What is looked at afterwards


@pytest.fixture(autouse=True)
def collector_off():
    gc.collect()
    gc.disable()
    if COUNTS_REFERENCES:
        gc.freeze()
    yield
    if COUNTS_REFERENCES:
        gc.unfreeze()
    gc.enable()


def assert_all_is_as_it_was(world):
    assert get_active_task() is None
    assert get_scheduler().scope is None
    assert get_scheduler().current_run is None
    assert "(0 tasks, 0 batches; active task: None)" in str(get_scheduler())
    item = None
    assert [one for one in world.contexts if one.active] == []
    for item in world.items:
        if isinstance(item.batch, Batch):  # else a cancellation has taken it out of its batch
            assert item.is_computed() or not item.batch.is_flushed()
    # Those that nobody waits for any longer are their owner's.
    for item in world.items:
        item.batch.cancel()
    world.batch.cancel()
    world.items = world.contexts = world.batch = world.shared = item = None
    other = Client()
    assert load(other, 1) == ("client", 1)
    other.current_batch = None


def assert_nothing_is_left():
    if COUNTS_REFERENCES:
        left = [one for one in gc.get_objects() if issubclass(type(one), OURS)]
        assert left == []


OURS = (FutureBase, Run, ContextScope)


def nothing():
    pass


@asynq.asynq()
def load(client, key):
    result((yield client.get(key)))


# An error in the user's code

no_interrupts = pytest.mark.not_uvloop("it goes on after an interrupt, and may not raise it")

ERRORS = [
    ValueError,
    pytest.param(KeyboardInterrupt, marks=no_interrupts),
    pytest.param(SystemExit, marks=no_interrupts),
    GeneratorExit,
    RECURSION_ERROR,
    MemoryError,
]


@pytest.mark.parametrize("error_cls", ERRORS)
@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.fn.__name__)
def test_after_an_error_anywhere_everything_is_as_it_was(program, error_cls, capsys):
    total = inject_everywhere(program, error_cls, assert_nothing_is_left)
    assert total > 20


@pytest.mark.parametrize("error_cls", [ValueError, KeyboardInterrupt, GeneratorExit, MemoryError])
@pytest.mark.synchronous("an event loop reports by itself what its callbacks raise")
def test_after_an_error_in_what_is_dumped_everything_is_as_it_was(error_cls, capsys):
    before = {name: getattr(options, name) for name in vars(options)}
    options.DUMP_ALL(True)
    try:
        total = inject_everywhere(dumped, error_cls, nothing)
    finally:
        for name in before:
            setattr(options, name, before[name])
    assert total > 30


HOOKS = {
    "_flush",
    "_cancel",
    "_try_switch_active_batch",
    "get_priority",
    "pause",
    "resume",
    "computed",
    "before_or_after_flush",
    "provide",
    "_compute",
    "__repr__",
    "key",
    # steps of bodies
    "leaf",
    "plain",
    "leaf_in_context",
}


def test_the_faults_are_put_into_every_kind_of_hook(capsys):
    class Noting(World):
        def fault(self, *args):
            called.add(sys._getframe(1).f_code.co_name)

    called = set()
    for program in PROGRAMS:
        assert run(program, Noting()) is None
        assert len(called & HOOKS) > 5
    options.DUMP_NEW_TASKS = True
    try:
        run(dumped, Noting())
    finally:
        options.DUMP_NEW_TASKS = False
    assert HOOKS - called == set()


def inject_everywhere(program, error_cls, check):
    for at in itertools.count(1):
        world = World(error_cls, at)
        raised = run(program, world)
        assert raised in (None, error_cls)
        if world.calls < at:
            assert raised is None
            return at - 1
        if not issubclass(error_cls, (Exception, GeneratorExit)):
            assert raised is error_cls or hasattr(world, "caught")
        world.at = 0
        assert_all_is_as_it_was(world)
        del world
        check()
