"""How commands reach a service: whatever answers at the URL, they end, and with one line."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from docradar.client import (
    AsyncClient,
    ConnectionFailedError,
    EngineFailedError,
    InvalidUrlError,
    UnexpectedAnswerError,
)
from docradar.errors import DocradarError
from docradar.settings import Settings
from service.connection import connect

READY = b'{"status": "ready", "stage": "", "seconds": 1, "model": "m", "error": null}'
FAILED = b'{"status": "failed", "stage": "", "seconds": 1, "model": null, "error": "no model there"}'


class Stranger(BaseHTTPRequestHandler):
    """Answers every path with one status and one body."""

    status = 200
    body = b""

    def do_GET(self) -> None:
        self.send_response(self.status)
        self.send_header("Content-Length", str(len(self.body)))
        self.end_headers()
        self.wfile.write(self.body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def stranger() -> Iterator[tuple[type[Stranger], str]]:
    class Handler(Stranger):
        pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield Handler, f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (404, b'{"detail": "Not Found"}'),
        (404, b"<html>"),
        (200, b"<html>"),
        (200, b"{}"),
        (200, b"[]"),
        (200, FAILED),
        (503, b"upstream is away"),
        (503, b'{"status": "odd"}'),
        (500, READY),
        (302, b""),
    ],
)
async def test_what_is_not_docradar_is_told_and_not_waited_for(
    stranger: tuple[type[Stranger], str], tmp_path: Path, status: int, body: bytes
) -> None:
    handler, url = stranger
    handler.status, handler.body = status, body
    with pytest.raises(UnexpectedAnswerError, match=f"{status}.*{url}.*a docradar service"):
        async with connect(Settings(data_dir=tmp_path), url):
            pass
    async with AsyncClient(url) as client:
        with pytest.raises(UnexpectedAnswerError, match=f"{status}.*{url}"):
            await client.wait_until_ready()


async def test_a_failed_engine_ends_the_wait_with_its_reason(
    stranger: tuple[type[Stranger], str], tmp_path: Path
) -> None:
    handler, url = stranger
    handler.status, handler.body = 503, FAILED
    async with connect(Settings(data_dir=tmp_path), url) as client:
        with pytest.raises(EngineFailedError, match="no model there"):
            await client.wait_until_ready()


async def test_an_answer_without_json_is_an_error_in_words(
    stranger: tuple[type[Stranger], str], tmp_path: Path
) -> None:
    handler, url = stranger
    handler.body = READY
    async with connect(Settings(data_dir=tmp_path), url) as client:
        await client.wait_until_ready()
        for handler.status, handler.body in ((200, b"<html>"), (502, b"<html>"), (502, b"[]")):
            with pytest.raises(
                UnexpectedAnswerError, match=f"GET /v1/jobs was answered with {handler.status}"
            ):
                await client.request("GET", "/v1/jobs")


@pytest.mark.parametrize(
    ("url", "error"),
    [
        ("http://127.0.0.1:9", ConnectionFailedError),
        ("127.0.0.1", InvalidUrlError),
        ("http://host:port", InvalidUrlError),
    ],
)
async def test_a_url_where_nobody_is(tmp_path: Path, url: str, error: type[DocradarError]) -> None:
    with pytest.raises(error, match=r"no answer from|must look like http://"):
        async with connect(Settings(data_dir=tmp_path), url):
            pass
