"""Data sets listed in a CSV file: a row per image, with paths, file names or stems."""

import os
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from segx.config import DataConfig
from segx.data.case import (
    SPLIT_FOLDERS,
    Case,
    Layout,
    SplitName,
    Task,
    folder_beside,
    stem_of,
    with_ids,
)
from segx.data.class_words import in_order
from segx.data.columns import Columns, match_columns
from segx.data.defects import Code, Findings, plural
from segx.data.folders import image_files, is_image, leaves, split_folders
from segx.data.table import Row, read_table
from segx.data.tags import name_tags, read_tags
from segx.errors import DataError
from segx.scans import IMAGE_SUFFIXES

__all__ = ["read_manifest"]


def read_manifest(data: DataConfig, *, task: Task) -> Layout:
    """Read the cases that a CSV file lists.

    The image column holds a path, relative to the data root or to the CSV file, or the
    name or stem of a file in `images/` (of the root or of a split's folder). The mask
    column does the same for `masks/`; without it, masks are found by the image's stem.
    Several mask columns make a multilabel mask, one plane a column. Several label
    columns of 1, 0 or nothing (unknown) make images that may be of several classes. The
    columns for label, patient and split may be left out.

    Args:
        data: Gives `manifest`, `root` (by default the manifest's folder), `columns`
            and `classes`.
        task: Segmentation needs masks, classification needs labels; for both at once a
            row may leave one of them empty.

    Returns:
        The cases, with every row that can't be used as a finding.

    Raises:
        DataError: If the file can't be read as CSV or lacks a column.
    """
    manifest = _find(data)
    root = manifest.parent if data.root is None else data.root
    table = read_table(manifest, column=data.columns.image)
    columns = match_columns(table, data, task=task, manifest=manifest)
    found = Findings(list(table.findings))
    folder = folder_beside(data, task) or "masks"
    places = _Places.of(root, manifest.parent, folder, found)
    entries = [
        _entry(row, data.columns.image, columns, places, _At(manifest, row.line, found))
        for row in table.rows
    ]
    usable = _each_once([entry for entry in entries if entry is not None])
    _check_splits(usable, manifest, found)
    classes = data.classes if task == "classification" else None
    words = {entry.label for entry in usable if entry.label is not None}
    numbers = _number(words, classes, manifest, found)
    names = (classes or tuple(numbers)) if words else None
    if not table.rows:
        found.add(
            Code.NO_IMAGES,
            manifest,
            "lists no image",
            expected="a line for each image",
            fix="Fill it in, or take another file.",
        )
    whole = [entry for entry in usable if columns.fit(entry.masks)]
    found.spare += [entry.image for entry in usable if not columns.fit(entry.masks)]
    return Layout.of(
        with_ids((entry.case(numbers) for entry in whole), root=root),
        found,
        root=root,
        kind="manifest",
        class_names=name_tags(columns.tags, classes) or names,
        class_kind="multilabel" if columns.tags else "multiclass",
        plane_names=columns.planes,
    )


@dataclass(frozen=True)
class _At:
    """A line of the manifest, where what is wrong with it is written down."""

    manifest: Path
    line: int
    found: Findings

    def add(self, code: Code, found: str, *, expected: str, fix: str) -> None:
        place = f"line {self.line} {found}"
        self.found.add(code, self.manifest, place, expected=expected, fix=fix)


@dataclass(frozen=True)
class _Entry:
    """A row understood, its label still a word."""

    at: _At
    image: Path
    masks: tuple[Path, ...]
    label: str | None
    patient: str | None
    split: SplitName | None
    tags: tuple[int, ...] | None

    def case(self, numbers: Mapping[str, int]) -> Case:
        """The case of this row; `numbers` tells the index of each label."""
        return Case(
            id=stem_of(self.image),
            image=self.image,
            masks=self.masks,
            label=None if self.label is None else numbers[self.label],
            patient=self.patient,
            split=self.split,
            tags=self.tags,
        )


@dataclass(frozen=True)
class _Places:
    """Where files are looked for: by path, then by name or stem in some folders."""

    root: Path
    bases: tuple[Path, ...]
    folder: str
    images: Mapping[str, Sequence[Path]]
    masks: Mapping[tuple[Path, str], Sequence[Path]]

    @classmethod
    def of(cls, root: Path, beside: Path, folder: str, found: Findings) -> "_Places":
        """List images/ and the masks in the root and in the folders of the splits."""
        images = defaultdict(list)
        masks = defaultdict(list)
        for place in [root, *(place for _, place in split_folders(root))]:
            for path in image_files(place / "images", root, found):
                for key in (stem_of(path), path.name):
                    images[key].append(path)
            for path in image_files(place / folder, root, found):
                for key in (stem_of(path), path.name):
                    masks[place, key].append(path)
        bases = tuple(dict.fromkeys((root, beside)))
        return cls(root, bases, folder, images, masks)

    def image(self, text: str, split: SplitName | None, at: _At) -> Path | None:
        """Find the image that a cell stands for."""
        path = self._at_path(text)
        named = self.images.get(text, ())
        if split is not None:
            of_split = [item for item in named if self._split_of(item) == split]
            named = of_split or named
        return self._allowed([path] if path else named, text, at, folder="images/")

    def mask(self, text: str, image: Path, at: _At) -> Path | None:
        """Find the mask that a cell stands for, or that has an image's stem."""
        path = self._at_path(text)
        named = self.masks.get((image.parent.parent, text), ())
        folder = f"{self.folder}/ beside the image"
        return self._allowed([path] if path else named, text, at, folder=folder)

    def _split_of(self, image: Path) -> SplitName | None:
        """The split in whose folder an image stands."""
        return SPLIT_FOLDERS.get(image.parent.parent.name)

    def _at_path(
        self, text: str, is_wanted: Callable[[Path], bool] = Path.is_file
    ) -> Path | None:
        """The file, or what else is wanted, at a path, if there is one."""
        paths = (Path(os.path.normpath(base / text)) for base in self.bases)
        try:
            return next((path for path in paths if is_wanted(path)), None)
        except OSError:  # a text that can't be a path
            return None

    def _allowed(
        self, found: Sequence[Path], text: str, at: _At, *, folder: str
    ) -> Path | None:
        """The one file found; none, several, a link outside or no image are refused."""
        if not found:
            what = "a folder" if self._at_path(text, Path.is_dir) else "not there"
            at.add(
                Code.MISSING_FILE,
                f"names {text!r}, which is {what}",
                expected=f"a path below {self.root}, or the name of a file in {folder}",
                fix="Correct the line, or add the file.",
            )
        elif len(found) > 1:
            at.add(
                Code.AMBIGUOUS_FILE,
                f"names {text!r}: {' or '.join(str(path) for path in found)}",
                expected="a text that fits one file",
                fix="Give the path.",
            )
        elif leaves(found[0], self.root):
            at.add(
                Code.OUTSIDE_ROOT,
                f"names {text!r}, which leads out of the data set",
                expected=f"a place in {self.root}",
                fix="Set data.root to a folder that holds all files.",
            )
        elif not is_image(found[0]):
            at.add(
                Code.NOT_AN_IMAGE,
                f"names {text!r}, which is no image",
                expected=f"one of {' '.join(IMAGE_SUFFIXES)}",
                fix="Name an image, or take the line out.",
            )
        else:
            return found[0]
        return None


def _find(data: DataConfig) -> Path:
    """The manifest: at the path given, or there below the data root."""
    if data.manifest is None:
        raise DataError("data.manifest is not set. Name a CSV file.")
    places = [data.manifest, *([data.root / data.manifest] if data.root else [])]
    for path in places:
        if path.is_file():
            return path
    raise DataError(
        f"There is no manifest {' or '.join(str(path) for path in places)}. Set "
        "data.manifest to a CSV file."
    )


def _entry(
    row: Row, image_column: str, columns: Columns, places: _Places, at: _At
) -> _Entry | None:
    """Find the files of one row; what is wrong with it is written down."""
    split_text = row.get(columns.split)
    split = SPLIT_FOLDERS.get(split_text.lower()) if split_text else None
    if split_text and split is None:
        at.add(
            Code.MANIFEST_ROW,
            f"gives the split {split_text!r}",
            expected=f"{', '.join(SPLIT_FOLDERS)}, or nothing in every line",
            fix="Correct it.",
        )
    label, tags = row.get(columns.label), _tags(row, columns, at)
    if columns.labels and label is None and tags is None and not columns.may_lack:
        _empty(columns.labels, at)
    text = row.get(image_column)
    if text is None:
        _empty((image_column,), at)
        return None
    image = places.image(text, split, at)
    if image is None:
        return None
    masks = _masks(row, columns, image, places, at)
    if columns.may_lack and not masks and label is None and tags is None:
        at.add(
            Code.MANIFEST_ROW,
            "has neither a mask nor a label",
            expected="one of them, or both",
            fix="Fill it in, or take the line out.",
        )
    return _Entry(
        at=at,
        image=image,
        masks=masks,
        label=label,
        patient=row.get(columns.patient),
        split=split,
        tags=tags,
    )


def _masks(
    row: Row, columns: Columns, image: Path, places: _Places, at: _At
) -> tuple[Path, ...]:
    """The masks of one row: none where they may all be missing."""
    cells = {
        name: stem_of(image) if name is None else row.get(name)
        for name in columns.masks
    }
    if columns.may_lack and not any(cells.values()):
        return ()
    masks = []
    for name, cell in cells.items():
        if cell is None:
            _empty((name or "",), at)
        elif (mask := places.mask(cell, image, at)) is not None:
            masks.append(mask)
    return tuple(masks)


def _tags(row: Row, columns: Columns, at: _At) -> tuple[int, ...] | None:
    """What one row says of each class, where an image may be of several."""

    def unclear(column: str, text: str) -> None:
        at.add(
            Code.MANIFEST_ROW,
            f"has {text!r} in the column {column!r}",
            expected="1, 0, or nothing where it is unknown",
            fix="Correct it.",
        )

    return read_tags(row, columns.tags, on_unclear=unclear)


def _empty(columns: Sequence[str], at: _At) -> None:
    """Write down a cell, or a row of them, that must be filled."""
    at.add(
        Code.MANIFEST_ROW,
        f"has nothing in the column {' or '.join(map(repr, columns))}",
        expected="a text in every line",
        fix="Fill it in.",
    )


def _each_once(entries: Sequence[_Entry]) -> list[_Entry]:
    """The entries whose image stands in no line before."""
    first: dict[Path, _Entry] = {}
    for entry in entries:
        other = first.setdefault(entry.image.resolve(), entry)
        if other is not entry:
            entry.at.add(
                Code.LISTED_TWICE,
                f"names {entry.image}, as does line {other.at.line}",
                expected="each image once",
                fix="Take one of the lines out.",
            )
    return list(first.values())


def _check_splits(entries: Sequence[_Entry], manifest: Path, found: Findings) -> None:
    """A split is given in every line, or in none."""
    bare = [entry.at.line for entry in entries if entry.split is None]
    if bare and len(bare) < len(entries):
        found.add(
            Code.MANIFEST_ROW,
            manifest,
            f"gives a split for some lines and none for {plural(len(bare), 'line')}, "
            f"the first of them line {bare[0]}",
            expected="a split in every line, or in none",
            fix="Fill in all of them, or none.",
        )


def _number(
    words: set[str], classes: tuple[str, ...] | None, manifest: Path, found: Findings
) -> dict[str, int]:
    """Number the words of the label column.

    They are the class names, in the order of `in_order`; `classes` sets another order,
    or names the numbers 0 … K-1.
    """
    ordered = in_order(words, manifest, found, what="labels")
    if classes is None or words <= set(classes):
        return {word: index for index, word in enumerate(classes or ordered)}
    ids = [str(index) for index in range(len(classes))]
    if words <= set(ids):
        return {word: int(word) for word in ids}
    found.add(
        Code.CLASS_NAMES,
        manifest,
        f"has the labels {', '.join(ordered)}",
        expected=f"those that data.classes names: {', '.join(classes)}",
        fix=f"Name them as they stand there, or number them 0 to {len(classes) - 1}.",
    )
    return dict.fromkeys(words, 0)
