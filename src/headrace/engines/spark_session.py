"""A Spark session: made when first needed, watched while it works, its errors told as ours."""

from __future__ import annotations

import os
import re
import shutil
import socket
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from headrace.errors import HeadraceError, MissingExtraError, SettingsError, StorageError
from headrace.ids import new_id

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

__all__ = ["SparkCluster"]

_MASTERS = re.compile(r"spark|local|local\[(\d+|\*)\]|spark://[^/]+|yarn|k8s://.+")
_RETRIES = 4
"""How often a task may fail. Spark's own number for a local master is 1, so that one dead worker would end a read."""
_CONNECT_SECONDS = 5.0
_START_SECONDS = 60.0
_POLL_SECONDS = 0.1
_CONFIGURATION = {"spark.app.name": "headrace", "spark.driver.maxResultSize": "0", "spark.ui.showConsoleProgress": "false"}
_LOCAL = {"spark.ui.enabled": "false", "spark.driver.host": "127.0.0.1", "spark.driver.bindAddress": "127.0.0.1"}


def _silent(_done: int, _total: int) -> None:
    pass


class SparkCluster:
    """Where Spark work goes. Several threads may use one at once.

    Args:
        master: `spark` for the session that this process has (or what Spark's own configuration says), or a Spark master:
            `spark://host:7077`, `local[4]`, `local[*]`, `yarn`, `k8s://…`.
        start_seconds: how long to wait for the cluster's first executor.

    Raises:
        SettingsError: it is no master.
        MissingExtraError: PySpark isn't installed.
    """

    def __init__(self, master: str, start_seconds: float = _START_SECONDS) -> None:
        if not _MASTERS.fullmatch(master):
            msg = (
                f"setting 'engine' is {master!r}; use 'duckdb', 'spark' for the session of this process, or a Spark master such "
                "as 'spark://host:7077', 'local[*]', 'yarn' or 'k8s://https://host:6443'"
            )
            raise SettingsError(msg)
        with _quiet():
            try:
                import pyspark.sql  # noqa: F401 - to say so at once
            except ImportError as error:
                raise MissingExtraError.of("pyspark", "spark") from error
        self._master = master
        self._start_seconds = start_seconds
        self._made: SparkSession | None = None
        self._lock = threading.Lock()

    def session(self) -> SparkSession:
        """The session of this process, made if need be.

        Raises:
            SettingsError: there is no Java, or the process has a session on another master.
            StorageError: the cluster can't be reached.
        """
        from pyspark.sql import SparkSession

        with self._lock:
            running = SparkSession.getActiveSession() or SparkSession._instantiatedSession  # noqa: SLF001
            context = getattr(running, "sparkContext", None)
            if running is not None and context is None:
                msg = "the Spark engine can't work through Spark Connect; use a session of its own: engine = 'spark://host:7077'"
                raise SettingsError(msg)
            if running is not None and context is not None and context._jsc is not None:  # noqa: SLF001 - the only way to see that it was stopped
                self._refuse_other(context.master)
                return running
            self._made = self._make()
            return self._made

    def collect(
        self,
        frame: Callable[[SparkSession], DataFrame],
        progress: Callable[[int, int], None] = _silent,
        *,
        large: bool = False,
    ) -> Sequence[Any]:
        """The rows of a data frame. Meanwhile `progress` hears of (done, known) tasks.

        Args:
            frame: makes it.
            large: the rows are more than Java's memory here may hold: keep them on the executors' disks, and fetch them from
                there one partition at a time.

        Raises:
            StorageError: the cluster gives no executor, or gives the work up.
        """
        session, group = self.session(), new_id()

        def work() -> Sequence[Any]:
            session.sparkContext.setJobGroup(group, "headrace")
            return _fetched(frame(session)) if large else frame(session).collect()

        with _failures(), _quiet(), ThreadPoolExecutor(1) as pool:
            future = pool.submit(work)
            try:
                return self._watch(session, group, future, progress)
            finally:
                if not future.done():
                    session.sparkContext.cancelJobGroup(group)

    def close(self) -> None:
        """Stop the session, if it was made here."""
        if self._made is not None:
            self._made.stop()
            self._made = None

    def _refuse_other(self, master: str) -> None:
        if self._master != "spark" and master not in (self._master, _retrying(self._master)):
            msg = (
                f"setting 'engine' is {self._master!r}, but this process has a Spark session on {master!r}, and can have only "
                "one; stop it, or say engine = 'spark' to use it"
            )
            raise SettingsError(msg)

    def _make(self) -> SparkSession:
        from pyspark.sql import SparkSession

        local = self._master.startswith("local")
        _need_java()
        _need_master(self._master)
        builder = SparkSession.builder
        for name, value in (_CONFIGURATION | (_LOCAL if local else {})).items():
            builder = builder.config(name, value)
        if self._master != "spark":
            builder = builder.master(_retrying(self._master))
        with _failures(), _quiet():
            session = builder.getOrCreate()
        if local:
            session.sparkContext.setLogLevel("ERROR")
            session.sparkContext.pythonExec = os.environ.get("PYSPARK_PYTHON", sys.executable)
        return session

    def _watch(
        self, session: SparkSession, group: str, work: Future[Sequence[Any]], progress: Callable[[int, int], None]
    ) -> Sequence[Any]:
        alive, told = time.monotonic(), (0, 1)
        while True:
            wait([work], _POLL_SECONDS)
            if work.done():
                progress(told[1], told[1])  # stages that turned out not to be needed are never done
                return work.result()
            found = _tasks(session, group)
            if found.active or not found.waiting:
                alive = time.monotonic()
            if time.monotonic() - alive > self._start_seconds:
                msg = (
                    f"the Spark cluster {self._master} has given no executor within {self._start_seconds:.0f} s; "
                    "see whether its workers are up and have free cores and memory"
                )
                raise StorageError(msg)
            if found.known and (found.done, found.known) != told:
                told = found.done, found.known
                progress(*told)


def _fetched(frame: DataFrame) -> Sequence[Any]:
    from pyspark import StorageLevel

    kept = frame.persist(StorageLevel.DISK_ONLY)
    try:
        kept.count()
        return list(kept.toLocalIterator())
    finally:
        kept.unpersist()


class _Tasks(NamedTuple):
    """How many tasks of a job group are done, run, and are known of; and whether a job waits for some."""

    done: int
    active: int
    known: int
    waiting: bool


def _tasks(session: SparkSession, group: str) -> _Tasks:
    tracker = session.sparkContext.statusTracker()
    jobs = [job for number in tracker.getJobIdsForGroup(group) if (job := tracker.getJobInfo(number)) is not None]
    numbers = {number for job in jobs for number in job.stageIds}
    stages = [stage for number in numbers if (stage := tracker.getStageInfo(number)) is not None]
    return _Tasks(
        sum(stage.numCompletedTasks for stage in stages),
        sum(stage.numActiveTasks for stage in stages),
        sum(stage.numTasks for stage in stages),
        any(job.status == "RUNNING" for job in jobs),
    )


def _retrying(master: str) -> str:
    """A local master that lets a task fail and be repeated."""
    match = re.fullmatch(r"local(?:\[(\d+|\*)\])?", master)
    return f"local[{match[1] or 1},{_RETRIES}]" if match else master


def _need_java() -> None:
    home = os.environ.get("JAVA_HOME")
    if "PYSPARK_GATEWAY_PORT" in os.environ or (Path(home, "bin", "java").exists() if home else shutil.which("java")):
        return
    where = f"JAVA_HOME is {home!r}, but there is no bin/java in it" if home else "there is no java on the PATH"
    msg = (
        f"the Spark engine needs Java: {where}; install Java 17 or newer (for example openjdk-17-jre-headless) and set JAVA_HOME"
    )
    raise SettingsError(msg)


def _need_master(master: str) -> None:
    """Spark itself would try for a minute and then tell of something else."""
    if not master.startswith("spark://"):
        return
    reasons = []
    for address in master.removeprefix("spark://").split(","):
        host, _, port = address.rpartition(":")
        try:
            socket.create_connection((host, int(port)), _CONNECT_SECONDS).close()
            return
        except (OSError, ValueError) as error:
            reasons.append(f"{address}: {error}")
    msg = (
        f"the Spark master {master} can't be reached ({'; '.join(reasons)}); check the setting 'engine' and that the master is up"
    )
    raise StorageError(msg)


@contextmanager
def _failures() -> Iterator[None]:
    """Raise what PySpark raises as a StorageError that holds the reason without Java's stack."""
    from py4j.protocol import Py4JError
    from pyspark.errors import PySparkException

    try:
        yield
    except HeadraceError:
        raise
    except (Py4JError, PySparkException, OSError) as error:
        lines = [line.strip() for line in str(error).splitlines() if line.strip() and not line.strip().startswith("at ")]
        msg = f"Spark gave the work up: {' '.join(lines[:3])}. The logs of the driver and the executors say more"
        raise StorageError(msg) from error


@contextmanager
def _quiet() -> Iterator[None]:
    """PySpark warns of pandas, which isn't used here."""
    warnings.filterwarnings("ignore", message="PySpark does not yet fully support pandas", category=FutureWarning)
    yield
