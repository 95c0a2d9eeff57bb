"""The process that the sandbox's children are forked from: small, single-threaded, with the readers loaded.

Run as `python -m ingest.forkserver FD`, where FD is a Unix SOCK_SEQPACKET socket. Each message on it is a
`PrepareRequest` with one end of a stream socket attached. A child is forked for it; what the child writes to the stream,
then one line about how it ended, is the answer. Closing the other end kills the child, and closing FD (as the
kernel does when the sandbox's process dies, however it dies) ends this process and all its children.
"""

import array
import ctypes
import gc
import importlib
import logging
import os
import resource
import selectors
import signal
import socket
import sys
from contextlib import suppress
from pathlib import Path
from typing import Final, NoReturn

import msgspec

from docradar.errors import ReadError
from ingest.prepare import PrepareRequest, prepare

MESSAGE_BYTES: Final = 64 * 1024
_PRELOAD: Final = (
    "ingest.readers.text",
    "ingest.readers.markdown",
    "ingest.readers.html",
    "ingest.readers.confluence_html",
    "ingest.readers.confluence_storage",
    "ingest.readers.confluence_xml",
    "ingest.readers.docx",
    "ingest.readers.mail",
    "ingest.readers.pdf",
    "pypdf",
    "pypdfium2",
)
_PR_SET_PDEATHSIG: Final = 1


class Outcome(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a child says of itself: nothing but success, or why not."""

    error: str | None = None
    out_of_memory: bool = False


class Ending(msgspec.Struct, frozen=True):
    """How a child ended: its exit code, or minus the signal that ended it."""

    code: int


def encode_request(request: PrepareRequest) -> bytes:
    """A message for the server's socket."""
    return msgspec.msgpack.encode(request, enc_hook=str)


def decode_request(message: bytes) -> PrepareRequest:
    """Inverse of `encode_request`."""
    return msgspec.msgpack.decode(message, type=PrepareRequest, dec_hook=lambda _, path: Path(path))


def main() -> None:
    """Serves until the socket's other end is closed."""
    for module in _PRELOAD:
        with suppress(ImportError):  # pypdfium2 is optional
            importlib.import_module(module)
    gc.collect()
    gc.freeze()  # keeps the children from copying pages that only the collector touches
    logging.disable()  # pypdf warns of every oddity, and nobody is there to hear it
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _Server(socket.socket(fileno=int(sys.argv[1]))).serve()


class _Server:
    def __init__(self, requests: socket.socket) -> None:
        self._requests = requests
        self._selector = selectors.DefaultSelector()
        self._children: dict[int, socket.socket] = {}
        self._wakeup, wakeup_write = socket.socketpair()
        self._wakeup.setblocking(False)
        wakeup_write.setblocking(False)
        signal.set_wakeup_fd(wakeup_write.fileno())
        signal.signal(signal.SIGCHLD, lambda *_: None)
        self._wakeup_write = wakeup_write

    def serve(self) -> None:
        self._selector.register(self._requests, selectors.EVENT_READ)
        self._selector.register(self._wakeup, selectors.EVENT_READ)
        while True:
            for key, _ in self._selector.select():
                if key.fileobj is self._wakeup:
                    self._reap()
                elif key.fileobj is not self._requests:
                    self._kill(key.data, key.fileobj)
                elif not self._accept():
                    for pid in self._children:
                        os.kill(pid, signal.SIGKILL)
                    return

    def _accept(self) -> bool:
        """Forks a child for the next request; False when there will be none."""
        try:
            message, ancillary, _, _ = self._requests.recvmsg(MESSAGE_BYTES, socket.CMSG_SPACE(4))
        except ConnectionError:
            return False
        if not message or not ancillary:
            return False
        stream = socket.socket(fileno=array.array("i", ancillary[0][2])[0])
        pid = os.fork()
        if pid == 0:
            _run_child(message, stream)
        self._children[pid] = stream
        # Nothing is ever sent on it: it turns readable when its other end is closed.
        self._selector.register(stream, selectors.EVENT_READ, pid)
        return True

    def _kill(self, pid: int, stream: object) -> None:
        if self._children.get(pid) is stream:  # else it has ended by itself, and was reaped a moment ago
            self._selector.unregister(self._children[pid])
            os.kill(pid, signal.SIGKILL)

    def _reap(self) -> None:
        with suppress(BlockingIOError):
            self._wakeup.recv(4096)
        while self._children:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                return
            stream = self._children.pop(pid)
            with suppress(KeyError):
                self._selector.unregister(stream)
            with suppress(OSError), stream:
                stream.setblocking(False)
                stream.sendall(msgspec.json.encode(Ending(os.waitstatus_to_exitcode(status))) + b"\n")


def _run_child(message: bytes, stream: socket.socket) -> NoReturn:
    code = 1
    try:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        os.closerange(3, stream.fileno())
        os.closerange(stream.fileno() + 1, resource.getrlimit(resource.RLIMIT_NOFILE)[0])
        request = decode_request(message)
        _confine(request)
        stream.sendall(msgspec.json.encode(_attempt(request)) + b"\n")
        code = 0
    finally:
        os._exit(code)  # no exit handler of the server's is this child's to run


def _confine(request: PrepareRequest) -> None:
    """Gives up what reading a file does not need. The processor's limit first warns, a second later kills."""
    limits = request.limits
    with suppress(OSError, AttributeError):  # not every libc has it; the server kills its children too
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    os.nice(10)
    signal.signal(signal.SIGXCPU, signal.SIG_DFL)
    _limit(resource.RLIMIT_CORE, 0)
    _limit(resource.RLIMIT_CPU, limits.cpu_seconds, limits.cpu_seconds + 1)
    _limit(resource.RLIMIT_AS, limits.memory_bytes)
    # Text, passages and their records: UTF-8 takes up to 4 bytes a character, and each is written about 4 times.
    _limit(resource.RLIMIT_FSIZE, 32 * limits.text_chars + 64 * 1024**2)


def _limit(kind: int, soft: int, hard: int | None = None) -> None:
    ceiling = resource.getrlimit(kind)[1]
    highest = ceiling if ceiling != resource.RLIM_INFINITY else sys.maxsize
    hard = min(soft if hard is None else hard, highest)
    resource.setrlimit(kind, (min(soft, hard), hard))


def _attempt(request: PrepareRequest) -> Outcome:
    try:
        prepare(request)
    except ReadError as error:
        return Outcome(error=str(error))
    except MemoryError:
        return Outcome(out_of_memory=True)
    except RecursionError:
        return Outcome(error="it is nested too deeply to be read; save it anew in a simpler form")
    except Exception as error:  # noqa: BLE001  a reader's defect is this document's failure and nothing else's
        reason = f"{type(error).__name__}: {error}".replace(str(request.path), request.filename)[:300]
        return Outcome(error=f"the reader failed ({reason}); if the file opens elsewhere, please report this")
    return Outcome()


if __name__ == "__main__":
    main()
