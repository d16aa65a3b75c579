"""What changed between two specs of a definition, in words, field by field."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from headrace.definitions.version import Kind

__all__ = ["describe_changes"]

Spec = Mapping[str, Any]


def describe_changes(kind: Kind, old: Spec, new: Spec) -> tuple[str, ...]:
    """One line a change, for example `feature likes_30d: where 'stars >= 4' → 'stars >= 5'`."""
    return tuple(_changes(kind, old, new))


def _changes(kind: Kind, old: Spec, new: Spec) -> Iterator[str]:
    if kind == "entity":
        yield from _named_changes("key", dict(old["keys"]), dict(new["keys"]), "keys")
    elif kind == "source":
        yield from _named_changes("column", dict(old["schema"]), dict(new["schema"]), "columns")
    elif kind == "group":
        yield from _named_changes("feature", _by_name(old["features"]), _by_name(new["features"]), "features")
    else:
        yield from _named_changes("", _items(old["features"]), _items(new["features"]), "features")
    before, after = (_by_name(spec.get("expect", ())) for spec in (old, new))
    yield from _named_changes("expectation", before, after, "expectations")
    for field in new:
        if field not in ("keys" if kind == "entity" else "features", "schema", "refs", "expect") and old.get(field) != new[field]:
            yield f"{field} {_change(old.get(field), new[field])}"


def _named_changes(noun: str, old: Spec, new: Spec, plural: str) -> Iterator[str]:
    for name, value in new.items():
        label = f"{noun} {name}".strip()
        if name not in old:
            yield f"{label} added" + (f": {value}" if isinstance(value, str) else "")
        elif isinstance(value, Mapping):
            yield from (
                f"{label}: {field} {_change(old[name].get(field), value[field])}"
                for field in value
                if old[name].get(field) != value[field]
            )
        elif old[name] != value:
            yield f"{label}: {old[name]} → {value}"
    yield from (f"{noun} {name} removed".strip() for name in old if name not in new)
    if list(old) != list(new) and sorted(old) == sorted(new):
        yield f"{plural} in another order: {', '.join(new)}"


def _by_name(features: Sequence[Spec]) -> dict[str, Spec]:
    return {item["name"]: {field: value for field, value in item.items() if field != "name"} for item in features}


def _items(features: Sequence[Spec]) -> dict[str, Spec]:
    """A view's items by a label that tells two uses of one group apart."""
    items: dict[str, Spec] = {}
    for item in features:
        if "on_demand" in item:
            fields = {field: value for field, value in item["on_demand"].items() if field != "name"}
            fields["code"] = fields.pop("source_hash")[:12]
            items[f"on-demand {item['on_demand']['name']}"] = fields
        else:
            label = f"group {item['group']}" + (f" prefixed {item['prefix']!r}" if item["prefix"] else "")
            fields = {"selection": ", ".join(item["names"]) or "all features", "keys": item["keys"]}
            while label in items:
                label += " again"
            items[label] = fields
    return items


def _change(old: Any, new: Any) -> str:
    return f"{_shown(old)} → {_shown(new)}"


def _shown(value: Any) -> str:
    if value is None or value in ("", {}):
        return "none"
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key}: {item}" for key, item in value.items()) + "}"
    return repr(value)
