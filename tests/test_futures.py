"""A future gets a value or an error once, and hands it to whoever waits."""

import copy
import io
import pickle
import sys

import pytest
import qcore

import asynq
from asynq import (
    ConstFuture,
    ErrorFuture,
    Future,
    FutureBase,
    FutureIsAlreadyComputed,
    none_future,
    result,
)
from asynq.futures import _none


class Doubled(FutureBase):
    """Computes itself when it is wanted."""

    def __init__(self, number):
        super(Doubled, self).__init__()
        self.number = number

    def _compute(self):
        self.set_value(self.number * 2)


@pytest.mark.parametrize("value", [5, None, "text", ConstFuture(1), ValueError()])
def test_a_future_returns_the_value_it_was_given(value):
    future = FutureBase()
    assert not future.is_computed()
    assert future._value is _none
    future.set_value(value)
    assert future.is_computed()
    assert future.value() is value
    assert future() is value
    assert future.error() is None


def test_a_future_raises_the_error_it_was_given_at_every_call():
    future = FutureBase()
    error = ValueError()
    future.set_error(error)
    for _ in range(2):
        with pytest.raises(ValueError) as info:
            future.value()
        assert info.value is error
    assert future.error() is error
    assert future._value is None
    with pytest.raises(ValueError):
        future.raise_if_error()


def test_an_error_of_none_means_the_value_none():
    future = FutureBase()
    future.set_error(None)
    assert future.value() is None
    assert future.error() is None
    assert ErrorFuture(None).value() is None


def test_a_future_is_computed_once():
    future = FutureBase()
    future.set_value(1)
    for again in (future.set_value, future.set_error):
        with pytest.raises(FutureIsAlreadyComputed) as info:
            again(None)
        assert info.value.args == (future,)
    assert future.value() == 1


def test_a_future_that_computes_itself_does_so_when_it_is_wanted():
    assert Doubled(4).value() == 8
    assert Doubled(4).error() is None
    assert not Doubled(4).is_computed()


def test_a_future_that_nobody_computed_says_so():
    with pytest.raises(NotImplementedError, match="call its set_value"):
        FutureBase().value()
    FutureBase().raise_if_error()


def test_an_error_that_is_a_class_is_raised_as_well():
    future = FutureBase()
    future.set_error(ValueError)
    assert future.error() is ValueError
    with pytest.raises(ValueError):
        future.value()


def test_the_hook_can_be_replaced():
    seen = []
    future = FutureBase()
    future.on_computed = qcore.EventHook([seen.append])
    future.set_value(1)
    assert seen == [future]


def test_a_reset_future_can_be_computed_again_and_tells_the_same_handlers():
    seen = []
    future = Doubled(2)
    future.on_computed.subscribe(lambda future: seen.append(future._value))
    future.value()
    future.reset_unsafe()
    assert not future.is_computed()
    future.number = 3
    assert future.value() == 6
    assert seen == [4, 6]


def test_handlers_are_called_in_the_order_of_subscription():
    seen = []
    future = FutureBase()
    hook = future.on_computed
    hook.subscribe(lambda future: seen.append(1))
    hook.subscribe(lambda future: seen.append(2))
    assert future.on_computed is hook
    future.set_value(None)
    future.on_computed.subscribe(lambda future: seen.append(3))
    assert seen == [1, 2]


def test_a_handler_that_unsubscribes_itself_disturbs_nobody():
    seen = []
    future = FutureBase()

    def once(future):
        future.on_computed.unsubscribe(once)
        seen.append("once")

    future.on_computed.subscribe(once)
    future.on_computed.subscribe(lambda future: seen.append("other"))
    future.set_value(None)
    assert seen == ["once", "other"]


def test_an_error_in_a_handler_is_reported_and_changes_nothing(capsys):
    seen = []
    future = FutureBase()

    def fail(future):
        raise ValueError("in the handler")

    future.on_computed.subscribe(fail)
    future.on_computed.subscribe(seen.append)
    future.set_value(5)
    assert future.value() == 5
    assert seen == [future]
    errors = capsys.readouterr().err
    assert "exception ignored in asynq, raised by an on_computed handler: ValueError(" in errors
    assert "in fail" in errors


@pytest.mark.parametrize("broken", ["closed", "missing"])
def test_a_stderr_that_is_closed_does_no_harm(broken, monkeypatch):
    stream = None
    if broken == "closed":
        stream = io.StringIO()
        stream.close()
    monkeypatch.setattr(sys, "stderr", stream)
    heard = []

    def fail(future):
        raise ValueError("handler")

    future = FutureBase()
    future.on_computed.subscribe(fail)
    future.on_computed.subscribe(heard.append)
    future.set_value(5)
    assert (future.value(), heard) == (5, [future])


def test_an_interrupt_in_a_handler_goes_on_after_all_were_told():
    seen = []
    future = FutureBase()

    def interrupt(future):
        raise KeyboardInterrupt()

    future.on_computed.subscribe(interrupt)
    future.on_computed.subscribe(seen.append)
    with pytest.raises(KeyboardInterrupt):
        future.set_value(5)
    assert future.value() == 5
    assert seen == [future]


def test_an_override_hears_that_the_future_is_computed():
    seen = []

    class Listening(FutureBase):
        def _computed(self):
            seen.append(self.value())
            super(Listening, self)._computed()

    future = Listening()
    future.on_computed.subscribe(lambda future: seen.append("handler"))
    future.set_value(1)
    assert seen == [1, "handler"]


def test_a_lazy_future_calls_its_provider_once():
    calls = []
    future = Future(lambda: calls.append(1))
    assert calls == []
    assert future.value() is None
    assert future.value() is None
    assert calls == [1]


def test_a_lazy_future_keeps_and_raises_the_error_of_its_provider():
    error = ValueError()

    def provide():
        raise error

    future = Future(provide)
    assert future._value_provider is provide
    with pytest.raises(ValueError):
        future.error()
    assert future.error() is error
    with pytest.raises(ValueError):
        future.value()


def test_an_interrupted_provider_is_called_again():
    outcomes = [KeyboardInterrupt(), 5]

    def provide():
        outcome = outcomes.pop(0)
        if isinstance(outcome, KeyboardInterrupt):
            raise outcome
        return outcome

    future = Future(provide)
    with pytest.raises(KeyboardInterrupt):
        future.value()
    assert not future.is_computed()
    assert future.value() == 5


@pytest.mark.parametrize("error_cls", [ValueError, GeneratorExit])
def test_the_error_of_a_lazy_future_can_be_caught_where_it_was_yielded(error_cls):
    def provide():
        raise error_cls("provider")

    @asynq.asynq()
    def root():
        try:
            yield ConstFuture(1), Future(provide)
        except error_cls as error:
            result(str(error))

    assert root() == "provider"


def test_an_interrupt_in_a_yielded_lazy_future_reaches_the_caller():
    def provide():
        raise KeyboardInterrupt()

    @asynq.asynq()
    def root():
        yield Future(provide)

    with pytest.raises(KeyboardInterrupt):
        root()
    assert asynq.get_active_task() is None


def test_a_future_of_a_users_class_can_be_yielded():
    @asynq.asynq()
    def root():
        result((yield Doubled(1), [Doubled(2)]))

    assert root() == (2, [4])


def test_a_const_future_is_computed_and_ignores_subscriptions():
    future = ConstFuture(5)
    future.on_computed.subscribe(None)
    assert future.is_computed()
    assert future.value() == 5
    assert none_future.value() is None


@pytest.mark.parametrize("value", [None, 0, 5, "text", [1]])
def test_a_const_future_can_be_pickled_and_copied(value):
    future = ConstFuture(value)
    assert pickle.loads(pickle.dumps(future)).value() == value
    assert copy.copy(future).value() == value
    assert copy.deepcopy(future).value() == value


def test_an_error_future_raises_its_error():
    error = ValueError()
    future = ErrorFuture(error)
    future.on_computed.subscribe(None)
    assert future.is_computed()
    assert future.error() is error
    with pytest.raises(ValueError):
        future.value()


def test_a_future_is_neither_true_nor_false():
    with pytest.raises(TypeError, match="Cannot convert FutureBase object to bool"):
        bool(ConstFuture(1))


def test_a_future_tells_its_state():
    future = FutureBase()
    name = "<class 'asynq.futures.FutureBase'>"
    assert repr(future) == name + " (isn't computed)"
    assert str(future) == repr(future)
    future.set_value("a")
    assert repr(future) == name + " (computed, = 'a')"
    future.reset_unsafe()
    future.set_error(KeyError("k"))
    assert repr(future) == name + " (computed, error = %r)" % KeyError("k")
    future.reset_unsafe()
    future.set_value(future)
    assert repr(future) == name + " (computed, = self)"
    future.reset_unsafe()
    future.set_value([future])
    assert repr(future) == name + " (computed, = [<recursion>])"


def test_a_future_dumps_itself(capsys):
    ConstFuture(3).dump(1)
    assert capsys.readouterr().out == "  <class 'asynq.futures.ConstFuture'> (computed, = 3)\n"
