import sys
import types

import pytest
import six

import asynq
from asynq import ConstFuture, asynq as async_fn, mock, result

from .helpers import Client

standard = pytest.importorskip("mock") if six.PY2 else __import__("unittest.mock").mock

TARGET = "asynq_mock_target"


@async_fn()
def calls_fn(argument):
    result((target.fn(argument), (yield target.fn.asynq(argument))))


class Methods(object):
    @async_fn()
    def method(self, argument):
        return ("method", argument)

    @async_fn()
    @classmethod
    def class_method(cls, argument):
        return ("class method", argument)

    @async_fn()
    @staticmethod
    def static_method(argument):
        return ("static method", argument)


@async_fn()
def original(argument):
    return ("original", argument)


def plain(argument):
    return ("plain", argument)


target = types.ModuleType(TARGET)


@pytest.fixture(autouse=True)
def fresh_target(monkeypatch):
    monkeypatch.setitem(sys.modules, TARGET, target)
    monkeypatch.setattr(target, "fn", original, raising=False)
    monkeypatch.setattr(target, "plain", plain, raising=False)
    monkeypatch.setattr(target, "number", 1, raising=False)
    monkeypatch.setattr(target, "Methods", Methods, raising=False)
    yield
    # Whatever a test did, nothing of it is left.
    assert target.fn is original
    assert target.plain is plain
    assert target.number == 1
    assert calls_fn(0) == (("original", 0), ("original", 0))


# The ways to patch


def test_a_patch_is_a_context_manager():
    with mock.patch(TARGET + ".fn") as fn:
        assert target.fn is fn
        fn.return_value = 5
        assert calls_fn(1) == (5, 5)
        assert fn.mock_calls == [standard.call(1), standard.call(1)]


def test_a_patch_is_a_decorator_whose_mocks_are_the_arguments_innermost_first():
    @mock.patch(TARGET + ".fn")
    @standard.patch(TARGET + ".number")
    @mock.patch(TARGET + ".plain")
    def call(given, plain, number, fn):
        assert given == "given"
        assert (plain, number, fn) == (target.plain, target.number, target.fn)
        fn.return_value = plain.return_value = 6
        assert calls_fn(1) == (6, 6)
        assert target.plain.asynq(1).value() == 6
        return "returned"

    assert call("given") == "returned"


def test_a_decorator_with_new_passes_no_argument():
    @mock.patch(TARGET + ".fn", lambda argument: -argument)
    @mock.patch.object(target, "number", 2)
    def call():
        return calls_fn(1), target.number

    assert call() == ((-1, -1), 2)
    assert call() == ((-1, -1), 2)


def test_a_patch_decorates_the_tests_of_a_class():
    @mock.patch(TARGET + ".fn")
    @mock.patch(TARGET + ".plain", lambda argument: -argument)
    class Tests(object):
        def test_one(self, fn):
            fn.return_value = 7
            return calls_fn(1), target.plain.asynq(1).value()

        def test_other(self, fn):
            fn.return_value = 8
            return calls_fn(1), target.plain.asynq(1).value()

        def helper(self):
            return target.fn

        test_data = 3

    tests = Tests()
    assert tests.test_one() == ((7, 7), -1)
    assert tests.test_other() == ((8, 8), -1)
    assert tests.helper() is original
    assert tests.test_data == 3
    assert mock.patch.TEST_PREFIX == "test"


def test_a_patch_is_started_and_stopped():
    patcher = mock.patch(TARGET + ".fn")
    fn = patcher.start()
    fn.return_value = 9
    assert target.fn is fn
    assert calls_fn(1) == (9, 9)
    patcher.stop()
    assert target.fn is original


def test_stopall_stops_what_was_started():
    mock.patch(TARGET + ".fn").start()
    mock.patch.object(target, "plain").start()
    standard.patch(TARGET + ".number").start()
    mock.patch.stopall()
    assert (target.fn, target.plain, target.number) == (original, plain, 1)


def test_even_imports_can_be_patched():
    import_of_python = six.moves.builtins.__import__
    mock.patch.object(six.moves.builtins, "__import__").start()
    with mock.patch.object(target, "number", 3):
        assert target.number == 3
    mock.patch.stopall()
    assert six.moves.builtins.__import__ is import_of_python


def test_new_can_be_given_as_the_standard_default():
    with mock.patch(TARGET + ".fn", standard.DEFAULT) as fn:
        assert isinstance(fn, standard.MagicMock)


def test_a_patch_ends_when_its_block_raises():
    with pytest.raises(ValueError):
        with mock.patch(TARGET + ".fn"):
            raise ValueError


def test_patch_object_replaces_an_attribute():
    with mock.patch.object(target, "fn") as fn:
        fn.return_value = 5
        assert calls_fn(1) == (5, 5)


def test_patch_dict_is_the_standard_one():
    settings = {"a": 1}
    with mock.patch.dict(settings, {"b": 2}):
        assert settings == {"a": 1, "b": 2}
    assert settings == {"a": 1}


def test_patch_multiple_replaces_several_attributes():
    default = standard.DEFAULT
    with mock.patch.multiple(TARGET, fn=default, plain=default, number=3) as mocks:
        assert sorted(mocks) == ["fn", "plain"]
        assert (target.fn, target.plain) == (mocks["fn"], mocks["plain"])
        mocks["fn"].return_value = mocks["plain"].return_value = 5
        assert calls_fn(1) == (5, 5)
        assert target.plain.asynq(1).value() == 5
        assert target.number == 3
    with mock.patch.multiple(target, spec=plain, fn=default) as mocks:
        assert not hasattr(mocks["fn"], "other")
        assert target.fn.asynq(1).value() is mocks["fn"].return_value
    with mock.patch.multiple(target, fn=lambda argument: -argument, plain=len) as mocks:
        assert mocks == {}
        assert calls_fn(1) == (-1, -1)
        assert target.plain.asynq([1]).value() == 1


def test_patch_multiple_is_a_decorator_with_keyword_arguments():
    @mock.patch.multiple(TARGET, fn=standard.DEFAULT, plain=standard.DEFAULT)
    def call(fn, plain):
        fn.return_value = plain.return_value = 5
        return calls_fn(1), target.plain.asynq(1).value()

    assert call() == ((5, 5), 5)


def test_an_attribute_that_is_not_there_can_only_be_created():
    with pytest.raises(AttributeError):
        mock.patch(TARGET + ".other").start()
    with mock.patch(TARGET + ".other", create=True) as other:
        assert target.other is other
    assert not hasattr(target, "other")


def test_stopping_what_was_not_started_is_as_in_the_standard_patch():
    def outcome(patcher):
        try:
            return patcher.stop()
        except RuntimeError as error:
            return str(error)

    expected = outcome(standard.patch(TARGET + ".fn"))
    assert outcome(mock.patch(TARGET + ".fn")) == expected


# What is put in place


def bound_method_of_list(numbers):
    return numbers.count


@pytest.mark.parametrize(
    "new, expected",
    [
        (lambda argument: ("lambda", argument), ("lambda", 1)),
        (float, 1.0),
        (hex, "0x1"),
        (bound_method_of_list([1, 1]), 2),
        (async_fn()(lambda argument: ("async", argument)), ("async", 1)),
        (async_fn(pure=False)(plain), ("plain", 1)),
    ],
)
def test_whatever_can_be_called_can_be_called_both_ways(new, expected):
    with mock.patch(TARGET + ".fn", new):
        assert calls_fn(1) == (expected, expected)
        assert isinstance(target.fn.asynq(1), ConstFuture)
        assert getattr(target.fn, "async")(1).value() == expected
    with mock.patch.object(target, "fn", new):
        assert calls_fn(1) == (expected, expected)


def test_what_is_not_callable_is_put_in_place_as_it_is():
    new = object()
    with mock.patch(TARGET + ".number", new) as in_place:
        assert in_place is new
        assert target.number is new


def test_a_class_is_put_in_place_itself():
    class New(object):
        def __init__(self, argument):
            self.argument = argument

    with mock.patch(TARGET + ".fn", New) as in_place:
        assert in_place is New
        assert target.fn(1).argument == 1
        assert target.fn.asynq(2).value().argument == 2
    assert not hasattr(New, "asynq")
    assert not hasattr(New, "async")


def test_a_function_knows_its_signature_and_stays_untouched():
    def new(argument):
        """New."""

    with mock.patch(TARGET + ".fn", new):
        assert target.fn.__name__ == "new"
        assert target.fn.__doc__ == "New."
    assert vars(new) == {}


def test_a_callable_with_attributes_is_restored_exactly():
    class New(object):
        def __call__(self, argument):
            return ("new", argument)

    new, other = New(), New()
    other.asynq = "mine"
    for one in new, other:
        before = dict(vars(one))
        with mock.patch(TARGET + ".fn", one) as in_place:
            assert in_place is one
            assert calls_fn(1) == (("new", 1), ("new", 1))
        assert vars(one) == before


def test_a_class_with_attributes_of_its_own_is_restored_exactly():
    class New(object):
        asynq = "mine"

        def __init__(self, argument):
            pass

    with mock.patch(TARGET + ".fn", New):
        assert isinstance(target.fn.asynq(1).value(), New)
    assert New.asynq == "mine"


def test_an_async_function_passed_as_new_is_restored():
    client = Client()

    @async_fn()
    def new(argument):
        result((yield client.get(argument)))

    before = dict(vars(new))
    with mock.patch(TARGET + ".fn", new):
        assert calls_fn(1) == (("client", 1), ("client", 1))
    assert vars(new) == before
    assert isinstance(new.asynq(1), asynq.AsyncTask)


def test_a_mock_passed_as_new_is_restored():
    new = standard.Mock(return_value=5)
    with mock.patch(TARGET + ".fn", new):
        assert calls_fn(1) == (5, 5)
    assert "asynq" not in vars(new)
    assert "async" not in vars(new)
    assert isinstance(new.asynq, standard.Mock)
    assert new.mock_calls == [standard.call(1), standard.call(1)]


@pytest.mark.parametrize("first", [0, 1])
def test_one_object_in_two_places_is_async_until_the_last_patch_ends(first):
    new = standard.Mock(return_value=5)
    patchers = [mock.patch(TARGET + ".fn", new), mock.patch(TARGET + ".plain", new)]
    for patcher in patchers:
        patcher.start()
    patchers[first].stop()
    still = [target.plain, target.fn][first]
    assert still.asynq(1).value() == 5
    patchers[1 - first].stop()
    assert "asynq" not in vars(new)


def test_an_object_that_refuses_the_patch_is_not_changed():
    new = standard.Mock()
    with pytest.raises(AttributeError):
        mock.patch(TARGET + ".other", new).start()
    assert "asynq" not in vars(new)


# Methods


@pytest.mark.parametrize("patch", ["string", "object"])
@pytest.mark.parametrize(
    "name, new, first",
    [
        ("method", lambda self, argument: (type(self), argument), Methods),
        ("class_method", classmethod(lambda cls, argument: (cls, argument)), Methods),
        ("static_method", staticmethod(lambda argument: ("new", argument)), "new"),
    ],
)
def test_functions_are_bound_as_those_they_stand_for(patch, name, new, first):
    if patch == "string":
        patcher = mock.patch(TARGET + ".Methods." + name, new)
    else:
        patcher = mock.patch.object(Methods, name, new)
    before = vars(Methods)[name]
    with patcher:
        places = [Methods()] if name == "method" else [Methods(), Methods]
        for place in places:
            assert getattr(place, name)(1) == (first, 1)
            assert getattr(place, name).asynq(1).value() == (first, 1)
    assert vars(Methods)[name] is before


def test_a_method_is_replaced_on_one_instance():
    one, other = Methods(), Methods()
    with mock.patch.object(one, "method", lambda argument: ("new", argument)):
        assert one.method(1) == one.method.asynq(1).value() == ("new", 1)
        assert other.method(1) == ("method", 1)
    assert one.method(1) == ("method", 1)
    assert vars(one) == {}


def test_a_method_is_replaced_by_a_mock():
    with mock.patch.object(Methods, "method") as method:
        method.return_value = 5
        assert Methods().method(1) == Methods().method.asynq(1).value() == 5
        assert method.mock_calls == [standard.call(1), standard.call(1)]


# How the mock is made


@pytest.mark.parametrize("new_callable", [standard.Mock, standard.MagicMock])
def test_new_callable_makes_what_is_put_in_place(new_callable):
    with mock.patch(TARGET + ".fn", new_callable=new_callable) as fn:
        assert type(fn).__name__ == new_callable.__name__
        fn.return_value = 5
        assert calls_fn(1) == (5, 5)


def test_new_callable_may_make_anything():
    with mock.patch(TARGET + ".number", new_callable=lambda: 5) as number:
        assert number == target.number == 5
    with mock.patch(TARGET + ".number", new_callable=lambda: len) as number:
        assert number is target.number is len


@pytest.mark.parametrize("how", ["spec", "spec_set"])
def test_a_mock_has_only_what_its_spec_has(how):
    with mock.patch(TARGET + ".fn", **{how: plain}) as fn:
        assert not hasattr(fn, "other")
        fn.return_value = 5
        assert calls_fn(1) == (5, 5)


def test_a_mock_with_autospec_checks_the_arguments():
    with mock.patch(TARGET + ".plain", autospec=True) as fn:
        fn.return_value = 5
        assert target.plain(1) == target.plain.asynq(1).value() == 5
        for call in target.plain, target.plain.asynq:
            with pytest.raises(TypeError):
                call(1, 2)
        assert fn.mock_calls == [standard.call(1), standard.call(1)]


def test_an_async_function_can_be_the_autospec():
    with mock.patch(TARGET + ".fn", autospec=True) as fn:
        fn.return_value = 5
        assert calls_fn(1) == (5, 5)


def test_a_mock_is_configured_by_keywords():
    with mock.patch(TARGET + ".fn", return_value=5, other="other") as fn:
        assert calls_fn(1) == (5, 5)
        assert fn.other == "other"


def test_what_is_passed_as_new_is_not_configured():
    with pytest.raises(TypeError) as caught:
        mock.patch(TARGET + ".number", 3, other="other").start()
    assert "Can't pass kwargs to a mock we aren't creating" in str(caught.value)


def test_mocksignature_is_accepted():
    with mock.patch(TARGET + ".fn", mocksignature=True):
        pass
    with mock.patch.object(target, "fn", mocksignature=True):
        pass


# The attribute


def test_an_asynchronous_call_is_made_at_once():
    with mock.patch(TARGET + ".fn") as fn:
        future = target.fn.asynq(1, a=2)
        assert fn.mock_calls == [standard.call(1, a=2)]
        assert isinstance(future, ConstFuture)
        fn.side_effect = ValueError
        with pytest.raises(ValueError):
            target.fn.asynq(1)


@pytest.mark.parametrize("arguments", [(), (lambda argument: argument,), (hex,)])
def test_attributes_are_those_of_the_function_and_not_of_its_asynq(arguments):
    with mock.patch(TARGET + ".fn", *arguments):
        with pytest.raises(TypeError) as caught:
            target.fn.asynq.return_value
        assert str(caught.value) == (
            "You cannot read attributes directly on a .asynq function. Read them on the function"
            " itself instead."
        )
        with pytest.raises(TypeError) as caught:
            target.fn.asynq.return_value = 1
        assert str(caught.value) == (
            "You cannot set attributes directly on a .asynq function. Set them on the function"
            " itself instead."
        )


# The module


def test_the_former_name_of_the_module_works():
    from asynq import mock_

    assert mock_.patch is mock.patch
    assert asynq.mock is sys.modules["asynq.mock"]


def test_a_missing_mock_package_is_told_when_it_is_needed(monkeypatch):
    monkeypatch.setitem(sys.modules, standard.__name__, None)
    with pytest.raises(ImportError) as caught:
        mock.patch(TARGET + ".fn")
    assert str(caught.value) == "asynq.mock needs the package mock. Cure: pip install mock"
