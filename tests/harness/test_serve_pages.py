"""The history's pages in a real browser: nothing to complain of, by keyboard, for axe, in dark and light."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from typing import Any

import pytest
from serving import filled, served

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
CHROMIUM = os.environ.get("HIL_CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed")


ONCE = pytest.mark.parametrize("page", ["light"], indirect=True)
"""Of what is the same in the dark."""


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with served(filled(tmp_path_factory.mktemp("history"))) as server:
        yield server.url


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    playwright.expect.set_options(timeout=60_000)
    with playwright.sync_playwright() as tools:
        # Without the sandbox: root in a container cannot have it.
        opened = tools.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield opened
        opened.close()


@pytest.fixture(params=["light", "dark"])
def page(browser: Any, url: str, request: pytest.FixtureRequest) -> Iterator[Any]:
    context = browser.new_context(viewport={"width": 1300, "height": 900}, color_scheme=request.param)
    context.set_default_timeout(60_000)
    opened, complaints, asked = context.new_page(), [], []
    opened.on("console", lambda message: complaints.append(message.text))
    opened.on("pageerror", lambda error: complaints.append(str(error)))
    opened.on("dialog", lambda dialog: complaints.append(dialog.message))
    opened.on("request", lambda sent: asked.append(sent.url))
    yield opened
    context.close()
    assert not complaints
    assert all(address.startswith(url) for address in asked), asked


def test_pages_are_legible_for_all(page: Any, url: str) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    for target in ("", "scenario?title=comes+online", "run?key=key-23", "board?name=a&rig=lab", "quarantine"):
        page.goto(url + target)
        found = axe.run(page)
        assert found.violations_count == 0, f"{target}: {found.generate_report()}"
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), "nothing sticks out"


@ONCE
def test_nothing_sticks_out_of_a_narrow_window_or_a_printed_page(page: Any, url: str) -> None:
    targets = ("", "runs", "run?key=key-23", "scenarios", "scenario?title=comes+online", "boards", "quarantine")
    for target in (*targets, "board?name=a&rig=lab", "firmware?id=3", "measurements?name=time_to_online"):
        page.goto(url + target)
        for width, media in ((360, "screen"), (700, "print")):
            page.emulate_media(media=media)
            page.set_viewport_size({"width": width, "height": 800})
            assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), f"{target} at {width}, {media}"
            heights = page.evaluate("[...document.querySelectorAll('.strip')].map(s => s.clientHeight)")
            assert set(heights) <= {16}, "the heights of verdicts tell them apart"


@ONCE
def test_by_keyboard_from_what_broke_to_the_run(page: Any, url: str) -> None:
    page.goto(url)
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"
    page.get_by_role("link", name="keeps alive").first.focus()
    page.keyboard.press("Enter")
    page.wait_for_url("**/scenario?*")
    playwright.expect(page.locator("h1.title")).to_have_text("keeps alive")
    page.locator("summary").first.focus()
    page.keyboard.press("Enter")
    page.locator("details a[href^='/run']").first.focus()
    page.keyboard.press("Enter")
    page.wait_for_url("**/run?*")
    page.get_by_role("link", name="report.html").click()
    playwright.expect(page).to_have_title("report 23")


@ONCE
def test_the_filters_narrow_what_is_looked_at(page: Any, url: str) -> None:
    page.goto(url)
    page.locator("input[name=last]").fill("12")
    page.locator("select[name=board]").select_option("b")
    page.get_by_role("button", name="Show").click()
    page.wait_for_url("**/?last=12*")
    playwright.expect(page.locator("header")).to_contain_text("12 runs")
    page.get_by_role("link", name="Scenarios").click()
    page.wait_for_url("**/scenarios?last=12&board=b")
