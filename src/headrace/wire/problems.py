"""Errors as plain values, so that the one raised here is the one that was raised there."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from headrace import errors
from headrace.errors import DefinitionError, GateError, HeadraceError, TooManyAttemptsError
from headrace.models.gates import GateReport

__all__ = ["error_from", "error_to"]


def error_to(error: HeadraceError) -> dict[str, Any]:
    """An error as plain values."""
    found: dict[str, Any] = {"error": type(error).__name__, "detail": str(error)}
    if isinstance(error, DefinitionError):
        found["faults"] = list(error.faults)
    if isinstance(error, TooManyAttemptsError):
        found["retry_after"] = error.retry_after
    if isinstance(error, GateError) and isinstance(error.report, GateReport):
        found["report"] = error.report.to_dict()
    return found


def error_from(values: Mapping[str, Any]) -> HeadraceError | None:
    """The error of these plain values; None if this release has no such error."""
    name, detail = values["error"], values["detail"]
    if name == "DefinitionError":
        return DefinitionError(values.get("faults") or [detail])
    if name == "GateError" and values.get("report"):
        return GateError(detail, GateReport.from_dict(values["report"]))
    if name == "TooManyAttemptsError":
        return TooManyAttemptsError(detail, int(values.get("retry_after") or 1))
    kind = getattr(errors, name, None) if name in errors.__all__ else None
    return kind(detail) if isinstance(kind, type) and issubclass(kind, HeadraceError) else None
