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

from qcore import MarkerObject

from .decorators import async_proxy, asynq
from .futures import ConstFuture
from .utils import result

__all__ = ["END_OF_GENERATOR", "async_generator", "list_of_generator", "take_first", "Value"]

__traceback_hide__ = True

# What the last future of a generator gives if it ends after waiting for something.
END_OF_GENERATOR = MarkerObject("end of generator")


class Value(object):
    """What an async generator yields as an element, in contrast to what it waits for."""

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
    while n is None or len(values) < n:
        future = next(generator, None)
        if future is None:
            break
        value = yield future
        if value is END_OF_GENERATOR:
            break
        values.append(value)
    result(values)


class _AsyncGenerator(object):
    """An iterator over futures of the elements."""

    def __init__(self, generator):
        self.generator = generator
        # The future of the last element, None before the first.
        self.last_task = None
        self.is_stopped = False

    def __iter__(self):
        return self

    def __next__(self):
        return self._advance(None)

    next = __next__

    @async_proxy()
    def send(self, value):
        """Send ``value`` into the body; the future of the next element."""
        return self._advance(value)

    def _advance(self, value):
        if self.last_task is not None and not self.last_task.is_computed():
            raise RuntimeError(
                "You must compute the previous task before advancing the generator"
            )
        if self.is_stopped:
            raise StopIteration
        try:
            yielded = self.generator.send(value)
        except BaseException:
            self.is_stopped = True
            raise
        if isinstance(yielded, Value):
            self.last_task = ConstFuture(yielded.value)
        else:
            self.last_task = self._next_element.asynq(yielded)
        return self.last_task

    @asynq()
    def _next_element(self, yielded):
        """Wait for what the body waits for, until it yields an element."""
        try:
            while not isinstance(yielded, Value):
                try:
                    value = yield yielded
                except Exception as error:
                    yielded = self.generator.throw(error)
                else:
                    yielded = self.generator.send(value)
        except StopIteration:
            self.is_stopped = True
            result(END_OF_GENERATOR)
        except BaseException:
            self.is_stopped = True
            raise
        result(yielded.value)

    def __repr__(self):
        return "<async generator %s>" % getattr(self.generator, "__name__", self.generator)
