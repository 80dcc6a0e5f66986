"""Depth and width are bounded by memory, not by the interpreter's stack."""

import subprocess
import sys

import pytest

import asynq
from asynq import ConstFuture, result
from asynq.debug import options

from .helpers import Client

DEEP = 100000


@asynq.asynq()
def count_down(n, future):
    if n == 0:
        result((yield future))
    result((yield count_down.asynq(n - 1, future)) + 1)


@asynq.asynq()
def fail_deep_down(n):
    if n == 0:
        raise ValueError("bottom")
    yield fail_deep_down.asynq(n - 1)


def test_a_long_chain_brings_its_value_up():
    client = Client()

    @asynq.asynq()
    def zero():
        yield client.get("key")
        result(0)

    assert count_down(DEEP, ConstFuture(0)) == DEEP
    assert count_down(DEEP, zero.asynq()) == DEEP
    assert client.requests == [["key"]]


def test_a_long_chain_brings_its_error_up():
    with pytest.raises(ValueError, match="bottom") as info:
        fail_deep_down(DEEP)
    levels = 0
    traceback = info.value.__traceback__ if sys.version_info >= (3,) else sys.exc_info()[2]
    while traceback is not None:
        levels += traceback.tb_frame.f_code.co_name == "fail_deep_down"
        traceback = traceback.tb_next
    assert levels == DEEP + 1 or sys.version_info < (3,)


def test_a_long_chain_can_be_taken_over_by_an_inner_run():
    client = Client()

    @asynq.asynq()
    def zero():
        yield client.get("key")
        result(0)

    @asynq.asynq()
    def ask(task):
        result(task.value())
        yield

    @asynq.asynq()
    def outer():
        chain = count_down.asynq(DEEP, zero.asynq())
        result((yield chain, ask.asynq(chain)))

    assert outer() == (DEEP, DEEP)
    assert client.requests == [["key"]]


def test_a_long_chain_that_nobody_waits_for_any_longer_is_let_go():
    client = Client()

    class Refusing(asynq.NonAsyncContext):
        pass

    @asynq.asynq()
    def zero():
        yield client.get("key")

    @asynq.asynq()
    def refuse():
        with Refusing():
            yield count_down.asynq(DEEP, zero.asynq())

    with pytest.raises(AssertionError, match="cannot yield while"):
        refuse()


def test_containers_may_be_nested_deeply():
    client = Client()

    @asynq.asynq()
    def nested():
        structure = client.get("key")
        for _ in range(1000):
            structure = [structure]
        result((yield structure))

    value = nested()
    for _ in range(1000):
        (value,) = value
    assert value == ("client", "key")


def test_many_tasks_may_wait_for_one():
    client = Client()

    @asynq.asynq()
    def wait_for(task):
        result((yield task))

    @asynq.asynq()
    def all_wait():
        shared = load.asynq()
        values = yield [wait_for.asynq(shared) for _ in range(10000)]
        result(set(values))

    @asynq.asynq()
    def load():
        result((yield client.get("key")))

    assert all_wait() == {("client", "key")}


@asynq.asynq()
def recurse_without_end(n):
    yield recurse_without_end.asynq(n + 1)


@pytest.fixture
def at_most_100_deep():
    former = options.MAX_TASK_STACK_SIZE
    options.MAX_TASK_STACK_SIZE = 100
    yield
    options.MAX_TASK_STACK_SIZE = former


def test_recursion_without_end_is_stopped_in_the_task_that_went_too_far(at_most_100_deep):
    caught = []

    @asynq.asynq()
    def recurse(n):
        try:
            yield recurse.asynq(n + 1)
        except RuntimeError:
            caught.append(n)
            raise

    @asynq.asynq()
    def with_sibling():
        client = Client()
        sibling = count_down.asynq(10, client.get("key"))
        try:
            yield recurse.asynq(2), [recurse_without_end.asynq(2)]
        except RuntimeError as error:
            message = str(error)
        yield sibling.is_computed() or none()
        result(message)

    @asynq.asynq()
    def none():
        pass

    assert with_sibling().startswith("Number of scheduled tasks exceeded maximum threshold.")
    assert caught == list(range(100, 1, -1))
    assert count_down(50, ConstFuture(1)) == 51


def test_recursion_through_structures_is_stopped_as_well(at_most_100_deep):
    @asynq.asynq()
    def recurse(n):
        yield [None, {"deeper": recurse.asynq(n + 1)}]

    with pytest.raises(RuntimeError, match="exceeded maximum threshold"):
        recurse(1)


def test_at_the_limit_a_task_can_still_wait_for_everything_but_tasks(at_most_100_deep):
    client = Client()

    @asynq.asynq()
    def recurse(n, done):
        if n == 0:
            result((yield [done, client.get(1)]))
        result((yield recurse.asynq(n - 1, done)))

    done = count_down.asynq(1, ConstFuture(1))
    done.value()
    assert recurse(99, done) == [2, ("client", 1)]


def test_width_is_not_bounded_by_the_depth_limit(at_most_100_deep):
    @asynq.asynq()
    def wide():
        result(sum((yield [count_down.asynq(1, ConstFuture(0)) for _ in range(1000)])))

    assert wide() == 1000


def test_a_chain_may_be_exactly_as_deep_as_the_limit(at_most_100_deep):
    assert count_down(99, ConstFuture(0)) == 99
    with pytest.raises(RuntimeError, match="exceeded maximum threshold"):
        count_down(100, ConstFuture(0))


NESTED_CALLS = """
import sys
from asynq import asynq, ConstFuture

functions, methods = map(int, sys.argv[1:])

@asynq()
def plain(n):
    if n > 1:
        plain(n - 1)

@asynq()
def before_a_yield(n):
    if n > 1:
        before_a_yield(n - 1)
    yield

@asynq()
def after_a_yield(n):
    yield ConstFuture(n)
    if n > 1:
        after_a_yield(n - 1)

class Methods(object):
    @asynq()
    def plain(self, n):
        if n > 1:
            self.plain(n - 1)

    @asynq()
    def generator(self, n):
        yield ConstFuture(n)
        if n > 1:
            self.generator(n - 1)

for call in (plain, before_a_yield, after_a_yield):
    call(functions)
for call in (Methods().plain, Methods().generator):
    call(methods)
"""

# Older Pythons count calls of C functions twice.
NESTED_LEVELS = [245, 190] if sys.version_info >= (3, 7) else [160, 160]


def test_synchronous_calls_can_be_nested_245_times():
    subprocess.check_call([sys.executable, "-c", NESTED_CALLS] + list(map(str, NESTED_LEVELS)))


@pytest.mark.skipif(
    hasattr(sys, "pypy_version_info"), reason="PyPy itself crashes when the stack is full at times"
)
@pytest.mark.parametrize("catch", [False, True])
def test_after_the_stack_was_full_anywhere_the_next_call_works(catch, capsys):
    client = Client()
    items = []

    @asynq.asynq()
    def recurse(n):
        items.append(client.get(n))
        yield items[-1], count_down.asynq(1, ConstFuture(0))
        try:
            recurse(n + 1)
        except RuntimeError:
            if not catch:
                raise

    def with_less_stack(frames):
        if frames:
            return with_less_stack(frames - 1)
        if catch:
            return recurse(0)
        with pytest.raises(RuntimeError, match="recursion"):
            recurse(0)

    # A level takes fewer frames than that, so that the stack is full at each place once.
    for frames in range(30):
        with_less_stack(frames)
        assert asynq.get_active_task() is None
        assert "(0 tasks, 0 batches; active task: None)" in str(asynq.get_scheduler())
        assert client.get("next").value() == ("client", "next")
        assert all(item.is_computed() for item in items)
        del items[:]
