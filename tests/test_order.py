"""In what order things run: depth first, as yielded, then as the batch's items stand."""

import asynq
from asynq import ConstFuture, Future, FutureBase, get_active_task, get_scheduler, result
from asynq.batching import sync

from .helpers import Batch, Client


class Program(object):
    """Tasks that write what they do into ``log``."""

    def __init__(self):
        self.log = []
        self.client = Client()

    @asynq.asynq()
    def leaf(self, name):
        self.log.append(name)
        yield self.client.get(name)
        self.log.append(name + " again")
        result(name)

    @asynq.asynq()
    def unblocked(self, name):
        self.log.append(name)
        yield None
        result(name)

    @asynq.asynq()
    def parent(self, name, *children):
        self.log.append(name)
        yield children
        self.log.append(name + " again")


def test_children_start_depth_first_in_the_order_in_which_they_were_yielded():
    p = Program()

    @asynq.asynq()
    def root():
        yield [
            p.parent.asynq("a", p.unblocked.asynq("b"), p.leaf.asynq("c")),
            (p.unblocked.asynq("d"), {1: p.leaf.asynq("e"), 2: p.unblocked.asynq("f")}),
            p.unblocked.asynq("g"),
        ]

    root()
    assert p.log == ["a", "b", "c", "d", "e", "f", "g", "c again", "a again", "e again"]
    assert p.client.requests == [["c", "e"]]


def test_the_same_future_can_be_yielded_twice_at_once():
    p = Program()

    @asynq.asynq()
    def root():
        leaf, item = p.leaf.asynq("a"), p.client.get("b")
        result((yield [leaf, item, leaf, item, None]))

    assert root() == ["a", ("client", "b"), "a", ("client", "b"), None]
    assert p.log == ["a", "a again"]
    assert p.client.requests == [["b", "a"]]


def test_after_a_flush_tasks_go_on_in_the_order_of_the_items():
    p = Program()

    @asynq.asynq()
    def root():
        second, first = p.client.get("second"), p.client.get("first")

        @asynq.asynq()
        def wait(name, item):
            yield item
            p.log.append(name)

        yield wait.asynq("first", first), wait.asynq("second", second)

    root()
    assert p.log == ["second", "first"]


def test_after_a_flush_the_order_in_which_it_set_the_values_does_not_matter():
    p = Program()

    class Backwards(Batch):
        def _flush(self):
            for item in reversed(self.items):
                item.set_value(None)

    p.client.current_batch = Backwards(p.client)

    @asynq.asynq()
    def root():
        yield [p.leaf.asynq(name) for name in "abc"]

    root()
    assert p.log[3:] == ["a again", "b again", "c again"]


def test_a_parent_goes_on_as_soon_as_its_last_child_is_done():
    p = Program()

    @asynq.asynq()
    def root():
        yield [p.parent.asynq(name, p.leaf.asynq(name + "1")) for name in "abc"]

    root()
    assert p.log[6:] == ["a1 again", "a again", "b1 again", "b again", "c1 again", "c again"]


def test_a_child_of_two_parents_runs_when_the_first_one_reaches_it():
    p = Program()

    @asynq.asynq()
    def root():
        shared = p.leaf.asynq("shared")
        yield p.parent.asynq("a", shared), p.unblocked.asynq("b"), shared

    root()
    assert p.log == ["a", "shared", "b", "shared again", "a again"]


def test_a_task_that_nobody_asks_for_never_runs():
    p = Program()
    p.unblocked.asynq("a")

    @asynq.asynq()
    def root():
        p.unblocked.asynq("b")
        yield p.unblocked.asynq("c")

    root()
    assert p.log == ["c"]


def test_a_yield_of_what_is_computed_gives_nobody_else_a_turn():
    p = Program()

    @asynq.asynq()
    def steps():
        for value in (None, [], {}, ConstFuture(1), [ConstFuture(2), None], {"a": ConstFuture(3)}):
            p.log.append((yield value))

    @asynq.asynq()
    def root():
        yield steps.asynq(), p.unblocked.asynq("other")

    root()
    assert p.log == [None, [], {}, 1, [2, None], {"a": 3}, "other"]


def test_sync_is_a_barrier():
    log = []

    @asynq.asynq()
    def before(name):
        log.append(name)
        yield sync()
        log.append(name + " after")

    @asynq.asynq()
    def root():
        yield [before.asynq(name) for name in "abc"]

    root()
    assert log == ["a", "b", "c", "a after", "b after", "c after"]


def test_a_lazy_future_is_computed_when_its_turn_among_the_children_comes():
    p = Program()

    def compute():
        p.log.append(get_active_task())
        return "lazy"

    @asynq.asynq()
    def root():
        result((yield [p.leaf.asynq("a"), Future(compute), p.unblocked.asynq("b")]))

    assert root() == ["a", "lazy", "b"]
    assert p.log == ["a", None, "b", "a again"]


def test_who_yields_a_lazy_future_goes_on_as_soon_as_it_is_computed():
    p = Program()

    @asynq.asynq()
    def lazily(name):
        p.log.append(name)
        yield Future(lambda: p.log.append(name + " computes"))
        p.log.append(name + " again")

    @asynq.asynq()
    def root():
        yield [lazily.asynq("a"), lazily.asynq("b")]

    root()
    assert p.log == ["a", "a computes", "a again", "b", "b computes", "b again"]


def test_while_a_lazy_future_is_computed_the_caller_of_the_run_is_active():
    active = []

    @asynq.asynq()
    def inner():
        yield Future(lambda: active.append(get_active_task()))

    @asynq.asynq()
    def outer():
        inner()
        assert active == [get_active_task()]

    outer()


def test_a_lazy_future_that_two_tasks_yield_is_computed_once():
    p = Program()
    lazy = Future(lambda: p.log.append("lazy"))

    @asynq.asynq()
    def wait():
        yield lazy

    @asynq.asynq()
    def root():
        yield lazy, wait.asynq(), lazy

    root()
    assert p.log == ["lazy"]


def test_a_promise_that_another_task_fulfils_is_waited_for():
    p = Program()
    promise = FutureBase()

    @asynq.asynq()
    def wait(name):
        p.log.append((name, (yield promise)))

    @asynq.asynq()
    def fulfil():
        yield p.client.get("x")
        promise.set_value(5)
        p.log.append("fulfilled")

    @asynq.asynq()
    def root():
        yield wait.asynq("a"), fulfil.asynq(), wait.asynq("b")

    root()
    assert p.log == ["fulfilled", ("a", 5), ("b", 5)]


def test_the_same_program_has_the_same_schedule_every_time():
    def run():
        p = Program()

        @asynq.asynq()
        def root():
            yield {
                i: p.parent.asynq(str(i), *[p.leaf.asynq("%s.%s" % (i, j)) for j in range(i)])
                for i in range(5)
            }

        root()
        return p.log, p.client.requests

    assert run() == run()


def test_an_inner_run_leaves_everything_of_the_outer_one_where_it_is():
    p = Program()

    @asynq.asynq()
    def calls_synchronously():
        p.log.append("call")
        p.leaf("inner")
        p.log.append("called")
        yield None

    @asynq.asynq()
    def root():
        yield p.leaf.asynq("a"), calls_synchronously.asynq(), p.leaf.asynq("b")

    root()
    assert p.log == ["a", "call", "inner", "inner again", "called", "b", "a again", "b again"]
    # The batches are the thread's: the inner flush took the outer item along.
    assert p.client.requests == [["a", "inner"], ["b"]]


def test_an_inner_run_takes_over_the_tasks_that_it_needs():
    p = Program()

    @asynq.asynq()
    def asks(task):
        p.log.append("ask")
        p.log.append(task.value())
        yield None

    @asynq.asynq()
    def root():
        started = p.leaf.asynq("started")
        queued = p.leaf.asynq("queued")
        yield started, asks.asynq(started), asks.asynq(queued), queued

    root()
    assert p.log == [
        "started",
        "ask",
        "started again",
        "started",
        "ask",
        "queued",
        "queued again",
        "queued",
    ]
    assert p.client.requests == [["started"], ["queued"]]


def test_an_outer_task_waits_for_a_task_that_an_inner_run_has_finished():
    p = Program()

    @asynq.asynq()
    def asks(task):
        task.value()

    @asynq.asynq()
    def root():
        shared = p.leaf.asynq("shared")
        yield p.parent.asynq("a", shared), asks.asynq(shared), p.unblocked.asynq("b")

    root()


def test_a_task_can_be_asked_for_again_after_its_waiter_gave_up():
    p = Program()

    class NoWaiting(asynq.NonAsyncContext):
        pass

    @asynq.asynq()
    def impatient(task):
        with NoWaiting():
            yield task

    @asynq.asynq()
    def root():
        shared = p.parent.asynq("shared", p.leaf.asynq("leaf"))
        try:
            yield impatient.asynq(shared)
        except AssertionError:
            p.log.append("gave up")
        yield shared

    root()
    assert p.log == ["shared", "leaf", "gave up", "leaf again", "shared again"]
    assert p.client.requests == [["leaf"]]


def test_outside_of_everything_nothing_is_active_or_pending():
    p = Program()
    p.leaf("a")
    assert get_active_task() is None
    assert "(0 tasks, 0 batches; active task: None)" in str(get_scheduler())


def test_the_active_task_is_the_one_whose_body_runs():
    seen = []
    client = Client()

    @asynq.asynq()
    def inner(task):
        seen.append(get_active_task() is task[0])
        yield client.get(1)
        seen.append(get_active_task() is task[0])

    @asynq.asynq()
    def outer():
        me = get_active_task()
        task = []
        task.append(inner.asynq(task))
        yield task[0]
        seen.append(get_active_task() is me)
        again = []
        again.append(inner.asynq(again))
        again[0].value()
        seen.append(get_active_task() is me)

    outer()
    assert seen == [True] * 6
    assert get_active_task() is None


def test_a_task_goes_on_where_its_place_is_also_if_it_was_yielded_again_after_others():
    p = Program()
    first = p.leaf.asynq("a")

    @asynq.asynq()
    def flushing():
        p.log.append("flushes")
        p.leaf("b")

    @asynq.asynq()
    def root():
        yield [first, flushing.asynq(), first, p.unblocked.asynq("c")]

    root()
    assert p.log == ["a", "flushes", "b", "b again", "c", "a again"]
