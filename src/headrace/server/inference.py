"""Runs the inference service on the same ground as the server: sockets, workers, signals, logs."""

from __future__ import annotations

import asyncio
import functools
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from headrace.server.run import ServerOptions, run, set_up_worker
from headrace.server.scoring.routes import Scoring, endpoints_of
from headrace.serving.service import ServingOptions

if TYPE_CHECKING:
    from headrace.server.dispatch import Dispatcher
    from headrace.store import Store

__all__ = ["serve_model"]


@dataclass(frozen=True, slots=True)
class _Plan:
    """What a worker needs to know; `target` is a project's folder or the address of its server."""

    target: str
    server: ServerOptions
    serving: ServingOptions
    started_by: int


def serve_model(target: str, server: ServerOptions, serving: ServingOptions, started: Callable[[str], None]) -> None:
    """Serve a model until SIGINT or SIGTERM; requests under way are finished first.

    Args:
        target: the project's folder, or the address of its server.
        started: told the service's address, once it takes connections.

    Raises:
        HeadraceError: the address can't be listened on, or the model can't be served.
    """
    plan = _Plan(target, server, serving, os.getpid())
    if server.workers > 1:
        asyncio.run(_try(plan))  # what can't be served is told here, in one line, and not by each worker
        run(functools.partial(_application, plan), server, started)
        return
    addresses: list[str] = []
    scoring = Scoring(serving, lambda: started(addresses[0]))
    try:
        run(functools.partial(_application, plan, scoring), server, addresses.append)
    except SystemExit:  # so uvicorn says that the start failed
        if scoring.failure is None:
            raise
        raise scoring.failure from None


async def _try(plan: _Plan) -> None:
    from headrace.project import connect

    with connect(plan.target) as store:
        scoring = Scoring(plan.serving)
        await scoring.start(store)
        await scoring.close()


def _application(plan: _Plan, scoring: Scoring | None = None) -> Dispatcher:
    from headrace.project import connect
    from headrace.server.dispatch import Dispatcher, Limits
    from headrace.server.guard import Guard
    from headrace.server.logs import AccessLog
    from headrace.server.metrics import Metrics

    set_up_worker(plan.server, plan.started_by)
    scoring = scoring or Scoring(plan.serving)

    def open_store() -> Store:
        return connect(plan.target)

    return Dispatcher(
        endpoints_of(scoring),
        open_store,
        Guard(plan.server.host, plan.server.allowed_hosts),
        Limits(body_bytes=plan.server.body_mb << 20),
        Metrics(),
        AccessLog(sys.stderr.buffer if plan.server.access_log else None),
        scoring,
    )
