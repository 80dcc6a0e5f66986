"""The examples with which asynq was first presented, in the spelling that every Python has."""

import contextlib
import warnings

import pytest

import asynq
from asynq import ConstFuture, async_proxy, is_async_fn, result
from asynq.batching import DebugBatchItem

from .helpers import Client

# Names of authors


@asynq.asynq()
def author_of_answer(answers, aid):
    _, key = yield answers.get(aid)
    result(key % 3)


@asynq.asynq()
def name_of_user(users, uid):
    _, key = yield users.get(uid)
    result("ABC"[key])


@asynq.asynq()
def all_author_names(answers, users, aids):
    uids = yield [author_of_answer.asynq(answers, aid) for aid in aids]
    names = yield [name_of_user.asynq(users, uid) for uid in uids]
    result(names)


def test_all_author_names_are_found_with_one_request_for_each_kind():
    answers, users = Client(), Client()
    assert all_author_names(answers, users, range(4)) == ["A", "B", "C", "A"]
    assert answers.requests == [[0, 1, 2, 3]]
    assert users.requests == [[0, 1, 2, 0]]


def test_the_value_of_the_task_is_the_result_of_the_call():
    assert all_author_names.asynq(Client(), Client(), range(4)).value() == ["A", "B", "C", "A"]


def test_an_async_function_is_called_asynchronously_by_yielding_its_task():
    @asynq.asynq()
    def caller():
        names = yield all_author_names.asynq(Client(), Client(), range(4))
        result(names)

    assert caller() == ["A", "B", "C", "A"]


# A function of one's own that calls any function


@async_proxy()
def async_call(fn, *args, **kwargs):
    if is_async_fn(fn):
        return fn.asynq(*args, **kwargs)
    return ConstFuture(fn(*args, **kwargs))


@pytest.mark.parametrize("call", [async_call, asynq.async_call], ids=["own", "asynq"])
def test_async_call_calls_both_kinds_of_functions(call):
    client = Client()

    @asynq.asynq()
    def load(key, default=None):
        value = yield client.get(key)
        result((value, default))

    @asynq.asynq()
    def caller():
        values = yield (
            call.asynq(load, 1, default="d"),
            call.asynq(load, 2),
            call.asynq(divmod, 7, 2),
        )
        result(values)

    assert caller() == ((("client", 1), "d"), (("client", 2), None), (3, 1))
    assert client.requests == [[1, 2]]
    assert call(divmod, 7, 2) == (3, 1)


# Warnings


class catch_warnings(asynq.AsyncContext):
    def pause(self):
        self._filters.__exit__(None, None, None)

    def resume(self):
        self._filters = warnings.catch_warnings()
        self._filters.__enter__()
        warnings.simplefilter("ignore")


@contextlib.contextmanager
def plain_catch_warnings():
    """The same, but active from beginning to end."""
    context = catch_warnings()
    context.resume()
    try:
        yield
    finally:
        context.pause()


@asynq.asynq()
def do_something_that_creates_a_warning():
    yield DebugBatchItem()
    warnings.warn("something")


@asynq.asynq()
def show_warning():
    yield do_something_that_creates_a_warning.asynq()


@asynq.asynq()
def suppress_warning(context):
    with context():
        yield show_warning.asynq()


@asynq.asynq()
def caller(context):
    yield show_warning.asynq(), suppress_warning.asynq(context)


def number_of_warnings_shown(context):
    with warnings.catch_warnings(record=True) as shown:
        warnings.simplefilter("always")
        caller(context)
    return len(shown)


def test_only_the_warning_outside_of_the_context_is_shown():
    assert number_of_warnings_shown(catch_warnings) == 1


def test_an_ordinary_context_manager_would_suppress_both():
    assert number_of_warnings_shown(plain_catch_warnings) == 0
