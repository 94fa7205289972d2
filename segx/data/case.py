"""What a data set is made of: cases, and the layout that they were found in."""

import os
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from segx.data.defects import Defect, DefectsError
from segx.labels import ClassKind, Labels
from segx.scans.suffix import split_suffix

__all__ = [
    "SPLIT_FOLDERS",
    "Case",
    "Layout",
    "LayoutKind",
    "SplitName",
    "Task",
    "classes_of",
    "is_labelled",
    "stem_of",
    "with_ids",
]

LayoutKind = Literal["folders", "classes", "manifest"]
SplitName = Literal["train", "val", "test"]
Task = Literal["segmentation", "classification", "multitask"]

SPLIT_FOLDERS: dict[str, SplitName] = {
    "train": "train",
    "val": "val",
    "valid": "val",
    "validation": "val",
    "test": "test",
}
"""Names that a split goes by, as a folder and in a manifest."""


@dataclass(frozen=True, slots=True)
class Case:
    """One image or volume with what is known about it.

    Args:
        id: Name of the case, unique in its data set and fit for a file name.
        image: The image; all its planes belong to the case.
        masks: No mask, one mask of class ids, or one 0/1 mask a class (multilabel).
        label: Index of the whole image's class.
        patient: Cases of one patient never stand in two splits.
        split: The split that the data set itself puts the case in.
        findings: Where an image may be of several classes: 1 or 0 for each, `UNKNOWN`
            where nobody has told.
    """

    id: str
    image: Path
    masks: tuple[Path, ...] = ()
    label: int | None = None
    patient: str | None = None
    split: SplitName | None = None
    findings: tuple[int, ...] | None = None


@dataclass(frozen=True)
class Layout:
    """The cases of a data set, in a fixed order.

    Args:
        root: Folder that holds all of it.
        cases: Every case, sorted by the path of its image.
        kind: ``folders`` (images/ beside masks/), ``classes`` (a folder per class) or
            ``manifest`` (a CSV file).
        class_names: Names of the whole-image classes, if the cases have labels.
        class_kind: Whether an image is of one of them, or may be of several.
        plane_names: Names of the planes, if masks are multilabel.
        notes: What was seen and left aside, such as folders without a meaning here.
    """

    root: Path
    cases: tuple[Case, ...]
    kind: LayoutKind
    class_names: tuple[str, ...] | None = None
    class_kind: ClassKind = "multiclass"
    plane_names: tuple[str, ...] | None = None
    notes: tuple[str, ...] = ()

    @property
    def class_labels(self) -> Labels | None:
        """What the labels of whole images mean; None where there are none."""
        if self.class_names is None:
            return None
        return Labels(self.class_kind, self.class_names)

    def __post_init__(self) -> None:
        count = Counter(case.id.casefold() for case in self.cases)
        doubled = [case for case in self.cases if count[case.id.casefold()] > 1]
        if doubled:
            raise DefectsError(
                f"Data set {self.root}",
                [
                    Defect(case.image, f"another image is named {case.id} too; rename.")
                    for case in doubled
                ],
            )


def classes_of(case: Case) -> tuple[int, ...]:
    """Indices of the classes that a whole image is known to be of."""
    if case.findings is not None:
        return tuple(index for index, found in enumerate(case.findings) if found == 1)
    return () if case.label is None else (case.label,)


def is_labelled(case: Case) -> bool:
    """Whether anything is known of the class of a whole image."""
    return case.label is not None or case.findings is not None


def stem_of(path: Path) -> str:
    """A file's name without its suffix, which may be double, such as ``.nii.gz``."""
    return split_suffix(path)[0]


def with_ids(cases: Iterable[Case], *, root: Path) -> tuple[Case, ...]:
    """Sort cases by image and give each a unique id.

    The id is the image's stem. Where several images share one, their folders come
    before it: ``train/images/01.png`` and ``test/images/01.png`` are ``train-01`` and
    ``test-01``.
    """
    ordered = sorted(cases, key=lambda case: case.image.as_posix())
    stems = Counter(stem_of(case.image).casefold() for case in ordered)
    return tuple(
        replace(
            case,
            id=stem_of(case.image)
            if stems[stem_of(case.image).casefold()] == 1
            else "-".join(_places(case.image, root)),
        )
        for case in ordered
    )


def _places(image: Path, root: Path) -> list[str]:
    """The folders below `root` that tell an image from others, and its stem."""
    folders = Path(os.path.relpath(image.parent, root)).parts
    inner = (name for name in folders if name not in {"images", ".."})
    return [*inner, stem_of(image)]
