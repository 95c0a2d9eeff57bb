"""One file → its text, units and passages in a scratch folder: what the sandbox's child does, and what it leaves.

The folder then holds `text` (the normalised text, UTF-8), `passages` (a length and a MessagePack record each) and
`summary` (MessagePack). The parent streams the passages from there, so its memory does not follow the document's.
Of a container it holds the `documents` folder and `summary` instead.
"""

import re
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

import msgspec

from docradar.documents import Block, DocumentFields, IngestReport, Recipe, Split
from docradar.errors import ReadError
from ingest.passages import PreparedPassage, prepare_passages
from ingest.readers import container, sniff
from ingest.readers.container import Container, Member
from ingest.readers.document import ReadLimits
from ingest.units import SplitCounts, statements

__all__ = ["PrepareRequest", "Prepared", "PreparedPassage", "ReadLimits", "prepare"]

_LENGTH: Final = struct.Struct("<I")
_DOCUMENTS: Final = "documents"
_MOST_NAMES: Final = 50
_NAME_CHARS: Final = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class PrepareRequest:
    """What to read, and how.

    `reader` names one of `sniff.READERS` or a `module:function`; None chooses by the file.
    """

    path: Path
    filename: str
    document_id: str
    scratch_dir: Path
    media_type: str = ""
    split: Split = Split.AUTO
    recipe: Recipe = Recipe.LATE_CHUNKING
    limits: ReadLimits = field(default_factory=ReadLimits)
    reader: str | None = None


@dataclass(frozen=True, slots=True)
class Summary:
    """What is known of a prepared document besides its passages; `fields` are what the file says of itself.

    A container has no units, but documents.
    """

    fields: DocumentFields
    report: IngestReport
    units: int = 0
    passages: int = 0
    container: Container | None = None


@dataclass(frozen=True, slots=True)
class Prepared:
    """A document ready to be embedded, on disk in the request's scratch folder."""

    scratch_dir: Path
    summary: Summary

    @classmethod
    def load(cls, scratch_dir: Path) -> "Prepared":
        """What `prepare` left in the folder."""
        content = (scratch_dir / "summary").read_bytes()
        return cls(scratch_dir, msgspec.msgpack.decode(content, type=Summary))

    @property
    def text_path(self) -> Path:
        """The normalised text, UTF-8."""
        return self.scratch_dir / "text"

    @property
    def fields(self) -> DocumentFields:
        """What the file says of itself; `language`, where it does not say, by its script and words (ISO 639-1)."""
        return self.summary.fields

    @property
    def report(self) -> IngestReport:
        return self.summary.report

    @property
    def units(self) -> int:
        """How many units there are."""
        return self.summary.units

    @property
    def container(self) -> Container | None:
        """What the file is where it holds documents instead of text."""
        return self.summary.container

    def members(self) -> Iterator[Member]:
        """A container's documents in order, one in memory at a time; their bytes are at `member_path`."""
        return container.members(self.scratch_dir / _DOCUMENTS)

    def member_path(self, member: Member) -> Path:
        """The bytes of a container's document."""
        return self.scratch_dir / _DOCUMENTS / member.file

    def passages(self) -> Iterator[PreparedPassage]:
        """The passages in order, one in memory at a time; every call begins anew."""
        decoder = msgspec.msgpack.Decoder(PreparedPassage)
        with (self.scratch_dir / "passages").open("rb") as file:
            while prefix := file.read(_LENGTH.size):
                yield decoder.decode(file.read(_LENGTH.unpack(prefix)[0]))


def prepare(request: PrepareRequest) -> Prepared:
    """Reads and splits the file into the scratch folder, in this process: hostile files belong in the sandbox.

    Raises:
        ReadError: It cannot be read, or holds no text; a container, no document.
    """
    name = request.reader or sniff.reader_for(
        request.path, request.filename, request.media_type, request.split, request.limits
    )
    summary = _unpack(request, name) if name in sniff.EXPANDERS else _read(request, name)
    (request.scratch_dir / "summary").write_bytes(msgspec.msgpack.encode(summary))
    return Prepared(request.scratch_dir, summary)


def _unpack(request: PrepareRequest, name: str) -> Summary:
    unpacked = container.Unpacked(request.scratch_dir / _DOCUMENTS, request.limits)
    try:
        found = sniff.load_expander(name)(request.path, unpacked)
    finally:
        unpacked.close()
    if not unpacked.count:
        raise ReadError(_why_nothing(unpacked))
    report = IngestReport(
        reader=found.reader,
        documents=unpacked.count,
        documents_skipped=unpacked.skipped,
        documents_failed=unpacked.failed,
        documents_failed_count=unpacked.failures,
        warnings=tuple(unpacked.warnings),
    )
    return Summary(DocumentFields(title=found.title), report, container=found)


def _why_nothing(unpacked: container.Unpacked) -> str:
    for name, reason in unpacked.failed.items():
        return f"no document can be taken out of it; {name}: {reason}"
    skipped = ", ".join(f"{count} {reason}" for reason, count in unpacked.skipped.items())
    return f"it holds no document that can be read ({skipped or 'it is empty'}); {sniff.CAN_READ}"


def _read(request: PrepareRequest, name: str) -> Summary:
    document = sniff.load(name)(request.path, request.limits)
    if not document.blocks:
        raise ReadError("it holds no text; there is nothing in it to search for")
    (request.scratch_dir / "text").write_bytes(document.text.encode())
    counts = SplitCounts()
    units, passages = _write_passages(request, document.text, document.blocks, counts)
    report = replace(
        document.report,
        units_cut=counts.cut,
        units_merged=counts.merged,
        macros_dropped=_bounded(document.report.macros_dropped),
        characters_indexed=sum(block.span.end - block.span.start for block in document.blocks),
    )
    fields = DocumentFields(
        title=document.title or "",
        author=document.author,
        url=document.url,
        language=document.language or guess_language(document.text),
        tags=document.tags,
        created_at=document.created_at,
        updated_at=document.updated_at,
    )
    return Summary(fields, report, units, passages)


def _bounded(counts: Mapping[str, int]) -> dict[str, int]:
    """Counts by name, of which a file may make up as many as it likes: the commonest, and the others together."""
    ranked = sorted(counts.items(), key=lambda named: -named[1])
    bounded = {name[:_NAME_CHARS]: count for name, count in ranked[:_MOST_NAMES]}
    others = sum(count for _, count in ranked[_MOST_NAMES:])
    return bounded | ({"others": others} if others else {})


def _write_passages(
    request: PrepareRequest, text: str, blocks: tuple[Block, ...], counts: SplitCounts
) -> tuple[int, int]:
    """Writes `passages`; returns how many units and passages it holds."""
    encoder = msgspec.msgpack.Encoder()
    units = passages = 0
    split = statements(text, blocks, counts)
    with (request.scratch_dir / "passages").open("wb") as file:
        for prepared in prepare_passages(text, split, request.recipe, request.document_id):
            record = encoder.encode(prepared)
            file.write(_LENGTH.pack(len(record)))
            file.write(record)
            units += len(prepared.units)
            passages += 1
    return units, passages


_SAMPLE_CHARS: Final = 20_000
_KANA: Final = re.compile("[\u3040-\u30ff]")
_HANGUL: Final = re.compile("[\uac00-\ud7af]")
_HAN: Final = re.compile("[\u4e00-\u9fff]")
_LATIN: Final = re.compile("[A-Za-z]+")
# Words that nearly every English sentence has one of, and no other language in Latin script.
_ENGLISH: Final = re.compile(r"\b(?:the|and|of|is|are|with|for|this|that|you|was|not|from)\b", re.IGNORECASE)


def guess_language(text: str) -> str | None:
    """`zh`, `ja`, `ko` or `en` by a vote of the scripts, or None where they do not tell."""
    sample = text[:_SAMPLE_CHARS]
    han, kana, hangul = (len(script.findall(sample)) for script in (_HAN, _KANA, _HANGUL))
    words = len(_LATIN.findall(sample))
    # A Han character says about as much as two thirds of a word.
    if max(han + kana, hangul) * 2 > words * 3 / 2:
        if hangul > han + kana:
            return "ko"
        return "ja" if 10 * kana > han + kana else "zh"
    return "en" if words and len(_ENGLISH.findall(sample)) * 20 > words else None
