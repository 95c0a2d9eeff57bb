"""What the foreground processes are set up with."""

import asyncio
import threading

from service.server import THREADS, use_many_threads


async def test_slow_requests_do_not_hold_up_each_other_on_few_cores() -> None:
    use_many_threads()
    together = threading.Barrier(THREADS)
    await asyncio.gather(*[asyncio.to_thread(together.wait, 20) for _ in range(THREADS)])
