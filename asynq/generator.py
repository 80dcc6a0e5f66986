"""Asynchronous generators: sequences whose elements are computed with batching (experimental).

::

    @async_generator()
    def names(uids):
        for uid in uids:
            name = yield name_of_user.asynq(uid)
            yield Value(name)

    @asynq()
    def first_three(uids):
        return (yield take_first.asynq(names(uids), 3))

"""

import functools
import itertools

import six
from qcore import MarkerObject

from ._compat import is_native_function, is_native_generator_function, subscript
from ._structures import extract_futures
from .decorators import async_proxy, asynq
from .futures import ConstFuture
from .utils import result

if six.PY3:
    from ._native import next_element

__all__ = ["END_OF_GENERATOR", "async_generator", "list_of_generator", "take_first", "Value"]

__traceback_hide__ = True

# What the last future of a generator gives if it ends after waiting for something.
END_OF_GENERATOR = MarkerObject("end of generator")


class Value(object):
    """What an async generator yields as an element, in contrast to what it waits for."""

    __class_getitem__ = subscript

    def __init__(self, value):
        self.value = value

    def __repr__(self):
        return "<Value: %r>" % (self.value,)


def async_generator():
    """Make a generator function that yields futures and :class:`Value` objects one of elements.

    The result iterates over futures of the elements; each has to be computed before the next is
    asked for.

    """

    def decorator(fn):
        assert not (is_native_function(fn) or is_native_generator_function(fn)), (
            "@async_generator() expected a generator function, got %r, which is async def. Cure:"
            " write def and yield what it waits for, and Value(...) for each element." % (fn,)
        )

        @functools.wraps(fn)
        def wrapper(*args, **kwargs):
            return _AsyncGenerator(fn(*args, **kwargs))

        return wrapper

    return decorator


@asynq()
def list_of_generator(generator):
    """The list of all elements of an async generator."""
    result((yield take_first.asynq(generator, None)))


@asynq()
def take_first(generator, n):
    """The list of the first ``n`` elements of an async generator, which can be continued."""
    values = []
    for future in itertools.islice(generator, n):
        value = yield future
        if value is END_OF_GENERATOR:
            break
        values.append(value)
    result(values)


class _AsyncGenerator(object):
    """An iterator over futures of the elements."""

    __class_getitem__ = subscript

    def __init__(self, generator):
        self.generator = generator
        # The future of the last element, None before the first.
        self.last_task = None

    @property
    def is_stopped(self):
        """Whether the body has ended."""
        return self.generator.gi_frame is None

    def __iter__(self):
        return self

    def __next__(self):
        return self._advance(None)

    next = __next__

    def __aiter__(self):
        return self

    def __anext__(self):
        """The next element itself; for ``async for``."""
        return next_element(self, END_OF_GENERATOR)

    @async_proxy()
    def send(self, value):
        """Send ``value`` into the body; the future of the next element."""
        return self._advance(value)

    def _advance(self, value):
        if self.last_task is not None and not self.last_task.is_computed():
            raise RuntimeError(
                "You must compute the previous task before advancing the generator"
            )
        yielded = self.generator.send(value)
        if isinstance(yielded, Value):
            self.last_task = ConstFuture(yielded.value)
        else:
            self.last_task = _next_element.asynq(self.generator, [yielded])
        return self.last_task

    def __repr__(self):
        return "<async generator %s>" % self.generator.__name__


@asynq()
def _next_element(generator, first):
    """Wait for what the body waits for, until it yields an element.

    :param first: a list of what it has yielded. It is emptied, because an error holds the arguments
        of the task that it comes from.

    """
    yielded = first.pop()
    try:
        while not isinstance(yielded, Value):
            try:
                value = yield yielded
            except BaseException as error:
                if type(error) is GeneratorExit and not _is_error_in(yielded, error):
                    raise  # it is this task that is being closed
                yielded = generator.throw(error)
            else:
                yielded = generator.send(value)
        result(yielded.value)
    except StopIteration:
        result(END_OF_GENERATOR)
    finally:
        # The traceback of an error of what was yielded leads to this frame: see test_garbage.py.
        generator = yielded = value = error = None  # noqa: F841


def _is_error_in(yielded, error):
    return any(future._error is error for future in extract_futures(yielded, []))
