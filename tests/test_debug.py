import logging
import os
import re
import sys
import threading
import traceback

import pytest
import six
from qcore import utime

import asynq
from asynq import (
    AsyncContext,
    ConstFuture,
    ErrorFuture,
    FutureBase,
    asynq as async_fn,
    batching,
    debug,
    result,
)
from asynq.debug import options

from .helpers import Batch, Client

DUMP_OPTIONS = sorted(name for name in vars(options) if name.startswith("DUMP_"))
RULER = "-" * 70


@pytest.fixture(autouse=True)
def restored(monkeypatch):
    before = dict(vars(options))
    for name in (
        "is_attached",
        "original_hook",
        "_shell",
        "_use_original_exc_handler",
        "_should_filter_traceback",
        "_use_syntax_highlighting",
    ):
        monkeypatch.setattr(debug, name, getattr(debug, name))
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)
    batching._debug_batch_state.batches.clear()
    yield
    for name, value in before.items():
        setattr(options, name, value)


class Stream(six.StringIO):
    terminal = False

    def isatty(self):
        return self.terminal


@pytest.fixture
def err(monkeypatch):
    stream = Stream()
    monkeypatch.setattr(debug, "stderr", stream)
    return stream


@pytest.fixture
def out(monkeypatch):
    stream = Stream()
    monkeypatch.setattr(debug, "stdout", stream)
    return stream


class Context(AsyncContext):
    def resume(self):
        pass

    def pause(self):
        pass

    def __str__(self):
        return "CONTEXT"


@async_fn()
def child(key):
    with Context():
        value = yield batching.DebugBatchItem("batch", key)
    result(value)


@async_fn()
def fails():
    yield None
    raise ValueError("bad")


@async_fn()
def parent():
    values = yield child.asynq(1), child.asynq(2)
    try:
        yield fails.asynq()
    except ValueError:
        pass
    result(values + (child(3),))


def lines_with(out, *names):
    """What ``parent`` prints with these options on, without the states of tasks."""
    for name in names:
        setattr(options, name, True)
    assert parent() == (1, 2, 3)
    for name in names:
        setattr(options, name, False)
    text = re.sub(r"(@asynq [\w.]+\(\d?\)) \([^()]*(\(.*?\))?[^()]*\)", r"\1", out.getvalue())
    text = text.replace(__name__ + ".", "")
    return text.splitlines()


ITEM = "<class 'asynq.batching.DebugBatchItem'> (isn't computed)"
ITEM_CLASS = "<class 'asynq.batching.DebugBatchItem'>"


# Options


def test_dump_all_sets_and_tells_all_dump_options():
    assert debug.DUMP_ALL() is False
    for _ in range(2):
        debug.DUMP_ALL(True)
        assert all(getattr(options, name) is True for name in DUMP_OPTIONS)
        assert debug.DUMP_ALL() is options.DUMP_ALL() is True
        options.DUMP_STACK = False
        assert debug.DUMP_ALL() is False
        options.DUMP_ALL(False)
        assert not any(getattr(options, name) for name in DUMP_OPTIONS)
        assert debug.DUMP_ALL() is False
    assert options.KEEP_DEPENDENCIES is False


def test_the_options_have_their_defaults():
    assert [name for name in DUMP_OPTIONS if getattr(options, name)] == ["DUMP_PRE_ERROR_STATE"]
    assert {name: value for name, value in vars(options).items() if name not in DUMP_OPTIONS} == {
        "COLLECT_PERF_STATS": False,
        "SCHEDULER_STATE_DUMP_INTERVAL": 1,
        "DEBUG_STR_REPR_MAX_LENGTH": 240,
        "STACK_DUMP_LIMIT": 10,
        "MAX_TASK_STACK_SIZE": 1000000,
        "ENABLE_COMPLEX_ASSERTIONS": True,
        "KEEP_DEPENDENCIES": False,
    }


def test_complex_assertions_are_switched_for_a_block():
    with debug.disable_complex_assertions():
        assert options.ENABLE_COMPLEX_ASSERTIONS is False
        with debug.enable_complex_assertions():
            assert options.ENABLE_COMPLEX_ASSERTIONS is True
        assert options.ENABLE_COMPLEX_ASSERTIONS is False
    assert options.ENABLE_COMPLEX_ASSERTIONS is True
    with debug.enable_complex_assertions(False):
        assert options.ENABLE_COMPLEX_ASSERTIONS is False


# What each option prints


def test_dump_new_tasks(out):
    assert lines_with(out, "DUMP_NEW_TASKS") == [
        "@async: new task: @asynq parent(), created by None",
        "@async: new task: @asynq child(1), created by @asynq parent()",
        "@async: new task: @asynq child(2), created by @asynq parent()",
        "@async: new task: @asynq fails(), created by @asynq parent()",
        "@async: new task: @asynq child(3), created by @asynq parent()",
    ]


def test_dump_sync_calls(out):
    assert lines_with(out, "DUMP_SYNC_CALLS") == [
        "@async: @asynq child(3) called synchronously from @asynq parent()",
    ]


def test_dump_continue_task(out):
    def continued(name):
        return ["@async: -> continuing @asynq " + name, "@async: <- continued @asynq " + name]

    assert lines_with(out, "DUMP_CONTINUE_TASK") == (
        continued("parent()")
        + (continued("child(1)") + continued("child(2)")) * 2
        + continued("parent()")
        + continued("fails()")
        # The body went on at once after its ``yield None``.
        + continued("fails()")[1:]
        + ["@async: -> continuing @asynq parent()"]
        + continued("child(3)") * 2
        + ["@async: <- continued @asynq parent()"]
    )


def test_dump_schedule_task_and_dump_dependencies(out):
    needs = [
        ("parent()", "@asynq child(1)"),
        ("parent()", "@asynq child(2)"),
        ("child(1)", ITEM),
        ("child(2)", ITEM),
        ("parent()", "@asynq fails()"),
        ("child(3)", ITEM),
    ]
    expected = []
    for task, dependency in needs:
        expected.append("@async: scheduling task %s" % dependency)
        expected.append("@async: +dependency: @asynq %s needs %s" % (task, dependency))
    assert lines_with(out, "DUMP_SCHEDULE_TASK", "DUMP_DEPENDENCIES") == expected


def test_a_computed_future_is_not_scheduled(out):
    @async_fn()
    def task():
        yield ConstFuture(1)

    options.DUMP_SCHEDULE_TASK = options.DUMP_DEPENDENCIES = True
    task()
    assert out.getvalue() == ""


def test_dump_yield_results(out):
    task = "<class 'asynq.async_task.AsyncTask'> (isn't computed)"
    assert lines_with(out, "DUMP_YIELD_RESULTS") == [
        "@async: yield: @asynq parent() -> (%s, %s)" % (task, task),
        "@async: yield: @asynq child(1) -> " + ITEM,
        "@async: yield: @asynq child(2) -> " + ITEM,
        "@async: yield: @asynq parent() -> " + task,
        "@async: yield: @asynq fails() -> None",
        "@async: yield: @asynq child(3) -> " + ITEM,
    ]


def test_dump_queued_results(out):
    assert lines_with(out, "DUMP_QUEUED_RESULTS") == [
        "@async: queuing exit: 1 <- @asynq child(1)",
        "@async: queuing exit: 2 <- @asynq child(2)",
        "@async: queuing throw error: %r <-x- @asynq fails()" % ValueError("bad"),
        "@async: queuing exit: 3 <- @asynq child(3)",
        "@async: queuing exit: (1, 2, 3) <- @asynq parent()",
    ]


def test_dump_computed(out):
    assert lines_with(out, "DUMP_COMPUTED") == [
        "@async: computed %s (computed, = 1)" % ITEM_CLASS,
        "@async: computed %s (computed, = 2)" % ITEM_CLASS,
        "@async: computed asynq.batching.DebugBatch (flushed, 2 items)",
        "@async: computed @asynq child(1)",
        "@async: computed @asynq child(2)",
        "@async: computed @asynq fails()",
        "@async: computed %s (computed, = 3)" % ITEM_CLASS,
        "@async: computed asynq.batching.DebugBatch (flushed, 1 items)",
        "@async: computed @asynq child(3)",
        "@async: computed @asynq parent()",
    ]


def test_dump_computed_shows_futures_of_all_kinds(out):
    options.DUMP_COMPUTED = True
    ConstFuture(1)
    ErrorFuture(KeyError())
    FutureBase().set_value(2)
    assert out.getvalue().splitlines() == [
        "@async: computed <class 'asynq.futures.ConstFuture'> (computed, = 1)",
        "@async: computed <class 'asynq.futures.ErrorFuture'> (computed, error = KeyError())",
        "@async: computed <class 'asynq.futures.FutureBase'> (computed, = 2)",
    ]


def test_dump_exceptions(out, err):
    assert lines_with(out, "DUMP_EXCEPTIONS") == []
    printed = err.getvalue().splitlines()
    assert printed[:2] == ["", "Traceback (most recent call last):"]
    assert printed[2].endswith("in fails")
    assert printed[3:] == ['    raise ValueError("bad")', "ValueError: bad"]


def test_dump_contexts(out):
    assert lines_with(out, "DUMP_CONTEXTS") == [
        "@async: +context: CONTEXT",
        "@async: +context: CONTEXT",
        "@async: -context: CONTEXT",
        "@async: -context: CONTEXT",
        "@async: +context: CONTEXT",
        "@async: -context: CONTEXT",
    ]


def test_dump_schedule_batch(out):
    batch = "asynq.batching.DebugBatch (pending, 1 items)"
    assert lines_with(out, "DUMP_SCHEDULE_BATCH") == ["@async: scheduling batch " + batch] * 2


def flushes(*stacks):
    lines = []
    for size, stack in zip((2, 1), stacks):
        lines += ["@async: -> batch flush:"]
        lines += ["        asynq.batching.DebugBatch (pending, %d items)" % size]
        lines += ["          Priority: (0, %d)" % size, "          Items:"]
        lines += ["            " + ITEM] * size
        lines += stack
        lines += ["@async: <- batch flushed: asynq.batching.DebugBatch (flushed, 0 items)"]
    return lines


def test_dump_flush_batch(out):
    assert lines_with(out, "DUMP_FLUSH_BATCH") == flushes([], [])


def test_dump_stack_shows_the_users_frames_at_each_flush(out):
    options.STACK_DUMP_LIMIT = 2
    lines = lines_with(out, "DUMP_FLUSH_BATCH", "DUMP_STACK")
    functions = []
    for line in lines:
        if line.startswith("  File"):
            functions.append(line.rpartition(" in ")[2])
    assert functions == ["test_dump_stack_shows_the_users_frames_at_each_flush", "lines_with"] + [
        "lines_with",
        "parent",
    ]
    assert lines.count(RULER) == 2
    assert lines.count("--- Stack trace: " + "-" * 53) == 2


def test_dump_stack_alone_prints_nothing(out):
    assert lines_with(out, "DUMP_STACK") == []


def test_dump_sync_shows_flushed_and_cancelled_debug_batches(out):
    assert lines_with(out, "DUMP_SYNC") == [
        "@async.debug.sync: flushing batch 'batch' (0)",
        "@async.debug.sync: flushing batch 'batch' (1)",
    ]
    out.truncate(0)
    out.seek(0)
    options.DUMP_SYNC = True
    debug.sync("tag").batch.cancel()
    debug.sync("tag").value()
    Client().get(1).value()
    assert out.getvalue().splitlines() == [
        "@async.debug.sync: cancelling batch 'sync-tag' (0)",
        "@async.debug.sync: flushing batch 'sync-tag' (1)",
    ]


def test_dump_scheduler_state_is_as_rare_as_its_interval(out):
    options.SCHEDULER_STATE_DUMP_INTERVAL = 0
    text = "\n".join(lines_with(out, "DUMP_SCHEDULER_STATE"))
    assert text.count("<class 'asynq.scheduler.TaskScheduler'>") >= 4
    out.truncate(0)
    out.seek(0)
    options.SCHEDULER_STATE_DUMP_INTERVAL = utime()
    assert lines_with(out, "DUMP_SCHEDULER_STATE") == []


def test_nothing_is_printed_unless_it_is_asked_for(out, err):
    assert lines_with(out) == []
    assert err.getvalue() == ""


# Options change nothing but what is printed


def test_all_options_together_change_no_result(out, err):
    options.DUMP_ALL(True)
    options.COLLECT_PERF_STATS = True
    assert parent() == (1, 2, 3)
    with pytest.raises(ValueError):
        fails()


@pytest.mark.parametrize("name", DUMP_OPTIONS + ["COLLECT_PERF_STATS", "all"])
@pytest.mark.parametrize("step", range(8))
@pytest.mark.parametrize("on", [False, True])
def test_an_option_can_be_switched_at_any_time(out, err, name, step, on):
    client = Client()
    steps = []

    def switch(value):
        if name == "all":
            options.DUMP_ALL(value)
        else:
            setattr(options, name, value)

    def passed():
        steps.append(len(steps))
        if steps[-1] == step:
            switch(on)

    class Switching(Context):
        def resume(self):
            passed()

        def pause(self):
            passed()

    @async_fn()
    def inner(key):
        with Switching():
            value = yield client.get(key)
            passed()
        result(value)

    @async_fn()
    def outer():
        values = yield inner.asynq(1), inner.asynq(2)
        result(values + (inner(3),))

    switch(not on)
    assert outer() == (("client", 1), ("client", 2), ("client", 3))
    assert client.requests == [[1, 2], [3]]
    assert len(steps) > step
    switch(False)
    # Whatever was going on when it was switched, nothing is left of it.
    assert outer()[2] == ("client", 3)


def test_an_error_in_what_is_printed_is_reported_and_changes_nothing(out, err):
    class Unprintable(Batch):
        def dump(self, indent=0):
            raise KeyError("no dump")

    client = Client()
    client.current_batch = Unprintable(client)

    @async_fn()
    def task():
        result((yield client.get(1)))

    options.DUMP_FLUSH_BATCH = True
    assert task() == ("client", 1)
    assert err.getvalue().startswith(
        "exception ignored in asynq, raised by a dump: KeyError('no dump'"
    )


def test_an_observer_of_the_users_own_stays_when_options_change(monkeypatch):
    class Mine(asynq._debug.Observer):
        pass

    monkeypatch.setattr(asynq._debug.watch, "observer", None)
    mine = Mine()
    asynq._debug.watch.observer = mine
    options.STACK_DUMP_LIMIT = 5
    assert asynq._debug.watch.observer is mine
    assert parent() == (1, 2, 3)


# Stacks


def test_the_asynq_stack_goes_from_the_outermost_creator_to_the_active_task(capsys):
    stacks = []

    @async_fn()
    def inner():
        stacks.append(debug.format_asynq_stack())
        debug.dump_asynq_stack()
        yield None

    @async_fn()
    def outer():
        yield inner.asynq()
        inner()

    outer()
    assert len(stacks) == 2
    for stack, line in zip(stacks, ("yield inner.asynq()", "inner()")):
        first, second = [entry.splitlines() for entry in stack]
        assert re.match(r'File ".*test_debug.py", line \d+, in outer$', first[0])
        assert first[1] == "    " + line
        assert re.match(r'File ".*test_debug.py", line \d+, in inner$', second[0])
        assert second[1] == "    stacks.append(debug.format_asynq_stack())"
    printed = capsys.readouterr()[0].splitlines()
    assert len(printed) == 8
    assert printed[:2] == stacks[0][0].splitlines()
    assert printed[3] == "    debug.dump_asynq_stack()"


def test_a_task_of_a_plain_function_has_one_line_in_the_stack():
    @async_fn()
    def plain():
        return debug.format_asynq_stack()

    (entry,) = plain()
    assert "plain()" in entry
    assert "\n" not in entry


def test_outside_of_tasks_there_is_no_asynq_stack(capsys):
    assert debug.format_asynq_stack() is None
    debug.dump_asynq_stack()
    assert capsys.readouterr()[0] == "dump_asynq_stack: no asynq task currently active\n"


def test_dump_stack_skips_and_limits(out):
    def inner(**kwargs):
        debug.dump_stack(**kwargs)

    inner(limit=1)
    inner(skip=1, limit=1)
    lines = out.getvalue().splitlines()
    assert [line.rpartition(" in ")[2] for line in lines if line.startswith("  File")] == [
        "inner",
        "test_dump_stack_skips_and_limits",
    ]
    assert lines[0] == "--- Stack trace: " + "-" * 53
    assert lines[3] == RULER


def test_dump_stack_has_a_limit_by_default(out):
    def entries_at_depth(depth):
        if depth:
            # In between, because equal entries are printed only three times.
            return (lambda: entries_at_depth(depth - 1))()
        out.truncate(0)
        debug.dump_stack()
        return out.getvalue().count("  File ")

    assert entries_at_depth(30) == 10
    options.STACK_DUMP_LIMIT = None
    assert entries_at_depth(30) > 30


def test_dump_prints_a_state_before_an_error(out):
    class State(object):
        def dump(self):
            debug.write("STATE")

    debug.dump(State())
    assert out.getvalue().splitlines() == [
        "",
        "--- Pre-error state dump: " + "-" * 44,
        "STATE",
        RULER,
        "",
    ]
    options.DUMP_PRE_ERROR_STATE = False
    debug.dump(None)


def test_get_frame_is_where_a_generator_stands():
    def generator():
        yield 1

    suspended = generator()
    assert debug.get_frame(suspended).f_code.co_name == "generator"
    list(suspended)
    assert debug.get_frame(suspended) is None
    assert debug.get_frame(None) is None


# Errors


@async_fn()
def innermost():
    raise KeyError("a")
    yield


@async_fn()
def outermost():
    yield innermost.asynq()


def caught_from(fn, *args):
    try:
        fn(*args)
    except Exception as error:
        return error, sys.exc_info()[2]


def functions_in(text):
    return re.findall(r'^  File ".*", line \d+, in (.*)$', text, re.MULTILINE)


def test_an_error_is_formatted_with_each_async_level_once():
    error, tb = caught_from(outermost)
    text = debug.format_error(error, tb)
    assert text.startswith("Traceback (most recent call last):\n")
    assert functions_in(text) == ["caught_from", "outermost", "innermost"]
    assert text.endswith("KeyError: 'a'\n")
    del tb


def test_an_error_that_has_left_a_task_brings_its_own_traceback():
    error, _ = caught_from(outermost)
    assert functions_in(debug.format_error(error))[-2:] == ["outermost", "innermost"]


def test_an_error_without_traceback_is_one_line():
    assert debug.format_error(ValueError("a")) == "ValueError: a\n"
    assert debug.format_error(None) is None


@pytest.mark.skipif(six.PY2, reason="errors are not chained")
def test_errors_are_formatted_with_those_they_were_raised_during():
    @async_fn()
    def replaces():
        try:
            yield innermost.asynq()
        except KeyError:
            raise ValueError("b")

    error, tb = caught_from(replaces)
    text = debug.format_error(error, tb)
    first, second = text.split(
        "\nDuring handling of the above exception, another exception occurred:\n\n"
    )
    assert functions_in(first)[-1] == "innermost"
    assert functions_in(second)[-1] == "replaces"
    assert "asynq/" not in re.sub(r"\S*test_debug\S*", "", text).replace("\\", "/")


def raises_in_the_library():
    ConstFuture(1).set_value(2)


def test_library_frames_are_left_out_unless_they_are_wanted():
    error, tb = caught_from(raises_in_the_library)
    expected = ["caught_from", "raises_in_the_library"]
    assert functions_in(debug.format_error(error, tb)) == expected
    debug.enable_filter_traceback(False)
    assert functions_in(debug.format_error(error, tb)) == expected + ["set_value"]
    debug.enable_filter_traceback(True)
    assert functions_in(debug.format_error(error, tb)) == expected


def test_dump_error_prints_on_stderr(err):
    debug.dump_error(ValueError("a"))
    assert err.getvalue() == "\nValueError: a\n"


def test_dump_error_prints_that_there_is_none(err):
    debug.dump_error(None)
    assert err.getvalue() == "\nNo error"


def test_colours_are_used_only_on_a_terminal(err):
    pytest.importorskip("pygments")
    error, tb = caught_from(outermost)
    assert "\x1b[" not in debug.format_error(error, tb)
    err.terminal = True
    assert "\x1b[" in debug.format_error(error, tb)
    debug.dump_error(error, tb)
    assert "\x1b[" in err.getvalue()
    debug.enable_traceback_syntax_highlight(False)
    assert "\x1b[" not in debug.format_error(error, tb)
    debug.enable_traceback_syntax_highlight(True)
    assert debug.format_error(None) is None


def test_a_stream_that_knows_nothing_of_terminals_gets_no_colours(monkeypatch):
    class Minimal(object):
        text = ""

        def write(self, text):
            self.text += text

        def flush(self):
            pass

    monkeypatch.setattr(debug, "stderr", Minimal())
    debug.dump_error(ValueError("a"))
    assert debug.stderr.text == "\nValueError: a\n"


def test_without_pygments_there_are_no_colours(monkeypatch):
    monkeypatch.setitem(sys.modules, "pygments", None)
    assert debug.syntax_highlight_tb("text") == "text"


def test_a_log_formatter_formats_errors_without_colours(err):
    err.terminal = True
    formatter = debug.AsynqStackTracebackFormatter()
    try:
        outermost()
    except KeyError:
        info = sys.exc_info()
    text = formatter.formatException(info)
    assert functions_in(text)[-2:] == ["outermost", "innermost"]
    assert "\x1b[" not in text
    stream = Stream()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(formatter)
    handler.handle(logging.LogRecord("name", logging.ERROR, "", 1, "message", (), info))
    assert stream.getvalue() == "message\n" + text + "\n"
    assert formatter.formatException((None, None, None)) is None
    del info


# Tracebacks


def hidden_by_a_local():
    __traceback_hide__ = True
    raise ValueError("a")


def not_hidden():
    __traceback_hide__ = 1
    hidden_by_a_local()


def test_hidden_frames_are_not_extracted():
    _, tb = caught_from(raises_in_the_library)
    assert [entry[2] for entry in debug.extract_tb(tb)] == ["caught_from", "raises_in_the_library"]
    _, tb = caught_from(not_hidden)
    entries = debug.extract_tb(tb)
    assert [entry[2] for entry in entries] == ["caught_from", "not_hidden"]
    path, line, _, source = entries[1]
    assert path == not_hidden.__code__.co_filename
    assert line == not_hidden.__code__.co_firstlineno + 2
    assert source == "hidden_by_a_local()"
    assert debug.format_tb(tb) == traceback.format_list(entries)
    assert debug.extract_tb(None) == []


def test_a_source_line_that_is_not_to_be_had_is_none():
    namespace = {}
    exec(compile("def fn(): raise ValueError", "<nowhere>", "exec"), namespace)
    _, tb = caught_from(namespace["fn"])
    assert debug.extract_tb(tb)[1] == ("<nowhere>", 1, "fn", None)


def recursive(depth):
    if depth == 0:
        raise ValueError
    recursive(depth - 1)


def test_as_many_frames_are_extracted_as_asked_for(monkeypatch):
    _, tb = caught_from(recursive, 5)
    assert len(debug.extract_tb(tb)) == 7
    assert len(debug.extract_tb(tb, limit=2)) == 2
    monkeypatch.setattr(sys, "tracebacklimit", 3, raising=False)
    assert len(debug.extract_tb(tb)) == 3
    assert len(debug.extract_tb(tb, limit=5)) == 5


CONTINUE = [
    "asynq.async_task.AsyncTask._continue",
    "asynq.async_task.AsyncTask._continue_on_generator",
    "asynq.async_task.AsyncTask._continue_on_generator",
]
RAISE = [
    "asynq.decorators.AsyncDecorator.__call__",
    "asynq.futures.FutureBase.value",
    "asynq.futures.FutureBase.value",
    "asynq.futures.FutureBase.raise_if_error",
    "reraise",
    "six.reraise",
    "reraise",
    "value",
]
PURE = [
    "asynq.decorators.AsyncDecorator.asynq",
    "asynq.decorators.AsyncProxyDecorator._call_pure",
    "asynq.decorators.AsyncProxyDecorator._call_pure",
    "asynq.decorators.AsyncProxyDecorator._call_pure",
    "asynq.decorators.async_call",
]


@pytest.mark.parametrize(
    "run, replacement",
    [
        (CONTINUE, "  ___asynq_continue___\n"),
        (RAISE, "  ___asynq_future_raise_if_error___\n"),
        (PURE, "  ___asynq_call_pure___\n"),
    ],
)
def test_runs_of_compiled_frames_are_replaced(run, replacement):
    lines = ['  File "asynq.py", line 1, in %s\n' % name for name in run]
    assert debug.filter_traceback(lines) == [replacement]
    assert debug.filter_traceback(["a"] + lines + lines + ["b"]) == (
        ["a", replacement, replacement, "b"]
    )
    assert debug.filter_traceback(lines[:-1]) == lines[:-1]
    assert debug.filter_traceback(lines[:-1] + ["other"]) == lines[:-1] + ["other"]
    assert debug.filter_traceback([]) == []


# Printing


def test_write_indents_every_line(out):
    debug.write("a")
    debug.write("a\nb", 2)
    debug.write("\na\nb", indent=1)
    assert out.getvalue() == "a\n    a\n    b\n\n  a\n  b\n"


def test_streams_are_looked_up_when_printing(monkeypatch):
    for _ in range(2):
        out, err = Stream(), Stream()
        monkeypatch.setattr(sys, "stdout", out)
        monkeypatch.setattr(sys, "stderr", err)
        debug.write("a")
        debug.dump_error(None)
        ConstFuture(1).dump()
        assert out.getvalue() == "a\n<class 'asynq.futures.ConstFuture'> (computed, = 1)\n"
        assert err.getvalue() == "\nNo error"


def test_streams_of_the_module_are_those_of_the_whole_library(out, err):
    ConstFuture(1).dump()
    assert out.getvalue() == "<class 'asynq.futures.ConstFuture'> (computed, = 1)\n"

    def handler(future):
        raise KeyError("a")

    future = FutureBase()
    future.on_computed.subscribe(handler)
    future.set_value(1)
    assert "KeyError: 'a'\n" in err.getvalue()


class Unprintable(object):
    def __repr__(self):
        raise ValueError("no")

    __str__ = __repr__


def test_str_and_repr_never_raise():
    assert debug.str(Unprintable()) == "<n/a: str(...) raised no>"
    assert debug.repr(Unprintable()) == "<n/a: repr(...) raised no>"
    assert debug.str("a") == "a"
    assert debug.repr("a") == "'a'"


def test_str_and_repr_are_cut():
    assert debug.str("a" * 241) == "a" * 237 + "..."
    assert debug.repr("a" * 241) == "'" + "a" * 236 + "..."
    assert debug.str("a" * 240) == "a" * 240
    assert debug.str("a" * 241, truncate=False) == "a" * 241
    assert len(debug.repr("a" * 241, truncate=False)) == 243
    options.DEBUG_STR_REPR_MAX_LENGTH = 0
    assert debug.str("a" * 241) == "a" * 241


# The exception hook


@pytest.fixture
def hook_calls(monkeypatch):
    """What the hook that was there before ours was called with."""
    calls = []
    debug.is_attached = False
    sys.excepthook = lambda *args: calls.append(args)
    debug.attach_exception_hook()
    assert sys.excepthook is debug.async_exception_hook
    assert debug.is_attached
    return calls


def test_an_error_of_a_task_is_printed_and_then_given_to_the_former_hook(err, hook_calls):
    error, tb = caught_from(outermost)
    sys.excepthook(type(error), error, tb)
    assert functions_in(err.getvalue()) == ["caught_from", "outermost", "innermost"]
    assert err.getvalue().count("KeyError: 'a'") == 1
    assert hook_calls == [(KeyError, error, tb)]


def test_any_other_error_is_only_given_to_the_former_hook(err, hook_calls):
    error, tb = caught_from(recursive, 1)
    sys.excepthook(type(error), error, tb)
    assert err.getvalue() == ""
    assert hook_calls == [(ValueError, error, tb)]


@pytest.mark.parametrize("wanted", [False, True])
def test_pythons_own_hook_is_not_called_for_an_error_of_a_task(monkeypatch, err, wanted):
    calls = []
    monkeypatch.setattr(sys, "__excepthook__", lambda *args: calls.append(args))
    debug.is_attached = False
    sys.excepthook = sys.__excepthook__
    debug.attach_exception_hook()
    debug.enable_original_exc_handler(wanted)
    error, tb = caught_from(outermost)
    sys.excepthook(type(error), error, tb)
    assert err.getvalue().count("KeyError: 'a'") == 1
    assert calls == ([(KeyError, error, tb)] if wanted else [])


def test_the_hook_works_when_it_is_called_without_being_attached(monkeypatch, err):
    calls = []
    monkeypatch.setattr(sys, "__excepthook__", lambda *args: calls.append(args))
    debug.original_hook = None
    debug.async_exception_hook(ValueError, ValueError("a"), None)
    assert len(calls) == 1


def test_attaching_twice_prints_a_warning(err, hook_calls):
    debug.attach_exception_hook()
    assert err.getvalue() == "Warning: async exception hook was already attached.\n"


def test_detaching_puts_back_the_former_hook(hook_calls):
    former = debug.original_hook
    debug.detach_exception_hook()
    assert sys.excepthook is former
    assert not debug.is_attached
    with pytest.raises(AssertionError) as caught:
        debug.detach_exception_hook()
    assert "Async exception hook wasn't attached." in str(caught.value)


class Shell(object):
    """What we use of an IPython shell."""

    def __init__(self):
        self.custom = ((), None)
        self.shown = []

    def set_custom_exc(self, classes, handler):
        self.custom = (classes, handler)

    def showtraceback(self, exc_tuple, tb_offset=None):
        self.shown.append((exc_tuple, tb_offset))


@pytest.fixture
def shell(monkeypatch):
    shell = Shell()
    monkeypatch.setattr(six.moves.builtins, "get_ipython", lambda: shell, raising=False)
    debug.is_attached = False
    debug.original_hook = None
    debug.attach_exception_hook()
    return shell


def test_in_ipython_the_handler_is_that_of_the_shell(monkeypatch, shell):
    assert shell.custom == ((BaseException,), debug.ipython_custom_exception_handler)
    assert sys.excepthook is not debug.async_exception_hook or debug.original_hook is None
    # It is the shell that it was attached to, also if that is no longer the current one.
    monkeypatch.delattr(six.moves.builtins, "get_ipython")
    debug.detach_exception_hook()
    assert shell.custom == ((), None)
    assert not debug.is_attached


@pytest.mark.parametrize("wanted", [False, True])
def test_in_ipython_an_error_of_a_task_is_printed(err, shell, wanted):
    debug.enable_original_exc_handler(wanted)
    error, tb = caught_from(outermost)
    debug.ipython_custom_exception_handler(shell, KeyError, error, tb, tb_offset=1)
    assert functions_in(err.getvalue()) == ["caught_from", "outermost", "innermost"]
    assert shell.shown == ([((KeyError, error, tb), 1)] if wanted else [])


def test_in_ipython_any_other_error_is_shown_by_the_shell(err, shell):
    error, tb = caught_from(recursive, 1)
    debug.ipython_custom_exception_handler(shell, ValueError, error, tb)
    assert err.getvalue() == ""
    assert shell.shown == [((ValueError, error, tb), None)]


def test_sync_is_the_barrier_of_batching():
    assert debug.sync is batching.sync


@pytest.mark.skipif(
    not hasattr(threading, "__excepthook__"),
    reason="threads have an exception hook since 3.8, which can be put back since 3.10",
)
def test_a_dying_thread_shows_no_frames_of_the_library_if_its_hook_is_set_so(capsys, monkeypatch):
    @asynq.asynq()
    def fails():
        yield None
        raise ValueError("in a thread")

    def die():
        thread = threading.Thread(target=fails)
        thread.start()
        thread.join()
        return capsys.readouterr().err

    def hook(args):  # as docs/reliability.rst says
        asynq.debug.dump_error(args.exc_value, args.exc_traceback)

    library = os.path.dirname(asynq.__file__) + os.sep
    monkeypatch.setattr(threading, "excepthook", threading.__excepthook__)
    assert library in die()
    monkeypatch.setattr(threading, "excepthook", hook)
    text = die()
    assert library not in text
    assert "in fails" in text and text.endswith("ValueError: in a thread\n")
