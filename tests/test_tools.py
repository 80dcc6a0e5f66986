import copy
import gc
import pickle
import sys
import threading
import time
import weakref

import pytest
import qcore

import asynq
from asynq import (
    AsyncTask,
    ConstFuture,
    ErrorFuture,
    async_proxy,
    asynq as async_fn,
    get_active_task,
    result,
)
from asynq.tools import (
    AsyncEventHook,
    AsyncTimer,
    DeduplicateDecorator,
    acached_per_instance,
    afilter,
    afilterfalse,
    alazy_constant,
    alru_cache,
    amap,
    amax,
    amin,
    aretry,
    asift,
    asorted,
    call_with_context,
    deduplicate,
)

from .helpers import Client, Recorded, collect_garbage, counts_references


@pytest.fixture
def client():
    return Client()


@pytest.fixture
def negated(client):
    @async_fn()
    def negated(number):
        yield client.get(number)
        result(-number)

    return negated


@pytest.fixture
def is_odd(client):
    @async_fn()
    def is_odd(number):
        yield client.get(number)
        result(number % 2)

    return is_odd


@async_fn()
def run_together(*tasks):
    result((yield list(tasks)))


# On many values at once


def test_amap_asks_for_all_at_once(client, negated):
    assert amap(negated, [1, 2, 3]) == [-1, -2, -3]
    assert amap(negated, iter([4, 5])) == [-4, -5]
    assert amap(negated, []) == []
    assert client.requests == [[1, 2, 3], [4, 5]]


def test_amap_needs_an_async_function():
    with pytest.raises(AttributeError):
        amap(lambda number: number, [1])


def test_afilter_keeps_what_is_true(client, is_odd):
    assert afilter(is_odd, range(4)) == [1, 3]
    assert afilter(is_odd, (number for number in [5, 6])) == [5]
    assert client.requests == [[0, 1, 2, 3], [5, 6]]


def test_afilter_by_none_keeps_true_elements():
    assert afilter(None, iter([0, 1, "", "a"])) == [1, "a"]


def test_afilterfalse_keeps_what_is_false(client, is_odd):
    assert afilterfalse(is_odd, range(4)) == [0, 2]
    assert afilterfalse(is_odd, (number for number in [5, 6])) == [6]
    assert client.requests == [[0, 1, 2, 3], [5, 6]]


def test_afilterfalse_by_none_keeps_false_elements():
    assert afilterfalse(None, iter([0, 1, "", "a"])) == [0, ""]


def test_asift_splits_any_iterable(client, is_odd):
    assert asift(is_odd, range(4)) == ([1, 3], [0, 2])
    assert asift(is_odd, iter([4, 5])) == ([5], [4])
    assert asift(is_odd, []) == ([], [])
    assert client.requests == [[0, 1, 2, 3], [4, 5]]


def test_asorted_sorts_by_an_async_key(client, negated):
    assert asorted([2, 3, 1], key=negated) == [3, 2, 1]
    assert asorted([2, 3, 1], key=negated, reverse=True) == [1, 2, 3]
    assert asorted(iter([2, 3, 1])) == [1, 2, 3]
    assert asorted([2, 3, 1], reverse=True) == [3, 2, 1]
    assert asorted([], key=negated) == []
    assert client.requests == [[2, 3, 1], [2, 3, 1]]


class Incomparable(object):
    def __lt__(self, other):
        raise AssertionError("compared")

    __gt__ = __lt__


@async_fn()
def the_same(value):
    return 1


@pytest.mark.parametrize("reverse", [False, True])
def test_asorted_is_stable_and_compares_only_keys(reverse):
    values = [Incomparable(), Incomparable(), Incomparable()]
    assert asorted(values, key=the_same, reverse=reverse) == values


def test_amax_and_amin_compare_by_an_async_key(client, negated):
    assert amax([2, 3, 1], key=negated) == 1
    assert amin(iter([2, 3, 1]), key=negated) == 3
    assert amax(2, 3, 1, key=negated) == 1
    assert amin(2, 3, 1) == 1
    assert amax([2, 3, 1]) == 3
    assert amax([2, 3, 1], key=None) == 3
    assert client.requests == [[2, 3, 1]] * 3


@pytest.mark.parametrize("function", [amax, amin])
def test_amax_and_amin_return_the_first_of_equals_and_compare_only_keys(function):
    values = [Incomparable(), Incomparable()]
    assert function(values, key=the_same) is values[0]


@pytest.mark.parametrize("function", [amax, amin])
def test_amax_and_amin_of_nothing_are_the_default(function, negated):
    assert function([], default=None) is None
    assert function(iter([]), key=negated, default=3) == 3
    assert function([1], default=3) == 1
    with pytest.raises(ValueError) as caught:
        function([])
    assert str(caught.value) == "%s() arg is an empty sequence" % function.__name__


@pytest.mark.parametrize("function", [amax, amin])
def test_amax_and_amin_say_which_arguments_are_wrong(function):
    name = function.__name__
    with pytest.raises(TypeError) as caught:
        function([1], other=2)
    assert str(caught.value) == "%s() got an unexpected keyword argument" % name
    with pytest.raises(TypeError) as caught:
        function()
    assert str(caught.value) == "%s() expected 1 arguments, got 0" % name
    with pytest.raises(TypeError) as caught:
        function(1, 2, default=3)
    assert str(caught.value) == "%s() takes a default only together with one iterable" % name
    with pytest.raises(TypeError):
        function(1)


# acached_per_instance


class Owner(object):
    """Neither hashable nor comparable, with a __reduce__ of its own."""

    __hash__ = None

    def __init__(self, client):
        self.client = client

    def __eq__(self, other):
        raise AssertionError("compared")

    def __reduce__(self):
        return (Owner, (None,))

    @acached_per_instance()
    @async_fn()
    def get(self, key, other=0):
        """Get."""
        value = yield self.client.get((key, other))
        result(value)


def test_a_cached_method_computes_each_value_once_per_instance(client):
    first, second = Owner(client), Owner(client)
    assert first.get(1) == ("client", (1, 0))
    assert first.get(1) == ("client", (1, 0))
    assert isinstance(first.get.asynq(1), AsyncTask)
    assert first.get.asynq(2).value() == ("client", (2, 0))
    assert second.get(1) == ("client", (1, 0))
    assert client.requests == [[(1, 0)], [(2, 0)], [(1, 0)]]


def test_a_cached_method_takes_equal_arguments_for_equal(client):
    owner = Owner(client)
    for value in owner.get(1), owner.get(key=1), owner.get(1, 0), owner.get(other=0, key=1):
        assert value == ("client", (1, 0))
    assert owner.get(1, other=5) == ("client", (1, 5))
    assert owner.get(1, other=6) == ("client", (1, 6))
    assert client.requests == [[(1, 0)], [(1, 5)], [(1, 6)]]


def test_a_cached_method_names_the_argument_that_is_missing(client):
    with pytest.raises(TypeError) as caught:
        Owner(client).get()
    assert str(caught.value) == "Missing argument 'key'"


def test_a_cached_method_computes_a_value_once_while_it_is_under_way(client):
    owner, other = Owner(client), Owner(client)
    values = run_together(owner.get.asynq(1), owner.get.asynq(key=1), other.get.asynq(1))
    assert values == [("client", (1, 0))] * 3
    assert client.requests == [[(1, 0), (1, 0)]]


def test_a_cached_method_shares_an_error_and_does_not_cache_it(client):
    error = client.errors[(1, 0)] = KeyError("a")
    owner = Owner(client)

    @async_fn()
    def asks():
        try:
            yield owner.get.asynq(1)
        except KeyError as caught:
            result(caught)

    assert run_together(asks.asynq(), asks.asynq()) == [error, error]
    client.errors.clear()
    assert owner.get(1) == ("client", (1, 0))
    assert client.requests == [[(1, 0)], [(1, 0)]]


def test_a_cached_method_can_cache_none():
    calls = []

    class Nothing(object):
        @acached_per_instance()
        @async_fn()
        def get(self):
            calls.append(1)

    nothing = Nothing()
    assert nothing.get() is None
    assert nothing.get() is None
    assert calls == [1]


def test_a_cached_method_forgets_an_instance_that_is_gone(client):
    cache = Owner.get.decorator.__acached_per_instance_cache__
    owner = Owner(client)
    owner.get(1)
    reference, values = cache[id(owner)]
    assert reference() is owner
    assert list(values.values()) == [("client", (1, 0))]
    key = id(owner)
    del owner
    collect_garbage()
    assert key not in cache


def test_a_cache_of_methods_may_be_cleared_while_a_value_is_computed(client):
    owner = Owner(client)
    tasks = owner.get.asynq(1), owner.get.asynq(2)
    Owner.get.decorator.__acached_per_instance_cache__.clear()
    assert run_together(*tasks) == [("client", (1, 0)), ("client", (2, 0))]
    assert owner.get(1) == owner.get(1) == ("client", (1, 0))
    assert client.requests == [[(1, 0), (2, 0)], [(1, 0)]]


def test_a_cached_method_needs_its_instance():
    with pytest.raises(TypeError) as caught:
        Owner.get()
    assert str(caught.value) == "Missing argument 'self'"


def test_instances_with_a_cached_method_pickle_and_copy(client):
    owner = Owner(client)
    owner.get(1)
    assert pickle.loads(pickle.dumps(owner)).client is None
    assert copy.copy(owner).client is None


def test_a_cached_method_keeps_its_name_and_documentation():
    assert Owner.get.__name__ == "get"
    assert Owner.get.__doc__ == "Get."


def test_a_cached_method_can_be_pure(client):
    class Pure(object):
        @acached_per_instance()
        @async_fn(pure=True)
        def get(self, key):
            result((yield client.get(key)))

    pure = Pure()
    assert pure.get(1) == ("client", 1)
    assert pure.get(1) == ("client", 1)
    assert client.requests == [[1]]


def test_a_cached_method_refuses_arguments_that_are_not_hashable(client):
    with pytest.raises(TypeError):
        Owner(client).get([])


# alru_cache


@pytest.fixture
def cached(client):
    @alru_cache(maxsize=2)
    @async_fn()
    def cached(a, b=0, *rest, **others):
        """Cached."""
        yield client.get((a, b) + rest)
        result((a, b, rest, others))

    return cached


def test_a_cache_computes_equal_calls_once(client, cached):
    for value in cached(1), cached(a=1), cached(1, 0), cached(b=0, a=1):
        assert value == (1, 0, (), {})
    assert client.requests == [[(1, 0)]]


@pytest.mark.parametrize(
    "first, second",
    [
        (((1,), {"b": 5}), ((1,), {"b": 6})),
        (((1, 0, 7), {}), ((1, 0), {"c": 7})),
        (((1, 0, ("c", 7)), {}), ((1, 0), {"c": 7})),
        (((1,), {"c": 7}), ((1,), {"d": 7})),
    ],
)
def test_a_cache_keeps_different_calls_apart(client, cached, first, second):
    assert cached(*first[0], **first[1]) != cached(*second[0], **second[1])
    assert len(client.requests) == 2


def test_a_cache_does_not_accept_a_call_that_the_function_would_not(cached):
    cached(1)
    with pytest.raises(TypeError) as caught:
        cached(1, a=1)
    assert "multiple values" in str(caught.value)
    with pytest.raises(TypeError) as caught:
        cached(b=1)
    assert str(caught.value) == "Missing argument 'a'"


def test_a_cache_drops_the_value_that_was_used_least_recently(client, cached):
    cached(1), cached(2), cached(1), cached(3)
    assert client.requests == [[(1, 0)], [(2, 0)], [(3, 0)]]
    cached(1)
    assert len(client.requests) == 3
    cached(2)
    assert client.requests[3:] == [[(2, 0)]]


@pytest.mark.skipif(sys.version_info < (3,), reason="no keyword-only parameters")
def test_a_cache_knows_keyword_only_parameters(client):
    namespace = {"client": client, "result": result}
    code = "def fn(a, *rest, k=1, m):\n    yield client.get((a, k, m))\n    result((a, rest, k, m))"
    exec(code, namespace)
    fn = alru_cache()(async_fn()(namespace["fn"]))
    assert fn(1, m=2) == fn(1, k=1, m=2) == fn(m=2, a=1) == (1, (), 1, 2)
    assert client.requests == [[(1, 1, 2)]]
    assert fn(1, 2, m=2) == (1, (2,), 1, 2)
    assert fn(1, k=2, m=2) == (1, (), 2, 2)
    assert len(client.requests) == 3
    with pytest.raises(TypeError) as caught:
        fn(1)
    assert "'m'" in str(caught.value)


def test_a_cache_computes_a_value_once_while_it_is_under_way(client, cached):
    run_together(cached.asynq(1), cached.asynq(a=1), cached.asynq(2))
    assert client.requests == [[(1, 0), (2, 0)]]


def test_a_cache_shares_an_error_and_does_not_cache_it(client, cached):
    error = client.errors[(1, 0)] = KeyError("a")
    tasks = [cached.asynq(1), cached.asynq(1)]
    with pytest.raises(KeyError):
        run_together(*tasks)
    assert [task.error() for task in tasks] == [error, error]
    client.errors.clear()
    assert cached(1) == (1, 0, (), {})
    assert client.requests == [[(1, 0)], [(1, 0)]]


def test_a_value_under_way_in_an_outer_run_is_waited_for_by_an_inner_one(client, cached):
    @async_fn()
    def asks_synchronously():
        result(cached(1))
        yield

    assert run_together(cached.asynq(1), asks_synchronously.asynq()) == [(1, 0, (), {})] * 2
    assert client.requests == [[(1, 0)]]


def test_a_cached_function_that_needs_its_own_value_gets_an_error():
    @alru_cache()
    @async_fn()
    def recursive(a):
        result((yield recursive.asynq(a)))

    with pytest.raises(asynq.AsyncTaskError):
        recursive(1)
    with pytest.raises(asynq.AsyncTaskError):
        recursive(1)


def test_a_cache_can_have_keys_of_the_users_own(client):
    @alru_cache(key_fn=lambda args, kwargs: args[0] % 10)
    @async_fn()
    def last_digit(number, unused=None):
        result((yield client.get(number)))

    assert last_digit(12) == ("client", 12)
    assert last_digit(22, unused=3) == ("client", 12)
    assert last_digit(13) == ("client", 13)
    assert client.requests == [[12], [13]]


def test_a_cache_on_a_method_tells_instances_apart(client):
    class Named(object):
        def __init__(self, name):
            self.name = name

        @alru_cache()
        @async_fn()
        def get(self, key):
            result((yield client.get((self.name, key))))

    a, b = Named("a"), Named("b")
    assert a.get(1) == a.get(key=1) == ("client", ("a", 1))
    assert b.get.asynq(1).value() == ("client", ("b", 1))
    assert client.requests == [[("a", 1)], [("b", 1)]]


def test_a_cache_needs_a_size():
    with pytest.raises(TypeError):
        alru_cache(maxsize=None)(the_same)
    with pytest.raises(ValueError):
        alru_cache(maxsize=0)(the_same)


def test_a_cached_function_keeps_its_name_and_documentation(cached):
    assert cached.__name__ == "cached"
    assert cached.__doc__ == "Cached."


def test_a_cache_sees_through_other_decorators(client):
    @alru_cache()
    @aretry(KeyError)
    @async_fn()
    def get(key, other=0):
        result((yield client.get(key)))

    assert get(1) == get(key=1) == get(1, other=0) == ("client", 1)
    assert client.requests == [[1]]


def test_caches_do_not_hand_tasks_to_other_threads():
    inside, go_on = threading.Event(), threading.Event()
    outcomes = []

    @alru_cache()
    @async_fn()
    def slow(key):
        yield None
        if threading.current_thread() is not main:
            inside.set()
            assert go_on.wait(10)
        result(threading.current_thread())

    main = threading.current_thread()
    thread = threading.Thread(target=lambda: outcomes.append(slow(1)))
    thread.start()
    assert inside.wait(10)
    try:
        assert slow(1) is main
    finally:
        go_on.set()
        thread.join()
    assert outcomes == [thread]


def test_a_cache_says_at_the_call_that_an_argument_is_missing_or_not_hashable(cached):
    for call in cached, cached.asynq:
        with pytest.raises(TypeError) as caught:
            call(b=1)
        assert str(caught.value) == "Missing argument 'a'"
        with pytest.raises(TypeError):
            call([])


def test_what_is_cached_is_a_task_that_is_computed_at_the_call(client, cached):
    cached(1)
    task = cached.asynq(1)
    assert isinstance(task, AsyncTask)
    assert task.is_computed()
    assert task.value() == (1, 0, (), {})
    assert str(task).startswith("@asynq %s.cached(1) (computed, " % __name__)
    fresh = cached.asynq(2)
    assert not fresh.is_computed()
    assert str(fresh).startswith("@asynq %s.cached(2) (waiting, " % __name__)
    assert run_together(cached.asynq(1), fresh) == [(1, 0, (), {}), (2, 0, (), {})]


def test_a_value_that_comes_between_the_call_and_its_task_is_used(client, cached):
    task = cached.asynq(1)
    cached(1)
    assert task.value() == (1, 0, (), {})
    assert client.requests == [[(1, 0)]]


def test_an_argument_by_keyword_is_not_taken_for_one_by_position(client, cached):
    by_keyword = cached(1, 0, c=7)
    assert cached(1, 0, frozenset([("c", 7)])) != by_keyword
    assert cached((1, 0), frozenset([("c", 7)])) != by_keyword


def test_a_cache_can_keep_futures():
    future = ConstFuture(1)

    @alru_cache()
    @async_fn()
    def returns_it():
        return future

    assert returns_it() is future
    assert returns_it() is future
    assert returns_it.asynq().value() is future


def test_caches_show_what_they_are(cached, constant_with):
    assert str(cached).startswith("@alru_cache() ")
    assert str(constant_with()).startswith("@alazy_constant() ")
    assert str(Owner.get.decorator).startswith("@acached_per_instance() ")


# alazy_constant


@pytest.fixture
def constant_with(client):
    def make(*args, **kwargs):
        @alazy_constant(*args, **kwargs)
        @async_fn()
        def constant():
            """Constant."""
            yield client.get("constant")
            result(len(client.requests))

        return constant

    return make


def test_a_constant_is_computed_once(client, constant_with):
    constant = constant_with()
    assert [constant(), constant(), constant.asynq().value()] == [1, 1, 1]
    assert constant.alazy_constant_cached_value == 1
    assert len(client.requests) == 1


def test_a_constant_is_computed_again_when_it_is_dirty(client, constant_with):
    constant = constant_with()
    assert constant() == 1
    constant.dirty()
    assert constant.alazy_constant_refresh_time == 0
    assert [constant(), constant()] == [2, 2]


def test_a_constant_lives_as_many_microseconds_as_it_is_said(constant_with):
    constant = constant_with(ttl=60 * qcore.SECOND)
    assert constant() == 1
    with qcore.TimeOffset(50 * qcore.SECOND):
        assert constant() == 1
    with qcore.TimeOffset(70 * qcore.SECOND):
        assert constant() == 2
        assert constant() == 2


def test_a_constant_without_ttl_lives_for_ever(constant_with):
    constant = constant_with()
    assert constant() == 1
    with qcore.TimeOffset(10000 * qcore.DAY):
        assert constant() == 1


def test_the_life_of_a_constant_begins_when_it_is_computed():
    offset = qcore.get_time_offset()
    calls = []

    @alazy_constant(ttl=60 * qcore.SECOND)
    @async_fn()
    def constant():
        calls.append(1)
        qcore.add_time_offset(100 * qcore.SECOND)

    try:
        constant()
        constant()
        assert calls == [1]
    finally:
        qcore.set_time_offset(offset)


def test_a_constant_is_computed_once_while_it_is_under_way(client, constant_with):
    constant = constant_with()
    assert run_together(constant.asynq(), constant.asynq()) == [1, 1]
    assert client.requests == [["constant"]]


def test_a_constant_shares_an_error_and_does_not_cache_it(client, constant_with):
    client.errors["constant"] = KeyError("a")
    constant = constant_with()
    tasks = [constant.asynq(), constant.asynq()]
    with pytest.raises(KeyError):
        run_together(*tasks)
    assert tasks[0].error() is tasks[1].error() is client.errors.pop("constant")
    assert constant() == 2


def test_making_a_constant_dirty_while_it_is_computed_is_not_lost(client, constant_with):
    constant = constant_with()

    @async_fn()
    def makes_dirty():
        constant.dirty()
        result((yield constant.asynq()))

    # What began before is of no use to those who ask afterwards, nor to the cache.
    run_together(constant.asynq(), makes_dirty.asynq())
    assert client.requests == [["constant", "constant"]]
    assert constant() == 1
    assert len(client.requests) == 1


def test_a_value_computed_before_dirty_does_not_become_the_constant(client, constant_with):
    constant = constant_with()

    @async_fn()
    def makes_dirty():
        constant.dirty()

    run_together(constant.asynq(), makes_dirty.asynq())
    assert constant() == 2


def test_a_constant_takes_no_arguments(constant_with):
    constant = constant_with()
    for _ in range(2):
        with pytest.raises(TypeError):
            constant(1)
        with pytest.raises(TypeError):
            constant.asynq(a=1)
        constant()


def test_a_constant_keeps_its_name_and_documentation(constant_with):
    assert constant_with().__name__ == "constant"
    assert constant_with().__doc__ == "Constant."


# aretry


class Flaky(object):
    def __init__(self, *outcomes):
        self.outcomes = list(outcomes)
        self.calls = []

    @async_fn()
    def call(self, *args, **kwargs):
        yield None
        self.calls.append((args, kwargs))
        outcome = self.outcomes.pop(0)
        if isinstance(outcome, BaseException):
            raise outcome
        result(outcome)


@pytest.fixture
def sleeps(monkeypatch):
    sleeps = []
    monkeypatch.setattr(time, "sleep", sleeps.append)
    return sleeps


@pytest.mark.synchronous("an event loop sleeps otherwise")
def test_a_call_that_fails_is_retried_after_some_seconds(sleeps):
    flaky = Flaky(KeyError(), KeyError(), "value")
    assert aretry(KeyError)(flaky.call)(1, a=2) == "value"
    assert flaky.calls == [((1,), {"a": 2})] * 3
    assert sleeps == [0.05, 0.05]


@pytest.mark.synchronous("an event loop sleeps otherwise")
def test_the_last_error_is_raised_when_there_are_no_tries_left(sleeps):
    errors = [KeyError(1), KeyError(2), KeyError(3)]
    flaky = Flaky(*errors)
    with pytest.raises(KeyError) as caught:
        aretry(KeyError, max_tries=3, sleep=7)(flaky.call)()
    assert caught.value is errors[2]
    assert sleeps == [7, 7]


def test_only_the_errors_that_were_named_are_retried(sleeps):
    flaky = Flaky(KeyError(), KeyboardInterrupt(), ValueError())
    with pytest.raises(ValueError):
        aretry((KeyError, KeyboardInterrupt))(flaky.call)()
    assert len(flaky.calls) == 3


@pytest.mark.parametrize("max_tries", [0, -1])
def test_a_call_has_to_be_tried_at_least_once(max_tries):
    with pytest.raises(AssertionError) as caught:
        aretry(KeyError, max_tries=max_tries)
    assert "max_tries (%d) should be a positive integer" % max_tries in str(caught.value)


def test_a_retried_function_knows_the_one_it_was_made_of(negated):
    retried = aretry(KeyError)(negated)
    assert retried.original_fn is negated
    assert retried.__name__ == "negated"
    assert retried(1) == -1
    assert retried.asynq(1).value() == -1


def test_a_plain_function_can_be_decorated_but_not_called():
    with pytest.raises(AttributeError):
        aretry(KeyError)(lambda: 1)()


# call_with_context


def test_a_call_with_a_context_is_inside_it_alone(client):
    log = []
    context = Recorded(log, "c")

    @async_fn()
    def call(*args, **kwargs):
        log.append((args, kwargs, context.active))
        result((yield client.get(1)))

    assert run_together(
        call_with_context.asynq(context, call, 1, a=2), call.asynq(3)
    ) == [("client", 1)] * 2
    assert log == ["+c", ((1,), {"a": 2}, True), "-c", ((3,), {}, False), "+c", "-c"]
    assert client.requests == [[1, 1]]


def test_a_call_with_a_context_leaves_it_when_it_fails():
    log = []

    @async_fn()
    def fails():
        raise KeyError

    with pytest.raises(KeyError):
        call_with_context(Recorded(log, "c"), fails)
    assert log == ["+c", "-c"]


# deduplicate


@pytest.fixture
def shared(client):
    @deduplicate()
    @async_fn()
    def shared(a, b=0):
        """Shared."""
        result((yield client.get((a, b))))

    return shared


def test_equal_calls_share_one_task_until_it_is_computed(client, shared):
    task = shared.asynq(1)
    assert shared.asynq(a=1, b=0) is task
    assert shared.asynq(2) is not task
    assert task.value() == ("client", (1, 0))
    assert shared.asynq(1) is not task
    assert client.requests == [[(1, 0)]]


def test_a_shared_task_shares_its_error(client, shared):
    client.errors[(1, 0)] = KeyError("a")
    task = shared.asynq(1)
    with pytest.raises(KeyError):
        run_together(task, shared.asynq(1))
    assert shared.asynq(1) is not task
    assert client.requests == [[(1, 0)]]


def test_synchronous_calls_are_deduplicated_too(client, shared):
    @async_fn()
    def calls_synchronously():
        result(shared(1))
        yield

    values = run_together(shared.asynq(1), calls_synchronously.asynq(), shared.asynq(1))
    assert values == [("client", (1, 0))] * 3
    assert client.requests == [[(1, 0)]]
    assert shared(2) == ("client", (2, 0))


def test_dirty_makes_the_next_call_begin_anew(client, shared):
    task = shared.asynq(1)
    shared.dirty(a=1)
    other = shared.asynq(1)
    assert other is not task
    shared.dirty(5)
    assert shared.asynq(1) is other


def test_a_task_from_before_dirty_does_not_evict_a_newer_one(shared):
    old = shared.asynq(1)
    shared.dirty(1)
    new = shared.asynq(1)
    old.value()
    assert shared.asynq(1) is new


def test_a_task_that_never_runs_is_forgotten_with_its_last_holder(shared):
    DeduplicateDecorator.tasks.clear()
    task = shared.asynq(1)
    assert list(DeduplicateDecorator.tasks.values()) == [task]
    assert list(DeduplicateDecorator.tasks.keys()) == [shared.cache_key((1,), {})]
    assert DeduplicateDecorator.tasks[shared.cache_key((1,), {})] is task
    del task
    gc.collect()
    assert len(DeduplicateDecorator.tasks) == 0


def test_all_shared_tasks_can_be_forgotten(shared):
    task = shared.asynq(1)
    DeduplicateDecorator.tasks.clear()
    assert shared.asynq(1) is not task


def test_the_end_of_a_forgotten_task_does_not_evict_a_newer_one(shared):
    old = shared.asynq(1)
    shared.dirty(1)
    new = shared.asynq(1)
    del old
    gc.collect()
    assert shared.asynq(1) is new


def test_two_decorators_of_one_function_share_its_tasks(negated):
    first, second = deduplicate()(negated), deduplicate()(negated)
    assert first.asynq(1) is second.asynq(1)


def test_a_running_task_that_asks_for_itself_synchronously_gets_a_fresh_one():
    calls = []

    @deduplicate()
    @async_fn()
    def recursive(key):
        calls.append(get_active_task())
        if len(calls) == 1:
            result(recursive(key))
        if len(calls) == 2:
            result(recursive.asynq(key).value())
        result("value")

    assert recursive(1) == "value"
    assert len(set(calls)) == 3


def test_a_missing_argument_is_a_type_error_of_the_call(shared):
    for call in shared, shared.asynq, shared.dirty:
        with pytest.raises(TypeError) as caught:
            call(b=1)
        assert str(caught.value) == "Missing argument 'a'"


def test_a_keygetter_says_which_calls_are_equal(client):
    @deduplicate(keygetter=lambda args, kwargs: args[0])
    @async_fn()
    def shared(key, unused=None):
        result((yield client.get(key)))

    task = shared.asynq(1, unused=2)
    assert shared.asynq(1, unused=3) is task
    assert shared.keygetter((5,), {}) == 5


@counts_references
@pytest.mark.parametrize("decorator", [deduplicate, alru_cache, alazy_constant])
def test_an_error_of_a_synchronous_call_leaves_no_cycle(decorator):
    @decorator()
    @async_fn()
    def fails():
        yield None
        raise KeyError("a")

    def call():
        with pytest.raises(KeyError):
            fails()

    call()
    gc.collect()
    gc.disable()
    try:
        call()
        assert gc.collect() == 0
    finally:
        gc.enable()


def test_functions_do_not_share_tasks_with_each_other(client, negated, is_odd):
    first, second = deduplicate()(negated), deduplicate()(is_odd)
    assert run_together(first.asynq(1), second.asynq(1)) == [-1, 1]


class Methods(object):
    @deduplicate()
    @async_fn()
    def method(self, key):
        """Method."""
        yield None
        result((self, key))

    @classmethod
    @deduplicate()
    @async_fn()
    def inner_class_method(cls, key):
        yield None
        result((cls, key))

    @deduplicate()
    @async_fn()
    @classmethod
    def class_method(cls, key):
        yield None
        result((cls, key))

    @staticmethod
    @deduplicate()
    @async_fn()
    def inner_static_method(key):
        yield None
        result(key)

    @deduplicate()
    @async_fn()
    @staticmethod
    def static_method(key):
        yield None
        result(key)

    @deduplicate()
    @staticmethod
    @async_fn()
    def outer_static_method(key):
        yield None
        result(key)

    @deduplicate()
    @classmethod
    @async_fn()
    def outer_class_method(cls, key):
        yield None
        result((cls, key))


class Derived(Methods):
    pass


def test_methods_are_deduplicated_by_instance():
    one, other = Methods(), Methods()
    task = one.method.asynq(1)
    assert one.method.asynq(key=1) is task
    assert Methods.method.asynq(one, 1) is task
    assert other.method.asynq(1) is not task
    one.method.dirty(1)
    assert one.method.asynq(1) is not task
    assert one.method(1) == (one, 1)
    assert Methods.method(one, 1) == (one, 1)
    task = one.method.asynq(1)
    Methods.method.dirty(one, 1)
    assert one.method.asynq(1) is not task
    assert Methods.method.__doc__ == "Method."
    assert one.method.__doc__ == "Method."


@pytest.mark.parametrize(
    "name",
    ["inner_class_method", "class_method", "outer_class_method"],
)
def test_class_methods_are_deduplicated_by_class(name):
    method = getattr(Methods, name)
    task = method.asynq(1)
    assert getattr(Methods(), name).asynq(1) is task
    assert getattr(Derived, name).asynq(1) is not task
    method.dirty(1)
    assert method.asynq(1) is not task
    assert method(1) == (Methods, 1)
    assert getattr(Derived(), name)(1) == (Derived, 1)


@pytest.mark.parametrize("name", ["inner_static_method", "static_method", "outer_static_method"])
def test_static_methods_are_deduplicated(name):
    method = getattr(Methods, name)
    task = method.asynq(1)
    assert getattr(Methods(), name).asynq(key=1) is task
    method.dirty(1)
    assert method.asynq(1) is not task
    assert method(1) == 1


def test_pure_functions_are_deduplicated_where_they_are_called(client):
    @deduplicate()
    @async_fn(pure=True)
    def pure(key):
        result((yield client.get(key)))

    task = pure(1)
    assert pure(1) is task
    assert asynq.is_pure_async_fn(pure)
    assert task.value() == ("client", 1)


def test_pure_methods_are_deduplicated():
    class Pure(object):
        @deduplicate()
        @async_fn(pure=True)
        def get(self, key):
            yield None

    pure = Pure()
    task = pure.get(1)
    assert pure.get(1) is task
    pure.get.dirty(1)
    assert pure.get(1) is not task


def test_proxies_are_deduplicated(client):
    @deduplicate()
    @async_proxy()
    def proxy(key):
        return client.get(key)

    item = proxy.asynq(1)
    assert proxy.asynq(1) is item
    assert proxy(1) == ("client", 1)
    assert proxy.asynq(1) is not item
    assert not asynq.is_pure_async_fn(proxy)


def test_a_deduplicated_function_shows_what_it_is(shared):
    assert str(shared).startswith("@deduplicate() ")
    assert shared.__name__ == "shared"
    assert shared.__doc__ == "Shared."


def test_threads_do_not_share_tasks(shared):
    task = shared.asynq(1)
    others = []
    thread = threading.Thread(target=lambda: others.append(shared.asynq(1)))
    thread.start()
    thread.join()
    assert others[0] is not task
    assert shared.asynq(1) is task


# AsyncTimer


@pytest.fixture
def clock(monkeypatch):
    class Clock(object):
        now = 1000

        def __call__(self):
            return self.now

    clock = Clock()
    monkeypatch.setattr(qcore, "utime", clock)
    return clock


@pytest.mark.synchronous("on an event loop, a timer counts flushes too")
def test_a_timer_counts_what_runs_inside_it_and_no_flush(client, clock):
    timers = []

    @async_fn()
    def child():
        clock.now += 10
        yield None

    @async_fn()
    def timed(takes):
        with AsyncTimer() as timer:
            timers.append(timer)
            clock.now += takes
            yield child.asynq()
            yield client.get(takes)
            clock.now += takes

    @async_fn()
    def root():
        asynq.get_scheduler().on_before_batch_flush.subscribe(takes_long)
        yield timed.asynq(100), timed.asynq(1000)
        asynq.get_scheduler().on_before_batch_flush.unsubscribe(takes_long)

    def takes_long(batch):
        clock.now += 1000000

    root()
    assert [timer.total_time for timer in timers] == [210, 2010]


def test_a_timer_works_outside_of_tasks(clock):
    timer = AsyncTimer()
    assert timer.total_time == 0
    with timer:
        clock.now += 5
    assert timer.total_time == 5


# AsyncEventHook


@pytest.fixture
def log():
    return []


@pytest.fixture
def handlers(client, log):
    def plain(value):
        log.append(("plain", value))

    def fails(value):
        raise KeyError("plain")

    @async_fn()
    def waits(value):
        log.append(("begins", value))
        yield client.get(value)
        log.append(("ends", value))

    @async_fn()
    def fails_later(value):
        yield client.get(value)
        raise ValueError("async")

    return {"plain": plain, "fails": fails, "waits": waits, "fails later": fails_later}


def test_a_hook_calls_plain_handlers_first_and_async_ones_together(client, log, handlers):
    hook = AsyncEventHook([handlers["waits"], handlers["plain"]])
    hook.subscribe(handlers["waits"])
    assert hook.trigger(1) is None
    expected = [("plain", 1), ("begins", 1), ("begins", 1), ("ends", 1), ("ends", 1)]
    assert log == expected
    assert client.requests == [[1, 1]]
    hook.trigger.asynq(1).value()
    assert log == expected * 2
    hook(1)
    assert log == expected * 3


def test_an_error_of_a_plain_handler_ends_the_trigger(client, log, handlers):
    hook = AsyncEventHook([handlers["waits"], handlers["fails"], handlers["plain"]])
    with pytest.raises(KeyError):
        hook.trigger(1)
    assert log == []
    assert client.requests == []


def test_a_safe_trigger_calls_all_handlers_and_raises_the_first_error(client, log, handlers):
    names = ["fails later", "fails", "waits", "plain"]
    hook = AsyncEventHook([handlers[name] for name in names])
    with pytest.raises(ValueError):
        hook.safe_trigger(1)
    assert log == [("begins", 1), ("plain", 1), ("ends", 1)]
    assert client.requests == [[1, 1]]
    hook.unsubscribe(handlers["fails later"])
    with pytest.raises(KeyError):
        hook.safe_trigger.asynq(2).value()
    hook.unsubscribe(handlers["fails"])
    assert hook.safe_trigger(3) is None


def test_handlers_may_unsubscribe_while_they_are_called(log, handlers):
    hook = AsyncEventHook()

    def once():
        hook.unsubscribe(once)
        log.append("once")

    hook.subscribe(once)
    hook.subscribe(lambda: log.append("other"))
    hook.trigger()
    hook.safe_trigger()
    assert log == ["once", "other", "other"]


def test_a_hook_calls_whatever_can_be_called_asynchronously(log):
    class Other(object):
        def asynq(self):
            log.append("asynq")
            return ConstFuture(None)

    AsyncEventHook([Other()]).trigger()
    assert log == ["asynq"]
    with pytest.raises(KeyError):

        class Failing(object):
            def asynq(self):
                return ErrorFuture(KeyError())

        AsyncEventHook([Failing()]).trigger()


def test_caching_decorators_can_stand_above_a_classmethod():
    calls = []

    class Keeper(object):
        @alru_cache()
        @asynq.asynq()
        @classmethod
        def cached(cls, x):
            calls.append((cls, x))
            return x

        @aretry(ValueError)
        @asynq.asynq()
        @staticmethod
        def retried(x):
            return x

    class Heir(Keeper):
        pass

    assert [Keeper.cached(1), Keeper().cached(1), Heir.cached(1)] == [1, 1, 1]
    assert calls == [(Keeper, 1), (Heir, 1)]
    assert Keeper.retried(1) == Keeper().retried.asynq(1).value() == 1


@counts_references
def test_a_deduplicated_function_that_is_gone_leaves_no_tasks_to_another_one():
    def make():
        @deduplicate()
        @asynq.asynq()
        def load(key):
            yield None

        return load

    load = make()
    task = load.asynq(1)
    tasks = weakref.ref(load._here.tasks)
    del load
    assert tasks() is None
    assert not task.is_computed()
