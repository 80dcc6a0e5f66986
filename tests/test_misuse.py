"""What a user can get wrong is answered with what was expected, what came, and the cure."""

import sys

import pytest

import asynq
from asynq import (
    AsyncTask,
    AsyncTaskError,
    BatchBase,
    BatchingError,
    BatchItemBase,
    ConstFuture,
    FutureBase,
    FutureIsAlreadyComputed,
    async_proxy,
    result,
)
from asynq.tools import acached_per_instance, alazy_constant, alru_cache, aretry, deduplicate

from .helpers import Batch, Client


@asynq.asynq()
def give_back(structure):
    result((yield structure))


class SubDict(dict):
    pass


@pytest.mark.parametrize("wrong", [5, u"text", {1}, SubDict(), (x for x in ()), ConstFuture])
def test_yielding_what_is_no_future(wrong):
    with pytest.raises(TypeError) as info:
        give_back([None, wrong])
    assert str(info.value) == (
        "Cannot unwrap an object of type '%s': only futures and None are allowed." % type(wrong)
    )


@pytest.mark.skipif(sys.version_info < (3, 5), reason="there are no coroutines")
def test_yielding_a_coroutine():
    namespace = {}
    exec("async def coroutine(): pass", namespace)
    coroutine = namespace["coroutine"]()
    with pytest.raises(TypeError, match="of type '<class 'coroutine'>': only futures and None"):
        give_back(coroutine)
    coroutine.close()


def test_forgetting_the_parentheses_of_the_decorator():
    with pytest.raises(AssertionError) as info:

        @asynq.asynq
        def f():
            pass

    assert "without its parentheses. Cure: write @asynq()." in str(info.value)
    with pytest.raises(AssertionError, match=r"Cure: write @async_proxy\(\)\."):
        async_proxy(len)


@pytest.mark.parametrize("decorator", [alru_cache, alazy_constant, deduplicate])
def test_forgetting_the_parentheses_of_a_tool(decorator):
    name = decorator.__name__
    with pytest.raises(AssertionError) as info:
        decorator(give_back)
    assert str(info.value) == (
        "@%s was applied to @asynq() tests.test_misuse.give_back without its parentheses. Cure:"
        " write @%s()." % (name, name)
    )


@pytest.mark.parametrize(
    "decorator", [alru_cache, alazy_constant, deduplicate, acached_per_instance]
)
def test_applying_a_tool_to_a_function_that_is_not_async(decorator):
    def plain(self):
        pass

    with pytest.raises(AssertionError) as info:
        decorator()(plain)
    assert str(info.value).startswith(
        "@%s() expected an async function, got <function " % decorator.__name__
    )
    assert str(info.value).endswith(". Cure: write @asynq() below it.")


@pytest.mark.parametrize(
    "once",
    [
        asynq.asynq(),
        asynq.asynq(pure=True),
        async_proxy(),
        asynq.decorators.lazy,
    ],
)
def test_decorating_twice(once):
    decorated = once(lambda: None)
    with pytest.raises(AssertionError, match=r"@asynq\(\) decorator can be applied just once"):
        asynq.asynq()(decorated)


def test_options_that_exclude_each_other():
    with pytest.raises(AssertionError, match="sync_fn is not supported for pure async functions"):
        asynq.asynq(pure=True, sync_fn=len)
    with pytest.raises(AssertionError, match="sync_fn is not supported for pure async functions"):
        async_proxy(pure=True, sync_fn=len)
    with pytest.raises(
        AssertionError, match="custom kwargs are only supported with pure=True, got color, size"
    ):
        asynq.asynq(size=1, color=2)


def test_a_task_class_that_is_none():
    for wrong in (FutureBase, 5):
        with pytest.raises(AssertionError, match="cls must be AsyncTask or derived from it, got"):
            asynq.asynq(cls=wrong)


def test_returning_a_future_that_was_not_yielded_through_result():
    @asynq.asynq()
    def f():
        result(ConstFuture(1))

    with pytest.raises(
        AssertionError, match="You probably forgot to yield this value before returning"
    ):
        f()


def test_asking_whether_a_future_is_true():
    with pytest.raises(TypeError) as info:
        bool(give_back.asynq(None))
    assert str(info.value) == (
        "Cannot convert FutureBase object to bool: a future is neither true nor false."
        " Did you forget to yield it?"
    )


def test_setting_a_value_twice():
    future = FutureBase()
    future.set_value(1)
    with pytest.raises(FutureIsAlreadyComputed, match="FutureBase'> .computed, = 1"):
        future.set_value(2)


def test_asking_a_promise_for_its_value():
    with pytest.raises(NotImplementedError) as info:
        FutureBase().value()
    assert str(info.value) == (
        "<class 'asynq.futures.FutureBase'> (isn't computed) has no _compute():"
        " call its set_value() or set_error()"
    )


def test_making_a_task_of_something_that_is_no_generator():
    with pytest.raises(AssertionError, match="generator is expected, but 5 is provided"):
        AsyncTask(5, len, (), {})


def test_adding_to_a_flushed_batch():
    batch = Client().get("a").batch
    batch.flush()
    with pytest.raises(AssertionError) as info:
        BatchItemBase(batch)
    assert str(info.value) == (
        "can't add an item to the batch that is already flushed: tests.helpers.Batch (flushed,"
        " 0 items). Cure: have _try_switch_active_batch() install a new one."
    )


def test_flushing_twice():
    batch = Client().get("a").batch
    batch.flush()
    with pytest.raises(BatchingError) as info:
        batch.flush()
    assert str(info.value) == "Batch is already flushed or cancelled."


def test_forgetting_an_item_in_a_flush():
    class Forgetful(Batch):
        def _flush(self):
            pass

    client = Client()
    client.current_batch = Forgetful(client)
    with pytest.raises(AssertionError) as info:
        client.get("a").value()
    assert str(info.value) == (
        "Value of this item wasn't set on batch flush. The item is <class 'tests.helpers.Item'>"
        " (isn't computed), its batch tests.test_misuse.Forgetful. Cure: have _flush() call"
        " set_value() or set_error() of each of self.items."
    )


def test_asking_for_the_value_of_an_item_in_its_own_flush():
    class Selfish(Batch):
        def _flush(self):
            self.items[0].value()

    client = Client()
    client.current_batch = Selfish(client)
    with pytest.raises(AsyncTaskError) as info:
        client.get("a").value()
    assert str(info.value) == (
        "Can't proceed further: the flush of tests.test_misuse.Selfish (pending, 1 items) waits"
        " for itself or for one of its own items. Cure: in _flush(), set the items' values; don't"
        " ask for them."
    )


def test_leaving_out_the_methods_of_a_batch():
    with pytest.raises(NotImplementedError) as info:
        BatchBase()._flush()
    assert str(info.value) == "BatchBase must define _flush()"


def test_sharing_a_context_between_tasks():
    client = Client()

    class Context(asynq.AsyncContext):
        def resume(self):
            pass

        def pause(self):
            pass

    @asynq.asynq()
    def enter(context):
        with context:
            yield client.get(1)

    @asynq.asynq()
    def root():
        context = Context()
        yield enter.asynq(context), enter.asynq(context)

    with pytest.raises(AsyncTaskError) as info:
        root()
    assert "is entered by @asynq tests.test_misuse.enter(" in str(info.value)
    assert " while @asynq tests.test_misuse.enter(" in str(info.value)
    assert str(info.value).endswith(" is inside it. Cure: one context object for each task.")


def test_blocking_inside_a_non_async_context():
    class Critical(asynq.NonAsyncContext):
        def __repr__(self):
            return "<Critical>"

    @asynq.asynq()
    def block():
        with Critical():
            yield Client().get(1)

    with pytest.raises(AssertionError) as info:
        block()
    assert str(info.value) == (
        "Task @asynq tests.test_misuse.block() (blocked x1, before 1st yield) cannot yield while"
        " <Critical> is active"
    )


def test_recursing_without_end():
    @asynq.asynq()
    def recurse():
        yield recurse.asynq()

    asynq.debug.options.MAX_TASK_STACK_SIZE = 10
    try:
        with pytest.raises(RuntimeError) as info:
            recurse()
    finally:
        asynq.debug.options.MAX_TASK_STACK_SIZE = 1000000
    assert str(info.value) == (
        "Number of scheduled tasks exceeded maximum threshold. More than 10 tasks wait for one"
        " another (options.MAX_TASK_STACK_SIZE): is this recursion without an end?"
    )


def test_waiting_for_nothing_at_all():
    with pytest.raises(AssertionError, match=r"await\(\) expected at least one future, got none"):
        getattr(asynq, "await")()


def test_trying_less_than_once():
    with pytest.raises(AssertionError, match=r"max_tries \(0\) should be a positive integer"):
        aretry(ValueError, max_tries=0)
