"""Documents: put, list, change, delete, download."""

import asyncio
import hashlib
from typing import Any, Final
from urllib.parse import quote

import msgspec
from litestar import Controller, Request, Response, delete, get, patch, post
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, JSONBody
from litestar.response import Stream

from docradar import formats
from docradar.catalog import Content, PutOutcome
from docradar.documents import UPLOAD_SOURCE, DocumentFields, DocumentKey, DocumentStatus, Split
from docradar.errors import InvalidRequestError, NotFoundError, TooLargeError
from service.fields import (
    changes_of,
    checked_collection,
    fields_of,
    key_of,
    prune_of_form,
    refuse_other_types,
    text_upload_of_form,
)
from service.openapi import UploadOperation
from service.pages import Limit
from service.problems import problem_spec, problem_specs
from service.runtime import Runtime
from service.schemas import (
    DocumentList,
    DocumentOut,
    DocumentPatch,
    JobOut,
    TextUpload,
    UnitList,
    UnitOut,
    UploadAccepted,
)
from service.uploads import Form, UploadedFile, receive_form

MAX_JSON_BYTES: Final = 10_000_000


class DocumentController(Controller):
    """Everything about documents but searching them."""

    path = "/v1/documents"
    tags = ("documents",)

    @post(
        status_code=202,
        operation_class=UploadOperation,
        request_max_body_size=None,
        responses=problem_specs(400, 503)
        | {
            200: UploadOperation.unchanged,
            413: problem_spec("A file is larger than `max_upload_bytes`; the connection is closed."),
        },
    )
    async def put_documents(
        self, request: Request[Any, Any, Any], runtime: NamedDependency[Runtime]
    ) -> Response[UploadAccepted]:
        """Uploads one document or more. Putting the same place again updates it; the same content changes nothing.

        A zip archive or a Confluence export is a container: its job makes a document and a job of each file or page in it,
        and ends when those have. Uploaded again, it is unpacked again, and what has not changed makes no work.
        """
        outcomes = await receive(request, runtime)
        fresh = any(outcome.outcome != "unchanged" for outcome in outcomes)
        headers = {"Location": f"/v1/jobs/{outcomes[0].job.id}"} if len(outcomes) == 1 else {}
        accepted = UploadAccepted([JobOut.of(outcome.job) for outcome in outcomes])
        return Response(accepted, status_code=202 if fresh else 200, headers=headers)

    @get(sync_to_thread=True, responses=problem_specs(400, 503))
    def list_documents(
        self,
        runtime: NamedDependency[Runtime],
        collection: FromQuery[str | None] = None,
        source: FromQuery[str | None] = None,
        status: FromQuery[DocumentStatus | None] = None,
        container_id: FromQuery[str | None] = None,
        warned: FromQuery[bool | None] = None,
        limit: Limit = 50,
        cursor: FromQuery[str | None] = None,
    ) -> DocumentList:
        """Documents, the newest first.

        `container_id`: those taken out of this one. `warned`: those whose report has warnings.
        """
        if collection is not None:
            checked_collection(collection)
        documents, next_cursor = runtime.catalog.list_documents(
            collection=collection,
            source=source,
            status=status,
            container_id=container_id,
            warned=warned,
            limit=limit,
            cursor=cursor,
        )
        return DocumentList([DocumentOut.of(document) for document in documents], next_cursor)

    @get("/{document_id:str}", sync_to_thread=True, responses=problem_specs(400, 404, 503))
    def get_document(self, runtime: NamedDependency[Runtime], document_id: FromPath[str]) -> DocumentOut:
        """One document, with its ingest report."""
        return DocumentOut.of(runtime.catalog.get_document(document_id))

    @patch("/{document_id:str}", sync_to_thread=True, responses=problem_specs(400, 404, 409, 413, 503))
    def patch_document(
        self, runtime: NamedDependency[Runtime], document_id: FromPath[str], data: JSONBody[DocumentPatch]
    ) -> DocumentOut:
        """Changes a document's metadata. Nothing is embedded again; filters follow within moments.

        The documents that were taken out of a container keep theirs until it is uploaded again.
        """
        changes = changes_of(data)
        if data.meta:
            collection = runtime.catalog.get_document(document_id).key.collection
            refuse_other_types(data.meta, collection, runtime.catalog.filter_fields(collection))
        document, _ = runtime.catalog.patch_document(document_id, changes)
        return DocumentOut.of(document)

    @delete(
        "/{document_id:str}",
        status_code=202,
        sync_to_thread=True,
        responses=problem_specs(400, 404, 503),
    )
    def delete_document(self, runtime: NamedDependency[Runtime], document_id: FromPath[str]) -> JobOut:
        """Deletes a document, and with a container all that was taken out of it.

        Search forgets them at once; jobs remove their points and files.
        """
        return JobOut.of(runtime.catalog.delete_document(document_id))

    @get(
        "/{document_id:str}/content",
        media_type="application/octet-stream",
        responses=problem_specs(400, 404, 503),
    )
    async def get_content(self, runtime: NamedDependency[Runtime], document_id: FromPath[str]) -> Stream:
        """The original, byte for byte."""
        document = await asyncio.to_thread(runtime.catalog.get_document, document_id)
        if document.status is DocumentStatus.DELETING:
            raise NotFoundError(f"document {document_id} is being deleted; its content is given no more")
        return Stream(
            await runtime.blobs.stream(document.blob),
            media_type="application/octet-stream",
            headers={
                "Content-Length": str(document.size_bytes),
                # Never rendered by the browser under our own origin, whatever the file claims to be.
                "Content-Disposition": f"attachment; filename*=UTF-8''{quote(document.filename, safe='')}",
                "X-Content-Type-Options": "nosniff",
            },
        )

    @get(
        "/{document_id:str}/text",
        media_type="text/plain; charset=utf-8",
        responses=problem_specs(400, 404, 503),
    )
    async def get_text(self, runtime: NamedDependency[Runtime], document_id: FromPath[str]) -> Stream:
        """The normalised text in which every `char_start` and `char_end` counts code points."""
        blob = await asyncio.to_thread(runtime.catalog.text_blob, document_id)
        return Stream(
            await runtime.blobs.stream(blob),
            media_type="text/plain; charset=utf-8",
            headers={"X-Content-Type-Options": "nosniff"},
        )

    @get("/{document_id:str}/units", sync_to_thread=True, responses=problem_specs(400, 404, 503))
    def list_units(
        self,
        runtime: NamedDependency[Runtime],
        document_id: FromPath[str],
        limit: Limit = 50,
        cursor: FromQuery[str | None] = None,
    ) -> UnitList:
        """The units that search sees, in their order."""
        runtime.catalog.get_document(document_id)
        units, next_cursor = runtime.catalog.document_units(document_id, limit=limit, cursor=cursor)
        return UnitList([UnitOut.of(unit) for unit in units], next_cursor)


async def receive(request: Request[Any, Any, Any], runtime: Runtime) -> list[PutOutcome]:
    """Takes an upload in either form, and makes it durable before it returns."""
    kind = request.headers.get("content-type", "").split(";")[0].strip().lower()
    if kind == "application/json":
        return [await _receive_text(request, runtime)]
    return await _receive_form(request, runtime)


async def _receive_text(request: Request[Any, Any, Any], runtime: Runtime) -> PutOutcome:
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_JSON_BYTES:
            raise TooLargeError(
                f"a JSON upload may have {MAX_JSON_BYTES:,} bytes; send a longer text as a file"
            )
    try:
        upload = msgspec.json.decode(body, type=TextUpload)
    except (msgspec.DecodeError, RecursionError) as error:
        raise InvalidRequestError(f"the JSON body cannot be used: {error}") from error
    if not upload.text.strip():
        raise InvalidRequestError("text is empty; give the document's text, or upload a file")
    content = upload.text.encode("utf-8", "replace")
    # Not its title, which the next week's text may have too.
    own_id = f"text-{hashlib.sha256(content).hexdigest()[:16]}"
    key, fields = key_of(upload, own_id), await _fields_of(upload, runtime)
    filename = f"{(upload.external_id or upload.title or own_id)[:200]}.txt"
    sha256 = await asyncio.to_thread(runtime.blobs.put_bytes, content)
    stored = Content(sha256, len(content), "text/plain", filename, upload.split)
    return await asyncio.to_thread(runtime.catalog.put_document, key, fields, stored)


async def _receive_form(request: Request[Any, Any, Any], runtime: Runtime) -> list[PutOutcome]:
    form = await receive_form(
        request.stream(),
        request.headers.get("content-type", ""),
        runtime.upload_dir,
        max_file_bytes=runtime.settings.max_upload_bytes,
    )
    try:
        return await _store(form, runtime)
    finally:
        await asyncio.to_thread(form.discard)


async def _store(form: Form, runtime: Runtime) -> list[PutOutcome]:
    """Checks everything first, so that a bad field leaves no half of an upload behind."""
    if not form.files:
        raise InvalidRequestError("the upload holds no part named 'file'")
    upload = text_upload_of_form(form.fields)
    prune = prune_of_form(form.fields)
    if upload.external_id and len(form.files) > 1:
        raise InvalidRequestError(
            "external_id names one document, but the upload holds several files; send them one by one"
        )
    if empty := [file.filename for file in form.files if file.size_bytes == 0]:
        raise InvalidRequestError(f"{empty[0]} is empty (0 bytes); check the file and upload it again")
    fields = await _fields_of(upload, runtime)
    keys = await asyncio.to_thread(lambda: [_key_of(upload, file) for file in form.files])
    if len(set(keys)) < len(keys):
        raise InvalidRequestError(
            "two files of the upload would be one document, by their name or the id of the page in them; send them one by "
            "one with external_id, or one of them"
        )
    return [
        await asyncio.to_thread(_store_file, runtime, key, fields, file, upload.split, prune=prune)
        for key, file in zip(keys, form.files, strict=True)
    ]


async def _fields_of(upload: TextUpload, runtime: Runtime) -> DocumentFields:
    """The checked fields, the metadata against what the collection declares too."""
    fields = fields_of(upload)
    if fields.meta:
        collection = checked_collection(upload.collection)
        declared = await asyncio.to_thread(runtime.catalog.filter_fields, collection)
        refuse_other_types(fields.meta, collection, declared)
    return fields


def _key_of(upload: TextUpload, file: UploadedFile) -> DocumentKey:
    """A page that Confluence exports by itself is the document that an export of its space brings in under the page's id."""
    with file.path.open("rb") as content:
        page = formats.confluence_page(content.read(formats.HEAD_BYTES), file.filename)
    if page is not None and upload.source == UPLOAD_SOURCE:
        upload = msgspec.structs.replace(upload, source=formats.CONFLUENCE)
    return key_of(upload, page.page_id if page and page.page_id else file.filename)


def _store_file(
    runtime: Runtime,
    key: DocumentKey,
    fields: DocumentFields,
    file: UploadedFile,
    split: Split,
    *,
    prune: bool,
) -> PutOutcome:
    sha256 = runtime.blobs.put_file(file.path)
    content = Content(sha256, file.size_bytes, file.media_type, file.filename, split)
    return runtime.catalog.put_document(key, fields, content, prune=prune)
