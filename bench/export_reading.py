"""Confluence exports: how fast a space's XML is taken apart, at which memory, and how fast its pages are then read."""

import resource
import statistics
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterator, Sequence
from html import escape
from pathlib import Path
from typing import Final

from bench.figures import Figure
from bench.texts import sentences
from ingest.readers import confluence_storage, confluence_xml, sniff
from ingest.readers.container import Unpacked
from ingest.readers.document import ReadLimits

SMALL_MB: Final = 20
LARGE_MB: Final = 200
PAGES_READ: Final = 400
RUNS: Final = 3
_SPACE: Final = (
    '<object class="Space" package="com.atlassian.confluence.spaces"><id name="id">5</id><property name="key"><![CDATA[OPS]]>'
    '</property><property name="name"><![CDATA[Operations]]></property></object>'
)


def run() -> Iterator[Figure]:
    with tempfile.TemporaryDirectory(prefix="docradar-bench-") as name:
        folder = Path(name)
        bodies = list(_bodies(sentences(20_000)))
        small = _export(folder / "small.zip", SMALL_MB, bodies)
        large = _export(folder / "large.zip", LARGE_MB, bodies)
        # Each in a process of its own, whose peak is its own.
        runs = [_measured(large, folder / f"large-{n}") for n in range(RUNS)]
        growth = _measured(small, folder / "small-0")[1], statistics.median(peak for _, peak in runs)
        yield Figure(
            "XML export, taken apart",
            statistics.median(rate for rate, _ in runs),
            "MB/s of entities.xml",
            "≥ 20",
        )
        yield Figure(f"peak memory, {SMALL_MB} MB of entities.xml", growth[0], "MiB")
        yield Figure(f"peak memory, {LARGE_MB} MB of entities.xml", growth[1], "MiB", "about the same")
        yield Figure("pages in storage format, read", _pages(folder / "small-0"), "MB/s")


def _bodies(lines: Sequence[str]) -> Iterator[str]:
    """Bodies of 20 to 60 sentences, in paragraphs, lists, tables, panels and code, as people write them."""
    at = 0
    while at + 60 < len(lines):
        size = 20 + at % 41
        piece = [escape(line, quote=False) for line in lines[at : at + size]]
        at += size
        third = size // 3
        rows = "".join(
            f"<tr><td>{a}</td><td>{b}</td></tr>" for a, b in zip(piece[:4], piece[4:8], strict=True)
        )
        yield (
            f"<h2>{piece[0][:40]}</h2>"
            + "".join(f"<p>{' '.join(piece[n : n + 4])}</p>" for n in range(0, third, 4))
            + f"<ul>{''.join(f'<li><p>{line}</p></li>' for line in piece[third : 2 * third])}</ul>"
            + f"<table><tbody><tr><th>Question</th><th>Answer</th></tr>{rows}</tbody></table>"
            + '<ac:structured-macro ac:name="info"><ac:rich-text-body>'
            + "".join(f"<p>{line}</p>" for line in piece[2 * third :])
            + '</ac:rich-text-body></ac:structured-macro><ac:structured-macro ac:name="code"><ac:plain-text-body>'
            + f"<![CDATA[{piece[1]}]] ></ac:plain-text-body></ac:structured-macro>"
        )


def _export(path: Path, megabytes: int, bodies: Sequence[str]) -> Path:
    """A space whose `entities.xml` is about as large as that; every third page has an old version."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        with archive.open("entities.xml", "w", force_zip64=True) as file:
            file.write(f'<?xml version="1.0" encoding="UTF-8"?>\n<hibernate-generic>{_SPACE}'.encode())
            size_bytes = number = 0
            while size_bytes < megabytes * 1_000_000:
                number += 1
                content = _page(number, bodies[number % len(bodies)]).encode()
                size_bytes += file.write(content)
            file.write(b"</hibernate-generic>")
        archive.writestr("exportDescriptor.properties", "exportType=space\nspaceKey=OPS\n")
    return path


def _page(number: int, body: str) -> str:
    original = f'<property name="originalVersion" class="Page"><id name="id">{number - 1}</id></property>'
    return (
        f'<object class="Page" package="com.atlassian.confluence.pages">\n<id name="id">{number}</id>\n'
        f'<property name="title"><![CDATA[Page {number}]]></property><property name="version">3</property>'
        f'<property name="parent" class="Page"><id name="id">{max(1, number // 3)}</id></property>'
        '<property name="space" class="Space"><id name="id">5</id></property>'
        '<property name="creationDate">2025-01-01 10:00:00.000</property>'
        '<property name="lastModificationDate">2025-02-01 10:00:00.000</property>'
        f'{original if number % 3 == 2 else ""}<property name="contentStatus"><![CDATA[current]]></property>\n</object>\n'
        f'<object class="BodyContent" package="com.atlassian.confluence.core">\n<id name="id">9{number}</id>\n'
        f'<property name="body"><![CDATA[{body}]]></property>'
        f'<property name="content" class="Page"><id name="id">{number}</id></property>'
        '<property name="bodyType">2</property>\n</object>\n'
    )


def _measured(path: Path, folder: Path) -> tuple[float, float]:
    """MB of `entities.xml` a second of processor time, and the process's peak memory in MiB."""
    program = f"from bench.export_reading import take_apart; take_apart({str(path)!r}, {str(folder)!r})"
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    rate, peak = ended.stdout.split()
    return float(rate), float(peak)


def take_apart(path: str, folder: str) -> None:
    """Prints what `_measured` reads."""
    with zipfile.ZipFile(path) as archive:
        size_bytes = archive.getinfo("entities.xml").file_size
    unpacked = Unpacked(Path(folder), ReadLimits())
    seconds = _seconds(lambda: confluence_xml.expand(Path(path), unpacked))
    unpacked.close()
    print(size_bytes / 1e6 / seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)


def _pages(folder: Path) -> float:
    paths = sorted(path for path in folder.iterdir() if path.name.isdigit())[:PAGES_READ]
    size_bytes = sum(path.stat().st_size for path in paths)
    sniff.load("confluence-page")
    rates = [
        size_bytes / 1e6 / _seconds(lambda: [confluence_storage.read(path, ReadLimits()) for path in paths])
        for _ in range(RUNS)
    ]
    return statistics.median(rates)


def _seconds(work: Callable[[], object]) -> float:
    """Of processor time, since the machine is shared."""
    started = time.process_time()
    work()
    return time.process_time() - started
