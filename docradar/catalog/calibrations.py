"""What was measured of a model on the catalog's own documents."""

from datetime import UTC, datetime
from typing import Final

from sqlalchemy import select

from docradar.catalog.schema import calibrations
from docradar.catalog.sql import NOW, insert_or_replace
from docradar.catalog.store import Store
from docradar.catalog.types import Calibration

_SAVE: Final = insert_or_replace(calibrations, created_at=NOW)


class CalibrationStore(Store):
    """One calibration for each fingerprint, the newest."""

    def save_calibration(self, fingerprint: str, strong_score: float, report: str) -> None:
        """Replaces the calibration of this fingerprint; `report` is JSON."""
        values = {"fingerprint": fingerprint, "strong_score": strong_score, "report": report}
        with self._database.write() as tx:
            tx.execute(_SAVE[tx.dialect.name], values)

    def calibration(self, fingerprint: str) -> Calibration | None:
        """The calibration of this fingerprint, or None where nothing was measured."""
        query = select(calibrations).where(calibrations.c.fingerprint == fingerprint)
        with self._database.read() as connection:
            row = connection.execute(query).one_or_none()
        if row is None:
            return None
        created_at = datetime.fromtimestamp(row.created_at / 1000, UTC)
        return Calibration(row.fingerprint, row.strong_score, row.report, created_at)
