"""``patch`` for async functions: the standard ``mock.patch``, whose mocks have ``.asynq`` too.

Use it for everything: ``fn()`` and ``fn.asynq()`` then both call the mock, whatever ``fn`` was,
and what is not callable is patched as usual.

"""

from __future__ import absolute_import

import inspect

import six

from .decorators import async_proxy
from .futures import ConstFuture

if six.PY2:  # pragma: no cover
    try:
        import mock as standard_mock
    except ImportError:
        standard_mock = None
else:
    from unittest import mock as standard_mock

__all__ = ["patch"]

__traceback_hide__ = True

_DEFAULT = getattr(standard_mock, "DEFAULT", None)


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
    returns its result as a future. When the patch ends, an object that was passed as ``new`` is
    as it was.

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


_NOT_ATTRIBUTES = ("spec", "create", "spec_set", "autospec", "new_callable", "unsafe")


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


def _standard():
    if standard_mock is None:
        raise ImportError("asynq.mock needs the package mock. Cure: pip install mock")
    return standard_mock


patch.object = _patch_object
patch.multiple = _patch_multiple
if standard_mock is not None:
    patch.dict = standard_mock.patch.dict
    patch.stopall = standard_mock.patch.stopall
    patch.TEST_PREFIX = standard_mock.patch.TEST_PREFIX


def _async_version(new):
    """What to put in place for ``new``: functions bind as methods and so get a wrapper."""
    if inspect.isfunction(new):
        return async_proxy(sync_fn=new)(_returning_future(new))
    if isinstance(new, (classmethod, staticmethod)):
        return async_proxy(sync_fn=new)(type(new)(_returning_future(new.__func__)))
    if new is not _DEFAULT and callable(new) and not _accepts_attributes(new):
        return _CallableWrapper(new)
    return new


def _returning_future(fn):
    def call(*args, **kwargs):
        return ConstFuture(fn(*args, **kwargs))

    return call


def _accepts_attributes(new):
    return inspect.isclass(new) or isinstance(getattr(new, "__dict__", None), dict)


class _CallableWrapper(object):
    """Calls something that refuses attributes, such as a builtin or a bound method."""

    def __init__(self, fn):
        self.fn = fn

    def __call__(self, *args, **kwargs):
        return self.fn(*args, **kwargs)


class _AsynqWrapper(object):
    """The ``.asynq`` of what was put in place."""

    def __init__(self, mock_fn):
        object.__setattr__(self, "_mock_fn", mock_fn)

    def __call__(self, *args, **kwargs):
        return ConstFuture(self._mock_fn(*args, **kwargs))

    def __getattr__(self, name):
        raise TypeError(
            "You cannot read attributes directly on a .asynq function. Read them on the function"
            " itself instead."
        )

    def __setattr__(self, name, value):
        raise TypeError(
            "You cannot set attributes directly on a .asynq function. Set them on the function"
            " itself instead."
        )


class _AsyncPatch(object):
    """Mixed into a standard patcher: what it puts in place is made async, and later put right."""

    def __enter__(self):
        entered = super(_AsyncPatch, self).__enter__()
        in_place = entered
        if self.attribute_name is not None:  # one of ``patch.multiple``
            in_place = entered.get(self.attribute_name, self.new)
        self._undo = None
        if callable(in_place) and not _is_made_async(in_place):
            self._undo = _set_attributes(
                in_place, {name: _AsynqWrapper(in_place) for name in ("asynq", "async")}
            )
        return entered

    def __exit__(self, *exc_info):
        undo, self._undo = self._undo, None
        if undo is not None:
            undo()
        return super(_AsyncPatch, self).__exit__(*exc_info)

    def copy(self):
        return _make_async(super(_AsyncPatch, self).copy())


def _is_made_async(in_place):
    """Whether it is a wrapper that ``_async_version`` has made."""
    from_here = getattr(getattr(in_place, "fn", None), "__module__", None)
    return from_here == __name__ and hasattr(in_place, "sync_fn")


def _make_async(patcher):
    cls = type(patcher)
    patcher.__class__ = type("_AsyncPatch", (_AsyncPatch, cls), {})
    return patcher


def _set_attributes(target, attributes):
    """Set attributes in the object's own namespace; return what puts them back.

    In its own namespace, because a mock notes what is set and deleted in the ordinary way.

    """
    missing = object()
    if inspect.isclass(target):
        former = {name: vars(target).get(name, missing) for name in attributes}
        put, remove = (lambda n, v: setattr(target, n, v)), (lambda n: delattr(target, n))
    else:
        namespace = target.__dict__
        former = {name: namespace.get(name, missing) for name in attributes}
        put, remove = namespace.__setitem__, namespace.__delitem__
    for name, value in attributes.items():
        put(name, value)

    def undo():
        for name, value in former.items():
            if value is missing:
                remove(name)
            else:
                put(name, value)

    return undo
