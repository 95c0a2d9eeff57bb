"""How soon a service answers after its start."""

import tempfile
from collections.abc import Iterator
from pathlib import Path
from statistics import median

from bench.figures import Figure
from bench.served import served


def run() -> Iterator[Figure]:
    """First start ever (unpacking the model), then starts as on any other day."""
    with tempfile.TemporaryDirectory() as folder:
        data_dir = Path(folder) / "data"
        first_live, first_answer = _start(data_dir)
        later = [_start(data_dir) for _ in range(3)]
    yield Figure("first start ever: HTTP answers", first_live, "s", "≤ 2")
    yield Figure("first start ever: first search answered", first_answer, "s", "≤ 40")
    yield Figure("later start: HTTP answers", median(live for live, _ in later), "s", "≤ 2")
    yield Figure("later start: first search answered", median(answer for _, answer in later), "s", "≤ 12")


def _start(data_dir: Path) -> tuple[float, float]:
    with served(data_dir) as service:
        live = service.seconds_until("/health/live")
        service.seconds_until("/health/ready")
        service.search("anything at all")
        return live, service.seconds_until("/health/live")
