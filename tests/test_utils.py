import pytest

import asynq
from asynq import AsyncTaskResult, ConstFuture, asynq as async_fn, result, utils

from .helpers import Client

await_ = getattr(utils, "await")


def test_result_ends_a_generator_with_a_value():
    @async_fn()
    def task():
        value = yield ConstFuture(1)
        result(value + 1)
        raise AssertionError("not reached")

    assert task() == 2


def test_result_ends_a_plain_function_with_a_value():
    @async_fn()
    def task():
        result(3)

    assert task() == 3


def test_result_is_not_caught_by_except_exception():
    @async_fn()
    def task():
        try:
            result((yield ConstFuture(1)))
        except Exception:
            result("caught")

    assert task() == 1


def test_result_raises_an_exception_that_holds_the_value():
    with pytest.raises(AsyncTaskResult) as caught:
        result(4)
    assert caught.value.result == 4


def test_result_refuses_a_future():
    with pytest.raises(AssertionError) as caught:
        result(ConstFuture(1))
    assert "You probably forgot to yield this value before returning" in str(caught.value)


def test_await_returns_the_value_of_one_argument():
    assert await_(ConstFuture(1)) == 1
    assert await_([ConstFuture(1), {"a": ConstFuture(2)}, None]) == [1, {"a": 2}, None]


def test_await_returns_the_values_of_several_arguments_and_computes_them_together():
    client = Client()

    @async_fn()
    def get(key):
        result((yield client.get(key)))

    assert await_(get.asynq(1), [get.asynq(2), client.get(3)]) == (
        ("client", 1),
        [("client", 2), ("client", 3)],
    )
    # Items are in the batch from when they are made.
    assert client.requests == [[3, 1, 2]]


def test_await_raises_the_error_of_a_future():
    with pytest.raises(KeyError):
        await_(ConstFuture(1), asynq.ErrorFuture(KeyError("a")))


def test_await_refuses_what_is_no_future():
    with pytest.raises(TypeError) as caught:
        await_(1)
    assert "Cannot unwrap an object of type" in str(caught.value)


def test_await_needs_an_argument():
    with pytest.raises(AssertionError) as caught:
        await_()
    assert "await() expected at least one future, got none" in str(caught.value)


def test_await_is_also_a_name_of_the_package():
    assert getattr(asynq, "await") is await_
    assert await_.__name__ == "await"
