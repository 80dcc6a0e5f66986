"""Leaves out the files whose syntax or subject a Python does not know."""

import sys

try:
    import tracemalloc
except ImportError:  # on Python 2 and PyPy
    tracemalloc = None

collect_ignore = []
if sys.version_info >= (3, 7):
    # There, the old spelling is a syntax error.
    collect_ignore.append("test_async_spelling.py")
else:
    # There, classes can't be subscripted.
    collect_ignore.append("test_types.py")
if sys.version_info < (3, 8) or tracemalloc is None:
    # The benchmarks are written for Python 3.8, and measure what tracemalloc traces.
    collect_ignore.append("test_benchmarks.py")
