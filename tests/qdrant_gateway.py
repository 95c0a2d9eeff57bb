"""Qdrant Edge behind the REST paths of a Qdrant server, so that several processes can share one index in tests.

The engine is the real one; only the HTTP in front of it is ours. Requests are parsed, and answers written, with the
client's own models, so a request that the published API would refuse fails here too. Run as
`python -m tests.qdrant_gateway FOLDER PORT`.
"""

import sys
from pathlib import Path
from typing import Any

import uvicorn
from litestar import Litestar, Request, Response, get, post, put
from litestar import delete as delete_route
from litestar.params import FromPath
from pydantic import TypeAdapter
from qdrant_client import models

from docradar.index.edge import EdgeClient


def reply(result: Any) -> Response[bytes]:
    """The envelope that Qdrant puts around every result."""
    body = TypeAdapter(Any).dump_json({"result": result, "status": "ok", "time": 0.0}, exclude_none=True)
    return Response(body, media_type="application/json", status_code=200)


def selected(request: models.FilterSelector | models.PointIdsList) -> Any:
    return request.filter if isinstance(request, models.FilterSelector) else request.points


def create_gateway(folder: Path) -> Litestar:
    client = EdgeClient(folder)

    @get("/collections/{name:str}/exists")
    async def exists(name: FromPath[str]) -> Response[bytes]:
        return reply({"exists": await client.collection_exists(name)})

    @get("/collections/{name:str}")
    async def info(name: FromPath[str]) -> Response[bytes]:
        found = await client.get_collection(name)
        vectors = models.VectorParams(size=1, distance=models.Distance.COSINE)
        config = models.CollectionConfig(
            params=models.CollectionParams(vectors=vectors),
            hnsw_config=models.HnswConfig(m=16, ef_construct=100, full_scan_threshold=10_000),
            optimizer_config=models.OptimizersConfig(
                deleted_threshold=0.2,
                vacuum_min_vector_number=1000,
                default_segment_number=0,
                flush_interval_sec=5,
            ),
            metadata=found.config.metadata,
        )
        return reply(
            models.CollectionInfo(
                status=models.CollectionStatus.GREEN,
                optimizer_status=models.OptimizersStatusOneOf.OK,
                points_count=found.points_count,
                indexed_vectors_count=found.indexed_vectors_count,
                segments_count=found.segments_count,
                config=config,
                payload_schema=found.payload_schema,
            )
        )

    @put("/collections/{name:str}")
    async def create(name: FromPath[str], request: Request[Any, Any, Any]) -> Response[bytes]:
        body = models.CreateCollection.model_validate_json(await request.body())
        if not await client.collection_exists(name):
            await client.create_collection(
                name,
                body.vectors,  # type: ignore[arg-type]
                body.sparse_vectors,  # type: ignore[arg-type]
                metadata=body.metadata or {},
            )
        return reply(True)

    @put("/collections/{name:str}/index")
    async def create_index(name: FromPath[str], request: Request[Any, Any, Any]) -> Response[bytes]:
        body = models.CreateFieldIndex.model_validate_json(await request.body())
        assert body.field_schema is not None
        return reply(await client.create_payload_index(name, body.field_name, body.field_schema))  # type: ignore[arg-type]

    @delete_route("/collections/{name:str}/index/{field:str}", status_code=200)
    async def delete_index(name: FromPath[str], field: FromPath[str]) -> Response[bytes]:
        return reply(await client.delete_payload_index(name, field))

    @put("/collections/{name:str}/points")
    async def upsert(name: FromPath[str], request: Request[Any, Any, Any]) -> Response[bytes]:
        body = models.PointsList.model_validate_json(await request.body())
        return reply(await client.upsert(name, body.points))

    @post("/collections/{name:str}/points")
    async def retrieve(name: FromPath[str], request: Request[Any, Any, Any]) -> Response[bytes]:
        body = models.PointRequest.model_validate_json(await request.body())
        return reply(await client.retrieve(name, body.ids, with_payload=bool(body.with_payload)))

    @post("/collections/{name:str}/points/query/batch")
    async def query(name: FromPath[str], request: Request[Any, Any, Any]) -> Response[bytes]:
        body = models.QueryRequestBatch.model_validate_json(await request.body())
        for search in body.searches:
            if isinstance(search.query, models.NearestQuery):
                search.query = search.query.nearest
        return reply(await client.query_batch_points(name, body.searches))

    @post("/collections/{name:str}/points/scroll")
    async def scroll(name: FromPath[str], request: Request[Any, Any, Any]) -> Response[bytes]:
        body = models.ScrollRequest.model_validate_json(await request.body())
        records, following = await client.scroll(
            name, body.filter, body.limit or 10, offset=body.offset, with_payload=bool(body.with_payload)
        )
        return reply(models.ScrollResult(points=records, next_page_offset=following))

    @post("/collections/{name:str}/points/count")
    async def count(name: FromPath[str], request: Request[Any, Any, Any]) -> Response[bytes]:
        body = models.CountRequest.model_validate_json(await request.body())
        return reply(await client.count(name, body.filter))

    @post("/collections/{name:str}/facet")
    async def facet(name: FromPath[str], request: Request[Any, Any, Any]) -> Response[bytes]:
        body = models.FacetRequest.model_validate_json(await request.body())
        return reply(
            await client.facet(name, body.key, body.filter, body.limit or 10, exact=bool(body.exact))
        )

    @post("/collections/{name:str}/points/payload")
    async def set_payload(name: FromPath[str], request: Request[Any, Any, Any]) -> Response[bytes]:
        body = models.SetPayload.model_validate_json(await request.body())
        return reply(await client.set_payload(name, body.payload, body.filter or body.points))  # type: ignore[arg-type]

    @post("/collections/{name:str}/points/payload/delete")
    async def delete_payload(name: FromPath[str], request: Request[Any, Any, Any]) -> Response[bytes]:
        body = models.DeletePayload.model_validate_json(await request.body())
        return reply(await client.delete_payload(name, body.keys, body.filter or body.points))  # type: ignore[arg-type]

    @post("/collections/{name:str}/points/delete")
    async def delete(name: FromPath[str], request: Request[Any, Any, Any]) -> Response[bytes]:
        adapter = TypeAdapter[models.FilterSelector | models.PointIdsList](
            models.FilterSelector | models.PointIdsList
        )
        return reply(await client.delete(name, selected(adapter.validate_json(await request.body()))))

    async def close() -> None:
        await client.close()

    return Litestar(
        [
            exists,
            info,
            create,
            create_index,
            delete_index,
            upsert,
            retrieve,
            query,
            scroll,
            count,
            facet,
            set_payload,
            delete_payload,
            delete,
        ],
        on_shutdown=[close],
        openapi_config=None,
        request_max_body_size=None,
    )


if __name__ == "__main__":
    uvicorn.run(create_gateway(Path(sys.argv[1])), port=int(sys.argv[2]), log_level="warning")
