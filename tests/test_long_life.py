"""A process that serves requests for a long time, without the cyclic collector, does not grow.

By default it serves 20,000; with ``make size`` (ASYNQ_FULL_SIZE=1), 1,000,000, which takes
minutes. What they are is in long_life_program.py.

"""

import json
import os
import subprocess
import sys

import pytest

from .helpers import counts_references
from .long_life_program import FIRST

pytestmark = counts_references

REQUESTS = 1000000 if os.environ.get("ASYNQ_FULL_SIZE") else 20000

# A leak in one of the kinds of requests alone would be several hundred objects.
SLACK = 50


@pytest.fixture(scope="module")
def report():
    root = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    command = [sys.executable, "-m", "tests.long_life_program", str(REQUESTS)]
    report = json.loads(subprocess.check_output(command, cwd=root).decode("ascii"))
    assert (REQUESTS - FIRST) // report["kinds"] > 5 * SLACK
    return report


def growth(report, what):
    return report["at_the_end"][what] - report["after_the_first"][what]


def test_the_number_of_objects_stays_as_it_was_after_the_first_ten_thousand(report):
    assert growth(report, "objects") <= SLACK


@pytest.mark.skipif(sys.version_info < (3,), reason="Python 2 does not trace allocations")
def test_the_memory_that_the_library_allocated_stays_as_it_was(report):
    assert growth(report, "blocks") <= SLACK
    # Python keeps a few frames and lists for reuse; a block in one kind would be twice as much.
    assert growth(report, "bytes") <= 200 * SLACK


@pytest.mark.skipif(sys.version_info < (3,), reason="frames of Python 2 hold what they handled")
def test_nothing_is_left_for_the_cyclic_collector(report):
    assert report["in_cycles"] == 0
