"""The page of a rollout as a browser shows it: Chromium, in a network namespace without a way out.

The rollouts are simulated traffic that the real code has judged (tests/harness/simulated.py).
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from canary.rollout.page import html, story
from tests.harness import chromium, rollouts
from tests.harness.chromium import Browser, Page

WIDTHS = {"desktop": 1200, "phone": 360}

CONTRAST = """
(() => {
  const numbers = (color) => {
    const found = color.match(/[0-9.]+/g).map(Number);
    return found.length < 4 ? [...found, 1] : found;
  };
  const light = (color) => {
    const [r, g, b] = color.slice(0, 3).map((each) => {
      const share = each / 255;
      return share <= 0.03928 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const behind = (element) => {
    for (let each = element; each; each = each.parentElement) {
      const color = numbers(getComputedStyle(each).backgroundColor);
      if (color[3] === 1) return color;
    }
    return [255, 255, 255, 1];
  };
  const ratio = (one, other) => {
    const [most, least] = [light(one), light(other)].sort((a, b) => b - a);
    return (most + 0.05) / (least + 0.05);
  };
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  const found = [];
  while (texts.nextNode()) {
    const element = texts.currentNode.parentElement;
    const is_shown = texts.currentNode.data.trim() && !element.closest("script, title");
    if (!is_shown) continue;
    const style = getComputedStyle(element);
    const color = numbers(element.closest("svg") ? style.fill : style.color);
    found.push([ratio(color, behind(element)), texts.currentNode.data]);
  }
  const lines = [...document.querySelectorAll("polyline, line.limit, line.flag")].map(
    (line) => [ratio(numbers(getComputedStyle(line).stroke), behind(line)), line.outerHTML]);
  return {texts: found, lines: lines};
})()
"""

CUT_OFF = """
[...document.querySelectorAll("svg[role=img]")].flatMap((svg) => {
  const box = svg.getBoundingClientRect();
  const is_out = (at) => at.left < box.left || at.right > box.right || at.bottom > box.bottom;
  return [...svg.querySelectorAll("text")]
    .filter((text) => is_out(text.getBoundingClientRect())).map((text) => text.textContent);
})
"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium.browser() as found:
        yield found


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("pages")
    found = {}
    for name, rollout in rollouts.ENDS.items():
        found[name] = folder / f"{name}.html"
        found[name].write_text(html.page(story.told(rollout())), encoding="utf-8")
    return found


def opened(browser: Browser, path: Path, width: int, media: str, scheme: str) -> Page:
    page = browser.page()
    page.do("Emulation.setScriptExecutionDisabled", value=True)
    page.resize(width, 800)
    page.show_as(media, scheme)
    page.open(path)
    return page


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize(
    ("media", "scheme"), [("screen", "light"), ("screen", "dark"), ("print", "light")]
)
@pytest.mark.parametrize("end", rollouts.ENDS)
def test_a_page_reads_everywhere(
    browser: Browser, pages: dict[str, Path], end: str, media: str, scheme: str, width: str
) -> None:
    page = opened(browser, pages[end], WIDTHS[width], media, scheme)
    assert page.requests == [pages[end].as_uri()]
    assert page.complaints == []
    across, wide = page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
    assert across <= wide
    assert page.evaluate("document.querySelectorAll('svg[role=img]').length") == 4
    assert page.evaluate(CUT_OFF) == []
    contrast = page.evaluate(CONTRAST)
    assert len(contrast["texts"]) > 100
    # What WCAG 2 asks of text (AA), and of what is drawn.
    assert [each for each in contrast["texts"] if each[0] < 4.5] == []
    assert [each for each in contrast["lines"] if each[0] < 3] == []
    is_dark = (
        page.evaluate("getComputedStyle(document.body).backgroundColor") != "rgb(255, 255, 255)"
    )
    assert is_dark == (scheme == "dark")


def test_it_says_first_what_happened(browser: Browser, pages: dict[str, Path]) -> None:
    page = opened(browser, pages["rolled back"], 1200, "screen", "light")
    said = [line for line in page.evaluate("document.body.innerText").splitlines() if line]
    assert said[0] == "✖ Rolled back"
    assert said[1].startswith("world-v2 was rolled back at 25 % after 3 min 26 s: ")
    heading = page.evaluate("document.querySelector('h1').getBoundingClientRect().bottom")
    assert heading < 200


def test_it_is_printed_on_a_few_sheets(browser: Browser, pages: dict[str, Path]) -> None:
    page = opened(browser, pages["promoted"], 1200, "screen", "dark")
    printed = page.pdf()
    assert printed.startswith(b"%PDF-")
    assert 2 <= printed.count(b"/Type /Page\n") <= 5


def test_a_request_would_have_been_seen(browser: Browser, tmp_path: Path) -> None:
    """Were there one: that none is seen above is not because none is ever seen."""
    path = tmp_path / "asking.html"
    asked = "http://127.0.0.1:8123/picture"
    path.write_text(f"<!doctype html><body><img src='{asked}'><p style='color:#999'>pale</p>")
    page = browser.page()
    page.open(path)
    assert page.requests == [path.as_uri(), asked]
    assert "ERR_INTERNET_DISCONNECTED" in "".join(page.complaints)
    assert [text for ratio, text in page.evaluate(CONTRAST)["texts"] if ratio < 4.5] == ["pale"]
    policed = tmp_path / "policed.html"
    policed.write_text(
        html.page(story.told(rollouts.held())).replace("<h1>", f"<img src='{asked}'>")
    )
    page = browser.page()
    page.open(policed)
    assert "Content Security Policy" in "".join(page.complaints)
