"""End-to-end ingest against the bare embedder on the same texts in the same run."""

import asyncio
import tempfile
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from statistics import median

from bench.figures import Figure
from bench.served import served
from bench.texts import markdown, pdf, plain_text, sentences
from docradar.documents import Passage
from docradar.embedding.choice import load_embedder
from docradar.embedding.protocol import Embedder
from docradar.settings import Settings
from ingest.sandbox import PrepareRequest, ReadLimits, Sandbox

UNITS = 2000
ROUNDS = 3


def run() -> Iterator[Figure]:
    with tempfile.TemporaryDirectory() as folder:
        data_dir = Path(folder) / "data"
        embedder = load_embedder(Settings(data_dir=data_dir), lambda _stage: None)
        rounds = [_round(data_dir, Path(folder), embedder, number) for number in range(ROUNDS)]
    for kind in rounds[0]:
        whole = median(measured[kind][0] for measured in rounds)
        bare = median(measured[kind][1] for measured in rounds)
        ratio = median(measured[kind][0] / measured[kind][1] for measured in rounds)
        yield Figure(f"{kind}: end to end", whole, "units/s")
        yield Figure(f"{kind}: bare embedder", bare, "units/s")
        yield Figure(f"{kind}: end to end / bare embedder", ratio, "", "≥ 0.85")


def _round(data_dir: Path, folder: Path, embedder: Embedder, number: int) -> dict[str, tuple[float, float]]:
    """Kind → units/s end to end, and of the bare embedder."""
    lines = sentences(UNITS, seed=number)
    latin = [line for line in sentences(3 * UNITS, seed=number) if line.isascii()][:UNITS]
    files = {
        "text": ("text.txt", plain_text(lines).encode()),
        "Markdown": ("text.md", markdown(lines).encode()),
        "PDF": ("text.pdf", pdf([" ".join(latin[i : i + 10]) for i in range(0, len(latin), 10)])),
    }
    measured: dict[str, tuple[float, float]] = {}
    for kind, (name, content) in files.items():
        path = folder / name
        path.write_bytes(content)
        passages, units = _passages(path, folder)
        started = time.perf_counter()
        embedder.embed_passages(passages)
        bare = units / (time.perf_counter() - started)
        measured[kind] = (0.0, bare)
    with served(data_dir) as service:
        service.seconds_until("/health/ready")
        service.wait(service.put(plain_text(sentences(200, seed=99)), external_id=f"warm-up {number}")["id"])
        for kind, (name, content) in files.items():
            started = time.perf_counter()
            response = service.client.post(
                "/v1/documents", files={"file": (name, content)}, data={"external_id": f"{number}-{name}"}
            )
            job = service.wait(response.json()["jobs"][0]["id"])
            measured[kind] = (job["total"] / (time.perf_counter() - started), measured[kind][1])
    return measured


def _passages(path: Path, folder: Path) -> tuple[list[Passage], int]:
    return asyncio.run(_prepare(path, folder))


async def _prepare(path: Path, folder: Path) -> tuple[list[Passage], int]:
    """The passages that the service makes of a file, and how many units they hold."""
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        request = PrepareRequest(
            path=path,
            filename=path.name,
            document_id=str(uuid.uuid4()),
            scratch_dir=Path(scratch),
            limits=ReadLimits(),
        )
        async with Sandbox() as sandbox:
            prepared = await sandbox.prepare(request)
        return [entry.passage for entry in prepared.passages()], prepared.units
