"""Where performance records are kept, per thread, until somebody takes them.

With ``options.COLLECT_PERF_STATS`` on, each task and each batch appends one record when it is
computed (see ``debug``). ``flush()`` after each request, and write the list wherever you look at
such things.

"""

import threading

from qcore import inspection
from qcore.helpers import safe_str

from ._compat import monotonic_utime

__all__ = ["flush", "append", "reset", "incr_counter", "LocalProfileState"]


class LocalProfileState(threading.local):
    """The records of one thread and the number of its last profiled task."""

    def __init__(self):
        self.reset()

    def reset(self):
        """Forget all records and start the numbers again."""
        self.stats = []
        self.counter = 0


_state = LocalProfileState()


def flush():
    """Return the list of this thread's records, and begin a new one."""
    stats = _state.stats
    _state.reset()
    return stats


def append(stats):
    """Add a record, by custom a dict with ``name``, ``time_taken`` (microseconds) and more."""
    _state.stats.append(stats)


def reset():
    """Forget this thread's records and its counter."""
    _state.reset()


def incr_counter():
    """The next number of this thread: 1, 2, ..."""
    _state.counter += 1
    return _state.counter


class TaskRecord(object):
    """What is measured of one task. Times are in microseconds of the task's own steps.

    A synchronous call inside a step counts, waiting does not.

    """

    __slots__ = ("name", "stats", "_began", "_total_time", "_dependencies")

    def __init__(self, task):
        self.name = "%06d.%s(%s %s)" % (
            incr_counter(),
            inspection.get_full_name(task.fn),
            safe_str(task.args),
            safe_str(task.kwargs),
        )
        self.stats = {}
        self._began = None
        self._total_time = 0
        self._dependencies = []

    def begin_step(self):
        """The body goes on."""
        self._began = monotonic_utime()

    def end_step(self, futures):
        """The body has stopped, at its end or to wait for ``futures``."""
        if self._began is not None:
            self._total_time += monotonic_utime() - self._began
            self._began = None
        self._dependencies.extend(futures)

    def collect(self):
        """Fill ``stats`` with what is known now, and let go of the dependencies."""
        self.stats.update(
            name=self.name,
            num_deps=len(self._dependencies),
            dependencies=[_measured(future) for future in self._dependencies],
            time_taken=self._total_time,
        )
        self._dependencies = []


def _measured(future):
    """The name of a dependency and the time of its own steps."""
    record = getattr(future, "_profile", None)
    if record is not None:
        return (record.name, record._total_time)
    return (future.to_str() if hasattr(future, "batch") else safe_str(future), 0)
