"""The one place that knows what may be yielded: futures, None, and lists, tuples and dicts of them.

Only exact lists, tuples and dicts are taken apart. Nothing here recurses: structures may be
nested as deeply as memory allows.

"""

import qcore
import six

from .futures import ConstFuture, ErrorFuture, FutureBase

__traceback_hide__ = True

# Deeper than anything sane: a container that contains itself.
MAX_NESTING = 100000


def leaves(structure):
    """The list of everything in ``structure`` but None, in its order.

    :raises RuntimeError: if it contains itself.

    """
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


def value_of(future):
    """The value of a future that is computed and has no error."""
    return future._value


def outcome_of(future):
    """A future with the outcome of calling ``future.value()``, which a class may define anew."""
    if not future._defines_value:
        return future
    try:
        return ConstFuture(future.value())
    except BaseException as error:
        return ErrorFuture(error)


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
    return ErrorFuture(
        TypeError(
            "Cannot unwrap an object of type '%s': only futures and None are allowed." % type(leaf)
        )
    )


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
