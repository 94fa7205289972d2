"""A real browser, driven by its command line: what it says, and how wide a page is."""

import html
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

__all__ = ["Seen", "look_at"]

NAMES = ("chromium", "chromium-browser", "google-chrome")

# The page under test allows no script but its own, so another page measures it.
FRAME = """<!doctype html><meta charset="utf-8"><style>body {{ margin: 0 }}</style>
<iframe src="{page}" style="border: 0; width: {width}px; height: 4000px"></iframe>
<script>
addEventListener("load", () => {{
  const page = document.querySelector("iframe").contentDocument;
  for (const button of page.querySelectorAll("th button")) button.click();
  const search = page.querySelector("input[type=search]");
  if (search) search.dispatchEvent(new Event("input"));
  const sorted = page.querySelectorAll("th[aria-sort]").length;
  const count = page.querySelectorAll("main *").length;
  document.title = [page.documentElement.scrollWidth, count, sorted].join(" ");
}});
</script>"""


@dataclass(frozen=True)
class Seen:
    """What a browser made of a page.

    Args:
        console: Lines that it wrote to its console, warnings and errors among them.
        width: Of the whole page, in px: more than the window's is an overflow.
        elements: Number of elements in its main part.
        sorted_tables: Number of tables that were sorted by a click on each head.
    """

    console: list[str]
    width: int
    elements: int
    sorted_tables: int


def look_at(page: Path, folder: Path, *, width: int) -> Seen:
    """Open a page in a window of `width` px; without a browser skip the test."""
    found = [path for name in NAMES if (path := shutil.which(name))]
    if not found:
        pytest.skip(f"no browser: none of {', '.join(NAMES)} is on the PATH")
    frame = folder / f"frame{width}.html"
    address = html.escape(page.resolve().as_uri())
    frame.write_text(FRAME.format(page=address, width=width), encoding="utf-8")
    done = subprocess.run(
        [
            found[0],
            "--headless",
            "--no-sandbox",  # as root there is none
            "--disable-gpu",
            "--allow-file-access-from-files",
            "--enable-logging=stderr",
            f"--user-data-dir={folder / 'profile'}",
            f"--window-size={width + 100},1000",
            "--dump-dom",
            frame.as_uri(),
        ],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    measured = re.search(r"<title>(\d+) (\d+) (\d+)</title>", done.stdout)
    assert measured, f"the page was not measured: {done.stdout[:300]} {done.stderr}"
    console = [line for line in done.stderr.splitlines() if "CONSOLE" in line]
    return Seen(console, *map(int, measured.groups()))
