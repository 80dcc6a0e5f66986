"""asyncio as the driver: the same tasks, batches and contexts on an event loop (Python 3.7+).

``await f.asyncio(x)`` makes a :class:`LoopRun`, a run of the scheduler like any other. Where the
synchronous driver would flush a batch, it gives control back to the loop, and goes on as soon as
something has made one of its tasks ready. Each call of ``scheduler.run`` is one *drain*: it runs
what is ready, inside the asyncio task that awaits the call, so that ``contextvars`` are that one's.

What the runs on one loop share is a :class:`LoopScheduler`: the pending batches above all. One of
them is flushed when nothing is ready, and a turn of the loop has brought nothing new.

"""

import asyncio
import contextlib
import contextvars
import functools
import inspect
import sys
import threading
import weakref
from collections import OrderedDict

from . import _knots
from ._compat import is_awaiting, is_native_function
from ._debug import options
from ._structures import Gathered
from .async_task import AsyncTask
from .batching import BatchBase, BatchItemBase
from .futures import ErrorFuture, FutureBase, _none
from .scheduler import FRESH, RUNNING, Run, TaskScheduler, _state, is_asyncio_mode, run

__all__ = ["AsyncioMode", "is_asyncio_mode", "resolve_awaitables"]

__traceback_hide__ = True

# The batch whose flush leads to the code that is running, None outside of flushes.
_flush = contextvars.ContextVar("flush (asynq)", default=None)


class LoopScheduler(TaskScheduler):
    """What the runs on one event loop share: the pending batches, and when they are flushed."""

    place = "on an event loop"

    def __init__(self):
        super().__init__()
        thread = _state.current
        self.on_before_batch_flush = thread.on_before_batch_flush
        self.on_after_batch_flush = thread.on_after_batch_flush
        # The runs that have not ended.
        self.runs = set()
        # Whether something was run, or made ready, since the loop was asked for a turn.
        self.is_busy = False
        self._has_asked = False
        # The batch whose flush is being started by this scheduler, not by a value() of the user's.
        self._starting = None
        # The scheduler of the thread, when this one was last put in charge.
        self._former = thread

    def _new_name(self, state):
        return "%s / event loop" % threading.current_thread().name

    @contextlib.contextmanager
    def in_charge(self, run=None):
        """Make this the scheduler of the thread, and ``run`` its run, as long as it takes."""
        former, _state.current = _state.current, self
        if former is not self:
            self._former = former
        former_run, self.current_run = self.current_run, run
        try:
            yield
        finally:
            self.current_run = former_run
            _state.current = former

    def start(self, awaitable):
        """Return the asyncio future of ``awaitable``. If that is an eager task, it begins here."""
        _state.current = self._former
        try:
            return asyncio.ensure_future(awaitable)
        finally:
            _state.current = self

    def ask_for_a_turn(self):
        """Have the loop run all that is ready there, and flush a batch if that was nothing new."""
        if not self._has_asked:
            self._has_asked = True
            self.is_busy = False
            asyncio.get_running_loop().call_soon(self._after_a_turn)

    def _after_a_turn(self):
        self._has_asked = False
        # False: what is there has failed, and failed to catch up. It has to wait for other work.
        goes_on = True
        try:
            if not self.is_busy:
                with self.in_charge(_NoRun(self)):  # for a synchronous call in a flush
                    goes_on = self.flush_one()
        finally:
            self._starting = None
            if goes_on and self._batches:
                self.ask_for_a_turn()

    def _next_batch(self):
        batch = super()._next_batch()
        if isinstance(self.current_run, _NoRun):  # not in that synchronous call
            self._starting = batch
            self.current_run.outer = _run_that_waits_for(batch)
            _flush.set(batch)
        return batch

    def is_in_body(self):
        """Whether it is the body of the active task that awaits something now.

        Else it is an eager task, which begins inside of the step of the body that has made it.

        """
        return not self.current_run.asyncio_mode or isinstance(asyncio.current_task(), Body)

    def is_in_flight(self, batch):
        return batch._flushing is self and batch is not self._starting

    def flush_in_thread(self, batch):
        if batch is not self._starting:
            return batch._flush()
        context = contextvars.copy_context()
        loop = asyncio.get_running_loop()
        return loop.run_in_executor(None, context.run, batch._flush)

    def awaits(self, batch, returned):
        if batch is not self._starting or not inspect.isawaitable(returned):
            return super().awaits(batch, returned)
        future = self.start(returned)
        future.add_done_callback(functools.partial(self._was_awaited, batch))
        return True

    def _was_awaited(self, batch, future):
        with self.in_charge(_run_that_waits_for(batch) or next(iter(self.runs), None)):
            batch._end_flush(_error_of(future))
            self._flush_ended(batch)


def _run_that_waits_for(batch):
    """One of the runs whose tasks wait for ``batch``, or for an item; None if there is none."""
    for future in [batch] + batch.items if batch is not None else ():
        for waiter in _waiters_of(future):
            return waiter._run
    return None


def _waiters_of(future):
    waiters = future._waiters
    return waiters if type(waiters) is list else [waiters] if waiters is not None else []


def _error_of(future):
    """The error of an asyncio future that is done, or None."""
    try:
        return future.exception()
    except asyncio.CancelledError as error:
        return error  # with the message of who has cancelled it


# By event loop. The scheduler lives as long as something is going on there.
_schedulers = weakref.WeakKeyDictionary()


def _loop_scheduler():
    loop = asyncio.get_running_loop()
    reference = _schedulers.get(loop)
    scheduler = reference and reference()
    if scheduler is None:
        scheduler = LoopScheduler()
        _schedulers[loop] = weakref.ref(scheduler)
    return scheduler


class LoopRun(Run):
    """One drive of one task by an event loop: what an ``await f.asyncio(...)`` does."""

    __slots__ = (
        # What the coroutine awaits while nothing is ready, an asyncio future; else None.
        "_wakeup",
        "_thread",
        # The asyncio task that awaits it.
        "_asyncio_task",
        # The batch whose flush has led to this run, or None.
        "_flush",
        # The tasks that other runs have asked for, too.
        "_shared",
        # Whether it hands its tasks over to those runs, because it ends.
        "_gives_away",
        "suspects",
    )

    asyncio_mode = True

    def __init__(self):
        self.scheduler = _loop_scheduler()
        self.task = None
        # Between drains the two are one.
        self.ready = self.woken = _Woken()
        self.woken.run = self
        self.outer = None
        self.caller = None
        self._scope = None
        self.max_depth = options.MAX_TASK_STACK_SIZE
        self.adopted = None
        self.suspects = []
        self._wakeup = None
        self._thread = threading.get_ident()
        self._asyncio_task = asyncio.current_task()
        self._flush = _flush.get()
        self._shared = []
        self._gives_away = False

    # What the scheduler calls

    def _begin(self, args, kwargs):
        self.ready = []
        self.scheduler.is_busy = True
        return self

    def check_beginning(self):
        """Its task may have been there before, and not be ready."""

    def idle(self):
        """What was woken goes on; else this drain is over."""
        ready, woken = self.ready, self.woken
        while woken:
            ready.append(woken.pop())  # one by one, because other threads may add to them
        return bool(ready)

    def end(self):
        scheduler = self.scheduler
        scheduler.active_task = None
        if scheduler.scope is not None:
            scheduler.switch(None)
        if self.ready is not self.woken:
            self.woken[:0] = reversed(self.ready)
            self.ready = self.woken
        scheduler.current_run = None

    def outcome(self):
        """The task stays: only what drives this run knows when it has ended."""

    def takes_over(self, task):
        """Runs on one loop leave one another their tasks, except those of one that ends."""
        former = task._run
        if not isinstance(former, LoopRun) or former._gives_away:
            return True
        former._shared.append(task)
        return False

    def adopt(self, task, former):
        """It is not given back; and besides this run, others may wait for it as before."""
        self._shared.append(task)

    def abort(self, error):
        """End all it has begun, and what was asked for on its behalf only."""
        self._hand_over()
        awaited = []
        for task in _knots.reachable([self.task] + self.ready + self.woken, self):
            awaited += task._awaited()
        try:
            return super().abort(error)
        finally:
            for future in awaited:
                if isinstance(future, Awaited) and future._waiters is None:
                    future.cancel()
            _withdraw(awaited)
            del error, awaited  # as in FutureBase.value

    def waits_for_flush(self, batch):
        if self._flush is not None and self._leads_to_its_flush(batch):
            raise _knots.waits_for_its_flush(batch, self.scheduler)

    def _leads_to_its_flush(self, batch):
        """Whether the flush of ``batch`` waits for the flush that has led to this run."""
        seen = set()
        stack = [batch]
        while stack:
            future = stack.pop()
            if future is self._flush:
                return True
            if id(future) in seen:
                continue
            seen.add(id(future))
            stack += future._blockers() or ()
            if isinstance(future, BatchItemBase):
                if isinstance(future.batch, BatchBase):
                    stack.append(future.batch)
            elif isinstance(future, BatchBase):
                runs = list(self.scheduler.runs)
                stack += [run.task for run in runs if run._flush is future and run.task is not None]
        return False

    def future_of(self, leaf, task):
        """What is yielded here may be awaitable, or a list, tuple or dict of a derived class."""
        for cls in (list, tuple, dict):
            if isinstance(leaf, cls):
                return _task_of(cls(leaf))
        return Awaited(leaf) if inspect.isawaitable(leaf) else None

    def give_asyncio_task(self, task):
        body = task._body
        if self._asyncio_task is not None and type(body) is not Body and is_awaiting(body):
            task._body = Body(task, self._asyncio_task)

    def waits_a_turn(self, task):
        """It does if it awaits ``asyncio.sleep(0)``; None from a generator means nothing."""
        if task._pending != RUNNING or not is_native_function(task.fn):
            return False
        turn = task._yielded = FutureBase()
        turn._add_waiter(task)
        task._pending = 1
        asyncio.get_running_loop().call_soon(_end_turn, turn)
        return True

    # What makes it go on

    def wake(self):
        """Something is ready: have the loop continue the coroutine that drives this run."""
        self.scheduler.is_busy = True
        wakeup, self._wakeup = self._wakeup, None
        if wakeup is not None:
            if threading.get_ident() == self._thread:
                _set_done(wakeup)
            else:
                wakeup.get_loop().call_soon_threadsafe(_set_done, wakeup)

    def call(self, fn, args, kwargs):
        """Return what ``fn(*args, **kwargs)`` returns; it is called in asyncio mode."""
        scheduler = self.scheduler
        # As in_charge() does; with it, requests take 1.1 times as long (``requests-10000x1`` in
        # benchmarks/workloads.py).
        former, _state.current = _state.current, scheduler
        scheduler._former = former
        scheduler.current_run = self
        try:
            return fn(*args, **kwargs)
        finally:
            scheduler.current_run = None
            _state.current = former

    def _drain(self):
        """Run what is ready."""
        former, _state.current = _state.current, self.scheduler  # as in call()
        self.scheduler._former = former
        try:
            run(self)
        finally:
            _state.current = former

    async def drive(self, awaited):
        """Return the value of what can be yielded, or raise its error."""
        is_new_task = isinstance(awaited, AsyncTask) and awaited._pending == FRESH
        self.task = awaited if is_new_task else _task_of(awaited)
        awaited = None
        self.scheduler.runs.add(self)
        try:
            while self.task._value is _none:
                self._drain()
                if self.scheduler._batches:
                    self.scheduler.ask_for_a_turn()
                if self.suspects:
                    self._untie_circles()
                if self.task._value is _none:
                    try:
                        await self._until_woken()
                    except asyncio.CancelledError as error:
                        self._cancel_all(error)
            return self.task.value()
        finally:
            self._close()

    def _untie_circles(self):
        suspects, self.suspects = self.suspects, []
        _knots.untie_circles(self, suspects)

    async def _until_woken(self):
        wakeup = self._wakeup = asyncio.get_running_loop().create_future()
        try:
            if not self.ready:
                await wakeup
        finally:
            self._wakeup = None

    # How it ends early

    def _cancel_all(self, error):
        self._hand_over()
        self._gives_away = False
        self.cancel(self.task, error)

    def cancel(self, root, error):
        """Throw ``error`` into ``root`` and what only that waits for, innermost bodies first.

        That is: into those that do not wait for other bodies. The others hear of it from these. An
        awaitable is cancelled, too, and its waiter hears of it from there.

        """
        error = asyncio.CancelledError(*error.args)
        given_up = []
        with self.scheduler.in_charge(self):
            cancelled = self._only_for(root)
            for task in cancelled.values():
                if task._pending == 0:
                    if task._yields:
                        task._yielded = ErrorFuture(error)
                    else:
                        task.set_error(error)
                    continue
                futures = [
                    future
                    for future in task._awaited()
                    if not self._comes_anyway(future, cancelled, error)
                ]
                if not futures and task._blockers() == []:
                    # It was not told that all is computed, because of an interrupt.
                    futures = task._awaited()
                if futures:
                    task._give_up(futures, error)
                    given_up += futures
        _withdraw(given_up)

    def _comes_anyway(self, future, cancelled, error):
        """Whether what a task gets for ``future`` will come from there nevertheless.

        An error that is there already gives way: who expects that one must not go on. And so does
        the value of an item while the flush has not ended.

        :param cancelled: the tasks that are cancelled, by id.

        """
        if future._value is not _none:
            return future._error is None and future._waiters is None
        if isinstance(future, Awaited) and _wait_only(cancelled, future):
            return future.cancel(*error.args)
        return id(future) in cancelled

    def _only_for(self, root):
        """The tasks of this run that only ``root`` waits for, and itself, by id; waiters first."""
        found = OrderedDict()
        stack = [root]
        while stack:
            task = stack.pop()
            if getattr(task, "_run", None) is self and id(task) not in found:
                if task is root or _wait_only(found, task):
                    found[id(task)] = task
                    tasks = [f for f in task._awaited() if isinstance(f, AsyncTask)]
                    stack.extend(f for f in reversed(tasks) if f._value is _none)
        return found

    def _hand_over(self):
        """Have other runs continue the tasks for which theirs wait."""
        self._gives_away = True
        shared, self._shared = self._shared, []
        for task in shared:
            if task._value is _none and task._run is self:
                for waiter in _waiters_of(task):
                    if waiter._run is not self:
                        task._adopt(waiter)
                        break
        if shared:
            # One by one, as in idle().
            for _ in range(len(self.woken)):
                entry = self.woken.pop(0)
                if getattr(entry, "waiter", entry)._run is self:
                    list.append(self.woken, entry)

    def _close(self):
        """It has ended, by the end of its task or because the coroutine is being closed."""
        scheduler = self.scheduler
        scheduler.runs.discard(self)
        try:
            self._hand_over()
            if self.task is not None and self.task._value is _none:
                self._break_off(asyncio.CancelledError("its coroutine was closed"))
        finally:
            self.task = self._asyncio_task = None
            self.woken.run = None
            del self.woken[:], self.suspects[:]
            if not scheduler.runs and scheduler._batches:
                scheduler.forget_batches()

    def _break_off(self, error):
        """Abort it between drains. The collector can have closed the coroutine, at any moment."""
        scheduler = self.scheduler
        interrupted = scheduler.active_task, scheduler.current_run
        scope = scheduler.scope
        with scheduler.in_charge(self):
            scheduler.current_run = self
            try:
                self.abort(error)
            except BaseException as raised:
                self.end_anyway(raised)
                raise
            finally:
                scheduler.switch(scope)
                scheduler.active_task, scheduler.current_run = interrupted


def _wait_only(tasks, future):
    """Whether nobody waits for ``future`` but ``tasks``, a dict by id."""
    return all(id(waiter) in tasks for waiter in _waiters_of(future))


class _Woken(list):
    """The tasks of a run that can go on: who adds one wakes the run."""

    __slots__ = ("run",)

    def append(self, task):
        list.append(self, task)
        if self.run is not None:
            self.run.wake()


def _end_turn(turn):
    if not turn.is_computed():
        turn.set_value(None)


def _set_done(wakeup):
    if not wakeup.done():
        wakeup.set_result(None)


def _withdraw(futures):
    """Take the items among ``futures`` for which nobody waits out of their batches."""
    of_batch = {}
    for future in futures:
        if isinstance(future, BatchItemBase) and future._value is _none:
            if future._waiters is None and future.batch._flushing is None:
                of_batch.setdefault(id(future.batch), []).append(future)
    for items in of_batch.values():
        items[0].batch._withdraw(items)


class Awaited(FutureBase):
    """A future of what an awaitable gives, which runs as an asyncio task of its own."""

    __slots__ = ("_awaitable", "_future")

    def __init__(self, awaitable):
        super().__init__()
        self._awaitable = awaitable
        self._future = None

    def _set_going(self, waiter):
        if self._future is None:
            future = self._future = waiter._run.scheduler.start(self._awaitable)
            # It is no one else who is blocked by it, as which it may come from a native body.
            future._asyncio_future_blocking = False
            self._awaitable = None
            future.add_done_callback(self._was_done)

    def _was_done(self, future):
        self._future = None
        error = _error_of(future)
        if self._value is _none:
            if error is None:
                self.set_value(future.result())
            else:
                self.set_error(error)

    def cancel(self, *message):
        """Cancel what is awaited; False if that is too late."""
        future = self._future
        if future is None or future.get_loop().is_closed():
            return False
        return future.cancel(*message) if sys.version_info >= (3, 9) else future.cancel()


class Body(object):
    """The body of an ``async def`` function, and what ``asyncio.current_task()`` is inside of it.

    Time-outs, task groups and cancel scopes cancel the task in which they were opened. Each body
    has one of its own, so that this is the body alone, with what only it waits for.

    """

    __slots__ = ("_body", "_task", "_asyncio_task", "_cancels", "_must_cancel", "__weakref__")

    # What libraries look at before they cancel a task.
    _fut_waiter = None

    def __init__(self, task, asyncio_task):
        self._body = task._body
        # A weak reference, because the task holds this.
        self._task = task._ref or task._make_ref()
        # What drives it: of the run that it was last sent something by.
        self._asyncio_task = asyncio_task
        self._cancels = 0
        self._must_cancel = None

    # What the scheduler calls

    def send(self, value):
        # As throw() does; with a method for both, chains of async def functions take 1.1 times as
        # long (``chain-800`` in benchmarks/native.py).
        loop = asyncio.get_running_loop()
        self._asyncio_task = _swap_current_task(loop, self)
        try:
            yielded = self._body.send(value)
            return yielded if self._must_cancel is None else self._throw_cancelled()
        finally:
            _swap_current_task(loop, self._asyncio_task)

    def throw(self, *error):
        loop = asyncio.get_running_loop()
        self._asyncio_task = _swap_current_task(loop, self)
        try:
            yielded = self._body.throw(*error)
            return yielded if self._must_cancel is None else self._throw_cancelled()
        finally:
            _swap_current_task(loop, self._asyncio_task)

    def _throw_cancelled(self):
        while self._must_cancel is not None:
            error, self._must_cancel = self._must_cancel, None
            yielded = self._body.throw(error)
        return yielded

    def close(self):
        self._body.close()

    @property
    def gi_frame(self):
        return self._body.gi_frame

    # What asyncio and others call

    def cancel(self, msg=None):
        """Throw a CancelledError into the body, where it waits or will do so next."""
        task = self._task()
        if task is None or task.is_computed():
            return False
        self._cancels += 1
        error = asyncio.CancelledError() if msg is None else asyncio.CancelledError(msg)
        if task.running or not isinstance(task._run, LoopRun):
            self._must_cancel = error
        else:
            task._run.cancel(task, error)
        return True

    def cancelling(self):
        """How often it was cancelled, without having been told that this was dealt with."""
        return self._cancels

    def uncancel(self):
        """Say that one cancellation was dealt with."""
        self._cancels = max(0, self._cancels - 1)
        return self._cancels

    def add_done_callback(self, callback, *, context=None):
        """Have the loop call ``callback`` with this when the body has ended."""
        task = self._task()
        call = functools.partial(self.get_loop().call_soon, callback, self, context=context)
        if task is None or task.is_computed():
            call()
        else:
            task.on_computed.subscribe(lambda future: call())

    def get_coro(self):
        return self._body

    def get_loop(self):
        return self._asyncio_task.get_loop()

    def get_name(self):
        return self._asyncio_task.get_name()

    def get_context(self):
        return self._asyncio_task.get_context()

    def done(self):
        return self._task() is None or self._task().is_computed()

    def cancelled(self):
        return False

    def __repr__(self):
        return "<the body of %r, driven by %r>" % (self._task(), self._asyncio_task)


try:
    from asyncio.tasks import _swap_current_task  # Python 3.12
except ImportError:

    def _swap_current_task(loop, task):
        former = asyncio.tasks._current_tasks.get(loop)
        asyncio.tasks._current_tasks[loop] = task
        return former


def _task_of(structure):
    """A task whose value is that of ``structure``, which can be yielded."""
    return AsyncTask(_yield_once(structure), _task_of, (), {})


def _yield_once(structure):
    return (yield structure)


# What is behind ``.asyncio``


async def call(fn, args, kwargs):
    """Return the value of what ``fn(*args, **kwargs)`` returns, a future for example."""
    if _is_in_body():
        return await Gathered(fn(*args, **kwargs))
    await _leave_step()
    loop_run = LoopRun()
    coroutine = loop_run.drive(loop_run.call(fn, args, kwargs))
    del fn, args, kwargs  # as in FutureBase.value
    return await coroutine


async def drive(awaited):
    """Return the value of what can be yielded: a future or a structure of such."""
    if _is_in_body():
        return await Gathered(awaited)
    await _leave_step()
    coroutine = LoopRun().drive(awaited)
    del awaited  # as in FutureBase.value
    return await coroutine


def _is_in_body():
    """Whether it is a body that awaits this, which then waits for it as for all that it awaits."""
    scheduler = _state.current
    return scheduler.active_task is not None and scheduler.is_in_body()


async def _leave_step():
    """An eager task begins inside of what made it: if that is a body, wait for its step's end."""
    while _loop_scheduler().current_run is not None:
        await asyncio.sleep(0)


async def resolve_awaitables(x):
    """Return the value of a structure of awaitables and futures, all of which run at once.

    :param x: what a body may yield in asyncio mode: a future, an awaitable, None, or lists, tuples
        and dicts of such.
    :raises TypeError: if there is something else in it.
    :raises: the first error, in the order of the structure, when all have ended.

    """
    coroutine = drive(x)
    del x  # as in FutureBase.value
    return await coroutine


async def _gather(awaitables):
    return await drive(list(awaitables))


class AsyncioMode(object):
    """A context manager that switches asyncio mode on for code that no event loop runs.

    Synchronous calls raise an error there, as they do in what an event loop runs. It is for tests;
    the body must not wait for anything.

    """

    def __enter__(self):
        scheduler = self._scheduler = _state.current
        self._former = scheduler.current_run
        scheduler.current_run = _NoRun(scheduler)

    def __exit__(self, *exc_info):
        self._scheduler.current_run = self._former


class _NoRun(Run):
    """Stands, around synchronous calls, for the run that there is not."""

    __slots__ = ()

    asyncio_mode = True

    def __init__(self, scheduler):
        self.scheduler = scheduler
        self.outer = scheduler.current_run
        self.task = self.caller = self.adopted = self._scope = None
        self.ready = []
        self.woken = []


def coroutine_function(decorated):
    """Return what ``convert_asynq_to_async`` does."""

    @functools.wraps(decorated.fn)
    async def converted(*args, **kwargs):
        coroutine = decorated.asyncio(*args, **kwargs)
        del args, kwargs  # as in FutureBase.value
        return await coroutine

    return converted
