"""Large programs finish, and what they cost grows no faster than they do.

The programs are in size_programs.py. By default they have a tenth of their full sizes; ``make
size`` (ASYNQ_FULL_SIZE=1) makes them whole, a million tasks and more, and reports the time and the
memory that they take. The cost is counted in lines of Python that are executed, which is the same
on every machine; loops inside C functions do not count.

"""

import os

import pytest

import asynq
from asynq import BatchBase, FutureBase
from asynq.debug import options

from . import size_programs
from .helpers import steps
from .size_programs import (
    abandoned_by_an_interrupt,
    batches_one_after_another,
    batches_pending_together,
    chain_by_error,
    chain_by_value,
    fan_out,
    fan_out_into_one_batch,
    nested_containers,
    nested_synchronous_calls,
    wait_for,
    waiters_on_one_future,
)

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


def test_twice_the_nested_synchronous_calls_cost_twice_the_steps():
    nested_synchronous_calls(10)
    assert steps(nested_synchronous_calls, 60) <= TWICE * steps(nested_synchronous_calls, 30)


def test_twice_the_pending_batches_cost_twice_the_steps_apart_from_choosing(monkeypatch):
    def forget(scheduler, batch):
        batch._scheduler = None

    # One after another, as it is where all have one priority. See the test below for the other
    # cost, of looking at all.
    scheduler_class = asynq.scheduler.TaskScheduler
    monkeypatch.setattr(scheduler_class, "_next_batch", lambda self: self._batches.pop())
    monkeypatch.setattr(scheduler_class, "_forget", forget)
    batches_pending_together(10)
    assert steps(batches_pending_together, 400) <= TWICE * steps(batches_pending_together, 200)


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


def test_what_large_programs_take_is_reported(capfd):
    size_programs.report([(fan_out, 1000)])
    lines = capfd.readouterr()[0].splitlines()
    assert [line.split()[:2] for line in lines] == [
        ["program", "size"],
        ["fan_out", "1000"],
        ["fan_out", "2000"],
    ]
    assert all(float(line.split()[2]) < 60 for line in lines[1:])


def test_a_promise_that_ten_thousand_wait_for_in_vain_is_an_error():
    @asynq.asynq()
    def wait_in_vain(n):
        promise = FutureBase()
        yield [wait_for.asynq(promise) for _ in range(n)]

    with pytest.raises(asynq.AsyncTaskError):
        wait_in_vain(1000 * TENTHS)
