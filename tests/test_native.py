"""Native bodies: what an ``async def`` function does is what a generator function does.

Left out on Python 2, which has no such functions.

"""

import functools
import gc
import inspect
import subprocess
import sys
import traceback
import types
import warnings

import pytest

import asynq
from asynq import (
    AsyncTask,
    AsyncTaskCancelledError,
    AsyncTaskError,
    ConstFuture,
    ErrorFuture,
    Future,
    FutureBase,
    Value,
    async_call,
    async_generator,
    async_proxy,
    debug,
    gather,
    get_active_task,
    get_scheduler,
    result,
    tools,
)
from asynq.contexts import NonAsyncContext
from asynq.debug import options

from . import test_faults, test_garbage, test_interrupts
from .helpers import Client, Recorded, collect_garbage, counts_references


@asynq.asynq()
async def load(client, key):
    return await client.get(key)


@asynq.asynq()
def load_in_generator(client, key):
    return (yield client.get(key))


@asynq.asynq()
async def wait_for(future):
    return await future


@asynq.asynq()
async def gather_all(structure):
    return await gather(structure)


@asynq.asynq()
async def fail(error):
    await ConstFuture(None)
    raise error


@pytest.fixture(autouse=True)
def nothing_stays():
    yield
    assert get_active_task() is None
    assert "(0 tasks, 0 batches; active task: None)" in str(get_scheduler())


# Calling and waiting


def test_a_native_function_is_called_in_all_ways():
    client = Client()

    @asynq.asynq()
    def generator():
        return (yield load.asynq(client, 1))

    @asynq.asynq()
    async def native():
        return await load.asynq(client, 2), await generator.asynq()

    assert load(client, 3) == ("client", 3)
    assert load.asynq(client, 4).value() == ("client", 4)
    assert native() == (("client", 2), ("client", 1))
    assert client.requests == [[3], [4], [2], [1]]


def test_native_and_generator_bodies_share_batches():
    client = Client()

    @asynq.asynq()
    async def root():
        return await gather(
            load.asynq(client, 1), load_in_generator.asynq(client, 2), client.get(3)
        )

    assert root() == (("client", 1), ("client", 2), ("client", 3))
    # The item was made when gather was called, before any task ran.
    assert client.requests == [[3, 1, 2]]


def test_children_start_depth_first_in_the_order_in_which_they_are_awaited():
    client = Client()
    log = []

    @asynq.asynq()
    async def leaf(name):
        log.append("%s begins" % name)
        await client.get(name)
        log.append("%s ends" % name)

    @asynq.asynq()
    async def parent(name):
        log.append("%s begins" % name)
        await gather(leaf.asynq(name + ".1"), leaf.asynq(name + ".2"))
        log.append("%s ends" % name)

    @asynq.asynq()
    async def root():
        await gather(parent.asynq("a"), parent.asynq("b"))

    root()
    assert log == [
        "a begins",
        "a.1 begins",
        "a.2 begins",
        "b begins",
        "b.1 begins",
        "b.2 begins",
        "a.1 ends",
        "a.2 ends",
        "a ends",
        "b.1 ends",
        "b.2 ends",
        "b ends",
    ]
    assert client.requests == [["a.1", "a.2", "b.1", "b.2"]]


def test_a_plain_coroutine_is_part_of_the_body_that_awaits_it():
    client = Client()
    tasks = []

    async def helper(key):
        tasks.append(get_active_task())
        return await deeper(key)

    async def deeper(key):
        return (await gather(load.asynq(client, key), client.get(key + 1)))[1]

    @asynq.asynq()
    async def body(key):
        tasks.append(get_active_task())
        return await helper(key)

    @asynq.asynq()
    async def root():
        return await gather(body.asynq(1), body.asynq(10))

    assert root() == (("client", 2), ("client", 11))
    assert client.requests == [[2, 1, 11, 10]]
    assert [task.fn for task in tasks] == [body.fn] * 4
    assert tasks[0] is tasks[1] and tasks[2] is tasks[3] and tasks[0] is not tasks[2]


def test_async_comprehensions_and_async_with_work():
    client = Client()

    class Loaded:
        def __init__(self, key):
            self.key = key

        async def __aenter__(self):
            return await load.asynq(client, self.key)

        async def __aexit__(self, *args):
            await load.asynq(client, -self.key)

    @asynq.asynq()
    async def body():
        async with Loaded(7) as loaded:
            return loaded, [await load.asynq(client, key) for key in range(2)]

    assert body() == (("client", 7), [("client", 0), ("client", 1)])
    assert client.requests == [[7], [0], [1], [-7]]


def test_a_future_can_be_awaited_several_times():
    client = Client()

    @asynq.asynq()
    async def body():
        task = load.asynq(client, 1)
        failing = ErrorFuture(KeyError("key"))
        for _ in range(2):
            with pytest.raises(KeyError):
                await failing
        return await task, await task, await gather(task, task)

    assert body() == (("client", 1),) * 2 + ((("client", 1),) * 2,)
    assert client.requests == [[1]]


def test_every_kind_of_future_can_be_awaited():
    class Computed(FutureBase):
        def _compute(self):
            self.set_value("computed")

    class Derived(FutureBase):
        def value(self):
            return "own " + super().value()

    derived = Derived()
    derived.set_value("value")

    @asynq.asynq()
    async def body():
        return [
            await ConstFuture("const"),
            await Future(lambda: "lazy"),
            await Computed(),
            await derived,
            await debug.sync(),
        ]

    assert body() == ["const", "lazy", "computed", "own value", None]


def test_a_future_that_was_not_initialised_says_so():
    class Forgetful(FutureBase):
        def __init__(self):
            pass

    for fn in (wait_for, gather_all):
        future = Forgetful()
        with pytest.raises(TypeError, match="did not call that of its base class"):
            fn(future if fn is wait_for else [future])


def test_computed_futures_are_seen_by_who_observes_all(capsys):
    options.KEEP_DEPENDENCIES = True
    try:
        future = ConstFuture(1)
        task = wait_for.asynq(future)
        task.value()
        assert task._dependencies == [future]
    finally:
        options.KEEP_DEPENDENCIES = False


def test_asyncio_is_not_imported():
    program = """
import sys
import asynq
@asynq.asynq()
async def child():
    return 1
@asynq.asynq()
async def body():
    return await child.asynq(), await asynq.gather([child.asynq()])
print(body(), "asyncio" in sys.modules)
"""
    output = subprocess.check_output([sys.executable, "-W", "error", "-c", program])
    assert output.decode().split() == ["(1,", "[1])", "False"]


# gather


@pytest.mark.parametrize(
    "structure",
    [
        [],
        (),
        {},
        [None],
        [ConstFuture(1), None],
        (ConstFuture(1), (), [ConstFuture(2)]),
        {"a": ConstFuture(1), "b": [{"c": ConstFuture(2)}]},
    ],
)
def test_what_gather_gives_has_the_shape_of_its_argument(structure):
    values = asynq.async_task.unwrap(structure)
    assert gather_all(structure) == values
    assert type(gather_all(structure)) is type(values)


def test_several_arguments_of_gather_give_a_tuple():
    @asynq.asynq()
    async def body(*futures):
        return await gather(*futures)

    one, two = ConstFuture(1), ConstFuture(2)
    assert body() == ()
    assert body(one) == (1,)
    assert body(None) == (None,)
    assert body(one, [two], {"a": one}, None) == (1, [2], {"a": 1}, None)
    assert body([one], [two]) == ([1], [2])


def test_gather_raises_the_first_error_in_structure_order_after_all_are_done():
    client = Client()
    log = []

    @asynq.asynq()
    async def late(error):
        await load.asynq(client, 1)
        await load.asynq(client, 2)
        log.append("late")
        raise error

    @asynq.asynq()
    async def body():
        try:
            await gather(late.asynq(KeyError()), {"a": fail.asynq(ValueError())})
        except KeyError:
            log.append("caught")

    body()
    assert log == ["late", "caught"]


@pytest.mark.parametrize(
    "wrong, cure",
    [
        (5, "Cure: yield f.asynq(...), not f(...); what is no future needs no yield."),
        ((x for x in ()), "Cure: make a list of it."),
        (load, "Cure: call it: yield f.asynq(...), not f."),
        (gather(), "Cure: only await takes what gather() returns; without it, yield or nest the"),
    ],
)
def test_gathering_what_is_no_future(wrong, cure):
    with pytest.raises(TypeError) as info:
        gather_all([wrong])
    expected = "Cannot unwrap an object of type '%s': only futures and None are allowed. %s"
    assert str(info.value).startswith(expected % (type(wrong), cure))


def test_yielding_what_gather_returns_says_what_to_yield():
    @asynq.asynq()
    def generator():
        yield gather(ConstFuture(1))

    with pytest.raises(TypeError, match="without it, yield or nest the list, tuple or dict itself"):
        generator()


# Ending


def test_a_native_body_ends_as_a_generator_body_does():
    @asynq.asynq()
    async def body(error):
        await ConstFuture(None)
        raise error

    async def helper():
        result("from a helper")

    @asynq.asynq()
    async def with_result():
        await helper()

    assert with_result() == "from a helper"
    assert body(GeneratorExit()) is None
    for error_cls in (ValueError, KeyboardInterrupt, SystemExit, AsyncTaskCancelledError):
        with pytest.raises(error_cls):
            body(error_cls())
    with pytest.raises(RuntimeError, match="raised StopIteration"):
        body(StopIteration())


def test_an_error_can_be_caught_where_it_is_awaited():
    @asynq.asynq()
    async def body():
        try:
            await fail.asynq(ValueError("text"))
        except ValueError as error:
            return str(error)

    assert body() == "text"


def test_a_body_is_closed_when_its_value_is_set_from_outside():
    client = Client()
    later = Client(priority=(-1,))
    log = []

    @asynq.asynq()
    async def wait():
        try:
            await later.get(1)
        except GeneratorExit:
            log.append("closed as itself" if get_active_task() is tasks[0] else "closed")
            raise

    @asynq.asynq()
    async def set_it():
        await client.get(2)
        tasks[0].set_value("set")

    tasks = [wait.asynq()]

    @asynq.asynq()
    async def root():
        return (await gather(tasks[0], set_it.asynq()))[0]

    assert root() == "set"
    assert log == ["closed as itself"]
    assert later.requests == []


def test_what_was_begun_is_closed_when_the_run_is_interrupted():
    client = Client()
    log = []

    @asynq.asynq()
    async def body():
        try:
            await client.get(1)
        finally:
            log.append("closed")

    client.fails_with = KeyboardInterrupt()
    with pytest.raises(KeyboardInterrupt):
        body()
    assert log == ["closed"]


def test_a_knot_is_an_error_where_it_was_awaited():
    tasks = {}

    @asynq.asynq()
    async def wait(name):
        return await tasks[name]

    @asynq.asynq()
    async def careful(future):
        try:
            await future
        except AsyncTaskError as error:
            return str(error)

    options.DUMP_PRE_ERROR_STATE = False
    try:
        tasks["a"] = wait.asynq("b")
        tasks["b"] = wait.asynq("a")
        with pytest.raises(AsyncTaskError, match="they wait for one another"):
            tasks["a"].value()
        assert "nobody is going to compute" in careful(FutureBase())
    finally:
        options.DUMP_PRE_ERROR_STATE = True


def test_a_chain_of_native_bodies_can_be_as_deep_as_one_likes():
    @asynq.asynq()
    async def chain(depth):
        return 1 + await chain.asynq(depth - 1) if depth else 0

    assert chain(20000) == 20000


# What never runs


def test_a_task_that_never_runs_goes_in_silence():
    ran = []

    @asynq.asynq()
    async def body():
        ran.append(1)

    class Task(AsyncTask):
        pass

    with_cls = asynq.asynq(cls=Task)(body.fn)
    pure = asynq.asynq(pure=True)(body.fn)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        body.asynq()
        with_cls.asynq()
        pure()
        task = body.asynq()
        task.set_value("from outside")
        assert wait_for(task) == "from outside"
        del task
        collect_garbage()
    assert [str(one.message) for one in caught] == []
    assert ran == []


def test_arguments_are_bound_at_the_call():
    for fn in (load, asynq.asynq(cls=lambda *args: AsyncTask(*args))(load.fn)):
        with pytest.raises(TypeError, match="client"):
            fn.asynq()


# Kinds of functions


def test_defaults_closures_and_keyword_arguments_are_kept():
    closed_over = []

    @asynq.asynq()
    async def body(a, b=2, *rest, c=3, **more):
        closed_over.append(a)
        return a, b, rest, c, more

    assert body(1) == (1, 2, (), 3, {})
    assert body(1, 5, 6, c=7, d=8) == (1, 5, (6,), 7, {"d": 8})
    assert closed_over == [1, 1]
    assert inspect.iscoroutinefunction(body.fn)
    assert body.asynq(1).fn is body.fn
    assert str(inspect.signature(body)) == "(a, b=2, *rest, c=3, **more)"


class Base:
    factor = 10

    @asynq.asynq()
    async def method(self, x):
        return await ConstFuture(self.factor * x)


class Methods(Base):
    factor = 100

    @asynq.asynq()
    async def method(self, x):
        return 1 + await super().method.asynq(x)

    @asynq.asynq()
    @classmethod
    async def outside(cls, x):
        return await ConstFuture((cls.__name__, x))

    @classmethod
    @asynq.asynq()
    async def inside(cls, x):
        return await ConstFuture((cls.__name__, x))

    @asynq.asynq()
    @staticmethod
    async def static_outside(x):
        return await ConstFuture(x)

    @staticmethod
    @asynq.asynq()
    async def static_inside(x):
        return await ConstFuture(x)

    @asynq.asynq(pure=True)
    async def pure(self, x):
        return await ConstFuture(x)

    @asynq.asynq(sync_fn=lambda self, x: ("sync", x))
    async def pair(self, x):
        return await ConstFuture(("async", x))


def test_methods_of_all_kinds():
    one = Methods()
    assert one.method(2) == one.method.asynq(2).value() == 201
    for name in ("outside", "inside"):
        for owner in (one, Methods):
            assert getattr(owner, name)(2) == ("Methods", 2)
            assert getattr(owner, name).asynq(2).value() == ("Methods", 2)
    for name in ("static_outside", "static_inside"):
        for owner in (one, Methods):
            assert getattr(owner, name)(2) == getattr(owner, name).asynq(2).value() == 2
    assert one.pure(2).value() == 2
    assert one.pair(2) == ("sync", 2)
    assert one.pair.asynq(2).value() == ("async", 2)


def test_partials_and_bound_methods_of_native_functions():
    client = Client()
    partial = asynq.asynq()(functools.partial(load.fn, client, key=1))
    bound = asynq.asynq()(functools.partial(types.MethodType(load.fn, client)))
    assert partial() == partial.asynq().value() == ("client", 1)
    assert bound(2) == bound.asynq(2).value() == ("client", 2)
    partial.asynq()


def test_a_function_that_may_be_compiled_is_driven_by_what_it_returns():
    decorated = asynq.decorators.AsyncDecorator(load.fn, AsyncTask)
    decorated._make_body = None
    decorated._is_ordinary = False  # as for a function that was compiled by Cython
    client = Client()
    assert decorated(client, 1) == ("client", 1)
    decorated.asynq(client, 1)
    assert client.requests == [[1]]


def test_a_task_can_be_made_of_a_coroutine():
    client = Client()
    stacks = []

    async def body():
        stacks.append(debug.format_asynq_stack())
        value = await client.get(1)
        stacks.append(debug.format_asynq_stack())
        return value

    coroutine = body()
    task = AsyncTask(coroutine, body, (), {})
    assert debug.get_frame(coroutine) is coroutine.cr_frame is not None
    assert task.value() == ("client", 1)
    assert debug.get_frame(coroutine) is None
    assert [stack[0].splitlines()[1] for stack in stacks] == [
        "    stacks.append(debug.format_asynq_stack())"
    ] * 2


def test_the_class_of_the_tasks_gets_the_generator():
    made = []

    class Task(AsyncTask):
        def __init__(self, generator, fn, args, kwargs, more=None):
            super().__init__(generator, fn, args, kwargs)
            made.append((inspect.isgenerator(generator), fn, args, kwargs, more))

    async def body(x, y):
        return await ConstFuture(x + y)

    assert asynq.asynq(cls=Task)(body)(1, y=2) == 3
    assert asynq.asynq(pure=True, cls=Task, more=1)(body)(1, 2).value() == 3
    assert made == [(True, body, (1,), {"y": 2}, None), (True, body, (1, 2), {}, 1)]


def test_native_functions_are_asked_whether_they_are_async():
    assert asynq.is_async_fn(load) and asynq.has_async_fn(load)
    assert not asynq.is_pure_async_fn(load)
    assert not asynq.is_async_fn(load.fn)
    assert asynq.is_pure_async_fn(asynq.asynq(pure=True)(load.fn))
    assert asynq.get_async_fn(load)(Client(), 1).value() == ("client", 1)
    assert load.needs_wrapper


def test_an_async_def_generator_is_refused():
    async def native_generator():
        yield 1

    text = r"%s\(\) can't be applied to .*native_generator.*, an async def function with a yield. "
    for name, decorator in (
        ("@asynq", asynq.asynq()),
        ("@asynq", asynq.asynq(pure=True)),
        ("@async_proxy", async_proxy()),
    ):
        for fn in (native_generator, staticmethod(native_generator)):
            with pytest.raises(AssertionError, match=text % name):
                decorator(fn)


def test_async_generator_refuses_async_def():
    async def native_generator():
        yield 1

    for fn in (native_generator, load.fn):
        with pytest.raises(AssertionError, match="expected a generator function, got .* async def"):
            async_generator()(fn)


def test_tools_work_with_native_functions():
    client = Client()
    runs = []

    async def body(key):
        runs.append(key)
        return (await client.get(key))[1]

    plain = asynq.asynq()(body)
    cached = tools.alru_cache()(asynq.asynq()(body))
    once = tools.deduplicate()(asynq.asynq()(body))
    retried = tools.aretry(KeyError, max_tries=2)(asynq.asynq()(body))

    @asynq.asynq()
    async def even(key):
        return await plain.asynq(key) % 2 == 0

    assert tools.amap(plain, [1, 2]) == [1, 2]
    assert tools.afilter(even, [1, 2, 3]) == [2]
    assert tools.asorted([2, 1], key=plain) == [1, 2]
    assert tools.amax([2, 1], key=plain) == 2
    assert tools.asift(even, [1, 2]) == ([2], [1])
    assert async_call(plain, 1) == retried(1) == 1
    del runs[:]
    assert [cached(5), cached(5), runs] == [5, 5, [5]]

    @asynq.asynq()
    async def twice():
        return await gather(once.asynq(6), once.asynq(6))

    assert (twice(), runs) == ((6, 6), [5, 6])


class Cached:
    def __init__(self):
        self.runs = 0

    @tools.acached_per_instance()
    @asynq.asynq()
    async def loaded(self, key):
        self.runs += 1
        return await ConstFuture(key)


def test_methods_are_cached_per_instance():
    one = Cached()
    assert (one.loaded(1), one.loaded(1), one.runs) == (1, 1, 1)


def test_a_native_function_can_be_patched():
    with asynq.mock.patch.object(Methods, "method") as mocked:
        mocked.return_value = 5
        assert Methods().method(1) == 5
        assert wait_for(Methods().method.asynq(1)) == 5
    assert Methods().method(2) == 201


def test_a_native_test_function_is_collected_and_run(tmp_path):
    (tmp_path / "test_it.py").write_text(
        """
import asynq

@asynq.asynq()
async def test_passes():
    assert await asynq.ConstFuture(1) == 1

@asynq.asynq()
async def test_fails():
    assert await asynq.ConstFuture(1) == 2

class TestClass:
    @asynq.asynq()
    async def test_method(self):
        assert await asynq.ConstFuture(1) == 1
"""
    )
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(tmp_path)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE)
    output = process.communicate()[0].decode()
    assert "1 failed, 2 passed" in output


# Contexts


def test_contexts_are_active_exactly_while_their_task_or_its_children_run():
    client = Client()
    log = []

    @asynq.asynq()
    async def leaf(name):
        log.append(name)
        await client.get(name)
        log.append(name)

    @asynq.asynq()
    async def inside(name):
        with Recorded(log, name):
            await leaf.asynq(name.lower())

    @asynq.asynq()
    async def root():
        await gather(inside.asynq("A"), inside.asynq("B"))

    root()
    assert " ".join(log) == "+A a -A +B b -B +A a -A +B b -B"


def test_a_context_that_forbids_waiting_forbids_awaiting():
    client = Client()

    @asynq.asynq()
    async def body(future):
        with NonAsyncContext():
            return await future

    assert body(ConstFuture(1)) == 1
    with pytest.raises(AssertionError):
        body(client.get(1))
    client.current_batch.cancel()


def test_a_context_that_fails_fails_its_task():
    client = Client()

    class RefusesToPause(asynq.AsyncContext):
        def resume(self):
            pass

        def pause(self):
            raise ValueError("pause")

    @asynq.asynq()
    async def body():
        with RefusesToPause():
            await client.get(1)

    @asynq.asynq()
    async def root():
        with pytest.raises(ValueError, match="pause"):
            await body.asynq()

    root()


# Async generators


@async_generator()
def numbers(client, keys):
    for key in keys:
        _, number = yield client.get(key)
        yield Value(number)
    yield client.get("end")


def test_async_for_goes_over_an_async_generator():
    client = Client()

    @asynq.asynq()
    async def body(keys):
        seen = []
        async for number in numbers(client, keys):
            seen.append(number)
        return seen, [number async for number in numbers(client, keys)]

    assert body([1, 2]) == ([1, 2], [1, 2])
    assert client.requests == [[1], [2], ["end"]] * 2
    assert body([]) == ([], [])


def test_async_for_can_be_left_and_goes_on_with_the_rest():
    client = Client()

    @async_generator()
    def endless():
        number = 0
        while True:
            number += 1
            yield Value(number)

    @asynq.asynq()
    async def body():
        generator = endless()
        async for number in generator:
            break
        async for next_number in generator:
            return number, next_number, await asynq.take_first.asynq(generator, 2)

    assert body() == (1, 2, [3, 4])
    assert client.requests == []


def test_an_error_in_an_async_generator_is_raised_by_async_for():
    client = Client()
    client.errors[2] = KeyError("key")

    @asynq.asynq()
    async def body():
        seen = []
        with pytest.raises(KeyError):
            async for number in numbers(client, [1, 2]):
                seen.append(number)
        return seen

    assert body() == [1]


# What needs an event loop


class Foreign:
    """An awaitable of a loop's."""

    def __await__(self):
        yield self


def test_awaiting_what_needs_an_event_loop_names_the_function_and_the_cure():
    foreign = Foreign()
    name = "tests.test_native.wait_for"
    for fn, shown in ((wait_for, foreign), (gather_all, foreign)):
        with pytest.raises(RuntimeError) as info:
            fn(foreign if fn is wait_for else [foreign])
        name = "tests.test_native." + fn.__name__
        assert str(info.value) == (
            "%s waits for %r, which needs an event loop, and is run without one. Cure: await"
            " %s.asyncio(...) on an event loop." % (name, foreign, name)
        )


def test_the_error_is_raised_where_it_was_awaited_after_all_others_are_done():
    client = Client()

    @asynq.asynq()
    async def body():
        try:
            await gather(Foreign(), load.asynq(client, 1))
        except RuntimeError:
            return client.requests

    assert body() == [[1]]


def test_yielding_what_needs_an_event_loop_is_a_type_error_as_ever():
    @asynq.asynq()
    def generator(foreign):
        yield foreign

    with pytest.raises(TypeError) as info:
        generator(Foreign())
    assert str(info.value).startswith(
        "Cannot unwrap an object of type '%s': only futures and None are allowed. Cure: await"
        % Foreign
    )
    assert str(info.value).endswith("generator.asyncio(...) on an event loop.")
    with pytest.raises(TypeError, match=r"allowed. Cure: await it on an event loop.$"):
        asynq.async_task.unwrap(Foreign())


def test_a_coroutine_that_is_refused_is_closed():
    async def coroutine():
        raise AssertionError("it is not run")

    @asynq.asynq()
    def generator(structure):
        yield structure

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        with pytest.raises(TypeError, match="make it an @asynq.. function and wait for its .asynq"):
            generator([coroutine()])
        with pytest.raises(RuntimeError, match="make it an @asynq.. function and wait for its .as"):
            gather_all([coroutine()])
        collect_garbage()
    assert [str(one.message) for one in caught] == []


@pytest.mark.skipif(sys.version_info < (3, 8), reason="asyncio makes a loop there")
def test_that_asyncio_misses_a_loop_is_the_cause_of_the_error():
    import asyncio

    @asynq.asynq()
    async def sleep():
        await asyncio.sleep(1)

    @asynq.asynq()
    async def parent():
        await sleep.asynq()

    with pytest.raises(RuntimeError) as info:
        parent()
    assert str(info.value) == (
        "tests.test_native.sleep waits for what needs an event loop, and is run without one. Cure:"
        " await tests.test_native.sleep.asyncio(...) on an event loop."
    )
    cause = info.value.__cause__
    assert type(cause) is RuntimeError and "no running event loop" in str(cause)
    assert "scheduler.py" not in "".join(traceback.format_tb(cause.__traceback__))


def test_a_future_of_asyncio_is_refused():
    import asyncio

    loop = asyncio.new_event_loop()
    try:
        future = loop.create_future()
        with pytest.raises(RuntimeError, match="wait_for waits for <Future pending"):
            wait_for(future)
    finally:
        loop.close()


def test_a_bare_yield_of_asyncio_goes_on():
    import asyncio

    @asynq.asynq()
    async def body():
        await asyncio.sleep(0)
        return 1

    assert body() == 1


def test_another_driver_can_wait_for_foreign_things(monkeypatch):
    asked = []

    def future_of(self, leaf, task):
        asked.append((leaf, task.fn))
        return ConstFuture("foreign")

    monkeypatch.setattr(asynq.scheduler.Run, "future_of", future_of)
    foreign = Foreign()
    assert wait_for(foreign) is None  # which is what a Foreign gives
    assert gather_all([foreign, ConstFuture(1)]) == ["foreign", 1]
    assert asked == [(foreign, wait_for.fn), (foreign, gather_all.fn)]


# Outside of tasks


def drive(coroutine):
    """Run a coroutine that has nothing to wait for."""
    with pytest.raises(StopIteration) as info:
        coroutine.send(None)
    return info.value.value


def test_outside_of_tasks_only_what_is_computed_can_be_awaited():
    async def plain(awaitable):
        return await awaitable

    assert drive(plain(ConstFuture(1))) == 1
    assert drive(plain(gather(ConstFuture(1), None))) == (1, None)
    with pytest.raises(KeyError):
        plain(ErrorFuture(KeyError())).send(None)
    with pytest.raises(KeyError):
        plain(gather([ErrorFuture(KeyError())])).send(None)
    client = Client()
    for awaitable in (load.asynq(client, 1), gather(load.asynq(client, 1))):
        with pytest.raises(RuntimeError) as info:
            plain(awaitable).send(None)
        assert str(info.value) == (
            "<class 'asynq.async_task.AsyncTask'> (isn't computed) was awaited outside of @asynq()"
            " functions, where nobody computes it. Cure: await it in an @asynq() function or on an"
            " event loop, or ask for its value()."
        )


# Looking at it


def names_in(tb):
    return [entry[2] for entry in traceback.extract_tb(tb)]


@pytest.mark.skipif(sys.version_info < (3, 7), reason="tracebacks cannot be re-linked")
def test_a_traceback_shows_each_level_of_the_users_code_once():
    client = Client()

    @asynq.asynq()
    async def innermost():
        await client.get(1)
        raise ValueError()

    async def helper():
        await gather(innermost.asynq(), client.get(2))

    @asynq.asynq()
    async def inner():
        await helper()

    @asynq.asynq()
    def generator():
        yield inner.asynq()

    @asynq.asynq()
    async def outer():
        await generator.asynq()

    with pytest.raises(ValueError) as info:
        outer()
    expected = ["outer", "generator", "inner", "helper", "innermost"]
    assert names_in(info.value._traceback) == expected
    assert names_in(info.value.__traceback__)[-5:] == expected
    assert info.value._task.fn is innermost.fn


def test_the_asynq_stack_shows_where_native_bodies_are():
    stacks = []

    @asynq.asynq()
    async def inner():
        stacks.append(debug.format_asynq_stack())

    @asynq.asynq()
    async def outer():
        await inner.asynq()

    outer()
    (stack,) = stacks
    assert [entry.splitlines()[1].strip() for entry in stack] == [
        "await inner.asynq()",
        "stacks.append(debug.format_asynq_stack())",
    ]


def test_a_task_that_waits_says_so():
    client = Client()
    texts = []

    @asynq.asynq()
    async def observe(task):
        texts.extend([str(task), task.traceback()[-1]])

    @asynq.asynq()
    async def body():
        await client.get(1)

    @asynq.asynq()
    async def root():
        task = body.asynq()
        await gather(task, observe.asynq(task))

    root()
    assert texts[0] == "@asynq tests.test_native.body() (blocked x1, before 1st yield)"
    assert texts[1].endswith("await client.get(1)")


# Memory, faults, interrupts


@counts_references
@pytest.mark.parametrize("error_cls", [None, ValueError, KeyboardInterrupt])
def test_native_runs_leave_nothing_to_the_collector(error_cls):
    def programs():
        client = Client()

        async def helper(key):
            return await load.asynq(client, key)

        @asynq.asynq()
        async def fail_late():
            await helper(2)
            if error_cls is not None:
                raise error_cls()

        @asynq.asynq()
        async def caught():
            try:
                await fail_late.asynq()
            except (ValueError, KeyboardInterrupt):
                pass
            try:
                await gather([fail_late.asynq(), client.get(3)])
            except (ValueError, KeyboardInterrupt):
                pass
            return await helper(1)

        @asynq.asynq()
        async def body():
            await caught.asynq()
            async for number in numbers(client, [1, 2]):
                assert number
            return await gather(fail_late.asynq(), client.get(2))

        try:
            body()
        except BaseException as error:
            assert type(error) is error_cls
        else:
            assert error_cls is None
        client.current_batch = None

    gc.collect()
    gc.disable()
    try:
        known = set(map(id, test_garbage.ours()))
        programs()
        assert [one for one in test_garbage.ours() if id(one) not in known] == []
    finally:
        gc.enable()


@asynq.asynq()
async def native_leaf(world):
    world.fault()
    await world.get()
    world.fault()
    return 1


async def native_helper(world):
    with world.context():
        await native_leaf.asynq(world)
        world.fault()


@asynq.asynq()
async def native_in_context(world):
    with world.context():
        await gather(world.get(), native_leaf.asynq(world))
        await native_helper(world)
        await test_faults.leaf.asynq(world)
        native_leaf(world)


@asynq.asynq()
async def native_program(world):
    try:
        await gather([native_in_context.asynq(world), native_leaf.asynq(world)])
    except ValueError:
        pass
    await gather({"own": test_faults.Computed(world), "item": world.get()})
    return 1


collector_off = test_faults.collector_off


@pytest.mark.parametrize("error_cls", test_faults.ERRORS)
def test_after_an_error_anywhere_everything_is_as_it_was(error_cls, collector_off, capsys):
    total = test_faults.inject_everywhere(
        native_program, error_cls, test_faults.assert_nothing_is_left
    )
    assert total > 20


def test_after_an_interrupt_anywhere_everything_is_as_it_was(collector_off, capsys):
    paths = test_interrupts.INTERRUPTIBLE + (__file__,)
    for interrupter in test_interrupts.every_moment(native_program, paths=paths):
        world = test_faults.World()
        raised = test_faults.run(interrupter, world)
        assert raised is (None if interrupter.place is None else KeyboardInterrupt)
        test_faults.assert_all_is_as_it_was(world)
        del world
        if test_interrupts.BEFORE_3_11:
            gc.collect()
        else:
            test_faults.assert_nothing_is_left()
    assert interrupter.points > 300
