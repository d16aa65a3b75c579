"""Figures without a browser: what a run measured and what a feature's values are, as PNG and SVG."""

from __future__ import annotations

import builtins
import math
import warnings
from xml.etree import ElementTree as ET

import numpy as np
import pandas as pd
import pytest

import headrace as hr
from headrace.cli.figures import smooth
from headrace.cli.plots import EXACT, _curve
from headrace.tracking.history import Chunk, MetricHistory

Image = pytest.importorskip("PIL.Image")
ODD = "cost $x^2 _$ 電"


@pytest.fixture(scope="module")
def seeded(tmp_path_factory):
    folder = tmp_path_factory.mktemp("plots")
    ids = {}
    with hr.connect(folder) as store:
        for name, points in (("first", 30), (ODD, EXACT + 500), ("_hidden", 5), ("bare", 0)):
            with store.start_run(experiment="ranker", name=name, capture=False, nested=True) as run:
                for step in range(points):
                    run.log_metric("loss", math.nan if step == 3 else -1.0 if step == 4 else 1 / (1 + step), step=step)
                run.log_metric("once", 1.0)
            ids[name] = run.id
        columns = {"k": "int64", "stars": "float64", "genre": "string", "ok": "bool", "at": "timestamp"}
        source = hr.EventSource("ratings", timestamp="at", schema=columns)
        thing = hr.Entity("thing", keys={"k": "int64"})
        features = {"n": hr.count(), "avg": hr.mean("stars")}
        store.apply([hr.FeatureGroup("taste", entity=thing, source=source, features=features)])
        for part in range(2):
            rows = {"k": range(100), "stars": np.linspace(0, 5, 100), "genre": ["$a", "b"] * 50, "ok": [True] * 100}
            store.write("ratings", pd.DataFrame({**rows, "at": pd.Timestamp("2026-01-01", tz="UTC") + pd.Timedelta(part, "h")}))
            store.materialize()
    return folder, ids


@pytest.fixture
def draw(cli, seeded, tmp_path):
    """Draws into a file of this name; gives the answer and the file."""

    def call(name, *arguments, code=0):
        found = cli("-C", seeded[0], *arguments, "-o", tmp_path / name, "--json", code=code)
        return (found.json, tmp_path / name) if code == 0 else found.out

    return call


def texts(path):
    """The words of an SVG, as a reader finds them."""
    return {"".join(node.itertext()).strip() for node in ET.parse(path).iter("{http://www.w3.org/2000/svg}text")}


def test_runs_are_drawn_with_their_names_whatever_is_in_them(draw, seeded):
    data, path = draw("loss.svg", "runs", "plot", "-e", "ranker", "-m", "loss", "-m", "once", "--smoothing", "0.9")
    assert {"loss", "once", "step", "first", "bare", ODD, "_hidden"} <= texts(path)
    assert set(data["runs"]) == set(seeded[1].values())
    assert data["lacking"] == {"loss": [seeded[1]["bare"]], "once": []}


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--x", "time"], {"UTC"}),
        (["--x", "relative", "--log-y"], {"seconds since the start"}),
        (["--log-x", "--log-y", "--dark"], {"step"}),
    ],
)
def test_axes_are_what_was_asked_for(draw, seeded, options, words):
    _, path = draw("loss.svg", "runs", "plot", *list(seeded[1].values())[:2], "-m", "loss", *options)
    assert words <= texts(path)


@pytest.mark.parametrize(("words", "back"), [((), (255, 255, 255)), (("--dark",), (0x12, 0x16, 0x1B))])
def test_a_png_has_its_size_and_its_ground(draw, seeded, words, back):
    _, path = draw("loss.png", "runs", "plot", seeded[1]["first"], "-m", "loss", "--width", 600, "--height", 300, *words)
    image = Image.open(path).convert("RGB")
    assert image.size == (600, 300)
    assert image.getpixel((599, 299)) == back
    assert len(set(image.get_flattened_data() if hasattr(image, "get_flattened_data") else image.getdata())) > 20


def test_the_same_is_drawn_the_same(draw, seeded):
    drawn = [draw(name, "runs", "plot", seeded[1]["first"], "-m", "loss")[1].read_bytes() for name in ("a.svg", "b.svg")]
    assert drawn[0] == drawn[1]


def test_runs_of_one_name_are_told_apart(draw, cli, tmp_path):
    with hr.connect(tmp_path / "twins") as store:
        ids = []
        for _ in range(2):
            with store.start_run(name="twin", capture=False) as run:
                run.log_metric("m", 1.0)
            ids.append(run.id)
    cli("-C", tmp_path / "twins", "runs", "plot", "-m", "m", "-o", tmp_path / "m.svg")
    assert {f"twin {run_id[:12]}" for run_id in ids} <= texts(tmp_path / "m.svg")


def test_a_long_curve_hides_no_spike_and_no_gap():
    steps = np.arange(100_000)
    values = np.where(steps == 70_001, 1e6, np.where(steps == 30_000, np.nan, np.sin(steps / 1000)))
    drawn = _curve(MetricHistory("m", [Chunk(steps, steps, values)]), "m", 0, "step", 0.0)
    assert len(drawn.x) <= 1_500
    assert drawn.high.max() == 1e6
    assert len(drawn.marks) == 1
    assert abs(drawn.marks[0] - 30_000) < 100


def test_smoothing_has_no_bias_at_its_start_and_passes_over_gaps():
    found = smooth(np.array([2.0, np.nan, 4.0, np.inf, 4.0]), 0.5)
    assert found[[0, 2, 4]] == pytest.approx([2.0, (2 * 0.25 + 4 * 0.5) / 0.75, (2 * 0.125 + 4 * 0.25 + 4 * 0.5) / 0.875])
    assert np.isnan(found[1])
    assert np.isinf(found[3])


@pytest.mark.parametrize(
    ("name", "feature", "words"),
    [
        ("ratings", "stars", {"over time", "null", "100 values"}),
        ("ratings", "genre", {"$a", "b", "length over time"}),
        ("ratings", "ok", {"True", "share that is true over time"}),
        ("ratings", "at", {"no distribution is kept"}),
        ("taste", "avg", {"avg of group:taste"}),
    ],
)
def test_a_feature_is_drawn_with_its_past(draw, name, feature, words):
    data, path = draw("f.svg", "features", "plot", name, feature)
    assert words <= texts(path)
    assert (data["feature"], data["points"]) == (feature, 2)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["x.jpg", "runs", "plot", "-m", "loss"], ".png or .svg"),
        (["x.png", "runs", "plot", "-m", "nope"], "there is: loss, once"),
        (["x.png", "runs", "plot", "-m", "loss", "--x", "time", "--log-x"], "--log-x is for"),
        (["none/x.png", "runs", "plot", "-m", "loss"], "can't be written: No such file"),
        (["x.png", "features", "plot", "taste", "nope"], "there is: avg, n"),
        (["x.gif", "features", "plot", "taste", "avg"], ".png or .svg"),
    ],
)
def test_what_cant_be_drawn_is_told_and_writes_nothing(draw, tmp_path, arguments, words):
    assert words in draw(*arguments, code=2)
    assert not list(tmp_path.glob("x.*"))


def test_without_the_library_the_extra_is_named(draw, monkeypatch):
    real = builtins.__import__

    def missing(name, *rest):
        if name.partition(".")[0] == "matplotlib":
            raise ModuleNotFoundError(name)
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", missing)
    assert "headrace[plot]" in draw("x.png", "runs", "plot", "-m", "loss", code=2)


def test_drawing_leaves_the_settings_of_matplotlib_alone(draw, seeded):
    import matplotlib as mpl

    before = dict(mpl.rcParams)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        draw("loss.png", "runs", "plot", seeded[1][ODD], "-m", "loss", "--dark")
    assert dict(mpl.rcParams) == before
