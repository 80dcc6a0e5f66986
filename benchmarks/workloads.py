"""What is timed: programs that run unchanged on this package and on the original.

``WORKLOADS`` maps the name of each to a function without arguments and the number of operations
(calls, yields, tasks) that one call of it makes. What it returns is the same everywhere.

"""

from asynq import ConstFuture, asynq, result
from asynq.batching import DebugBatchItem

N = 10000


@asynq()
def plain(x):
    return x + 1


@asynq()
def child(x):
    yield None
    result(x + 1)


@asynq()
def leaf(x):
    first = yield DebugBatchItem("first", x)
    second = yield DebugBatchItem("second", first)
    result(second)


@asynq()
def sequence_of_children():
    total = 0
    for i in range(N):
        total += yield child.asynq(i)
    result(total)


@asynq()
def const_yields():
    future = ConstFuture(1)
    total = 0
    for _ in range(N):
        total += yield future
    result(total)


@asynq()
def fan_out():
    result(sum((yield [leaf.asynq(i) for i in range(N)])))


def synchronous_calls():
    return sum([plain(i) for i in range(N)])


WORKLOADS = {
    "synchronous call of a function that does not yield": (synchronous_calls, N),
    "child task": (sequence_of_children, N),
    "yield of a computed future": (const_yields, N),
    "fan-out of 10,000 tasks over two batches": (fan_out, N),
}
