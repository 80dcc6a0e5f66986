"""What users write: functions become callable both synchronously and asynchronously.

``f(x)`` and ``f.asynq(x)`` are the two calls of everything that is made here. The classes differ
in what these two do:

=================================  =====================  ====================
class                              ``f.asynq(x)``         ``f(x)``
=================================  =====================  ====================
PureAsyncDecorator                 (none)                 makes a task
AsyncDecorator                     makes a task           runs that task
AsyncAndSyncPairDecorator          makes a task           calls ``sync_fn(x)``
AsyncProxyDecorator                calls the function,    the future's value
                                   which returns a future
AsyncAndSyncPairProxyDecorator     the same               calls ``sync_fn(x)``
AsyncWrapper                       calls ``wrapper_fn``   the future's value
=================================  =====================  ====================

A *binder* is what access through an instance or a class gives: the same two calls with the
instance put in front.

"""

import functools
import inspect
import sys

import qcore.decorators
import six
from qcore import inspection

from . import async_task, futures
from ._compat import (
    asyncio_driver,
    fix_classmethods,
    generator_function,
    is_native_function,
    is_native_generator_function,
    qualified_name,
    subscript,
)
from .scheduler import Run, check_sync_call, is_asyncio_mode, run

__all__ = [
    "asynq",
    "async_proxy",
    "async_call",
    "lazy",
    "make_async_decorator",
    "has_async_fn",
    "is_async_fn",
    "is_pure_async_fn",
    "get_async_fn",
    "get_async_or_sync_fn",
    "asyncio_call",
    "convert_asynq_to_async",
    "PureAsyncDecorator",
    "PureAsyncDecoratorBinder",
    "AsyncDecorator",
    "AsyncDecoratorBinder",
    "AsyncAndSyncPairDecorator",
    "AsyncAndSyncPairDecoratorBinder",
    "AsyncProxyDecorator",
    "AsyncAndSyncPairProxyDecorator",
    "AsyncWrapper",
]

__traceback_hide__ = True


# Asking functions


def has_async_fn(fn):
    """Whether ``fn`` can be called as ``fn.asynq(...)``."""
    return hasattr(fn, "asynq") or hasattr(fn, "async")


def is_pure_async_fn(fn):
    """Whether calling ``fn`` returns a future."""
    if hasattr(fn, "is_pure_async_fn"):
        try:
            # "is True", because a mock has every attribute, and answers with a mock.
            return fn.is_pure_async_fn() is True
        except (TypeError, IndexError):
            return False  # it is a class of such functions
    if hasattr(fn, "fn"):
        answer = is_pure_async_fn(fn.fn)
        try:
            fn.is_pure_async_fn = true_fn if answer else false_fn
        except (TypeError, AttributeError):
            pass  # some callables refuse attributes
        return answer
    return False


def is_async_fn(fn):
    """Whether there is a way to call ``fn`` asynchronously."""
    return has_async_fn(fn) or is_pure_async_fn(fn)


def get_async_fn(fn, wrap_if_none=False):
    """What to call to get a future of the value of ``fn``; None if there is no such thing.

    :param wrap_if_none: instead of None, return a function that calls ``fn`` and returns its
        value as a ConstFuture.

    """
    if hasattr(fn, "asynq"):
        return fn.asynq
    if hasattr(fn, "async"):
        return getattr(fn, "async")
    if is_pure_async_fn(fn):
        return fn
    if wrap_if_none:

        def sync_to_async_fn_wrapper(*args, **kwargs):
            return futures.ConstFuture(fn(*args, **kwargs))

        sync_to_async_fn_wrapper.is_pure_async_fn = true_fn
        return sync_to_async_fn_wrapper
    return None


def get_async_or_sync_fn(fn):
    """``fn.asynq`` if there is such a thing, else ``fn``."""
    if hasattr(fn, "asynq"):
        return fn.asynq
    if hasattr(fn, "async"):
        return getattr(fn, "async")
    return fn


# Kept under their own names, because answers are compared with them.
true_fn = qcore.helpers.true_fn
false_fn = qcore.helpers.false_fn


# Binders


def _get_doc(binder):
    return binder.decorator.__doc__


# What a bound function shows of the function, for people, for type checkers and for test runners.
_SHOWN = ("__name__", "__qualname__", "__annotations__", "pytestmark")


class _Bound(qcore.decorators.DecoratorBinder):
    # What introspection, copying and pickling want to know of a bound function. The classes of
    # binders have no docstrings, because ``help(obj.method)`` shows the function's.
    __doc__ = property(_get_doc)

    __class_getitem__ = subscript

    def asyncio(self, *args, **kwargs):
        """Return a coroutine that runs the call on an event loop, and gives its value."""
        if self.instance is not None:
            args = (self.instance,) + args
        return self.decorator.asyncio(*args, **kwargs)

    def __getattr__(self, name):
        if name in _SHOWN or name.startswith("__unittest"):
            return getattr(self.decorator, name)
        raise AttributeError(
            "%r has no attribute %r; attributes of the function are on .decorator" % (self, name)
        )

    def __reduce__(self):
        if self.instance is None:
            return self.decorator.__reduce__()
        return (getattr, (self.instance, self.decorator.__name__))

    def __copy__(self):
        return self

    @property
    def __self__(self):
        return self.instance

    @property
    def __func__(self):
        return self.decorator

    @property
    def __wrapped__(self):
        fn = self.decorator.fn
        return fn if self.instance is None else fn.__get__(self.instance, type(self.instance))


class PureAsyncDecoratorBinder(_Bound):
    # A bound function whose call returns a future.
    __doc__ = property(_get_doc)

    def is_pure_async_fn(self):
        """Whether calling this returns a future."""
        return self.decorator.is_pure_async_fn()

    def __call__(self, *args, **kwargs):
        if self.instance is None:
            return self.decorator(*args, **kwargs)
        return self.decorator(self.instance, *args, **kwargs)


class AsyncDecoratorBinder(_Bound):
    # A bound function that can be called synchronously and asynchronously.
    __doc__ = property(_get_doc)

    def is_pure_async_fn(self):
        """Whether calling this returns a future."""
        return self.decorator.is_pure_async_fn()

    def asynq(self, *args, **kwargs):
        """Return a future of the value."""
        instance = self.instance
        if instance is not None:
            if len(args) == 1 and not kwargs:
                # Takes 0.96 times as long as below (``methods`` in benchmarks/workloads.py).
                return self.decorator.asynq(instance, args[0])
            args = (instance,) + args
        asynq = self.decorator.asynq
        return asynq(*args, **kwargs) if kwargs else asynq(*args)

    def _begin(self, args, kwargs):
        if self.instance is not None:
            args = (self.instance,) + args
        decorator = self.decorator
        if six.get_unbound_function(type(decorator).__call__) is run:
            return decorator._begin(args, kwargs)
        # A class of the user's that defines what a synchronous call does.
        return Run(futures.ConstFuture(decorator(*args, **kwargs)))

    __call__ = run


class AsyncAndSyncPairDecoratorBinder(AsyncDecoratorBinder):
    # A bound pair of an asynchronous and a synchronous function.
    __doc__ = property(_get_doc)

    def __call__(self, *args, **kwargs):
        if self.instance is None:
            return self.decorator(*args, **kwargs)
        return self.decorator._bound_sync_fn(self.instance)(*args, **kwargs)


class _ProxyBinder(AsyncDecoratorBinder):
    # A bound function that returns a future made by other means than a task.
    __doc__ = property(_get_doc)

    def __call__(self, *args, **kwargs):
        if is_asyncio_mode():
            if self.instance is not None:
                args = (self.instance,) + args
            return call_in_asyncio_mode(self.decorator, args, kwargs)
        try:
            return self.asynq(*args, **kwargs).value()
        except AttributeError:
            _check_future(self.decorator)
            raise


# Decorators


class _AsyncDecoratorBase(qcore.decorators.DecoratorBase):
    """What introspection, copying and pickling want to know of a decorated function."""

    __class_getitem__ = subscript

    def __init__(self, fn):
        super(_AsyncDecoratorBase, self).__init__(fn)
        for name in _NAMING:
            if hasattr(self.fn, name):
                setattr(self, name, getattr(self.fn, name))
        # What other decorators have left on the function, such as the marks of pytest.
        for name, value in vars(self.fn).items() if hasattr(self.fn, "__dict__") else ():
            if not hasattr(self, name):
                setattr(self, name, value)
        self.__wrapped__ = self.fn

    def __reduce__(self):
        return (_load_decorated, (self.__module__, qualified_name(self)))

    def __copy__(self):
        return self

    def __deepcopy__(self, memo):
        return self

    def is_pure_async_fn(self):
        """Whether calling this returns a future."""
        return False

    def asyncio(self, *args, **kwargs):
        """Return a coroutine that runs the call on an event loop, and gives its value.

        :raises RuntimeError: before Python 3.7.

        """
        asyncio_fn = getattr(self, "asyncio_fn", None)
        if asyncio_fn is not None:
            return asyncio_fn(*args, **kwargs)
        return asyncio_driver().call(get_async_fn(self), args, kwargs)


# What ``functools.wraps`` copies.
_NAMING = ("__module__", "__name__", "__qualname__", "__doc__", "__annotations__")


def _load_decorated(module, path):
    """Find a decorated function again: the counterpart of its ``__reduce__``."""
    found = sys.modules.get(module)
    for name in path.split("."):
        found = getattr(found, name, None)
    if found is None:
        raise TypeError(
            "Cannot pickle decorated function %s.%s, failed to find it" % (module, path)
        )
    return found


class PureAsyncDecorator(_AsyncDecoratorBase):
    """A function whose call makes a task.

    :param fn: the function, classmethod or staticmethod.
    :param task_cls: the class of the tasks.
    :param kwargs: given to ``task_cls`` in addition.
    :param asyncio_fn: a coroutine function that takes the place of ``fn`` on event loops.
    :param allow_sync_call: whether a synchronous call on an event loop is made, after a warning.

    """

    # Slots, because what is in ``__dict__`` is copied by ``functools.wraps``.
    __slots__ = (
        "task_cls",
        "kwargs",
        "asyncio_fn",
        "allow_sync_call",
        "needs_wrapper",
        "_fn",
        "_make_body",
        "_is_ordinary",
    )

    binder_cls = PureAsyncDecoratorBinder

    def __init__(self, fn, task_cls, kwargs={}, asyncio_fn=None, allow_sync_call=False):
        super(PureAsyncDecorator, self).__init__(fn)
        self.task_cls = task_cls
        self.kwargs = kwargs
        self.asyncio_fn = asyncio_fn
        self.allow_sync_call = allow_sync_call
        # Whether calling ``fn`` makes a generator or a coroutine, or may do so.
        self.needs_wrapper = inspection.is_cython_or_generator(fn) or is_native_function(self.fn)
        self._prepare()

    def __setattr__(self, name, value):
        super(PureAsyncDecorator, self).__setattr__(name, value)
        if name in ("fn", "task_cls", "kwargs", "asyncio_fn") and hasattr(self, "_is_ordinary"):
            self._prepare()

    def _prepare(self):
        """Find out beforehand how tasks are to be made."""
        self._fn = self.fn
        # What makes the generator of a call; None if there is none.
        self._make_body = generator_function(self._fn)
        # Whether it is as ``make_task`` does it.
        self._is_ordinary = (
            self.task_cls is async_task.AsyncTask
            and (self._make_body is not None or not self.needs_wrapper)
            and six.get_unbound_function(type(self)._call_pure) is _call_pure
            and not self.kwargs
            and self.asyncio_fn is None
        )

    def name(self):
        return "@asynq(pure=True)"

    def is_pure_async_fn(self):
        return True

    def __call__(self, *args, **kwargs):
        return self._call_pure(args, kwargs)

    def _call_pure(self, args, kwargs):
        """Make the task of one call."""
        if self._is_ordinary:
            return async_task.make_task(self, *args, **kwargs)
        fn = self._fn
        if self.asyncio_fn is not None and is_asyncio_mode():
            generator = _drive(self._fn_for_where_it_runs, args, kwargs)
        elif self._make_body is not None:
            generator = self._make_body(*args, **kwargs)
        elif self.needs_wrapper or self.task_cls is not async_task.AsyncTask:
            # Of a function compiled by Cython only the result tells whether it has a body that is
            # to be driven; and a class of the user's may look at the generator it is given.
            generator = _drive(fn, args, kwargs)
        else:
            generator = None
        return self.task_cls(generator, fn, args, kwargs, **self.kwargs)

    def _fn_for_where_it_runs(self, *args, **kwargs):
        """What a task does that was made on an event loop: a synchronous call may be allowed."""
        if is_asyncio_mode():
            return _await(self.asyncio_fn, args, kwargs)
        return self.fn(*args, **kwargs)


# How the task of a call is made if no class of the user's does it otherwise.
_call_pure = six.get_unbound_function(PureAsyncDecorator._call_pure)


def _await(fn, args, kwargs):
    raise async_task.AsyncTaskResult((yield fn(*args, **kwargs)))


def _drive(fn, args, kwargs):
    """A generator that does what ``fn`` does, whatever kind of function that is."""
    result = fn(*args, **kwargs)
    if not inspect.isgenerator(result) and type(result).__name__ not in _COMPILED_BODIES:
        raise async_task.AsyncTaskResult(result)
    value = error = None
    while True:
        try:
            yielded = result.send(value) if error is None else result.throw(error)
        except StopIteration as stop:
            raise async_task.AsyncTaskResult(getattr(stop, "value", None))
        error = None
        try:
            value = yield yielded
        except BaseException as thrown:
            error = thrown


# The classes of generators and coroutines compiled by Cython have names only.
_COMPILED_BODIES = ("generator", "coroutine")


class AsyncDecorator(PureAsyncDecorator):
    """A function that can be called synchronously and asynchronously.

    :param cls: the class of the tasks.

    """

    __slots__ = ()

    binder_cls = AsyncDecoratorBinder

    def __init__(self, fn, cls, kwargs={}, asyncio_fn=None, allow_sync_call=False):
        super(AsyncDecorator, self).__init__(fn, cls, kwargs, asyncio_fn, allow_sync_call)

    def name(self):
        return "@asynq()"

    def is_pure_async_fn(self):
        return False

    asynq = async_task.make_task

    def _begin(self, args, kwargs):
        return Run(self._call_pure(args, kwargs), self.allow_sync_call)

    __call__ = run


class _WithSyncFn(object):
    """Mixed into the decorators with a function of its own for synchronous calls."""

    __slots__ = ()

    def __call__(self, *args, **kwargs):
        self._check_sync_call()
        sync_fn = self.sync_fn
        if isinstance(sync_fn, (classmethod, staticmethod)):
            sync_fn = sync_fn.__func__
        return sync_fn(*args, **kwargs)

    def _check_sync_call(self):
        if is_asyncio_mode():
            check_sync_call(self.fn, self.allow_sync_call)

    def _bound_sync_fn(self, instance):
        """``sync_fn`` as seen from an instance (for a classmethod: from the class)."""
        self._check_sync_call()
        sync_fn = self.sync_fn
        if not hasattr(type(sync_fn), "__get__"):
            return functools.partial(sync_fn, instance)
        if isinstance(sync_fn, classmethod):
            return sync_fn.__get__(None, instance)
        return sync_fn.__get__(instance, type(instance))


class AsyncAndSyncPairDecorator(_WithSyncFn, AsyncDecorator):
    """An async function with a function of its own for synchronous calls."""

    __slots__ = ("sync_fn",)

    binder_cls = AsyncAndSyncPairDecoratorBinder

    def __init__(self, fn, cls, sync_fn, kwargs={}, asyncio_fn=None, allow_sync_call=False):
        super(AsyncAndSyncPairDecorator, self).__init__(
            fn, cls, kwargs, asyncio_fn, allow_sync_call
        )
        self.sync_fn = sync_fn


def _check_future(decorated):
    """An ``AttributeError`` came from ``decorated(...)``, which asked a future for its value.

    :raises TypeError: if the reason is that it was no future. (Looking before, in each call, would
        make it take 1.1 times as long.)

    """
    _, error, traceback = sys.exc_info()
    try:
        if traceback.tb_next is None:
            text = "%s expected the function below it to return a future, but %s. Cure: %s."
            cure = "return fn.asynq(...), or ConstFuture(value)"
            six.raise_from(TypeError(text % (decorated, error, cure)), None)
    finally:
        del error, traceback  # which leads to the future, and may be what that holds


class AsyncProxyDecorator(AsyncDecorator):
    """A function that returns a future, made to look like an async function."""

    __slots__ = ()

    binder_cls = _ProxyBinder

    def __init__(self, fn, asyncio_fn=None, allow_sync_call=False):
        super(AsyncProxyDecorator, self).__init__(fn, None, {}, asyncio_fn, allow_sync_call)

    def _call_pure(self, args, kwargs):
        """Call the function and return its future."""
        if self.asyncio_fn is not None and is_asyncio_mode():
            generator = _await(self.asyncio_fn, args, kwargs)
            return async_task.AsyncTask(generator, self.fn, args, kwargs)
        return self.fn(*args, **kwargs)

    def __call__(self, *args, **kwargs):
        if is_asyncio_mode():
            return call_in_asyncio_mode(self, args, kwargs)
        try:
            return self.asynq(*args, **kwargs).value()
        except AttributeError:
            _check_future(self)
            raise


def call_in_asyncio_mode(decorated, args, kwargs):
    """Make a synchronous call of what returns a future, if that is allowed there."""
    generator = _await(decorated.asynq, args, kwargs)
    task = async_task.AsyncTask(generator, decorated.fn, args, kwargs)
    try:
        return run(Run(task, decorated.allow_sync_call))
    finally:
        del task  # as in FutureBase.value


class AsyncAndSyncPairProxyDecorator(_WithSyncFn, AsyncProxyDecorator):
    """A function that returns a future, with a function of its own for synchronous calls."""

    __slots__ = ("sync_fn",)

    binder_cls = AsyncAndSyncPairDecoratorBinder

    def __init__(self, fn, sync_fn, asyncio_fn=None, allow_sync_call=False):
        super(AsyncAndSyncPairProxyDecorator, self).__init__(fn, asyncio_fn, allow_sync_call)
        self.sync_fn = sync_fn


class AsyncWrapper(_AsyncDecoratorBase):
    """The result of a decorator that was made with :func:`make_async_decorator`."""

    __slots__ = ("wrapper_fn", "function_name")

    binder_cls = _ProxyBinder

    def __init__(self, fn, wrapper_fn, name):
        super(AsyncWrapper, self).__init__(fn)
        self.wrapper_fn = wrapper_fn
        self.function_name = name

    def name(self):
        return "@%s()" % self.function_name

    @property
    def allow_sync_call(self):
        """Whether the function that was decorated allows synchronous calls on event loops."""
        return getattr(self.fn, "allow_sync_call", False)

    def asynq(self, *args, **kwargs):
        """Call the wrapper and return its future."""
        return self.wrapper_fn(*args, **kwargs)

    def __call__(self, *args, **kwargs):
        if is_asyncio_mode():
            return call_in_asyncio_mode(self, args, kwargs)
        try:
            return self.wrapper_fn(*args, **kwargs).value()
        except AttributeError:
            _check_future(self)
            raise


# The spelling of 0.1.4. A property, because subclasses override ``asynq``.
for _cls in (AsyncDecorator, AsyncWrapper, AsyncDecoratorBinder):
    setattr(_cls, "async", property(lambda self: self.asynq, doc="The former name of asynq."))
del _cls


# Making them


def decorate(decorator_cls, fn, *args):
    """``decorator_cls(fn, *args)`` in a form that can be given attributes.

    The name and the documentation are the function's, also if ``fn`` is a classmethod or a
    staticmethod, which before Python 3.10 have their own.

    """
    decorated = qcore.decorators.decorate(decorator_cls, *args)(fn)
    for name in ("__module__", "__name__", "__doc__"):
        if hasattr(decorated.fn, name):
            setattr(decorated, name, getattr(decorated.fn, name))
    return decorated


def asynq(
    pure=False,
    sync_fn=None,
    cls=async_task.AsyncTask,
    asyncio_fn=None,
    allow_sync_call=False,
    **kwargs
):
    """Make a function asynchronous: it may yield or await futures, and gets their values.

    The result is called as ``f(x)``, synchronously, or as ``f.asynq(x)``, which returns a task
    to be yielded by another such function. It can be used on functions and methods, inside and
    outside of ``@classmethod`` and ``@staticmethod``.

    :param pure: ``f(x)`` itself returns the task and there is no ``f.asynq``.
    :param sync_fn: what ``f(x)`` calls instead of running the task.
    :param cls: the class of the tasks, derived from :class:`~asynq.AsyncTask`.
    :param asyncio_fn: a coroutine function that takes the place of this one on event loops.
    :param allow_sync_call: ``f(x)`` in code that an event loop runs logs a warning, instead of
        raising an error.
    :param kwargs: more arguments for ``cls``; only with ``pure``.

    ::

        @asynq()
        def all_author_names(aids):
            uids = yield [author_of_answer.asynq(aid) for aid in aids]
            names = yield [name_of_user.asynq(uid) for uid in uids]
            return names

    The same as an ``async def`` function::

        @asynq()
        async def all_author_names(aids):
            uids = await gather([author_of_answer.asynq(aid) for aid in aids])
            names = await gather([name_of_user.asynq(uid) for uid in uids])
            return names

    """
    assert not callable(pure), (
        "@asynq was applied to %r without its parentheses. Cure: write @asynq()." % (pure,)
    )
    assert pure or not kwargs, (
        "custom kwargs are only supported with pure=True, got %s. Cure: leave them out, or write"
        " @asynq(pure=True, ...) with a cls that takes them." % ", ".join(sorted(kwargs))
    )
    assert not (pure and sync_fn is not None), _PURE_WITH_SYNC_FN % "@asynq"
    assert _is_task_class(cls), (
        "cls must be AsyncTask or derived from it, got %r. Cure: derive it from AsyncTask." % (cls,)
    )

    def decorator(fn):
        _check_function("@asynq()", fn)
        inner = getattr(fn, "__func__", fn)  # of a classmethod or staticmethod
        assert not (is_pure_async_fn(inner) or has_async_fn(inner)), (
            "@asynq() decorator can be applied just once, and %r is async already. Cure: remove one"
            " of the two decorators." % (fn,)
        )
        if pure:
            return decorate(PureAsyncDecorator, fn, cls, kwargs, asyncio_fn, allow_sync_call)
        fix_classmethods(sys._getframe(1))
        if sync_fn is None:
            return decorate(AsyncDecorator, fn, cls, {}, asyncio_fn, allow_sync_call)
        return decorate(
            AsyncAndSyncPairDecorator, fn, cls, sync_fn, {}, asyncio_fn, allow_sync_call
        )

    return decorator


_PURE_WITH_SYNC_FN = (
    "sync_fn is not supported for pure async functions, whose call returns a future. Cure: leave"
    " out pure or sync_fn of %s()."
)


def _check_function(decorator, fn):
    assert callable(fn) or isinstance(fn, (classmethod, staticmethod)), (
        "%s expected a function, got %r. Cure: %s."
        % (
            decorator,
            fn,
            "write @property above it" if isinstance(fn, property) else "apply it to a function",
        )
    )
    inner = getattr(fn, "__func__", fn)  # of a classmethod or staticmethod
    assert not is_native_generator_function(inner), (
        "%s can't be applied to %r, an async def function with a yield. Cure: await what it waits"
        " for, and return a list; or write a generator function and decorate it with"
        " @async_generator()." % (decorator, inner)
    )


def _is_task_class(cls):
    return callable(cls) and (
        not inspect.isclass(cls) or issubclass(cls, async_task.AsyncTask)
    )


def async_proxy(pure=False, sync_fn=None, asyncio_fn=None, allow_sync_call=False):
    """Make a function that returns a future look like an async function.

    ``f.asynq(x)`` calls it at once and returns its future, ``f(x)`` returns that future's value.

    :param pure: leave the function as it is.
    :param sync_fn: what ``f(x)`` calls instead.
    :param asyncio_fn: a coroutine function that takes the place of this one on event loops.
    :param allow_sync_call: as for :func:`asynq`.

    """
    assert not callable(pure), (
        "@async_proxy was applied to %r without its parentheses. Cure: write @async_proxy()."
        % (pure,)
    )
    assert not (pure and sync_fn is not None), _PURE_WITH_SYNC_FN % "@async_proxy"

    def decorator(fn):
        _check_function("@async_proxy()", fn)
        if pure:
            return fn
        fix_classmethods(sys._getframe(1))
        if sync_fn is None:
            return decorate(AsyncProxyDecorator, fn, asyncio_fn, allow_sync_call)
        return decorate(AsyncAndSyncPairProxyDecorator, fn, sync_fn, asyncio_fn, allow_sync_call)

    return decorator


def lazy(fn):
    """Make calls of ``fn`` return a future that calls it when its value is first wanted."""

    @functools.wraps(fn)
    def wrapper(*args, **kwargs):
        return futures.Future(lambda: fn(*args, **kwargs))

    wrapper.is_pure_async_fn = true_fn
    return wrapper


@async_proxy()
def async_call(fn, *args, **kwargs):
    """Call ``fn`` asynchronously if it is an async function, else simply call it.

    A plain function is called at once, and its error is raised at once.

    """
    if is_pure_async_fn(fn):
        return fn(*args, **kwargs)
    if has_async_fn(fn):
        return get_async_fn(fn)(*args, **kwargs)
    return futures.ConstFuture(fn(*args, **kwargs))


def asyncio_call(fn, *args, **kwargs):
    """Return a coroutine that calls ``fn`` on an event loop if it is an async function.

    A plain function is called at once when the coroutine begins; what it returns is not awaited.

    """
    return asyncio_driver().call(async_call.asynq, (fn,) + args, kwargs)


def convert_asynq_to_async(fn):
    """Return a coroutine function that runs ``fn``, a function that may yield futures."""
    return asyncio_driver().coroutine_function(asynq()(fn))


def make_async_decorator(fn, wrapper_fn, name):
    """Build what a decorator for async functions returns.

    :param fn: the function that is decorated.
    :param wrapper_fn: called with the arguments of each call; returns a future.
    :param name: the name of the decorator, for ``str()`` of the result.
    :return: an object ``d`` with ``d.asynq(...)``, which is ``wrapper_fn(...)``, and ``d(...)``,
        which is the value of that future.

    """
    return decorate(AsyncWrapper, fn, wrapper_fn, name)


globals()["async"] = asynq
