"""The preview shows what the check found, of clean sets and of broken ones."""

import html
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from segx.config import DataConfig
from segx.data.check import CheckedData, check_data
from segx.data.defects import Code, Finding
from segx.data.overview import Overview, overview
from segx.data.preview import write_preview
from tests.data.clean import LAYOUTS, Built, LayoutName, clean
from tests.data.defective import FAULTS
from tests.pages.browser import look_at
from tests.pages.offline import addresses, parse

HOSTILE = '<img src=x onerror=alert(1)>"&'


def look(built: Built) -> tuple[Overview, CheckedData]:
    data = DataConfig.model_validate(built.finish())
    is_classes = built.layout == "classes"
    task = "classification" if is_classes else "segmentation"
    checked = check_data(data, task=task, seed=0)
    return overview(checked), checked


def broken(folder: Path) -> Built:
    """A set with every defect that can be in it."""
    built = clean(folder, "splits")
    for fault in FAULTS:
        if "splits" in fault.layouts and fault.code is not Code.OUTSIDE_ROOT:
            built.add(fault.name)
            fault.make(built, fault.name)
    return built


def words(page: Path) -> str:
    text = " ".join(parse(page.read_text(encoding="utf-8")).shown)
    return re.sub(r"\s+", " ", text)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_clean_set_is_shown_with_all_its_splits(
    tmp_path: Path, layout: LayoutName
) -> None:
    found, checked = look(clean(tmp_path / "set", layout))
    page = tmp_path / "preview.html"
    write_preview(page, found, checked)
    text = words(page)
    assert "No errors, no warnings" in text
    for split, count in found.counts.items():
        assert f"{count} {split}" in text
    source = page.read_text(encoding="utf-8")
    assert addresses(source) == []
    assert source.count("<image ") >= len(found.counts)
    assert ('<p class="legend">' in source) == bool(found.case_shares)
    again = tmp_path / "again.html"
    write_preview(again, found, checked)
    assert again.read_bytes() == page.read_bytes()


def test_every_finding_is_on_the_page_of_a_broken_set(tmp_path: Path) -> None:
    found, checked = look(broken(tmp_path / "set"))
    page = tmp_path / "preview.html"
    write_preview(page, found, checked)
    text = words(page)
    assert len(found.findings) > 20
    for item in found.findings:
        told = item.found.replace(f"{found.root}/", "")
        assert re.sub(r"\s+", " ", told) in text
        assert item.code.title in text
    assert addresses(page.read_text(encoding="utf-8")) == []


def test_what_concerns_the_whole_set_names_no_file(tmp_path: Path) -> None:
    found, checked = look(clean(tmp_path / "set", "folders"))
    whole = Finding(Code.IMBALANCE, found.root, "is uneven", "balance", "Add cases.")
    page = tmp_path / "preview.html"
    write_preview(page, replace(found, findings=(whole,)), checked)
    assert f"{Code.IMBALANCE.title} the set is uneven" in words(page)


def test_names_of_files_stay_text(tmp_path: Path) -> None:
    built = clean(tmp_path / HOSTILE, "folders")
    built.add(HOSTILE)
    Image.fromarray(np.zeros((9, 9), np.uint8)).save(built.mask(HOSTILE))
    found, checked = look(built)
    page = tmp_path / "preview.html"
    write_preview(page, found, checked)
    source = page.read_text(encoding="utf-8")
    assert HOSTILE in html.unescape(source)
    assert addresses(source) == []
    assert "onerror" not in str(parse(source).shape)


@pytest.mark.slow
@pytest.mark.parametrize("width", [400, 1400])
def test_a_browser_shows_it_without_a_word(tmp_path: Path, width: int) -> None:
    found, checked = look(broken(tmp_path / "set"))
    page = tmp_path / "preview.html"
    write_preview(page, found, checked)
    seen = look_at(page, tmp_path, width=width)
    assert seen.console == []
    assert seen.width <= width
