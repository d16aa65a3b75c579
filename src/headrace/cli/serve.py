"""The serve verb: the inference service."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from headrace.cli.listening import AccessLog, AllowHost, Host, MaxBody, Port, until_stopped
from headrace.cli.output import Answer
from headrace.cli.verb import Session, verb
from headrace.errors import InvalidInputError
from headrace.models.version import parse_uri

__all__ = ["serve"]

Model = Annotated[str, typer.Argument(metavar="MODEL", help="The model's address, models:/NAME@ALIAS or models:/NAME/VERSION.")]
Workers = Annotated[int, typer.Option("--workers", min=1, help="Processes that share the port, each with its model.")]
Method = Annotated[
    Literal["predict", "predict_proba"],
    typer.Option("--method", help="predict or predict_proba, for requests that name neither."),
]
OnlineDown = Annotated[
    Literal["fail", "defaults", "last-good"],
    typer.Option("--online-down", help="What to answer while the online store is down: fail, defaults or last-good."),
]
Shadow = Annotated[
    str, typer.Option("--shadow", metavar="@ALIAS", help="A version that gets a copy of all requests; its answers are compared.")
]
Canary = Annotated[str, typer.Option("--canary", metavar="@ALIAS=10%", help="A version that answers this share of the keys.")]
LogShare = Annotated[
    float, typer.Option("--log-share", min=0, max=1, help="The share of keys whose predictions are kept in the lake.")
]
PredictSeconds = Annotated[float, typer.Option("--predict-seconds", min=0.001, help="How long a call of the model may take.")]
LoadSeconds = Annotated[float, typer.Option("--load-seconds", min=0.001, help="How long loading a version may take.")]
Memory = Annotated[
    int, typer.Option("--memory-mb", min=0, help="Memory that the model's process may take; 0 for half of the machine's.")
]
BatchRows = Annotated[int, typer.Option("--batch-rows", min=1, help="The most rows in one call of the model.")]
AllowPickle = Annotated[
    bool, typer.Option("--allow-pickle", help="Allow models whose format runs their author's code when loaded.")
]


@verb(
    "serve",
    "headrace serve models:/video-ranker@champion",
    "headrace serve models:/video-ranker@champion --port 8080 --method predict_proba --online-down last-good",
)
def serve(
    session: Session,
    model: Model,
    host: Host = "127.0.0.1",
    port: Port = 8080,
    workers: Workers = 1,
    method: Method = "predict",
    online_down: OnlineDown = "fail",
    shadow: Shadow = "",
    canary: Canary = "",
    log_share: LogShare = 1.0,
    predict_seconds: PredictSeconds = 30,
    load_seconds: LoadSeconds = 120,
    memory_mb: Memory = 0,
    batch_rows: BatchRows = 1024,
    allow_pickle: AllowPickle = False,
    allow_host: AllowHost = None,
    max_body_mb: MaxBody = 64,
    access_log: AccessLog = False,
) -> Answer:
    """Serve a model over HTTP: entity keys or rows in, predictions out; follow its alias when it moves.

    Keys go to /api/v1/predict, rows to /invocations as in MLflow. A new version is loaded and tried beside the old one, which
    goes on if the new one fails. It stops at Ctrl-C or SIGTERM, once the requests under way are answered.
    """
    from headrace.server.inference import serve_model
    from headrace.server.run import ServerOptions
    from headrace.serving.service import ServingOptions
    from headrace.serving.slot import Bounds

    canary_uri, canary_share = _canary(model, canary)
    serving = ServingOptions(
        uri=model,
        method=method,
        down=online_down,
        bounds=Bounds(predict_seconds, load_seconds, memory_mb or _half_of_memory(), batch_rows),
        allow_pickle=allow_pickle,
        shadow=_beside(model, shadow),
        canary=canary_uri,
        canary_share=canary_share,
        log_share=log_share,
    )
    server = ServerOptions(session.folder, host, port, workers, tuple(allow_host or ()), max_body_mb, access_log)
    project = session.server or str(session.require())
    return until_stopped(model, lambda started: serve_model(project, server, serving, started))


def _half_of_memory() -> int:
    import psutil

    total: int = psutil.virtual_memory().total
    return total >> 21


def _beside(model: str, alias: str) -> str:
    """The address of another version of the model: `@challenger`, or a whole address; empty for none."""
    return f"models:/{parse_uri(model).name}{alias}" if alias.startswith("@") else alias


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
