"""How the tests import the programs in examples/, and how they run them."""

import importlib
import os
import subprocess
import sys

import pytest

TOP = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
EXAMPLES = os.path.join(TOP, "examples")


def load(name):
    """Import ``examples/<name>.py``."""
    sys.path.insert(0, EXAMPLES)
    try:
        return importlib.import_module(name)
    finally:
        sys.path.remove(EXAMPLES)


def run(name, *arguments, **environment):
    """Run ``examples/<name>.py`` as a program; return its status, and what it printed, as text.

    :param environment: variables that are set for the program.

    """
    # It imports what the tests import.
    variables = dict(os.environ, PYTHONPATH=os.pathsep.join([TOP] + sys.path))
    variables["PYTHONIOENCODING"] = "utf-8"
    variables.update(environment)
    process = subprocess.Popen(
        (sys.executable, os.path.join(EXAMPLES, name + ".py")) + arguments,
        env=variables,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    output, complaint = process.communicate()
    return process.returncode, output.decode("utf-8"), complaint.decode("utf-8")


def leave_out(missing, cure, environment=os.environ):
    """Skip the test because a program is ``missing``; fail where nothing may be left out."""
    message = "%s is not installed. Cure: %s" % (missing, cure)
    if environment.get("CI"):
        pytest.fail(message)
    pytest.skip(message)
