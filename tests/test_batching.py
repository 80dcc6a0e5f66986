"""A flush sets the value of every item, whatever happens on the way."""

import pytest

import asynq
from asynq import (
    AsyncTaskError,
    BatchBase,
    BatchCancelledError,
    BatchingError,
    BatchItemBase,
    get_scheduler,
    result,
)
from asynq.batching import DebugBatch, DebugBatchItem, _debug_batch_state, sync
from asynq.debug import options

from .helpers import Batch, Client, Item


@pytest.fixture
def client():
    return Client()


@asynq.asynq()
def load(client, key):
    result((yield client.get(key)))


@asynq.asynq()
def load_all(client, keys):
    result((yield [load.asynq(client, key) for key in keys]))


def test_items_asked_for_one_by_one_are_sent_as_one_request(client):
    assert load_all(client, range(1000)) == [("client", key) for key in range(1000)]
    assert client.requests == [list(range(1000))]


def test_an_item_knows_its_batch_and_its_place():
    client = Client()
    items = [client.get("a"), client.get("b")]
    assert [item.index for item in items] == [0, 1]
    assert items[0].batch is items[1].batch is client.current_batch
    assert client.current_batch.items == items


def test_an_item_that_is_never_yielded_is_flushed_with_its_batch(client):
    not_yielded = client.get("a")
    load(client, "b")
    assert client.requests == [["a", "b"]]
    assert not_yielded.value() == ("client", "a")


def test_asking_an_item_for_its_value_flushes_its_batch(client):
    first, second = client.get("a"), client.get("b")
    assert second.value() == ("client", "b")
    assert first.is_computed()
    assert client.requests == [["a", "b"]]
    assert client.get("c").error() is None


def test_asking_an_item_outside_of_the_scheduler_calls_no_flush_hooks(client):
    flushed = []
    get_scheduler().on_before_batch_flush.subscribe(flushed.append)
    try:
        client.get("a").value()
    finally:
        get_scheduler().on_before_batch_flush.unsubscribe(flushed.append)
    assert flushed == []


def test_the_flush_hooks_are_called_around_each_flush(client):
    log = []

    def before(batch):
        log.append(("before", batch.is_flushed(), len(batch.items)))

    def after(batch):
        log.append(("after", batch.is_flushed(), len(batch.items)))

    scheduler = get_scheduler()
    scheduler.on_before_batch_flush.subscribe(before)
    scheduler.on_after_batch_flush.subscribe(after)
    try:
        load_all(client, "ab")
    finally:
        scheduler.on_before_batch_flush.unsubscribe(before)
        scheduler.on_after_batch_flush.unsubscribe(after)
    assert log == [("before", False, 2), ("after", True, 0)]


@pytest.mark.parametrize("error_cls", [ValueError, GeneratorExit])
def test_an_error_of_the_hook_before_a_flush_is_the_error_of_the_batch(client, error_cls):
    def refuse(batch):
        raise error_cls("hook")

    @asynq.asynq()
    def root():
        try:
            yield client.get("a")
        except error_cls as error:
            result(str(error))

    get_scheduler().on_before_batch_flush.subscribe(refuse)
    try:
        assert root() == "hook"
    finally:
        get_scheduler().on_before_batch_flush.unsubscribe(refuse)
    assert client.requests == []
    assert load(client, "b") == ("client", "b")


def test_an_error_of_the_hook_after_a_flush_is_reported_and_changes_nothing(client, capsys):
    def complain(batch):
        raise ValueError("after")

    get_scheduler().on_after_batch_flush.subscribe(complain)
    try:
        assert load(client, "a") == ("client", "a")
    finally:
        get_scheduler().on_after_batch_flush.unsubscribe(complain)
    assert "on_after_batch_flush handler: ValueError('after'" in capsys.readouterr().err


def test_one_batch_is_flushed_at_a_time_the_one_of_highest_priority():
    log = []
    clients = [Client(name, priority) for name, priority in (("a", 1), ("b", 3), ("c", 2))]

    @asynq.asynq()
    def one(client):
        yield client.get(1)
        log.append(client.name)
        # Fuller than if all had been flushed together.
        yield clients[0].get(2)

    @asynq.asynq()
    def root():
        yield [one.asynq(client) for client in clients]

    root()
    assert log == ["b", "c", "a"]
    assert [client.requests for client in clients] == [[[1, 2, 2], [2]], [[1]], [[1]]]


def test_of_batches_of_equal_priority_the_oldest_is_flushed_first():
    log = []
    clients = [Client(name, 0) for name in "abc"]

    @asynq.asynq()
    def one(client):
        yield client.get(1)
        log.append(client.name)

    @asynq.asynq()
    def root():
        yield [one.asynq(client) for client in clients]

    root()
    assert log == ["a", "b", "c"]


def test_by_default_the_batch_with_most_items_is_flushed_first():
    log = []
    few, many = Client("few"), Client("many")

    @asynq.asynq()
    def one(client):
        yield client.get(1)
        log.append(client.name)

    @asynq.asynq()
    def root():
        yield one.asynq(few), one.asynq(many), one.asynq(many)

    root()
    assert log == ["many", "many", "few"]
    assert few.current_batch.get_priority() == (0, 0)


def test_a_failed_flush_fails_every_item(client):
    client.fails_with = ValueError("flush")
    items = [client.get("a"), client.get("b")]
    batch = client.current_batch

    @asynq.asynq()
    def root():
        with pytest.raises(ValueError, match="flush"):
            yield items
        yield None

    root()
    assert [item.error() for item in items] == [client.fails_with] * 2
    assert batch.error() is client.fails_with
    assert batch.is_cancelled() and batch.is_flushed()


def test_a_flush_that_fails_with_an_error_caught_before_leaves_who_caught_it_alone(client):
    client.errors["a"] = ValueError("the same each time")

    @asynq.asynq()
    def load():
        result((yield client.get("a")))

    @asynq.asynq()
    def root():
        caught = 0
        for _ in range(3):
            try:
                yield load.asynq(), client.get("b")
            except ValueError:
                caught += 1
        result(caught)

    assert root() == 3


def test_an_item_that_has_its_value_keeps_it_when_the_flush_fails():
    class HalfWay(Batch):
        def _flush(self):
            self.items[0].set_value("early")
            raise ValueError("half way")

    client = Client()
    client.current_batch = HalfWay(client)
    first, second = client.get(1), client.get(2)
    first.batch.flush()
    assert first.value() == "early"
    with pytest.raises(ValueError, match="half way"):
        second.value()


def test_an_item_can_have_an_error_of_its_own(client):
    client.errors["b"] = KeyError("b")

    @asynq.asynq()
    def root():
        a, b = load.asynq(client, "a"), load.asynq(client, "b")
        with pytest.raises(KeyError):
            yield a, b
        result((a.value(), b.error()))

    assert root() == (("client", "a"), client.errors["b"])


def test_an_item_that_the_flush_forgets_gets_an_error_that_names_it():
    class Forgetful(Batch):
        def _flush(self):
            pass

    client = Client()
    client.current_batch = Forgetful(client)
    with pytest.raises(AssertionError) as info:
        load(client, "a")
    text = str(info.value)
    assert text.startswith("Value of this item wasn't set on batch flush. The item is ")
    assert "helpers.Item" in text
    assert "test_batching.Forgetful" in text
    assert "Cure: have _flush() call set_value() or set_error() of each of self.items." in text


class Stubborn(Item):
    """Refuses errors in the way its key says."""

    def set_error(self, error):
        if self.key == "raises":
            raise KeyError("set_error")
        if self.key == "raises late":
            super(Stubborn, self).set_error(error)
            raise KeyError("set_error")


@pytest.mark.parametrize("key", ["ignores", "raises", "raises late"])
def test_an_item_that_refuses_its_error_gets_it_and_so_do_the_others(client, key, capsys):
    client.fails_with = ValueError("flush")
    items = [Stubborn(client, key), client.get("a"), Stubborn(client, key)]

    @asynq.asynq()
    def wait_for(item):
        try:
            yield item
        except ValueError as error:
            result(str(error))

    @asynq.asynq()
    def root():
        result((yield [wait_for.asynq(item) for item in items]))

    assert root() == ["flush"] * 3
    assert ("KeyError" in capsys.readouterr().err) is (key != "ignores")


def test_a_batch_that_says_it_is_empty_is_flushed_all_the_same():
    class Modest(Batch):
        def is_empty(self):
            return True

    client = Client()
    client.current_batch = Modest(client)
    assert load(client, "a") == ("client", "a")


def test_an_item_that_is_set_twice_fails_the_rest_of_the_batch():
    class Twice(Batch):
        def _flush(self):
            self.items[0].set_value(1)
            self.items[0].set_value(2)

    client = Client()
    client.current_batch = Twice(client)
    first, second = client.get(1), client.get(2)
    assert first.value() == 1
    with pytest.raises(asynq.FutureIsAlreadyComputed):
        second.value()


def test_a_batch_is_flushed_once(client):
    item = client.get("a")
    item.batch.flush()
    with pytest.raises(BatchingError, match="Batch is already flushed or cancelled."):
        item.batch.flush()
    assert client.requests == [["a"]]


def test_flushing_does_not_raise_the_error_of_the_flush(client):
    client.fails_with = ValueError()
    item = client.get("a")
    assert item.batch.flush() is None
    with pytest.raises(ValueError):
        item.batch.value()


def test_the_items_are_let_go_after_a_flush_unless_dependencies_are_kept(client):
    batch = client.get("a").batch
    batch.flush()
    assert batch.items == []
    batch = client.get("b").batch
    assert batch.value() is None
    assert len(batch.items) == 1
    batch = client.get("c").batch
    options.KEEP_DEPENDENCIES = True
    try:
        batch.flush()
    finally:
        options.KEEP_DEPENDENCIES = False
    assert len(batch.items) == 1


def test_the_items_are_told_before_the_batch(client):
    log = []
    item = client.get("a")
    item.batch.on_computed.subscribe(lambda batch: log.append("batch"))
    item.on_computed.subscribe(lambda item: log.append("item"))
    item.batch.flush()
    assert log == ["item", "batch"]


def test_nothing_can_be_added_to_a_flushed_batch(client):
    batch = client.get("a").batch
    batch.flush()
    with pytest.raises(AssertionError, match="can't add an item to the batch that is already"):
        BatchItemBase(batch)


def test_a_flush_can_make_items_and_call_async_functions(client):
    other = Client("other")

    class Asking(Batch):
        def _flush(self):
            for item in self.items:
                item.set_value((load(other, item.key), client.get("next").batch is self))

    client.current_batch = Asking(client)
    assert load_all(client, [1, 2]) == [(("other", 1), False), (("other", 2), False)]
    assert other.requests == [[1], [2]]
    assert len(client.current_batch.items) == 2


def test_a_flush_cannot_wait_for_an_item_of_its_own_batch(client):
    class Selfish(Batch):
        def _flush(self):
            self.items[0].value()

    client.current_batch = Selfish(client)
    with pytest.raises(AsyncTaskError, match="waits for itself or for one of its own items"):
        load(client, "a")
    assert load(client, "b") == ("client", "b")


def test_a_flush_cannot_wait_for_a_task_that_waits_for_its_own_batch(client):
    errors = []

    class Selfish(Batch):
        def _flush(self):
            try:
                wait_for(self.items[0])
            except AsyncTaskError as error:
                errors.append(str(error))
            for item in self.items:
                item.set_value("ok")

    @asynq.asynq()
    def wait_for(item):
        yield item

    client.current_batch = Selfish(client)
    assert load(client, "a") == "ok"
    assert "wait_for -> " in errors[0]
    assert "its batch (" in errors[0]


def test_cancelling_gives_an_error_to_the_batch_and_all_its_items(client):
    items = [client.get("a"), client.get("b")]
    batch = items[0].batch
    batch.cancel()
    assert batch.is_cancelled() and batch.is_flushed()
    assert isinstance(batch.error(), BatchCancelledError)
    with pytest.raises(BatchCancelledError):
        items[1].value()
    batch.cancel(ValueError())
    assert isinstance(batch.error(), BatchCancelledError)


def test_cancelling_with_an_error_gives_that_error(client):
    item = client.get("a")
    error = ValueError()
    item.batch.cancel(error)
    assert item.error() is error
    assert load(client, "b") == ("client", "b")
    assert client.requests == [["b"]]


def test_a_task_can_cancel_the_batch_that_others_wait_for(client):
    @asynq.asynq()
    def cancel(batch):
        batch.cancel()
        yield None

    @asynq.asynq()
    def root():
        waiting = load.asynq(client, "a")
        with pytest.raises(BatchCancelledError):
            yield waiting, cancel.asynq(client.current_batch)

    root()
    assert client.requests == []


class Hooked(Batch):
    """Its hooks raise what the client says."""

    def _try_switch_active_batch(self):
        self.client.log.append("switch")
        super(Hooked, self)._try_switch_active_batch()
        self.client.current_batch = Hooked(self.client)
        if self.client.log.count("switch") == self.client.fails_at_switch:
            raise ValueError("switch")

    def _cancel(self):
        self.client.log.append("cancel")
        if self.client.fails_at_cancel:
            raise ValueError("cancel")


@pytest.fixture
def hooked():
    client = Client()
    client.log = []
    client.fails_at_switch = 0
    client.fails_at_cancel = False
    client.current_batch = Hooked(client)
    return client


def test_the_current_batch_is_switched_before_and_after_a_flush(hooked):
    load(hooked, "a")
    assert hooked.log == ["switch", "switch"]


@pytest.mark.parametrize("call", [1, 2])
def test_an_error_of_switching_is_the_error_of_the_batch(hooked, call):
    hooked.fails_at_switch = call
    item = hooked.get("a")
    batch = item.batch

    @asynq.asynq()
    def root():
        with pytest.raises(ValueError, match="switch"):
            yield batch, item

    root()
    assert item.is_computed()
    assert load(hooked, "b") == ("client", "b")


def test_a_batch_that_is_never_switched_fails_its_items_and_hangs_nobody(client, capsys):
    class Stuck(Batch):
        def _try_switch_active_batch(self):
            raise ValueError("never")

    client.current_batch = Stuck(client)

    @asynq.asynq()
    def root():
        with pytest.raises(ValueError, match="never"):
            yield [client.get(1), client.get(2)]
        result((yield Client("other").get(3)))

    assert root() == ("other", 3)
    assert "(0 tasks, 0 batches; active task: None)" in str(asynq.get_scheduler())
    assert "a hook of a batch that had failed: ValueError('never'" in capsys.readouterr().err
    with pytest.raises(AssertionError, match="have _try_switch_active_batch.. install a new one"):
        client.get(4)


def test_an_error_of_the_cancel_hook_is_reported_and_loses_no_item(hooked, capsys):
    hooked.fails_at_cancel = True
    hooked.fails_with = KeyError("flush")
    item = hooked.get("a")
    item.batch.flush()
    assert item.error() is hooked.fails_with
    assert hooked.log == ["switch", "switch", "cancel"]
    assert "raised by a hook of a batch that had failed: ValueError('cancel'" in (
        capsys.readouterr().err
    )


def test_an_error_of_get_priority_is_the_error_of_that_batch(client):
    class NoPriority(Batch):
        def get_priority(self):
            raise ValueError("priority")

    bad = Client("bad")
    bad.current_batch = NoPriority(bad)

    @asynq.asynq()
    def root():
        good = load.asynq(client, "a")
        with pytest.raises(ValueError, match="priority"):
            yield load.asynq(bad, "b"), good
        result((yield good))

    assert root() == ("client", "a")
    assert bad.requests == []


def test_after_an_error_of_get_priority_its_tasks_go_on_before_another_flush(client):
    class NoPriority(Batch):
        def get_priority(self):
            raise ValueError("priority")

    bad = Client("bad")
    bad.current_batch = NoPriority(bad)

    @asynq.asynq()
    def root():
        yield load.asynq(client, "a"), recover.asynq()

    @asynq.asynq()
    def recover():
        with pytest.raises(ValueError, match="priority"):
            yield load.asynq(bad, "b")
        yield load.asynq(client, "c")

    root()
    assert client.requests == [["a", "c"]]


@pytest.mark.parametrize("interrupt_cls", [KeyboardInterrupt, SystemExit])
@pytest.mark.synchronous("an event loop cancels what an interrupt leaves")
def test_an_interrupt_in_a_flush_ends_the_run_and_reaches_its_caller(client, interrupt_cls):
    client.fails_with = interrupt_cls()
    other = client.get("other")
    log = []

    @asynq.asynq()
    def root():
        try:
            yield load_all.asynq(client, "ab")
        except BaseException as error:
            log.append(type(error))
            raise

    with pytest.raises(interrupt_cls):
        root()
    assert log == [GeneratorExit]
    assert other.error() is client.fails_with
    assert "(0 tasks, 0 batches; active task: None)" in str(get_scheduler())
    client.fails_with = None
    assert load(client, "c") == ("client", "c")


@pytest.mark.parametrize("where", ["before", "after", "priority", "cancel", "handler"])
@pytest.mark.not_uvloop("it goes on after an interrupt, and may not raise it")
def test_an_interrupt_anywhere_around_a_flush_reaches_the_caller(client, where):
    def interrupt(*args):
        raise KeyboardInterrupt()

    class Interrupted(Batch):
        def get_priority(self):
            if where == "priority":
                interrupt()
            return 0

        def _cancel(self):
            if where == "cancel":
                interrupt()

        def _flush(self):
            if where in ("cancel", "handler"):
                raise ValueError()
            super(Interrupted, self)._flush()

    client.current_batch = Interrupted(client)
    item, other = client.get("a"), client.get("b")
    if where == "handler":
        item.on_computed.subscribe(interrupt)
    hooks = {
        "before": get_scheduler().on_before_batch_flush,
        "after": get_scheduler().on_after_batch_flush,
    }
    if where in hooks:
        hooks[where].subscribe(interrupt)

    @asynq.asynq()
    def root():
        yield item

    try:
        with pytest.raises(KeyboardInterrupt):
            root()
    finally:
        if where in hooks:
            hooks[where].unsubscribe(interrupt)
    assert item.is_computed() is other.is_computed() is (where not in ("before", "priority"))
    assert "(0 tasks, 0 batches; active task: None)" in str(get_scheduler())
    client.current_batch = Batch(client)
    assert load(client, "c") == ("client", "c")


def test_a_batch_can_be_yielded(client):
    @asynq.asynq()
    def root():
        item = client.get("a")
        assert (yield item.batch) is None
        assert item.is_computed()
        # There is nothing to be sent, but somebody waits for it.
        yield client.current_batch

    root()
    assert client.requests == [["a"], []]


def test_a_run_leaves_no_batch_pending_that_only_a_failed_task_wanted(client):
    @asynq.asynq()
    def root():
        yield client.get("a")

    class Refusing(asynq.NonAsyncContext):
        pass

    @asynq.asynq()
    def refuse():
        with Refusing():
            yield client.get("a")

    with pytest.raises(AssertionError):
        refuse()
    assert "0 batches" in str(get_scheduler())
    assert client.requests == []
    load(client, "b")
    assert client.requests == [["a", "b"]]


def test_a_batch_says_what_to_define(client):
    with pytest.raises(NotImplementedError, match=r"BatchBase must define _flush\(\)"):
        BatchBase()._flush()
    with pytest.raises(NotImplementedError, match=r"define _try_switch_active_batch\(\)"):
        BatchBase()._try_switch_active_batch()


def test_a_batch_tells_its_state(client, capsys):
    batch = client.get("a").batch
    assert str(batch) == "tests.helpers.Batch (pending, 1 items)"
    batch.dump(1)
    batch.flush()
    assert str(batch) == "tests.helpers.Batch (flushed, 0 items)"
    batch.dump()
    batch = client.get("b").batch
    batch.cancel()
    assert str(batch) == "tests.helpers.Batch (cancelled, 0 items)"
    assert capsys.readouterr().out.splitlines() == [
        "  tests.helpers.Batch (pending, 1 items)",
        "    Priority: (0, 1)",
        "    Items:",
        "      <class 'tests.helpers.Item'> (isn't computed)",
        "tests.helpers.Batch (flushed, 0 items)",
        "  Priority: (0, 0)",
        "  No items.",
    ]


def test_debug_items_are_batched_by_name():
    flushed = []
    first, second = DebugBatchItem("one", 1), DebugBatchItem("one", 2)
    other = DebugBatchItem("two")
    first.batch.on_computed.subscribe(flushed.append)
    assert first.batch is second.batch and other.batch is not first.batch
    assert (first.value(), second.value()) == (1, 2)
    assert flushed == [first.batch]
    assert not other.is_computed()
    assert _debug_batch_state.batches["one"].index == first.batch.index + 1
    assert (first.batch.name, DebugBatch().name, DebugBatch().index) == ("one", "default", 0)
    assert sync("x").batch.name == "sync-x"
    assert asynq.debug.sync is sync
    assert isinstance(DebugBatchItem(), Item) is False
