"""The one place that knows what may be yielded: futures, None, and lists, tuples and dicts of them.

Only exact lists, tuples and dicts are taken apart, and these may be nested as deeply as memory
allows: what calls itself here does so for the first levels only, because it is faster.

"""

import inspect

import qcore
import six
from qcore import inspection

from ._debug import safe_repr
from .futures import ErrorFuture, FutureBase, _none
from .scheduler import FAILED

__traceback_hide__ = True

# Deeper than anything sane: a container that contains itself.
MAX_NESTING = 100000

# How deep the functions below call themselves.
SHALLOW = 10


def leaves(structure, depth=0):
    """The list of everything in ``structure`` but None, in its order.

    :raises RuntimeError: if it contains itself.

    """
    cls = structure.__class__
    if cls is dict:
        structure = structure.values()
    elif cls is not list and cls is not tuple:
        return [] if structure is None else [structure]
    found = []
    for item in structure:
        if isinstance(item, FutureBase):
            found.append(item)
        elif item is not None:
            found += leaves(item, depth + 1) if depth < SHALLOW else _deep_leaves(item)
    return found


def _deep_leaves(structure):
    found = []
    stack = [iter((structure,))]
    while stack:
        for item in stack[-1]:
            cls = type(item)
            if cls is list or cls is tuple:
                stack.append(iter(item))
                break
            elif cls is dict:
                stack.append(six.itervalues(item))
                break
            elif item is not None:
                found.append(item)
        else:
            stack.pop()
        if len(stack) > MAX_NESTING:
            raise RuntimeError(
                "Cannot unwrap a structure nested more than %d deep: does it contain itself?"
                % MAX_NESTING
            )
    return found


def find_waiting(structure, found, depth=0):
    """Append the futures in ``structure`` that are not computed to the list ``found``.

    :return: False if the structure is unusual: too deep, or with something else in it.

    """
    cls = structure.__class__
    if cls is not list and cls is not tuple and cls is not dict:
        return False
    for item in structure.values() if cls is dict else structure:
        if isinstance(item, FutureBase):
            if item._value is _none:
                found.append(item)
        elif item is not None:
            if depth == SHALLOW or not find_waiting(item, found, depth + 1):
                return False
    return True


def first_waiting(structure, depth=0):
    """The first future in ``structure`` that is not computed, or None.

    Looking at no more than that is what makes many knots bearable (test_knots.py).

    """
    if isinstance(structure, FutureBase):
        return structure if structure._value is _none else None
    if structure is None:
        return None
    if depth == SHALLOW:
        structure = leaves(structure)
    for item in structure.values() if type(structure) is dict else structure:
        if isinstance(item, FutureBase):
            if item._value is _none:
                return item
        elif item is not None:
            first = first_waiting(item, depth + 1)
            if first is not None:
                return first
    return None


def values_of(structure, depth=0):
    """What a yield of ``structure`` gives, whose futures are computed; FAILED if one has an error.

    :raises TypeError: if there is something else in it.
    :raises: what a ``value()`` raises that a class of futures defines anew.

    """
    cls = structure.__class__
    # One loop for all, storing by key or index, would take 1.03 times as long (the tuples and
    # nested structures of benchmarks/workloads.py).
    if cls is dict:
        values = {}
        for key, item in structure.items():
            if isinstance(item, FutureBase):
                if item._failure is not None:
                    return FAILED
                item = item._outcome
            elif item is not None:
                item = _inner_values(item, depth)
                if item is FAILED:
                    return FAILED
            values[key] = item
        return values
    if cls is not list and cls is not tuple:
        raise wrong_leaf(structure)
    values = []
    for item in structure:
        if isinstance(item, FutureBase):
            if item._failure is not None:
                return FAILED
            item = item._outcome
        elif item is not None:
            item = _inner_values(item, depth)
            if item is FAILED:
                return FAILED
        values.append(item)
    return values if cls is list else tuple(values)


def _inner_values(structure, depth):
    return values_of(structure, depth + 1) if depth < SHALLOW else _deep_values(structure)


def _deep_values(structure):
    outcomes = []
    for future in leaves(structure):
        if future._failure is not None:
            return FAILED
        outcomes.append(future._outcome)
    outcomes.reverse()
    return replaced(structure, lambda future: outcomes.pop())


# Marks on the stack of ``replaced`` that the children of a container are done.
_DONE = qcore.MarkerObject("done (structures)")


def replaced(structure, replace):
    """A copy of ``structure`` in which each leaf but None is what ``replace`` makes of it."""
    results = []
    stack = [structure]
    while stack:
        item = stack.pop()
        cls = type(item)
        if item is _DONE:
            original = stack.pop()
            size = len(original)
            values = results[len(results) - size :]
            del results[len(results) - size :]
            if type(original) is dict:
                results.append(dict(zip(original, values)))
            else:
                results.append(type(original)(values))
        elif cls is list or cls is tuple or cls is dict:
            stack.append(item)
            stack.append(_DONE)
            stack.extend(reversed(list(item.values()) if cls is dict else item))
        else:
            results.append(None if item is None else replace(item))
    return results[0]


def unwrap(value):
    """The values of a structure of futures, computing them as needed.

    :raises TypeError: if there is something in it that can't be unwrapped.

    """
    return replaced(checked(value), lambda future: future.value())


def checked(structure):
    """``structure`` with an ErrorFuture in place of whatever may not be yielded."""
    return replaced(structure, _checked_leaf)


def _checked_leaf(leaf):
    if isinstance(leaf, FutureBase):
        return leaf
    return ErrorFuture(wrong_leaf(leaf))


def wrong_leaf(leaf, fn=None, is_native=False):
    """The error that stands for ``leaf``, which can't be waited for.

    :param fn: the function whose body has yielded it.
    :param is_native: whether that is an ``async def`` function.

    """
    is_awaitable = hasattr(type(leaf), "__await__") and type(leaf) is not Gathered
    if is_awaitable and is_native:
        error = RuntimeError(
            "%s waits for %s, which needs an event loop, and is run without one. Cure: %s."
            % (inspection.get_full_name(fn), safe_repr(leaf), _cure_of_awaitable(leaf, fn))
        )
    else:
        error = TypeError(
            "Cannot unwrap an object of type '%s': only futures and None are allowed. %s"
            % (
                type(leaf),
                "Cure: %s." % _cure_of_awaitable(leaf, fn) if is_awaitable else _cure(leaf),
            )
        )
    if is_awaitable and inspect.iscoroutine(leaf):
        if inspect.getcoroutinestate(leaf) == inspect.CORO_CREATED:
            leaf.close()  # it was handed over, and would warn that nobody has awaited it
    return error


def _cure_of_awaitable(leaf, fn):
    cures = []
    if inspect.iscoroutine(leaf):
        cures.append("make it an @asynq() function and wait for its .asynq(...)")
    if fn is not None:
        cures.append("await %s.asyncio(...) on an event loop" % inspection.get_full_name(fn))
    return "; or ".join(cures) or "await it on an event loop"


class Gathered(object):
    """What ``utils.gather`` returns: an awaitable (see ``_native``) for a structure of futures."""

    __slots__ = ("structure",)

    def __init__(self, structure):
        self.structure = structure


def _cure(leaf):
    cls = type(leaf)
    if cls is Gathered:
        return (
            "Cure: only await takes what gather() returns; without it, yield or nest the list,"
            " tuple or dict itself."
        )
    for plain in (list, tuple, dict):
        if issubclass(cls, plain):
            return (
                "Lists, tuples and dicts of them are taken apart, but nothing that is derived from"
                " these. Cure: make a plain %s of it." % plain.__name__
            )
    if inspect.isgenerator(leaf) and leaf.__name__ != "<genexpr>":
        return "Cure: decorate the function that makes it with @asynq(), and call its .asynq(...)."
    if callable(leaf):
        return "Cure: call it: yield f.asynq(...), not f."
    if hasattr(cls, "__iter__") and not isinstance(leaf, (six.text_type, bytes)):
        return "Cure: make a list of it."
    return "Cure: yield f.asynq(...), not f(...); what is no future needs no yield."


def extract_futures(value, result):
    """Append all futures of a structure to the list ``result``, and return it.

    The order is that of a stack: of lists and tuples the last comes first, dicts forward.

    """
    stack = [value]
    while stack:
        item = stack.pop()
        cls = type(item)
        if cls is list or cls is tuple:
            stack.extend(item)
        elif cls is dict:
            stack.extend(reversed(list(item.values())))
        elif isinstance(item, FutureBase):
            result.append(item)
    return result
