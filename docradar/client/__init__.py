"""A client of docradar's HTTP API, light enough to import anywhere.

client = Client("http://localhost:8000")
client.add("prd.pdf", source="prd")
for hit in client.search("how long do refunds take"):
    print(hit.score, hit.text)
"""

from docradar.client.asynchronous import AsyncClient
from docradar.client.errors import (
    ConflictError,
    ConnectionFailedError,
    DocradarApiError,
    DuplicateDocumentError,
    EngineFailedError,
    IngestFailedError,
    InvalidRequestError,
    InvalidUrlError,
    NotFoundError,
    TooLargeError,
    UnauthorizedError,
    UnavailableError,
    UnexpectedAnswerError,
    WaitTimeoutError,
)
from docradar.client.options import DocumentChanges, Query, SearchOptions, TextFields, UploadFields
from docradar.client.results import Facet, Group, RerankResponse, Result, SearchResponse
from docradar.client.sync import Client
from docradar.client.types import Collection, Document, Job, Readiness, Report, Unit

__all__ = [
    "AsyncClient",
    "Client",
    "Collection",
    "ConflictError",
    "ConnectionFailedError",
    "DocradarApiError",
    "Document",
    "DocumentChanges",
    "DuplicateDocumentError",
    "EngineFailedError",
    "Facet",
    "Group",
    "IngestFailedError",
    "InvalidRequestError",
    "InvalidUrlError",
    "Job",
    "NotFoundError",
    "Query",
    "Readiness",
    "Report",
    "RerankResponse",
    "Result",
    "SearchOptions",
    "SearchResponse",
    "TextFields",
    "TooLargeError",
    "UnauthorizedError",
    "UnavailableError",
    "UnexpectedAnswerError",
    "Unit",
    "UploadFields",
    "WaitTimeoutError",
]
