"""Tests of the page in a real browser: headless Chromium opens it from disk."""

from __future__ import annotations

import io
import re
import shutil

import pytest

from fmbench.analysis.verdicts import VerdictKind
from tests.helpers.runs import WAIT_SECONDS

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
DRIVER = shutil.which("chromedriver")
SECTIONS = (
    "answer", "accuracies", "confusion", "figures", "rows", "metrics", "consistency", "mistakes",
    "missing", "reproduce", "provenance",
)  # fmt: skip
WIDTHS = (360, 800, 1400)

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        CHROMIUM is None or DRIVER is None,
        reason="needs a browser: apt-get install chromium chromium-driver",
    ),
]


@pytest.fixture(scope="module")
def browser():
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    # Chromium has no sandbox for root, and a container has little shared memory.
    for flag in (
        "headless=new",
        "no-sandbox",
        "disable-dev-shm-usage",
        "disable-gpu",
        "hide-scrollbars",
    ):
        options.add_argument(f"--{flag}")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    service = webdriver.ChromeService(executable_path=DRIVER)
    driver = webdriver.Chrome(options=options, service=service)
    driver.set_script_timeout(WAIT_SECONDS)
    yield driver
    driver.quit()


@pytest.fixture
def opened(browser, report):
    """The page, newly loaded."""
    browser.get_log("performance")
    size(browser, 1400)
    browser.get(report.as_uri())
    return browser


def size(browser, width: int, scheme: str = "light") -> None:
    browser.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride",
        {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False},
    )
    features = [{"name": "prefers-color-scheme", "value": scheme}]
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})


def find(browser, selector: str):
    return browser.find_elements("css selector", selector)


def shown(browser) -> list[str]:
    """Labels of the visible rows of the table of accuracies, from top to bottom."""
    rows = find(browser, "#rows-table tbody tr:not([hidden])")
    return [row.find_element("css selector", "th a").get_property("textContent") for row in rows]


def test_the_page_logs_no_error_and_loads_nothing_else(opened, report):
    assert opened.get_log("browser") == []
    log = " ".join(entry["message"] for entry in opened.get_log("performance"))
    asked = set(re.findall(r'"Network\.requestWillBeSent".*?"url":"([^"]+)"', log))
    assert report.as_uri() in asked
    assert {url for url in asked if not url.startswith("data:")} == {report.as_uri()}


def test_every_section_has_text_and_a_link_in_the_navigation(opened):
    for name in SECTIONS:
        [section] = find(opened, f"section#{name}")
        assert len(section.text) > 100, name
        assert find(opened, f'nav a[href="#{name}"]'), name


def test_the_first_screen_tells_the_story_and_the_chart_follows(opened):
    headings = [element.text for element in find(opened, ".sentences .about")]
    assert headings == [
        "What was claimed", "What an honest rerun gets", "Verdict", "The other claims",
        "What cannot be true", "What could explain it",
    ]  # fmt: skip
    for element in find(opened, ".sentences .about"):
        assert element.rect["y"] + element.rect["height"] < 900
    [_, stories] = find(opened, ".sentences ul")
    assert "a second story" in stories.text.lower()
    for contradiction in find(opened, ".sentences .part:nth-last-child(2) li"):
        assert contradiction.rect["y"] + contradiction.rect["height"] < 900
    [chart], story = find(opened, "#dot-plot .wide svg"), find(opened, ".sentences")[0]
    below = chart.rect["y"] - story.rect["y"] - story.rect["height"]
    assert chart.is_displayed() and 0 < below < 250


def test_a_column_sorts_in_both_directions_and_missing_values_stay_last(opened):
    button = find(opened, "#rows-table thead button")[3]
    assert button.text == "measured"

    def means() -> list[float | None]:
        cells = find(opened, "#rows-table tbody td:nth-child(4)")
        values = [cell.get_attribute("data-value") for cell in cells]
        return [float(value) if value else None for value in values]

    before = means()
    known = sorted(value for value in before if value is not None)
    missing = [None] * (len(before) - len(known))
    assert before != [*known, *missing]
    button.click()
    assert means() == [*known, *missing]
    assert find(opened, 'th[aria-sort="ascending"]')[0].text.startswith("measured")
    button.click()
    assert means() == [*reversed(known), *missing]


def test_the_search_and_the_verdict_filter_the_rows(opened):
    everything = shown(opened)
    opened.find_element("id", "search").send_keys("lenet5")
    found = shown(opened)
    assert found[0] == "CNN-LeNet-5" and all("LeNet-5" in label for label in found)
    assert opened.find_element("id", "shown").text == f"{len(found)} of {len(everything)} rows"
    opened.find_element("id", "search").clear()
    opened.execute_script("document.getElementById('search').dispatchEvent(new Event('input'))")
    assert shown(opened) == everything
    word = VerdictKind.REPRODUCED.word
    chip = next(c for c in find(opened, ".chip") if c.get_attribute("data-verdict") == word)
    opened.execute_script("arguments[0].scrollIntoView({block: 'center'})", chip)
    chip.click()
    found = find(opened, "#rows-table tbody tr:not([hidden])")
    assert {row.get_attribute("data-verdict") for row in found} == {word}
    assert str(len(found)) == chip.find_element("tag name", "b").text


def test_the_confusion_matrix_follows_the_chosen_row(opened):
    def matrix(within: str) -> list[str]:
        cells = f"[...document.querySelectorAll('{within} .confusion td')].map(c => c.textContent)"
        return opened.execute_script(f"return {cells}")

    assert matrix("#chosen-matrix") == matrix(f"#{anchor_of(opened, 'lenet5')}")
    row = opened.find_element("css selector", f'tr[data-section="{anchor_of(opened, "cnn-bn")}"]')
    opened.execute_script("arguments[0].scrollIntoView({block: 'center'})", row)
    row.find_element("css selector", "td").click()
    assert matrix("#chosen-matrix") == matrix(f"#{anchor_of(opened, 'cnn-bn')}")
    assert find(opened, "tr.chosen")[0].get_attribute("data-section") == anchor_of(opened, "cnn-bn")
    select = opened.find_element("id", "chosen")
    option = select.find_element(
        "css selector", f'option[value="{anchor_of(opened, "linear-svc")}"]'
    )
    option.click()
    assert matrix("#chosen-matrix") == matrix(f"#{anchor_of(opened, 'linear-svc')}")


def anchor_of(browser, runner: str) -> str:
    return browser.execute_script(
        "return [...document.querySelectorAll('details.row')]"
        f".find(d => d.querySelector('small').textContent === '{runner}').id"
    )


def test_a_link_to_a_row_opens_its_details(opened):
    from selenium.webdriver.support.wait import WebDriverWait

    anchor = anchor_of(opened, "sgd")
    assert not opened.find_element("id", anchor).get_property("open")
    opened.find_element("css selector", f'#rows-table a[href="#{anchor}"]').click()
    # The page opens the details in an event that comes after the click.
    WebDriverWait(opened, WAIT_SECONDS).until(
        lambda browser: browser.find_element("id", anchor).get_property("open")
    )


def test_the_page_is_complete_without_javascript(browser, report):
    browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    try:
        browser.get(report.as_uri())
        assert all(find(browser, f"section#{name}")[0].is_displayed() for name in SECTIONS)
        assert find(browser, "#chosen-matrix .confusion")[0].is_displayed()
        assert not any(tools.is_displayed() for tools in find(browser, ".tools"))
        summary = find(browser, "details.row summary")[0]
        summary.click()
        assert find(browser, "details.row .inside")[0].is_displayed()
    finally:
        browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})


@pytest.mark.parametrize("width", WIDTHS)
def test_the_page_fits_every_width_and_its_text_is_large_enough(opened, width):
    size(opened, width)
    assert opened.execute_script("return document.documentElement.scrollWidth") == width
    wide, narrow = find(opened, "#dot-plot .wide")[0], find(opened, "#dot-plot .narrow")[0]
    assert (wide.is_displayed(), narrow.is_displayed()) == (width > 640, width <= 640)
    # The height of the smallest text in the chart, in pixels of the screen.
    smallest = opened.execute_script(
        "return Math.min(...[...document.querySelectorAll('#dot-plot text')]"
        ".map(t => t.getBoundingClientRect().height).filter(h => h > 0))"
    )
    assert smallest >= 9


@pytest.mark.parametrize("width", [360, 700, 1024, 1400])
def test_every_width_shows_the_verdict_by_the_sources_protocol_once(opened, width):
    size(opened, width)
    row = "#rows-table tr:has(.second)"
    found = opened.execute_script(
        f"return [...document.querySelectorAll('{row}')].map(r => [...r.querySelectorAll("
        "'.second, .verdict-cell + td')].map(e => e.offsetParent !== null))"
    )
    assert found
    assert all(shown == ([False, True] if width > 1050 else [True, False]) for shown in found)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_no_serious_accessibility_problem(opened, scheme):
    from axe_core_python.selenium import Axe

    size(opened, 1400, scheme)
    anchor = anchor_of(opened, "lenet5")
    opened.execute_script(f"document.getElementById('{anchor}').open = true")
    # Keep one row's details and the descriptions of the figures. Without the rest, the check takes
    # seconds.
    opened.execute_script(
        "for (const row of document.querySelectorAll('details.row:not([open])')) row.remove();"
        "for (const svg of document.querySelectorAll('svg')) svg.replaceChildren();"
    )
    found = Axe().run(opened, None, {"resultTypes": ["violations"]})["violations"]
    assert [v for v in found if v["impact"] in ("serious", "critical")] == []


def test_figures_follow_the_colours_of_the_page(opened):
    from PIL import Image

    brightness = {}
    for scheme in ("light", "dark"):
        size(opened, 1400, scheme)
        shot = Image.open(io.BytesIO(find(opened, "#dot-plot .wide svg")[0].screenshot_as_png))
        levels = sorted(shot.convert("L").tobytes())
        brightness[scheme] = (levels[len(levels) // 2], levels[len(levels) // 2000],
                              levels[-len(levels) // 2000])  # fmt: skip
    background, darkest, _ = brightness["light"]
    assert background > 240 and darkest < 60
    background, _, brightest = brightness["dark"]
    assert background < 60 and brightest > 200
