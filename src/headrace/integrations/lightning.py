"""Lightning: what `self.log` says and the hyperparameters, logged to a run.

trainer = lightning.Trainer(logger=lightning_logger(run))
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from headrace.errors import HeadraceError
from headrace.integrations.settings import log_settings

if TYPE_CHECKING:
    from headrace.tracking.client.run import ActiveRun

__all__ = ["lightning_logger"]


def lightning_logger(run: ActiveRun) -> Any:
    """A logger of Lightning that logs metrics at the trainer's steps and the hyperparameters once, from the first rank only.

    Raises HeadraceError if neither `lightning` nor `pytorch_lightning` is installed.
    """
    base, rank_zero_only = _parts()

    class HeadraceLogger(base):  # type: ignore[misc, valid-type]
        """Logs to the run that it was made for, and leaves ending the run to its owner."""

        name = run.experiment
        version = run.id
        experiment = run

        @rank_zero_only  # type: ignore[untyped-decorator]
        def log_hyperparams(self, params: Any, *_args: Any, **_options: Any) -> None:
            """Log params; of a tree, `model/depth` is depth in model."""
            log_settings(run, _flat(params if isinstance(params, Mapping) else vars(params)))

        @rank_zero_only  # type: ignore[untyped-decorator]
        def log_metrics(self, metrics: Mapping[str, Any], step: int | None = None) -> None:
            """Log numbers."""
            run.log_metrics(metrics, step=step)

    return HeadraceLogger()


def _parts() -> tuple[Any, Any]:
    """The base class and the decorator of the package that the program uses; they exist under two names."""
    old_first = "pytorch_lightning" in sys.modules and "lightning" not in sys.modules
    for name in ("pytorch_lightning", "lightning") if old_first else ("lightning", "pytorch_lightning"):
        try:
            if name == "lightning":
                from lightning.pytorch.loggers import Logger
                from lightning.pytorch.utilities import rank_zero_only
            else:
                from pytorch_lightning.loggers import Logger
                from pytorch_lightning.utilities import rank_zero_only
        except ModuleNotFoundError:
            continue
        return Logger, rank_zero_only
    msg = "the package 'lightning' isn't installed; install it with: pip install lightning"
    raise HeadraceError(msg)


def _flat(params: Mapping[str, Any], above: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in params.items():
        inner = isinstance(value, Mapping) and value
        found |= _flat(value, f"{above}{key}/") if inner else {f"{above}{key}": value}
    return found
