"""Boxes of instance masks, COCO and CSV files: the same ones, or every defect."""

import csv
import json
import logging
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from segx.boxes import Detections
from segx.config import DataConfig
from segx.data.check import CheckedData, check_data
from segx.data.defects import Code
from segx.data.instances import boxes_of_ids
from segx.errors import DataError
from tests.phantoms import write_cells, write_coco

Sides = tuple[float, float, float, float, str]
SPLITS = ("train", "val", "test")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return write_cells(tmp_path / "cells", count=4, splits=SPLITS)


def look(root: Path, boxes: str, **more: Any) -> CheckedData:
    data = DataConfig(root=root, boxes=Path(boxes), **more)
    return check_data(data, task="detection", seed=0)


def truth(root: Path) -> dict[str, list[Sides]]:
    """The boxes of the instance masks, by the image's path."""
    found = {}
    for path in sorted(root.glob("*/instances/*.png")):
        boxes = boxes_of_ids(np.asarray(Image.open(path))).tolist()
        image = path.parents[1] / "images" / path.name
        found[str(image.relative_to(root))] = [(*box, "cell") for box in boxes]
    return found


def write_rows(path: Path, boxes: dict[str, Sequence[Any]]) -> Path:
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["image", "left", "top", "right", "bottom", "class"])
        for text, items in boxes.items():
            writer.writerows([text, *item] for item in items or [("",) * 5])
    return path


def as_lists(objects: Detections) -> list[tuple[list[float], int]]:
    return sorted(zip(objects.boxes.tolist(), objects.classes.tolist(), strict=True))


def test_all_three_sources_tell_the_same_objects(root: Path) -> None:
    boxes = truth(root)
    assert {len(items) for items in boxes.values()} >= {0, 1}  # some images are empty
    write_coco(root / "boxes.json", boxes, names=["cell"])
    write_rows(root / "boxes.csv", boxes)
    first, *others = (
        look(root, source) for source in ("instances", "boxes.json", "boxes.csv")
    )
    assert [item.findings for item in (first, *others)] == [()] * 3
    assert first.boxes is not None
    assert first.boxes.labels.names == ("background", "object")
    for other in others:
        assert other.boxes is not None
        assert other.boxes.labels.names == ("background", "cell")
        for case, objects in first.boxes.by_case.items():
            assert as_lists(other.boxes.by_case[case]) == as_lists(objects)


@pytest.mark.parametrize(
    "text", [lambda p: p, lambda p: Path(p).name, lambda p: Path(p).stem]
)
def test_an_image_is_named_by_path_name_or_stem(
    root: Path, text: Callable[[str], str]
) -> None:
    boxes = {text(path): items for path, items in truth(root).items()}
    write_coco(root / "boxes.json", boxes, names=["cell"])
    assert look(root, "boxes.json").findings == ()


def test_each_split_may_have_its_own_file(root: Path) -> None:
    for split in SPLITS:
        boxes = {
            Path(path).name: items
            for path, items in truth(root).items()
            if path.startswith(split)
        }
        write_coco(root / split / "boxes.json", boxes, names=["cell"])
    checked = look(root, "boxes.json")
    assert checked.findings == ()
    assert checked.boxes is not None
    assert sum(map(len, checked.boxes.by_case.values())) == sum(
        map(len, truth(root).values())
    )


def test_classes_are_in_the_order_of_the_file_or_of_the_config(root: Path) -> None:
    boxes = truth(root)
    some = next(path for path, items in boxes.items() if items)
    boxes[some] = [(*box[:4], "debris") for box in boxes[some]]
    write_coco(root / "boxes.json", boxes)
    write_rows(root / "boxes.csv", boxes)
    for source in ("boxes.json", "boxes.csv"):
        found = look(root, source).boxes
        assert found is not None
        assert found.names == ("cell", "debris")
        named = look(root, source, classes=("background", "debris", "cell")).boxes
        assert named is not None
        assert named.names == ("debris", "cell")
        case = Path(some).stem
        assert set(found.by_case[case].classes.tolist()) == {2}
        assert set(named.by_case[case].classes.tolist()) == {1}
        wrong = look(root, source, classes=("background", "cell"))
        assert [item.code for item in wrong.errors] == [Code.CLASS_NAMES]


BAD: list[tuple[Any, str]] = [
    ((10, 10, 10, 20), "no area"),
    ((10, 30, 20, 20), "no area"),
    ((-3, 0, 10, 10), "leaves the image"),
    ((80, 10, 93, 20), "leaves the image"),
    ((10, 60, 20, 75), "leaves the image"),
    ((90, 10, 90.5, 20), "leaves the image"),
    ((float("nan"), 0, 10, 10), "not finite"),
    ((0, 0, float("inf"), 10), "not finite"),
]


@pytest.mark.parametrize("kind", ["json", "csv"])
def test_every_bad_box_is_listed_with_its_file_and_row(root: Path, kind: str) -> None:
    boxes: dict[str, Any] = truth(root)
    first = next(iter(boxes))
    good = len(boxes[first])
    boxes[first] = [*boxes[first], *((*box, "cell") for box, _ in BAD)]
    path = root / f"boxes.{kind}"
    if kind == "json":
        write_coco(path, boxes, names=["cell"])
    else:
        write_rows(path, boxes)
    errors = look(root, path.name).errors
    assert [item.code for item in errors] == [Code.BAD_BOX] * len(BAD)
    assert {item.file for item in errors} == {path}
    at = 100 + good if kind == "json" else 2 + good
    word = "annotation" if kind == "json" else "line"
    for number, (item, (_, told)) in enumerate(zip(errors, BAD, strict=True)):
        assert item.found.startswith(f"{word} {at + number} has a box in {first}")
        assert told in item.found


def test_a_box_may_leave_its_image_by_rounding(root: Path) -> None:
    boxes: dict[str, Any] = truth(root)
    first = next(iter(boxes))
    boxes[first] = [(-0.5, 1, 90.75, 71, "cell")]
    write_coco(root / "boxes.json", boxes, names=["cell"])
    checked = look(root, "boxes.json")
    assert checked.errors == ()
    assert checked.boxes is not None
    assert checked.boxes.by_case[Path(first).stem].boxes.tolist() == [[0, 1, 90, 70]]


def test_images_and_boxes_without_each_other_are_listed(root: Path) -> None:
    boxes: dict[str, Any] = truth(root)
    first, second, *_ = boxes
    boxes["ghost.png"] = boxes.pop(first)
    write_coco(root / "boxes.json", boxes, names=["cell"])
    errors = {item.code: item for item in look(root, "boxes.json").errors}
    assert errors.keys() == {Code.BOX_ENTRY, Code.MISSING_BOXES}
    assert "'ghost.png', which is not there" in errors[Code.BOX_ENTRY].found
    assert errors[Code.MISSING_BOXES].file == root / first
    (root / second).rename((root / second).with_name("other.png"))
    assert len(look(root, "boxes.json").errors) == 4


Tree = dict[str, list[dict[str, Any]]]


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (lambda t: t["annotations"][0].update(category_id=99), "category_id 99"),
        (lambda t: t["annotations"][0].update(image_id=99), "image_id 99"),
        (lambda t: t["annotations"][0].update(image_id=[1]), r"image_id \[1\]"),
        (lambda t: t["annotations"][0].update(bbox=[1, 2, 3]), r"bbox \[1, 2, 3\]"),
        (lambda t: t["annotations"][0].update(bbox=["a", 1, 2, 3]), "bbox"),
        (lambda t: t["annotations"][0].pop("bbox"), "bbox None"),
        (lambda t: t["annotations"][1].update(id=100), "annotation 100 has the id of"),
        (lambda t: t["images"][1].update(id=0), "id 0, as has"),
        (lambda t: t["images"][0].pop("file_name"), "file_name None"),
        (lambda t: t["categories"].append({"id": 3, "name": "x"}), "id 3, as has cell"),
    ],
)
def test_entries_that_can_not_be_understood_are_listed(
    root: Path, spoil: Callable[[Tree], Any], told: str
) -> None:
    path = write_coco(root / "boxes.json", truth(root), names=["cell"])
    tree = json.loads(path.read_text())
    spoil(tree)
    path.write_text(json.dumps(tree))
    errors = [item for item in look(root, path.name).errors if item.file == path]
    assert Code.BOX_ENTRY in {item.code for item in errors}
    assert re.search(told, "\n".join(map(str, errors)))


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("train/images/train0.png,1,2,x,4,cell", "line 2 has the sides 1, 2, x, 4"),
        ("train/images/train0.png,1,2,,4,cell", "line 2 has the sides 1, 2, nothing"),
        ("train/images/train0.png,1,2,3,4,", "line 2 names no class"),
        (",1,2,3,4,cell", "line 2 names no image"),
        ("a,1,2", "line 2 has 3 cells"),
    ],
)
def test_lines_that_can_not_be_understood_are_listed(
    root: Path, line: str, told: str
) -> None:
    path = write_rows(root / "boxes.csv", truth(root))
    head, *rest = path.read_text().splitlines()
    path.write_text("\n".join([head, line, *rest]) + "\n")
    assert told in "\n".join(str(item) for item in look(root, path.name).errors)


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        ("a.json", "{", "can't be read as JSON"),
        ("a.json", "[" * 100_000, "can't be read as JSON"),
        ("a.json", "[]", "not in COCO's format: it has no list 'images'"),
        ("a.json", '{"images": [], "categories": [1]}', "no list 'categories'"),
        ("a.csv", "image,x\n", "no column left, top, right, bottom"),
        ("b.csv", "", "no column 'image'"),
        ("nothing.json", None, "There is no file nothing.json in"),
    ],
)
def test_a_file_that_is_none_is_refused(
    root: Path, name: str, text: str | None, told: str
) -> None:
    if text is not None:
        (root / name).write_text(text)
    with pytest.raises(DataError, match=told):
        look(root, name)


def test_objects_called_background_are_listed(root: Path) -> None:
    boxes = truth(root)
    some = next(path for path, items in boxes.items() if items)
    boxes[some] = [(*box[:4], "background") for box in boxes[some]]
    write_rows(root / "boxes.csv", boxes)
    found = look(root, "boxes.csv")
    assert [item.code for item in found.errors] == [Code.CLASS_NAMES]
    assert found.boxes is not None
    assert found.boxes.labels.foreground == ("cell",)


def test_an_instance_mask_that_holds_no_ids_is_listed(root: Path) -> None:
    masks = sorted((root / "train" / "instances").glob("*.png"))
    ids = np.asarray(Image.open(masks[0]))
    Image.fromarray(np.dstack([ids.astype(np.uint8)] * 3)).save(masks[0])
    Image.fromarray(ids[:-1]).save(masks[1])
    masks[2].unlink()
    found = {(item.code, item.file.name) for item in look(root, "instances").errors}
    assert found == {
        (Code.COLOUR_MASK, masks[0].name),
        (Code.SIZE_MISMATCH, masks[1].name),
        (Code.MISSING_MASK, masks[2].name),
    }
    names = look(root, "instances", classes=("background", "a", "b")).errors
    assert Code.CLASS_NAMES in {item.code for item in names}


def test_a_manifest_tells_patients_and_picks_images(tmp_path: Path) -> None:
    root = write_cells(tmp_path / "cells", count=8, splits=("train",))
    (root / "train" / "images").rename(root / "images")
    (root / "train" / "instances").rename(root / "instances")
    (root / "train").rmdir()
    lines = [f"train{n},train{n},p{n // 2}" for n in range(7)]
    (root / "list.csv").write_text("\n".join(["image,mask,patient", *lines]) + "\n")
    boxes = {f"train{n}": [(1.0, 1.0, 9.0, 9.0, "cell")] for n in range(8)}
    write_coco(root / "boxes.json", boxes, names=["cell"])
    for source in ("instances", "boxes.json"):
        checked = look(root, source, manifest=Path("list.csv"), validation_split=0.4)
        assert checked.errors == ()
        assert checked.splits is not None
        assert len(checked.layout.cases) == 7
        train = {case.patient for case in checked.splits.train}
        val = {case.patient for case in checked.splits.val}
        assert val
        assert not train & val


def test_crowds_are_said_to_be_left_aside(
    root: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = write_coco(root / "boxes.json", truth(root), names=["cell"])
    tree = json.loads(path.read_text())
    tree["annotations"][0]["iscrowd"] = 1
    path.write_text(json.dumps(tree))
    with caplog.at_level(logging.INFO, logger="segx"):
        look(root, path.name)
    assert "1 crowd (iscrowd) left aside" in caplog.text


def test_a_number_that_is_written_in_two_ways_is_no_second_class(root: Path) -> None:
    boxes = truth(root)
    path = write_rows(root / "boxes.csv", boxes)
    text = path.read_text().replace("cell", "1")
    path.write_text(text.replace(",1\n", ",01\n", 1).replace(",1\r\n", ",01\r\n", 1))
    (error,) = look(root, path.name).errors
    assert error.code is Code.CLASS_NAMES
    assert "1, of which some are the same number" in str(error)
