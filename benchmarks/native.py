"""Some of ``workloads.py``, with ``async def`` functions.

The others have to yield something to be generators, such as None; these need not await anything.

"""

from collections import OrderedDict
from functools import partial

from asynq import ConstFuture, asynq, gather

from workloads import Store, call, outcome


@asynq()
async def child(x):
    return x + 1


@asynq()
async def sequence_of_children(n):
    total = 0
    for i in range(n):
        total += await child.asynq(i)
    return total


@asynq()
async def increment_const(x):
    return (await ConstFuture(x)) + 1


@asynq()
async def siblings(n):
    return sum(await gather([increment_const.asynq(i) for i in range(n)]))


@asynq()
async def chain(n):
    if n == 0:
        return 0
    return (await chain.asynq(n - 1)) + 1


def chains(length, times):
    return sum(call(chain, length) for _ in range(times))


@asynq()
async def load_twice(first, second, key):
    return await second.get(await first.get(key))


def fan_out(tasks):
    first, second = Store(), Store()

    @asynq()
    async def load_all():
        return sum(await gather([load_twice.asynq(first, second, key) for key in range(tasks)]))

    return outcome(call(load_all), first, second)


@asynq()
async def load_rounds(store, key, rounds):
    for _ in range(rounds):
        key = await store.get(key)
    return key


def tasks_in_rounds(tasks, rounds):
    store = Store()

    @asynq()
    async def load_all():
        return sum(await gather([load_rounds.asynq(store, key, rounds) for key in range(tasks)]))

    return outcome(call(load_all), store)


@asynq()
async def load_tuple(store, key):
    author, editor, owner = await gather(store.get(key), store.get(key + 1), store.get(key + 2))
    return author + editor + owner


def calls_of(load_one, tasks):
    """Many tasks of an async function that takes a store and a key."""
    store = Store()

    @asynq()
    async def load_all():
        return sum(await gather([load_one.asynq(store, key) for key in range(tasks)]))

    return outcome(call(load_all), store)


# Name, function and its arguments
TABLE = [
    ("children", call, sequence_of_children, 10000),
    ("siblings", call, siblings, 10000),
    ("chain-800", chains, 800, 10),
    ("chain-50000", chains, 50000, 1),
    ("fan-out", fan_out, 10000),
    ("rounds-1000x20", tasks_in_rounds, 1000, 20),
    ("rounds-100x200", tasks_in_rounds, 100, 200),
    ("tuples", calls_of, load_tuple, 2000),
]

WORKLOADS = OrderedDict((row[0], partial(*row[1:])) for row in TABLE)
