"""Pictures of a rollout's page: `python -m docs.pictures.report` writes report.png.

The rollout is simulated traffic that the real code has judged. With a folder as its argument it
writes every page there that the tests look at, and how each looks in light, dark, print and on a
phone.
"""

import sys
from pathlib import Path

from canary.rollout.page import html, story
from tests.harness import chromium, rollouts
from tests.harness.chromium import Browser

PATH = Path(__file__).with_name("report.png")
_HEIGHT = 1165

LOOKS = {
    "light": (900, "screen", "light"),
    "dark": (900, "screen", "dark"),
    "phone": (390, "screen", "light"),
    "print": (718, "print", "light"),
}
"""CSS pixels across, the medium and the colours; A4 with Chromium's margins is 718 across."""


def main(folder: Path) -> None:
    """Draw them all."""
    folder.mkdir(parents=True, exist_ok=True)
    with chromium.browser() as browser:
        for name, rollout in rollouts.ENDS.items():
            path = folder / f"{name.replace(' ', '-')}.html"
            path.write_text(html.page(story.told(rollout())), encoding="utf-8")
            for look in LOOKS:
                _draw(browser, path, look, path.with_name(f"{path.stem}-{look}.png"))


def readme() -> None:
    """Draw the top of the one that goes back."""
    page = PATH.with_suffix(".html")
    page.write_text(html.page(story.told(rollouts.rolled_back())), encoding="utf-8")
    try:
        with chromium.browser() as browser:
            _draw(browser, page, "light", PATH, _HEIGHT)
    finally:
        page.unlink()


def _draw(browser: Browser, path: Path, look: str, to: Path, height: int | None = None) -> None:
    width, media, scheme = LOOKS[look]
    page = browser.page()
    page.resize(width, 900)
    page.show_as(media, scheme)
    page.open(path)
    page.picture(to, height)
    print(to)


if __name__ == "__main__":
    if len(sys.argv) > 1:
        main(Path(sys.argv[1]))
    else:
        readme()
