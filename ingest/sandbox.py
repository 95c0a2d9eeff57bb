"""Reads files in child processes that may crash, hang or grow without anything else being hurt.

    Sandbox.prepare → (forkserver process → child) → files in the scratch folder → Prepared

A child costs some ten milliseconds, since it is forked from a process in which the readers are loaded already.
Children never outlive the process that owns the sandbox, not even when it is killed.
"""

import asyncio
import os
import signal
import socket
import subprocess
import sys
import threading
from array import array
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Final, Self

import msgspec

from docradar.errors import ReadError
from ingest.forkserver import MESSAGE_BYTES, Ending, Outcome, encode_request
from ingest.prepare import Prepared, PrepareRequest, ReadLimits

__all__ = ["PrepareRequest", "ReadLimits", "Sandbox"]

_CRASHES: Final = frozenset(
    {-signal.SIGSEGV, -signal.SIGABRT, -signal.SIGBUS, -signal.SIGILL, -signal.SIGFPE, -signal.SIGTRAP}
)
_KILL_SECONDS: Final = 5.0
# What Python and its libraries read from the environment. Secrets stay out of the children.
_ENVIRONMENT: Final = ("PATH", "LANG", "LC_ALL", "LD_LIBRARY_PATH", "TMPDIR", "PYTHONHOME", "PYTHONUTF8")


class Sandbox:
    """Prepares documents in child processes, several at once. Starts nothing until it is first used."""

    def __init__(self) -> None:
        self._server: _ForkServer | None = None
        self._starting = threading.Lock()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def prepare(self, request: PrepareRequest) -> Prepared:
        """The document, read within `request.limits`. Cancelling the call kills its child at once.

        Raises:
            ReadError: It cannot be read. The message names the file, the reason and the remedy.
        """
        try:
            await self._run(request)
        except _CrashedError as crash:
            if request.reader == "pdf-safe" or not _is_pdf(request):
                raise
            # The fast engine is native code, and some files crash it.
            try:
                await self._run(replace(request, reader="pdf-safe"))
            except ReadError as error:
                raise error from crash
        return await asyncio.to_thread(Prepared.load, request.scratch_dir)

    async def close(self) -> None:
        """Ends the server and every child that is still running."""
        server, self._server = self._server, None
        if server is not None:
            await asyncio.to_thread(server.close)

    async def _run(self, request: PrepareRequest) -> None:
        launching = asyncio.ensure_future(asyncio.to_thread(self._launch, request))
        try:
            stream = await asyncio.shield(launching)
        except asyncio.CancelledError:
            launching.add_done_callback(_close_stream)  # the thread cannot be stopped: its child can
            raise
        reader, writer = await asyncio.open_connection(sock=stream)
        try:
            async with asyncio.timeout(request.limits.wall_seconds):
                answer = await reader.read()
        except TimeoutError:
            raise _failure(
                request, f"reading it took more than {request.limits.wall_seconds:g} s", "reader_wall_seconds"
            ) from None
        finally:
            await _end(reader, writer)
        _raise_failure(request, answer)

    def _launch(self, request: PrepareRequest) -> socket.socket:
        with self._starting:
            for _ in range(2):  # a server that has died in the meantime is replaced once
                if self._server is None:
                    self._server = _ForkServer()
                try:
                    return self._server.fork(request)
                except OSError:
                    self._server.close()
                    self._server = None
        raise ReadError(
            f"{request.filename}: the process that reads files could not be started; see whether memory or "
            "processes have run out on this machine",
            retryable=True,
        )


async def _end(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Kills the child if it still runs, and waits until it is gone: from then on it writes nothing into the scratch folder."""
    with suppress(OSError, TimeoutError):
        writer.write_eof()
        async with asyncio.timeout(_KILL_SECONDS):
            await reader.read()
    writer.close()


def _close_stream(launched: asyncio.Future[socket.socket]) -> None:
    if not launched.cancelled() and launched.exception() is None:
        launched.result().close()


class _CrashedError(ReadError):
    """A signal that only a defect in native code sends ended the child."""


class _ForkServer:
    """The parent's side of `ingest.forkserver`."""

    def __init__(self) -> None:
        self._requests, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._requests.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4 * MESSAGE_BYTES)
        environment = {name: os.environ[name] for name in _ENVIRONMENT if name in os.environ}
        environment["PYTHONPATH"] = os.pathsep.join(
            [str(Path(__file__).parents[1]), *(entry for entry in sys.path if entry)]
        )
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-m", "ingest.forkserver", str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                env=environment,
                start_new_session=True,
            )

    def fork(self, request: PrepareRequest) -> socket.socket:
        """A stream socket on which the child's answer arrives. Closing it kills the child."""
        ours, childs = socket.socketpair()
        with childs:
            try:
                descriptors = array("i", [childs.fileno()])
                rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, descriptors)]
                self._requests.sendmsg([encode_request(request)], rights)
            except OSError:
                ours.close()
                raise
        return ours

    def close(self) -> None:
        self._requests.close()
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(5)
            return
        self._process.kill()
        self._process.wait()


def _raise_failure(request: PrepareRequest, answer: bytes) -> None:
    """Returns if the child's answer says that it succeeded."""
    limits = request.limits
    lines = answer.splitlines()
    if not lines:
        raise ReadError(f"{request.filename}: the process that reads files has died", retryable=True)
    code = msgspec.json.decode(lines[-1], type=Ending).code if b'"code"' in lines[-1] else 0
    outcome = msgspec.json.decode(lines[0], type=Outcome) if code == 0 else None
    if code == -signal.SIGKILL:
        raise ReadError(
            f"{request.filename}: the reader was killed, most likely since this machine ran out of memory",
            retryable=True,
        )
    if outcome is None and code == -signal.SIGXCPU:
        reason = f"reading it took more than {limits.cpu_seconds} s of processor time"
        raise _failure(request, reason, "reader_cpu_seconds")
    if outcome is None and code < 0:
        name = signal.Signals(-code).name
        message = (
            f"{request.filename}: the reader crashed (signal {name}); save the file anew, it may be damaged"
        )
        raise (_CrashedError if code in _CRASHES else ReadError)(message)
    if outcome is None:
        raise ReadError(f"{request.filename}: the reader ended without a result (exit code {code})")
    if outcome.out_of_memory:
        reason = f"the memory limit of {limits.memory_bytes // 1024**2} MiB was exceeded while reading it"
        raise _failure(request, reason, "reader_memory_bytes")
    if outcome.error:
        raise ReadError(f"{request.filename}: {outcome.error}")


def _failure(request: PrepareRequest, reason: str, setting: str) -> ReadError:
    return ReadError(f"{request.filename}: {reason}; split the file, or raise the setting {setting}")


def _is_pdf(request: PrepareRequest) -> bool:
    with request.path.open("rb") as file:
        return b"%PDF-" in file.read(1024)
