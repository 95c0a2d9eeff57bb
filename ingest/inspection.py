"""How a file is read and split, without indexing it: for asking why something is not found."""

import asyncio
import tempfile
import uuid
from dataclasses import dataclass, replace
from pathlib import Path

from docradar.documents import DOCUMENT_NAMESPACE, DocumentFields, IngestReport, Recipe, Split, Unit
from docradar.errors import ReadError
from ingest.prepare import Prepared, PrepareRequest, ReadLimits
from ingest.readers.container import Member
from ingest.sandbox import Sandbox


@dataclass(frozen=True, slots=True)
class Inspection:
    """What a file comes to, in memory: its normalised text and units, or, of a container, its documents instead."""

    fields: DocumentFields
    report: IngestReport
    text: str = ""
    units: tuple[Unit, ...] = ()
    documents: tuple[Member, ...] | None = None


async def inspect_file(
    path: Path,
    *,
    document: str | None = None,
    split: Split = Split.AUTO,
    recipe: Recipe = Recipe.LATE_CHUNKING,
    limits: ReadLimits | None = None,
) -> Inspection:
    """Reads a file as ingesting it would; `document` names one by its external id in a container, to be read instead of that.

    Raises:
        ReadError: It cannot be read, or there is no such document in it.
    """
    existing = _existing(path)
    with tempfile.TemporaryDirectory(prefix="docradar-inspect-") as scratch:
        request = PrepareRequest(
            path=existing,
            filename=path.name,
            document_id=str(uuid.uuid5(DOCUMENT_NAMESPACE, path.name)),
            scratch_dir=Path(scratch),
            split=split,
            recipe=recipe,
            limits=limits or ReadLimits(),
        )
        async with Sandbox() as sandbox:
            prepared = await sandbox.prepare(request)
            if document is None:
                return await asyncio.to_thread(_inspection, prepared)
            member = await asyncio.to_thread(_member, prepared, path, document)
            inside = _request_of(request, prepared, member)
            found = await asyncio.to_thread(_inspection, await sandbox.prepare(inside))
        return replace(found, fields=member.fields.or_else(found.fields))


def _existing(path: Path) -> Path:
    if not path.is_file():
        raise ReadError(f"{path}: there is no such file")
    return path.absolute()


def _member(prepared: Prepared, path: Path, document: str) -> Member:
    if prepared.container is None:
        raise ReadError(f"{path.name} is one document, and holds no others; leave the document's id out")
    for member in prepared.members():
        if document in (member.external_id, f"{path.name}/{member.external_id}"):
            return member
    raise ReadError(f"{path.name} holds no document {document!r}; without an id its documents are listed")


def _request_of(request: PrepareRequest, prepared: Prepared, member: Member) -> PrepareRequest:
    scratch = request.scratch_dir / "document"
    scratch.mkdir()
    return replace(
        request,
        path=prepared.member_path(member),
        filename=member.filename,
        media_type=member.media_type,
        scratch_dir=scratch,
    )


def _inspection(prepared: Prepared) -> Inspection:
    if prepared.container is not None:
        return Inspection(prepared.fields, prepared.report, documents=tuple(prepared.members()))
    units = tuple(unit for passage in prepared.passages() for unit in passage.units)
    return Inspection(prepared.fields, prepared.report, prepared.text_path.read_bytes().decode(), units)
