"""Definitions out of a user's modules; his mistakes by file and line, without our traceback."""

from __future__ import annotations

import pytest

from headrace.cli.loading import load_definitions
from headrace.errors import DefinitionError, InvalidInputError

ENTITY = 'import headrace as hr\nuser = hr.Entity("user", keys={"user_id": "int64"})\n'


def write(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def test_a_module_and_a_file_of_the_project_are_the_same_module(project):
    write(project / "definitions.py", ENTITY)
    by_module, by_file = (load_definitions([target], project) for target in ("definitions", "definitions.py"))
    assert by_module[0] is by_file[0]
    assert by_module[0].name == "user"


def test_modules_in_folders_and_lists_of_definitions_are_read(project):
    write(project / "features" / "users.py", f'{ENTITY}more = [hr.Entity("video", keys={{"video_id": "int64"}}), user]\n')
    assert [item.name for item in load_definitions(["features.users"], project)] == ["user", "video"]


def test_a_file_outside_the_project_is_read_too(project, tmp_path_factory):
    outside = tmp_path_factory.mktemp("outside")
    write(outside / "elsewhere_definitions.py", ENTITY)
    assert len(load_definitions([str(outside / "elsewhere_definitions.py")], project)) == 1


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("import headrace as hr\n\nx = (\n", "broken.py:3: SyntaxError"),
        ("import headrace as hr\n\nhr.Entityy('user')\n", "broken.py:3: AttributeError"),
        ("import headrace as hr\nhr.count('7 days')\n", "broken.py:2: '7 days' isn't a duration"),
        ("import not_installed_anywhere\n", "broken.py:1: ModuleNotFoundError"),
        ("raise SystemExit(3)\n", "must only define"),
    ],
)
def test_a_fault_in_the_users_module_is_told_by_file_and_line(project, text, said):
    write(project / "broken.py", text)
    with pytest.raises(DefinitionError) as caught:
        load_definitions(["broken"], project)
    assert said in str(caught.value)


def test_the_faults_of_all_modules_are_told_at_once(project):
    write(project / "one.py", "1 / 0\n")
    with pytest.raises(DefinitionError) as caught:
        load_definitions(["one", "two"], project)
    assert len(caught.value.faults) == 2
    assert "there is no such module" in caught.value.faults[1]


def test_a_module_without_definitions_is_a_mistake(project):
    write(project / "nothing.py", "x = 1\n")
    with pytest.raises(InvalidInputError, match="holds no definitions"):
        load_definitions(["nothing"], project)


def test_a_file_that_is_hidden_by_another_module_is_refused(project):
    write(project / "json.py", ENTITY)
    with pytest.raises(DefinitionError, match="rename the file"):
        load_definitions(["json.py"], project)


def test_nothing_to_read_says_where_modules_are_listed(project):
    with pytest.raises(InvalidInputError, match=r"headrace\.toml"):
        load_definitions([], project)
