"""Small helpers for the bodies of async functions."""

from ._debug import safe_str
from .async_task import AsyncTask, AsyncTaskResult
from .futures import FutureBase

__all__ = ["result", "await"]  # noqa: F822 (defined below, a keyword)

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
