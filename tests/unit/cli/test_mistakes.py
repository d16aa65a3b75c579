"""What a user gets wrong is told in one line with the way out, never with a traceback."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import headrace as hr
from headrace.cli import data
from headrace.cli.failures import outcome
from headrace.errors import SettingsError
from headrace.settings import load_settings
from waiting import PATIENCE

MISTAKES = {
    "no such command": (["foo"], "No such command"),
    "no such option": (["runs", "list", "--limt", "3"], "No such option"),
    "no argument": (["write", "purchases"], "Missing argument"),
    "a number that is none": (["runs", "list", "--limit", "many"], "limit"),
    "no such folder": (["-C", "/no/such/folder", "runs", "list"], "no such folder"),
    "a folder whose name is too long": (["-C", "x" * 300, "runs", "list"], "can't be used: File name too long"),
    "a folder to sync whose name is too long": (["sync", "x" * 300], "xxx can't be used: File name too long"),
    "more workers than a machine can start": (["ingest", "run", "--workers", "9" * 20], "--workers"),
    "a file to write whose name is too long": (
        ["features", "quarantine", "purchases", "--export", "x" * 250],
        "File name too long",
    ),
    "no such file": (["write", "purchases", "missing.parquet"], "missing.parquet"),
    "no such source": (["push", "purchase", "events.jsonl"], "did you mean 'purchases'"),
    "no such events": (["push", "purchases", "missing.jsonl"], "can't be read"),
    "not parquet": (["features", "history", "fraud", "events.jsonl", "-o", "x.parquet"], "Parquet"),
    "no such view": (["features", "get", "fruad", "customer_id=1"], "did you mean 'fraud'"),
    "no such group": (["features", "show", "spendin"], "did you mean 'spending'"),
    "no such group to materialize": (["materialize", "spendin"], "did you mean 'spending'"),
    "an unknown key": (["features", "get", "fraud", "customer=1"], "did you mean 'customer_id'"),
    "a key of another type": (["features", "get", "fraud", "customer_id=x", "amount=1"], "int64"),
    "a time that is none": (["features", "get", "fraud", "customer_id=1", "amount=1", "--at", "noon"], "RFC 3339"),
    "no such training set": (["features", "verify", "first"], "no training set"),
    "no such run": (["runs", "show", "abc"], "no run"),
    "a filter with a fault": (["runs", "list", "-q", "metrics.auc >"], "metrics.auc"),
    "an order with a fault": (["runs", "list", "--order-by", "metrics.auc sideways"], "sideways"),
    "no such experiment": (["runs", "list", "-e", "nobody"], "nobody"),
    "no such model": (["models", "show", "ranker"], "ranker"),
    "a model's name that is none": (["models", "show", "a/b/c"], "NAME"),
    "no project to copy to": (["models", "copy", "models:/m/1", "--to", "/no/such/folder"], "no such folder"),
    "no such lineage": (["lineage", "view:fruad"], "view:fraud"),
    "no such module": (["plan", "nowhere"], "no such module"),
    "no such definitions file": (["apply", "nowhere.py"], "no such file"),
}


@pytest.fixture
def ready(ready):
    (ready / "events.jsonl").write_text("{}\n")
    return ready


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_exits_with_2_and_says_so(cli, ready, mistake):
    arguments, said = MISTAKES[mistake]
    result = cli(*arguments, code=2)
    assert result.out == ""
    assert result.err.startswith("error: ")
    assert said in result.err


@pytest.mark.parametrize("mistake", ["no such option", "no such view", "no such folder"])
def test_with_json_a_mistake_is_json_too(cli, ready, mistake):
    arguments, said = MISTAKES[mistake]
    result = cli(*arguments, "--json", code=2)
    assert said in result.json["error"]["message"]
    assert result.json["error"]["code"] == 2
    assert result.err == ""


def test_an_environment_that_names_no_server_or_no_place_is_told_not_passed_over(cli, ready, monkeypatch):
    """A server without its scheme isn't a folder, in which runs would be lost; what is set to nothing isn't set."""
    monkeypatch.setenv("HEADRACE_SERVER", "features.example.com:5000")
    assert "write for example http://features.example.com:5000" in cli("runs", "list", code=2).err
    for start in (hr.connect, lambda: hr.start_run(capture=False)):
        with pytest.raises(hr.SettingsError, match=r"HEADRACE_SERVER is 'features.example.com:5000', which isn't a"):
            start()
    for name in ("SERVER", "MODE", "CATALOG", "LAKE", "ONLINE", "MODULES", "SAMPLE"):
        monkeypatch.setenv(f"HEADRACE_{name}", "")
    assert "fraud" in cli("features", "list").out
    monkeypatch.setenv("HEADRACE_MODE", "ofline")
    with (
        hr.connect(ready) as store,
        pytest.raises(hr.SettingsError, match="HEADRACE_MODE is 'ofline'; use 'offline', or leave it out"),
    ):
        store.start_run(capture=False)
    (ready / "headrace.toml").write_text('lake = ""\n')
    assert "setting 'lake' is empty; give a place, or leave it out" in cli("features", "list", code=2).err
    assert not (ready / "features.example.com:5000").exists()


def test_a_fault_at_making_a_definition_is_told_with_its_line(cli, ready):
    (ready / "bad.py").write_text('import headrace as hr\ne = hr.Entity("e", keys=["id"])\n')
    (ready / "worse.py").write_text('import headrace as hr\nn = hr.count("7 weeks")\n')
    first, second = cli("plan", "bad", "worse", "--json", code=2).json["error"]["faults"]
    assert "bad.py:2: entity 'e', keys: ['id'] isn't a dict; write" in first
    assert "worse.py:2: '7 weeks' isn't a duration" in second


def test_faults_of_definitions_are_listed(cli, ready):
    (ready / "bad.py").write_text(
        "import headrace as hr\n"
        's = hr.EventSource("s", timestamp="at", schema={"id": "int64", "at": "timestamp"})\n'
        'e = hr.Entity("e", keys={"id": "int64"})\n'
        'g = hr.FeatureGroup("g", entity=e, source=s, features={"x": hr.sum("amout"), "y": hr.mean("idd")})\n'
    )
    assert len(cli("plan", "bad", "--json", code=2).json["error"]["faults"]) == 2


def test_what_a_users_module_prints_stays_out_of_the_json(cli, ready):
    (ready / "loud.py").write_text('print("hello from the module")\nfrom definitions import *\n')
    result = cli("plan", "loud", "--json")
    assert result.json["added"] == []
    assert "hello" in result.err


def test_outside_of_a_project_nothing_is_made(cli, project):
    assert "headrace init" in cli("runs", "list", code=2).err
    assert list(project.iterdir()) == []


def test_a_copy_to_a_folder_whose_catalog_would_be_this_one_is_refused(cli, ready, tmp_path_factory, monkeypatch):
    other = tmp_path_factory.mktemp("other")
    (other / "headrace.toml").write_text('catalog = "sqlite:///its-own.db"\n')
    monkeypatch.setenv("HEADRACE_CATALOG", f"sqlite:///{ready / '.headrace' / 'catalog.db'}")
    assert "HEADRACE_CATALOG" in cli("models", "copy", "models:/m/1", "--to", str(other), code=2).err
    assert [path.name for path in other.iterdir()] == ["headrace.toml"]


def test_settings_that_cannot_be_used_are_a_mistake(cli, ready):
    (ready / "headrace.toml").write_text('lak = "x"\n')
    assert "did you mean 'lake'" in cli("features", "list", code=2).err


def test_a_server_for_everybody_warns_as_long_as_nobody_has_to_say_who_they_are(cli, ready, monkeypatch):
    monkeypatch.setattr("headrace.server.run.serve", lambda options, started: started(f"http://{options.host}"))
    assert "headrace users add" in cli("server", "--host", "0.0.0.0").err
    assert "users add" not in cli("server").err
    cli("users", "add", "ada", "--role", "admin")
    assert "users add" not in cli("server", "--host", "0.0.0.0").err


def test_settings_that_cannot_be_read_are_a_mistake(cli, ready):
    (ready / "headrace.toml").unlink()
    (ready / "headrace.toml").symlink_to("/proc/self/mem")  # a file whose beginning can't be read, by nobody
    assert "headrace.toml can't be read: " in cli("runs", "list", code=2).err


def test_a_folder_that_was_removed_is_a_mistake(cli, project):
    (project / "gone").mkdir()
    os.chdir(project / "gone")
    (project / "gone").rmdir()
    try:
        assert "this folder can't be used" in cli("runs", "list", code=2).err
    finally:
        os.chdir(project)


def test_a_share_of_keys_may_be_a_number(ready):
    (ready / "headrace.toml").write_text("sample = 0.01\n")
    assert load_settings(ready).sample == "0.01"
    for wrong in ("2", "true", "[1]"):
        (ready / "headrace.toml").write_text(f"sample = {wrong}\n")
        with pytest.raises(SettingsError, match="sample"):
            load_settings(ready)


def test_an_unexpected_failure_is_one_line_and_keeps_its_traceback(cli, ready, monkeypatch):
    monkeypatch.setattr(data, "_left_out", lambda _: 1 / 0)
    result = cli("push", "purchases", os.devnull, code=70)
    assert result.err.splitlines()[-1].startswith("error: something went wrong inside Headrace: ZeroDivisionError")
    log = ready / ".headrace" / "errors.log"
    assert str(log) in result.err
    assert "Traceback" in log.read_text()
    assert cli("push", "purchases", os.devnull, "--json", code=70).json["error"]["log"] == str(log)


def test_ctrl_c_exits_with_130(tmp_path, capsys):
    def stopped():
        raise KeyboardInterrupt

    assert outcome(stopped, folder=lambda: tmp_path, as_json=False) == 130
    assert capsys.readouterr().err == "stopped\n"


def headrace(arguments, **streams):
    """The command as a process of its own."""
    command = [sys.executable, "-m", "headrace", *arguments]
    return subprocess.run(command, stderr=subprocess.PIPE, text=True, timeout=PATIENCE, check=False, **streams)


def test_ctrl_c_while_the_command_is_loaded_is_no_traceback():
    script = """
import sys

class Interrupted:
    def find_spec(self, name, *_):
        if name == "typer":
            raise KeyboardInterrupt

sys.meta_path.insert(0, Interrupted())
from headrace.cli import main
main()
"""
    done = subprocess.run([sys.executable, "-c", script], stderr=subprocess.PIPE, text=True, timeout=PATIENCE, check=False)
    assert (done.returncode, done.stderr) == (130, "stopped\n")


def test_a_device_that_takes_no_answer_is_told(project):
    for arguments in (["version"], ["--help"], ["runs", "list", "--help"]):
        with Path("/dev/full").open("w") as full:
            done = headrace(arguments, stdout=full)
        assert (done.returncode, done.stderr) == (2, "error: standard output can't be written: No space left on device\n")


def test_a_command_whose_output_is_closed_works_and_says_nothing(project):
    done = headrace(["version"], preexec_fn=lambda: os.close(1))
    assert (done.returncode, done.stderr) == (0, "")


def test_an_answer_that_nobody_reads_to_its_end_ends_quietly(project):
    for arguments in (["version"], ["--help"]):
        unread, full = os.pipe()
        os.close(unread)
        done = headrace(arguments, stdout=full)
        os.close(full)
        assert (done.returncode, done.stderr) == (141, "")


def test_the_settings_template_is_complete(cli, project):
    cli("init")
    text = (project / "headrace.toml").read_text()
    for name in load_settings(project).__dataclass_fields__:
        assert name == "project" or f"{name} = " in text
