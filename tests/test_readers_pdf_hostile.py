"""PDFs that mean harm: each ends in a clear failure or a good read within its limits, and the sandbox reads on."""

import random
import uuid
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import files
import pdf_files
import pytest
import pytest_asyncio

from docradar.errors import ReadError
from ingest.prepare import Prepared
from ingest.sandbox import PrepareRequest, ReadLimits, Sandbox

LIMITS = ReadLimits(cpu_seconds=2, wall_seconds=30, text_chars=2_000_000, pages=2_000)
ENGINES = pytest.mark.parametrize("reader", ["pdf", "pdf-safe"], ids=["pdfium", "pypdf"])
PAGE = pdf_files.one_stream(pdf_files.drawn(b"Some words."))


@pytest_asyncio.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    async with Sandbox() as running:
        yield running


async def prepare(
    sandbox: Sandbox, folder: Path, content: bytes, reader: str, limits: ReadLimits = LIMITS
) -> Prepared:
    request = PrepareRequest(
        path=files.write(folder, "upload", content),
        filename="evil.pdf",
        document_id=str(uuid.UUID(int=1)),
        scratch_dir=folder,
        reader=reader,
        limits=limits,
    )
    return await sandbox.prepare(request)


async def text_of(sandbox: Sandbox, folder: Path, content: bytes, reader: str) -> str:
    found = await prepare(sandbox, folder, content, reader)
    return found.text_path.read_text(encoding="utf-8").strip()


async def failure_of(sandbox: Sandbox, folder: Path, content: bytes, reader: str) -> str:
    """Why the file could not be read; empty where it was, and gave units."""
    try:
        found = await prepare(sandbox, folder, content, reader)
    except ReadError as error:
        return str(error)
    assert found.units > 0
    return ""


@ENGINES
@pytest.mark.parametrize(
    "make",
    [
        pdf_files.looping_outline,
        lambda: pdf_files.one_stream(pdf_files.drawn(b"Some words."), count=2_000_000_000),
        lambda: pdf_files.one_stream(pdf_files.drawn(b"Some words."), count=-5),
        lambda: pdf_files.junk(PAGE),
        lambda: PAGE.replace(b"/Length ", b"/Length 9"),
        lambda: b"\0" * 900 + PAGE + b"\0" * 5000,
    ],
    ids=["outline loop", "count too large", "count below zero", "junk", "length too large", "zeros around"],
)
async def test_lies_beside_the_text_cost_none_of_it(
    sandbox: Sandbox, tmp_path: Path, reader: str, make: Callable[[], bytes]
) -> None:
    assert (await text_of(sandbox, tmp_path, make(), reader)).startswith(("Some words", "Words under"))


@ENGINES
@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (pdf_files.looping_pages, "damaged or cut off|could be read"),
        (pdf_files.self_reference, "hold no text|could be read"),
        (lambda: b"", "it is empty|damaged or cut off"),
        (lambda: PAGE[:200], "damaged or cut off"),
        (lambda: PAGE[: len(PAGE) // 2].replace(b"obj", b"obi"), "damaged or cut off"),
        (lambda: pdf_files.zeros(64 * 2**20), "hold no text|could be read"),
    ],
    ids=["page tree loop", "self-reference", "0 bytes", "cut short", "no objects", "64 MB of spaces"],
)
async def test_what_holds_nothing_says_so(
    sandbox: Sandbox, tmp_path: Path, reader: str, make: Callable[[], bytes], reason: str
) -> None:
    with pytest.raises(ReadError, match=r"^evil\.pdf: .*(?:" + reason + ")"):
        await prepare(sandbox, tmp_path, make(), reader)
    assert await text_of(sandbox, tmp_path, PAGE, reader) == "Some words."


SHARED = pdf_files.drawn(b"The same words again and again, on every page of it.", 20_000)


@pytest.mark.slow
@ENGINES
@pytest.mark.parametrize(
    "make",
    [
        lambda: pdf_files.one_stream(SHARED, pages=1_500),
        lambda: pdf_files.one_stream(pdf_files.drawn(b"x", 300_000)),
        lambda: pdf_files.one_stream(pdf_files.scattered(100_000)),
        lambda: pdf_files.one_stream(pdf_files.drawn(b"Some words.") + pdf_files.lines(300_000)),
        lambda: pdf_files.one_stream(pdf_files.drawn(b"-" * 5_000 + b"." * 5_000 + b"q", 100)),
        lambda: pdf_files.one_stream(pdf_files.grid(19_000)),
        files.spinning_pdf,
    ],
    ids=[
        "shared giant stream",
        "text operators",
        "scattered words",
        "paths",
        "runs",
        "table of tables",
        "forms in forms",
    ],
)
async def test_what_costs_much_ends_within_its_limits(
    sandbox: Sandbox, tmp_path: Path, reader: str, make: Callable[[], bytes]
) -> None:
    reasons = ("2 s of processor time", "memory limit", "max_text_chars", "could be read", "crashed")
    failure = await failure_of(sandbox, tmp_path, make(), reader)
    assert not failure or (
        any(reason in failure for reason in reasons) and "; " in failure
    )  # with its remedy
    assert await text_of(sandbox, tmp_path, PAGE, reader) == "Some words."


@pytest.mark.slow
@ENGINES
async def test_a_stream_of_a_gigabyte_is_refused(sandbox: Sandbox, tmp_path: Path, reader: str) -> None:
    with pytest.raises(ReadError, match=r"evil\.pdf: .*(?:could be read|memory limit)"):
        await prepare(sandbox, tmp_path, pdf_files.zeros(2**30), reader)


@pytest.mark.slow
@ENGINES
async def test_four_thousand_pages_are_read_in_little_memory(
    sandbox: Sandbox, tmp_path: Path, reader: str
) -> None:
    line = b"A line of the length that lines have, give or take a word."
    content = pdf_files.one_stream(pdf_files.drawn(line, 45), 4_000)
    limits = ReadLimits(memory_bytes=400 * 1024**2, cpu_seconds=100)
    found = await prepare(sandbox, tmp_path, content, reader, limits)
    assert found.report.pages == 4_000


async def test_pages_that_were_tampered_with_end_in_text_or_in_a_reason(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    """A file of ours with bytes changed, cut out and doubled, a hundred times."""
    chance = random.Random(7)
    original = pdf_files.CHINESE.read_bytes()
    for _ in range(100):
        content = bytearray(original)
        for _ in range(chance.randrange(1, 30)):
            at = chance.randrange(len(content))
            content[at : at + chance.randrange(3)] = chance.randbytes(chance.randrange(3))
        failure = await failure_of(sandbox, tmp_path, bytes(content), "pdf")
        assert not failure or (failure.startswith("evil.pdf: ") and "the reader failed" not in failure)
