"""A registry over real stores, and models to put in it."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from headrace.artifacts.objects import ObjectArtifactStore
from headrace.clock import system_clock
from headrace.errors import ConflictError
from headrace.flavors.saving import infer_signature, save_model
from headrace.ids import new_id
from headrace.models.checks import Checks
from headrace.models.service import Models
from headrace.sql.audit import SqlAuditStore
from headrace.sql.database import Database
from headrace.sql.models import SqlModelStore
from headrace.sql.requests import SqlRequestStore
from headrace.sql.tracking import tracking_stores
from headrace.tracking.run import ArtifactEntry, DatasetInput, LoggedModel, Metric, Run

if TYPE_CHECKING:
    import pandas as pd
    from sklearn.linear_model import LinearRegression, LogisticRegression

COLUMNS = ["a", "b"]


class Always:
    """A model of our own: anything with predict."""

    def __init__(self, value):
        self.value = value

    def predict(self, data):
        return np.full(len(data), self.value)


class Explosive:
    """Leaves a trace where it is unpickled."""

    def __init__(self, path):
        self.path = path

    def predict(self, data):
        return data

    def __reduce__(self):
        return (Path.touch, (self.path,))


class World:
    """Everything that the registry stands on, in one folder."""

    def __init__(self, folder: Path, author: str = "ada", checks: dict | None = None) -> None:
        self.folder = folder
        self.database = Database(f"sqlite:///{folder / 'catalog.db'}")
        self.tracking = tracking_stores(self.database)
        self.spare: LoggedModel | None = None
        self.artifacts = ObjectArtifactStore(folder / "artifacts")
        self.store, self.audit = SqlModelStore(self.database), SqlAuditStore(self.database)
        stores = (self.store, self.audit, self.tracking.runs, self.tracking.models, self.artifacts)
        requests = SqlRequestStore(self.database)
        self.models = Models(*stores, system_clock, author, requests=requests, checks=Checks(**(checks or {})))

    def log(self, model, serializer=None, example=None, params=None, metrics=None, tags=None, view="ranking:3") -> LoggedModel:
        """A model, logged by a run of its own."""
        now = system_clock()
        run = Run(id=new_id(), name="run", experiment_id="0", experiment="Default", status="RUNNING", start=now)
        self.tracking.runs.create(run)
        points = [Metric(key, value, now) for key, value in (metrics or {}).items()]
        self.tracking.runs.log(run.id, points, params or {}, tags or {})
        self.tracking.runs.add_inputs(run.id, [DatasetInput(name="autumn", digest="cd" * 8, urn="training_set:autumn:1")])
        with tempfile.TemporaryDirectory() as name:
            saved = save_model(model, Path(name), serializer)
            files = [path for path in sorted(Path(name).rglob("*")) if path.is_file()]
            entries = [ArtifactEntry(p.relative_to(name).as_posix(), self.artifacts.put_file(p), p.stat().st_size) for p in files]
        logged = LoggedModel(
            id=f"m-{new_id()}",
            run_id=run.id,
            experiment_id="0",
            name="ranker",
            flavor=saved.flavor,
            serializer=saved.serializer,
            details=saved.details,
            created=now,
            updated=now,
            view=view,
            signature=None if example is None else infer_signature(model, example),
            requirements=saved.requirements,
            files=tuple(entries),
        )
        self.tracking.models.create(logged)
        return logged

    def register(self, count: int = 1, name: str = "ranker"):
        """Versions of one logged model, as many as asked for: the last one."""
        self.spare = self.spare or self.log(Always(0.5), "pickle", view="")
        return [self.models.register(self.spare, name) for _ in range(count)][-1]

    def close(self) -> None:
        """Close the catalog."""
        self.database.close()


def people(rows: int = 200, seed: int = 1) -> pd.DataFrame:
    """Columns a and b, and whether they liked it: mostly by a, a little by b."""
    import pandas as pd

    rng = np.random.default_rng(seed)
    frame = pd.DataFrame(rng.normal(size=(rows, 2)), columns=COLUMNS)
    frame["liked"] = (2 * frame["a"] + frame["b"] + rng.normal(size=rows) > 0).astype("int64")
    return frame


def classifier(columns=("a", "b"), seed: int = 2) -> LogisticRegression:
    """Fitted on both columns; a column left out is fitted on as noise."""
    from sklearn.linear_model import LogisticRegression

    frame = people(seed=seed)
    inputs = frame[COLUMNS].copy()
    for column in set(COLUMNS) - set(columns):
        inputs[column] = np.random.default_rng(seed).normal(size=len(frame))
    return LogisticRegression().fit(inputs, frame["liked"])


def regressor() -> LinearRegression:
    """Fitted on both columns, and gives numbers that are no probabilities."""
    from sklearn.linear_model import LinearRegression

    frame = people()
    return LinearRegression().fit(frame[COLUMNS], 3 * frame["liked"])


def main() -> None:
    """In a process of its own: crown every version given, in turn, saying which were acknowledged and which lost."""
    world = World(Path(sys.argv[1]), author=sys.argv[2])
    for version in map(int, sys.argv[3:]):
        archived = world.models.get("ranker", version).stage == "Archived"
        try:
            world.models.rollback("ranker", version) if archived else world.models.promote("ranker", version)
            word = "won"
        except ConflictError as error:
            word = "lost" if "came first" in str(error) else "failed"
        sys.stdout.write(f"{word} {version}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
