import logging
from builtins import str as _str
from collections.abc import Callable
from contextlib import AbstractContextManager
from types import FrameType, TracebackType
from typing import Any, overload

from ._debug import Stream, options, write
from ._debug import safe_repr as repr
from ._debug import safe_str as str
from .batching import sync
from .scheduler import TaskScheduler

__all__ = [
    "options",
    "DUMP_ALL",
    "enable_complex_assertions",
    "disable_complex_assertions",
    "dump",
    "dump_error",
    "dump_stack",
    "dump_asynq_stack",
    "format_asynq_stack",
    "format_error",
    "extract_tb",
    "format_tb",
    "filter_traceback",
    "syntax_highlight_tb",
    "AsynqStackTracebackFormatter",
    "async_exception_hook",
    "ipython_custom_exception_handler",
    "attach_exception_hook",
    "detach_exception_hook",
    "enable_original_exc_handler",
    "enable_filter_traceback",
    "enable_traceback_syntax_highlight",
    "get_frame",
    "write",
    "str",
    "repr",
    "sync",
]

stdout: Stream
stderr: Stream

@overload
def DUMP_ALL(value: None = None) -> bool: ...
@overload
def DUMP_ALL(value: bool) -> None: ...
def enable_complex_assertions(enable: bool = True) -> AbstractContextManager[None]: ...
def disable_complex_assertions() -> AbstractContextManager[None]: ...
def get_frame(generator: object) -> FrameType | None: ...
def format_asynq_stack() -> list[_str] | None: ...
def dump_asynq_stack() -> None: ...
def dump_stack(skip: int = 0, limit: int | None = None) -> None: ...
def dump(state: TaskScheduler) -> None: ...
@overload
def format_error(error: BaseException, tb: TracebackType | None = None) -> _str: ...
@overload
def format_error(error: None, tb: TracebackType | None = None) -> None: ...
def dump_error(error: BaseException | None, tb: TracebackType | None = None) -> None: ...

class AsynqStackTracebackFormatter(logging.Formatter): ...

def extract_tb(
    tb: TracebackType | None, limit: int | None = None
) -> list[tuple[_str, int, _str, _str | None]]: ...
def format_tb(tb: TracebackType | None) -> list[_str]: ...
def filter_traceback(lines: list[_str]) -> list[_str]: ...
def syntax_highlight_tb(text: _str) -> _str: ...

is_attached: bool
original_hook: (
    Callable[[type[BaseException], BaseException, TracebackType | None], object] | None
)

def enable_original_exc_handler(enable: bool) -> None: ...
def enable_filter_traceback(enable: bool) -> None: ...
def enable_traceback_syntax_highlight(enable: bool) -> None: ...
def async_exception_hook(
    type: type[BaseException], error: BaseException, tb: TracebackType | None
) -> None: ...
def ipython_custom_exception_handler(
    self: Any,
    etype: type[BaseException],
    value: BaseException,
    tb: TracebackType | None,
    tb_offset: int | None = None,
) -> None: ...
def attach_exception_hook() -> None: ...
def detach_exception_hook() -> None: ...
