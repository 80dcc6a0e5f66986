"""Contexts that are active only while the task that entered them, or what it waits for, runs."""

import weakref
from collections import OrderedDict

from ._debug import safe_str
from .futures import INTERRUPTS
from .scheduler import AsyncTaskError, get_active_task

__all__ = ["AsyncContext", "NonAsyncContext", "enter_context", "leave_context"]

__traceback_hide__ = True


class ContextScope(object):
    """The contexts that one task has entered, linked to the nearest such set above it.

    The scheduler activates and deactivates whole chains of these (``TaskScheduler.switch``).

    """

    __slots__ = ("parent", "contexts", "active", "task")

    def __init__(self, task, parent):
        self.parent = parent
        # By id, because contexts may be equal; in order of entering.
        self.contexts = OrderedDict()
        # Invariant: the contexts are resumed exactly while this is true.
        self.active = True
        # The task owns the scope.
        self.task = weakref.ref(task)

    def add(self, context):
        """``context`` is entered."""
        self.contexts[id(context)] = context

    def discard(self, context):
        """``context`` is left; tell whether it has to be paused."""
        return self.contexts.pop(id(context), None) is not None and self.active

    def move(self, task, parent):
        """Hang the scope under another one, if it is that of ``task``; tell whether it is.

        While it is active it stays where it is: the new place is somewhere below it.

        """
        if self.task() is not task:
            return False
        if not self.active:
            self.parent = parent
        return True

    def pause(self):
        """Pause all, last entered first, whatever they raise; return the last error or None."""
        self.active = False
        last_error = interrupt = None
        for context in reversed(list(self.contexts.values())):
            try:
                context.pause()
            except INTERRUPTS as error:
                interrupt = error
            except BaseException as error:
                last_error = error
        try:
            if interrupt is not None:
                raise interrupt
            return last_error
        finally:
            del last_error, interrupt  # their tracebacks lead to this frame

    def resume(self):
        """Resume all, first entered first, whatever they raise; return the first error or None.

        One whose resume fails is not active, and is not paused when it is left.

        """
        self.active = True
        first_error = interrupt = None
        for context in list(self.contexts.values()):
            try:
                context.resume()
            except INTERRUPTS as error:
                interrupt = error
                self.discard(context)
            except BaseException as error:
                first_error = first_error or error
                self.discard(context)
        try:
            if interrupt is not None:
                raise interrupt
            return first_error
        finally:
            del first_error, interrupt  # their tracebacks lead to this frame

    def fail(self, error):
        """A context refused to be switched: the task that entered it gets the error."""
        task = self.task()
        if task is not None and not task.is_computed():
            task.set_error(error)

    def close(self, task):
        """``task`` has ended: if the scope is its own, pause what it never left.

        :return: the last error of those pauses, or None.

        """
        if self.task() is not task:
            return None
        error = self.pause() if self.active else None
        self.contexts.clear()
        return error


def enter_context(context):
    """Register ``context`` with the active task, and return that task; None outside of tasks.

    A body that is being closed, because its task has failed, is outside.

    """
    task = get_active_task()
    if task is None or not task.running:
        return None
    task._enter_context(context)
    return task


def leave_context(context, task):
    """Take ``context`` off the contexts of ``task``."""
    if task is not None:
        task._leave_context(context)


class _TaskContext(object):
    """What both kinds of contexts share: who has entered, and how often."""

    # How often it is entered and not left.
    _entered = 0
    # A weak reference to the task that has entered it; None outside of tasks.
    _holder = None

    @property
    def _active_task(self):
        """The task that has entered this context, None outside of tasks."""
        if not self._entered:
            raise AttributeError("_active_task")
        return self._holder and self._holder()

    def _register(self):
        """Note that it is entered; tell whether it was not before."""
        task = get_active_task()
        if self._entered:
            holder = self._active_task
            if holder is not None and holder is not task:
                raise AsyncTaskError(
                    "%s is entered by %s while %s is inside it. Cure: one context object for each"
                    " task." % (safe_str(self), safe_str(task), safe_str(holder))
                )
            self._entered += 1
            return False
        task = enter_context(self)
        self._holder = None if task is None else weakref.ref(task)
        self._entered = 1
        return True

    def _unregister(self):
        """Take it off its task's contexts; tell whether it has to be paused now."""
        if self._entered > 1:
            return False
        if self._holder is None:
            return True
        task = self._active_task
        return task is not None and task._leave_context(self)

    def _forget(self):
        """It is left, and paused."""
        if self._entered == 1:
            self._holder = None
        self._entered -= 1


class AsyncContext(_TaskContext):
    """A context manager that is left while other tasks run, and entered again afterwards.

    Implement :meth:`resume` and :meth:`pause`. Whoever overrides ``__enter__`` or ``__exit__``
    has to call those of this class. While a task inside it waits for others, the context stays
    active for those others, and is paused for all the rest and for every flush. One object can
    be entered by one task at a time; entering it again inside itself does nothing.

    ::

        class tagged(AsyncContext):
            def __init__(self, tag):
                self.tag = tag

            def resume(self):
                tags.append(self.tag)

            def pause(self):
                tags.pop()

    """

    def __enter__(self):
        if self._register():
            try:
                self.resume()
            except BaseException:
                self._unregister()
                self._forget()
                raise
        return self

    def __exit__(self, exc_type, exc_value, traceback):
        try:
            if self._unregister():
                self.pause()
        finally:
            self._forget()

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
        self._register()

    def __exit__(self, exc_type, exc_value, traceback):
        self._unregister()
        self._forget()

    def resume(self):
        """Called if the task was blocked inside."""
        self._refuse()

    def pause(self):
        """Called if the task is blocked inside."""
        self._refuse()

    def _refuse(self):
        task = self._active_task if self._entered else None
        raise AssertionError(
            "Task %s cannot yield while %s is active" % (safe_str(task), safe_str(self))
        )
