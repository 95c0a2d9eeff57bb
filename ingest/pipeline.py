"""One document version, from stored bytes to points that search can find.

    read → split → diff → embed → upsert → commit
    read → unpack → a document and a job for each member → wait for them          (a container)

Every step may be interrupted and repeated. The version's units are written to the catalog before the index is
asked what it has, so that no sweep takes away what this run counts on; points are upserted batch by batch under
ids derived from their content, so a second attempt embeds only what the first one did not reach; and nothing is
visible to search before the commit.
"""

import asyncio
import logging
import shutil
import tempfile
from collections import Counter, deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final, TypeVar

from docradar import failpoints
from docradar.blobs import Blobs
from docradar.catalog import Catalog, Content, PutResult
from docradar.documents import LISTED_DOCUMENTS, Document, Job, JobKind, Unit
from docradar.embedding.protocol import Vectors
from docradar.engine import ReadyEngine
from docradar.errors import InvalidRequestError, ReadError
from docradar.filters import And, AnyOf, Within
from docradar.index.points import DocumentPayload, UnitPayload, UnitPoint
from docradar.keywords import document_keywords
from docradar.settings import Settings
from ingest.expansion import Expansion, bounded_fields, filename_of, media_type_of
from ingest.prepare import Prepared, PreparedPassage
from ingest.readers.container import Container, Member
from ingest.sandbox import PrepareRequest, ReadLimits, Sandbox

logger = logging.getLogger(__name__)

UNITS_PER_WRITE: Final = 1000
UNITS_PER_GROUP: Final = 256  # embedded together, so that the model can put texts of like length side by side
MEMBERS_PER_STEP: Final = 20
GROUPS_IN_FLIGHT: Final = 3  # keeps the model busy while points are upserted, and memory bounded
ORPHAN_SECONDS: Final = 24 * 3600.0  # in which every upload has ended, one way or the other
BLOBS_PER_LOOK: Final = 500

T = TypeVar("T")


class Pipeline:
    """Runs jobs against one engine. Holds no state of a job between calls."""

    def __init__(
        self, settings: Settings, catalog: Catalog, blobs: Blobs, sandbox: Sandbox, engine: ReadyEngine
    ) -> None:
        self._limits = ReadLimits.from_settings(settings)
        self._scratch_root = settings.data_dir / "scratch"
        self._catalog = catalog
        self._blobs = blobs
        self._sandbox = sandbox
        self._engine = engine

    async def run(self, job: Job) -> str:
        """Does the job and records its success. Returns what it came to, for the log.

        Raises:
            ReadError: The document cannot be read.
            LeaseLostError: Another worker owns the job by now.
            DocradarError: Anything else that went wrong, retryable.
        """
        if job.kind is JobKind.INGEST:
            return await self._ingest(job)
        await self._sweep(job)
        return "succeeded"

    async def _ingest(self, job: Job) -> str:
        self._scratch_root.mkdir(parents=True, exist_ok=True)
        scratch = Path(tempfile.mkdtemp(prefix=f"{job.id}-", dir=self._scratch_root))
        try:
            document = await asyncio.to_thread(self._catalog.document_version, job.document_id, job.version)
            prepared = await self._read(job, document, scratch)
            if prepared.container is not None:
                await self._expand(job, document, prepared, prepared.container)
                return "waits for its documents"
            await self._write_units(job, prepared)
            failpoints.reach("after_units")
            await self._index(job, document, prepared)
            failpoints.reach("after_upsert")
            await asyncio.to_thread(
                self._catalog.commit_ingest,
                job,
                file_fields=bounded_fields(prepared.fields),
                units=prepared.units,
                report=prepared.report,
            )
            failpoints.reach("after_commit")
            return "succeeded"
        finally:
            # Shielded: a job that is interrupted between its commit and this would leave its folder behind.
            await asyncio.shield(asyncio.to_thread(shutil.rmtree, scratch, ignore_errors=True))

    async def _read(self, job: Job, document: Document, scratch: Path) -> Prepared:
        await self._progress(job, "reading", 0, 0)
        async with self._blobs.local_copy(document.blob) as path:
            prepared = await self._sandbox.prepare(
                PrepareRequest(
                    path=path,
                    filename=document.filename,
                    media_type=document.media_type,
                    split=document.split,
                    document_id=document.id,
                    recipe=self._engine.profile.recipe,
                    limits=self._limits,
                    scratch_dir=scratch,
                )
            )
        if prepared.container is None and prepared.units == 0:
            raise ReadError(f"{document.filename} holds no text; there is nothing in it to search for")
        return prepared

    async def _expand(self, job: Job, document: Document, prepared: Prepared, container: Container) -> None:
        """Makes a document of each member, every one with a job of its own, and leaves this job waiting for those."""
        if document.container_id is not None:
            raise ReadError(
                f"{document.filename} is an archive within an archive; unpack the outer one and upload this by itself"
            )
        expansion = Expansion(await asyncio.to_thread(self._catalog.begin_container, job), container)
        found = prepared.report.documents or 0
        outcomes: Counter[PutResult] = Counter()
        named = dict(prepared.report.documents_failed)
        withheld = prepared.report.documents_failed_count
        for step, members in enumerate(_batches(prepared.members(), MEMBERS_PER_STEP)):
            await self._progress(job, "unpacking", step * MEMBERS_PER_STEP, found)
            for member in members:
                outcome = await asyncio.to_thread(
                    self._put_member, job, expansion, prepared, member, document
                )
                if isinstance(outcome, PutResult):
                    outcomes[outcome] += 1
                else:
                    withheld += 1
                    if len(named) < LISTED_DOCUMENTS:
                        named.setdefault(member.filename, outcome)
                failpoints.reach("after_member")
        failpoints.reach("after_members")
        if not outcomes:
            raise ReadError(f"{document.filename}: {next(iter(named.values()))}")
        # Now, while the lease is still renewed: it takes seconds for a hundred thousand files.
        await asyncio.to_thread(shutil.rmtree, prepared.scratch_dir, ignore_errors=True)
        await asyncio.to_thread(
            self._catalog.wait_for_members,
            job,
            report=replace(
                prepared.report,
                documents=outcomes.total(),
                documents_failed=named,
                documents_failed_count=withheld,
            ),
            file_fields=bounded_fields(prepared.fields),
            message=_story_of(outcomes, withheld),
        )
        failpoints.reach("after_wait")

    def _put_member(
        self, job: Job, expansion: Expansion, prepared: Prepared, member: Member, container: Document
    ) -> PutResult | str:
        """What putting a member came to, or why it cannot be a document."""
        key = expansion.key(member)
        if key.document_id == job.document_id:
            return "its id is the one of the file that it stands in; upload that under another external_id"
        path = prepared.member_path(member)
        content = Content(
            self._blobs.put_file(path),
            path.stat().st_size,
            media_type_of(member),
            filename_of(member),
            container.split,
        )
        try:
            return self._catalog.put_member(
                job, key, expansion.fields(member), content, bundle=expansion.bundle
            ).outcome
        except InvalidRequestError as error:
            return str(error)

    async def _write_units(self, job: Job, prepared: Prepared) -> None:
        text_blob = await asyncio.to_thread(self._blobs.put_file, prepared.text_path)
        await asyncio.to_thread(self._catalog.begin_units, job, text_blob=text_blob)
        for units in _batches(_units(prepared), UNITS_PER_WRITE):
            await asyncio.to_thread(self._catalog.write_units, job, units)

    async def _index(self, job: Job, document: Document, prepared: Prepared) -> None:
        """Embeds and upserts what the index lacks. What it has, search may be seeing: a sweep changes it after the commit."""
        index = self._engine.index
        present: set[str] = set()
        for units in _batches(_units(prepared), UNITS_PER_WRITE):
            present |= await index.existing([unit.id for unit in units])
        payload = document_payload(
            replace(document, fields=document.fields.or_else(bounded_fields(prepared.fields)))
        )
        await self._embed_missing(job, prepared, present, payload)

    async def _embed_missing(
        self, job: Job, prepared: Prepared, present: set[str], payload: DocumentPayload
    ) -> None:
        done = len(present)
        await self._progress(job, "embedding", done, prepared.units)
        in_flight: deque[asyncio.Task[int]] = deque()
        missing = (p for p in prepared.passages() if any(unit.id not in present for unit in p.units))
        try:
            for group in _groups(missing):
                in_flight.append(asyncio.create_task(self._embed_and_upsert(group, payload)))
                if len(in_flight) == GROUPS_IN_FLIGHT:
                    done += await in_flight.popleft()
                    await self._progress(job, "embedding", min(done, prepared.units), prepared.units)
            while in_flight:
                done += await in_flight.popleft()
            await self._progress(job, "committing", prepared.units, prepared.units)
        finally:
            for task in in_flight:
                task.cancel()
            await asyncio.gather(*in_flight, return_exceptions=True)

    async def _embed_and_upsert(self, group: list[PreparedPassage], payload: DocumentPayload) -> int:
        vectors = await self._engine.scheduler.embed_passages([prepared.passage for prepared in group])
        points = await asyncio.to_thread(_points, group, vectors, payload)
        await self._engine.index.upsert(points)
        failpoints.reach("after_batch")
        return len(points)

    async def _sweep(self, job: Job) -> None:
        """Makes the index's points of one document those that the catalog knows.

        The catalog is asked again after the points were listed, so that what an upload has added meanwhile stays.
        """
        if job.kind is JobKind.DELETE:
            while await asyncio.to_thread(self._catalog.delete_members, job.document_id):
                failpoints.reach("after_delete_members")
        index = self._engine.index
        stored = await index.document_unit_ids(job.document_id)
        state = await asyncio.to_thread(self._catalog.sweep_state, job.document_id)
        await index.delete(sorted(stored - state.keep))
        failpoints.reach(f"after_{job.kind}")
        if state.document is not None:
            await self._refresh(state.document, len(stored & state.keep))
            for (page, heading_path, kind), moved in state.moved.items():
                await index.set_unit_payload(
                    sorted(stored & moved), page=page, heading_path=heading_path, kind=kind
                )
        missing = state.active - stored
        removable = await asyncio.to_thread(self._catalog.finish_sweep, job, missing_units=len(missing))
        await asyncio.to_thread(remove_blobs, self._catalog, self._blobs, removable)

    async def _refresh(self, document: Document, points: int) -> None:
        """Gives a document's points its fields as they are now, unless all of them have those already."""
        now = document.updated_at
        of_now = And((AnyOf("document_id", (document.id,)), Within(field="stored_at", gte=now, lte=now)))
        if await self._engine.index.count(of_now) < points:
            await self._engine.index.set_document_payload(document.id, document_payload(document))

    async def _progress(self, job: Job, stage: str, done: int, total: int) -> None:
        await asyncio.to_thread(self._catalog.progress, job, stage, done, total)


def remove_blobs(catalog: Catalog, blobs: Blobs, removable: Iterable[str]) -> None:
    """Removes files that no version refers to; one that was put again just now stays for the next time."""
    for sha256 in removable:
        if blobs.delete(sha256):
            catalog.forget_blob(sha256)


def remove_orphaned_blobs(catalog: Catalog, blobs: Blobs) -> None:
    """Removes blobs stored by who was killed, or lost the catalog, before any version referred to them."""
    for stored in _batches(blobs.older_than(ORPHAN_SECONDS), BLOBS_PER_LOOK):
        for sha256 in catalog.unreferenced_blobs(stored):
            blobs.delete(sha256, spared_seconds=ORPHAN_SECONDS)


def document_payload(document: Document) -> DocumentPayload:
    """What the points of a document share."""
    fields = document.fields
    return DocumentPayload(
        collection=document.key.collection,
        source=document.key.source,
        document_id=document.id,
        external_id=document.key.external_id,
        title=fields.title or document.filename,
        media_type=document.media_type,
        language=fields.language,
        author=fields.author,
        tags=fields.tags,
        url=fields.url,
        created_at=fields.created_at or document.created_at,
        updated_at=fields.updated_at or document.updated_at,
        stored_at=document.updated_at,
        meta=fields.meta,
    )


def unit_payload(unit: Unit, document: DocumentPayload) -> UnitPayload:
    """A point's whole payload."""
    return UnitPayload(
        document=document, page=unit.page, heading_path=unit.heading_path, kind=unit.kind, text=unit.text
    )


def _story_of(outcomes: Counter[PutResult], withheld: int) -> str:
    """What unpacking found, for a person."""
    words = {
        PutResult.CREATED: "new",
        PutResult.UPDATED: "changed",
        PutResult.RELABELLED: "with other fields",
        PutResult.UNCHANGED: "unchanged",
    }
    said = [f"{outcomes[result]} {word}" for result, word in words.items() if outcomes[result]]
    if withheld:
        said.append(f"{withheld} could not be taken out")
    return f"{outcomes.total()} documents: {', '.join(said)}"


def _units(prepared: Prepared) -> Iterator[Unit]:
    for passage in prepared.passages():
        yield from passage.units


def _points(
    group: Sequence[PreparedPassage], vectors: Sequence[Vectors], payload: DocumentPayload
) -> list[UnitPoint]:
    """Takes milliseconds, most of them for keywords."""
    return [
        UnitPoint(
            unit.id,
            vector,
            document_keywords(unit.text, headings=unit.heading_path, neighbours=_beside(prepared, place)),
            unit_payload(unit, payload),
        )
        for prepared, rows in zip(group, vectors, strict=True)
        for place, (unit, vector) in enumerate(zip(prepared.units, rows, strict=True))
    ]


def _beside(prepared: PreparedPassage, place: int) -> list[str]:
    """The units before and after one in its passage, which its keywords know, too."""
    units = prepared.units
    return [units[i].text for i in (place - 1, place + 1) if 0 <= i < len(units)]


def _groups(passages: Iterable[PreparedPassage]) -> Iterator[list[PreparedPassage]]:
    """Passages in order, in groups of about `UNITS_PER_GROUP` units."""
    group: list[PreparedPassage] = []
    size = 0
    for passage in passages:
        group.append(passage)
        size += len(passage.units)
        if size >= UNITS_PER_GROUP:
            yield group
            group, size = [], 0
    if group:
        yield group


def _batches(source: Iterable[T], size: int) -> Iterator[list[T]]:
    batch: list[T] = []
    for element in source:
        batch.append(element)
        if len(batch) == size:
            yield batch
            batch = []
    if batch:
        yield batch
