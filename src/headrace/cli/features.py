"""The verbs of the feature store: what there is, values now, values then, training sets."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from headrace.cli import describing
from headrace.cli.describing import freshness_word
from headrace.cli.failures import REFUSED
from headrace.cli.files import read_rows, write_rows
from headrace.cli.output import Answer, Table
from headrace.cli.reading import is_csv
from headrace.cli.request import parse_request
from headrace.cli.values import age, moment, seconds, short_time
from headrace.cli.verb import Session, Verb, verb
from headrace.definitions.plain import parse_time
from headrace.definitions.schema import item_type, vector_size
from headrace.errors import InvalidInputError

if TYPE_CHECKING:
    import pyarrow as pa

    from headrace.features.freshness import Freshness
    from headrace.features.lookup import OnlineFeatures
    from headrace.features.training import TrainingSet

__all__ = ["VERBS"]

View = Annotated[str, typer.Argument(metavar="VIEW", help="A feature view, 'ranking', or one version of it, 'ranking:3'.")]
TimestampColumn = Annotated[str, typer.Option("--timestamp", "-t", metavar="COLUMN", help="The column with each row's moment.")]
AsKnown = Annotated[
    bool, typer.Option("--as-known", help="Use only rows that had arrived by each row's moment, as serving would have.")
]


@verb("list", "headrace features list")
def list_features(session: Session) -> Answer:
    """List sources, groups and views, and how fresh the groups are."""
    found = describing.overview_data(session.store)
    return Answer(found, describing.overview(found))


@verb("show", "headrace features show user_taste", "headrace features show ranking:3", "headrace features show source:ratings")
def show(
    session: Session,
    name: Annotated[
        str, typer.Argument(metavar="NAME", help="A view, group, source or entity, perhaps with a version: ranking:3.")
    ],
) -> Answer:
    """Show one definition in full: features with types and expressions, versions, and who reads it."""
    found = describing.describe(session.store, name)
    return Answer(found, describing.description(found))


@verb(
    "get",
    "headrace features get ranking user_id=7 video_id=1,2,3",
    "headrace features get ranking user_id=7 video_id=1 --at 2026-01-31T12:00:00Z",
)
def get(
    session: Session,
    view: View,
    request: Annotated[
        list[str], typer.Argument(metavar="KEY=VALUE...", help="Join keys and request inputs; commas make a list.")
    ],
    at: Annotated[
        str | None, typer.Option("--at", metavar="TIME", help="The moment to answer for, RFC 3339. Default: now.")
    ] = None,
) -> Answer:
    """Show the values of some entities now, each with its status and age."""
    definition = session.store.catalog.view(view).view
    asked = parse_request(request, definition.request_keys, definition.request_inputs)
    found = session.store.online_features(view, asked, None if at is None else parse_time(at))
    return Answer(_online_data(found), [f"{found.view} at {short_time(found.at)} UTC", _online_table(found)])


@verb("history", "headrace features history ranking moments.parquet -t rated_at -o features.parquet")
def history(
    session: Session,
    view: View,
    frame: Annotated[
        Path,
        typer.Argument(
            metavar="FRAME.parquet",
            exists=True,
            help="Join keys and timestamps; Parquet, or CSV with a header if it is named .csv.",
        ),
    ],
    output: Annotated[
        Path,
        typer.Option("--output", "-o", metavar="OUT.parquet", help="The file to write; CSV if it is named .csv.", dir_okay=False),
    ],
    timestamp: TimestampColumn = "timestamp",
    as_known: AsKnown = False,
) -> Answer:
    """Append a view's features to a file, as of each row's own time. Rows and their order stay."""
    questions = _questions(session, view, frame, timestamp, output)
    found = session.store.historical_features(view, questions, timestamp, as_known)
    write_rows(found, output)
    data = {"view": view, "rows": found.num_rows, "columns": found.column_names, "path": str(output)}
    return Answer(data, [f"wrote {found.num_rows:,} rows of {len(found.column_names)} columns to {output}"])


@verb(
    "training-set",
    "headrace features training-set ranking labels.parquet -t rated_at --label liked --name ranking-2026-11",
)
def training_set(
    session: Session,
    view: View,
    labels: Annotated[
        Path,
        typer.Argument(
            metavar="LABELS.parquet",
            exists=True,
            help="Join keys, moments and labels; Parquet, or CSV with a header if it is named .csv.",
        ),
    ],
    timestamp: TimestampColumn = "timestamp",
    label: Annotated[str | None, typer.Option("--label", metavar="COLUMN", help="The column to predict.")] = None,
    name: Annotated[str | None, typer.Option("--name", help="What to call it. Default: the view's name.")] = None,
    as_known: AsKnown = False,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            metavar="OUT.parquet",
            help="Also write its rows to this file; CSV if it is named .csv.",
            dir_okay=False,
        ),
    ] = None,
) -> Answer:
    """Join labels with the features that held at each label's own time; keep it under a name, versioned and fingerprinted."""
    rows = _questions(session, view, labels, timestamp, output)
    made = session.store.training_set(view, rows, timestamp, label, name, as_known)
    if output is not None:
        write_rows(made.to_arrow(), output)
    said = f"training set {made.name}:{made.version}, {len(made):,} rows of {made.view}, fingerprint {made.fingerprint[:12]}"
    return Answer(_training_data(made), [said])


@verb("training-sets", "headrace features training-sets")
def training_sets(session: Session) -> Answer:
    """List all training sets."""
    found = session.store.training_sets.all()
    columns = ("NAME", "VERSION", "VIEW", "LABEL", "ROWS", "FINGERPRINT", "CREATED (UTC)", "BY")
    rows = [
        (
            item.name,
            item.version,
            item.view,
            item.label,
            len(item),
            item.fingerprint[:12],
            short_time(item.record.created),
            item.record.author,
        )
        for item in found
    ]
    empty = "no training sets yet; make one with: headrace features training-set VIEW LABELS.parquet"
    return Answer([_training_data(item) for item in found], [Table(columns, rows, empty)])


@verb("verify", "headrace features verify ranking-2026-11", "headrace features verify ranking-2026-11:2")
def verify(
    session: Session,
    name: Annotated[str, typer.Argument(metavar="TRAINING_SET", help="A training set, also with a version: NAME:2.")],
) -> Answer:
    """Compute a training set again from the lake as it was, and compare every value; exit with 1 if one differs."""
    found = session.store.training_sets.get(name)
    result = found.verify()
    said = f"{found.name}:{found.version}: {result.rows:,} rows computed again"
    data = {**_training_data(found), "ok": result.ok, "differing": result.differing}
    if result.ok:
        return Answer(data, [f"{said}, every value is the same"])
    rows = list(result.differing.items())
    return Answer(data, [f"{said}, and they differ", Table(("COLUMN", "ROWS THAT DIFFER"), rows)], code=REFUSED)


@verb("freshness", "headrace features freshness", "headrace features freshness --fail")
def freshness(
    session: Session,
    fail: Annotated[bool, typer.Option("--fail", help="Exit with 1 if a group is stale, for cron and CI.")] = False,
) -> Answer:
    """Show how far behind the online values of each group are."""
    found = session.store.freshness()
    columns = ("GROUP", "STATE", "NEWEST EVENT (UTC)", "AGE", "LIMIT", "KEYS", "WAITING", "LAG", "LATE", "MATERIALIZED (UTC)")
    rows = [
        (
            item.group,
            freshness_word(item),
            short_time(item.newest),
            age(item.age),
            seconds(item.limit),
            item.keys,
            item.waiting,
            item.lag,
            item.late,
            short_time(item.materialized),
        )
        for item in found.values()
    ]
    code = REFUSED if fail and any(item.stale for item in found.values()) else 0
    data = [_freshness_data(item) for item in found.values()]
    return Answer(data, [Table(columns, rows, empty="no groups yet; apply definitions first: headrace apply")], code)


@verb("retire", "headrace features retire user_taste:1")
def retire(
    session: Session, group: Annotated[str, typer.Argument(metavar="GROUP:VERSION", help="A superseded version of a group.")]
) -> Answer:
    """Delete the online values of a superseded group version that no service is pinned to any more."""
    session.store.retire(group)
    return Answer({"retired": group}, [f"{group} has no online values any more"])


VERBS: tuple[Verb[...], ...] = (list_features, show, get, history, training_set, training_sets, verify, freshness, retire)


def _questions(session: Session, view: str, path: Path, timestamp: str, output: Path | None) -> pa.Table:
    """The rows of a file, once it is sure that their answers can be written where they shall go."""
    definition = session.store.catalog.view(view).view
    kinds = {feature.name: feature.dtype for selection in definition.selections for feature in selection.features}
    kinds |= {feature.name: feature.dtype for feature in definition.on_demand}
    several = [name for name, kind in kinds.items() if item_type(kind) is not None or vector_size(kind) is not None]
    if output is not None and is_csv(output) and several:
        msg = f"feature {several[0]!r} of view {view!r} holds several values, which CSV has no form for; name the output .parquet"
        raise InvalidInputError(msg)
    return read_rows(path, {**definition.request_keys, timestamp: "timestamp"})


def _online_data(found: OnlineFeatures) -> dict[str, Any]:
    return {
        "view": found.view,
        "at": moment(found.at),
        "rows": [
            {
                "keys": {name: column[row] for name, column in found.keys.items()},
                "features": {
                    name: {"value": column[row], "status": found.statuses[name][row], "age_s": found.ages[name][row]}
                    for name, column in found.values.items()
                },
            }
            for row in range(len(found))
        ],
    }


def _online_table(found: OnlineFeatures) -> Table:
    rows = [
        (
            *[column[row] for column in found.keys.values()],
            name,
            column[row],
            found.statuses[name][row],
            age(found.ages[name][row]),
        )
        for row in range(len(found))
        for name, column in found.values.items()
    ]
    return Table((*found.keys, "FEATURE", "VALUE", "STATUS", "AGE"), rows)


def _training_data(item: TrainingSet) -> dict[str, Any]:
    record = item.record
    return {
        "name": item.name,
        "version": item.version,
        "urn": item.urn,
        "view": item.view,
        "rows": len(item),
        "label": item.label or None,
        "timestamp": record.timestamp,
        "as_known": record.as_known,
        "fingerprint": item.fingerprint,
        "created": moment(record.created),
        "author": record.author,
    }


def _freshness_data(item: Freshness) -> dict[str, Any]:
    return {
        "group": item.group,
        "state": freshness_word(item),
        "newest": moment(item.newest),
        "age_s": item.age,
        "limit_s": item.limit,
        "keys": item.keys,
        "waiting": item.waiting,
        "lag": item.lag,
        "late": item.late,
        "rows": item.rows,
        "written": moment(item.written),
        "materialized": moment(item.materialized),
    }
