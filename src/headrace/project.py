"""Opens projects: `connect`, and the default project of the process, which `start_run` and `track` log to."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from headrace.arguments import checked
from headrace.clock import Clock, system_clock
from headrace.errors import SettingsError
from headrace.settings import SPOOL_FOLDER, STATE_FOLDER, Settings, find_project, load_settings, named_server

if TYPE_CHECKING:
    from headrace.store import Store
    from headrace.tracking.client.run import ActiveRun
    from headrace.tracking.service import Synced

__all__ = ["connect", "start_run", "sync_spool", "track"]

_default: dict[Path | str, Store] = {}


@checked()
def connect(target: str | os.PathLike[str] | None = None, *, clock: Clock = system_clock) -> Store:
    """Open a project.

    Args:
        target: a directory, or the address of a server, `http://host:5000`. Default: what HEADRACE_SERVER names, else the
            project here, the nearest folder at or above with a headrace.toml.
        clock: gives now in microseconds since 1970 UTC; for tests.

    Raises:
        SettingsError: headrace.toml holds something that can't be used.
        StorageError: a store can't be opened.
    """
    server = named_server() if target is None else target
    if isinstance(server, str) and "://" in server:
        from headrace.composition.remote import open_remote

        return open_remote(server, _settings(find_project(Path.cwd())), clock)
    try:
        folder = find_project(Path.cwd()) if target is None else Path(target).expanduser()
        is_file = folder.exists() and not folder.is_dir()
    except (OSError, RuntimeError) as error:  # too long a name, a folder that may not be entered, no such ~user
        msg = f"{str(target)[:200]} can't be opened as a project: {getattr(error, 'strerror', None) or error}"
        raise SettingsError(msg) from error
    if is_file:
        msg = f"{folder} is a file; hr.connect takes a project's directory"
        raise SettingsError(msg)
    from headrace.composition.local import open_local

    return open_local(_settings(folder), clock)


def start_run(
    experiment: str | None = None,
    name: str | None = None,
    *,
    params: Mapping[str, Any] | None = None,
    tags: Mapping[str, Any] | None = None,
    description: str | None = None,
    nested: bool = False,
    parent: str | None = None,
    strict: bool = False,
    capture: bool = True,
    run_id: str | None = None,
    offline: bool | None = None,
) -> ActiveRun:
    """Start a run in the project here, or at the server that HEADRACE_SERVER names; use it with `with`.

    Code, environment and machine are captured behind it. Arguments and errors are those of `store.runs.start`.

    Args:
        experiment: its name; made if there is none. Default: that of the run around it, else Default.
        name: what to call the run. Default: two words and a number.
        params, tags: its first params and tags; values become text.
        description: a note in Markdown.
        nested: start it inside the run that is active here.
        parent: the id of the run to nest it in, which may be running in another process.
        strict: raise an error where something can't be logged, instead of a warning.
        capture: record code, packages and machine, system metrics, and what is printed.
        run_id: join or continue the run with this id, instead of starting a new one.
        offline: keep everything on disk until `headrace sync`. Default: True if HEADRACE_MODE is "offline".
    """
    place = named_server() or find_project(Path.cwd())
    store = _default.get(place)
    if store is None:
        store = _default[place] = connect(place)
    return store.start_run(
        experiment,
        name,
        params=params,
        tags=tags,
        description=description,
        nested=nested,
        parent=parent,
        strict=strict,
        capture=capture,
        run_id=run_id,
        offline=offline,
    )


def track(function: Any = None, **options: Any) -> Any:
    """A decorator that makes each call of the function a run. The function's plain arguments become params; if it returns a
    mapping, the numbers in it become metrics.

    Args:
        options: what `start_run` takes, for example `@hr.track(experiment="ranker")`.
    """
    from headrace.tracking.client.decorator import tracked

    if function is None:
        return lambda found: tracked(found, start_run, **options)
    return tracked(function, start_run, **options)


def sync_spool(folder: Path, target: str | None = None) -> Iterator[tuple[Path, Callable[[], Synced]]]:
    """What runs have left in a project's spool: for each writer its folder, and a function that sends what is there to where it
    was logged for, or to `target`. The function raises StorageError if that can't be reached; nothing is lost then."""
    from headrace.tracking.client.spool import held_spools, server_of

    stores: dict[str, Store] = {}
    try:
        for path in held_spools(folder / STATE_FOLDER / SPOOL_FOLDER):
            place = target or server_of(path) or str(folder)

            def send(path: Path = path, place: str = place) -> Synced:
                if place not in stores:
                    stores[place] = connect(place)
                return stores[place].runs.sync(path, anywhere=target is not None)

            yield path, send
    finally:
        for store in stores.values():
            store.close()


def _settings(folder: Path) -> Settings:
    """The settings of the project there. The modules that it lists are its own: found in its folder wherever we stand."""
    settings = load_settings(folder)
    if settings.modules and str(settings.project) not in sys.path:
        sys.path.append(str(settings.project))  # last, so that a project's file never hides an installed package
    return settings
