"""Tools for writing async functions: map, filter, sort, cache, retry, deduplicate, time."""

import functools
import threading
import time
import weakref

import qcore
from qcore.caching import LRUCache, get_kwargs_defaults, miss
from qcore.inspection import get_original_fn

from ._compat import asyncio_driver, get_argspec, monotonic_utime
from .async_task import AsyncTask, AsyncTaskResult
from .contexts import AsyncContext
from .decorators import (
    AsyncDecorator,
    AsyncDecoratorBinder,
    async_call,
    asynq,
    call_in_asyncio_mode,
    decorate,
    get_async_fn,
    is_async_fn,
)
from .scheduler import Run, get_scheduler, is_asyncio_mode, run
from .utils import result

try:
    from collections.abc import Mapping
except ImportError:  # pragma: no cover
    from collections import Mapping  # Python 2

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
    values, key, default = _comparable("amax", args, kwargs)
    keys = values if key is None else (yield [key.asynq(value) for value in values])
    result(values[max(range(len(values)), key=keys.__getitem__)] if values else default)


@asynq()
def amin(*args, **kwargs):
    """The least element of an iterable, or the least argument, by an async ``key``.

    The parameters are those of :func:`amax`.

    """
    values, key, default = _comparable("amin", args, kwargs)
    keys = values if key is None else (yield [key.asynq(value) for value in values])
    result(values[min(range(len(values)), key=keys.__getitem__)] if values else default)


def _comparable(name, args, kwargs):
    """What the function ``name`` is to compare, by which key, and its default for nothing."""
    key = kwargs.pop("key", None)
    default = kwargs.pop("default", miss)
    if kwargs:
        raise TypeError("%s() got an unexpected keyword argument" % name)
    if not args:
        raise TypeError("%s() expected 1 arguments, got 0" % name)
    if len(args) > 1 and default is not miss:
        raise TypeError("%s() takes a default only together with one iterable" % name)
    values = list(args[0] if len(args) == 1 else args)
    if not values and default is miss:
        raise ValueError("%s() arg is an empty sequence" % name)
    return values, key, default


# Caches


class _Arguments(object):
    """Normalizes the arguments of calls of ``fn``, so that equal calls have equal keys."""

    def __init__(self, fn):
        argspec = get_argspec(_undecorated(fn))
        self._names = argspec.args
        self._keyword_defaults = getattr(argspec, "kwonlydefaults", None) or {}
        self._defaults = get_kwargs_defaults(argspec)
        # So many arguments, if all are given by position, are their own key.
        self.complete = float("inf") if self._keyword_defaults else len(self._names)

    def key(self, args, kwargs):
        """What the parameters get: by position in their order, then what can't be given so.

        :raises TypeError: if one is missing.

        """
        if not kwargs and len(args) >= self.complete:
            return args
        by_position = list(args)
        others = dict(self._keyword_defaults, **kwargs)
        for name in self._names[len(args) :]:
            if name in others:
                by_position.append(others.pop(name))
            elif name in self._defaults:
                by_position.append(self._defaults[name])
            else:
                raise TypeError("Missing argument %r" % name)
        if others:
            by_position += (_BY_KEYWORD, frozenset(others.items()))
        return tuple(by_position)


# In a key, what comes after it was given by keyword.
_BY_KEYWORD = qcore.MarkerObject("by keyword (tools)")


def _undecorated(fn):
    """The very function: what ``get_original_fn`` finds may have an ``original_fn`` itself."""
    original = get_original_fn(fn)
    while original is not fn:
        fn, original = original, get_original_fn(original)
    return original


def _check_parentheses(name, option):
    assert not is_async_fn(option), (
        "@%s was applied to %r without its parentheses. Cure: write @%s()." % (name, option, name)
    )


def _check_async(name, fn):
    assert is_async_fn(getattr(fn, "__func__", fn)), (
        "@%s() expected an async function, got %r. Cure: write @asynq() below it." % (name, fn)
    )


def _allows_sync_call(fn):
    return getattr(getattr(fn, "__func__", fn), "allow_sync_call", False)


class _Binder(AsyncDecoratorBinder):
    # A bound function whose decorator says what a synchronous call does.
    __doc__ = property(lambda self: self.decorator.__doc__)

    def __call__(self, *args, **kwargs):
        if self.instance is not None:
            args = (self.instance,) + args
        return self.decorator(*args, **kwargs)


class _CachedFunction(AsyncDecorator):
    """An async function whose values are kept; derived classes know where and how long.

    A value that is there is handed out at the call: if a task has to run to find it, the
    ``alru_cache`` of benchmarks/workloads.py takes 2.3 times as long.

    """

    __slots__ = ("_async_fn", "_original_fn", "_under_way")

    binder_cls = _Binder

    def __init__(self, fn):
        super(_CachedFunction, self).__init__(
            fn, AsyncTask, allow_sync_call=_allows_sync_call(fn)
        )
        self._async_fn = get_async_fn(self.fn)
        self._original_fn = _undecorated(fn)
        # What is being computed, by scheduler and place.
        self._under_way = {}

    def _place(self, args, kwargs):
        """Where the value of a call is kept; hashable."""
        raise NotImplementedError

    def _find(self, place):
        """The value there, or ``miss``."""
        raise NotImplementedError

    def _keep(self, place, value):
        raise NotImplementedError

    def asynq(self, *args, **kwargs):
        """Return a task of the value, which is computed already if the value is there."""
        place = self._place(args, kwargs)
        value = self._find(place)
        if value is miss:
            return self._task(place, args, kwargs)
        task = AsyncTask(None, self._original_fn, args, kwargs)
        task.set_value(value)
        return task

    def __call__(self, *args, **kwargs):
        place = self._place(args, kwargs)
        value = self._find(place)
        if value is miss or is_asyncio_mode():
            return run(Run(self._task(place, args, kwargs), self.allow_sync_call))
        return value

    def _task(self, place, args, kwargs):
        """The task of a call whose value is not there."""
        return AsyncTask(self._compute(place, args, kwargs), self._original_fn, args, kwargs)

    def _compute(self, place, args, kwargs):
        # The body of a task. Who asks for a value that is under way, waits for the same one.
        value = self._find(place)
        if value is not miss:
            raise AsyncTaskResult(value)  # it came after the call
        key = (get_scheduler(), place)
        if key in self._under_way:
            raise AsyncTaskResult((yield self._under_way[key]))
        try:
            try:
                future = self._under_way[key] = self._async_fn(*args, **kwargs)
                value = yield future
            finally:
                self._under_way.pop(key, None)
        except BaseException:
            self._under_way.pop(key, None)  # an interrupt can have come before the other one
            raise
        self._keep(place, value)
        raise AsyncTaskResult(value)


class _CachedPerInstance(_CachedFunction):
    __slots__ = ("_make_key",)

    def __init__(self, fn):
        super(_CachedPerInstance, self).__init__(fn)
        self._make_key = _Arguments(fn).key
        self.__acached_per_instance_cache__ = {}

    def name(self):
        return "@acached_per_instance()"

    def _place(self, args, kwargs):
        key = self._make_key(args, kwargs)
        instance = key[0]
        identity = id(instance)
        cache = self.__acached_per_instance_cache__
        if identity not in cache:
            reference = weakref.ref(instance, lambda _: cache.pop(identity, None))
            # setdefault: another thread may do the same.
            cache.setdefault(identity, (reference, {}))
        return identity, key[1:]

    def _find(self, place):
        identity, key = place
        entry = self.__acached_per_instance_cache__.get(identity)
        return miss if entry is None else entry[1].get(key, miss)

    def _keep(self, place, value):
        identity, key = place
        entry = self.__acached_per_instance_cache__.get(identity)
        if entry is not None:  # nobody has cleared the cache meanwhile
            entry[1][key] = value


def acached_per_instance():
    """Cache the values of an async method in each instance's name, for as long as it lives.

    Calls with equal arguments, however they are passed, share a value, which is computed once
    even if it is asked for again meanwhile. Errors are not cached. The instances must allow weak
    references; they need not be hashable, and are not changed.

    """

    def decorator(fun):
        _check_async("acached_per_instance", fun)
        return decorate(_CachedPerInstance, fun)

    return decorator


class _CachedByUse(_CachedFunction):
    __slots__ = ("_place", "_values", "_lock")

    def __init__(self, fn, maxsize, make_key):
        super(_CachedByUse, self).__init__(fn)
        self._place = make_key
        self._values = LRUCache(maxsize)
        self._lock = threading.RLock()

    def name(self):
        return "@alru_cache()"

    def _find(self, place):
        with self._lock:
            return self._values.get(place, miss)

    def _keep(self, place, value):
        with self._lock:
            self._values[place] = value


def alru_cache(maxsize=128, key_fn=None):
    """Cache the values of the ``maxsize`` calls of an async function that were used last.

    :param maxsize: a positive int.
    :param key_fn: takes the tuple and the dict of the arguments and returns the key; by default
        calls with equal arguments, however they are passed, have equal keys.

    A value is computed once even if it is asked for again meanwhile. Errors are not cached.

    """
    _check_parentheses("alru_cache", maxsize)

    def decorator(fn):
        _check_async("alru_cache", fn)
        make_key = _Arguments(fn).key if key_fn is None else key_fn
        return decorate(_CachedByUse, fn, maxsize, make_key)

    return decorator


class _LazyConstant(_CachedFunction):
    __slots__ = ("_ttl", "_generation", "_lock")

    def __init__(self, fn, ttl):
        super(_LazyConstant, self).__init__(fn)
        self._ttl = ttl
        # Between the question for the generation and its answer no dirty() may come.
        self._lock = threading.RLock()
        self.alazy_constant_cached_value = None
        self.dirty()

    def name(self):
        return "@alazy_constant()"

    def dirty(self):
        """Have the next call compute the value."""
        with self._lock:
            self._generation = object()
            self.alazy_constant_refresh_time = 0

    # A computation that began before dirty() is of another generation: it neither answers those
    # who ask after it nor ends up in the cache.

    def _place(self, args, kwargs):
        if args or kwargs:
            raise TypeError("%s() takes no arguments" % self.__name__)
        return self._generation

    def _find(self, place):
        refreshed = self.alazy_constant_refresh_time
        value = self.alazy_constant_cached_value
        if refreshed != 0 and (self._ttl == 0 or refreshed + self._ttl >= _now()):
            return value
        return miss

    def _keep(self, place, value):
        with self._lock:
            if self._generation is place:
                self.alazy_constant_cached_value = value
                self.alazy_constant_refresh_time = _now()


def alazy_constant(ttl=0):
    """Compute the value of an async function without arguments once, and again when it is old.

    :param ttl: how long a value is good, in microseconds from the end of its computation; 0 is
        for ever.

    ``.dirty()`` makes the next call compute it again. Errors are not cached.

    """
    _check_parentheses("alazy_constant", ttl)

    def decorator(fn):
        _check_async("alazy_constant", fn)
        return decorate(_LazyConstant, fn, ttl)

    return decorator


def _now():
    # Never 0, which stands for "not computed"; follows the clock that tests set.
    return monotonic_utime() + qcore.get_time_offset() + 1


# Calls


def aretry(exception_cls, max_tries=10, sleep=0.05):
    """Call an async function again if it raises ``exception_cls``.

    :param exception_cls: an exception class or a tuple of them.
    :param max_tries: how often it is called at most.
    :param sleep: seconds between two calls, in which the thread sleeps. On an event loop others go
        on meanwhile.

    """
    assert max_tries > 0, "max_tries (%d) should be a positive integer" % max_tries

    def decorator(fn):
        original = _undecorated(fn)
        kind = getattr(fn, "type", None)  # classmethod or staticmethod

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
                if is_asyncio_mode():
                    yield asyncio_driver().asyncio.sleep(sleep)
                else:
                    time.sleep(sleep)

        present = [name for name in functools.WRAPPER_ASSIGNMENTS if hasattr(original, name)]
        functools.update_wrapper(retried, original, assigned=present, updated=())
        retried = asynq(allow_sync_call=_allows_sync_call(fn))(
            retried if kind is None else kind(retried)
        )
        retried.original_fn = fn
        return retried

    return decorator


@asynq()
def call_with_context(context, fn, *args, **kwargs):
    """Call the async ``fn`` inside ``context``: for one of several calls that are yielded."""
    with context:
        value = yield fn.asynq(*args, **kwargs)
    result(value)


class DeduplicateDecoratorBinder(_Binder):
    # A bound deduplicated function.
    __doc__ = property(lambda self: self.decorator.__doc__)

    def dirty(self, *args, **kwargs):
        """Have the next call with these arguments make a new task."""
        if self.instance is not None:
            args = (self.instance,) + args
        self.decorator.dirty(*args, **kwargs)


class _Tasks(dict):
    """The tasks of one function and thread that can be shared: weak references, by their keys.

    A task that nobody holds any longer disappears, and one that is computed is not used. (With a
    WeakValueDictionary, a call that makes a new task takes twice as long.)

    """

    __slots__ = ("_fn", "_ref", "__weakref__")

    def __init__(self, fn):
        super(_Tasks, self).__init__()
        # Held, because no other function may get the ``id()`` by which these tasks are known.
        self._fn = fn
        # What the callbacks below have: if they held the tasks' dict, it would be in a cycle.
        self._ref = weakref.ref(self)

    def put(self, key, task):
        ref = self._ref

        def forget(reference):
            tasks = ref()
            if tasks is not None and tasks.get(key) is reference:
                tasks.pop(key, None)

        self[key] = weakref.ref(task, forget)


def _is_a_loops(task):
    """Whether an event loop has started ``task``, and it is not that loop's code which asks."""
    its_run = getattr(task, "_run", None)
    return (
        its_run is not None
        and its_run.asyncio_mode
        and its_run.scheduler is not get_scheduler()
    )


class _AllTasks(Mapping):
    """The tasks of all functions and threads that can be shared, by their cache keys."""

    def __init__(self):
        self._parts = weakref.WeakValueDictionary()

    def part(self, thread, fn):
        """What there is for one thread and function."""
        return self._parts.setdefault((thread, id(fn)), _Tasks(fn))

    def __getitem__(self, cache_key):
        key, thread, identity = cache_key
        return self._parts[thread, identity][key]()

    def __iter__(self):
        for (thread, identity), tasks in list(self._parts.items()):
            for key in list(tasks):
                yield key, thread, identity

    def __len__(self):
        return sum(len(tasks) for tasks in list(self._parts.values()))

    def clear(self):
        """Have all next calls make new tasks."""
        for tasks in list(self._parts.values()):
            tasks.clear()


class _Here(threading.local):
    # With thread and function in the keys instead, a call that finds a task takes 1.25 times as
    # long (the ``deduplicate`` of benchmarks/workloads.py).

    def __init__(self, fn):
        self.tasks = DeduplicateDecorator.tasks.part(threading.current_thread(), fn)


class DeduplicateDecorator(AsyncDecorator):
    """What :func:`deduplicate` makes of an async function."""

    __slots__ = ("keygetter", "_async_fn", "_pure", "_complete", "_here")

    binder_cls = DeduplicateDecoratorBinder

    # The tasks that can be shared now.
    tasks = _AllTasks()

    def __init__(self, fn, keygetter, complete=float("inf")):
        inner = getattr(fn, "__func__", fn)  # of a classmethod or staticmethod
        super(DeduplicateDecorator, self).__init__(
            fn, inner.task_cls, allow_sync_call=_allows_sync_call(fn)
        )
        self.keygetter = keygetter
        self._async_fn = get_async_fn(inner)
        self._pure = inner.is_pure_async_fn()
        # So many arguments, if all are given by position, are their own key.
        self._complete = complete
        self._here = _Here(self.fn)

    def name(self):
        return "@deduplicate()"

    def is_pure_async_fn(self):
        return self._pure

    def cache_key(self, args, kwargs):
        """What calls that share a task have in common; the thread is part of it."""
        return self.keygetter(args, kwargs), threading.current_thread(), id(self.fn)

    def asynq(self, *args, **kwargs):
        """Return the task that calls with equal arguments share until it is computed."""
        # Not calling the keygetter where that is known to return ``args`` saves a seventh of a call
        # that finds a task (the ``deduplicate`` of benchmarks/workloads.py, on Python 3.11).
        if kwargs or len(args) < self._complete:
            key = self.keygetter(args, kwargs)
        else:
            key = args
        tasks = self._here.tasks
        reference = tasks.get(key)
        task = None if reference is None else reference()
        if task is None or task.is_computed() or (
            # A synchronous call can't wait for an event loop.
            _is_a_loops(task) and get_scheduler().current_run is not None
        ):
            task = self._async_fn(*args, **kwargs)
            tasks.put(key, task)
        elif getattr(task, "running", False):
            # It is the task that asks, synchronously, and can't wait for itself.
            return self._async_fn(*args, **kwargs)
        return task

    def __call__(self, *args, **kwargs):
        if self._pure:
            return self.asynq(*args, **kwargs)
        if is_asyncio_mode():
            return call_in_asyncio_mode(self, args, kwargs)
        # Not in a variable, to which the traceback of its error would lead (a cycle).
        return self._asynq_from_here(args, kwargs).value()

    def _asynq_from_here(self, args, kwargs):
        """What ``asynq`` returns, for a synchronous call, which can't wait for an event loop."""
        task = self.asynq(*args, **kwargs)
        if _is_a_loops(task):
            self.dirty(*args, **kwargs)
            task = self.asynq(*args, **kwargs)
        return task

    def dirty(self, *args, **kwargs):
        """Have the next call with these arguments make a new task."""
        self._here.tasks.pop(self.keygetter(args, kwargs), None)


def deduplicate(keygetter=None):
    """Let calls of an async function with equal arguments share one task until it is computed.

    :param keygetter: takes the tuple and the dict of the arguments and returns the key; by
        default calls with equal arguments, however they are passed, have equal keys.

    ``.dirty(...)``, with the arguments of a call, makes the next such call begin anew.

    """
    _check_parentheses("deduplicate", keygetter)

    def decorator(fn):
        _check_async("deduplicate", fn)
        if keygetter is not None:
            return decorate(DeduplicateDecorator, fn, keygetter)
        arguments = _Arguments(fn)
        return decorate(DeduplicateDecorator, fn, arguments.key, arguments.complete)

    return decorator


# Time and events


class AsyncTimer(AsyncContext):
    """A context that measures how long the task inside it runs.

    ``total_time``, in integer microseconds, is the sum of the periods in which the context was
    active: neither flushes nor unrelated tasks are counted. Read it after the context is left.
    On an event loop it is the time from entering to leaving.

    """

    def __init__(self):
        self.total_time = 0
        self._last_start_time = None
        self._is_on_loop = False

    def __enter__(self):
        if not is_asyncio_mode():
            return super(AsyncTimer, self).__enter__()
        # Not a context of the task's, so that nobody pauses it.
        self._is_on_loop = True
        self.resume()
        return self

    def __exit__(self, *exc_info):
        if not self._is_on_loop:
            return super(AsyncTimer, self).__exit__(*exc_info)
        self._is_on_loop = False
        self.pause()

    def resume(self):
        self._last_start_time = qcore.utime()

    def pause(self):
        began, self._last_start_time = self._last_start_time, None
        if began is not None:
            self.total_time += qcore.utime() - began


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
