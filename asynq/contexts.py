"""Contexts that are active only while the task that entered them, or what it waits for, runs."""

from ._debug import safe_str, watch
from .futures import INTERRUPTS, _none
from .scheduler import (
    NO_CONTEXT,
    RUNNING,
    UNHEARD,
    AsyncTaskError,
    _state,
    get_active_task,
    pause_anyway,
)

__all__ = ["AsyncContext", "NonAsyncContext", "enter_context", "leave_context"]

__traceback_hide__ = True


class ContextScope(object):
    """One context that a task has entered, linked to the one that is active around it.

    The scheduler activates and deactivates whole chains of these (``TaskScheduler.switch``). The
    scopes of one task follow one another in its chain.

    """

    __slots__ = (
        # The scope above it, of the same task or of one that waits for it; None: none.
        "parent",
        # NO_CONTEXT once it was left: others may still hang below the scope.
        "context",
        # The weak reference to the task that has entered it, which is the task's ``_ref``.
        "task",
        # Invariant: true exactly while it is in the chain of the active ones.
        "active",
    )

    def move(self, task, parent):
        """Hang the scopes of ``task`` under another one, if this is one; tell whether it is.

        While they are active they stay where they are: the new place is somewhere below. So they do
        if it is below them otherwise: tasks that wait in a circle must not make one of scopes.

        """
        if self.task is not task._ref:
            return False
        scope = parent
        while scope is not None:
            if scope.task is self.task:
                return True
            scope = scope.parent
        scope = self
        while scope.parent is not None and scope.parent.task is self.task:
            scope = scope.parent
        if not scope.active:
            scope.parent = parent
        return True

    def fail(self, error):
        """The context refused to be switched: the task that entered it gets the error."""
        task = self.task()
        if task is not None and not task.is_computed():
            task.set_error(error)

    def close(self, task):
        """``task`` has ended: if the scope is its own, pause what it never left.

        :return: the last error of those pauses, or None.

        """
        last_error = interrupt = None
        scope = self
        while scope is not None and scope.task is task._ref:
            context = scope.context
            try:
                scope.context = NO_CONTEXT
                if scope.active:
                    context.pause()
            except INTERRUPTS as error:
                interrupt = error
                scope.context = NO_CONTEXT
                if scope.active:
                    pause_anyway(context)
            except BaseException as error:
                last_error = error
            scope = scope.parent
        try:
            if interrupt is not None:
                raise interrupt
            return last_error
        finally:
            # Their tracebacks lead to this frame.
            self = task = scope = context = last_error = interrupt = None


def enter_context(context):
    """Register ``context`` with the active task, and return that task; None outside of tasks.

    A body that is being closed, because its task has failed, is outside.

    """
    task = get_active_task()
    if task is not None and id(context) in task._contexts:
        return task
    return _enter(context)()


def leave_context(context, task):
    """Take ``context`` off the contexts of ``task``."""
    if task is not None and id(context) in task._contexts:
        _leave(context, task._ref)


def _enter(context):
    """Register ``context`` with the active task, and return the reference to that task."""
    scheduler = _state.current
    task = scheduler.active_task
    if task is None or task._pending != RUNNING or task._value is not _none:
        if task is None or task._pending != UNHEARD:
            return _no_task
    if task._scope is not scheduler.scope:
        if task is scheduler.current_run.caller:
            return _no_task  # what runs is a future's own code, not the task's body
        scheduler.switch(task._scope)  # a waiter has gone, and its contexts with it
    reference = task._ref or task._make_ref()
    # Without an __init__, which would cost a call at each entering.
    scope = ContextScope()
    scope.parent = scheduler.scope
    scope.context = context
    scope.task = reference
    scope.active = True
    task._scope = scheduler.scope = scope
    if watch.observer is not None:
        watch.observer.context_entered(context, task)
    return reference


def _leave(context, holder):
    """Undo what ``_enter`` did and returned; tell whether ``context`` has to be paused."""
    task = holder and holder()
    if task is None:
        return holder is None or holder is _no_task
    below = None
    scope = task._scope
    while scope is None or scope.context is not context:
        if scope is None or scope.task is not holder:
            return False  # the task has ended
        below = scope
        scope = scope.parent
    scope.context = NO_CONTEXT
    was_active = scope.active
    if below is None:
        task._scope = above = scope.parent
        scheduler = task._run.scheduler
        if scheduler.scope is scope:
            scheduler.scope = above
            scope.active = False
    else:
        below.parent = scope.parent
        if below.active:
            scope.active = False
    if watch.observer is not None:
        watch.observer.context_left(context, task)
    return was_active


def _no_task():
    """In place of the weak reference to a task, outside of tasks."""


class _TaskContext(object):
    """What both kinds of contexts share: who has entered, and how often."""

    # While it is entered: the weak reference to the task that did, or ``_no_task``.
    _holder = None
    # How often it was entered again, and not left.
    _again = 0

    @property
    def _active_task(self):
        """The task that has entered this context, None outside of tasks."""
        if self._holder is None:
            raise AttributeError("_active_task")
        return self._holder()

    def _enter_again(self):
        """Count it, if it is the same task that enters; tell whether it is inside at all."""
        task, holder = get_active_task(), self._holder()
        if self._holder is not _no_task and (holder is None or holder._has_ended()):
            self._holder = None  # an interrupt has kept it from being left
            self._again = 0
            return False
        if holder is not None and holder is not task:
            raise AsyncTaskError(
                "%s is entered by %s while %s is inside it. Cure: one context object for each"
                " task." % (safe_str(self), safe_str(task), safe_str(holder))
            )
        self._again += 1
        return True

    def _break_off(self, holder=None):
        """An interrupt came while it was entered or left, nobody knows how far that was."""
        holder = holder or self._holder
        task = get_active_task()
        if holder is None and task is not None:
            holder = task._ref
        _leave(self, holder)
        self._holder = None
        pause_anyway(self)


class AsyncContext(_TaskContext):
    """A context manager that is left while other tasks run, and entered again afterwards.

    Implement :meth:`resume` and :meth:`pause`. Whoever overrides ``__enter__`` or ``__exit__``
    has to call those of this class. While a task inside it waits for others, the context stays
    active for those others, and is paused for all the rest and for every flush. One object can
    be entered by one task at a time; entering it again inside itself does nothing.

    ``pause`` and ``resume`` alternate, with one exception: if a ``KeyboardInterrupt`` or a
    ``SystemExit`` comes out of one of them, ``pause`` is called once more, because nobody knows
    how far it got. What that raises is ignored. So let ``pause`` bear to be called when the
    context is not active.

    ::

        class tagged(AsyncContext):
            def __init__(self, tag):
                self.tag = tag

            def resume(self):
                tags.add(self.tag)

            def pause(self):
                tags.discard(self.tag)

    """

    def __enter__(self):
        if self._holder is not None and self._enter_again():
            return self
        try:
            self._holder = _enter(self)
            self.resume()
            return self
        except INTERRUPTS:
            self._break_off()
            raise
        except BaseException:
            _leave(self, self._holder)
            self._holder = None
            raise

    def __exit__(self, exc_type, exc_value, traceback):
        if self._again:
            self._again -= 1
            return
        holder = self._holder
        task = holder and holder()
        try:
            if task is not None and watch.observer is None:
                # What _leave does for the innermost context of the running task, without another
                # call: it would be 1.03 times the contexts of benchmarks/workloads.py.
                scope = task._scope
                scheduler = task._run.scheduler
                if scope is scheduler.scope and scope is not None and scope.context is self:
                    scope.context = NO_CONTEXT
                    scope.active = False
                    task._scope = scheduler.scope = scope.parent
                    self.pause()
                    return
            if _leave(self, holder):
                self.pause()
        except INTERRUPTS:
            self._break_off(holder)
            raise
        finally:
            self._holder = None
            task = None  # the traceback of an error of pause() leads to this frame

    def resume(self):
        """Called to make the context active. Must not call async functions."""
        raise NotImplementedError("%s must define resume()" % type(self).__name__)

    def pause(self):
        """Called to make the context inactive. Must not call async functions."""
        raise NotImplementedError("%s must define pause()" % type(self).__name__)


class NonAsyncContext(_TaskContext):
    """A context manager inside which a task must not be blocked.

    It can yield what is computed without a batch. As soon as something else has to be run while
    the task is inside, the task fails.

    """

    def __enter__(self):
        if self._holder is not None and self._enter_again():
            return
        try:
            self._holder = _enter(self)
        except INTERRUPTS:
            self._break_off()
            raise

    def __exit__(self, exc_type, exc_value, traceback):
        if self._again:
            self._again -= 1
            return
        holder = self._holder
        try:
            _leave(self, holder)
            self._holder = None
        except INTERRUPTS:
            self._break_off(holder)
            raise

    def resume(self):
        """Called if the task was blocked inside."""
        self._refuse()

    def pause(self):
        """Called if the task is blocked inside."""
        self._refuse()

    def _refuse(self):
        task = self._holder and self._holder()
        raise AssertionError(
            "Task %s cannot yield while %s is active: something else has to run before that is"
            " computed. Cure: leave the context before the yield, or make it an AsyncContext."
            % (safe_str(task), safe_str(self))
        )
