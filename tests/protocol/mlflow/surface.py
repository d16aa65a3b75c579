"""Calls every public method of MLflow's client once and prints what each gave as JSON: `python surface.py URL`.

A method that answers is told as "ok", one that the server refuses by the code of its error. Methods of which nothing reaches a
server are left out by name.
"""

from __future__ import annotations

import io
import json
import sys
import tempfile
import warnings
from pathlib import Path

import mlflow
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from mlflow import MlflowClient
from mlflow.entities import Dataset, DatasetInput, LoggedModelInput, LoggedModelOutput, Metric, Param, RunTag
from mlflow.entities.webhook import WebhookEvent
from mlflow.exceptions import MlflowException

warnings.filterwarnings("ignore")
LOCAL = {"parse_prompt_uri", "tracking_uri"}
"""What asks no server."""
MCP_SERVER = {"name": "io.github.x/y", "version": "1.0.0", "description": "d", "remotes": []}


class Walk:
    """Calls methods of a client by name, and keeps what each gave."""

    def __init__(self, client):
        self.client = client
        self.told = {}

    def __call__(self, method, /, *arguments, **options):
        try:
            found = getattr(self.client, method)(*arguments, **options)
        except MlflowException as error:
            self.told.setdefault(method, error.error_code)
            return None
        except NotImplementedError:
            self.told.setdefault(method, "not in this client")
            return None
        self.told[method] = "ok"
        return found


def experiments(walk):
    home = walk("create_experiment", "walked")
    walk("get_experiment", home)
    walk("get_experiment_by_name", "walked")
    walk("rename_experiment", home, "walked on")
    walk("set_experiment_tag", home, "a", "1")
    walk("delete_experiment_tag", home, "a")
    walk("delete_experiment", home)
    walk("restore_experiment", home)
    walk("search_experiments", filter_string="name LIKE 'walked%'")
    return home


def runs(walk, home):
    run = walk("create_run", home, run_name="one").info.run_id
    child = walk("create_run", home, tags={"mlflow.parentRunId": run}).info.run_id
    walk("get_parent_run", child)
    walk("log_metric", run, "m", 1.0)
    walk("log_param", run, "p", 1)
    walk("set_tag", run, "t", "1")
    walk("delete_tag", run, "t")
    walk("log_batch", run, [Metric("n", 1.0, 1, 0)], [Param("q", "1")], [RunTag("u", "1")])
    walk("log_inputs", run, [DatasetInput(Dataset("films", "abc", "local", "{}"))])
    walk("get_metric_history", run, "m")
    walk("update_run", run, name="two")
    walk("set_terminated", run)
    walk("get_run", run)
    walk("delete_run", child)
    walk("restore_run", child)
    walk("search_runs", [home], "metrics.m > 0")
    walk("load_table", home, "none.json")
    return run


def files(walk, home, run, folder):
    (folder / "a.txt").write_text("a")
    walk("log_artifact", run, str(folder / "a.txt"), "one")
    walk("log_artifacts", run, str(folder), "all")
    walk("log_text", run, "text", "text.txt")
    walk("log_dict", run, {"a": 1}, "dict.json")
    walk("log_stream", run, io.BytesIO(b"stream"), "stream.bin")
    walk("log_figure", run, Figure(), "figure.png")
    walk("log_image", run, np.zeros((4, 4, 3), dtype=np.uint8), "image.png")
    walk("log_image", run, np.zeros((4, 4, 3), dtype=np.uint8), key="seen", step=1, synchronous=True)
    walk("log_table", run, pd.DataFrame({"a": [1]}), "table.json")
    walk("load_table", home, "table.json")
    walk("list_artifacts", run)
    walk("download_artifacts", run, "text.txt", str(folder))


def logged_models(walk, home, run, folder):
    model = walk("create_logged_model", home, "model", run).model_id
    (folder / "MLmodel").write_text(f"model_id: {model}\nflavors: {{}}\n")
    walk("log_model_artifact", model, str(folder / "MLmodel"))
    walk("log_model_artifacts", model, str(folder))
    walk("list_logged_model_artifacts", model)
    walk("log_model_params", model, {"depth": "6"})
    walk("set_logged_model_tags", model, {"a": "1"})
    walk("delete_logged_model_tag", model, "a")
    walk("log_outputs", run, [LoggedModelOutput(model, 1)])
    walk("log_inputs", run, models=[LoggedModelInput(model)])
    walk("finalize_logged_model", model, "READY")
    walk("get_logged_model", model)
    walk("search_logged_models", [home], "name = 'model'")
    return model


def registry(walk, run, model):
    walk("create_registered_model", "m", {"a": "1"}, "text")
    walk("get_registered_model", "m")
    walk("update_registered_model", "m", "other text")
    walk("set_registered_model_tag", "m", "b", "1")
    walk("delete_registered_model_tag", "m", "b")
    walk("search_registered_models", "name LIKE 'm%'")
    walk("create_model_version", "m", f"models:/{model}", run, model_id=model)
    walk("get_model_version", "m", "1")
    walk("get_model_version_download_uri", "m", "1")
    walk("get_model_version_stages", "m", "1")
    walk("update_model_version", "m", "1", "text")
    walk("set_model_version_tag", "m", "1", "a", "1")
    walk("delete_model_version_tag", "m", "1", "a")
    walk("set_registered_model_alias", "m", "best", "1")
    walk("get_model_version_by_alias", "m", "best")
    walk("delete_registered_model_alias", "m", "best")
    walk("transition_model_version_stage", "m", "1", "Staging")
    walk("get_latest_versions", "m")
    walk("search_model_versions", "name = 'm'")
    walk("copy_model_version", "models:/m/1", "copied")
    walk("rename_registered_model", "m", "renamed")
    walk("delete_model_version", "renamed", "1")
    walk("delete_registered_model", "renamed")


def prompts(walk, run, model):
    walk("create_prompt", "p", "text", {"a": "1"})
    walk("get_prompt", "p")
    walk("search_prompts")
    walk("set_prompt_tag", "p", "a", "1")
    walk("delete_prompt_tag", "p", "a")
    walk("create_prompt_version", "p", "say {{word}}")
    walk("register_prompt", "q", "say {{word}}")
    walk("get_prompt_version", "p", "1")
    walk("load_prompt", "prompts:/p/1")
    walk("search_prompt_versions", "p")
    walk("set_prompt_version_tag", "p", "1", "a", "1")
    walk("delete_prompt_version_tag", "p", "1", "a")
    walk("set_prompt_alias", "p", "best", 1)
    walk("get_prompt_version_by_alias", "p", "best")
    walk("delete_prompt_alias", "p", "best")
    walk("link_prompt_version_to_run", run, "prompts:/p/1")
    walk("link_prompt_version_to_model", "p", "1", model)
    walk("link_prompt_versions_to_trace", [], "tr-1")
    walk("list_logged_prompts", run)
    walk("detach_prompt_from_run", run, "prompts:/p/1")
    walk("delete_prompt_version", "p", "1")
    walk("delete_prompt", "p")


def traces(walk, run, home):
    span = walk("start_trace", "root", experiment_id=home)
    if span is not None:
        inner = walk("start_span", "inner", span.trace_id, span.span_id)
        walk("end_span", span.trace_id, inner.span_id)
        walk("end_trace", span.trace_id)
    walk("get_trace", "tr-1")
    walk("search_traces", locations=[home])
    walk("set_trace_tag", "tr-1", "a", "1")
    walk("delete_trace_tag", "tr-1", "a")
    walk("delete_traces", home, trace_ids=["tr-1"])
    walk("link_traces_to_run", ["tr-1"], run)
    walk("unlink_traces_from_run", ["tr-1"], run)


def others(walk, home):
    event = WebhookEvent("registered_model", "created")
    hook = walk("create_webhook", "w", "https://127.0.0.1/x", [event])  # where nothing is ever sent
    walk("list_webhooks")
    walk("update_webhook", hook.webhook_id, name="v")
    for name in ("get_webhook", "test_webhook", "delete_webhook"):
        walk(name, hook.webhook_id)
    walk("create_dataset", "d", home)
    walk("search_datasets", [home])
    for name in ("get_dataset", "delete_dataset"):
        walk(name, "d-1")
    walk("set_dataset_tags", "d-1", {"a": "1"})
    walk("delete_dataset_tag", "d-1", "a")
    walk("add_dataset_to_experiments", "d-1", [home])
    walk("remove_dataset_from_experiments", "d-1", [home])
    walk("list_workspaces")
    walk("get_workspace_store_uri")
    for name in ("create_workspace", "get_workspace", "update_workspace", "delete_workspace"):
        walk(name, "space")


def servers(walk):
    name, version = MCP_SERVER["name"], MCP_SERVER["version"]
    walk("create_mcp_server", name)
    walk("create_mcp_server_version", MCP_SERVER)
    walk("create_mcp_access_endpoint", name, "https://example.com/x", server_version=version)
    walk("search_mcp_servers")
    walk("search_mcp_server_versions", name)
    walk("search_mcp_access_endpoints")
    for method in ("get_mcp_server", "get_latest_mcp_server_version", "delete_mcp_server"):
        walk(method, name)
    walk("update_mcp_server", name, description="d")
    walk("update_mcp_server_version", name, version, status="active")
    walk("update_mcp_access_endpoint", name, "e", url="https://example.com/y")
    for method in ("get_mcp_server_version", "delete_mcp_server_version", "refresh_mcp_server_version_tools"):
        walk(method, name, version)
    for method in ("get_mcp_access_endpoint", "delete_mcp_access_endpoint"):
        walk(method, name, "e")
    walk("set_mcp_server_alias", name, "best", version)
    walk("get_mcp_server_version_by_alias", name, "best")
    walk("delete_mcp_server_alias", name, "best")
    walk("set_mcp_server_tag", name, "a", "1")
    walk("delete_mcp_server_tag", name, "a")
    walk("set_mcp_server_version_tag", name, version, "a", "1")
    walk("delete_mcp_server_version_tag", name, version, "a")


def main(url):
    mlflow.set_tracking_uri(url)
    walk = Walk(MlflowClient(url))
    home = experiments(walk)
    run = runs(walk, home)
    with tempfile.TemporaryDirectory() as folder:
        files(walk, home, run, Path(folder))
        model = logged_models(walk, home, run, Path(folder))
    registry(walk, run, model)
    prompts(walk, run, model)
    walk("delete_logged_model", model)
    traces(walk, run, home)
    others(walk, home)
    servers(walk)
    methods = {name for name in dir(MlflowClient) if not name.startswith("_")}
    walk.told.update(dict.fromkeys(methods - set(walk.told) - LOCAL, "never called"))
    sys.stdout.write(f"\n{json.dumps(walk.told)}\n")


if __name__ == "__main__":
    main(sys.argv[1])
