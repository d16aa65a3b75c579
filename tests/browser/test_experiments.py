"""The experiments page in a real browser: a table and charts of one selection, a query that says what is wrong with it."""

from __future__ import annotations

import re
from contextlib import ExitStack

import pytest
from playwright.sync_api import expect


def test_the_newest_ten_runs_are_shown_and_the_address_keeps_what_is_chosen(page):
    page.goto("/experiments")
    page.get_by_role("link", name="video-ranker", exact=True).click()
    expect(page.get_by_text("10 shown, the newest")).to_be_visible()
    expect(page.get_by_role("img", name=re.compile("^auc: 10 curves"))).to_be_visible()
    page.get_by_role("button", name=re.compile("^Show .* in the charts$")).first.click()
    expect(page.get_by_text("9 shown")).to_be_visible()
    expect(page.get_by_role("img", name=re.compile("^auc: 9 curves"))).to_be_visible()
    page.reload()
    expect(page.get_by_text("9 shown")).to_be_visible()


def test_what_the_page_shows_first_is_asked_for_once_and_before_the_app_is_here(page):
    asked, held, begun = [], [], []
    page.on("request", lambda request: asked.append((request.method, request.url.split("/", 3)[3], request.post_data)))
    page.route(
        re.compile(r"/assets/index-.*\.js$"), lambda route: route.continue_() if begun else held.append(route)
    )  # the app's first file
    first = ["accounts/me", "experiments", "experiments/1/keys?exact=false", "runs/search"]
    with ExitStack() as all_of_them:
        for path in first:
            all_of_them.enter_context(page.expect_request(re.compile(f"/api/v1/{re.escape(path)}$")))
        page.goto("/experiments/1?sort=metrics.auc%20desc", wait_until="commit")
    begun += sorted(path.removeprefix("api/v1/") for _, path, _ in asked if path.startswith("api/"))
    assert begun == first
    for route in held:
        route.continue_()
    expect(page.locator(".run-link").first).to_be_visible()
    ours = [one for one in asked if one[1].startswith("api/")]
    assert len(set(ours)) == len(ours)


def test_whoever_comes_back_gets_rows_with_their_values_by_one_search(page):
    searches = []
    page.on("request", lambda request: searches.append(request.post_data_json) if request.url.endswith("/runs/search") else None)
    page.goto("/experiments/1")
    value = page.locator(".run-row .runs-cell[data-number]").last
    for searched in (2, 1):  # at first which columns there are isn't known
        expect(page.get_by_role("img", name=re.compile("^auc: "))).to_be_visible()  # the keys are known
        expect(value).to_have_text(re.compile(r"^0\.\d+$"))
        assert len(searches) == searched
        assert "metrics.auc" in searches[-1]["columns"]
        searches.clear()
        page.reload()


def test_the_line_between_table_and_charts_is_pulled_moved_by_keys_and_put_back(page):
    page.goto("/experiments/1")
    line, table = page.get_by_role("separator"), page.get_by_role("region", name="Runs")
    expect(page.get_by_role("img", name=re.compile("^auc: "))).to_be_visible()
    expect(line).to_have_attribute("aria-valuenow", "46")
    first, place = table.bounding_box(), line.bounding_box()
    page.mouse.move(place["x"], 500)
    page.mouse.down()
    page.mouse.move(place["x"] + 200, 500, steps=4)
    page.mouse.up()
    assert table.bounding_box()["width"] == pytest.approx(first["width"] + 200, abs=8)  # a share is a whole percent
    pulled = int(line.get_attribute("aria-valuenow"))
    line.press("ArrowLeft")
    expect(line).to_have_attribute("aria-valuenow", str(pulled - 2))
    page.reload()
    expect(line).to_have_attribute("aria-valuenow", str(pulled - 2))
    line.press("End")
    expect(line).to_have_attribute("aria-valuenow", "80")
    line.dblclick()
    expect(line).to_have_attribute("aria-valuenow", "46")
    assert table.bounding_box()["width"] == first["width"]


@pytest.fixture
def sweeps(site):
    """An experiment of its own: an old sweep, twelve runs, and a new sweep, one of whose trials has folds."""
    import headrace as hr

    def trials(store, name, number):
        with store.start_run(experiment="sweeps", name=name, capture=False):
            for trial in range(number):
                with store.start_run(experiment="sweeps", name=f"{name}-{trial}", nested=True, capture=False) as run:
                    run.log_metrics({"loss": 1.0 / (trial + 1)})
                    if name == "new" and trial == 1:
                        with store.start_run(experiment="sweeps", name="fold", nested=True, capture=False):
                            pass

    with hr.connect(site) as store:
        trials(store, "old", 30)
        for number in range(12):
            with store.start_run(experiment="sweeps", name=f"plain-{number}", capture=False) as run:
                run.log_metrics({"loss": 2.0 + number})
        trials(store, "new", 3)
        kept = store.runs.experiment("sweeps").id
        yield kept
        for run in store.runs.search("", "sweeps"):
            store.runs.delete(run.id)


def test_nested_runs_stand_below_their_parent_which_is_opened_and_closed(page, sweeps):
    page.goto(f"/experiments/{sweeps}")
    names = page.locator(".run-link")
    first = ["new", "new-2", "new-1", "fold", "new-0", "plain-11"]
    expect(names.nth(5)).to_have_text("plain-11")  # those among the first ten rows are open
    assert names.all_inner_texts()[:6] == first
    expect(page.get_by_text("48 runs")).to_be_visible()
    old = page.get_by_role("button", name="30 runs nested in old", exact=True)
    expect(old).to_have_attribute("aria-expanded", "false")
    left = [name.bounding_box()["x"] for name in names.all()[:6]]
    assert left[0] == left[5] < left[1] == left[2] == left[4] < left[3]
    old.click()
    expect(names.filter(has_text=re.compile("^old-29$"))).to_be_visible()
    page.get_by_role("button", name="3 runs nested in new", exact=True).click()
    expect(names.nth(1)).to_have_text("plain-11")
    page.reload()
    expect(old).to_have_attribute("aria-expanded", "true")
    expect(names.nth(1)).to_have_text("plain-11")
    page.get_by_role("table", name="Runs").evaluate("(node) => { node.scrollTop = node.scrollHeight; }")
    expect(names.last).to_have_text("old-0")
    expect(page.get_by_role("table", name="Runs")).to_have_attribute("aria-rowcount", str(1 + 12 + 1 + 30 + 1))


def test_nested_runs_are_chosen_for_the_charts_like_others(page, sweeps):
    page.goto(f"/experiments/{sweeps}")
    expect(page.get_by_text("10 shown, the newest")).to_be_visible()
    expect(page.get_by_role("img", name=re.compile("^loss: 8 curves"))).to_be_visible()  # the parent and the fold have none
    page.get_by_role("button", name="Show new-2 in the charts").click()
    page.get_by_role("button", name="Show plain-11 in the charts").click(modifiers=["Shift"])
    expect(page.get_by_text("10 shown")).to_be_visible()
    for _ in range(6):  # from the row that was pressed last to the first
        page.keyboard.press("k")
    page.keyboard.press("o")
    expect(page.get_by_role("button", name="3 runs nested in new", exact=True)).to_have_attribute("aria-expanded", "false")
    expect(page.get_by_text("10 shown")).to_be_visible()


def test_a_filter_or_another_order_is_about_runs_and_shows_them_flat(page, sweeps):
    page.goto(f"/experiments/{sweeps}?q=metrics.loss < 0.05")
    expect(page.locator(".run-link").first).to_have_text("old-29")
    expect(page.get_by_text("10 match")).to_be_visible()
    expect(page.locator(".nest")).to_have_count(0)
    page.goto(f"/experiments/{sweeps}")
    page.get_by_role("button", name="loss; press to order").click()
    expect(page.locator(".run-link").first).to_have_text("plain-11")
    expect(page.locator(".nest")).to_have_count(0)
    page.get_by_role("button", name="Started; press to order").click()
    expect(page.locator(".nest").first).to_be_visible()


def test_a_query_filters_and_a_fault_is_told_where_it_is(page):
    page.expected_errors = ["422"]
    page.goto("/experiments/1")
    query = page.get_by_role("combobox", name="Filter of runs")
    query.fill("params.depth = '6'")
    query.press("Escape")
    query.press("Enter")
    expect(page.get_by_text(re.compile(r"^\d+ match$"))).to_be_visible()
    query.fill("metrics.auc >> 3")
    query.press("Escape")
    query.press("Enter")
    expect(page.get_by_role("alert")).to_contain_text("numeric")
    assert page.locator(".query-fault u").inner_text() == ">"


def test_typing_completes_keys_and_operators(page):
    page.goto("/experiments/1")
    query = page.get_by_role("combobox", name="Filter of runs")
    query.click()
    query.press_sequentially("dept")
    page.get_by_role("option", name="params.depth").click()
    expect(query).to_have_value("params.depth ")
    page.get_by_role("option", name="LIKE", exact=True).click()
    expect(query).to_have_value("params.depth LIKE ")


def test_groups_become_a_mean_with_a_band(page):
    page.goto('/experiments/1?by=["params.optimizer"]')
    expect(page.get_by_role("list", name="Groups")).to_contain_text("optimizer")
    expect(page.get_by_role("img", name=re.compile(r"^auc: \d curves"))).to_be_visible()


def test_hostile_names_are_texts(page):
    page.goto("/experiments")
    page.get_by_role("link", name="odd ones").click()
    expect(page.get_by_role("link", name=re.compile("<img src=x"))).to_be_visible()
    assert page.locator(".runs img").count() == 0


def test_a_new_run_appears_by_itself(page, site):
    import headrace as hr

    page.goto("/experiments")
    expect(page.get_by_role("status").filter(has_text="Live")).to_be_visible()
    with hr.connect(site) as store, store.start_run(experiment="made while you looked", capture=False) as run:
        run.log_metrics({"loss": 1.0})
        expect(page.get_by_role("link", name="made while you looked")).to_be_visible()


def test_an_address_that_leads_nowhere_says_so(page):
    page.goto("/nowhere/at/all")
    expect(page.get_by_role("heading", name="There is no page at this address")).to_be_visible()
