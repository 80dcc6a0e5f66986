"""Small helpers for the bodies of async functions."""

import six

from ._debug import safe_str
from ._structures import Gathered
from .async_task import AsyncTask, AsyncTaskResult
from .futures import FutureBase

if six.PY3:
    from . import _native  # noqa: F401 (makes futures, and what gather() returns, awaitable)

__all__ = ["gather", "result", "await"]  # noqa: F822 (defined below, a keyword)

__traceback_hide__ = True


def result(value):
    """End the async function that calls this with ``value``, as ``return value`` does.

    For Python 2, whose generators can't return a value::

        @asynq()
        def name_of(uid):
            user = yield load_user.asynq(uid)
            result(user.name); return

    :raises AssertionError: if ``value`` is a future, which was certainly meant to be yielded.

    """
    assert not isinstance(value, FutureBase), (
        "You probably forgot to yield this value before returning: %s. Cure: write"
        " result((yield future))." % safe_str(value)
    )
    raise AsyncTaskResult(value)


def gather(*futures):
    """Wait for all the futures in the arguments together: ``await gather(...)``.

    For ``async def`` functions: it does what a ``yield`` of the same does in a generator function.
    If some of the futures fail, all others are waited for all the same, and then the first error,
    in the order of the arguments, is raised.

    :param futures: futures or structures of them, as they can be yielded.
    :return: an awaitable for the tuple of the values. With a list, a tuple or a dict as the only
        argument, for its values in the same shape.
    :raises TypeError: when it is awaited, if there is something in them that can't be waited for.

    ::

        name, answers = await gather(name_of_user.asynq(uid), answers_of_user.asynq(uid))
        names = await gather([name_of_user.asynq(uid) for uid in uids])

    """
    if len(futures) == 1 and type(futures[0]) in _CONTAINERS:
        return Gathered(futures[0])
    return Gathered(futures)


_CONTAINERS = (list, tuple, dict)


def _await(*futures):
    """Compute all the futures in the arguments together, and return their values.

    Spelled ``await(...)`` where that is not a keyword, ``getattr(asynq, "await")`` elsewhere.

    :param futures: futures or structures of them, as they can be yielded.
    :return: the value, or with several arguments the tuple of the values.
    :raises TypeError: if there is something in them that can't be unwrapped.

    """
    assert futures, "await() expected at least one future, got none"
    structure = futures[0] if len(futures) == 1 else futures
    return AsyncTask(_yield_once(structure), _await, futures, {}).value()


def _yield_once(structure):
    result((yield structure))


globals()["await"] = _await
_await.__name__ = "await"
