"""Leaves out the files whose syntax or subject a Python does not know."""

import sys

collect_ignore = []
if sys.version_info < (3, 8):
    # The benchmarks are written for Python 3.8.
    collect_ignore.append("test_benchmarks.py")
