"""Searches that are asked for at the same moment share one request."""

import asyncio
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Final, TypeAlias

from docradar.index.client import PointsClient

if TYPE_CHECKING:
    from qdrant_client import models

MAX_REQUESTS: Final = 32
MAX_POINTS: Final = 4_000
"""Points that the requests sent together may ask for: Edge stops the process for as long as it answers them."""


Waiting: TypeAlias = "tuple[models.QueryRequest, asyncio.Future[list[models.ScoredPoint]]]"


class QueryBatcher:
    """Sends the queries of one turn of the event loop together.

    Edge reads its vectors once for all of them: eight queries over 50,000 units take a bit more than two take alone. A
    server saves round trips. A query that comes alone waits for nobody, and fails for nobody: where the request for
    several fails, each is asked again by itself.
    """

    def __init__(self, client: PointsClient, collection_name: str) -> None:
        self._client = client
        self._collection_name = collection_name
        self._waiting: list[Waiting] = []
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
        for batch in _within_bounds(waiting):
            task = asyncio.ensure_future(self._answer(batch))
            self._sending.add(task)
            task.add_done_callback(self._sending.discard)

    async def _answer(self, batch: "list[Waiting]") -> None:
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


def _within_bounds(waiting: "Sequence[Waiting]") -> "Iterator[list[Waiting]]":
    """Batches in order; one that alone asks for more than the bound goes alone."""
    batch: list[Waiting] = []
    points = 0
    for one in waiting:
        wanted = one[0].limit or 0
        if batch and (len(batch) == MAX_REQUESTS or points + wanted > MAX_POINTS):
            yield batch
            batch, points = [], 0
        batch.append(one)
        points += wanted
    if batch:
        yield batch
