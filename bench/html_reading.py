"""HTML: MB/s beside parsing alone, and how much of real pages' text is read, with how much furniture.

The reader's rules were tuned on pages of `PACKAGES`, those of `SEED` among them. What tells how it does elsewhere is the
figures of `OTHER_SEED` and of the packages held out, whose misses were not looked at.
"""

import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Final, TypeVar

from selectolax.lexbor import LexborHTMLParser

from bench.figures import Figure
from bench.html_pages import (
    HELD_OUT,
    PACKAGES,
    RENDERER,
    Package,
    Renderer,
    fetch,
    markup_of,
    renderer,
    sample,
    seen_text,
    without_repeats,
)
from bench.recall import missed, words
from ingest.readers import html
from ingest.readers.document import ReadLimits

PAGES: Final = 40
SEED: Final = 1
OTHER_SEED: Final = 77
RUNS: Final = 3

_Input = TypeVar("_Input")


@dataclass(slots=True)
class Tally:
    """Words: that a reader sees, and of them those missing; that are read, and of them those that are furniture."""

    seen: int = 0
    missing: int = 0
    read: int = 0
    furniture: int = 0

    def add(self, other: "Tally") -> None:
        self.seen += other.seen
        self.missing += other.missing
        self.read += other.read
        self.furniture += other.furniture

    def figures(self, name: str, *, targets: bool = False) -> list[Figure]:
        return [
            Figure(
                f"text recall, {name}", 100 - 100 * self.missing / self.seen, "%", "≥ 99" if targets else ""
            ),
            Figure(f"furniture, {name}", 100 * self.furniture / self.read, "%", "≤ 1" if targets else ""),
        ]


def run() -> list[Figure]:
    """The room's figures; targets are the issue's. None where Debian's packages cannot be had, which is said."""
    with tempfile.TemporaryDirectory(prefix="docradar-bench-") as name:
        folder = Path(name)
        try:
            fetch([*RENDERER, *(package.name for package in (*PACKAGES, *HELD_OUT))], folder)
        except (OSError, subprocess.CalledProcessError) as error:
            print(f"HTML is not measured: {error}", file=sys.stderr)
            return []
        return [*_speed(folder), *_texts(folder)]


def _speed(folder: Path) -> list[Figure]:
    pages = [page for package in PACKAGES for page in sample(folder / package.name, PAGES, SEED)]
    markups = [markup_of(page) for page in pages]
    limits = ReadLimits()
    parsing = _seconds(LexborHTMLParser, markups)
    reading = _seconds(lambda page: html.read(page, limits), pages)
    megabytes = sum(page.stat().st_size for page in pages) / 1e6
    return [
        Figure(f"HTML, {len(pages)} pages of {len(PACKAGES)} packages", megabytes / reading, "MB/s", "≥ 10"),
        Figure("the same beside parsing alone", reading / parsing, "times"),
    ]


def _seconds(work: Callable[[_Input], object], inputs: Iterable[_Input]) -> float:
    """Of the processor, for all inputs: the median of some runs."""
    spent = []
    for _ in range(RUNS):
        started = time.process_time()
        for one in inputs:
            work(one)
        spent.append(time.process_time() - started)
    return median(spent)


def _texts(folder: Path) -> list[Figure]:
    shown_by = renderer(folder)
    figures: list[Figure] = []
    whole, other = Tally(), Tally()
    for package in PACKAGES:
        tally = _tally(package, sample(folder / package.name, PAGES, SEED), shown_by)
        figures += tally.figures(f"{package.name} ({package.generator})")
        whole.add(tally)
        other.add(_tally(package, sample(folder / package.name, PAGES, OTHER_SEED), shown_by))
    figures += whole.figures("all of these", targets=True)
    figures += other.figures("other pages of these packages", targets=True)
    for package in HELD_OUT:
        tally = _tally(package, sample(folder / package.name, PAGES, OTHER_SEED), shown_by)
        figures += tally.figures(f"held out: {package.name} ({package.generator})", targets=True)
    return figures


def _tally(package: Package, pages: Sequence[Path], shown_by: Renderer) -> Tally:
    tally = Tally()
    for page in pages:
        tally.add(_page_tally(page, package.furniture, shown_by))
    return tally


def _page_tally(page: Path, furniture: str, shown_by: Renderer) -> Tally:
    """The page is read twice, with and without what docradar repeats: the worse recall counts, and the furniture of the latter."""
    limits = ReadLimits()
    markup = markup_of(page)
    seen = words(seen_text(markup, furniture, shown_by))
    plain = words(html.read_markup(without_repeats(markup), limits).text)
    missing, extra = missed(seen, plain)
    missing_as_it_is, _ = missed(seen, words(html.read(page, limits).text))
    return Tally(len(seen), max(missing.total(), missing_as_it_is.total()), len(plain), extra.total())
