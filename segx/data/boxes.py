"""Where the objects of each case are, and what is wrong with their boxes."""

import math
import os
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from segx.boxes.detections import Detections
from segx.config import DataConfig
from segx.data.balance import ClassShares
from segx.data.box_files import OBJECT, BoxFile, Entry, read_boxes
from segx.data.case import Case, Layout, SplitName, folder_beside, stem_of
from segx.data.defects import Code, Findings, plural
from segx.data.examine import CaseFacts
from segx.data.folders import split_folders
from segx.errors import DataError
from segx.geometry import Extent
from segx.labels import Labels

__all__ = ["BoxSet", "find_boxes"]

_BACKGROUND = "background"

_ROUNDING = 1.0
"""Pixels by which a box may leave its image: it is cut there."""


@dataclass(frozen=True)
class BoxSet:
    """The true objects of a data set.

    Args:
        names: Names of the classes without the background; the first has id 1.
        by_case: The objects of each case, by its id.
    """

    names: tuple[str, ...]
    by_case: Mapping[str, Detections]

    @property
    def labels(self) -> Labels:
        """What the ids mean."""
        return Labels("multiclass", (_BACKGROUND, *self.names))

    def shares(self, cases: Iterable[Case]) -> ClassShares:
        """Share of each class among the objects of some cases."""
        counts = Counter(
            index for case in cases for index in self._objects(case).classes.tolist()
        )
        total = max(1, counts.total())
        return {name: counts[i] / total for i, name in enumerate(self.names, start=1)}

    def traits(self) -> dict[str, frozenset[tuple[int, int]]]:
        """Which classes each case holds, for drawing splits."""
        return {
            case: frozenset((0, index) for index in objects.classes.tolist())
            for case, objects in self.by_case.items()
        }

    def _objects(self, case: Case) -> Detections:
        return self.by_case.get(case.id, Detections.empty())


def find_boxes(
    facts: Sequence[CaseFacts], layout: Layout, data: DataConfig, found: Findings
) -> BoxSet:
    """The objects of each case; boxes that can't be used become findings.

    Args:
        facts: The cases whose image could be read, with the boxes of instance masks.
        layout: All cases.
        data: Says where the boxes are.
        found: Where is written down what is wrong.

    Raises:
        DataError: If a file of boxes is not there, or can't be read.
    """
    if folder_beside(data, "detection") is not None:
        return _of_instances(facts, layout, data, found)
    read = [
        (split, read_boxes(path, found)) for split, path in _files(layout, data).items()
    ]
    names = _names([file for _, file in read], data, found)
    ids = {name: index for index, name in enumerate(names, start=1)}
    extents = {item.case.id: item.extent for item in facts}
    boxes: dict[str, list[tuple[Entry, int]]] = defaultdict(list)
    listed: set[str] = set()
    for split, file in read:
        cases = [case for case in layout.cases if split in {None, case.split}]
        matched = _match(file, cases, layout, found)
        listed |= {case.id for case in matched.values()}
        for entry in file.entries:
            case = matched.get(entry.image)
            if case is None or case.id not in extents or entry.name not in ids:
                continue
            if _is_sound(entry, extents[case.id], file.path, found):
                boxes[case.id].append((entry, ids[entry.name]))
    _find_unlisted(layout, listed, [file.path for _, file in read], found)
    return BoxSet(
        names,
        {
            case: Detections.of(
                [entry.box for entry, _ in boxes[case]], [i for _, i in boxes[case]]
            ).clipped(extent)
            for case, extent in extents.items()
        },
    )


def _of_instances(
    facts: Sequence[CaseFacts], layout: Layout, data: DataConfig, found: Findings
) -> BoxSet:
    """The boxes of instance masks, all of one class."""
    if data.classes is not None and len(data.classes) != 2:
        found.add(
            Code.CLASS_NAMES,
            layout.root,
            "holds instance masks, whose objects are of one class",
            expected=f"two names, not those of data.classes: {', '.join(data.classes)}",
            fix="Name the background and the object; or give several classes by a "
            ".json or .csv file.",
        )
    name = data.classes[-1] if data.classes else OBJECT
    boxes = {item.case.id: item.boxes for item in facts if item.boxes is not None}
    return BoxSet(
        (name,),
        {case: Detections.of(item, [1] * len(item)) for case, item in boxes.items()},
    )


def _files(layout: Layout, data: DataConfig) -> dict[SplitName | None, Path]:
    """The file of boxes, or one for each split that has a folder.

    Raises:
        DataError: If there is none.
    """
    if data.boxes is None:
        raise DataError("data.boxes is not set. Say where the boxes are.")
    name = data.boxes
    for path in (layout.root / name, name):
        if path.is_file():
            return {None: path}
    files = {split: folder / name for split, folder in split_folders(layout.root)}
    there = {split: path for split, path in files.items() if path.is_file()}
    if not there:
        raise DataError(
            f"There is no file {name} in {layout.root}, nor one in the folder of a "
            "split. Set data.boxes to a .json file of COCO or a .csv file, or to "
            "instances where each object has its own id in a mask."
        )
    return dict(there)


def _names(
    files: Sequence[BoxFile], data: DataConfig, found: Findings
) -> tuple[str, ...]:
    """Names of the classes: the config's, or those of the files in their order."""
    held = tuple(dict.fromkeys(name for file in files for name in file.names))
    if _BACKGROUND in held:
        found.add(
            Code.CLASS_NAMES,
            files[0].path,
            f"holds a class called {_BACKGROUND}",
            expected="classes of objects: what no box covers is the background",
            fix="Leave its boxes out, or give the class another name.",
        )
        held = tuple(name for name in held if name != _BACKGROUND)
    if data.classes is None:
        return held or (OBJECT,)
    names = data.classes[1:]
    unknown = [name for name in held if name not in names]
    if unknown or not names:
        found.add(
            Code.CLASS_NAMES,
            files[0].path,
            f"holds the classes {', '.join(held)}",
            expected="those that data.classes names after the background: "
            f"{', '.join(names) or 'none'}",
            fix="Name them as the file does, with the background before them.",
        )
    return names or (OBJECT,)


def _match(
    file: BoxFile, cases: Sequence[Case], layout: Layout, found: Findings
) -> dict[str, Case]:
    """The case of each image that a file lists: by its path, else its name or stem."""
    by_path = {_absolute(case.image): case for case in cases}
    named: dict[str, list[Case]] = defaultdict(list)
    for case in cases:
        for key in {case.image.name, stem_of(case.image)}:
            named[key].append(case)
    beside = file.path.parent
    matched: dict[str, Case] = {}
    surplus: list[str] = []
    for item in file.images:
        paths = (_absolute(base / item.text) for base in (layout.root, beside))
        exact = [by_path[path] for path in paths if path in by_path]
        fitting = exact[:1] or named.get(item.text, [])
        if len(fitting) == 1:
            matched[item.text] = fitting[0]
        elif fitting:
            found.add(
                Code.AMBIGUOUS_FILE,
                file.path,
                f"{item.place} names {item.text!r}: "
                f"{' or '.join(str(case.image) for case in fitting)}",
                expected="a text that fits one image",
                fix="Give the path.",
            )
        elif layout.kind == "manifest":
            surplus.append(item.text)
        else:
            found.add(
                Code.BOX_ENTRY,
                file.path,
                f"{item.place} names the image {item.text!r}, which is not there",
                expected=f"an image of {layout.root}, by its path, name or stem",
                fix="Add the image, or take its boxes out.",
            )
    if surplus:
        count = plural(len(surplus), "image")
        found.note(f"{file.path}: {count} that the manifest does not list left aside.")
    return matched


def _absolute(path: Path) -> str:
    return os.path.abspath(path)  # noqa: PTH100 - links are not followed


def _find_unlisted(
    layout: Layout, listed: set[str], files: Sequence[Path], found: Findings
) -> None:
    """Write down the images of which no file says what they hold."""
    names = " or ".join(str(path) for path in files)
    for case in layout.cases:
        if case.id not in listed:
            found.add(
                Code.MISSING_BOXES,
                case.image,
                f"is not listed in {names}",
                expected="an entry for each image, also where it holds no object",
                fix="List it (in a .csv by a line with nothing but its name), or take "
                "it out.",
            )


def _is_sound(entry: Entry, extent: Extent, path: Path, found: Findings) -> bool:
    """Whether a box has an area, and lies in its image; else that is written down."""
    left, top, right, bottom = entry.box
    if not all(map(math.isfinite, entry.box)):
        problem, expected = "which is not finite", "finite numbers of pixels"
    elif right <= left or bottom <= top:
        problem, expected = "which has no area", "left below right, top below bottom"
    elif (
        min(left, top) < -_ROUNDING
        or right > extent.cols + _ROUNDING
        or bottom > extent.rows + _ROUNDING
        or right <= 0
        or bottom <= 0
        or left >= extent.cols
        or top >= extent.rows
    ):
        problem = "which leaves the image"
        expected = f"a place in its {extent.cols} columns and {extent.rows} rows"
    else:
        return True
    sides = ", ".join(f"{side:g}" for side in entry.box)
    found.add(
        Code.BAD_BOX,
        path,
        f"{entry.place} has a box in {entry.image} with the sides {sides} (left, top, "
        f"right, bottom), {problem}",
        expected=expected,
        fix="Correct it, or take it out.",
    )
    return False
