"""Points and indexes for the tests of docradar.index."""

import os
import random
import uuid
import warnings
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
from qdrant_client import AsyncQdrantClient

from docradar.documents import Generation, Kind
from docradar.filters import FieldType
from docradar.index import DocumentPayload, UnitIndex, UnitPayload, UnitPoint
from docradar.index.client import PointsClient
from docradar.index.edge import EdgeClient
from docradar.keywords import document_keywords

DIM = 16
GENERATION = Generation("f" * 64, "test-model", DIM, "docradar-test")
SERVER_URL = os.environ.get("DOCRADAR_TEST_QDRANT_URL", "")
BACKENDS = ["edge", "memory", *(["server"] if SERVER_URL else [])]

START = datetime(2026, 1, 1, tzinfo=UTC)
SOURCES = ("confluence", "faq", "prd", "runbook")
LANGUAGES = ("en", "zh", "ja", None)
TAGS = ("billing", "login", "支付", "mobile")
META_FIELDS = {
    "meta.team": FieldType.KEYWORD,
    "meta.priority": FieldType.INTEGER,
    "meta.ratio": FieldType.NUMBER,
    "meta.urgent": FieldType.BOOLEAN,
    "meta.due": FieldType.DATETIME,
}
META_VALUES: dict[str, tuple[Any, ...]] = {
    "team": ("search", ["search", "支付"], []),
    "priority": (-1, 0, 1, 7),
    "ratio": (-0.5, 0, 0.1, 2),
    "urgent": (True, False),
    "due": ("2026-01-31", "2026-01-31T09:30:00Z", "2026-02-01T00:30:00+01:00"),
}
WORDS = (
    "refund",
    "timeout",
    "支付",
    "超时",
    "ERR_4012",
    "iPhone15",
    "1234",
    "login",
    "退款",
    "invoice",
    "v1.2.3",
)


def random_points(count: int, seed: int = 7) -> list[UnitPoint]:
    """Points over 20 documents, whose payload takes every kind of value, absent ones included."""
    chosen, rng = random.Random(seed), np.random.default_rng(seed)
    documents = [_document(number, chosen) for number in range(20)]
    return [
        make_point(
            documents[chosen.randrange(20)],
            number,
            vector=rng.standard_normal(DIM),
            text=" ".join(chosen.choices(WORDS, k=chosen.randint(1, 8))),
            page=chosen.choice((None, *range(1, 30))),
            kind=chosen.choice(list(Kind)),
        )
        for number in range(count)
    ]


def _document(number: int, chosen: random.Random) -> DocumentPayload:
    return make_document(
        number,
        collection=chosen.choice(("default", "team")),
        source=chosen.choice(SOURCES),
        language=chosen.choice(LANGUAGES),
        author=chosen.choice(("Ann", "李雷", None)),
        tags=tuple(chosen.sample(TAGS, k=chosen.randint(0, 3))),
        updated_at=START + timedelta(hours=chosen.randrange(2000), microseconds=chosen.randrange(10**6)),
        meta={key: chosen.choice(values) for key, values in META_VALUES.items() if chosen.random() < 0.8},
    )


def make_document(number: int = 1, **changes: Any) -> DocumentPayload:
    fields: dict[str, Any] = {
        "collection": "default",
        "source": "faq",
        "document_id": str(uuid.UUID(int=number)),
        "external_id": f"file-{number}.md",
        "title": f"File {number}",
        "media_type": "text/markdown",
        "created_at": START,
        "updated_at": START,
        "stored_at": START,
    }
    return DocumentPayload(**(fields | changes))


def make_point(
    document: DocumentPayload,
    number: int,
    *,
    vector: Any = None,
    text: str = "refund timeout",
    page: int | None = None,
    kind: str = Kind.PARAGRAPH,
) -> UnitPoint:
    values = np.asarray(np.arange(DIM) + number if vector is None else vector, dtype=np.float32)
    return UnitPoint(
        str(uuid.UUID(int=1_000_000 + number)),
        values / np.linalg.norm(values),
        document_keywords(text),
        UnitPayload(document, text=text, kind=kind, page=page, heading_path=("Guide", "Payments")),
    )


@asynccontextmanager
async def opened_client(backend: str, folder: Path) -> AsyncIterator[PointsClient]:
    match backend:
        case "edge":
            client: Any = EdgeClient(folder)
        case "memory":
            client = AsyncQdrantClient(":memory:")
        case _:
            client = AsyncQdrantClient(url=SERVER_URL, prefer_grpc=True)
            await client.delete_collection(GENERATION.name)
    try:
        yield client
    finally:
        await client.close()


async def opened_index(client: PointsClient, generation: Generation = GENERATION) -> UnitIndex:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Payload indexes have no effect in the local Qdrant")
        return await UnitIndex.open(client, generation)
