"""What an import brought, to be compared."""

from __future__ import annotations

from headrace.importers.runs import SOURCE_TAG, STATE_TAG

__all__ = ["contents"]


def contents(store):
    """All that an import brings, without what differs between two projects."""
    runs = store.runs.search(limit=1000, view="all")
    histories = {
        (run.id, key): [
            (point.time, point.step, repr(point.value), point.model_id) for point in store.runs.metric_history(run.id, key)
        ]
        for run in runs
        for key in run.latest
    }
    facts = {
        run.id: (run.name, run.status, run.params, own_tags(run), run.inputs, run.outputs, run.lifecycle_stage) for run in runs
    }
    files = {run.id: store.runs.artifacts(run.id) for run in runs}
    versions = [(v.version, v.stage, v.aliases, v.files, v.model_id) for v in store.models.versions("video-ranker")]
    return facts, histories, files, versions


def own_tags(run):
    return {key: value for key, value in run.tags.items() if key not in (SOURCE_TAG, STATE_TAG)}
