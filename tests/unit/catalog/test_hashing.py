"""Hashes: stable through storage, and different exactly where meaning is."""

from __future__ import annotations

import json
from dataclasses import replace

from headrace.catalog.hashing import computation_hash, definition_hash
from headrace.definitions.entity import Entity
from headrace.definitions.group import FeatureGroup
from headrace.definitions.source import source_from_spec
from headrace.definitions.validation import resolve
from headrace.definitions.view import FeatureView
from headrace.ids import canonical_json
from unit.catalog.samples import FACTS, RANKING, RATINGS, TASTE, USER


def hashes(definition):
    computation = computation_hash(definition)
    return computation, definition_hash(definition.to_spec(), computation)


def stored(definition):
    return json.loads(canonical_json(definition.to_spec()))


def test_a_definition_read_back_has_the_same_hashes():
    found = resolve([RANKING])
    groups = {
        name: FeatureGroup.from_spec(name, stored(group), group.entity, group.source) for name, group in found.groups.items()
    }
    assert hashes(Entity.from_spec("user", stored(USER))) == hashes(USER)
    assert hashes(source_from_spec("ratings", stored(RATINGS))) == hashes(RATINGS)
    assert {name: hashes(group) for name, group in groups.items()} == {
        name: hashes(group) for name, group in found.groups.items()
    }
    assert hashes(FeatureView.from_spec("ranking", stored(found.views["ranking"]), groups)) == hashes(found.views["ranking"])


def test_metadata_changes_the_hash_and_not_the_computation():
    for definition, changes in ((USER, {"owner": "x"}), (RATINGS, {"stream": None}), (TASTE, {"tags": {"a": "b"}})):
        before, after = hashes(definition), hashes(replace(definition, **changes))
        assert before[0] == after[0]
        assert before[1] != after[1]


def test_a_view_computes_otherwise_when_its_groups_do():
    stricter = replace(TASTE, ttl="1d")
    changed = replace(RANKING, features=[stricter, FACTS["is_comedy"], RANKING.on_demand[0]])
    assert computation_hash(changed) != computation_hash(RANKING)
    assert changed.to_spec() == RANKING.to_spec()


def test_how_a_column_is_spelled_in_an_expression_is_part_of_the_definition():
    assert hashes(replace(FACTS, features={"title": "TITLE"})) != hashes(replace(FACTS, features={"title": "title"}))
