"""``patch`` for async functions: the standard ``mock.patch``, whose mocks have ``.asynq`` too.

Use it for everything: ``fn()``, ``fn.asynq()`` and ``await fn.asyncio()`` then all call the mock,
whatever ``fn`` was, and what is not callable is patched as usual.

"""

from __future__ import absolute_import

import functools
import importlib
import inspect
import sys

import six
from qcore import MarkerObject

from ._compat import asyncio_driver
from .decorators import async_proxy
from .futures import ConstFuture
from .scheduler import is_asyncio_mode

__all__ = ["patch"]

__traceback_hide__ = True

# Stands for the ``DEFAULT`` of the standard ``mock``.
_DEFAULT = MarkerObject("DEFAULT")


def patch(
    target,
    new=_DEFAULT,
    spec=None,
    create=False,
    mocksignature=False,
    spec_set=None,
    autospec=None,
    new_callable=None,
    **kwargs
):
    """Replace ``target`` as ``unittest.mock.patch`` does, and let it be called asynchronously.

    The parameters and the result are those of ``unittest.mock.patch``: a context manager, a
    decorator of functions and classes, with ``start()`` and ``stop()``. (``mocksignature`` is
    ignored.) ``patch.object``, ``patch.dict``, ``patch.multiple`` and ``patch.stopall`` exist, too.

    What is put in place and can be called gets an attribute ``asynq``, which calls it at once and
    returns its result as a future, and ``asyncio``, which returns a coroutine that calls it. When
    the patch ends, an object that was passed as ``new`` is as it was.

    ::

        with patch("app.name_of_user") as name_of_user:
            name_of_user.return_value = "Ada"
            assert greet(1) == "Hello, Ada"

    """
    return _make_async(
        _standard().patch(
            target,
            new=_async_version(new),
            spec=spec,
            create=create,
            spec_set=spec_set,
            autospec=autospec or None,
            new_callable=new_callable,
            **kwargs
        )
    )


def _patch_object(
    target,
    attribute,
    new=_DEFAULT,
    spec=None,
    create=False,
    mocksignature=False,
    spec_set=None,
    autospec=None,
    new_callable=None,
    **kwargs
):
    """Replace an attribute of an object: see :func:`patch`."""
    return _make_async(
        _standard().patch.object(
            target,
            attribute,
            new=_async_version(new),
            spec=spec,
            create=create,
            spec_set=spec_set,
            autospec=autospec or None,
            new_callable=new_callable,
            **kwargs
        )
    )


_NOT_ATTRIBUTES = ("spec", "create", "spec_set", "autospec", "new_callable")


def _patch_multiple(target, **kwargs):
    """Replace several attributes of an object: see ``unittest.mock.patch.multiple``."""
    replaced = {
        name: value if name in _NOT_ATTRIBUTES else _async_version(value)
        for name, value in kwargs.items()
    }
    patcher = _standard().patch.multiple(target, **replaced)
    for additional in patcher.additional_patchers:
        _make_async(additional)
    return _make_async(patcher)


def _patch_dict(*args, **kwargs):
    """Replace entries of a mapping: see ``unittest.mock.patch.dict``."""
    return _standard().patch.dict(*args, **kwargs)


def _stopall():
    """Stop all patches that were started: see ``unittest.mock.patch.stopall``."""
    return _standard().patch.stopall()


def _standard():
    """The standard module, which on Python 2 is a package of its own.

    Imported here and not above, because it brings asyncio and ssl along: on Python 3.11 it was
    34 of the 45 ms of ``import asynq``. By ``import_module``, because ``__import__`` itself may
    be patched when the next patch or ``stopall`` asks.

    """
    try:
        return importlib.import_module("mock" if six.PY2 else "unittest.mock")
    except ImportError:
        raise ImportError("asynq.mock needs the package mock. Cure: pip install mock")


patch.object = _patch_object
patch.dict = _patch_dict
patch.multiple = _patch_multiple
patch.stopall = _stopall
patch.TEST_PREFIX = "test"


def _async_version(new):
    """What to put in place for ``new``: what can't take an ``asynq`` by itself gets a wrapper.

    So do functions, because they are bound to the instance and an attribute of theirs is not.

    """
    if new is _DEFAULT:
        return _standard().DEFAULT
    if inspect.isfunction(new) or isinstance(new, (classmethod, staticmethod)):
        replacement = async_proxy()(new)
        _set_attributes(
            replacement, _async_attributes(_AsynqWrapper(getattr(new, "__func__", new)))
        )
        return replacement
    if callable(new) and not _accepts_attributes(new):
        return _CallableWrapper(new)
    return new


def _accepts_attributes(target):
    try:
        _set_attributes(target, {"asynq": None})()
    except (AttributeError, TypeError):
        return False
    return True


class _CallableWrapper(object):
    """Calls something that refuses attributes, such as a builtin or a bound method."""

    def __init__(self, fn):
        self.fn = fn
        _set_attributes(self, _async_attributes(_AsynqWrapper(fn)))

    def __call__(self, *args, **kwargs):
        return self.fn(*args, **kwargs)


class _AsynqWrapper(object):
    """The ``.asynq`` of what was put in place."""

    _name = ".asynq"

    def __init__(self, mock_fn):
        object.__setattr__(self, "_mock_fn", mock_fn)
        # How many patches have put ``mock_fn`` in place, and what the last to end has to call.
        object.__setattr__(self, "_users", 0)
        object.__setattr__(self, "_undo", None)

    def __call__(self, *args, **kwargs):
        own = getattr(type(self._mock_fn), "asynq", None)
        if own is not None and is_asyncio_mode():
            return own(self._mock_fn, *args, **kwargs)  # it can't be called synchronously there
        return ConstFuture(self._mock_fn(*args, **kwargs))

    def __getattr__(self, name):
        raise TypeError(
            "You cannot read attributes directly on a %s function. Read them on the function"
            " itself instead." % self._name
        )

    def __setattr__(self, name, value):
        raise TypeError(
            "You cannot set attributes directly on a %s function. Set them on the function"
            " itself instead." % self._name
        )


class _AsyncioWrapper(_AsynqWrapper):
    """The ``.asyncio`` of what was put in place."""

    _name = ".asyncio"

    def __call__(self, *args, **kwargs):
        return asyncio_driver().call(_AsynqWrapper(self._mock_fn), args, kwargs)


def _async_attributes(wrapper):
    """What a patch lends to what it puts in place, by name."""
    return {"asynq": wrapper, "async": wrapper, "asyncio": _AsyncioWrapper(wrapper._mock_fn)}


def _lend_asynq(target):
    """Give ``target`` an ``asynq`` of its own until the patches that do so have all ended.

    :return: the function to be called when this one ends.

    """
    wrapper = vars(target).get("asynq")
    if not isinstance(wrapper, _AsynqWrapper):
        wrapper = _AsynqWrapper(target)
        undo = _set_attributes(target, _async_attributes(wrapper))
        object.__setattr__(wrapper, "_undo", undo)
    object.__setattr__(wrapper, "_users", wrapper._users + 1)

    def give_back():
        object.__setattr__(wrapper, "_users", wrapper._users - 1)
        if wrapper._users == 0 and wrapper._undo is not None:
            wrapper._undo()

    return give_back


def _set_attributes(target, attributes):
    """Set attributes in the object's own namespace; return what puts them back.

    In its own namespace, because a mock notes what is set and deleted in the ordinary way.

    """
    if inspect.isclass(target):
        put, remove = functools.partial(setattr, target), functools.partial(delattr, target)
    else:
        put, remove = target.__dict__.__setitem__, target.__dict__.__delitem__
    former = {name: vars(target)[name] for name in attributes if name in vars(target)}
    for name, value in attributes.items():
        put(name, value)

    def undo():
        for name in attributes:
            if name in former:
                put(name, former[name])
            else:
                remove(name)

    return undo


class _AsyncPatch(object):
    """Mixed into a standard patcher: what it puts in place is made async, and later put right."""

    _give_back = None

    def __enter__(self):
        entered = super(_AsyncPatch, self).__enter__()
        try:
            in_place = entered
            if self.attribute_name is not None:  # one of ``patch.multiple``
                in_place = entered.get(self.attribute_name, self.new)
            if callable(in_place) and _accepts_attributes(in_place):
                self._give_back = _lend_asynq(in_place)
            return entered
        except BaseException:
            self.__exit__(*sys.exc_info())
            raise

    def __exit__(self, *exc_info):
        give_back, self._give_back = self._give_back, None
        try:
            if give_back is not None:
                give_back()
        finally:
            stopped = super(_AsyncPatch, self).__exit__(*exc_info)
        return stopped

    def copy(self):
        return _make_async(super(_AsyncPatch, self).copy())


def _make_async(patcher):
    patcher.__class__ = type("_AsyncPatch", (_AsyncPatch, type(patcher)), {})
    return patcher
