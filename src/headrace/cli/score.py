"""The score verb: batch scoring."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from headrace.cli.output import Answer
from headrace.cli.verb import Session, verb

__all__ = ["score"]


@verb(
    "score",
    "headrace score models:/video-ranker@champion rows.parquet -o scores.parquet",
    "headrace score models:/video-ranker/3 keys.csv -o scores.csv -t asked_at --method predict_proba",
)
def score(
    session: Session,
    model: Annotated[
        str, typer.Argument(metavar="MODEL", help="The model's address, models:/NAME@ALIAS or models:/NAME/VERSION.")
    ],
    frame: Annotated[
        Path,
        typer.Argument(
            metavar="FRAME.parquet",
            exists=True,
            dir_okay=False,
            help="The model's columns, or the join keys of its view; Parquet, or CSV with a header if it is named .csv.",
        ),
    ],
    output: Annotated[
        Path,
        typer.Option("--output", "-o", metavar="OUT.parquet", help="The file to write; CSV if it is named .csv.", dir_okay=False),
    ],
    timestamp: Annotated[
        str, typer.Option("--timestamp", "-t", metavar="COLUMN", help="The column with each row's moment. Default: now.")
    ] = "",
    method: Annotated[str, typer.Option("--method", help="predict or predict_proba.")] = "predict",
    allow_pickle: Annotated[
        bool, typer.Option("--allow-pickle", help="Allow a model whose format runs its author's code when loaded.")
    ] = False,
) -> Answer:
    """Score a file with a model: the same rows in the same order, with predictions. The online store isn't used.

    Rows of join keys get historical features as of each row's own time. The same command resumes after a crash.
    """
    found = session.store.score(model, frame, output, method=method, timestamp=timestamp, allow_pickle=allow_pickle)
    resumed = f"; {found.resumed:,} of them were there already" if found.resumed else ""
    features = f" with features of {found.view}" if found.view else ""
    return Answer(found, [f"wrote {found.rows:,} rows scored by {found.model}{features} to {found.path}{resumed}"])
