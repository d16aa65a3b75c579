"""The settings of a library as params of a run."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from headrace.errors import InvalidInputError
from headrace.tracking.client.guard import TrackingWarning

if TYPE_CHECKING:
    from headrace.tracking.client.run import ActiveRun

__all__ = ["log_settings"]


def log_settings(run: ActiveRun, settings: Mapping[str, Any]) -> None:
    """Log settings as params. One that the run has with another value, of an earlier training in it, stays as it is: a callback
    warns and doesn't end the training."""
    try:
        run.log_params(settings)
    except InvalidInputError:
        kept = []
        for key, value in settings.items():
            try:
                run.log_param(key, value)
            except InvalidInputError:
                kept.append(key)
        text = f"params of run {run.id} have other values from an earlier training, and keep them: {', '.join(kept)}"
        warnings.warn(f"{text}; a run for each training (nested=True) would hold both", TrackingWarning, stacklevel=3)
