"""The registry in a real browser: gates are shown before anything changes, and going back takes two presses."""

from __future__ import annotations

import re

import httpx
from playwright.sync_api import expect

import headrace as hr
from browser.pages import faults


def champion(site):
    """The version of `buyers` that is in Production."""
    return httpx.get(f"{site}/api/v1/models/buyers").json()["champion"]


def test_a_version_is_promoted_through_its_gates_and_rolled_back(page, site):
    page.goto("/models")
    page.get_by_role("button", name="Move version 2 of buyers").click()
    page.get_by_role("menuitem", name="Promote").click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_text("Every gate is passed")).to_be_visible()
    dialog.get_by_label("Reason").fill("knows more")
    dialog.get_by_role("button", name="Promote", exact=True).click()
    expect(dialog).to_have_count(0)
    assert champion(site) == 2
    page.get_by_role("button", name="Roll back", exact=True).click()
    page.get_by_role("dialog").get_by_role("button", name="Roll back", exact=True).click()
    expect(page.get_by_role("dialog")).to_have_count(0)
    assert champion(site) == 1
    page.goto("/models/buyers")
    expect(page.get_by_text("knows more").first).to_be_visible()


def test_a_refusal_says_why_and_an_override_needs_a_reason(page, site):
    before = champion(site)
    page.goto("/models/buyers/3")
    page.get_by_role("button", name="Promote", exact=True).click()
    dialog = page.get_by_role("dialog")
    expect(dialog.locator(".gate-decision")).to_contain_text("A gate refuses")
    button = dialog.get_by_role("button", name="Promote against the gates")
    expect(button).to_be_disabled()
    dialog.get_by_role("switch").click()
    expect(button).to_be_disabled()
    dialog.get_by_label("Reason").fill("for the drill")
    expect(button).to_be_enabled()
    page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)
    assert champion(site) == before


def test_a_drop_where_no_way_leads_says_why(page):
    page.goto("/models")
    version = page.get_by_role("article", name="Version 1 of buyers")
    version.drag_to(page.get_by_role("row").filter(has_text="buyers").get_by_role("cell").first)
    expect(page.get_by_text("No way leads from Production to None")).to_be_visible()


def test_two_people_at_once_and_the_second_is_told_what_the_first_did(page, site):
    with hr.connect(site) as store:
        logged = store.runs.model(store.models.resolve("models:/buyers/1").model_id)
        for _ in range(2):
            store.models.register(logged, "pairs")
        store.models.promote("pairs", 1, reason="the first")
    page.goto("/models")
    second = page.get_by_role("article", name="Version 2 of pairs")
    second.focus()
    page.keyboard.press("p")
    dialog = page.get_by_role("dialog")
    button = dialog.get_by_role("button", name="Promote", exact=True)
    expect(button).to_be_enabled()
    moved = httpx.post(f"{site}/api/v1/models/pairs/versions/2/stage", json={"to": "Staging", "reason": "by another"})
    assert moved.status_code == 200
    button.click()
    expect(dialog.get_by_role("alert")).to_contain_text("Somebody moved version 2 to Staging meanwhile")
    page.keyboard.press("Escape")
    staging = page.get_by_role("row").filter(has_text="pairs").get_by_role("cell").nth(1)
    expect(staging.get_by_role("article", name="Version 2 of pairs")).to_be_visible()


def test_a_version_tells_its_predictions_and_takes_a_card_and_a_request(page, site):
    page.expected_errors = ["Content Security Policy"]  # the markup in the card, which is parsed apart and thrown away
    page.goto("/models/buyers/1")
    predictions = page.get_by_role("region", name="Predictions")
    expect(predictions).to_contain_text("2 of 4")
    expect(predictions).to_contain_text("50%")
    predictions.get_by_role("link", name="request-0").click()
    expect(page.get_by_role("heading", name="prediction:request-0")).to_be_visible()
    page.goto("/models/buyers/2")
    card = page.get_by_role("region", name="Model card")
    card.get_by_role("button", name="Write").click()
    card.get_by_label("Card, Markdown").fill("Knows **visits**. <img src=x onerror=alert(1)>")
    card.get_by_role("button", name="Save").click()
    expect(card.get_by_text("Knows visits.")).to_be_visible()
    assert card.locator("img").count() == 0
    requests = page.get_by_role("region", name="Requests")
    requests.get_by_role("button", name="Ask for a move").click()
    page.get_by_label("Why", exact=True).fill("knows more")
    page.get_by_role("dialog").get_by_role("button", name="Ask", exact=True).click()
    expect(requests).to_contain_text(re.compile("asks for (Staging|Production)"))  # whichever comes next for it
    requests.get_by_label("What you say").fill("not on a Friday")
    requests.get_by_role("button", name="Comment").click()
    expect(requests.get_by_text("not on a Friday")).to_be_visible()
    requests.get_by_role("button", name="Withdraw").click()
    expect(requests).to_contain_text("withdrawn")


def test_a_run_whose_model_is_registered_says_so_and_proposes_its_next_version(page, site):
    run = next(one["run_id"] for one in httpx.get(f"{site}/api/v1/models/buyers").json()["versions"] if one["version"] == 2)
    page.goto(f"/runs/{run}")
    page.get_by_role("button", name="Register").click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_role("status")).to_contain_text("It is registered already, as buyers v2")
    expect(dialog.get_by_label("Registered model")).to_have_value("buyers")
    expect(dialog.get_by_role("button", name="Register one more version")).to_be_enabled()
    dialog.get_by_role("link", name="buyers v2").click()
    expect(page).to_have_url(re.compile("/models/buyers/2$"))


def test_texts_tags_and_aliases_are_written_versions_compared_and_ended_in_the_app(page, site):
    with hr.connect(site) as store:
        for version in (1, 2):
            store.models.register(store.runs.model(store.models.resolve(f"models:/buyers/{version}").model_id), "edited")
    page.emulate_media(reduced_motion="reduce")  # a colour on its way to another has no contrast of its own
    page.goto("/models/edited/2")
    page.get_by_role("button", name="More").click()
    page.get_by_role("menuitem", name="Edit description").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Description").fill("for *spring*")
    dialog.get_by_label("Owner").fill("growth")
    dialog.get_by_role("button", name="Add a tag").click()
    dialog.get_by_label("Value of tag 1").fill("search")
    expect(dialog.get_by_role("button", name="Save")).to_be_disabled()
    expect(dialog.get_by_role("alert")).to_contain_text("no name")
    dialog.get_by_label("Name of tag 1").fill("team")
    assert faults(page) == []
    dialog.get_by_role("button", name="Save").click()
    expect(dialog).to_have_count(0)
    expect(page.get_by_text("for spring")).to_be_visible()
    told = httpx.get(f"{site}/api/v1/models/edited").json()["versions"][0]
    assert (told["description"], told["owner"], told["tags"]) == ("for *spring*", "growth", {"team": "search"})
    page.get_by_role("button", name="More").click()
    page.get_by_role("menuitem", name="Aliases").click()
    dialog.get_by_label("New alias").fill("@nightly")
    dialog.get_by_label("New alias").press("Enter")
    expect(dialog.get_by_role("button", name="Remove @nightly")).to_be_visible()
    dialog.get_by_label("New alias").fill("champion")
    expect(dialog.get_by_role("button", name="Add")).to_be_enabled()  # the one before is done
    dialog.get_by_label("New alias").press("Enter")
    expect(dialog.get_by_role("alert")).to_contain_text("champion")
    page.expected_errors = ["400", "409", "422"]
    page.keyboard.press("Escape")
    expect(page.locator(".page-head").get_by_text("@nightly")).to_be_visible()
    compared = page.get_by_role("region", name="Compared")
    compared.get_by_label("Compared with").select_option("1")
    expect(page).to_have_url(re.compile("against=1"))
    row = compared.get_by_role("row").filter(has_text="columns")
    expect(row).to_contain_text("age,visits")
    lines = compared.get_by_role("row")
    differing = lines.count()
    compared.get_by_role("switch").click()
    expect(lines.nth(differing)).to_be_visible()  # what is equal is shown too
    assert faults(page) == []
    page.get_by_role("button", name="More").click()
    page.get_by_role("menuitem", name="Delete").click()
    dialog.get_by_role("button", name="Delete").click()
    expect(page.get_by_role("heading", name="edited")).to_be_visible()
    expect(page.get_by_role("table", name="Versions").get_by_role("link", name="v1")).to_be_visible()
    expect(page.get_by_role("table", name="Versions").get_by_role("link", name="v2")).to_have_count(0)
    page.get_by_role("button", name="More").click()
    page.get_by_role("menuitem", name="Delete").click()
    dialog.get_by_role("button", name="Delete").click()
    expect(page).to_have_url(re.compile("/models$"))
    assert httpx.get(f"{site}/api/v1/models/edited").status_code == 404
