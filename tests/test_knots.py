"""What can never be computed is an error that names the tasks, never a hang."""

import re

import pytest

import asynq
from asynq import AsyncTaskError, Future, FutureBase, get_active_task, get_scheduler, result
from asynq.debug import options
from asynq.tools import deduplicate

from .helpers import Batch, Client, collect_garbage, steps

KNOT = "Can't proceed further: "

waits_for_nobody = pytest.mark.synchronous("an event loop waits for what somebody may compute")


@pytest.fixture(autouse=True)
def quiet_and_clean():
    options.DUMP_PRE_ERROR_STATE = False
    yield
    options.DUMP_PRE_ERROR_STATE = True
    assert get_active_task() is None
    assert "(0 tasks, 0 batches; active task: None)" in str(get_scheduler())


@asynq.asynq()
def wait_for(future):
    result((yield future))


@asynq.asynq()
def wait_for_named(tasks, name):
    result((yield tasks[name]))


@waits_for_nobody
def test_a_future_that_nobody_computes_is_an_error_that_names_it_and_who_waits():
    @asynq.asynq()
    def outer():
        yield wait_for.asynq(promise)

    promise = FutureBase()
    with pytest.raises(AsyncTaskError) as info:
        outer()
    text = str(info.value)
    assert text.startswith(KNOT)
    assert "test_knots.outer -> tests.test_knots.wait_for -> <class 'asynq.futures.Fut" in text
    assert "nobody is going to compute <class 'asynq.futures.FutureBase'> (isn't computed)" in text
    assert "Cure: have its set_value() or set_error() called" in text


@waits_for_nobody
def test_the_error_can_be_caught_by_the_task_that_yielded():
    @asynq.asynq()
    def careful():
        try:
            yield FutureBase()
        except AsyncTaskError:
            result("caught")

    assert careful() == "caught"


@waits_for_nobody
def test_work_that_is_not_in_the_knot_finishes_first():
    client = Client()
    log = []

    @asynq.asynq()
    def load(key):
        log.append((yield client.get(key)))

    @asynq.asynq()
    def root():
        try:
            yield FutureBase(), load.asynq("a"), [load.asynq("b")]
        except AsyncTaskError:
            log.append("knot")
        yield load.asynq("c")

    root()
    assert log == [("client", "a"), ("client", "b"), "knot", ("client", "c")]
    assert client.requests == [["a", "b"], ["c"]]


@waits_for_nobody
def test_each_of_several_knots_is_an_error():
    @asynq.asynq()
    def careful(future):
        try:
            yield future
        except AsyncTaskError:
            result("caught")

    @asynq.asynq()
    def root():
        result((yield careful.asynq(FutureBase()), careful.asynq(FutureBase())))

    assert root() == ("caught", "caught")


@pytest.mark.parametrize("length", [1, 2, 3, 100])
def test_tasks_that_wait_for_one_another_are_an_error(length):
    tasks = {}
    for i in range(length):
        tasks[i] = wait_for_named.asynq(tasks, (i + 1) % length)
    with pytest.raises(AsyncTaskError) as info:
        tasks[0].value()
    text = str(info.value)
    assert "they wait for one another" in text
    if length == 100:
        assert "-> ... 82 more ... ->" in text
    else:
        assert " -> ".join(["tests.test_knots.wait_for_named"] * (length + 1)) in text
    assert all(task.is_computed() for task in tasks.values())


def test_the_error_names_the_functions_on_the_way_around():
    tasks = {}
    caught = []

    @asynq.asynq()
    def first():
        yield {"second": tasks["second"]}

    @asynq.asynq()
    def second():
        yield tasks["third"], None

    @asynq.asynq()
    def third():
        try:
            yield [tasks["first"]]
        except AsyncTaskError as error:
            caught.append(str(error))

    for fn in (first, second, third):
        tasks[fn.fn.__name__] = fn.asynq()
    tasks["first"].value()
    (text,) = caught
    names = [name.rsplit(".", 1)[-1] for name in text[len(KNOT) :].split("; ")[0].split(" -> ")]
    assert names == ["first", "second", "third", "first"]
    assert text.endswith(
        "; they wait for one another. Cure: let one of them do without the other, or yield instead"
        " of calling synchronously."
    )


def test_a_task_that_yields_itself_can_catch_the_error():
    tasks = []

    @asynq.asynq()
    def yields_itself():
        for structure in (tasks[0], [tasks[0], None], {1: (tasks[0], tasks[0])}):
            try:
                yield structure
            except AsyncTaskError as error:
                caught.append(str(error).split("; ")[0])
        result("went on")

    caught = []
    tasks.append(yields_itself.asynq())
    assert tasks[0].value() == "went on"
    name = "%s.yields_itself" % __name__
    assert caught == ["%s%s -> %s" % (KNOT, name, name)] * 3


def test_a_cycle_can_be_broken_by_the_task_that_closes_it():
    tasks = {}

    @asynq.asynq()
    def closes():
        try:
            yield tasks["opens"]
        except AsyncTaskError:
            result("broken")

    @asynq.asynq()
    def opens():
        result((yield tasks["closes"]))

    tasks.update(opens=opens.asynq(), closes=closes.asynq())
    assert tasks["opens"].value() == "broken"


def test_a_task_called_synchronously_from_inside_itself_is_an_error():
    caught = []

    @asynq.asynq()
    def calls_itself():
        try:
            get_active_task().value()
        except AsyncTaskError as error:
            caught.append(str(error))
        yield None
        result("went on")

    assert calls_itself() == "went on"
    assert "calls_itself -> " in caught[0]
    assert "they wait for one another" in caught[0]


def test_a_task_that_synchronously_calls_what_waits_for_it_is_an_error():
    tasks = {}

    @asynq.asynq()
    def child():
        try:
            tasks["parent"].value()
        except AsyncTaskError as error:
            result(str(error))
        yield None

    @asynq.asynq()
    def parent():
        result((yield child.asynq()))

    tasks["parent"] = parent.asynq()
    text = tasks["parent"].value()
    assert "child -> " in text and "parent -> " in text
    assert "yield instead of calling synchronously" in text


def test_a_new_task_in_a_synchronous_call_that_waits_for_the_caller_gets_the_error():
    log = []

    @asynq.asynq()
    def waits(task):
        try:
            yield task
        except AsyncTaskError:
            log.append("in the task that yielded")
            result(1)

    @asynq.asynq()
    def caller():
        log.append(waits(get_active_task()))
        yield None

    caller()
    assert log == ["in the task that yielded", 1]


def test_deduplicated_functions_that_wait_for_one_another_are_an_error():
    @deduplicate()
    @asynq.asynq()
    def ping():
        yield pong.asynq()

    @deduplicate()
    @asynq.asynq()
    def pong():
        yield ping.asynq()

    with pytest.raises(AsyncTaskError, match="they wait for one another"):
        ping()


def test_a_deduplicated_call_of_what_waits_for_the_caller_is_an_error():
    @deduplicate()
    @asynq.asynq()
    def shared():
        result((yield asks.asynq()))

    @asynq.asynq()
    def asks():
        try:
            shared()  # the task that waits for this one
        except AsyncTaskError as error:
            result(str(error))
        yield None

    text = shared()
    assert "asks -> " in text and "shared -> " in text
    assert "they wait for one another" in text
    assert "they wait for one another" in shared()


def test_a_deduplicated_function_that_calls_itself_recurses_as_any_function_does():
    depth = []

    @deduplicate()
    @asynq.asynq()
    def recurses():
        depth.append(1)
        if len(depth) < 5:
            result(recurses())
        yield None
        result(len(depth))

    assert recurses() == 5


def test_a_task_that_inner_runs_took_over_twice_in_vain_is_handed_back_each_time():
    tasks = []

    @asynq.asynq()
    def asks():
        tasks[0].value()
        yield None

    @asynq.asynq()
    def root():
        yield asks.asynq(), tasks[0]

    tasks.append(root.asynq())
    with pytest.raises(AsyncTaskError, match="they wait for one another"):
        root()


def test_a_flush_that_asks_for_the_task_that_waits_for_it_fails_its_items():
    client = Client()
    tasks = []

    class Asking(Batch):
        def _flush(self):
            ask()

    client.current_batch = Asking(client)

    @asynq.asynq()
    def ask():
        tasks[0].value()
        yield None

    @asynq.asynq()
    def root():
        try:
            yield {"key": client.get(1)}
        except AsyncTaskError:
            result("caught")

    tasks.append(root.asynq())
    assert tasks[0].value() == "caught"


@pytest.mark.parametrize(
    "ask, end",
    [
        (
            lambda items: wait_for(items[0]),
            " -> tests.test_knots.wait_for -> <class 'tests.helpers.Item'> (isn't computed); its"
            " batch (tests.test_knots.Asking (pending, 1 items)) is not going to be flushed again."
            " Cure: a flush can't wait for an item of its own batch.",
        ),
        (
            lambda items: items[0].value(),
            "; the flush of tests.test_knots.Asking (pending, 1 items) waits for itself or for one"
            " of its own items. Cure: in _flush(), set the items' values; don't ask for them.",
        ),
        (
            lambda items: items[0].batch.value(),
            "; the flush of tests.test_knots.Asking (pending, 1 items) waits for itself or for one"
            " of its own items. Cure: in _flush(), set the items' values; don't ask for them.",
        ),
    ],
    ids=["yield", "value", "batch"],
)
def test_a_flush_that_waits_for_its_own_item_gets_the_way_to_it(ask, end):
    client = Client()

    class Asking(Batch):
        def _flush(self):
            ask(self.items)

    client.current_batch = Asking(client)

    @asynq.asynq()
    def root():
        try:
            yield [wait_for.asynq(client.get(1)), wait_for.asynq(Client("other").get(2))]
        except AsyncTaskError as error:
            result((str(error), (yield client.get("next"))))

    text, after = root()
    assert text.startswith(KNOT)
    assert text.endswith(
        "root -> tests.test_knots.wait_for -> <class 'tests.helpers.Item'> (isn't computed)" + end
    )
    assert after == ("client", "next")


def test_flushes_that_wait_for_one_another_are_an_error():
    clients = [Client("a"), Client("b")]
    items = {}

    class Asking(Batch):
        def _flush(self):
            asked = items["b" if self.client.name == "a" else "a"]
            for item in self.items:
                item.set_value(wait_for(asked))

    for client in clients:
        client.current_batch = Asking(client)
        items[client.name] = client.get(client.name)

    @asynq.asynq()
    def catch(name):
        try:
            yield items[name]
        except AsyncTaskError as error:
            result(str(error))

    @asynq.asynq()
    def root():
        result((yield [catch.asynq("a"), catch.asynq("b")]))

    for text in root():
        assert "its batch (tests.test_knots.Asking (pending, 1 items)) is not going" in text
        assert "catch -> " in text
    assert [client.get("next").batch.is_flushed() for client in clients] == [False, False]


def test_an_error_of_a_flush_method_of_ones_own_is_that_of_the_batch():
    client = Client()

    class Refusing(Batch):
        def flush(self):
            raise ValueError("refused")

    client.current_batch = Refusing(client)

    @asynq.asynq()
    def root():
        try:
            yield client.get(1)
        except ValueError as error:
            result((str(error), (yield client.get(2))))

    assert root() == ("refused", ("client", 2))


def test_a_batch_that_is_being_flushed_is_not_chosen_again_by_an_inner_run():
    client, other = Client(), Client("other")

    class Asking(Batch):
        def _flush(self):
            wait_for(other.get("x"))
            super(Asking, self)._flush()

    client.current_batch = Asking(client)

    @asynq.asynq()
    def flushes(item):
        result(item.value())
        yield

    @asynq.asynq()
    def root():
        item = client.get("a")
        result((yield wait_for.asynq(item), flushes.asynq(client.get("b"))))

    assert root() == (("client", "a"), ("client", "b"))
    assert (client.requests, other.requests) == ([["a", "b"]], [["x"]])


def test_tasks_that_wait_for_one_another_can_fail_together():
    tasks = []

    class Refusing(asynq.AsyncContext):
        def resume(self):
            pass

        def pause(self):
            raise ValueError("pause")

    @asynq.asynq()
    def inside():
        with Refusing():
            yield tasks[1]

    @asynq.asynq()
    def root():
        yield tasks[0]

    tasks.extend([inside.asynq(), wait_for_named.asynq(tasks, 0)])
    with pytest.raises(ValueError, match="pause"):
        root()
    assert [task.is_blocked() for task in tasks] == [False, False]


def test_a_knot_inside_an_inner_run_leaves_the_outer_one_alone():
    client = Client()

    @asynq.asynq()
    def calls():
        with pytest.raises(AsyncTaskError):
            wait_for(FutureBase())
        result((yield client.get("a")))

    @asynq.asynq()
    def root():
        result((yield calls.asynq(), client.get("b")))

    assert root() == (("client", "a"), ("client", "b"))


def test_an_inner_run_does_not_give_up_while_a_batch_of_the_outer_one_is_pending():
    client = Client()
    promise = FutureBase()

    def fulfil(item):
        promise.set_value("fulfilled by the flush")

    @asynq.asynq()
    def calls():
        result(wait_for(promise))
        yield

    @asynq.asynq()
    def root():
        item = client.get("a")
        item.on_computed.subscribe(fulfil)
        result((yield item, calls.asynq()))

    assert root() == (("client", "a"), "fulfilled by the flush")


def test_a_future_fulfilled_by_an_outer_task_is_a_knot_for_an_inner_run_only():
    promise = FutureBase()
    log = []

    @asynq.asynq()
    def impatient():
        with pytest.raises(AsyncTaskError):
            wait_for(promise)
        yield None

    @asynq.asynq()
    def waits():
        log.append((yield promise))

    @asynq.asynq()
    def fulfils():
        promise.set_value(5)

    @asynq.asynq()
    def root():
        yield waits.asynq(), impatient.asynq(), fulfils.asynq()

    root()
    assert log == [5]


@waits_for_nobody
def test_a_future_that_fails_to_compute_itself_is_a_knot():
    class Lazy(FutureBase):
        def _compute(self):
            pass

    with pytest.raises(AsyncTaskError, match="nobody is going to compute"):
        wait_for(Lazy())


@waits_for_nobody
def test_a_task_that_was_not_told_because_of_an_interrupt_goes_on():
    class Interrupted(FutureBase):
        def _computed(self):
            raise KeyboardInterrupt()

    future = Interrupted()

    @asynq.asynq()
    def interrupt():
        try:
            future.set_value(5)
        except KeyboardInterrupt:
            pass

    @asynq.asynq()
    def root():
        result((yield wait_for.asynq(future), interrupt.asynq()))

    assert root() == (5, None)


@waits_for_nobody
def test_a_future_that_nobody_computes_among_others_is_the_only_one_that_fails():
    client = Client()

    @asynq.asynq()
    def root():
        promise = FutureBase()
        structure = [client.get(1), promise, {"nested": (None, promise, wait_for.asynq(promise))}]
        try:
            yield structure
        except AsyncTaskError as error:
            result((structure[0].value(), promise.is_computed(), str(error)))

    value, computed, text = root()
    assert (value, computed) == (("client", 1), False)
    assert "root -> <class 'asynq.futures.FutureBase'> (isn't computed); nobody" in text


@pytest.mark.parametrize("depth", [1, 5, 20])
@waits_for_nobody
def test_a_knot_is_found_however_deep_it_is_nested(depth):
    structure = FutureBase()
    for level in range(depth):
        structure = [None, wait_for.asynq(None), structure] if level % 2 else {1: structure}

    @asynq.asynq()
    def root():
        with pytest.raises(AsyncTaskError, match="root -> <class 'asynq.futures.FutureBase'> "):
            yield structure
        result("caught")

    assert root() == "caught"


@waits_for_nobody
def test_a_later_knot_may_be_solved_by_who_is_told_of_an_earlier_one():
    promises = [FutureBase(), FutureBase()]

    @asynq.asynq()
    def solves():
        try:
            yield promises[0]
        except AsyncTaskError:
            yield Client().get(1)
            promises[1].set_value("solved")

    @asynq.asynq()
    def root():
        result((yield solves.asynq(), [wait_for.asynq(promises[1])]))

    assert root() == (None, ["solved"])


# Effort


@asynq.asynq()
def wait_for_all_in_vain(n):
    yield [FutureBase() for _ in range(n)]


@asynq.asynq()
def wait_for_each_other(n):
    tasks = {}
    for i in range(n):
        tasks[i] = wait_for_named.asynq(tasks, (i + 1) % n)
    try:
        yield tasks[0]
    finally:
        tasks.clear()


@asynq.asynq()
def wait_for_a_long_chain(n):
    yield wait_for_a_long_chain.asynq(n - 1) if n else FutureBase()


@pytest.mark.parametrize(
    "knot",
    [
        pytest.param(wait_for_all_in_vain, marks=waits_for_nobody),
        wait_for_each_other,
        pytest.param(wait_for_a_long_chain, marks=waits_for_nobody),
    ],
)
def test_a_knot_twice_as_large_takes_twice_the_steps_and_never_spins(knot):
    def tie(n):
        with pytest.raises(AsyncTaskError):
            knot(n)

    tie(10)
    assert steps(tie, 1000) <= 2.2 * steps(tie, 500)
    collect_garbage()


@waits_for_nobody
def test_telling_many_tasks_of_their_knots_takes_few_steps_for_each():
    @asynq.asynq()
    def wait_in_vain(n):
        shared = FutureBase()
        yield [wait_for.asynq(shared) for _ in range(n)]

    def tie(n):
        with pytest.raises(AsyncTaskError):
            wait_in_vain(n)

    tie(10)
    # It looks for the first of them that still waits: three lines for each that does not.
    assert steps(tie, 500) <= 500 * (500 * 3 / 2 + 1800)


@waits_for_nobody
def test_the_state_is_dumped_before_the_error(capsys):
    options.DUMP_PRE_ERROR_STATE = True
    with pytest.raises(AsyncTaskError):
        wait_for(FutureBase())
    assert "--- Pre-error state dump: " in capsys.readouterr().out


def test_a_task_of_another_thread_is_an_error_that_says_so():
    import threading

    started = []
    client = Client()
    errors = []

    @asynq.asynq()
    def slow():
        yield client.get("a")

    def ask():
        try:
            started[0].value()
        except AsyncTaskError as error:
            errors.append(str(error))

    @asynq.asynq()
    def asks_in_a_thread():
        thread = threading.Thread(target=ask)
        thread.start()
        thread.join()
        yield None

    @asynq.asynq()
    def root():
        started.append(slow.asynq())
        yield started[0], asks_in_a_thread.asynq()

    root()
    assert len(errors) == 1
    assert re.search(r"was started (in another thread|on an event loop) \(MainThread / ", errors[0])
    assert "Cure: wait for it where it was started" in errors[0]


def test_a_lazy_future_that_is_asked_for_inside_of_its_own_provider_is_an_error():
    futures = []
    futures.append(Future(lambda: futures[0].value()))
    with pytest.raises(AsyncTaskError, match=KNOT + ".* is being computed already, by what asks"):
        wait_for(futures[0])


def test_a_task_that_waits_inside_of_a_provider_for_its_future_gets_the_error():
    futures = []
    caught = []

    @asynq.asynq()
    def provide():
        try:
            yield futures[0]
        except AsyncTaskError as error:
            caught.append(str(error))
        result("provided")

    futures.append(Future(provide))
    assert wait_for(futures[0]) == "provided"
    assert "is being computed already, by what asks for it. Cure: have the provider" in caught[0]


def test_an_inner_run_does_not_go_on_with_what_it_hands_back_past_the_next_outer_one():
    log = []
    tasks = []

    class Asking(Batch):
        def _flush(self):
            with pytest.raises(AsyncTaskError):
                tasks[0].value()  # the third run takes what the first one has begun
            super(Asking, self)._flush()

    client = Client()
    client.current_batch = Asking(client)

    @asynq.asynq()
    def load(name):
        yield client.get(name)
        log.append(name)

    @asynq.asynq()
    def call():
        load("inner")  # the second run
        log.append("inner run is over")
        yield None

    @asynq.asynq()
    def root():
        yield load.asynq("outer"), call.asynq()

    tasks.append(root.asynq())
    tasks[0].value()
    assert log == ["inner", "inner run is over", "outer"]
