"""Futures: a value or an error, set once, handed to whoever waits.

The scheduler and the tasks use four methods with an underscore, which make up the protocol by
which anything can be waited for; they are described where they are defined (``_enlist``,
``_set_going``, ``_blockers``, ``_leave``).

"""

import threading
import traceback as traceback_module

import qcore
import six
from qcore import MarkerObject

from ._compat import get_traceback, reraise, set_traceback, subscript, user_traceback
from ._debug import safe_repr, safe_str, stderr, watch, write
from ._knots import AsyncTaskError

__all__ = [
    "FutureBase",
    "Future",
    "FutureIsAlreadyComputed",
    "ConstFuture",
    "ErrorFuture",
    "none_future",
]

__traceback_hide__ = True

_none = MarkerObject("none (futures)")

# These are not "an error of the future it belongs to": they end the run and reach its caller.
INTERRUPTS = (KeyboardInterrupt, SystemExit)


def is_interrupt(error):
    """Whether ``error`` is one of these."""
    return isinstance(error, INTERRUPTS)


class FutureIsAlreadyComputed(Exception):
    """Raised when a second value or error is given to a future; ``args[0]`` is the future."""

    def __str__(self):
        return (
            "%s: a future gets one value or one error, and has it already. Cure: set it once, or"
            " ask is_computed() before." % safe_str(*self.args)
        )


class _NobodyComputes(NotImplementedError):
    """Raised by the future that has no way to compute itself: somebody has to set its value."""


class FutureBase(object):
    """A box for a value that will be there later, or for the error that came instead.

    Use it as it is for a value that other code will set with :meth:`set_value` or
    :meth:`set_error`, or derive a class which computes it in :meth:`_compute`. Derived classes
    must call ``__init__``.

    """

    __slots__ = (
        # Invariant: the future is not computed exactly while this is the marker ``_none``.
        "_value",
        # The error, None while there is none.
        "_error",
        # The traceback of the error's origin; set together with ``_error``.
        "_traceback",
        # The tasks that wait: None, one of them, or a list of them. (With a list for one, child
        # tasks and the fan-out of benchmarks/workloads.py take 1.1 and 1.2 times as long.)
        "_waiters",
        # The EventHook of ``on_computed``, None until somebody asks for it.
        "_on_computed",
        "__weakref__",
    )

    __class_getitem__ = subscript

    def __init__(self):
        self._value = _none
        self._error = None
        self._waiters = None
        self._on_computed = None

    @classmethod
    def __init_subclass__(cls, **kwargs):
        super(FutureBase, cls).__init_subclass__(**kwargs)
        if not getattr(cls.value, "is_the_librarys", False):
            cls._outcome = property(lambda self: self.value())
            cls._failure = None

    # What users call

    def value(self):
        """Return the value, computing it if necessary.

        :raises: the error of the future, if it has one, at every call.

        """
        try:
            if self._value is _none:
                self._compute()
            if self._error is not None:
                reraise(self._error, self._traceback)
            return self._value
        except AttributeError:
            check_initialised(self)
            raise
        finally:
            # The traceback holds this frame, and the future the error: without this they would
            # be a cycle (test_garbage.py).
            del self

    value.is_the_librarys = True

    def __call__(self):
        """The same as :meth:`value`."""
        return self.value()

    def error(self):
        """Return the error or None, computing the future if necessary."""
        try:
            if self._value is _none:
                self._compute()
            return self._error
        except AttributeError:
            check_initialised(self)
            raise
        finally:
            del self  # as in value()

    def is_computed(self):
        """Tell whether there is a value or an error; never computes anything."""
        return self._value is not _none

    def set_value(self, value):
        """Store the value and tell everybody who waits.

        :raises FutureIsAlreadyComputed: if there is a value or an error already.

        """
        if self._value is not _none:
            raise FutureIsAlreadyComputed(self)
        self._value = value
        try:
            self._computed()
        finally:
            del self  # as in value()

    def set_error(self, error):
        """Store the error (None means: computed, with the value None) and tell everybody who waits.

        :raises FutureIsAlreadyComputed: if there is a value or an error already.

        """
        if self._value is not _none:
            raise FutureIsAlreadyComputed(self)
        if error is not None:
            self._traceback = user_traceback(get_traceback(error))
            set_traceback(error, self._traceback)
        self._error = error
        self._value = None
        try:
            self._computed()
        finally:
            del self, error  # as in value()

    def reset_unsafe(self):
        """Forget the value and the error; whoever subscribed stays and will be called again."""
        self._value = _none
        self._error = None

    def raise_if_error(self):
        """Raise the error, if there is one; never computes anything."""
        if self._error is not None:
            FutureBase.value(self)

    @property
    def on_computed(self):
        """The hook whose handlers are called with the future once it is computed.

        An error in a handler is reported on stderr and changes nothing.

        """
        hook = self._on_computed
        if hook is None:
            hook = self._on_computed = qcore.EventHook()
        return hook

    @on_computed.setter
    def on_computed(self, hook):
        self._on_computed = hook

    # What derived classes override

    def _compute(self):
        """Called when the value is wanted and nobody set it: call set_value or set_error."""
        raise _NobodyComputes(
            "%s has no _compute(): call its set_value() or set_error()" % safe_str(self)
        )

    def _computed(self):
        """Called once the value or the error is stored; an override must call this one."""
        if self._waiters is not None:
            self._tell_waiters()
        if self._on_computed is not None:
            self._call_handlers()
        if watch.observer is not None:
            watch.observer.future_computed(self)

    # The protocol of waiting

    def _enlist(self, waiter):
        """Called by a task that yielded this future while it was not computed.

        Remembers the waiter, and sets going what leads to a value. When the value is there,
        ``waiter._pending`` goes down by one; at 0 the waiter joins its run.

        """
        self._add_waiter(waiter)
        self._set_going(waiter)

    def _set_going(self, waiter):
        """Do what leads to a value, on behalf of ``waiter``.

        The default computes it when its turn among the waiter's children comes: it is put with
        those which are ready.

        """
        waiter._run.ready.append(_Computation(self, waiter))

    def _blockers(self, only_first=False):
        """The futures that this one waits for now; None if it does not wait for futures."""
        return None

    def _leave(self, waiter):
        """Called when ``waiter`` does not wait for this future any longer."""
        waiters = self._waiters
        if type(waiters) is list:
            if waiters[0] is waiter:
                # Many may leave one after another. Each has its places side by side.
                count = 1
                while count < len(waiters) and waiters[count] is waiter:
                    count += 1
                self._waiters = waiters[count:] or None
            else:
                others = [other for other in waiters if other is not waiter]
                if len(others) < len(waiters):  # else the list may be that of another thread
                    self._waiters = others or None
        elif waiters is waiter:
            self._waiters = None

    def _tell_waiters(self):
        """Those who waited for this future only join the woken ones of their runs."""
        waiters = self._waiters
        self._waiters = None
        if waiters is None:
            return  # in another thread, somebody has just given up waiting
        for waiter in waiters if type(waiters) is list else (waiters,):
            waiter._pending -= 1
            if waiter._pending == 0:
                waiter._run.woken.append(waiter)

    def _add_waiter(self, waiter):
        waiters = self._waiters
        if waiters is None:
            self._waiters = waiter
        elif type(waiters) is list:
            waiters.append(waiter)
        else:
            self._waiters = [waiters, waiter]

    def _call_handlers(self):
        interrupt = None
        for handler in list(self._on_computed):
            try:
                handler(self)
            except INTERRUPTS as error:
                interrupt = error
            except BaseException as error:
                report_ignored("an on_computed handler", error)
        try:
            if interrupt is not None:
                raise interrupt
        finally:
            del self, interrupt  # as in value()

    # How it looks

    def dump(self, indent=0):
        """Print the future."""
        write(safe_str(self), indent)

    def __repr__(self):
        key = (threading.current_thread(), id(self))
        if key in _in_repr:
            return "<recursion>"
        try:
            _in_repr.add(key)
            return "%s (%s)" % (type(self), self._state_text())
        finally:
            _in_repr.discard(key)

    def _state_text(self):
        if self._value is _none:
            return "isn't computed"
        if self._error is not None:
            return "computed, error = %r" % (self._error,)
        if self._value is self:
            return "computed, = self"
        return "computed, = %r" % (self._value,)

    def __bool__(self):
        raise TypeError(
            "Cannot convert FutureBase object to bool: a future is neither true nor false."
            " Did you forget to yield it?"
        )

    __nonzero__ = __bool__


# What a yield reads of a future that is computed: the value, and the error that is to be thrown
# instead. They are the slots under other names; a class with a ``value()`` of its own, which a
# yield has to call, has something else here (see ``__init_subclass__``). A flag to be tested at
# each yield would cost a tenth of the yield of a computed future (benchmarks/workloads.py).
FutureBase._outcome = FutureBase._value
FutureBase._failure = FutureBase._error

if six.PY2:  # pragma: no cover

    def _is_own_value(future):
        return not getattr(type(future).value, "is_the_librarys", False)

    FutureBase._outcome = property(
        lambda self: self.value() if _is_own_value(self) else self._value
    )
    FutureBase._failure = property(lambda self: None if _is_own_value(self) else self._error)

# The futures whose repr is being made: a value can contain its future.
_in_repr = set()


def check_initialised(future):
    """Called where a future lacks an attribute.

    :raises TypeError: if the reason is that its class has an ``__init__`` which does not call the
        one of this module. (Looking before would cost every future something.)

    """
    try:
        future._value, future._error, future._waiters
    except AttributeError:
        error = TypeError(
            "%s is a future whose __init__() did not call that of its base class. Cure: call"
            " super(%s, self).__init__() there, before anything else."
            % (object.__repr__(future), type(future).__name__)
        )
    else:
        return
    try:
        six.raise_from(error, None)
    finally:
        del future, error  # as in FutureBase.value


def report_ignored(what, error):
    """Print on stderr an error that nobody can be given, with its traceback; never fails."""
    try:
        stderr.write("exception ignored in asynq, raised by %s: %s\n" % (what, safe_repr(error)))
        stderr.write(
            "".join(traceback_module.format_exception(type(error), error, get_traceback(error)))
        )
    except Exception:
        pass  # stderr is closed or full, or the stack is
    finally:
        del error  # as in FutureBase.value


class _Computation(object):
    """A future that computes itself, waiting for its turn among those which are ready."""

    __slots__ = ("future", "waiter")

    # What the loop reads: it may run, and its scope is never the one that is active, so that
    # the loop calls ``_prepare``, which is all there is to do.
    _pending = 0
    _scope = MarkerObject("scope of a computation")

    def __init__(self, future, waiter):
        self.future = future
        self.waiter = waiter

    def _prepare(self, scheduler):
        future = self.future
        if future._value is not _none:
            return False
        waiter = self.waiter
        run = waiter._run
        scheduler.switch(waiter._scope)
        scheduler.active_task = run.caller
        waiters = future._waiters if type(future._waiters) is list else [future._waiters]
        try:
            future._compute()
        except _NobodyComputes:
            waiters = ()  # they wait until somebody sets its value
        except INTERRUPTS:
            waiters = None
            raise
        except BaseException as error:
            if future._value is _none:
                future.set_error(error)
        finally:
            self = future = waiter = error = None  # noqa: F841 (as in Future._compute)
        # Like the parent of a task, they go on at once.
        for waiter in reversed(waiters):
            if waiter is not None and waiter._pending == 0 and waiter._run is run:
                run.ready.append(waiter)
        waiter = waiters = None
        return False


class Future(FutureBase):
    """A future that computes its value when it is first wanted, by calling a function.

    :param value_provider: called without arguments. An ``Exception`` that it raises becomes the
        error of the future and is raised again; anything else is only raised, and the provider
        is called again next time.

    """

    # None while it is being called.
    __slots__ = ("_value_provider",)

    def __init__(self, value_provider):
        super(Future, self).__init__()
        self._value_provider = value_provider

    def _compute(self):
        provider, self._value_provider = self._value_provider, None
        try:
            if provider is None:
                raise AsyncTaskError(
                    "Can't proceed further: %s is being computed already, by what asks for it or by"
                    " another thread. Cure: have the provider do without it." % safe_repr(self)
                )
            try:
                value = provider()
            except Exception as error:
                self.set_error(error)
                raise
            self.set_value(value)
        finally:
            self._value_provider = provider
            self = error = None  # noqa: F841 (as in value(); Python 2 keeps ``error``)

    def _set_going(self, waiter):
        # Who waits while it is being computed would get the error above, which is nobody else's:
        # that is said once nothing else can run.
        if self._value_provider is not None:
            waiter._run.ready.append(_Computation(self, waiter))


class ConstFuture(FutureBase):
    """A future whose value is known."""

    __slots__ = ()

    def __init__(self, value):
        self._value = value
        self._error = None
        self._waiters = None
        self._on_computed = qcore.sinking_event_hook
        if watch.observer is not None:
            watch.observer.future_computed(self)

    def __reduce__(self):
        return (ConstFuture, (self._value,))


none_future = ConstFuture(None)

# What the loop looks into by itself: futures that were made with their value.
READY_MADE = ConstFuture


class ErrorFuture(FutureBase):
    """A future whose error is known (None means: computed, with the value None)."""

    __slots__ = ()

    def __init__(self, error):
        super(ErrorFuture, self).__init__()
        self.set_error(error)
        self._on_computed = qcore.sinking_event_hook
