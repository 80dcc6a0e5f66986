"""What is measured inside a workload, because it is only a part of it."""

import gc
import time
import tracemalloc


class Probe:
    """Measures a phase: how long it takes, and how much memory is in use when it begins.

    Memory is measured if tracemalloc is tracing, and then tracing ends, which makes all slower.

    """

    def __init__(self):
        # CPU time of the phases so far, in seconds; bytes at the begin of the last.
        self.seconds = 0
        self.bytes = None

    def __enter__(self):
        if tracemalloc.is_tracing():
            gc.collect()
            self.bytes = tracemalloc.get_traced_memory()[0]
            tracemalloc.stop()
        self._began = time.process_time()

    def __exit__(self, *exc_info):
        self.seconds += time.process_time() - self._began


# Around the rounds of the straggler: all others are blocked when they begin.
straggling = Probe()
