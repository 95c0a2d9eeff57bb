"""Reading and splitting: MB/s of text, pages/s of PDF, and what a sandboxed child costs."""

import asyncio
import os
import statistics
import tempfile
import time
import uuid
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from bench.figures import Figure
from bench.texts import markdown, plain_text, sentences
from docradar.documents import DOCUMENT_NAMESPACE
from ingest.prepare import Prepared
from ingest.readers import pdf
from ingest.readers.document import ReadLimits
from ingest.sandbox import PrepareRequest, Sandbox
from ingest.sentences import sentence_spans

PAGES: Final = 500
CHILDREN: Final = 40
SENTENCES: Final = 20_000


def run() -> list[Figure]:
    """The room's figures; targets are the issue's."""
    lines = sentences(SENTENCES)
    with tempfile.TemporaryDirectory(prefix="docradar-bench-") as folder:
        return [
            *_splitting(lines),
            *_pdf(Path(folder)),
            *asyncio.run(_sandboxed(Path(folder), lines)),
        ]


def _splitting(lines: Sequence[str]) -> list[Figure]:
    chinese = "".join(line for line in lines if "\u4e00" <= line[0] <= "\u9fff")
    english = " ".join(line for line in lines if line[0].isascii())
    texts = {"Chinese": chinese, "English": english, "both": " ".join(lines)}
    figures = [
        Figure(f"sentence splitting, {name}", _megabytes_per_second(text), "MB/s", "≥ 5")
        for name, text in texts.items()
    ]
    slowest = max(_seconds(lambda run=run: sentence_spans(run * 1_000_000)) for run in "a1.。\"'“(`- \n😀")  # type: ignore[misc]
    return [*figures, Figure("slowest run of one million equal characters", slowest, "s")]


def _megabytes_per_second(text: str) -> float:
    return len(text.encode()) / 1e6 / _seconds(lambda: sentence_spans(text))


def _seconds(work: Callable[[], object], times: int = 3) -> float:
    """The median of `times` runs."""
    spent = []
    for _ in range(times):
        started = time.perf_counter()
        work()
        spent.append(time.perf_counter() - started)
    return statistics.median(spent)


def _pdf(folder: Path) -> list[Figure]:
    path = folder / "pages.pdf"
    path.write_bytes(_many_pages(PAGES))
    limits = ReadLimits()
    fast = _seconds(lambda: pdf.read(path, limits))
    slow = _seconds(lambda: pdf.read_with_pypdf(path, limits), times=1)
    return [
        Figure("PDF with pypdfium2", PAGES / fast, "pages/s"),
        Figure("PDF with pypdf", PAGES / slow, "pages/s"),
    ]


def _many_pages(count: int) -> bytes:
    from fpdf import FPDF

    document = FPDF()
    document.set_font("helvetica", size=10)
    for page in range(count):
        document.add_page()
        for line in range(40):
            document.cell(
                text=f"Line {line} of page {page} says that the gateway retries order {page * 40 + line} once.",
                new_x="LMARGIN",
                new_y="NEXT",
                h=6,
            )
    return bytes(document.output())


async def _sandboxed(folder: Path, lines: Sequence[str]) -> list[Figure]:
    documents = {
        "small.txt": "One short sentence.",
        "long.txt": plain_text(list(lines)),
        "long.md": markdown(list(lines)),
    }
    for name, text in documents.items():
        (folder / name).write_text(text, encoding="utf-8")
    async with Sandbox() as sandbox:
        first = await _timed(sandbox, folder, "small.txt")
        each = [(await _timed(sandbox, folder, "small.txt"))[0] for _ in range(CHILDREN)]
        started = time.perf_counter()
        at_once = os.cpu_count() or 1
        for _ in range(CHILDREN // at_once):
            await asyncio.gather(*(_timed(sandbox, folder, "small.txt", str(i)) for i in range(at_once)))
        together = (time.perf_counter() - started) / (CHILDREN // at_once * at_once)
        text_seconds, plain = await _timed(sandbox, folder, "long.txt")
        markdown_seconds, rich = await _timed(sandbox, folder, "long.md")
    return [
        Figure("first document in the sandbox (server starts)", first[0] * 1000, "ms"),
        Figure("a small document in the sandbox", statistics.median(each) * 1000, "ms", "about 10"),
        Figure("small documents, one a core at once", together * 1000, "ms each"),
        Figure("text, read to passages in the sandbox", plain.units / text_seconds, "units/s"),
        Figure("Markdown, read to passages in the sandbox", rich.units / markdown_seconds, "units/s"),
    ]


async def _timed(sandbox: Sandbox, folder: Path, name: str, scratch: str = "0") -> tuple[float, Prepared]:
    scratch_dir = folder / scratch
    scratch_dir.mkdir(exist_ok=True)
    request = PrepareRequest(
        path=folder / name,
        filename=name,
        document_id=str(uuid.uuid5(DOCUMENT_NAMESPACE, name)),
        scratch_dir=scratch_dir,
    )
    started = time.perf_counter()
    prepared = await sandbox.prepare(request)
    return time.perf_counter() - started, prepared
