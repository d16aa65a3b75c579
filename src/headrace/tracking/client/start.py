"""Starts runs: `start_run` behind `store.runs.start` and `hr.start_run`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from headrace.capture.host import user_name
from headrace.capture.process import capture_process
from headrace.errors import ConflictError
from headrace.ids import new_id
from headrace.shapes import plain
from headrace.tracking.client.delivery import END_SECONDS, START_SECONDS, Delivery
from headrace.tracking.client.guard import Guard
from headrace.tracking.client.origin import OriginCapture, process_tags
from headrace.tracking.client.run import ActiveRun, current_run
from headrace.tracking.client.writer import RunWriter
from headrace.tracking.recorder import DEFAULT_EXPERIMENT, Recorder
from headrace.tracking.rules import (
    check_experiment_name,
    check_pairs,
    clean_name,
    clean_params,
    clean_tags,
    random_name,
)
from headrace.tracking.run import NAME_TAG, NOTE_TAG, PARENT_TAG, Run

__all__ = ["start_run"]


def start_run(
    delivery: Delivery,
    recorder: Recorder,
    *,
    experiment: str | None = None,
    name: str | None = None,
    params: Mapping[str, Any] | None = None,
    tags: Mapping[str, Any] | None = None,
    description: str | None = None,
    nested: bool = False,
    parent: str | None = None,
    strict: bool = False,
    capture: bool = True,
    joins: Run | None = None,
) -> ActiveRun:
    """Start a run, or join one that another process started (`joins`). `Runs.start` explains the other arguments."""
    outer = current_run()
    if outer is not None and not nested and parent is None:
        msg = f"Run {outer.name!r} ({outer.id}) is already active; end it first, or start this one inside it with nested=True"
        raise ConflictError(msg)
    if joins is not None:
        guard = Guard(strict=strict)
        return ActiveRun(delivery.open(joins.id, guard, owner=False), recorder, joins, guard)
    if parent is None and outer is not None:
        parent = outer.id
    if experiment is None:  # a run joined at a server doesn't know its own; the server then takes the parent's
        experiment = outer.experiment if outer is not None else DEFAULT_EXPERIMENT
    elif not experiment:
        check_experiment_name(experiment)
    process, user = capture_process(), user_name()
    labels = {**process_tags(process, user), **({NOTE_TAG: description} if description else {}), **check_pairs("tag", tags or {})}
    labels = clean_tags({**labels, **({PARENT_TAG: parent} if parent else {})})
    run = Run(
        id=new_id(),
        name=clean_name(name or labels.get(NAME_TAG) or random_name()),
        experiment_id="",  # the catalog knows it
        experiment=check_experiment_name(experiment) if experiment else "",
        status="RUNNING",
        start=recorder.clock(),
        user=user,
        params=clean_params(params or {}),
        tags=labels,
    )
    guard = Guard(strict=strict)
    writer = _begin(delivery, run, guard)
    return ActiveRun(writer, recorder, run, guard, OriginCapture(writer, process, guard) if capture else None)


def _begin(delivery: Delivery, run: Run, guard: Guard) -> RunWriter:
    """Send the start of the run. The project's own catalog may refuse it at once. Only a strict run waits for a server; what that
    refuses of others becomes a warning later."""
    writer = delivery.open(run.id, guard, owner=True)
    try:
        number = writer.put("start", plain(run))
    except BaseException:  # it would wait for a run that never starts, and all others with it
        delivery.close(writer)
        raise
    if delivery.server and not guard.strict:
        if delivery.failing is not None:
            guard.warn("delivery", f"run {run.id} waits in the spool until {delivery.server} takes it ({delivery.failing})")
        return writer
    settled = delivery.wait(writer, number, END_SECONDS if guard.strict else START_SECONDS, patient=False)
    error = writer.refused[0] if writer.refused else None
    if error is None and not settled and not delivery.offline:
        error = delivery.failing
    if error is not None:
        if writer.spool is not None:
            writer.spool.drop()
        delivery.close(writer)
        raise error
    return writer
