"""Qdrant as a server: what its failures become, and that both of its protocols carry our requests."""

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from httpx import Headers
from index_fixtures import GENERATION, make_document, make_point, opened_client, opened_index
from qdrant_client import AsyncQdrantClient, grpc, models
from qdrant_client.conversions.conversion import GrpcToRest, RestToGrpc
from qdrant_client.http.exceptions import UnexpectedResponse

from docradar.errors import ConfigurationError, UnavailableError
from docradar.filters import AnyOf
from docradar.index import UnitIndex, open_client, wire
from docradar.keywords import query_keywords
from docradar.settings import Settings


@asynccontextmanager
async def answering(response: bytes | None) -> AsyncIterator[str]:
    """URL of a server that answers every request with these bytes; None never answers."""

    answers: list[asyncio.Task[None]] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        answers.append(task)
        await reader.readuntil(b"\r\n\r\n")
        if response is None:
            await reader.read()  # until the client gives up
        else:
            writer.write(response)
        writer.close()
        await writer.wait_closed()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
        await asyncio.gather(*answers)


def http(status: str, *headers: str) -> bytes:
    lines = [f"HTTP/1.1 {status}", "content-length: 2", "content-type: application/json", "connection: close"]
    return "\r\n".join([*lines, *headers, "", "ok"]).encode()


def settings(url: str, folder: Path, **changes: Any) -> Settings:
    return Settings(data_dir=folder, qdrant_url=url, qdrant_prefer_grpc=False, **changes)


@asynccontextmanager
async def index_at(options: Settings) -> AsyncIterator[UnitIndex]:
    client = open_client(options)
    try:
        yield UnitIndex(client, GENERATION)
    finally:
        await client.close()


@pytest.mark.parametrize(
    ("response", "error", "message"),
    [
        (http("500 Internal Server Error"), UnavailableError, "Qdrant server failed: .*500"),
        (http("404 Not Found"), UnavailableError, "Qdrant server failed: .*404"),
        (
            http("401 Unauthorized"),
            ConfigurationError,
            "refuses the API key; check the setting qdrant_api_key",
        ),
        (http("200 OK"), UnavailableError, "does not answer"),
        (b"", UnavailableError, "does not answer .*; check that it runs, and the setting qdrant_url"),
        (None, UnavailableError, "does not answer"),
    ],
)
async def test_failures_over_rest(
    response: bytes | None, error: type[Exception], message: str, tmp_path: Path
) -> None:
    async with (
        answering(response) as url,
        index_at(settings(url, tmp_path, qdrant_timeout_seconds=1)) as index,
    ):
        with pytest.raises(error, match=f"(?s){message}"):
            await index.count()


async def test_an_overloaded_server_says_when_to_come_back(tmp_path: Path) -> None:
    overloaded = http("429 Too Many Requests", "retry-after: 7")
    async with answering(overloaded) as url, index_at(settings(url, tmp_path)) as index:
        with pytest.raises(UnavailableError, match="overloaded") as caught:
            await index.count()
    assert caught.value.retry_after_seconds == 7


@pytest.mark.parametrize("prefer_grpc", [False, True])
async def test_a_server_that_is_not_there(prefer_grpc: bool, tmp_path: Path) -> None:
    with socket.socket() as unused:  # bound, and never listening
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
        options = Settings(
            data_dir=tmp_path,
            qdrant_url=f"http://127.0.0.1:{port}",
            qdrant_prefer_grpc=prefer_grpc,
            qdrant_grpc_port=port,
            qdrant_timeout_seconds=3,
        )
        async with index_at(options) as index:
            with pytest.raises(UnavailableError, match="does not answer"):
                await index.count()


class RecordingClient:
    """Passes every call on to the client's local mode, and remembers its arguments."""

    def __init__(self, inner: Any) -> None:
        self._inner = inner
        self.calls: list[tuple[str, dict[str, Any]]] = []

    def __getattr__(self, name: str) -> Callable[..., Awaitable[Any]]:
        async def call(collection_name: str, *arguments: Any, **named: Any) -> Any:
            self.calls.append((name, named))
            return await getattr(self._inner, name)(collection_name, *arguments, **named)

        return call


async def test_both_protocols_carry_every_request(tmp_path: Path) -> None:
    async with opened_client("memory", tmp_path) as inner:
        recording: Any = RecordingClient(inner)
        index = await opened_index(recording)
        await every_request(index)
    made = {name for name, _ in recording.calls}
    assert made >= {
        "create_collection",
        "create_payload_index",
        "upsert",
        "query_batch_points",
        "scroll",
        "retrieve",
    }
    assert made >= {"count", "facet", "set_payload", "delete"}
    for _, arguments in recording.calls:
        for value in arguments.values():
            for part in _parts(value):
                assert_carried(part)


class OvertakenClient(RecordingClient):
    """Another process creates each collection just before this client does."""

    async def create_collection(self, collection_name: str, **named: Any) -> None:
        await self._inner.create_collection(collection_name, **named)
        raise UnexpectedResponse(409, "Conflict", b"already exists", Headers())


async def test_two_processes_may_create_the_index_at_once(tmp_path: Path) -> None:
    async with opened_client("memory", tmp_path) as inner:
        overtaken: Any = OvertakenClient(inner)
        index = await opened_index(overtaken)
        assert await index.count() == 0


async def every_request(index: UnitIndex) -> None:
    document = make_document(1, tags=("a", "支付"), meta={"team": "x", "year": 2026, "open": True})
    points = [make_point(document, number, page=number + 1) for number in range(3)]
    expression, words = AnyOf("page", (1, 2)), query_keywords("refund 支付")
    await index.upsert(points)
    await index.search(points[0].vector, filter=expression, limit=3, score_threshold=0.2)
    await index.search_keywords(words, filter=AnyOf("tags", ("a",)), limit=3)
    await index.search_hybrid(points[0].vector, words, filter=expression, limit=3, score_threshold=0.2)
    await index.vectors([points[0].id])
    await index.count(expression)
    await index.facet("tags", expression)
    await index.existing([points[0].id])
    await index.document_unit_ids(document.document_id)
    await index.set_document_payload(document.document_id, document)
    await index.set_unit_payload([points[0].id], kind="code", page=None, heading_path=("A",))
    await index.delete([points[0].id])
    await index.delete_document(document.document_id)


def _parts(value: Any) -> list[Any]:
    values = (
        list(value.values()) if isinstance(value, dict) else value if isinstance(value, list) else [value]
    )
    return [part for part in values if type(part).__module__.startswith("qdrant_client")]


def assert_carried(part: Any) -> None:
    """REST: the JSON holds everything and reads back as the same. gRPC: the message and the model convert into each other."""
    if isinstance(part, models.PayloadSchemaType):
        assert RestToGrpc.convert_payload_schema_type(part) is not None
        return
    document = _as_sent_over_rest(part)
    assert _as_sent_over_rest(type(part).model_validate_json(document)) == document == _whole(part)
    match part:
        case models.Filter():
            message = RestToGrpc.convert_filter(part)
            assert RestToGrpc.convert_filter(GrpcToRest.convert_filter(message)) == message
        case models.PointStruct():
            message = RestToGrpc.convert_point_struct(part)
            assert GrpcToRest.convert_payload(message.payload) == part.payload
            assert set(message.vectors.vectors.vectors) == {wire.DENSE, wire.KEYWORDS}
        case models.QueryRequest():
            message = RestToGrpc.convert_query_request(part, "units")
            assert (message.limit, message.using) == (part.limit, part.using or "")
            assert message.HasField("filter") == (part.filter is not None)
            assert message.HasField("score_threshold") == (part.score_threshold is not None)
            assert len(message.prefetch) == len(part.prefetch or [])
        case models.Prefetch():
            assert RestToGrpc.convert_prefetch_query(part).using == part.using
        case models.SparseVector():
            assert list(RestToGrpc.convert_sparse_vector(part).indices) == part.indices
        case models.VectorParams():
            assert GrpcToRest.convert_vector_params(RestToGrpc.convert_vector_params(part)) == part
        case models.SparseVectorParams():
            message = RestToGrpc.convert_sparse_vector_params(part)
            assert GrpcToRest.convert_sparse_vector_params(message).modifier == part.modifier
        case models.KeywordIndexParams():
            assert RestToGrpc.convert_payload_schema_params(part).keyword_index_params.is_tenant is True
        case _:
            raise AssertionError(f"no check for {type(part).__name__}")


def _as_sent_over_rest(part: Any) -> str:
    """As the client does it: without nulls, those inside a payload too, which is why a null clears no field."""
    return str(part.model_dump_json(exclude_unset=True, exclude_none=True))


def _whole(part: Any) -> str:
    return str(part.model_dump_json(exclude_unset=True))


def test_the_generation_survives_grpc() -> None:
    message = grpc.CreateCollection(metadata=RestToGrpc.convert_payload(wire.metadata(GENERATION)))
    assert GrpcToRest.convert_payload(message.metadata) == wire.metadata(GENERATION)


def test_a_server_is_chosen_by_its_url(tmp_path: Path) -> None:
    client = open_client(settings("http://127.0.0.1:1", tmp_path))
    assert isinstance(client, AsyncQdrantClient)
