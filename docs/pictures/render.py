"""Pictures of comments: `python docs/pictures/render.py` makes a PNG of each Markdown file here.

Needs headless Chromium (Debian's package `chromium`). The style is drawn after GitHub's.
"""

import re
import subprocess
import sys
import tempfile
from pathlib import Path

from markdown_it import MarkdownIt

HERE = Path(__file__).resolve().parent
WIDTH = 720

CHROMIUM = [
    "chromium",
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
]

PAGE = """<!doctype html>
<meta charset="utf-8">
<style>
body {{ margin: 0; padding: 16px; background: #fff; color: #1f2328;
  font: 14px/1.5 "Noto Sans", "DejaVu Sans", sans-serif; }}
.comment {{ border: 1px solid #d1d9e0; border-radius: 6px; }}
.author {{ padding: 8px 16px; background: #f6f8fa; border-bottom: 1px solid #d1d9e0;
  border-radius: 6px 6px 0 0; color: #59636e; }}
.author b {{ color: #1f2328; }}
.author i {{ font: 12px "Noto Sans", sans-serif; border: 1px solid #d1d9e0; border-radius: 2em;
  padding: 0 6px; margin: 0 2px; }}
.text {{ padding: 16px; }}
.text > :first-child {{ margin-top: 0; }}
.text > :last-child {{ margin-bottom: 0; }}
h3 {{ font-size: 1.25em; margin: 0 0 16px; }}
p, ul, table, pre {{ margin: 0 0 16px; }}
ul {{ padding-left: 2em; }}
code {{ font: 12px "DejaVu Sans Mono", monospace; background: #eff1f3; border-radius: 6px;
  padding: 0.2em 0.4em; }}
h3 code {{ font-size: 1em; }}
pre {{ padding: 16px; background: #f6f8fa; border-radius: 6px; }}
pre code {{ padding: 0; background: none; }}
table {{ border-collapse: collapse; }}
th, td {{ border: 1px solid #d1d9e0; padding: 6px 13px; }}
sub {{ font-size: 12px; color: #59636e; }}
a {{ color: #0969da; }}
</style>
<div class="comment">
<div class="author"><b>github-actions</b> <i>bot</i> commented</div>
<div class="text">{comment}</div>
</div>
<script>document.body.dataset.height = document.documentElement.scrollHeight</script>
"""


def picture(source: Path) -> None:
    """Draw a comment beside its Markdown, as high as it is."""
    parser = MarkdownIt("commonmark").enable("table")
    with tempfile.TemporaryDirectory() as folder:
        page = Path(folder) / "page.html"
        page.write_text(PAGE.format(comment=parser.render(source.read_text())))
        measured = _chromium(folder, page, f"--window-size={WIDTH},100", "--dump-dom")
        found = re.search(r'data-height="(\d+)"', measured)
        if found is None:
            sys.exit(f"{source.name}: Chromium does not say how high the page is")
        _chromium(
            folder,
            page,
            f"--window-size={WIDTH},{found[1]}",
            "--force-device-scale-factor=1.5",
            f"--screenshot={source.with_suffix('.png')}",
        )


def _chromium(folder: str, page: Path, *arguments: str) -> str:
    command = [*CHROMIUM, f"--user-data-dir={folder}/profile", *arguments, page.as_uri()]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    if done.returncode:
        sys.exit(f"chromium failed: {done.stderr[-500:]}")
    return done.stdout


if __name__ == "__main__":
    for each in sorted(HERE.glob("*.md")):
        picture(each)
