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
from itertools import count
from pathlib import Path
from typing import Self

import psycopg

from servers.redis import free_port

__all__ = ["PostgresServer"]

PATIENCE = 60.0
"""Seconds that the server may take to start."""


class PostgresServer:
    """A server of its own folder and port, durable as by default; `start` after `kill` finds what was committed."""

    def __init__(self) -> None:
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
                "initdb", "--username=headrace", "--auth=trust", "--encoding=UTF8", "--locale=C.UTF-8", self.folder / "data"
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
        options = ["-k", self.folder, "-h", "127.0.0.1", "-p", str(self.port), "-c", "max_connections=200"]
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
        """kill -9 of the server and of all its processes."""
        assert self._process is not None
        children = subprocess.run(["pgrep", "-P", str(self._process.pid)], capture_output=True, text=True, check=False).stdout
        self._process.kill()
        for child in children.split():
            subprocess.run(["kill", "-9", child], check=False, capture_output=True)
        self._process.wait()
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
