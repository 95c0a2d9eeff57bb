"""The sandbox: what a hostile file, or a reader gone wrong, can do to us. Nothing."""

import asyncio
import os
import signal
import subprocess
import sys
import textwrap
import time
import uuid
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import files
import psutil
import pytest
import pytest_asyncio

from docradar.documents import DocumentFields, Kind, Recipe, Split
from docradar.errors import ReadError
from ingest.inspection import inspect_file
from ingest.prepare import Prepared, guess_language
from ingest.sandbox import PrepareRequest, ReadLimits, Sandbox

REPOSITORY = Path(__file__).parents[1]


@pytest_asyncio.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    async with Sandbox() as running:
        yield running


@pytest.fixture
def request_for(tmp_path: Path) -> PrepareRequest:
    """A request for a small text; tests replace what they are about."""
    return PrepareRequest(
        path=files.write(tmp_path, "upload", "The radar finds sentences. It shows where they stand."),
        filename="../notes.txt",
        document_id=str(uuid.UUID(int=1)),
        scratch_dir=tmp_path,
        limits=ReadLimits(cpu_seconds=20, wall_seconds=60),
    )


def units(prepared: Prepared) -> list[str]:
    return [unit.text for passage in prepared.passages() for unit in passage.units]


async def test_a_document_is_prepared_and_streamed_as_often_as_wanted(
    sandbox: Sandbox, request_for: PrepareRequest
) -> None:
    prepared = await sandbox.prepare(request_for)
    text = prepared.text_path.read_text()
    passages = list(prepared.passages())
    assert passages == list(prepared.passages())
    assert [text[slice(*u.span)] for p in passages for u in p.units] == units(prepared)
    assert units(prepared) == ["The radar finds sentences.", "It shows where they stand."]
    assert (prepared.units, prepared.fields.language, prepared.report.reader) == (2, "en", "text")


async def test_several_are_prepared_at_once(
    sandbox: Sandbox, tmp_path: Path, request_for: PrepareRequest
) -> None:
    requests = []
    for i in range(12):
        folder = tmp_path / str(i)
        folder.mkdir()
        path = files.write(folder, "file", f"This is document number {i} of twelve.")
        requests.append(replace(request_for, path=path, scratch_dir=folder))
    found = await asyncio.gather(*map(sandbox.prepare, requests))
    assert [units(p) for p in found] == [[f"This is document number {i} of twelve."] for i in range(12)]


@pytest.mark.parametrize(
    ("reader", "limits", "message"),
    [
        ("files:hang", ReadLimits(wall_seconds=0.5), r"more than 0\.5 s.*reader_wall_seconds"),
        ("files:spin", ReadLimits(cpu_seconds=1), r"more than 1 s of processor time.*reader_cpu_seconds"),
        (
            "files:hog",
            ReadLimits(memory_bytes=512 * 1024**2),
            r"memory limit of 512 MiB.*reader_memory_bytes",
        ),
        ("files:leave", ReadLimits(), r"ended without a result \(exit code 3\)"),
        ("files:crash", ReadLimits(), r"crashed \(signal SIGSEGV\)"),
        ("files:fail", ReadLimits(), r"the reader failed \(ZeroDivisionError: in \.\./notes\.txt\)"),
        ("files:flood", ReadLimits(text_chars=1), r"the reader failed \(OSError: .*File too large"),
    ],
)
async def test_a_reader_gone_wrong_is_its_documents_failure_only(
    sandbox: Sandbox, request_for: PrepareRequest, reader: str, limits: ReadLimits, message: str
) -> None:
    with pytest.raises(ReadError, match=r"^\.\./notes\.txt: .*" + message):
        await sandbox.prepare(replace(request_for, reader=reader, limits=limits))
    assert units(await sandbox.prepare(request_for))


async def test_a_small_pdf_that_spins_is_stopped_by_its_limit(
    sandbox: Sandbox, tmp_path: Path, request_for: PrepareRequest
) -> None:
    path = files.write(tmp_path, "spin", files.spinning_pdf())
    assert path.stat().st_size < 12_000
    with pytest.raises(ReadError, match=r"spin\.pdf: reading it took more than 1 s of processor time"):
        await sandbox.prepare(
            replace(request_for, path=path, filename="spin.pdf", limits=ReadLimits(cpu_seconds=1))
        )


ENDS_AS_ITS_STREAM_IS_CLOSED = """
    import os, selectors, socket
    from ingest.forkserver import _Server

    requests, ours = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    server = _Server(requests)
    stream, theirs = socket.socketpair()
    pid = os.fork()
    if pid == 0:
        os._exit(0)
    server._children[pid] = stream
    server._selector.register(stream, selectors.EVENT_READ, pid)
    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
    theirs.close()
    ours.close()
    select = server._selector.select
    order = (server._wakeup, stream, requests)
    server._selector.select = lambda: sorted(select(), key=lambda event: order.index(event[0].fileobj))
    server.serve()
"""


def test_a_child_that_ends_as_its_stream_is_closed_takes_no_other_with_it() -> None:
    program = [sys.executable, "-c", textwrap.dedent(ENDS_AS_ITS_STREAM_IS_CLOSED)]
    assert subprocess.run(program, check=False, cwd=REPOSITORY, timeout=60).returncode == 0


@pytest.mark.parametrize(
    ("filename", "content", "message"),
    [
        ("empty.txt", b"", "empty.txt: it is empty"),
        ("blank.txt", b" \n\t\n", "blank.txt: it holds no text"),
        ("cut.pdf", files.pdf([["Hello there."]])[:300], "cut.pdf: it is damaged or cut off"),
        ("locked.pdf", files.pdf([["Secret."]], password="x"), "locked.pdf: it is encrypted"),
        ("scan.pdf", files.image_pdf(), "scan.pdf: it needs OCR"),
        ("program.txt", b"\x7fELF\x02\x01", "program.txt: it is a program"),
    ],
)
async def test_bad_input_names_the_file_and_the_remedy(
    sandbox: Sandbox, tmp_path: Path, request_for: PrepareRequest, filename: str, content: bytes, message: str
) -> None:
    path = files.write(tmp_path, "bad", content)
    with pytest.raises(ReadError, match=message):
        await sandbox.prepare(replace(request_for, path=path, filename=filename))


async def test_five_megabytes_on_one_line(
    sandbox: Sandbox, tmp_path: Path, request_for: PrepareRequest
) -> None:
    path = files.write(tmp_path, "long", "支付超时怎么办" * 240_000)
    prepared = await sandbox.prepare(replace(request_for, path=path))
    assert prepared.units > 3_000
    assert prepared.report.units_cut == 1


async def test_cancelling_kills_the_child_at_once(sandbox: Sandbox, request_for: PrepareRequest) -> None:
    task = asyncio.create_task(sandbox.prepare(replace(request_for, reader="files:report_pid")))
    child = await child_of(request_for)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await gone(child)


async def test_cancelling_before_the_child_began_leaves_nothing_behind(
    sandbox: Sandbox, request_for: PrepareRequest
) -> None:
    task = asyncio.create_task(sandbox.prepare(replace(request_for, reader="files:hang")))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert units(await sandbox.prepare(request_for))


async def test_closing_kills_the_children(request_for: PrepareRequest) -> None:
    sandbox = Sandbox()
    task = asyncio.create_task(sandbox.prepare(replace(request_for, reader="files:report_pid")))
    child = await child_of(request_for)
    await sandbox.close()
    with pytest.raises(ReadError):
        await task
    await gone(child)


async def test_a_server_that_died_is_replaced(sandbox: Sandbox, request_for: PrepareRequest) -> None:
    await sandbox.prepare(request_for)
    (server,) = [p for p in psutil.Process().children() if "ingest.forkserver" in p.cmdline()]
    server.kill()
    server.wait(5)
    assert units(await sandbox.prepare(request_for))


async def test_the_child_sees_nothing_of_ours(
    sandbox: Sandbox, request_for: PrepareRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOCRADAR_QDRANT_API_KEY", "secret")
    found = units(await sandbox.prepare(replace(request_for, reader="files:describe", split=Split.LINES)))
    # Standard streams, its socket, and the listing itself.
    assert found[0] == "files 5"
    assert "DOCRADAR" not in found[1]
    assert found[2] == f"nice {os.nice(0) + 10}"
    assert found[3] == "heavy modules 0"


async def test_no_child_outlives_a_killed_parent(request_for: PrepareRequest) -> None:
    script = (
        "import asyncio, sys, uuid; from pathlib import Path; from ingest.sandbox import *; "
        "folder = Path(sys.argv[1]); "
        "asyncio.run(Sandbox().prepare(PrepareRequest(path=folder / 'upload', filename='x', scratch_dir=folder, "
        "document_id=str(uuid.UUID(int=1)), reader='files:report_pid')))"
    )
    path = os.pathsep.join([str(REPOSITORY), str(REPOSITORY / "tests")])
    parent = subprocess.Popen(  # noqa: ASYNC220  it is there to be killed
        [sys.executable, "-c", script, str(request_for.scratch_dir)], env=os.environ | {"PYTHONPATH": path}
    )
    try:
        child = await child_of(request_for)
        server = psutil.Process(child).parent()
        assert server is not None
    finally:
        os.kill(parent.pid, signal.SIGKILL)
        parent.wait()
    await gone(child)
    await gone(server.pid)


async def test_a_crash_of_the_fast_pdf_engine_is_answered_by_the_slow_one(
    sandbox: Sandbox, tmp_path: Path, request_for: PrepareRequest
) -> None:
    path = files.write(tmp_path, "a.pdf", files.pdf([["Some words on a page."]]))
    prepared = await sandbox.prepare(replace(request_for, path=path, filename="a.pdf", reader="files:crash"))
    assert units(prepared) == ["Some words on a page."]
    assert prepared.report.reader == "pdf (pypdf)"


async def test_what_the_file_says_of_itself_comes_along(
    sandbox: Sandbox, tmp_path: Path, request_for: PrepareRequest
) -> None:
    path = files.write(tmp_path, "a.md", "---\ntags: [ops, 支付]\n---\n# Guide\n\nThe words of this are few.")
    prepared = await sandbox.prepare(replace(request_for, path=path, filename="a.md", recipe=Recipe.PLAIN))
    assert prepared.fields == DocumentFields(title="Guide", language="en", tags=("ops", "支付"))


async def test_inspecting_a_file_gives_its_text_and_units(tmp_path: Path) -> None:
    found = await inspect_file(files.write(tmp_path, "a.txt", "一行一条\n\n第二条 😀\n"), split=Split.LINES)
    assert [(u.kind, found.text[slice(*u.span)]) for u in found.units] == [
        (Kind.LINE, "一行一条"),
        (Kind.LINE, "第二条 😀"),
    ]
    with pytest.raises(ReadError, match="no such file"):
        await inspect_file(tmp_path / "missing.txt")


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("支付超时怎么办，请看 API 文档。", "zh"),
        ("もう一度お試しください。支払い", "ja"),
        ("안녕하세요 반갑습니다", "ko"),
        ("The gateway is slow.", "en"),
        ("Das Ergebnis liegt morgen vor.", None),
        ("12345", None),
    ],
)
def test_the_language_is_told_by_the_scripts(text: str, language: str | None) -> None:
    assert guess_language(text) == language


async def child_of(request: PrepareRequest) -> int:
    """The id of the process that reads, once it is at it."""
    pid_file = request.path.parent / "pid"
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        if pid_file.exists() and pid_file.read_text():
            return int(pid_file.read_text())
        await asyncio.sleep(0.02)
    raise AssertionError("the child never began")


async def gone(pid: int) -> None:
    """Waits until the process has ended."""
    deadline = time.monotonic() + 20
    while psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE:
        assert time.monotonic() < deadline, f"process {pid} is still running"
        await asyncio.sleep(0.02)
