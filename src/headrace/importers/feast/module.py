"""A module of definitions, written from what a Feast registry holds. Pure."""

from __future__ import annotations

import keyword
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from headrace.importers.report import ImportReport

__all__ = ["write_module"]

TYPES = {
    "Bool": "bool",
    "Int32": "int32",
    "Int64": "int64",
    "Float32": "float32",
    "Float64": "float64",
    "String": "string",
    "Bytes": "bytes",
    "UnixTimestamp": "timestamp",
}
KEY_TYPES = {"INT32": "int32", "INT64": "int64", "STRING": "string", "BYTES": "bytes", "BOOL": "bool"}
_ODD = re.compile(r"[^A-Za-z0-9_-]")
_HEAD = '''"""{title}

Made by `headrace import feast`; yours from here on. `headrace plan {module}` shows what applying it would change.
"""

import headrace as hr
'''


def write_module(project: Mapping[str, Any], module: str, report: ImportReport) -> str:
    """The module's text; what can't be written is noted in the report.

    A Feast feature view holds values that were computed elsewhere, one row an entity and a time: here a table source with a group
    over it. A feature service is a feature view here.
    """
    return _Writer(project, report).text(module)


class _Writer:
    def __init__(self, project: Mapping[str, Any], report: ImportReport) -> None:
        self._project = project
        self._report = report
        self._names: dict[tuple[str, str], str] = {}
        self._entities: dict[tuple[str, ...], str] = {}
        self._groups: dict[str, Mapping[str, Any]] = {}
        self._lines: list[str] = []

    def text(self, module: str) -> str:
        """The whole module."""
        for view in (*self._project["views"], *self._project["streams"]):
            self._view(view)
        for service in self._project["services"]:
            self._service(service)
        for view in self._project["on_demand"]:
            reason = "its code is Feast's: write it as a function under @hr.on_demand(inputs=[…], returns=…)"
            self._report.leave("on-demand feature view", view["name"], reason)
        for name in self._project["datasets"]:
            self._report.leave("saved dataset", name, "make it anew: store.training_set(view, labels, name=…)")
        head = _HEAD.format(title=f"The definitions of the Feast project {self._project['name']}.", module=module)
        return "\n".join([head, *self._lines]).rstrip() + "\n"

    def _view(self, view: Mapping[str, Any]) -> None:
        name, source = view["name"], view["source"]
        kind = "feature view" if view["kind"] == "view" else "stream feature view"
        if source is None or not view["keys"]:
            reason = "it has no batch source" if source is None else "it has no entity, and a group here is about one"
            self._report.leave(kind, name, reason)
            return
        if not source["timestamp"]:
            self._report.leave(kind, name, f"its source {source['name']} names no timestamp column")
            return
        if view["kind"] == "stream":
            self._report.leave(kind, name, "it is written as a batch group; its stream: give the source stream='TOPIC'")
        columns = self._columns(view)
        features = [feature for feature in view["features"] if feature in columns]
        entity = self._entity(view)
        table = self._variable("source", f"{name}_source", "sources")
        self._source(view, table, columns)
        group = self._variable("group", name, "feature groups")
        self._groups[name] = {**view, "features": features, "variable": group}
        mapping = {feature: column for column, feature in source["mapping"].items()}
        chosen = ", ".join(f"{feature!r}: {_column(mapping.get(feature, feature))!r}" for feature in features)
        ttl = f", ttl={_ttl(view['ttl'])!r}" if view["ttl"] else ""
        self._lines += [
            f"{group} = hr.FeatureGroup(",
            f"    {_fit(name)!r}, entity={entity}, source={table}{ttl},",
            f"    features={{{chosen}}},",
            *self._about(view),
            ")",
            "",
        ]

    def _source(self, view: Mapping[str, Any], variable: str, columns: Mapping[str, str]) -> None:
        source = view["source"]
        mapping = {feature: column for column, feature in source["mapping"].items()}
        named = {mapping.get(name, name): kind for name, kind in {**columns, source["timestamp"]: "timestamp"}.items()}
        available = f", available={source['created']!r}" if source["created"] else ""
        schema = {**named, **({source["created"]: "timestamp"} if source["created"] else {})}
        where = f"  # its rows in Feast: {source['kind']} {source['path']}".rstrip()
        self._lines += [
            f"{variable} = hr.TableSource({where}",
            f"    {_fit(view['name'])!r}, timestamp={source['timestamp']!r}{available},",
            f"    schema={schema!r},",
            ")",
        ]

    def _columns(self, view: Mapping[str, Any]) -> dict[str, str]:
        """Keys and features with their types here; those of a type that isn't one here are noted and left out."""
        found: dict[str, str] = {}
        for name, kind in {**view["keys"], **view["features"]}.items():
            ours = TYPES.get(kind)
            if ours is None:
                reason = f"there is no type {kind} here" + (
                    "; a vector has a length: vector[N]" if kind.startswith("Array") else ""
                )
                self._report.leave("feature", f"{view['name']}:{name}", reason)
            else:
                found[name] = ours
        return found

    def _entity(self, view: Mapping[str, Any]) -> str:
        """The variable of the entity with these keys, written where it is first needed."""
        keys = tuple(view["keys"])
        if keys not in self._entities:
            said = [item for item in self._project["entities"] if item["name"] in view["entities"]]
            name = said[0]["name"] if len(said) == 1 else "_".join(view["entities"]) or "_".join(keys)
            types = {key: TYPES.get(kind, "string") for key, kind in view["keys"].items()}
            for item in said:
                types.update({key: KEY_TYPES[item["type"]] for key in item["keys"] if item["type"] in KEY_TYPES and key in types})
            self._entities[keys] = self._variable("entity", name, "entities")
            self._lines += [f"{self._entities[keys]} = hr.Entity({_fit(name)!r}, keys={types!r})", ""]
        return self._entities[keys]

    def _service(self, service: Mapping[str, Any]) -> None:
        parts = []
        counts = Counter(feature for view in service["views"] for feature in view["features"])
        for view in service["views"]:
            group = self._groups.get(view["name"])
            if group is None:
                self._report.leave("part of a feature service", f"{service['name']}:{view['name']}", "that view isn't carried")
                continue
            names = [feature for feature in view["features"] if feature in group["features"]]
            text = group["variable"]
            if names != group["features"]:
                text += f"[{', '.join(map(repr, names))}]"
            if view["keys"]:
                text += f".keyed({', '.join(f'{key}={column!r}' for key, column in view['keys'].items())})"
            if any(counts[feature] > 1 for feature in names):  # Feast writes VIEW__FEATURE then too
                text += f".prefixed({(view['alias'] or view['name']) + '__'!r})"
                self._report.leave(
                    "names in a feature service", service["name"], f"features of {view['name']} are prefixed: two are alike"
                )
            parts.append(text)
        if not parts:
            self._report.leave("feature service", service["name"], "none of its views is carried")
            return
        self._report.count("feature views", "new")
        variable = self._variable("view", service["name"], "")
        listed = ", ".join(parts)
        self._lines += [f"{variable} = hr.FeatureView({_fit(service['name'])!r}, features=[{listed}]{self._inline(service)})", ""]

    def _variable(self, kind: str, name: str, counted: str) -> str:
        """A name in the module that nothing else has."""
        if counted:
            self._report.count(counted, "new")
        plain = re.sub(r"\W", "_", name)
        plain = f"{plain}_" if keyword.iskeyword(plain) or not plain[0].isalpha() or plain == "hr" else plain
        taken = set(self._names.values())
        while plain in taken:
            plain = f"{plain}_{kind}"
        self._names[kind, name] = plain
        return plain

    def _about(self, item: Mapping[str, Any]) -> Sequence[str]:
        said = self._inline(item).removeprefix(", ")
        return [f"    {said},"] if said else []

    @staticmethod
    def _inline(item: Mapping[str, Any]) -> str:
        return "".join(f", {name}={item[name]!r}" for name in ("description", "owner", "tags") if item[name])


def _fit(name: str) -> str:
    clean = _ODD.sub("_", name)
    return clean if clean[:1].isalpha() else f"f{clean}"


def _column(name: str) -> str:
    """A column as an expression."""
    return name if re.fullmatch(r"[A-Za-z_]\w*", name) else '"' + name.replace('"', '""') + '"'


def _ttl(seconds: float) -> str:
    for unit, size in (("d", 86_400), ("h", 3_600), ("m", 60)):
        if seconds % size == 0:
            return f"{int(seconds // size)}{unit}"
    return f"{max(1, round(seconds))}s"
