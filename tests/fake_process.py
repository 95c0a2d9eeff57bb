"""A real docradar process whose embedder is the fake: `python -m tests.fake_process serve|worker`.

Settings come from DOCRADAR_* as usual. `DOCRADAR_TEST_EMBED_SECONDS` is how long a passage takes.
"""

import asyncio
import os
import sys
import time
from collections.abc import Sequence

from docradar import failpoints
from docradar.documents import Passage
from docradar.embedding.protocol import Vectors
from docradar.settings import load_settings
from service.logs import configure_logging
from service.server import serve_http, work
from tests.fakes import FakeEmbedder


class SlowEmbedder(FakeEmbedder):
    """Takes a while for each passage, so that there is a middle to be killed in."""

    def embed_passages(self, passages: Sequence[Passage]) -> list[Vectors]:
        time.sleep(float(os.environ.get("DOCRADAR_TEST_EMBED_SECONDS", "0")) * len(passages))
        return super().embed_passages(passages)


def main() -> None:
    failpoints.arm(os.environ)
    settings = load_settings()
    configure_logging(settings)
    run = {"serve": serve_http, "worker": work}[sys.argv[1]]
    asyncio.run(run(settings, lambda _settings, _say: SlowEmbedder()))


if __name__ == "__main__":
    main()
