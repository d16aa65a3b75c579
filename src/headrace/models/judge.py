"""What a model's gates say of a version: gathers the figures and facts, and keeps them in a report."""

from __future__ import annotations

from headrace.artifacts.store import ArtifactStore
from headrace.models.audit import Author
from headrace.models.checks import Checks
from headrace.models.conditions import Fact, Interval, judge
from headrace.models.gates import APPROVALS, SCHEMA, SIZE, Evaluation, Gate, GateReport
from headrace.models.requests import RequestStore, approvers
from headrace.models.store import ModelStore
from headrace.models.version import ModelVersion, RegisteredModel

__all__ = ["Judge"]


class Judge:
    """Judges versions. Called like a function; changes nothing."""

    def __init__(
        self, store: ModelStore, artifacts: ArtifactStore, author: Author, checks: Checks, requests: RequestStore | None
    ) -> None:
        self._store = store
        self._artifacts = artifacts
        self._author = author
        self._requests = requests
        self.checks = checks

    def __call__(self, model: RegisteredModel, version: ModelVersion) -> GateReport:
        """What the model's gates say of a version now."""
        champion = model.champion
        numbers = [version.version, *([] if champion is None else [champion])]
        evaluations = self._store.evaluations(model.name, numbers)
        theirs = None if champion is None else [e for e in evaluations if e.version == champion]
        mine = [e for e in evaluations if e.version == version.version]
        conditions = judge(model.gates, mine, theirs, version.metrics, lambda gate: self._fact(gate, version), self._paired)
        note = "" if conditions else "the model has no gates; set some with store.models.set_gates"
        return GateReport(
            name=model.name,
            version=version.version,
            champion=champion,
            conditions=conditions,
            note=note,
            time=self._author.clock(),
        )

    def _fact(self, gate: Gate, version: ModelVersion) -> Fact:
        if gate.metric == SIZE:
            return Fact(version.size / 1e6)
        if gate.metric == APPROVALS:
            return self._approvals(gate, version)
        fault = self.checks.schema_fault(version) if gate.metric == SCHEMA else self.checks.origin_fault(version)
        good = f"{version.view} gives every column that the model takes" if gate.metric == SCHEMA else "commit and data are kept"
        return Fact(0.0 if fault else 1.0, fault or good)

    def _approvals(self, gate: Gate, version: ModelVersion) -> Fact:
        open_ones = [] if self._requests is None else self._requests.find(version.name, version.version, "open")
        asked = [request for request in open_ones if request.stage == "Production"]
        found = approvers(asked, by_requester=gate.by_requester)
        if found:
            return Fact(len(found), f"approved by {', '.join(found)}")
        return Fact(
            0,
            "nobody has approved it"
            if asked
            else f"nobody has asked for it: headrace models request {version.name} {version.version}",
        )

    def _paired(self, mine: Evaluation, theirs: Evaluation, gate: Gate) -> Interval | str:
        import numpy as np

        from headrace.models.bootstrap import paired_gains
        from headrace.models.examples import read_examples

        rows = [
            read_examples(self._artifacts, evaluation.examples) if evaluation.examples else None for evaluation in (mine, theirs)
        ]
        if rows[0] is None or rows[1] is None:
            return "the rows of the evaluations aren't kept; evaluate both versions again"
        if not np.array_equal(rows[0].truth, rows[1].truth):
            return "the two were evaluated on rows in another order"
        gains = paired_gains(gate.metric, rows[0], rows[1], seed=int(mine.fingerprint[:12] or "0", 16) if _is_hex(mine) else 0)
        if gains is None or not len(gains):
            return f"{gate.metric} has no bootstrap; use one of the built-in metrics of two classes or of numbers"
        better = gains if gate.rises else -gains
        confidence = gate.confidence or 0.5
        low, high = np.quantile(better, [1 - confidence, confidence])
        return Interval(float(low), float(high))


def _is_hex(evaluation: Evaluation) -> bool:
    return all(character in "0123456789abcdef" for character in evaluation.fingerprint[:12])
