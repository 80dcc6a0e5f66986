"""Rules that hold for any program, tried on random ones.

A program is data: a list of the steps of one task. ``Reference`` says what it comes to, by doing
one thing after the other; ``run_steps`` does the same as a tree of tasks, and has its ``World``
look, at each step and each flush, whether the library keeps its rules.

"""

import collections
import functools
import gc
import weakref

import pytest

pytest.importorskip("hypothesis")

from hypothesis import HealthCheck, given, settings, strategies  # noqa: E402

import asynq  # noqa: E402
from asynq import AsyncContext, AsyncScopedValue, result  # noqa: E402
from asynq import ConstFuture, ErrorFuture, Future, get_active_task, get_scheduler  # noqa: E402

from .helpers import Client, counts_references  # noqa: E402


def examples(number):
    return settings(
        max_examples=number,
        derandomize=True,
        database=None,
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    )


# Programs

# What is yielded is a structure of these. ``kind`` says what future it is:
#   const, error, lazy   the future of that name; the detail is a number
#   item                 of the batch kind (and whether it fails) that the detail names
#   task                 the detail is the program of a child
#   shared               the detail is the number of a task that all the program has in common
Leaf = collections.namedtuple("Leaf", "kind detail")

# What a task does. ``kind``:
#   yield, guarded       yield the detail; guarded: go on if that raises
#   call                 call the program in the detail synchronously
#   make                 make an item, but do not yield it
#   enter, override      enter a context, or override the scoped value
#   leave                leave the context that was entered last
#   fail                 raise
Step = collections.namedtuple("Step", "kind detail")

BATCH_KINDS = ("red", "green", "blue")


class Failure(Exception):
    pass


def one_of(*choices):
    """Draw from them, the first ones are the simpler ones."""
    return strategies.sampled_from(choices)


@strategies.composite
def items(draw):
    return (draw(one_of(*BATCH_KINDS)), draw(one_of(False, False, False, False, True)))


@strategies.composite
def leaves(draw, depth, shared):
    kinds = ["const", "item", "item", "item", "lazy", "error"]
    kinds += ["shared"] * shared + ["task"] * (4 if depth else 0)
    kind = draw(one_of(*kinds))
    if kind == "item":
        return Leaf(kind, draw(items()))
    if kind == "task":
        return Leaf(kind, draw(programs(depth - 1, shared)))
    return Leaf(kind, draw(strategies.integers(0, 2)))


@strategies.composite
def structures(draw, depth, shared, nesting=2):
    kind = draw(one_of(None, "leaf", "leaf", "leaf", list, list, tuple, dict))
    if kind is None:
        return None
    if kind == "leaf" or not nesting:
        return draw(leaves(depth, shared))
    children = strategies.lists(structures(depth, shared, nesting - 1), max_size=3)
    return dict(zip("abc", draw(children))) if kind is dict else kind(draw(children))


@strategies.composite
def programs(draw, depth=3, shared=False):
    """The steps of a task whose descendants go ``depth`` levels down."""
    kinds = ["yield"] * 4 + ["guarded"] * 2 + ["make", "enter", "override", "leave", "fail"]
    kinds += ["call"] * (depth > 0)
    steps = []
    for kind in draw(strategies.lists(one_of(*kinds), min_size=1, max_size=4)):
        detail = None
        if kind in ("yield", "guarded"):
            detail = draw(structures(depth, shared))
        elif kind == "call":
            detail = draw(programs(depth - 1, shared))
        elif kind == "make":
            detail = draw(items())
        steps.append(Step(kind, detail))
    return steps


# One for each kind of batches; None: the batch with most items is the first.
PRIORITIES = strategies.none() | strategies.permutations([1, 2, 3])

# The tasks that a program has in common, by their numbers.
SHARED = strategies.tuples(programs(1), programs(1), programs(1))


def rebuilt(structure, replace):
    """A copy of ``structure``, with what ``replace`` makes of its leaves, in their order."""
    if isinstance(structure, Leaf):
        return replace(structure)
    if isinstance(structure, dict):
        return dict((key, rebuilt(value, replace)) for key, value in structure.items())
    if isinstance(structure, (list, tuple)):
        return type(structure)([rebuilt(value, replace) for value in structure])
    return structure


# What a program comes to


class Names(object):
    """The names of what one task makes, in the order of making."""

    def __init__(self, name):
        self.name = name
        self.count = 0

    def next(self):
        self.count += 1
        return "%s.%d" % (self.name, self.count)


class Reference(object):
    """Does a program without the library, one thing after the other."""

    def __init__(self, shared=()):
        self.shared = shared
        self.known = {}

    def outcome_of(self, steps, name="root"):
        """The value of a task, or the Failure that it raises."""
        names = Names(name)
        values = []
        for kind, detail in steps:
            if kind in ("yield", "guarded"):
                failures = []
                values.append(
                    rebuilt(detail, lambda leaf: self.outcome_of_leaf(leaf, names, failures))
                )
                if failures and kind == "yield":
                    return failures[0]
                if failures:
                    values[-1] = failures[0].args
            elif kind == "call":
                outcome = self.outcome_of(detail, names.next())
                if isinstance(outcome, Failure):
                    return outcome
                values.append(outcome)
            elif kind == "make":
                names.next()
            elif kind == "fail":
                return Failure(name)
        return (name, values)

    def outcome_of_leaf(self, leaf, names, failures):
        kind, detail = leaf
        name = names.next()
        if kind == "item":
            outcome = Failure(name) if detail[1] else (detail[0], name)
        elif kind == "task":
            outcome = self.outcome_of(detail, name)
        elif kind == "shared":
            if detail not in self.known:
                self.known[detail] = self.outcome_of(self.shared[detail], "shared %d" % detail)
            outcome = self.known[detail]
        else:
            outcome = Failure(name) if kind == "error" else detail
        if isinstance(outcome, Failure):
            failures.append(outcome)
        return outcome


# The same with the library


class Frame(object):
    """A task as the test knows it: what it is called, who waits for it, what it has entered."""

    def __init__(self, name, above=None):
        self.names = Names(name)
        self.above = above
        self.entered = []

    def enter(self, context):
        context.__enter__()
        self.entered.append(context)

    def leave(self):
        if self.entered:
            self.entered.pop().__exit__(None, None, None)

    def contexts(self):
        """All that should be active while it runs, outermost first."""
        return (self.above.contexts() if self.above else []) + self.entered


class Listed(AsyncContext):
    """A context that is in a list while it is active."""

    def __init__(self, active):
        self.active = active

    def resume(self):
        self.active.append(self)

    def pause(self):
        assert self.active.pop() is self


class Overriding(Listed):
    """The same, and it overrides a scoped value with itself."""

    def __init__(self, active, scoped):
        super(Overriding, self).__init__(active)
        self.override = scoped.override(self)

    def resume(self):
        super(Overriding, self).resume()
        self.override.resume()

    def pause(self):
        self.override.pause()
        super(Overriding, self).pause()


class World(object):
    """What the tasks of one program act upon, and what is seen of them."""

    def __init__(self, priorities=None, shared=()):
        self.clients = {}
        for number, kind in enumerate(BATCH_KINDS):
            self.clients[kind] = Client(kind, priorities and priorities[number])
        self.shared_programs = shared
        self.shared_tasks = {}
        self.active = []
        self.scoped = AsyncScopedValue(None)
        # The frames that have made a synchronous call and wait for it, innermost last.
        self.calling = []
        self.flushed = []
        # What happened, in its order.
        self.log = []
        # The rules that were broken.
        self.wrong = []
        # How often each future was computed, by name, and which were waited for.
        self.computed = collections.Counter()
        self.awaited = set()
        self.references = []

    def run(self, steps):
        """The outcome of a program, as ``Reference`` has it."""
        scheduler = get_scheduler()
        scheduler.on_before_batch_flush.subscribe(self.before_flush)
        scheduler.on_after_batch_flush.subscribe(self.after_flush)
        try:
            return run_steps(self, steps, Frame("root"))
        except Failure as failure:
            return Failure(*failure.args)
        finally:
            scheduler.on_before_batch_flush.unsubscribe(self.before_flush)
            scheduler.on_after_batch_flush.unsubscribe(self.after_flush)

    def check(self, condition, rule, *details):
        # Raised at once, it might end as the error of a future that nobody looks at.
        if not condition:
            self.wrong.append((rule,) + details)

    def step(self, frame, what):
        """Called in the body of the task of ``frame``."""
        self.log.append((frame.names.name, what))
        self.check(get_active_task().args[2] is frame, "the active task is the one that runs")
        self.look_at_contexts(frame.contexts(), frame.names.name)

    def look_at_contexts(self, expected, where):
        if self.shared_programs:
            return  # they run in the contexts of whoever comes first
        self.check(self.active == expected, "contexts follow who waits", where)
        overriding = [context for context in expected if isinstance(context, Overriding)]
        self.check(
            self.scoped() is (overriding[-1] if overriding else None), "so do values", where
        )

    def before_flush(self, batch):
        keys = [item.key for item in batch.items]
        self.log.append((batch.client.name, keys))
        self.look_at_contexts(self.calling[-1].contexts() if self.calling else [], keys)
        self.check(not batch.is_flushed(), "a batch is flushed once", keys)
        for other in self.pending():
            first = not batch.get_priority() < other.get_priority()
            self.check(first, "the highest priority goes first", keys)
        self.flushed.append((batch, list(batch.items)))

    def pending(self):
        """The batches that somebody waits for."""
        if self.calling:
            return []  # those that were called may wait for less than their callers do
        batches = [client.current_batch for client in self.clients.values()]
        return [one for one in batches if any(item.key in self.awaited for item in one.items)]

    def after_flush(self, batch):
        flushed, items = self.flushed.pop()
        self.check(flushed is batch and batch.is_flushed(), "flushes do not overlap")
        self.check(all(item.is_computed() for item in items), "a flush computes every item")

    def future_of(self, leaf, frame):
        kind, detail = leaf
        name = frame.names.next()
        if kind == "item":
            future = self.item(detail, name)
        elif kind == "task":
            future = self.watched(run_steps.asynq(self, detail, Frame(name, frame)), name)
        elif kind == "shared":
            future = self.shared_tasks.get(detail)
            if future is None:
                name = "shared %d" % detail
                task = run_steps.asynq(self, self.shared_programs[detail], Frame(name))
                future = self.shared_tasks[detail] = self.watched(task, name)
        elif kind == "lazy":
            future = self.watched(Future(lambda: self.provide(detail, frame, name)), name)
        else:
            future = ConstFuture(detail) if kind == "const" else ErrorFuture(Failure(name))
        if kind not in ("const", "error", "shared"):
            self.awaited.add(name)
        return future

    def item(self, detail, name):
        kind, fails = detail
        if fails:
            self.clients[kind].errors[name] = Failure(name)
        return self.watched(self.clients[kind].get(name), name)

    def provide(self, value, frame, name):
        self.log.append((name, "provided"))
        self.look_at_contexts(frame.contexts(), name)
        return value

    def forget(self):
        """Let go of the cycles that are none of the library's: who holds a task holds what it was
        called with, and a batch and its items hold each other until it is flushed."""
        self.shared_tasks.clear()
        for client in self.clients.values():
            del client.current_batch.items[:]

    def watched(self, future, name):
        # The handler does not hold this object, which holds futures: that would be a cycle.
        future.on_computed.subscribe(functools.partial(count, self.computed, name))
        self.references.append(weakref.ref(future))
        return future


def count(counter, name, future):
    counter[name] += 1


@asynq.asynq()
def run_steps(world, steps, frame):
    values = []
    try:
        world.step(frame, "begins")
        for number, (kind, detail) in enumerate(steps):
            if kind in ("yield", "guarded"):
                try:
                    values.append((yield rebuilt(detail, lambda x: world.future_of(x, frame))))
                except Failure as failure:
                    if kind == "yield":
                        raise
                    values.append(failure.args)
            elif kind == "call":
                world.calling.append(frame)
                try:
                    values.append(run_steps(world, detail, Frame(frame.names.next(), frame)))
                finally:
                    world.calling.pop()
            elif kind == "make":
                world.item(detail, frame.names.next())
            elif kind == "enter":
                frame.enter(Listed(world.active))
            elif kind == "override":
                frame.enter(Overriding(world.active, world.scoped))
            elif kind == "leave":
                frame.leave()
            else:
                raise Failure(frame.names.name)
            world.step(frame, number)
        result((frame.names.name, values))
    finally:
        while frame.entered:
            frame.leave()


def same(outcome, expected):
    if isinstance(outcome, Failure) and isinstance(expected, Failure):
        return outcome.args == expected.args
    return outcome == expected


# The rules


@examples(200)
@given(programs(), PRIORITIES)
def test_a_program_comes_to_what_it_comes_to_without_concurrency(steps, priorities):
    assert same(World(priorities).run(steps), Reference().outcome_of(steps))


@examples(120)
@given(programs(2, shared=True), SHARED, PRIORITIES)
def test_a_task_that_several_wait_for_runs_once_and_serves_all(steps, shared, priorities):
    world = World(priorities, shared)
    assert same(world.run(steps), Reference(shared).outcome_of(steps))
    assert world.wrong == []
    assert set(world.computed.values()) <= {1}
    assert world.awaited <= set(world.computed)


@examples(200)
@given(programs(), PRIORITIES)
def test_every_step_runs_in_the_contexts_of_those_that_wait_for_it(steps, priorities):
    world = World(priorities)
    world.run(steps)
    assert world.wrong == []
    assert world.active == []
    assert world.scoped() is None


@examples(200)
@given(programs(), PRIORITIES)
def test_whatever_was_waited_for_is_computed_once_and_nothing_stays_scheduled(steps, priorities):
    world = World(priorities)
    world.run(steps)
    assert world.awaited <= set(world.computed)
    assert set(world.computed.values()) <= {1}
    assert world.flushed == []
    assert get_active_task() is None
    assert str(get_scheduler()).endswith("(0 tasks, 0 batches; active task: None)")


@examples(100)
@given(programs(), PRIORITIES)
def test_the_same_program_has_the_same_schedule(steps, priorities):
    first, second = World(priorities), World(priorities)
    first.run(steps)
    second.run(steps)
    assert first.log == second.log


@counts_references
@examples(120)
@given(programs(2, shared=True), SHARED, PRIORITIES)
def test_a_run_leaves_no_future_to_the_cyclic_collector(steps, shared, priorities):
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        world = World(priorities, shared)
        world.run(steps)
        references = world.references
        world.forget()
        del world
        assert [future() for future in references if future() is not None] == []
    finally:
        if was_enabled:
            gc.enable()


# Batches


def even_trees(depth):
    """Structures of children, all of whose leaves are equally deep."""
    if depth == 0:
        return strategies.none()
    children = strategies.lists(even_trees(depth - 1), min_size=1, max_size=3)
    return children | children.map(tuple) | children.map(lambda trees: dict(zip("abc", trees)))


@asynq.asynq()
def load_tree(client, tree, rounds, path=()):
    if tree is None:
        for number in range(rounds):
            yield client.get((number,) + path)
        return
    children = tree.items() if isinstance(tree, dict) else enumerate(tree)
    tasks = [(at, load_tree.asynq(client, child, rounds, path + (at,))) for at, child in children]
    yield dict(tasks) if isinstance(tree, dict) else type(tree)(task for _, task in tasks)


def paths(tree, path=()):
    """The paths of the leaves, from left to right."""
    if tree is None:
        return [path]
    children = tree.items() if isinstance(tree, dict) else enumerate(tree)
    return [leaf for at, child in children for leaf in paths(child, path + (at,))]


@examples(120)
@given(strategies.integers(0, 4).flatmap(even_trees), strategies.integers(1, 3))
def test_leaves_that_are_equally_far_are_sent_together_from_left_to_right(tree, rounds):
    client = Client()
    load_tree(client, tree, rounds)
    assert client.requests == [
        [(number,) + path for path in paths(tree)] for number in range(rounds)
    ]
