"""The command as a person and a script meet it: a process of its own, pipes, a terminal, Ctrl-C."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest

import headrace as hr

HEADRACE = Path(sys.executable).with_name("headrace")
HEAVY = ("alembic", "deltalake", "duckdb", "numpy", "pandas", "pyarrow", "sklearn", "sqlalchemy", "sqlglot")


def row(customer=7, amount=20.0):
    return json.dumps({"customer_id": customer, "amount": amount, "bought_at": datetime.now(UTC).isoformat()}) + "\n"


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    folder = tmp_path_factory.mktemp("project")
    headrace(folder, "init")
    assert "+ view fraud" in headrace(folder, "apply").stdout
    return folder


def headrace(folder, *arguments, code=0, **options):
    done = subprocess.run([HEADRACE, *arguments], cwd=folder, capture_output=True, text=True, check=False, **options)
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
    return done


def start(folder, *arguments, **options):
    # A shell that runs the tests in the background has made them, and so their children, deaf to Ctrl-C.
    hear = lambda: signal.signal(signal.SIGINT, signal.default_int_handler)
    return subprocess.Popen([HEADRACE, *arguments], cwd=folder, text=True, preexec_fn=hear, **options)  # noqa: PLW1509


def test_a_row_from_a_pipe_is_served_by_the_next_process(project):
    headrace(project, "push", "purchases", input=row(customer=1) + row(customer=1, amount=40.0))
    done = headrace(project, "features", "get", "fraud", "customer_id=1", "amount=60", "--json")
    features = json.loads(done.stdout)["rows"][0]["features"]
    assert (features["purchases_1h"]["value"], features["spent_30d"]["value"], features["times_usual"]["value"]) == (2, 60.0, 2.0)
    assert done.stderr == ""


def test_the_module_is_the_command(project):
    command = [sys.executable, "-m", "headrace", "features", "list", "--json"]
    done = subprocess.run(command, cwd=project, capture_output=True, check=True)
    assert json.loads(done.stdout)["views"][0]["id"] == "fraud:1"


def test_a_model_that_cannot_be_served_is_a_mistake(project):
    done = headrace(project, "serve", "models:/nope@champion", "--port", "0", code=2)
    assert done.stderr.splitlines()[-1] == "error: no registered model named 'nope'; there is none yet"


def test_from_another_folder_the_project_is_named(project, tmp_path):
    done = headrace(tmp_path, "features", "list", "--json", "-C", str(project))
    assert json.loads(done.stdout)["views"][0]["id"] == "fraud:1"


def test_a_mistake_is_json_where_json_is_asked_for(project):
    done = headrace(project, "features", "show", "fruad", "--json", code=2)
    assert "did you mean 'fraud'" in json.loads(done.stdout)["error"]["message"]
    assert done.stderr == ""


def test_ctrl_c_stops_a_push_and_says_what_it_took_in(project):
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with hr.connect(project) as store, start(project, "push", "purchases", "--batch", "1", **pipes) as process:
        before = store.freshness()["spending:1"].keys
        process.stdin.write(row(customer=2))
        process.stdin.flush()
        while store.freshness()["spending:1"].keys == before:
            assert process.poll() is None
            time.sleep(0.05)
        process.stdin.write(row(customer=2))  # once this one is asked for, the first is counted
        process.stdin.flush()
        while store.online_features("fraud", {"customer_id": 2, "amount": 1.0}).values["purchases_1h"][0] < 2:
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        _, said = process.communicate()
    assert process.returncode == 130
    assert "pushed 1 rows" in said or "pushed 2 rows" in said
    assert "Traceback" not in said


def test_a_reader_that_goes_away_is_not_an_error(project):
    with start(project, "features", "list", "--json", stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        process.stdout.close()
        said = process.stderr.read()
    assert (process.returncode, said) == (141, "")


def test_a_terminal_gets_a_table_in_colour(project):
    ours, theirs = pty.openpty()
    environment = {**os.environ, "TERM": "xterm-256color", "COLUMNS": "120"}
    with start(project, "features", "freshness", stdout=theirs, stderr=subprocess.DEVNULL, env=environment) as process:
        os.close(theirs)
        seen = b""
        while chunk := read(ours):
            seen += chunk
    os.close(ours)
    assert process.returncode == 0
    assert b"spending:1" in seen
    assert b"\x1b[" in seen


def read(terminal):
    try:
        return os.read(terminal, 65536)
    except OSError:  # the other end is closed
        return b""


def test_help_imports_nothing_heavy():
    code = "import sys; from headrace.cli.entry import run; run(['--help']); print(*sys.modules, file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "materialize" in done.stdout
    assert {name.partition(".")[0] for name in done.stderr.split()} & set(HEAVY) == set()


def test_demo_refuses_a_folder_that_holds_something(tmp_path):
    (tmp_path / "mine.txt").write_text("")
    assert "isn't empty" in headrace(tmp_path, "demo", ".", code=2).stderr
