"""Large programs, each a function of its size; see test_size.py.

Run as ``python -m tests.size_programs`` (``make size``). Prints what each takes in its full size
and in twice that: seconds of the processor, the peak of the memory of a fresh process less what it
has before the program, and both for each unit. For each unit, twice the size should take the same.
These figures are of one machine; the tests count lines of Python instead.

"""

import json
import os
import subprocess
import sys

import asynq
from asynq import ConstFuture, FutureBase, result
from asynq.debug import options

from .helpers import Client

try:
    import resource
except ImportError:
    resource = None  # on Windows


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


@asynq.asynq()
def call_synchronously(n):
    yield ConstFuture(n)
    if n > 1:
        call_synchronously(n - 1)


def nested_synchronous_calls(n):
    call_synchronously(n)


# Their full sizes
FULL = [
    (chain_by_value, 1000000),
    (chain_by_error, 1000000),
    (fan_out, 1000000),
    (fan_out_into_one_batch, 1000000),
    (batches_one_after_another, 100000),
    (batches_pending_together, 2000),
    (nested_containers, 1000),
    (waiters_on_one_future, 10000),
    (nested_synchronous_calls, 120),  # twice that is near the limit of Python
]


def peak():
    """The most bytes that this process has had, 0 where that is not known."""
    if resource is None:
        return 0
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def measure(name, size):
    """Run one program, and print as JSON the seconds and the bytes that it took."""
    options.MAX_TASK_STACK_SIZE = size + 10
    program = globals()[name]
    program(10)  # what is done once, and not again
    before = peak()
    began = sum(os.times()[:2])
    program(size)
    sys.stdout.write(json.dumps([sum(os.times()[:2]) - began, peak() - before]))


def report(programs):
    """Print the table."""
    row = "%-27s %9s %9s %9s %12s %12s\n"
    heads = ("program", "size", "seconds", "MB", "us per unit", "bytes per unit")
    sys.stdout.write(row % heads)
    for program, full in programs:
        for size in (full, 2 * full):
            command = [sys.executable, "-m", "tests.size_programs", program.__name__, str(size)]
            seconds, taken = json.loads(subprocess.check_output(command).decode("ascii"))
            figures = ("%.2f" % seconds, "%.0f" % (taken / 1e6), "%.2f" % (seconds / size * 1e6))
            sys.stdout.write(
                row % ((program.__name__, size) + figures + ("%.0f" % (taken / float(size)),))
            )
            sys.stdout.flush()


if __name__ == "__main__":
    if len(sys.argv) == 3:
        measure(sys.argv[1], int(sys.argv[2]))
    else:
        report(FULL)
