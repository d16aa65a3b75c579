"""LightGBM and XGBoost: what they measure in each round, logged to a run.

lightgbm.train(params, data, valid_sets=[valid], callbacks=[boosting.lightgbm_callback(run)])
xgboost.train(params, data, evals=[(valid, "valid")], callbacks=[boosting.xgboost_callback(run)])
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from headrace.errors import MissingExtraError
from headrace.integrations.settings import log_settings

if TYPE_CHECKING:
    from headrace.tracking.client.run import ActiveRun

__all__ = ["lightgbm_callback", "xgboost_callback"]


def lightgbm_callback(run: ActiveRun) -> Callable[[Any], None]:
    """A callback of LightGBM that logs `DATA.METRIC` at each iteration, and the params once."""

    def callback(env: Any) -> None:
        if env.iteration == env.begin_iteration:
            log_settings(run, env.params or {})
        found = env.evaluation_result_list or []
        run.log_metrics({f"{item[0]}.{item[1]}": item[2] for item in found}, step=env.iteration)

    callback.order = 20  # type: ignore[attr-defined]  # after LightGBM's own, which may change the results
    return callback


def xgboost_callback(run: ActiveRun) -> Any:
    """A callback of XGBoost that logs `DATA.METRIC` after each iteration, and the params once. Raises MissingExtraError without
    XGBoost."""
    try:
        from xgboost.callback import TrainingCallback
    except ImportError as error:
        package = "xgboost"
        raise MissingExtraError.of(package, package) from error

    class Callback(TrainingCallback):
        def before_training(self, model: Any) -> Any:
            """Log how it is trained. Cross-validation trains several boosters in the same way."""
            booster = model.cvfolds[0].bst if hasattr(model, "cvfolds") else model
            log_settings(run, _settings(json.loads(booster.save_config())))
            return model

        def after_iteration(self, model: Any, epoch: int, evals_log: Any) -> bool:
            """Log what was measured last; training goes on."""
            del model
            latest = {f"{data}.{name}": _value(values[-1]) for data, found in evals_log.items() for name, values in found.items()}
            run.log_metrics(latest, step=epoch)
            return False

    return Callback()


def _settings(config: Mapping[str, Any]) -> dict[str, str]:
    """What a booster's configuration says of training, from whichever of its parts."""
    found: dict[str, str] = {}
    for key, part in config.items():
        if isinstance(part, dict):
            found |= {name: _short(value) for name, value in part.items()} if key.endswith("_train_param") else _settings(part)
    return found


def _short(value: str) -> str:
    """A number of seven digits: XGBoost keeps 0.2 as the float32 0.200000003."""
    try:
        return f"{float(value):.7g}"
    except ValueError:
        return value


def _value(found: Any) -> Any:
    """The mean of what cross-validation gives as (mean, deviation)."""
    return found[0] if isinstance(found, tuple) else found
