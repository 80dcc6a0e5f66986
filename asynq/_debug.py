"""The options, the observer slot and the safe printing that every layer may use.

A leaf: it knows nothing of tasks or batches. What each option prints is in ``debug``.

"""

import sys

import qcore.helpers

__traceback_hide__ = True


class Watch(object):
    """Holds the one observer of everything that happens.

    The core tells ``watch.observer`` what it does by calling the methods of :class:`Observer`,
    and costs one comparison with None where nobody watches.

    """

    __slots__ = ("observer", "dump_state")

    def __init__(self):
        self.observer = None
        # Called with the scheduler before an error that says that it is stuck.
        self.dump_state = None


watch = Watch()


class Observer(object):
    """What can be observed. Override what you need, and put an instance in ``watch.observer``.

    Every method is called by the core, in the thread in which the thing happens. It must not
    raise, and must not run or compute anything.

    """

    def task_created(self, task):
        """``task`` was made; nothing of it has run."""

    def task_called(self, task, caller):
        """``caller``, a running task, now runs ``task`` synchronously."""

    def task_continues(self, task):
        """The body of ``task`` is about to go on."""

    def task_waits(self, task, futures):
        """The body of ``task`` has yielded; ``futures`` are all the futures in what it yielded."""

    def task_exits(self, task, value, error):
        """The body of ``task`` has ended with ``error`` or, if that is None, with ``value``."""

    def future_computed(self, future):
        """``future`` has its value or error."""

    def batch_scheduled(self, batch):
        """Somebody waits for an item of ``batch`` (told once for each time it becomes pending)."""

    def batch_flushes(self, batch):
        """The scheduler is about to flush ``batch``."""

    def batch_flushed(self, batch):
        """The scheduler has flushed ``batch``."""

    def context_entered(self, context, task):
        """``task`` has entered ``context``."""

    def context_left(self, context, task):
        """``task`` has left ``context``."""


# Options of 0.1.4 that have no effect any more; code that sets them goes on working.
_REMOVED_OPTIONS = ("DUMP_AWAIT_RECURSION", "DUMP_SCHEDULER_CHANGE", "DUMP_PRIMER")


class DebugOptions(object):
    """Every switch of the library; set the attributes directly (``asynq.debug.options``)."""

    # Set by ``debug``: called after each change, to put an observer in its slot or take it out.
    _changed = None

    def __init__(self):
        self.DUMP_PRE_ERROR_STATE = True
        self.DUMP_EXCEPTIONS = False
        self.DUMP_SCHEDULE_TASK = False
        self.DUMP_CONTINUE_TASK = False
        self.DUMP_SCHEDULE_BATCH = False
        self.DUMP_FLUSH_BATCH = False
        self.DUMP_DEPENDENCIES = False
        self.DUMP_COMPUTED = False
        self.DUMP_NEW_TASKS = False
        self.DUMP_YIELD_RESULTS = False
        self.DUMP_QUEUED_RESULTS = False
        self.DUMP_CONTEXTS = False
        self.DUMP_SYNC = False
        self.DUMP_STACK = False
        self.DUMP_SCHEDULER_STATE = False
        self.DUMP_SYNC_CALLS = False
        self.COLLECT_PERF_STATS = False

        self.SCHEDULER_STATE_DUMP_INTERVAL = 1  # seconds
        self.DEBUG_STR_REPR_MAX_LENGTH = 240  # characters; 0 means no limit
        self.STACK_DUMP_LIMIT = 10  # frames; None means no limit
        self.MAX_TASK_STACK_SIZE = 1000000  # tasks that wait for one another
        self.ENABLE_COMPLEX_ASSERTIONS = True
        self.KEEP_DEPENDENCIES = False

    def __setattr__(self, name, value):
        if not (name in vars(self) or name in _REMOVED_OPTIONS or self._changed is None):
            raise AttributeError(
                "asynq.debug.options has no option %r. Cure: take one of %s; call DUMP_ALL(True) to"
                " set all that begin with DUMP_." % (name, ", ".join(sorted(vars(self))))
            )
        object.__setattr__(self, name, value)
        if self._changed is not None:
            self._changed()

    def DUMP_ALL(self, value=None):
        """Set every ``DUMP_`` option to ``value``; without it, tell whether all of them are on."""
        names = [name for name in vars(self) if name.startswith("DUMP_")]
        if value is None:
            return all(getattr(self, name) for name in names)
        for name in names:
            setattr(self, name, value)


options = DebugOptions()


class Stream(object):
    """What a module has as ``stdout`` or ``stderr``, looked up at each use."""

    def __init__(self, module, name):
        # ``debug`` puts itself here.
        self.module = module
        self._name = name

    def __getattr__(self, attribute):
        return getattr(getattr(self.module, self._name), attribute)


stdout = Stream(sys, "stdout")
stderr = Stream(sys, "stderr")


def write(text, indent=0):
    """Print ``text`` with two spaces per ``indent`` before every line.

    A newline at the beginning stays there, before the indentation.

    """
    if indent > 0:
        prefix = "  " * indent
        lead = ""
        if text.startswith("\n"):
            lead, text = "\n", text[1:]
        text = lead + prefix + text.replace("\n", "\n" + prefix)
    stdout.write(text + "\n")


def safe_str(source, truncate=True):
    """``str(source)`` that never raises, cut to ``options.DEBUG_STR_REPR_MAX_LENGTH``."""
    return qcore.helpers.safe_str(source, options.DEBUG_STR_REPR_MAX_LENGTH if truncate else 0)


def safe_repr(source, truncate=True):
    """``repr(source)`` that never raises, cut to ``options.DEBUG_STR_REPR_MAX_LENGTH``."""
    return qcore.helpers.safe_repr(source, options.DEBUG_STR_REPR_MAX_LENGTH if truncate else 0)
