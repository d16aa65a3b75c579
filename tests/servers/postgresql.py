"""A real PostgreSQL server for tests and benchmarks: a process on a free loopback port, gone when the block ends.

with PostgresServer() as server: server.new_database() → URL; server.kill(); server.start()
"""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
import time
from contextlib import suppress
from itertools import count
from pathlib import Path
from typing import Self

import psutil
import psycopg

from servers.ports import free_port
from waiting import PATIENCE

__all__ = ["PostgresServer"]


class PostgresServer:
    """A server of its own folder and port; `start` after `kill` finds what was committed.

    Args:
        durable: a commit is on the disk, as by default. Otherwise it outlives a kill, but no power cut, and takes less time.
    """

    def __init__(self, *, durable: bool = True) -> None:
        self._options = () if durable else ("-c", "fsync=off", "-c", "full_page_writes=off")
        self.port = free_port()
        self.folder = Path(tempfile.mkdtemp(prefix="headrace-postgresql-"))
        self._process: subprocess.Popen[bytes] | None = None
        self._numbers = count(1)

    def __enter__(self) -> Self:
        try:
            if os.getuid() == 0:  # PostgreSQL refuses to run as root; its package made a user for it
                owner = pwd.getpwnam("postgres")
                os.chown(self.folder, owner.pw_uid, owner.pw_gid)
            self._run(
                "initdb",
                "--no-sync",
                "--username=headrace",
                "--auth=trust",
                "--encoding=UTF8",
                "--locale=C.UTF-8",
                self.folder / "data",
            )
            self.start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def url(self) -> str:
        """The server's own database."""
        return f"postgresql://headrace@127.0.0.1:{self.port}/postgres"

    def new_database(self) -> str:
        """The URL of a database made now, empty."""
        name = f"catalog{next(self._numbers)}"
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name}")
        return f"postgresql://headrace@127.0.0.1:{self.port}/{name}"

    def start(self) -> None:
        """Start the process and wait until it answers."""
        options = ["-k", self.folder, "-h", "127.0.0.1", "-p", str(self.port), "-c", "max_connections=200", *self._options]
        with (self.folder / "log").open("ab") as log:
            command = [*_as_owner(), _program("postgres"), "-D", self.folder / "data", *options]
            self._process = subprocess.Popen(command, stdout=log, stderr=log, cwd=self.folder)
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                psycopg.connect(self.url, connect_timeout=5).close()
            except psycopg.OperationalError:
                if time.monotonic() > deadline or self._process.poll() is not None:
                    raise
                time.sleep(0.05)
            else:
                return

    def kill(self) -> None:
        """kill -9 of the server and of all its processes. They are gone then: while one lives, no other server may start."""
        assert self._process is not None
        children = []
        with suppress(psutil.NoSuchProcess):
            server = psutil.Process(self._process.pid)
            server.suspend()  # it makes no further process
            children = server.children(recursive=True)
        for process in (self._process, *children):
            with suppress(psutil.NoSuchProcess):
                process.kill()
        self._process.wait()
        _, left = psutil.wait_procs(children, PATIENCE)
        if left:
            raise RuntimeError(f"processes of PostgreSQL outlived kill -9: {left}")
        self._process = None

    def close(self) -> None:
        """Stop the server and remove its files."""
        if self._process is not None:
            self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _run(self, program: str, *arguments: object) -> None:
        command = [*_as_owner(), _program(program), *map(str, arguments)]
        done = subprocess.run(command, capture_output=True, text=True, cwd=self.folder, check=False)
        if done.returncode:
            raise RuntimeError(done.stderr)


def _as_owner() -> list[str]:
    return ["setpriv", "--reuid=postgres", "--regid=postgres", "--init-groups"] if os.getuid() == 0 else []


def _program(name: str) -> str:
    found = shutil.which(name) or max(map(str, Path("/usr/lib/postgresql").glob(f"*/bin/{name}")), default=None)
    assert found is not None, "PostgreSQL isn't installed; 'make test' installs it"
    return found
