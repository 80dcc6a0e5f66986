"""A memcached client that sends one request for many calls, and a cache made of it.

    client = Client(connect("127.0.0.1", 11211))

    @asynq()
    def names_of_users(uids):
        names = yield [client.get.asynq("name:%d" % uid) for uid in uids]
        result(names)

All gets that are waited for at one time are one request, whichever functions they come from, and so
are all sets. ``@client.cached("prefix")`` keeps the values of an async function in memcached.

Needs pymemcache. Run alone, it shows what it does with a server::

    python examples/batching.py --server 127.0.0.1:11211

"""

from __future__ import print_function

import argparse
import hashlib
import json
import pickle
import sys
import uuid

import qcore
from pymemcache.client.base import Client as MemcacheClient
from pymemcache.exceptions import MemcacheError

from asynq import (
    BatchBase,
    BatchItemBase,
    ErrorFuture,
    async_call,
    async_proxy,
    asynq,
    make_async_decorator,
    result,
)

TYPE_CHECKING = False
if TYPE_CHECKING:  # it is true for type checkers; Python 2 has no typing
    from typing import Any, Callable, Dict, Generator, Iterable, List  # noqa: F401
    from typing import Optional, Tuple, TypeVar, Union  # noqa: F401

    from asynq import FutureBase  # noqa: F401
    from asynq.decorators import AsyncDecorator, AsyncWrapper  # noqa: F401
    from typing_extensions import ParamSpec

    P = ParamSpec("P")
    R = TypeVar("R")

# What a get of an absent key gives. Not None, which can be stored.
MISS = qcore.MarkerObject("miss")

# What memcached allows. It counts a value's headers too: its 1 MiB are somewhat less for us.
MAX_KEY_BYTES = 250
MAX_VALUE_BYTES = 1000000


class Client(object):
    """Gets and sets values of any kind that pickle knows, in batches.

    Use one client per thread: neither its batches nor the connection may be shared. Let nobody
    else write to the server: whoever can, can have any code run where the values are unpickled.

    :param memcache: a client of pymemcache.
    :param expire: after how many seconds the server forgets a value; 0 for never.

    """

    def __init__(self, memcache, expire=0):
        # type: (MemcacheClient, int) -> None
        self.memcache = memcache
        self.expire = expire
        # How many requests were sent.
        self.requests = 0
        # The batches that new items join.
        self.get_batch = GetBatch(self)
        self.set_batch = SetBatch(self)

    @async_proxy()
    def get(self, key):
        # type: (Union[str, bytes]) -> FutureBase[Any]
        """The value of ``key``, or MISS.

        A get and a set that are yielded together are sent in no certain order. To get what is
        set, yield the set first.

        """
        try:
            return GetItem(self.get_batch, check_key(key))
        except (TypeError, ValueError) as error:
            # The key did not get into the batch, where it would have spoilt the request of all.
            return ErrorFuture(error)

    @async_proxy()
    def set(self, key, value):
        # type: (Union[str, bytes], Any) -> FutureBase[bool]
        """Store ``value``; whether the server did so. Of two sets in a batch the later one wins."""
        try:
            return SetItem(self.set_batch, check_key(key), check_value(key, value))
        except Exception as error:  # whatever pickle raises
            return ErrorFuture(error)

    def cached(self, prefix):
        # type: (str) -> Callable[[AsyncDecorator[P, R]], AsyncWrapper[P, R]]
        """A decorator that keeps the values of an async function in memcached.

        The arguments of the function must be plain data, as JSON knows it, because they are the
        key; a tuple counts as a list there. An error of the function is not stored, and one of
        the server is an error of the call.

        :param prefix: the beginning of the keys, another one for each function.

        """
        check_key(key_of_call(prefix, (), {}))

        def decorator(fn):
            # type: (AsyncDecorator[P, R]) -> AsyncWrapper[P, R]
            @asynq(pure=True)
            def get_or_compute(*args, **kwargs):
                # type: (*Any, **Any) -> Generator[Any, Any, R]
                key = key_of_call(prefix, args, kwargs)
                value = yield self.get.asynq(key)
                if value is MISS:
                    value = yield async_call.asynq(fn, *args, **kwargs)
                    yield self.set.asynq(key, value)
                result(value)

            return make_async_decorator(fn, get_or_compute, "cached")

        return decorator

    def send(self, method, *args):
        # type: (Callable[..., R], *Any) -> R
        """Send a request with a method of pymemcache, and return the answer."""
        self.requests += 1
        try:
            return method(*args)
        except BaseException:
            # pymemcache connects anew after an Exception, but not after a KeyboardInterrupt. The
            # answer that nobody has read would then be taken for the next request's.
            self.memcache.close()
            raise


class GetItem(BatchItemBase):
    """The future of one value. An item belongs to its batch from the moment it is made."""

    def __init__(self, batch, key):
        # type: (GetBatch, bytes) -> None
        super(GetItem, self).__init__(batch)
        self.key = key


class GetBatch(BatchBase):
    """The gets that go into one request."""

    def __init__(self, client):
        # type: (Client) -> None
        super(GetBatch, self).__init__()
        self.client = client

    def _try_switch_active_batch(self):
        # type: () -> None
        # Called before and after the flush. From now on, items join another batch.
        if self.client.get_batch is self:
            self.client.get_batch = GetBatch(self.client)

    def _flush(self):
        # type: () -> None
        # What a flush must keep: every item gets a value or an error, and only once. An error
        # that is raised here is the error of all items that have none yet, which is right for
        # one of the server, and wrong for one that concerns a single item.
        client = self.client
        keys = sorted(set(item.key for item in self.items))
        found = client.send(client.memcache.get_many, keys)
        for item in self.items:
            if item.key not in found:
                item.set_value(MISS)
                continue
            # Each item has a copy of its own, even if another one asked for the same key.
            try:
                value = pickle.loads(found[item.key])
            except Exception as error:  # whatever unpickling raises
                item.set_error(error)
            else:
                item.set_value(value)


class SetItem(BatchItemBase):
    """The future of whether one value was stored."""

    def __init__(self, batch, key, data):
        # type: (SetBatch, bytes, bytes) -> None
        super(SetItem, self).__init__(batch)
        self.key = key
        self.data = data


class SetBatch(BatchBase):
    """The sets that go into one request."""

    def __init__(self, client):
        # type: (Client) -> None
        super(SetBatch, self).__init__()
        self.client = client

    def _try_switch_active_batch(self):
        # type: () -> None
        if self.client.set_batch is self:
            self.client.set_batch = SetBatch(self.client)

    def _flush(self):
        # type: () -> None
        client = self.client
        values = dict((item.key, item.data) for item in self.items)
        # With noreply (the default of pymemcache) nobody would learn of an error.
        failed = client.send(client.memcache.set_many, values, client.expire, False)
        for item in self.items:
            item.set_value(item.key not in failed)


def check_key(key):
    # type: (Union[str, bytes]) -> bytes
    """Return the bytes to send for ``key``, which may be text or bytes.

    :raises ValueError: if memcached would take it for something else.

    """
    if isinstance(key, type(u"")):
        data = key.encode("utf-8")
    elif isinstance(key, bytes):
        data = key
    else:
        raise TypeError("expected a key of text or bytes, got %r" % (key,))
    if not 1 <= len(data) <= MAX_KEY_BYTES:
        raise ValueError(
            "expected a key of 1 to %d bytes, got %d: %r" % (MAX_KEY_BYTES, len(data), key)
        )
    if any(byte <= 32 or byte == 127 for byte in bytearray(data)):
        raise ValueError("expected a key without spaces and control characters, got %r" % (key,))
    return data


def check_value(key, value):
    # type: (Union[str, bytes], Any) -> bytes
    """Return the bytes to send for ``value``.

    They are made when set() is called: what is done to the value later is not stored.

    """
    data = pickle.dumps(value, pickle.HIGHEST_PROTOCOL)
    if len(data) > MAX_VALUE_BYTES:
        raise ValueError(
            "expected a value of up to %d bytes for %r, got %d" % (MAX_VALUE_BYTES, key, len(data))
        )
    return data


def key_of_call(prefix, args, kwargs):
    # type: (str, Tuple[Any, ...], Dict[str, Any]) -> str
    """The key of the value of a call; the arguments are hashed because keys must be short."""
    call = json.dumps([args, kwargs], sort_keys=True)
    return "%s:%s" % (prefix, hashlib.sha256(call.encode("ascii")).hexdigest())


def connect(host, port):
    # type: (str, int) -> MemcacheClient
    """Return a client of pymemcache that does not wait forever. It connects when it is used."""
    return MemcacheClient(
        (host, port), connect_timeout=5, timeout=5, no_delay=True, allow_unicode_keys=True
    )


# The demonstration


def demonstrate(client):
    # type: (Client) -> None
    # Keys that no earlier demonstration has left on the server.
    prefix = "asynq-example-%s" % uuid.uuid4()
    computed = []  # type: List[int]

    @client.cached(prefix)
    @asynq()
    def square(number):
        # type: (int) -> int
        computed.append(number)
        return number * number

    @asynq()
    def squares(numbers):
        # type: (Iterable[int]) -> Generator[Any, Any, List[int]]
        values = yield [square.asynq(number) for number in numbers]
        result(values)

    for occasion in ("first", "second"):
        del computed[:]
        sent = client.requests
        values = squares(range(10))
        print(
            "The %s time: %d values, %d of them computed, %d request(s) sent."
            % (occasion, len(values), len(computed), client.requests - sent)
        )


def main(argv=None):
    # type: (Optional[List[str]]) -> int
    parser = argparse.ArgumentParser(description="Show a batched cache at work with memcached.")
    parser.add_argument(
        "--server",
        metavar="HOST:PORT",
        default="127.0.0.1:11211",
        help="where memcached is (default: %(default)s)",
    )
    arguments = parser.parse_args(argv)
    host, _, port = arguments.server.rpartition(":")
    if not host or not port.isdigit() or not 0 < int(port) < 65536:
        parser.error("expected HOST:PORT, got %r" % arguments.server)
    memcache = connect(host.strip("[]"), int(port))
    try:
        demonstrate(Client(memcache, expire=60))
    except (EnvironmentError, MemcacheError) as error:
        print(
            "batching.py: no memcached answers at %s (%s: %s). To start one here: memcached -p %s"
            " (as root: memcached -u nobody -p %s)"
            % (arguments.server, type(error).__name__, error, port, port),
            file=sys.stderr,
        )
        return 2
    finally:
        memcache.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
