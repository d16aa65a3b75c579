"""A real Spark standalone cluster for tests: a master and a worker on free loopback ports, gone when the block ends.

with SparkMaster(folder) as master: master.url; master.start_worker(); master.executors()
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import Self

import psutil

from waiting import PATIENCE

__all__ = ["BRIEF", "SparkMaster"]

BRIEF = {"JDK_JAVA_OPTIONS": "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC"}
"""Variables with which Java starts sooner and never optimises: right for what lives a minute."""

_URL = re.compile(r"spark://127\.0\.0\.1:\d+")


class SparkMaster:
    """A master without workers at first. `folder` keeps logs and what executors write."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._processes: list[subprocess.Popen[bytes]] = []
        own = {
            "SPARK_LOCAL_IP": "127.0.0.1",
            "SPARK_WORKER_DIR": str(folder / "work"),
            "SPARK_LOCAL_DIRS": str(folder / "local"),
            "PYSPARK_PYTHON": sys.executable,
        }
        self.environment = os.environ | BRIEF | own
        self.url = ""

    def __enter__(self) -> Self:
        self._folder.mkdir(parents=True, exist_ok=True)
        log = self._start("master", "org.apache.spark.deploy.master.Master", "--host", "127.0.0.1", "--port", "0")
        self.url = self._find(log, _URL)
        return self

    def __exit__(self, *_: object) -> None:
        for process in reversed(self._processes):
            for child in psutil.Process(process.pid).children(recursive=True):
                child.kill()
            process.kill()
            process.wait()

    def start_worker(self, cores: int = 2) -> None:
        """Let a worker join, and wait for it."""
        options = ("--host", "127.0.0.1", "--cores", str(cores), "--memory", "1g", self.url)
        log = self._start("worker", "org.apache.spark.deploy.worker.Worker", *options)
        self._find(log, re.compile("Successfully registered with master"))

    def executors(self) -> list[psutil.Process]:
        """The executors that run."""
        return [child for child in psutil.Process(self._processes[-1].pid).children(recursive=True) if _is_executor(child)]

    def _start(self, name: str, kind: str, *options: str) -> Path:
        import pyspark

        log = self._folder / f"{name}.log"
        command = [str(Path(pyspark.__path__[0]) / "bin" / "spark-class"), kind, "--webui-port", "0", *options]
        with log.open("wb") as file:
            self._processes.append(subprocess.Popen(command, stdout=file, stderr=file, env=self.environment))
        return log

    def _find(self, log: Path, pattern: re.Pattern[str]) -> str:
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            if found := pattern.search(log.read_text()):
                return found[0]
            if self._processes[-1].poll() is not None:
                break
            time.sleep(0.1)
        raise RuntimeError(f"Spark didn't start:\n{log.read_text()[-3000:]}")


def _is_executor(process: psutil.Process) -> bool:
    try:
        return any("CoarseGrainedExecutorBackend" in part for part in process.cmdline())
    except psutil.Error:
        return False
