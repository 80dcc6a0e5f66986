"""The work of ``workloads.py`` on the barest trampoline, ``trampoline.py``, in the same shapes.

What is about a feature that the trampoline does not have is left out: contexts, scoped values,
deduplication and caches.

"""

from collections import OrderedDict
from functools import partial

from probe import straggling
from trampoline import Const, Item, Task, run


# A service that is asked in batches


class Store:
    """Knows a value for each key, which is ``key + 1``, and counts what it is asked."""

    def __init__(self):
        self.wanted = []
        self.batches = 0
        self.items = 0

    def get(self, key):
        item = Item()
        item.key = key
        item.waiter = None
        self.wanted.append(item)
        return item

    def send(self):
        """Send one batch; return its items and their values."""
        items, self.wanted = self.wanted, []
        self.batches += 1
        self.items += len(items)
        return items, [key + 1 for key in [item.key for item in items]]


def outcome(total, *stores):
    """The result of a workload: its sum, how many batches were sent, with how many items."""
    batches = sum(store.batches for store in stores)
    return [total, batches, sum(store.items for store in stores)]


def load(store, key):
    return (yield store.get(key))


# Calls and children


def increment(x):
    return x + 1


def as_generator(fn, argument):
    """Make a plain function, which does not yield, the body of a task."""
    return fn(argument)
    yield


def synchronous_calls(n):
    return sum([run(Task(as_generator(increment, i))) for i in range(n)])


def child(x):
    yield None
    return x + 1


def sequence_of_children(n):
    total = 0
    for i in range(n):
        total += yield Task(child(i))
    return total


FUTURES = [Const(i) for i in range(100)]


def computed_futures(times):
    total = 0
    for _ in range(times):
        for future in FUTURES:
            total += yield future
    return total


def made_consts(n):
    total = 0
    for i in range(n):
        total += yield Const(i)
    return total


def increment_const(x):
    return (yield Const(x)) + 1


def siblings(n):
    return sum((yield [Task(increment_const(i)) for i in range(n)]))


def yield_structure(x):
    values = yield {
        "author": (Const(x), Task(increment_const(x + 1))),
        "readers": [Const(x + 2), [Task(increment_const(x + 3))], None],
    }
    (name, address), (first, (second,), _) = values["author"], values["readers"]
    return name + address + first + second


def structures(n):
    return sum((yield [Task(yield_structure(i)) for i in range(n)]))


class Counter:
    """Has methods of both kinds."""

    step = 1

    def __init__(self, start):
        self.start = start

    def add(self, x):
        yield None
        return self.start + x

    @classmethod
    def add_step(cls, x):
        yield None
        return cls.step + x


def bound_methods(n):
    counter = Counter(5)
    total = 0
    for i in range(n):
        total += yield Task(counter.add(i))
    return total


def class_methods(n):
    total = 0
    for i in range(n):
        total += yield Task(Counter.add_step(i))
    return total


def chain(n):
    if n == 0:
        return 0
    return (yield Task(chain(n - 1))) + 1


def chains(length, times):
    return sum(run(Task(chain(length))) for _ in range(times))


# Errors


def fail(x):
    yield None
    raise ValueError(x)


def errors_of_children(n):
    total = 0
    for i in range(n):
        try:
            yield Task(fail(i))
        except ValueError as error:
            total += error.args[0]
    return total


def fail_below(levels, x):
    if levels == 0:
        raise ValueError(x)
    yield Task(fail_below(levels - 1, x))


def errors_from_below(levels, times):
    total = 0
    for i in range(times):
        try:
            run(Task(fail_below(levels, i)))
        except ValueError as error:
            total += error.args[0]
    return total


# Batches


def load_twice(first, second, key):
    return (yield second.get((yield first.get(key))))


def fan_out(tasks):
    first, second = Store(), Store()

    def load_all():
        return sum((yield [Task(load_twice(first, second, key)) for key in range(tasks)]))

    return outcome(run(Task(load_all()), first, second), first, second)


def requests(number, tasks):
    first, second = Store(), Store()

    def load_some(start):
        keys = range(start, start + tasks)
        return sum((yield [Task(load_twice(first, second, key)) for key in keys]))

    starts = range(0, number * tasks, tasks)
    total = sum([run(Task(load_some(start)), first, second) for start in starts])
    return [total, first.items, second.items]


def load_rounds(store, key, rounds):
    for _ in range(rounds):
        key = yield store.get(key)
    return key


def tasks_in_rounds(tasks, rounds):
    store = Store()

    def load_all():
        return sum((yield [Task(load_rounds(store, key, rounds)) for key in range(tasks)]))

    return outcome(run(Task(load_all()), store), store)


def load_leaves(store, depth, key):
    if depth == 0:
        return (yield store.get(key))
    left = Task(load_leaves(store, depth - 1, 2 * key))
    right = Task(load_leaves(store, depth - 1, 2 * key + 1))
    return sum((yield left, right))


def binary_tree(depth):
    store = Store()
    return outcome(run(Task(load_leaves(store, depth, 0)), store), store)


def straggle(store, key, rounds):
    with straggling:
        for _ in range(rounds):
            key = yield store.get(key)
    return key


def straggler(blocked, rounds):
    """The straggler starts last, and its batch is always the first to be sent."""
    patient, urgent = Store(), Store()

    def load_all():
        tasks = [Task(load(patient, key)) for key in range(blocked)]
        tasks.append(Task(straggle(urgent, 0, rounds)))
        return sum((yield tasks))

    return outcome(run(Task(load_all()), urgent, patient), patient, urgent)


# What is yielded


def load_dict(store, key):
    values = yield {
        "author": store.get(key),
        "editor": store.get(key + 1),
        "owner": store.get(key + 2),
        "reader": None,
    }
    return values["author"] + values["editor"] + values["owner"]


def load_tuple(store, key):
    author, editor, owner, _ = yield store.get(key), store.get(key + 1), store.get(key + 2), None
    return author + editor + owner


def load_nested(store, key):
    values = yield {
        "author": (store.get(key), Task(load(store, key + 1))),
        "readers": [store.get(key + 2), [Task(load(store, key + 3))], None],
    }
    (name, address), (first, (second,), _) = values["author"], values["readers"]
    return name + address + first + second


def calls_of(load_one, tasks):
    store = Store()

    def load_all():
        return sum((yield [Task(load_one(store, key)) for key in range(tasks)]))

    return outcome(run(Task(load_all()), store), store)


# Tools


def amap(fn, keys):
    return (yield [Task(fn(key)) for key in keys])


def afilter(fn, keys):
    kept = yield [Task(fn(key)) for key in keys]
    return [key for key, keep in zip(keys, kept) if keep]


def asorted(keys, by):
    weights = yield [Task(by(key)) for key in keys]
    return [keys[place] for place in sorted(range(len(keys)), key=weights.__getitem__)]


def map_over_items(n):
    store = Store()

    def load_one(key):
        return (yield store.get(key))

    return outcome(sum(run(Task(amap(load_one, range(n))), store)), store)


def filter_by_items(n):
    store = Store()

    def is_even(key):
        return (yield store.get(key)) % 2 == 0

    return outcome(sum(run(Task(afilter(is_even, range(n))), store)), store)


def sort_by_items(n):
    store = Store()

    def weight(key):
        return -(yield store.get(key))

    ordered = run(Task(asorted([key * 7919 % n for key in range(n)], weight)), store)
    return outcome(sum(place * key for place, key in enumerate(ordered)), store)


# Name, function and its arguments. These are generator functions.
TASKS = [
    ("children", sequence_of_children, 10000),
    ("computed", computed_futures, 200),
    ("consts", made_consts, 20000),
    ("siblings", siblings, 10000),
    ("structures", structures, 1000),
    ("methods", bound_methods, 5000),
    ("classmethods", class_methods, 5000),
    ("errors", errors_of_children, 5000),
]
# These run their tasks themselves.
RUNS = [
    ("sync", synchronous_calls, 10000),
    ("chain-800", chains, 800, 10),
    ("chain-50000", chains, 50000, 1),
    ("deep-error", errors_from_below, 20, 200),
    ("fan-out", fan_out, 10000),
    ("requests-10000x1", requests, 10000, 1),
    ("requests-100x50", requests, 100, 50),
    ("rounds-1000x20", tasks_in_rounds, 1000, 20),
    ("rounds-100x200", tasks_in_rounds, 100, 200),
    ("tree", binary_tree, 11),
    ("dicts", calls_of, load_dict, 2000),
    ("tuples", calls_of, load_tuple, 2000),
    ("nested", calls_of, load_nested, 1000),
    ("amap", map_over_items, 5000),
    ("afilter", filter_by_items, 5000),
    ("asorted", sort_by_items, 5000),
    ("straggler-1000", straggler, 1000, 500),
    ("straggler-5000", straggler, 5000, 500),
    ("straggler-20000", straggler, 20000, 500),
    ("fan-out-1000", fan_out, 1000),
    ("fan-out-10000", fan_out, 10000),
    ("fan-out-100000", fan_out, 100000),
    ("fan-out-1000000", fan_out, 1000000),
]


def run_task(function, *arguments):
    """Run a generator function."""
    return run(Task(function(*arguments)))


WORKLOADS = OrderedDict((row[0], partial(run_task, *row[1:])) for row in TASKS)
WORKLOADS.update((row[0], partial(*row[1:])) for row in RUNS)
