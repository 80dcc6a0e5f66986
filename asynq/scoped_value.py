"""Values that can be overridden for the time that a task runs."""

import qcore

from ._compat import subscript
from .contexts import AsyncContext

__all__ = ["AsyncScopedValue", "async_override"]

__traceback_hide__ = True


class AsyncScopedValue(object):
    """A value that a task can override for itself and for what it calls.

    There is one value for the whole process. While other tasks run, an override is undone.

    :param default: the value where nothing overrides it.

    ::

        locale = AsyncScopedValue("en")

        @asynq()
        def render_in(language, page):
            with locale.override(language):
                return (yield render.asynq(page))

    """

    __class_getitem__ = subscript

    def __init__(self, default):
        self._value = default

    def get(self):
        """The current value."""
        return self._value

    def set(self, value):
        """Set the current value. Inside an override it lasts until the next switch of tasks."""
        self._value = value

    def override(self, value):
        """A context in which the value is ``value``."""
        # Without an __init__, which would cost a call for each override.
        context = _AsyncScopedValueOverrideContext()
        context._target = self
        context._value = value
        return context

    def __call__(self):
        """The same as :meth:`get`."""
        return self._value

    def __str__(self):
        return "AsyncScopedValue(%s)" % (self._value,)

    def __repr__(self):
        return "AsyncScopedValue(%r)" % (self._value,)


# The value to be restored by a context that is not active: after an interrupt it may be paused all
# the same.
_NOTHING = qcore.MarkerObject("nothing (scoped_value)")


class _AsyncScopedValueOverrideContext(AsyncContext):
    def resume(self):
        target = self._target
        self._old_value = target._value
        target._value = self._value

    def pause(self):
        old_value = self._old_value
        if old_value is not _NOTHING:
            self._target._value = old_value
            self._old_value = _NOTHING

    def __repr__(self):
        return "_AsyncScopedValueOverrideContext(target=%r, value=%r)" % (
            self._target,
            self._value,
        )


class _AsyncPropertyOverrideContext(AsyncContext):
    def __init__(self, target, property_name, value):
        self._target = target
        self._property_name = property_name
        self._value = value

    def resume(self):
        self._old_value = getattr(self._target, self._property_name)
        setattr(self._target, self._property_name, self._value)

    def pause(self):
        if self._old_value is not _NOTHING:
            setattr(self._target, self._property_name, self._old_value)
            self._old_value = _NOTHING

    def __repr__(self):
        return "_AsyncPropertyOverrideContext(target=%r, property_name=%r, value=%r)" % (
            self._target,
            self._property_name,
            self._value,
        )


def async_override(target, property_name, value):
    """A context in which the attribute ``property_name`` of ``target`` is ``value``."""
    return _AsyncPropertyOverrideContext(target, property_name, value)
