"""The verbs that draw: `runs plot` and `features plot`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from headrace.cli.figures import Curve, Look, Panel, check_file, draw_curves, draw_feature, smooth
from headrace.cli.output import Answer
from headrace.cli.verb import Session, verb
from headrace.errors import InvalidInputError, NotFoundError

if TYPE_CHECKING:
    from headrace.tracking.history import MetricHistory
    from headrace.tracking.run import Run

__all__ = ["plot_feature", "plot_runs"]

EXACT, BUCKETS = 4_000, 1_500
"""Longer curves are drawn as so many stretches, each with its lowest, highest and last value."""
SHORT_ID = 12
_UNITS = (("days", 86_400.0), ("hours", 3_600.0), ("minutes", 60.0), ("seconds", 1.0))

Output = Annotated[
    Path,
    typer.Option(
        "--output", "-o", metavar="FILE", help="The file to write, .png or .svg; an existing one is replaced.", dir_okay=False
    ),
]
Dark = Annotated[bool, typer.Option("--dark", help="Dark colours, for dark pages.")]
Width = Annotated[int, typer.Option("--width", min=200, max=10_000, help="Pixels.")]
Height = Annotated[int, typer.Option("--height", min=150, max=10_000, help="Pixels, of each metric.")]


@verb(
    "plot",
    "headrace runs plot 0190f7c2 0190f7d8 -m loss -o loss.svg",
    "headrace runs plot -e ranker -m loss -m auc --smoothing 0.9 --dark -o curves.png",
    """headrace runs plot -q "metrics.auc > 0.8" -m loss --x relative --log-y -o loss.png""",
)
def plot_runs(
    session: Session,
    metric: Annotated[list[str], typer.Option("-m", "--metric", help="A metric, drawn as a chart of its own; may be repeated.")],
    output: Output,
    runs: Annotated[
        list[str] | None, typer.Argument(metavar="RUN...", help="Runs, by id. Default: the newest ones that match.")
    ] = None,
    query: Annotated[str, typer.Option("-q", "--query", metavar="FILTER", help="Without RUN: only runs that match.")] = "",
    experiment: Annotated[
        list[str] | None, typer.Option("-e", "--experiment", help="Without RUN: only of this experiment; may be repeated.")
    ] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, help="Without RUN: at most this many.")] = 10,
    x: Annotated[Literal["step", "time", "relative"], typer.Option("--x", help="The horizontal axis.")] = "step",
    smoothing: Annotated[
        float,
        typer.Option("--smoothing", min=0, max=0.999, help="Weight of earlier points; the logged values show faintly behind."),
    ] = 0.0,
    log_x: Annotated[bool, typer.Option("--log-x", help="A logarithmic horizontal axis.")] = False,
    log_y: Annotated[bool, typer.Option("--log-y", help="A logarithmic vertical axis.")] = False,
    dark: Dark = False,
    width: Width = 1350,
    height: Height = 750,
) -> Answer:
    """Draw metrics of runs, a line each, into a PNG or SVG file. It needs: pip install 'headrace[plot]'.

    No point is hidden: where many share a pixel, their lowest and highest show as a band. A cross at the foot is NaN or infinite.
    """
    check_file(output)
    if log_x and x == "time":
        msg = "--log-x is for --x step or relative: a moment has no logarithm"
        raise InvalidInputError(msg)
    store = session.store
    found = [store.runs.get(run) for run in runs] if runs else list(store.runs.search(query, experiment or None, limit=limit))
    held = [run for run in found if any(key in run.latest for key in metric)]
    if not held:
        raise NotFoundError.of("metric of these runs", ", ".join(metric), {key for run in found for key in run.latest})
    labels = _labels(held)
    panels = [
        _panel(
            key,
            [
                (number, labels[number], run, store.runs.metric_history(run.id, key))
                for number, run in enumerate(held)
                if key in run.latest
            ],
            x,
            smoothing,
        )
        for key in metric
        if any(key in run.latest for run in held)
    ]
    draw_curves(panels, output, Look("dark" if dark else "light", width, height, log_x, log_y))
    lacking = {key: [run.id for run in found if key not in run.latest] for key in metric}
    data = {"path": str(output), "runs": [run.id for run in held], "metrics": metric, "lacking": lacking}
    gaps = [f"{len(ids)} of the runs have no {key}" for key, ids in lacking.items() if ids]
    return Answer(data, [f"{', '.join(metric)} of {len(held)} runs: {output}", *gaps])


@verb(
    "plot",
    "headrace features plot user_taste stars_avg_7d -o stars.svg",
    "headrace features plot ratings stars --dark -o stars.png",
)
def plot_feature(
    session: Session,
    name: Annotated[
        str, typer.Argument(metavar="GROUP", help="A group or a source; group:NAME, source:NAME where both have it.")
    ],
    feature: Annotated[str, typer.Argument(metavar="FEATURE", help="A feature of the group, or a column of the source.")],
    output: Output,
    dark: Dark = False,
    width: Width = 1650,
    height: Annotated[int, typer.Option("--height", min=150, max=10_000, help="Pixels.")] = 750,
) -> Answer:
    """Draw the distribution of a feature's values, and its course over time, into a PNG or SVG file.

    It needs: pip install 'headrace[plot]'. It draws kept statistics, which writes, materializations and `features profile` take.
    """
    check_file(output)
    found = session.store.statistics(name)
    found.latest[feature]  # raises if there is none
    history = [item for item in found.history if feature in item.columns]
    draw_feature(history, feature, output, Look("dark" if dark else "light", width, height))
    data = {"path": str(output), "subject": found.subject, "feature": feature, "points": len(history)}
    return Answer(data, [f"{feature} of {found.subject}, {len(history)} times it was looked at: {output}"])


def _labels(runs: Sequence[Run]) -> list[str]:
    """The runs' names, with the beginning of their id where two have one name."""
    often = Counter(run.name for run in runs)
    return [run.name if often[run.name] == 1 else f"{run.name} {run.id[:SHORT_ID]}" for run in runs]


def _panel(key: str, drawn: Sequence[tuple[int, str, Run, MetricHistory]], axis: str, smoothing: float) -> Panel:
    if axis != "relative":
        label = "step" if axis == "step" else "UTC"
        curves = [_curve(history, name, number, axis, smoothing) for number, name, _, history in drawn]
        return Panel(key, label, curves, dates=axis == "time")
    longest = max(int(history.times.max()) - run.start for _, _, run, history in drawn) / 1e6
    unit, seconds = next((item for item in _UNITS if longest >= 2 * item[1]), _UNITS[-1])
    curves = [_curve(history, name, number, axis, smoothing, (run.start, seconds)) for number, name, run, history in drawn]
    return Panel(key, f"{unit} since the start", curves)


def _curve(
    history: MetricHistory, label: str, number: int, axis: str, smoothing: float, relative: tuple[int, float] = (0, 86_400.0)
) -> Curve:
    """A line; along time in units of `relative[1]` seconds since `relative[0]`."""
    import numpy as np

    along = "step" if axis == "step" else "time"
    low = high = None
    if len(history) > EXACT:
        found = history.buckets(BUCKETS, along)
        places, values, low, high, odd = found.end, found.last, found.low, found.high, found.nans > 0
    else:
        positions = history.steps if along == "step" else history.times
        order = np.lexsort((history.times, positions))
        places, values = positions[order], history.values[order]
        odd = np.zeros(len(values), bool)
    x = places.astype(np.float64) if along == "step" else (places - relative[0]) / (1e6 * relative[1])
    ghost, shown = (values, smooth(values, smoothing)) if smoothing else (None, values)
    return Curve(label, number, x, shown, x[odd | ~np.isfinite(values)], low, high, ghost)
