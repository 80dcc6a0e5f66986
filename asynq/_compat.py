"""What differs between Python 2 and 3 and is not in ``six``."""

import functools
import importlib
import inspect
import operator
import sys
import time
import types

import six

__traceback_hide__ = True

# Since 3.7 a traceback can be re-linked; before, frames can only be cut from its head.
CAN_RELINK_TRACEBACKS = sys.version_info >= (3, 7)


_HIDE = "__traceback_hide__"


def user_traceback(traceback, clean=None):
    """Drop the frames of modules that define ``__traceback_hide__ = True`` (all of asynq does).

    :param traceback: a traceback object or None.
    :param clean: a tail of ``traceback`` that is known to hold no such frame: it is not read, so
        that an error which climbs through N tasks costs N steps and not N * N.
    :return: the traceback to show, None if no frame is left.

    """
    while (
        traceback is not None
        and traceback is not clean
        and traceback.tb_frame.f_globals.get(_HIDE) is True
    ):
        traceback = traceback.tb_next
    if CAN_RELINK_TRACEBACKS:
        entry = traceback
        while entry is not None and entry is not clean:
            following = entry.tb_next
            while (
                following is not None
                and following is not clean
                and following.tb_frame.f_globals.get(_HIDE) is True
            ):
                following = following.tb_next
            if following is not entry.tb_next:
                entry.tb_next = following
            entry = following
    return traceback


if six.PY2:  # pragma: no cover

    def get_traceback(error):
        """The traceback of ``error``, which is the exception being handled."""
        current = sys.exc_info()
        if current[1] is error:
            return current[2]
        return getattr(error, "_traceback", None)

    def set_traceback(error, traceback):
        """Errors have no traceback of their own."""

    def to_throw(error, traceback):
        """The arguments of ``generator.throw`` for raising ``error`` with ``traceback``."""
        return type(error), error, traceback

    # For an error that is being handled.
    caught_traceback = get_traceback
    set_caught_traceback = set_traceback

    def stop_value(stop):
        """What the generator returned whose end ``stop``, a StopIteration, reports."""
        return stop.args[0] if stop.args else None

    get_argspec = inspect.getargspec

    # No monotonic clock in the standard library of Python 2.
    _seconds = time.time

else:

    def get_traceback(error):
        """The traceback of ``error``; None also if it is a class, or no error at all."""
        return error.__traceback__ if isinstance(error, BaseException) else None

    def set_traceback(error, traceback):
        """Replace the traceback of ``error``, also if it refuses attributes."""
        if isinstance(error, BaseException):
            error.with_traceback(traceback)

    def to_throw(error, traceback):
        """The arguments of ``generator.throw`` for raising ``error`` with ``traceback``."""
        set_traceback(error, traceback)
        return (error,)

    # For an error that is being handled, and so is one.
    caught_traceback = operator.attrgetter("__traceback__")
    set_caught_traceback = BaseException.with_traceback

    # What the generator returned whose end a StopIteration reports.
    stop_value = operator.attrgetter("value")

    get_argspec = inspect.getfullargspec

    _seconds = time.monotonic

# The ``__class_getitem__`` of classes that are generic for type checkers: ``FutureBase[int]``. It
# is not asked for before 3.7.
if hasattr(types, "GenericAlias"):  # 3.9
    subscript = classmethod(types.GenericAlias)
else:  # pragma: no cover
    subscript = classmethod(lambda cls, parameters: cls)


def asyncio_driver():
    """The module ``asynq_to_async``, imported when it is first needed.

    Not before, because asyncio takes longer to import than all of asynq, and because older Pythons
    do not know its syntax.

    :raises RuntimeError: before Python 3.7.

    """
    if sys.version_info < (3, 7):
        raise RuntimeError(
            "running async functions on an event loop needs Python 3.7 or later, this is %d.%d."
            " Cure: call them synchronously here." % sys.version_info[:2]
        )
    return importlib.import_module("asynq.asynq_to_async")


def reraise(error, traceback):
    """Raise ``error`` with exactly ``traceback`` below the frames that it passes from here on."""
    try:
        if six.PY2 and isinstance(error, BaseException):  # pragma: no cover
            six.reraise(type(error), error, traceback)
        set_traceback(error, traceback)
        raise error
    finally:
        # The traceback holds this frame: see test_garbage.py.
        del error, traceback


# Flags of code objects, which ``inspect`` does not name on Python 2. No code has them there.
_COROUTINE = 0x80
ITERABLE_COROUTINE = 0x100
_ASYNC_GENERATOR = 0x200

# Those of code that can wait somewhere.
_SUSPENDABLE = inspect.CO_GENERATOR | _COROUTINE | _ASYNC_GENERATOR


def _has_code_flag(fn, flag):
    if isinstance(fn, functools.partial):
        return _has_code_flag(fn.func, flag)
    return bool(getattr(getattr(fn, "__code__", None), "co_flags", 0) & flag)


def is_native_function(fn):
    """Whether ``fn`` is an ``async def`` function, a method or a ``functools.partial`` of one."""
    return _has_code_flag(fn, _COROUTINE)


def is_awaiting(body):
    """Whether ``body``, of a task, is that of an ``async def`` function: it may await something."""
    code = getattr(body, "gi_code", None) or getattr(body, "cr_code", None)
    return code is not None and bool(code.co_flags & (_COROUTINE | ITERABLE_COROUTINE))


def is_native_generator_function(fn):
    """Whether ``fn`` is such a function with a ``yield`` in it."""
    return _has_code_flag(fn, _ASYNC_GENERATOR)


def generator_function(fn):
    """A generator function that does what ``fn`` does; None if ``fn`` is a plain function.

    Of an ``async def`` function it is a copy whose code is marked as that of a generator which may
    await (what ``types.coroutine`` does to a generator function). The body is the same and runs as
    fast; but a generator that is never run goes in silence, a coroutine with a warning.

    """
    if not is_native_function(fn):
        return fn if inspect.isgeneratorfunction(fn) else None
    if isinstance(fn, functools.partial):
        return functools.partial(generator_function(fn.func), *fn.args, **fn.keywords)
    if inspect.ismethod(fn):
        return types.MethodType(generator_function(fn.__func__), fn.__self__)
    code = fn.__code__
    flags = code.co_flags & ~_COROUTINE | inspect.CO_GENERATOR | ITERABLE_COROUTINE
    if hasattr(code, "replace"):
        code = code.replace(co_flags=flags)
    else:  # pragma: no cover (before 3.8)
        code = types.CodeType(
            code.co_argcount,
            code.co_kwonlyargcount,
            code.co_nlocals,
            code.co_stacksize,
            flags,
            code.co_code,
            code.co_consts,
            code.co_names,
            code.co_varnames,
            code.co_filename,
            code.co_name,
            code.co_firstlineno,
            code.co_lnotab,
            code.co_freevars,
            code.co_cellvars,
        )
    copy = types.FunctionType(
        code, fn.__globals__, fn.__name__, fn.__defaults__, fn.__closure__
    )
    copy.__kwdefaults__ = fn.__kwdefaults__
    copy.__qualname__ = fn.__qualname__
    return copy


def frame_of(body):
    """The frame of a generator or coroutine; None if it has ended, or is something else."""
    return getattr(body, "gi_frame", None) or getattr(body, "cr_frame", None)


def is_awaited_by(body):
    """Whether the innermost coroutine that is running is ``body``, or is awaited by it.

    Between coroutines that await one another there are no other frames.

    """
    outermost = frame_of(body)
    frame = sys._getframe(1)
    while frame is not None and not frame.f_code.co_flags & _SUSPENDABLE:
        frame = frame.f_back
    while frame is not None and frame.f_code.co_flags & _SUSPENDABLE:
        if frame is outermost:
            return True
        frame = frame.f_back
    return False


def monotonic_utime():
    """Microseconds of a clock that never goes back (on Python 2, of the wall clock)."""
    return int(_seconds() * 1000000)


def qualified_name(fn):
    """The path of a function inside its module (on Python 2, only its name is known)."""
    return vars(fn).get("__qualname__", fn.__name__)


# Whether ``classmethod`` hands out what its function's own ``__get__`` returns (3.9 to 3.12), so
# that ``Cls.method.asynq`` knows the class.
_CLASSMETHODS_CHAIN = (3, 9) <= sys.version_info < (3, 13)


def fix_classmethods(frame):
    """Have ``@classmethod`` work outside of a decorator of ours, in the class body in ``frame``.

    Elsewhere ``Cls.method`` is a bound method object that hides the class from
    ``Cls.method.asynq``. Nothing is told of a class that a classmethod is put in, except objects
    that stand in the class body themselves: so one is put there, for the time until the class
    is made.

    """
    if _CLASSMETHODS_CHAIN:
        return
    # A few frames up, because other decorators may have called ours. Those of functions are not
    # asked for ``f_locals``: that is a dict which would keep what the function lets go of.
    for _ in range(5):
        if frame is None:
            return
        if not frame.f_code.co_flags & inspect.CO_OPTIMIZED:
            namespace = frame.f_locals
            if namespace is frame.f_globals:
                return
            if "__module__" in namespace:
                _fix_when_made(frame)
                return
        frame = frame.f_back


def _fix_classmethods_of(owner):
    for attribute, value in list(vars(owner).items()):
        if type(value) is classmethod and hasattr(value.__func__, "is_decorator"):
            decorated = value.__func__
            decorated.type = classmethod
            setattr(owner, attribute, decorated)


if six.PY2:  # pragma: no cover

    def _fix_when_made(frame):
        namespace = frame.f_locals
        if not isinstance(namespace.get("__metaclass__"), _FixingMetaclass):
            namespace["__metaclass__"] = _FixingMetaclass(namespace, frame.f_globals)

    class _FixingMetaclass(object):
        """Stands in a class body for the metaclass (zope.interface has shown that this works)."""

        def __init__(self, namespace, module):
            self.own = namespace.get("__metaclass__")
            self.modules = module.get("__metaclass__", types.ClassType)

        def __call__(self, name, bases, namespace):
            if self.own is None:
                del namespace["__metaclass__"]
            else:
                namespace["__metaclass__"] = self.own
            # As the class statement chooses it.
            inherited = getattr(bases[0], "__class__", type(bases[0])) if bases else self.modules
            owner = (self.own or inherited)(name, bases, namespace)
            _fix_classmethods_of(owner)
            return owner

else:

    def _fix_when_made(frame):
        frame.f_locals.setdefault("__asynq_classmethods__", _ClassmethodFixer())

    class _ClassmethodFixer(object):
        def __set_name__(self, owner, name):
            delattr(owner, name)
            _fix_classmethods_of(owner)
