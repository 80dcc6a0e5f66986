"""Nothing of a run is left to the cyclic garbage collector, however the run ends."""

import gc
import sys
import weakref

import pytest
import six

import asynq
from asynq import AsyncTask, ErrorFuture, FutureBase, get_active_task, result
from asynq.generator import async_generator, list_of_generator
from asynq.scheduler import Run

from .helpers import Client, Recorded, counts_references

pytestmark = counts_references


@pytest.fixture(autouse=True)
def collector_off():
    gc.collect()
    gc.disable()
    before.extend(ours())
    yield
    del before[:]
    gc.enable()


# What other tests have left behind, and the futures that are constants of modules.
before = []


def ours():
    return [one for one in gc.get_objects() if isinstance(one, (FutureBase, Run))]


def assert_nothing_is_left():
    """Neither alive nor in a cycle: no future, no run."""
    known = set(map(id, before))
    assert [one for one in ours() if id(one) not in known] == []


def assert_raises(error_cls, fn, *args):
    """``pytest.raises`` keeps the error, and so the frames."""
    try:
        fn(*args)
    except error_cls:
        pass
    else:
        raise AssertionError("%s was not raised" % error_cls)


@asynq.asynq()
def load(client, key):
    value = yield client.get(key)
    result(value)


@asynq.asynq()
def load_all(client, keys):
    values = yield [load.asynq(client, key) for key in keys]
    result(values)


@asynq.asynq()
def fail_after_loading(client, error_cls):
    yield client.get("key")
    raise error_cls()


@asynq.asynq()
def wait_for_failure(client, error_cls):
    yield fail_after_loading.asynq(client, error_cls)


def test_a_successful_run_leaves_nothing():
    client = Client()
    load_all(client, [1, 2, 3])
    client.current_batch = None
    assert_nothing_is_left()


def test_a_failed_run_leaves_nothing_once_the_error_is_dropped():
    client = Client()
    assert_raises(ValueError, wait_for_failure, client, ValueError)
    client.current_batch = None
    assert_nothing_is_left()


def test_an_error_raised_in_a_nested_synchronous_call_leaves_nothing():
    client = Client()

    @asynq.asynq()
    def outer():
        yield load.asynq(client, 1)
        wait_for_failure(client, ValueError)

    assert_raises(ValueError, outer)
    client.current_batch = None
    assert_nothing_is_left()


def test_a_caught_error_leaves_nothing():
    client = Client()

    @asynq.asynq()
    def outer():
        try:
            yield wait_for_failure.asynq(client, ValueError)
        except ValueError:
            pass
        yield load.asynq(client, 1)

    outer()
    client.current_batch = None
    assert_nothing_is_left()


@pytest.mark.skipif(six.PY2, reason="the frames of an error cannot be emptied")
def test_a_failed_flush_leaves_nothing():
    client = Client()
    client.fails_with = ValueError
    assert_raises(ValueError, load_all, client, [1, 2])
    client.fails_with = client.current_batch = None
    assert_nothing_is_left()


def test_an_error_caught_in_a_flush_and_given_to_an_item_leaves_nothing():
    class Batch(asynq.BatchBase):
        def _try_switch_active_batch(self):
            pass

        def _flush(self):
            for item in self.items:
                try:
                    raise ValueError()
                except ValueError as error:
                    item.set_error(error)

    @asynq.asynq()
    def load_one():
        yield asynq.BatchItemBase(Batch())

    assert_raises(ValueError, load_one)
    if sys.version_info >= (3,):
        assert_nothing_is_left()


def test_a_cancelled_batch_leaves_nothing():
    client = Client()
    items = [client.get(1), client.get(2)]
    client.current_batch.cancel()
    assert items[0].error() is items[1].error()
    del items[:]
    client.current_batch = None
    assert_nothing_is_left()


def test_contexts_leave_nothing():
    client = Client()
    log = []

    @asynq.asynq()
    def inside(name, key):
        with Recorded(log, name):
            yield load.asynq(client, key)

    @asynq.asynq()
    def both():
        yield inside.asynq("a", 1), inside.asynq("b", 2)

    both()
    client.current_batch = None
    assert_nothing_is_left()


def test_a_context_that_fails_leaves_nothing():
    client = Client()

    class Bad(asynq.AsyncContext):
        def resume(self):
            pass

        def pause(self):
            raise ValueError()

    @asynq.asynq()
    def inside():
        with Bad():
            yield load.asynq(client, 1)

    assert_raises(ValueError, inside)
    client.current_batch.cancel()  # it was not flushed, and holds its item
    client.current_batch = None
    assert_nothing_is_left()


def test_a_failed_task_leaves_nothing_though_its_body_holds_a_task_that_never_ran():
    client = Client()

    @asynq.asynq()
    def fail():
        unused = load.asynq(client, 1)  # noqa: F841
        yield client.get(2)
        raise ValueError()

    assert_raises(ValueError, fail)
    client.current_batch = None
    assert_nothing_is_left()


def test_an_abandoned_task_leaves_nothing():
    client = Client()

    class Refusing(asynq.NonAsyncContext):
        pass

    @asynq.asynq()
    def refuse():
        with Refusing():
            yield load_all.asynq(client, [1])

    assert_raises(AssertionError, refuse)
    client.current_batch.cancel()
    client.current_batch = None
    assert_nothing_is_left()


def test_a_lazy_future_that_fails_leaves_nothing():
    @asynq.asynq()
    def root():
        yield asynq.Future(lambda: 1 // 0)

    assert_raises(ZeroDivisionError, root)
    assert_nothing_is_left()


def test_tasks_that_never_ran_leave_nothing():
    client = Client()
    load.asynq(client, 1)
    client.current_batch = None
    assert_nothing_is_left()


def test_a_knot_leaves_nothing_once_the_error_is_dropped():
    @asynq.asynq()
    def wait(future):
        yield future

    assert_raises(asynq.AsyncTaskError, wait, FutureBase())
    assert_nothing_is_left()


@pytest.mark.skipif(six.PY2, reason="the frames of an error cannot be emptied")
def test_an_interrupted_run_leaves_nothing():
    client = Client()
    client.fails_with = KeyboardInterrupt
    assert_raises(KeyboardInterrupt, load_all, client, [1, 2])
    client.fails_with = client.current_batch = None
    assert_nothing_is_left()


def test_a_finished_task_holds_neither_its_ancestors_nor_its_body():
    tasks = []
    client = Client()

    @asynq.asynq()
    def child():
        tasks.append(get_active_task())
        assert tasks[0].creator is parent_task()
        yield client.get(1)

    @asynq.asynq()
    def parent():
        tasks_of_parent.append(weakref.ref(get_active_task()))
        yield child.asynq()

    tasks_of_parent = []

    def parent_task():
        return tasks_of_parent[0]()

    parent()
    assert parent_task() is None
    assert tasks[0].creator is None
    assert tasks[0]._dependencies == []
    assert isinstance(tasks.pop(), AsyncTask)


def test_an_error_keeps_the_frames_of_the_users_code_for_post_mortems():
    client = Client()
    try:
        wait_for_failure(client, ValueError)
    except ValueError:
        traceback = sys.exc_info()[2]
    while traceback.tb_next is not None:
        traceback = traceback.tb_next
    assert traceback.tb_frame.f_locals["client"] is client
    del traceback


class RefusesToPause(asynq.AsyncContext):
    def resume(self):
        pass

    def pause(self):
        raise ValueError("pause")


@pytest.mark.parametrize("ends", [lambda: 1, lambda: result(1)], ids=["return", "result"])
def test_an_error_of_a_context_that_is_never_left_leaves_nothing(ends):
    @asynq.asynq()
    def enter():
        RefusesToPause().__enter__()
        return ends()

    @asynq.asynq()
    def enter_and_yield():
        RefusesToPause().__enter__()
        yield None
        ends()

    for fn in (enter, enter_and_yield):
        assert_raises(ValueError, fn)
        assert_nothing_is_left()


class RefusesToResume(asynq.AsyncContext):
    times = 0

    def resume(self):
        self.times += 1
        if self.times == 2:
            raise ValueError("resume")

    def pause(self):
        pass


def test_an_error_of_a_context_while_a_run_is_interrupted_leaves_nothing():
    client = Client()
    client.fails_with = KeyboardInterrupt

    @asynq.asynq()
    def root():
        with RefusesToResume():
            yield load.asynq(client, 1)

    assert_raises(KeyboardInterrupt, root)
    client.fails_with = client.current_batch = None
    if not six.PY2:  # where the frames of the flush cannot be emptied
        assert_nothing_is_left()


@pytest.mark.skipif(six.PY2, reason="an error has no context there")
def test_an_error_of_a_context_that_was_left_to_close_another_task_leaves_nothing():
    tasks = []

    @asynq.asynq()
    def wait_in_vain():
        yield FutureBase()

    @asynq.asynq()
    def give_up():
        with RefusesToResume():
            tasks[0].set_error(KeyError("given up"))

    @asynq.asynq()
    def root():
        tasks.append(wait_in_vain.asynq())
        yield tasks[0], ask_again.asynq()

    @asynq.asynq()
    def ask_again():
        try:
            give_up()
        except ValueError:
            tasks[0].value()  # it is raised with the other one as its context

    assert_raises(KeyError, root)
    del tasks[:]
    assert_nothing_is_left()


def test_a_task_that_was_computed_by_its_own_body_leaves_nothing():
    @asynq.asynq()
    def compute_itself():
        get_active_task().set_error(ValueError("from inside"))
        yield (get_active_task(),)

    assert_raises(ValueError, compute_itself)
    assert_nothing_is_left()


def test_a_task_that_asks_for_itself_and_fails_for_it_leaves_nothing():
    @asynq.asynq()
    def ask_for_itself():
        try:
            get_active_task().value()
        except asynq.AsyncTaskError:
            raise ValueError("because of that")

    assert_raises(ValueError, ask_for_itself)
    assert_nothing_is_left()


def test_an_error_inside_of_an_async_generator_leaves_nothing():
    @async_generator()
    def elements():
        yield ErrorFuture(ValueError("from an element"))

    @asynq.asynq()
    def root():
        yield list_of_generator.asynq(elements())

    assert_raises(ValueError, root)
    assert_nothing_is_left()
