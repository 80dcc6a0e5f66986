"""Has an event loop do what the tests call synchronously: ``pytest --driver asyncio``.

Only the outermost calls go there. A synchronous call in a body or in a flush remains one, and is
allowed.

"""

import asyncio
import gc
import threading

import pytest

from asynq import asynq_to_async, decorators, scheduler
from asynq._compat import set_traceback

# How many seconds a call may take. Only one that waits for what never comes takes them.
PATIENCE = 1


class LoopDriver(object):
    """Drives the outermost runs of this thread by an event loop.

    :param name: ``asyncio`` or ``uvloop``.

    """

    def __init__(self, name):
        if name == "uvloop":
            self.loop = pytest.importorskip("uvloop").new_event_loop()
        else:
            self.loop = asyncio.new_event_loop()
        self.reports = []
        self.loop.set_exception_handler(lambda loop, report: self.reports.append(report))
        self.thread = threading.get_ident()

    def install(self, monkeypatch):
        begin = scheduler.Run.__init__

        def begin_on_loop(run, task, allowed=False):
            if threading.get_ident() == self.thread and asyncio._get_running_loop() is None:
                if task is not None and not task.is_computed():
                    self.drive(task)
            try:
                begin(run, task, allowed)
            finally:
                del task  # an asyncio task that has failed may hold this frame

        monkeypatch.setattr(scheduler.Run, "__init__", begin_on_loop)
        for module in (scheduler, decorators):
            monkeypatch.setattr(module, "check_sync_call", lambda fn, allowed: None)

    def drive(self, task):
        """Have ``task`` computed; its run has only to return the value, or raise the error."""
        driven = self.loop.create_task(asynq_to_async.drive(task))
        try:
            self.wait_for([driven])
            if not driven.done():
                pytest.fail("%s waits for what never comes" % task)
            if not task.is_computed():
                driven.result()
        except (KeyboardInterrupt, SystemExit):
            if not task.is_computed():
                raise
        finally:
            self.cancel_all()
            if driven.done() and not driven.cancelled():
                driven.exception()  # has been retrieved now
            if task._error is not None:
                set_traceback(task._error, task._traceback)  # here, nobody has raised it
            del task, driven
            if not gc.isenabled():
                # The test looks for cycles. An asyncio task is in one with the error it has raised.
                gc.collect()

    def wait_for(self, tasks):
        self.loop.run_until_complete(asyncio.wait(tasks, timeout=PATIENCE))

    def cancel_all(self):
        """End what an interrupt has left, as asyncio.run() does."""
        for _ in range(5):  # an error that is an interrupt, too, stops the loop again
            left = asyncio.all_tasks(self.loop)
            for task in left:
                task.cancel()
            try:
                if left:
                    self.wait_for(left)
            except (KeyboardInterrupt, SystemExit):
                pass

    def close(self):
        """Close the loop; there may be nothing left to do, and nothing that anybody forgot."""
        left = asyncio.all_tasks(self.loop)
        self.loop.close()
        assert not left and not self.reports, (left, self.reports)
