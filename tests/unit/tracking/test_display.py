"""What notebooks show of runs, models, training sets and lineage: escaped, and without anything that runs."""

from __future__ import annotations

import sys
import types
from html.parser import HTMLParser

import pytest

import headrace as hr
from headrace.features.store import TrainingSetRecord
from headrace.features.training import TrainingSet
from headrace.lineage.graph import Graph
from headrace.lineage.store import Edge
from headrace.models.version import ModelVersion, Origin
from headrace.server.web import page_headers
from servers.inside import served

EVIL = "<script>alert('x')</script><img src=x onerror=alert(1)>"


class Parsed(HTMLParser):
    def __init__(self, html):
        super().__init__()
        self.tags, self.text, self.open = set(), [], []
        self.feed(html)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        self.open.append(tag)
        assert not any(name.startswith("on") for name, _ in attrs)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)


def shown(thing):
    parsed = Parsed(thing._repr_html_())
    assert parsed.tags <= {"div", "strong", "table", "thead", "tbody", "tr", "th", "td", "a"}
    return parsed.text


def test_runs_and_lists_of_them(tmp_path):
    with hr.connect(tmp_path) as store:
        for number in range(25):
            with store.start_run(capture=False, name=EVIL, params={"p": EVIL}) as run:
                run.log_metrics({"auc": number / 10, "a b": 1.0})
                assert any(EVIL in text for text in shown(run))
                assert run.url is None
                with pytest.raises(hr.InvalidInputError, match="headrace server"):
                    run.show()
        found = store.runs.search()
        told = shown(found)
        assert [told[0], told.count(EVIL), told[-1]] == ["25 runs", 20, "… 5 more"]
        assert {"auc", "a b", "2.4"} <= set(told)
        assert {EVIL, "FINISHED", "2.4"} <= set(shown(found[0]))
        assert shown(store.runs.search("metrics.auc > 99")) == ["0 runs", *told[1:6]]


def test_a_run_at_a_server_has_a_page(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "server").mkdir()
    with hr.connect("http://127.0.0.1:9/base") as store:
        run = store.start_run(capture=False, offline=True)
        run.show()
        assert run.url == capsys.readouterr().out.strip() == f"http://127.0.0.1:9/base/runs/{run.id}"
        assert f'href="{run.url}"' in run._repr_html_()
        run.end()
    with served(tmp_path / "server") as url, hr.connect(url) as store:
        with store.start_run(capture=False, name=EVIL) as run:
            pass
        for found in (store.runs.get(run.id), store.runs.search()[0]):
            assert found.page == run.url == f"{url}/runs/{run.id}"
            found.show()
            assert capsys.readouterr().out.strip() == run.url
            assert f'href="{run.url}"' in found._repr_html_()
    shown = []

    class Shell:
        kernel = object()

    display = types.ModuleType("IPython.display")
    display.HTML, display.display = str, shown.append
    python = types.ModuleType("IPython")
    python.get_ipython, python.display = Shell, display
    monkeypatch.setitem(sys.modules, "IPython", python)
    monkeypatch.setitem(sys.modules, "IPython.display", display)
    found.show()
    assert f'<iframe src="{run.url}"' in shown[0]
    assert "<script" not in shown[0]
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(("host", "framed"), [("localhost:5000", True), ("127.0.0.1:5000", True), ("headrace.company", False)])
def test_notebooks_of_the_same_machine_may_embed_pages(host, framed):
    (ancestors,) = [part for part in page_headers("n", host)["content-security-policy"].split("; ") if "ancestors" in part]
    assert ancestors == "frame-ancestors 'self'" + " http://localhost:* http://127.0.0.1:*" * framed


def test_versions_training_sets_and_lineage():
    origin = Origin(metrics={"auc": 0.75, "loss": float("nan")})
    version = ModelVersion(name=EVIL, version=3, model_id="m-1", run_id="r", flavor="sklearn", origin=origin)
    assert {f"models:/{EVIL}/3", "0.75", "nan"} <= set(shown(version))
    edges = tuple(Edge(f"source:{EVIL}", f"group:{number}", "derived", 1) for number in range(60))
    told = shown(Graph("group:1", "upstream", edges))
    assert (told[0], told.count(f"source:{EVIL}"), told[-1]) == ("upstream of group:1", 50, "… 10 more")
    record = TrainingSetRecord(EVIL, 2, "f" * 64, "frame", "ranking:3", {}, "0", "time", "label", False, 1234, 1)
    assert {f"{EVIL}, version 2", "ranking:3", "1,234"} <= set(shown(TrainingSet(record, None, None)))
