"""The registry's verbs on 1,000 models of 100 versions each, on SQLite or another catalog.

    python benchmarks/registry.py [--catalog postgresql://…]

Claim: promote, evaluate, register and roll back take at most 50 ms each.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import pandas as pd
import sqlalchemy as sa

import headrace as hr
from headrace.sql.tables import registry as t

CLAIM = "promote, evaluate, register and roll back: at most 50 ms each on 1,000 models of 100 versions"
MODELS, VERSIONS = 1000, 100


class Half:
    """A model that takes no time."""

    def predict(self, data):
        """Half, for each row."""
        return [0.5] * len(data)


def fill(store) -> object:
    """Register one version, and write the other 99,999 beside it."""
    with store.start_run(experiment="e") as run:
        model = run.log_model(Half(), "m", serializer="pickle")
    store.models.register(model, "m0000")
    with store.models.store._database.write() as connection:  # noqa: SLF001 - nobody registers 100,000 versions to wait for them
        first = dict(connection.execute(sa.select(t.models)).mappings().one())
        version = dict(connection.execute(sa.select(t.versions)).mappings().one())
        rows = [{**first, "name": f"m{n:04}", "revision": VERSIONS} for n in range(1, MODELS)]
        connection.execute(t.models.insert(), rows)
        for n in range(MODELS):
            numbers = range(2 if n == 0 else 1, VERSIONS + 1)
            stages = ("Archived" if number < VERSIONS // 2 else "None" for number in numbers)
            rows = [{**version, "name": f"m{n:04}", "version": k, "stage": s} for k, s in zip(numbers, stages, strict=True)]
            connection.execute(t.versions.insert(), rows)
    return model


def timed(name: str, verb, times: int = 20) -> None:
    """Print how long a verb takes; it is given the number of the call."""
    verb(0)
    took = []
    for number in range(1, times + 1):
        began = time.perf_counter()
        verb(number)
        took.append(1000 * (time.perf_counter() - began))
    took.sort()
    print(f"{name:14} median {took[times // 2]:7.1f} ms   worst {took[-1]:7.1f} ms", flush=True)


def main() -> None:
    """Fill a registry, and time its verbs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--catalog", help="URL of an empty catalog. Default: SQLite.")
    asked = parser.parse_args()
    frame = pd.DataFrame({"a": [1.0] * 1000, "y": [0, 1] * 500})
    with tempfile.TemporaryDirectory() as folder:
        if asked.catalog:
            (Path(folder) / "headrace.toml").write_text(f'catalog = "{asked.catalog}"\n', encoding="utf-8")
        with hr.connect(folder) as store:
            models = store.models
            model = fill(store)
            timed("list", lambda _: models.list(), 5)
            timed("register", lambda n: models.register(model, f"m{n:04}"))
            timed("promote", lambda n: models.promote(f"m{n + 100:04}", 60))
            timed("promote again", lambda n: models.promote(f"m{n + 100:04}", 61))
            how = {"label": "y", "metrics": ["brier"], "allow_pickle": True}
            timed("evaluate", lambda n: models.evaluate(f"m{n:04}", 60, frame, **how))
            timed("roll back", lambda n: models.rollback(f"m{n + 100:04}"))
            timed("get", lambda n: models.get(f"m{n:04}", 50))


if __name__ == "__main__":
    main()
