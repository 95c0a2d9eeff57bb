"""Starts Python processes in milliseconds: they are forked from one that has imported everything already.

Importing what a service needs takes seconds of processor time, and the failure tests start a hundred processes. Run
as `python -m tests.launcher`. Each line on standard input is a request, answered by a line on standard output:

    {"module", "arguments", "environment", "log"} → {"pid"}      `python -m module arguments`, in a session of its own
    {"poll": pid}                                 → {"code"}     the exit code, minus the signal, or null if it runs

The end of the input kills what still runs, and so does the end of the process that started this one.
"""

import contextlib
import importlib
import json
import os
import runpy
import signal
import sys
from typing import Any, Final, NoReturn

PRELOAD: Final = (
    "alembic.command",
    "alembic.runtime.environment",
    "uvicorn.lifespan.off",
    "uvicorn.loops.auto",
    "uvicorn.protocols.http.auto",
    "uvicorn.protocols.websockets.auto",
    "qdrant_client.http.models",
    "qdrant_edge",
    "psycopg",
    "sqlalchemy.dialects.postgresql.psycopg",
    "sqlalchemy.dialects.sqlite",
    "docradar.embedding.choice",
    "docradar.index.edge",
    "docradar.index.failures",
    "ingest.worker",
    "service.cli",
    "service.server",
    "tests.fakes",
)


def main() -> None:
    for module in PRELOAD:
        importlib.import_module(module)
    running: dict[int, int | None] = {}
    print("ready", flush=True)
    # Not `for line in sys.stdin`: a child must not find what the parent has read ahead.
    while line := sys.stdin.buffer.readline():
        request = json.loads(line)
        if (pid := request.get("poll")) is None:
            pid = os.fork()
            if pid == 0:
                _run(request)
            running[pid] = None
            answer: dict[str, int | None] = {"pid": pid}
        else:
            running[pid] = _poll(pid) if running[pid] is None else running[pid]
            answer = {"code": running[pid]}
        print(json.dumps(answer), flush=True)
    for pid, code in running.items():
        if code is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


def _poll(pid: int) -> int | None:
    ended, status = os.waitpid(pid, os.WNOHANG)
    return os.waitstatus_to_exitcode(status) if ended else None


def _run(request: dict[str, Any]) -> NoReturn:
    os.setsid()
    with open(request["log"], "wb") as log, open(os.devnull, "rb") as nothing:  # noqa: PTH123
        os.dup2(nothing.fileno(), 0)
        os.dup2(log.fileno(), 1)
        os.dup2(log.fileno(), 2)
    os.environ.clear()
    os.environ.update(request["environment"])
    sys.argv = [request["module"], *request["arguments"]]
    code = 0
    sys.modules.pop(request["module"], None)  # runpy warns of one that was imported before
    try:
        runpy.run_module(request["module"], run_name="__main__")
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
        if isinstance(end.code, str):
            print(end.code, file=sys.stderr)
    except BaseException:
        sys.excepthook(*sys.exc_info())
        code = 1
    sys.stdout.flush()
    sys.stderr.flush()
    # As at the end of any Python process: threads that are not daemons are waited for.
    import threading

    threading._shutdown()  # type: ignore[attr-defined]
    os._exit(code)


if __name__ == "__main__":
    main()
