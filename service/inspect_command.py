"""`docradar inspect`: how a file is read and split, for asking why something is not found."""

import json
from dataclasses import asdict
from pathlib import Path

import click

from docradar.documents import Split, Unit
from docradar.settings import Settings


async def inspect_file(settings: Settings, file: Path, split: str, *, as_json: bool) -> None:
    """Prints the units of a file with their places, and the normalised text; indexes nothing.

    Raises:
        ReadError: The file cannot be read; the reason.
    """
    from ingest.sandbox import ReadLimits
    from ingest.sandbox import inspect_file as read_units

    inspection = await read_units(file, split=Split(split), limits=ReadLimits.from_settings(settings))
    prepared = inspection.prepared
    if as_json:
        document = {
            "file": str(file),
            "title": prepared.fields.title,
            "language": prepared.fields.language,
            "report": asdict(prepared.report),
            "text": inspection.text,
            "units": [_unit(unit) for unit in inspection.units],
        }
        click.echo(json.dumps(document, ensure_ascii=False, indent=2))
        return
    for unit in inspection.units:
        place = " › ".join(([f"page {unit.page}"] if unit.page else []) + list(unit.heading_path))
        click.echo(
            f"{unit.ordinal:5} {unit.kind:10} {unit.span.start}-{unit.span.end} {click.style(place, dim=True)}"
        )
        click.echo(f"      {unit.text}")


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
