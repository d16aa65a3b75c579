"""The serve verb: the inference service."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, cast

import typer

from headrace.cli.output import Answer, note
from headrace.cli.verb import Session, verb
from headrace.errors import InvalidInputError
from headrace.models.version import parse_uri

if TYPE_CHECKING:
    from headrace.serving.reading import Down

__all__ = ["serve"]

_DOWN = ("fail", "defaults", "last-good")
_METHODS = ("predict", "predict_proba")


@verb(
    "serve",
    "headrace serve models:/video-ranker@champion",
    "headrace serve models:/video-ranker@champion --port 8080 --method predict_proba --online-down last-good",
)
def serve(
    session: Session,
    model: Annotated[
        str, typer.Argument(metavar="MODEL", help="The model's address, models:/NAME@ALIAS or models:/NAME/VERSION.")
    ],
    host: Annotated[
        str, typer.Option("--host", help="The address to listen on. The default can be reached from this machine only.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help="The port; 0 takes a free one.")] = 8080,
    workers: Annotated[int, typer.Option("--workers", min=1, help="Processes that share the port, each with its model.")] = 1,
    method: Annotated[
        str, typer.Option("--method", help="predict or predict_proba, for requests that name neither.")
    ] = "predict",
    online_down: Annotated[
        str, typer.Option("--online-down", help="What to answer while the online store is down: fail, defaults or last-good.")
    ] = "fail",
    shadow: Annotated[
        str,
        typer.Option("--shadow", metavar="@ALIAS", help="A version that gets a copy of all requests; its answers are compared."),
    ] = "",
    canary: Annotated[
        str, typer.Option("--canary", metavar="@ALIAS=10%", help="A version that answers this share of the keys.")
    ] = "",
    log_share: Annotated[
        float, typer.Option("--log-share", min=0, max=1, help="The share of keys whose predictions are kept in the lake.")
    ] = 1.0,
    predict_seconds: Annotated[
        float, typer.Option("--predict-seconds", min=0.001, help="How long a call of the model may take.")
    ] = 30,
    load_seconds: Annotated[float, typer.Option("--load-seconds", min=0.001, help="How long loading a version may take.")] = 120,
    memory_mb: Annotated[
        int, typer.Option("--memory-mb", min=0, help="Memory that the model's process may take; 0 for half of the machine's.")
    ] = 0,
    batch_rows: Annotated[int, typer.Option("--batch-rows", min=1, help="The most rows in one call of the model.")] = 1024,
    allow_pickle: Annotated[
        bool, typer.Option("--allow-pickle", help="Allow models whose format runs their author's code when loaded.")
    ] = False,
    allow_host: Annotated[
        list[str] | None,
        typer.Option("--allow-host", help="A further name that clients may call this service by; * for any.", show_default=False),
    ] = None,
    max_body_mb: Annotated[int, typer.Option("--max-body-mb", min=1, help="The largest request body, in MB.")] = 64,
    access_log: Annotated[
        bool, typer.Option("--access-log/--no-access-log", help="Write a line of JSON per request on standard error.")
    ] = False,
) -> Answer:
    """Serve a model over HTTP: entity keys or rows in, predictions out; follow its alias when it moves.

    Keys go to /api/v1/predict, rows to /invocations as in MLflow. A new version is loaded and tried beside the old one, which
    goes on if the new one fails. It stops at Ctrl-C or SIGTERM, once the requests under way are answered.
    """
    import psutil

    from headrace.server.inference import serve_model
    from headrace.server.run import ServerOptions
    from headrace.serving.service import ServingOptions
    from headrace.serving.slot import Bounds

    _check("--online-down", online_down, _DOWN)
    _check("--method", method, _METHODS)
    memory = memory_mb or psutil.virtual_memory().total >> 21
    bounds = Bounds(predict_seconds, load_seconds, memory, batch_rows)
    canary_uri, canary_share = _canary(model, canary)
    serving = ServingOptions(
        uri=model,
        method=method,
        down=cast("Down", online_down),
        bounds=bounds,
        allow_pickle=allow_pickle,
        shadow=_beside(model, shadow) if shadow else "",
        canary=canary_uri,
        canary_share=canary_share,
        log_share=log_share,
    )
    server = ServerOptions(session.folder, host, port, workers, tuple(allow_host or ()), max_body_mb, access_log)
    served: list[str] = []

    def started(address: str) -> None:
        served.append(address)
        note(f"serving {model} at {address}; Ctrl-C stops it")

    serve_model(session.server or str(session.require()), server, serving, started)
    return Answer({"served": served[0]}, [f"stopped serving at {served[0]}"])


def _check(option: str, given: str, known: tuple[str, ...]) -> None:
    if given not in known:
        msg = f"{option} is {given!r}; it is one of {', '.join(known)}"
        raise InvalidInputError(msg)


def _beside(model: str, alias: str) -> str:
    """The address of another version of the model: `@challenger`, or a whole address."""
    if not alias.startswith("@"):
        return alias
    return f"models:/{parse_uri(model).name}{alias}"


def _canary(model: str, text: str) -> tuple[str, float]:
    """`@challenger=10%` as an address and a share."""
    if not text:
        return "", 0.0
    alias, _, share = text.rpartition("=")
    try:
        part = float(share.removesuffix("%")) / (100 if share.endswith("%") else 1)
    except ValueError:
        part = -1.0
    if not alias or not 0 <= part <= 1:
        msg = f"--canary is {text!r}; give an alias and a share, for example @challenger=10%"
        raise InvalidInputError(msg)
    return _beside(model, alias), part
