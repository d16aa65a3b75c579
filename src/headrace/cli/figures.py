"""Figures as PNG or SVG, in the web app's colours: curves of metrics, and what a feature's values look like.

Matplotlib draws, without a screen and without touching what the program around has set in it.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from headrace.cli.values import printable
from headrace.errors import InvalidInputError, MissingExtraError, StorageError
from headrace.serving.files import whole_file

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from headrace.features.observer import Statistics
    from headrace.features.statistics import ColumnStatistics

__all__ = ["ENDINGS", "Curve", "Look", "Panel", "check_file", "draw_curves", "draw_feature", "smooth"]

ENDINGS = (".png", ".svg")
Theme = Literal["light", "dark"]
_DPI = 150
_COLOURS: Mapping[Theme, Mapping[str, str]] = {
    "light": {"back": "#ffffff", "line": "#c9cfd6", "grid": "#e4e7eb", "text": "#12171c", "quiet": "#4a5561", "bad": "#b6302a"},
    "dark": {"back": "#12161b", "line": "#3a4551", "grid": "#232a32", "text": "#e8ecf1", "quiet": "#a3afbc", "bad": "#ff8a80"},
}
_RUNS: Mapping[Theme, str] = {
    "light": "#2463c4 #c96407 #08796a #b42d80 #7b6a00 #6b43bd #1489b8 #9d3a24 #46801b #56667a #8c4a63 #3d5a5c",
    "dark": "#77abff #ffb057 #35c9b0 #ff93cd #e4cf4e #bda4ff #67d5ff #ff957c #a1da68 #b2c0cf #f0a9bf #8fc1c4",
}
_DASHES = ("solid", (0, (5, 2)), (0, (1, 1.5)))
_COURSES = {"bool": "share that is true over time", "string": "length over time", "bytes": "length over time"}
_LONGEST = 48
_MOST_VALUES = 12


@dataclass(frozen=True, slots=True)
class Look:
    """How a figure looks.

    Attributes:
        width, height: of a panel with its frame, in pixels; of an SVG at 150 pixels an inch.
        log_x, log_y: logarithmic axes; what isn't above zero can't be on one and is left out.
    """

    theme: Theme = "light"
    width: int = 1350
    height: int = 750
    log_x: bool = False
    log_y: bool = False


@dataclass(frozen=True, slots=True)
class Curve:
    """A line of a panel.

    Attributes:
        number: which line of the figure it is; the same number has the same colour in every panel.
        x, y: float64; days since 1970 along time. What isn't finite is a gap.
        marks: where points are that aren't finite; each gets a cross at the foot.
        low, high: float64, the extent of the points that a place of a long curve stands for.
        ghost: float64, what `y` was before it was smoothed.
    """

    label: str
    number: int
    x: NDArray[np.float64]
    y: NDArray[np.float64]
    marks: NDArray[np.float64]
    low: NDArray[np.float64] | None = None
    high: NDArray[np.float64] | None = None
    ghost: NDArray[np.float64] | None = None


@dataclass(frozen=True, slots=True)
class Panel:
    """Axes with their lines; `dates`: along time."""

    title: str
    x_label: str
    curves: Sequence[Curve]
    dates: bool = False


def check_file(path: Path) -> None:
    """Raise InvalidInputError unless a figure can be written in the format that this name's ending tells."""
    if path.suffix.lower() not in ENDINGS:
        msg = f"{path}: a figure is written as .png or .svg; name the file so"
        raise InvalidInputError(msg)


def smooth(values: NDArray[np.float64], weight: float) -> NDArray[np.float64]:
    """An exponential mean without the bias of its start, as the web app has it; what isn't finite is passed over."""
    import numpy as np

    found = values.copy()
    mean = share = 0.0
    for place in np.flatnonzero(np.isfinite(values)).tolist():
        mean = mean * weight + float(values[place]) * (1 - weight)
        share = share * weight + (1 - weight)
        found[place] = mean / share
    return found


def draw_curves(panels: Sequence[Panel], path: Path, look: Look) -> None:
    """Draw panels below each other. Raises MissingExtraError, InvalidInputError for the name, StorageError."""
    with _figure(path, look, len(panels)) as figure:
        axes = figure.subplots(len(panels), 1, squeeze=False)[:, 0]
        for axis, panel in zip(axes, panels, strict=True):
            _frame(axis, panel.title, look, x_label=panel.x_label)
            if look.log_x:
                axis.set_xscale("log", nonpositive="mask")
            if look.log_y:
                axis.set_yscale("log", nonpositive="mask")
            for curve in panel.curves:
                _draw(axis, curve, look)
            if panel.dates:
                _along_time(axis)
        _legend(figure, {curve.number: curve.label for panel in panels for curve in panel.curves}, look)


def draw_feature(history: Sequence[Statistics], name: str, path: Path, look: Look) -> None:
    """Draw what the values of a feature are, and how they went over time.

    Args:
        history: statistics that have it, newest first.

    Raises:
        MissingExtraError: Matplotlib isn't installed.
        InvalidInputError, StorageError: the file's name, or it can't be written.
    """
    newest = history[0]
    with _figure(path, look, 1) as figure:
        grid = figure.add_gridspec(2, 2, width_ratios=(1, 1.15), height_ratios=(3, 1))
        title = figure.suptitle(_clean(f"{name} of {newest.subject}"), x=0.01, ha="left", fontsize=11, fontweight="bold")
        title.set_parse_math(False)
        _distribution(figure.add_subplot(grid[:, 0]), newest[name], look)
        over, nulls = figure.add_subplot(grid[0, 1]), figure.add_subplot(grid[1, 1])
        _course(over, nulls, list(reversed(history)), name, look)


@contextmanager
def _figure(path: Path, look: Look, panels: int) -> Iterator[Any]:
    """An empty figure, written to the file when the block ends well."""
    check_file(path)
    try:
        import matplotlib as mpl
        from matplotlib.figure import Figure
    except ModuleNotFoundError as error:
        raise MissingExtraError.of("matplotlib", "plot") from error
    colours = _COLOURS[look.theme]
    style: dict[Any, Any] = {
        "svg.fonttype": "none",
        "svg.hashsalt": "headrace",
        "font.size": 9,
        "text.color": colours["text"],
        "axes.labelcolor": colours["quiet"],
        "xtick.color": colours["quiet"],
        "ytick.color": colours["quiet"],
        "axes.edgecolor": colours["line"],
        "axes.facecolor": colours["back"],
        "figure.facecolor": colours["back"],
        "grid.color": colours["grid"],
    }
    with mpl.rc_context(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a letter that the font lacks is a box
        mpl.rcdefaults()
        mpl.rcParams.update(style)
        figure = Figure(figsize=(look.width / _DPI, look.height * panels / _DPI), dpi=_DPI, layout="constrained")
        yield figure
        try:
            with whole_file(path) as place:
                figure.savefig(place, format=path.suffix.lower()[1:], metadata={"Date": None} if _is_svg(path) else {})
        except OSError as error:
            msg = f"{path} can't be written: {error.strerror or error}"
            raise StorageError(msg) from error


def _is_svg(path: Path) -> bool:
    return path.suffix.lower() == ".svg"


def _frame(axis: Any, title: str, look: Look, *, x_label: str = "") -> None:
    axis.set_title(_clean(title), loc="left", fontsize=10, fontweight="bold").set_parse_math(False)  # a `$` is one
    axis.set_xlabel(x_label)
    axis.grid(visible=True, linewidth=0.6)
    axis.set_axisbelow(True)
    for side in ("top", "right"):
        axis.spines[side].set_visible(False)
    axis.tick_params(length=3, color=_COLOURS[look.theme]["line"])


def _draw(axis: Any, curve: Curve, look: Look) -> None:
    import numpy as np

    colour, dash = _line_of(curve.number, look)
    if curve.low is not None and curve.high is not None:
        low, high = _above_zero(curve.low, curve.high) if look.log_y else (curve.low, curve.high)
        axis.fill_between(curve.x, low, high, color=colour, alpha=0.18, linewidth=0)
    if curve.ghost is not None:
        axis.plot(curve.x, curve.ghost, color=colour, alpha=0.25, linewidth=0.9)
    good = np.isfinite(curve.y)
    alone = "o" if np.count_nonzero(good) == 1 else ""
    axis.plot(curve.x, np.where(good, curve.y, np.nan), color=colour, linestyle=dash, linewidth=1.5, marker=alone, markersize=4)
    if len(curve.marks):
        feet = np.zeros(len(curve.marks))
        axis.plot(curve.marks, feet, "x", color=colour, markersize=4, transform=axis.get_xaxis_transform(), clip_on=False)


def _above_zero(low: NDArray[np.float64], high: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The part of a band that a logarithmic axis has room for."""
    import numpy as np

    shown = np.concatenate([low[low > 0], high[high > 0]])
    floor = float(shown.min()) if len(shown) else 1.0
    return np.where(high > 0, np.maximum(low, floor), np.nan), np.where(high > 0, high, np.nan)


def _line_of(number: int, look: Look) -> tuple[str, Any]:
    colours = _RUNS[look.theme].split()
    return colours[number % len(colours)], _DASHES[number // len(colours) % len(_DASHES)]


def _legend(figure: Any, labels: Mapping[int, str], look: Look) -> None:
    from matplotlib.lines import Line2D

    handles = [
        Line2D([], [], color=colour, linestyle=dash, linewidth=1.8)
        for colour, dash in (_line_of(number, look) for number in labels)
    ]
    shown = figure.legend(
        handles, ["…"] * len(handles), loc="outside upper left", ncols=_columns(labels), frameon=False, fontsize=9
    )
    for text, label in zip(shown.get_texts(), labels.values(), strict=True):  # a label that begins with _ would be left out
        text.set_parse_math(False)
        text.set_text(_clean(label))


def _columns(labels: Mapping[int, str]) -> int:
    longest = max((len(_clean(label)) for label in labels.values()), default=1)
    return max(1, min(4, 110 // (longest + 6)))


def _clean(text: str) -> str:
    text = printable(text)
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"


def _distribution(axis: Any, found: ColumnStatistics, look: Look) -> None:
    """The newest values: a bar for each of few, or for each stretch of many."""
    _frame(axis, f"{found.count:,} values", look)
    axis.yaxis.set_major_formatter(_percent())
    colour, quiet = _line_of(0, look)[0], _COLOURS[look.theme]["line"]
    whole = max(found.count - found.nulls, 1)
    if found.top and (not found.histogram or (found.complete and len(found.top) <= _MOST_VALUES)):
        _named_bars(axis, found, whole, colour)
    elif found.histogram:
        tails = len(found.histogram) > 3 and found.edges[0] < found.edges[1]
        shades = [quiet if tails and place in (0, len(found.histogram) - 1) else colour for place in range(len(found.histogram))]
        axis.bar(range(len(found.histogram)), [part / whole for part in found.histogram], width=0.92, align="edge", color=shades)
        places = _edge_places(len(found.edges), tails=tails)
        axis.set_xticks(places, [f"{found.edges[place]:.4g}" for place in places])
        ends = f"grey: the outermost hundredths, down to {found.edges[0]:.4g} and up to {found.edges[-1]:.4g}"
        axis.set_xlabel(ends if tails else "")
    else:
        _say(axis, "no distribution is kept\nof values of this type")


def _named_bars(axis: Any, found: ColumnStatistics, whole: int, colour: str) -> None:
    shown = list(found.top[:_MOST_VALUES])
    if found.complete and all(isinstance(value, int | float) for value, _ in shown):
        shown.sort()
    axis.bar(range(len(shown)), [count / whole for _, count in shown], width=0.8, color=colour)
    axis.set_xticks(range(len(shown)), [_named(value) for value, _ in shown], rotation=30, ha="right")
    for text in axis.get_xticklabels():
        text.set_parse_math(False)
    more = (found.distinct or 0) - len(shown)
    axis.set_xlabel(f"and {more:,} other values" if more > 0 else "")


def _named(value: Any) -> str:
    text = f"{value:.6g}" if isinstance(value, float) else printable(str(value))
    return text if len(text) <= 16 else f"{text[:15]}…"


def _edge_places(edges: int, *, tails: bool) -> list[int]:
    """Five edges, those where the tails begin among them."""
    shown = range(1, edges - 1) if tails else range(edges)
    return sorted({shown[round(share * (len(shown) - 1))] for share in (0, 0.25, 0.5, 0.75, 1)})


def _course(over: Any, nulls: Any, history: Sequence[Statistics], name: str, look: Look) -> None:
    """How the figures of a feature went, oldest first: quantiles and mean above, the share of nulls below."""
    from datetime import UTC, datetime

    colour, colours = _line_of(0, look)[0], _COLOURS[look.theme]
    times: Any = [datetime.fromtimestamp(item.at / 1e6, UTC) for item in history]
    columns = [item[name] for item in history]
    mark = "o" if len(times) == 1 else "."
    _frame(over, _COURSES.get(columns[-1].dtype, "over time"), look)
    for low, high, alpha in (("p5", "p95", 0.15), ("p25", "p75", 0.3)):
        band = [[_number(column.quantiles.get(end)) for column in columns] for end in (low, high)]
        if not all(math.isnan(value) for value in band[0]):
            over.fill_between(times, *band, color=colour, alpha=alpha, linewidth=0, label=f"{low} to {high}")
    middle = [_number(column.quantiles.get("p50")) for column in columns]
    if not all(math.isnan(value) for value in middle):
        over.plot(times, middle, color=colour, linewidth=1.5, marker=mark, markersize=4, label="median")
    means = [_number(column.mean) for column in columns]
    if not all(math.isnan(value) for value in means):
        mean_colour = _line_of(1, look)[0]
        over.plot(times, means, color=mean_colour, linewidth=1.2, linestyle=(0, (5, 2)), marker=mark, markersize=4, label="mean")
        over.legend(loc="best", frameon=False, fontsize=8)
    else:
        _say(over, "no figures are kept\nof values of this type")
    _frame(nulls, "null", look, x_label="UTC")
    nulls.yaxis.set_major_formatter(_percent())
    shares = [column.null_share for column in columns]
    nulls.plot(times, shares, color=colours["bad"], linewidth=1.2, marker=mark, markersize=4, clip_on=False)
    nulls.set_ylim(bottom=0, top=max(0.02, 1.1 * max(shares)))
    if over.lines:
        _along_time(over)
        nulls.sharex(over)
    _along_time(nulls)


def _say(axis: Any, text: str) -> None:
    axis.text(0.5, 0.5, text, ha="center", va="center", transform=axis.transAxes)
    axis.set_xticks([])
    axis.set_yticks([])


def _along_time(axis: Any) -> None:
    import matplotlib.dates

    dates: Any = matplotlib.dates
    locator = dates.AutoDateLocator(maxticks=7)
    axis.xaxis.set_major_locator(locator)
    axis.xaxis.set_major_formatter(dates.ConciseDateFormatter(locator))


def _percent() -> Any:
    from matplotlib.ticker import PercentFormatter

    return PercentFormatter(1.0)


def _number(value: float | None) -> float:
    return math.nan if value is None else float(value)
