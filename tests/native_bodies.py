"""Turns the tests' generator functions into ``async def`` functions: ``pytest --bodies native``.

Each function below ``@asynq(...)`` that yields becomes one that awaits the same, at the same line.

"""

import ast
import sys
from importlib.machinery import PathFinder, SourceFileLoader

from asynq import FutureBase, gather
from asynq.futures import none_future


def install():
    """Have all modules of the tests that are imported from now on be turned."""
    sys.meta_path.insert(0, _Finder)


def waited(yielded):
    """What gives, when it is awaited, what a ``yield`` of ``yielded`` gives."""
    if yielded is None:
        return none_future
    return yielded if isinstance(yielded, FutureBase) else gather(yielded)


class _Finder(object):
    @staticmethod
    def find_spec(name, path=None, target=None):
        if not name.startswith("tests."):
            return None
        spec = PathFinder.find_spec(name, path, target)
        if spec is not None and isinstance(spec.loader, SourceFileLoader):
            spec.loader = _Loader(name, spec.loader.path)
        return spec


class _Loader(SourceFileLoader):
    def exec_module(self, module):
        module.waited = waited
        super().exec_module(module)

    def get_code(self, fullname):
        tree = _ToNative().visit(ast.parse(self.get_data(self.path)))
        return compile(ast.fix_missing_locations(tree), self.path, "exec", dont_inherit=True)


class _ToNative(ast.NodeTransformer):
    # Whether the innermost function is being turned.
    in_native = False

    def visit_FunctionDef(self, node):
        is_native = any(map(_is_asynq, node.decorator_list)) and _yields(node)
        node = self.visit_function(node, is_native)
        if is_native:
            fields = {field: getattr(node, field) for field in node._fields}
            node = ast.copy_location(ast.AsyncFunctionDef(**fields), node)
        return node

    def visit_function(self, node, is_native=False):
        former, self.in_native = self.in_native, is_native
        node = self.generic_visit(node)
        self.in_native = former
        return node

    visit_Lambda = visit_AsyncFunctionDef = visit_function

    def visit_Yield(self, node):
        node = self.generic_visit(node)
        if not self.in_native:
            return node
        yielded = node.value or ast.Constant(None)
        call = ast.Call(ast.Name("waited", ast.Load()), [yielded], [])
        return ast.copy_location(ast.Await(call), node)


def _is_asynq(decorator):
    """Whether it is ``asynq(...)`` or ``asynq.asynq(...)``."""
    fn = getattr(decorator, "func", None)
    return getattr(fn, "id", getattr(fn, "attr", None)) == "asynq"


def _yields(function):
    """Whether it is a generator function."""
    stack = list(function.body)
    while stack:
        node = stack.pop()
        if isinstance(node, ast.Yield):
            return True
        if not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)):
            stack.extend(ast.iter_child_nodes(node))
    return False
