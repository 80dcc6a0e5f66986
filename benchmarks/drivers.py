"""How the workloads call their async functions: synchronously, or on an event loop.

``workloads.driver`` is the one in use.

"""

import asyncio


class Synchronous:
    """Calls ``fn(...)``; there, what is to be called at once is called one after the other, too."""

    def call(self, fn, *arguments, **options):
        return fn(*arguments, **options)

    def call_in_turn(self, fn, arguments):
        return [fn(argument) for argument in arguments]

    call_at_once = call_in_turn


class OnLoop:
    """Awaits ``fn.asyncio(...)``.

    :param loop: the event loop that is used for all.

    """

    def __init__(self, loop):
        self._run = loop.run_until_complete

    def call(self, fn, *arguments, **options):
        return self._run(fn.asyncio(*arguments, **options))

    def call_in_turn(self, fn, arguments):
        return self._run(_call_in_turn(fn, arguments))

    def call_at_once(self, fn, arguments):
        return self._run(_call_at_once(fn, arguments))


async def _call_in_turn(fn, arguments):
    return [await fn.asyncio(argument) for argument in arguments]


async def _call_at_once(fn, arguments):
    return await asyncio.gather(*[fn.asyncio(argument) for argument in arguments])
