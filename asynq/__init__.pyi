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
from . import asynq_to_async as asynq_to_async  # from Python 3.7 on; not listed
from . import mock_ as mock_  # the original's name of mock, not listed

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

# ``async`` and ``await`` are keywords, which a stub cannot define.
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
    "async",  # noqa: F822  # pyright: ignore[reportUnsupportedDunderAll]
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
    "await",  # noqa: F822  # pyright: ignore[reportUnsupportedDunderAll]
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
