"""The web service in examples/: served by uvicorn, with a real redis that the tests start."""

import asyncio
import contextlib
import socket
import subprocess
import threading

import httpx
import pytest

from . import example_programs

asgi_app = example_programs.load("asgi_app")

# How long a server may take to start.
SECONDS = 20

EXPECTED = [
    ["user %d" % (answer % asgi_app.USERS) for answer in range(first, first + 25)]
    for first in range(0, 5000, 25)
]


@contextlib.contextmanager
def running_redis():
    """Start a redis that keeps nothing on disk; gives its URL."""
    for _ in range(10):
        port = free_port()
        command = ["redis-server", "--bind", "127.0.0.1", "--port", str(port), "--save", ""]
        try:
            process = subprocess.Popen(command, stdout=subprocess.PIPE)
        except FileNotFoundError:
            example_programs.leave_out(
                "redis-server", "apt install redis-server, or brew install redis"
            )
        # Else a server that never gets ready would be waited for without end.
        watchdog = threading.Timer(SECONDS, process.kill)
        watchdog.start()
        with process:
            try:
                # Whoever gets hold of the port before the server does makes it end.
                if any(b"Ready to accept connections" in line for line in process.stdout):
                    watchdog.cancel()
                    yield "redis://127.0.0.1:%d" % port
                    return
            finally:
                watchdog.cancel()
                process.kill()
    raise AssertionError("redis-server found no port")


def free_port():
    with contextlib.closing(socket.socket()) as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def filled(redis_url):
    async def fill():
        async with asgi_app.connect(redis_url) as redis:
            await asgi_app.fill(redis)

    asyncio.run(fill())
    return redis_url


@pytest.fixture(scope="module")
def redis_url():
    """A server with the authors and names that the demonstration asks for."""
    with running_redis() as url:
        yield filled(url)


def ask(redis_url, path, app=None):
    """Send 200 requests of 50 keys at the same time; return the answers, and what redis counted."""

    async def ask_and_count():
        async with asgi_app.connect(redis_url) as redis:
            before = await asgi_app.commands(redis)
            answers = await asgi_app.ask(address, path)
            after = await asgi_app.commands(redis)
        return answers, {name: after[name] - before[name] for name in after}

    with asgi_app.serving(app or asgi_app.application(redis_url)) as address:
        return asyncio.run(ask_and_count())


class AllAtOnce:
    """An application that sees none of the 200 requests before all of them have come."""

    def __init__(self, app):
        self.app = app
        self.held = []

    async def __call__(self, scope, receive, send):
        if scope["type"] == "http":
            go_on = asyncio.get_running_loop().create_future()
            self.held.append(go_on)
            if len(self.held) == 200:
                for future in self.held:
                    future.set_result(None)
            await go_on
        await self.app(scope, receive, send)


# What redis counts


def test_without_asynq_each_key_of_each_request_is_a_command(redis_url):
    answers, commands = ask(redis_url, "/plain")
    assert answers == EXPECTED
    assert commands == {"get": 10000, "mget": 0}


def test_with_asynq_a_request_is_never_more_than_two_commands(redis_url):
    answers, commands = ask(redis_url, "/batched")
    assert answers == EXPECTED
    # How many requests share a command depends on when they come. One alone sends two: for all
    # of its authors, and for all of their names.
    assert commands["get"] == 0
    assert 2 <= commands["mget"] <= 400


def test_with_asynq_all_requests_that_are_there_are_two_commands_together(redis_url):
    app = AllAtOnce(asgi_app.application(redis_url))
    answers, commands = ask(redis_url, "/batched", app)
    assert answers == EXPECTED
    assert commands == {"get": 0, "mget": 2}


# What the service answers


@pytest.fixture(scope="module")
def address(redis_url):
    with asgi_app.serving(asgi_app.application(redis_url)) as one:
        yield one


@pytest.mark.parametrize("path", ["/plain", "/batched"])
def test_an_answer_that_nobody_gave_has_no_author(address, path):
    response = httpx.get(address + path, params={"answers": "1,5000,2"})
    assert response.json() == ["user 1", None, "user 2"]


@pytest.mark.parametrize("path", ["/plain", "/batched"])
@pytest.mark.parametrize("query", ["", "?answers=", "?answers=1,x"])
def test_a_query_that_is_none_is_a_bad_request(address, path, query):
    response = httpx.get(address + path + query)
    assert response.status_code == 400
    assert response.text == "expected a query like ?answers=1,2,3"


# The program


def test_the_program_shows_what_redis_has_counted(redis_url):
    # In debug mode, asyncio would report slow steps as well.
    status, output, complaint = example_programs.run(
        "asgi_app", "--redis", redis_url, PYTHONASYNCIODEBUG=""
    )
    assert (status, complaint) == (0, "")
    title, plain, batched = output.splitlines()
    assert title == "200 requests at the same time, of 50 keys each:"
    assert plain.split()[:5] == ["/plain", "10000", "GET", "0", "MGET"]
    assert batched.split()[:3] == ["/batched", "0", "GET"]
    assert 2 <= int(batched.split()[3]) <= 400


def test_no_redis_is_status_2():
    url = "redis://127.0.0.1:%d" % free_port()
    status, output, complaint = example_programs.run("asgi_app", "--redis", url)
    assert (status, output) == (2, "")
    assert "Traceback" not in complaint
    assert "asgi_app.py: no redis answers at %s" % url in complaint
    assert "To start one here: redis-server" in complaint


@pytest.mark.parametrize("url", ["localhost", "http://localhost", "redis://localhost:x"])
def test_a_url_that_is_none_of_redis_is_status_2(url, capsys):
    with pytest.raises(SystemExit) as raised:
        asgi_app.main(["--redis", url])
    assert raised.value.code == 2
    assert "expected the URL of a redis server, got '%s'" % url in capsys.readouterr().err
