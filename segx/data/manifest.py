"""Data sets listed in a CSV file: a row per image, with paths, file names or stems."""

import os
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from segx.config import ColumnsConfig, DataConfig, did_you_mean
from segx.data.case import (
    SPLIT_FOLDERS,
    Case,
    Layout,
    SplitName,
    Task,
    stem_of,
    with_ids,
)
from segx.data.defects import plural
from segx.data.findings import name_findings, read_findings
from segx.data.folders import (
    Findings,
    image_files,
    is_image,
    leaves,
    split_folders,
)
from segx.data.table import Row, Table, read_table
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

    Raises:
        DefectsError: With every row that can't be used.
        DataError: If the file can't be read as CSV or lacks a column.
    """
    manifest = _find(data)
    root = manifest.parent if data.root is None else data.root
    table = read_table(manifest, column=data.columns.image)
    columns = _columns(table, data, task=task, manifest=manifest)
    found = Findings(defects=list(table.defects))
    places = _Places.of(root, manifest.parent, found)
    entries = [
        _entry(row, data.columns.image, columns, places, _At(manifest, row.line, found))
        for row in table.rows
    ]
    usable = [entry for entry in entries if entry is not None]
    _check_together(usable, manifest, found)
    classes = data.classes if task == "classification" else None
    words = {entry.label for entry in usable if entry.label is not None}
    numbers = _number(words, classes, manifest, found)
    names = (classes or tuple(numbers)) if words else None
    if not table.rows:
        found.defect(manifest, "lists no image.")
    found.refuse_if_any(root)
    return Layout(
        root=root,
        cases=with_ids((entry.case(numbers) for entry in usable), root=root),
        kind="manifest",
        class_names=name_findings(columns.findings, classes) or names,
        class_kind="multilabel" if columns.findings else "multiclass",
        plane_names=columns.planes,
        notes=tuple(found.notes),
    )


@dataclass(frozen=True)
class _Columns:
    """The columns to read; nothing where the manifest has none."""

    masks: tuple[str | None, ...]
    """No mask, one a column; ``None`` stands for the image's stem in masks/."""
    planes: tuple[str, ...] | None
    label: str | None
    patient: str | None
    split: str | None
    findings: tuple[str, ...]
    """A column of 0 and 1 for each class, where an image may be of several."""
    may_lack: bool
    """Whether a row may go without mask or without label."""


@dataclass(frozen=True)
class _At:
    """A line of the manifest, where what is wrong with it is written down."""

    manifest: Path
    line: int
    found: Findings

    def defect(self, problem: str) -> None:
        self.found.defect(self.manifest, f"line {self.line}: {problem}")


@dataclass(frozen=True)
class _Entry:
    """A row understood, its label still a word."""

    at: _At
    image: Path
    masks: tuple[Path, ...]
    label: str | None
    patient: str | None
    split: SplitName | None
    findings: tuple[int, ...] | None

    def case(self, numbers: Mapping[str, int]) -> Case:
        """The case of this row; `numbers` tells the index of each label."""
        return Case(
            id=stem_of(self.image),
            image=self.image,
            masks=self.masks,
            label=None if self.label is None else numbers[self.label],
            patient=self.patient,
            split=self.split,
            findings=self.findings,
        )


@dataclass(frozen=True)
class _Places:
    """Where files are looked for: by path, then by name or stem in some folders."""

    root: Path
    bases: tuple[Path, ...]
    images: Mapping[str, Sequence[Path]]
    masks: Mapping[tuple[Path, str], Sequence[Path]]

    @classmethod
    def of(cls, root: Path, beside: Path, found: Findings) -> "_Places":
        """List images/ and masks/ in the root and in the folders of the splits."""
        images = defaultdict(list)
        masks = defaultdict(list)
        for place in [root, *(place for _, place in split_folders(root))]:
            for path in image_files(place / "images", root, found):
                for key in (stem_of(path), path.name):
                    images[key].append(path)
            for path in image_files(place / "masks", root, found):
                for key in (stem_of(path), path.name):
                    masks[place, key].append(path)
        return cls(root, tuple(dict.fromkeys((root, beside))), images, masks)

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
        folder = "masks/ beside the image"
        return self._allowed([path] if path else named, text, at, folder=folder)

    def _split_of(self, image: Path) -> SplitName | None:
        """The split in whose folder an image stands."""
        return SPLIT_FOLDERS.get(image.parent.parent.name)

    def _at_path(self, text: str) -> Path | None:
        """The file at a path, if there is one."""
        paths = (Path(os.path.normpath(base / text)) for base in self.bases)
        return next((path for path in paths if _is_file(path)), None)

    def _allowed(
        self, found: Sequence[Path], text: str, at: _At, *, folder: str
    ) -> Path | None:
        """The one file found; none, several, a link outside or no image are refused."""
        if len(found) != 1:
            several = ", ".join(str(path) for path in found)
            at.defect(
                f"{text!r} may be any of {several}; give the path."
                if several
                else f"{text!r} is neither a path below {self.root} nor the name of a "
                f"file in {folder}."
            )
            return None
        path = found[0]
        if leaves(path, self.root):
            at.defect(
                f"{text!r} leads out of {self.root}. Set data.root to a folder that "
                "holds all files."
            )
        elif not is_image(path):
            at.defect(f"{text!r} is no image: they end in {' '.join(IMAGE_SUFFIXES)}.")
        else:
            return path
        return None


def _is_file(path: Path) -> bool:
    """Whether a path is a file; a text that can't be a path is none."""
    try:
        return path.is_file()
    except OSError:
        return False


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


def _columns(table: Table, data: DataConfig, *, task: Task, manifest: Path) -> _Columns:
    """Match the config's column names with the header.

    A column that the config names itself must be there; one that goes by its default
    name may be missing, unless the task can't do without.
    """
    given = data.columns

    def column(key: str, name: str, *, needed: bool = False) -> str | None:
        if name in table.header:
            return name
        if needed or name != ColumnsConfig.model_fields[key].default:
            raise DataError(
                f"{manifest} has no column {name!r}; its columns are "
                f"{', '.join(table.header)}. {did_you_mean(name, table.header)} Set "
                f"data.columns.{key}."
            )
        return None

    named = given.mask
    masks: tuple[str | None, ...] = ()
    planes = None
    if task != "classification" and isinstance(named, str):
        masks = (column("mask", named),)
    elif task != "classification":
        masks = tuple(column("mask", name, needed=True) for name in named)
        planes = data.classes or tuple(named)
    _check_kind(data, masks, planes)
    several = () if isinstance(given.label, str) else given.label
    for name in several:
        column("label", name, needed=True)
    return _Columns(
        masks=masks,
        planes=planes,
        label=column("label", given.label, needed=task != "segmentation")
        if isinstance(given.label, str)
        else None,
        patient=column("patient", given.patient),
        split=column("split", given.split),
        findings=several,
        may_lack=task == "multitask",
    )


def _check_kind(
    data: DataConfig, masks: Sequence[str | None], planes: Sequence[str] | None
) -> None:
    """Several mask columns are a multilabel mask, one is any other."""
    several = planes is not None
    if masks and data.mask_kind not in {
        "auto",
        *(["multilabel"] if several else ["binary", "multiclass"]),
    }:
        raise DataError(
            f"data.mask_kind is {data.mask_kind}, but data.columns.mask is "
            f"{data.columns.mask!r}. Multilabel masks need a list with a column for "
            "each class, other masks need one column."
        )
    if planes is not None and len(planes) != len(masks):
        raise DataError(
            f"data.classes names {len(planes)} classes and data.columns.mask "
            f"{len(masks)} columns. Name one class for each column."
        )


def _entry(
    row: Row, image_column: str, columns: _Columns, places: _Places, at: _At
) -> _Entry | None:
    """Find the files of one row; what is wrong with it is written down."""
    split_text = row.get(columns.split)
    split = SPLIT_FOLDERS.get(split_text.lower()) if split_text else None
    if split_text and split is None:
        at.defect(
            f"{split_text!r} is no split. Allowed: {', '.join(SPLIT_FOLDERS)}, or "
            "nothing in every row."
        )
    label = row.get(columns.label)
    findings = read_findings(
        row, columns.findings, needed=not columns.may_lack, on_defect=at.defect
    )
    if columns.label and label is None and not columns.may_lack:
        at.defect(f"the column {columns.label!r} is empty.")
    text = row.get(image_column)
    if text is None:
        at.defect(f"the column {image_column!r} is empty.")
        return None
    image = places.image(text, split, at)
    if image is None:
        return None
    masks = _masks(row, columns, image, places, at)
    if columns.may_lack and not masks and label is None and findings is None:
        at.defect("it has neither a mask nor a label: leave the row out.")
    return _Entry(
        at=at,
        image=image,
        masks=masks,
        label=label,
        patient=row.get(columns.patient),
        split=split,
        findings=findings,
    )


def _masks(
    row: Row, columns: _Columns, image: Path, places: _Places, at: _At
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
            at.defect(f"the column {name!r} is empty.")
        elif (mask := places.mask(cell, image, at)) is not None:
            masks.append(mask)
    return tuple(masks)


def _check_together(entries: Sequence[_Entry], manifest: Path, found: Findings) -> None:
    """Refuse an image listed twice, and splits given for some rows only."""
    first: dict[Path, int] = {}
    for entry in entries:
        line = first.setdefault(entry.image.resolve(), entry.at.line)
        if line != entry.at.line:
            entry.at.defect(f"{entry.image} stands in line {line} already.")
    bare = [entry.at.line for entry in entries if entry.split is None]
    if bare and len(bare) < len(entries):
        found.defect(
            manifest,
            f"gives a split for some rows and none for {plural(len(bare), 'row')}, the "
            f"first in line {bare[0]}. Fill in all of them, or none.",
        )


def _number(
    words: set[str], classes: tuple[str, ...] | None, manifest: Path, found: Findings
) -> dict[str, int]:
    """Number the words of the label column.

    They are the class names: numbers in the order of numbers, other words in that of
    the alphabet. `classes` sets another order, or names the numbers 0 … K-1.
    """
    numbers = all(word.isascii() and word.isdigit() for word in words)
    ordered = sorted(words, key=int) if numbers else sorted(words)
    if classes is None or words <= set(classes):
        return {word: index for index, word in enumerate(classes or ordered)}
    ids = [str(index) for index in range(len(classes))]
    if words <= set(ids):
        return {word: int(word) for word in ids}
    found.defect(
        manifest,
        f"has the labels {ordered}, but data.classes names {list(classes)}. Name them "
        f"as they stand there, or number them 0 to {len(classes) - 1}.",
    )
    return dict.fromkeys(words, 0)
