"""The spelling of 0.1.4, on the Pythons where it is syntax: ``@async()``, ``f.async(x)``, ``await``.

The examples with which asynq was first presented stand here word for word.

"""

import warnings as standard_warnings

import asynq
from asynq import AsyncTask, ConstFuture, async, async_proxy, await, is_async_fn, result
from asynq.batching import DebugBatchItem
from asynq.mock import patch
from asynq.tools import deduplicate

from .helpers import Client

# Names of authors

answers, users = Client(), Client()


@async()
def author_of_answer(aid):
    _, key = yield answers.get(aid)
    result(key % 3); return


@async()
def name_of_user(uid):
    _, key = yield users.get(uid)
    result("ABC"[key]); return


@async()
def all_author_names(aids):
    uids = yield [author_of_answer.async(aid) for aid in aids]
    names = yield [name_of_user.async(uid) for uid in uids]
    result(names); return


def test_all_author_names_are_found_with_one_request_for_each_kind():
    del answers.requests[:], users.requests[:]
    assert all_author_names(range(4)) == ["A", "B", "C", "A"]
    assert answers.requests == [[0, 1, 2, 3]]
    assert users.requests == [[0, 1, 2, 0]]


def test_an_async_function_is_called_synchronously_and_asynchronously():
    @async()
    def async_fn(a, b):
        author = yield author_of_answer.async(a)
        result((author, b))

    @async()
    def caller(a, b):
        result = yield async_fn.async(a, b)
        asynq.result(result)

    a, b = 4, 5
    result_of_call = async_fn(a, b)
    assert result_of_call == async_fn.async(a, b).value() == caller(a, b) == (1, 5)
    assert isinstance(async_fn.async(a, b), AsyncTask)


# A function of one's own that calls any function


@async_proxy()
def async_call(fn, *args, **kwargs):
    if is_async_fn(fn):
        # Returns an AsyncTask
        return fn.async(*args, **kwargs)
    return ConstFuture(fn(*args, **kwargs))


def test_async_call_calls_both_kinds_of_functions():
    @async()
    def root():
        result((yield async_call.async(name_of_user, 1), async_call.async(divmod, 7, 2)))

    assert root() == ("B", (3, 1))
    assert async_call(name_of_user, 2) == "C"


# Warnings


class catch_warnings(asynq.AsyncContext):
    def pause(self):
        stop_catching_warnings()

    def resume(self):
        start_catching_warnings()


caught = []


def start_catching_warnings():
    caught.append(standard_warnings.catch_warnings())
    caught[-1].__enter__()
    standard_warnings.simplefilter("ignore")


def stop_catching_warnings():
    caught.pop().__exit__(None, None, None)


class warnings(object):
    """The standard module, with the version of ``catch_warnings`` that asynq can pause."""

    catch_warnings = catch_warnings
    warn = staticmethod(standard_warnings.warn)


@async()
def do_something_that_creates_a_warning():
    yield DebugBatchItem()
    warnings.warn("something")


@async()
def show_warning():
    yield do_something_that_creates_a_warning.async()

@async()
def suppress_warning():
    with warnings.catch_warnings():
        yield show_warning.async()

@async()
def caller():
    yield show_warning.async(), suppress_warning.async()


def test_only_the_warning_outside_of_the_context_is_shown():
    with standard_warnings.catch_warnings(record=True) as shown:
        standard_warnings.simplefilter("always")
        caller()
    assert [str(warning.message) for warning in shown] == ["something"]


# What else has the spelling


def test_await_waits_for_futures_wherever_it_is_called():
    assert await(name_of_user.async(1)) == "B"
    assert await(name_of_user.async(1), [name_of_user.async(2)]) == ("B", ["C"])


class User(object):
    @async()
    def method(self):
        result((yield name_of_user.async(0)))

    @async()
    @classmethod
    def class_method(cls):
        result((yield name_of_user.async(1)))

    @staticmethod
    @async()
    def static_method():
        result((yield name_of_user.async(2)))


@deduplicate()
@async()
def deduplicated():
    result((yield name_of_user.async(0)))


def test_methods_and_what_tools_make_have_it_too():
    @async()
    def root():
        one = User()
        values = yield one.method.async(), one.class_method.async(), User.static_method.async()
        result(values + ((yield deduplicated.async()),))

    assert root() == ("A", "B", "C", "A")


def test_a_mocked_function_has_it_too():
    with patch(__name__ + ".name_of_user", lambda uid: "mocked"):
        assert name_of_user.async(1).value() == "mocked"
    assert name_of_user.async(1).value() == "B"


def test_the_decorator_takes_its_options():
    @async(pure=True)
    def pure():
        result((yield name_of_user.async(1)))

    @async(sync_fn=lambda: "synchronous")
    def pair():
        result("asynchronous")

    assert pure().value() == "B"
    assert (pair(), pair.async().value()) == ("synchronous", "asynchronous")
