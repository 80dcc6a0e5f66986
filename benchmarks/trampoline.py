"""The barest trampoline for generators that does the work of this package, with no features.

A function is a generator function; its call is ``Task(function(argument))``: an object that can be
held, yielded anywhere in a structure of lists, tuples and dicts, and waited for by several. Errors
of tasks are raised where they are yielded.

Left out are contexts, decorators, synchronous calls inside of tasks, hooks, threads, errors of
batches, keeping an interrupted run in order, names, readable tracebacks, and all checks. For
speed, the kinds of what is yielded are told by their exact classes, a task that yields one other
task is gone on with as soon as that returns, and what is frequent is done in place.

"""

# What a future has in place of a waiter. NOBODY waits for the task that is run, FAILED tasks have
# an error as their value.
DONE, FAILED, NOBODY = "done", "failed", "nobody"


class Task:
    """A call of a generator function, which begins when it is yielded.

    Its ``waiter`` is None at first, then a task or a list of tasks. While it waits itself, for what
    it has ``yielded``, it is to be told of ``missing`` more values before the last.

    """

    __slots__ = ("body", "waiter", "value", "yielded", "missing")

    def __init__(self, body):
        self.body = body
        self.waiter = None
        self.yielded = None
        self.missing = 0


class Item:
    """A value that somebody wants from a store, which fills in ``key`` and a waiter of None."""

    __slots__ = ("key", "waiter", "value")


class Const:
    """A future that has its value."""

    __slots__ = ("value",)
    waiter = DONE

    def __init__(self, value):
        self.value = value


def run(root, *stores):
    """Return what a task returns, or raise what it raises.

    When no task can go on, the first of the stores that wants something sends its batch.

    """
    root.waiter = NOBODY
    error = None
    ready = [root]
    next_ready = []
    while True:
        for task in ready:
            yielded = task.yielded
            if yielded.__class__ is Item:
                value = yielded.value
            elif yielded is None:
                value = None
            else:
                try:
                    value = value_of(yielded)
                except Exception as raised:
                    error = raised
            while True:
                try:
                    if error is None:
                        yielded = task.body.send(value)
                    else:
                        yielded = task.body.throw(error)
                        error = None
                except StopIteration as stop:
                    task.value = value = stop.value
                    error = None
                    waiter = task.waiter
                    task.waiter = DONE
                except Exception as raised:
                    waiter = task.waiter
                    if waiter is NOBODY:
                        error = None  # or its traceback, which holds this frame, makes a cycle
                        raise
                    task.value = error = raised
                    task.waiter = FAILED
                else:
                    if yielded is None:
                        value = None
                        continue
                    kind = yielded.__class__
                    if kind is Item:
                        if yielded.waiter is None:
                            yielded.waiter = task
                            task.yielded = yielded
                            break
                    elif kind is Task:
                        if yielded.waiter is None:
                            yielded.waiter = task
                            task.yielded = yielded
                            task = yielded
                            value = None
                            continue
                    elif kind is Const:
                        value = yielded.value
                        continue
                    task.yielded = yielded
                    missing = begin(yielded, task, next_ready)
                    if missing:
                        task.missing = missing - 1
                    else:
                        next_ready.append(task)
                    break
                # The task is done.
                task.body = None
                if waiter.__class__ is Task:
                    if waiter.yielded is task:
                        task = waiter
                        continue
                    if waiter.missing:
                        waiter.missing -= 1
                    else:
                        next_ready.append(waiter)
                elif waiter is NOBODY:
                    return value
                else:
                    tell(waiter, next_ready)
                error = None
                break
        ready = next_ready
        next_ready = []
        while not ready:
            for store in stores:
                if store.wanted:
                    break
            for item, value in zip(*store.send()):
                item.value = value
                waiter = item.waiter
                item.waiter = DONE
                if waiter.__class__ is Task:
                    if waiter.missing:
                        waiter.missing -= 1
                    else:
                        ready.append(waiter)
                elif waiter is not None:
                    tell(waiter, ready)


def tell(waiters, ready):
    """Tell several tasks that a value is there which they wait for."""
    for task in waiters:
        if task.missing:
            task.missing -= 1
        else:
            ready.append(task)


def begin(structure, task, ready):
    """Have a task wait for all in a structure; return how many values are missing."""
    kind = structure.__class__
    if kind is list or kind is tuple:
        parts = structure
    elif kind is dict:
        parts = structure.values()
    else:
        parts = [structure]
    missing = 0
    for part in parts:
        kind = part.__class__
        if kind is Item or kind is Task:
            waiter = part.waiter
            if waiter is None:
                part.waiter = task
                if kind is Task:
                    ready.append(part)
            elif waiter is DONE or waiter is FAILED:
                continue
            elif waiter.__class__ is list:
                waiter.append(task)
            else:
                part.waiter = [waiter, task]
            missing += 1
        elif kind is list or kind is tuple or kind is dict:
            missing += begin(part, task, ready)
    return missing


def value_of(structure):
    """The structure with the values in place of the futures; raises the first error."""
    kind = structure.__class__
    # What is yielded most is done without a call; None and what is empty stay as they are.
    if kind is list:
        return [
            part.value
            if part.__class__ is Task and part.waiter is DONE
            else part and value_of(part)
            for part in structure
        ]
    if kind is tuple:
        return tuple(
            [
                part.value if part.__class__ is Item else part and value_of(part)
                for part in structure
            ]
        )
    if kind is dict:
        return {
            key: part.value if part.__class__ is Item else part and value_of(part)
            for key, part in structure.items()
        }
    if structure.waiter is FAILED:
        raise structure.value
    return structure.value
