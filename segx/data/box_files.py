"""Boxes from a file: COCO's JSON, or a CSV with a row a box."""

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from segx.data.class_words import in_order
from segx.data.defects import Code, Findings, plural
from segx.data.table import Row, read_table
from segx.errors import DataError

__all__ = ["OBJECT", "BoxFile", "Entry", "Listed", "read_boxes"]

OBJECT = "object"
"""Class of a box that names none."""

_SIDES = ("left", "top", "right", "bottom")
_COLUMNS = ("image", *_SIDES, "class")


@dataclass(frozen=True, slots=True)
class Listed:
    """An image that a file of boxes lists.

    Args:
        text: Its path, name or stem.
        place: Where in the file it stands, such as ``line 7``.
    """

    text: str
    place: str


@dataclass(frozen=True, slots=True)
class Entry:
    """One box as a file has it; nothing is checked but that these are numbers.

    Args:
        place: Where in the file it stands, such as ``annotation 12``.
        image: The text of its image, as listed.
        box: Left, top, right and bottom in pixels.
        name: Its class.
    """

    place: str
    image: str
    box: tuple[float, float, float, float]
    name: str


@dataclass(frozen=True)
class BoxFile:
    """What a file of boxes holds.

    Args:
        path: The file.
        images: Each image that it lists, once.
        entries: The boxes.
        names: Names of the classes, in the file's order.
    """

    path: Path
    images: tuple[Listed, ...]
    entries: tuple[Entry, ...]
    names: tuple[str, ...]


def read_boxes(path: Path, found: Findings) -> BoxFile:
    """Read a file of boxes; what is wrong with an entry hides no other.

    Args:
        path: A ``.json`` in COCO's format or a ``.csv``.
        found: Where entries that can't be understood are written down.

    Raises:
        DataError: If the file as a whole can't be read as what it is.
    """
    if path.suffix.lower() == ".csv":
        return _read_csv(path, found)
    return _read_coco(path, found)


def _read_csv(path: Path, found: Findings) -> BoxFile:
    """Rows of image, left, top, right, bottom and class, which may be left out."""
    table = read_table(path, column="image")
    missing = [name for name in _SIDES if name not in table.header]
    if missing:
        raise DataError(
            f"{path} has no column {', '.join(missing)}; its columns are "
            f"{', '.join(table.header)}. A file of boxes has {', '.join(_COLUMNS)}."
        )
    found.findings += table.findings
    has_class = "class" in table.header
    images: dict[str, Listed] = {}
    entries = []
    for row in table.rows:
        place, text = f"line {row.line}", row.get("image")
        if text is None:
            _unclear(path, place, "names no image", "an image in every line", found)
            continue
        images.setdefault(text, Listed(text, place))
        if not any(row.get(name) for name in (*_SIDES, "class" if has_class else None)):
            continue  # an image without an object
        box = _box_of_row(row)
        if box is None:
            given = ", ".join(row.get(name) or "nothing" for name in _SIDES)
            _unclear(
                path, place, f"has the sides {given}", "four numbers of pixels", found
            )
            continue
        name = row.get("class") if has_class else OBJECT
        if name is None:
            _unclear(path, place, "names no class", "a class of every box", found)
            continue
        entries.append(Entry(place, text, box, name))
    words = {entry.name for entry in entries}
    names = in_order(words, path, found, what="classes")
    return BoxFile(path, tuple(images.values()), tuple(entries), tuple(names))


def _box_of_row(row: Row) -> tuple[float, float, float, float] | None:
    try:
        left, top, right, bottom = (float(row.cells[name]) for name in _SIDES)
    except ValueError:
        return None
    return left, top, right, bottom


def _read_coco(path: Path, found: Findings) -> BoxFile:
    """The images, categories and annotations of a COCO file."""
    tree = _json(path)
    names = _unique(path, "categories", tree, "name", found)
    texts = _unique(path, "images", tree, "file_name", found)
    images: dict[str, Listed] = {}
    for key, text in texts.items():
        if text in images:
            what = f"lists {text} a second time"
            _unclear(path, f"image {key}", what, "each image once", found)
        images.setdefault(text, Listed(text, f"image {key}"))
    entries, seen, crowds = [], set(), 0
    for index, item in enumerate(tree["annotations"]):
        key = item.get("id", f"number {index}")
        place = f"annotation {key}"
        if isinstance(key, int | str) and key in seen:
            _unclear(path, place, "has the id of another", "ids that differ", found)
        seen.add(key if isinstance(key, int | str) else index)
        if item.get("iscrowd"):
            crowds += 1
            continue
        entry = _annotation(path, place, item, texts=texts, names=names, found=found)
        if entry is not None:
            entries.append(entry)
    if crowds:
        found.note(f"{path}: {plural(crowds, 'crowd')} (iscrowd) left aside.")
    in_order = [
        names[key] for key in sorted(names, key=lambda key: (str(type(key)), key))
    ]
    return BoxFile(
        path, tuple(images.values()), tuple(entries), tuple(dict.fromkeys(in_order))
    )


def _annotation(
    path: Path,
    place: str,
    item: Mapping[str, Any],
    *,
    texts: Mapping[Any, str],
    names: Mapping[Any, str],
    found: Findings,
) -> Entry | None:
    """One annotation, if its image, class and four numbers are there."""
    for key, known in (("image_id", texts), ("category_id", names)):
        value = item.get(key)
        if not isinstance(value, int | str) or value not in known:
            kind = "images" if key == "image_id" else "categories"
            what = f"has the {key} {value!r}"
            _unclear(path, place, what, f"an id among the file's {kind}", found)
            return None
    sides = _four(item.get("bbox"))
    if sides is None:
        what = f"has the bbox {item.get('bbox')!r}"
        _unclear(path, place, what, "four numbers: left, top, width, height", found)
        return None
    left, top, width, height = sides
    box = (left, top, left + width, top + height)
    return Entry(place, texts[item["image_id"]], box, names[item["category_id"]])


def _four(value: object) -> tuple[float, float, float, float] | None:
    if not isinstance(value, list) or len(value) != 4:
        return None
    if any(
        isinstance(item, bool) or not isinstance(item, int | float) for item in value
    ):
        return None
    left, top, width, height = (_float(item) for item in value)
    return left, top, width, height


def _float(number: float) -> float:
    """A number of JSON, which may be larger than any float."""
    try:
        return float(number)
    except OverflowError:
        return math.inf


def _json(path: Path) -> dict[str, list[dict[str, Any]]]:
    """The file's three lists of objects.

    Raises:
        DataError: If it is no JSON, or lacks one of them.
    """
    try:
        tree = json.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, UnicodeDecodeError, ValueError, RecursionError) as error:
        raise DataError(f"{path} can't be read as JSON: {error}.") from error
    for name in ("images", "categories", "annotations"):
        items = tree.get(name) if isinstance(tree, dict) else None
        if not isinstance(items, list) or not all(isinstance(i, dict) for i in items):
            raise DataError(
                f"{path} is not in COCO's format: it has no list {name!r} of objects. "
                "Export the boxes as COCO JSON (images, categories, annotations), or "
                "give a .csv with the columns " + ", ".join(_COLUMNS) + "."
            )
    return {name: tree[name] for name in ("images", "categories", "annotations")}


def _unique(
    path: Path,
    kind: str,
    tree: Mapping[str, Sequence[Mapping[str, Any]]],
    text: str,
    found: Findings,
) -> dict[Any, str]:
    """The text of each object of a list by its id; doubled ids are written down."""
    items: dict[Any, str] = {}
    for place, key, value in _identified(kind, tree[kind], text):
        if not isinstance(key, int | str) or not isinstance(value, str) or not value:
            what = f"has the id {key!r} and the {text} {value!r}"
            _unclear(path, place, what, "an id and a text", found)
        elif key in items:
            what = f"has the id {key!r}, as has {items[key]}"
            _unclear(path, place, what, "ids that differ", found)
        else:
            items[key] = value
    return items


def _identified(
    kind: str, items: Sequence[Mapping[str, Any]], text: str
) -> Iterator[tuple[str, Any, Any]]:
    singular = "category" if kind == "categories" else kind.removesuffix("s")
    for index, item in enumerate(items):
        yield f"{singular} number {index}", item.get("id"), item.get(text)


def _unclear(path: Path, place: str, what: str, expected: str, found: Findings) -> None:
    found.add(
        Code.BOX_ENTRY,
        path,
        f"{place} {what}",
        expected=expected,
        fix="Correct it, or take it out.",
    )
