"""The seam to Qdrant: the calls of `AsyncQdrantClient` that docradar makes, and how to get something that answers them."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, Protocol

from docradar.settings import Settings

if TYPE_CHECKING:
    from qdrant_client.http import models


UPDATES_PER_FLUSH: Final = 256
"""Updates between two flushes of the embedded index, and so the most that a power cut can take.

After a kill, which takes none, the next start replays the write-ahead log from the last flush on, at some 30,000
points/s. A flush stops the process for 50 to 90 ms.
"""


class PointsClient(Protocol):
    """Named and typed as in `qdrant_client.AsyncQdrantClient`, which satisfies it, as does `EdgeClient`.

    Updates return once they are applied, which is what `wait` is by default.
    """

    async def collection_exists(self, collection_name: str) -> bool: ...

    async def get_collection(self, collection_name: str) -> "models.CollectionInfo": ...

    async def create_collection(
        self,
        collection_name: str,
        vectors_config: "Mapping[str, models.VectorParams]",
        sparse_vectors_config: "Mapping[str, models.SparseVectorParams]",
        *,
        metadata: dict[str, Any],
    ) -> bool: ...

    async def create_payload_index(
        self, collection_name: str, field_name: str, field_schema: Any
    ) -> "models.UpdateResult": ...

    async def delete_payload_index(self, collection_name: str, field_name: str) -> "models.UpdateResult": ...

    async def upsert(
        self, collection_name: str, points: "list[models.PointStruct]"
    ) -> "models.UpdateResult": ...

    async def query_batch_points(
        self, collection_name: str, requests: "Sequence[models.QueryRequest]"
    ) -> "list[models.QueryResponse]": ...

    async def scroll(
        self,
        collection_name: str,
        scroll_filter: "models.Filter | None" = None,
        limit: int = 10,
        *,
        offset: Any = None,
        with_payload: bool = True,
    ) -> "tuple[list[models.Record], Any]": ...

    async def retrieve(
        self,
        collection_name: str,
        ids: Sequence[Any],
        with_payload: bool = True,
        with_vectors: bool | list[str] = False,
    ) -> "list[models.Record]": ...

    async def count(
        self, collection_name: str, count_filter: "models.Filter | None" = None, exact: bool = True
    ) -> "models.CountResult": ...

    async def facet(
        self,
        collection_name: str,
        key: str,
        facet_filter: "models.Filter | None" = None,
        limit: int = 10,
        exact: bool = False,
    ) -> "models.FacetResponse": ...

    async def set_payload(
        self, collection_name: str, payload: dict[str, Any], points: Any
    ) -> "models.UpdateResult": ...

    async def delete_payload(
        self, collection_name: str, keys: Sequence[str], points: Any
    ) -> "models.UpdateResult": ...

    async def delete(self, collection_name: str, points_selector: Any) -> "models.UpdateResult": ...

    async def close(self) -> None: ...


def open_client(settings: Settings) -> PointsClient:
    """A client of the Qdrant server that is set, else Qdrant Edge in the data folder.

    Connects to no server yet.

    Raises:
        DataDirInUseError: Another process has the embedded index open.
    """
    if not settings.qdrant_url:
        from docradar.index.edge import EdgeClient

        return EdgeClient(settings.data_dir / "index")
    from qdrant_client import AsyncQdrantClient

    return AsyncQdrantClient(
        url=settings.qdrant_url,
        api_key=settings.qdrant_api_key or None,
        prefer_grpc=settings.qdrant_prefer_grpc,
        grpc_port=settings.qdrant_grpc_port,
        timeout=settings.qdrant_timeout_seconds,
        check_compatibility=False,  # it would ask the server here, and block
    )
