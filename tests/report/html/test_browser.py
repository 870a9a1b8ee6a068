"""Tests of the page in a real browser: headless Chromium opens it from disk."""

from __future__ import annotations

import base64
import io
import re
import shutil
from contextlib import closing

import pytest

from fmbench.analysis.verdicts import VerdictKind
from tests.helpers.runs import WAIT_SECONDS

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
DRIVER = shutil.which("chromedriver")
SECTIONS = (
    "answer", "accuracies", "figures", "rows", "metrics", "against", "consistency", "mistakes",
    "missing", "reproduce", "provenance",
)  # fmt: skip
PHONE, TABLET, DESKTOP = 390, 1024, 1440
MAX_PRINTED_PAGES = 25

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
    driver.set_page_load_timeout(WAIT_SECONDS)
    yield driver
    driver.quit()


@pytest.fixture
def opened(browser, report):
    """The page, newly loaded."""
    browser.get_log("performance")
    size(browser, DESKTOP)
    browser.get(report.as_uri())
    return browser


def size(browser, width: int, scheme: str = "light") -> None:
    """Set the width of the window, and wait until the page is drawn so.

    The script of the page learns of new sizes when a frame is drawn, so it has done its work when
    the next one begins.
    """
    browser.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride",
        {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False},
    )
    features = [{"name": "prefers-color-scheme", "value": scheme}]
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
    browser.execute_async_script(
        "const done = arguments[0]; requestAnimationFrame(() => requestAnimationFrame(done))"
    )


def find(browser, selector: str):
    return browser.find_elements("css selector", selector)


def shown(browser) -> list[str]:
    """Labels of the visible rows of the table of accuracies, from top to bottom."""
    rows = find(browser, ".claim:not([hidden])")
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


def test_the_first_screen_says_which_claims_hold_and_the_chart_follows(opened):
    headings = [element.text for element in find(opened, ".sentences .about")]
    assert headings == [
        "Which claims hold", "What was claimed", "What an honest rerun gets", "Verdict",
        "What cannot be true", "What could explain it",
    ]  # fmt: skip
    for element in find(opened, ".sentences .about"):
        assert element.rect["y"] + element.rect["height"] < 900
    assert find(opened, ".sentences .part")[0].rect["y"] < 250
    [_, stories] = find(opened, ".sentences ul")
    assert "a second story" in stories.text.lower()
    for contradiction in find(opened, ".sentences .part:nth-last-child(2) li"):
        assert contradiction.rect["y"] + contradiction.rect["height"] < 900
    [chart], story = find(opened, ".dots"), find(opened, ".sentences")[0]
    below = chart.rect["y"] - story.rect["y"] - story.rect["height"]
    assert chart.is_displayed() and 0 < below < 250


def test_a_column_sorts_in_both_directions_and_missing_values_stay_last(opened):
    button = find(opened, "#rows_table > thead button")[3]
    assert button.text == "measured"

    def means() -> list[float | None]:
        cells = find(opened, ".claim > td:nth-child(4)")
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
    opened.find_element("id", "row_search").send_keys("lenet5")
    found = shown(opened)
    assert found[0] == "CNN-LeNet-5" and all("LeNet-5" in label for label in found)
    assert opened.find_element("id", "row_count").text == f"{len(found)} of {len(everything)} rows"
    opened.find_element("id", "row_search").clear()
    opened.execute_script("document.getElementById('row_search').dispatchEvent(new Event('input'))")
    assert shown(opened) == everything
    word = VerdictKind.REPRODUCED.word
    chip = next(c for c in find(opened, ".chip") if c.get_attribute("data-verdict") == word)
    opened.execute_script("arguments[0].scrollIntoView({block: 'center'})", chip)
    chip.click()
    found = find(opened, ".claim:not([hidden])")
    assert {row.get_attribute("data-verdict") for row in found} == {word}
    assert str(len(found)) == chip.find_element("tag name", "b").text


def read_matrix(browser, within: str) -> list[str]:
    cells = f"[...document.querySelectorAll('{within} .confusion td')].map(c => c.textContent)"
    return browser.execute_script(f"return {cells}")


def click_on_row(browser, runner: str):
    """Click on the first cell with a number of a row; return the row."""
    row = browser.find_element("id", runner)
    browser.execute_script("arguments[0].scrollIntoView({block: 'center'})", row)
    row.find_element("css selector", "td").click()
    return row


def find_opened(browser) -> list[str]:
    """The rows that are open: those with the panel directly below them."""
    rows = find(browser, ".claim:has(+ .opened)")
    chosen = find(browser, ".claim.chosen")
    assert rows == chosen == find(browser, '.claim:has(a[aria-expanded="true"])')
    return [row.get_attribute("id") for row in rows]


def test_a_clicked_row_opens_its_matrix_below_it_and_a_second_click_closes_it(opened):
    assert find_opened(opened) == []
    click_on_row(opened, "cnn-bn")
    assert find_opened(opened) == ["cnn-bn"]
    assert read_matrix(opened, ".opened") == read_matrix(opened, "#details-cnn-bn")
    [panel] = find(opened, ".opened")
    assert "predicted class" in panel.text and "true class" in panel.text
    assert "test of “the mean is within the margin”: p = 0.0025" in panel.text
    assert opened.execute_script("return location.hash") == "#cnn-bn"
    click_on_row(opened, "linear-svc")
    assert find_opened(opened) == ["linear-svc"]
    assert read_matrix(opened, ".opened") == read_matrix(opened, "#details-linear-svc")
    button = find(opened, "#rows_table > thead button")[3]
    opened.execute_script("arguments[0].scrollIntoView({block: 'center'})", button)
    button.click()
    assert find_opened(opened) == ["linear-svc"], "sorting leaves it below its row"
    click_on_row(opened, "linear-svc")
    assert find_opened(opened) == [] and opened.execute_script("return location.hash") == ""


def test_the_keyboard_opens_and_closes_a_row(opened):
    from selenium.webdriver.common.keys import Keys

    link = opened.find_element("css selector", "#sgd a")
    opened.execute_script("arguments[0].focus({preventScroll: true})", link)
    link.send_keys(Keys.ENTER)
    assert find_opened(opened) == ["sgd"]
    link.send_keys(Keys.TAB)
    inside = opened.switch_to.active_element
    assert find(opened, ".opened :focus") == [inside]
    inside.send_keys(Keys.ESCAPE)
    assert find_opened(opened) == [] and opened.switch_to.active_element == link


def test_a_link_that_names_a_row_opens_and_shows_it(browser, report):
    from selenium.webdriver.support.wait import WebDriverWait

    size(browser, DESKTOP)
    browser.get("about:blank")
    browser.get(f"{report.as_uri()}#lenet5")
    assert find_opened(browser) == ["lenet5"]
    top = browser.execute_script("return arguments[0].getBoundingClientRect().top",
                                 browser.find_element("id", "lenet5"))  # fmt: skip
    assert 0 <= top < 900
    background = "return getComputedStyle(document.getElementById(arguments[0])).backgroundColor"
    assert browser.execute_script(background, "lenet5") != browser.execute_script(background, "sgd")
    find(browser, '.opened a[href="#details-lenet5"]')[0].click()
    # The page opens the details in an event that comes after the click.
    WebDriverWait(browser, WAIT_SECONDS).until(
        lambda browser: browser.find_element("id", "details-lenet5").get_property("open")
    )


def test_the_page_is_complete_without_javascript(browser, report):
    browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    try:
        browser.get(report.as_uri())
        assert all(find(browser, f"section#{name}")[0].is_displayed() for name in SECTIONS)
        assert find(browser, "#confusion-matrix .confusion")[0].is_displayed()
        assert (
            find(browser, ".claim a")[0].get_attribute("href").endswith("#details-three-layer-nn")
        )
        assert not any(tools.is_displayed() for tools in find(browser, ".tools"))
        summary = find(browser, "details.row summary")[0]
        summary.click()
        assert find(browser, "details.row .inside")[0].is_displayed()
    finally:
        browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})


# Of all that is visible: what ends beyond the screen, unless it is in a box that scrolls and says
# so, and what is cut by a box that does not say so.
FIND_CUT = """
const hints = box => getComputedStyle(box, '::before').content.includes('scroll it sideways');
const boxes = [...document.querySelectorAll('.scroll')].filter(b => b.checkVisibility());
const silent = boxes.filter(b => b.scrollWidth > b.clientWidth + 1 && !hints(b));
const beyond = [...document.body.querySelectorAll('*')].filter(e =>
  e.checkVisibility() && !e.closest('.hidden, .skip, svg *, .track, .scroll.cut') &&
  e.getBoundingClientRect().right > innerWidth + 1);
return [...silent, ...beyond].map(e => `${e.className}: ${e.textContent}`.slice(0, 80));
"""


@pytest.mark.parametrize("width", [PHONE, TABLET, DESKTOP])
def test_no_width_cuts_anything_or_hides_a_column_without_a_word(opened, width):
    click_on_row(opened, "lenet5")
    opened.execute_script("document.getElementById('details-lenet5').open = true")
    for scheme in ("light", "dark"):
        size(opened, width, scheme)
        assert opened.execute_script("return document.documentElement.scrollWidth") == width
        assert opened.execute_script(FIND_CUT) == []
    hint, optional = find(opened, ".narrower")[0], find(opened, ".claim > .optional")[0]
    assert hint.is_displayed() == (width < DESKTOP) != optional.is_displayed()
    if hint.is_displayed():
        assert "source, one new run, control, margin needed, p within and p beyond" in hint.text
    [bars], [speed] = find(opened, "#speed .bars"), find(opened, "#speed .wide")
    assert (bars.is_displayed(), speed.is_displayed()) == (width == PHONE, width != PHONE)
    for selector in ("nav a", ".opened .confusion td", ".opened .by-class td:last-child",
                     "#reproduce td code", ".matches tbody td:not(.empty)"):  # fmt: skip
        last = find(opened, selector)[-1]
        assert last.is_displayed(), selector
        assert last.rect["x"] >= 0
        assert last.rect["x"] + last.rect["width"] <= width
    # No text is smaller than a person can read: in pixels of the screen.
    smallest = opened.execute_script(
        "return Math.min(...[...document.querySelectorAll('svg text, .dots span, td')]"
        ".filter(t => t.textContent.trim() && t.checkVisibility())"
        ".map(t => t.getBoundingClientRect().height).filter(h => h > 0))"
    )
    assert smallest >= 9


@pytest.mark.parametrize("width", [PHONE, TABLET, DESKTOP])
def test_every_width_shows_the_verdict_by_the_sources_protocol_once(opened, width):
    size(opened, width)
    found = opened.execute_script(
        "return [...document.querySelectorAll('.claim:has(.second)')].map(r => "
        "[...r.querySelectorAll('.second, .verdict-cell + td')].map(e => e.checkVisibility()))"
    )
    assert found
    assert all(shown == ([False, True] if width == DESKTOP else [True, False]) for shown in found)


def test_the_printed_page_is_complete_and_short(opened):
    from pypdfium2 import PdfDocument

    click_on_row(opened, "lenet5")  # what is open on the screen changes nothing
    options = {"printBackground": True, "preferCSSPageSize": True}
    printed = opened.execute_cdp_cmd("Page.printToPDF", options)
    with closing(PdfDocument(base64.b64decode(printed["data"]))) as pages:
        assert 10 < len(pages) <= MAX_PRINTED_PAGES
        text = " ".join(page.get_textpage().get_text_range() for page in pages)
    text = re.sub(r"\s+", " ", text)
    for words in ("Which claims hold", "Table 3: claimed and measured", "Figure 7, measured",
                  "Learning curves of cnn-bn.", "fmbench run perceptron --seeds 5",
                  "Not printed: every story that was measured"):  # fmt: skip
        assert words in text, words
    assert "Recipe, seeds, learning curves and environment" not in text, "of the opened row"
    assert not any("open" in row.get_attribute("outerHTML")[:120]
                   for row in find(opened, "details.row")), "as before"  # fmt: skip


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_no_serious_accessibility_problem(opened, scheme):
    from axe_core_python.selenium import Axe

    click_on_row(opened, "lenet5")
    size(opened, DESKTOP, scheme)
    opened.execute_script("document.getElementById('details-lenet5').open = true")
    # Keep a few of what is there many times. With the rest, the check takes minutes.
    opened.execute_script(
        "for (const part of document.querySelectorAll("
        "'details.row:not([open]), details.long, .claim:not(.chosen):nth-child(n + 8), '"
        " + '.dot-row:nth-child(n + 4), .images li:nth-child(n + 3), .stack tr:nth-child(n + 4), '"
        " + '.matches tr:nth-child(n + 4), .bars tr:nth-child(n + 4)')) part.remove();"
        "for (const svg of document.querySelectorAll('svg')) svg.replaceChildren();"
    )
    found = Axe().run(opened, None, {"resultTypes": ["violations"]})["violations"]
    assert [v for v in found if v["impact"] in ("serious", "critical")] == []


def test_figures_follow_the_colours_of_the_page(opened):
    from PIL import Image

    brightness = {}
    for scheme in ("light", "dark"):
        size(opened, DESKTOP, scheme)
        shot = Image.open(io.BytesIO(find(opened, "#speed svg")[0].screenshot_as_png))
        levels = sorted(shot.convert("L").tobytes())
        brightness[scheme] = (levels[len(levels) // 2], levels[len(levels) // 2000],
                              levels[-len(levels) // 2000])  # fmt: skip
    background, darkest, _ = brightness["light"]
    assert background > 240 and darkest < 60
    background, _, brightest = brightness["dark"]
    assert background < 60 and brightest > 200
