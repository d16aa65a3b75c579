"""Hugging Face: what a Trainer logs and how it trains, logged to a run.

Trainer(model, args=TrainingArguments(…, report_to="none"), callbacks=[transformers_callback(run)])
"""

from __future__ import annotations

import numbers
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from headrace.errors import HeadraceError
from headrace.integrations.settings import log_settings

if TYPE_CHECKING:
    from headrace.tracking.client.run import ActiveRun

__all__ = ["transformers_callback"]


def transformers_callback(run: ActiveRun) -> Any:
    """A callback of `transformers.Trainer` that logs its metrics at the global step, from the first process only.

    The training arguments become params; those that may hold a secret don't. Raises HeadraceError without transformers.
    """
    try:
        from transformers import TrainerCallback
    except ModuleNotFoundError as error:
        msg = "the package 'transformers' isn't installed; install it with: pip install transformers"
        raise HeadraceError(msg) from error
    from headrace.capture.redact import is_secret_name

    class HeadraceCallback(TrainerCallback):  # type: ignore[misc]
        """Logs to the run that it was made for, and leaves ending the run to its owner."""

        def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            """Log the training arguments."""
            del control
            if state.is_world_process_zero:
                told = args.to_sanitized_dict()  # makes text of what isn't a number, of None too
                log_settings(run, {key: value for key, value in told.items() if value != "None" and not is_secret_name(key)})

        def on_log(self, args: Any, state: Any, control: Any, logs: Mapping[str, Any] | None = None, **_: Any) -> None:
            """Log what the trainer logs."""
            del args, control
            if state.is_world_process_zero:
                found = {key: value for key, value in (logs or {}).items() if isinstance(value, numbers.Real)}
                run.log_metrics(found, step=state.global_step)

    return HeadraceCallback()
