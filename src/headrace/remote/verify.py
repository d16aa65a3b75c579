"""What a server served, computed again there from history."""

from __future__ import annotations

from typing import Any

from headrace.definitions.window import Duration, parse_duration
from headrace.features.verify import Difference, FeatureCheck, ViewVerification
from headrace.progress import Progress, silent
from headrace.remote.transport import Transport

__all__ = ["RemoteVerifier"]


class RemoteVerifier:
    """Implements `headrace.features.services.Verifying` over HTTP."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def run(
        self,
        reference: str,
        since: Duration | None = None,
        limit: int | None = None,
        *,
        as_known: bool = False,
        progress: Progress = silent,
    ) -> ViewVerification:
        """Compare the sample of what was served of a view with history. Raises as the embedded verb does."""
        length = None if since is None else f"{parse_duration(since)}us"
        arguments = {"view": reference, "since": length, "limit": limit, "as_known": as_known}
        found, _ = self._transport.work("features/verify", arguments, progress=progress)
        return ViewVerification(**{**found, "features": {name: _check(item) for name, item in found["features"].items()}})


def _check(found: dict[str, Any]) -> FeatureCheck:
    return FeatureCheck(**{**found, "examples": [Difference(**item) for item in found["examples"]]})
