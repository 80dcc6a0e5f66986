"""Threads share functions, caches and classes, and hear nothing of one another.

What is promised: each thread has its scheduler, and a batch is flushed by the thread whose run
waits for it. Caches, ``alazy_constant`` and ``deduplicate`` may be shared; within a thread each
value is computed once, and no task goes from one thread to another. A task that is not started
belongs to nobody, and runs where it is first asked for; from then on it belongs to that thread.

What is not: a run does not wait for other threads, except inside a call of the user's code
(``_flush``, ``_compute``, a body). Futures have no locks: whoever sets the value of one for which
another thread's run waits, must do so during such a call. Otherwise that run may be told that
nobody computes it, but does not hang, and the next run is not affected. A value from a cache may
be computed once by each thread; ``AsyncScopedValue`` is one value for all threads.

"""

import sys
import threading

import pytest

import asynq
from asynq import (
    AsyncScopedValue,
    AsyncTaskError,
    BatchBase,
    BatchItemBase,
    FutureBase,
    get_active_task,
    get_scheduler,
    result,
)
from asynq.tools import acached_per_instance, alazy_constant, alru_cache, deduplicate

from .helpers import Batch, Client

THREADS = 16
ROUNDS = 8
KEYS = 12

# No thread of these tests waits so long, unless for something that never comes.
NEVER = 60


@pytest.fixture(autouse=True)
def switch_often():
    if hasattr(sys, "setswitchinterval"):
        former = sys.getswitchinterval()
        sys.setswitchinterval(1e-6)
        yield
        sys.setswitchinterval(former)
    else:
        former = sys.getcheckinterval()
        sys.setcheckinterval(1)
        yield
        sys.setcheckinterval(former)


def in_threads(fn, count=THREADS):
    """The outcomes of ``fn(0)``, ``fn(1)``..., called in threads that begin together."""
    here = []
    all_here = threading.Event()
    outcomes = [None] * count
    errors = []

    def call(number):
        here.append(number)
        if len(here) == count:
            all_here.set()
        all_here.wait(NEVER)
        try:
            outcomes[number] = fn(number)
            assert get_active_task() is None
            assert get_scheduler().current_run is None
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=call, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.daemon = True  # one that hangs is a failure, and must not hold up the end
        thread.start()
    for thread in threads:
        thread.join(NEVER)
    assert not any(thread.is_alive() for thread in threads)
    if errors:
        raise errors[0]
    return outcomes


class Here(threading.local):
    """What each thread has of its own."""

    def __init__(self):
        self.client = Client()
        self.scoped = AsyncScopedValue(None)


class Counted(object):
    """How often each thing was done in each thread."""

    def __init__(self):
        self.done = {}

    def __call__(self, *thing):
        thing = (threading.current_thread().name,) + thing
        # No other thread has this key.
        self.done[thing] = self.done.get(thing, 0) + 1

    def times(self):
        return set(self.done.values())


@asynq.asynq()
def load(here, key):
    result((yield here.client.get(key)))


@asynq.asynq()
def wait_for_one(future):
    result((yield future))


# One thing of many threads at a time


def test_each_thread_sends_its_own_batches():
    class Table(threading.local):
        def __init__(self):
            self.batch = Mine(self)

    class Mine(BatchBase):
        def __init__(self, table):
            super(Mine, self).__init__()
            self.table = table

        def _try_switch_active_batch(self):
            if self.table.batch is self:
                self.table.batch = Mine(self.table)

        def _flush(self):
            makers = set(item.maker for item in self.items)
            flushes.append((makers, threading.current_thread(), len(self.items)))
            for item in self.items:
                item.set_value(item.key)

    class Mines(BatchItemBase):
        def __init__(self, key):
            super(Mines, self).__init__(table.batch)
            self.key = key
            self.maker = threading.current_thread()

    @asynq.asynq()
    def get(key):
        value = yield Mines(key)
        result((yield Mines(value)))

    @asynq.asynq()
    def get_all(number):
        result((yield [get.asynq((number, key)) for key in range(KEYS)]))

    table = Table()
    flushes = []
    outcomes = in_threads(lambda number: [get_all(number) for _ in range(ROUNDS)])
    for number, values in enumerate(outcomes):
        assert values == [[(number, key) for key in range(KEYS)]] * ROUNDS
    assert all(makers == {flusher} for makers, flusher, _ in flushes)
    assert [size for _, _, size in flushes] == [KEYS] * (2 * THREADS * ROUNDS)


def test_threads_share_a_cache_and_compute_each_value_once_each():
    here = Here()
    computed = Counted()

    @alru_cache(maxsize=10 * KEYS)
    @asynq.asynq()
    def cached(key):
        computed(key)
        value = yield load.asynq(here, key)
        result(value)

    @asynq.asynq()
    def ask(keys):
        result((yield [cached.asynq(key) for key in keys]))

    def program(number):
        keys = [(number + i) % KEYS for i in range(KEYS)] * 2
        return [ask(keys) == [("client", key) for key in keys] for _ in range(ROUNDS)]

    assert in_threads(program) == [[True] * ROUNDS] * THREADS
    assert computed.times() == {1}
    assert set(key for _, key in computed.done) == set(range(KEYS))


def test_threads_share_batch_classes_caches_and_deduplicated_functions_in_one_program():
    here = Here()
    ran = Counted()
    flushes = []

    class Threadwise(Client):
        def get(self, key):
            item = super(Threadwise, self).get(key)
            item.maker = threading.current_thread()
            return item

    class Watched(Batch):
        def _try_switch_active_batch(self):
            if self.client.current_batch is self:
                self.client.current_batch = Watched(self.client)

        def _flush(self):
            makers = set(item.maker for item in self.items)
            flushes.append(makers == {threading.current_thread()})
            super(Watched, self)._flush()

    @alru_cache(maxsize=1000)
    @asynq.asynq()
    def cached(key):
        ran("cached", key)
        result((yield shared.asynq(key)))

    @deduplicate()
    @asynq.asynq()
    def shared(key):
        yield here.client.get(("first", key))
        result((yield here.client.get(key)))

    @alazy_constant()
    @asynq.asynq()
    def constant():
        ran("constant")
        result((yield here.client.get("constant")))

    @asynq.asynq()
    def page(number, turn):
        own = [shared.asynq((number, turn)) for _ in range(2)]
        assert own[0] is own[1]
        values = yield [cached.asynq(key) for key in range(KEYS)], own, {"c": constant.asynq()}
        result(values)

    def program(number):
        here.client = Threadwise()
        here.client.current_batch = Watched(here.client)
        return [page(number, turn) for turn in range(ROUNDS)]

    for number, pages in enumerate(in_threads(program)):
        for turn, values in enumerate(pages):
            assert values == (
                [("client", key) for key in range(KEYS)],
                [("client", (number, turn))] * 2,
                {"c": ("client", "constant")},
            )
    assert ran.times() == {1}
    assert flushes and all(flushes)


def test_a_small_cache_is_not_corrupted():
    here = Here()

    @alru_cache(maxsize=3)
    @asynq.asynq()
    def cached(key):
        result((yield load.asynq(here, key)))

    @asynq.asynq()
    def ask(keys):
        result((yield [cached.asynq(key) for key in keys]))

    def program(number):
        keys = [(number + i) % KEYS for i in range(KEYS)]
        return [ask(keys) == [("client", key) for key in keys] for _ in range(ROUNDS)]

    assert in_threads(program) == [[True] * ROUNDS] * THREADS


def test_threads_share_the_cache_of_an_instance():
    here = Here()
    computed = Counted()

    class Shared(object):
        def __init__(self, name):
            self.name = name

        @acached_per_instance()
        @asynq.asynq()
        def get(self, key):
            computed(self.name, key)
            value = yield load.asynq(here, key)
            result((self.name, value))

    @asynq.asynq()
    def ask(instances):
        result((yield [one.get.asynq(key) for one in instances for key in range(KEYS)]))

    def program(number):
        for _ in range(ROUNDS):
            names = [one.name for one in shared] + [("own", number)]
            values = ask(shared + [Shared(names[-1])])
            assert values == [(name, ("client", key)) for name in names for key in range(KEYS)]

    shared = [Shared("a"), Shared("b")]
    in_threads(program)
    ours = [times for (_, name, _), times in computed.done.items() if name in ("a", "b")]
    assert set(ours) == {1}
    del shared[:]
    if hasattr(sys, "getrefcount"):
        assert Shared.get.decorator.__acached_per_instance_cache__ == {}


def test_threads_share_a_constant():
    here = Here()
    computed = Counted()

    @alazy_constant()
    @asynq.asynq()
    def constant():
        computed()
        result((yield load.asynq(here, "constant")))

    @asynq.asynq()
    def ask():
        result((yield [constant.asynq() for _ in range(5)]))

    outcomes = in_threads(lambda number: [ask() for _ in range(ROUNDS)])
    assert outcomes == [[[("client", "constant")] * 5] * ROUNDS] * THREADS
    assert computed.times() == {1}


def test_a_constant_is_never_older_than_a_dirty_that_came_before_the_question():
    here = Here()
    newest = [0]
    lock = threading.Lock()

    @alazy_constant()
    @asynq.asynq()
    def constant():
        value = newest[0]
        yield load.asynq(here, "constant")
        result(value)

    def program(number):
        for _ in range(ROUNDS):
            with lock:
                newest[0] += 1
                expected = newest[0]
            constant.dirty()
            assert constant() >= expected

    in_threads(program)
    assert constant() == newest[0]


def test_threads_do_not_share_deduplicated_tasks():
    here = Here()
    computed = Counted()

    @deduplicate()
    @asynq.asynq()
    def shared(key, turn):
        computed(key, turn)
        thread = threading.current_thread()
        yield load.asynq(here, key)
        assert threading.current_thread() is thread
        result(thread)

    @asynq.asynq()
    def ask(turn):
        result((yield [shared.asynq(key, turn) for key in [1, 2, 1, 2]]))

    def program(number):
        me = threading.current_thread()
        return [ask(turn) == [me] * 4 for turn in range(ROUNDS)]

    assert in_threads(program) == [[True] * ROUNDS] * THREADS
    assert computed.times() == {1}


def test_contexts_and_scoped_values_are_those_of_the_thread():
    here = Here()

    @asynq.asynq()
    def inside(value):
        with here.scoped.override(value):
            yield [load.asynq(here, value), check.asynq(value)]
            assert here.scoped() == value
        yield load.asynq(here, value)
        assert here.scoped() is None

    @asynq.asynq()
    def check(value):
        assert here.scoped() == value
        yield here.client.get("check")
        assert here.scoped() == value

    @asynq.asynq()
    def both(number):
        yield [inside.asynq((number, side)) for side in ("left", "right")]
        assert here.scoped() is None

    in_threads(lambda number: [both(number) for _ in range(ROUNDS)])


def test_errors_and_knots_stay_in_their_thread():
    here = Here()

    @asynq.asynq()
    def fail(number):
        yield load.asynq(here, number)
        raise ValueError(number)

    @asynq.asynq()
    def wait_for(future):
        yield future

    def program(number):
        for _ in range(ROUNDS):
            try:
                fail(number)
            except ValueError as error:
                assert error.args == (number,)
            with pytest.raises(AsyncTaskError, match="nobody is going to compute"):
                wait_for(FutureBase())
            here.client.fails_with = KeyError(number)
            with pytest.raises(KeyError):
                load(here, number)
            here.client.fails_with = None
            assert load(here, number) == ("client", number)

    former = asynq.debug.options.DUMP_PRE_ERROR_STATE
    asynq.debug.options.DUMP_PRE_ERROR_STATE = False
    try:
        in_threads(program)
    finally:
        asynq.debug.options.DUMP_PRE_ERROR_STATE = former


# A batch that belongs to all threads, because its class says so


class SharedTable(object):
    """One batch for all threads: it is filled and changed under a lock, and flushed once."""

    def __init__(self):
        self.lock = threading.Lock()
        self.flushes = []
        self.batch = SharedBatch(self)

    def get(self, key):
        with self.lock:
            return SharedItem(self.batch, key)


class SharedBatch(BatchBase):
    def __init__(self, table):
        super(SharedBatch, self).__init__()
        self.table = table

    def _try_switch_active_batch(self):
        with self.table.lock:
            if self.table.batch is self:
                self.table.batch = SharedBatch(self.table)

    def _flush(self):
        self.table.flushes.append([item.maker for item in self.items])
        for item in self.items:
            item.set_value(("shared", item.key))


class SharedItem(BatchItemBase):
    def __init__(self, batch, key):
        super(SharedItem, self).__init__(batch)
        self.key = key
        self.maker = threading.current_thread()


class Gate(BatchBase):
    """A batch flushed before all others, which calls a function meanwhile."""

    def __init__(self, fn):
        super(Gate, self).__init__()
        self.fn = fn

    def get_priority(self):
        return (1, 0)

    def _try_switch_active_batch(self):
        pass

    def _flush(self):
        self.fn()
        for item in self.items:
            item.set_value("gate")


def in_another_thread(fn):
    (outcome,) = in_threads(lambda number: fn(), count=1)
    return outcome


def test_a_thread_may_flush_a_shared_batch_while_another_one_is_held_in_a_flush():
    table = SharedTable()

    @asynq.asynq()
    def get(key):
        result((yield table.get(key)))

    @asynq.asynq()
    def get_while_others_flush():
        gate = BatchItemBase(Gate(lambda: outcomes.append(in_another_thread(get_both))))
        result((yield [get.asynq("ours"), gate, get.asynq("ours too")]))

    def get_both():
        return list(map(get, ["theirs", "theirs too"]))

    outcomes = []
    assert get_while_others_flush() == [("shared", "ours"), "gate", ("shared", "ours too")]
    assert outcomes == [[("shared", "theirs"), ("shared", "theirs too")]]
    assert [len(makers) for makers in table.flushes] == [3, 1]
    assert len(set(table.flushes[0])) == 2


class LockedBatch(SharedBatch):
    """Who wants to flush it while another thread does, waits until that is done."""

    def __init__(self, table, flushing, wanted):
        super(LockedBatch, self).__init__(table)
        self.flushing = flushing
        self.wanted = wanted
        self.flush_lock = threading.Lock()

    def flush(self):
        if self.flushing.is_set():
            self.wanted.set()
        with self.flush_lock:
            if not self.is_flushed():
                super(LockedBatch, self).flush()

    def _flush(self):
        self.flushing.set()
        self.wanted.wait(NEVER)
        super(LockedBatch, self)._flush()


@pytest.mark.parametrize("ask", [wait_for_one, BatchItemBase.value], ids=["yield", "value"])
def test_a_thread_may_wait_for_an_item_of_a_batch_that_another_thread_is_flushing(ask, capsys):
    flushing, wanted = threading.Event(), threading.Event()
    table = SharedTable()
    table.batch = LockedBatch(table, flushing, wanted)
    items = [table.get(number) for number in range(2)]

    def program(number):
        if number == 0:
            return wait_for_one(items[0])
        flushing.wait(NEVER)
        try:
            return ask(items[1])
        finally:
            wanted.set()

    assert in_threads(program, count=2) == [("shared", 0), ("shared", 1)]


def test_an_item_of_a_batch_that_another_thread_is_flushing_is_an_error_that_says_so():
    table = SharedTable()
    errors = []

    class Held(SharedBatch):
        def _flush(self):
            for ask in (wait_for_one, BatchItemBase.value):
                errors.append(in_another_thread(lambda: error_of(ask, self.items[1])))
            super(Held, self)._flush()

    def error_of(ask, item):
        try:
            ask(item)
        except AsyncTaskError as error:
            assert Client().get("next").value() == ("client", "next")
            return str(error)

    table.batch = Held(table)
    items = [table.get(number) for number in range(2)]
    assert wait_for_one(items) == [("shared", 0), ("shared", 1)]
    assert len(errors) == 2
    for text in errors:
        assert "its batch (tests.test_threads.Held (pending, 2 items)) is being flushed" in text
        assert "flushed in another thread (" in text
        assert "Cure: give each thread a current batch of its own, in a threading.local." in text
    assert "test_threads.wait_for_one -> <class 'tests.test_threads.SharedItem'>" in errors[0]


# Tasks that go to another thread


def test_a_task_runs_in_the_thread_that_asks_for_it_first():
    here = Here()

    @asynq.asynq()
    def where():
        yield load.asynq(here, 1)
        result(threading.current_thread())

    def ask(number):
        return [tasks[number].value(), wait_for_one(more[number]), threading.current_thread()]

    tasks = [where.asynq() for _ in range(THREADS)]
    more = [where.asynq() for _ in range(THREADS)]
    for first, second, thread in in_threads(ask):
        assert first is second is thread
    assert len(set(task.value() for task in tasks)) == THREADS


def test_a_task_that_is_started_can_not_be_asked_for_in_another_thread():
    here = Here()

    @asynq.asynq()
    def ask_elsewhere(asks, task):
        yield BatchItemBase(Gate(lambda: None))  # the task begins meanwhile
        for ask in asks:
            errors.append(in_another_thread(lambda: error_of(ask, task)))

    def error_of(ask, task):
        try:
            ask(task)
        except AsyncTaskError as error:
            return str(error)
        finally:
            assert load(here, "still works") == ("client", "still works")

    @asynq.asynq()
    def root():
        task = load.asynq(here, "key")
        asks = [lambda task: task.value(), wait_for_one, lambda task: wait_for_one([None, task])]
        result((yield task, wait_for_one.asynq(task), ask_elsewhere.asynq(asks, task)))

    errors = []
    assert root() == (("client", "key"), ("client", "key"), None)
    assert len(errors) == 3
    for text in errors:
        assert "was started in another thread (" in text
        assert "Cure: wait for it where it was started, or hand its value over." in text


def test_a_task_that_another_thread_begins_at_the_same_moment_runs_once():
    class Meanwhile(int):
        """A limit of the depth: it is compared just before a task that seems to be new begins."""

        def __le__(self, depth):
            if not values:
                values.append(None)
                values[0] = in_another_thread(task.value)
            return False

    @asynq.asynq()
    def where():
        ran.append(threading.current_thread())
        return "value"

    values, ran = [], []
    task = where.asynq()
    former = asynq.debug.options.MAX_TASK_STACK_SIZE
    asynq.debug.options.MAX_TASK_STACK_SIZE = Meanwhile(former)
    try:
        with pytest.raises(AsyncTaskError, match="was started in another thread"):
            wait_for_one(task)
    finally:
        asynq.debug.options.MAX_TASK_STACK_SIZE = former
    assert values == ["value"]
    assert len(ran) == 1
    assert wait_for_one(task) == "value"


def test_threads_that_ask_for_one_new_task_at_once_get_its_value_or_an_error():
    here = Here()
    ran = [[] for _ in range(10 * ROUNDS)]

    @asynq.asynq()
    def steps(number):
        ran[number].append(threading.current_thread())
        for step in range(3):
            assert (yield load.asynq(here, step)) == ("client", step)
            ran[number].append(threading.current_thread())
        result(number)

    @asynq.asynq()
    def at_once(number):
        ran[number].append(threading.current_thread())
        return number

    def program(number):
        outcomes = []
        for turn, task in enumerate(tasks):
            try:
                value = wait_for_one(task) if number % 2 else task.value()
                outcomes.append(value == turn)
            except AsyncTaskError:
                outcomes.append(None)
            assert load(here, "next") == ("client", "next")
        return outcomes

    tasks = [(steps if turn % 2 else at_once).asynq(turn) for turn in range(len(ran))]
    former = asynq.debug.options.DUMP_PRE_ERROR_STATE
    asynq.debug.options.DUMP_PRE_ERROR_STATE = False
    try:
        outcomes = in_threads(program)
    finally:
        asynq.debug.options.DUMP_PRE_ERROR_STATE = former
    found = set(outcome for thread in outcomes for outcome in thread)
    assert {True} <= found <= {True, None}
    assert [len(threads) for threads in ran] == [1, 4] * (5 * ROUNDS)
    assert all(len(set(threads)) == 1 for threads in ran)


def test_who_yields_a_task_of_another_thread_can_catch_the_error():
    here = Here()

    @asynq.asynq()
    def catch(task):
        try:
            yield task
        except AsyncTaskError:
            result((yield here.client.get("caught")))

    @asynq.asynq()
    def ask_elsewhere(task):
        yield BatchItemBase(Gate(lambda: None))  # the task begins meanwhile
        result(in_another_thread(lambda: catch(task)))

    @asynq.asynq()
    def root():
        task = load.asynq(here, "key")
        result((yield task, ask_elsewhere.asynq(task)))

    assert root() == (("client", "key"), ("client", "caught"))


def test_a_task_that_is_computed_can_be_asked_for_in_any_thread():
    here = Here()
    task = load.asynq(here, "key")
    task.value()

    assert in_threads(lambda number: wait_for_one(task)) == [("client", "key")] * THREADS


# Futures whose value comes from another thread


@asynq.asynq()
def wait_for(*futures):
    result((yield list(futures)))


def test_a_value_set_by_another_thread_during_a_flush_arrives():
    promises = [FutureBase() for _ in range(5)]

    def set_all():
        for number, promise in enumerate(promises):
            promise.set_value(number)

    gate = BatchItemBase(Gate(lambda: in_another_thread(set_all)))
    assert wait_for(gate, *promises) == ["gate", 0, 1, 2, 3, 4]


def test_an_error_set_by_another_thread_during_a_flush_arrives():
    promise = FutureBase()
    gate = BatchItemBase(
        Gate(lambda: in_another_thread(lambda: promise.set_error(ValueError("from there"))))
    )
    with pytest.raises(ValueError, match="from there"):
        wait_for(gate, promise)


def test_a_value_set_by_another_thread_while_a_body_waits_for_it_arrives():
    promise = FutureBase()

    @asynq.asynq()
    def join():
        in_another_thread(lambda: promise.set_value("from there"))

    @asynq.asynq()
    def root():
        result((yield [promise, join.asynq()]))

    assert root() == ["from there", None]


def test_a_future_can_wait_for_another_thread_when_it_is_computed():
    class Awaited(FutureBase):
        """Asks another thread, and waits for its answer."""

        def __init__(self, value):
            super(Awaited, self).__init__()
            self.answered = threading.Event()
            self.thread = threading.Thread(target=self.answer, args=(value,))
            self.thread.start()

        def answer(self, value):
            asked.wait(NEVER)
            self.set_value(value)
            self.answered.set()

        def _compute(self):
            asked.set()
            self.answered.wait(NEVER)

    asked = threading.Event()
    futures = [Awaited(1), Awaited(2), Awaited(3)]
    assert wait_for(*futures) == [1, 2, 3]
    assert asked.is_set()
    for future in futures:
        future.thread.join(NEVER)


def test_a_run_does_not_wait_for_other_threads_by_itself(capsys):
    promise = FutureBase()
    with pytest.raises(AsyncTaskError, match="nobody is going to compute"):
        wait_for(promise)
    in_another_thread(lambda: promise.set_value("too late"))
    assert wait_for(promise) == ["too late"]


def test_a_value_that_is_set_at_any_moment_does_not_disturb_the_run(capsys):
    here = Here()
    rounds = 200

    @asynq.asynq()
    def ask(promises):
        try:
            values = yield [wait_for.asynq(*promises), load.asynq(here, 1)]
        except AsyncTaskError:
            values = None
        yield load.asynq(here, 2)
        result(values)

    def program(number):
        if number:
            for turn in range(rounds):
                begun[turn].wait(NEVER)
                promises[turn][number - 1].set_value(turn)
        else:
            for turn in range(rounds):
                begun[turn].set()
                outcomes.append(ask(promises[turn]))

    begun = [threading.Event() for _ in range(rounds)]
    promises = [[FutureBase(), FutureBase()] for _ in range(rounds)]
    outcomes = []
    in_threads(program, count=3)
    for turn, values in enumerate(outcomes):
        assert values in (None, [[turn, turn], ("client", 1)])
    assert len(outcomes) == rounds
