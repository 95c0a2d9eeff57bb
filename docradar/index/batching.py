"""Searches that are asked for at the same moment share one request."""

import asyncio
from typing import TYPE_CHECKING, Final

from docradar.index.client import PointsClient

if TYPE_CHECKING:
    from qdrant_client import models

MAX_REQUESTS: Final = 32


class QueryBatcher:
    """Sends the queries of one turn of the event loop together.

    Edge reads its vectors once for all of them: eight queries over 50,000 units take a bit more than two take alone. A
    server saves round trips. A query that comes alone waits for nobody, and fails for nobody: where the request for
    several fails, each is asked again by itself.
    """

    def __init__(self, client: PointsClient, collection_name: str) -> None:
        self._client = client
        self._collection_name = collection_name
        self._waiting: list[tuple[models.QueryRequest, asyncio.Future[list[models.ScoredPoint]]]] = []
        self._sending: set[asyncio.Task[None]] = set()

    async def ask(self, *requests: "models.QueryRequest") -> "list[list[models.ScoredPoint]]":
        """The points that answer each request, best first; raises what the client raises."""
        loop = asyncio.get_running_loop()
        if not self._waiting:
            loop.call_soon(self._send)
        futures: list[asyncio.Future[list[models.ScoredPoint]]] = [loop.create_future() for _ in requests]
        self._waiting.extend(zip(requests, futures, strict=True))
        return await asyncio.gather(*futures)

    def _send(self) -> None:
        waiting, self._waiting = self._waiting, []
        for first in range(0, len(waiting), MAX_REQUESTS):
            task = asyncio.ensure_future(self._answer(waiting[first : first + MAX_REQUESTS]))
            self._sending.add(task)
            task.add_done_callback(self._sending.discard)

    async def _answer(
        self, batch: "list[tuple[models.QueryRequest, asyncio.Future[list[models.ScoredPoint]]]]"
    ) -> None:
        try:
            responses = await self._client.query_batch_points(
                self._collection_name, requests=[request for request, _ in batch]
            )
            answered = list(zip(batch, responses, strict=True))
        except Exception as error:  # noqa: BLE001  handed to the callers
            if len(batch) > 1:
                await asyncio.gather(*(self._answer([asked]) for asked in batch))
            elif not batch[0][1].done():
                batch[0][1].set_exception(error)
            return
        for (_, future), response in answered:
            if not future.done():
                future.set_result(response.points)
