"""Why a run can't go on: finding what waits in vain, and telling it.

Only called when nothing is ready and no batch is pending. Then every task of the run waits for
something that will never come: following what each one waits for leads to a task that is on the
way already, to a task that is itself waiting for this run to end, or to a future which nobody is
going to compute. The task that yielded it gets the error.

"""

from qcore import inspection

from ._debug import safe_repr, safe_str, watch

__traceback_hide__ = True


class AsyncTaskError(Exception):
    """Raised when tasks wait for something that can never be computed; the text names them."""

    __module__ = "asynq.scheduler"  # where users find it


def untie(run):
    """Make the run go on by throwing an error into a task that waits in vain.

    :raises AsyncTaskError: where that task belongs to an outer run and is not to blame: what
        this run was asked for needs the very task that asks.

    """
    path = [run.task]
    on_path = {id(run.task)}
    while True:
        future = path[-1]
        blockers = future._blockers(only_first=True)
        if blockers is None:
            break
        if not blockers:
            # It was not told that all is computed, because of an interrupt.
            future._recover(run)
            return
        path.append(blockers[0])
        if id(blockers[0]) in on_path:
            break
        on_path.add(id(blockers[0]))
    _throw_at_last(run, path)


def _throw_at_last(run, path):
    """Tell the last task on ``path`` that this run has begun that what it waits for won't come."""
    error = _make_error(run, path)
    adopted = run.adopted or ()
    if watch.dump_state is not None:
        watch.dump_state(run.scheduler)
    for position in range(len(path) - 2, -1, -1):
        if path[position] not in adopted:
            path[position]._refuse(path[position + 1], error)
            return
    raise error


def untie_circles(run, tasks):
    """Throw an error into a task of each circle of tasks in which ``tasks`` wait."""
    while True:
        path = _circle(tasks)
        if path is None:
            return
        path[-2]._give_up([path[-1]], _make_error(run, path))


def _circle(tasks):
    """Futures each of which waits for the next, ending with one that is among them; or None."""
    done = set()
    for task in tasks:
        path = [task]
        on_path = {id(task)}
        following = [iter(task._blockers() or ())]
        while path:
            for future in following[-1]:
                if id(future) in on_path:
                    return path + [future]
                if id(future) not in done:
                    path.append(future)
                    on_path.add(id(future))
                    following.append(iter(future._blockers() or ()))
                    break
            else:
                following.pop()
                future = path.pop()
                on_path.discard(id(future))
                done.add(id(future))
    return None


def started_elsewhere(task, former, run):
    """The error for asking in ``run`` for a task that another scheduler's run has started.

    :param former: that run; None if another thread is starting the task at this moment.

    """
    theirs, ours = former and former.scheduler, run.scheduler
    if theirs is None:
        places = "in another thread at the moment at which it is asked for (%s)" % ours.name
    elif theirs.place != ours.place:
        places = "%s (%s) and is asked for %s (%s)" % (
            theirs.place, theirs.name, ours.place, ours.name
        )
    else:
        places = "in another thread (%s) than the one that asks for it (%s)" % (
            theirs.name, ours.name
        )
    return AsyncTaskError(
        "%s was started %s. Cure: wait for it where it was started, or hand its value over."
        % (safe_str(task), places)
    )


def called_from_inside(run):
    """The error for a synchronous call of a task from inside itself."""
    return _make_error(run, [run.task])


def called_from_its_flush(batch, scheduler):
    """The error for a flush of ``batch``, in ``scheduler``, while it is being flushed."""
    if batch._flushing is scheduler and not scheduler.is_in_flight(batch):
        return waits_for_its_flush(batch, scheduler)
    path = _names_on_path_to(batch, scheduler)
    reason, cure = _in_another_thread(batch, batch._flushing)
    return AsyncTaskError("Can't proceed further: %s%s. Cure: %s." % (path, reason, cure))


def waits_for_its_flush(batch, scheduler):
    """The error for waiting for ``batch``, in ``scheduler``, in what its flush waits for."""
    return AsyncTaskError(
        "Can't proceed further: %sthe flush of %s waits for itself or for one of its own items."
        " Cure: in _flush(), set the items' values; don't ask for them."
        % (_names_on_path_to(batch, scheduler), safe_str(batch))
    )


def _names_on_path_to(batch, scheduler):
    names = [_name(future) for future in _path_to(batch, scheduler.current_run)]
    return " -> ".join(names) + "; " if names else ""


def _in_another_thread(batch, scheduler):
    if scheduler.is_in_flight(batch):
        return (
            "its batch (%s) is being flushed on an event loop (%s), for which a synchronous call"
            " can't wait" % (safe_str(batch), scheduler.name),
            "yield or await the item on that loop",
        )
    return (
        "its batch (%s) is being flushed in another thread (%s)"
        % (safe_str(batch), scheduler.name),
        "give each thread a current batch of its own, in a threading.local",
    )


def reachable(roots, run):
    """Those tasks of ``run`` that ``roots`` are or wait for, each before what it waits for."""
    found = []
    seen = set()
    stack = list(reversed(roots))
    while stack:
        task = stack.pop()
        if id(task) in seen or getattr(task, "_run", None) is not run:
            continue
        seen.add(id(task))
        found.append(task)
        stack.extend(reversed(task._awaited()))
    return found


def _make_error(run, path):
    from_callers = _callers_up_to(path[-1], run)
    last = path[-1]
    batch = getattr(last, "batch", None) if last._blockers() is None else None
    names = [_name(future) for future in from_callers + path]
    if batch is not None:
        names[:0] = [_name(future) for future in _path_to(batch, run.outer)]
    if len(names) > 20:
        names[10:-9] = ["... %d more ..." % (len(names) - 19)]
    if from_callers or any(future is last for future in path[:-1]):
        reason = "they wait for one another"
        cure = "let one of them do without the other, or yield instead of calling synchronously"
    elif batch is not None and batch._flushing not in (None, run.scheduler):
        reason, cure = _in_another_thread(batch, batch._flushing)
    elif batch is not None:
        reason = "its batch (%s) is not going to be flushed again" % safe_str(batch)
        cure = "a flush can't wait for an item of its own batch"
    elif getattr(last, "_value_provider", last) is None:
        reason = "%s is being computed already, by what asks for it" % safe_repr(last)
        cure = "have the provider do without it"
    elif getattr(getattr(last, "_run", None), "scheduler", run.scheduler) is not run.scheduler:
        reason = "the last of them runs in another thread (%s)" % last._run.scheduler.name
        cure = "wait for it where it was started, or hand its value over"
    else:
        reason = "nobody is going to compute %s" % safe_repr(last)
        cure = "have its set_value() or set_error() called before nothing else is left to run"
    return AsyncTaskError(
        "Can't proceed further: %s; %s. Cure: %s." % (" -> ".join(names), reason, cure)
    )


def _callers_up_to(task, run):
    """The tasks from ``task`` on, outermost first, that wait in synchronous calls for ``run``."""
    callers = []
    while run is not None:
        if run.caller is not None:
            callers.insert(0, run.caller)
            if run.caller is task:
                return callers
        run = run.outer
    return []


def _path_to(batch, run):
    """The futures through which a run, ``run`` or one around it, waits for ``batch``."""
    while run is not None:
        before = {id(run.task): None}
        stack = [run.task]
        while stack:
            future = stack.pop()
            if future is batch or getattr(future, "batch", None) is batch:
                path = []
                while future is not None:
                    path.append(future)
                    future = before[id(future)]
                return path[::-1]
            for awaited in reversed(future._awaited() if hasattr(future, "_awaited") else ()):
                if id(awaited) not in before:
                    before[id(awaited)] = future
                    stack.append(awaited)
        run = run.outer
    return []


def _name(future):
    fn = getattr(future, "fn", None)
    if fn is None:
        return safe_repr(future)
    return inspection.get_full_name(fn)
