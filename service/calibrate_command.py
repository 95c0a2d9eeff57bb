"""`docradar calibrate`: from which cosine on is a hit strong, among one's own documents?"""

import json
from collections.abc import Iterator
from typing import Any

import click
import msgspec

from docradar.settings import Settings
from service.connection import connect
from service.schemas import CalibrationOut


async def calibrate(settings: Settings, url: str | None, *, as_json: bool) -> None:
    """Measures, has the service use it, and prints what was measured."""
    async with connect(settings, url) as client:
        await client.wait_until_ready()
        before: Any = await client.request("GET", "/v1/calibration")
        after: Any = await client.request("POST", "/v1/calibration")
    if as_json:
        click.echo(json.dumps(after, indent=2))
    else:
        lines = _lines(msgspec.convert(before, CalibrationOut), msgspec.convert(after, CalibrationOut))
        click.echo("\n".join(lines))


def _lines(before: CalibrationOut, after: CalibrationOut) -> Iterator[str]:
    yield f"model        {after.model}"
    if measured := after.measured:
        yield (
            f"measured     {measured.queries} units as queries, against {measured.units} units "
            f"of {measured.documents} documents"
        )
        yield (
            f"unrelated    a pair's cosine is {measured.unrelated_50:.4f} at the median, "
            f"{measured.unrelated_99:.4f} at the 99th percentile"
        )
        yield (
            f"nearest      the best unit of another document: {measured.nearest_5:.4f} at the 5th percentile, "
            f"{measured.nearest_50:.4f} at the median, {measured.nearest_95:.4f} at the 95th"
        )
    yield f"before       {before.strong_score:.4f}, from the {before.strong_score_from}"
    yield f"strong from  {after.strong_score:.4f}, from the {after.strong_score_from}"
    if after.strong_score_from == "setting":
        yield f"note         the setting strong_score goes before the {after.calibrated_score:.4f} measured; remove it to use that"
