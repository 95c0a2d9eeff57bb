"""Measures, on the documents that are there, from which cosine on a hit is strong, and has search use it."""

import asyncio
import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import Final

import numpy as np

from docradar.calibration import CosineCalibration, calibrate
from docradar.catalog import Catalog
from docradar.embedding.protocol import Vectors
from docradar.engine import Engine, ReadyEngine
from docradar.errors import ConflictError

SAMPLED_UNITS: Final = 2_000
QUERIES_AT_ONCE: Final = 16
"""Searches wait behind so many queries at most."""


async def recalibrate(engine: Engine, catalog: Catalog) -> CosineCalibration:
    """The calibration of the model in use, which the catalog keeps and search uses from now on.

    The setting `strong_score`, where it is set, goes before it.

    Raises:
        ConflictError: Another calibration is running in this process.
        InvalidRequestError: There are too few units.
        UnavailableError: The engine is loading, or the index or the catalog is away.
    """
    ready = engine.require()
    if engine.calibrating.locked():
        raise ConflictError(
            "a calibration is running; ask for its result with GET /v1/calibration in a moment"
        )
    async with engine.calibrating:
        measured = await _measured(ready, catalog)
        report = json.dumps(asdict(measured))
        await asyncio.to_thread(
            catalog.save_calibration, ready.index.generation.fingerprint, measured.strong_score, report
        )
        await engine.refresh_strong_score()
    return measured


async def _measured(ready: ReadyEngine, catalog: Catalog) -> CosineCalibration:
    sample = await asyncio.to_thread(catalog.sample_units, SAMPLED_UNITS)
    vectors = await ready.index.vectors([unit.id for unit, _ in sample])
    # A unit that was written a moment ago may not be in the index yet.
    indexed = [(unit, document_id) for unit, document_id in sample if unit.id in vectors]
    stored = np.array([vectors[unit.id] for unit, _ in indexed], np.float32)
    loop = asyncio.get_running_loop()

    def embed(texts: Sequence[str]) -> Vectors:
        return asyncio.run_coroutine_threadsafe(_embedded(ready, texts), loop).result()

    texts, document_ids = [unit.text for unit, _ in indexed], [document_id for _, document_id in indexed]
    return await asyncio.to_thread(calibrate, texts, document_ids, stored, embed)


async def _embedded(ready: ReadyEngine, texts: Sequence[str]) -> Vectors:
    rows: list[Vectors] = []
    for first in range(0, len(texts), QUERIES_AT_ONCE):
        asked = [(text, None) for text in texts[first : first + QUERIES_AT_ONCE]]
        rows += await ready.scheduler.embed_queries(asked)
    return np.array(rows, np.float32)
