"""`docradar inspect`: how a file is read and split, for asking why something is not found."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from docradar.documents import IngestReport, Split, Unit
from docradar.settings import Settings

if TYPE_CHECKING:
    from ingest.inspection import Inspection

SHOWN_FAILURES: Final = 20


async def inspect_file(
    settings: Settings, file: Path, document: str | None, split: str, *, as_json: bool
) -> None:
    """Prints the units of a file with their places, or the documents of a container, and the report; indexes nothing.

    Raises:
        ReadError: The file cannot be read; the reason.
    """
    from ingest.inspection import inspect_file as read
    from ingest.prepare import ReadLimits

    limits = ReadLimits.from_settings(settings)
    inspection = await read(file, document=document, split=Split(split), limits=limits)
    if as_json:
        shown = _shown(file, document, inspection)
        click.echo(json.dumps(shown, ensure_ascii=False, indent=2, default=str))
    else:
        click.echo("\n".join(_lines(inspection)))


def _shown(file: Path, document: str | None, inspection: "Inspection") -> dict[str, object]:
    shown: dict[str, object] = {
        "file": str(file),
        "document": document,
        "title": inspection.fields.title,
        "language": inspection.fields.language,
        "fields": asdict(inspection.fields),
        "report": asdict(inspection.report),
    }
    if inspection.documents is not None:
        return shown | {
            "documents": [
                {
                    "external_id": member.external_id,
                    "filename": member.filename,
                    "media_type": member.media_type,
                    "fields": asdict(member.fields),
                }
                for member in inspection.documents
            ]
        }
    return shown | {"text": inspection.text, "units": [_unit(unit) for unit in inspection.units]}


def _lines(inspection: "Inspection") -> Iterator[str]:
    for unit in inspection.units:
        place = " › ".join(([f"page {unit.page}"] if unit.page else []) + list(unit.heading_path))
        yield f"{unit.ordinal:5} {unit.kind:10} {unit.span.start}-{unit.span.end} {click.style(place, dim=True)}"
        yield f"      {unit.text}"
    for member in inspection.documents or ():
        yield f"{member.external_id:30} {click.style(member.filename, dim=True)}"
    yield from _report_lines(inspection.report)


def _report_lines(report: IngestReport) -> Iterator[str]:
    """What a person should know, and nothing of what is as it should be."""
    read = f"read as {report.reader}"
    if report.encoding:
        sure = report.encoding_confidence or 0.0
        read += f", {report.encoding}" + (f" ({sure:.0%} sure)" if sure < 1 else "")
    if report.documents is not None:
        read += f", {report.documents} documents; `--document ID` shows one"
    else:
        read += f", {report.characters_indexed:,} of {report.characters_read:,} characters indexed"
    yield click.style(read, dim=True)
    yield from _counted("left out", report.documents_skipped)
    yield from _counted("macros dropped", report.macros_dropped)
    for name, pages in (
        ("empty", report.pages_empty),
        ("garbled", report.pages_garbled),
        ("in need of OCR", report.pages_need_ocr),
    ):
        if pages:
            yield f"pages {name}: {', '.join(map(str, pages))}"
    for name, reason in list(report.documents_failed.items())[:SHOWN_FAILURES]:
        yield click.style(f"failed: {name}: {reason}", fg="red")
    for warning in report.warnings:
        yield click.style(f"warning: {warning}", fg="yellow")


def _counted(what: str, counts: Mapping[str, int]) -> Iterator[str]:
    if counts:
        yield f"{what}: {', '.join(f'{count} {name}' for name, count in counts.items())}"


def _unit(unit: Unit) -> dict[str, object]:
    return {
        "id": unit.id,
        "ordinal": unit.ordinal,
        "kind": unit.kind.value,
        "text": unit.text,
        "page": unit.page,
        "heading_path": list(unit.heading_path),
        "char_start": unit.span.start,
        "char_end": unit.span.end,
    }
