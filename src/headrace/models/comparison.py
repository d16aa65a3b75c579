"""Two versions side by side. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from headrace.models.gates import LOSSES, Evaluation
from headrace.models.text import number, table
from headrace.models.version import BRANCH_TAG, COMMIT_TAG, DIRTY_TAG, SYSTEM, ModelVersion

__all__ = ["Comparison", "Difference", "compare"]

GAINS = frozenset({"auc", "accuracy", "f1", "precision", "recall", "r2"})
"""Figures that are better when higher; those in LOSSES are better when lower. Of others it isn't known."""


@dataclass(frozen=True, slots=True)
class Difference:
    """One line of a comparison.

    Attributes:
        section: figures on …, metrics as logged, params, data, code, packages, environment or model.
        name: what is compared.
        a, b: its value in either version as text; `-` if it has none.
        change: b minus a, for numbers; None otherwise.
    """

    section: str
    name: str
    a: str
    b: str
    change: float | None = None

    @property
    def differs(self) -> bool:
        """Whether the two values differ."""
        return self.a != self.b

    @property
    def better(self) -> bool | None:
        """Whether b is the better one; None if they are equal, or if it isn't known which way is better."""
        if not self.change or math.isnan(self.change) or self.name not in LOSSES | GAINS:
            return None
        return (self.change > 0) == (self.name in GAINS)

    def to_dict(self) -> dict[str, Any]:
        """The line as plain JSON values."""
        return {**asdict(self), "differs": self.differs, "better": self.better}


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Two versions of a model side by side.

    Attributes:
        name: the model.
        a, b: the versions.
        lines: figures on common data first, then what the runs logged, and what the versions were made from.
    """

    name: str
    a: int
    b: int
    lines: tuple[Difference, ...]

    def section(self, section: str) -> dict[str, tuple[str, str]]:
        """Name to (a, b) of one section."""
        return {line.name: (line.a, line.b) for line in self.lines if line.section == section}

    def to_dict(self) -> dict[str, Any]:
        """The comparison as plain JSON values."""
        return {"name": self.name, "a": self.a, "b": self.b, "lines": [line.to_dict() for line in self.lines]}

    def __str__(self) -> str:
        out = [f"{self.name}: version {self.a} and version {self.b}"]
        header = ("", f"version {self.a}", f"version {self.b}", "change")
        for section in dict.fromkeys(line.section for line in self.lines):
            rows = [_row(line) for line in self.lines if line.section == section]
            out += [f" {section}", table(header, rows, indent="   ")]
        return "\n".join(out)


def compare(a: ModelVersion, b: ModelVersion, evaluations: Sequence[Evaluation]) -> Comparison:
    """Two versions of one model side by side; `evaluations` are theirs, oldest first."""
    lines = (
        *_figures(a, b, evaluations),
        *_numbers("metrics as logged", _metrics(a), _metrics(b)),
        *_texts("params", a.origin.params, b.origin.params),
        *_texts("data", _data(a), _data(b)),
        *_texts("code", _code(a), _code(b)),
        *_texts("packages", _packages(a), _packages(b)),
        *_texts("environment", a.origin.environment, b.origin.environment),
        *_texts("model", _facts(a), _facts(b)),
    )
    return Comparison(name=a.name, a=a.version, b=b.version, lines=lines)


def _figures(a: ModelVersion, b: ModelVersion, evaluations: Sequence[Evaluation]) -> list[Difference]:
    first, second = (_by_data(version, evaluations) for version in (a, b))
    names = {e.data: e.dataset for e in evaluations}
    return [line for data in first if data in second for line in _numbers(f"figures on {names[data]}", first[data], second[data])]


def _by_data(version: ModelVersion, evaluations: Sequence[Evaluation]) -> dict[tuple[str, str], dict[str, float]]:
    out: dict[tuple[str, str], dict[str, float]] = {}
    for evaluation in evaluations:
        if evaluation.version == version.version:
            out.setdefault(evaluation.data, {}).update(evaluation.figures)
    return out


def _numbers(section: str, a: Mapping[str, float], b: Mapping[str, float]) -> list[Difference]:
    return [
        Difference(
            section, name, number(a.get(name)), number(b.get(name)), b[name] - a[name] if name in a and name in b else None
        )
        for name in sorted({**a, **b})
    ]


def _texts(section: str, a: Mapping[str, str], b: Mapping[str, str]) -> list[Difference]:
    names = sorted(name for name in {**a, **b} if a.get(name) or b.get(name))
    return [Difference(section, name, a.get(name) or "-", b.get(name) or "-") for name in names]


def _metrics(version: ModelVersion) -> dict[str, float]:
    return {name: value for name, value in version.metrics.items() if not name.startswith(SYSTEM)}


def _data(version: ModelVersion) -> dict[str, str]:
    return {dataset.name: dataset.digest for dataset in version.datasets}


def _code(version: ModelVersion) -> dict[str, str]:
    tags = version.origin.tags
    return {"commit": tags.get(COMMIT_TAG, ""), "branch": tags.get(BRANCH_TAG, ""), "uncommitted": tags.get(DIRTY_TAG, "")}


def _packages(version: ModelVersion) -> dict[str, str]:
    pairs = (requirement.partition("==") for requirement in version.requirements)
    return {name: pinned for name, _, pinned in pairs}


def _facts(version: ModelVersion) -> dict[str, str]:
    kind = f"{version.flavor} ({version.serializer})" if version.serializer else version.flavor
    facts = {"flavor": kind, "view": version.view, "signature": str(version.signature or ""), "owner": version.owner}
    return {**facts, "size": f"{version.size} bytes"}


def _row(line: Difference) -> tuple[str, ...]:
    change = "" if line.change is None else f"{line.change:+.6g}"
    return (line.name, _cut(line.a), _cut(line.b), change or ("differs" if line.differs else ""))


def _cut(text: str) -> str:
    return text if len(text) <= 60 else f"{text[:57]}…"
