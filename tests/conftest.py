"""Leaves out the files whose syntax or subject a Python does not know."""

import sys

try:
    import tracemalloc
except ImportError:  # on Python 2 and PyPy
    tracemalloc = None

collect_ignore = []
if sys.version_info < (3, 8) or tracemalloc is None:
    # The benchmarks are written for Python 3.8, and measure what tracemalloc traces.
    collect_ignore.append("test_benchmarks.py")
