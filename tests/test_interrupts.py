"""A Ctrl-C may come at any moment: it is raised, and afterwards everything is as it was.

Python lets the handler of a signal raise only at certain points. Since 3.10 they are: where a
function begins, after a call, and where a loop jumps back. Before, and in PyPy, they are between
almost any two bytecodes, but not right before a ``try`` or a ``with`` takes hold. The first tests
raise a KeyboardInterrupt at such points, one after the other, so that what fails can be repeated:

* on every Python where a function begins, where it has returned and after each call of a builtin;
* where a loop jumps back, or, on the older ones, at every bytecode (3.7 to 3.9), at every line
  (2.7, 3.6, PyPy).

Left out is what runs as a callback of a weak reference: Python prints what is raised there, and
drops it. The last test sends real signals, at random moments.

"""

import dis
import gc
import os
import platform
import random
import signal
import subprocess
import sys
import time

import pytest
import qcore
import six

import asynq
from asynq import AsyncContext, AsyncScopedValue, async_override, mock, scheduler
from asynq.contexts import NonAsyncContext
from asynq.tools import (
    AsyncTimer,
    acached_per_instance,
    alazy_constant,
    alru_cache,
    deduplicate,
)

from . import test_faults
from .helpers import Client, Recorded
from .test_faults import (
    PROGRAMS,
    World,
    assert_all_is_as_it_was,
    assert_nothing_is_left,
    caches,
    collector_off,  # noqa: F401 (a fixture)
    run,
)

__traceback_hide__ = True  # as a handler of signals that is written in C

PYPY = platform.python_implementation() == "PyPy"
BETWEEN_BYTECODES = sys.version_info < (3, 10) or PYPY
TRACES_BYTECODES = BETWEEN_BYTECODES and not PYPY and sys.version_info >= (3, 7)

BEFORE_3_11 = sys.version_info < (3, 11) or PYPY

# So many moments of each program are tried, spread over all of it. Fewer on the old Pythons, where
# there are more and looking at all of them is slow.
MOMENTS = 120 if BETWEEN_BYTECODES else 500

NO_POINTS = {
    dis.opmap.get(name)
    for name in (
        "SETUP_FINALLY",
        "SETUP_EXCEPT",
        "SETUP_LOOP",
        "SETUP_WITH",
        "BEFORE_ASYNC_WITH",
        "YIELD_FROM",
    )
}

GENERATOR = 0x20  # in ``co_flags``

INTERRUPTIBLE = tuple(
    os.path.splitext(path)[0]
    for path in (
        os.path.dirname(asynq.__file__) + os.sep,
        os.path.dirname(qcore.__file__) + os.sep,
        test_faults.__file__,
    )
)

# A callback of a weak reference; and what a compiled qcore calls where nothing can be raised.
NOT_INTERRUPTIBLE = ("forget", "__setattr__")


class Interrupter(object):
    """Calls something, and raises a KeyboardInterrupt at the point number ``at`` of that."""

    def __init__(self, fn, at=0, paths=INTERRUPTIBLE):
        self.fn = fn
        self.at = at
        self.paths = paths
        self.points = 0
        # The function that was interrupted, and where.
        self.function = self.place = None
        self._known = {}
        self._last = {}

    def __call__(self, *args):
        former = sys.gettrace()  # that of a measurement of coverage
        sys.settrace(self._trace_frame)
        sys.setprofile(self._profile)
        try:
            return self.fn(*args)
        finally:
            sys.setprofile(None)
            sys.settrace(former)

    def _profile(self, frame, event, arg):
        if self._is_interruptible(frame.f_code):
            is_generator = frame.f_code.co_flags & GENERATOR
            if event == "c_return":
                self._reach(frame, event)
            # Before 3.11, what is raised here is raised before the generator goes on, and ends it
            # without its ``finally``, which no signal does.
            elif event == "call" and not (is_generator and BEFORE_3_11):
                self._reach(frame, event)
            # What has been yielded is not returned, and the generator lives on.
            elif event == "return" and not is_generator:
                self._reach(frame, event)

    def _trace_frame(self, frame, event, arg):
        if not self._is_interruptible(frame.f_code):
            return None
        if TRACES_BYTECODES:
            frame.f_trace_opcodes = True
        self._last[id(frame)] = -1
        return self._trace

    def _trace(self, frame, event, arg):
        if event == ("opcode" if TRACES_BYTECODES else "line"):
            at, last = frame.f_lasti, self._last[id(frame)]
            self._last[id(frame)] = at
            if BETWEEN_BYTECODES:
                wanted = six.indexbytes(frame.f_code.co_code, at) not in NO_POINTS
            else:
                wanted = at <= last
            if wanted:
                self._reach(frame, event)
        return self._trace

    def _is_interruptible(self, code):
        known = self._known.get(code)
        if known is None:
            known = self._known[code] = (
                code.co_filename.startswith(self.paths) and code.co_name not in NOT_INTERRUPTIBLE
            )
        return known

    def _reach(self, frame, event):
        self.points += 1
        if self.points == self.at:
            self.function = frame.f_code.co_name
            self.place = "%s:%d %s" % (frame.f_code.co_filename, frame.f_lineno, event)
            raise KeyboardInterrupt()


def every_moment(fn, **options):
    """Interrupters for ``fn``, each of which will interrupt it at another moment."""
    whole = Interrupter(fn, **options)
    yield whole
    step = max(1, whole.points // MOMENTS)
    for at in range(1, whole.points + 1, step):
        yield Interrupter(fn, at, **options)


# Programs


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.fn.__name__)
def test_after_an_interrupt_anywhere_everything_is_as_it_was(program, capsys):
    for interrupter in every_moment(program):
        world = World()
        raised = run(interrupter, world)
        if interrupter.place is None:
            assert raised is None and interrupter.at == 0
        else:
            assert raised is KeyboardInterrupt or hasattr(world, "caught"), interrupter.place
        assert_all_is_as_it_was(world)
        del world
        if not BEFORE_3_11:
            assert_nothing_is_left()
        elif not PYPY:
            gc.collect()  # there, a frame that is traced keeps its variables
    gc.collect()  # PyPy: each time would take ten times as long as all the rest
    assert interrupter.points > 300


@pytest.mark.skipif(
    not hasattr(dis, "_parse_exception_table"), reason="before 3.11 there is no such table"
)
def test_the_loop_can_be_interrupted_wherever_it_jumps_back():
    # The points above are where it jumps to. Python 3.12 and 3.13 leave some jumps out of the table
    # that leads to the handlers, and a signal is raised at the jump itself.
    code = scheduler.run.__code__
    table = dis._parse_exception_table(code)
    jumps = [
        instruction.offset
        for instruction in dis.get_instructions(code)
        if instruction.opname == "JUMP_BACKWARD"
    ]
    assert len(jumps) > 3
    assert [at for at in jumps if not any(entry.start <= at < entry.end for entry in table)] == []


@pytest.mark.parametrize("decorator", ["alru_cache", "alazy_constant", "deduplicate", "method"])
def test_after_an_interrupt_nothing_is_under_way_in_a_cache(decorator):
    for interrupter in every_moment(lambda fn: fn()):
        clients = [Client()]
        fn = cached(decorator, clients)
        try:
            interrupter(fn)
        except KeyboardInterrupt:
            pass
        clients[0] = Client()  # the old one may hold an item that was interrupted when it was made
        assert fn() == ("client", 1), interrupter.place
        assert not getattr(getattr(fn, "decorator", fn), "_under_way", None), interrupter.place
    assert interrupter.points > 50


def cached(decorator, clients):
    @asynq.asynq()
    def load(self=None):
        raise asynq.AsyncTaskResult((yield clients[0].get(1)))

    if decorator == "alru_cache":
        return alru_cache()(load)
    if decorator == "alazy_constant":
        return alazy_constant()(load)
    if decorator == "deduplicate":
        return deduplicate()(load)

    class Loader(object):
        method = acached_per_instance()(load)

    return Loader().method


# Tasks that have their value already


@asynq.asynq()
def interrupted():
    raise KeyboardInterrupt()


@asynq.asynq()
def computes_itself_and_yields():
    asynq.get_active_task().set_value("early")
    interrupted()
    yield None


@asynq.asynq()
def computes_itself():
    asynq.get_active_task().set_value("early")
    interrupted()


@pytest.mark.parametrize("fn", [computes_itself_and_yields, computes_itself])
def test_a_task_is_computed_once_though_an_interrupt_ends_its_body_after_that(fn):
    log = []
    task = fn.asynq()
    task.on_computed.subscribe(lambda task: log.append(task.value()))
    with pytest.raises(KeyboardInterrupt):
        task.value()
    assert log == ["early"]
    assert task._has_ended()


def test_all_hear_of_a_value_though_an_interrupt_comes_while_the_body_is_closed_for_it():
    log = []

    @asynq.asynq()
    def closed():
        try:
            yield asynq.FutureBase()
        finally:
            interrupted()

    @asynq.asynq()
    def give(task):
        with pytest.raises(KeyboardInterrupt):
            task.set_value("given")

    @asynq.asynq()
    def root():
        task = closed.asynq()
        task.on_computed.subscribe(lambda task: log.append(task.value()))
        asynq.result((yield task, give.asynq(task))[0])

    assert root() == "given"
    assert log == ["given"]


# Contexts


class Interrupted(Recorded):
    """Raises ``error`` once, in the middle of the method ``where``."""

    error = KeyboardInterrupt

    def __init__(self, log, where):
        super(Interrupted, self).__init__(log, "context")
        self.where = where

    def interrupt(self, where):
        if self.where == where:
            self.where = None
            raise self.error()

    def resume(self):
        super(Interrupted, self).resume()
        if len(self.log) > 1 or self.where == "__enter__":
            self.interrupt("resume" if len(self.log) > 1 else "__enter__")

    def pause(self):
        self.interrupt("pause")
        self.log.append("-context")
        self.active = False


@asynq.asynq()
def load_in(context, client):
    with context:
        value = yield client.get(1)
    raise asynq.AsyncTaskResult(value)


@pytest.mark.parametrize("where", ["__enter__", "resume", "pause"])
def test_a_context_whose_switch_is_interrupted_is_paused_once_more(where):
    context = Interrupted([], where)
    with pytest.raises(KeyboardInterrupt):
        load_in(context, Client())
    assert not context.active
    assert context.log[-1] == "-context"
    assert load_in(context, Client()) == ("client", 1)


@pytest.mark.parametrize("where", ["__enter__", "resume", "pause"])
def test_a_context_whose_switch_fails_is_not_paused_once_more(where):
    context = Interrupted([], where)
    context.error = ValueError
    with pytest.raises(ValueError):
        load_in(context, Client())
    entered, left = context.log.count("+context"), context.log.count("-context")
    assert left == entered - 1


def test_a_context_object_can_be_entered_again_after_an_interrupt_anywhere():
    for interrupter in every_moment(load_in, paths=INTERRUPTIBLE + (__file__[:-3],)):
        context = Entered()
        try:
            interrupter(context, Client())
        except KeyboardInterrupt:
            pass
        assert not context.active, interrupter.place
        context.resumed = False
        assert load_in(context, Client()) == ("client", 1)
        assert context.resumed and not context.active, interrupter.place
    assert interrupter.points > 50


class Entered(AsyncContext):
    active = resumed = False

    def resume(self):
        self.active = self.resumed = True

    def pause(self):
        self.active = False


class Target(object):
    value = "original"


def test_an_override_is_undone_after_an_interrupt_anywhere():
    value = AsyncScopedValue("original")

    def overridden(target, client):
        call_in(value.override("inner"), async_override(target, "value", "inner"), client)

    for interrupter in every_moment(overridden, paths=INTERRUPTIBLE + (__file__[:-3],)):
        target = Target()
        try:
            interrupter(target, Client())
        except KeyboardInterrupt:
            pass
        assert (value.get(), target.value) == ("original", "original"), interrupter.place
    assert interrupter.points > 50


@asynq.asynq()
def call_in(first, second, client):
    with first:
        with second:
            yield client.get(1)


def test_a_timer_bears_to_be_paused_once_more():
    timer = AsyncTimer()
    timer.resume()
    timer.pause()
    total = timer.total_time
    timer.pause()
    assert timer.total_time == total


def test_a_context_that_forbids_waiting_is_left_after_an_interrupt_anywhere():
    for interrupter in every_moment(plain_in):
        try:
            interrupter(NonAsyncContext())
        except KeyboardInterrupt:
            pass
        assert scheduler.get_scheduler().scope is None, interrupter.place
        assert scheduler.get_active_task() is None
    assert interrupter.points > 20


@asynq.asynq()
def plain_in(context):
    with context:
        return 1


# Patches


def test_a_patch_whose_start_or_end_is_interrupted_is_undone():
    own = (os.path.splitext(mock.__file__)[0],)

    def patched():
        with mock.patch.object(Target, "value", Callable):
            pass

    for interrupter in every_moment(patched, paths=own):
        try:
            interrupter()
        except KeyboardInterrupt:
            pass
        if interrupter.function not in ("__enter__", "__exit__"):
            # At the very border of these it is not the patch that can do anything.
            assert Target.value == "original", interrupter.place
        Target.value = "original"
        for attribute in {"asynq", "async"} & set(vars(Callable)):
            delattr(Callable, attribute)


class Callable(object):
    pass


# Real signals

needs_alarms = pytest.mark.skipif(
    not hasattr(signal, "setitimer"), reason="this system sends no signal at a chosen moment"
)


class Alarm(object):
    """Calls something, and has a signal sent at a random moment of that."""

    def __init__(self, fn, moment):
        self.fn = fn
        self.moment = moment
        self.has_raised = False
        signal.signal(signal.SIGALRM, self.handle)

    def __call__(self, *args):
        signal.setitimer(signal.ITIMER_REAL, self.moment)
        try:
            return self.fn(*args)
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)

    def handle(self, number, frame):
        self.has_raised = True
        del self, frame  # the traceback leads here
        raise KeyboardInterrupt()


def interrupt_at_random(seed, moments):
    """What the subprocess does: so many moments of each program."""
    chance = random.Random(seed)
    dropped = []  # by Python, see above
    if hasattr(sys, "unraisablehook"):
        sys.unraisablehook = lambda unraisable: dropped.append(unraisable.exc_type)
    interrupts = 0
    for program in PROGRAMS:
        if six.PY2 and program is caches:
            continue  # a signal inside the RLock of Python 2, which is no C, leaves it locked
        durations = []
        for _ in range(5):
            began = time.time()
            run(program, World())
            durations.append(time.time() - began)
        gc.collect()
        gc.disable()
        if test_faults.COUNTS_REFERENCES:
            gc.freeze()
        for _ in range(moments):
            world = World()
            alarm = Alarm(program, max(1e-6, chance.uniform(0, 1.1 * min(durations))))
            raised = run(alarm, world)
            interrupts += alarm.has_raised
            if alarm.has_raised and hasattr(sys, "unraisablehook") and not dropped:
                assert raised is KeyboardInterrupt or hasattr(world, "caught"), raised
            del dropped[:]
            assert_all_is_as_it_was(world)
            del world, alarm
            assert_nothing_is_left()
    sys.stdout.write("%d" % interrupts)


@needs_alarms
def test_after_a_real_signal_everything_is_as_it_was():
    root = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    code = "from tests.test_interrupts import interrupt_at_random; interrupt_at_random(1, 100)"
    process = subprocess.Popen(
        [sys.executable, "-c", code], cwd=root, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    out, err = process.communicate()
    assert process.returncode == 0, err.decode("utf-8", "replace")
    assert int(out) > 100
