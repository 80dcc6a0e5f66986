"""What a user can get wrong is answered with what was expected, what came, and the cure."""

import collections
import sys

import pytest

import asynq
import asynq.mock
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
from asynq.debug import options
from asynq.tools import acached_per_instance, alazy_constant, alru_cache, aretry, deduplicate

from .helpers import Batch, Client


@asynq.asynq()
def give_back(structure):
    result((yield structure))


class SubList(list):
    pass


class SubDict(dict):
    pass


DERIVED = (
    "Lists, tuples and dicts of them are taken apart, but nothing that is derived from these."
    " Cure: make a plain %s of it."
)


def derived(wrong, cure):
    mark = pytest.mark.synchronous("an event loop takes what is derived from lists and so on")
    return pytest.param(wrong, cure, marks=mark)


@pytest.mark.parametrize(
    "wrong, cure",
    [
        (5, "Cure: yield f.asynq(...), not f(...); what is no future needs no yield."),
        (u"text", "Cure: yield f.asynq(...), not f(...); what is no future needs no yield."),
        ({1}, "Cure: make a list of it."),
        derived(SubList(), DERIVED % "list"),
        derived(collections.namedtuple("Pair", "left, right")(1, 2), DERIVED % "tuple"),
        derived(SubDict(), DERIVED % "dict"),
        ((x for x in ()), "Cure: make a list of it."),
        pytest.param(
            give_back.fn(None),
            "Cure: decorate the function that makes it with @asynq(), and call its .asynq(...).",
            marks=pytest.mark.generator("a coroutine is waited for"),
        ),
        (give_back, "Cure: call it: yield f.asynq(...), not f."),
        (len, "Cure: call it: yield f.asynq(...), not f."),
    ],
)
@pytest.mark.parametrize("depth", [0, 1, 20])
def test_yielding_what_is_no_future(wrong, cure, depth):
    structure = wrong
    for _ in range(depth):
        structure = [None, structure]
    with pytest.raises(TypeError) as info:
        give_back(structure)
    assert str(info.value) == (
        "Cannot unwrap an object of type '%s': only futures and None are allowed. %s"
        % (type(wrong), cure)
    )


@pytest.mark.skipif(sys.version_info < (3, 5), reason="there are no coroutines")
@pytest.mark.synchronous("a coroutine is waited for")
@pytest.mark.generator("an await of a coroutine has an error of its own")
def test_yielding_a_coroutine():
    namespace = {}
    exec("async def coroutine(): pass", namespace)
    coroutine = namespace["coroutine"]()
    with pytest.raises(TypeError) as info:
        give_back(coroutine)
    assert str(info.value) == (
        "Cannot unwrap an object of type '<class 'coroutine'>': only futures and None are allowed."
        " Cure: make it an @asynq() function and wait for its .asynq(...); or await"
        " tests.test_misuse.give_back.asyncio(...) on an event loop."
    )


def test_what_is_yielded_wrongly_can_be_caught_there():
    @asynq.asynq()
    def catch():
        for wrong in (5, [5]):
            with pytest.raises(TypeError, match="only futures and None are allowed"):
                yield wrong
        result((yield ConstFuture("went on")))

    assert catch() == "went on"


def test_forgetting_the_parentheses_of_the_decorator():
    with pytest.raises(AssertionError) as info:

        @asynq.asynq
        def f():
            pass

    assert str(info.value).startswith("@asynq was applied to <function ")
    assert str(info.value).endswith(" without its parentheses. Cure: write @asynq().")
    with pytest.raises(AssertionError) as info:
        async_proxy(len)
    assert str(info.value) == (
        "@async_proxy was applied to <built-in function len> without its parentheses. Cure: write"
        " @async_proxy()."
    )


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
    for fn in (decorated, classmethod(decorated), staticmethod(decorated)):
        with pytest.raises(AssertionError) as info:
            asynq.asynq()(fn)
        assert str(info.value) == (
            "@asynq() decorator can be applied just once, and %r is async already. Cure: remove one"
            " of the two decorators." % (fn,)
        )


@pytest.mark.parametrize(
    "decorator, name", [(asynq.asynq(), "@asynq()"), (async_proxy(), "@async_proxy()")]
)
def test_decorating_what_is_no_function(decorator, name):
    for wrong, cure in [
        (5, "apply it to a function"),
        (None, "apply it to a function"),
        (property(len), "write @property above it"),
    ]:
        with pytest.raises(AssertionError) as info:
            decorator(wrong)
        assert str(info.value) == "%s expected a function, got %r. Cure: %s." % (name, wrong, cure)


def test_the_cure_for_properties_works():
    class Page(object):
        @property
        @asynq.asynq()
        def title(self):
            result((yield ConstFuture("title")))

    assert Page().title == "title"


def test_options_that_exclude_each_other():
    for decorator in (asynq.asynq, async_proxy):
        with pytest.raises(AssertionError) as info:
            decorator(pure=True, sync_fn=len)
        assert str(info.value) == (
            "sync_fn is not supported for pure async functions, whose call returns a future. Cure:"
            " leave out pure or sync_fn of @%s()." % decorator.__name__
        )
    with pytest.raises(AssertionError) as info:
        asynq.asynq(size=1, color=2)
    assert str(info.value) == (
        "custom kwargs are only supported with pure=True, got color, size. Cure: leave them out, or"
        " write @asynq(pure=True, ...) with a cls that takes them."
    )


def test_a_task_class_that_is_none():
    for wrong in (FutureBase, 5):
        with pytest.raises(AssertionError) as info:
            asynq.asynq(cls=wrong)
        assert str(info.value) == (
            "cls must be AsyncTask or derived from it, got %r. Cure: derive it from AsyncTask."
            % (wrong,)
        )


def test_a_proxy_that_returns_no_future():
    @async_proxy()
    def returns_a_value():
        return 5

    class Page(object):
        @async_proxy()
        def title(self):
            return 5

    wrapped = asynq.make_async_decorator(give_back, lambda: 5, "wrap")
    for call, decorated in [
        (returns_a_value, returns_a_value),
        (wrapped, wrapped),
        (Page().title, Page.title.decorator),
    ]:
        with pytest.raises(TypeError) as info:
            call()
        assert str(info.value) == (
            "%s expected the function below it to return a future, but 'int' object has no"
            " attribute 'value'. Cure: return fn.asynq(...), or ConstFuture(value)." % (decorated,)
        )


def test_an_attribute_error_of_what_a_proxy_returns_is_another_error():
    @asynq.asynq()
    def fails():
        yield ConstFuture(1)
        None.no_such_attribute

    @async_proxy()
    def proxy():
        return fails.asynq()

    @async_proxy()
    def fails_itself():
        None.no_such_attribute

    for call in (proxy, fails_itself):
        with pytest.raises(AttributeError, match="no_such_attribute"):
            call()


def test_returning_a_future_that_was_not_yielded_through_result():
    @asynq.asynq()
    def f():
        result(ConstFuture(1))

    with pytest.raises(AssertionError) as info:
        f()
    assert str(info.value) == (
        "You probably forgot to yield this value before returning: <class"
        " 'asynq.futures.ConstFuture'> (computed, = 1). Cure: write result((yield future))."
    )


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
    for again in (lambda: future.set_value(2), lambda: future.set_error(ValueError())):
        with pytest.raises(FutureIsAlreadyComputed) as info:
            again()
        assert str(info.value) == (
            "<class 'asynq.futures.FutureBase'> (computed, = 1): a future gets one value or one"
            " error, and has it already. Cure: set it once, or ask is_computed() before."
        )
        assert info.value.args == (future,)


class Forgets(FutureBase):
    def __init__(self):
        pass

    def __repr__(self):
        return "<Forgets>"


class ForgetsItem(BatchItemBase, Forgets):
    __init__ = Forgets.__init__


class ForgetsTask(AsyncTask, Forgets):
    def __init__(self, generator, fn, args, kwargs):
        pass


@asynq.asynq(pure=True, cls=ForgetsTask)
def forgets():
    yield None


@pytest.mark.parametrize("make", [Forgets, ForgetsItem, forgets])
def test_a_future_of_ones_own_whose_init_does_not_call_the_one_of_the_library(make):
    future = make()
    text = (
        "%s is a future whose __init__() did not call that of its base class. Cure: call super(%s,"
        " self).__init__() there, before anything else."
        % (object.__repr__(future), type(future).__name__)
    )

    @asynq.asynq()
    def catch(structure):
        try:
            yield structure
        except TypeError as error:
            result((yield [ConstFuture(str(error))]))

    for structure in (future, [ConstFuture(1), FutureBase(), future], {1: (None, future)}):
        assert catch(structure) in (text, [text])
    if make is Forgets:
        for ask in (future.value, future.error, future):
            with pytest.raises(TypeError) as info:
                ask()
            assert str(info.value) == text


def test_an_attribute_that_is_missing_elsewhere_is_another_error():
    class Broken(FutureBase):
        def _compute(self):
            self.set_value(self.no_such_attribute)

    @asynq.asynq()
    def look():
        yield ConstFuture(1)
        return_value = (yield ConstFuture(2)).no_such_attribute
        result(return_value)

    for wrong in (Broken().value, Broken().error, lambda: give_back(Broken()), look):
        with pytest.raises(AttributeError, match="no_such_attribute"):
            wrong()


def test_asking_a_promise_for_its_value():
    with pytest.raises(NotImplementedError) as info:
        FutureBase().value()
    assert str(info.value) == (
        "<class 'asynq.futures.FutureBase'> (isn't computed) has no _compute():"
        " call its set_value() or set_error()"
    )


def test_making_a_task_of_something_that_is_no_generator():
    with pytest.raises(AssertionError) as info:
        AsyncTask(5, len, (), {})
    assert str(info.value) == "generator is expected, but 5 is provided"


def test_making_two_tasks_of_one_generator():
    generators = []

    @asynq.asynq()
    def outer():
        other = AsyncTask(generators[0], give_back.fn, (), {})
        with pytest.raises(AsyncTaskError) as info:
            other.value()
        yield None
        result(str(info.value))

    generators.append(outer.fn())
    assert AsyncTask(generators[0], give_back.fn, (), {}).value() == (
        "@asynq tests.test_misuse.give_back() (waiting, before 1st yield) can't run, because its"
        " body is running: it was asked for in two threads at the same moment, or its generator is"
        " another task's, too. Cure: ask for it in one thread, and hand its value over."
    )


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
    assert str(info.value) == (
        "Batch is already flushed or cancelled. It is tests.helpers.Batch (flushed, 0 items). Cure:"
        " ask is_flushed() before."
    )


def test_an_item_of_what_is_no_batch():
    class ForgetsBatch(BatchBase):
        def __init__(self):
            pass

    for wrong, text in [
        (
            5,
            "expected a batch to add the item to, got 5. Cure: give the current batch to"
            " BatchItemBase.__init__().",
        ),
        (
            ForgetsBatch(),
            "ForgetsBatch.__init__() did not call that of its base class. Cure: call"
            " super(ForgetsBatch, self).__init__() there.",
        ),
    ]:
        with pytest.raises(TypeError) as info:
            BatchItemBase(wrong)
        assert str(info.value) == text


def test_setting_an_item_twice_in_a_flush():
    class Twice(Batch):
        def _flush(self):
            self.items[0].set_value(1)
            self.items[0].set_value(2)

    client = Client()
    client.current_batch = Twice(client)
    first, second = client.get("a"), client.get("b")
    assert give_back(first) == 1
    assert str(second.error()) == (
        "<class 'tests.helpers.Item'> (computed, = 1): a future gets one value or one error, and"
        " has it already. Cure: set it once, or ask is_computed() before."
    )


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
        " <Critical> is active: something else has to run before that is computed. Cure: leave the"
        " context before the yield, or make it an AsyncContext."
    )


def test_a_context_that_does_not_say_what_it_does():
    for method in (asynq.AsyncContext().resume, asynq.AsyncContext().pause):
        with pytest.raises(NotImplementedError) as info:
            method()
        assert str(info.value) == "AsyncContext must define %s()" % method.__name__


def test_setting_an_option_that_there_is_not():
    for name in ("DUMP_ERORS", "DUMP_ALL"):
        with pytest.raises(AttributeError) as info:
            setattr(options, name, True)
        assert str(info.value) == (
            "asynq.debug.options has no option %r. Cure: take one of %s; call DUMP_ALL(True) to set"
            " all that begin with DUMP_." % (name, ", ".join(sorted(vars(options))))
        )
    assert not hasattr(options, "DUMP_ERORS")


def test_options_of_0_1_4_can_be_set():
    before = dict(vars(options))
    for name in ("DUMP_AWAIT_RECURSION", "DUMP_SCHEDULER_CHANGE", "DUMP_PRIMER"):
        setattr(options, name, True)
        delattr(options, name)
    assert vars(options) == before


def test_options_can_be_patched():
    before = dict(vars(options))
    with asynq.mock.patch.object(options, "DUMP_SYNC", True):
        assert options.DUMP_SYNC
    with asynq.mock.patch("asynq.debug.options.STACK_DUMP_LIMIT", 5):
        assert options.STACK_DUMP_LIMIT == 5
    assert dict(vars(options)) == before


def test_recursing_without_end():
    @asynq.asynq()
    def recurse():
        yield recurse.asynq()

    options.MAX_TASK_STACK_SIZE = 10
    try:
        with pytest.raises(RuntimeError) as info:
            recurse()
    finally:
        options.MAX_TASK_STACK_SIZE = 1000000
    assert str(info.value) == (
        "Number of scheduled tasks exceeded maximum threshold. More than 10 tasks wait for one"
        " another (options.MAX_TASK_STACK_SIZE): is this recursion without an end?"
    )


def test_waiting_for_nothing_at_all():
    with pytest.raises(AssertionError) as info:
        getattr(asynq, "await")()
    assert str(info.value) == "await() expected at least one future, got none"


def test_trying_less_than_once():
    with pytest.raises(AssertionError) as info:
        aretry(ValueError, max_tries=0)
    assert str(info.value) == "max_tries (0) should be a positive integer"
