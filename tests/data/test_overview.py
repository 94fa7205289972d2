from pathlib import Path

import numpy as np
import pytest

from segx.config import DataConfig
from segx.data.check import check_data
from segx.data.overview import Overview, SizeCount, overview
from tests.data.clean import blob, clean
from tests.data.defective import FAULTS
from tests.data.sets import write_classes


def summed(root: Path, **keys: object) -> Overview:
    data = DataConfig.model_validate({"root": root, **keys})
    return overview(check_data(data, task="segmentation", seed=0))


def test_a_set_is_put_in_numbers(tmp_path: Path) -> None:
    built = clean(tmp_path, "splits")
    found = summed(built.root)
    assert found.counts == {"train": 8, "val": 4, "test": 4}
    assert found.sizes == (SizeCount(1, 40, 48, 16),)
    assert found.class_names == ("background", "class_1")
    share = found.case_shares["train0"]
    assert share["class_1"] == pytest.approx(blob(1).mean())
    assert share["background"] == pytest.approx(1 - blob(1).mean())
    shares = [found.case_shares[f"val{number}"]["class_1"] for number in range(4)]
    assert found.class_shares["val"]["class_1"] == pytest.approx(np.mean(shares))
    assert found.findings == ()


def test_histograms_hold_every_sampled_pixel_once(tmp_path: Path) -> None:
    (histogram,) = summed(clean(tmp_path, "folders").root).histograms
    assert len(histogram.edges) == len(histogram.shares) + 1
    assert (histogram.edges[0], histogram.edges[-1]) == (0, 256)
    assert sum(histogram.shares) == pytest.approx(1)


def test_a_set_full_of_defects_has_numbers_too(tmp_path: Path) -> None:
    built = clean(tmp_path / "set", "splits")
    for fault in FAULTS:
        if "splits" in fault.layouts:
            built.add(fault.name)
            fault.make(built, fault.name)
    found = summed(built.root)
    assert found.findings
    assert found.histograms
    assert found.case_shares["train0"]["class_1"] == pytest.approx(blob(1).mean())
    assert "zero_and_255" not in found.case_shares


def test_nothing_readable_is_an_empty_overview(tmp_path: Path) -> None:
    built = clean(tmp_path, "folders")
    for path in (tmp_path / "images").iterdir():
        path.write_bytes(b"")
    found = summed(built.root)
    assert (found.sizes, found.histograms, found.dtype) == ((), (), None)
    assert len([f for f in found.findings if f.code.value == "unreadable"]) == 16


def test_classes_are_counted_in_cases(tmp_path: Path) -> None:
    data = DataConfig(root=write_classes(tmp_path, {"cat": 10, "dog": 30}))
    found = overview(check_data(data, task="classification", seed=0))
    assert found.class_names == ("cat", "dog")
    assert found.class_shares["train"]["cat"] == pytest.approx(0.25, abs=0.03)
    assert found.case_shares == {}
