"""Seeing what happens: options, dumps, stacks of tasks, tracebacks.

Everything that is printed is formatted here. The core reports to one observer, which this module
puts in place while an option asks for it (see ``_debug.Observer``).

"""

from __future__ import print_function

import functools
import linecache
import logging
import os
import sys
import traceback

import qcore
import six

from . import _debug, profiler, scheduler
from ._compat import frame_of, monotonic_utime
from ._debug import options, watch, write
from ._debug import safe_repr as repr
from ._debug import safe_str as str
from .batching import DebugBatch, sync
from .futures import report_ignored

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

__traceback_hide__ = True

# Looked up when printing; tests put something else here, and all of the library prints there.
stdout = _debug.Stream(sys, "stdout")
stderr = _debug.Stream(sys, "stderr")
_debug.stdout.module = _debug.stderr.module = sys.modules[__name__]

_RULER = "-" * 70


# Options


def DUMP_ALL(value=None):
    """Set every ``DUMP_`` option to ``value``; without it, tell whether all of them are on."""
    return options.DUMP_ALL(value)


def enable_complex_assertions(enable=True):
    """A context in which ``options.ENABLE_COMPLEX_ASSERTIONS`` is ``enable``."""
    return qcore.override(options, "ENABLE_COMPLEX_ASSERTIONS", enable)


def disable_complex_assertions():
    """A context in which ``options.ENABLE_COMPLEX_ASSERTIONS`` is off."""
    return enable_complex_assertions(False)


# Stacks


def get_frame(generator):
    """The frame at which a generator or coroutine is suspended, or None."""
    return frame_of(generator)


def format_asynq_stack():
    """One string per task, from the outermost creator to the active task; None outside of tasks."""
    task = scheduler.get_active_task()
    return None if task is None else task.traceback()


def dump_asynq_stack():
    """Print where each of the tasks is that led to the active one, the outermost first."""
    stack = format_asynq_stack()
    if stack is None:
        print("dump_asynq_stack: no asynq task currently active")
    else:
        print("\n".join(stack))


def dump_stack(skip=0, limit=None):
    """Print the Python stack without its ``skip`` innermost frames and without hidden ones.

    :param limit: at most so many frames; by default ``options.STACK_DUMP_LIMIT``.

    """
    if limit is None:
        limit = options.STACK_DUMP_LIMIT
    entries = []
    frame = sys._getframe(skip + 1)
    while frame is not None and (limit is None or len(entries) < limit):
        if not _is_hidden(frame):
            entries.append(_entry(frame.f_code, frame.f_lineno, frame.f_globals))
        frame = frame.f_back
    lines = traceback.format_list(reversed(entries))
    write("--- Stack trace: %s\n%s%s" % ("-" * 53, "".join(lines), _RULER))


def dump(state):
    """Print the state of a scheduler, if ``options.DUMP_PRE_ERROR_STATE`` is on."""
    if not options.DUMP_PRE_ERROR_STATE:
        return
    stdout.flush()
    stderr.flush()
    write("\n--- Pre-error state dump: %s" % ("-" * 44))
    state.dump()
    write("%s\n" % _RULER)
    stdout.flush()
    stderr.flush()


# Errors and tracebacks


def format_error(error, tb=None):
    """The text of ``error`` with its traceback, as Python prints it; None for None.

    :param tb: the traceback; by default the one with which the error left the tasks. Without
        either it is only the line that names the error.

    Chained errors are included. Frames of the library are left out
    (:func:`enable_filter_traceback`), and colours are used where stderr is a terminal
    (:func:`enable_traceback_syntax_highlight`).

    """
    text = _format_plainly(error, tb)
    if text is not None and _use_syntax_highlighting and _is_terminal(stderr):
        text = syntax_highlight_tb(text)
    return text


def _format_plainly(error, tb):
    if error is None:
        return None
    if tb is None:
        tb = getattr(error, "_traceback", None)
    if tb is None:
        return "".join(traceback.format_exception_only(type(error), error))
    lines = traceback.format_exception(type(error), error, tb)
    return "".join(filter_traceback(lines) if _should_filter_traceback else lines)


def _is_terminal(stream):
    isatty = getattr(stream, "isatty", None)
    return isatty is not None and isatty()


def dump_error(error, tb=None):
    """Print ``error`` with its traceback on stderr."""
    stdout.flush()
    stderr.flush()
    stderr.write("\n" + (format_error(error, tb) or "No error"))
    stdout.flush()
    stderr.flush()


class AsynqStackTracebackFormatter(logging.Formatter):
    """Has a log handler print errors as :func:`format_error` does, but never in colours."""

    def formatException(self, ei):
        return _format_plainly(ei[1], ei[2])


def extract_tb(tb, limit=None):
    """The entries of a traceback as (file, line, function, source line), without hidden frames.

    A frame is hidden by a local or global variable ``__traceback_hide__`` that is True.

    :param limit: at most so many entries; by default ``sys.tracebacklimit``, if there is one.

    """
    if limit is None:
        limit = getattr(sys, "tracebacklimit", None)
    entries = []
    while tb is not None and (limit is None or len(entries) < limit):
        frame = tb.tb_frame
        if not _is_hidden(frame):
            entries.append(_entry(frame.f_code, tb.tb_lineno, frame.f_globals))
        tb = tb.tb_next
    return entries


def _is_hidden(frame):
    name = "__traceback_hide__"
    return frame.f_locals.get(name) is True or frame.f_globals.get(name) is True


def _entry(code, line, module_globals):
    path = code.co_filename
    linecache.checkcache(path)
    source = linecache.getline(path, line, module_globals).strip() or None
    return (path, line, code.co_name, source)


def format_tb(tb):
    """The entries of :func:`extract_tb` as lines of text."""
    return traceback.format_list(extract_tb(tb))


# How the original's compiled frames look in a traceback, each run with what stands for it.
# Logs that hold them are still read with this function.
_BOILERPLATE = [
    (
        (
            "asynq.async_task.AsyncTask._continue",
            "asynq.async_task.AsyncTask._continue_on_generator",
            "asynq.async_task.AsyncTask._continue_on_generator",
        ),
        "  ___asynq_continue___\n",
    ),
    (
        (
            "asynq.decorators.AsyncDecorator.__call__",
            "asynq.futures.FutureBase.value",
            "asynq.futures.FutureBase.value",
            "asynq.futures.FutureBase.raise_if_error",
            "reraise",
            "six.reraise",
            "reraise",
            "value",
        ),
        "  ___asynq_future_raise_if_error___\n",
    ),
    (
        (
            "asynq.decorators.AsyncDecorator.asynq",
            "asynq.decorators.AsyncProxyDecorator._call_pure",
            "asynq.decorators.AsyncProxyDecorator._call_pure",
            "asynq.decorators.AsyncProxyDecorator._call_pure",
            "asynq.decorators.async_call",
        ),
        "  ___asynq_call_pure___\n",
    ),
]

# How the lines of our own frames begin, of whose files only the code knows the exact names.
_LIBRARY_FRAMES = (
    '  File "%s%s' % (os.path.dirname(get_frame.__code__.co_filename), os.sep),
    '  File "%s"' % six.reraise.__code__.co_filename,
)


def filter_traceback(lines):
    """Take the library's own frames out of the lines of a formatted traceback.

    :param lines: a list of strings as ``traceback.format_exception`` returns.
    :return: a list of strings.

    """
    output = []
    position = 0
    while position < len(lines):
        for run, replacement in _BOILERPLATE:
            part = lines[position : position + len(run)]
            if len(part) == len(run) and all(text in line for text, line in zip(run, part)):
                output.append(replacement)
                position += len(run)
                break
        else:
            if not lines[position].startswith(_LIBRARY_FRAMES):
                output.append(lines[position])
            position += 1
    return output


def syntax_highlight_tb(text):
    """The text of a traceback coloured for a terminal, if Pygments is installed."""
    try:
        from pygments import formatters, highlight, lexers
    except ImportError:
        return text
    return highlight(text, lexers.get_lexer_by_name("pytb"), formatters.TerminalFormatter())


# The exception hook

is_attached = False
# What was there before ours: the ``sys.excepthook``, or None while ours is that of a shell.
original_hook = None
_shell = None
_use_original_exc_handler = False
_should_filter_traceback = True
_use_syntax_highlighting = True


def enable_original_exc_handler(enable):
    """Whether the hook that was there is called after ours even if it is Python's own."""
    global _use_original_exc_handler
    _use_original_exc_handler = enable


def enable_filter_traceback(enable):
    """Whether :func:`format_error` leaves out the library's frames."""
    global _should_filter_traceback
    _should_filter_traceback = enable


def enable_traceback_syntax_highlight(enable):
    """Whether :func:`format_error` uses colours where stderr is a terminal."""
    global _use_syntax_highlighting
    _use_syntax_highlighting = enable


def async_exception_hook(type, error, tb):
    """The ``sys.excepthook``: prints errors that passed through a task with the tasks' frames.

    Every other error goes to the hook that was there before.

    """
    former = original_hook or sys.__excepthook__
    if getattr(error, "_task", None) is None:
        former(type, error, tb)
        return
    dump_error(error, tb)
    if former is not sys.__excepthook__ or _use_original_exc_handler:
        former(type, error, tb)


def ipython_custom_exception_handler(self, etype, value, tb, tb_offset=None):
    """The same for IPython, as a handler for its ``set_custom_exc``."""
    if getattr(value, "_task", None) is not None:
        dump_error(value, tb)
        if not _use_original_exc_handler:
            return
    self.showtraceback((etype, value, tb), tb_offset=tb_offset)


def attach_exception_hook():
    """Have errors printed by :func:`async_exception_hook`; done when asynq is imported."""
    global is_attached, original_hook, _shell
    if is_attached:
        stderr.write("Warning: async exception hook was already attached.\n")
        return
    _shell = getattr(six.moves.builtins, "get_ipython", lambda: None)()
    if _shell is not None:
        _shell.set_custom_exc((BaseException,), ipython_custom_exception_handler)
    else:
        original_hook = sys.excepthook
        sys.excepthook = async_exception_hook
    is_attached = True


def detach_exception_hook():
    """Put back the hook that was there before :func:`attach_exception_hook`."""
    global is_attached, original_hook, _shell
    assert is_attached, "Async exception hook wasn't attached."
    if _shell is not None:
        _shell.set_custom_exc((), None)
    else:
        sys.excepthook = original_hook
    original_hook = _shell = None
    is_attached = False


# What the options print and collect


def _record_of(future):
    """The performance record of a task that was made while they are collected, else None."""
    return getattr(future, "_profile", None) if options.COLLECT_PERF_STATS else None


class _OptionsObserver(_debug.Observer):
    """Prints and records what the options ask for."""

    def __init__(self):
        # When the flushes began that are under way, by the id of the batch.
        self._flushes = {}

    def task_created(self, task):
        if options.COLLECT_PERF_STATS:
            task._profile = profiler.TaskRecord(task)
        if options.DUMP_NEW_TASKS:
            write("@async: new task: %s, created by %s" % (str(task), str(task.creator)))

    def task_called(self, task, caller):
        if options.DUMP_SYNC_CALLS:
            write("@async: %s called synchronously from %s" % (str(task), str(caller)))

    def task_continues(self, task):
        record = _record_of(task)
        if record is not None:
            record.begin_step()
        if options.DUMP_SCHEDULER_STATE:
            scheduler.get_scheduler().try_time_based_dump(task)
        if options.DUMP_CONTINUE_TASK:
            write("@async: -> continuing %s" % str(task))

    def task_waits(self, task, futures):
        if options.KEEP_DEPENDENCIES:
            task._kept_dependencies = getattr(task, "_kept_dependencies", []) + futures
        record = _record_of(task)
        if record is not None:
            record.end_step(futures)
        if options.DUMP_YIELD_RESULTS:
            write("@async: yield: %s -> %s" % (str(task), repr(task._yielded)))
        if options.DUMP_CONTINUE_TASK:
            write("@async: <- continued %s" % str(task))
        for future in futures:
            if not future.is_computed():
                if options.DUMP_SCHEDULE_TASK:
                    write("@async: scheduling task %s" % str(future))
                if options.DUMP_DEPENDENCIES:
                    write("@async: +dependency: %s needs %s" % (str(task), str(future)))

    def task_exits(self, task, value, error):
        record = _record_of(task)
        if record is not None:
            record.end_step(())
        if error is None:
            if options.DUMP_QUEUED_RESULTS:
                write("@async: queuing exit: %s <- %s" % (repr(value), str(task)))
        else:
            if options.DUMP_EXCEPTIONS:
                dump_error(error)
            if options.DUMP_QUEUED_RESULTS:
                write("@async: queuing throw error: %s <-x- %s" % (repr(error), str(task)))
        if options.DUMP_CONTINUE_TASK:
            write("@async: <- continued %s" % str(task))

    def future_computed(self, future):
        if options.DUMP_COMPUTED:
            write("@async: computed %s" % str(future))
        if options.DUMP_SYNC and isinstance(future, DebugBatch):
            action = "cancelling" if future.is_cancelled() else "flushing"
            write("@async.debug.sync: %s batch %r (%d)" % (action, future.name, future.index))
        if _record_of(future) is not None:
            future.dump_perf_stats()
        # Here and not in batch_flushed, where its items are gone.
        began = self._flushes.pop(id(future), None)
        if began is not None and options.COLLECT_PERF_STATS:
            future.dump_perf_stats(monotonic_utime() - began)

    def batch_scheduled(self, batch):
        if options.DUMP_SCHEDULE_BATCH:
            write("@async: scheduling batch %s" % str(batch))

    def batch_flushes(self, batch):
        if options.DUMP_FLUSH_BATCH:
            write("@async: -> batch flush:")
            batch.dump(4)
            if options.DUMP_STACK:
                dump_stack()
        if options.COLLECT_PERF_STATS:
            self._flushes[id(batch)] = monotonic_utime()

    def batch_flushed(self, batch):
        if options.DUMP_FLUSH_BATCH:
            write("@async: <- batch flushed: %s" % str(batch))

    def context_entered(self, context, task):
        if options.DUMP_CONTEXTS:
            write("@async: +context: %s" % str(context))

    def context_left(self, context, task):
        if options.DUMP_CONTEXTS:
            write("@async: -context: %s" % str(context))


def _reporting(method):
    """What it prints calls code of the user's, whose errors must not reach the core."""

    @functools.wraps(method)
    def call(*args):
        try:
            method(*args)
        except Exception as error:
            report_ignored("a dump", error)

    return call


for _name, _method in list(vars(_OptionsObserver).items()):
    if hasattr(_debug.Observer, _name) and not _name.startswith("_"):
        setattr(_OptionsObserver, _name, _reporting(_method))
del _name, _method

_options_observer = _OptionsObserver()


def _update_observer():
    """Watch exactly while an option asks for something to be watched."""
    wanted = any(
        value
        for name, value in vars(options).items()
        if (name.startswith("DUMP_") and name != "DUMP_PRE_ERROR_STATE")
        or name in ("COLLECT_PERF_STATS", "KEEP_DEPENDENCIES")
    )
    if wanted:
        watch.observer = _options_observer
    elif watch.observer is _options_observer:
        watch.observer = None


_debug.DebugOptions._changed = staticmethod(_update_observer)
watch.dump_state = dump
