"""What is timed: programs that run unchanged on this package and on the original.

Who serves these workloads replaces :data:`driver`, to call the async functions on an event loop.

``WORKLOADS`` maps the short name of each to a function without arguments, which does the whole
work once and returns what came out. That is the same for everybody who does this work, by
whatever means: a sum, and where there are batches, how many were sent, with how many items.

``OPERATIONS`` maps the same names to how much work that is: the number of calls, yields or tasks.

"""

from collections import OrderedDict
from functools import partial

from asynq import AsyncContext, AsyncScopedValue, ConstFuture, asynq, debug
from asynq.batching import BatchBase, BatchItemBase
from asynq.tools import afilter, alru_cache, amap, asorted, deduplicate

from drivers import Synchronous
from probe import straggling

# The original counts all tasks that wait; this package counts how deep they do.
debug.options.MAX_TASK_STACK_SIZE = 10000000

driver = Synchronous()


def call(fn, *arguments, **options):
    """Call an async function as the driver does."""
    return driver.call(fn, *arguments, **options)


# A service that is asked in batches, as users write it


class Store:
    """Knows a value for each key, which is ``key + 1``, and counts what it is asked."""

    def __init__(self, urgent=False):
        self.batch_class = UrgentLookups if urgent else Lookups
        self.batch = self.batch_class(self)
        self.batches = 0
        self.items = 0

    def get(self, key):
        return Lookup(self.batch, key)

    def select(self, keys):
        self.batches += 1
        self.items += len(keys)
        return [key + 1 for key in keys]


class Lookup(BatchItemBase):
    """One value that somebody wants."""

    def __init__(self, batch, key):
        super().__init__(batch)
        self.key = key


class Lookups(BatchBase):
    """The values that are wanted and have not been asked for yet."""

    def __init__(self, store):
        super().__init__()
        self.store = store

    def _try_switch_active_batch(self):
        if self.store.batch is self:
            self.store.batch = type(self)(self.store)

    def _flush(self):
        items = self.items
        for item, value in zip(items, self.store.select([item.key for item in items])):
            item.set_value(value)


class UrgentLookups(Lookups):
    """Goes before all others, however few they are."""

    def get_priority(self):
        return (1, len(self.items))


def outcome(total, *stores):
    """The result of a workload: its sum, how many batches were sent, with how many items."""
    batches = sum(store.batches for store in stores)
    return [total, batches, sum(store.items for store in stores)]


@asynq()
def load(store, key):
    return (yield store.get(key))


# Calls and children


@asynq()
def increment(x):
    return x + 1


def calls_in_turn(n):
    return sum(driver.call_in_turn(increment, range(n)))


@asynq()
def child(x):
    yield None
    return x + 1


@asynq()
def sequence_of_children(n):
    total = 0
    for i in range(n):
        total += yield child.asynq(i)
    return total


FUTURES = [ConstFuture(i) for i in range(100)]


@asynq()
def computed_futures(times):
    """Yields futures that have been there before, and have their values."""
    total = 0
    for _ in range(times):
        for future in FUTURES:
            total += yield future
    return total


@asynq()
def made_consts(n):
    total = 0
    for i in range(n):
        total += yield ConstFuture(i)
    return total


@asynq()
def increment_const(x):
    return (yield ConstFuture(x)) + 1


@asynq()
def siblings(n):
    return sum((yield [increment_const.asynq(i) for i in range(n)]))


@asynq()
def yield_structure(x):
    values = yield {
        "author": (ConstFuture(x), increment_const.asynq(x + 1)),
        "readers": [ConstFuture(x + 2), [increment_const.asynq(x + 3)], None],
    }
    (name, address), (first, (second,), _) = values["author"], values["readers"]
    return name + address + first + second


@asynq()
def structures(n):
    """What is yielded by each task of a fan-out, without batches."""
    return sum((yield [yield_structure.asynq(i) for i in range(n)]))


class Counter:
    """Has async methods of both kinds."""

    step = 1

    def __init__(self, start):
        self.start = start

    @asynq()
    def add(self, x):
        yield None
        return self.start + x

    @asynq()
    @classmethod
    def add_step(cls, x):
        yield None
        return cls.step + x


@asynq()
def bound_methods(n):
    counter = Counter(5)
    total = 0
    for i in range(n):
        total += yield counter.add.asynq(i)
    return total


@asynq()
def class_methods(n):
    total = 0
    for i in range(n):
        total += yield Counter.add_step.asynq(i)
    return total


@asynq()
def chain(n):
    if n == 0:
        return 0
    return (yield chain.asynq(n - 1)) + 1


def chains(length, times):
    return sum(call(chain, length) for _ in range(times))


# Errors


@asynq()
def fail(x):
    yield None
    raise ValueError(x)


@asynq()
def errors_of_children(n):
    total = 0
    for i in range(n):
        try:
            yield fail.asynq(i)
        except ValueError as error:
            total += error.args[0]
    return total


@asynq()
def fail_below(levels, x):
    if levels == 0:
        raise ValueError(x)
    yield fail_below.asynq(levels - 1, x)


def errors_from_below(levels, times):
    total = 0
    for i in range(times):
        try:
            call(fail_below, levels, i)
        except ValueError as error:
            total += error.args[0]
    return total


# Batches


@asynq()
def load_twice(first, second, key):
    return (yield second.get((yield first.get(key))))


def fan_out(tasks):
    first, second = Store(), Store()

    @asynq()
    def load_all():
        return sum((yield [load_twice.asynq(first, second, key) for key in range(tasks)]))

    return outcome(call(load_all), first, second)


def requests(number, tasks):
    """Requests that are made at once, each a fan-out.

    Synchronously they are made one after the other, with batches of their own; so what comes out
    does not say how many there were.

    """
    first, second = Store(), Store()

    @asynq()
    def load_some(start):
        keys = range(start, start + tasks)
        return sum((yield [load_twice.asynq(first, second, key) for key in keys]))

    total = sum(driver.call_at_once(load_some, range(0, number * tasks, tasks)))
    return [total, first.items, second.items]


@asynq()
def load_rounds(store, key, rounds):
    for _ in range(rounds):
        key = yield store.get(key)
    return key


def tasks_in_rounds(tasks, rounds):
    store = Store()

    @asynq()
    def load_all():
        return sum((yield [load_rounds.asynq(store, key, rounds) for key in range(tasks)]))

    return outcome(call(load_all), store)


@asynq()
def load_leaves(store, depth, key):
    if depth == 0:
        return (yield store.get(key))
    left = load_leaves.asynq(store, depth - 1, 2 * key)
    right = load_leaves.asynq(store, depth - 1, 2 * key + 1)
    return sum((yield left, right))


def binary_tree(depth):
    store = Store()
    return outcome(call(load_leaves, store, depth, 0), store)


@asynq()
def straggle(store, key, rounds):
    with straggling:
        for _ in range(rounds):
            key = yield store.get(key)
    return key


def straggler(blocked, rounds):
    """The straggler starts last, and its batch is always the first to be sent."""
    patient, urgent = Store(), Store(urgent=True)

    @asynq()
    def load_all():
        tasks = [load.asynq(patient, key) for key in range(blocked)]
        tasks.append(straggle.asynq(urgent, 0, rounds))
        return sum((yield tasks))

    return outcome(call(load_all), patient, urgent)


# Contexts


class Trivial(AsyncContext):
    """What there is to do each time that a task goes on or waits: nothing."""

    def resume(self):
        pass

    def pause(self):
        pass


@asynq()
def load_in_context(store, key):
    with Trivial():
        return (yield store.get((yield store.get(key))))


scale = AsyncScopedValue(1)


@asynq()
def load_scaled(store, key):
    with scale.override(key):
        value = yield store.get((yield store.get(key)))
        return value * scale.get()


# What is yielded


@asynq()
def load_dict(store, key):
    values = yield {
        "author": store.get(key),
        "editor": store.get(key + 1),
        "owner": store.get(key + 2),
        "reader": None,
    }
    return values["author"] + values["editor"] + values["owner"]


@asynq()
def load_tuple(store, key):
    author, editor, owner, _ = yield store.get(key), store.get(key + 1), store.get(key + 2), None
    return author + editor + owner


@asynq()
def load_nested(store, key):
    values = yield {
        "author": (store.get(key), load.asynq(store, key + 1)),
        "readers": [store.get(key + 2), [load.asynq(store, key + 3)], None],
    }
    (name, address), (first, (second,), _) = values["author"], values["readers"]
    return name + address + first + second


def calls_of(load_one, tasks):
    """Many tasks of an async function that takes a store and a key."""
    store = Store()

    @asynq()
    def load_all():
        return sum((yield [load_one.asynq(store, key) for key in range(tasks)]))

    return outcome(call(load_all), store)


# Tools


def map_over_items(n):
    store = Store()

    @asynq()
    def load_one(key):
        return (yield store.get(key))

    return outcome(sum(call(amap, load_one, range(n))), store)


def filter_by_items(n):
    store = Store()

    @asynq()
    def is_even(key):
        return (yield store.get(key)) % 2 == 0

    return outcome(sum(call(afilter, is_even, range(n))), store)


def sort_by_items(n):
    store = Store()

    @asynq()
    def weight(key):
        return -(yield store.get(key))

    ordered = call(asorted, [key * 7919 % n for key in range(n)], key=weight)
    return outcome(sum(place * key for place, key in enumerate(ordered)), store)


def simultaneous_equal_calls(calls, keys):
    store = Store()

    @deduplicate()
    @asynq()
    def load_one(key):
        return (yield store.get(key))

    @asynq()
    def load_all():
        return sum((yield [load_one.asynq(i % keys) for i in range(calls)]))

    return outcome(call(load_all), store)


def hits_of_a_cache(calls, keys):
    """The first call for each key is a miss; all others are hits."""
    store = Store()

    @alru_cache(maxsize=keys)
    @asynq()
    def load_one(key):
        return (yield store.get(key))

    @asynq()
    def load_all():
        total = sum((yield [load_one.asynq(key) for key in range(keys)]))
        for i in range(calls - keys):
            total += yield load_one.asynq(i % keys)
        return total

    return outcome(call(load_all), store)


# Name, number of operations, function and its arguments
TABLE = [
    ("sync", 10000, calls_in_turn, 10000),
    ("children", 10000, call, sequence_of_children, 10000),
    ("computed", 20000, call, computed_futures, 200),
    ("consts", 20000, call, made_consts, 20000),
    ("siblings", 10000, call, siblings, 10000),
    ("structures", 1000, call, structures, 1000),
    ("methods", 5000, call, bound_methods, 5000),
    ("classmethods", 5000, call, class_methods, 5000),
    ("chain-800", 8000, chains, 800, 10),
    ("chain-50000", 50000, chains, 50000, 1),
    ("errors", 5000, call, errors_of_children, 5000),
    ("deep-error", 4000, errors_from_below, 20, 200),
    ("fan-out", 10000, fan_out, 10000),
    ("requests-10000x1", 10000, requests, 10000, 1),
    ("requests-100x50", 5000, requests, 100, 50),
    ("rounds-1000x20", 20000, tasks_in_rounds, 1000, 20),
    ("rounds-100x200", 20000, tasks_in_rounds, 100, 200),
    ("tree", 4095, binary_tree, 11),
    ("contexts", 2000, calls_of, load_in_context, 2000),
    ("scoped", 2000, calls_of, load_scaled, 2000),
    ("dicts", 2000, calls_of, load_dict, 2000),
    ("tuples", 2000, calls_of, load_tuple, 2000),
    ("nested", 1000, calls_of, load_nested, 1000),
    ("amap", 5000, map_over_items, 5000),
    ("afilter", 5000, filter_by_items, 5000),
    ("asorted", 5000, sort_by_items, 5000),
    ("deduplicate", 10000, simultaneous_equal_calls, 10000, 100),
    ("alru_cache", 5000, hits_of_a_cache, 5000, 100),
    ("straggler-1000", 500, straggler, 1000, 500),
    ("straggler-5000", 500, straggler, 5000, 500),
    ("straggler-20000", 500, straggler, 20000, 500),
    # For the growth only
    ("fan-out-1000", 1000, fan_out, 1000),
    ("fan-out-10000", 10000, fan_out, 10000),
    ("fan-out-100000", 100000, fan_out, 100000),
    ("fan-out-1000000", 1000000, fan_out, 1000000),
]

WORKLOADS = OrderedDict((row[0], partial(*row[2:])) for row in TABLE)
OPERATIONS = OrderedDict((row[0], row[1]) for row in TABLE)
