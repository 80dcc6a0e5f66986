"""What the stubs say is there at run time, and what they call generic can be subscripted.

That checkers understand them is tested by ``make types``.

"""

import ast
import copy
import glob
import importlib
import os
import pickle
import re
import runpy

import pytest

import asynq
from asynq import (
    AsyncScopedValue,
    AsyncTask,
    BatchBase,
    BatchItemBase,
    ConstFuture,
    FutureBase,
    Value,
)
from asynq.decorators import AsyncDecorator, AsyncDecoratorBinder

PACKAGE = os.path.dirname(os.path.abspath(asynq.__file__))
TYPE_CHECKS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "type_checks")


def modules_with(extension):
    """The names of the package's files that have ``extension``."""
    paths = glob.glob(os.path.join(PACKAGE, "*" + extension))
    return sorted(os.path.splitext(os.path.basename(path))[0] for path in paths)


STUBS = modules_with(".pyi")


def all_classes_of(stub):
    """The classes that a stub defines, as nodes."""
    with open(os.path.join(PACKAGE, stub + ".pyi")) as source:
        # Python 3.7 can't parse the slash after parameters that are given by position only.
        tree = ast.parse(source.read().replace("/,", "").replace("/", ""))
    return [node for node in tree.body if isinstance(node, ast.ClassDef)]


def classes_of(stub):
    """Those of them that are there at run time."""
    return [
        node
        for node in all_classes_of(stub)
        if "type_check_only" not in [decorator.id for decorator in node.decorator_list]
    ]


def is_generic(node):
    """Whether it has a type variable; their names begin as _T does, and no other name does so."""
    return any(
        isinstance(variable, ast.Name) and re.match("_[A-Z]", variable.id)
        for base in node.bases
        if isinstance(base, ast.Subscript)
        for variable in ast.walk(base.slice)
    )


GENERIC = [(stub, node.name) for stub in STUBS for node in classes_of(stub) if is_generic(node)]


def runtime_class(stub, name):
    return getattr(importlib.import_module("asynq." + stub), name)


def test_every_public_module_has_a_stub():
    without = set(modules_with(".py")) - set(STUBS)
    assert without == {"_compat", "_knots", "_native", "_structures"}
    assert os.path.exists(os.path.join(PACKAGE, "py.typed"))


def test_the_generic_classes_are_found():
    found = {name for _, name in GENERIC}
    assert {
        "AsyncDecorator",
        "AsyncDecoratorBinder",
        "AsyncScopedValue",
        "AsyncTask",
        "AsyncWrapper",
        "BatchBase",
        "BatchItemBase",
        "ConstFuture",
        "DeduplicateDecorator",
        "FutureBase",
        "PureAsyncDecorator",
        "Value",
    } <= found


def test_what_has_asynq_in_the_stubs_has_asyncio_as_often():
    found = 0
    for stub in STUBS:
        for node in all_classes_of(stub):
            names = [getattr(member, "name", None) for member in node.body]
            if "asynq" in names and node.name != "_HasAsynq":
                assert names.count("asyncio") == names.count("asynq"), node.name
                found += 1
    assert found > 10


@pytest.mark.parametrize("stub, name", GENERIC)
def test_what_is_generic_can_be_subscripted(stub, name):
    cls = runtime_class(stub, name)
    subscripted = cls[int]
    assert getattr(subscripted, "__origin__", subscripted) is cls

    class Derived(subscripted):
        pass

    assert Derived.__mro__[1] is cls
    assert issubclass(Derived, cls)


def test_an_object_of_a_subscripted_class_is_one_of_the_class():
    future = ConstFuture[int](3)
    assert type(future) is ConstFuture
    assert future.value() == 3
    assert type(FutureBase[str]()) is FutureBase
    assert Value[int](1).value == 1
    assert AsyncScopedValue[str]("en").get() == "en"
    assert type(AsyncTask[int](None, len, ("ab",), {})) is AsyncTask
    assert AsyncTask[int](None, len, ("ab",), {}).value() == 2


def test_decorators_can_be_subscripted_with_parameters():
    for subscripted in (AsyncDecorator[[int], str], AsyncDecoratorBinder[[int], str]):
        assert getattr(subscripted, "__origin__", subscripted) in (
            AsyncDecorator,
            AsyncDecoratorBinder,
        )


def test_objects_of_slotted_classes_have_no_dict():
    for future in (FutureBase[int](), ConstFuture[int](1), FutureBase()):
        assert not hasattr(future, "__dict__")
        with pytest.raises(AttributeError):
            future.anything = 1

    class Slotted(FutureBase[int]):
        __slots__ = ()

    assert not hasattr(Slotted(), "__dict__")


def test_a_batch_of_subscripted_classes_works():
    class Item(BatchItemBase[int]):
        pass

    class Batch(BatchBase[Item]):
        def _try_switch_active_batch(self):
            pass

        def _flush(self):
            for item in self.items:
                item.set_value(item.index)

    @asynq.asynq()
    def both():
        batch = Batch()
        return (yield [Item(batch), Item(batch)])

    assert both() == [0, 1]


def test_a_derived_class_can_be_subscripted_again():
    class Pair(FutureBase):
        pass

    assert getattr(Pair[int], "__origin__", Pair) is Pair


def test_subscripting_does_not_disturb_copying_and_pickling():
    assert copy.copy(ConstFuture[int](3)).value() == 3
    assert pickle.loads(pickle.dumps(ConstFuture[int](3))).value() == 3


def test_the_stub_names_every_option():
    (options,) = (node for node in classes_of("_debug") if node.name == "DebugOptions")
    named = {node.target.id for node in options.body if isinstance(node, ast.AnnAssign)}
    assert named == set(vars(asynq.debug.options))


def test_code_without_types_runs():
    calls = runpy.run_path(os.path.join(TYPE_CHECKS, "unannotated.py"))["calls"]
    assert calls[:3] == ["Ada"] * 3
    assert calls[-4:] == ["Dr. Ada", "Dr. Ada", 42, ["Ada"]]
