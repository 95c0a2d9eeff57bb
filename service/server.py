"""Running in the foreground: the HTTP service, or a worker alone."""

import asyncio
import logging
import signal
import socket
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import Final

import uvicorn

from docradar.engine import Loader
from docradar.errors import ConfigurationError
from docradar.settings import Settings
from service.app import create_app, lifespan_of
from service.runtime import Runtime

logger = logging.getLogger(__name__)

GRACE_SECONDS: Final = 5  # for open connections; event streams would stay for ever
KEEP_ALIVE_SECONDS: Final = 75
SWITCH_SECONDS: Final = (
    0.0005  # ten times as often as by default: the model's thread and the event loop wait for each other
)

# They wait for disks, databases and locks rather than compute. Python would take four more than there are cores: on two
# cores a few slow requests to an object store would hold up all others. As many as the catalog has connections.
THREADS: Final = 32


async def serve_http(settings: Settings, loader: Loader | None = None) -> None:
    """Serves until SIGINT or SIGTERM, then drains.

    The application's life encloses the server's, so that an error at start is one line instead of a traceback,
    and the worker hands its jobs back after the last request has been answered.
    """
    sys.setswitchinterval(SWITCH_SECONDS)
    use_many_threads()
    app = create_app(settings, loader=loader)
    config = uvicorn.Config(
        app,
        host=settings.host,
        port=settings.port,
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=GRACE_SECONDS,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
    )
    server = _Server(config)
    # The server raises the signal again once it is done; it must not end the process before the runtime is closed.
    # Before the server listens, it must still be heard.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: setattr(server, "should_exit", True))
    async with lifespan_of(app):
        try:
            await server.serve()
        except SystemExit as error:  # how uvicorn says that it could not listen
            raise ConfigurationError(
                f"cannot listen on {settings.host}:{settings.port}; another program does, or the address is not this "
                "machine's: give another --port or --host"
            ) from error


class _Server(uvicorn.Server):
    """Says where it listens, and not before it does."""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        logger.info("docradar listens on http://%s:%d", self.config.host, self.config.port)


def use_many_threads() -> None:
    """Gives the running loop `THREADS` threads for what blocks."""
    executor = ThreadPoolExecutor(THREADS, thread_name_prefix="blocking")
    asyncio.get_running_loop().set_default_executor(executor)


async def work(settings: Settings, loader: Loader | None = None) -> None:
    """Runs a worker until SIGINT or SIGTERM, then hands its jobs back."""
    use_many_threads()
    runtime = Runtime(settings, command="docradar worker", worker=True, loader=loader)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    try:
        await runtime.open()
        loading = asyncio.create_task(runtime.engine.wait())
        stopping = asyncio.create_task(stop.wait())
        await asyncio.wait((loading, stopping), return_when=asyncio.FIRST_COMPLETED)
        if loading.done():
            loading.result()
            logger.info("worker ready")
        await stopping
    finally:
        await runtime.close()
