"""Where the stores are: headrace.toml, overridden by environment variables, over embedded defaults."""

from __future__ import annotations

import os
import tomllib
from dataclasses import dataclass, fields
from pathlib import Path

from headrace.errors import SettingsError, nearest

__all__ = [
    "FILE_NAME",
    "SPOOL_FOLDER",
    "STATE_FOLDER",
    "Settings",
    "find_project",
    "is_offline",
    "is_project",
    "load_settings",
    "named_server",
]

FILE_NAME = "headrace.toml"
STATE_FOLDER = ".headrace"
SPOOL_FOLDER = "spool"
"""Inside STATE_FOLDER: what runs have logged and the catalog or the server hasn't taken in yet."""

LISTS = {
    "artifact_buckets": 'URLs of buckets, for example ["s3://team-bucket/runs"]',
    "modules": 'import paths, for example ["definitions"]',
    "webhook_hosts": 'names of hosts, for example ["ci.internal"]',
}
"""Settings that are lists, and of what."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Every setting of a project. URLs name a store by scheme; a plain path or `file://` URL means the embedded one.

    Attributes:
        project: the project directory, absolute.
        catalog: SQLAlchemy URL of the catalog. Default: SQLite under `.headrace/`.
        lake: folder or URL of the Delta tables. Default: `.headrace/lake`.
        artifacts: folder or URL of content-addressed files; `s3://`, `gs://` and `az://` too. Default: `.headrace/artifacts`.
        artifact_buckets: buckets, or prefixes of them, whose files the server shows when an experiment's clients put them there
            themselves. Default: none.
        online: folder or URL of the online store. Default: `.headrace/online`.
        events: folder or URL of the event log. Default: `.headrace/events`.
        engine: what reads history: `duckdb` (default), `spark` for this process's Spark session, or a Spark master.
        memory_limit: bytes that one historical read may use, for example `4GB`. Default: half of the machine's memory. On Spark,
            what each Python worker may use. Default: 1 GB.
        modules: import paths of the modules that hold definitions and on-demand functions.
        webhook_hosts: hosts that webhooks may send to though they are private, or without TLS. Default: none.
        sample: the share of keys whose served features are kept for `headrace verify`, `0` (default: none) to `1`.
        fsync: `always` (default: a push is on disk when it returns) or `never` (the operating system decides when).
    """

    project: Path
    catalog: str
    lake: str
    artifacts: str
    online: str
    events: str
    engine: str = "duckdb"
    memory_limit: str = ""
    modules: tuple[str, ...] = ()
    artifact_buckets: tuple[str, ...] = ()
    webhook_hosts: tuple[str, ...] = ()
    fsync: str = "always"
    sample: str = "0"


def named_server() -> str | None:
    """The server that HEADRACE_SERVER names; None if it names none. Raises SettingsError if it isn't an address."""
    server = os.environ.get("HEADRACE_SERVER", "").strip()
    if server and "://" not in server:
        msg = f"HEADRACE_SERVER is {server!r}, which isn't a server's address; write for example http://{server.split('/')[0]}"
        raise SettingsError(msg)
    return server or None


def is_offline() -> bool:
    """Whether HEADRACE_MODE says that runs stay here until `headrace sync`. Raises SettingsError for what it can't say."""
    mode = os.environ.get("HEADRACE_MODE", "").strip().lower()
    if mode not in ("", "online", "offline"):
        msg = f"HEADRACE_MODE is {mode!r}; use 'offline', or leave it out"
        raise SettingsError(msg)
    return mode == "offline"


def find_project(start: Path) -> Path:
    """The nearest folder at or above `start` that holds a headrace.toml or a .headrace folder, else `start` itself."""
    start = start.resolve()
    for folder in (start, *start.parents):
        if (folder / FILE_NAME).is_file() or (folder / STATE_FOLDER).is_dir():
            return folder
    return start


def is_project(folder: Path) -> bool:
    """Whether a folder holds a headrace.toml or a .headrace folder, or HEADRACE_CATALOG says where its catalog is, as in a
    container that has its settings in the environment and no file."""
    return bool(os.environ.get("HEADRACE_CATALOG")) or (folder / FILE_NAME).is_file() or (folder / STATE_FOLDER).is_dir()


def load_settings(project: Path) -> Settings:
    """The settings of the project in this folder: environment (`HEADRACE_CATALOG`, …) over headrace.toml over defaults.

    Raises:
        SettingsError: the file isn't TOML, or holds a setting that doesn't exist or has the wrong type.
    """
    project = project.resolve()
    state = project / STATE_FOLDER
    values: dict[str, object] = {
        "catalog": f"sqlite:///{state / 'catalog.db'}",
        **{name: str(state / name) for name in ("lake", "artifacts", "online", "events")},
    }
    values.update(_read_file(project / FILE_NAME))
    names = [field.name for field in fields(Settings) if field.name != "project"]
    for name in names:
        text = os.environ.get(f"HEADRACE_{name.upper()}")
        if text:  # one that is set to nothing says nothing
            values[name] = tuple(filter(None, text.split(","))) if name in LISTS else text
    for name in ("catalog", "lake", "artifacts", "online", "events"):
        if not str(values[name]).strip():
            msg = f"setting {name!r} is empty; give a place, or leave it out"
            raise SettingsError(msg)
    for name in ("lake", "artifacts", "online", "events"):
        if "://" not in str(values[name]):
            values[name] = str(project / Path(str(values[name])).expanduser())  # relative to the project, wherever we stand
    if values.get("fsync", "always") not in ("always", "never"):
        msg = f"setting 'fsync' must be 'always' or 'never', not {values['fsync']!r}"
        raise SettingsError(msg)
    if not _is_share(str(values.get("sample", "0"))):
        msg = f"setting 'sample' must be a share of keys from 0 to 1, for example '0.01', not {values['sample']!r}"
        raise SettingsError(msg)
    return Settings(project=project, **values)  # type: ignore[arg-type]  # _read_file checks every type


def _is_share(text: str) -> bool:
    try:
        return 0 <= float(text) <= 1
    except ValueError:
        return False


def _read_file(path: Path) -> dict[str, object]:
    if not path.is_file():
        return {}
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        msg = f"{path} isn't valid TOML: {error}"
        raise SettingsError(msg) from error
    except OSError as error:
        msg = f"{path} can't be read: {error.strerror}; check its permissions"
        raise SettingsError(msg) from error
    known = [field.name for field in fields(Settings) if field.name != "project"]
    for name, value in table.items():
        if name not in known:
            msg = f"{path}: no setting named {name!r}{nearest(name, known)}"
            raise SettingsError(msg)
        if name in LISTS:
            if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
                msg = f"{path}: {name!r} must be a list of {LISTS[name]}"
                raise SettingsError(msg)
            table[name] = tuple(value)
        elif name == "sample" and type(value) in (int, float):
            table[name] = str(value)
        elif not isinstance(value, str):
            msg = f"{path}: {name!r} must be text, not {value!r}"
            raise SettingsError(msg)
    return table
