"""Places where the failure tests kill the process, or stop it.

A failpoint does nothing until armed by name. The command line arms those named in `DOCRADAR_TEST_FAILPOINT`
(`name`, or `name:N` for the Nth time it is reached), so that a test can end a real process at an exact step; `name:N:stop` stops
it there until it is told to go on.
"""

import os
import signal
from collections.abc import Mapping
from typing import Final

VARIABLE: Final = "DOCRADAR_TEST_FAILPOINT"

_armed: dict[str, int] = {}
_signals: dict[str, signal.Signals] = {}


def arm(environment: Mapping[str, str]) -> None:
    """Arms the failpoint that `environment` names, if it names one."""
    if setting := environment.get(VARIABLE):
        name, count, action = (*setting.split(":"), "", "")[:3]
        _armed[name] = int(count or 1)
        _signals[name] = signal.SIGSTOP if action == "stop" else signal.SIGKILL


def reach(name: str) -> None:
    """Kills this process, as `kill -9` would, or stops it, when `name` is armed and its count is reached."""
    if name in _armed:
        _armed[name] -= 1
        if _armed[name] == 0:
            os.kill(os.getpid(), _signals[name])
