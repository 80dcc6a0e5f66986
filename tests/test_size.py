"""Large programs finish, and what they cost grows no faster than they do.

By default they have a tenth of their full sizes; ``make size`` (ASYNQ_FULL_SIZE=1) makes them
whole, a million tasks and more. The cost is counted in lines of Python that are executed, which is
the same on every machine; loops inside C functions do not count.

"""

import os
import sys

import pytest

import asynq
from asynq import BatchBase, ConstFuture, FutureBase, result
from asynq.debug import options

from .helpers import Client

try:
    import tracemalloc
except ImportError:
    tracemalloc = None

TENTHS = 10 if os.environ.get("ASYNQ_FULL_SIZE") else 1
MILLION = 100000 * TENTHS

# Twice the work may take so many times the steps; a quadratic cost takes four times as many.
TWICE = 2.2


@pytest.fixture(autouse=True, scope="module")
def deep_enough():
    former = options.MAX_TASK_STACK_SIZE
    options.MAX_TASK_STACK_SIZE = MILLION + 10
    yield
    options.MAX_TASK_STACK_SIZE = former


def steps(fn, *args):
    """How many lines of Python ``fn(*args)`` executes; each round of a loop is one at least."""
    count = [0]

    def trace(frame, event, arg):
        count[0] += 1
        return trace

    former = sys.gettrace()
    sys.settrace(trace)
    try:
        fn(*args)
    finally:
        sys.settrace(former)
    return count[0]


# The programs: each takes its size


@asynq.asynq()
def count_down(n):
    if n == 0:
        result((yield ConstFuture(0)))
    result((yield count_down.asynq(n - 1)) + 1)


@asynq.asynq()
def fail_below(n):
    if n == 0:
        raise ValueError("bottom")
    yield fail_below.asynq(n - 1)


def chain_by_value(n):
    assert count_down(n) == n


def chain_by_error(n):
    """The error, with its traceback, goes when this returns."""
    try:
        fail_below(n)
    except ValueError as error:
        assert error.args == ("bottom",)
    else:
        raise AssertionError("no error arrived")


@asynq.asynq()
def add_one(n):
    yield None
    result(n + 1)


@asynq.asynq()
def call_many(n):
    result(sum((yield [add_one.asynq(0) for _ in range(n)])))


def fan_out(n):
    assert call_many(n) == n


@asynq.asynq()
def load_many(client, n):
    result((yield [load.asynq(client, key) for key in range(n)]))


@asynq.asynq()
def load(client, key):
    result((yield client.get(key)))


def fan_out_into_one_batch(n):
    client = Client()
    assert len(load_many(client, n)) == n
    assert list(map(len, client.requests)) == [n]


@asynq.asynq()
def load_one_by_one(client, n):
    for key in range(n):
        yield client.get(key)


def batches_one_after_another(n):
    client = Client()
    load_one_by_one(client, n)
    assert len(client.requests) == n


@asynq.asynq()
def load_from_each(clients):
    result((yield [load.asynq(client, 1) for client in clients]))


def batches_pending_together(n):
    clients = [Client(name) for name in range(n)]
    assert load_from_each(clients) == [(name, 1) for name in range(n)]
    assert all(client.requests == [[1]] for client in clients)


@asynq.asynq()
def load_nested(client, n):
    structure = client.get("key")
    for level in range(n):
        structure = [structure] if level % 2 else {"key": (None, structure)}
    result((yield structure))


def nested_containers(n):
    value = load_nested(Client(), n)
    for level in reversed(range(n)):
        value = value[0] if level % 2 else value["key"][1]
    assert value == ("client", "key")


@asynq.asynq()
def wait_for(future):
    result((yield future))


@asynq.asynq()
def wait_many_times(future, n):
    values = yield [wait_for.asynq(future) for _ in range(n)], set_value.asynq(future)
    result(values[0])


@asynq.asynq()
def set_value(future):
    future.set_value("value")


def waiters_on_one_future(n):
    assert wait_many_times(FutureBase(), n) == ["value"] * n


@asynq.asynq()
def leave_many(client, n):
    tasks = [load.asynq(client, key) for key in range(n)]
    yield [wait_for.asynq(tasks), give_up.asynq()]


@asynq.asynq()
def give_up():
    raise KeyboardInterrupt()


def abandoned_by_an_interrupt(n):
    try:
        leave_many(Client(), n)
    except KeyboardInterrupt:
        pass
    else:
        raise AssertionError("no interrupt arrived")


# Sizes


def test_a_chain_of_a_million_tasks_brings_its_value_up():
    chain_by_value(MILLION)


def test_a_chain_of_a_million_tasks_brings_its_error_up():
    chain_by_error(MILLION)


def test_one_task_waits_for_a_million():
    fan_out(MILLION)


def test_a_batch_has_a_million_items():
    fan_out_into_one_batch(MILLION)


def test_a_hundred_thousand_batches_are_flushed_one_after_another():
    batches_one_after_another(10000 * TENTHS)


def test_two_thousand_batches_are_pending_together():
    batches_pending_together(200 * TENTHS)


def test_containers_are_nested_a_thousand_deep():
    nested_containers(1000)


def test_ten_thousand_tasks_wait_for_one_future():
    waiters_on_one_future(10000)


# Costs

LINEAR = [
    chain_by_value,
    chain_by_error,
    fan_out,
    fan_out_into_one_batch,
    batches_one_after_another,
    nested_containers,
    waiters_on_one_future,
    abandoned_by_an_interrupt,
]


@pytest.mark.parametrize("program", LINEAR, ids=lambda program: program.__name__)
def test_twice_the_size_costs_twice_the_steps(program):
    program(10)  # what is done once, and not again
    assert steps(program, 1000) <= TWICE * steps(program, 500)


def test_a_flush_asks_each_pending_batch_once_for_its_priority():
    asked = []

    class Table(BatchBase):
        def _try_switch_active_batch(self):
            pass

        def get_priority(self):
            asked.append(self)
            return (0, 0)

        def _flush(self):
            for item in self.items:
                item.set_value(None)

    @asynq.asynq()
    def ask_all(n):
        yield [asynq.BatchItemBase(Table()) for _ in range(n)]

    ask_all(200)
    assert len(asked) == 200 * 201 // 2


@pytest.mark.skipif(tracemalloc is None, reason="this Python does not trace allocations")
@pytest.mark.parametrize(
    "program, limit",
    # About four times what it is.
    [
        (chain_by_value, 2500),
        (chain_by_error, 4000),
        (fan_out, 2500),
        (waiters_on_one_future, 2500),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_a_task_takes_less_memory_than_so_many_bytes(program, limit):
    count = 10000
    program(10)
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        program(count)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert (peak - before) / count < limit
