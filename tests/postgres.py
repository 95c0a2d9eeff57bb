"""A PostgreSQL server of the tests' own: temporary folder, Unix socket, gone with the process that started it."""

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path

SETUP = "apt-get install --no-install-recommends postgresql"


def binaries() -> Path | None:
    """Debian's folder of PostgreSQL's programs, of the newest version installed."""
    versions = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    return versions[-1].parent if versions else None


class PostgresServer:
    """Made by `start`. It keeps nothing safe: fsync is off."""

    def __init__(self, programs: Path, folder: Path) -> None:
        self._programs = programs
        self._folder = folder
        self._server: subprocess.Popen[bytes] | None = None

    @classmethod
    def start(cls) -> "PostgresServer":
        programs = binaries()
        if programs is None:
            raise FileNotFoundError(f"no PostgreSQL under /usr/lib/postgresql; run: {SETUP}")
        folder = Path(tempfile.mkdtemp(prefix="docradar-pg-", dir="/tmp"))
        if os.geteuid() == 0:
            account = pwd.getpwnam("postgres")
            os.chown(folder, account.pw_uid, account.pw_gid)
        server = cls(programs, folder)
        try:
            server._run("initdb", "--pgdata", str(folder / "data"), "--username=postgres", "--auth=trust",
                        "--encoding=UTF8", "--locale=C.UTF-8", "--no-sync", "--no-instructions")  # fmt: skip
            server.resume()
        except BaseException:
            server.close()
            raise
        return server

    def resume(self) -> None:
        """Starts the server, also after `stop`, and waits until it answers."""
        arguments = [
            str(self._programs / "postgres"),
            "-D",
            str(self._folder / "data"),
            "-k",
            str(self._folder),
        ]
        for setting in (
            "listen_addresses=", "fsync=off", "full_page_writes=off",
            "shared_buffers=32MB", "max_connections=200", "autovacuum=off", "jit=off",
        ):  # fmt: skip
            arguments += ["-c", setting]
        log = (self._folder / "log").open("ab")
        with log:
            self._server = subprocess.Popen(self._unprivileged(arguments), stdout=log, stderr=log)
        deadline = time.monotonic() + 30
        while subprocess.run(
            [self._programs / "pg_isready", "-q", "-h", self._folder], check=False
        ).returncode:
            if self._server.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"PostgreSQL did not start: {(self._folder / 'log').read_text()[-2000:]}")
            time.sleep(0.02)

    def stop(self, *, kill: bool = False) -> None:
        """Ends the server, at once and unclean where `kill`; its databases stay for `resume`."""
        if self._server is not None:
            # SIGQUIT is the server's own "die now": unlike SIGKILL it takes the children along.
            self._server.send_signal(signal.SIGQUIT if kill else signal.SIGINT)
            self._server.wait(30)
            self._server = None

    def close(self) -> None:
        self.stop(kill=True)
        shutil.rmtree(self._folder, ignore_errors=True)

    def url(self, database: str) -> str:
        return f"postgresql://postgres@/{database}?host={self._folder}"

    def execute(self, statement: str) -> None:
        """Runs a statement outside of any transaction, such as CREATE DATABASE."""
        import psycopg

        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            connection.execute(statement)

    def _run(self, program: str, *arguments: str) -> None:
        command = self._unprivileged([str(self._programs / program), *arguments])
        subprocess.run(command, check=True, capture_output=True)

    def _unprivileged(self, command: list[str]) -> list[str]:
        """PostgreSQL refuses to run as root; and it is to end when we are killed."""
        account = ["--reuid=postgres", "--regid=postgres", "--clear-groups"] if os.geteuid() == 0 else []
        return ["setpriv", *account, "--pdeathsig=INT", *command]
