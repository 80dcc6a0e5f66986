"""The process of one peer: runs workloads when it is told to.

    python serve.py MODULE [--asyncio | --uvloop] [--only WORKLOAD ...]

With one of the two, an event loop of that kind drives the workloads. The ``loaders`` need one.

Each line that comes in is a question, ``[verb, workload, core]`` in JSON; a line with the answer
goes out. Before the first question it tells what it is and which workloads it knows.

"""

import argparse
import asyncio
import gc
import importlib
import json
import os
import platform
import sys
import time
import tracemalloc
from importlib import metadata

from drivers import OnLoop
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


def arguments(words):
    """Read the command line."""
    parser = argparse.ArgumentParser()
    parser.add_argument("module")
    parser.add_argument("--asyncio", dest="loops", action="store_const", const="asyncio")
    parser.add_argument("--uvloop", dest="loops", action="store_const", const="uvloop")
    parser.add_argument("--only", nargs="+")
    return parser.parse_args(words)


def load(module_name, loops=None):
    """Import a module of workloads; those that an event loop drives share one that is made here.

    :param loops: the name of the module that makes the event loop, or None.

    """
    module = importlib.import_module(module_name)
    if loops is not None:
        loop = importlib.import_module(loops).new_event_loop()
        asyncio.set_event_loop(loop)
        if module_name == "loaders":
            module.run = loop.run_until_complete
        else:
            importlib.import_module("workloads").driver = OnLoop(loop)
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
    options = arguments(sys.argv[1:])
    module = load(options.module, options.loops)
    hello = {
        "python": platform.python_version(),
        "versions": versions(),
        "asynq": where_asynq_is(),
        "workloads": options.only or list(module.WORKLOADS),
    }
    print(json.dumps(hello), flush=True)
    for line in sys.stdin:
        verb, name, core = json.loads(line)
        if hasattr(os, "sched_setaffinity"):
            os.sched_setaffinity(0, [core])
        print(json.dumps(VERBS[verb](module.WORKLOADS[name])), flush=True)


if __name__ == "__main__":
    main()
