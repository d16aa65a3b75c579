"""The server verb."""

from __future__ import annotations

import os
from typing import Annotated

import typer

from headrace.cli.listening import AccessLog, AllowHost, Host, MaxBody, Port, until_stopped
from headrace.cli.output import Answer, note
from headrace.cli.verb import Session, verb
from headrace.settings import STATE_FOLDER, is_project

__all__ = ["server"]

_FIRST_USER = "make the first one with: headrace users add NAME --role admin"


@verb(
    "server",
    "headrace server",
    "headrace server --port 8080 --workers 4",
    "headrace server --host 0.0.0.0 --allow-host features.lan",
    "headrace server --catalog postgresql://headrace@db/headrace",
)
def server(
    session: Session,
    host: Host = "127.0.0.1",
    port: Port = 5000,
    workers: Annotated[int, typer.Option("--workers", min=1, help="Processes that share the port.")] = 1,
    catalog: Annotated[
        str,
        typer.Option(
            "--catalog",
            metavar="URL",
            help="Where definitions, runs and models are kept, in place of what the settings say. "
            "A password is better kept in HEADRACE_CATALOG.",
        ),
    ] = "",
    allow_host: AllowHost = None,
    max_body_mb: MaxBody = 256,
    access_log: AccessLog = True,
) -> Answer:
    """Serve the project over HTTP: to the web app, to `hr.connect("http://…")`, and to clients of MLflow and of Feast's
    feature server. In a folder without a project it makes one.

    It stops at Ctrl-C or SIGTERM, once the requests under way are answered. Its own API is shown at /docs.
    """
    from headrace.project import connect
    from headrace.server.guard import is_loopback
    from headrace.server.run import ServerOptions, serve

    if catalog:
        os.environ["HEADRACE_CATALOG"] = catalog  # the workers inherit it
    folder = session.folder if session.server is None else session.require()
    if not is_project(folder):
        note(f"{folder} was no project; it is one from now on, with everything below {folder / STATE_FOLDER}")
    options = ServerOptions(folder, host, port, workers, tuple(allow_host or ()), max_body_mb, access_log)
    with connect(options.project) as store:  # a project that can't be opened is told here, in one line
        if not is_loopback(host) and store.door is not None and not store.door.exist:
            note(f"warning: whoever reaches {host} may read and write this project, as it has no users; {_FIRST_USER}")
    return until_stopped(options.project, lambda started: serve(options, started))
