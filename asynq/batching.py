"""Batches: many small requests that are sent as one.

An item belongs to the batch that was the current one of its kind when the item was made. When
nothing else can run, the scheduler flushes one batch, and the flush sets the value of each item.

"""

import inspect
import threading
import types
import weakref

from . import profiler
from ._compat import is_native_function
from ._debug import options, safe_repr, safe_str, watch, write
from ._knots import AsyncTaskError, called_from_its_flush
from .futures import INTERRUPTS, FutureBase, _none, is_interrupt, report_ignored
from .scheduler import _state, get_scheduler, needs_event_loop

__all__ = [
    "BatchBase",
    "BatchItemBase",
    "BatchingError",
    "BatchCancelledError",
    "DebugBatch",
    "DebugBatchItem",
    "sync",
]

__traceback_hide__ = True

# Not on Python 2.
CAN_CLEAR_FRAMES = hasattr(types.FrameType, "clear")


class BatchingError(Exception):
    """Raised when a batch is used in a way that its state does not allow."""


class BatchCancelledError(BatchingError):
    """The error of a batch that was cancelled without saying why, and of its items."""


class BatchBase(FutureBase):
    """A batch of items; as a future, it is computed (with None) once it is flushed.

    Derived classes define :meth:`_flush` and :meth:`_try_switch_active_batch`. What a flush must
    keep: every item gets a value or an error, none gets two.

    """

    __slots__ = ("items", "_scheduler", "_flushing")

    # Whether an event loop is to call a plain ``_flush`` in another thread, because it blocks.
    flush_in_thread = False

    def __init__(self):
        super(BatchBase, self).__init__()
        # In the order in which they were made.
        self.items = []
        # The scheduler that is going to flush it, None while there is none.
        self._scheduler = None
        # The scheduler of the thread that is flushing it, None while there is none.
        self._flushing = None

    def is_flushed(self):
        """Whether it was flushed or cancelled."""
        return self.is_computed()

    def is_cancelled(self):
        """Whether it was cancelled or its flush failed."""
        return self.is_computed() and self._error is not None

    def is_empty(self):
        """Whether it has no items."""
        return not self.items

    def get_priority(self):
        """Of all pending batches the scheduler flushes the one whose priority is the highest.

        Asked before each flush. The default prefers the batch with most items.

        """
        return (0, len(self.items))

    def flush(self):
        """Flush the batch now. An error of the flush is that of the batch and of its items.

        :raises BatchingError: if the batch was flushed or cancelled before.

        """
        if self.is_flushed():
            raise BatchingError(
                "Batch is already flushed or cancelled. It is %s. Cure: ask is_flushed() before."
                % safe_str(self)
            )
        try:
            try:
                self._compute()
                if self._value is not _none:
                    self._let_items_go()
            except BaseException:
                self._settle()
                raise
        finally:
            del self  # as in FutureBase.value

    def cancel(self, error=None):
        """Give ``error`` to the batch and to all items that have no value; never raises.

        :param error: by default a :class:`BatchCancelledError`.

        """
        if not self.is_computed():
            try:
                self._end(BatchCancelledError() if error is None else error)
                self._let_items_go()
            except BaseException as raised:
                self._end(raised)
                self._settle()
                raise

    def _let_items_go(self):
        # They hold the batch.
        if not options.KEEP_DEPENDENCIES:
            self.items = []

    def _settle(self):
        """Settle the items where an interrupt, or a stack that was full, has prevented it."""
        if self._value is not _none:
            interrupt = self._settle_items(self._error)
            self._let_items_go()
            try:
                if interrupt is not None:
                    raise interrupt
            finally:
                del self, interrupt  # as in FutureBase.value

    def _catch_up(self):
        """The same with all that belongs to a failure; raises if it can't be done here either."""
        self._settle()
        self._try_switch_active_batch()

    # What derived classes define

    def _flush(self):
        """Called once, to call ``set_value`` or ``set_error`` of every item of ``self.items``.

        An error that it raises is the error of all items that have none yet.

        """
        raise NotImplementedError("%s must define _flush()" % type(self).__name__)

    def _try_switch_active_batch(self):
        """Called before and after a flush: if this is the current batch, begin a new one.

        Items that are made from then on belong to the new one.

        """
        raise NotImplementedError(
            "%s must define _try_switch_active_batch()" % type(self).__name__
        )

    def _cancel(self):
        """Called when the batch is cancelled or its flush has failed."""

    # How it is computed

    def _compute(self):
        if self._flushing is not None:
            raise called_from_its_flush(self, get_scheduler())
        if self._scheduler is not None:
            self._check_scheduler(get_scheduler())
        error = None
        awaited = False
        try:
            try:
                self._flushing = scheduler = get_scheduler()
                self._try_switch_active_batch()
                if self.flush_in_thread:
                    returned = scheduler.flush_in_thread(self)
                else:
                    returned = self._flush()
                awaited = returned is not None and scheduler.awaits(self, returned)
                if not awaited:
                    self._try_switch_active_batch()
            except BaseException as raised:
                error = raised
            if not awaited:
                self._end(error)
        except INTERRUPTS as raised:
            error = raised
            self._end(error)
        finally:
            if not awaited:
                self._flushing = None
        try:
            if is_interrupt(error):
                raise error
        finally:
            del self, error  # as in FutureBase.value

    def _end_flush(self, error):
        """What the scheduler has awaited for the flush has ended, with ``error`` or None."""
        try:
            if error is None:
                try:
                    self._try_switch_active_batch()
                except BaseException as raised:
                    error = raised
            self._end(error)
            self._let_items_go()
        except BaseException:
            self._settle()
            raise
        finally:
            self._flushing = None
            del self, error  # as in FutureBase.value

    def _end(self, error):
        """Compute the batch and its items; also what is left of that after an interrupt."""
        try:
            if self._value is _none:
                self.set_error(error)
            else:
                self._settle_items(self._error)
        finally:
            del self, error  # as in FutureBase.value

    def _computed(self):
        """Settle the items, whatever the user's hooks do, before anybody hears of the batch."""
        interrupt = None
        if self._error is not None:
            for hook in (self._try_switch_active_batch, self._cancel):
                try:
                    hook()
                except INTERRUPTS as raised:
                    interrupt = raised
                except BaseException as raised:
                    scheduler = _state.current
                    if scheduler.current_run is not None and self._scheduler is None:
                        # It is still the current one, so that nothing could be asked for any more.
                        # The run has it try again: the reason may be that the stack is full here.
                        self._scheduler = scheduler
                        scheduler._batches.append(self)
                    report_ignored("a hook of a batch that had failed", raised)
        interrupt = self._settle_items(self._error) or interrupt
        try:
            super(BatchBase, self)._computed()
            if interrupt is not None:
                raise interrupt
        finally:
            self = hook = interrupt = None  # as in FutureBase.value

    def _settle_items(self, error):
        """Compute every item that is not, and tell who waits for them.

        :return: the interrupt that came meanwhile, or None.

        """
        interrupt = None
        for item in self.items:
            if item._value is _none:
                interrupt = _settle(item, error or _no_value(item)) or interrupt
            elif item._error is not None:
                _drop_locals(item._traceback)
            waiter = item._waiters
            if waiter.__class__ is list:
                item._tell_waiters()
            elif waiter is not None:
                # What _tell_waiters does, for one. With the call, the rounds of
                # benchmarks/workloads.py take 1.09 times as long.
                item._waiters = None
                pending = waiter._pending = waiter._pending - 1
                if not pending:
                    waiter._run.woken.append(waiter)
        if self._error is not None:
            _drop_locals(self._traceback)
        try:
            return interrupt
        finally:
            self = item = waiter = error = interrupt = None  # as in FutureBase.value

    def _withdraw(self, items):
        """Take out ``items`` for which nobody waits any longer, before the batch is flushed."""
        gone = set(map(id, items))
        self.items[:] = [item for item in self.items if id(item) not in gone]
        for index, item in enumerate(self.items):
            item.index = index
        for item in items:
            item.batch = _FormerBatch(self, item)
        if not self.items and self._scheduler is not None:
            self._scheduler._forget(self)

    def _set_going(self, waiter):
        scheduler = waiter._run.scheduler
        if self._flushing is scheduler:
            waiter._run.waits_for_flush(self)
        elif self._scheduler is not scheduler:
            self._check_scheduler(scheduler)
            scheduler.schedule_batch(self)

    def _check_scheduler(self, scheduler):
        """Refuse what would fail a batch that waits on an event loop, and all who wait there.

        :raises RuntimeError: if this is a synchronous call, and the flush has to be awaited.

        """
        if self._scheduler not in (None, scheduler) and is_native_function(self._flush):
            raise needs_event_loop(self)

    # How it looks

    def to_str(self):
        """The name of the batch in performance records."""
        return safe_str(self)

    def dump_perf_stats(self, time_taken):
        """Append a performance record.

        :param time_taken: what the flush took, in microseconds.

        """
        profiler.append(
            {
                "name": self.to_str(),
                "time_taken": time_taken,
                "dependencies": [(item.to_str(), 0) for item in self.items],
            }
        )

    def __str__(self):
        if not self.is_computed():
            state = "pending"
        elif self.is_cancelled():
            state = "cancelled"
        else:
            state = "flushed"
        return "%s.%s (%s, %d items)" % (
            type(self).__module__,
            type(self).__name__,
            state,
            len(self.items),
        )

    def dump(self, indent=0):
        """Print the batch and its items."""
        write(safe_str(self), indent)
        write("Priority: %s" % safe_str(self.get_priority()), indent + 1)
        if self.items:
            write("Items:", indent + 1)
            for item in self.items:
                item.dump(indent + 2)
        else:
            write("No items.", indent + 1)


def _settle(item, error):
    """Give an item the error; return the interrupt that came meanwhile, or None."""
    try:
        item.set_error(error)
    except INTERRUPTS as raised:
        return raised
    except BaseException as raised:
        report_ignored("an item of a batch that got its error", raised)
    finally:
        if item._value is _none:  # it has a set_error() of its own, which does not
            FutureBase.set_error(item, error)
        del item, error  # as in FutureBase.value
    return None


def _no_value(item):
    return AssertionError(
        "Value of this item wasn't set on batch flush. The item is %s, its batch %s.%s. Cure: have"
        " _flush() call set_value() or set_error() of each of self.items."
        % (safe_str(item), type(item.batch).__module__, type(item.batch).__name__)
    )


def _no_batch(batch):
    if isinstance(batch, BatchBase):
        return TypeError(
            "%s.__init__() did not call that of its base class. Cure: call super(%s, self)"
            ".__init__() there." % (type(batch).__name__, type(batch).__name__)
        )
    return TypeError(
        "expected a batch to add the item to, got %s. Cure: give the current batch to"
        " BatchItemBase.__init__()." % safe_repr(batch)
    )


def _drop_locals(traceback):
    """Empty the frames of a flush that failed.

    They hold the batch and its items, which hold the error, which holds them: a cycle
    (test_garbage.py). A generator is left alone: it may be a body that has caught this very error
    from another item, and waits; to empty its frame would end it.

    """
    while CAN_CLEAR_FRAMES and traceback is not None:
        frame = traceback.tb_frame
        if not frame.f_code.co_flags & inspect.CO_GENERATOR:
            try:
                frame.clear()
            except RuntimeError:
                pass  # it is being executed
        traceback = traceback.tb_next


class BatchItemBase(FutureBase):
    """One request of a batch; the flush sets its value.

    :param batch: the batch that it joins.
    :raises AssertionError: if that batch is flushed already.

    """

    __slots__ = ("batch", "index")

    def __init__(self, batch):
        try:
            assert batch._value is _none, (
                "can't add an item to the batch that is already flushed: %s. Cure: have"
                " _try_switch_active_batch() install a new one." % safe_str(batch)
            )
        except AttributeError:
            raise _no_batch(batch)
        self._value = _none
        self._error = None
        self._waiters = None
        self._on_computed = None
        self.batch = batch
        items = batch.items
        # Its place among the items of the batch.
        self.index = len(items)
        items.append(self)

    def _computed(self):
        """While the batch is flushed, who waits is told at its end, in the order of the items."""
        if self.batch._flushing is None:
            super(BatchItemBase, self)._computed()
            return
        try:
            if self._on_computed is not None:
                self._call_handlers()
            if watch.observer is not None:
                watch.observer.future_computed(self)
        finally:
            del self  # as in FutureBase.value

    def _compute(self):
        batch = self.batch
        del self  # as in FutureBase.value
        try:
            if batch._flushing is get_scheduler():
                batch._compute()  # which says what is wrong
            batch.flush()
        finally:
            del batch

    def _enlist(self, waiter):
        if self._waiters is None:
            self._waiters = waiter  # as _add_waiter does, without another call
        else:
            self._add_waiter(waiter)
        batch = self.batch
        if batch._scheduler is not waiter._run.scheduler:
            batch._set_going(waiter)

    def _set_going(self, waiter):
        self.batch._set_going(waiter)

    def to_str(self):
        """The name of the item in performance records."""
        return "%06d.%s" % (self.index, safe_str(self))


class _FormerBatch(object):
    """Stands for the batch that an item was taken out of, until somebody asks for it again."""

    _scheduler = _flushing = None

    def __init__(self, batch, item):
        self.batch = batch
        self._item = weakref.ref(item)

    def __getattr__(self, name):
        return getattr(self.batch, name)

    def _rejoin(self):
        item, batch = self._item(), self.batch
        if batch._value is not _none or batch._flushing is not None:
            raise AsyncTaskError(
                "%s was taken out of its batch, because those who waited for it were cancelled, and"
                " that was flushed meanwhile. Cure: make a new item." % safe_str(item)
            )
        item.batch = batch
        item.index = len(batch.items)
        batch.items.append(item)

    def _set_going(self, waiter):
        self._rejoin()
        self.batch._set_going(waiter)

    def flush(self):
        self._rejoin()
        self.batch.flush()


class LocalDebugBatchState(threading.local):
    """The current debug batches of one thread, by name."""

    def __init__(self):
        self.batches = {}


_debug_batch_state = LocalDebugBatchState()


class DebugBatchItem(BatchItemBase):
    """An item for tests: its value is known beforehand.

    :param batch_name: the batch that it joins, one of this thread's.
    :param result: its value.

    """

    __slots__ = ("_result",)

    def __init__(self, batch_name="default", result=None):
        batches = _debug_batch_state.batches
        if batch_name not in batches:
            batches[batch_name] = DebugBatch(batch_name)
        super(DebugBatchItem, self).__init__(batches[batch_name])
        self._result = result


class DebugBatch(BatchBase):
    """The batch of :class:`DebugBatchItem`; ``index`` counts the batches of one name."""

    __slots__ = ("name", "index")

    def __init__(self, name="default", index=0):
        super(DebugBatch, self).__init__()
        self.name = name
        self.index = index

    def _try_switch_active_batch(self):
        batches = _debug_batch_state.batches
        if batches.get(self.name) is self:
            batches[self.name] = DebugBatch(self.name, self.index + 1)

    def _flush(self):
        for item in self.items:
            item.set_value(item._result)


def sync(tag="default"):
    """Return a future whose yield is a barrier: all others run until they can't go on either."""
    return DebugBatchItem("sync-%s" % tag)
