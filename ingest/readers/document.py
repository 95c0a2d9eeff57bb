"""What every reader returns, and the builder that keeps its spans exact."""

import re
import unicodedata
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, Self

from docradar.documents import Block, IngestReport, Kind, Span
from docradar.errors import ReadError
from docradar.settings import Settings


@dataclass(frozen=True, slots=True)
class ReadLimits:
    """What reading one file may cost. `entries` and `unpacked_bytes` bound what is taken out of a container."""

    memory_bytes: int = 1024**3
    cpu_seconds: int = 120
    wall_seconds: float = 300
    text_chars: int = 50_000_000
    pages: int = 20_000
    entries: int = 100_000
    unpacked_bytes: int = 4_000_000_000

    @classmethod
    def from_settings(cls, settings: Settings) -> Self:
        return cls(
            memory_bytes=settings.reader_memory_bytes,
            cpu_seconds=settings.reader_cpu_seconds,
            wall_seconds=settings.reader_wall_seconds,
            text_chars=settings.max_text_chars,
            pages=settings.max_pages,
            entries=settings.max_archive_entries,
            unpacked_bytes=settings.max_unpacked_bytes,
        )


@dataclass(frozen=True, slots=True)
class ReadDocument:
    """A document's normalised text and its blocks, in order, disjoint, their spans lying in `text`.

    The normalised text is Unicode NFC with `\\n` line ends and without control characters, lone surrogates and
    U+FFFE. `title` to `updated_at` are what the file says of itself; the dates are aware.
    """

    text: str
    blocks: tuple[Block, ...]
    title: str | None = None
    author: str | None = None
    language: str | None = None
    tags: tuple[str, ...] = ()
    url: str | None = None
    created_at: datetime | None = None
    updated_at: datetime | None = None
    report: IngestReport = field(default_factory=IngestReport)


_LINE_ENDS: Final = re.compile(r"\r\n?|[\x0b\x0c\x1c-\x1e\x85\u2028\u2029]")
_UNWANTED: Final = re.compile(
    "[\x00-\x08\x0e-\x1b\x1f\x7f-\x84\x86-\x9f\ud800-\udfff\ufdd0-\ufdef\ufeff\ufffe\uffff]"
)
# One class of characters is looked for ten times as fast as alternatives are.
_UNCLEAN: Final = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff\ufdd0-\ufdef\ufeff\ufffe\uffff]"
)


def clean(text: str) -> str:
    """`text` in the normalised form that `ReadDocument` promises."""
    if _UNCLEAN.search(text):
        text = _UNWANTED.sub("", _LINE_ENDS.sub("\n", text))
    return text if text.isascii() else unicodedata.normalize("NFC", text)


class TextBuilder:
    """Appends blocks to a growing text, and knows exactly where each of them came to lie."""

    def __init__(self, limits: ReadLimits) -> None:
        self._limit_chars = limits.text_chars
        self._pieces: list[str] = []
        self._length = 0
        self._blocks: list[Block] = []

    def add(self, text: str, kind: Kind, heading_path: tuple[str, ...] = (), page: int | None = None) -> None:
        """Appends a block, cleaned and stripped. A block without text is left out.

        Raises:
            ReadError: The document holds more text than is allowed.
        """
        text = clean(text).strip("\n") if kind is Kind.CODE else clean(text).strip()
        if not text.strip():
            return
        separator = self._separator(kind)
        start = self._length + len(separator)
        self._length = start + len(text)
        if self._length > self._limit_chars:
            raise ReadError(
                f"it holds more than {self._limit_chars:,} characters of text; split it, or raise the setting "
                "max_text_chars"
            )
        self._pieces += (separator, text)
        self._blocks.append(Block(kind, Span(start, self._length), heading_path, page))

    def _separator(self, kind: Kind) -> str:
        if not self._blocks:
            return ""
        runs_on = kind in (Kind.LIST_ITEM, Kind.TABLE_ROW, Kind.LINE) and self._blocks[-1].kind is kind
        # Combining marks compose only with a base: no block's start may change in NFC, and after "\n" none does.
        return "\n" if runs_on else "\n\n"

    def build(self) -> tuple[str, tuple[Block, ...]]:
        """The whole text, and its blocks."""
        return "".join(self._pieces), tuple(self._blocks)
