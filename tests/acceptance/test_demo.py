"""The demo, run as a user runs it: what it proves, what it leaves behind, and that it comes out the same again."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest

import headrace as hr
from servers.headrace import headrace_server

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "video_recommender"
COMMAND = "from headrace.cli import main; main()"
PARTLY = """
import sys
from pathlib import Path

sys.path.insert(0, {example!r})
import run

run.main(Path({folder!r}), newest=6_000)
"""

ASK = """
import json
import headrace as hr

with hr.connect({folder!r}) as store:
    asked = dict.fromkeys(("genre_1", "genre_2", "genre_3"))
    found = store.online_features("ranking", {{"user_id": 251, "video_id": 858, **asked}})
    print(json.dumps([found.values["ratings"][0], found.values["video_ratings"][0]]))
"""


def _run(program: list[str], home: Path) -> str:
    home.mkdir(exist_ok=True)
    environment = {**os.environ, "HOME": str(home), "MPLCONFIGDIR": str(home)}
    done = subprocess.run(program, cwd=home, env=environment, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    assert "Warning" not in done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any], str]:
    """The folder, the facts and the output of one whole run by a user with an empty home."""
    folder = tmp_path_factory.mktemp("demo") / "project"
    output = _run([sys.executable, "-c", COMMAND, "demo", str(folder)], folder.parent / "home")
    return folder, json.loads((folder / "demo.json").read_text(encoding="utf-8")), output


def test_no_label_sees_its_own_rating(demo: tuple[Path, dict[str, Any], str]) -> None:
    """Counts and means of all rows equal an independent count of the ratings strictly before each label."""
    _folder, facts, _output = demo
    assert facts["training_rows"] == 80_003
    assert facts["leakage_differences"] == 0


def test_serving_equals_training(demo: tuple[Path, dict[str, Any], str]) -> None:
    """Not one value served during the replay, or later, differs from the one that history gives."""
    _folder, facts, _output = demo
    assert facts["parity_values"] > 50_000
    assert facts["parity_differences"] == 0


def test_the_films_to_rank_are_new_to_the_user_and_nearest_to_their_taste(demo: tuple[Path, dict[str, Any], str]) -> None:
    """Of all films, 200 are chosen by their vectors; none of them was rated by the user."""
    folder, facts, _output = demo
    assert facts["candidates"] == 200
    with hr.connect(folder) as store:
        found = store.nearest("candidates", [1.0] * 16, k=50, where="watched > 0", metric="dot", entities={"user_id": 251})
        assert len(found) == 50
        assert min(found.values["watched"]) == 1


def test_the_stream_is_counted_once(demo: tuple[Path, dict[str, Any], str]) -> None:
    """Every rating of the stream came in, and the push that was sent twice counted once."""
    folder, facts, _output = demo
    assert facts["events"] == 77_047
    assert facts["repeats"] > 400
    assert json.loads(_run([sys.executable, "-c", ASK.format(folder=str(folder))], folder.parent / "home")) == [119, 200]


def test_the_challenger_is_better_on_data_that_neither_has_seen(demo: tuple[Path, dict[str, Any], str]) -> None:
    """Both were measured on the same holdout, which computes again to the last value."""
    _folder, facts, _output = demo
    baseline, challenger = facts["holdout"]["baseline"], facts["holdout"]["challenger"]
    assert facts["holdout_verified"] is True
    assert baseline["auc"] == pytest.approx(0.683, abs=0.01)
    assert challenger["auc"] == pytest.approx(0.853, abs=0.01)
    assert facts["ablation"]["trees_without_real_time"] < challenger["auc"] - 0.1
    assert challenger["auc_within_user"] > baseline["auc_within_user"]


def test_the_champion_switched_and_the_trail_tells_it(demo: tuple[Path, dict[str, Any], str]) -> None:
    """Promoted, rolled back, forward again: version 2 is champion, version 1 is Archived, and the audit trail is whole."""
    folder, facts, _output = demo
    assert facts["reigns"] == [2, 1, 2]
    with hr.connect(folder) as store:
        stages = {version.version: version.stage for version in store.models.versions("video-ranker")}
        actions = [entry.action for entry in store.models.history("video-ranker")]
        assert stages == {1: "Archived", 2: "Production"}
        assert store.models.get("video-ranker", "@champion").version == 2
        assert actions == ["register", "promote", "gates", "register", "stage", "promote", "rollback", "rollback"]
        assert store.models.verify_history("video-ranker") == len(actions)


def test_pictures_are_kept_with_the_runs_and_in_the_folder(demo: tuple[Path, dict[str, Any], str]) -> None:
    """Every run has its ROC and calibration plots; those of the comparison are in the folder too."""
    folder, facts, _output = demo
    with hr.connect(folder) as store:
        for run in store.runs.search():
            assert {"roc.png", "calibration.png"} <= {entry.path for entry in store.runs.artifacts(run.id)}
        kept = store.runs.read_artifact(facts["comparison_run"], "roc.png")
    assert kept.startswith(b"\x89PNG")
    assert (folder / "roc.png").stat().st_size > 10_000
    assert (folder / "calibration.png").stat().st_size > 10_000


def test_the_answer_is_traced_to_columns(demo: tuple[Path, dict[str, Any], str]) -> None:
    """The champion's lineage reaches its run, training set, view, groups and the columns of all three sources."""
    _folder, facts, _output = demo
    known = set(facts["lineage"])
    assert {"models:/video-ranker/2", "training_set:ranking-with-stream:1", "view:ranking:1"} <= known
    assert {"group:user_taste:1", "group:video_taste:1", "group:video_facts:1", "group:user_genre_taste:1"} <= known
    assert {"source:ratings.stars", "source:genre_ratings.stars", "source:videos.genres"} <= known


def test_the_commands_it_ends_with_work(demo: tuple[Path, dict[str, Any], str]) -> None:
    """Whoever types what the last panel says, in that folder, gets an answer."""
    folder, _facts, output = demo
    commands = [line.strip("│ ").split("  ")[0] for line in output.splitlines() if line.startswith("│  headrace ")]
    assert len(commands) == 6
    commands.remove("headrace server")
    with headrace_server(folder) as url:
        assert httpx.get(f"{url}/api/v1/experiments").json()["experiments"][0]["runs"]
    for command in commands:
        done = subprocess.run(
            [sys.executable, "-c", COMMAND, *command.split()[1:]], cwd=folder, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
        assert done.stdout.strip()


def test_a_folder_with_a_project_is_left_alone(demo: tuple[Path, dict[str, Any], str]) -> None:
    """Run again in the same folder, the demo says why it won't, and changes nothing."""
    folder, _facts, _output = demo
    done = subprocess.run([sys.executable, "run.py"], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "holds a project already" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_same_seed_gives_the_same_figures(tmp_path: Path) -> None:
    """Two runs on the newest ratings agree in fingerprint, figures and recommendation."""
    found = []
    for number in (1, 2):
        folder = tmp_path / f"project{number}"
        _run([sys.executable, "-c", PARTLY.format(example=str(EXAMPLE), folder=str(folder))], tmp_path / "home")
        facts = json.loads((folder / "demo.json").read_text(encoding="utf-8"))
        found.append(
            {
                name: facts[name]
                for name in ("fingerprint", "holdout", "recommended", "baseline_valid_auc", "challenger_valid_auc")
            }
        )
    assert found[0] == found[1]
