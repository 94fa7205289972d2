"""A table has one row an image that could be read; the others are named."""

import csv
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from segx.errors import ScanError
from segx.inference.classify import classify_files


class Half:
    """Says that every image is half one class and half another."""

    spec = SimpleNamespace(class_names=("a", "b"))

    def classify(self, image: Path) -> np.ndarray:
        if image.stat().st_size < 50:
            raise ScanError(f"{image} is cut off.")
        return np.array([0.25, 0.75], np.float32)


def write(folder: Path, *names: str) -> None:
    for name in names:
        Image.fromarray(np.zeros((9, 9, 3), np.uint8)).save(folder / name)


def test_each_image_has_a_row(tmp_path: Path) -> None:
    write(tmp_path, "x.png", "y.png")
    (tmp_path / "z.png").write_bytes(b"cut")
    table = tmp_path / "out" / "table.csv"
    assert classify_files(Half(), [tmp_path], table) == (2, 1)  # type: ignore[arg-type]
    with table.open() as file:
        rows = list(csv.DictReader(file))
    assert [row["class"] for row in rows] == ["b", "b"]
    assert rows[0]["a"] == "0.250000"


def test_nothing_readable_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "z.png").write_bytes(b"cut")
    with pytest.raises(ScanError, match="None of 1"):
        classify_files(Half(), [tmp_path], tmp_path / "t.csv")  # type: ignore[arg-type]
