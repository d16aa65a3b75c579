"""Keras: what each epoch measures, logged to a run.

model.fit(x, y, validation_data=(u, v), callbacks=[keras_callback(run)])
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from headrace.errors import HeadraceError
from headrace.integrations.settings import log_settings

if TYPE_CHECKING:
    from headrace.tracking.client.run import ActiveRun

__all__ = ["keras_callback"]


def keras_callback(run: ActiveRun, *, every: int = 0) -> Any:
    """A callback of Keras 3 that logs each epoch's metrics at its number, and how it is trained once as params.

    Args:
        every: also log `batch/METRIC` every so many batches. Default: never.

    Raises HeadraceError without Keras.
    """
    try:
        from keras.callbacks import Callback
    except ModuleNotFoundError as error:
        msg = "the package 'keras' isn't installed; install it with: pip install keras"
        raise HeadraceError(msg) from error

    class HeadraceCallback(Callback):  # type: ignore[misc]
        """Logs to the run that it was made for, and leaves ending the run to its owner."""

        def __init__(self) -> None:
            super().__init__()
            self._batches = 0

        def on_train_begin(self, logs: Mapping[str, Any] | None = None) -> None:
            """Log how it is trained."""
            del logs
            optimizer = getattr(self.model, "optimizer", None)
            told = {"epochs": self.params.get("epochs"), "steps_per_epoch": self.params.get("steps")}
            if optimizer is not None:
                told |= {f"optimizer/{key}": _short(value) for key, value in optimizer.get_config().items()}
            log_settings(run, {key: value for key, value in told.items() if isinstance(value, str | int | float)})

        def on_train_batch_end(self, batch: int, logs: Mapping[str, Any] | None = None) -> None:
            """Log a batch, if it is one of those."""
            del batch
            self._batches += 1
            if every and self._batches % every == 0:
                run.log_metrics({f"batch/{key}": value for key, value in (logs or {}).items()}, step=self._batches)

        def on_epoch_end(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
            """Log an epoch."""
            run.log_metrics(logs or {}, step=epoch)

    return HeadraceCallback()


def _short(value: Any) -> Any:
    """A setting of an optimizer; a schedule, which Keras describes as a mapping, in the words that make it."""
    if not isinstance(value, Mapping) or "class_name" not in value:
        return value
    settings = {key: item for key, item in dict(value.get("config", {})).items() if item is not None}
    return f"{value['class_name']}({', '.join(f'{key}={item}' for key, item in settings.items())})"
