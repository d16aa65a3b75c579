"""The steps of the GitHub Actions example, run one after the other as a runner does, against two servers."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

import headrace as hr
from servers.inside import served

EXAMPLE = Path(__file__).parents[2] / "examples" / "github_actions"
JOBS = yaml.safe_load((EXAMPLE / "release.yml").read_text(encoding="utf-8"))["jobs"]
STEPS = {f"{job}/{step['name']}": step for job in JOBS for step in JOBS[job]["steps"] if "run" in step}


@pytest.fixture
def runner(tmp_path):
    """Runs a step by its name, in a checkout, with what GitHub gives it."""
    checkout = tmp_path / "checkout"
    shutil.copytree(EXAMPLE, checkout)
    for name in ("output", "summary"):
        (tmp_path / name).touch()
    for name in ("staging", "production"):
        (tmp_path / name).mkdir()
    with served(tmp_path / "staging") as staging, served(tmp_path / "production") as production:
        variables = {"vars.HEADRACE_PRODUCTION": production}

        def run(name, code=0, **environment):
            step = STEPS[name]
            written = dict(line.split("=", 1) for line in (tmp_path / "output").read_text(encoding="utf-8").splitlines())
            for key, value in written.items():
                variables[f"steps.train.outputs.{key}"] = variables[f"needs.train.outputs.{key}"] = value
            given = {
                key: re.sub(r"\$\{\{ (.+?) \}\}", lambda m: variables[m[1]], text) for key, text in step.get("env", {}).items()
            }
            known = {
                **os.environ,
                "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
                "HEADRACE_SERVER": staging,
                "MODEL": "tumours",
                "GITHUB_SHA": "ab" * 20,
                "GITHUB_OUTPUT": str(tmp_path / "output"),
                "GITHUB_STEP_SUMMARY": str(tmp_path / "summary"),
            }
            command = ["bash", "-e", "-c", step["run"]]
            done = subprocess.run(
                command,
                cwd=checkout,
                env={**known, **given, **environment},
                capture_output=True,
                text=True,
                timeout=300,
                check=False,
            )
            assert done.returncode == code, done.stdout + done.stderr
            return done.stdout

        yield run


def test_a_good_version_is_deployed_once_it_is_approved_and_a_bad_one_asks_nobody(runner, tmp_path):
    with hr.connect(tmp_path / "staging") as staging, hr.connect(tmp_path / "production") as production:
        runner("train/train")
        runner("train/gate")
        runner("train/request")
        (request,) = staging.models.requests.list()
        assert request.reason == f"commit {'ab' * 20}"
        staging.models.requests.approve(request.id)
        runner("deploy/wait")
        runner("deploy/deploy")
        assert production.models.get("tumours", 1).files == staging.models.get("tumours", 1).files
        runner("train/train", STRENGTH="0.0001")
        runner("train/gate", code=1)
        assert staging.models.requests.list() == []
    summary = (tmp_path / "summary").read_text(encoding="utf-8")
    assert "version 1 passes its gates" in summary
    assert "version 2 is refused by its gates" in summary


def test_every_step_is_known_here():
    assert list(STEPS) == [
        "train/install",
        "train/train",
        "train/gate",
        "train/request",
        "deploy/install",
        "deploy/wait",
        "deploy/deploy",
    ]
