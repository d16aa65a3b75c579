"""The budgets of the house: small files, short functions, documented public names, no junk drawer."""

from __future__ import annotations

import ast
import re
import statistics
from pathlib import Path

ROOT = Path(__file__).parents[2]
SOURCES = sorted((ROOT / "src" / "headrace").rglob("*.py"))
MODULES = [path for path in SOURCES if "migrations" not in path.parts]  # Alembic says how those look
TESTS = sorted((ROOT / "tests").rglob("*.py"))

FILE_LINES = 500
FUNCTION_LINES = 100
MEDIAN_LINES = 7


def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def named(path: Path) -> str:
    return str(path.relative_to(ROOT))


def functions(path: Path):
    return [node for node in ast.walk(tree(path)) if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))]


def body_lines(function) -> int:
    """The lines of a function's body without its docstring; a signature is as long as its arguments need."""
    body = function.body[1:] if ast.get_docstring(function) is not None else function.body
    return 1 if not body else body[-1].end_lineno - body[0].lineno + 1


def exported(module: ast.Module) -> list[str] | None:
    """The names in `__all__`; None if the module has none."""
    for node in module.body:
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "__all__":
            return ast.literal_eval(node.value)
    return None


def undocumented(module: ast.Module) -> list[str]:
    """Public functions, classes and methods without a docstring."""
    found = []
    for node in module.body:
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)) and not node.name.startswith("_"):
            members = [node]
            if isinstance(node, ast.ClassDef):
                members += [item for item in node.body if isinstance(item, ast.FunctionDef) and not item.name.startswith("_")]
            found += [getattr(item, "name", "") for item in members if ast.get_docstring(item) is None]
    return found


def test_no_file_is_longer_than_one_can_read():
    lengths = {named(path): len(path.read_text(encoding="utf-8").splitlines()) for path in SOURCES + TESTS}
    assert {name: lines for name, lines in lengths.items() if lines > FILE_LINES} == {}


def test_no_function_is_longer_than_a_screen_or_two():
    lengths = {f"{named(path)}:{function.name}": body_lines(function) for path in MODULES for function in functions(path)}
    assert {name: lines for name, lines in lengths.items() if lines > FUNCTION_LINES} == {}


def test_half_of_all_functions_fit_in_seven_lines():
    assert statistics.median(body_lines(function) for path in MODULES for function in functions(path)) <= MEDIAN_LINES


def test_each_module_says_what_lives_there():
    modules = {named(path): tree(path) for path in MODULES}
    assert [name for name, module in modules.items() if module.body and ast.get_docstring(module) is None] == []


def test_every_public_object_has_a_docstring():
    found = {named(path): undocumented(tree(path)) for path in MODULES}
    assert {name: objects for name, objects in found.items() if objects} == {}


def test_public_names_are_listed_and_sorted():
    """In `__all__`: constants, then classes, then functions, each by the alphabet."""
    found = {named(path): exported(tree(path)) for path in MODULES if path.name != "__init__.py"}
    assert {name: names for name, names in found.items() if names is None or names != sorted(names, key=by_kind)} == {}


def test_what_another_module_imports_is_public():
    modules = {
        ".".join(path.relative_to(ROOT / "src").with_suffix("").parts): path for path in SOURCES if path.name != "__init__.py"
    }
    public = {name: exported(tree(path)) or [] for name, path in modules.items()}
    imports = [node for path in SOURCES for node in ast.walk(tree(path)) if isinstance(node, ast.ImportFrom)]
    taken = {(node.module, alias.name) for node in imports if node.module in public for alias in node.names}
    assert sorted(f"{module}.{name}" for module, name in taken if name not in public[module]) == []


def by_kind(name: str) -> tuple[int, str]:
    return (0 if name.isupper() else 1 if name[0].isupper() else 2, name)


def test_no_module_is_a_junk_drawer():
    junk = re.compile(r"(utils?|helpers?|common|misc|tools)")
    assert [named(path) for path in SOURCES if any(junk.fullmatch(part.removesuffix(".py")) for part in path.parts[-3:])] == []


def test_no_work_is_left_for_later():
    later = re.compile(r"#\s*(TODO|FIXME|XXX|HACK)\b")
    assert [named(path) for path in SOURCES if later.search(path.read_text(encoding="utf-8"))] == []
