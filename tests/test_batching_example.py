# -*- coding: utf-8 -*-
"""The memcached client in examples/, against a real server that the tests start."""

import contextlib
import errno
import os
import pickle
import signal
import socket
import subprocess
import time

import pytest
from pymemcache.client.base import Client as MemcacheClient
from pymemcache.exceptions import MemcacheError

import asynq
from asynq import result

from . import example_programs

batching = example_programs.load("batching")
MISS = batching.MISS

# How long a server may take to start.
SECONDS = 20


class Server(object):
    """A memcached on a port of its own."""

    def __init__(self):
        self.process = None
        for _ in range(10):
            self.port = free_port()
            # Whoever gets hold of the port before the server does makes it end.
            if self.start():
                return
        raise AssertionError("memcached found no port")

    @property
    def address(self):
        return "127.0.0.1:%d" % self.port

    def start(self):
        """Return whether it runs."""
        command = ["memcached", "-l", "127.0.0.1", "-p", str(self.port), "-U", "0"]
        if os.geteuid() == 0:
            command += ["-u", "root"]
        self.process = subprocess.Popen(command)
        end = time.time() + SECONDS
        while self.process.poll() is None:
            assert time.time() < end, "memcached does not answer"
            try:
                return self.stat("pid") == self.process.pid
            except (EnvironmentError, MemcacheError):
                pass  # it is not ready yet
        return False

    def kill(self):
        self.process.kill()
        self.process.wait()

    def stat(self, name):
        with contextlib.closing(MemcacheClient(("127.0.0.1", self.port), timeout=SECONDS)) as one:
            return int(one.stats()[name.encode("ascii")])


def free_port():
    with contextlib.closing(socket.socket()) as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


@contextlib.contextmanager
def running_server():
    try:
        server = Server()
    except OSError as error:
        if error.errno != errno.ENOENT:
            raise
        example_programs.leave_out("memcached", "apt install memcached, or brew install memcached")
    try:
        yield server
    finally:
        server.kill()


@pytest.fixture(scope="module")
def shared_server():
    with running_server() as server:
        yield server


@pytest.fixture
def server(shared_server):
    """A server that holds nothing."""
    with contextlib.closing(batching.connect("127.0.0.1", shared_server.port)) as memcache:
        memcache.flush_all(noreply=False)
    return shared_server


@pytest.fixture
def mortal_server():
    """A server that the test may kill."""
    with running_server() as server:
        yield server


class Recording(object):
    """A client of pymemcache, and the keys of each request that it has sent."""

    def __init__(self, memcache):
        self.memcache = memcache
        self.requests = []

    def get_many(self, keys):
        self.requests.append(("get", sorted(keys)))
        return self.memcache.get_many(keys)

    def set_many(self, values, expire, noreply):
        self.requests.append(("set", sorted(values)))
        return self.memcache.set_many(values, expire, noreply)

    def close(self):
        self.memcache.close()


@contextlib.contextmanager
def client_of(server):
    recording = Recording(batching.connect("127.0.0.1", server.port))
    with contextlib.closing(recording):
        yield batching.Client(recording)


@pytest.fixture
def client(server):
    with client_of(server) as one:
        yield one


def requests_of(client):
    """The requests since this was last called."""
    requests = client.memcache.requests[:]
    del client.memcache.requests[:]
    return requests


def sizes_of(client):
    """The same, with the number of keys in place of the keys."""
    return [(command, len(keys)) for command, keys in requests_of(client)]


@asynq.asynq()
def together(*futures):
    values = yield futures
    result(values)


def outcomes(*futures):
    """The values and errors of futures that are waited for together."""

    @asynq.asynq()
    def outcome(future):
        try:
            value = yield future
        except Exception as error:
            value = error
        result(value)

    return list(together(*[outcome.asynq(future) for future in futures]))


# Batches


def test_gets_that_are_yielded_together_are_one_request(server, client):
    before = server.stat("cmd_get")
    values = together(*[client.get.asynq("key%d" % number) for number in range(5)])
    assert values == (MISS,) * 5
    assert requests_of(client) == [("get", [b"key0", b"key1", b"key2", b"key3", b"key4"])]
    assert client.requests == 1
    # The server counts keys.
    assert server.stat("cmd_get") - before == 5


def test_sets_that_are_yielded_together_are_one_request(server, client):
    before = server.stat("cmd_set")
    stored = together(client.set.asynq("a", 1), client.set.asynq("b", 2))
    assert stored == (True, True)
    assert requests_of(client) == [("set", [b"a", b"b"])]
    assert client.requests == 1
    assert server.stat("cmd_set") - before == 2
    assert together(client.get.asynq("a"), client.get.asynq("b")) == (1, 2)


def test_gets_of_different_functions_are_one_request(client):
    @asynq.asynq()
    def get_both(one, other):
        values = yield client.get.asynq(one), client.get.asynq(other)
        result(values)

    together(get_both.asynq("a", "b"), get_both.asynq("c", "d"))
    assert requests_of(client) == [("get", [b"a", b"b", b"c", b"d"])]


def test_gets_that_wait_for_others_are_the_next_request(client):
    @asynq.asynq()
    def get_in_turn(one, other):
        yield client.get.asynq(one)
        yield client.get.asynq(other)

    together(get_in_turn.asynq("a", "b"), get_in_turn.asynq("c", "d"))
    assert requests_of(client) == [("get", [b"a", b"c"]), ("get", [b"b", b"d"])]


def test_a_get_and_a_set_are_two_requests(client):
    together(client.get.asynq("a"), client.set.asynq("b", 1))
    assert sorted(requests_of(client)) == [("get", [b"a"]), ("set", [b"b"])]


def test_a_call_without_asynq_is_a_request_of_its_own(client):
    assert client.get("a") is MISS
    assert client.set("a", 1) is True
    assert client.get("a") == 1
    assert requests_of(client) == [("get", [b"a"]), ("set", [b"a"]), ("get", [b"a"])]


def test_a_key_is_sent_once_and_each_caller_has_a_copy(server, client):
    client.set("a", [])
    before = server.stat("cmd_get")
    one, other = together(client.get.asynq("a"), client.get.asynq(b"a"))
    assert one == other == []
    assert one is not other
    assert server.stat("cmd_get") - before == 1


def test_the_later_of_two_sets_wins(client):
    assert together(client.set.asynq("a", 1), client.set.asynq("a", 2)) == (True, True)
    assert client.get("a") == 2


def test_ten_thousand_keys_are_one_request(client):
    keys = ["key%d" % number for number in range(10000)]
    assert all(together(*[client.set.asynq(key, key) for key in keys]))
    assert list(together(*[client.get.asynq(key) for key in keys])) == keys
    assert client.requests == 2


# Values and keys


@pytest.mark.parametrize(
    "value",
    [None, False, 0, 1.5, "", b"\x00\r\n\xff", u"Ünïcode", (1, [2], {"three": 3}), "x" * 9000],
)
def test_any_value_comes_back_as_it_was(client, value):
    client.set("a", value)
    received = client.get("a")
    assert received == value
    assert type(received) is type(value)


def test_what_is_done_to_a_value_after_the_call_is_not_stored(client):
    value = [1]
    future = client.set.asynq("a", value)
    value.append(2)
    future.value()
    assert client.get("a") == [1]


def test_a_value_is_forgotten_when_it_expires(server):
    memcache = batching.connect("127.0.0.1", server.port)
    with contextlib.closing(memcache):
        # Expired on arrival, as the protocol has it.
        client = batching.Client(memcache, expire=-1)
        assert client.set("a", 1) is True
        assert client.get("a") is MISS


@pytest.mark.parametrize("key", [u"Ünïcode", u"Ünïcode".encode("utf-8"), "k" * 250, "!", "a:b/c"])
def test_a_key_may_be_text_or_bytes(client, key):
    client.set(key, 1)
    assert client.get(key) == 1


@pytest.mark.parametrize(
    "key, error, message",
    [
        ("", ValueError, "expected a key of 1 to 250 bytes, got 0"),
        ("k" * 251, ValueError, "expected a key of 1 to 250 bytes, got 251"),
        (u"ü" * 126, ValueError, "expected a key of 1 to 250 bytes, got 252"),
        ("a b", ValueError, "expected a key without spaces and control characters, got 'a b'"),
        ("a\r\nflush_all", ValueError, "expected a key without spaces and control characters"),
        ("a\x00", ValueError, "expected a key without spaces and control characters"),
        ("\x7f", ValueError, "expected a key without spaces and control characters"),
        (1, TypeError, "expected a key of text or bytes, got 1"),
        (None, TypeError, "expected a key of text or bytes, got None"),
    ],
)
def test_a_bad_key_fails_alone_and_is_not_sent(client, key, error, message):
    client.set("good", 1)
    requests_of(client)
    for futures in (
        [client.get.asynq("good"), client.get.asynq(key), client.get.asynq("absent")],
        [client.set.asynq("good", 1), client.set.asynq(key, 1), client.set.asynq("other", 1)],
    ):
        first, bad, last = outcomes(*futures)
        assert type(bad) is error
        assert message in str(bad)
        assert first == 1
        assert last in (MISS, True)
    assert requests_of(client) == [("get", [b"absent", b"good"]), ("set", [b"good", b"other"])]


def test_a_value_that_cannot_be_pickled_fails_alone(client):
    bad, good = outcomes(client.set.asynq("a", lambda: None), client.set.asynq("b", 1))
    assert isinstance(bad, Exception)
    assert good is True
    assert requests_of(client) == [("set", [b"b"])]


def test_a_value_that_the_server_would_refuse_fails_alone(client):
    bad, good = outcomes(
        client.set.asynq("a", b"x" * 1000001), client.set.asynq("b", b"x" * 999900)
    )
    assert "expected a value of up to 1000000 bytes for 'a', got 1000" in str(bad)
    assert good is True
    assert requests_of(client) == [("set", [b"b"])]


def test_a_value_that_cannot_be_read_fails_alone(client):
    client.memcache.set_many({b"a": b"not a pickle", b"b": pickle.dumps(1)}, 0, False)
    bad, good = outcomes(client.get.asynq("a"), client.get.asynq("b"))
    assert isinstance(bad, Exception)
    assert good == 1


# The cache


class Squares(object):
    """A cached async function, and what it was called with."""

    def __init__(self, client, prefix="square"):
        self.calls = []

        @client.cached(prefix)
        @asynq.asynq()
        def square(number, sign=1):
            """The square of a number."""
            self.calls.append(number)
            yield None
            result(None if number == 0 else sign * number * number)

        self.square = square

    def of(self, *numbers):
        return together(*[self.square.asynq(number) for number in numbers])


def test_what_is_missed_is_computed_and_set_in_one_request_each(client):
    squares = Squares(client)
    assert squares.of(2, 3, 4) == (4, 9, 16)
    assert squares.calls == [2, 3, 4]
    assert sizes_of(client) == [("get", 3), ("set", 3)]


def test_what_is_cached_is_not_computed(client):
    squares = Squares(client)
    squares.of(2, 3)
    requests_of(client)
    assert squares.of(2, 3, 4) == (4, 9, 16)
    assert squares.calls == [2, 3, 4]
    assert sizes_of(client) == [("get", 3), ("set", 1)]
    assert squares.square(4) == 16
    assert squares.calls == [2, 3, 4]


def test_none_is_a_value_that_is_cached(client):
    squares = Squares(client)
    assert squares.of(0) == squares.of(0) == (None,)
    assert squares.calls == [0]


def test_a_cached_function_looks_like_the_function(client):
    square = Squares(client).square
    assert square.__name__ == "square"
    assert square.__doc__ == "The square of a number."
    assert asynq.is_async_fn(square)


def test_all_arguments_make_the_key(client):
    squares = Squares(client)
    assert squares.square(2) == 4
    assert squares.square(2, sign=-1) == -4
    assert squares.square(3, sign=-1) == -9
    assert squares.calls == [2, 2, 3]


def test_prefixes_keep_functions_apart(client):
    Squares(client, "one").of(2)
    other = Squares(client, "other")
    other.of(2)
    assert other.calls == [2]


def test_an_argument_may_be_long_text_of_any_kind(client):
    @client.cached("length")
    @asynq.asynq()
    def length(text):
        return len(text)

    text = u"Ünïcode, with spaces\n" * 100
    assert length(text) == length(text) == len(text)
    assert sizes_of(client) == [("get", 1), ("set", 1), ("get", 1)]


def test_a_plain_function_can_be_cached(client):
    @client.cached("plain")
    def double(number):
        return 2 * number

    assert double(2) == double(2) == 4
    assert sizes_of(client) == [("get", 1), ("set", 1), ("get", 1)]


def test_an_argument_that_is_no_plain_data_is_an_error_before_anything_is_sent(client):
    with pytest.raises(TypeError):
        Squares(client).square(object())
    assert requests_of(client) == []


def test_a_bad_prefix_is_an_error_at_once():
    client = batching.Client(None)
    with pytest.raises(ValueError, match="expected a key without spaces"):
        client.cached("a prefix")
    with pytest.raises(ValueError, match="expected a key of 1 to 250 bytes, got 265"):
        client.cached("p" * 200)


def test_an_error_is_not_cached(client):
    errors = [ValueError("once")]

    @client.cached("failing")
    @asynq.asynq()
    def fail_once():
        if errors:
            raise errors.pop()
        return "value"

    with pytest.raises(ValueError, match="once"):
        fail_once()
    assert fail_once() == "value"
    assert sizes_of(client) == [("get", 1), ("get", 1), ("set", 1)]


# A server that goes away


class LastWords(object):
    """A socket that sends one request to a stopped server, which then dies without an answer."""

    def __init__(self, connection, server):
        self.connection = connection
        self.server = server

    def sendall(self, data):
        os.kill(self.server.process.pid, signal.SIGSTOP)
        # Return when all of its threads have stopped.
        os.waitpid(self.server.process.pid, os.WUNTRACED)
        self.connection.sendall(data)
        self.server.kill()

    def recv(self, size):
        return self.connection.recv(size)

    def close(self):
        self.connection.close()


@pytest.mark.parametrize("command", ["get", "set"])
def test_a_server_that_dies_in_mid_flight_fails_all_callers_and_the_next_call_works(
    mortal_server, command
):
    with client_of(mortal_server) as client:
        client.set("a", 1)
        memcache = client.memcache.memcache
        memcache.sock = LastWords(memcache.sock, mortal_server)
        if command == "get":
            answers = outcomes(client.get.asynq("a"), client.get.asynq("b"))
        else:
            answers = outcomes(client.set.asynq("a", 1), client.set.asynq("b", 1))
        assert len(answers) == 2
        for answer in answers:
            assert isinstance(answer, (EnvironmentError, MemcacheError))

        # As long as it is away, calls fail.
        with pytest.raises(EnvironmentError):
            client.get("a")
        assert mortal_server.start()
        assert client.get("a") is MISS
        assert together(client.set.asynq("a", 2), client.set.asynq("b", 3)) == (True, True)
        assert together(client.get.asynq("a"), client.get.asynq("b")) == (2, 3)


def test_a_server_that_dies_fails_cached_functions_and_the_next_call_works(mortal_server):
    with client_of(mortal_server) as client:
        squares = Squares(client)
        squares.of(2)
        mortal_server.kill()
        with pytest.raises((EnvironmentError, MemcacheError)):
            squares.of(2, 3)
        assert squares.calls == [2]
        assert mortal_server.start()
        assert squares.of(2, 3) == (4, 9)
        assert squares.calls == [2, 2, 3]


class Interrupted(object):
    """A socket whose next answer is not waited for, because the user has pressed Ctrl-C."""

    def __init__(self, connection):
        self.connection = connection

    def sendall(self, data):
        self.connection.sendall(data)

    def recv(self, size):
        raise KeyboardInterrupt

    def close(self):
        self.connection.close()


def test_an_answer_that_was_not_waited_for_is_not_taken_for_the_next_one(client):
    together(client.set.asynq("a", 1), client.set.asynq("b", 2))
    memcache = client.memcache.memcache
    connection = memcache.sock
    memcache.sock = Interrupted(connection)
    with pytest.raises(KeyboardInterrupt):
        client.get("a")
    assert memcache.sock is None
    assert client.get("b") == 2


# The program


def test_the_program_says_how_many_requests_were_sent(server):
    for _ in range(2):
        assert example_programs.run("batching", "--server", server.address) == (
            0,
            "The first time: 10 values, 10 of them computed, 2 request(s) sent.\n"
            "The second time: 10 values, 0 of them computed, 1 request(s) sent.\n",
            "",
        )


def test_no_server_is_status_2():
    address = "127.0.0.1:%d" % free_port()
    status, output, complaint = example_programs.run("batching", "--server", address)
    assert (status, output) == (2, "")
    assert "Traceback" not in complaint
    assert "batching.py: no memcached answers at %s" % address in complaint
    assert "To start one here: memcached -p " in complaint


@pytest.mark.parametrize("address", ["localhost", ":1", "localhost:", "localhost:x", "a:65536"])
def test_an_address_that_is_none_is_status_2(address):
    status, output, complaint = example_programs.run("batching", "--server", address)
    assert (status, output) == (2, "")
    assert "Traceback" not in complaint
    assert "expected HOST:PORT, got '%s'" % address in complaint


def test_help_names_the_server_option():
    status, output, _ = example_programs.run("batching", "--help")
    assert status == 0
    assert "--server HOST:PORT" in output
