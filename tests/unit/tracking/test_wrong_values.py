"""Whatever is logged, a run warns or, if it is strict, refuses it with a reason; what is logged next to it is kept."""

from __future__ import annotations

import inspect
import warnings

import pytest

import headrace as hr
from headrace.errors import HeadraceError, InvalidInputError
from headrace.tracking.client.guard import TrackingWarning
from headrace.tracking.client.run import ActiveRun

HALF = "\ud800"
WRONG = (None, -1, float("nan"), 10**400, b"x", [], {}, [[]], {5: 5}, {HALF: HALF}, ([],), object(), "a\0b", HALF, "x" * 10_000)
VALID = {
    "key": "k",
    "value": 1.0,
    "metrics": {"a": 1.0},
    "params": {"p": 1},
    "tags": {"t": 1},
    "path": "a.txt",
    "text": "t",
    "model": object(),
    "name": "line",
}
LOGGING = [name for name, _ in inspect.getmembers(ActiveRun, inspect.isfunction) if name.startswith(("log_", "set_", "use"))]


@pytest.mark.parametrize("strict", [False, True])
@pytest.mark.parametrize("name", LOGGING)
def test_what_cant_be_logged_warns_or_is_refused_and_the_run_goes_on(runs, tmp_path, monkeypatch, name, strict):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").write_text("x")
    valid = VALID | {"source": "file", "data": "file"}
    broken = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", TrackingWarning)
        with runs.start(capture=False, strict=strict) as run:
            method = getattr(run, name)
            takes = inspect.signature(method).parameters.values()
            needed = {item.name: valid.get(item.name) for item in takes if item.default is item.empty}
            for item in takes:
                for value in WRONG:
                    try:
                        method(**{**needed, item.name: value})
                    except HeadraceError as error:
                        if not strict and name not in ("log_param", "log_params", "log_model"):
                            broken.append(f"{item.name}={value!r:.40}: raised {error!r:.200}")
                    except Exception as error:  # noqa: BLE001 - each is a fault
                        broken.append(f"{item.name}={value!r:.40}: {error!r:.200}")
            run.log_metric("after", 1.0)
            run.set_tag("after", "there")
    kept = runs.get(run.id)
    assert (broken, kept.metrics["after"], kept.tags["after"], kept.status) == ([], 1.0, "there", "FINISHED")


@pytest.mark.parametrize("key", [[], {"a": 1}, ([],), None, object()])
def test_a_key_that_is_no_text_is_named(runs, key):
    for log in (ActiveRun.log_metric, ActiveRun.log_param, ActiveRun.set_tag):
        with runs.start(capture=False) as run, pytest.warns(TrackingWarning, match=r"Invalid (metric|param|tag) name: "):
            log(run, key, 1)
        with runs.start(capture=False, strict=True) as run, pytest.raises(InvalidInputError, match=r"Invalid .* name: "):
            log(run, key, 1)


def test_text_that_no_file_holds_is_kept_with_a_mark_in_its_place(runs):
    with runs.start(capture=False, strict=True) as run:
        run.log_text("notes.md", f"a{HALF}b")
    assert runs.read_artifact(run.id, "notes.md") == b"a?b"


@pytest.mark.parametrize("strict", [False, True])
def test_what_isnt_logged_is_refused_with_its_name(runs, strict):
    with runs.start(capture=False, strict=strict) as run:
        for call, told in (
            (lambda: run.flush("x"), "flush: seconds must be a number, not of type str"),
            (lambda: run.flush(None), "flush: seconds must be a number, not of type NoneType"),
            (lambda: run.flush(float("nan")), "flush: seconds must be a number, not nan"),
            (lambda: run.end([]), "a run ends as FINISHED, FAILED or KILLED"),
            (lambda: run.end_with("boom"), "end_with: error must be an exception or None, not of type str"),
        ):
            with pytest.raises(InvalidInputError, match=told):
                call()
            assert not run.ended
        assert run.flush(10**400)
    assert runs.get(run.id).status == "FINISHED"


@pytest.mark.parametrize("target", [5, b"x", [], {}, object(), "a\0b", HALF, "x" * 10_000])
def test_what_is_no_project_is_told(target):
    with pytest.raises(HeadraceError, match=r"connect: target must|connect: target holds|can't be opened"):
        hr.connect(target)
