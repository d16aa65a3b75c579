"""What somebody does with the webhooks of MLflow's client, and how a receiver of theirs checks what comes: run by its Python.

    python webhooks.py http://127.0.0.1:5000 http://127.0.0.1:6000/hook     makes them, and does what they are told of
    python webhooks.py http://127.0.0.1:5000 check FILE                     checks signatures with MLflow's own function

Prints, as its last line, a JSON object.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import mlflow
from mlflow import MlflowClient
from mlflow.entities.webhook import WebhookEvent
from mlflow.exceptions import MlflowException
from mlflow.webhooks.delivery import _generate_hmac_signature

EVENTS = [
    "registered_model.created",
    "model_version.created",
    "model_version_tag.set",
    "model_version_tag.deleted",
    "model_version_alias.created",
    "model_version_alias.deleted",
]


def main(url, hook):
    mlflow.set_tracking_uri(url)
    client = MlflowClient(url)
    told = {}
    made = client.create_webhook("ci-hook", hook, EVENTS, description="Tells CI.", secret="s3cret")
    quiet = client.create_webhook("quiet", hook, [WebhookEvent("model_version", "created")], status="DISABLED")
    told["made"] = shown(made)
    told["got"] = shown(client.get_webhook(made.webhook_id))
    first = client.list_webhooks(max_results=1)
    told["pages"] = [[each.name for each in page] for page in (first, client.list_webhooks(1, first.token))]
    tested = client.test_webhook(made.webhook_id, "model_version_alias.created")
    told["test"] = [tested.success, tested.response_status, tested.response_body]
    told["default test"] = client.test_webhook(quiet.webhook_id).success

    client.create_registered_model("hooked", tags={"team": "r"}, description="A model.")
    run = client.create_run("0")
    version = client.create_model_version("hooked", "s3://bucket/model", run.info.run_id, tags={"k": "v"}, description="One.")
    told["run"] = run.info.run_id
    client.set_model_version_tag("hooked", version.version, "a", "1")
    client.delete_model_version_tag("hooked", version.version, "a")
    client.set_registered_model_tag("hooked", "b", "2")  # no event of MLflow's
    client.set_registered_model_alias("hooked", "blue", version.version)
    client.delete_registered_model_alias("hooked", "blue")

    changed = client.update_webhook(made.webhook_id, name="renamed", events=EVENTS[:1], status="DISABLED")
    told["changed"] = shown(changed)
    client.delete_webhook(quiet.webhook_id)
    told["refused"] = [
        refused(lambda: client.get_webhook(quiet.webhook_id)),
        refused(lambda: client.create_webhook("-bad-", hook, EVENTS)),
        refused(lambda: client.create_webhook("ftp", "ftp://x/y", EVENTS)),
        refused(lambda: client.create_webhook("prompts", hook, ["prompt.created"])),
        refused(lambda: client.list_webhooks(max_results=0)),
    ]
    say(told)


def check(sent):
    """Whether each delivery is signed as MLflow signs."""
    found = [json.loads(line) for line in Path(sent).read_text(encoding="utf-8").splitlines()]
    say(
        [
            headers["x-mlflow-signature"]
            == _generate_hmac_signature("s3cret", headers["x-mlflow-delivery-id"], headers["x-mlflow-timestamp"], body)
            for headers, body in found
        ]
    )


def shown(webhook):
    return [webhook.name, webhook.description, [str(event) for event in webhook.events], str(webhook.status), webhook.secret]


def refused(call):
    try:
        call()
    except MlflowException as error:
        return error.error_code
    return "ok"


def say(value):
    sys.stdout.write(f"\n{json.dumps(value)}\n")


if __name__ == "__main__":
    check(sys.argv[3]) if sys.argv[2] == "check" else main(sys.argv[1], sys.argv[2])
