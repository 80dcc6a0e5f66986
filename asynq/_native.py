"""What ``async def`` functions can await: futures, ``gather(...)``, the elements of generators.

Awaiting is yielding: the task whose body awaits something gets that from the body as if it had
been yielded there, through however many plain coroutines in between.

Imported on Python 3 only, because Python 2 can't parse it.

"""

import sys

from ._compat import asyncio_driver
from ._debug import safe_repr, watch
from ._structures import Gathered, checked, first_waiting, unwrap
from .futures import FutureBase, _none, check_initialised
from .scheduler import _state

__traceback_hide__ = True


def _await_future(self):
    try:
        # Computed futures need not go through the loop, if nobody wants to see them there.
        if self._value is not _none and watch.observer is None:
            return self.value()
        scheduler = _state.current
        if scheduler.active_task is not None and scheduler.is_in_body():
            return (yield self)
        outside = _outside(self)
    except AttributeError:
        check_initialised(self)
        raise
    finally:
        # An error's traceback holds this frame, and the future may hold the error.
        del self
    return (yield from outside)


def _await_gathered(self):
    try:
        scheduler = _state.current
        if scheduler.active_task is not None and scheduler.is_in_body():
            return (yield self.structure)
        outside = _outside(self.structure)
    finally:
        del self  # as above
    return (yield from outside)


FutureBase.__await__ = _await_future
Gathered.__await__ = _await_gathered


def _outside(structure):
    """What to yield from for ``structure``, awaited in a coroutine that is not part of a task."""
    asyncio = sys.modules.get("asyncio")
    if asyncio is not None and asyncio._get_running_loop() is not None:
        return asyncio_driver().drive(structure).__await__()
    return _without_loop(structure).__await__()


async def _without_loop(structure):
    """The values of ``structure``.

    :raises RuntimeError: if some of it is not computed.

    """
    try:
        structure = checked(structure)
        waiting = first_waiting(structure)
        if waiting is None:
            return unwrap(structure)
        raise RuntimeError(
            "%s was awaited outside of @asynq() functions, where nobody computes it. Cure: await it"
            " in an @asynq() function or on an event loop, or ask for its value()."
            % safe_repr(waiting)
        )
    finally:
        del structure


async def next_element(generator, end):
    """The next element of an async generator; ``end`` is what its last future may give instead."""
    try:
        future = next(generator)
    except StopIteration:
        raise StopAsyncIteration from None
    element = await future
    if element is end:
        raise StopAsyncIteration
    return element
