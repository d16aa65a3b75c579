"""The description of the API leaves nothing out, and its page is what the routes say."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from headrace.server.app import ENDPOINTS
from headrace.server.endpoint import Endpoint, Operation
from headrace.server.openapi import document
from headrace.server.reference import render
from headrace.server.schema import Content, Field, Record

PAGE = Path(__file__).parents[3] / "docs" / "reference" / "http.md"
NAMES = [f"{item.method} {item.path}" for item in ENDPOINTS]
DOCUMENT = json.loads(json.dumps(document(ENDPOINTS)))


def test_the_page_is_what_the_routes_say():
    assert PAGE.read_text(encoding="utf-8") == render(), "run: python -m headrace.server.reference > docs/reference/http.md"


WHOLLY_NAMED = {"/api/v1/webhooks/deliveries/{delivery}/replay", "/api/v1/webhooks/{webhook}/test", "/api/v1/session"}
"""What their path says is all that is asked, and of a session, the header that shows who asks."""


def test_no_route_is_there_twice():
    assert len(set(NAMES)) == len(NAMES)


def test_every_route_is_in_the_document_once():
    assert sorted(f"{method.upper()} {path}" for path, methods in DOCUMENT["paths"].items() for method in methods) == sorted(
        name.replace("...}", "}") for name in NAMES
    )
    ids = [operation["operationId"] for methods in DOCUMENT["paths"].values() for operation in methods.values()]
    assert len(set(ids)) == len(ids)


@pytest.mark.parametrize("item", ENDPOINTS, ids=NAMES)
def test_every_route_says_what_it_does_takes_and_gives(item):
    operation = DOCUMENT["paths"][item.path.replace("...}", "}")][item.method.lower()]
    assert operation["summary"].endswith(".")
    takes = {"POST", "PATCH", "PUT"} | ({"DELETE"} if item.dialect == "mlflow" else set())  # MLflow deletes by a body
    assert "requestBody" not in operation or item.method in takes
    needs = item.method in ("POST", "PATCH") and item.dialect != "mlflow" and item.path not in WHOLLY_NAMED
    assert "requestBody" in operation or not needs
    assert {parameter["name"] for parameter in operation.get("parameters", []) if parameter["in"] == "path"} == set(
        re.findall(r"\{(\w+)(?:\.\.\.)?\}", item.path)
    )


def test_only_what_shows_nothing_of_the_project_needs_no_permission():
    free = {item.path for item in ENDPOINTS if not item.permission}
    assert free == {
        "/health",
        "/ready",
        "/version",
        "/openapi.json",
        "/docs",
        "/api/v1/store",
        "/api/v1/session",  # signing in
        "/api/v1/accounts/me",  # the caller's own account, or that there is none
        "/api/3.0/mlflow/server-info",
        "/ajax-api/3.0/mlflow/server-info",
        "/api/2.0/mlflow-artifacts/mpu/parts/{upload}/{number}",  # the upload's id, which is told to who may write, is the right
        "/",
        "/assets/{file}",
        "/favicon.svg",
    }


def test_every_schema_that_is_named_is_there():
    named = set(re.findall(r"#/components/schemas/(\w+)", json.dumps(DOCUMENT)))
    assert named == set(DOCUMENT["components"]["schemas"])


def test_two_shapes_never_share_a_name():
    records = {}
    for item in ENDPOINTS:
        for content in (*item.operation.takes, *item.operation.gives):
            if content.record is not None:
                assert records.setdefault(content.record.name, content.record) is content.record


def test_shapes_within_shapes_are_described():
    point = Record("Point", {"x": Field("Where.", ("number",)), "next": Field("Another.", ("array",))}, whole=True)
    line = Record(
        "Line",
        {
            "points": Field("Its points.", ("array",), of=point),
            "first": Field("The first.", ("object",), of=point, nullable=True),
            "by_name": Field("By name.", ("object",), of=point, keyed=True),
            "kind": Field("Of what kind.", choices=("solid", "dashed")),
        },
    )
    described = document([Endpoint("GET", "/lines/{path...}", "", Operation(str, gives=(Content(record=line),)))])
    schemas = described["components"]["schemas"]
    assert schemas["Point"]["required"] == ["x", "next"]
    reference = {"$ref": "#/components/schemas/Point"}
    members = schemas["Line"]["properties"]
    assert members["points"]["items"] == members["by_name"]["additionalProperties"] == reference
    assert members["first"]["anyOf"] == [reference, {"type": "null"}]
    assert members["kind"]["enum"] == ["solid", "dashed"]
    assert list(described["paths"]) == ["/lines/{path}"]
