"""Memory of the service while large files come in."""

import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Self

from bench.figures import Figure
from bench.served import Served, served
from bench.texts import pdf, sentences

MIB = 1 << 20
UPLOAD_BYTES = 1 << 30


class Peak:
    """The highest resident memory of a service during a block, above what it was before."""

    def __init__(self, service: Served) -> None:
        self._service = service
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._watch)
        self._before = self._highest = service.rss_bytes()

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()

    @property
    def growth_mib(self) -> float:
        return (self._highest - self._before) / MIB

    def _watch(self) -> None:
        while not self._done.wait(0.02):
            self._highest = max(self._highest, self._service.rss_bytes())


def run() -> Iterator[Figure]:
    with (
        tempfile.TemporaryDirectory() as folder,
        served(Path(folder) / "data", max_upload_bytes=2 * UPLOAD_BYTES) as service,
    ):
        service.seconds_until("/health/ready")
        _warm_up(service)
        with Peak(service) as peak:
            _upload(service, UPLOAD_BYTES)
        yield Figure("1 GiB upload: memory grows by", peak.growth_mib, "MiB", "< 32")
        yield from _pdfs(service)


def _warm_up(service: Served) -> None:
    service.wait(service.put("\n".join(sentences(300)), split="lines")["id"])
    service.search("warm")


def _upload(service: Served, size: int) -> None:
    """Streams a binary part of `size` bytes; the job that reads it will fail, which is not what is measured."""
    head = b'--b\r\ncontent-disposition: form-data; name="file"; filename="big.bin"\r\n\r\n'
    chunk = bytes(MIB)

    def body() -> Iterator[bytes]:
        yield head
        for _ in range(size // MIB):
            yield chunk
        yield b"\r\n--b--\r\n"

    response = service.client.post(
        "/v1/documents", content=body(), headers={"content-type": "multipart/form-data; boundary=b"}
    )
    response.raise_for_status()


def _pdfs(service: Served) -> Iterator[Figure]:
    growth = {}
    for pages in (400, 4000):
        lines = [line for line in sentences(pages * 8, seed=pages) if line.isascii()][: pages * 2]
        content = pdf(
            [" ".join(lines[2 * n : 2 * n + 2]) or f"Page {n} is nearly empty." for n in range(pages)]
        )
        with Peak(service) as peak:
            accepted = service.client.post("/v1/documents", files={"file": (f"{pages}.pdf", content)}).json()
            job = service.wait(accepted["jobs"][0]["id"])
        growth[pages] = peak.growth_mib
        yield Figure(
            f"PDF of {pages:,} pages ({job['total']:,} units, {len(content) / MIB:.1f} MiB): memory grows by",
            growth[pages],
            "MiB",
        )
    yield Figure("ten times the pages: further growth", growth[4000] - growth[400], "MiB")
