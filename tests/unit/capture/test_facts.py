"""Environment, host, process and data sets."""

from __future__ import annotations

import platform
import subprocess
import sys

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from headrace.capture.dataset import describe_dataset
from headrace.capture.environment import capture_environment
from headrace.capture.host import capture_host
from headrace.capture.process import capture_process
from headrace.errors import InvalidInputError

DATA = {"a": [1, 2], "b": ["x", None], "c": [1.5, float("nan")]}


def test_the_environment_names_python_packages_and_allowed_variables(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "hunter2")
    facts = capture_environment()
    assert facts.python == platform.python_version()
    assert facts.packages["numpy"] == np.__version__
    assert facts.variables["OMP_NUM_THREADS"] == "2"
    assert "hunter2" not in str(facts)
    assert f"numpy=={np.__version__}\n" in facts.requirements


def test_the_host_has_cores_and_memory():
    facts = capture_host()
    assert facts.threads >= 1
    assert facts.memory > 0
    assert facts.host
    assert facts.cpu


def test_the_process_names_its_source_and_hides_its_secrets(monkeypatch):
    monkeypatch.setattr(sys, "argv", ["train.py", "--password", "hunter2", "--lr=1"])
    facts = capture_process()
    assert facts.arguments == ("train.py", "--password", "[redacted]", "--lr=1")
    assert facts.folder


@pytest.mark.parametrize(
    ("command", "entry"), [(["train.py"], "script"), (["-m", "train"], "module"), (["-c", "import train"], "interactive")]
)
def test_scripts_modules_and_prompts_are_told_apart(tmp_path, command, entry):
    (tmp_path / "train.py").write_text("from headrace.capture.process import capture_process\nprint(capture_process().entry)\n")
    done = subprocess.run([sys.executable, *command], cwd=tmp_path, capture_output=True, check=True, text=True, timeout=60)
    assert done.stdout.strip() == entry


def test_equal_frames_have_equal_digests_whoever_holds_them():
    digests = {
        describe_dataset(frame, "d").digest
        for frame in (pd.DataFrame(DATA), pl.DataFrame(DATA, nan_to_null=True), pa.table(DATA))
    }
    assert len(digests) == 1


def test_a_digest_changes_with_value_order_name_and_type():
    base = pd.DataFrame({"a": [1, 2]})
    others = [pd.DataFrame({"a": [1, 3]}), base[::-1], base.rename(columns={"a": "b"}), base.astype("float64"), base[:1]]
    digests = [describe_dataset(frame, "d").digest for frame in (base, *others)]
    assert len(set(digests)) == len(digests)
    assert len(digests[0]) == 32


def test_a_frame_is_described():
    facts = describe_dataset(pd.DataFrame({"a": [1], "l": [[1, 2]]}), "films", "https://me:pw@example.org/films")
    assert (facts.name, facts.rows, facts.schema) == ("films", 1, (("a", "int64"), ("l", "object")))
    assert (facts.source_type, facts.source) == ("url", "https://example.org/films")
    assert describe_dataset(np.zeros((3, 2)), "x").rows == 3


def test_files_and_folders_are_described_by_their_bytes(tmp_path):
    pd.DataFrame({"a": [1, 2, 3]}).to_parquet(tmp_path / "one.parquet")
    facts = describe_dataset(tmp_path / "one.parquet")
    assert (facts.name, facts.rows, facts.schema) == ("one.parquet", 3, (("a", "int64"),))
    folder = describe_dataset(tmp_path, "all")
    (tmp_path / "two.txt").write_text("x")
    assert describe_dataset(tmp_path, "all").digest != folder.digest
    (tmp_path / "fake.parquet").write_text("x")
    assert describe_dataset(tmp_path / "fake.parquet").rows is None


def test_what_cant_be_described_is_refused(tmp_path):
    for data, name in ((pd.DataFrame(DATA), None), (tmp_path / "nope", "x"), (5, "x"), (np.zeros((1, 1, 1)), "x")):
        with pytest.raises(InvalidInputError):
            describe_dataset(data, name)


def test_a_container_is_told_by_what_its_runtime_leaves(monkeypatch):
    from headrace.capture import host

    class Files(dict):
        def __call__(self, path):
            return File(self.get(path))

    class File:
        def __init__(self, text):
            self.text = text

        def exists(self):
            return self.text is not None

        def read_text(self, **_):
            if self.text is None:
                raise FileNotFoundError
            return self.text

    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    podman = Files({"/run/.containerenv": 'engine="podman-5"\nimage="docker.io/team/ranker:1"\nimageid="ab"\n'})
    monkeypatch.setattr(host, "Path", podman)
    assert (host._runtime(), host._podman_image()) == ("podman", "docker.io/team/ranker:1")
    monkeypatch.setattr(host, "Path", Files({"/.dockerenv": ""}))
    assert (host._runtime(), host._podman_image()) == ("docker", "")
    monkeypatch.setattr(host, "Path", Files())
    assert host._runtime() == ""
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.0.0.1")
    assert host._runtime() == "kubernetes"
