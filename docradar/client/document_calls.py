"""Documents: put, look at, change, delete."""

from collections.abc import Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, Unpack

import msgspec

from docradar.client.errors import IngestFailedError
from docradar.client.exchange import Flow, Request, Upload, path_of
from docradar.client.files import distinct, files_of
from docradar.client.job_calls import JobCalls
from docradar.client.listing import PAGE_SIZE, Listing
from docradar.client.options import DocumentChanges, TextFields, UploadFields, given
from docradar.client.types import Document, DocumentPage, Job, Unit, UnitPage, Uploaded


class DocumentCalls(JobCalls):
    """Putting the same document again changes nothing, so every call may be repeated."""

    def add(
        self,
        path: str | Path,
        *,
        wait: bool = True,
        timeout: float | None = None,
        **fields: Unpack[UploadFields],
    ) -> Flow[Document]:
        """Uploads a file and gives its document, by default once it is searchable.

        Fields: `source`, `collection`, `title`, `tags`, `meta`, `external_id`, `author`, `url`, `language`, `split` ("lines":
        one line, one entry), `prune`.

        Raises:
            IngestFailedError: It was taken and could not be brought in; of a container: nothing in it could.
            WaitTimeoutError: It is not searchable after `timeout` seconds; it will be.
            OSError: The file cannot be opened.
        """
        job = yield from self.upload(path, **fields)
        return (yield from self._brought_in(Path(path).name, job, wait=wait, timeout=timeout))

    def add_text(
        self,
        text: str,
        *,
        wait: bool = True,
        timeout: float | None = None,
        **fields: Unpack[TextFields],
    ) -> Flow[Document]:
        """Like `add`, of a text. Without `external_id` another text is another document."""
        request = Request("POST", path_of("documents"), json={"text": text} | given(fields), repeatable=True)
        uploaded = yield from self._ask(request, Uploaded)
        name = fields.get("external_id") or fields.get("title") or "the text"
        return (yield from self._brought_in(name, uploaded.jobs[0], wait=wait, timeout=timeout))

    def add_many(self, paths: Iterable[str | Path], **fields: Unpack[UploadFields]) -> Flow[list[Job]]:
        """Uploads files, and the files in folders, and gives the job of each, without waiting for any.

        A file in a folder gets its path below the folder as its external id.

        Raises:
            DuplicateDocumentError: Two files would be one document; nothing was uploaded.
        """
        jobs = []
        for file, external_id in distinct(found for path in paths for found in files_of(Path(path))):
            own: UploadFields = {**fields}
            if external_id != file.name:  # a name is left out: what the file is may call for another id
                own["external_id"] = external_id
            jobs.append((yield from self.upload(file, **own)))
        return jobs

    def upload(self, path: str | Path, **fields: Unpack[UploadFields]) -> Flow[Job]:
        """Uploads a file, read while it is sent, and gives its job.

        Raises:
            OSError: The file cannot be opened.
        """
        upload = Upload(Path(path), _form(fields))
        request = Request("POST", path_of("documents"), upload=upload, repeatable=True, patient=True)
        return (yield from self._ask(request, Uploaded)).jobs[0]

    def _brought_in(self, name: str, job: Job, *, wait: bool, timeout: float | None) -> Flow[Document]:
        if wait:
            job = yield from self.wait(job, timeout=timeout)
            if not job.succeeded:
                raise IngestFailedError(f"{name}: {job.error or job.state}", job)
        return (yield from self.document(job.document_id))

    def documents(
        self,
        *,
        collection: str | None = None,
        source: str | None = None,
        status: str | None = None,
        container_id: str | None = None,
        warned: bool | None = None,
        page_size: int = PAGE_SIZE,
    ) -> Listing[Document]:
        """Documents, the newest first. `container_id`: those taken out of this one. `warned`: those with warnings."""
        wanted = {
            "collection": collection,
            "source": source,
            "status": status,
            "container_id": container_id,
            "warned": warned,
            "limit": page_size,
        }
        return Listing(partial(self._page, DocumentPage, path_of("documents"), wanted))

    def document(self, document_id: str) -> Flow[Document]:
        """One document, with the report of how it was read."""
        return self._ask(Request("GET", path_of("documents", document_id)), Document)

    def update(self, document_id: str, **changes: Unpack[DocumentChanges]) -> Flow[Document]:
        """Changes `title`, `author`, `url`, `language`, `tags` or `meta`; filters follow within moments."""
        return self._ask(Request("PATCH", path_of("documents", document_id), json=dict(changes)), Document)

    def delete(self, document_id: str, *, wait: bool = True, timeout: float | None = None) -> Flow[Job]:
        """Deletes a document, and with a container all that was taken out of it. Search forgets them at once.

        The job removes points and files; it is given once it has ended, unless `wait` is false.

        Raises:
            WaitTimeoutError: It has not ended within `timeout` seconds; it goes on.
        """
        job = yield from self._ask(Request("DELETE", path_of("documents", document_id)), Job)
        return (yield from self.wait(job, timeout=timeout)) if wait else job

    def content(self, document_id: str) -> Flow[bytes]:
        """The original, byte for byte."""
        request = Request("GET", path_of("documents", document_id, "content"))
        return (yield from self._success(request)).body

    def text(self, document_id: str) -> Flow[str]:
        """The text in which `char_start` and `char_end` count."""
        request = Request("GET", path_of("documents", document_id, "text"))
        return (yield from self._success(request)).body.decode()

    def units(self, document_id: str, *, page_size: int = PAGE_SIZE) -> Listing[Unit]:
        """A document's sentences, in order, with their places."""
        path = path_of("documents", document_id, "units")
        return Listing(partial(self._page, UnitPage, path, {"limit": page_size}))


def _form(fields: Mapping[str, Any]) -> dict[str, str | list[str]]:
    """The fields as a form has them: text, tags one by one, meta as JSON."""
    form: dict[str, str | list[str]] = {}
    for name, value in given(fields).items():
        match value:
            case bool():
                form[name] = "true" if value else "false"
            case Mapping():
                form[name] = msgspec.json.encode(value).decode()
            case str():
                form[name] = value
            case _:
                form[name] = [str(tag) for tag in value]
    return form
