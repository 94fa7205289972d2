"""A real browser finds nothing to say against a page, on a telephone and on a desk."""

from pathlib import Path

import pytest

from segx.pages import write_page
from tests.pages.browser import look_at
from tests.pages.example import every_block


@pytest.mark.slow
@pytest.mark.parametrize("width", [400, 1400])
def test_a_page_fits_its_window_and_the_console_is_silent(
    tmp_path: Path, width: int
) -> None:
    page = tmp_path / "page.html"
    write_page(page, every_block("a very long name of a file without a blank" * 3))
    seen = look_at(page, tmp_path, width=width)
    assert seen.console == []
    assert seen.width <= width
    assert seen.elements > 100
    assert seen.sorted_tables == 1


@pytest.mark.slow
def test_the_test_hears_the_console_and_sees_an_overflow(tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    page.write_text(
        "<!doctype html><meta http-equiv='Content-Security-Policy' "
        "content=\"script-src 'unsafe-inline'; img-src 'none'\">"
        "<script>console.warn('heard')</script><img src=x.png>"
        "<main style='width: 900px'>wide</main>",
        encoding="utf-8",
    )
    seen = look_at(page, tmp_path, width=400)
    assert any("heard" in line for line in seen.console)
    assert any("Content Security Policy" in line for line in seen.console)
    assert seen.width >= 900
