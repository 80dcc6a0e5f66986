"""Tasks: a future that is computed by driving one body, a generator or a plain function.

What the body yields is what the task waits for. The task enlists with each of those futures and
counts them; every one that is computed takes one off, and at zero the task is ready again. How
the ready ones are run is in ``scheduler``; what may be yielded is in ``_structures``. The body of
an ``async def`` function is driven as a generator, too: what it awaits is yielded (``_native``).

"""

import linecache
import operator
import weakref
from collections import OrderedDict
from types import GeneratorType

from qcore import inspection

from . import _knots, profiler
from ._compat import (
    ITERABLE_COROUTINE,
    caught_traceback,
    frame_of,
    is_native_function,
    set_caught_traceback,
    to_throw,
    user_traceback,
)
from ._debug import options, safe_str, watch, write
from ._structures import (
    extract_futures,
    find_waiting,
    first_waiting,
    leaves,
    replaced,
    unwrap,
    values_of,
    wrong_leaf,
)
from .futures import (
    INTERRUPTS,
    ErrorFuture,
    FutureBase,
    _none,
    check_initialised,
    is_interrupt,
)
from .scheduler import (
    BLOCKED,
    FAILED,
    FRESH,
    NO_CONTEXT,
    PARKED,
    RUNNING,
    UNHEARD,
    AsyncTaskError,
    Run,
    _state,
    run,
)

__all__ = [
    "AsyncTask",
    "AsyncTaskCancelledError",
    "AsyncTaskResult",
    "MAX_DUMP_INDENT",
    "extract_futures",
    "unwrap",
]

__traceback_hide__ = True

# Raised by what can't be waited for; it stands for the value of that.
CANNOT_WAIT = (AsyncTaskError, RuntimeError)

# How asyncio's errors begin where there is no event loop.
NO_LOOP = ("no running event loop", "There is no current event loop")

# How deep ``dump()`` follows the dependencies.
MAX_DUMP_INDENT = 40


class AsyncTaskCancelledError(GeneratorExit):
    """Raise it in a task to end the task with it as error (any other GeneratorExit means None)."""


class AsyncTaskResult(GeneratorExit):
    """Raised in a task to end it with a value (see ``utils.result``).

    ``except Exception`` does not catch it; a wider ``except`` has to raise it again.

    """

    def __init__(self, result):
        super(AsyncTaskResult, self).__init__(result)
        self.result = result


class AsyncTask(FutureBase):
    """A future whose value is what a function returns that may yield futures on its way.

    Normally made by calling ``.asynq(...)`` on a decorated function.

    :param generator: the generator to be driven, or None for a function that does not yield:
        ``fn(*args, **kwargs)`` is then called when the task is run.
    :param fn: the undecorated function.
    :param args: the tuple of its positional arguments.
    :param kwargs: the dict of its keyword arguments.

    """

    __slots__ = (
        "fn",
        "args",
        # The dict of them; None, which takes less memory, if there are none.
        "_kwargs",
        # A weak reference to the task that was active when this one was made: for stack traces
        # only, which is no reason to keep all the ancestors alive.
        "_creator",
        # The weak reference to this task that the tasks it makes share.
        "_ref",
        # The generator; None for a plain function and once the task is computed.
        "_body",
        # What the body yielded last, None before and after.
        "_yielded",
        # How often it has yielded.
        "_yields",
        # Invariant: while > 0, the number of registrations with futures that are not computed;
        # 0: ready; below: the states named in ``scheduler``.
        "_pending",
        # Deleted by the thread that first asks for the task. Deleting succeeds once only, and the
        # interpreter switches threads before or after it: of several threads one gets the task.
        "_unclaimed",
        # The three below are set when the task is first asked for.
        # Invariant: the only run whose loop may continue it.
        "_run",
        # The nearest set of contexts at or above it, None where there is none.
        "_scope",
        # How many tasks wait for one another down to this one.
        "_depth",
        # Set by an observer: the performance record, and what options.KEEP_DEPENDENCIES keeps.
        "_profile",
        "_kept_dependencies",
    )

    def __init__(self, generator, fn, args, kwargs):
        if type(generator) is not GeneratorType and generator is not None:
            _check_generator(generator)
        self._value = _none
        self._error = None
        self._waiters = None
        self._on_computed = None
        self.fn = fn
        self.args = args
        self._kwargs = kwargs or None
        creator = _state.current.active_task
        if creator is not None:
            creator = creator._ref or creator._make_ref()
        self._creator = creator
        self._ref = None
        self._body = generator
        self._yielded = None
        self._yields = 0
        self._pending = FRESH
        self._unclaimed = True
        if watch.observer is not None:
            watch.observer.task_created(self)

    def _make_ref(self):
        self._ref = ref = weakref.ref(self)
        return ref

    # Being run: called by the loop (see ``scheduler``)

    _compute = run

    def _begin(self, args, kwargs):
        try:
            return Run(self)
        finally:
            del self  # as in FutureBase.value

    def value(self):
        try:
            return run(self) if self._value is _none else FutureBase.value(self)
        finally:
            del self  # as in FutureBase.value

    value.is_the_librarys = True

    def error(self):
        try:
            if self._value is _none:
                _state.current.wait_for(self)
            return self._error
        finally:
            del self

    def _prepare(self, scheduler):
        """Make the contexts of this task the active ones; False: it can't be run any longer.

        At most one context is left and one entered here, which is what it takes from one sibling
        to the next; the rest is for ``switch``. With ``switch`` alone, the contexts of
        benchmarks/workloads.py take 1.07 times as long.

        """
        scope = self._scope
        one = scheduler.scope
        try:
            try:
                if one is not None:
                    above = one.parent
                    if scope is above or (scope is not None and scope.parent is above):
                        one.active = False
                        scheduler.scope = above
                        one.context.pause()
                        one = above
                if scope is not None and scope.parent is one:
                    one = scheduler.scope = scope
                    one.active = True
                    one.context.resume()
            except INTERRUPTS:
                if one is not None:
                    scheduler._quit(one)
                raise
            except BaseException as error:
                scheduler.switch(scope, one, error)
            # A context that has refused may also have changed what is above this task.
            while scheduler.scope is not self._scope and self._pending == 0:
                scheduler.switch(self._scope)
            return self._pending == 0
        finally:
            del self  # the traceback of a context's error leads to this frame

    def _suspend(self, yielded):
        """Wait for what the body has yielded; if there is nothing to wait for, return the values.

        An error among them is thrown into the body; what it yields then is what is waited for.

        """
        while True:
            self._yielded = yielded
            if watch.observer is not None:
                watch.observer.task_waits(self, self._awaited())
            self._yields += 1
            if isinstance(yielded, FutureBase):
                if yielded._value is _none:
                    if self._pending != RUNNING:
                        return self._leave_off()
                    try:
                        yielded._enlist(self)
                        self._pending = 1
                        return BLOCKED
                    except CANNOT_WAIT as error:
                        self._let_stand_for(yielded, error)
                else:
                    value = self._collect()
                    if value is not FAILED:
                        return value
            elif yielded is None:
                return BLOCKED if self._run.waits_a_turn(self) else None
            else:
                value = self._wait_for_all(yielded)
                if value is not FAILED:
                    return value
            try:
                yielded = self._body.throw(*self._thrown())
            except BaseException:
                self = yielded = value = None  # as in FutureBase.value
                raise

    def _wait_for_all(self, structure):
        """Wait for all in ``structure``, just yielded; return the values if all are computed."""
        if self._pending != RUNNING:
            return self._leave_off()
        waiting = []
        if not find_waiting(structure, waiting):
            waiting = self._waiting_leaves()
        pending = len(waiting)
        ready = self._run.ready
        mark = len(ready)
        for future in waiting:
            try:
                future._enlist(self)
            except CANNOT_WAIT as error:
                self._let_stand_for(future, error)
                pending -= 1
        if len(ready) - mark > 1:
            # The stack's top is run next, and that is to be the first child.
            ready[mark:] = ready[: mark - 1 if mark else None : -1]
        if pending:
            self._pending = pending
            return BLOCKED
        yielded = self._yielded
        # A future may stand for the whole structure.
        return self._collect() if isinstance(yielded, FutureBase) else self._values(yielded)

    def _leave_off(self):
        """The body has yielded what it would wait for, but nobody hears of it any longer."""
        if self._value is not _none:
            self._end_unheard()
        else:
            self._waiting_leaves()
            self._pending = PARKED
        return BLOCKED

    def _end_unheard(self):
        """The body has had its last step, and the task its value or error before that.

        It can be called again if an interrupt has come in the middle of it.

        """
        try:
            self._yielded = None
            self._pending = PARKED
            if self._body is not None:
                self._close(self._body)
            if self._scope is not None:
                self._scope.close(self)
            self._body = None
            self._pending = RUNNING
        finally:
            del self  # as in _close

    def _waiting_leaves(self):
        """The same for an unusual structure: what is wrong in it gets errors put in its place."""
        try:
            futures = leaves(self._yielded)
        except RuntimeError as error:
            self._yielded = ErrorFuture(error)
            return []
        if not all(isinstance(future, FutureBase) for future in futures):
            self._yielded = replaced(self._yielded, self._future_of)
            futures = leaves(self._yielded)
        return [future for future in futures if future._value is _none]

    def _future_of(self, leaf):
        if isinstance(leaf, FutureBase):
            return leaf
        future = self._run.future_of(leaf, self)
        if future is None:
            future = ErrorFuture(wrong_leaf(leaf, self.fn, is_native_function(self.fn)))
        return future

    def _values(self, structure):
        """The values for the structure that was yielded, or FAILED."""
        try:
            values = values_of(structure)
        except BaseException as error:
            # By a ``value()`` of the user's own.
            self._yielded = ErrorFuture(error)
            return FAILED
        if values is not FAILED:
            self._yielded = None
        return values

    def _collect(self):
        """What the body gets for what it has waited for; FAILED if it gets an error."""
        yielded = self._yielded
        if not isinstance(yielded, FutureBase):
            return self._values(yielded)
        if yielded._failure is None:
            self._yielded = None
            try:
                return yielded._outcome
            except BaseException as error:
                # By a ``value()`` of the user's own.
                self._yielded = ErrorFuture(error)
        return FAILED

    def _thrown(self):
        """What ``throw`` of the body gets: the first error, in the order of what was yielded."""
        failed = self._yielded
        if not isinstance(failed, FutureBase):
            for failed in leaves(failed):
                if failed._failure is not None:
                    break
        self._yielded = None
        return to_throw(failed._error, failed._traceback)

    def _stop(self, error):
        """The body has ended by raising ``error``; return what ``_finish`` does."""
        if self._value is not _none:
            if is_interrupt(error):
                raise error
            return self._finish(None)
        if is_interrupt(error) and frame_of(self._body) is not None:
            raise error  # not by the body, which has not ended
        if self._yielded is not None and isinstance(error, AttributeError):
            # It is not the body that has raised it.
            try:
                for future in self._awaited():
                    check_initialised(future)
            except TypeError as cause:
                self._yielded = ErrorFuture(cause)
                self._pending = 0
                return self
        # The first entry is the loop's; what was raised in a child is clean already.
        traceback = caught_traceback(error).tb_next
        clean = getattr(error, "_traceback", None)
        if isinstance(error, (GeneratorExit, StopIteration)):
            if isinstance(error, StopIteration):
                error = _stop_iteration_escaped(error)
            elif not isinstance(error, AsyncTaskCancelledError):
                try:
                    return self._finish(
                        error.result if isinstance(error, AsyncTaskResult) else None
                    )
                finally:
                    self = error = None  # as in _finish
        if traceback is None and type(error) is ValueError and self._body is not None:
            # Not the body has raised it, but the generator: it is being run.
            error = _runs_already(self)
        traceback = user_traceback(traceback, clean)
        if type(error) is RuntimeError and safe_str(error).startswith(NO_LOOP):
            set_caught_traceback(error, traceback)
            error = _needs_loop(self, error)
        return self._fail(error, traceback)

    def _fail(self, error, traceback):
        self._traceback = traceback
        _mark(error, self, traceback)
        self._error = error
        return self._finish(None)

    def _finish(self, value):
        """The body has ended, with a value or the error in ``_error``.

        :return: the task that is to be run next; None where that is not known.

        """
        if self._value is not _none:
            self._body = None
            self._end_unheard()  # somebody has set the value or error meanwhile
            return None
        if watch.observer is not None:
            watch.observer.task_exits(self, value, self._error)
        self._body = None
        if self._scope is not None:
            error = self._scope.close(self)
            if error is not None:
                if self._error is None:
                    try:
                        return self._fail(error, user_traceback(caught_traceback(error)))
                    finally:
                        self = error = None  # its traceback leads to this frame
                error = None
        self._value = value
        if (
            self.__class__ is not AsyncTask
            or self._on_computed is not None
            or watch.observer is not None
        ):
            self._computed()
            return None
        waiter = self._waiters
        if waiter is None:
            return None
        # What _tell_waiters does, for one. With the call, and the way over ``ready``, ``children``
        # of benchmarks/workloads.py take 1.14 times as long.
        if waiter.__class__ is list:
            self._tell_waiters()
            return None
        self._waiters = None
        pending = waiter._pending = waiter._pending - 1
        if pending:
            return None
        if waiter._run is self._run:
            return waiter
        waiter._run.ready.append(waiter)
        return None

    def _computed(self):
        try:
            if self._body is not None or self._pending != RUNNING:
                self._dispose()
        finally:
            super(AsyncTask, self)._computed()
            del self  # as in _close

    def _tell_waiters(self):
        """Parents that this makes ready go on next, before anything else."""
        waiters = self._waiters
        self._waiters = None
        for waiter in reversed(waiters) if type(waiters) is list else (waiters,):
            waiter._pending -= 1
            if waiter._pending == 0:
                waiter._run.ready.append(waiter)

    # Being waited for

    def _enlist(self, waiter):
        if self._pending != FRESH:
            waiters = self._waiters
            last = waiters[-1] if waiters.__class__ is list else waiters
            if last is waiter:
                self._add_waiter(waiter)  # it has this task several times in one yield
                return
            self._check_thread(waiter._run)
            self._add_waiter(waiter)
            self._set_going(waiter)
            return
        depth = waiter._depth
        run = waiter._run
        if depth >= run.max_depth:
            raise _too_deep(run)
        try:
            del self._unclaimed
            self._run = run
        except BaseException as error:
            self._not_claimed(run, error)
        # What _add_waiter and _set_going do, without their calls.
        self._waiters = waiter
        self._scope = waiter._scope
        self._depth = depth + 1
        self._pending = 0
        run.ready.append(self)
        if run.asyncio_mode and (
            # Asked here, because with a call for each generator chains of them take 1.15 times as
            # long (``chain-800`` on a loop).
            self._body.__class__ is not GeneratorType
            or self._body.gi_code.co_flags & ITERABLE_COROUTINE
        ):
            run.give_asyncio_task(self)

    def _set_going(self, waiter):
        run = waiter._run
        pending = self._pending
        if pending == FRESH:
            try:
                del self._unclaimed
                self._run = run
            except BaseException as error:
                self._not_claimed(run, error)
            self._scope = waiter._scope
            self._depth = waiter._depth + 1
            self._pending = 0
            run.ready.append(self)
            if run.asyncio_mode:
                run.give_asyncio_task(self)
            return
        if run.suspects is not None and waiter is not run:
            run.suspects.append(self)
        if pending == PARKED or (self._run is not run and run.takes_over(self)):
            self._adopt(waiter)
        elif pending == 0 and self._run is run:
            # It runs for whoever reaches it first, and that is now this waiter.
            if self._yields == 0:
                self._scope = waiter._scope
                self._depth = waiter._depth + 1
            run.ready.append(self)
        elif pending == UNHEARD:
            self._pending = RUNNING

    def _blockers(self, only_first=False):
        if self._pending in (RUNNING, UNHEARD):
            return None
        if only_first:
            first = first_waiting(self._yielded)
            return [] if first is None else [first]
        return [future for future in self._awaited() if future._value is _none]

    def _adopt(self, waiter):
        """Let the waiter's run drive this task from now on, with all it waits for."""
        run = waiter._run
        stack = [(self, waiter)]
        while stack:
            task, waiter = stack.pop()
            if not isinstance(task, AsyncTask):
                task._set_going(waiter)
                continue
            pending = task._pending
            if pending == FRESH:
                task._set_going(waiter)
                continue
            task._check_thread(run)
            if pending == UNHEARD:
                task._pending = pending = RUNNING
            if pending == RUNNING:
                continue
            if pending != PARKED and (task._run is run or not run.takes_over(task)):
                continue
            blockers = task._blockers()
            if pending == PARKED:
                for future in blockers:
                    future._add_waiter(task)
                task._pending = len(blockers)
            else:
                run.adopt(task, task._run)
            task._run = run
            task._depth = waiter._depth + 1
            if task._scope is None or not task._scope.move(task, waiter._scope):
                task._scope = waiter._scope
            if task._pending == 0:
                run.ready.append(task)
            stack.extend((future, task) for future in reversed(blockers))

    def _not_claimed(self, run, error):
        """It was claimed before, by a run in which it has not begun; or an interrupt came."""
        if is_interrupt(error):
            self._unclaimed = True  # it may be deleted, and ``_run`` not set
            raise error
        self._check_thread(run)
        self._run = run

    def _check_thread(self, run):
        # None: another thread has just deleted ``_unclaimed``.
        own = getattr(self, "_run", None)
        if own is None or own.scheduler is not run.scheduler:
            raise _knots.started_elsewhere(self, own, run)

    # Ending, and not waiting any longer, out of turn

    def _recover(self, run):
        """Nothing is left to wait for, of which it was not told: let it go on in ``run``."""
        self._pending = 0
        self._run = run
        run.ready.append(self)

    def _let_stand_for(self, culprit, error, *more):
        """Wait for ``culprit``, and ``more`` such, no longer; ``error`` is what they give."""
        culprits = set(map(id, more))
        culprits.add(id(culprit))
        for future in more + (culprit,):
            future._leave(self)
        instead = ErrorFuture(error)
        self._yielded = replaced(
            self._yielded, lambda future: instead if id(future) in culprits else future
        )

    def _give_up(self, futures, error):
        """Wait no longer for ``futures``, of which ``error`` takes the place."""
        self._let_stand_for(futures[0], error, *futures[1:])
        pending = 0
        for future in self._awaited():
            if future._value is _none:
                pending += 1
            else:
                future._leave(self)  # a flush that has not ended tells it at its end only
        self._pending = pending
        if pending == 0:
            self._recover(self._run)

    def _refuse(self, culprit, error):
        """``culprit`` will never be computed: let ``error`` stand for it in what was yielded.

        It stands for all others of which this is as certain, too. The body is thrown the first
        error only; and each of many for itself would cost the square of their number.

        """
        blockers = self._blockers()
        in_vain = [future for future in blockers if not isinstance(future, AsyncTask)]
        self._give_up([culprit] + in_vain, error)

    def _abort(self, error):
        """The run ends with ``error``, and so does this task if it has begun."""
        if self._value is not _none:
            # It was told to all, but an interrupt may have kept its body from being ended.
            if self._pending == UNHEARD:
                self._end_unheard()
            elif self._pending != RUNNING:
                self._dispose()
            return
        if self._pending in (0, FRESH) and self._yields == 0:
            self._pending = FRESH
        else:
            self._pending = PARKED
            self.set_error(error)

    def _dispose(self):
        """The value or error was set from outside: end the body, and wait for nothing."""
        pending = self._pending
        if pending in (RUNNING, UNHEARD):
            # The body goes on to where it would have to wait, or to its end.
            self._pending = UNHEARD
        elif pending == FRESH:
            self._body = None
            self._pending = RUNNING
        else:
            try:
                _abandon(self)
                self._end_unheard()
            finally:
                del self  # as in _close

    def _close(self, body):
        """Close the body as what it is: this task, in the contexts of those above it."""
        scheduler = _state.current
        active, scope = scheduler.active_task, scheduler.scope
        try:
            try:
                scheduler.switch(self._scope_above())
                scheduler.active_task = self
                body.close()
            except INTERRUPTS:
                raise
            except BaseException:
                pass  # as for a generator that is garbage: the task has its error already
            finally:
                scheduler.active_task = active
                scheduler.switch(scope)
        except INTERRUPTS:
            scheduler.active_task = active
            scheduler.switch(scope)
            raise
        finally:
            self = active = None  # the traceback of a context's error leads to this frame

    # Contexts

    def _scope_above(self):
        scope = getattr(self, "_scope", None)
        while scope is not None and scope.task is self._ref:
            scope = scope.parent
        return scope

    def _come_back(self, run):
        """The run that had taken it over has ended: go on in ``run``, in its waiters' contexts."""
        self._run = run
        if run.suspects is not None:
            run.suspects.append(self)
            run.wake()
        if self._value is _none and (self._waiters is not None or self is run.task):
            self._hang_below_another()

    def _hang_below_another(self):
        """One that waited for this task has gone: leave its contexts for those of another one."""
        run, waiter = self._run, self._waiters
        # It may be another run's task that waits, too, but it is not for that one that it runs now.
        if self is run.task:
            waiter = run
        elif type(waiter) is list:
            # The least deep one, because others may wait for it in turn.
            waiters = [one for one in waiter if one._run is run] or waiter
            waiter = min(waiters, key=operator.attrgetter("_depth"))
        former, scope = self._scope_above(), waiter._scope
        stack = [self] if former is not scope else []
        while stack:
            task = stack.pop()
            if task._value is not _none or task._pending == FRESH:
                continue
            own = former is not None and former.task is task._ref
            if task._scope is former and not own:
                task._scope = scope
                stack.extend(f for f in task._awaited() if isinstance(f, AsyncTask))
            elif own or task._scope_above() is former:
                task._scope.move(task, scope)

    @property
    def _contexts(self):
        """The contexts that it has entered, by id, because contexts may be equal; in order."""
        contexts = []
        scope = getattr(self, "_scope", None)
        while scope is not None and scope.task is self._ref:
            if scope.context is not NO_CONTEXT:
                contexts.append((id(scope.context), scope.context))
            scope = scope.parent
        return OrderedDict(reversed(contexts))

    # What can be asked about it

    @property
    def _dependencies(self):
        """The futures that it waits for; all it ever waited for with KEEP_DEPENDENCIES."""
        kept = getattr(self, "_kept_dependencies", None)
        if kept is not None:
            return kept
        return [] if self.running else self._awaited()

    def _awaited(self):
        return [future for future in leaves(self._yielded) if isinstance(future, FutureBase)]

    @property
    def kwargs(self):
        """The keyword arguments of the call, a dict."""
        return self._kwargs or {}

    @kwargs.setter
    def kwargs(self, kwargs):
        self._kwargs = kwargs or None

    @property
    def creator(self):
        """The task that was active when this one was made; None outside, or if it is gone."""
        return self._creator and self._creator()

    @property
    def iteration_index(self):
        """How many times the body was continued; 0 before the first step."""
        if self._pending in (FRESH, PARKED) or (self._pending >= 0 and self._value is _none):
            return self._yields
        return self._yields + 1

    @property
    def running(self):
        """Whether the body is being executed at this moment."""
        return self._pending in (RUNNING, UNHEARD) and self._value is _none

    @property
    def perf_stats(self):
        """The performance record: filled, when the task is computed, if they are collected."""
        record = getattr(self, "_profile", None)
        return {} if record is None else record.stats

    def _has_ended(self):
        """Whether the task is computed, and nothing of its body is run any longer."""
        return self._value is not _none and self._body is None

    def can_continue(self):
        """Whether the body has not ended."""
        return self._value is _none

    def is_blocked(self):
        """Whether it waits for a future that is not computed."""
        return self._value is _none and self._pending > 0

    def to_str(self):
        """The name of the task in performance records; it has one if they were collected."""
        return self._profile.name

    def collect_perf_stats(self):
        """Fill ``perf_stats``, if the task was made while ``COLLECT_PERF_STATS`` was on."""
        self._profile.collect()

    def dump_perf_stats(self):
        """Fill ``perf_stats`` and append it to the records of ``profiler``."""
        self._profile.collect()
        profiler.append(self._profile.stats)

    def traceback(self):
        """One string per task, from the oldest creator down to this task: where each is."""
        lines = []
        task = self
        while task is not None:
            lines.append(task._traceback_line())
            task = task.creator
        lines.reverse()
        return lines

    def _traceback_line(self):
        frame = frame_of(self._body)
        if frame is not None:
            return _line_at(frame.f_code, frame.f_lineno)
        if self._error is not None and self._traceback is not None:
            return _line_of(self._traceback)
        return str(self)

    def __str__(self):
        if self.iteration_index == 1:
            step = "before 1st yield"
        else:
            step = "passed yield #%d" % (self.iteration_index - 1)
        return "@asynq %s (%s, %s)" % (
            inspection.get_function_call_str(self.fn, self.args, self.kwargs),
            self._status_text(),
            step,
        )

    def _status_text(self):
        if self._value is not _none:
            return self._state_text()
        if self._pending > 0:
            return "blocked x%d" % self._pending
        return "waiting"

    def dump(self, indent=0):
        """Print the task and, below it, what it waits for."""
        if indent > MAX_DUMP_INDENT:
            write("...", indent)
            return
        write(safe_str(self), indent)
        if self._dependencies:
            write("Dependencies:", indent + 1)
            for future in self._dependencies:
                future.dump(indent + 2)
        else:
            write("No dependencies.", indent + 1)


def make_task(self, *args, **kwargs):
    """Return a task of the value."""
    if not self._is_ordinary:
        return self._call_pure(args, kwargs)
    # What AsyncTask(...) does, without the calls that this takes. Child tasks take 1.06 times as
    # long with them (benchmarks/workloads.py).
    task = _new(AsyncTask)
    task.fn = self._fn
    task.args = args
    task._kwargs = kwargs or None
    make_body = self._make_body
    if make_body is None:
        task._body = None
    else:
        task._body = make_body(*args, **kwargs) if kwargs else make_body(*args)
    task._value = _none
    task._error = None
    task._waiters = None
    task._on_computed = None
    scheduler = _state.current
    creator = scheduler.active_task
    if creator is not None:
        creator = creator._ref or creator._make_ref()
    task._creator = creator
    task._ref = None
    task._yielded = None
    task._yields = 0
    task._pending = FRESH
    task._unclaimed = True
    if watch.observer is not None:
        watch.observer.task_created(task)
    return task


_new = object.__new__


def _abandon(task):
    """``task`` waits for nothing any longer; neither do those that only it had asked for."""
    stack = [task]
    while stack:
        task = stack.pop()
        for future in task._awaited():
            # Also one that is computed may not have told its waiters yet.
            future._leave(task)
            if not isinstance(future, AsyncTask) or future._pending in (FRESH, PARKED):
                continue
            waiters = future._waiters
            if future._pending < 0:
                if future._value is _none and waiters is None and not future._run.is_for(future):
                    future._pending = UNHEARD
            elif waiters is not None:
                future._hang_below_another()
            elif not future._run.is_for(future):
                if future._yields == 0:
                    future._pending = FRESH
                else:
                    future._pending = PARKED
                    stack.append(future)


def _line_of(traceback):
    return _line_at(traceback.tb_frame.f_code, traceback.tb_lineno)


def _line_at(code, line):
    return 'File "%s", line %d, in %s\n    %s' % (
        code.co_filename,
        line,
        code.co_name,
        linecache.getline(code.co_filename, line).strip(),
    )


def _check_generator(generator):
    if options.ENABLE_COMPLEX_ASSERTIONS and not inspection.inspect.isgenerator(generator):
        # Compiled generators and coroutines are of other classes.
        assert type(generator).__name__ in ("generator", "coroutine"), (
            "generator is expected, but %s is provided" % safe_str(generator)
        )


def _too_deep(run):
    return RuntimeError(
        "Number of scheduled tasks exceeded maximum threshold. More than %d tasks wait for"
        " one another (options.MAX_TASK_STACK_SIZE): is this recursion without an end?"
        % run.max_depth
    )


def _runs_already(task):
    return AsyncTaskError(
        "%s can't run, because its body is running: it was asked for in two threads at the same"
        " moment, or its generator is another task's, too. Cure: ask for it in one thread, and hand"
        " its value over." % safe_str(task)
    )


def _needs_loop(task, error):
    """What is made of the error by which asyncio says that there is no loop."""
    name = inspection.get_full_name(task.fn)
    replacement = RuntimeError(
        "%s waits for what needs an event loop, and is run without one. Cure: await"
        " %s.asyncio(...) on an event loop." % (name, name)
    )
    replacement.__cause__ = error
    return replacement


def _stop_iteration_escaped(error):
    """What PEP 479 makes of a StopIteration that leaves a generator, for plain functions too."""
    replacement = RuntimeError("async function raised StopIteration")
    replacement.__cause__ = error
    return replacement


class _FailedTask(object):
    """What ``error._task`` holds: the call that raised the error, without owning the task.

    The task owns the error; if the error owned the task, both would be garbage for the cyclic
    collector (test_garbage.py).

    """

    __slots__ = ("_ref", "_traceback", "fn", "args", "_kwargs", "iteration_index")

    creator = None
    kwargs = AsyncTask.kwargs

    def __init__(self, task, traceback):
        self._ref = task._ref or task._make_ref()
        self._traceback = traceback
        self.fn = task.fn
        self.args = task.args
        self._kwargs = task._kwargs
        self.iteration_index = task._yields + 1

    def is_computed(self):
        return True

    def traceback(self):
        """The same as the task's: where it failed."""
        return [self._traceback_line()]

    def _traceback_line(self):
        return str(self) if self._traceback is None else _line_of(self._traceback)

    def __getattr__(self, name):
        if name.startswith("_"):
            raise AttributeError(name)
        task = self._ref()
        if task is None:
            raise AttributeError("%r: the task %s is gone" % (name, self))
        return getattr(task, name)

    @property
    def __class__(self):
        return AsyncTask

    def __eq__(self, other):
        return other is self or (other is not None and other is self._ref())

    def __ne__(self, other):
        return not self == other

    def __hash__(self):
        return hash(self._ref)

    def __str__(self):
        task = self._ref()
        if task is not None:
            return str(task)
        return "@asynq %s" % inspection.get_function_call_str(self.fn, self.args, self.kwargs)

    __repr__ = __str__


def _mark(error, task, traceback):
    """Leave on ``error`` where it came from, for those who print it."""
    try:
        if getattr(error, "_task", None) is None:
            error._task = _FailedTask(task, traceback)
        error._type_ = error.__class__
        error._traceback = traceback
    except Exception:
        pass  # it refuses attributes
    set_caught_traceback(error, traceback)
