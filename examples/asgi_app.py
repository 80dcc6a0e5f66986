"""A web service that asks redis once for what many requests want at one time.

    @asynq()
    def author_name(store, answer):
        user = yield store.get.asynq(AUTHOR_OF_ANSWER % answer)
        name = yield store.get.asynq(NAME_OF_USER % user)
        return name

All keys that are waited for at one time are one MGET, whichever requests they come from. The same
service is here without asynq, too; there, each key is a GET.

Needs Python 3.8, redis, starlette, uvicorn and httpx. Run alone, it serves both to many clients,
and shows what a redis server has counted::

    python examples/asgi_app.py --redis redis://127.0.0.1:6379

"""

# The keyword arguments of redis.asyncio have no types.
# pyright: reportUnknownMemberType=false

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import socket
import sys
import threading
import time
from typing import Any, AsyncGenerator, Dict, Generator, List, Optional, Union

import httpx
import uvicorn
from redis.asyncio import BlockingConnectionPool, Redis
from redis.exceptions import RedisError
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route
from starlette.types import ASGIApp

from asynq import BatchBase, BatchItemBase, FutureBase, async_proxy, asynq

REDIS_URL = "redis://127.0.0.1:6379"

# The keys.
AUTHOR_OF_ANSWER = "asynq-example:author-of-answer:%s"
NAME_OF_USER = "asynq-example:name-of-user:%s"


# The store


class Store:
    """Gets values from redis, in batches. For one event loop."""

    def __init__(self, redis: Redis) -> None:
        self.redis = redis
        # The batch that new items join.
        self.batch = GetBatch(self)

    @async_proxy()
    def get(self, key: str) -> FutureBase[Optional[str]]:
        """The value of ``key``, or None."""
        return GetItem(self.batch, key)


class GetItem(BatchItemBase[Optional[str]]):
    """The future of one value."""

    def __init__(self, batch: GetBatch, key: str) -> None:
        super().__init__(batch)
        self.key = key


class GetBatch(BatchBase[GetItem]):
    """The keys that go into one command."""

    def __init__(self, store: Store) -> None:
        super().__init__()
        self.store = store

    def _try_switch_active_batch(self) -> None:
        if self.store.batch is self:
            self.store.batch = GetBatch(self.store)

    async def _flush(self) -> None:
        # Awaited on the loop: other requests go on meanwhile, and their keys join the next batch.
        # An error of redis is the error of all items.
        keys = list({item.key for item in self.items})
        values = dict(zip(keys, await self.store.redis.mget(keys)))
        for item in self.items:
            item.set_value(text(values[item.key]))


# The service with asynq


@asynq()
def author_name(store: Store, answer: int) -> Generator[Any, Any, Optional[str]]:
    user = yield store.get.asynq(AUTHOR_OF_ANSWER % answer)
    if user is None:
        return None
    name: Optional[str] = yield store.get.asynq(NAME_OF_USER % user)
    return name


@asynq()
def all_author_names(
    store: Store, answers: List[int]
) -> Generator[Any, Any, List[Optional[str]]]:
    names: List[Optional[str]] = yield [author_name.asynq(store, answer) for answer in answers]
    return names


async def batched(request: Request) -> JSONResponse:
    return JSONResponse(await all_author_names.asyncio(request.state.store, answers_of(request)))


# The service without asynq


async def plain_author_name(redis: Redis, answer: int) -> Optional[str]:
    user = text(await redis.get(AUTHOR_OF_ANSWER % answer))
    if user is None:
        return None
    return text(await redis.get(NAME_OF_USER % user))


async def plain_all_author_names(redis: Redis, answers: List[int]) -> List[Optional[str]]:
    return await asyncio.gather(*[plain_author_name(redis, answer) for answer in answers])


async def plain(request: Request) -> JSONResponse:
    redis = request.state.store.redis
    return JSONResponse(await plain_all_author_names(redis, answers_of(request)))


# What both need


def connect(redis_url: str) -> Redis:
    """Return a client of redis. It connects when it is used.

    :raises ValueError: if the URL is none of redis.

    """
    # Who finds all connections in use waits for one.
    pool = BlockingConnectionPool.from_url(redis_url, max_connections=20, timeout=None)
    return Redis.from_pool(pool)


def text(value: Union[bytes, str, None]) -> Optional[str]:
    """The text of a value that redis has sent; None if there is none."""
    return value.decode() if isinstance(value, bytes) else value


def answers_of(request: Request) -> List[int]:
    try:
        return [int(answer) for answer in request.query_params["answers"].split(",")]
    except (KeyError, ValueError):
        raise HTTPException(400, "expected a query like ?answers=1,2,3")


def application(redis_url: str) -> Starlette:
    @contextlib.asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncGenerator[Dict[str, Any], None]:
        async with connect(redis_url) as redis:
            yield {"store": Store(redis)}

    return Starlette(routes=[Route("/batched", batched), Route("/plain", plain)], lifespan=lifespan)


# For ``uvicorn --app-dir examples asgi_app:app``.
app = application(os.environ.get("REDIS_URL", REDIS_URL))


# The demonstration

REQUESTS = 200
# Each answer is two keys: its author, and the name of that.
ANSWERS_PER_REQUEST = 25
USERS = 1000


async def fill(redis: Redis) -> None:
    """Store what the requests ask for."""
    async with redis.pipeline(transaction=False) as pipeline:
        for user in range(USERS):
            pipeline.set(NAME_OF_USER % user, "user %d" % user, ex=600)
        for answer in range(REQUESTS * ANSWERS_PER_REQUEST):
            pipeline.set(AUTHOR_OF_ANSWER % answer, answer % USERS, ex=600)
        await pipeline.execute()


async def ask(address: str, path: str) -> List[List[Optional[str]]]:
    """Send all requests at the same time, and return the answers."""
    # Each on a connection of its own: httpx takes long to choose among many that are kept.
    limits = httpx.Limits(max_connections=REQUESTS, max_keepalive_connections=0)
    async with httpx.AsyncClient(base_url=address, limits=limits, timeout=60) as client:

        async def ask_once(number: int) -> List[Optional[str]]:
            first = number * ANSWERS_PER_REQUEST
            answers = ",".join(map(str, range(first, first + ANSWERS_PER_REQUEST)))
            response = await client.get(path, params={"answers": answers})
            response.raise_for_status()
            names: List[Optional[str]] = response.json()
            return names

        return await asyncio.gather(*[ask_once(number) for number in range(REQUESTS)])


async def commands(redis: Redis) -> Dict[str, int]:
    """How many commands of each kind the server has seen."""
    stats = await redis.info("commandstats")
    return {name: stats.get("cmdstat_" + name, {"calls": 0})["calls"] for name in ("get", "mget")}


@contextlib.contextmanager
def serving(app: ASGIApp) -> Generator[str, None, None]:
    """Serve ``app`` in a thread, on a free port; gives the address."""
    with socket.create_server(("127.0.0.1", 0), backlog=REQUESTS) as listener:
        server = uvicorn.Server(uvicorn.Config(app, log_level="warning"))
        thread = threading.Thread(target=server.run, args=([listener],))
        thread.start()
        try:
            yield "http://127.0.0.1:%d" % listener.getsockname()[1]
        finally:
            server.should_exit = True
            thread.join()


async def demonstrate(redis_url: str) -> None:
    async with connect(redis_url) as redis:
        await fill(redis)
        keys = 2 * ANSWERS_PER_REQUEST
        print("%d requests at the same time, of %d keys each:" % (REQUESTS, keys))
        with serving(application(redis_url)) as address:
            for path in ("/plain", "/batched"):
                before = await commands(redis)
                start = time.perf_counter()
                await ask(address, path)
                seconds = time.perf_counter() - start
                after = await commands(redis)
                print(
                    "%-8s  %5d GET  %5d MGET  %.2f s"
                    % (path, after["get"] - before["get"], after["mget"] - before["mget"], seconds)
                )


def main(argv: Optional[List[str]] = None) -> int:
    parser = argparse.ArgumentParser(description="Count the commands that a web service sends.")
    parser.add_argument(
        "--redis",
        metavar="URL",
        default=REDIS_URL,
        help="where redis is; keys are written there that expire soon (default: %(default)s)",
    )
    arguments = parser.parse_args(argv)
    try:
        connect(arguments.redis)
    except ValueError as error:
        parser.error("expected the URL of a redis server, got %r: %s" % (arguments.redis, error))
    try:
        asyncio.run(demonstrate(arguments.redis))
    except RedisError as error:
        print(
            "asgi_app.py: no redis answers at %s (%s: %s). To start one here:"
            " redis-server --save ''" % (arguments.redis, type(error).__name__, error),
            file=sys.stderr,
        )
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
