from collections.abc import Callable
from typing import Any, overload

from .async_task import AsyncTask
from .batching import BatchBase
from .contexts import AsyncContext, NonAsyncContext
from .futures import FutureBase
from .scheduler import TaskScheduler

__traceback_hide__: bool

class Watch:
    observer: Observer | None
    dump_state: Callable[[TaskScheduler], object] | None
    def __init__(self) -> None: ...

watch: Watch

class Observer:
    def task_created(self, task: AsyncTask[Any]) -> None: ...
    def task_called(self, task: FutureBase[Any], caller: AsyncTask[Any]) -> None: ...
    def task_continues(self, task: AsyncTask[Any]) -> None: ...
    def task_waits(self, task: AsyncTask[Any], futures: list[FutureBase[Any]]) -> None: ...
    def task_exits(
        self, task: AsyncTask[Any], value: Any, error: BaseException | None
    ) -> None: ...
    def future_computed(self, future: FutureBase[Any]) -> None: ...
    def batch_scheduled(self, batch: BatchBase[Any]) -> None: ...
    def batch_flushes(self, batch: BatchBase[Any]) -> None: ...
    def batch_flushed(self, batch: BatchBase[Any]) -> None: ...
    def context_entered(
        self, context: AsyncContext | NonAsyncContext, task: AsyncTask[Any]
    ) -> None: ...
    def context_left(
        self, context: AsyncContext | NonAsyncContext, task: AsyncTask[Any]
    ) -> None: ...

class DebugOptions:
    DUMP_PRE_ERROR_STATE: bool
    DUMP_EXCEPTIONS: bool
    DUMP_SCHEDULE_TASK: bool
    DUMP_CONTINUE_TASK: bool
    DUMP_SCHEDULE_BATCH: bool
    DUMP_FLUSH_BATCH: bool
    DUMP_DEPENDENCIES: bool
    DUMP_COMPUTED: bool
    DUMP_NEW_TASKS: bool
    DUMP_YIELD_RESULTS: bool
    DUMP_QUEUED_RESULTS: bool
    DUMP_CONTEXTS: bool
    DUMP_SYNC: bool
    DUMP_STACK: bool
    DUMP_SCHEDULER_STATE: bool
    DUMP_SYNC_CALLS: bool
    COLLECT_PERF_STATS: bool
    SCHEDULER_STATE_DUMP_INTERVAL: float
    DEBUG_STR_REPR_MAX_LENGTH: int
    STACK_DUMP_LIMIT: int | None
    MAX_TASK_STACK_SIZE: int
    ENABLE_COMPLEX_ASSERTIONS: bool
    KEEP_DEPENDENCIES: bool
    def __init__(self) -> None: ...
    @overload
    def DUMP_ALL(self, value: None = None) -> bool: ...
    @overload
    def DUMP_ALL(self, value: bool) -> None: ...

options: DebugOptions

# Looks up an attribute in ``stdout`` or ``stderr`` of a module.
class Stream:
    module: Any
    def __init__(self, module: Any, name: str) -> None: ...
    def __getattr__(self, attribute: str) -> Any: ...

stdout: Stream
stderr: Stream

def write(text: str, indent: int = 0) -> None: ...
def safe_str(source: object, truncate: bool = True) -> str: ...
def safe_repr(source: object, truncate: bool = True) -> str: ...
