"""The page in a real headless Chromium: it loads without a word on the console, and its controls do what they say."""

import os
import shutil
import tempfile
import time

import pytest
from PIL import Image
from run_folders import make, write_run
from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
DRIVER = shutil.which("chromedriver")
FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync", "--hide-scrollbars",
)  # fmt: skip

pytestmark = pytest.mark.skipif(
    (CHROMIUM is None or DRIVER is None) and "CI" not in os.environ,
    reason="needs chromium and chromedriver (apt-get install chromium chromium-driver)",
)


@pytest.fixture(scope="module")
def browser():
    with tempfile.TemporaryDirectory() as profile:
        options = webdriver.ChromeOptions()
        options.binary_location = CHROMIUM
        for flag in (*FLAGS, f"--user-data-dir={profile}", "--window-size=1280,900"):
            options.add_argument(flag)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
        driver = webdriver.Chrome(options=options, service=Service(DRIVER))
        driver.set_page_load_timeout(120)
        driver.set_script_timeout(60)
        yield driver
        driver.quit()


@pytest.fixture
def page(browser, result):
    """The report, freshly opened, with its first charts drawn."""
    browser.get("about:blank")
    browser.get((result.out / "report.html").as_uri())
    until(lambda: lines(browser) > 0)
    return browser


def until(true, seconds=60):
    """Waits for something that the page does in its own time."""
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "the page did not do it"
        time.sleep(0.05)


def lines(page):
    """Curves drawn in the first chart, those of the bands left out."""
    return page.execute_script(
        "const plot = document.querySelector('.plot'); return (plot.data || []).filter((t) => t.name).length"
    )


def choose(page, control, value):
    page.execute_script(
        "const c = document.querySelector(arguments[0]); c.value = arguments[1];"
        "c.dispatchEvent(new Event('input')); c.dispatchEvent(new Event('change'))", control, value,
    )  # fmt: skip


def shown(page, table):
    rows = page.find_elements(By.CSS_SELECTOR, f"#{table} tbody tr")
    return [row.text for row in rows if row.is_displayed()]


def test_loads_without_a_word_on_the_console(page):
    assert page.title.endswith("rewardlab report")
    assert lines(page) == 4
    assert page.get_log("browser") == []


def test_the_first_screen_answers(page):
    answer = page.find_element(By.CSS_SELECTOR, "h1")
    assert "ahead by area" in answer.text
    assert answer.location["y"] + answer.size["height"] < 900


def test_a_filter_changes_the_table(page):
    field = page.find_element(By.CSS_SELECTOR, "input[data-filter=sample-efficiency]")
    assert len(shown(page, "sample-efficiency")) == 8
    field.send_keys("8x8 rnd")
    (row,) = shown(page, "sample-efficiency")
    assert "doorkey_8x8" in row
    assert "1 of 8 rows" in page.find_element(By.CSS_SELECTOR, "[data-count=sample-efficiency]").text


def test_a_header_sorts(page):
    def first():
        return page.find_element(By.CSS_SELECTOR, "#sample-efficiency tbody tr").text

    header = page.find_elements(By.CSS_SELECTOR, "#sample-efficiency th button")[6]
    page.execute_script("arguments[0].click()", header)
    assert "none" in first()  # the smallest area
    page.execute_script("arguments[0].click()", header)
    assert "rnd" in first()


def test_a_click_on_the_legend_hides_a_curve(page):
    chip = page.find_element(By.CSS_SELECTOR, "#curves .chip")
    page.execute_script("arguments[0].click()", chip)
    until(lambda: lines(page) == 3)
    assert chip.get_attribute("aria-pressed") == "false"
    page.execute_script("arguments[0].click()", chip)
    until(lambda: lines(page) == 4)


def test_metric_and_axis_can_be_chosen(page):
    choose(page, "[data-choice=metric]", "bonus")
    until(lambda: lines(page) == 3)  # all but the baseline
    assert page.execute_script("return document.querySelector('.plot').layout.yaxis.type") == "log"
    choose(page, "[data-choice=axis]", "log")
    until(lambda: page.execute_script("return document.querySelector('.plot').layout.xaxis.type") == "log")
    choose(page, "[data-choice=metric]", "explore:states")
    until(lambda: lines(page) == 1)
    assert page.get_log("browser") == []


def test_runs_are_listed_filtered_and_opened(page):
    assert len(shown(page, "runs-table")) == 40
    choose(page, "#runs-filter", "8x8 icm")
    assert len(shown(page, "runs-table")) == 5
    page.execute_script("document.querySelector('#runs-table .link').click()")
    dialog = page.find_element(By.ID, "run")
    until(dialog.is_displayed)
    text = dialog.text
    assert "icm on doorkey_8x8, seed 0" in text
    assert "rewardlab run --config" in text
    assert "rewardlab run env=doorkey_8x8 reward=icm seed=0" in text
    picture = dialog.find_element(By.TAG_NAME, "img")
    until(lambda: page.execute_script("return arguments[0].naturalWidth", picture) == 24)
    page.execute_script("document.querySelector('#run details').open = true")
    assert "num_envs" in dialog.text or "frames" in dialog.text
    page.execute_script("document.querySelector('#run .close').click()")
    until(lambda: not dialog.is_displayed())
    assert page.get_log("browser") == []


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 400])
def test_looks_like_a_page_in_light_and_dark_wide_and_narrow(page, tmp_path, theme, width):
    scheme = [{"name": "prefers-color-scheme", "value": theme}]
    page.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": scheme})
    size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
    page.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    try:
        until(lambda: page.execute_script("return innerWidth") == width)
        # Charts follow the width in their own time.
        until(lambda: page.execute_script("return document.documentElement.scrollWidth") <= width)
        picture = tmp_path / f"{theme}-{width}.png"
        assert page.save_screenshot(str(picture))
    finally:
        page.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
        page.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})
    with Image.open(picture) as image:
        grey = image.convert("L")
        background = grey.getpixel((3, 300))
        assert background > 230 if theme == "light" else background < 40
        assert len(grey.resize((64, 45)).getcolors()) > 20  # not an empty page


def test_hostile_names_are_text(browser, hostile_result):
    browser.get((hostile_result.out / "report.html").as_uri())
    until(lambda: lines(browser) > 0)  # an alert that a name had raised would end this with an error
    offered = browser.execute_script(
        "return [...document.querySelectorAll('[data-choice=metric] option')].map((o) => o.text)"
    )
    assert any("<script>alert" in text for text in offered)
    browser.execute_script("document.querySelector('#runs-table .link').click()")
    assert "<script>" in browser.find_element(By.ID, "run").text
    assert browser.get_log("browser") == []


def test_runs_that_still_go_are_drawn_beside_those_that_ended(browser, tmp_path):
    write_run(tmp_path, returns=[0, 0.5, 0.9])
    write_run(tmp_path, seed=1, returns=[0, 0.4], state="running", budget=20_000)
    browser.get("about:blank")
    browser.get((make(tmp_path).out / "report.html").as_uri())
    until(lambda: lines(browser) == 2)
    widths = browser.execute_script(
        "return document.querySelector('.plot').data.filter((t) => t.name).map((t) => [t.name, t.line.dash])"
    )
    assert widths == [["rnd", "solid"], ["rnd – still running, to frame 10k", "2px,3px"]]
    assert not [entry for entry in browser.get_log("browser") if entry["level"] == "SEVERE"]
