"""The software that a run runs in: Python, platform, packages, a few variables."""

from __future__ import annotations

import os
import platform
import re
from dataclasses import dataclass
from importlib import metadata

from headrace.capture.redact import is_secret_name, redact_text

__all__ = ["VARIABLES", "EnvironmentFacts", "capture_environment"]

VARIABLES = (
    "CI",
    "CONDA_DEFAULT_ENV",
    "CUBLAS_WORKSPACE_CONFIG",
    "CUDA_VISIBLE_DEVICES",
    "GITHUB_REF",
    "GITHUB_REPOSITORY",
    "GITHUB_RUN_ID",
    "GITHUB_SHA",
    "LANG",
    "LOCAL_RANK",
    "MKL_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "PYTHONHASHSEED",
    "PYTHONPATH",
    "PYTORCH_CUDA_ALLOC_CONF",
    "RANK",
    "SLURM_ARRAY_TASK_ID",
    "SLURM_JOB_ID",
    "TF_DETERMINISTIC_OPS",
    "TZ",
    "VIRTUAL_ENV",
    "WORLD_SIZE",
)
"""The environment variables that are recorded when set. No other one ever is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EnvironmentFacts:
    """Software at one moment.

    Attributes:
        python: version, for example 3.11.9.
        packages: installed distributions, lower-case name with dashes → version.
        variables: the allowed environment variables that are set.
    """

    python: str
    implementation: str
    platform: str
    packages: dict[str, str]
    variables: dict[str, str]

    @property
    def requirements(self) -> str:
        """The packages as lines that pip reads."""
        return "".join(f"{name}=={version}\n" for name, version in self.packages.items())


def capture_environment() -> EnvironmentFacts:
    """The interpreter that runs this, and what is installed in it."""
    return EnvironmentFacts(
        python=platform.python_version(),
        implementation=platform.python_implementation(),
        platform=platform.platform(),
        packages=_packages(),
        variables={name: redact_text(os.environ[name]) for name in VARIABLES if name in os.environ and not is_secret_name(name)},
    )


def _packages() -> dict[str, str]:
    found: dict[str, str] = {}
    for distribution in metadata.distributions():
        name = distribution.metadata["Name"]
        if name:  # a half-removed distribution has none
            found.setdefault(re.sub(r"[-_.]+", "-", name).lower(), distribution.version)
    return dict(sorted(found.items()))
