"""What the verbs that listen for requests share: options, and an answer when they are stopped."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

import typer

from headrace.cli.output import Answer, note

__all__ = ["AccessLog", "AllowHost", "Host", "MaxBody", "Port", "until_stopped"]

Host = Annotated[str, typer.Option("--host", help="The address to listen on. The default can be reached from this machine only.")]
Port = Annotated[int, typer.Option("--port", min=0, max=65535, help="The port; 0 takes a free one.")]
MaxBody = Annotated[int, typer.Option("--max-body-mb", min=1, help="The largest request body, in MB.")]
AllowHost = Annotated[
    list[str] | None,
    typer.Option("--allow-host", help="A further name that clients may call this by; * for any.", show_default=False),
]
AccessLog = Annotated[
    bool, typer.Option("--access-log/--no-access-log", help="Write a line of JSON per request on standard error.")
]


def until_stopped(what: object, serve: Callable[[Callable[[str], None]], None]) -> Answer:
    """Serve something until it is stopped; `serve` tells the address that it listens on once it does."""
    served: list[str] = []

    def started(address: str) -> None:
        served.append(address)
        note(f"serving {what} at {address}; Ctrl-C stops it")

    serve(started)
    return Answer({"served": served[0]}, [f"stopped serving at {served[0]}"])
