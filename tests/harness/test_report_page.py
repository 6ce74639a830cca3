"""The report's page in a real browser: pointer, keys, colours, paper, and text that tries to get out of its place."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hostile_run import ATTACKS, hostile_run
from run_folders import failing_run, whole_life

from hil.report import files, runs
from hil.report.legible import legible
from hil.watch.filtering import FilterError, parse
from hil.watch.row import Row

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
expect = playwright.expect
CHROMIUM = os.environ.get("HIL_CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed")


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    playwright.expect.set_options(timeout=60_000)
    with playwright.sync_playwright() as tools:
        # Without the sandbox: root in a container cannot have it.
        opened = tools.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield opened
        opened.close()


@pytest.fixture(scope="module")
def failing(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return written(failing_run(tmp_path_factory.mktemp("runs") / "failing"))


def written(folder: Path) -> Path:
    files.write(runs.read(folder), ["html"])
    return folder / "report.html"


class Window:
    """A page of the browser, and all that it complained about or asked the network for."""

    def __init__(self, browser: Any, **options: Any) -> None:
        self.context = browser.new_context(viewport={"width": 1400, "height": 1000}, **options)
        self.context.set_default_timeout(60_000)
        self.page = self.context.new_page()
        self.complaints: list[str] = []
        self.asked: list[str] = []
        self.page.on("console", lambda m: self.complaints.append(f"{m.type}: {m.text}"))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("dialog", lambda dialog: self.complaints.append(f"dialog {dialog.message}"))
        self.page.on("request", lambda request: self.asked.append(request.url))

    def open(self, path: Path, address: str = "") -> Any:
        self.page.goto(f"file://{path}{address}")
        self.page.wait_for_selector("html[data-ready]")
        return self.page


@pytest.fixture
def window(browser: Any) -> Iterator[Window]:
    opened = Window(browser)
    yield opened
    opened.context.close()
    assert not opened.complaints
    assert all(url.startswith("file:") for url in opened.asked), opened.asked


def ink(page: Any) -> str:
    """What is painted on the picture, when all that glides has come to rest."""
    before = None
    while True:
        page.wait_for_timeout(150)
        now = str(page.evaluate("document.getElementById('picture').toDataURL()"))
        if now == before:
            return now
        before = now


def in_lane(page: Any, name: str, share: float) -> dict[str, float]:
    """A point in a lane, for the pointer; `share` of the plot's width."""
    row = page.locator("#p-lanes button").all_inner_texts().index(name)
    box = page.locator("#picture").bounding_box()
    return {"x": box["x"] + 124 + (box["width"] - 132) * share, "y": box["y"] + 64 + row * 40 + 24}


def test_pointer(window: Window, failing: Path) -> None:
    page = window.open(failing)
    assert page.locator("#matrix tbody:not(.outside) tr").count() == 6
    page.click("#matrix a[data-verdict=FAIL]")
    expect(page.locator("#d-title")).to_have_text("last will after a power cut")
    expect(page.locator("#d-why")).to_contain_text("will <[redacted]>")
    whole = ink(page)

    # Where in its lane the set-up lies depends on how busy the host was that wrote the run.
    tip = page.locator("#tip:not([hidden])")
    for number in range(300):
        page.mouse.move(**in_lane(page, "test", (number % 19 + 1) / 20))
        page.wait_for_timeout(100)
        if tip.count() and tip.inner_text().startswith(("setup", "test.")):
            break
    else:
        pytest.fail("nothing in the lane of the test says what it is")
    page.mouse.wheel(0, -600)
    zoomed = ink(page)
    assert zoomed != whole
    page.mouse.down()
    page.mouse.move(**in_lane(page, "power", 0.5))
    page.mouse.up()
    assert ink(page) != zoomed
    page.click("#p-fit")

    page.locator(".cause[open] .evidence").first.click()
    assert page.locator("#event-box h3").inner_text().startswith(("gateway.", "board."))
    expect(page.locator("#list .row[aria-selected=true]")).to_have_count(1)
    page.locator("#list .row", has_text="provision.done").click()
    assert "CN=esp32-a" in page.locator("#event-box").inner_text()
    page.click("#p-failure")
    assert "#" in page.locator("#event-box dl").inner_text()

    page.fill("#p-filter", "ELSEWHERE/status")
    expect(page.locator("#list .row")).to_have_count(6)
    assert page.locator("#p-count").inner_text().startswith("6 of ")
    page.fill("#p-filter", "")
    page.click("#p-lanes button[data-lane=console]")
    expect(page.locator("#list .row", has_text="console.line")).to_have_count(0)
    page.click("#p-lanes button[data-lane=console]")
    page.click("#tab-console")
    expect(page.locator("#list .row .text")).to_have_text(["E (120) mqtt: connect failed", "password [redacted]"] * 3)
    page.click("#tab-failure")
    assert "AssertionError" in page.locator("#pane-failure").inner_text()

    page.click("#d-back")
    assert page.locator("#overview").is_visible()
    page.click(".count[data-verdict=WARN]")
    assert page.locator("#matrix tbody:not(.outside) tr:visible").count() == 1
    page.click(".count[data-verdict=WARN]")
    assert page.locator("#matrix tbody:not(.outside) tr:visible").count() == 6


def test_keys(window: Window, failing: Path) -> None:
    page = window.open(failing)
    press = page.keyboard.press
    press("/")
    page.keyboard.type("wheels")
    assert page.locator("#matrix-empty").is_visible()
    press("Escape")
    press("Escape")
    assert page.locator("#matrix tbody:not(.outside) tr:visible").count() == 6
    page.locator("#matrix a[tabindex='0']").focus()
    press("ArrowDown")
    assert "WARN" in page.evaluate("document.activeElement.getAttribute('aria-label')")
    press("ArrowUp")
    press("Enter")
    page.wait_for_selector("#detail:not([hidden])")
    whole = ink(page)
    press("f")
    failed = page.locator("#event-box dl").inner_text()
    assert ink(page) != whole
    press("p")
    assert page.locator("#event-box dl").inner_text() != failed
    press("n")
    assert page.locator("#event-box dl").inner_text() == failed
    press("0")
    page.locator("#picture").focus()
    for key in ("+", "ArrowRight", "-", "ArrowLeft", "Home", "PageDown"):
        press(key)
        ink(page)
    press("ArrowUp")
    lane = page.locator("#event-box h3").inner_text()
    press("ArrowUp")
    assert page.locator("#event-box h3").inner_text() != lane
    press("?")
    assert page.locator("#help").is_visible()
    press("Escape")
    assert page.locator("#detail").is_visible()
    page.locator("#tab-events").focus()
    press("ArrowRight")
    assert page.locator("#tab-console").get_attribute("aria-selected") == "true"
    press("]")
    page.locator("#d-title", has_text="test_warns").wait_for()
    press("[")
    page.locator("#d-title", has_text="last will").wait_for()
    press("Escape")
    assert page.locator("#overview").is_visible()
    assert "FAIL" in page.evaluate("document.activeElement.getAttribute('aria-label')")


def test_filters_are_those_of_hil_watch(window: Window, tmp_path: Path) -> None:
    run = runs.read(failing_run(tmp_path / "run"))
    (failed,) = [result for result in run.results if result.verdict == "FAIL"]
    rows = [Row(event) for event in run.events_of(failed)]
    page = window.open(written(run.folder))
    page.click("#matrix a[data-verdict=FAIL]")
    for text in (
        *("connect", "CONNACK code=0", '"connect failed"', "connection=2 -close", "is:bad", "is:bad,good -console"),
        *("kind:tls", "kind:conn*", "source:gateway -is:plain", "lane:mqtt-to-device", "LANE:mqtt* -kind:connect"),
        *("rst:0x1", "kind:.*", '-"connect failed" -gateway'),
    ):
        page.fill("#p-filter", text)
        fits = sum(map(parse(text), rows))
        expect(page.locator("#p-count")).to_have_text(f"{fits} of {len(rows)}")
    for text in ("is:purple", "kind:"):
        page.fill("#p-filter", text)
        with pytest.raises(FilterError) as refused:
            parse(text)
        assert page.locator("#p-count").inner_text() == str(refused.value).replace("'", "")


def test_a_number_leads_to_its_event(window: Window, tmp_path: Path) -> None:
    """Also where another worker's test, or none, has it; from a diagnosis, the address, or the filter."""
    page = window.open(written(whole_life(failing_run(tmp_path / "run", "gw0"), "gw1")))
    page.click("#matrix .outside a >> nth=-1")
    expect(page.locator("#d-title")).to_have_text("Outside of tests")
    expect(page.locator("#d-badge")).to_be_hidden()
    page.click("#p-failure")
    expect(page.locator("#event-box h3")).to_have_text("guardian.ended")
    page.click("#event-box a")
    last = page.locator("#event-box a").inner_text()
    assert page.evaluate("location.hash") == f"#event-{last[1:]}"
    page.evaluate("location.hash = ''")

    page.click("#matrix a[data-verdict=FAIL]")
    evidence = page.locator(".cause[open] .evidence").first
    number = evidence.get_attribute("title").split()[1]
    page.fill("#p-filter", number)
    expect(page.locator("#list .row")).to_have_count(1)
    page.fill("#p-filter", last)
    expect(page.locator("#list .row")).to_have_count(0)
    page.keyboard.press("Enter")
    expect(page.locator("#event-box h3")).to_have_text("guardian.ended")
    page.fill("#p-filter", number)
    page.keyboard.press("Enter")
    expect(page.locator("#d-title")).to_have_text("last will after a power cut")
    expect(page.locator("#event-box a")).to_have_text(number)
    expect(page.locator("#list .row[aria-selected=true]")).to_have_count(1)

    page.evaluate("location.hash = '#event-99999'")
    expect(page.locator("#no-event")).to_have_text("There is no event #99999 in this run.")
    assert page.locator("#overview").is_visible()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_is_accessible_in_both_schemes(browser: Any, failing: Path, scheme: str) -> None:
    """By axe-core, contrast of colours and names of controls included."""
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe-playwright-python is not installed")
    window = Window(browser, color_scheme=scheme, reduced_motion="reduce", bypass_csp=True)
    page = window.open(failing)
    for address in ("", "#test-0"):
        page.evaluate(f"location.hash = '{address}'")
        page.wait_for_timeout(100)
        found = axe.Axe().run(page)
        assert found.violations_count == 0, found.generate_report()
    ground = page.evaluate("getComputedStyle(document.documentElement).backgroundColor")
    assert (sum(map(int, ground[4:-1].split(","))) > 384) == (scheme == "light")
    page.keyboard.press("t")
    page.keyboard.press("t")
    assert page.evaluate("getComputedStyle(document.documentElement).colorScheme") == "dark"
    window.context.close()
    assert not window.complaints


def test_on_paper(browser: Any, failing: Path) -> None:
    window = Window(browser, color_scheme="dark")
    page = window.open(failing, "#test-0")
    dark = ink(page)
    page.emulate_media(media="print", color_scheme="dark")
    assert ink(page) != dark
    corner = "[...document.getElementById('picture').getContext('2d').getImageData(20, 170, 1, 1).data].slice(0, 3)"
    assert min(page.evaluate(corner)) > 200, "dark lanes on paper"
    assert not page.locator("#list").is_visible()
    for cause in page.locator(".cause").all():
        cause.evaluate("e => e.open = false")
        assert cause.locator("p").first.bounding_box()["height"] > 10, "on paper nobody can open it"
    assert page.pdf().startswith(b"%PDF")
    page.emulate_media(media="screen", color_scheme="dark")
    ink(page)
    assert max(page.evaluate(corner)) < 100
    window.context.close()


def test_on_a_phone_tables_are_scrolled_and_not_squeezed(browser: Any, failing: Path) -> None:
    window = Window(browser)
    page = window.open(failing)
    page.set_viewport_size({"width": 390, "height": 844})
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    for cell in page.locator(".images td:last-child, .about .wide td").all():
        assert cell.bounding_box()["width"] > 80, cell.inner_text()
    window.context.close()
    assert not window.complaints


def test_what_is_not_in_sight_is_said_in_the_picture(browser: Any, failing: Path) -> None:
    window = Window(browser, reduced_motion="reduce")
    page = window.open(failing, "#test-0")
    page.evaluate(
        """() => {
            const fill = CanvasRenderingContext2D.prototype.fillText;
            window.painted = [];
            CanvasRenderingContext2D.prototype.fillText = function (words, ...where) {
                window.painted.push(words);
                fill.call(this, words, ...where);
            };
        }"""
    )

    def painted() -> set[str]:
        page.evaluate("window.painted = []")
        page.keyboard.press("t")  # paints all anew
        return set(page.evaluate("window.painted"))

    tags = {"failed", "failed →", "← failed"}
    assert painted() & tags == {"failed"}
    for _ in range(6):
        page.keyboard.press("+")
    box = page.locator("#picture").bounding_box()
    page.mouse.click(box["x"] + 126, box["y"] + 20)  # the beginning of the strip
    assert painted() & tags == {"failed →"}
    page.mouse.click(box["x"] + box["width"] - 10, box["y"] + 20)
    page.locator("#picture").focus()
    for _ in range(9):
        page.keyboard.press("PageDown")
    assert painted() & tags == {"← failed"}
    assert "nothing" in painted()
    page.fill("#p-filter", "nowhere")
    page.locator("#picture").focus()
    assert {"nothing", "nothing fits"} & painted() == {"nothing fits"}
    window.context.close()
    assert not window.complaints


def test_without_scripts_the_first_page_is_there(browser: Any, failing: Path) -> None:
    window = Window(browser, java_script_enabled=False)
    window.page.goto(f"file://{failing}")
    assert "The last will's topic is not allowed" in window.page.locator("#overview").inner_text()
    assert window.page.locator("#matrix tbody:not(.outside) tr").count() == 6
    window.context.close()


def test_hostile_text_stays_text(window: Window, tmp_path: Path) -> None:
    page = window.open(written(hostile_run(tmp_path / "hostile")))
    assert page.title().startswith("✕ virtual")
    page.click("#matrix a[data-verdict=FAIL]")
    everything = legible(" ".join(ATTACKS))
    assert page.locator("#d-title").evaluate("e => e.textContent") == everything
    seen = [page.locator("#event-box").evaluate("e => e.textContent")]
    page.locator("#list").focus()
    while "provision.done" not in seen[-1]:
        page.keyboard.press("ArrowDown")
        page.wait_for_function("told => document.getElementById('event-box').textContent !== told", arg=seen[-1])
        seen.append(page.locator("#event-box").evaluate("e => e.textContent"))
    for attack in ATTACKS:
        assert sum(legible(attack) in text for text in seen) >= 3, attack
    assert any("ff fe 00 80" in text for text in seen)
    page.click("#tab-console")
    expect(page.locator("#list .row", has_text="<b><b><b>")).to_have_count(1)
    assert page.evaluate("document.documentElement.scrollWidth") <= 1400
    page.click("#tab-failure")
    assert everything in page.locator("#pane-failure pre").first.evaluate("e => e.textContent")
    for row in range(page.locator("#p-lanes button").count()):
        for share in (0.02, 0.5, 0.98):
            page.mouse.move(**in_lane(page, page.locator("#p-lanes button").nth(row).inner_text(), share))
    page.click("#d-back")
    page.click("#matrix .outside a")
    expect(page.locator("#list .row")).to_have_count(1)
    expect(page.locator("#list .row")).to_contain_text(ATTACKS[0])
    assert page.evaluate("window.pwned") is None
    assert page.evaluate("({}).polluted") is None
    assert page.locator("iframe, img, svg, base, #main script").count() == 0
