"""Makes docs/reference/python.md out of the docstrings: `python tests/python_reference.py > docs/reference/python.md`."""

from __future__ import annotations

import importlib
import inspect
import sys
from collections.abc import Iterator
from typing import Any

__all__ = ["render"]

HEAD = """# The Python API

<!-- Made by `python tests/python_reference.py`; a test compares. Change the docstrings, not this page. -->

`import headrace as hr` gives what stands under `hr`. A store's parts are found on it: `store.runs`, `store.models`,
`store.lineage` and more. Errors are on [a page of their own](errors.md).
"""
SECTIONS: dict[str, tuple[str, ...]] = {
    "A project and its runs": ("headrace.connect", "headrace.start_run", "headrace.track"),
    "Definitions": (
        *(f"headrace.{name}" for name in ("Entity", "EventSource", "TableSource", "FeatureGroup", "FeatureView", "on_demand")),
        *(f"headrace.{name}" for name in ("column", "count", "count_distinct", "sum", "mean", "std", "min", "max")),
        *(f"headrace.{name}" for name in ("first", "last", "last_n")),
        *(f"headrace.expect.{name}" for name in ("not_null", "between", "one_of", "unique", "sql")),
    ),
    "Models": ("headrace.Gate", "headrace.predictor"),
    "The store": ("headrace.Store",),
    "store.runs": ("headrace.tracking.service.Runs",),
    "A run while it is active": ("headrace.tracking.client.run.ActiveRun",),
    "store.models": ("headrace.models.service.Models",),
    "store.lineage": ("headrace.lineage.graph.Lineage",),
    "store.catalog": ("headrace.catalog.service.Catalog",),
    "store.training_sets": ("headrace.features.training.TrainingSets", "headrace.features.training.TrainingSet"),
    "store.predictions": ("headrace.serving.predictions.Predictions",),
    "store.accounts": ("headrace.accounts.service.Accounts",),
    "store.webhooks": ("headrace.webhooks.service.Webhooks",),
}
INNER = {("Store", name) for name in ("accept", "by", "destination", "door", "lookup", "opened_lookup", "services")}
"""What servers use of a store."""
LABELS = ("Args:", "Attributes:", "Raises:")


def render() -> str:
    """The whole page."""
    lines = [HEAD]
    for title, names in SECTIONS.items():
        lines.append(f"## {title}\n")
        for name in names:
            lines += _entry(name)
    return "\n".join(lines).rstrip() + "\n"


def _entry(path: str) -> Iterator[str]:
    module, _, name = path.rpartition(".")
    owner = importlib.import_module("headrace") if module == "headrace.expect" else importlib.import_module(module)
    found = getattr(owner.expect if module == "headrace.expect" else owner, name)
    shown = path.replace("headrace.", "hr.") if module in ("headrace", "headrace.expect") else name
    made_by_users = not inspect.isclass(found) or (module == "headrace" and name != "Store")
    yield f"### `{shown}{_signature(found) if made_by_users else ''}`\n"
    yield _text(found)
    if inspect.isclass(found):
        for member, held in sorted(_members(found)):
            signature = "" if isinstance(held, property) else _signature(held)
            yield f"#### `{name}.{member}{signature}`\n"
            yield _text(held)


def _members(kind: type) -> Iterator[tuple[str, Any]]:
    """What users may call: public, and explained."""
    for name in dir(kind):
        held = inspect.getattr_static(kind, name)
        held = held.__func__ if isinstance(held, (classmethod, staticmethod)) else held
        if (
            not name.startswith("_")
            and (kind.__name__, name) not in INNER
            and (callable(held) or isinstance(held, property))
            and held.__doc__
        ):
            yield name, held


def _signature(found: Any) -> str:
    signature = inspect.signature(found)
    parts, named = [], False
    for name, parameter in signature.parameters.items():
        if name in ("self", "cls"):
            continue
        if parameter.kind is parameter.KEYWORD_ONLY and not named:
            parts.append("*")
        named = named or parameter.kind in (parameter.KEYWORD_ONLY, parameter.VAR_POSITIONAL)
        star = {parameter.VAR_POSITIONAL: "*", parameter.VAR_KEYWORD: "**"}.get(parameter.kind, "")
        told = "" if parameter.annotation is parameter.empty else f": {_plain(parameter.annotation)}"
        parts.append(f"{star}{name}{told}{_default(parameter.default)}")
    given = signature.return_annotation
    back = "" if given in (signature.empty, "None", None) else f" -> {_plain(given)}"
    return f"({', '.join(parts)}){back}"


def _plain(annotation: Any) -> str:
    return annotation if isinstance(annotation, str) else getattr(annotation, "__name__", str(annotation))


def _default(value: Any) -> str:
    if value is inspect.Parameter.empty:
        return ""
    if callable(value):
        return f" = {value.__name__}"
    return " = …" if repr(value).startswith("<") else f" = {value!r}"


def _text(found: Any) -> str:
    """A docstring, with what it says of each argument as an item of a list."""
    lines, listed = [], False
    for line in (inspect.getdoc(found) or "").splitlines():
        listed = line in LABELS or (listed and not (line and not line.startswith(" ")))
        lines.append(_item(line) if listed else line)
    return "\n".join(lines) + "\n"


def _item(line: str) -> str:
    if line in LABELS:
        return f"*{line.removesuffix(':')}*\n"
    name, colon, rest = line.strip().partition(": ")
    if line.startswith("     ") or not colon:
        return f"  {line.strip()}" if line else line
    return f"- `{name}`: {rest}"


if __name__ == "__main__":
    sys.stdout.write(render())
