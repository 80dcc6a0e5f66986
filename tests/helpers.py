"""What the tests share: batches that record what was sent, contexts that record what is active."""

import gc
import sys

import pytest

import asynq

counts_references = pytest.mark.skipif(
    not hasattr(sys, "getrefcount"), reason="this Python does not count references"
)


def collect_garbage():
    """Have everything gone that nobody holds; PyPy needs a few rounds for its finalizers."""
    for _ in range(3):
        gc.collect()


def steps(fn, *args):
    """How many lines of Python ``fn(*args)`` executes; each round of a loop is one at least."""
    count = [0]

    def trace(frame, event, arg):
        count[0] += 1
        return trace

    former = sys.gettrace()
    sys.settrace(trace)
    try:
        fn(*args)
    finally:
        sys.settrace(former)
    return count[0]


class Client(object):
    """A store that is asked in batches, and remembers the keys of each request.

    ``client.get(key)`` is an item whose value is ``(name, key)``; ``client.requests`` is the list
    of the key lists that were sent.

    """

    def __init__(self, name="client", priority=None):
        self.name = name
        self.priority = priority
        self.requests = []
        # What a flush raises instead of answering, and keys whose item gets an error.
        self.fails_with = None
        self.errors = {}
        self.current_batch = Batch(self)

    def get(self, key):
        return Item(self, key)


class Batch(asynq.BatchBase):
    def __init__(self, client):
        super(Batch, self).__init__()
        self.client = client

    def _try_switch_active_batch(self):
        if self.client.current_batch is self:
            self.client.current_batch = Batch(self.client)

    def _flush(self):
        self.client.requests.append([item.key for item in self.items])
        if self.client.fails_with is not None:
            raise self.client.fails_with
        for item in self.items:
            if item.key in self.client.errors:
                item.set_error(self.client.errors[item.key])
            else:
                item.set_value((self.client.name, item.key))

    def get_priority(self):
        if self.client.priority is not None:
            return self.client.priority
        return super(Batch, self).get_priority()


class Item(asynq.BatchItemBase):
    def __init__(self, client, key):
        super(Item, self).__init__(client.current_batch)
        self.key = key


class Recorded(asynq.AsyncContext):
    """A context that writes +name and -name into a log, and knows whether it is active."""

    def __init__(self, log, name):
        self.log = log
        self.name = name
        self.active = False

    def resume(self):
        assert not self.active
        self.active = True
        self.log.append("+" + self.name)

    def pause(self):
        assert self.active
        self.active = False
        self.log.append("-" + self.name)
