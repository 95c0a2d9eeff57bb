"""The threshold past which a hit is strong, and what it comes from."""

import asyncio
from typing import Final

from litestar import Controller, get, post
from litestar.di import NamedDependency

from docradar.recalibration import recalibrate
from service.problems import problem_spec, problem_specs
from service.runtime import Runtime
from service.schemas import CalibrationOut

_LOADING: Final = {503: problem_spec("The model is loading; `Retry-After` says when to come back.")}


class CalibrationController(Controller):
    """Models differ in what a high cosine is; a calibration finds out what it is among one's own documents."""

    path = "/v1/calibration"
    tags = ("search",)

    @get(responses=_LOADING)
    async def get_calibration(self, runtime: NamedDependency[Runtime]) -> CalibrationOut:
        """The threshold in use, where it comes from, and what the last calibration measured."""
        return await _current(runtime)

    @post(status_code=200, responses=problem_specs(400, 409) | _LOADING)
    async def calibrate(self, runtime: NamedDependency[Runtime]) -> CalibrationOut:
        """Measures the threshold on the documents that are there, and uses it from now on, unless a setting says otherwise.

        Takes some seconds. Other replicas of the service use it once they are restarted.
        """
        await recalibrate(runtime.engine, runtime.catalog)
        return await _current(runtime)


async def _current(runtime: Runtime) -> CalibrationOut:
    engine = runtime.engine.require()
    measured = await asyncio.to_thread(runtime.catalog.calibration, engine.index.generation.fingerprint)
    return CalibrationOut.of(engine, measured)
