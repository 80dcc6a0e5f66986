"""Decorated functions are called synchronously and asynchronously, and look like functions."""

import copy
import functools
import inspect
import pickle
import sys
import types

import pytest
import qcore.decorators
import six

import asynq
from asynq import (
    AsyncTask,
    ConstFuture,
    FutureBase,
    async_call,
    async_proxy,
    get_active_task,
    get_async_fn,
    get_async_or_sync_fn,
    has_async_fn,
    is_async_fn,
    is_pure_async_fn,
    make_async_decorator,
    result,
)
from asynq.decorators import (
    AsyncAndSyncPairDecorator,
    AsyncDecorator,
    AsyncDecoratorBinder,
    AsyncProxyDecorator,
    PureAsyncDecorator,
    lazy,
)

from .helpers import Client

python3 = pytest.mark.skipif(sys.version_info < (3,), reason="not known to Python 2")


@asynq.asynq()
def generator(a, b=2):
    """Adds."""
    result((yield ConstFuture(a)) + b)


@asynq.asynq()
def plain(a, b=2):
    """Adds at once."""
    return a + b


@asynq.asynq(pure=True)
def pure(a):
    result((yield ConstFuture(a)))


@async_proxy()
def proxy(a):
    return ConstFuture(a)


def sync_version(a):
    return ("sync", a)


@asynq.asynq(sync_fn=sync_version)
def pair(a):
    return ("async", a)


@async_proxy(sync_fn=sync_version)
def proxy_pair(a):
    return ConstFuture(("async", a))


@pytest.mark.parametrize("fn", [generator, plain])
def test_a_function_is_called_synchronously_and_asynchronously(fn):
    assert fn(1) == 3
    assert fn(1, b=3) == 4
    task = fn.asynq(1, b=4)
    assert type(task) is AsyncTask
    assert not task.is_computed()
    assert task.value() == 5
    assert getattr(fn, "async")(1).value() == 3


def test_a_pure_function_returns_its_task():
    assert type(pure(5)) is AsyncTask
    assert pure(5).value() == 5
    assert not hasattr(pure, "asynq")
    assert pure.name() == "@asynq(pure=True)"


def test_a_proxy_is_called_at_once_and_its_future_returned_as_it_is():
    future = ConstFuture(1)

    @async_proxy()
    def give():
        return future

    assert give.asynq() is future
    assert give() == 1
    assert getattr(give, "async")() is future
    assert give.name() == "@asynq()"
    assert give.task_cls is None
    assert isinstance(give, AsyncDecorator)


def test_a_pure_proxy_is_the_function_itself():
    def give():
        return ConstFuture(1)

    assert async_proxy(pure=True)(give) is give


def test_a_sync_fn_is_what_the_synchronous_call_calls():
    assert pair(1) == proxy_pair(1) == ("sync", 1)
    assert pair.asynq(1).value() == proxy_pair.asynq(1).value() == ("async", 1)
    assert pair.sync_fn is sync_version


class Base(object):
    name = "base"

    @asynq.asynq()
    def method(self, x):
        """A method."""
        result(((yield ConstFuture(x)), self.name))

    @asynq.asynq()
    def plain_method(self, x):
        return (x, self.name)

    @asynq.asynq(pure=True)
    def pure_method(self, x):
        return (x, self.name)

    @async_proxy()
    def proxy_method(self, x):
        return ConstFuture((x, self.name))

    def sync_method(self, x):
        return ("sync", x, self.name)

    @asynq.asynq(sync_fn=sync_method)
    def pair_method(self, x):
        return ("async", x, self.name)

    @async_proxy(sync_fn=sync_method)
    def proxy_pair_method(self, x):
        return ConstFuture(("async", x, self.name))

    @asynq.asynq()
    @classmethod
    def outside_classmethod(cls, x):
        """A class method."""
        result(((yield ConstFuture(x)), cls.name))

    @classmethod
    @asynq.asynq()
    def inside_classmethod(cls, x):
        result(((yield ConstFuture(x)), cls.name))

    @classmethod
    @async_proxy()
    def proxy_in_classmethod(cls, x):
        return ConstFuture((x, cls.name))

    @asynq.asynq()
    @staticmethod
    def outside_staticmethod(x):
        """A static method."""
        return (x, "static")

    @staticmethod
    @asynq.asynq()
    def inside_staticmethod(x):
        result(((yield ConstFuture(x)), "static"))

    @asynq.asynq(pure=True)
    @classmethod
    def pure_classmethod(cls, x):
        return (x, cls.name)

    @classmethod
    def sync_classmethod(cls, x):
        return ("sync", x, cls.name)

    @asynq.asynq(sync_fn=sync_classmethod)
    @classmethod
    def pair_classmethod(cls, x):
        return ("async", x, cls.name)

    @async_proxy(sync_fn=sync_classmethod)
    @classmethod
    def proxy_pair_classmethod(cls, x):
        return ConstFuture(("async", x, cls.name))

    @asynq.asynq(sync_fn=staticmethod(sync_version))
    @staticmethod
    def pair_staticmethod(x):
        return ("async", x)


class Mixin(object):
    @asynq.asynq()
    def method(self, x):
        value = yield super(Mixin, self).method.asynq(x)
        result(("mixed",) + value)


class Derived(Mixin, Base):
    name = "derived"


METHODS = ["method", "plain_method", "proxy_method"]
CLASSMETHODS = ["outside_classmethod", "inside_classmethod", "proxy_in_classmethod"]
STATICMETHODS = ["outside_staticmethod", "inside_staticmethod"]


@pytest.mark.parametrize("name", METHODS)
def test_methods_are_called_on_instances_and_on_the_class(name):
    base = Base()
    assert getattr(base, name)(1) == (1, "base")
    assert getattr(base, name).asynq(1).value() == (1, "base")
    assert getattr(Base, name)(base, 1) == (1, "base")
    assert getattr(Base, name).asynq(base, 1).value() == (1, "base")


@pytest.mark.parametrize("name", CLASSMETHODS)
def test_classmethods_know_the_class_they_are_called_on(name):
    for owner, expected in (
        (Base, (1, "base")),
        (Base(), (1, "base")),
        (Derived, (1, "derived")),
        (Derived(), (1, "derived")),
    ):
        assert getattr(owner, name)(1) == expected
        assert getattr(owner, name).asynq(1).value() == expected


def test_classmethods_leave_nothing_in_the_class():
    assert not [name for name in vars(Base) if name.startswith("__asynq")]


@pytest.mark.parametrize("name", STATICMETHODS)
def test_staticmethods_get_no_instance(name):
    for owner in (Base, Base(), Derived):
        assert getattr(owner, name)(1) == (1, "static")
        assert getattr(owner, name).asynq(1).value() == (1, "static")


def test_pure_methods_return_their_task():
    assert Base().pure_method(1).value() == (1, "base")
    assert Base.pure_method(Derived(), 1).value() == (1, "derived")
    assert Derived.pure_classmethod(1).value() == (1, "derived")
    assert not hasattr(Base().pure_method, "asynq")


def test_a_sync_fn_is_bound_with_the_function():
    derived = Derived()
    assert derived.pair_method(1) == derived.proxy_pair_method(1) == ("sync", 1, "derived")
    assert derived.pair_method.asynq(1).value() == ("async", 1, "derived")
    assert derived.proxy_pair_method.asynq(1).value() == ("async", 1, "derived")
    assert Base.pair_method(derived, 1) == ("sync", 1, "derived")
    assert Derived.pair_classmethod(1) == ("sync", 1, "derived")
    assert Derived.proxy_pair_classmethod(1) == ("sync", 1, "derived")
    assert Derived.pair_classmethod.asynq(1).value() == ("async", 1, "derived")
    on_class = vars(Base)["pair_classmethod"]
    assert on_class(Derived, 1) == ("sync", 1, "derived")
    assert Base.pair_staticmethod(1) == ("sync", 1)
    assert Base.pair_staticmethod.asynq(1).value() == ("async", 1)


def test_a_sync_fn_that_does_not_bind_gets_the_instance():
    class Callable(object):
        def __call__(self, instance, x):
            return ("callable", instance.name, x)

    class Owner(object):
        name = "owner"

        @asynq.asynq(sync_fn=Callable())
        def method(self, x):
            return x

    assert Owner().method(1) == ("callable", "owner", 1)


def test_methods_are_inherited_and_found_through_super():
    assert Derived().method(1) == ("mixed", 1, "derived")
    assert super(Derived, Derived()).method.asynq(2).value() == ("mixed", 2, "derived")


def test_what_attribute_access_gives_is_a_binder():
    base = Base()
    binder = base.method
    assert isinstance(binder, AsyncDecoratorBinder)
    assert binder.instance is base
    assert Base.method.instance is None
    assert isinstance(binder.decorator, AsyncDecorator)
    assert binder.name() == "@asynq()"
    assert binder.is_decorator() and binder.decorator.is_decorator()
    assert not binder.is_pure_async_fn()
    assert base.pure_method.is_pure_async_fn()
    assert base.method is not binder
    assert base.method == binder and hash(base.method) == hash(binder)
    assert Base().method != binder
    assert getattr(binder, "async")(1).value() == (1, "base")


def test_attributes_of_the_function_are_on_the_decorator_of_a_bound_one():
    Base.method.decorator.tag = "blue"
    try:
        assert Base().method.decorator.tag == "blue"
        with pytest.raises(AttributeError, match="attributes of the function are on .decorator"):
            Base().method.tag
    finally:
        del Base.method.decorator.tag


@pytest.mark.parametrize("fn", [generator, plain, pure, proxy, pair, proxy_pair])
def test_a_decorated_function_looks_like_the_function(fn):
    assert fn.__wrapped__ is fn.fn
    assert fn.__name__ == fn.fn.__name__
    assert fn.__module__ == __name__
    assert fn.__doc__ == fn.fn.__doc__
    assert str(fn) == repr(fn) == "%s %s.%s" % (fn.name(), __name__, fn.__name__)
    if sys.version_info >= (3,):
        assert fn.__qualname__ == fn.fn.__qualname__
        assert inspect.signature(fn) == inspect.signature(fn.fn)


@pytest.mark.parametrize("name", ["outside_classmethod", "outside_staticmethod"])
def test_the_documentation_of_decorated_classmethods_is_the_functions(name):
    assert vars(Base)[name].__doc__ == getattr(Base, name).__doc__ != classmethod.__doc__
    assert vars(Base)[name].__module__ == __name__


def test_a_bound_function_looks_like_the_function():
    bound = Base().method
    assert bound.__name__ == "method"
    assert bound.__doc__ == "A method."
    assert bound.__self__ is bound.instance
    assert bound.__func__ is bound.decorator
    assert Base.method.__wrapped__ is Base.method.decorator.fn
    assert str(bound).startswith("<@asynq() ") and " bound to <" in str(bound)
    assert "unbound>" in str(Base.method)
    if sys.version_info >= (3,):
        assert bound.__qualname__ == "Base.method"
        assert str(inspect.signature(bound)) == "(x)"
        assert str(inspect.signature(Base.method)) == "(self, x)"
        assert str(inspect.signature(Base.outside_classmethod)) == "(x)"
        assert str(inspect.signature(Base.outside_staticmethod)) == "(x)"


@python3
def test_annotations_are_the_functions():
    namespace = {"asynq": asynq.asynq}
    exec("@asynq()\ndef f(a: int) -> str: return str(a)", namespace)
    assert namespace["f"].__annotations__ == {"a": int, "return": str}
    exec("class C:\n    @asynq()\n    def m(self, a: int): pass", namespace)
    assert namespace["C"]().m.__annotations__ == {"a": int}


@python3
def test_help_shows_the_function():
    import pydoc

    text = pydoc.plain(pydoc.render_doc(generator))
    assert "Adds." in text
    text = pydoc.plain(pydoc.render_doc(Base))
    assert "A method." in text


@pytest.mark.parametrize("fn", [generator, plain, pure, proxy, pair])
def test_functions_of_a_module_are_pickled_and_copied(fn):
    assert pickle.loads(pickle.dumps(fn)) is fn
    assert copy.copy(fn) is fn
    assert copy.deepcopy(fn) is fn


@python3
def test_methods_are_pickled_and_copied():
    base = Base()
    bound = pickle.loads(pickle.dumps(base.method))
    assert bound(1) == (1, "base")
    assert bound.instance is not base
    assert copy.copy(bound) is bound
    assert copy.deepcopy(bound)(1) == (1, "base")
    assert pickle.loads(pickle.dumps(Base.method)) == Base.method
    assert pickle.loads(pickle.dumps(Derived.outside_classmethod))(1) == (1, "derived")


def test_a_function_that_cannot_be_found_again_cannot_be_unpickled():
    @asynq.asynq()
    def local():
        pass

    dumped = pickle.dumps(local)
    with pytest.raises(TypeError, match="Cannot pickle decorated function"):
        pickle.loads(dumped)


def test_the_insides_of_a_decorated_function_are_not_copied_by_wraps():
    @functools.wraps(generator)
    def wrapper():
        pass

    assert [name for name in vars(wrapper) if not name.startswith("__")] == []


def test_what_was_set_on_the_function_is_set_on_the_decorated_one():
    def function():
        pass

    function.tag = "blue"
    function.name = "not the name of the decorator"
    assert asynq.asynq()(function).tag == "blue"
    assert asynq.asynq()(function).name() == "@asynq()"


def test_the_function_and_the_class_of_the_tasks_can_be_replaced():
    class Task(AsyncTask):
        pass

    @asynq.asynq()
    def function():
        return 1

    function.fn = lambda: 2
    function.task_cls = Task
    assert function() == 2
    assert type(function.asynq()) is Task


def test_a_class_of_the_users_defines_what_a_call_makes():
    class Counting(AsyncDecorator):
        def _call_pure(self, args, kwargs):
            return ConstFuture(("made", args))

    @qcore.decorators.decorate(Counting, AsyncTask)
    def function(x):
        return x

    class Owner(object):
        @qcore.decorators.decorate(Counting, cls=AsyncTask)
        def method(self, x):
            return x

    owner = Owner()
    assert function(1) == function.asynq(1).value() == ("made", (1,))
    assert owner.method(1) == owner.method.asynq(1).value() == ("made", (owner, 1))


def test_a_class_of_the_users_defines_what_a_synchronous_call_does():
    class Calling(AsyncDecorator):
        def __call__(self, *args, **kwargs):
            return ("called", super(Calling, self).__call__(*args, **kwargs))

    class Own(qcore.decorators.DecoratorBase):
        binder_cls = AsyncDecoratorBinder

        def name(self):
            return "@own"

        def __call__(self, *args, **kwargs):
            return ("own", self.fn(*args, **kwargs))

        def asynq(self, *args, **kwargs):
            return self.fn.asynq(*args, **kwargs)

    class Owner(object):
        @qcore.decorators.decorate(Calling, AsyncTask)
        def calling(self, x):
            return x

        @qcore.decorators.decorate(Own)
        @asynq.asynq()
        def own(self, x):
            return x

    owner = Owner()
    assert owner.calling(1) == Owner.calling(owner, 1) == ("called", 1)
    assert owner.own(1) == ("own", 1)
    assert owner.own.asynq(1).value() == 1


def test_a_decorator_of_the_users_can_stand_below_classmethod():
    def traced(fn):
        return asynq.asynq()(fn)

    class Owner(object):
        @classmethod
        @traced
        def method(cls, x):
            return (cls, x)

    class Heir(Owner):
        pass

    assert Heir.method(1) == Heir.method.asynq(1).value() == (Heir, 1)


@pytest.mark.skipif(not six.PY2, reason="elsewhere, metaclasses do not stand in class bodies")
def test_a_classmethod_leaves_a_class_its_metaclass():
    class Meta(type):
        pass

    class Other(Meta):
        pass

    class OldStyle:
        @classmethod
        @asynq.asynq()
        def method(cls):
            return cls

    class Plain(object):
        @classmethod
        @asynq.asynq()
        def method(cls):
            return cls

    class Own(Plain):
        __metaclass__ = Meta

        @classmethod
        @asynq.asynq()
        def method(cls):
            return cls

    class Inherited(Own):
        @classmethod
        @asynq.asynq()
        def method(cls):
            return cls

    class FromBase(six.with_metaclass(Other, OldStyle, Plain)):
        @classmethod
        @asynq.asynq()
        def method(cls):
            return cls

    classes = [OldStyle, Plain, Own, Inherited, FromBase]
    assert [type(cls) for cls in classes] == [types.ClassType, type, Meta, Meta, Other]
    assert [cls.method() for cls in classes] == classes
    assert [cls.method.asynq().value() for cls in classes] == classes
    assert [vars(cls).get("__metaclass__") for cls in classes] == [None, None, Meta, None, None]


def test_lambdas_can_be_decorated():
    assert asynq.asynq()(lambda x: x + 1)(1) == 2


def test_a_test_function_can_be_decorated(tmp_path):
    (tmp_path / "test_decorated.py").write_text(
        u"""
import pytest
from asynq import ConstFuture, asynq

@pytest.fixture
def number():
    return 5

@asynq()
def test_generator(number):
    assert (yield ConstFuture(number)) == 5

@asynq()
def test_plain():
    assert False, "must fail"

class TestMethods(object):
    @asynq()
    def test_method(self, number):
        assert (yield ConstFuture(number)) == 5

    @pytest.mark.skip
    @asynq()
    def test_marked_above(self):
        assert False

    @asynq()
    @pytest.mark.parametrize("x", [1, 2])
    def test_marked_below(self, x, number):
        assert number - x
"""
    )
    import subprocess

    process = subprocess.Popen(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(tmp_path)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    output = process.communicate()[0].decode()
    assert "1 failed, 4 passed, 1 skipped" in output, output


# Asking functions


def async_only():
    class Old(object):
        """Spells it as 0.1.4 did."""

        def __call__(self, x):
            return x

    old = Old()
    setattr(old, "async", lambda x: ConstFuture(("old", x)))
    return old


def test_functions_are_asked_whether_they_are_async():
    old = async_only()
    for fn, has, is_pure in (
        (generator, True, False),
        (proxy, True, False),
        (Base().method, True, False),
        (pure, False, True),
        (lazy(len), False, True),
        (Base().pure_method, False, True),
        (len, False, False),
        (lambda: 1, False, False),
        (old, True, False),
        (AsyncDecorator, True, False),
        (PureAsyncDecorator, False, False),
    ):
        assert has_async_fn(fn) is has
        assert is_pure_async_fn(fn) is is_pure
        assert is_async_fn(fn) is (has or is_pure)


def test_a_wrapper_of_a_pure_function_is_pure_and_remembers_it():
    class Wrapper(object):
        def __init__(self, fn):
            self.fn = fn

    class Slots(object):
        __slots__ = ("fn",)

    wrapper = Wrapper(pure)
    assert is_pure_async_fn(wrapper)
    assert wrapper.is_pure_async_fn()
    wrapper = Wrapper(len)
    assert not is_pure_async_fn(wrapper)
    assert not wrapper.is_pure_async_fn()
    slots = Slots()
    slots.fn = pure
    assert is_pure_async_fn(slots)


def test_a_mock_is_not_taken_for_a_pure_function():
    class Mock(object):
        def is_pure_async_fn(self):
            return Mock()

    assert not is_pure_async_fn(Mock())


def test_the_async_function_of_a_function_is_found():
    old = async_only()
    assert get_async_fn(generator)(1).value() == 3
    assert get_async_fn(old)(1).value() == ("old", 1)
    assert get_async_fn(pure) is pure
    assert get_async_fn(len) is None
    wrapped = get_async_fn(len, wrap_if_none=True)
    assert wrapped("abc").value() == 3
    assert is_pure_async_fn(wrapped)
    assert get_async_or_sync_fn(generator)(1).value() == 3
    assert get_async_or_sync_fn(old)(1).value() == ("old", 1)
    assert get_async_or_sync_fn(len) is len


# Other decorators


def test_a_lazy_function_is_called_when_its_value_is_wanted():
    calls = []

    @lazy
    def provide(x):
        """Doc."""
        calls.append(x)
        return x

    future = provide(5)
    assert isinstance(future, FutureBase)
    assert calls == []
    assert future.value() == 5
    assert (provide.__name__, provide.__doc__) == ("provide", "Doc.")


def test_async_call_calls_whatever_it_is_given():
    assert async_call(generator, 1, b=5) == 6
    assert async_call.asynq(generator, 1).value() == 3
    assert async_call(pure, 5) == 5
    assert async_call(async_only(), 5) == ("old", 5)
    assert async_call(len, "abc") == 3
    assert isinstance(async_call.asynq(len, "abc"), ConstFuture)
    with pytest.raises(TypeError):
        async_call.asynq(len)


def test_an_async_decorator_can_be_made_of_a_function_that_returns_futures():
    def double(fn):
        @asynq.asynq(pure=True)
        def wrapper(*args):
            value = yield fn.asynq(*args)
            result(value * 2)

        return make_async_decorator(fn, wrapper, "double")

    @double
    @asynq.asynq()
    def number(x):
        return x

    class Numbers(object):
        @double
        @asynq.asynq()
        def method(self, x):
            return x

        @double
        @asynq.asynq()
        @classmethod
        def classmethod(cls, x):
            return x

    assert number(2) == number.asynq(2).value() == 4
    assert number.name() == "@double()"
    assert not is_pure_async_fn(number)
    assert Numbers().method(3) == Numbers().method.asynq(3).value() == 6
    assert Numbers.classmethod(3) == 6
    assert getattr(number, "async")(2).value() == 4


def test_a_function_compiled_by_cython_is_driven_if_it_is_a_generator(monkeypatch):
    client = Client()

    def body(fails):
        try:
            value = yield client.get(1)
            if fails:
                yield asynq.ErrorFuture(ValueError("thrown"))
        except ValueError as error:
            value = str(error)
        yield None
        result(value)

    # Nothing about a compiled function tells whether calling it makes a generator.
    def compiled_generator(fails):
        return body(fails)

    def compiled_plain(x):
        return x + 1

    monkeypatch.setattr(asynq.decorators.inspection, "is_cython_or_generator", lambda fn: True)
    assert asynq.asynq()(compiled_generator)(False) == ("client", 1)
    assert asynq.asynq()(compiled_generator)(True) == "thrown"
    assert asynq.asynq()(compiled_plain)(1) == 2


@python3
def test_a_compiled_generator_may_return_its_value(monkeypatch):
    namespace = {"ConstFuture": ConstFuture}
    exec("def body(x):\n    value = yield ConstFuture(x)\n    return value", namespace)
    monkeypatch.setattr(asynq.decorators.inspection, "is_cython_or_generator", lambda fn: True)
    assert asynq.asynq()(lambda x: namespace["body"](x))(5) == 5


def test_the_classes_of_decorators_are_what_the_original_calls_them():
    assert isinstance(generator, AsyncDecorator) and isinstance(generator, PureAsyncDecorator)
    assert type(generator).__name__ == "AsyncDecoratorPythonWrapper"
    assert isinstance(pair, AsyncAndSyncPairDecorator)
    assert isinstance(proxy, AsyncProxyDecorator)
    assert generator.task_cls is AsyncTask
    assert generator.needs_wrapper and not plain.needs_wrapper
    assert generator.kwargs == {}
    assert generator.type is None
    assert vars(Base)["outside_classmethod"].type is classmethod
    assert generator._call_pure((1,), {}).value() == 3


def test_synchronous_and_asynchronous_calls_nest():
    tasks = []

    @asynq.asynq()
    def inner():
        tasks.append(get_active_task())
        return generator(1)

    @asynq.asynq()
    def outer():
        tasks.append(get_active_task())
        value = inner()
        tasks.append(get_active_task())
        result((value, (yield inner.asynq())))

    assert outer() == (3, 3)
    assert tasks[0] is tasks[2]
    assert tasks[1] is not tasks[0]


def test_the_spelling_of_the_first_version_works():
    assert getattr(asynq, "async") is asynq.asynq
    assert getattr(asynq.decorators, "async") is asynq.asynq
    wait_for = getattr(asynq, "await")
    assert getattr(asynq.utils, "await") is wait_for
    assert wait_for(generator.asynq(1)) == 3


def test_keyword_arguments_can_have_any_name_but_self():
    names = ["source", "task", "fn", "args", "kwargs", "instance", "run", "decorator", "cls"]

    def body(**kwargs):
        return sorted(kwargs)

    def generator(**kwargs):
        yield None
        result(sorted(kwargs))

    class Owner(object):
        method = asynq.asynq()(lambda self, **kwargs: sorted(kwargs))

    for function in (asynq.asynq()(body), asynq.asynq()(generator), Owner().method):
        given = dict.fromkeys(names)
        assert function(**given) == sorted(names)
        assert function.asynq(**given).value() == sorted(names)
