"""Tools for writing async functions: map, filter, sort, cache, retry, deduplicate, time."""

import functools
import threading
import time
import weakref

import qcore
from qcore.caching import LRUCache, get_kwargs_defaults, miss
from qcore.inspection import get_original_fn

from ._compat import get_argspec, monotonic_utime
from .contexts import AsyncContext
from .decorators import (
    AsyncDecorator,
    AsyncDecoratorBinder,
    async_call,
    asynq,
    decorate,
    get_async_fn,
    is_async_fn,
)
from .utils import result

__all__ = [
    "amap",
    "afilter",
    "afilterfalse",
    "asorted",
    "amax",
    "amin",
    "asift",
    "acached_per_instance",
    "alru_cache",
    "alazy_constant",
    "aretry",
    "call_with_context",
    "deduplicate",
    "AsyncTimer",
    "AsyncEventHook",
]

__traceback_hide__ = True


# On many values at once


@asynq()
def amap(function, sequence):
    """The list of what the async ``function`` returns for each element, all asked for at once."""
    result((yield [function.asynq(elt) for elt in sequence]))


@asynq()
def afilter(function, sequence):
    """The list of the elements for which the async ``function`` returns something true.

    :param function: None means the elements themselves.

    """
    matching, _ = yield asift.asynq(function, sequence)
    result(matching)


@asynq()
def afilterfalse(function, sequence):
    """The list of the elements for which the async ``function`` returns something false.

    :param function: None means the elements themselves.

    """
    _, other = yield asift.asynq(function, sequence)
    result(other)


@asynq()
def asift(pred, items):
    """The lists of the elements for which the async ``pred`` is true, and of all others."""
    items = list(items)
    answers = items if pred is None else (yield [pred.asynq(item) for item in items])
    matching, other = [], []
    for item, answer in zip(items, answers):
        (matching if answer else other).append(item)
    result((matching, other))


@asynq()
def asorted(iterable, key=None, reverse=False):
    """The sorted list of the elements, as ``sorted`` makes it, with an async ``key``."""
    values = list(iterable)
    if key is None:
        result(sorted(values, reverse=reverse))
    keys = yield [key.asynq(value) for value in values]
    order = sorted(range(len(values)), key=keys.__getitem__, reverse=reverse)
    result([values[index] for index in order])


@asynq()
def amax(*args, **kwargs):
    """The greatest element of an iterable, or the greatest argument, by an async ``key``.

    :param key: the async function that gives what is compared; optional.
    :param default: what is returned for an empty iterable; optional.
    :raises ValueError: for an empty iterable without a default.

    """
    result((yield _extreme.asynq("amax", max, args, kwargs)))


@asynq()
def amin(*args, **kwargs):
    """The least element of an iterable, or the least argument, by an async ``key``.

    The parameters are those of :func:`amax`.

    """
    result((yield _extreme.asynq("amin", min, args, kwargs)))


@asynq()
def _extreme(name, pick, args, kwargs):
    kwargs = dict(kwargs)
    key = kwargs.pop("key", None)
    default = kwargs.pop("default", miss)
    if kwargs:
        raise TypeError("%s() got an unexpected keyword argument" % name)
    if not args:
        raise TypeError("%s() expected 1 arguments, got 0" % name)
    if len(args) > 1 and default is not miss:
        raise TypeError("%s() takes a default only together with one iterable" % name)
    values = list(args[0] if len(args) == 1 else args)
    if not values:
        if default is miss:
            raise ValueError("%s() arg is an empty sequence" % name)
        result(default)
    if key is None:
        result(pick(values))
    keys = yield [key.asynq(value) for value in values]
    result(values[pick(range(len(values)), key=keys.__getitem__)])


# Caches


class _Computations(object):
    """Values that are being computed: who asks for one meanwhile, waits for the same one.

    Each thread has its own.

    """

    def __init__(self):
        self._futures = {}

    @asynq()
    def get(self, key, compute):
        """The value of the future that ``compute()`` returns, or of the one under way."""
        key = (threading.current_thread(), key)
        if key in self._futures:
            result((yield self._futures[key]))
        future = self._futures[key] = compute()
        try:
            value = yield future
        finally:
            del self._futures[key]
        result(value)


class _Arguments(object):
    """Normalizes the arguments of calls, so that equal calls have equal keys.

    :param fn: the function.
    :param skip: how many of its first parameters are left out.

    """

    def __init__(self, fn, skip=0):
        argspec = get_argspec(_undecorated(fn))
        self._names = argspec.args[skip:]
        self._keyword_defaults = getattr(argspec, "kwonlydefaults", None) or {}
        self._defaults = get_kwargs_defaults(argspec)

    def key(self, args, kwargs):
        """What the parameters get: by position in their order, and what can't be given so.

        :raises TypeError: if one is missing.

        """
        by_position = list(args)
        others = dict(self._keyword_defaults, **kwargs)
        for name in self._names[len(args) :]:
            if name in others:
                by_position.append(others.pop(name))
            elif name in self._defaults:
                by_position.append(self._defaults[name])
            else:
                raise TypeError("Missing argument %r" % name)
        return tuple(by_position), frozenset(others.items())


def _undecorated(fn):
    """The very function: what ``get_original_fn`` finds may have an ``original_fn`` itself."""
    original = get_original_fn(fn)
    while original is not fn:
        fn, original = original, get_original_fn(original)
    return original


def _async_like(fn):
    """Make a function async, and have it look and bind like the one that ``fn`` decorates."""
    original = _undecorated(fn)
    kind = getattr(fn, "type", None)  # classmethod or staticmethod

    def decorator(wrapper):
        present = [name for name in functools.WRAPPER_ASSIGNMENTS if hasattr(original, name)]
        functools.update_wrapper(wrapper, original, assigned=present, updated=())
        wrapper.original_fn = original
        return asynq()(wrapper if kind is None else kind(wrapper))

    return decorator


def _check_parentheses(name, option):
    assert not is_async_fn(option), (
        "@%s was applied to %r without its parentheses. Cure: write @%s()." % (name, option, name)
    )


def _async_version(name, fn):
    """What a decorator of this module calls for ``fn``, which has to be async."""
    async_fn = get_async_fn(getattr(fn, "__func__", fn))
    assert async_fn is not None, (
        "@%s() expected an async function, got %r. Cure: write @asynq() below it." % (name, fn)
    )
    return async_fn


def acached_per_instance():
    """Cache the values of an async method in each instance's name, for as long as it lives.

    Calls with equal arguments, however they are passed, share a value, which is computed once
    even if it is asked for again meanwhile. Errors are not cached. The instances must allow weak
    references; they need not be hashable, and are not changed.

    """

    def decorator(fun):
        arguments = _Arguments(fun, skip=1)
        computations = _Computations()
        async_fun = _async_version("acached_per_instance", fun)
        cache = {}

        @_async_like(fun)
        def cached(self, *args, **kwargs):
            key = arguments.key(args, kwargs)
            values = _values_of_instance(cache, self)
            try:
                result(values[key])
            except KeyError:
                pass
            value = yield computations.get.asynq(
                (id(self), key), lambda: async_fun(self, *args, **kwargs)
            )
            values[key] = value
            result(value)

        cached.__acached_per_instance_cache__ = cache
        return cached

    return decorator


def _values_of_instance(cache, instance):
    key = id(instance)
    entry = cache.get(key)
    if entry is None:
        reference = weakref.ref(instance, lambda _: cache.pop(key, None))
        # setdefault: another thread may do the same.
        entry = cache.setdefault(key, (reference, {}))
    return entry[1]


def alru_cache(maxsize=128, key_fn=None):
    """Cache the values of the ``maxsize`` calls of an async function that were used last.

    :param maxsize: a positive int.
    :param key_fn: takes the tuple and the dict of the arguments and returns the key; by default
        calls with equal arguments, however they are passed, have equal keys.

    A value is computed once even if it is asked for again meanwhile. Errors are not cached.

    """
    _check_parentheses("alru_cache", maxsize)

    def decorator(fn):
        cache = LRUCache(maxsize)
        lock = threading.RLock()
        computations = _Computations()
        async_fn = _async_version("alru_cache", fn)
        make_key = _Arguments(fn).key if key_fn is None else key_fn

        @_async_like(fn)
        def cached(*args, **kwargs):
            key = make_key(args, kwargs)
            with lock:
                value = cache.get(key, miss)
            if value is not miss:
                result(value)
            value = yield computations.get.asynq(key, lambda: async_fn(*args, **kwargs))
            with lock:
                cache[key] = value
            result(value)

        return cached

    return decorator


def alazy_constant(ttl=0):
    """Compute the value of an async function without arguments once, and again when it is old.

    :param ttl: how long a value is good, in microseconds from the end of its computation; 0 is
        for ever.

    ``.dirty()`` makes the next call compute it again. Errors are not cached.

    """
    _check_parentheses("alazy_constant", ttl)

    def decorator(fn):
        computations = _Computations()
        async_fn = _async_version("alazy_constant", fn)
        # Between the question for the generation and its answer no dirty() may come.
        lock = threading.RLock()

        @_async_like(fn)
        def constant():
            refreshed = constant.alazy_constant_refresh_time
            value = constant.alazy_constant_cached_value
            if refreshed != 0 and (ttl == 0 or refreshed + ttl >= _now()):
                result(value)
            # A computation that began before dirty() is of another generation: it neither
            # answers those who ask after it nor ends up in the cache.
            generation = constant.alazy_constant_generation
            value = yield computations.get.asynq(generation, async_fn)
            with lock:
                if constant.alazy_constant_generation is generation:
                    constant.alazy_constant_cached_value = value
                    constant.alazy_constant_refresh_time = _now()
            result(value)

        def dirty():
            """Have the next call compute the value."""
            with lock:
                constant.alazy_constant_generation = object()
                constant.alazy_constant_refresh_time = 0

        constant.dirty = dirty
        constant.alazy_constant_cached_value = None
        dirty()
        return constant

    return decorator


def _now():
    # Never 0, which stands for "not computed"; follows the clock that tests set.
    return monotonic_utime() + qcore.get_time_offset() + 1


# Calls


def aretry(exception_cls, max_tries=10, sleep=0.05):
    """Call an async function again if it raises ``exception_cls``.

    :param exception_cls: an exception class or a tuple of them.
    :param max_tries: how often it is called at most.
    :param sleep: seconds between two calls, in which the thread sleeps.

    """
    assert max_tries > 0, "max_tries (%d) should be a positive integer" % max_tries

    def decorator(fn):
        @_async_like(fn)
        def retried(*args, **kwargs):
            tries_left = max_tries
            while True:
                tries_left -= 1
                try:
                    value = yield fn.asynq(*args, **kwargs)
                except exception_cls:
                    if tries_left == 0:
                        raise
                else:
                    result(value)
                time.sleep(sleep)

        retried.original_fn = fn
        return retried

    return decorator


@asynq()
def call_with_context(context, fn, *args, **kwargs):
    """Call the async ``fn`` inside ``context``: for one of several calls that are yielded."""
    with context:
        value = yield fn.asynq(*args, **kwargs)
    result(value)


class DeduplicateDecoratorBinder(AsyncDecoratorBinder):
    # A bound deduplicated function.
    __doc__ = property(lambda self: self.decorator.__doc__)

    def __call__(self, *args, **kwargs):
        if self.instance is not None:
            args = (self.instance,) + args
        return self.decorator(*args, **kwargs)

    def dirty(self, *args, **kwargs):
        """Have the next call with these arguments make a new task."""
        if self.instance is not None:
            args = (self.instance,) + args
        self.decorator.dirty(*args, **kwargs)


class DeduplicateDecorator(AsyncDecorator):
    """What :func:`deduplicate` makes of an async function."""

    __slots__ = ("keygetter", "_async_fn", "_pure")

    binder_cls = DeduplicateDecoratorBinder

    # The tasks that can be shared, by key. One that nobody holds any longer disappears from
    # here, and one that is computed is not used.
    tasks = weakref.WeakValueDictionary()

    def __init__(self, fn, keygetter):
        inner = getattr(fn, "__func__", fn)  # of a classmethod or staticmethod
        super(DeduplicateDecorator, self).__init__(fn, inner.task_cls)
        self.keygetter = keygetter
        self._async_fn = get_async_fn(inner)
        self._pure = inner.is_pure_async_fn()

    def name(self):
        return "@deduplicate()"

    def is_pure_async_fn(self):
        return self._pure

    def cache_key(self, args, kwargs):
        """What calls that share a task have in common; the thread is part of it."""
        return self.keygetter(args, kwargs), threading.current_thread(), id(self.fn)

    def _call_pure(self, args, kwargs):
        key = self.cache_key(args, kwargs)
        task = self.tasks.get(key)
        if task is not None and not task.is_computed():
            if not getattr(task, "running", False):
                return task
            # It is the task that asks, synchronously, and can't wait for itself.
            return self._async_fn(*args, **kwargs)
        task = self._async_fn(*args, **kwargs)
        self.tasks[key] = task
        return task

    def __call__(self, *args, **kwargs):
        task = self._call_pure(args, kwargs)
        return task if self._pure else task.value()

    def dirty(self, *args, **kwargs):
        """Have the next call with these arguments make a new task."""
        self.tasks.pop(self.cache_key(args, kwargs), None)


def deduplicate(keygetter=None):
    """Let calls of an async function with equal arguments share one task until it is computed.

    :param keygetter: takes the tuple and the dict of the arguments and returns the key; by
        default calls with equal arguments, however they are passed, have equal keys.

    ``.dirty(...)``, with the arguments of a call, makes the next such call begin anew.

    """
    _check_parentheses("deduplicate", keygetter)

    def decorator(fn):
        _async_version("deduplicate", fn)
        key = _Arguments(fn).key if keygetter is None else keygetter
        return decorate(DeduplicateDecorator, fn, key)

    return decorator


# Time and events


class AsyncTimer(AsyncContext):
    """A context that measures how long the task inside it runs.

    ``total_time``, in integer microseconds, is the sum of the periods in which the context was
    active: neither flushes nor unrelated tasks are counted. Read it after the context is left.

    """

    def __init__(self):
        self.total_time = 0
        self._last_start_time = None

    def resume(self):
        self._last_start_time = qcore.utime()

    def pause(self):
        self.total_time += qcore.utime() - self._last_start_time


class AsyncEventHook(qcore.EventHook):
    """An EventHook whose handlers may be async functions.

    Plain handlers are called at once and in order, async ones then run concurrently.

    """

    @asynq()
    def trigger(self, *args):
        """Call all handlers; the first error of a plain one ends it there."""
        yield [async_call.asynq(handler, *args) for handler in list(self)]

    @asynq()
    def safe_trigger(self, *args):
        """Call all handlers, whatever they raise, and then raise the first error in their order."""
        yield [_call_safely.asynq(handler, args) for handler in list(self)]

    def __call__(self, *args):
        self.trigger(*args)


@asynq()
def _call_safely(handler, args):
    yield async_call.asynq(handler, *args)
