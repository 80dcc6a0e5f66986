"""Contexts are active exactly while their task, or what it waits for, runs."""

import gc

import pytest

import asynq
from asynq import (
    AsyncContext,
    AsyncTaskError,
    ConstFuture,
    Future,
    NonAsyncContext,
    get_active_task,
    get_scheduler,
    result,
)
from asynq.contexts import enter_context, leave_context
from asynq.debug import options

from .helpers import Batch, Client, Recorded


@pytest.fixture
def log():
    return []


@pytest.fixture
def client(log):
    client = Client()
    get_scheduler().on_before_batch_flush.subscribe(before_flush)
    before_flush.log = log
    yield client
    get_scheduler().on_before_batch_flush.unsubscribe(before_flush)


def before_flush(batch):
    before_flush.log.append("flush")


@asynq.asynq()
def load(client, log, name):
    log.append(name)
    yield client.get(name)
    log.append(name + " again")


def test_a_parents_contexts_stay_active_while_its_children_run(log, client):
    @asynq.asynq()
    def parent():
        with Recorded(log, "p"):
            yield load.asynq(client, log, "c1"), load.asynq(client, log, "c2")

    parent()
    assert log == ["+p", "c1", "c2", "-p", "flush", "+p", "c1 again", "c2 again", "-p"]


def test_a_siblings_contexts_are_paused(log, client):
    @asynq.asynq()
    def inside(name):
        with Recorded(log, name):
            yield load.asynq(client, log, name)

    @asynq.asynq()
    def root():
        with Recorded(log, "root"):
            yield inside.asynq("a"), inside.asynq("b")

    root()
    assert log == (
        ["+root", "+a", "a", "-a", "+b", "b", "-b", "-root", "flush"]
        + ["+root", "+a", "a again", "-a", "+b", "b again", "-b", "-root"]
    )


def test_nothing_is_paused_for_children_that_are_not_blocked(log):
    @asynq.asynq()
    def child():
        yield ConstFuture(1)

    @asynq.asynq()
    def parent():
        with Recorded(log, "p"):
            yield child.asynq(), Future(lambda: log.append("lazy")), child.asynq()
            yield None

    parent()
    assert log == ["+p", "lazy", "-p"]


def test_several_contexts_are_paused_in_reverse_and_resumed_in_order(log, client):
    @asynq.asynq()
    def parent():
        with Recorded(log, "a"), Recorded(log, "b"):
            yield client.get(1)

    parent()
    assert log == ["+a", "+b", "-b", "-a", "flush", "+a", "+b", "-b", "-a"]


def test_a_task_runs_in_the_contexts_of_who_waits_for_it_not_of_who_made_it(log, client):
    @asynq.asynq()
    def root():
        with Recorded(log, "made"):
            made_inside = load.asynq(client, log, "inside")
            made_outside = load.asynq(client, log, "outside")
        yield made_inside
        with Recorded(log, "waited"):
            yield made_outside

    root()
    assert log == (
        ["+made", "-made", "inside", "flush", "inside again"]
        + ["+waited", "outside", "-waited", "flush", "+waited", "outside again", "-waited"]
    )


def test_a_shared_child_runs_in_the_contexts_of_the_parent_that_reaches_it_first(log, client):
    @asynq.asynq()
    def wait(name, task):
        with Recorded(log, name):
            yield task

    @asynq.asynq()
    def root():
        shared = load.asynq(client, log, "shared")
        yield wait.asynq("a", shared), wait.asynq("b", shared)

    root()
    assert log == (
        ["+a", "shared", "-a", "+b", "-b", "flush"]
        + ["+a", "shared again", "-a", "+b", "-b"]
    )


def test_the_contexts_of_the_caller_stay_active_in_a_synchronous_call(log, client):
    @asynq.asynq()
    def inner():
        with Recorded(log, "inner"):
            yield client.get(1)

    @asynq.asynq()
    def outer():
        with Recorded(log, "outer"):
            inner()
            yield client.get(2)

    outer()
    assert log == (
        ["+outer", "+inner", "-inner", "flush", "+inner", "-inner"]
        + ["-outer", "flush", "+outer", "-outer"]
    )


def test_a_context_entered_outside_of_tasks_is_left_alone(log, client):
    with Recorded(log, "outside") as context:
        assert context._active_task is None
        load(client, log, "a")
    assert log == ["+outside", "a", "flush", "a again", "-outside"]


def test_the_active_task_is_noted_while_the_context_is_entered(log):
    context = Recorded(log, "c")

    @asynq.asynq()
    def enter():
        with context as entered:
            assert entered is context
            assert context._active_task is get_active_task()
            assert list(get_active_task()._contexts.values()) == [context]
        assert list(get_active_task()._contexts.values()) == []

    enter()
    assert not hasattr(context, "_active_task")


def test_the_active_task_can_still_be_asked_for_in_the_last_pause(client):
    seen = []

    class Asking(AsyncContext):
        def resume(self):
            seen.append(self._active_task is get_active_task())

        def pause(self):
            seen.append(self._active_task is task[0])

    @asynq.asynq()
    def enter():
        task.append(get_active_task())
        with Asking():
            yield client.get(1)

    task = []
    enter()
    assert seen == [True, True, False, True]


def test_one_task_may_enter_a_context_again_nested_or_later(log, client):
    @asynq.asynq()
    def enter():
        context = Recorded(log, "c")
        with context:
            with context:
                yield client.get(1)
            log.append("still")
        with context:
            pass

    enter()
    assert log == ["+c", "-c", "flush", "+c", "still", "-c", "+c", "-c"]


def test_two_tasks_cannot_be_in_one_context(log, client):
    context = Recorded(log, "c")

    @asynq.asynq()
    def enter():
        with context:
            yield client.get(1)

    @asynq.asynq()
    def root():
        yield enter.asynq(), enter.asynq()

    with pytest.raises(AsyncTaskError, match="Cure: one context object for each task"):
        root()
    assert not context.active
    assert log == ["+c", "-c", "flush", "+c", "-c"]


def test_an_error_of_resume_on_entering_is_raised_there(log):
    class Bad(AsyncContext):
        def resume(self):
            raise ValueError("resume")

        def pause(self):
            log.append("paused")

    @asynq.asynq()
    def enter():
        try:
            with Bad():
                log.append("inside")
        except ValueError:
            log.append(list(get_active_task()._contexts))
        yield None

    enter()
    assert log == [[]]


class Refusing(Recorded):
    """Raises at the given calls of pause or resume, after having done its part."""

    def __init__(self, log, name, at_pause=None, at_resume=None):
        super(Refusing, self).__init__(log, name)
        self.at_pause = at_pause
        self.at_resume = at_resume
        self.resumed = self.paused = 0

    def resume(self):
        self.resumed += 1
        if self.resumed == self.at_resume:
            self.log.append("!+" + self.name)
            raise ValueError("resume " + self.name)
        super(Refusing, self).resume()

    def pause(self):
        super(Refusing, self).pause()
        self.paused += 1
        if self.paused == self.at_pause:
            raise ValueError("pause " + self.name)


def test_an_error_of_pause_fails_the_task_that_entered_the_context(log, client):
    seen = []

    @asynq.asynq()
    def inside():
        try:
            with Recorded(log, "outer"), Refusing(log, "a", at_pause=1), Recorded(log, "b"):
                yield client.get(1)
        except ValueError:
            seen.append("must not be seen by the body")
        finally:
            seen.append("finally")

    @asynq.asynq()
    def root():
        try:
            yield inside.asynq()
        except ValueError as error:
            seen.append(str(error))
        yield client.get(2)

    root()
    assert seen == ["finally", "pause a"]
    assert log == ["+outer", "+a", "+b", "-b", "-a", "-outer", "flush"]
    # The item was made and is sent, though nobody waits for it any longer.
    assert client.requests == [[1, 2]]


def test_the_last_error_of_several_pauses_counts(log, client):
    @asynq.asynq()
    def inside():
        with Refusing(log, "a", at_pause=1), Refusing(log, "b", at_pause=1):
            yield client.get(1)

    with pytest.raises(ValueError, match="pause a"):
        inside()
    assert log == ["+a", "+b", "-b", "-a"]


def test_the_first_error_of_several_resumes_counts_and_all_others_are_resumed(log, client):
    @asynq.asynq()
    def inside():
        with Refusing(log, "a", at_resume=2), Refusing(log, "b", at_resume=2), Recorded(log, "c"):
            yield client.get(1)

    with pytest.raises(ValueError, match="resume a"):
        inside()
    assert log == ["+a", "+b", "+c", "-c", "-b", "-a", "flush", "!+a", "!+b", "+c", "-c"]


def test_when_a_parents_context_refuses_its_children_are_not_run(log, client):
    @asynq.asynq()
    def parent():
        with Refusing(log, "p", at_resume=2):
            yield load.asynq(client, log, "child")

    @asynq.asynq()
    def root():
        try:
            yield parent.asynq()
        except ValueError:
            log.append("caught")
        yield load.asynq(client, log, "other")

    root()
    assert log == ["+p", "child", "-p", "flush", "!+p", "caught", "other", "flush", "other again"]


def test_a_context_that_a_task_never_leaves_is_paused_when_the_task_ends(log, client):
    context = Recorded(log, "c")

    @asynq.asynq()
    def enter():
        context.__enter__()
        yield client.get(1)

    @asynq.asynq()
    def enter_and_fail():
        Recorded(log, "d").__enter__()
        yield client.get(1)
        raise ValueError()

    enter()
    with pytest.raises(ValueError):
        enter_and_fail()
    assert log == ["+c", "-c", "flush", "+c", "-c", "+d", "-d", "flush", "+d", "-d"]


def test_an_error_of_the_pause_of_a_context_that_is_never_left_is_the_tasks(log, client):
    @asynq.asynq()
    def enter():
        Refusing(log, "c", at_pause=1).__enter__()
        yield None

    with pytest.raises(ValueError, match="pause c"):
        enter()


def test_a_task_that_is_taken_over_runs_in_its_own_contexts_and_in_the_callers(log, client):
    @asynq.asynq()
    def shared():
        with Recorded(log, "own"):
            yield load.asynq(client, log, "a"), client.get("item")

    @asynq.asynq()
    def parent(task):
        with Recorded(log, "parent"):
            yield task

    @asynq.asynq()
    def asks(task):
        with Recorded(log, "caller"):
            task.value()
            yield None

    @asynq.asynq()
    def root():
        task = shared.asynq()
        yield parent.asynq(task), asks.asynq(task)

    root()
    assert log == (
        ["+parent", "+own", "a", "-own", "-parent", "+caller", "flush"]
        + ["+own", "a again", "-own", "-caller", "+parent", "-parent"]
    )


def test_a_task_that_was_taken_over_in_vain_comes_back_to_its_contexts(log, client):
    tasks = []

    class Asking(Batch):
        def _flush(self):
            with pytest.raises(AsyncTaskError):
                tasks[0].value()
            super(Asking, self)._flush()

    client.current_batch = Asking(client)

    @asynq.asynq()
    def middle():
        yield load.asynq(client, log, "a")
        log.append("middle")

    @asynq.asynq()
    def parent():
        with Recorded(log, "p"):
            tasks.append(middle.asynq())
            yield tasks[0]

    options.DUMP_PRE_ERROR_STATE = False
    try:
        parent()
    finally:
        options.DUMP_PRE_ERROR_STATE = True
    assert log == ["+p", "a", "-p", "flush", "+p", "a again", "middle", "-p"]


def test_an_abandoned_task_pauses_nothing_twice(log, client):
    @asynq.asynq()
    def inside():
        with Recorded(log, "inside"):
            yield client.get(1)

    @asynq.asynq()
    def parent(task):
        with Refusing(log, "parent", at_pause=1):
            yield task

    @asynq.asynq()
    def root():
        try:
            yield parent.asynq(inside.asynq())
        except ValueError:
            pass

    root()
    gc.collect()
    assert log == ["+parent", "+inside", "-inside", "-parent"]


@pytest.mark.parametrize("killed", [True, False])
def test_a_context_entered_while_a_body_is_closed_is_left_again(log, client, killed):
    @asynq.asynq()
    def inside():
        with Recorded(log, "c") if killed else Refusing(log, "c", at_pause=1):
            try:
                yield client.get(1)
            finally:
                with Recorded(log, "late"):
                    pass

    @asynq.asynq()
    def kill(task):
        if killed:
            task.set_error(ValueError())
        yield None

    @asynq.asynq()
    def root():
        task = inside.asynq()
        yield task, kill.asynq(task)

    with pytest.raises(ValueError):
        root()
    assert log[:4] == ["+c", "-c", "+late", "-late"]


def test_a_body_is_closed_in_the_contexts_of_those_above_its_task(log, client):
    @asynq.asynq()
    def failing():
        with Refusing(log, "failing", at_pause=1):
            try:
                yield client.get(1)
            finally:
                log.append("finally")

    @asynq.asynq()
    def parent():
        with Recorded(log, "parent"):
            yield failing.asynq()

    @asynq.asynq()
    def stranger():
        with Recorded(log, "stranger"):
            yield client.get(2)

    @asynq.asynq()
    def root():
        try:
            yield parent.asynq(), stranger.asynq()
        except ValueError:
            log.append("caught")

    root()
    assert log == (
        ["+parent", "+failing", "-failing", "-parent", "+parent", "finally", "-parent"]
        + ["+stranger", "-stranger", "+parent", "-parent", "flush", "+stranger", "-stranger"]
        + ["caught"]
    )


def test_a_shared_task_runs_in_the_contexts_of_those_who_still_wait_for_it(log, client):
    @asynq.asynq()
    def wait(name, task):
        with Recorded(log, name):
            yield task

    @asynq.asynq()
    def above(task):
        yield task

    @asynq.asynq()
    def kill(task):
        task.set_error(ValueError("killed"))
        yield None

    @asynq.asynq()
    def shared():
        yield load.asynq(client, log, "a")
        with Recorded(log, "own"):
            yield load.asynq(client, log, "b")

    @asynq.asynq()
    def root():
        task = shared.asynq()
        first = above.asynq(wait.asynq("p", task))
        try:
            yield first, wait.asynq("q", task), kill.asynq(first)
        except ValueError:
            log.append("caught")

    root()
    assert log[:5] == ["+p", "a", "-p", "+q", "-q"]
    assert log[5:] == (
        ["flush", "+q", "a again", "+own", "b", "-own", "-q", "flush"]
        + ["+q", "+own", "b again", "-own", "-q", "caught"]
    )


def test_a_shared_task_takes_its_own_contexts_to_those_who_still_wait_for_it(log, client):
    @asynq.asynq()
    def wait(name, task):
        with Recorded(log, name):
            yield task

    @asynq.asynq()
    def kill(task):
        task.set_error(ValueError("killed"))
        yield None

    @asynq.asynq()
    def shared():
        with Recorded(log, "own"):
            yield client.get("a")
            log.append("again")

    @asynq.asynq()
    def root():
        task = shared.asynq()
        first = wait.asynq("p", task)
        try:
            yield first, wait.asynq("q", task), kill.asynq(first)
        except ValueError:
            pass

    root()
    assert log[-6:] == ["flush", "+q", "+own", "again", "-own", "-q"]


def test_siblings_in_several_contexts_each(log, client):
    @asynq.asynq()
    def inside(name):
        with Recorded(log, name), Recorded(log, name.upper()):
            yield client.get(name)

    @asynq.asynq()
    def root():
        yield inside.asynq("a"), inside.asynq("b")

    root()
    assert log == (
        ["+a", "+A", "-A", "-a", "+b", "+B", "-B", "-b", "flush"]
        + ["+a", "+A", "-A", "-a", "+b", "+B", "-B", "-b"]
    )


def test_when_one_sibling_refuses_to_pause_and_the_next_to_resume_both_fail(log, client):
    @asynq.asynq()
    def inside(name, **refuses):
        with Recorded(log, "p"), Refusing(log, name, **refuses):
            yield client.get(name)
            yield None, client.get(name)

    @asynq.asynq()
    def caught(*args, **kwargs):
        try:
            yield inside.asynq(*args, **kwargs)
        except ValueError as error:
            result(str(error))

    @asynq.asynq()
    def root():
        result((yield caught.asynq("a", at_pause=2), caught.asynq("b", at_resume=2)))

    assert root() == ("pause a", "resume b")
    assert log == (
        ["+p", "+a", "-a", "-p", "+p", "+b", "-b", "-p", "flush"]
        + ["+p", "+a", "-a", "-p", "+p", "!+b"]
        + ["-p", "+p"]  # around the closing of the first body
        + ["-p"]
    )


@pytest.mark.parametrize("contexts", [1, 2])
def test_after_an_interrupt_in_a_switch_all_others_are_switched(log, client, contexts):
    class Interrupted(Recorded):
        def pause(self):
            super(Interrupted, self).pause()
            raise KeyboardInterrupt()

    @asynq.asynq()
    def inside(name):
        entered = [Interrupted(log, name * (i + 1)) for i in range(contexts)]
        for context in entered:
            context.__enter__()
        yield client.get(name)

    @asynq.asynq()
    def root():
        yield [inside.asynq(name) for name in "ab"]

    with pytest.raises(KeyboardInterrupt):
        root()
    names = ["a", "aa"][:contexts]
    assert log == ["+" + name for name in names] + ["-" + name for name in reversed(names)]


def test_a_context_left_in_a_synchronous_call_is_not_resumed_again(log, client):
    context = Recorded(log, "c")

    @asynq.asynq()
    def leave():
        with Recorded(log, "inner"):
            context.__exit__(None, None, None)
            yield client.get(1)

    @asynq.asynq()
    def enter():
        with Recorded(log, "outer"):
            context.__enter__()
            leave()
            yield client.get(2)

    enter()
    assert log == (
        ["+outer", "+c", "+inner", "-c", "-inner", "flush", "+inner", "-inner"]
        + ["-outer", "flush", "+outer", "-outer"]
    )


def test_contexts_that_are_left_in_another_order_do_not_pile_up(log):
    @asynq.asynq()
    def hand_over():
        former = Recorded(log, "c")
        former.__enter__()
        for _ in range(20):
            context = Recorded(log, "c")
            context.__enter__()
            former.__exit__(None, None, None)
            former = context
            scope, scopes = get_scheduler().scope, 0
            while scope is not None:
                scope, scopes = scope.parent, scopes + 1
            assert scopes == 1
        yield None

    hand_over()


def test_a_future_that_enters_a_context_leaves_those_of_the_caller_alone(log, client):
    def compute():
        with Recorded(log, "lazy"):
            return 1

    @asynq.asynq()
    def inner():
        with Recorded(log, "inner"):
            yield Future(compute)

    @asynq.asynq()
    def outer():
        inner()
        yield client.get(1)
        with Recorded(log, "outer"):
            inner()
            yield client.get(2)
        assert get_active_task()._contexts == {}

    outer()
    inner_log = ["+inner", "+lazy", "-lazy", "-inner"]
    assert log == (
        inner_log + ["flush", "+outer"] + inner_log + ["-outer", "flush", "+outer", "-outer"]
    )


def test_a_task_that_loses_a_waiter_while_it_runs_enters_its_contexts_below_the_other(log, client):
    @asynq.asynq()
    def wait(name, task):
        with Recorded(log, name):
            yield task

    @asynq.asynq()
    def inside(waiters):
        yield client.get("a")
        waiters[0].set_error(ValueError("killed"))
        with Recorded(log, "own"):
            yield client.get("b")

    @asynq.asynq()
    def shared(waiters):
        yield inside.asynq(waiters)

    @asynq.asynq()
    def root():
        waiters = []
        task = shared.asynq(waiters)
        waiters.extend([wait.asynq("p", task), wait.asynq("q", task)])
        try:
            yield waiters
        except ValueError:
            log.append("caught")

    root()
    assert log[: log.index("flush")] == ["+p", "-p", "+q", "-q"]
    assert log[log.index("flush") + 1 :] == (
        ["+p", "-p", "+q", "+own", "-own", "-q", "flush"]
        + ["+q", "+own", "-own", "-q", "caught"]
    )


def test_an_error_of_pause_on_leaving_is_raised_in_the_body(log):
    @asynq.asynq()
    def inside():
        try:
            with Refusing(log, "a", at_pause=1):
                pass
        except ValueError as error:
            result(str(error))

    assert inside() == "pause a"


def test_leaving_in_another_order_than_entering_works(log, client):
    @asynq.asynq()
    def inside():
        a, b = Recorded(log, "a"), Recorded(log, "b")
        a.__enter__()
        b.__enter__()
        a.__exit__(None, None, None)
        yield client.get(1)
        b.__exit__(None, None, None)

    inside()
    assert log == ["+a", "+b", "-a", "-b", "flush", "+b", "-b"]


def test_equal_contexts_are_told_apart(log, client):
    class Equal(Recorded):
        def __eq__(self, other):
            return True

        __hash__ = None

    @asynq.asynq()
    def inside():
        with Equal(log, "a"), Equal(log, "b"):
            yield client.get(1)

    inside()
    assert log == ["+a", "+b", "-b", "-a", "flush", "+a", "+b", "-b", "-a"]


def test_contexts_can_be_registered_by_hand(log, client):
    context = Recorded(log, "c")

    @asynq.asynq()
    def inside():
        task = enter_context(context)
        assert task is get_active_task()
        context.resume()
        yield client.get(1)
        leave_context(context, task)
        context.pause()

    inside()
    assert enter_context(context) is None
    leave_context(context, None)
    assert log == ["+c", "-c", "flush", "+c", "-c"]


def test_base_contexts_say_what_to_define():
    with pytest.raises(NotImplementedError, match="AsyncContext must define resume()"):
        AsyncContext().resume()
    with pytest.raises(NotImplementedError, match="AsyncContext must define pause()"):
        AsyncContext().pause()


class NonAsync(NonAsyncContext):
    pass


def test_inside_a_non_async_context_a_task_may_yield_what_does_not_block(client):
    @asynq.asynq()
    def child():
        yield ConstFuture(1)

    @asynq.asynq()
    def inside():
        with NonAsync() as entered:
            assert entered is None
            yield None
            yield ConstFuture(1), Future(lambda: 2), child.asynq()

    inside()


def test_inside_a_non_async_context_a_task_must_not_be_blocked(client):
    @asynq.asynq()
    def child():
        yield client.get(1)

    @asynq.asynq()
    def inside():
        with NonAsync():
            yield child.asynq()

    @asynq.asynq()
    def root():
        try:
            yield inside.asynq()
        except AssertionError as error:
            result(str(error))

    message = root()
    assert message.startswith("Task @asynq ")
    assert "inside" in message
    assert " cannot yield while <" in message
    assert "> is active: something else has to run before" in message


def test_inside_a_non_async_context_synchronous_calls_are_allowed(client):
    @asynq.asynq()
    def child():
        result((yield client.get(1)))

    @asynq.asynq()
    def inside():
        with NonAsync():
            child()
        yield None

    inside()
    assert client.requests == [[1]]


def test_a_non_async_context_means_nothing_outside_of_tasks(client):
    with NonAsync():
        load(client, [], "a")
    with pytest.raises(AssertionError, match="Task None cannot yield while"):
        NonAsync().resume()


def test_where_no_context_is_used_no_scope_is_made(client):
    scopes = []

    @asynq.asynq()
    def child():
        yield client.get(1)
        scopes.append(get_scheduler().scope)

    child()
    assert scopes == [None]


def test_tasks_that_wait_in_a_circle_inside_of_contexts_that_refuse_come_to_an_end():
    class RefusesItsSecondPause(AsyncContext):
        pauses = 0

        def resume(self):
            pass

        def pause(self):
            self.pauses += 1
            if self.pauses == 2:
                raise ValueError("refused")

    shared = []

    @asynq.asynq()
    def inside():
        with RefusesItsSecondPause():
            yield shared

    @asynq.asynq()
    def outside():
        yield inside.asynq(), inside.asynq()

    shared.append(outside.asynq())
    with pytest.raises(ValueError, match="refused"):
        outside()
    assert get_active_task() is None
    assert asynq.get_scheduler().scope is None


def test_a_body_that_goes_on_after_its_task_is_computed_leaves_its_contexts_where_it_stops(log):
    @asynq.asynq()
    def compute_itself():
        get_active_task().set_value("early")
        Recorded(log, "not left").__enter__()
        with Recorded(log, "left"):
            yield [client.get(1)]

    @asynq.asynq()
    def root():
        yield compute_itself.asynq()
        log.append("next")

    client = Client()
    root()
    assert log[-1] == "next"
    assert [log.count("+" + name) for name in ("left", "not left")] == (
        [log.count("-" + name) for name in ("left", "not left")]
    )
    assert client.requests == []


def test_when_the_context_of_one_parent_refuses_a_shared_child_runs_in_those_of_the_other(
    log, client
):
    class RefusesToComeBack(Recorded):
        def resume(self):
            super(RefusesToComeBack, self).resume()
            if log.count("+" + self.name) == 2:
                self.active = False
                raise ValueError(self.name)

    @asynq.asynq()
    def parent(context, task):
        with context:
            yield task

    @asynq.asynq()
    def root():
        child = load.asynq(client, log, "child")
        parents = [
            parent.asynq(RefusesToComeBack(log, "one"), child),
            parent.asynq(Recorded(log, "other"), child),
        ]
        with pytest.raises(ValueError, match="one"):
            yield parents

    root()
    assert log == (
        ["+one", "child", "-one", "+other", "-other", "flush", "+one"]
        + ["+other", "child again", "-other"]
    )


def test_a_task_that_an_inner_run_took_over_in_vain_keeps_its_own_contexts(log):
    tasks = []

    @asynq.asynq()
    def ask_for_the_parent():
        yield tasks[0]

    @asynq.asynq()
    def child():
        with Recorded(log, "own"):
            try:
                yield Future(ask_for_the_parent)
            except AsyncTaskError:
                log.append("caught")

    @asynq.asynq()
    def parent():
        yield child.asynq()

    options.DUMP_PRE_ERROR_STATE = False
    try:
        tasks.append(parent.asynq())
        tasks[0].value()
    finally:
        options.DUMP_PRE_ERROR_STATE = True
    assert log == ["+own", "caught", "-own"]


def test_what_a_failed_inner_run_had_taken_over_goes_on_for_the_call_that_asked_for_it(log, client):
    tasks = []

    class RefusesToPause(Recorded):
        def pause(self):
            super(RefusesToPause, self).pause()
            raise ValueError(self.name)

    @asynq.asynq()
    def ask_for_the_caller():
        with RefusesToPause(log, "context"):
            yield tasks[0]

    @asynq.asynq()
    def child():
        try:
            yield Future(ask_for_the_caller)
        except ValueError:
            log.append(len(tasks[0]._dependencies))

    @asynq.asynq()
    def caller():
        yield child.asynq()
        result("value")

    tasks.append(caller.asynq())
    assert tasks[0].value() == "value"
    assert log == ["+context", "-context", 1]
