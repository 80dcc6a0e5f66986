"""The scheduler: in what order things run.

:func:`run` is the loop. It drives one task, and what that task needs, and knows of them only what
is written here:

* What can run lies on ``run.ready``, a stack, so that the children of a task run before its
  siblings. An entry says that it may be ready, ``_pending == 0`` that it is: the same task can be
  there twice (two tasks that wait for it have put it there), and then runs from the upper entry.
* ``_scope`` is the nearest set of contexts above it (None: none); ``_prepare`` makes it active.
* ``_body`` is sent the values that ``_collect`` gives, or the error in ``_thrown`` is thrown into
  it, and it answers with what it waits for next. A body of None is a plain function, which is
  called, once.
* ``_suspend`` takes the answer. Where everything in it is computed it returns the values, and the
  task goes on at once; else ``BLOCKED``. The loop itself looks into the simplest futures only, the
  ``READY_MADE`` ones.
* ``_finish`` takes what the body returned, ``_stop`` what it raised. Both return who waits for the
  task, if that is one task which can go on now: it is the next.

What was computed from outside the loop (by a flush, by ``set_value``) waits on ``run.woken`` until
nothing is ready. When there is nothing there either, :meth:`Run.idle` decides.

"""

import logging
import sys
import threading
from collections import OrderedDict

import qcore
from qcore import inspection

from . import _knots
from ._compat import get_traceback, is_awaited_by, reraise, stop_value, user_traceback
from ._knots import AsyncTaskError
from ._debug import options, safe_str, watch, write
from .futures import INTERRUPTS, READY_MADE, _none, is_interrupt, report_ignored

__all__ = [
    "TaskScheduler",
    "get_scheduler",
    "get_active_task",
    "is_asyncio_mode",
    "AsyncTaskError",
    "reset",
    "run",
]

__traceback_hide__ = True

# What ``_pending`` says of a task, apart from 0 (ready) and the number of the futures that it
# waits for. All are true, so that the loop passes over any of them with one test.
RUNNING = -1  # its body is being run, or it is computed
FRESH = -2  # never asked for
PARKED = -3  # started, but nobody asks for it any longer
UNHEARD = -4  # its body is being run, but it is computed or nobody asks for it any longer

# What is answered instead of the values: the task has to wait; one of the futures has an error.
BLOCKED = qcore.MarkerObject("blocked (scheduler)")
FAILED = qcore.MarkerObject("failed (scheduler)")


class NO_CONTEXT(object):
    """What a scope has in place of a context that was left, or would not be resumed."""

    pause = resume = staticmethod(lambda: None)


def pause_anyway(context):
    """Pause a context that may be paused already, because an interrupt has come in between."""
    try:
        context.pause()
    except BaseException:
        pass  # the interrupt is on its way


def run(self, *args, **kwargs):
    """Run the task that ``self`` begins, and return its value or raise its error.

    This function is itself the ``__call__`` of decorated functions and the ``_compute`` of tasks:
    between a synchronous call and the body there is no other frame of Python, so that such calls
    can be nested as deeply as possible (test_depth.py). As in any method, ``self`` is the one name
    that a keyword argument can't have.

    """
    try:
        run = self._begin(args, kwargs)
    except BaseException:
        self = None  # as in FutureBase.value
        raise
    scheduler = run.scheduler
    ready = run.ready
    try:
        try:
            scheduler.current_run = run
            if run.task._value is _none:
                run.task._set_going(run)
                if len(ready) != 1:
                    run.check_beginning()
            # Both loops have no condition, because where one jumps back for its condition, Python
            # 3.12 and 3.13 do not find their way to the handlers below if a signal comes.
            while True:
                if not ready and not run.idle():
                    break
                current = ready.pop()
                if current._pending:
                    continue
                while True:
                    if current is None:
                        break
                    if current._scope is not scheduler.scope and not current._prepare(scheduler):
                        break
                    current._pending = RUNNING
                    scheduler.active_task = current
                    if watch.observer is not None:
                        watch.observer.task_continues(current)
                    body = current._body
                    if body is None:
                        try:
                            value = current.fn(*current.args, **(current._kwargs or {}))
                        except BaseException as error:
                            current = current._stop(error)
                        else:
                            current = current._finish(value)
                        continue
                    try:
                        value = current._yielded
                        if value is not None:
                            value = current._collect()
                            if value is FAILED:
                                value = current._suspend(body.throw(*current._thrown()))
                                if value is BLOCKED:
                                    break
                        while True:
                            yielded = body.send(value)
                            if type(yielded) is READY_MADE:
                                # What _suspend does; with its call, a yield of a computed future
                                # takes 1.3 times as long (``computed`` in
                                # benchmarks/workloads.py).
                                value = yielded._outcome
                                if (
                                    value is not _none
                                    and yielded._failure is None
                                    and watch.observer is None
                                ):
                                    current._yields += 1
                                    continue
                            value = current._suspend(yielded)
                            if value is BLOCKED:
                                break
                        break
                    except StopIteration as stop:
                        current = current._finish(stop_value(stop))
                    except BaseException as error:
                        current = current._stop(error)
        except BaseException as error:
            reraise(error, run.abort(error))
        finally:
            # An error's traceback holds this frame: it must not lead to what holds the error.
            current = body = value = yielded = ready = self = args = kwargs = None
            error = stop = None  # noqa: F841 (Python 2 keeps them)
            run.end()
        return run.outcome()
    except BaseException as error:
        # Also at the end, or while it was dealing with an error, an interrupt can have come.
        current = body = value = yielded = ready = self = args = kwargs = None
        stop = None  # noqa: F841
        if run.task is not None or scheduler.current_run is run:
            run.end_anyway(error)
        error = None
        raise


class Run(object):
    """One drive of one task to its result, by flushing batches: the synchronous driver.

    To the task it is what a waiting task would be (``_run``, ``_scope``, ``_depth``). Another
    driver derives from it and decides differently in :meth:`idle` and :meth:`future_of`.

    """

    __slots__ = (
        "scheduler",
        # What is to be computed.
        "task",
        # What may run now, next last. Shared with no other run until this one has ended.
        "ready",
        # The tasks that something outside the loop has made ready, in that order.
        "woken",
        # The run in whose task this one was asked for, and that task; None and None outside.
        "outer",
        "caller",
        # The contexts that were active when it began; they stay so.
        "_scope",
        # options.MAX_TASK_STACK_SIZE at the beginning.
        "max_depth",
        # The tasks taken over from other runs, with those runs; None while there is none.
        "adopted",
    )

    _depth = 0

    # Whether an event loop drives it.
    asyncio_mode = False

    # A list, to which a task is appended that is asked for after it was started, for a driver which
    # looks for knots by itself; None for this one, which finds them when nothing can go on.
    suspects = None

    def __init__(self, task, allowed=False):
        self.scheduler = scheduler = _state.current
        self.task = task
        self.ready = []
        self.woken = []
        self.outer = outer = scheduler.current_run
        if outer is not None and outer.asyncio_mode and task._value is _none:
            check_sync_call(task.fn, allowed)
        self.caller = scheduler.active_task
        self._scope = scheduler.scope
        self.max_depth = options.MAX_TASK_STACK_SIZE
        self.adopted = None
        if watch.observer is not None and self.caller is not None:
            watch.observer.task_called(task, self.caller)

    def check_beginning(self):
        """Its task was taken over from another run, or can't be computed by this one."""
        self.ready.reverse()
        try:
            if not self.ready and self.task._blockers() is None:
                raise _knots.called_from_inside(self)
        finally:
            del self  # as in FutureBase.value

    def _begin(self, args, kwargs):
        return self

    @property
    def _run(self):
        return self

    def idle(self):
        """Nothing is ready. Change that and return True, or return False: the run is over.

        The policy, in this order:

        * What was woken meanwhile goes on, in the order in which it was woken. After a flush
          that is the order of the batch's items.
        * Else one batch is flushed, the one of highest priority, the oldest of several. One, not
          all: what it sets going may add to the others, and a fuller batch is worth waiting for.
        * Else nothing that was asked for can ever be computed, and who waits for it is told.

        """
        ready = self.ready
        scheduler = self.scheduler
        while not ready:
            if self.task._value is not _none:
                return False
            if self.woken:
                ready.extend(reversed(self.woken))
                del self.woken[:]
                continue
            scheduler.active_task = self.caller
            if scheduler.scope is not self._scope:
                # A context may refuse, and so make the task ready that waits for its task.
                scheduler.switch(self._scope)
                continue
            if not scheduler.flush_one() and not self.woken:
                _knots.untie(self)
        return True

    def future_of(self, leaf, task):
        """A future that does what ``leaf`` stands for, which ``task`` has yielded and is no future.

        :return: None if that can't be waited for in this run. An error then stands for it.

        """
        return None

    def is_for(self, task):
        """Whether this run is to compute ``task``, or one outside of it is."""
        run = self
        while run is not None and run.task is not task:
            run = run.outer
        return run is not None

    def takes_over(self, task):
        """Whether ``task``, which another run has started and this one needs, is its own now."""
        return True

    def give_asyncio_task(self, task):
        """Let ``task``, which begins, have an asyncio task of its own if its body may need one."""

    def waits_a_turn(self, task):
        """Whether ``task``, whose body has yielded None, waits until others have had their turn."""
        return False

    def waits_for_flush(self, batch):
        """One of its tasks waits for ``batch``, or for an item, while that is being flushed."""

    def adopt(self, task, former):
        """Note that ``task`` was begun by the run ``former`` and is now driven by this one."""
        if self.adopted is None:
            self.adopted = OrderedDict()
        self.adopted[task] = former

    def abort(self, error):
        """End everything that this run has begun with ``error``: it is nobody's in particular.

        Bodies are closed, innermost first, with all contexts paused.

        :return: the traceback with which the error is to be raised.

        """
        traceback = user_traceback(get_traceback(error))
        while self.task is not None:
            try:
                self._abort_tasks(error)
                self.task = None
            except INTERRUPTS:
                if not is_interrupt(error):
                    raise  # instead of ``error``; else one is on its way already
        return traceback

    def _abort_tasks(self, error):
        scheduler = self.scheduler
        roots = [self.task] + self.ready + self.woken
        if scheduler.active_task is not self.caller:
            roots.append(scheduler.active_task)
        scheduler.active_task = self.caller
        try:
            scheduler.switch(self._scope)
            for task in reversed(_knots.reachable(roots, self)):
                if task._pending in (RUNNING, UNHEARD) or task not in (self.adopted or ()):
                    task._abort(error)
        finally:
            roots = task = None  # noqa: F841 (as in run(): a context's error leads to this frame)

    def end(self):
        """Leave everything as it was before the run.

        Like :meth:`abort`, it can be called again if an interrupt has come in the middle of it.

        """
        scheduler = self.scheduler
        outer = self.outer
        scheduler.active_task = self.caller
        if scheduler.scope is not self._scope:
            scheduler.switch(self._scope)
        if outer is None:
            if scheduler._batches:
                scheduler.forget_batches()
        elif self.adopted is not None:
            # What is left of them, and of what they wait for, goes on where it was.
            left = [task for task in self.adopted if not task.is_computed()]
            for task in left:
                task._run = self.adopted[task]
            ready = []
            for task in left:
                for other in [task] + _knots.reachable(task._awaited(), self):
                    other._come_back(task._run)
                    if other._pending in (0, FRESH):
                        other._pending = 0
                        ready.append(other)
            # An interrupt may have come when one of these was taken and had not begun to run.
            for entry in self.ready[::-1] + self.woken + ready:
                # What is to be computed for a task goes with that task.
                run = getattr(entry, "waiter", entry)._run
                if run is not self:
                    run.woken.append(entry)
        if self.ready or self.woken:
            del self.ready[:], self.woken[:]
        self.adopted = None
        scheduler.current_run = outer
        self.outer = self.caller = None

    def end_anyway(self, error):
        """Do what an interrupt has kept from being done at the end; ``error`` is on its way."""
        while self.scheduler.current_run is self:
            try:
                self.abort(error)
                self.end()
            except INTERRUPTS:
                pass  # each time more has been done
        self.task = None

    def outcome(self):
        """Return the value of the task or raise its error, and forget it."""
        task = self.task
        self.task = None
        if task._error is None:
            return task._outcome
        try:
            return task.value()
        finally:
            del task


class _QuietRun(Run):
    """A run that computes its task and leaves the outcome there."""

    __slots__ = ()

    def outcome(self):
        """Forget the task; the caller has it."""
        self.task = None


class TaskScheduler(object):
    """What the runs of one thread share: the active task and contexts, and the pending batches."""

    # Where what it runs is run, for error messages.
    place = "in a synchronous call"

    def __init__(self, state=None):
        self.name = self._new_name(_state if state is None else state)
        # The task whose body is running, None outside of all.
        self.active_task = None
        # Called with the batch around each flush that the scheduler makes.
        self.on_before_batch_flush = qcore.EventHook()
        self.on_after_batch_flush = qcore.EventHook()
        # The innermost set of active contexts (see ``contexts``), None where there is none.
        # Invariant: exactly the contexts of this set and of those above it are active.
        self.scope = None
        # The innermost run.
        self.current_run = None
        # The batches that somebody waits for, oldest first.
        # Invariant: a batch is here exactly while its ``_scheduler`` is this scheduler.
        self._batches = []

    def _new_name(self, state):
        state.last_id += 1
        return "%s / %d" % (threading.current_thread().name, state.last_id)

    def wait_for(self, task):
        """Run until ``task`` is computed. Its error is not raised, if it has one."""
        try:
            quiet_run = _QuietRun(task)
        finally:
            del task  # an error's traceback can lead to this frame
        run(quiet_run)

    def reset(self):
        """Drop all pending batches and the active task."""
        self.forget_batches()
        self.active_task = self.current_run = self.scope = None

    def schedule_batch(self, batch):
        """Flush ``batch`` when its turn comes."""
        self._batches.append(batch)
        batch._scheduler = self
        if watch.observer is not None:
            watch.observer.batch_scheduled(batch)

    def _next_batch(self):
        """The pending batch that is to be flushed now; None if there is none.

        Each is asked for its priority each time, because it changes with its items. One that
        fails to say is cancelled, and is the one that is taken: its tasks go on first.

        """
        best = best_priority = None
        try:
            for batch in list(self._batches):
                was_computed = batch._value is not _none
                try:
                    if was_computed or batch.is_flushed() or batch._flushing is self:
                        if batch.is_cancelled():
                            batch._catch_up()
                        self._forget(batch)
                        continue
                    priority = batch.get_priority()
                    if best is None or best_priority < priority:
                        best, best_priority = batch, priority
                except INTERRUPTS:
                    raise
                except BaseException as error:
                    if not was_computed:
                        # It stays among the pending ones until the next look at them, which has it
                        # catch up if it could not do all of that.
                        batch.cancel(error)
                        return batch
            return best
        finally:
            batch = best = error = None  # noqa: F841 (as in FutureBase.value)

    def flush_one(self):
        """Flush one of the pending batches, telling the hooks; False if there is none.

        An error of a hook before the flush is the error of the batch; after it, there is nothing
        left that it could belong to, and it is reported on stderr.

        """
        batch = self._next_batch()
        if batch is None:
            return False
        try:
            if batch._value is not _none:
                return True  # it was cancelled
            self._forget(batch)
            if watch.observer is not None:
                watch.observer.batch_flushes(batch)
            try:
                self.on_before_batch_flush.trigger(batch)
            except INTERRUPTS:
                raise
            except BaseException as error:
                batch.cancel(error)
                return True
            try:
                batch.flush()
            except INTERRUPTS:
                raise
            except BaseException as error:
                # By a flush() of the user's own, or because the stack is full: it has to catch up.
                # Or it is being flushed, by another thread.
                if batch._flushing is None:
                    batch._scheduler = self
                    self._batches.append(batch)
                    if not batch.is_flushed():
                        batch.cancel(error)
                return True
            if batch._value is not _none:
                self._flush_ended(batch)
        except INTERRUPTS:
            if not batch.is_flushed():
                self._forget(batch)
                self.schedule_batch(batch)  # a task of an outer run may wait for it
            raise
        finally:
            del batch  # as in FutureBase.value
        return True

    def _flush_ended(self, batch):
        try:
            self.on_after_batch_flush.trigger(batch)
        except INTERRUPTS:
            raise
        except BaseException as error:
            report_ignored("an on_after_batch_flush handler", error)
        if watch.observer is not None:
            watch.observer.batch_flushed(batch)

    def flush_in_thread(self, batch):
        """Call ``batch._flush()``, which asks for a thread if an event loop would be blocked."""
        return batch._flush()

    def awaits(self, batch, returned):
        """Whether this scheduler waits for what ``batch._flush()`` has returned.

        If it does, it calls ``batch._end_flush`` in the end.

        """
        if not hasattr(returned, "__await__"):
            return False
        if hasattr(returned, "close"):
            returned.close()
        raise needs_event_loop(batch)

    def is_in_flight(self, batch):
        """Whether this scheduler is flushing ``batch``, and code outside of that flush may run."""
        return False

    def forget_batches(self):
        """Flush none of the pending batches; they stay usable for who has them."""
        batches, self._batches = self._batches, []
        for batch in batches:
            batch._scheduler = None
            try:
                if batch.is_cancelled():
                    batch._catch_up()
            except INTERRUPTS:
                raise
            except BaseException as error:
                report_ignored("a hook of a batch that had failed", error)

    def _forget(self, batch):
        batch._scheduler = None
        self._batches = [other for other in self._batches if other is not batch]

    def switch(self, scope, refused=None, error=None):
        """Make the contexts of ``scope``, and of those above it, the active ones.

        What is left is paused, innermost first, then what is entered is resumed, outermost
        first; what both share is not touched. If a context refuses, all others are switched all
        the same, and then the task that entered it fails, or the interrupt is raised. After an
        interrupt that came in between, it can be called again.

        :param refused: the scope whose context has raised ``error`` on the way.

        """
        interrupt = None
        failures = [] if error is None else [(refused, error)]
        if refused is not None and refused is scope:
            refused.context = NO_CONTEXT
        entered = []
        while scope is not None and not scope.active:
            entered.append(scope)
            scope = scope.parent
        one = self.scope
        while one is not scope and one is not None:
            above = one.parent
            try:
                one.active = False
                self.scope = above
                one.context.pause()
            except INTERRUPTS as raised:
                interrupt = raised
                self._quit(one)
            except BaseException as raised:
                if failures and failures[-1][0].task is one.task:
                    failures.pop()  # of several errors of one task the last counts
                failures.append((one, raised))
            one = above
        while entered:
            one = entered.pop()
            try:
                self.scope = one
                one.active = True
                one.context.resume()
            except INTERRUPTS as raised:
                interrupt = raised
                self._quit(one)
                one.context = NO_CONTEXT
                one.active = True
                self.scope = one
            except BaseException as raised:
                failures.append((one, raised))  # here the first: the task has failed then
                one.context = NO_CONTEXT
        if not failures and interrupt is None:
            return
        try:
            while failures:
                one, error = failures.pop(0)
                one.fail(error)
            if interrupt is not None:
                raise interrupt
        finally:
            error = failures = interrupt = None  # their tracebacks lead to this frame

    def _quit(self, scope):
        """Pause the context of ``scope``, after an interrupt while it was paused or resumed.

        Nobody knows how far that got, so it may be paused already.

        """
        scope.active = False
        if self.scope is scope:
            self.scope = scope.parent
        pause_anyway(scope.context)

    def is_in_body(self):
        """Whether it is the body of the active task that awaits something now.

        Else it is a coroutine on an event loop which that body runs: it has called ``asyncio.run``.

        """
        asyncio = sys.modules.get("asyncio")
        if asyncio is None or asyncio._get_running_loop() is None:
            return True
        return is_awaited_by(self.active_task._body)

    # How it looks

    @property
    def _tasks(self):
        tasks = []
        run = self.current_run
        while run is not None:
            tasks[:0] = run.ready
            run = run.outer
        return tasks

    def __str__(self):
        return "%s '%s' (%d tasks, %d batches; active task: %s)" % (
            type(self),
            self.name,
            len(self._tasks),
            len(self._batches),
            self.active_task,
        )

    __repr__ = __str__

    def dump(self, indent=0):
        """Print the state: what may run, and the pending batches."""
        write(safe_str(self), indent)
        for title, things, none in (
            ("Task queue:", self._tasks, "No tasks in task queue."),
            ("Batches:", self._batches, "No batches."),
        ):
            write(title if things else none, indent + 1)
            for thing in things:
                write(safe_str(thing), indent + 2)

    def try_time_based_dump(self, last_task=None):
        """Print the state, unless that was done within ``SCHEDULER_STATE_DUMP_INTERVAL``."""
        now = qcore.utime()
        if now - self._last_dump_time > options.SCHEDULER_STATE_DUMP_INTERVAL * qcore.SECOND:
            self._last_dump_time = now
            self.dump()
            if last_task is not None:
                write("Last task: %s" % safe_str(last_task), 1)

    _last_dump_time = 0


class LocalTaskSchedulerState(threading.local):
    """The scheduler of each thread, and how many it has had."""

    def __init__(self):
        self.last_id = -1
        self.reset()

    def reset(self):
        """Give the thread a new scheduler."""
        self.current = TaskScheduler(self)


_state = LocalTaskSchedulerState()


def get_scheduler():
    """The scheduler of the current thread."""
    return _state.current


def is_asyncio_mode():
    """Whether the code that asks is run by an event loop, through ``f.asyncio(...)``."""
    run = _state.current.current_run
    return run is not None and run.asyncio_mode


def needs_event_loop(batch):
    """The error for a synchronous call that needs ``batch``, whose flush has to be awaited."""
    return RuntimeError(
        "%s._flush() has to be awaited, but there is no event loop in a synchronous call. Cure:"
        " await f.asyncio(...), or give it a _flush() that is no coroutine function."
        % type(batch).__name__
    )


def check_sync_call(fn, allowed):
    """``fn`` is called synchronously by code that an event loop runs: warn, or refuse it.

    :raises RuntimeError: if it is not ``allowed``.

    """
    while hasattr(fn, "__wrapped__"):
        fn = fn.__wrapped__
    name = inspection.get_full_name(fn)
    code = getattr(fn, "__code__", None)
    if code is not None:
        name += " (%s:%d)" % (code.co_filename, code.co_firstlineno)
    if not allowed:
        raise RuntimeError(
            "asyncio mode does not support synchronous calls, which would block the event loop: %s"
            " was called. Cure: yield f.asynq(...), or allow it by @asynq(allow_sync_call=True)."
            % name
        )
    logging.getLogger("asynq").warning(
        "A synchronous call blocks the event loop: %s was called in asyncio mode", name
    )


def get_active_task():
    """The task whose body is running in the current thread, or None."""
    return _state.current.active_task


def reset():
    """Give the current thread a brand-new scheduler."""
    _state.reset()
