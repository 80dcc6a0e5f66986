import pytest

import asynq
from asynq import AsyncScopedValue, async_override, asynq as async_fn, result

from .helpers import Client


def test_a_scoped_value_is_its_default_until_it_is_set():
    value = AsyncScopedValue("a")
    assert value.get() == "a"
    assert value() == "a"
    value.set("b")
    assert value.get() == "b"
    assert value() == "b"


def test_a_scoped_value_shows_its_value():
    value = AsyncScopedValue("a")
    assert str(value) == "AsyncScopedValue(a)"
    assert repr(value) == "AsyncScopedValue('a')"
    assert repr(AsyncScopedValue((1, 2))) == "AsyncScopedValue((1, 2))"
    assert str(AsyncScopedValue((1, 2))) == "AsyncScopedValue((1, 2))"


def test_an_override_lasts_as_long_as_its_block():
    value = AsyncScopedValue("a")
    with value.override("b"):
        assert value() == "b"
        with value.override("c"):
            assert value() == "c"
        assert value() == "b"
    assert value() == "a"


def test_an_override_ends_when_its_block_raises():
    value = AsyncScopedValue("a")
    with pytest.raises(ValueError):
        with value.override("b"):
            raise ValueError
    assert value() == "a"


def test_an_override_holds_for_children_and_not_for_siblings_or_flushes():
    value = AsyncScopedValue("a")
    client = Client()
    seen = []

    class Watching(asynq.BatchItemBase):
        def __init__(self):
            super(Watching, self).__init__(client.current_batch)
            self.key = "flush"

        def set_value(self, _):
            seen.append(("flush", value()))
            super(Watching, self).set_value(None)

    @async_fn()
    def child(name):
        seen.append((name, value()))
        yield Watching()
        seen.append((name, value()))

    @async_fn()
    def overriding(name, inner):
        with value.override(inner):
            yield child.asynq(name)
            seen.append((name + " parent", value()))

    @async_fn()
    def root():
        yield overriding.asynq("x", "b"), overriding.asynq("y", "c"), child.asynq("z")

    root()
    assert seen == [
        ("x", "b"),
        ("y", "c"),
        ("z", "a"),
        ("flush", "a"),
        ("flush", "a"),
        ("flush", "a"),
        ("x", "b"),
        ("x parent", "b"),
        ("y", "c"),
        ("y parent", "c"),
        ("z", "a"),
    ]
    assert client.requests == [["flush", "flush", "flush"]]
    assert value() == "a"


def test_what_is_set_inside_an_override_is_lost_at_the_next_switch():
    value = AsyncScopedValue("a")
    client = Client()

    @async_fn()
    def task():
        with value.override("b"):
            value.set("c")
            assert value() == "c"
            yield client.get(1)
            result(value())

    assert task() == "b"
    assert value() == "a"


def test_an_attribute_can_be_overridden():
    class Target(object):
        attribute = "a"

    target = Target()
    client = Client()
    seen = []

    @async_fn()
    def task():
        with async_override(target, "attribute", "b"):
            seen.append(target.attribute)
            yield client.get(1)
            seen.append(target.attribute)

    @async_fn()
    def root():
        yield task.asynq(), other.asynq()

    @async_fn()
    def other():
        seen.append(target.attribute)

    root()
    assert seen == ["b", "a", "b"]
    assert target.attribute == "a"


def test_overriding_an_attribute_that_is_not_there_raises_at_the_block():
    with pytest.raises(AttributeError):
        with async_override(object(), "attribute", 1):
            raise AssertionError("not reached")


def test_overrides_show_what_they_override():
    value = AsyncScopedValue("a")
    assert (
        repr(value.override("b"))
        == "_AsyncScopedValueOverrideContext(target=AsyncScopedValue('a'), value='b')"
    )
    assert repr(async_override(value, "x", 1)) == (
        "_AsyncPropertyOverrideContext(target=AsyncScopedValue('a'), property_name='x', value=1)"
    )
