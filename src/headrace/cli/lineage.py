"""The lineage verb: what a node came from, and what came of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from headrace.cli.output import Answer, Table
from headrace.cli.verb import Session, verb
from headrace.errors import InvalidInputError

if TYPE_CHECKING:
    from headrace.features.impact import Impact

__all__ = ["lineage"]


@verb("lineage", "headrace lineage models:/video-ranker@champion", "headrace lineage source:ratings.stars --impact")
def lineage(
    session: Session,
    urn: Annotated[str, typer.Argument(metavar="URN", help="The node to look at: see below for the forms.")],
    downstream: Annotated[bool, typer.Option("--downstream", help="Show what was made from it instead.")] = False,
    impact: Annotated[
        bool,
        typer.Option("--impact", help="Show what would change with it: for a column or a feature, only what takes its values."),
    ] = False,
    depth: Annotated[
        int | None, typer.Option("--depth", min=1, help="How many steps to follow. Default: all.", show_default=False)
    ] = None,
) -> Answer:
    """Show what a node of the lineage was made from, as a tree, back to the sources.

    Nodes are named source:NAME, source:NAME.COLUMN, group:NAME:VERSION, feature:GROUP:VERSION.FEATURE, view:NAME:VERSION,
    training_set:NAME:VERSION, run:ID, logged_model:ID, models:/NAME/VERSION or models:/NAME@ALIAS; without a version, the newest.
    """
    if impact:
        if depth is not None:
            msg = "--impact looks all the way; leave --depth out"
            raise InvalidInputError(msg)
        touched = session.store.impact(urn)
        return Answer(touched.to_dict(), [str(touched), _names(touched)])
    walk = session.store.lineage.downstream if downstream else session.store.lineage.upstream
    graph = walk(urn, depth)
    return Answer(graph.to_dict(), [graph.tree()])


def _names(touched: Impact) -> Table:
    """The features that would change, by group and view."""
    return Table(("touched", "features"), [(urn, ", ".join(names)) for urn, names in touched.features.items()])
