import threading

import pytest

from asynq import ConstFuture, Future, asynq as async_fn, profiler, result
from asynq.debug import options

from .helpers import Client


@pytest.fixture(autouse=True)
def fresh():
    profiler.reset()
    yield
    profiler.reset()
    options.COLLECT_PERF_STATS = False
    options.KEEP_DEPENDENCIES = False


@pytest.fixture
def collecting():
    options.COLLECT_PERF_STATS = True


@pytest.fixture
def client():
    return Client()


@pytest.fixture
def get(client):
    @async_fn()
    def get(key):
        result((yield client.get(key)))

    return get


class Clock(object):
    now = 1000

    def __call__(self):
        return self.now


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(profiler, "monotonic_utime", clock)
    monkeypatch.setattr("asynq.debug.monotonic_utime", clock)
    return clock


def named(fn, number, arguments):
    return "%06d.%s.%s(%s)" % (number, __name__, fn.__name__, arguments)


# The records


def test_flush_takes_the_records():
    profiler.append({"name": "a"})
    profiler.append("anything")
    assert profiler.flush() == [{"name": "a"}, "anything"]
    assert profiler.flush() == []


def test_the_counter_begins_again_with_each_flush_and_reset():
    assert [profiler.incr_counter(), profiler.incr_counter()] == [1, 2]
    profiler.append(1)
    profiler.flush()
    assert profiler.incr_counter() == 1
    profiler.append(1)
    profiler.reset()
    assert profiler.incr_counter() == 1
    assert profiler.flush() == []


def test_threads_have_their_own_records():
    seen = []

    def in_thread():
        seen.append((profiler.incr_counter(), profiler.flush()))

    profiler.append(1)
    profiler.incr_counter()
    thread = threading.Thread(target=in_thread)
    thread.start()
    thread.join()
    assert seen == [(1, [])]
    assert profiler.flush() == [1]
    assert isinstance(profiler._state, profiler.LocalProfileState)


# What is collected


def test_nothing_is_collected_unless_it_is_asked_for(get):
    task = get.asynq(1)
    task.value()
    assert profiler.flush() == []
    assert task.perf_stats == {}


@pytest.mark.parametrize("keep", [False, True])
def test_each_task_and_each_batch_makes_a_record(collecting, clock, client, keep):
    options.KEEP_DEPENDENCIES = keep

    @async_fn()
    def get(key, takes):
        clock.now += takes
        yield client.get(key)
        clock.now += takes

    @async_fn()
    def plain():
        clock.now += 7

    @async_fn()
    def root():
        clock.now += 1
        yield get.asynq("a", takes=10), [get.asynq("b", 100), plain.asynq(), ConstFuture(2)]
        clock.now += 1
        plain()
        yield Future(lambda: 5)

    def takes_long(batch):
        clock.now += 5000
        flush(batch)

    flush = type(client.current_batch)._flush
    client.current_batch._flush = lambda: takes_long(batch)
    batch = client.current_batch
    task = root.asynq()
    assert task.to_str() == named(root, 1, "() {}")
    assert task.perf_stats == {}
    task.value()
    first, second = named(get, 2, "('a',) {'takes': 10}"), named(get, 3, "('b', 100) {}")
    third, fourth = named(plain, 4, "() {}"), named(plain, 5, "() {}")
    items = [(item.to_str(), 0) for item in batch.items] if keep else None
    records = profiler.flush()
    assert task.perf_stats is records[-1]
    names = [record["name"] for record in records]
    assert names == [
        third,
        "%s.Batch (flushed, 2 items)" % Client.__module__,
        first,
        second,
        fourth,
        named(root, 1, "() {}"),
    ]
    assert [record["time_taken"] for record in records] == [7, 5000, 20, 200, 7, 9]
    if keep:
        assert records[1]["dependencies"] == items
    assert [len(record["dependencies"]) for record in records] == [0, 2, 1, 1, 0, 5]
    assert [record.get("num_deps") for record in records] == [0, None, 1, 1, 0, 5]
    assert records[2]["dependencies"] == records[1]["dependencies"][:1]
    assert records[3]["dependencies"] == records[1]["dependencies"][1:]
    assert records[5]["dependencies"] == [
        (first, 20),
        (second, 200),
        (third, 7),
        ("<class 'asynq.futures.ConstFuture'> (computed, = 2)", 0),
        ("<class 'asynq.futures.Future'> (computed, = 5)", 0),
    ]


def test_a_failed_task_and_a_failed_flush_make_records(collecting, client, get):
    client.fails_with = KeyError("a")
    with pytest.raises(KeyError):
        get(1)
    assert [record["name"] for record in profiler.flush()] == [
        "%s.Batch (cancelled, 1 items)" % Client.__module__,
        named(get, 1, "(1,) {}"),
    ]


def test_a_batch_that_is_flushed_without_the_scheduler_makes_no_record(collecting, client):
    assert client.get(1).value() == ("client", 1)
    assert profiler.flush() == []


def test_switching_on_late_collects_what_begins_from_then_on(client, get):
    @async_fn()
    def root():
        options.COLLECT_PERF_STATS = True
        yield get.asynq(1), outer

    outer = get.asynq(2)
    task = root.asynq()
    task.value()
    assert client.requests == [[1, 2]]
    assert task.perf_stats == {}
    assert [record["name"] for record in profiler.flush()] == [
        "%s.Batch (flushed, 2 items)" % Client.__module__,
        named(get, 1, "(1,) {}"),
    ]


def test_a_dependency_from_before_the_switch_is_in_the_records(client, get):
    early = get.asynq(1)
    options.COLLECT_PERF_STATS = True

    @async_fn()
    def root():
        yield early

    root()
    assert [name for name, _ in profiler.flush()[-1]["dependencies"]] == [str(early)]


def test_switching_off_in_the_middle_stops_the_records(collecting, client, get):
    @async_fn()
    def root():
        yield get.asynq(1), switches_off.asynq()

    @async_fn()
    def switches_off():
        options.COLLECT_PERF_STATS = False

    task = root.asynq()
    task.value()
    assert client.requests == [[1]]
    assert profiler.flush() == []
    assert task.perf_stats == {}


@pytest.mark.parametrize("on", [False, True])
def test_switching_during_a_flush_leaves_out_its_record(client, get, on):
    options.COLLECT_PERF_STATS = not on
    batch = client.current_batch
    flush = batch._flush

    def switching():
        options.COLLECT_PERF_STATS = on
        flush()

    batch._flush = switching
    assert get(1) == ("client", 1)
    assert profiler.flush() == []


def test_arguments_that_have_no_repr_are_harmless(collecting):
    class Bad(object):
        def __repr__(self):
            raise ValueError("no repr")

    @async_fn()
    def task(bad):
        return 1

    assert task(Bad()) == 1
    (record,) = profiler.flush()
    assert record["name"] == named(task, 1, "<n/a: str(...) raised no repr> {}")


def test_perf_stats_can_be_collected_at_any_time(collecting, client, get):
    task = get.asynq(1)
    task.collect_perf_stats()
    assert task.perf_stats == {
        "name": named(get, 1, "(1,) {}"),
        "num_deps": 0,
        "dependencies": [],
        "time_taken": 0,
    }
