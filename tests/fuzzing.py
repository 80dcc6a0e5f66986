"""Random programs, run under an observer that checks the rules of the core at every step.

A program is Python text, made from a seed: async functions that wait for one another, for items of
several kinds of batches and for all that else can be waited for, and that enter contexts, fail,
call synchronously, fulfil promises or forget to, cancel, and wait in circles. The same seed makes
the same program, and the same schedule, on every run and with every version of Python.

``make fuzz N=100000``, or ``python tests/fuzzing.py --programs 100000 --seed 0``, runs many; the
first that breaks a rule is made smaller, as long as it breaks that rule, and printed.

"""

import argparse
import contextlib
import copy
import gc
import hashlib
import random
import signal
import sys
import time
import weakref

import six

import asynq
from asynq import _knots
from asynq import (
    AsyncContext,
    AsyncScopedValue,
    AsyncTask,
    AsyncTaskError,
    BatchBase,
    BatchItemBase,
    ConstFuture,
    ErrorFuture,
    Future,
    FutureBase,
    NonAsyncContext,
    get_active_task,
    get_scheduler,
)
from asynq._debug import Observer, watch
from asynq.async_task import AsyncTaskCancelledError
from asynq.debug import options
from asynq.decorators import get_async_fn
from asynq.futures import _none
from asynq.generator import Value, async_generator, take_first
from asynq.scheduler import FRESH, PARKED, RUNNING, UNHEARD, TaskScheduler, reset
from asynq.tools import acached_per_instance, alru_cache, deduplicate


class Failure(Exception):
    """What the programs raise; its argument says who has raised it."""


# Whether what nobody holds is gone at once.
COUNTS_REFERENCES = hasattr(sys, "getrefcount")

# Before Python 3.7 the library's frames cannot be cut from the middle of a traceback, and some hold
# the task that holds the error; Python 2 has no way to empty the frames of a flush that failed.
LEAVES_NO_CYCLES = COUNTS_REFERENCES and sys.version_info >= (3, 7)

# What the programs use.
NAMES = dict(
    asynq=asynq,
    acached_per_instance=acached_per_instance,
    alru_cache=alru_cache,
    async_generator=async_generator,
    deduplicate=deduplicate,
    take_first=take_first,
    AsyncTaskCancelledError=AsyncTaskCancelledError,
    Failure=Failure,
    Value=Value,
)

# More than any program takes that ends: steps, which are what the observer sees and what the
# scheduler tries when nothing is ready; and seconds, for a loop that does none of it.
STEPS = 20000
SECONDS = 30


# Programs as data


# What bodies raise, apart from Failure. (Not StopIteration: before Python 3.7 it is no error.)
ODD_ERRORS = ["AsyncTaskCancelledError(me.name)", "AssertionError(me.name)", "GeneratorExit()"]
INTERRUPTS = ["KeyboardInterrupt(me.name)", "SystemExit(me.name)"]

FEATURES = ["contexts", "errors", "calls", "shared", "promises", "set", "hooks", "styles"]
# Rare, because they end the run.
FEATURES += ["interrupts"] * 3


class Many(list):
    """A list of which any element can be left out, and the program is still a program."""


def make_program(seed):
    """A program: a dict of Many, of tuples, and of text for what has no parts."""
    return ProgramMaker(seed).program()


class ProgramMaker(object):
    """Makes one program, with no more luck than ``random.random()``: all Pythons agree on that."""

    # How many tasks a function may come to, with all that it calls.
    MOST_TASKS = 40

    def __init__(self, seed):
        self.luck = random.Random(seed)
        # Each program has most of the features, but not all: they get in one another's way.
        self.without = set()
        for feature in FEATURES:
            if self.chance(0.25):
                self.without.add(feature)

    def chance(self, probability):
        return self.luck.random() < probability

    def up_to(self, most):
        return int(self.luck.random() * (most + 1))

    def one_of(self, options):
        return options[self.up_to(len(options) - 1)]

    def weighed(self, *weights_and_makers):
        """The choice of a feature: (weight, what it returns, name of the feature or None)."""
        possible = [one for one in weights_and_makers if one[2] not in self.without]
        at = self.luck.random() * sum(one[0] for one in possible)
        for weight, maker, _ in possible:
            at -= weight
            if at < 0:
                break
        return maker()

    def program(self):
        self.kinds = ["a", "b", "c"][: 1 + self.up_to(2)]
        count = 2 + self.up_to(4)
        self.names = ["f%d" % number for number in range(count)]
        self.styles = ["generator"] + [self.style() for _ in self.names[1:]]
        self.costs = {}
        self.shared_count = 0 if "shared" in self.without else 1 + self.up_to(2)
        functions = Many()
        # The last first: each calls only those after it, whose costs are known then.
        for number in reversed(range(count)):
            self.callees = self.names[number + 1 :]
            self.cost = 1
            self.slots = 0
            self.now = self.styles[number]
            body = self.body(1 + self.up_to(4), 0)
            self.costs[self.names[number]] = self.cost
            functions.insert(0, (self.names[number], self.styles[number], body))
        return {
            "kinds": Many([self.kind(name) for name in self.kinds]),
            "shared": Many([self.shared() for _ in range(self.shared_count)]),
            "functions": functions,
            "hooks": self.flush_hooks(),
            "main": self.main(),
        }

    def style(self):
        styles = ["generator"] * 12 + ["plain"] * 3 + ["deduplicated"] * 3
        if "styles" not in self.without:
            styles += ["pure", "proxy", "with sync_fn", "cached", "cached per instance"]
            styles += ["of an async generator"]
        return self.one_of(styles)

    def flush_hooks(self):
        """Which calls of the hooks around flushes fail: (which hook, which call)"""
        if "hooks" in self.without or self.chance(0.8):
            return Many()
        return Many([(self.one_of(["before", "after"]), 1 + self.up_to(2))])

    def kind(self, name):
        """(name, priority, what its first flushes do instead of answering all items in order,
        which call of which of its methods fails)"""
        manners = Many()
        for _ in range(3):
            manners.append("answer")
            if "errors" not in self.without and self.chance(0.12):
                manners[-1] = self.one_of(
                    ["fail", "fail half-way", "forget one", "ask itself", "be interrupted"]
                )
            elif self.chance(0.1):
                manners[-1] = "answer in reverse"
            elif "calls" not in self.without and self.chance(0.06):
                manners[-1] = self.names[-1]
        fails = Many()
        if "hooks" not in self.without and self.chance(0.15):
            method = self.one_of(["get_priority", "_try_switch_active_batch", "_cancel"])
            fails.append((method, 1 + self.up_to(3)))
        return (name, self.one_of([None, None, 1, 2, 3]), manners, fails)

    def shared(self):
        # A function may so come to wait for itself.
        return self.one_of(
            ["task(%s)" % self.one_of(self.names)] * 6
            + [self.item(), self.item(), "lazy()", "lazy(%s)" % self.names[-1], "promise(0)"]
        )

    def main(self):
        lines = Many()
        for _ in range(1 + self.up_to(1)):
            name = "f0" if not lines else self.one_of(self.names)
            line = self.one_of(["me.call(%s)", "me.call(%s)", "me.value(me.task(%s))"]) % name
            body = Many([("try", Many([line]), Many(), "BaseException")])
            if "contexts" not in self.without and self.chance(0.15):
                body = Many([("with", self.context(refuses=False), body)])
            lines.extend(body)
        return lines

    def body(self, length, depth):
        return Many([self.statement(depth) for _ in range(length)])

    def statement(self, depth):
        # A proxy and the body of an async generator have no task of their own.
        own = 0 if self.now in ("proxy", "of an async generator") else 1
        deeper = 0 if depth > 2 else 1
        waits = self.now not in ("plain", "proxy")
        return self.weighed(
            (12 if waits else 0, self.a_yield, None),
            (4 if self.now == "of an async generator" else 0, lambda: "yield Value(me.name)", None),
            (4 if self.now == "proxy" else 0, lambda: "return me.hand_out(%s)" % self.leaf(), None),
            (1, lambda: "me.look()", None),
            (1.5, self.making, None),
            (2.5 * deeper * own, lambda: self.with_block(depth), "contexts"),
            (0.3 * own, lambda: "me.enter(%s)" % self.context(), "contexts"),
            (1.5 * deeper, lambda: self.try_block(depth), "errors"),
            (0.5, lambda: "raise Failure(me.name)", "errors"),
            (0.15, lambda: "raise %s" % self.one_of(ODD_ERRORS), "errors"),
            (0.2, lambda: "raise %s" % self.one_of(INTERRUPTS), "interrupts"),
            (0.3 * own, lambda: "asynq.result(me.done())", None),
            (1.5, self.calling, "calls"),
            (1, self.fulfilling, "promises"),
            (0.6, self.setting, "set"),
            (0.4, lambda: "me.cancel(%r)" % self.one_of(self.kinds), "errors"),
            (0.3, lambda: "me.flush(%r)" % self.one_of(self.kinds), "calls"),
        )

    def a_yield(self):
        return ("yield", self.structure(0), "errors" not in self.without and self.chance(0.4))

    def making(self):
        leaf = self.leaf()
        self.slots += 1
        return "me.keep(%d, %s)" % (self.slots - 1, leaf)

    def with_block(self, depth):
        context = self.context() if self.chance(0.93) else "me.not_async()"
        return ("with", context, self.body(1 + self.up_to(2), depth + 1))

    def try_block(self, depth):
        handled = self.one_of(["Exception", "Exception", "Failure"])
        return (
            "try",
            self.body(1 + self.up_to(1), depth + 1),
            self.body(self.up_to(1), depth + 1),
            handled,
        )

    def context(self, refuses=True):
        kind = self.one_of(["recorded", "recorded", "overriding"])
        if refuses and "errors" not in self.without and self.chance(0.1):
            which = self.one_of(["pause", "resume"])
            return "me.%s(refuses=(%r, %d))" % (kind, which, 1 + self.up_to(2))
        return "me.%s()" % kind

    def calling(self):
        name = self.callee()
        if name is None or self.chance(0.5):
            return "me.%s(%s)" % (self.one_of(["value", "value", "error"]), self.leaf())
        return "me.call(%s)" % name

    def fulfilling(self):
        return "me.fulfil(%d%s)" % (self.up_to(1), self.one_of(["", "", ", fails=True"]))

    def setting(self):
        leaves = ["me.kept(%d)" % number for number in range(self.slots)]
        leaves += ["me.shared(%d)" % number for number in range(self.shared_count)]
        if not leaves:
            return "me.look()"
        return "me.set(%s%s)" % (self.one_of(leaves), self.one_of(["", ", fails=True"]))

    def structure(self, depth):
        if depth > 2 or self.chance(0.4):
            return self.leaf()
        kind = self.one_of(["list", "list", "tuple", "dict", "None"])
        if kind == "None":
            return "None"
        # Before Python 3.7 the order of a dict's values is nobody's business.
        most = 1 if kind == "dict" else 3
        return (kind, Many([self.structure(depth + 1) for _ in range(self.up_to(most))]))

    def callee(self):
        possible = [n for n in self.callees if self.cost + self.costs[n] <= self.MOST_TASKS]
        if not possible:
            return None
        name = self.one_of(possible)
        self.cost += self.costs[name]
        return name

    def leaf(self):
        return "me." + self.weighed(
            (9, self.task, None),
            (8, self.item, None),
            (3 if self.slots else 0, lambda: "kept(%d)" % self.up_to(self.slots - 1), None),
            (4, lambda: "shared(%d)" % self.up_to(self.shared_count - 1), "shared"),
            (1, lambda: "const()", None),
            (0.7, lambda: "failed()", "errors"),
            (0.2, lambda: "nonsense()", "errors"),
            (1.5, self.lazy, None),
            (1, lambda: "promise(%d)" % self.up_to(1), "promises"),
            (0.4, lambda: "batch(%r)" % self.one_of(self.kinds), None),
            (0.6, self.hooked, "hooks"),
        )

    def hooked(self):
        fails = "errors" not in self.without and self.chance(0.3)
        return "hooked(%d, %s%s)" % (self.up_to(1), self.leaf(), ", fails=True" if fails else "")

    def task(self):
        name = self.callee()
        return self.item() if name is None else "task(%s)" % name

    def item(self):
        fails = "errors" not in self.without and self.chance(0.07)
        return "item(%r%s)" % (self.one_of(self.kinds), ", fails=True" if fails else "")

    def lazy(self):
        if "errors" not in self.without and self.chance(0.15):
            return "lazy(fails=True)"
        # It may come to need its own future, through what is shared.
        name = self.callee() if "calls" not in self.without and self.chance(0.5) else None
        return "lazy()" if name is None else "lazy(%s)" % name


# Programs as text


def as_text(program):
    lines = ["# %s: priority %s; its flushes %s; fails in %s" % kind for kind in program["kinds"]]
    lines += ["# shared %d: %s" % pair for pair in enumerate(program["shared"])]
    lines += ["# the hook %s each flush fails in call %d" % pair for pair in program["hooks"]]
    for function in program["functions"]:
        lines += [""] + lines_of_function(*function)
    lines += ["", "def main(me):"]
    lines += ["    " + line for line in lines_of(program["main"])]
    return "\n".join(lines) + "\n"


DECORATORS = {
    "deduplicated": ["@deduplicate(keygetter=lambda args, kwargs: None)"],
    # Every other call is equal.
    "cached": ["@alru_cache(maxsize=1, key_fn=lambda args, kwargs: args[0].number % 2)"],
    "cached per instance": ["@acached_per_instance()"],
}
ASYNQ = {
    "pure": "@asynq.asynq(pure=True)",
    "proxy": "@asynq.async_proxy()",
    "with sync_fn": "@asynq.asynq(sync_fn=lambda me: me.done())",
    "of an async generator": "@async_generator()",
}


def lines_of_function(name, style, body):
    waits = style not in ("plain", "proxy")
    inner = lines_of(body)
    if waits and not any("yield" in line for line in inner):
        inner.append("yield")
    if style == "proxy":
        inner.append("return me.const()")
    elif style == "plain":
        inner.append("return me.done()")
    elif style != "of an async generator":
        inner.append("asynq.result(me.done())")
    method = style == "cached per instance"
    lines = DECORATORS.get(style, []) + [ASYNQ.get(style, "@asynq.asynq()")]
    lines += ["def %s(%sme):" % (name, "self, " if method else ""), "    me.look()"]
    lines += ["    " + line for line in inner]
    if method:
        lines = ["class Of_%s(object):" % name] + ["    " + line for line in lines]
        lines.append("%s = Of_%s().%s" % (name, name, name))
    if style == "of an async generator":
        lines += [
            "elements_of_%s = %s" % (name, name),
            "@asynq.asynq()",
            "def %s(me):" % name,
            "    yield %s.asynq(elements_of_%s(me.part()), 2)" % ("take_first", name),
            "    asynq.result(me.done())",
        ]
    return lines


def lines_of(body):
    lines = []
    for statement in body:
        if not isinstance(statement, tuple):
            lines.append(statement)
        elif statement[0] == "yield":
            line = "me.got((yield me.asks(%s)))" % text_of_structure(statement[1])
            if statement[2]:
                lines += ["try:", "    " + line]
                lines += ["except Exception as error:", "    me.caught(error)"]
            else:
                lines.append(line)
        elif statement[0] == "with":
            lines.append("with %s:" % statement[1])
            lines += ["    " + line for line in lines_of(statement[2])]
        else:
            lines.append("try:")
            lines += ["    " + line for line in lines_of(statement[1])]
            lines += ["except %s as error:" % statement[3], "    me.caught(error)"]
            lines += ["    " + line for line in lines_of(statement[2]) if statement[2]]
    return lines or ["pass"]


def text_of_structure(structure):
    if not isinstance(structure, tuple):
        return structure
    kind, parts = structure
    texts = [text_of_structure(part) for part in parts]
    if kind == "list":
        return "[%s]" % ", ".join(texts)
    if kind == "tuple":
        return "(%s)" % "".join(text + ", " for text in texts).rstrip()
    return "{%s}" % ", ".join('"key": %s' % text for text in texts)


# Smaller programs


def shrunk(program, fails):
    """The program without all that can be left out one by one while ``fails(program)``."""
    progress = True
    while progress:
        progress = False
        number = 0
        while number < len(places(program)):
            at = len(places(program)[number]) - 1
            while at >= 0:
                for replacement in [[]] + inner_parts(places(program)[number][at]):
                    candidate = copy.deepcopy(program)
                    places(candidate)[number][at : at + 1] = replacement
                    if fails(candidate):
                        program = candidate
                        progress = True
                        break
                at -= 1
            number += 1
    return program


def places(node):
    """Every Many in ``node``, outermost first."""
    if isinstance(node, dict):
        node = [node[key] for key in sorted(node)]
    elif not isinstance(node, (list, tuple)):
        return []
    found = [node] if isinstance(node, Many) else []
    for part in node:
        found += places(part)
    return found


def inner_parts(node):
    if not isinstance(node, tuple) or node[0] not in ("with", "try", "list", "tuple", "dict"):
        return []
    return [part for part in node if isinstance(part, Many)]


# What the programs are made of


class Kind(object):
    """A kind of batches: its name, priority, current batch, what its flushes do, and what fails."""

    def __init__(self, world, name, priority, manners, fails):
        self.world = world
        self.name = name
        self.priority = priority
        self.manners = list(manners)
        self.fails = list(fails)
        self.calls = dict((method, 0) for method, _ in fails)
        self.count = 0
        self.new_batch()

    def new_batch(self):
        self.count += 1
        self.current = self.world.named(Batch(self), "%s%d" % (self.name, self.count))


class Batch(BatchBase):
    def __init__(self, kind):
        super(Batch, self).__init__()
        self.kind = kind
        self.times_flushed = 0

    def _try_switch_active_batch(self):
        if self.kind.current is self:
            self.kind.new_batch()
        self.maybe_fail("_try_switch_active_batch")

    def get_priority(self):
        self.maybe_fail("get_priority")
        return self.priority()

    def _cancel(self):
        self.maybe_fail("_cancel")

    def priority(self):
        if self.kind.priority is not None:
            return (1, self.kind.priority)
        return super(Batch, self).get_priority()

    def maybe_fail(self, method):
        if method in self.kind.calls:
            self.kind.calls[method] += 1
            if (method, self.kind.calls[method]) in self.kind.fails:
                self.kind.world.note("fails", self.name(), method)
                raise Failure("%s of %s" % (method, self.name()))

    def flush(self):
        items = list(self.items)
        try:
            super(Batch, self).flush()
        finally:
            settled = all(item.is_computed() and item._waiters is None for item in items)
            self.kind.world.check(settled, "a flush computes every item", self.name())
            del self, items  # errors of the flush lead to this frame

    def name(self):
        return self.kind.world.name_of(self)

    def _flush(self):
        kind, world = self.kind, self.kind.world
        self.times_flushed += 1
        world.check(self.times_flushed == 1, "a batch is flushed once", self.name())
        manner = kind.manners.pop(0) if kind.manners else "answer"
        names = [world.name_of(item) for item in self.items]
        world.note("flush", self.name(), manner, *names)
        items = list(self.items)
        if manner == "fail":
            raise Failure(self.name())
        if manner == "be interrupted":
            raise KeyboardInterrupt(self.name())
        if manner == "ask itself" and items:
            items[-1].value()
        if manner == "answer in reverse":
            items.reverse()
        if manner in world.functions:
            world.frame("flush of " + self.name()).call(world.functions[manner])
        for number, item in enumerate(items):
            if manner == "fail half-way" and number >= len(items) // 2:
                raise Failure(self.name())
            if item.is_computed() or (manner == "forget one" and number == 0):
                continue
            if item.fails:
                item.set_error(Failure(world.name_of(item)))
            else:
                item.set_value("value of " + world.name_of(item))


class Item(BatchItemBase):
    def __init__(self, batch, fails):
        super(Item, self).__init__(batch)
        self.fails = fails


class Recorded(AsyncContext):
    """A context that is in a list while it is active, and may refuse to be switched once."""

    def __init__(self, frame, name, refuses):
        self.frame = frame
        self.world = frame.world
        self.name = name
        self.refuses = refuses
        self.times = {"pause": 0, "resume": 0}

    def __enter__(self):
        super(Recorded, self).__enter__()
        self.frame.entered.append(self)

    def __exit__(self, *exc_info):
        self.frame.entered.remove(self)
        for call in self.world.calls:
            # It was called by what it waited for, and leaves what was active there.
            call.active = [context for context in call.active if context is not self]
        super(Recorded, self).__exit__(*exc_info)

    def resume(self):
        self.world.check(self not in self.world.active, "no context is resumed twice", self.name)
        self.maybe_refuse("resume")
        self.world.active.append(self)

    def pause(self):
        is_active = self in self.world.active
        self.world.check(is_active, "only active contexts are paused", self.name)
        if is_active:
            self.world.active.remove(self)
        self.maybe_refuse("pause")

    def maybe_refuse(self, what):
        self.world.note(what, self.name)
        self.times[what] += 1
        if self.refuses == (what, self.times[what]):
            raise Failure("%s of %s" % (what, self.name))


class Overriding(Recorded):
    """The same, and it overrides the world's scoped value with its name."""

    def __init__(self, frame, name, refuses):
        super(Overriding, self).__init__(frame, name, refuses)
        self.override = self.world.scoped.override(name)

    def resume(self):
        super(Overriding, self).resume()
        self.override.resume()

    def pause(self):
        self.override.pause()
        super(Overriding, self).pause()


class NotAsync(NonAsyncContext):
    pass


class Frame(object):
    """What a function of a program has as ``me``: all that it can do, and its name."""

    def __init__(self, world, name, number=0):
        self.world = world
        self.name = name
        # Its place among its caller's, and how many it has itself.
        self.number = number
        self.count = 0
        # The contexts that it is in, in the order of entering.
        self.entered = []
        # A weak reference to its task, None outside of tasks.
        self.task_ref = None

    # All are one argument to a cache by instance, which so finds values.

    def __eq__(self, other):
        return isinstance(other, Frame)

    def __ne__(self, other):
        return not isinstance(other, Frame)

    def __hash__(self):
        return 1

    def next_name(self):
        self.count += 1
        return "%s.%d" % (self.name, self.count)

    def next_frame(self):
        name = self.next_name()
        return Frame(self.world, name, self.count)

    def part(self):
        """The frame of an async generator, which has no task of its own."""
        return self.next_frame()

    def look(self):
        """Check what the world looks like to the one who runs."""
        self.world.look_at_frame(self)

    def done(self):
        self.look()
        return "value of " + self.name

    # What can be waited for

    def task(self, function):
        return get_async_fn(function)(self.next_frame())

    def item(self, kind, fails=False):
        item = Item(self.world.kinds[kind].current, fails)
        return self.world.named(item, self.next_name() + kind)

    def batch(self, kind):
        return self.world.kinds[kind].current

    def const(self):
        name = self.next_name()
        return self.world.named(ConstFuture("value of " + name), name)

    def failed(self):
        name = self.next_name()
        return self.world.named(ErrorFuture(Failure(name)), name)

    def nonsense(self):
        return "nonsense"

    def lazy(self, function=None, fails=False):
        frame = self.next_frame()
        # Found by name, because a provider that held its future would make a cycle.
        future = Future(lambda: frame.world.provide(frame, function, fails))
        frame.lazy_ref = weakref.ref(future)
        return self.world.named(future, frame.name)

    def promise(self, number):
        return self.world.promises[number]

    def shared(self, number):
        return self.world.shared_future(number)

    def keep(self, number, future):
        self.world.kept[self.name, number] = future

    def kept(self, number):
        future = self.world.kept.get((self.name, number))
        return self.const() if future is None else future

    def hooked(self, number, future, fails=False):
        """``future``, which will fulfil a promise once it is computed."""
        if isinstance(future, FutureBase) and not future.is_computed():
            frame = self.next_frame()
            future.on_computed.subscribe(lambda _: frame.fulfil(number))
            if fails:
                future.on_computed.subscribe(lambda _: frame.fail())
        return future

    def hand_out(self, future):
        """``future``, whose value a caller of a proxy asks for."""
        self.world.asked_by_hand(future)
        return future

    def fail(self):
        raise Failure(self.name)

    # What can be done

    def asks(self, structure):
        self.world.asked[self.name] = structure
        return structure

    def got(self, value):
        self.world.got(self, value)
        self.look()

    def caught(self, error):
        self.world.caught(self, error)
        self.look()

    def call(self, function):
        frame = self.next_frame()
        with Call(self.world):
            value = function(frame)
            if not isinstance(value, FutureBase):
                self.world.note("returned", self.name, value)
        self.look()
        try:
            self.value(value)  # if it is pure
        finally:
            del value  # as in value()

    def value(self, future):
        try:
            if isinstance(future, FutureBase):
                self.world.asked_by_hand(future)
                with Call(self.world, future):
                    self.world.note("returned", self.name, future.value())
                self.look()
        finally:
            del future  # its error's traceback holds this frame

    def error(self, future):
        try:
            if isinstance(future, FutureBase):
                self.world.asked_by_hand(future)
                with Call(self.world, future):
                    self.world.note("returned", self.name, described(future.error()))
                self.look()
        finally:
            del future  # as in value()

    def set(self, future, fails=False):
        if isinstance(future, FutureBase) and not future.is_computed():
            self.world.note("set", self.name, self.world.name_of(future))
            self.world.asked_by_hand(future)
            try:
                if fails:
                    future.set_error(Failure(self.next_name()))
                else:
                    future.set_value("value of " + self.next_name())
            finally:
                # An error of a context may lead to this frame: the cycle would be the program's.
                del future

    def fulfil(self, number, fails=False):
        self.set(self.promise(number), fails)

    def cancel(self, kind):
        self.batch(kind).cancel(Failure(self.next_name()))

    def flush(self, kind):
        with Call(self.world):
            self.batch(kind).flush()
        self.look()

    def recorded(self, refuses=None):
        return Recorded(self, self.next_name(), refuses)

    def overriding(self, refuses=None):
        return Overriding(self, self.next_name(), refuses)

    def not_async(self):
        return NotAsync()

    def enter(self, context):
        """Enter and never leave; not an override, because they need to be left in their order."""
        # A plain function whose task is computed already enters as one outside of tasks does, who
        # has to leave by himself.
        outside = self.task_ref()._body is None and self.task_ref().is_computed()
        if type(context) is Recorded and not outside:
            context.__enter__()


class Call(object):
    """What was active when somebody called synchronously: it is what the callee begins with."""

    def __init__(self, world, future=None):
        self.world = world
        self.future = future
        self.active = list(world.active)
        self.task = get_active_task()
        # What can't be computed before it returns.
        self.waiting = [] if self.task is None else [self.task]

    def __enter__(self):
        self.world.calls.append(self)
        return self

    def __exit__(self, *exc_info):
        self.world.calls.pop()
        # The traceback of an error leads to this one.
        self.future = self.task = self.waiting = None


def described(value):
    """A value or an error as text that is the same everywhere: of most errors only the class."""
    if isinstance(value, Failure):
        return "failure of %s" % value.args
    return type(value).__name__ if isinstance(value, BaseException) else str(value)


def leaves(structure):
    if isinstance(structure, dict):
        structure = list(structure.values())
    if isinstance(structure, (list, tuple)):
        return [leaf for part in structure for leaf in leaves(part)]
    return [] if structure is None else [structure]


def with_values(structure):
    if isinstance(structure, dict):
        return dict((key, with_values(part)) for key, part in structure.items())
    if isinstance(structure, (list, tuple)):
        return type(structure)([with_values(part) for part in structure])
    return None if structure is None else structure._value


# Running them


class Endless(BaseException):
    """Raised where a program does not come to an end."""


class Silence(object):
    """In place of ``sys.stderr``: errors that nobody can be given are part of the plan."""

    def write(self, text):
        pass

    flush = isatty = lambda self: False


class World(Observer):
    """Runs one program and watches it: ``events`` is its schedule, ``wrong`` the broken rules."""

    def __init__(self, program):
        self.program = program
        self.events = []
        self.wrong = []
        # The active contexts, outermost first, and a value that some of them override.
        self.active = []
        self.scoped = AsyncScopedValue("default")
        # The synchronous calls that have not returned, innermost last.
        self.calls = []
        # Weak references to all futures; by id: the reference and the name.
        self.futures = []
        self.names = {}
        # How often each was computed, by name.
        self.times_computed = {}
        self.kinds = dict((kind[0], Kind(self, *kind)) for kind in program["kinds"])
        self.promises = [self.named(FutureBase(), "promise %d" % number) for number in range(2)]
        self.shared_futures = {}
        # Whether a task was begun that nobody waits for any longer: it and its children, which
        # know their creator, are a cycle that has not come to its end.
        self.dropped = False
        # What each frame holds is here, because frames are held by the errors that went through
        # them: the errors' futures would be in a cycle.
        self.asked = {}
        self.kept = {}
        self.functions = {}
        # The names of the tasks that have waited for one another, and of those who waited for them.
        self.in_circles = set()
        self.hook_calls = {"before": 0, "after": 0}
        self.steps = 0
        # How many tasks the library has made for itself.
        self.helpers = 0

    def run(self):
        """Run the program to its end, and check that it leaves nothing behind."""
        code = compile(as_text(self.program), "<program>", "exec")
        namespace = dict(NAMES)
        exec(code, namespace)
        for name, _, _ in self.program["functions"]:
            self.functions[name] = namespace[name]
        collects = gc.isenabled()
        gc.disable()
        try:
            with self.watching():
                namespace["main"](self.frame("R"))
                self.look_at_the_end()
        except Endless:
            self.wrong.append(("every program ends",))
        except BaseException as error:
            self.wrong.append(("errors go where they belong", described(error), repr(error)))
        finally:
            with self.watching():
                self.forget()
                # What it held; the rest is needed where bodies end later than here.
                for name in list(namespace):
                    if name == "main" or name not in NAMES and not name.startswith("__"):
                        del namespace[name]
        if LEAVES_NO_CYCLES and not self.dropped:
            alive = [self.name_of(ref()) for ref in self.futures if ref() is not None]
            self.check(not alive, "no future is left to the cyclic collector", alive)
        if collects:
            gc.enable()
        if self.wrong:
            reset()

    @contextlib.contextmanager
    def watching(self):
        """Have this observer in place, flushes with hooks, and nothing printed."""
        replaced = [
            (watch, "observer", self),
            (options, "DUMP_PRE_ERROR_STATE", False),
            (sys, "stderr", Silence()),
            (sys, "unraisablehook", lambda unraisable: None),
            (TaskScheduler, "flush_one", self.counted(vars(TaskScheduler)["flush_one"])),
            (TaskScheduler, "switch", self.counted(vars(TaskScheduler)["switch"])),
            (_knots, "untie", self.counted(_knots.untie)),
        ]
        replaced = [one for one in replaced if hasattr(one[0], one[1])]
        former = [getattr(place, name) for place, name, _ in replaced]
        scheduler = get_scheduler()
        hooks = {"before": scheduler.on_before_batch_flush, "after": scheduler.on_after_batch_flush}
        handlers = dict((name, lambda batch, name=name: self.flush_hook(name)) for name in hooks)
        for place, name, value in replaced:
            setattr(place, name, value)
        for name in handlers:
            hooks[name].subscribe(handlers[name])
        try:
            yield
        finally:
            for name in handlers:
                hooks[name].unsubscribe(handlers[name])
            for (place, name, _), value in zip(replaced, former):
                if place is TaskScheduler:
                    value = six.get_unbound_function(value)
                setattr(place, name, value)

    def flush_hook(self, name):
        self.hook_calls[name] += 1
        if (name, self.hook_calls[name]) in self.program["hooks"]:
            self.note("fails", "hook", name)
            raise Failure("hook %s a flush" % name)

    def counted(self, function):
        def counting(*args, **kwargs):
            self.step()
            return function(*args, **kwargs)

        return counting

    def step(self):
        self.steps += 1
        if self.steps > STEPS:
            raise Endless()

    def forget(self):
        """Let go of the futures, and of the cycles that are made here and not by the library."""
        # First the tasks: the bodies of those that were dropped end now, and need the others.
        for held in (self.asked, self.kept, self.shared_futures):
            held.clear()
        for kind in self.kinds.values():
            del kind.current.items[:]
            kind.current = None
        for future in self.living():
            if getattr(future, "keeps_items", False):
                future.items = []
        future = None
        self.kinds.clear()
        self.functions.clear()
        del self.promises[:], self.active[:]

    def frame(self, name):
        return Frame(self, name)

    def check(self, condition, rule, *details):
        # Raised at once, it might end as the error of a future that nobody looks at.
        if not condition:
            self.wrong.append((rule, details, len(self.events)))

    def note(self, *words):
        self.events.append(" ".join(map(str, words)))

    # Futures and their names

    def named(self, future, name):
        ref = weakref.ref(future)
        self.futures.append(ref)
        self.names[id(future)] = (ref, name)
        self.times_computed[name] = 1 if future.is_computed() else 0
        return future

    def name_of(self, future):
        ref, name = self.names.get(id(future), (None, None))
        return name if ref is not None and ref() is future else type(future).__name__

    def living(self):
        return [future for future in [ref() for ref in self.futures] if future is not None]

    def shared_future(self, number):
        if number not in self.shared_futures:
            frame = self.frame("shared %d" % number)
            self.shared_futures[number] = frame.const()  # for a proxy that asks for itself
            made = eval("me." + self.program["shared"][number], dict(self.functions, me=frame))
            self.shared_futures[number] = made
        return self.shared_futures[number]

    def asked_by_hand(self, future):
        """Note a batch that is not flushed by a flush: it keeps its items, and they keep it."""
        if isinstance(future, BatchBase):
            future.keeps_items = True

    def provide(self, frame, function, fails):
        self.note("provides", frame.name)
        if self.calls and self.calls[-1].future is frame.lazy_ref():
            same = lasting(self.active) == lasting(self.calls[-1].active)
            self.check(same, "a call changes no context", frame.name)
        elif waiters_of(frame.lazy_ref()):
            self.look_at_contexts(waiters_of(frame.lazy_ref()), frame.name)
            right = get_active_task() is self.calls[-1].task
            self.check(right, "a lazy future is nobody's part", frame.name)
        if fails:
            raise Failure(frame.name)
        if function is not None:
            with Call(self) as call:
                call.waiting.append(frame.lazy_ref())
                get_async_fn(function)(frame.next_frame()).value()
        return "value of " + frame.name

    # What a task is given for what it has yielded

    def got(self, frame, value):
        structure = self.asked.pop(frame.name)
        self.note("got", frame.name)
        futures = leaves(structure)
        computed = all(one.is_computed() and one._error is None for one in futures)
        self.check(computed, "a task goes on with values once all are there", frame.name)
        same = computed and value == with_values(structure)
        self.check(same, "values have the shape of what was yielded", frame.name, value)

    def caught(self, frame, error):
        if isinstance(error, Endless):
            raise error
        self.note("caught", frame.name, described(error))
        structure = self.asked.pop(frame.name, None)
        if structure is None:
            return
        if described(error).startswith(("failure of pause of", "failure of resume of")):
            return  # the error of a context that was left on the way
        futures = [one for one in leaves(structure) if isinstance(one, FutureBase)]
        errors = [one._error for one in futures if one._error is not None]
        if len(futures) < len(leaves(structure)):
            right = isinstance(error, (TypeError, AsyncTaskError)) or error in errors
        elif not all(one.is_computed() for one in futures):
            right = isinstance(error, AsyncTaskError) or error in errors
        else:
            # What stood in for a future in a knot, which was computed after all.
            right = (errors and error is errors[0]) or isinstance(error, AsyncTaskError)
        self.check(right, "the first error is thrown", frame.name, described(error))

    # What is seen from outside

    def task_created(self, task):
        frame = frame_of(task)
        if frame is None:
            self.helpers += 1
            self.named(task, "helper %d" % self.helpers)
        else:
            # A task that caches makes another one, with the same arguments: that is the body's.
            name = frame.name + ("" if frame.task_ref is None else " itself")
            frame.task_ref = weakref.ref(task)
            self.named(task, name)

    def task_called(self, task, caller):
        self.note("calls", self.name_of(caller), self.name_of(task))
        self.look_at_everything()

    def task_continues(self, task):
        name = self.name_of(task)
        self.note("continues", name)
        scheduler = get_scheduler()
        self.check(task._value is _none, "what is computed does not go on", name)
        body = task._body
        self.check(body is None or not body.gi_running, "a body runs once at a time", name)
        self.check(scheduler.active_task is task, "who runs is the active task", name)
        # A run that has ended shares the ready ones with the one that went on.
        one_run = task._run.ready is scheduler.current_run.ready
        self.check(one_run, "a task runs in its own run", name)
        computed = all(future._value is not _none for future in task._awaited())
        self.check(computed, "a task goes on once all it waits for is computed", name)
        self.look_at_contexts([task], name)
        self.look_at_everything()
        for future in self.living():
            told = future._value is _none or not waiters_of(future)
            if isinstance(future, Item):
                told = told or future.batch._flushing
            self.check(told, "who waits is told", self.name_of(future))

    def task_waits(self, task, futures):
        self.note("waits", self.name_of(task), *[self.name_of(future) for future in futures])
        # Nobody is enlisted yet.
        above = with_all_waiters([task])
        for future in futures:
            if is_among(future, above):
                self.in_circles.update(self.name_of(one) for one in above)
        self.look_at_everything()

    def task_exits(self, task, value, error):
        self.note("exits", self.name_of(task), described(value if error is None else error))

    def future_computed(self, future):
        name = self.name_of(future)
        if name not in self.times_computed:
            return  # it is just being made, or not the program's
        self.note("computed", name)
        self.times_computed[name] += 1
        self.check(self.times_computed[name] == 1, "a future is computed once", name)
        self.look_at_everything()

    def batch_scheduled(self, batch):
        self.note("scheduled", self.name_of(batch))
        self.look_at_everything(enlisting=True)

    def batch_flushes(self, batch):
        name = self.name_of(batch)
        scheduler = get_scheduler()
        run = scheduler.current_run
        idle = not run.ready and not run.woken
        for task in self.living():
            if isinstance(task, AsyncTask) and task._pending == 0 and task._value is _none:
                idle = idle and task._run.ready is not run.ready
        self.check(idle, "a batch is flushed when nothing else can run", name)
        self.check(scheduler.active_task is self.calls[-1].task, "a flush is nobody's part", name)
        same = lasting(self.active) == lasting(self.calls[-1].active)
        self.check(same, "no context is active in a flush", name)
        for other in scheduler._batches:
            if other.items and not other.is_flushed():
                first = not batch.priority() < other.priority()
                self.check(first, "the highest priority goes first", name)
        self.look_at_everything()

    def batch_flushed(self, batch):
        self.look_at_everything()

    # The rules

    def look_at_everything(self, enlisting=False):
        """The rules that hold between any two steps.

        ``enlisting``: a task is just being registered with what it has yielded.

        """
        self.step()
        registrations = {}
        living = self.living()
        for future in living:
            waiters = waiters_of(future)
            for waiter in waiters:
                registrations[id(waiter)] = registrations.get(id(waiter), 0) + 1
            if future._value is _none:
                never = not self.times_computed[self.name_of(future)]
                self.check(never, "what is computed stays so", self.name_of(future))
        for task in living:
            if isinstance(task, AsyncTask) and not (enlisting and task._pending == RUNNING):
                right = registrations.get(id(task), 0) == max(task._pending, 0)
                self.check(right, "a task counts what it waits for", self.name_of(task))

    def look_at_frame(self, frame):
        """The rules for the one whose body runs."""
        if frame.task_ref is None:
            return
        task = frame.task_ref()
        self.check(get_active_task() is task, "who runs is the active task", frame.name)
        if task is not None and task._value is _none:
            running = task._pending in (RUNNING, UNHEARD)
            self.check(running, "who runs is running", frame.name)
            # Who waited may have got a value from somebody else since this one went on.
            if self.ways_up(task, []):
                self.look_at_contexts([task], frame.name)

    def look_at_contexts(self, tasks, name):
        """The active contexts must be those on the way from one of ``tasks`` to the run's."""
        if get_scheduler().current_run.task.is_computed() or self.is_knotted(tasks):
            return
        names = [context.name for context in self.active]
        ways = [way for task in tasks for way in self.ways_up(task, [])]
        self.check(ways, "a task runs for somebody", name)
        right = lasting(self.active) in [lasting(way) for way in ways]
        self.check(right, "contexts follow who waits", name, names)
        overriding = [one.name for one in self.active if isinstance(one, Overriding)]
        expected = overriding[-1] if overriding else "default"
        self.check(self.scoped.get() == expected, "so do scoped values", name, expected)

    def is_knotted(self, tasks):
        """Whether what one of ``tasks`` runs for waits for itself.

        That is an error as soon as nothing else can run. Till then what else it waits for runs: if
        it waits for a synchronous call, in its contexts without those that were entered further in;
        and once tasks have waited in a circle, in those of any of its waiters, one of which may be
        in the circle, if another has gone.

        """
        callers = with_all_waiters([future for call in self.calls for future in call.waiting])
        ready = get_scheduler().current_run.ready
        above = with_all_waiters(tasks)
        here = [one for one in above if one._run.ready is ready]
        in_a_circle = any(self.name_of(one) in self.in_circles for one in above)
        return in_a_circle or any(is_among(one, callers) for one in here)

    def ways_up(self, task, below):
        """The contexts on each way from the current run's caller down to ``task``."""
        run = get_scheduler().current_run
        if task in below or task._run.ready is not run.ready:
            return []
        ways = [self.calls[-1].active] if task is run.task else []
        for waiter in waiters_of(task):
            ways += self.ways_up(waiter, below + [task])
        # A task that is asked for from inside itself has entered its contexts above the caller.
        frame = frame_of(task)
        entered = [] if frame is None or frame.task_ref() is not task else frame.entered
        return [way + [context for context in entered if context not in way] for way in ways]

    def look_at_the_end(self):
        scheduler = get_scheduler()
        nothing = str(scheduler).endswith("(0 tasks, 0 batches; active task: None)")
        self.check(nothing, "nothing stays scheduled", str(scheduler))
        self.check(scheduler.scope is None, "no scope stays")
        self.check(scheduler.current_run is None, "no run stays")
        self.check(not self.active, "no context stays active", [one.name for one in self.active])
        self.check(self.scoped.get() == "default", "no value stays overridden")
        for future in self.living():
            if waiters_of(future):
                # Tasks that wait for one another, and were cut off before that was found out,
                # are the program's own cycle.
                knotted = not has_top(future)
                self.dropped = self.dropped or knotted
                self.check(knotted, "nobody stays waiting", self.name_of(future))
                continue
            if isinstance(future, AsyncTask) and future._value is _none:
                quiet = future._pending in (FRESH, PARKED)
                self.dropped = self.dropped or future._pending == PARKED
                self.check(quiet, "nothing stays begun", self.name_of(future))
            elif future._value is not _none:
                told = self.times_computed[self.name_of(future)] == 1
                self.check(told, "what is computed is told", self.name_of(future))


def frame_of(task):
    """The frame that ``task`` was given; None if the library has made it."""
    frames = [argument for argument in task.args if isinstance(argument, Frame)]
    return frames[0] if frames else None


def waiters_of(future):
    if future is None or future._waiters is None:
        return []
    return future._waiters if type(future._waiters) is list else [future._waiters]


def lasting(contexts):
    """``contexts`` without those of tasks that somebody has computed before they were left."""
    tasks = [context.frame.task_ref and context.frame.task_ref() for context in contexts]
    return [
        context
        for context, task in zip(contexts, tasks)
        if task is None or not task.is_computed()
    ]


def has_top(future):
    """Whether following those who wait leads from ``future`` to somebody for whom nobody waits."""
    return not all(waiters_of(one) for one in with_all_waiters([future]))


def is_among(future, others):
    return any(future is other for other in others)


def with_all_waiters(futures):
    """``futures``, those who wait for them, those who wait for these, and so on."""
    found = []
    stack = list(futures)
    while stack:
        future = stack.pop()
        if not is_among(future, found):
            found.append(future)
            stack += waiters_of(future)
    return found


def run(program):
    """The schedule of a program and the rules that it broke: two lists."""
    world = World(program)
    alarms = hasattr(signal, "setitimer")  # not on Windows
    if alarms:
        former = signal.signal(signal.SIGALRM, raise_endless)
        # More than once, because an end may be taken for the error of a task.
        signal.setitimer(signal.ITIMER_REAL, SECONDS, SECONDS)
    try:
        world.run()
    except Endless:
        world.wrong.append(("every program ends",))
    finally:
        if alarms:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, former)
    return world.events, world.wrong


def raise_endless(*args):
    raise Endless()


def digest():
    """A number for the schedules of some hundred programs together."""
    together = hashlib.sha256()
    for seed in range(300):
        events, _ = run(make_program(seed))
        together.update("\n".join(events + [""]).encode("ascii"))
    return together.hexdigest()


def report(seed, program, wrong):
    rule = wrong[0][0]
    small = shrunk(program, lambda one: any(broken[0] == rule for broken in run(one)[1][:1]))
    events, found = run(small)
    return "seed %d breaks a rule: %s\n\n%s\n%s\n" % (
        seed,
        (found or wrong)[0],
        as_text(small),
        "\n".join("# " + event for event in events),
    )


def main(arguments=None):
    parser = argparse.ArgumentParser(description="Run random programs and check every step.")
    parser.add_argument("--programs", type=int, default=10000, help="how many")
    parser.add_argument("--seed", type=int, default=0, help="of the first; the next has the next")
    parser.add_argument("--keep-going", action="store_true", help="after a broken rule too")
    parser.add_argument("--digest", action="store_true", help="only print that of test_fuzzing")
    chosen = parser.parse_args(arguments)
    if chosen.digest:
        sys.stdout.write(digest() + "\n")
        return 0
    began = last = time.time()
    failed = 0
    for number in range(chosen.programs):
        program = make_program(chosen.seed + number)
        wrong = run(program)[1]
        if wrong:
            failed += 1
            sys.stdout.write(report(chosen.seed + number, program, wrong))
            sys.stdout.flush()
            if not chosen.keep_going:
                return 1
        if number % 100 == 0:
            gc.collect()
        if time.time() - last > 30:
            last = time.time()
            sys.stdout.write("%d programs, %d seconds\n" % (number + 1, last - began))
            sys.stdout.flush()
    sys.stdout.write(
        "%d programs, %d seconds, %d broke a rule\n"
        % (chosen.programs, time.time() - began, failed)
    )
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
