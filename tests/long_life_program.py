"""A server that answers many small requests with the cyclic collector off; see test_long_life.py.

Run as ``python -m tests.long_life_program N``. Prints, as JSON, what it holds after the first
10,000 of its requests and after the last one: the objects that the collector knows, the blocks and
the bytes that were allocated in files of asynq (Python 3); and how many objects were left in
cycles.

"""

import gc
import json
import os
import sys

import asynq
from asynq import (
    AsyncScopedValue,
    AsyncTaskError,
    ConstFuture,
    ErrorFuture,
    Future,
    FutureBase,
    Value,
    async_generator,
    get_active_task,
    get_scheduler,
    result,
    take_first,
)
from asynq._compat import CAN_RELINK_TRACEBACKS
from asynq.debug import options
from asynq.tools import (
    AsyncTimer,
    acached_per_instance,
    alazy_constant,
    alru_cache,
    deduplicate,
)

from .helpers import Client, Recorded

try:
    import tracemalloc
except ImportError:
    tracemalloc = None


# By then, all that is made once has been made.
FIRST = 10000


class Refused(Exception):
    pass


class Requests(object):
    """The kinds of requests: each method is one, and takes the number of the request."""

    def __init__(self):
        self.client = Client()
        self.other = Client("other", priority=(1, 0))
        self.log = []
        self.scoped = AsyncScopedValue("outside")

    # Success

    def loads(self, number):
        assert load_all(self.client, range(5)) == [("client", key) for key in range(5)]

    def shares_a_task(self, number):
        assert ask_twice(self.client) == [("client", 1)] * 2

    def takes_from_a_generator(self, number):
        values = take_first(elements(self.client), 3)
        assert values == [("client", key) for key in range(3)]

    def calls_synchronously(self, number):
        assert calls_synchronously(self.client, 3) == ("client", 0)

    def waits_for_all_kinds_of_futures(self, number):
        promise = FutureBase()
        values = wait_for_all(self.client, promise, Future(lambda: 2), ConstFuture(3))
        assert values == {"all": [1, (2, 3)]}

    # Errors

    def fails(self, number):
        assert_raises(Refused, fail_below, self.client, 3)

    def fails_and_is_caught(self, number):
        assert catch(self.client) == ("client", "after")

    def fails_in_a_synchronous_call(self, number):
        assert_raises(Refused, fail_in_synchronous_call, self.client)

    def fails_in_a_future(self, number):
        assert_raises(Refused, wait_for_error_future)
        assert_raises(ZeroDivisionError, wait_for_failing_provider)

    def yields_what_can_not_be_waited_for(self, number):
        assert_raises(TypeError, wait_for, "text")

    # Abandoned

    def makes_a_task_that_never_runs(self, number):
        load.asynq(self.client, number)

    def leaves_tasks_behind(self, number):
        assert_raises(AssertionError, leave_behind, self.client)
        self.client.current_batch.cancel()

    def sets_the_value_of_a_task_that_waits(self, number):
        assert set_from_outside(self.client) == ["set", None]
        self.client.current_batch.cancel()

    def is_interrupted(self, number):
        assert_raises(KeyboardInterrupt, interrupted, self.client)
        self.client.current_batch.cancel()

    # Contexts

    def enters_contexts(self, number):
        enter_contexts(self)
        assert self.log and self.scoped() == "outside"
        del self.log[:]

    def has_a_context_that_fails(self, number):
        assert_raises(Refused, enter_failing, self.client)
        self.client.current_batch.cancel()

    # Caches

    def caches(self, number):
        assert self.cached(number % 20) == ("client", number % 20)

    def caches_per_instance(self, number):
        instance = Instance(self.client)
        assert ask_instance(instance, number) == [("client", number)] * 3

    def caches_errors_not(self, number):
        assert_raises(Refused, cached_failure, self.client)

    def caches_a_constant(self, number):
        if number % 3 == 0:
            constant.dirty()
        assert constant() == 1

    def deduplicates(self, number):
        assert ask_deduplicated(self.client, number) == [("client", number)] * 3
        deduplicated.asynq(self.client, -1)  # never runs
        deduplicated.dirty(self.client, number)

    @acached_per_instance()
    @asynq.asynq()
    def cached(self, key):
        result((yield self.client.get(key)))

    # Flushes that fail

    def fails_to_flush(self, number):
        self.client.fails_with = Refused()
        try:
            assert_raises(Refused, load_all, self.client, range(3))
        finally:
            self.client.fails_with = None

    def gets_errors_for_items(self, number):
        self.client.errors = {1: Refused()}
        try:
            assert_raises(Refused, load_all, self.client, range(3))
        finally:
            self.client.errors = {}

    def fails_in_two_batches(self, number):
        self.other.fails_with = Refused()
        try:
            assert load_from_both(self.client, self.other) == (("client", 1), "refused")
        finally:
            self.other.fails_with = None

    # Knots

    def waits_for_what_nobody_computes(self, number):
        assert_raises(AsyncTaskError, wait_for, FutureBase())

    def waits_for_itself(self, number):
        assert wait_in_a_circle(self.client) == "caught"

    def calls_itself(self, number):
        assert_raises(AsyncTaskError, call_itself)


def assert_raises(error_cls, fn, *args):
    try:
        fn(*args)
    except error_cls:
        pass
    else:
        raise AssertionError("%s was not raised" % error_cls)


@asynq.asynq()
def load(client, key):
    result((yield client.get(key)))


@asynq.asynq()
def load_all(client, keys):
    result((yield [load.asynq(client, key) for key in keys]))


@asynq.asynq()
def ask_twice(client):
    shared = load.asynq(client, 1)
    result((yield [wait_for.asynq(shared), wait_for.asynq(shared)]))


@asynq.asynq()
def wait_for(future):
    result((yield future))


# A frame with the future in a variable would be in a cycle: future, error, traceback, frame.
@asynq.asynq()
def wait_for_error_future():
    yield ErrorFuture(Refused())


@asynq.asynq()
def wait_for_failing_provider():
    yield Future(lambda: 1 // 0)


@async_generator()
def elements(client):
    for key in range(5):
        value = yield client.get(key)
        yield Value(value)


@asynq.asynq()
def calls_synchronously(client, n):
    if n:
        result(calls_synchronously(client, n - 1))
    result((yield client.get(0)))


@asynq.asynq()
def wait_for_all(client, promise, future, const):
    values = yield {"all": [promise, (future, const)]}, set_promise.asynq(client, promise)
    result(values[0])


@asynq.asynq()
def set_promise(client, promise):
    yield client.get("promise")
    promise.set_value(1)


@asynq.asynq()
def fail_below(client, levels):
    if levels:
        yield fail_below.asynq(client, levels - 1)
    yield client.get("key")
    raise Refused()


@asynq.asynq()
def catch(client):
    try:
        yield [fail_below.asynq(client, 2), fail_below.asynq(client, 1)]
    except Refused:
        pass
    result((yield client.get("after")))


@asynq.asynq()
def fail_in_synchronous_call(client):
    yield client.get("before")
    fail_below(client, 2)


class Forbidden(asynq.NonAsyncContext):
    pass


@asynq.asynq()
def leave_behind(client):
    with Forbidden():
        yield [load_all.asynq(client, range(3)), ask_twice.asynq(client)]


@asynq.asynq()
def set_from_outside(client):
    waiting = load.asynq(client, 1)
    result((yield [waiting, set_value.asynq(waiting)]))


@asynq.asynq()
def set_value(task):
    task.set_value("set")


@asynq.asynq()
def interrupted(client):
    yield [load.asynq(client, 1), interrupt.asynq(client)]


@asynq.asynq()
def interrupt(client):
    yield client.get("before")
    raise KeyboardInterrupt()


@asynq.asynq()
def enter_contexts(requests):
    yield [enter_one.asynq(requests, name) for name in ("a", "b")]


@asynq.asynq()
def enter_one(requests, name):
    with Recorded(requests.log, name), requests.scoped.override(name), AsyncTimer():
        yield load.asynq(requests.client, name)
        assert requests.scoped() == name


class FailsToPause(asynq.AsyncContext):
    def resume(self):
        pass

    def pause(self):
        raise Refused()


@asynq.asynq()
def enter_failing(client):
    with FailsToPause():
        yield load.asynq(client, 1)


class Instance(object):
    def __init__(self, client):
        self.client = client

    @acached_per_instance()
    @asynq.asynq()
    def get(self, key):
        result((yield self.client.get(key)))


@asynq.asynq()
def ask_instance(instance, key):
    result((yield [instance.get.asynq(key) for _ in range(3)]))


@alru_cache(maxsize=10)
@asynq.asynq()
def cached_failure(client):
    yield client.get("key")
    raise Refused()


@alazy_constant()
@asynq.asynq()
def constant():
    yield ConstFuture(None)
    result(1)


@deduplicate()
@asynq.asynq()
def deduplicated(client, key):
    result((yield client.get(key)))


@asynq.asynq()
def ask_deduplicated(client, key):
    result((yield [deduplicated.asynq(client, key) for _ in range(3)]))


@asynq.asynq()
def load_from_both(client, other):
    result((yield load.asynq(client, 1), refused.asynq(other)))


@asynq.asynq()
def refused(client):
    try:
        yield client.get(1)
    except Refused:
        result("refused")


@asynq.asynq()
def wait_in_a_circle(client):
    tasks = {}
    tasks["a"] = wait_for_named.asynq(tasks, "b")
    tasks["b"] = wait_for_named.asynq(tasks, "a")
    try:
        yield tasks["a"]
    except AsyncTaskError:
        tasks.clear()
        result("caught")


@asynq.asynq()
def wait_for_named(tasks, name):
    yield tasks[name]


@asynq.asynq()
def call_itself():
    get_active_task().value()
    yield


KINDS = sorted(name for name in vars(Requests) if name[0] != "_" and name != "cached")
if not CAN_RELINK_TRACEBACKS:
    # The frames of the call stay in its error's traceback, and hold the task: a cycle.
    KINDS.remove("calls_itself")


def serve(requests, first, last):
    for number in range(first, last):
        getattr(requests, KINDS[number % len(KINDS)])(number)
        del requests.client.requests[:], requests.other.requests[:]
        assert get_active_task() is None
        assert get_scheduler().current_run is None


def holdings():
    """What the process holds now."""
    if sys.version_info < (3,):
        gc.collect()  # frames hold the errors that they handle: cycles, but not the library's
    found = {"objects": len(gc.get_objects())}
    if tracemalloc is not None:
        ours = os.path.join(os.path.dirname(asynq.__file__), "*.py")
        snapshot = tracemalloc.take_snapshot()
        traces = snapshot.filter_traces([tracemalloc.Filter(True, ours)]).traces
        found["blocks"] = len(traces)
        found["bytes"] = sum(trace.size for trace in traces)
    return found


def main(count):
    options.DUMP_PRE_ERROR_STATE = False  # knots are part of the plan
    gc.collect()
    gc.disable()
    requests = Requests()
    if (3, 8) <= sys.version_info < (3, 11):
        # These Pythons give each function a cache when it is called for the 1,024th time.
        serve(requests, 0, 1024 * len(KINDS))
    if tracemalloc is not None:
        tracemalloc.start()
    report = {"kinds": len(KINDS)}
    # Both times after a whole round of the kinds: what is alive depends on who was the last.
    first, last = [number - number % len(KINDS) for number in (FIRST, count)]
    serve(requests, 0, first)
    report["after_the_first"] = holdings()
    serve(requests, first, last)
    report["at_the_end"] = holdings()
    report["in_cycles"] = gc.collect()
    sys.stdout.write(json.dumps(report))


if __name__ == "__main__":
    main(int(sys.argv[1]))
