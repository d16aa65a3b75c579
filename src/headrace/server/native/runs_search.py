"""Runs searched for: a page of the columns that are asked for, and what may come next in a query."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import orjson

from headrace.errors import InvalidInputError
from headrace.server.columns import dumps, json_column
from headrace.server.endpoint import Operation
from headrace.server.http import JSON, Call, Reply, json_reply
from headrace.server.native.experiments import RUN_HEAD, VIEW, checked_id, checked_view, told_head
from headrace.server.schema import Content, Field, Record
from headrace.tracking.completion import complete
from headrace.tracking.overview import ARCHIVED_TAG, Keys, RunTable, RunTree, parse_column
from headrace.tracking.search import Comparison, Entity, parse_filter, parse_order
from headrace.tracking.store import RunQuery

if TYPE_CHECKING:
    from headrace.store import Store
    from headrace.tracking.run import View

__all__ = ["COMPLETE", "SEARCH"]

MOST_ROWS = 10_000
MOST_COLUMNS = 5000
MOST_VALUES = 50
MOST_OPENED = 1000

_WHERE = Field("Ids of experiments. Default: all active ones.", ("array",), nullable=True, of=Field("An id."))
_ASKED = Record(
    "RunSearch",
    {
        "filter": Field("The search grammar, `metrics.auc > 0.8 and params.depth = '6'`.", default=""),
        "experiments": _WHERE,
        "order_by": Field(
            "Keys to order by, `metrics.auc desc`; then newest first.", ("array",), nullable=True, of=Field("A key.")
        ),
        "columns": Field(
            f"At most {MOST_COLUMNS:,} of `metrics.KEY`, `metrics.KEY:low`, `:high`, `:step`, `params.KEY`, `tags.KEY`.",
            ("array",),
            nullable=True,
            of=Field("A column."),
        ),
        "view": VIEW,
        "archived": Field("Whether runs that were archived are among them.", default="show", choices=("show", "hide", "only")),
        "limit": Field(f"At most so many, up to {MOST_ROWS:,}.", ("integer",), default=100),
        "offset": Field("How many to leave out at the start, to go to any page. With a cursor it is 0.", ("integer",), default=0),
        "count": Field(
            "Whether to count all that match: of very many runs, that takes longer than the page.", ("boolean",), default=True
        ),
        "cursor": Field("`next` of the page before; the rest of the search must be the same.", nullable=True),
        "tree": Field(
            "Whether runs stand below those that they are nested in. Only of all runs: without a filter, archived or not.",
            ("boolean",),
            default=False,
        ),
        "opened": Field(
            f"Of a tree, the ids of at most {MOST_OPENED:,} runs whose nested runs have rows. Default: those among the first ten "
            "rows.",
            ("array",),
            nullable=True,
            of=Field("An id."),
        ),
    },
)
_NUMBERS = Field("A number.", ("integer",))
_TREE = Record(
    "RunTree",
    {
        "rows": Field(
            "How many rows it has: of the runs that no other is the parent of, and of those in open ones.", ("integer",)
        ),
        "depths": Field("Of each of the page's runs, in how many others it is nested.", ("array",), of=_NUMBERS),
        "children": Field("Of each of them, how many runs are nested in it.", ("array",), of=_NUMBERS),
        "opened": Field("The ids of the runs that are open.", ("array",), of=Field("An id.")),
    },
    whole=True,
)
_FOUND = Record(
    "RunsFound",
    {
        "total": Field(
            "How many runs matched when the first page was read; null if they weren't counted.", ("integer",), nullable=True
        ),
        "runs": Field("The page's runs, in order.", ("array",), of=RUN_HEAD),
        "columns": Field(
            "Column to its values, one a run; null where a run has none. NaN, Infinity and -Infinity are texts.",
            ("object",),
            of=Field("The values.", ("array",), of=Field("A text or a number.", ("string", "number"), nullable=True)),
            keyed=True,
        ),
        "next": Field("Where the next page begins; null on the last one.", nullable=True),
        "tree": Field("How the runs are nested; null if a tree wasn't asked for.", ("object",), of=_TREE, nullable=True),
    },
    whole=True,
)
_BEGUN = Record(
    "QueryBegun",
    {
        "text": Field("The query, or a key to order by, as far as it is.", required=True),
        "position": Field("Where the cursor is, in characters. Default: at the end.", ("integer",), nullable=True),
        "field": Field("What the text is.", default="query", choices=("query", "order")),
        "experiments": _WHERE,
    },
)
_OPTION = Record(
    "QueryOption",
    {
        "text": Field("What to put there."),
        "kind": Field("metric, param, tag, attribute, dataset, comparison, value or keyword."),
        "runs": Field("How many runs have it.", ("integer",), nullable=True),
    },
    whole=True,
)
_COMPLETED = Record(
    "QueryCompletion",
    {
        "start": Field("Where the part begins that an option replaces.", ("integer",)),
        "end": Field("Where it ends.", ("integer",)),
        "expects": Field("key, comparison, value, number, direction, AND, NULL, IN or nothing."),
        "options": Field("The best first.", ("array",), of=_OPTION),
    },
    whole=True,
)


def _search(call: Call) -> Reply:
    """Runs that match a query, a page at a time, with the columns that are asked for. Runs that start meanwhile move nothing.

    A query with a fault is answered with 422 and `query`: the text, the token's `start` and `length`, and a `suggestion`.
    """
    asked = _ASKED.read(call.json())
    if not 0 < asked["limit"] <= MOST_ROWS or len(asked["columns"] or ()) > MOST_COLUMNS:
        msg = f"limit must be 1 to {MOST_ROWS}, not {asked['limit']}, with at most {MOST_COLUMNS} columns"
        raise InvalidInputError(msg)
    if asked["offset"] < 0 or (asked["offset"] and asked["cursor"]):
        msg = f"offset must be 0 or more, and 0 with a cursor, not {asked['offset']}"
        raise InvalidInputError(msg)
    offset, before, total = _cursor(asked["cursor"]) if asked["cursor"] else (asked["offset"], None, None)
    begun = call.store.runs.recorder.clock()
    experiments, view = _experiments(asked["experiments"]), checked_view(asked["view"])
    order = parse_order([str(item) for item in asked["order_by"] or ()])
    wanted = [parse_column(str(name)) for name in dict.fromkeys(asked["columns"] or ())]
    filters = [*parse_filter(asked["filter"]), *_archived(asked["archived"])]
    query = RunQuery(filters, order, experiments, view, asked["limit"] + 1, offset)
    found: RunTable | RunTree
    if asked["tree"]:
        found = call.store.overview.tree(query, wanted, opened=_opened(asked), before=before)
    else:
        found = call.store.overview.table(query, wanted, before=before, count=asked["count"] and total is None)
    more, total = len(found.runs) > asked["limit"], found.total if total is None else total
    if more and before is None:
        before = _ahead(call.store, experiments, view) or begun
    columns = {
        name: json_column(values[: asked["limit"]], "float64" if name.startswith("metrics.") else "string")
        for name, values in found.columns.items()
    }
    answer = {
        "total": None if total < 0 else total,
        "runs": [told_head(run) for run in found.runs[: asked["limit"]]],
        "columns": columns,
        "next": None if before is None or not more else _token(offset + asked["limit"], before, total),
        "tree": _tree(found, asked["limit"]) if isinstance(found, RunTree) else None,
    }
    return Reply(dumps(answer), media_type=JSON)


def _opened(asked: Mapping[str, Any]) -> list[str] | None:
    """The runs of a tree that are open; None if nobody says. Raises InvalidInputError for a search that can't be a tree."""
    if asked["filter"].strip() or asked["archived"] != "show":
        msg = "tree is of all runs; leave it out to filter them, or to tell what is archived from the rest"
        raise InvalidInputError(msg)
    opened: list[str] | None = asked["opened"]
    if opened is not None and (len(opened) > MOST_OPENED or not all(isinstance(item, str) for item in opened)):
        msg = f"opened must be at most {MOST_OPENED} ids of runs, not {len(opened)} things"
        raise InvalidInputError(msg)
    return opened


def _tree(found: RunTree, limit: int) -> dict[str, Any]:
    return {
        "rows": found.rows,
        "depths": found.depths[:limit],
        "children": found.children[:limit],
        "opened": found.opened,
    }


def _complete(call: Call) -> Reply:
    """What may come next in a query: keys, comparisons, values that runs have. For a query bar, at each key stroke."""
    asked = _BEGUN.read(call.json())
    if asked["field"] not in ("query", "order"):
        msg = f"field must be query or order, not {asked['field']!r}"
        raise InvalidInputError(msg)
    text = asked["text"]
    position = len(text) if asked["position"] is None else asked["position"]
    found = complete(text, position, _Known(call.store, _experiments(asked["experiments"])), asked["field"])
    return json_reply({**asdict(found), "options": [asdict(option) for option in found.options]})


class _Known:
    """What the runs of some experiments have."""

    def __init__(self, store: Store, experiments: list[str] | None) -> None:
        self._store = store
        self._experiments = experiments
        self._found: Keys | None = None

    def keys(self, entity: Entity) -> Mapping[str, int]:
        """Keys of metrics, params or tags."""
        if self._found is None:
            ids = self._experiments
            if ids is None:
                ids = [item.id for item in self._store.runs.experiments()]
            self._found = self._store.overview.keys(ids, exact=False)
        return {"metric": self._found.metrics, "param": self._found.params, "tag": self._found.tags}.get(entity, {})

    def values(self, entity: Entity, key: str, prefix: str) -> list[str]:
        """Values that start so."""
        return self._store.overview.values(entity, key, prefix, MOST_VALUES)


def _ahead(store: Store, experiments: list[str] | None, view: View) -> int | None:
    """When the newest run starts, if that is to come: the clock of the machine that it runs on is ahead of the one here."""
    newest = store.overview.table(RunQuery(experiments=experiments, view=view, limit=1), count=False).runs
    return next((run.start for run in newest if run.start > store.runs.recorder.clock()), None)


def _archived(asked: str) -> list[Comparison]:
    if asked not in ("show", "hide", "only"):
        msg = f"archived must be show, hide or only, not {asked!r}"
        raise InvalidInputError(msg)
    operators = {"hide": "IS NULL", "only": "IS NOT NULL"}
    return [Comparison("tag", ARCHIVED_TAG, operators[asked], None)] if asked in operators else []


def _experiments(asked: list[Any] | None) -> list[str] | None:
    return None if asked is None else [checked_id(item) for item in asked]


def _token(offset: int, before: int, total: int) -> str:
    return base64.urlsafe_b64encode(orjson.dumps([offset, before, total])).decode()


def _cursor(token: str) -> tuple[int, int, int]:
    try:
        found = orjson.loads(base64.urlsafe_b64decode(token))
    except (ValueError, binascii.Error):
        found = None
    if (
        not isinstance(found, list)
        or [type(item) for item in found] != [int] * 3
        or not all(-1 <= item < 1 << 63 for item in found)
        or found[0] < 0
    ):
        msg = "the cursor isn't one; give `next` of the page before as it is"
        raise InvalidInputError(msg)
    offset, before, total = found
    return offset, before, total


SEARCH = Operation(_search, takes=(Content(record=_ASKED),), gives=(Content(record=_FOUND),))
COMPLETE = Operation(_complete, takes=(Content(record=_BEGUN),), gives=(Content(record=_COMPLETED),))
