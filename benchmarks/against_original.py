"""How much faster this package is than the compiled original, in CPU time of the process.

    python benchmarks/against_original.py --original PYTHON [--rounds N]

PYTHON is the interpreter of a virtual environment in which ``asynq==1.6.0`` is installed; both
sides should be the same version of Python. In each round both run every workload once, one right
after the other and pinned to the same core, which changes from round to round. What is printed
is the median of the rounds' ratios (above 1: this package is faster) and the range of their
middle half. The results of both sides are compared first.

"""

from __future__ import print_function

import argparse
import json
import os
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))


class Side(object):
    """A process that runs workloads when it is told to."""

    def __init__(self, python, path):
        environment = dict(os.environ, PYTHONPATH=path)
        self._process = subprocess.Popen(
            [python, os.path.abspath(__file__), "--serve"],
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            universal_newlines=True,
        )

    def ask(self, name, core):
        """Run a workload; return its result and the CPU time that it took, in seconds."""
        self._process.stdin.write(json.dumps([name, core]) + "\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())

    def stop(self):
        self._process.stdin.close()
        self._process.wait()


def serve():
    """Answer the questions of :class:`Side` until there are no more."""
    from workloads import WORKLOADS

    for line in iter(sys.stdin.readline, ""):
        name, core = json.loads(line)
        if hasattr(os, "sched_setaffinity"):
            os.sched_setaffinity(0, [core])
        workload = WORKLOADS[name][0]
        began = time.process_time()
        outcome = workload()
        print(json.dumps([outcome, time.process_time() - began]))
        sys.stdout.flush()


def median(values):
    return sorted(values)[len(values) // 2]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--original", metavar="PYTHON", help="has asynq==1.6.0 installed")
    parser.add_argument("--rounds", type=int, default=31, help="how often each is run (31)")
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.serve:
        serve()
        return
    if not arguments.original:
        parser.error("--original PYTHON is needed: the Python of an environment with asynq==1.6.0")
    compare(arguments.original, arguments.rounds)


def compare(original, rounds):
    sys.path.insert(0, os.path.dirname(HERE))
    from workloads import WORKLOADS

    sides = [Side(sys.executable, os.path.dirname(HERE)), Side(original, "")]
    cores = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else [0]
    print("%-52s %8s   %s" % ("workload", "ratio", "middle half"))
    for name in WORKLOADS:
        # Not timed: the first run warms up, and shows that both do the same.
        outcomes = [side.ask(name, cores[0])[0] for side in sides]
        if outcomes[0] != outcomes[1]:
            sys.exit("%s: the results differ: %r, %r" % (name, outcomes[0], outcomes[1]))
        ratios = []
        for number in range(rounds):
            core = cores[number % len(cores)]
            ours, theirs = [side.ask(name, core)[1] for side in sides]
            ratios.append(theirs / ours)
        ratios.sort()
        low, high = ratios[rounds // 4], ratios[rounds - 1 - rounds // 4]
        print("%-52s %7.2fx   %.2f to %.2f" % (name, median(ratios), low, high))
    for side in sides:
        side.stop()


if __name__ == "__main__":
    main()
