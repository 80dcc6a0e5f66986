"""A task drives one body: what it yields, how it ends, what can be asked about it."""

import copy
import sys
import traceback

import pytest

import asynq
from asynq import (
    AsyncTask,
    AsyncTaskCancelledError,
    AsyncTaskResult,
    ConstFuture,
    ErrorFuture,
    FutureBase,
    get_active_task,
    get_scheduler,
    none_future,
    result,
)
from asynq.async_task import extract_futures, unwrap
from asynq.debug import options

from .helpers import Client, Item, collect_garbage


@asynq.asynq()
def give_back(structure):
    result((yield structure))


@asynq.asynq()
def load(client, key):
    result((yield client.get(key)))


def leaf(value):
    return Client(value).get("key")


@pytest.mark.parametrize(
    "structure, value",
    [
        (None, None),
        ([], []),
        ((), ()),
        ({}, {}),
        ([None], [None]),
        (ConstFuture(1), 1),
        ([ConstFuture(1), None, ConstFuture(2)], [1, None, 2]),
        ((ConstFuture(1), (), [ConstFuture(2)]), (1, (), [2])),
        ({"a": ConstFuture(1), "b": [{"c": ConstFuture(2)}]}, {"a": 1, "b": [{"c": 2}]}),
        ([[ConstFuture(1)], [[]], {}], [[1], [[]], {}]),
    ],
)
def test_the_value_of_a_yield_has_the_shape_of_what_was_yielded(structure, value):
    assert give_back(structure) == value
    assert unwrap(structure) == value
    assert type(give_back(structure)) is type(value)


def test_dicts_are_batched():
    client = Client()

    @asynq.asynq()
    def root():
        result((yield {key: load.asynq(client, key) for key in "abc"}))

    assert root() == {key: ("client", key) for key in "abc"}
    assert client.requests == [list({key: None for key in "abc"})]


class SubList(list):
    pass


sub_list = pytest.param(
    SubList(), marks=pytest.mark.synchronous("an event loop takes what is derived from a list")
)


@pytest.mark.parametrize("wrong", [1, "text", {1}, sub_list, iter(()), object])
def test_what_cannot_be_unwrapped_is_an_error_thrown_into_the_body(wrong):
    client = Client()

    @asynq.asynq()
    def root():
        item = client.get("a")
        try:
            yield [item, wrong]
        except TypeError as error:
            assert item.is_computed()
            result(str(error))

    expected = "Cannot unwrap an object of type '%s': only futures and None are allowed." % (
        type(wrong),
    )
    assert root().startswith(expected)
    with pytest.raises(TypeError):
        give_back(wrong)
    with pytest.raises(TypeError):
        unwrap((none_future, wrong))


def test_a_structure_that_contains_itself_is_an_error():
    structure = []
    structure.append(structure)

    @asynq.asynq()
    def root():
        try:
            yield structure
        except RuntimeError as error:
            result(str(error))

    assert "does it contain itself?" in root()


def test_futures_are_extracted_in_the_order_of_a_stack():
    one, two, three, four = [ConstFuture(i) for i in range(4)]
    into = []
    mapping = {"a": three, "b": [four, 5]}
    found = extract_futures([one, (two, None), mapping], into)
    assert found is into
    # The order of a dict is its own; on Python 2 it is another one in each process.
    assert found == [four if key == "b" else three for key in mapping] + [two, one]


def test_all_that_was_yielded_is_computed_before_the_first_error_in_order_is_thrown():
    client = Client()
    first, second = ValueError("first"), ValueError("second")
    log = []

    @asynq.asynq()
    def fail_late(error):
        yield client.get("late")
        raise error

    @asynq.asynq()
    def sibling():
        yield client.get("sibling")
        log.append("sibling")

    @asynq.asynq()
    def root():
        try:
            yield [sibling.asynq(), {"a": fail_late.asynq(first)}, ErrorFuture(second)]
        except ValueError as error:
            result(error)

    assert root() is first
    assert log == ["sibling"]


def test_a_task_ends_with_what_its_function_returns_or_raises_as_result():
    @asynq.asynq()
    def plain():
        return 1

    @asynq.asynq()
    def raising_result():
        yield None
        raise AsyncTaskResult(2)

    @asynq.asynq()
    def plain_result():
        result(3)

    @asynq.asynq()
    def falling_off():
        yield None

    assert [plain(), raising_result(), plain_result(), falling_off()] == [1, 2, 3, None]


def test_a_value_method_that_a_class_defines_anew_is_called_at_a_yield():
    class Checked(Item):
        def value(self):
            value = super(Checked, self).value()
            if value[1] == "missing":
                raise KeyError(value[1])
            return ("checked",) + value

    class CheckedConst(ConstFuture):
        def value(self):
            return "checked"

    client = Client()

    @asynq.asynq()
    def root():
        items = [Checked(client, key) for key in ("a", "b", "missing")]
        with pytest.raises(KeyError, match="missing"):
            yield [none_future, {"x": items[2]}]
        with pytest.raises(KeyError, match="missing"):
            yield items[2]
        result((yield items[0], [items[1], client.get("c")], CheckedConst(1)))

    assert root() == (
        ("checked", "client", "a"),
        [("checked", "client", "b"), ("client", "c")],
        "checked",
    )
    assert client.requests == [["a", "b", "missing"], ["c"]]


def test_a_returned_future_is_not_unwrapped():
    future = ConstFuture(1)

    @asynq.asynq()
    def plain():
        return future

    assert plain() is future


@pytest.mark.parametrize("error_cls", [ValueError, KeyboardInterrupt, SystemExit])
def test_what_a_body_raises_is_the_error_of_the_task_and_is_thrown_where_it_is_yielded(error_cls):
    seen = []

    @asynq.asynq()
    def fail():
        raise error_cls("x")
        yield

    @asynq.asynq()
    def root():
        try:
            yield fail.asynq()
        except error_cls:
            seen.append("caught")
            raise

    with pytest.raises(error_cls):
        root()
    assert seen == ["caught"]
    assert type(fail.asynq().error()) is error_cls
    assert get_active_task() is None


def test_generator_exit_ends_a_task_with_none_but_its_cancellation_is_an_error():
    def fail_with(error):
        @asynq.asynq()
        def fail():
            yield None
            raise error

        return fail

    assert fail_with(GeneratorExit())() is None
    with pytest.raises(AsyncTaskCancelledError):
        fail_with(AsyncTaskCancelledError())()


@pytest.mark.skipif(sys.version_info < (3, 7), reason="generators end with any StopIteration")
def test_stop_iteration_in_a_generator_is_a_runtime_error():
    @asynq.asynq()
    def fail():
        yield None
        raise StopIteration()

    with pytest.raises(RuntimeError, match="StopIteration"):
        fail()


def test_stop_iteration_in_a_plain_function_is_a_runtime_error():
    @asynq.asynq()
    def fail():
        raise StopIteration(5)

    with pytest.raises(RuntimeError, match="async function raised StopIteration"):
        fail()


def test_the_same_error_object_travels_through_all_tasks():
    error = ValueError()

    @asynq.asynq()
    def fail():
        yield None
        raise error

    @asynq.asynq()
    def middle():
        yield [fail.asynq()]

    @asynq.asynq()
    def root():
        try:
            yield middle.asynq()
        except ValueError as caught:
            assert caught is error
            raise

    task = root.asynq()
    assert task.error() is error
    assert error._task.fn is fail.fn
    assert error._task.args == ()
    assert isinstance(error._task, AsyncTask)
    assert error._type_ is ValueError
    assert error._traceback is not None


def test_the_error_names_its_task_while_that_lives_and_its_call_afterwards():
    @asynq.asynq()
    def fail(x):
        raise ValueError(x)

    task = fail.asynq(1)
    error = task.error()
    assert error._task == task
    assert not error._task != task
    assert error._task != fail.asynq(1)
    assert len({error._task, error._task}) == 1
    assert str(error._task) == str(task)
    assert error._task.is_computed()
    assert error._task.value == task.value
    del task
    collect_garbage()
    assert str(error._task).startswith("@asynq tests.test_async_task.fail(1)")
    assert error._task.is_computed() and error._task.iteration_index == 1
    assert error._task.creator is None
    assert error._task.traceback()[0].endswith("in fail\n    raise ValueError(x)")
    assert copy.copy(error._task).args == (1,)
    with pytest.raises(AttributeError, match="is gone"):
        error._task.value


class Frozen(Exception):
    """Refuses attributes."""

    def __setattr__(self, name, value):
        raise AttributeError(name)


def test_errors_that_refuse_attributes_travel_as_well():
    @asynq.asynq()
    def fail():
        yield None
        raise Frozen()

    @asynq.asynq()
    def root():
        try:
            yield fail.asynq(), fail.asynq()
        except Frozen:
            result("caught")

    assert root() == "caught"
    with pytest.raises(Frozen):
        fail()


def names_in(tb):
    return [entry[2] for entry in traceback.extract_tb(tb)]


@pytest.mark.skipif(sys.version_info < (3, 7), reason="tracebacks cannot be re-linked")
def test_a_traceback_shows_each_level_of_the_users_code_once():
    client = Client()

    def helper():
        raise ValueError()

    @asynq.asynq()
    def inner():
        yield client.get(1)
        helper()

    @asynq.asynq()
    def middle():
        yield [inner.asynq()]

    @asynq.asynq()
    def called():
        yield middle.asynq()

    @asynq.asynq()
    def outer():
        yield client.get(2)
        called()

    expected = ["outer", "called", "middle", "inner", "helper"]
    task = outer.asynq()
    error = task.error()
    assert names_in(error.__traceback__) == expected
    assert names_in(error._traceback) == expected
    for _ in range(3):
        with pytest.raises(ValueError) as info:
            task.value()
    assert names_in(info.value.__traceback__)[-5:] == expected
    assert len(names_in(info.value.__traceback__)) < 12


@pytest.mark.skipif(sys.version_info < (3,), reason="errors have no traceback")
@pytest.mark.generator("in the body itself, the await is a level of the traceback")
def test_a_traceback_does_not_grow_when_an_error_reaches_several_waiters():
    client = Client()
    seen = []

    @asynq.asynq()
    def fail():
        yield client.get(1)
        raise ValueError()

    @asynq.asynq()
    def wait(task):
        try:
            yield task
        except ValueError as error:
            seen.append(names_in(error.__traceback__)[-2:])

    @asynq.asynq()
    def root():
        task = fail.asynq()
        yield [wait.asynq(task) for _ in range(3)]

    root()
    assert seen == [["wait", "fail"]] * 3


def test_an_error_that_was_caught_leaves_no_trace_in_a_later_one():
    @asynq.asynq()
    def fail():
        raise ValueError()

    @asynq.asynq()
    def root():
        try:
            yield fail.asynq()
        except ValueError:
            pass
        yield None
        raise KeyError()

    error = root.asynq().error()
    assert type(error) is KeyError
    assert getattr(error, "__context__", None) is None


def test_arguments_are_bound_at_the_call_of_a_generator_function_only():
    @asynq.asynq()
    def generator(a):
        yield a

    @asynq.asynq()
    def plain(a):
        return a

    with pytest.raises(TypeError):
        generator.asynq()
    task = plain.asynq()
    with pytest.raises(TypeError):
        task.value()


def test_a_task_tells_its_state_and_its_step():
    client = Client()
    states = []

    @asynq.asynq()
    def steps(a, b=2):
        task = get_active_task()
        states.append((str(task), task.iteration_index, task.running, task.is_blocked()))
        yield client.get(1)
        states.append((str(task), task.iteration_index, task.running, task.is_blocked()))

    @asynq.asynq()
    def watch(task):
        states.append((str(task), task.iteration_index, task.running, task.is_blocked()))
        states.append([future.batch for future in task._dependencies])
        yield None

    @asynq.asynq()
    def root():
        task = steps.asynq(1, b=3)
        states.append((str(task), task.iteration_index, task.running, task.is_blocked()))
        yield task, watch.asynq(task)
        states.append((str(task), task.iteration_index, task.running, task.can_continue()))

    batch = client.current_batch
    root()
    name = "@asynq tests.test_async_task.steps(1,b=3) "
    assert states == [
        (name + "(waiting, passed yield #-1)", 0, False, False),
        (name + "(waiting, before 1st yield)", 1, True, False),
        (name + "(blocked x1, before 1st yield)", 1, False, True),
        [batch],
        (name + "(waiting, passed yield #1)", 2, True, False),
        (name + "(computed, = None, passed yield #1)", 2, False, False),
    ]


def test_a_task_keeps_its_function_and_its_arguments():
    task = load.asynq("client", key="key")
    assert task.fn is load.fn
    assert task.args == ("client",)
    assert task.kwargs == {"key": "key"}
    assert task.can_continue()


def test_a_task_dumps_itself_with_its_dependencies(capsys):
    client = Client()

    @asynq.asynq()
    def child():
        yield client.get(1)

    @asynq.asynq()
    def dump(task):
        task.dump()
        task.dump(41)
        yield None

    @asynq.asynq()
    def parent():
        yield child.asynq(), dump.asynq(get_active_task())

    parent()
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("@asynq tests.test_async_task.parent() (blocked x2")
    assert lines[1] == "  Dependencies:"
    assert lines[2].startswith("    @asynq tests.test_async_task.child() (blocked x1")
    assert lines[4] == "        <class 'tests.helpers.Item'> (isn't computed)"
    assert lines[6] == "      No dependencies."
    assert lines[-1] == "  " * 41 + "..."


def test_a_task_of_an_own_class_can_be_made():
    computed = []

    class Task(AsyncTask):
        def __init__(self, generator, fn, args, kwargs, tag=None):
            super(Task, self).__init__(generator, fn, args, kwargs)
            self.tag = tag

        def _computed(self):
            computed.append(self.tag)
            super(Task, self)._computed()

    @asynq.asynq(pure=True, cls=Task, tag="blue")
    def f(x):
        result((yield x))

    @asynq.asynq(cls=Task)
    def g():
        yield f(ConstFuture(1))

    task = f(ConstFuture(5))
    assert (task.value(), task.tag) == (5, "blue")
    g()
    assert computed == ["blue", "blue", None]


def test_an_own_class_gets_a_generator_for_plain_functions_too():
    generators = []

    class Task(AsyncTask):
        def __init__(self, generator, fn, args, kwargs):
            generators.append(type(generator).__name__)
            super(Task, self).__init__(generator, fn, args, kwargs)

    @asynq.asynq(cls=Task)
    def plain(x):
        return x

    assert plain(5) == 5
    assert generators == ["generator"]


def test_a_task_needs_a_generator_or_none():
    with pytest.raises(AssertionError, match="generator is expected, but 3 is provided"):
        AsyncTask(3, len, (), {})
    with asynq.debug.disable_complex_assertions():
        AsyncTask(3, len, (), {})
    assert AsyncTask(None, len, ("abc",), {}).value() == 3


def test_a_task_can_be_given_a_value_or_an_error_from_outside():
    client = Client()
    log = []

    @asynq.asynq()
    def body():
        try:
            yield client.get(1)
        finally:
            log.append("closed")

    @asynq.asynq()
    def give(task, value):
        task.set_value(value)
        yield None

    @asynq.asynq()
    def root():
        task = body.asynq()
        result((yield task, give.asynq(task, 5)))

    assert root() == (5, None)
    assert log == ["closed"]
    fresh = body.asynq()
    fresh.set_error(ValueError())
    with pytest.raises(ValueError):
        fresh.value()


def test_a_task_that_computes_itself_goes_on_unheard():
    log = []

    @asynq.asynq()
    def generator(then):
        get_active_task().set_value("early")
        log.append((yield ConstFuture("more")))
        yield then
        log.append("never")

    @asynq.asynq()
    def plain():
        get_active_task().set_value("early")
        return "late"

    @asynq.asynq()
    def failing():
        get_active_task().set_value("early")
        raise ValueError()

    client = Client()
    assert generator(client.get(1)) == "early"
    assert generator([client.get(1)]) == "early"
    assert (plain(), failing()) == ("early", "early")
    assert log == ["more", "more"]
    assert client.requests == []


def test_an_error_while_a_body_is_closed_is_not_the_tasks():
    client = Client()

    @asynq.asynq()
    def body():
        try:
            yield client.get(1)
        finally:
            raise KeyError()

    @asynq.asynq()
    def give(task):
        task.set_value(1)
        yield None

    @asynq.asynq()
    def root():
        task = body.asynq()
        result((yield task, give.asynq(task)))

    assert root() == (1, None)


def test_a_traceback_of_tasks_goes_from_the_oldest_creator_to_the_task():
    lines = []

    @asynq.asynq()
    def child():
        lines.extend(get_active_task().traceback())
        yield None

    @asynq.asynq()
    def plain_parent():
        child()

    @asynq.asynq()
    def root():
        yield plain_parent.asynq()

    root()
    assert len(lines) == 3
    assert lines[0].startswith('File "')
    assert lines[0].endswith("in root\n    yield plain_parent.asynq()")
    assert lines[1].startswith("@asynq tests.test_async_task.plain_parent() (waiting")
    assert lines[2].endswith("in child\n    lines.extend(get_active_task().traceback())")


def test_a_failed_task_knows_the_line_where_it_failed():
    @asynq.asynq()
    def fail():
        yield None
        raise ValueError()

    task = fail.asynq()
    task.error()
    assert task.traceback()[0].endswith("in fail\n    raise ValueError()")


def test_waiting_for_a_task_does_not_raise_its_error():
    task = give_back.asynq(ErrorFuture(ValueError()))
    assert get_scheduler().wait_for(task) is None
    assert get_scheduler().wait_for(task) is None
    assert isinstance(task.error(), ValueError)


def test_dependencies_are_kept_if_that_is_wanted():
    client = Client()
    items = []

    @asynq.asynq()
    def body(fail):
        items.append(client.get(1))
        yield items[-1]
        if fail:
            raise ValueError()

    options.KEEP_DEPENDENCIES = True
    try:
        tasks = [body.asynq(False), body.asynq(True)]
        assert [type(task.error()) for task in tasks] == [type(None), ValueError]
    finally:
        options.KEEP_DEPENDENCIES = False
    assert [task._dependencies for task in tasks] == [[item] for item in items]


def test_a_promise_of_a_task_class_hears_of_no_run():
    task = give_back.asynq(FutureBase())
    assert task.perf_stats == {}
    assert repr(task) == "<class 'asynq.async_task.AsyncTask'> (isn't computed)"


def test_the_task_of_a_call_is_like_one_that_was_constructed():
    def body(x, y=0):
        yield none_future

    def state_of(task):
        names = [name for cls in AsyncTask.__mro__ for name in getattr(cls, "__slots__", ())]
        state = {name: getattr(task, name, "unset") for name in names}
        del state["_body"]
        return state

    function = asynq.asynq()(body)
    for args, kwargs in (((1,), {"y": 2}), ((1,), {})):
        constructed = AsyncTask(body(*args, **kwargs), body, args, kwargs)
        assert state_of(function.asynq(*args, **kwargs)) == state_of(constructed)


def test_the_keyword_arguments_of_a_task_are_a_dict_and_can_be_replaced():
    task = asynq.asynq()(lambda **kwargs: sorted(kwargs)).asynq()
    assert task.kwargs == {}
    task.kwargs = {"key": 1}
    assert task.kwargs == {"key": 1}
    assert task.value() == ["key"]


def test_a_const_future_that_is_reset_gives_what_it_is_set_to_then():
    @asynq.asynq()
    def caught(future):
        try:
            result((yield future))
        except KeyError as error:
            result(error)

    future = ConstFuture(1)
    assert caught(future) == 1
    future.reset_unsafe()
    future.set_error(KeyError("key"))
    assert caught(future) is future.error()
    future.reset_unsafe()
    future.set_value(2)
    assert caught(future) == 2


def test_a_task_that_is_yielded_many_times_at_once_runs_once():
    client = Client()
    shared = load.asynq(client, "a")

    @asynq.asynq()
    def both():
        result((yield [shared, load.asynq(client, "b"), shared, {"again": shared}]))

    a, b = ("client", "a"), ("client", "b")
    assert both() == [a, b, a, {"again": a}]
    assert client.requests == [["a", "b"]]


@pytest.mark.parametrize("depth", [1, 9, 10, 11, 30])
def test_values_errors_and_mistakes_are_found_however_deep_they_are_nested(depth):
    def nested(leaf):
        for level in range(depth):
            leaf = [leaf, None] if level % 2 else {"leaf": (leaf,)}
        return leaf

    for leaf in (ConstFuture(1), load.asynq(Client(), "a")):
        assert give_back(nested(leaf)) == nested(leaf.value())
    with pytest.raises(KeyError):
        give_back([none_future, nested(ErrorFuture(KeyError()))])
    client = Client()
    with pytest.raises(TypeError) as info:
        give_back([load.asynq(client, "a"), nested(5)])
    assert "Cannot unwrap an object of type '%s'" % int in str(info.value)
    assert client.requests == [["a"]]


@pytest.mark.parametrize("depth", [0, 1, 12])
def test_a_value_method_of_the_users_own_is_called_in_the_order_of_the_structure(depth):
    class Own(FutureBase):
        def _compute(self):
            self.set_value(1)

        def value(self):
            super(Own, self).value()
            raise KeyError("own")

    for structure, error_cls in (
        ([Own(), ErrorFuture(ValueError())], KeyError),
        ([ErrorFuture(ValueError()), Own()], ValueError),
    ):
        for _ in range(depth):
            structure = [structure]
        with pytest.raises(error_cls):
            give_back(structure)


def test_a_task_is_still_running_when_it_may_wait_for_nothing_that_it_has_yielded(monkeypatch):
    @asynq.asynq()
    def child():
        yield none_future

    @asynq.asynq()
    def root():
        try:
            yield [child.asynq(), child.asynq()]
        except RuntimeError:
            task = get_active_task()
            result((task.running, task.is_blocked()))

    monkeypatch.setattr(options, "MAX_TASK_STACK_SIZE", 1)
    assert root() == (True, False)


def test_a_running_task_that_nobody_waits_for_any_longer_stops_where_it_would_wait():
    client = Client()
    log = []
    tasks = {}

    @asynq.asynq()
    def fresh():
        log.append("fresh")
        yield client.get("fresh")

    @asynq.asynq()
    def child():
        tasks["parent"].set_value("early")
        yield [fresh.asynq()]
        log.append("child")
        result("late")

    @asynq.asynq()
    def wait_for(name):
        result((yield tasks[name]))

    tasks["child"] = child.asynq()
    tasks["parent"] = wait_for.asynq("child")
    assert tasks["parent"].value() == "early"
    assert (log, client.requests) == ([], [])
    # It goes on for whoever asks for it.
    assert wait_for("child") == "late"
    assert (log, client.requests) == (["fresh", "child"], [["fresh"]])


def test_a_running_task_that_is_asked_for_again_goes_on():
    client = Client()
    tasks = {}

    @asynq.asynq()
    def wait_for(name):
        result((yield tasks[name]))

    @asynq.asynq()
    def call():
        tasks["other"].value()
        yield None

    @asynq.asynq()
    def child():
        tasks["parent"].set_value("early")
        call()
        result((yield client.get(1)))

    @asynq.asynq()
    def root():
        tasks["child"] = child.asynq()
        tasks["parent"] = wait_for.asynq("child")
        tasks["other"] = wait_for.asynq("parent")
        result((yield tasks["parent"], tasks["other"]))

    assert root() == ("early", "early")
