"""Features and lineage in a real browser: what would change, who pins a version, and whether both stores say the same."""

from __future__ import annotations

import re

from playwright.sync_api import expect


def test_what_would_change_is_told_of_a_column_and_in_the_map(page):
    page.goto("/features/group/user_taste")
    impact = page.get_by_role("region", name="What would change")
    expect(impact.get_by_role("link", name="patience:1")).to_be_visible()
    impact.get_by_label("What is changed").select_option("stars_avg")
    expect(impact.get_by_role("link", name="taste:1", exact=True)).to_be_visible()
    expect(impact.get_by_role("link", name="patience:1")).to_have_count(0)
    expect(impact.get_by_role("listitem").filter(has_text="taster/1")).to_contain_text("Production")
    page.get_by_role("link", name="Lineage", exact=True).last.click()
    expect(page.get_by_role("heading", name="group:user_taste:1")).to_be_visible()  # version 2 computes what version 1 did
    page.goto("/lineage/source:ratings.stars")
    page.get_by_role("button", name="What would change").press("Enter")
    expect(page).to_have_url(re.compile("impact=true"))
    touched = page.get_by_role("region", name="What would change")
    expect(touched.get_by_role("link", name="taste:1", exact=True)).to_be_visible()
    page.get_by_role("radio", name="Table").click()
    lines = page.get_by_role("table", name="Lineage")
    expect(lines.get_by_role("button", name=re.compile("^taste:1 ")).first).to_be_visible()
    expect(lines.get_by_role("button", name=re.compile("^patience"))).to_have_count(0)
    touched.get_by_label("What is changed").select_option("seconds")
    expect(touched.get_by_role("link", name="patience:1")).to_be_visible()
    assert "/lineage/source:ratings.seconds" in page.url or "ratings.seconds" in page.url


def test_a_group_tells_what_is_expected_of_it_and_how_that_fares(page):
    page.goto("/features/group/spending")
    expected = page.get_by_role("region", name="Expectations")
    expect(expected.get_by_role("row", name=re.compile("^between\\(price_avg, 0, 40\\)"))).to_contain_text("break it")
    expect(expected.get_by_role("row", name=re.compile("^between\\(price, 0, 1000\\)"))).to_contain_text("3 set aside")
    expect(expected.get_by_role("row", name=re.compile("^not_null\\(user_id\\)"))).to_contain_text("never broken")
    expect(expected).to_contain_text("headrace features quarantine purchases")
    expect(page.get_by_role("region", name="Ingested").get_by_role("row").last).to_contain_text("1,497")
    look = page.get_by_role("region", name="Look up")
    expect(look).to_contain_text("through the view buying")
    look.get_by_label("user_id").fill("2")
    look.get_by_label("user_id").press("Enter")
    expect(look.get_by_role("status")).to_contain_text("all 6 features are equal in both stores")
    page.goto("/features/group/profile")
    expect(page.get_by_role("region", name="Expectations")).to_contain_text("None are declared")


def test_the_catalog_is_found_through_by_entity_tag_and_description_and_a_group_tells_its_keys_and_columns(page):
    page.goto("/features?entity=user")
    lines = page.get_by_role("table", name="Features").get_by_role("row")
    expect(lines.filter(has=page.get_by_role("link", name="buying", exact=True))).to_contain_text("user")  # a view, by its groups
    field = page.get_by_label("Find a feature")
    field.fill("team: growth")
    expect(lines).to_have_count(4)
    field.fill("how often a user")
    expect(lines).to_have_count(2)
    page.get_by_role("link", name="spending", exact=True).click()
    expect(page.get_by_text("team: growth")).to_be_visible()
    columns = page.get_by_role("region", name="Columns of the source")
    expect(columns).to_contain_text("bought_at timestamp, when it happened")
    expect(page.locator("dl").filter(has_text="Hash")).to_contain_text("user_id int64")


def test_a_long_chain_is_read_without_zooming_and_goes_down_where_it_is_narrow(page):
    page.goto("/lineage/source:ratings.stars?impact=true")
    card = page.get_by_role("group", name=re.compile("^Column")).locator(".lineage-card")
    expect(card).to_be_in_viewport(ratio=0.99)
    size = card.bounding_box()
    assert size is not None
    assert size["width"] >= 150
    page.set_viewport_size({"width": 390, "height": 1200})
    expect(page.locator(".lineage-card").nth(1)).to_be_in_viewport(ratio=0.99)
    first, second = (page.locator(".lineage-card").nth(at).bounding_box() for at in (0, 1))
    assert first is not None
    assert second is not None
    assert second["y"] >= first["y"] + first["height"]


def test_all_of_a_chain_is_in_sight_or_told_of_and_led_to(page):
    page.goto("/lineage/view:taste")
    cards = page.locator(".lineage-card")
    expect(cards.filter(has_text="taster@champion")).to_be_visible()
    for card in cards.all():
        expect(card).to_be_in_viewport(ratio=0.99)
    assert cards.count() == 8
    expect(page.get_by_role("button", name=re.compile("^Show .* more thing"))).to_have_count(0)
    page.set_viewport_size({"width": 390, "height": 560})
    alias = cards.filter(has_text="taster@champion")
    expect(alias).not_to_be_in_viewport()
    below = page.get_by_role("button", name=re.compile("^Show .* more things? below$"))
    while below.count():
        below.press("Enter")
        page.wait_for_timeout(300)  # it moves there
    expect(alias).to_be_in_viewport(ratio=0.5)
    expect(page.get_by_role("button", name=re.compile("^Show .* more things? above$"))).to_be_visible()


def test_the_map_leads_on_by_keys_and_to_the_page_of_what_it_shows(page):
    page.goto("/lineage")
    page.get_by_role("link", name="taster", exact=True).click()
    expect(page.get_by_role("heading", name="models:/taster@champion")).to_be_visible()
    page.get_by_role("group", name="Model version taster/1").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="models:/taster/1")).to_be_visible()
    page.get_by_role("link", name="Open its page").click()
    expect(page).to_have_url(re.compile("/models/taster/1$"))
    expect(page.get_by_role("heading", name="v1")).to_be_visible()


def test_a_view_tells_who_pins_it_and_whether_both_stores_say_the_same(page):
    page.goto("/features/view/taste")
    pins = page.get_by_role("region", name="Pinned by")
    expect(pins.get_by_role("link", name="taster v1")).to_be_visible()
    expect(pins).to_contain_text("@champion")
    look = page.get_by_role("region", name="Look up")
    look.get_by_label("user_id").fill("seven")
    look.get_by_label("user_id").press("Enter")
    expect(look.get_by_role("alert")).to_contain_text("user_id is a whole number")
    look.get_by_label("user_id").fill("2")
    look.get_by_label("user_id").press("Enter")
    expect(look.get_by_role("status")).to_contain_text("all 2 features are equal in both stores")
    expect(look.get_by_role("alert")).to_have_count(0)
    look.get_by_label("user_id").fill("1")
    look.get_by_role("button", name="Read the values now").click()
    expect(look.get_by_role("row", name=re.compile("^stars_avg"))).to_contain_text("differs")
    expect(look).to_contain_text("headrace materialize")
