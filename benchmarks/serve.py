"""The process of one peer: runs workloads when it is told to.

    python serve.py MODULE [--uvloop]

Each line that comes in is a question, ``[verb, workload, core]`` in JSON; a line with the answer
goes out. Before the first question it tells what it is and which workloads it knows.

"""

import gc
import importlib
import json
import os
import platform
import sys
import time
import tracemalloc
from importlib import metadata

from probe import straggling

# What is shorter is run several times.
LEAST_SECONDS = 0.02


def run_timed(workload):
    """CPU time of a run: the mean of several if it is short.

    The collector is at work as usual, but not on what was there before.

    """
    runs = 0
    seconds = straggling.seconds = 0
    while seconds < LEAST_SECONDS:
        gc.collect()
        began = time.process_time()
        result = workload()
        seconds += time.process_time() - began
        runs += 1
    return {"result": result, "seconds": seconds / runs, "straggling": straggling.seconds / runs}


def run_traced(workload):
    """How many bytes more than before are in use when the straggler begins."""
    gc.collect()
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    result = workload()
    return {"result": result, "bytes": straggling.bytes - before}


VERBS = {"time": run_timed, "bytes": run_traced}


def load(module_name, uvloop):
    """Import a module of workloads; what needs an event loop shares one that is made here."""
    module = importlib.import_module(module_name)
    if module_name == "loaders":
        loops = importlib.import_module("uvloop" if uvloop else "asyncio")
        loop = loops.new_event_loop()
        importlib.import_module("asyncio").set_event_loop(loop)
        module.run = loop.run_until_complete
    return module


def where_asynq_is():
    """The file of a module of asynq; the original's is compiled, and says so."""
    module = sys.modules.get("asynq.scheduler")
    return module and module.__file__


def versions():
    """The versions of the packages that are compared, of those that are installed here."""
    found = {}
    for name in ("asynq", "aiodataloader", "uvloop"):
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            pass
    return found


def main():
    module = load(sys.argv[1], "--uvloop" in sys.argv[2:])
    hello = {
        "python": platform.python_version(),
        "versions": versions(),
        "asynq": where_asynq_is(),
        "workloads": list(module.WORKLOADS),
    }
    print(json.dumps(hello), flush=True)
    for line in sys.stdin:
        verb, name, core = json.loads(line)
        if hasattr(os, "sched_setaffinity"):
            os.sched_setaffinity(0, [core])
        print(json.dumps(VERBS[verb](module.WORKLOADS[name])), flush=True)


if __name__ == "__main__":
    main()
