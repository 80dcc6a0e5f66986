from types import TracebackType
from typing import Any

from typing_extensions import Self

from .async_task import AsyncTask

__all__ = ["AsyncContext", "NonAsyncContext", "enter_context", "leave_context"]

def enter_context(context: AsyncContext | NonAsyncContext) -> AsyncTask[Any] | None: ...
def leave_context(
    context: AsyncContext | NonAsyncContext, task: AsyncTask[Any] | None
) -> None: ...

class _TaskContext:
    @property
    def _active_task(self) -> AsyncTask[Any] | None: ...

class AsyncContext(_TaskContext):
    def __enter__(self) -> Self: ...
    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None: ...
    def resume(self) -> None: ...
    def pause(self) -> None: ...

class NonAsyncContext(_TaskContext):
    def __enter__(self) -> None: ...
    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None: ...
    def resume(self) -> None: ...
    def pause(self) -> None: ...
