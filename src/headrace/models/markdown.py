"""Reports and model cards as Markdown, for pull requests and people. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from headrace.clock import isoformat
from headrace.models.gates import Condition, Evaluation, GateReport
from headrace.models.text import number
from headrace.models.version import (
    BRANCH_TAG,
    COMMIT_TAG,
    DIRTY_TAG,
    REPOSITORY_TAG,
    SOURCE_NAME_TAG,
    SYSTEM,
    ModelVersion,
)

__all__ = ["gate_report", "model_card"]


def gate_report(report: GateReport, version: ModelVersion) -> str:
    """What the gates say of a version."""
    decision = "passes" if report.passed else "was forced past" if report.forced else "is refused by"
    against = "there is no champion yet" if report.champion is None else f"the champion is version {report.champion}"
    lines = [f"## {_safe(report.name)} version {report.version} {decision} its gates", "", f"Judged when {against}."]
    if report.conditions:
        lines += ["", "| | condition | figure | needed | champion | data |", "|---|---|---:|---:|---:|---|"]
        lines += [_row(condition) for condition in report.conditions]
        lines += ["", *(f"- **{_safe(each.metric)}**: {_safe(each.explanation)}" for each in report.conditions)]
    if report.note:
        lines += ["", _safe(report.note)]
    commit = version.origin.tags.get(COMMIT_TAG, "")
    made = [f"run `{version.run_id}`"] * bool(version.run_id) + [f"commit `{commit[:12]}`"] * bool(commit)
    made += [f"view `{version.view}`"] * bool(version.view) + [f"data `{_safe(data.name)}`" for data in version.datasets]
    return "\n".join([*lines, "", f"Made from {', '.join(made)}." if made else "", ""])


def model_card(
    version: ModelVersion, evaluations: Sequence[Evaluation], text: str, upstream: Sequence[str] = (), owner: str = ""
) -> str:
    """What people wrote of a version, completed with what is known of it.

    Args:
        text: what people wrote; empty if nobody did, for which its description stands if it has one.
        upstream: what it was made from, as URNs.
        owner: of the model, for a version that has none of its own.
    """
    facts = {
        "stage": version.stage,
        "aliases": ", ".join(f"@{alias}" for alias in version.aliases),
        "owner": version.owner or owner,
        "registered": f"{isoformat(version.created)} by {version.user}",
        "flavor": f"{version.flavor} {version.serializer}".strip(),
        "feature view": version.view,
        "size": f"{version.size:,} bytes in {len(version.files)} files",
        "run": version.run_id,
    }
    tags = version.origin.tags
    code = {
        "commit": tags.get(COMMIT_TAG, ""),
        "branch": tags.get(BRANCH_TAG, ""),
        "repository": tags.get(REPOSITORY_TAG, ""),
        "uncommitted changes": tags.get(DIRTY_TAG, ""),
        "source": tags.get(SOURCE_NAME_TAG, ""),
    }
    signature = version.signature
    takes = {} if signature is None else {column.name: str(column.type) for column in signature.inputs}
    gives = {} if signature is None else {column.name or "prediction": str(column.type) for column in signature.outputs or ()}
    slices = {
        f"{metric} where {part} on {each.dataset}": number(value)
        for each in evaluations
        for part, figures in each.slices.items()
        for metric, value in figures.items()
    }
    data = {each.name: f"{each.digest} {each.context}".strip() for each in version.datasets}
    measured = {f"{metric} on {each.dataset}": number(value) for each in evaluations for metric, value in each.figures.items()}
    parts = [
        f"# {_cell(version.name)} version {version.version}",
        "",
        text.strip() or version.description.strip() or "*Nobody has described this version yet.*",
    ]
    for title, values in (
        ("Facts", facts),
        ("Inputs", takes),
        ("Outputs", gives),
        ("Evaluations", measured),
        ("Evaluations by slice", slices),
        ("Metrics of its run", {key: number(value) for key, value in version.metrics.items() if not key.startswith(SYSTEM)}),
        ("Parameters", version.origin.params),
        ("Data", data),
        ("Code", code),
        ("Environment", version.origin.environment),
        ("Tags", version.tags),
        ("Packages", {name: pinned or "any" for name, _, pinned in (each.partition("==") for each in version.requirements)}),
    ):
        parts += _table(title, values)
    if upstream:
        parts += ["", "## Made from", "", *(f"- `{urn}`" for urn in upstream)]
    return "\n".join([*parts, ""])


def _table(title: str, values: Mapping[str, str]) -> list[str]:
    rows = [f"| {_cell(name)} | {_cell(str(value))} |" for name, value in values.items() if value]
    return ["", f"## {title}", "", "| | |", "|---|---|", *rows] if rows else []


def _row(condition: Condition) -> str:
    mark = "✅" if condition.passed else "❌"
    figures = [number(value) for value in (condition.figure, condition.threshold, condition.champion)]
    return f"| {mark} | {' | '.join(map(_safe, (condition.rule, *figures, condition.dataset or '-')))} |"


def _safe(text: str) -> str:
    """Text of others in a report that is posted somewhere: no mentions either."""
    return _cell(text).replace("@", "@\u200b")


def _cell(text: str) -> str:
    """Text of others in a table of ours: no new cells, lines or tags."""
    flat = " ".join(text.split())
    for special in "\\`*_[]|":
        flat = flat.replace(special, f"\\{special}")
    return flat.replace("<", "&lt;")
