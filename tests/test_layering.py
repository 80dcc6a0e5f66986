"""Imports point downwards: the table below is the plan of the package."""

import ast
import os
import subprocess
import sys

import pytest
import six

import asynq

PACKAGE = os.path.dirname(os.path.abspath(asynq.__file__))

LAYERS = [
    ["_compat", "_debug", "profiler"],
    ["_knots", "futures", "scheduler"],
    ["_structures", "contexts", "async_task", "batching", "asynq_to_async", "_native"],
    ["decorators", "utils"],
    ["scoped_value", "tools", "generator", "mock", "mock_"],
    ["debug"],
    ["__init__"],
]
# The order inside a layer counts, too: a module imports from those on its left.
ORDER = [module for layer in LAYERS for module in layer]
# Python 2 can't parse two of them, and does not import them.
PARSED = [m for m in ORDER if not (six.PY2 and m in ("_native", "asynq_to_async"))]

# Modules whose business is with users' code, built from public names of the others only.
ABOVE_THE_CORE = LAYERS[4]
SHARED_HELPERS = {"_compat", "_debug"}


def modules():
    return sorted(name[:-3] for name in os.listdir(PACKAGE) if name.endswith(".py"))


def tree_of(module):
    with open(os.path.join(PACKAGE, module + ".py")) as source:
        return ast.parse(source.read())


def imports_of(tree):
    """Pairs of the module of the package that is imported from, and the name; both may be None."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                if alias.name.split(".")[0] == "asynq":
                    yield "asynq itself", alias.name
        elif isinstance(node, ast.ImportFrom):
            if node.level == 0 and (node.module or "").split(".")[0] == "asynq":
                yield "asynq itself", node.module
            elif node.level and node.module is None:
                for alias in node.names:
                    yield alias.name, None
            elif node.level:
                for alias in node.names:
                    yield node.module, alias.name


def test_every_module_has_its_place():
    assert sorted(ORDER) == modules()


@pytest.mark.parametrize("module", PARSED)
def test_imports_point_downwards(module):
    below = ORDER[: ORDER.index(module)]
    assert [found for found, _ in imports_of(tree_of(module)) if found not in below] == []


@pytest.mark.parametrize("module", ABOVE_THE_CORE)
def test_what_is_built_on_top_uses_public_names_only(module):
    private = [
        (found, name)
        for found, name in imports_of(tree_of(module))
        if name is not None and name.startswith("_") and found not in SHARED_HELPERS
    ]
    assert private == []


@pytest.mark.parametrize("module", PARSED)
def test_no_function_imports_from_the_package(module):
    for node in ast.walk(tree_of(module)):
        if isinstance(node, ast.FunctionDef):
            assert list(imports_of(node)) == []


def test_the_scheduler_knows_no_classes_of_futures():
    tree = tree_of("scheduler")
    assert {found for found, _ in imports_of(tree)} == {"_compat", "_debug", "_knots", "futures"}
    called = [
        node.func.id
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
    ]
    assert "isinstance" not in called


@pytest.mark.parametrize("module", [m for m in LAYERS[1] + LAYERS[2] if m in PARSED])
def test_the_core_knows_nothing_of_what_is_dumped(module):
    names = [node.attr for node in ast.walk(tree_of(module)) if isinstance(node, ast.Attribute)]
    assert [name for name in names if name.startswith(("DUMP_", "COLLECT_"))] == []


def run_python(code):
    return subprocess.check_output([sys.executable, "-W", "error", "-c", code]).decode()


def test_importing_asynq_changes_nothing_but_the_exception_hook():
    output = run_python(
        """
from __future__ import print_function
import sys
import qcore, six, logging, linecache  # what it is built on
before = set(sys.modules)
hook = sys.excepthook
import asynq
new = {name.split(".")[0] for name in set(sys.modules) - before}
print(sorted(new))
print(sys.excepthook is asynq.debug.async_exception_hook, asynq.debug.original_hook is hook)
asynq.debug.detach_exception_hook()
print(sys.excepthook is hook)
"""
    )
    assert output.splitlines() == ["['asynq']", "True True", "True"]


def test_importing_asynq_loads_neither_the_standard_mock_nor_asyncio():
    output = run_python(
        """
import sys
import asynq
asynq.mock.patch, asynq.mock_.patch
print(sorted({"mock", "unittest", "unittest.mock", "asyncio", "ssl"} & set(sys.modules)))
"""
    )
    assert output.splitlines() == ["[]"]


@pytest.mark.parametrize(
    "use",
    [
        "import asynq; patch = asynq.mock.patch",
        "import asynq; patch = asynq.mock_.patch",
        "from asynq import mock; patch = mock.patch",
        "from asynq import mock_; patch = mock_.patch",
        "from asynq import *; patch = mock.patch",
    ],
)
def test_mock_is_there_without_being_imported_by_name(use):
    assert run_python(use + "; print(patch.__module__)").splitlines() == ["asynq.mock"]
