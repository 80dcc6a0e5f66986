"""Requests on an event loop, cancelled or struck by an error at every point: nothing is left.

Each program below is run again and again: cancelled in the n-th turn of the loop, for all n; with
an error at the n-th call of the user's code, for all n. Then all is looked at that a request could
have left behind, and the other requests of that time must have been right. In the end random
requests are cancelled at random.

"""

import asyncio
import itertools
import random
import sys

import pytest

import asynq
from asynq import FutureBase, get_active_task, get_scheduler
from asynq import asynq_to_async
from asynq.scheduler import PARKED

from . import asyncio_helpers
from .asyncio_helpers import LONG, InlineExecutor, Item, close, loop, others, settled, turns
from .test_faults import Context

__all__ = ["loop"]  # a fixture

KINDS = ["plain", "awaited", "thread"]

# More turns than any program takes.
MANY = 500


class World(object):
    """What the programs are made of. All that the library calls calls :meth:`fault` in turn."""

    def __init__(self, error_cls=None, at=0):
        self.error_cls = error_cls
        self.at = at
        self.calls = 0
        self.contexts = []
        # Those that have begun.
        self.tasks = []
        self.shared = None
        self.requests = []
        self.batches = {kind: BATCHES[kind](self) for kind in KINDS}

    def fault(self):
        self.calls += 1
        if self.calls == self.at:
            raise self.error_cls("injected")

    def step(self):
        """A step of a body."""
        self.tasks.append(get_active_task())
        self.fault()

    def computed(self, future):
        del future
        self.fault()

    def get(self, kind, key):
        if self.batches[kind].is_flushed():  # the hook that should have switched has failed
            self.batches[kind] = BATCHES[kind](self)
        item = Item(self.batches[kind], key)
        item.on_computed.subscribe(self.computed)
        return item

    def promise(self, count):
        """A future whose value is set in some turns."""
        promise = FutureBase()

        def tick(left):
            if left:
                asyncio.get_running_loop().call_soon(tick, left - 1)
            elif not promise.is_computed():
                promise.set_value("promised")

        tick(count)
        return promise

    async def awaited(self, count):
        self.fault()
        try:
            await turns(count)
        finally:
            await turns(1)
        self.fault()
        return "awaited"


class Batch(asyncio_helpers.Batch):
    kind = "plain"

    def _try_switch_active_batch(self):
        if self.store.batches[self.kind] is self:
            self.store.batches[self.kind] = type(self)(self.store)
        self.store.fault()

    def ask(self):
        self.store.requests.append((self.kind, sorted(item.key for item in self.items)))
        self.store.fault()

    def answer(self):
        super().answer()
        self.store.fault()

    def get_priority(self):
        self.store.fault()
        return super().get_priority()


class AwaitedBatch(Batch):
    kind = "awaited"

    async def _flush(self):
        self.ask()
        await turns(2)
        self.answer()


class ThreadBatch(Batch):
    kind = "thread"
    flush_in_thread = True


BATCHES = {cls.kind: cls for cls in (Batch, AwaitedBatch, ThreadBatch)}


# The programs


@asynq.asynq()
def leaf(world, kind, key):
    world.step()
    value = yield world.get(kind, key)
    world.fault()
    return value


@asynq.asynq()
def plain(world):
    world.step()
    return "plain"


@asynq.asynq()
def leaf_in_context(world, kind, key):
    world.step()
    with Context(world):
        value = yield world.get(kind, key)
        with Context(world):
            return value, (yield leaf.asynq(world, kind, key + 100), plain.asynq(world))


@asynq.asynq()
def batches(world):
    world.step()
    values = yield [leaf.asynq(world, kind, key) for kind in KINDS for key in (1, 2)]
    more = yield {kind: world.get(kind, 3) for kind in KINDS}
    return values, more


@asynq.asynq()
def contexts(world):
    world.step()
    with Context(world):
        values = yield [leaf_in_context.asynq(world, kind, 1) for kind in KINDS]
        with Context(world):
            return values, (yield world.awaited(2), leaf_in_context.asynq(world, "plain", 2))


@asynq.asynq()
def awaitables(world):
    world.step()
    with Context(world):
        first = yield world.awaited(1), world.get("awaited", 1), [world.awaited(3)]
    second = yield world.promise(2), asyncio.ensure_future(world.awaited(1)), plain.asynq(world)
    return first, second


@asynq.asynq()
def shared_tasks(world):
    world.step()
    if world.shared is None or world.shared.is_computed():
        world.shared = both_kinds.asynq(world)
    shared = world.shared
    return (yield waits_for.asynq(world, shared), waits_for.asynq(world, shared), shared)


@asynq.asynq()
def waits_for(world, future):
    world.step()
    with Context(world):
        return (yield future)


@asynq.asynq()
def both_kinds(world):
    world.step()
    values = yield leaf_in_context.asynq(world, "awaited", 1), world.awaited(2)
    return values, (yield leaf_in_context.asynq(world, "plain", 1))


@asynq.asynq()
def cleanup(world):
    world.step()
    with Context(world):
        try:
            return (yield leaf.asynq(world, "plain", 1), cleans_up.asynq(world))
        except asyncio.CancelledError:
            yield leaf.asynq(world, "thread", 2), world.awaited(1)
            raise


@asynq.asynq()
def cleans_up(world):
    world.step()
    try:
        return (yield world.awaited(3), leaf_in_context.asynq(world, "awaited", 3))
    except asyncio.CancelledError:
        with Context(world):
            yield world.get("plain", 4)
        raise


@asynq.asynq()
def gathers(world):
    world.step()

    async def inner():
        return await asyncio.gather(
            leaf_in_context.asyncio(world, "plain", 1),
            leaf_in_context.asyncio(world, "awaited", 2),
            waits_for.asyncio(world, world.promise(3)),
        )

    with Context(world):
        return (yield inner(), leaf_in_context.asynq(world, "plain", 3), inner())


@asynq.asynq()
def errors(world):
    world.step()
    try:
        yield fails.asynq(world), leaf_in_context.asynq(world, "plain", 1)
    except ZeroDivisionError:
        with Context(world):
            value = yield leaf.asynq(world, "awaited", 2)
    return value


@asynq.asynq()
def fails(world):
    world.step()
    with Context(world):
        yield leaf.asynq(world, "thread", 1), world.awaited(1)
        raise ZeroDivisionError()


PROGRAMS = [batches, contexts, awaitables, shared_tasks, cleanup, gathers, errors]

each_program = pytest.mark.parametrize(
    "program", PROGRAMS, ids=lambda program: program.fn.__name__
)


# What is looked at


@pytest.fixture(autouse=True)
def inline(loop):
    loop.set_default_executor(InlineExecutor())


def assert_all_is_as_it_was(world):
    """Called in a task on the loop, while no request is left."""
    assert others() == set()
    scheduler = asynq_to_async._loop_scheduler()
    assert (list(scheduler.runs), scheduler._batches) == ([], [])
    for one in (scheduler, get_scheduler()):
        assert (one.active_task, one.scope, one.current_run) == (None, None, None)
    assert [context for context in world.contexts if context.active] == []
    assert_none_is_left(world.tasks)


def assert_none_is_left(tasks):
    """They are computed, or nobody asks for them any longer: their parent has failed before."""
    assert [task for task in tasks if not task.is_computed() and task._pending != PARKED] == []


async def outcome(program):
    """The value of a program, and what was sent for it."""
    world = World()
    value = await program.asyncio(world)
    await settled()
    assert_all_is_as_it_was(world)
    return value, sorted(world.requests)


# A cancellation in every turn


async def cancelled(program, expected, others_count, turn, again, soon):
    """Cancel a request in this turn, and in one after that; False if it had ended before."""
    world = World()
    bystanders = [asyncio.ensure_future(program.asyncio(world)) for _ in range(others_count // 2)]
    victim = asyncio.ensure_future(program.asyncio(world))
    while len(bystanders) < others_count:
        bystanders.append(asyncio.ensure_future(program.asyncio(world)))
    await turns(turn)
    has_ended = victim.done()
    for wait in [0] if again is None else [0, again]:
        await turns(wait)
        if soon:
            asyncio.get_running_loop().call_soon(victim.cancel)
        else:
            victim.cancel()
    await asyncio.wait([victim] + bystanders, timeout=LONG)
    if not victim.cancelled():
        assert victim.result() == expected[0]
    for bystander in bystanders:
        assert bystander.result() == expected[0]
    await settled()
    assert_all_is_as_it_was(world)
    assert await outcome(program) == expected
    return not has_ended


@each_program
@pytest.mark.parametrize("soon", [False, True], ids=["at once", "soon"])
@pytest.mark.parametrize("others_count", [0, 2], ids=["alone", "among others"])
def test_a_request_can_be_cancelled_in_every_turn(loop, program, others_count, soon):
    expected = loop.run_until_complete(outcome(program))
    for turn in range(MANY):
        if not loop.run_until_complete(
            cancelled(program, expected, others_count, turn, None, soon)
        ):
            break
    assert 5 < turn < MANY - 1


@each_program
@pytest.mark.parametrize("again", [1, 2, 4])
def test_a_request_can_be_cancelled_twice_in_every_turn(loop, program, again):
    expected = loop.run_until_complete(outcome(program))
    for turn in range(MANY):
        if not loop.run_until_complete(cancelled(program, expected, 1, turn, again, False)):
            break
    assert 5 < turn < MANY - 1


@each_program
def test_a_loop_can_end_in_every_turn(program):
    for turn in range(MANY):
        world = World()
        loop = asyncio.new_event_loop()
        loop.set_default_executor(InlineExecutor())

        async def main():
            tasks = [asyncio.ensure_future(program.asyncio(world)) for _ in range(2)]
            await turns(turn)
            return tasks

        tasks = loop.run_until_complete(main())
        has_ended = all(task.done() for task in tasks)
        close(loop)
        assert all(task.done() for task in tasks)
        assert [context for context in world.contexts if context.active] == []
        assert_none_is_left(world.tasks)
        if has_ended:
            break
    assert 5 < turn < MANY - 1


# An error at every point

INTERRUPTS = (KeyboardInterrupt, SystemExit)


def inject(loop, program, expected, error_cls, at, with_other):
    """Run a program with an error at this call; False if there are not so many calls."""
    world = World(error_cls, at)
    tasks = []

    async def main():
        for _ in range(1 + with_other):
            tasks.append(asyncio.ensure_future(program.asyncio(world)))
        await asyncio.wait(tasks, timeout=LONG)
        await settled()

    interrupted = run_to_the_end(loop, main())
    assert interrupted <= issubclass(error_cls, INTERRUPTS)
    raised = [end_of(task) for task in tasks]
    if interrupted:
        assert set(raised) <= {None, error_cls, asyncio.CancelledError}
    else:
        assert set(raised) <= {None, error_cls}
    if world.calls < at:
        assert raised == [None] * len(tasks)
        return False
    world.at = 0
    loop.run_until_complete(look_after(world))
    assert loop.run_until_complete(outcome(program)) == expected
    return True


async def look_after(world):
    assert_all_is_as_it_was(world)


def run_to_the_end(loop, coroutine):
    """Run it, and after an interrupt cancel what is left; tell whether there was one."""
    task = loop.create_task(coroutine)
    interrupted = False
    while True:
        try:
            pending = asyncio.all_tasks(loop) if interrupted else [task]
            for one in pending if interrupted else ():
                one.cancel()
            loop.run_until_complete(asyncio_helpers.gather_all(pending))
            if not asyncio.all_tasks(loop):
                return interrupted
            interrupted = True
        except INTERRUPTS:
            interrupted = True


def end_of(task):
    """The class of the error of a task that is done, or None."""
    if task.cancelled():
        return asyncio.CancelledError
    return task.exception() and type(task.exception())


@each_program
@pytest.mark.parametrize("with_other", [False, True], ids=["alone", "with another"])
@pytest.mark.parametrize("error_cls", [ValueError, KeyboardInterrupt])
def test_after_an_error_anywhere_everything_is_as_it_was(
    loop, program, error_cls, with_other, capsys
):
    if sys.version_info < (3, 8) and program is gathers and error_cls in INTERRUPTS:
        pytest.skip("asyncio does not wake a task there whose awaited future has an interrupt")
    expected = loop.run_until_complete(outcome(program))
    for at in itertools.count(1):
        if not inject(loop, program, expected, error_cls, at, with_other):
            break
        capsys.readouterr()  # where errors are reported that are nobody's
    assert at > 15


# Random requests, cancelled at random


class Failure(Exception):
    pass


class Mix(object):
    """Some requests that are made from a seed, when they begin and when they are cancelled."""

    def __init__(self, seed):
        self.luck = random.Random(seed)
        self.names = itertools.count()
        self.shared = [self.node(1, False) for _ in range(2)]
        self.requests = [self.node(3, True) for _ in range(self.number(1, 4))]
        self.begins = [self.number(0, 6) for _ in self.requests]
        self.cancels = [
            [begins + self.number(0, 30) for _ in range(self.number(0, 2))]
            for begins in self.begins
        ]

    def chance(self, probability):
        return self.luck.random() < probability

    def number(self, first, last):
        return first + int(self.luck.random() * (last - first + 1))

    def node(self, depth, may_share):
        return {
            "name": next(self.names),
            "in_context": self.chance(0.4),
            "steps": [
                [self.leaf(depth, may_share) for _ in range(self.number(1, 3))]
                for _ in range(self.number(1, 3))
            ],
            "if_cancelled": "swallow" if self.chance(0.05) else self.chance(0.3) and "clean up",
            "fails": depth < 3 and may_share and self.chance(0.1),
        }

    def leaf(self, depth, may_share):
        what = self.number(0, 9)
        if what < 3 or depth == 0:
            return ("item", KINDS[self.number(0, 2)], self.number(1, 9))
        if what == 3:
            return ("awaited", self.number(0, 4))
        if what == 4:
            return ("promise", self.number(0, 6))
        if what == 5 and may_share:
            return ("shared", self.number(0, len(self.shared) - 1))
        if what == 6:
            return ("request", self.node(depth - 1, may_share))
        if what == 7:
            return ("gather", [self.node(depth - 1, may_share) for _ in range(2)])
        return ("task", self.node(depth - 1, may_share))


def expected_of(mix, node):
    """What a node returns if nobody is cancelled, or the Failure that it raises."""
    values = []
    for step in node["steps"]:
        answers = [expected_of_leaf(mix, *leaf) for leaf in step]
        failures = [str(answer) for answer in answers if isinstance(answer, Failure)]
        values.append(failures[0] if failures else answers)
    return Failure(str(node["name"])) if node["fails"] else values


def expected_of_leaf(mix, what, arg, key=None):
    if what == "item":
        return "value of %s" % key
    if what == "awaited" or what == "promise":
        return {"awaited": "awaited", "promise": "promised"}[what]
    if what == "gather":
        answers = [expected_of(mix, node) for node in arg]
        failures = [answer for answer in answers if isinstance(answer, Failure)]
        return failures[0] if failures else answers
    return expected_of(mix, mix.shared[arg] if what == "shared" else arg)


def swallows(mix, node):
    return '"swallow"' in repr((node, mix.shared)).replace("'", '"')


class Request(object):
    """One that runs; the shared tasks are those of the mix that it is from."""

    def __init__(self, world, mix, tasks):
        self.world = world
        self.mix = mix
        # By number: the shared task, and the requests that have asked for it.
        self.tasks = tasks
        self.is_cancelled = False

    @asynq.asynq()
    def run(self, node):
        self.world.step()
        context = Context(self.world) if node["in_context"] else None
        if context is not None:
            context.__enter__()
        try:
            values = []
            for step in node["steps"]:
                try:
                    values.append((yield [self.make(*leaf) for leaf in step]))
                except Failure as error:
                    values.append(str(error))
                except asyncio.CancelledError:
                    if node["if_cancelled"] == "clean up":
                        yield self.world.get("plain", 0), self.world.awaited(2)
                    if node["if_cancelled"] != "swallow":
                        raise
        finally:
            if context is not None:
                context.__exit__(None, None, None)
        if node["fails"]:
            raise Failure(str(node["name"]))
        return values

    def make(self, what, arg, key=None):
        if what == "item":
            return self.world.get(arg, key)
        if what == "gather":
            return self.gather(arg)
        if what == "task":
            return self.run.asynq(arg)
        if what == "request":
            return self.run.asyncio(arg)
        if what == "shared":
            return self.shared(arg)
        return getattr(self.world, what)(arg)

    async def gather(self, nodes):
        """The values of all, or the first error when all have ended."""
        tasks = [asyncio.ensure_future(self.run.asyncio(node)) for node in nodes]
        values = await asyncio.gather(*tasks, return_exceptions=True)
        for value in values:
            if isinstance(value, BaseException):
                raise value
        return values

    def shared(self, number):
        """The task that others have asked for, if it is not being cancelled."""
        task, askers = self.tasks.get(number, (None, []))
        if task is None or task.is_computed() or any(asker.is_cancelled for asker in askers):
            askers = []
            task = self.run.asynq(self.mix.shared[number])
        askers.append(self)
        self.tasks[number] = (task, askers)
        return task


async def run_mix(seed):
    """Run it; return how many requests were cancelled, and how many were not."""
    mix = Mix(seed)
    world = World()
    tasks = {}
    requests = [Request(world, mix, tasks) for _ in mix.requests]
    running = [None] * len(requests)
    for turn in range(40):
        for index, request in enumerate(requests):
            if mix.begins[index] == turn:
                running[index] = asyncio.ensure_future(request.run.asyncio(mix.requests[index]))
            if turn in mix.cancels[index] and not running[index].done():
                request.is_cancelled = True
                running[index].cancel()
        await turns(1)
    await asyncio.wait(running, timeout=LONG)
    for index, request in enumerate(requests):
        task, node = running[index], mix.requests[index]
        if request.is_cancelled and (task.cancelled() or swallows(mix, node)):
            continue
        expected = expected_of(mix, node)
        if swallows(mix, node) and any(request.is_cancelled for request in requests):
            continue
        assert task.result() == expected
    await settled()
    assert_all_is_as_it_was(world)
    count = sum(request.is_cancelled for request in requests)
    return count, len(requests) - count


@pytest.mark.parametrize("first", range(0, 300, 100))
def test_random_requests_that_are_cancelled_hurt_nobody(loop, first):
    totals = [0, 0]
    for seed in range(first, first + 100):
        counts = loop.run_until_complete(run_mix(seed))
        totals = [one + other for one, other in zip(totals, counts)]
    assert min(totals) > 50
