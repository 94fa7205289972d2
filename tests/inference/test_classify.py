"""A table has one row an image that could be read; what is known is not asked again."""

import csv
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from segx.errors import ScanError
from segx.inference.classify import classify_files, decided
from segx.inference.members import Member, Members
from segx.inference.predictor import Predictor
from segx.labels import Labels
from tests.inference.stubs import model


class Counting:
    """Class logits by the mean of the first channels; counts the images."""

    about = "counting"

    def __init__(self) -> None:
        self.images = 0

    def run(self, tiles: np.ndarray) -> np.ndarray:
        self.images += len(tiles)
        return np.log(tiles.mean(axis=(2, 3))[:, :2] + 1e-3)


def predictor(runtime: Counting, *, kind: str = "multiclass") -> Predictor:
    stub = model(None, resize=(8, 8), class_names=("a", "b"))
    spec = stub.spec.model_copy(update={"class_kind": kind})
    return Predictor(Members([Member(spec, runtime, stub.source)]))


def write(folder: Path, **colours: tuple[int, int, int]) -> Path:
    folder.mkdir(exist_ok=True)
    for name, colour in colours.items():
        pixels = np.full((9, 9, 3), colour, np.uint8)
        Image.fromarray(pixels).save(folder / f"{name}.png")
    return folder


def rows(folder: Path) -> list[dict[str, str]]:
    with (folder / "probabilities.csv").open() as file:
        return list(csv.DictReader(file))


def test_each_image_has_a_row(tmp_path: Path) -> None:
    images = write(tmp_path / "in", x=(50, 150, 0), y=(150, 50, 0))
    (images / "z.png").write_bytes(b"cut")
    out = tmp_path / "out"
    assert classify_files(predictor(Counting()), [images], out) == (2, 1)
    table = rows(out)
    assert [row["class"] for row in table] == ["b", "a"]
    assert float(table[0]["a"]) == pytest.approx(0.25, abs=0.01)
    assert sum(float(table[0][name]) for name in "ab") == pytest.approx(1, abs=1e-5)


def test_an_image_may_be_of_several_classes_or_of_none(tmp_path: Path) -> None:
    images = write(tmp_path / "in", x=(250, 250, 0), y=(0, 0, 0), z=(0, 250, 0))

    class Steep(Counting):
        def run(self, tiles: np.ndarray) -> np.ndarray:
            return 10 * tiles.mean(axis=(2, 3))[:, :2] - 5

    several = predictor(Steep(), kind="multilabel")
    classify_files(several, [images], tmp_path / "out")
    table = rows(tmp_path / "out")
    assert [row["class"] for row in table] == ["a;b", "", "b"]
    assert float(table[0]["a"]) > 0.9
    assert float(table[0]["b"]) > 0.9


def test_what_was_classified_is_not_asked_again(tmp_path: Path) -> None:
    images = write(tmp_path / "in", x=(50, 150, 0), y=(150, 50, 0))
    out, first, again, other = tmp_path / "out", Counting(), Counting(), Counting()

    def stop(path: Path, probabilities: np.ndarray) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        classify_files(predictor(first), [images], out, on_image=stop)
    assert not (out / "probabilities.csv").exists()
    (notes,) = (out / ".segx").glob("*.spool")
    with notes.open("a") as file:
        file.write('\n{"torn": [0.')  # as a killed process leaves it
    classify_files(predictor(again), [images], out)
    assert (first.images, again.images) == (1, 1)
    undisturbed = tmp_path / "undisturbed"
    classify_files(predictor(Counting()), [images], undisturbed)
    assert rows(out) == rows(undisturbed)
    write(images, y=(10, 20, 0))  # other bytes are looked at
    classify_files(predictor(other), [images], out)
    assert other.images == 1


def test_nothing_readable_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "z.png").write_bytes(b"cut")
    with pytest.raises(ScanError, match="None of 1"):
        classify_files(predictor(Counting()), [tmp_path], tmp_path / "out")


@pytest.mark.parametrize(
    ("kind", "values", "expected"),
    [
        ("multiclass", (0.2, 0.4), ("b",)),
        ("multilabel", (0.5, 0.4), ("a",)),
        ("multilabel", (0.2, 0.4), ()),
    ],
)
def test_classes_are_decided_by_what_they_are(
    kind: str, values: tuple[float, ...], expected: tuple[str, ...]
) -> None:
    labels = Labels(kind, ("a", "b"))  # type: ignore[arg-type]
    assert decided(np.array(values, np.float32), labels) == expected


def test_a_volume_has_no_single_class(tmp_path: Path) -> None:
    path = tmp_path / "stack.tif"
    tifffile.imwrite(path, np.zeros((2, 9, 9), np.uint8), photometric="minisblack")
    with pytest.raises(ScanError, match="has 2 planes"):
        predictor(Counting()).classify(path)
