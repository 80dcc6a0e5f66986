"""Batched asynchronous code, written with generators.

A function decorated with :func:`asynq` yields futures and gets their values; while functions wait
for items of a batch, others run, and when nobody can go on, one batch is flushed.

How the package is built; imports only go down:

======  ==========================================  ===========================================
layer   modules                                     in one line
======  ==========================================  ===========================================
6       ``__init__``                                the public names
5       ``debug``                                   seeing: stacks, dumps, tracebacks
4       ``tools generator scoped_value mock``       built from the public names
3       ``decorators utils``                        what users write
2       ``async_task batching contexts``            what can be scheduled, and what rides along
        ``_structures _native asynq_to_async``      (the last: asyncio as the driver)
1       ``futures scheduler _knots``                what a value is; in what order things run
0       ``_debug profiler _compat``                 leaves
======  ==========================================  ===========================================

The way of ``fn.asynq(x)`` to its value: ``decorators`` makes an ``AsyncTask`` and runs nothing;
``scheduler.run`` sends values into its body; ``AsyncTask._suspend`` enlists it with the futures
that the body yields; ``futures`` tells it when they are computed, by ``batching`` in the end; and
``AsyncTask._finish`` stores what the body returns. ``await fn.asyncio(x)`` goes the same way, but
``asynq_to_async`` is what calls ``scheduler.run``, whenever something can go on.

"""

from . import (
    async_task,
    batching,
    contexts,
    debug,
    decorators,
    futures,
    generator,
    mock,
    profiler,
    scheduler,
    scoped_value,
    tools,
    utils,
)
from . import _compat
from . import mock_  # noqa: F401 (the original's name of mock, not listed)

# Futures
from .futures import (
    ConstFuture,
    ErrorFuture,
    Future,
    FutureBase,
    FutureIsAlreadyComputed,
    none_future,
)

# Batches
from .batching import BatchBase, BatchCancelledError, BatchingError, BatchItemBase

# Tasks and the scheduler
from .async_task import AsyncTask, AsyncTaskCancelledError, AsyncTaskResult
from .scheduler import (
    AsyncTaskError,
    TaskScheduler,
    get_active_task,
    get_scheduler,
    is_asyncio_mode,
)

# Writing async functions
from .decorators import (
    asynq,
    async_call,
    async_proxy,
    get_async_fn,
    get_async_or_sync_fn,
    has_async_fn,
    is_async_fn,
    is_pure_async_fn,
    make_async_decorator,
)
from .utils import gather, result

# Contexts
from .contexts import AsyncContext, NonAsyncContext
from .scoped_value import AsyncScopedValue, async_override

# Async generators
from .generator import END_OF_GENERATOR, Value, async_generator, list_of_generator, take_first

__traceback_hide__ = True

# The spelling of 0.1.4, keywords in newer Pythons.
globals()["async"] = asynq
globals()["await"] = getattr(utils, "await")

__all__ = [
    "FutureBase",
    "Future",
    "FutureIsAlreadyComputed",
    "none_future",
    "ConstFuture",
    "ErrorFuture",
    "BatchBase",
    "BatchItemBase",
    "BatchingError",
    "BatchCancelledError",
    "AsyncTask",
    "AsyncTaskCancelledError",
    "AsyncTaskResult",
    "TaskScheduler",
    "get_scheduler",
    "get_active_task",
    "AsyncTaskError",
    "is_asyncio_mode",
    "asynq",
    "async",
    "async_proxy",
    "async_call",
    "has_async_fn",
    "is_async_fn",
    "is_pure_async_fn",
    "get_async_fn",
    "get_async_or_sync_fn",
    "make_async_decorator",
    "gather",
    "result",
    "await",
    "AsyncContext",
    "NonAsyncContext",
    "AsyncScopedValue",
    "async_override",
    "END_OF_GENERATOR",
    "async_generator",
    "list_of_generator",
    "take_first",
    "Value",
    "async_task",
    "batching",
    "contexts",
    "debug",
    "decorators",
    "futures",
    "generator",
    "mock",
    "profiler",
    "scheduler",
    "scoped_value",
    "tools",
    "utils",
]


def __getattr__(name):
    """``asynq.asynq_to_async``, imported when it is needed, because asyncio is slow to import."""
    if name == "asynq_to_async":
        return _compat.asyncio_driver()
    raise AttributeError("module %r has no attribute %r" % (__name__, name))


debug.attach_exception_hook()
