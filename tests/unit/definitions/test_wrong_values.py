"""Whatever a definition is made of, planning it names what is wrong; what no catalog can keep isn't taken."""

from __future__ import annotations

import inspect

import pytest

import headrace as hr
from headrace.catalog.hashing import content_hash
from headrace.definitions.validation import resolve
from headrace.errors import DefinitionError, HeadraceError

NUL, HALF = "a\0b", "\ud800"
WRONG = (None, -1, float("nan"), 10**400, b"x", {}, [[]], {5: 5}, {HALF: HALF}, object(), NUL, HALF)

CUSTOMER = hr.Entity("customer", keys={"id": "int64"})
SCHEMA = {"id": "int64", "amount": "float64", "at": "timestamp"}
BOUGHT = hr.EventSource("bought", timestamp="at", schema=SCHEMA)


def group(feature):
    return hr.FeatureGroup("spending", entity=CUSTOMER, source=BOUGHT, features={"feature": feature})


def source(expectation):
    return hr.EventSource("bought", timestamp="at", schema=SCHEMA, expect=[expectation])


def view(make):
    return hr.FeatureView("all", features=[group(hr.count("1h")), make(lambda amount: 1.0)])


NAMES = {"name": "thing", "keys": {"id": "int64"}, "timestamp": "at", "schema": SCHEMA, "entity": CUSTOMER, "source": BOUGHT}
COLUMNS = {"column": "amount", "n": 3, "function": "count", "expression": "amount > 1", "condition": "amount > 1", "values": [1]}
VALID = NAMES | COLUMNS | {"features": {"n": hr.count("1h")}, "inputs": ["amount"], "returns": "float64", "low": 1}
MAKERS = {
    lambda made: made: (hr.Entity, hr.EventSource, hr.TableSource, hr.FeatureGroup),
    group: (hr.Aggregation, hr.count, hr.last_n, hr.mean),
    source: (hr.expect.not_null, hr.expect.between, hr.expect.one_of, hr.expect.unique, hr.expect.sql),
    view: (hr.on_demand,),
}


@pytest.mark.parametrize(("around", "make"), [(around, make) for around, makers in MAKERS.items() for make in makers])
def test_a_definition_made_of_anything_is_refused_with_a_reason_or_holds(around, make):
    takes = inspect.signature(make).parameters.values()
    needed = {item.name: VALID[item.name] for item in takes if item.default is item.empty}
    broken = []
    for name in [item.name for item in takes if item.name != "resolved"]:
        for value in WRONG:
            try:
                found = resolve([around(make(**{**needed, name: value}))])
                for kind in (found.sources, found.groups, found.views, found.entities):
                    content_hash({key: made.to_spec() for key, made in kind.items()})
            except HeadraceError:
                continue
            except Exception as error:  # noqa: BLE001 - each is a fault
                broken.append(f"{name}={value!r:.40}: {error!r:.200}")
    assert broken == []


@pytest.mark.parametrize("text", [NUL, HALF])
def test_text_that_no_catalog_can_keep_is_refused_in_each_place(text):
    made = [
        hr.Entity("customer", keys={"id": "int64"}, owner=text, description=text, tags={"team": text}),
        hr.EventSource("bought", timestamp="at", schema={**SCHEMA, text: "string"}, stream=text),
        hr.FeatureGroup("g", entity=CUSTOMER, source=BOUGHT, features={"n": hr.count("1h", description=text)}),
        hr.FeatureView("v", features=[hr.on_demand(["amount"], "float64", "f", description=text)(lambda amount: 1.0)]),
    ]
    for item, places in zip(made, (3, 2, 1, 1), strict=True):
        with pytest.raises(DefinitionError) as refused:
            resolve([item])
        told = [fault for fault in refused.value.faults if repr(text) in fault]
        assert len(told) >= places
    assert "which no catalog can keep" in told[0]
