"""What MLflow's clients ask about the server, and the datasets of an experiment."""

from __future__ import annotations

from urllib.parse import urlsplit

from headrace.buckets.connection import SCHEMES
from headrace.errors import InvalidInputError
from headrace.server.endpoint import Operation
from headrace.server.http import JSON, Call, Reply
from headrace.server.mlflow.experiments import known_ids
from headrace.server.mlflow.wire import experiment_id, filled, operation, read, reply, texts
from headrace.server.schema import Content, Field, Record

__all__ = ["SEARCH_DATASETS", "SERVER_INFO"]

MOST_EXPERIMENTS = 20
MOST_DATASETS = 1000
_INFO = Record(
    "MlflowServerInfo", {"store_type": Field("What keeps the runs."), "features_enabled": Field("", ("object",))}, open=True
)
_ASKED = Record("MlflowSearchDatasets", {"experiment_ids": Field(f"1 to {MOST_EXPERIMENTS} experiments.", ("array",))})
_FOUND = Record(
    "MlflowDatasetSummaries", {"dataset_summaries": Field("`experiment_id`, `name`, `digest`, `context` of each.", ("array",))}
)


def _server_info(call: Call) -> Reply:
    """What this server can do."""
    return reply(
        {
            "store_type": "SqlStore",
            "workspaces_enabled": False,
            "trace_archival_enabled": False,
            "multipart_uploads_enabled": True,
            "multipart_downloads_enabled": urlsplit(call.store.settings.artifacts).scheme in SCHEMES,
            "presigned_upload_run_id_supported": False,
            "presigned_upload_model_id_supported": False,
            "features_enabled": {},
        }
    )


def _search_datasets(call: Call) -> Reply:
    """The data that the runs of some experiments read."""
    ids = texts("experiment_ids", read(call, _ASKED)["experiment_ids"])
    if not 0 < len(ids) <= MOST_EXPERIMENTS:
        few = f"at least one and at most {MOST_EXPERIMENTS}"
        msg = f"SearchDatasets request must specify {few} experiment_ids. Received {len(ids)} experiment_ids."
        raise InvalidInputError(msg)
    here = known_ids(call, [experiment_id(item) for item in ids])
    found = call.store.runs.stores.runs.datasets(here, MOST_DATASETS)
    shapes = [
        filled({"experiment_id": item.experiment_id, "name": item.name, "digest": item.digest, "context": item.context or None})
        for item in found
    ]
    return reply(filled({"dataset_summaries": shapes}))


SERVER_INFO = Operation(_server_info, gives=(Content(JSON, _INFO),))
SEARCH_DATASETS = operation(_search_datasets, _ASKED, _FOUND)
