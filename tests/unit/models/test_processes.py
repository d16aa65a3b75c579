"""Several processes on one registry, and processes that are killed."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from pathlib import Path

import pytest

import headrace
from unit.models.world import World

TESTS, SOURCES = Path(__file__).parents[2], Path(headrace.__file__).parents[1]


def start(world: World, author: str, versions: list[int]) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "unit.models.world", str(world.folder), author, *map(str, versions)]
    path = os.pathsep.join([str(TESTS), str(SOURCES)])
    environment = {**os.environ, "PYTHONPATH": path, "OPENBLAS_NUM_THREADS": "1"}
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)


def champions_over_time(world: World) -> list[int]:
    """The version that became champion by each entry; every entry must follow from the one before."""
    champion, reigns = None, []
    for entry in world.models.history("ranker"):
        if "champion" in entry.after.get("aliases", {}):
            assert entry.before["aliases"]["champion"] == champion
            champion = entry.after["aliases"]["champion"]
            reigns.append(champion)
    return reigns


def test_two_processes_that_promote_at_once_leave_one_champion(world):
    world.register(20)
    children = [start(world, author, list(range(first, 21, 2))) for author, first in (("ada", 1), ("bob", 2))]
    answers = [child.communicate(timeout=100)[0] for child in children]
    said = [line.split() for answer in answers for line in answer.splitlines()]
    assert len(said) == 20
    assert {word for word, _ in said} <= {"won", "lost"}
    acknowledged = [int(version) for word, version in said if word == "won"]
    stages = [version.stage for version in world.models.versions("ranker")]
    assert stages.count("Production") == 1
    assert sorted(acknowledged) == sorted(champions_over_time(world))
    world.models.verify_history("ranker")


@pytest.mark.parametrize("seed", range(4))
def test_a_process_killed_while_it_promotes_leaves_what_it_acknowledged(world, seed):
    world.register(3)
    child = start(world, "ada", [1, 2, 3] * 200)
    assert child.stdout is not None
    first = child.stdout.readline()
    time.sleep(random.Random(seed).uniform(0, 0.3))
    child.kill()
    rest, _ = child.communicate(timeout=60)
    acknowledged = [int(line.split()[1]) for line in (first + rest).splitlines()]
    reigns = champions_over_time(world)
    assert acknowledged == reigns[: len(acknowledged)]
    assert len(reigns) - len(acknowledged) in (0, 1)
    assert world.models.model("ranker").champion == reigns[-1]
    assert [version.stage for version in world.models.versions("ranker")].count("Production") == 1
    world.models.verify_history("ranker")
