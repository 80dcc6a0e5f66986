"""The same work with aiodataloader, on the event loop of asyncio or of uvloop.

This is the cheapest shape that asyncio has for it:

* Siblings are tasks that are awaited one after the other (:func:`values_of`), and so are several
  items, without a task: most have their value when their turn comes. ``gather`` costs more.
* Loaders do not cache, and their batches have no maximal size.
* For a scoped value there is a context variable, of which each task has its own anyway.

Here are the workloads in which a DataLoader takes part. Left out is what has no batches, what is
about features of functions (deduplication and caches), and what has no equivalent (contexts that
are paused while a task waits).

:data:`run` runs all coroutines. Who serves these workloads replaces it, to reuse one event loop.

"""

import asyncio
from collections import OrderedDict
from contextvars import ContextVar
from functools import partial

from aiodataloader import DataLoader

from probe import straggling

run = asyncio.run


def run_of(fn, *arguments):
    """Run a coroutine function."""
    return run(fn(*arguments))


# A service that is asked in batches


class Store(DataLoader):
    """Knows a value for each key, which is ``key + 1``, and counts what it is asked."""

    def __init__(self):
        super().__init__(cache=False)
        self.batches = 0
        self.items = 0

    async def batch_load_fn(self, keys):
        self.batches += 1
        self.items += len(keys)
        return [key + 1 for key in keys]


def outcome(total, *stores):
    """The result of a workload: its sum, how many batches were sent, with how many items."""
    batches = sum(store.batches for store in stores)
    return [total, batches, sum(store.items for store in stores)]


async def values_of(coroutines):
    """Run them all at once; return their values in order."""
    create_task = asyncio.get_running_loop().create_task
    tasks = [create_task(coroutine) for coroutine in coroutines]
    return [await task for task in tasks]


async def load(store, key):
    return await store.load(key)


# Batches


async def load_twice(first, second, key):
    return await second.load(await first.load(key))


async def fan_out(tasks):
    first, second = Store(), Store()
    values = await values_of([load_twice(first, second, key) for key in range(tasks)])
    return outcome(sum(values), first, second)


async def requests(number, tasks):
    first, second = Store(), Store()

    async def load_some(start):
        keys = range(start, start + tasks)
        return sum(await values_of([load_twice(first, second, key) for key in keys]))

    total = sum(await values_of([load_some(key) for key in range(0, number * tasks, tasks)]))
    return [total, first.items, second.items]


async def load_rounds(store, key, rounds):
    for _ in range(rounds):
        key = await store.load(key)
    return key


async def tasks_in_rounds(tasks, rounds):
    store = Store()
    values = await values_of([load_rounds(store, key, rounds) for key in range(tasks)])
    return outcome(sum(values), store)


async def load_leaves(store, depth, key):
    if depth == 0:
        return await store.load(key)
    left = load_leaves(store, depth - 1, 2 * key)
    right = load_leaves(store, depth - 1, 2 * key + 1)
    return sum(await values_of([left, right]))


async def binary_tree(depth):
    store = Store()
    return outcome(await load_leaves(store, depth, 0), store)


class PatientStore(Store):
    """Does not answer before it is told to."""

    def __init__(self):
        super().__init__()
        self.asked = asyncio.Event()
        self.may_answer = asyncio.Event()

    async def batch_load_fn(self, keys):
        self.asked.set()
        await self.may_answer.wait()
        return await super().batch_load_fn(keys)


async def straggle(store, key, rounds, patient):
    await patient.asked.wait()
    with straggling:
        for _ in range(rounds):
            key = await store.load(key)
    patient.may_answer.set()
    return key


async def straggler(blocked, rounds):
    """A loader sends what it has at once, so here it is the answer that the others wait for."""
    patient, urgent = PatientStore(), Store()
    coroutines = [load(patient, key) for key in range(blocked)]
    coroutines.append(straggle(urgent, 0, rounds, patient))
    return outcome(sum(await values_of(coroutines)), patient, urgent)


# Scoped values


scale = ContextVar("scale", default=1)


async def load_scaled(store, key):
    token = scale.set(key)
    try:
        value = await store.load(await store.load(key))
        return value * scale.get()
    finally:
        scale.reset(token)


# Structures


async def load_dict(store, key):
    futures = {
        "author": store.load(key),
        "editor": store.load(key + 1),
        "owner": store.load(key + 2),
    }
    return await futures["author"] + await futures["editor"] + await futures["owner"]


async def load_tuple(store, key):
    author, editor, owner = store.load(key), store.load(key + 1), store.load(key + 2)
    return await author + await editor + await owner


async def load_nested(store, key):
    name, first = store.load(key), store.load(key + 2)
    address, second = await values_of([load(store, key + 1), load(store, key + 3)])
    return await name + address + await first + second


async def calls_of(load_one, tasks):
    store = Store()
    return outcome(sum(await values_of([load_one(store, key) for key in range(tasks)])), store)


# Tools


async def map_over_items(n):
    store = Store()
    return outcome(sum(await values_of([load(store, key) for key in range(n)])), store)


async def filter_by_items(n):
    store = Store()

    async def is_even(key):
        return await store.load(key) % 2 == 0

    kept = await values_of([is_even(key) for key in range(n)])
    return outcome(sum([key for key, keep in zip(range(n), kept) if keep]), store)


async def sort_by_items(n):
    store = Store()

    async def weight(key):
        return -await store.load(key)

    keys = [key * 7919 % n for key in range(n)]
    weights = await values_of([weight(key) for key in keys])
    ordered = [keys[place] for place in sorted(range(n), key=weights.__getitem__)]
    return outcome(sum(place * key for place, key in enumerate(ordered)), store)


# Name, coroutine function and its arguments
TABLE = [
    ("fan-out", fan_out, 10000),
    ("requests-10000x1", requests, 10000, 1),
    ("requests-100x50", requests, 100, 50),
    ("rounds-1000x20", tasks_in_rounds, 1000, 20),
    ("rounds-100x200", tasks_in_rounds, 100, 200),
    ("tree", binary_tree, 11),
    ("scoped", calls_of, load_scaled, 2000),
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

WORKLOADS = OrderedDict((row[0], partial(run_of, *row[1:])) for row in TABLE)
