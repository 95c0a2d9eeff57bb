"""A real docradar process whose embedder is the fake: `python -m tests.fake_process serve|worker`.

Settings come from DOCRADAR_* as usual. Of the tests' own variables, `DOCRADAR_TEST_EMBED_SECONDS` is how long a passage
takes, `DOCRADAR_TEST_EMBEDDED` a file that gets a line for every unit embedded, `DOCRADAR_TEST_LOAD_SECONDS` how long the
model takes to load, `DOCRADAR_TEST_LOAD_ERROR` why it cannot be, and `DOCRADAR_TEST_FILE_BYTES` the size no file may exceed.
"""

import asyncio
import os
import resource
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from docradar import failpoints
from docradar.documents import Passage
from docradar.embedding.protocol import Embedder, Vectors
from docradar.errors import ConfigurationError, DocradarError
from docradar.settings import Settings, load_settings
from ingest import pipeline
from service.logs import configure_logging
from service.server import serve_http, work
from tests.fakes import FakeEmbedder


class SlowEmbedder(FakeEmbedder):
    """Takes a while for each passage, so that there is a middle to be killed in, and keeps a list."""

    def embed_passages(self, passages: Sequence[Passage]) -> list[Vectors]:
        time.sleep(float(os.environ.get("DOCRADAR_TEST_EMBED_SECONDS", "0")) * len(passages))
        if path := os.environ.get("DOCRADAR_TEST_EMBEDDED"):
            units = [p.text[start:end].replace("\n", " ") for p in passages for start, end in p.spans]
            with Path(path).open("a", encoding="utf-8") as file:
                file.write("".join(f"{unit}\n" for unit in units))
        return super().embed_passages(passages)


def load(_settings: Settings, _say: Callable[[str], None]) -> Embedder:
    time.sleep(float(os.environ.get("DOCRADAR_TEST_LOAD_SECONDS", "0")))
    if error := os.environ.get("DOCRADAR_TEST_LOAD_ERROR"):
        raise ConfigurationError(error)
    return SlowEmbedder()


def main() -> None:
    # Small groups, so that a job of a few hundred units has a middle to be killed in.
    pipeline.UNITS_PER_GROUP = 64  # type: ignore[misc]
    failpoints.arm(os.environ)
    if size_bytes := os.environ.get("DOCRADAR_TEST_FILE_BYTES"):
        resource.setrlimit(resource.RLIMIT_FSIZE, (int(size_bytes), int(size_bytes)))
    settings = load_settings()
    configure_logging(settings)
    run = {"serve": serve_http, "worker": work}[sys.argv[1]]
    try:
        asyncio.run(run(settings, load))
    except DocradarError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
