"""`make bench`: measures, prints, and writes bench/RESULTS.md.

`python -m bench search upload` runs only the suites named and leaves the others' figures as they were.
"""

import importlib
import os
import platform
import subprocess
import sys
import time
from importlib.metadata import version
from pathlib import Path
from typing import Final

from bench.figures import Figure, table

RESULTS: Final = Path(__file__).parent / "RESULTS.md"
SUITES: Final = (
    "reading",
    "pdf_reading",
    "html_reading",
    "office_reading",
    "export_reading",
    "queue",
    "index",
    "embedding",
    "start",
    "ingest",
    "search",
    "upload",
    "edit",
    "hostile",
)
PACKAGES: Final = (
    "torch",
    "sentence-transformers",
    "openvino",
    "qdrant-edge-py",
    "litestar",
    "sqlalchemy",
    "pypdfium2",
    "selectolax",
    "lxml",
)


def main() -> None:
    chosen = sys.argv[1:] or list(SUITES)
    if unknown := set(chosen) - set(SUITES):
        sys.exit(f"no such suite: {', '.join(sorted(unknown))}; the suites are {', '.join(SUITES)}")
    sections = _written()
    for name in chosen:
        started = time.perf_counter()
        print(f"== {name}", flush=True)
        # Each in a process of its own, so that no suite warms or burdens another.
        output = subprocess.run(
            [sys.executable, "-c", f"from bench.__main__ import run_suite; run_suite({name!r})"],
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        ).stdout
        print(output, f"({time.perf_counter() - started:.0f} s)\n", sep="", flush=True)
        sections[name] = output.strip()
        _write(sections)


def run_suite(name: str) -> None:
    """Prints one suite's table."""
    figures = importlib.import_module(f"bench.{name}").run()
    print(table(Figure(*figure) for figure in figures))


def _written() -> dict[str, str]:
    """The sections of the results as they stand."""
    if not RESULTS.exists():
        return {}
    parts = RESULTS.read_text(encoding="utf-8").split("\n## ")[1:]
    return {part.split("\n", 1)[0]: part.split("\n", 1)[1].strip() for part in parts}


def _write(sections: dict[str, str]) -> None:
    packages = ", ".join(f"{name} {version(name)}" for name in PACKAGES)
    head = (
        "# Measured figures\n\n"
        "Written by `make bench` (`python -m bench SUITE…` for a part). Medians of several runs; the machine is shared "
        "and noisy, so ratios taken within one run say more than absolute figures.\n\n"
        f"Machine: {_processor()}, {os.cpu_count()} cores, Python {platform.python_version()}; {packages}.\n"
        f"Last run: {time.strftime('%Y-%m-%d')}.\n"
    )
    body = "".join(f"\n## {name}\n\n{sections[name]}\n" for name in SUITES if name in sections)
    RESULTS.write_text(head + body, encoding="utf-8")


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.processor()


if __name__ == "__main__":
    main()
