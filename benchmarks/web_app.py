"""The web app in a real Chromium before a real server: our budgets, and MLflow's own UI on the same 10,000 runs in the same run.

    python benchmarks/web_app.py [first chart …]        all cases without a name; `make ui` first

Times are from the start of the navigation until what is waited for is painted, in a fresh profile, on a server that has
answered once. The runs come from web_app_data.py and are kept; the environment of MLflow is that of `make test`.
"""

from __future__ import annotations

import gc
import json
import re
import shutil
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Page, sync_playwright

from measure import compare
from web_app_data import LONG_RUNS, OURS, SIDE, THEIRS, long_id, prepare

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

CLAIM = "of 10,000 runs x 500 columns the first row and a chart that compares runs are there 5x sooner than in MLflow's UI"
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or ""
ROW = {"ours": ".run-row .run-link", "mlflow": ".ag-row a[href*='/runs/']"}
CHART = {
    "ours": ".curve-host[aria-label*=' curves; '] canvas",
    "mlflow": ".js-plotly-plot .scatterlayer path.js-line, .js-plotly-plot .barlayer path",
}
FRAME = 1000 / 60
PATIENCE = 120
WATCH = """(wanted) => {
  window.seen = {}; window.blocked = 0;
  new PerformanceObserver((list) => { for (const task of list.getEntries()) blocked = task.startTime + task.duration; })
    .observe({ type: 'longtask', buffered: true });
  const look = () => {
    for (const [name, selector] of Object.entries(wanted)) {
      if (!(name in seen) && document.querySelector(selector)) {
        seen[name] = NaN;
        requestAnimationFrame(() => setTimeout(() => { seen[name] = performance.now(); }));
      }
    }
  };
  new MutationObserver(look).observe(document, { subtree: true, childList: true, attributes: true });
}"""


@dataclass
class Told:
    """Prints what was measured beside its budget."""

    missed: int = 0

    def budget(self, what: str, value: float, limit: float, unit: str) -> None:
        """One line; a figure above its limit counts as missed."""
        held = value <= limit
        self.missed += not held
        print(f"  {'ok  ' if held else 'MISS'} {what}: {value:,.0f} {unit} (at most {limit:,.0f})", flush=True)


@contextmanager
def tab(browser: Browser, wanted: dict[str, str] | None = None) -> Iterator[Page]:
    """A page in a fresh profile that notes when what is wanted is painted."""
    context = browser.new_context(viewport={"width": 1440, "height": 900})
    page = context.new_page()
    page.set_default_timeout(120_000)
    page.add_init_script(f"({WATCH})({json.dumps(wanted or {})})")
    yield page
    context.close()


def until(page: Page, expression: str) -> None:
    """Wait until an expression is true. The page's policy allows no eval, which Playwright's own way of waiting needs."""
    deadline = time.monotonic() + PATIENCE
    while not page.evaluate(expression):
        if time.monotonic() > deadline:
            msg = f"{page.url} never came to {expression}"
            raise TimeoutError(msg)
        page.wait_for_timeout(15)


def painted(browser: Browser, url: str, name: str, selector: str, times: int) -> float:
    """The median milliseconds until something is painted."""
    took = []
    for _ in range(times):
        with tab(browser, {name: selector}) as page:
            page.goto(url, wait_until="commit")
            until(page, f"seen.{name} > 0")
            took.append(page.evaluate(f"seen.{name}"))
    return statistics.median(took)


def first(url: str, browser: Browser, told: Told) -> dict[str, float]:
    """The first row and the first chart of 10,000 runs, and how soon the page takes a click."""
    painted(browser, f"{url}/experiments/0", "row", ROW["ours"], 1)
    row = painted(browser, f"{url}/experiments/0", "row", ROW["ours"], 5)
    chart = painted(browser, f"{url}/experiments/0?mode=charts", "chart", CHART["ours"], 5)
    told.budget("first rows of 10,000 runs", row, 500, "ms")
    columns = [f"metrics.m{place:03}" for place in range(SIDE)] + [f"params.p{place:03}" for place in range(SIDE)]
    wide = f"{url}/experiments/0?mode=table&cols={json.dumps(columns, separators=(',', ':'))}"
    told.budget("first rows with 500 columns", painted(browser, wide, "row", ROW["ours"], 3), 500, "ms")
    quiet = []
    for _ in range(3):
        with tab(browser, {"head": "h1"}) as page:
            page.goto(url)
            until(page, "seen.head > 0 && performance.now() - Math.max(blocked, seen.head) > 500")
            quiet.append(page.evaluate("Math.max(blocked, seen.head)"))
    told.budget("page interactive", statistics.median(quiet), 1000, "ms")
    return {"first row": row, "chart that compares": chart}


def peer(url: str, browser: Browser) -> dict[str, float]:
    """The same in MLflow's own UI."""
    runs, charts = f"{url}/#/experiments/0/runs", f"{url}/#/experiments/0/runs?compareRunsMode=CHART"
    painted(browser, runs, "row", ROW["mlflow"], 1)
    return {
        "first row": painted(browser, runs, "row", ROW["mlflow"], 3),
        "chart that compares": painted(browser, charts, "chart", CHART["mlflow"], 3),
    }


PLAIN = """<style>
  #host { width: 100vw; height: 100vh; overflow: auto; font: 13px sans-serif }
  #host div { position: relative } #host p { position: absolute; margin: 0; white-space: nowrap }
</style><div id=host><div></div></div><script>
  document.querySelector('#host div').innerHTML = Array.from({ length: ROWS * COLUMNS }, (_, place) => {
    const row = Math.floor(place / COLUMNS), column = place % COLUMNS;
    return `<p style="top:${row * 32}px;left:${column * 110}px">${(place * 0.1234567).toFixed(4)}</p>`;
  }).join('');
</script>"""
WAYS = {"down": ({"yDistance": -6000}, 260, 12), "across": ({"xDistance": -6000}, 28, 80)}
"""A gesture of 6,000 pixels, and the rows and columns of a page without a script that it passes over."""
TURNS = 3


def frames(page: Page, gesture: dict[str, int]) -> list[float]:
    """Milliseconds between the frames of a scroll."""
    page.evaluate(
        """() => { window.frames_ = []; window.last = 0; window.going = true;
        const turn = (now) => { if (last) frames_.push(now - last); last = now; if (going) requestAnimationFrame(turn); };
        requestAnimationFrame(turn); }"""
    )
    session = page.context.new_cdp_session(page)
    session.send("Input.synthesizeScrollGesture", {"x": 700, "y": 500, "speed": 2400, "gestureSourceType": "mouse", **gesture})
    return page.evaluate("() => { going = false; return frames_; }")


def scroll(url: str, browser: Browser, told: Told) -> None:
    """Rows and columns under a finger: frames that came late, beside those of a page that has nothing to do meanwhile."""
    columns = [f"metrics.m{place:03}" for place in range(SIDE)] + [f"params.p{place:03}" for place in range(SIDE)]
    address = f"{url}/experiments/0?mode=table&cols={json.dumps(columns, separators=(',', ':'))}"

    def late(way: str, *, plain: bool) -> tuple[float, float]:
        gesture, rows, across = WAYS[way]
        with tab(browser, {"row": "#host p" if plain else ROW["ours"]}) as page:
            if plain:
                page.set_content(PLAIN.replace("ROWS", str(rows)).replace("COLUMNS", str(across)))
            else:
                page.goto(address)
                until(page, "seen.row > 0")
            page.wait_for_timeout(1000)
            took = frames(page, gesture)
        return sum(max(0, round(frame / FRAME) - 1) for frame in took) / len(took) * 100, max(took)

    for way in WAYS:
        turns = [(late(way, plain=True), late(way, plain=False)) for _ in range(TURNS)]
        floor, ours = (statistics.median(share for share, _ in each) for each in zip(*turns, strict=True))
        told.budget(f"scrolling {way}, late frames beside {floor:.0f} % of a page without a script", ours, floor + 2, "%")
        told.budget(f"scrolling {way}, longest frame", max(longest for _, (_, longest) in turns), 51, "ms")


def long(url: str, browser: Browser, told: Told) -> None:
    """A hundred runs of a million points in one chart."""
    shown = json.dumps([long_id(number) for number in range(LONG_RUNS)], separators=(",", ":"))
    address = f"{url}/experiments/3?mode=charts&show={shown}"
    for name, limit in (("cold", 30_000), ("warm", 500), ("warm again", 500)):
        with tab(browser, {"chart": CHART["ours"]}) as page:
            page.goto(address, wait_until="commit")
            until(page, "seen.chart > 0")
            drawn = page.evaluate("seen.chart")
            asked, answered = page.evaluate(
                """() => {
                const all = performance.getEntriesByType('resource');
                const found = all.find((one) => one.name.includes('metrics/series'));
                return [found.startTime, found.responseEnd]; }"""
            )
            said = page.locator(".curve-host").first.get_attribute("aria-label") or ""
            assert re.match(r"loss: 100 curves", said), said
            told.budget(f"100 runs x 1M points, {name}, from the request to the picture", drawn - asked, limit, "ms")
            told.budget(f"    of that until the answer is here, {name}", answered - asked, limit if name == "cold" else 150, "ms")


def keys(url: str, browser: Browser, told: Told) -> None:
    """A run with 5,000 metrics."""
    with tab(browser) as page:
        page.goto(f"{url}/experiments/1?mode=table")
        run = (page.locator(".run-link").first.get_attribute("href") or "").split("/")[-1]
    opened = painted(browser, f"{url}/runs/{run}", "table", ".summary td", 3)
    told.budget("a run with 5,000 metrics opens", opened, 1000, "ms")
    told.budget("its 5,000 charts open", painted(browser, f"{url}/runs/{run}?tab=charts", "chart", CHART["ours"], 3), 1000, "ms")


def memory(url: str, told: Told) -> None:
    """A thousand charts of ten runs, all scrolled through; then live updates for a while."""
    with sync_playwright() as playwright:
        browser = start(playwright)
        with tab(browser, {"chart": CHART["ours"]}) as page:
            page.goto(f"{url}/experiments/2?mode=charts")
            until(page, "seen.chart > 0")
            host = page.locator(".charts")
            for place in range(0, 80_000, 700):
                host.evaluate("(node, top) => { node.scrollTop = top; }", place)
                page.wait_for_timeout(40)
            page.wait_for_timeout(500)
            session = page.context.new_cdp_session(page)
            told.budget("a tab with 1,000 charts, scrolled through, in all", tab_bytes(browser) / 1e6, 300, "MB")
            told.budget("    of that JavaScript's", heap(session) / 1e6, 150, "MB")
        browser.close()


LIVE = """() => {
  const plain = window.setTimeout;
  window.setTimeout = (work, wait, ...more) => plain(work, wait === 500 ? 5 : wait, ...more);
  window.EventSource = class extends EventTarget { constructor() { super(); window.stream = this; } close() {} };
  window.say = (kind, data, id) => stream.dispatchEvent(new MessageEvent(kind, { data: JSON.stringify(data), lastEventId: id }));
}"""
UPDATES, ROUNDS = 250, 3
DAY = 86_400 * 2


def day(url: str, browser: Browser, told: Told) -> None:
    """What a day of updates, two a second, would add to the tab: from some hundreds of them."""
    with tab(browser, {"chart": CHART["ours"]}) as page:
        page.add_init_script(f"({LIVE})()")
        page.goto(f"{url}/experiments/2")
        until(page, "!!window.stream")
        page.evaluate("say('hello', { missed: false, running: 1 }, '1.0')")
        until(page, "seen.chart > 0")
        session = page.context.new_cdp_session(page)

        def update(times: int) -> float:
            page.evaluate(
                """async ([times, keys]) => {
                  const headers = { 'content-type': 'application/json' };
                  const body = JSON.stringify({ experiments: ['2'], limit: 1 });
                  const found = await fetch('/api/v1/runs/search', { method: 'POST', headers, body });
                  const run = (await found.json()).runs[0].id;
                  for (let turn = 0; turn < times; turn += 1) {
                    say('runs', { changed: [run], created: [], ended: [], points: { [run]: keys }, running: 1 }, `1.${turn}`);
                    await new Promise((done) => setTimeout(done, 60));
                  }
                }""",
                [times, [f"layer00/weight{place:02}" for place in range(12)]],
            )
            page.wait_for_timeout(300)
            return heap(session)

        update(300)  # the browser keeps the timings of the first 250 requests, and compiles what runs often
        asked = page.evaluate("performance.getEntriesByType('resource').length")
        held = [update(UPDATES) for _ in range(ROUNDS + 1)]
        assert asked > 0
        grown = min(after - before for before, after in pairwise(held))  # what is kept for good is kept in every round
        told.budget("a day of live updates adds", max(0, grown) / UPDATES * DAY / 1e6, 50, "MB")


def heap(session: Any) -> float:
    """Bytes that JavaScript holds once what is unused is gone."""
    for _ in range(3):
        session.send("HeapProfiler.collectGarbage")
    session.send("Performance.enable")
    found = {one["name"]: one["value"] for one in session.send("Performance.getMetrics")["metrics"]}
    return float(found["JSHeapUsedSize"])


def tab_bytes(browser: Browser) -> float:
    """The memory of the largest renderer; what it shares with others counts by its share."""
    found = browser.new_browser_cdp_session().send("SystemInfo.getProcessInfo")["processInfo"]
    sizes = []
    for one in found:
        if one["type"] == "renderer":
            text = Path(f"/proc/{one['id']}/smaps_rollup").read_text(encoding="utf-8")
            sizes.append(int(re.findall(r"^Pss:\s+(\d+) kB", text, re.MULTILINE)[0]) * 1024)
    return float(max(sizes))


def start(playwright: Any) -> Browser:
    """The system's Chromium."""
    return playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])


OURS_ALONE: dict[str, Callable[[str, Browser, Told], object]] = {"scroll": scroll, "long": long, "keys": keys, "day": day}


def main(names: list[str]) -> None:
    """Run the cases that are named, or all."""
    from servers.headrace import HeadraceServer
    from servers.mlflow import MlflowServer

    prepare()
    told = Told()
    with HeadraceServer(OURS, "--no-access-log") as server, sync_playwright() as playwright:
        browser = start(playwright)
        ours = first(server.url, browser, told) if not names or "first" in names else {}
        for name, case in OURS_ALONE.items():
            if not names or name in names:
                case(server.url, browser, told)
        browser.close()
    if not names or "memory" in names:
        with HeadraceServer(OURS, "--no-access-log") as server:
            memory(server.url, told)
    gc.collect()
    if ours:
        with MlflowServer(THEIRS) as server, sync_playwright() as playwright:
            server.wait()
            browser = start(playwright)
            theirs = peer(server.url, browser)
            browser.close()
        for case, took in ours.items():
            compare(f"10,000 runs x 500 columns, {case}", took / 1e3, "mlflow's UI", theirs[case] / 1e3, at_most=1 / 5)
    print(f"{told.missed} budgets missed" if told.missed else "every budget held")


if __name__ == "__main__":
    began = time.perf_counter()
    main(sys.argv[1:])
    print(f"{time.perf_counter() - began:.0f} s")
