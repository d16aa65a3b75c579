"""A project in which everything that people may name has a name that a page must bear: markup that would run, scripts, emoji,
right-to-left letters, and all of it as long as it may be."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

import headrace as hr
from headrace.clock import system_clock

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["fill"]

ARABIC = "\u0631\u0627\u0645\u0632"
MARKUP = "<img src=x onerror=window.broken=1><script>window.broken=2</script>"
NAME = f"{MARKUP} \u202e{ARABIC} {chr(0x1F9EA)} {'long-name-' * 20}"[:250]
SHORT = f"<svg onload=window.broken=3> {ARABIC} {chr(0x1F9EA)}"
WORD = "unbroken" * 31
"""A word of 248 letters, where no line may break."""
MODEL = f"<img src=x onerror=window.broken=4> {ARABIC} {chr(0x1F9EA)} {'long-name-' * 30}"[:250]
FEATURE = f"<img src=x onerror=alert(5)> {ARABIC} {chr(0x1F9EA)} {'unbroken' * 8}"
KEY = f"{ARABIC}/{WORD}"[:250]
PLAIN = "n" * 180
FILES = {
    f"{SHORT}/{MODEL}.md": f"# {MARKUP}\n\n[press](javascript:window.broken=6) {WORD}\n\n| {WORD} | b |\n|---|---|\n| a | b |\n",
    f"{MODEL}.csv": f'"{SHORT}",{WORD}\n"{MARKUP}",{WORD}\n',
    f"{MODEL}.json": json.dumps({MARKUP: WORD}),
    f"{MODEL}.html": "<script>try { parent.broken = 7 } catch {}</script>" + MARKUP,
    f"logs/{MODEL}.log": f"{MARKUP}\n{WORD}\n\u202e{SHORT}\n",
}


def fill(folder: Path) -> dict[str, str]:
    """Make the project; returns its pages by name."""
    with hr.connect(folder) as store:
        run, other = _runs(store)
        _models(store)
        _features(store)
        experiment = store.runs.get(run).experiment_id
    return dict(_pages(experiment, run, other))


def _runs(store: hr.Store) -> tuple[str, str]:
    ids = []
    for number in range(3):
        params = {KEY: f"{NAME}{number}", WORD: WORD, "plain": str(number)}
        tags = {KEY: NAME, "mlflow.note.content": f"# {MARKUP}\n{WORD}\n\n[press](javascript:window.broken=9)"}
        with store.start_run(experiment=NAME, name=NAME, params=params, tags=tags, capture=False) as run:
            for step in range(5):
                run.log_metrics({KEY: step / (number + 1), WORD: step, "plain": number + step}, step=step)
            run.use(_frame(), context=SHORT, name=NAME, source=f"https://example.com/{WORD}")
            for path, text in FILES.items():
                run.log_text(path, text)
            with store.start_run(experiment=NAME, name=NAME, nested=True, capture=False):
                pass
            ids.append(run.id)
    with contextlib.suppress(ValueError), store.start_run(experiment=NAME, name=NAME, capture=False):
        raise ValueError(f"{MARKUP} {WORD}")
    store.runs.recorder.start(NAME, NAME)
    return ids[0], ids[1]


def _frame() -> pd.DataFrame:
    import pandas as pd

    return pd.DataFrame({"x": [0.0, 1.0, 2.0, 3.0]})


def _models(store: hr.Store) -> None:
    from sklearn.linear_model import LinearRegression

    from headrace.serving.messages import pack
    from headrace.serving.predictions import Made

    rows = _frame()
    with store.start_run(experiment=NAME, name=NAME, capture=False) as run:
        logged = run.log_model(LinearRegression().fit(rows, rows["x"]), "<b onclick=x>odd", example=rows)
    for _ in range(2):
        store.models.register(logged, MODEL)
    store.models.evaluate(MODEL, 1, rows.assign(y=rows["x"]), label="y", metrics=["rmse"])
    store.models.promote(MODEL, 1, reason=NAME)
    store.models.set_alias(MODEL, "unbroken" * 31, 1)
    for version in (None, 1):
        store.models.set_tag(MODEL, SHORT, NAME, version)
        store.models.describe(MODEL, f"{MARKUP} {WORD}", version)
        store.models.set_owner(MODEL, NAME, version)
    store.models.write_card(MODEL, f"# {MARKUP}\n{WORD}\n\n[press](javascript:window.broken=10)", 1)
    now = system_clock()
    asked = {"model": MODEL, "version": 1, "role": "main", "view": "", "source": "request", "method": "predict"}
    told = {"keys": pack({SHORT: [MARKUP]}), "asked": pack(("predict", {"x": [0.5]})), "json": b"[1]", "rows": 1}
    store.predictions.keep(Made(request=SHORT, **asked, **told, at=now, seconds=0.002))


def _features(store: hr.Store) -> None:
    import pandas as pd

    about = {"owner": NAME, "description": f"{MARKUP} {WORD}", "tags": {SHORT: NAME}}
    key = f"<b>{FEATURE}"
    entity = hr.Entity(f"entity-{PLAIN}", keys={key: "int64"}, **about)
    source = hr.EventSource(
        f"source-{PLAIN}", timestamp="at", schema={key: "int64", FEATURE: "float64", "at": "timestamp"}, **about
    )
    quoted = f'"{FEATURE}"'
    group = hr.FeatureGroup(
        f"group-{PLAIN}", entity=entity, source=source, features={FEATURE: hr.mean(quoted), WORD: hr.count()}, **about
    )
    view = hr.FeatureView(f"view-{PLAIN}", [group], **about)
    store.apply([entity, source, group, view])
    at = pd.Timestamp("2026-01-01", tz="UTC")
    store.write(source.name, pd.DataFrame({key: [1, 2, 3], FEATURE: [0.5, 1.5, None], "at": at}))
    store.materialize()
    store.training_set(view.name, pd.DataFrame({key: [1, 2], "timestamp": at + pd.Timedelta("1h")}), name=f"set-{PLAIN}")


def _pages(experiment: str, run: str, other: str) -> Iterator[tuple[str, str]]:
    def asked(**parts: object) -> str:
        return "&".join(f"{name}={quote(json.dumps(value))}" for name, value in parts.items())

    param, metric, model = f"params.{KEY}", f"metrics.{KEY}", quote(MODEL, safe="")
    at = f"/experiments/{experiment}"
    yield "home", "/"
    yield "experiments", "/experiments"
    yield "experiment", at
    yield "columns", f"{at}?mode=table&{asked(cols=[param, f'params.{WORD}', metric, f'metrics.{WORD}:high'])}"
    yield "grouped", f"{at}?mode=charts&{asked(by=[param, f'params.{WORD}'], x=KEY)}"
    yield "query", f"{at}?q={quote(MARKUP + WORD)}"
    for mode in ("scatter", "parallel"):
        yield mode, f"{at}?mode={mode}&{asked(axes=[param, metric])}"
    yield "importance", f"{at}?mode=importance"
    for tab in ("overview", "charts", "logs", "code", "lineage"):
        yield f"run, {tab}", f"/runs/{run}?tab={tab}"
    for path in FILES:
        yield f"file {path[-5:]}", f"/runs/{run}?tab=artifacts&file={quote(path, safe='')}"
    yield "no run", f"/runs/{quote(SHORT, safe='')}"
    yield "compare", f"/compare?runs={run},{other}"
    yield "compared charts", f"/compare?runs={run},{other}&charts=true"
    yield "models", "/models"
    yield "model", f"/models/{model}"
    yield "version", f"/models/{model}/1"
    yield "no model", f"/models/{quote(SHORT, safe='')}"
    yield "features", "/features"
    for kind in ("group", "view"):
        yield kind, f"/features/{kind}/{kind}-{PLAIN}"
    yield "lineage start", "/lineage"
    yield "lineage of a run", f"/lineage/run:{run}"
    yield "lineage of a prediction", f"/lineage/prediction:{quote(SHORT, safe='')}"
    yield "lineage of a source", f"/lineage/source:source-{PLAIN}"
    yield "no lineage", f"/lineage/{quote(SHORT, safe='')}"
    yield "audit", "/audit"
    for part in ("account", "users", "webhooks", "server"):
        yield f"settings, {part}", f"/settings?part={part}"
    yield "nowhere", f"/{quote(SHORT, safe='')}"
