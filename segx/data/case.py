"""What a data set is made of: cases, and the layout that they were found in."""

import os
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, Self

from segx.config import DataConfig
from segx.data.defects import Code, DefectsError, Finding, Findings, errors_among
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
    "folder_beside",
    "has_mask",
    "is_labelled",
    "stem_of",
    "with_ids",
]

LayoutKind = Literal["folders", "classes", "manifest", "nnunet"]
SplitName = Literal["train", "val", "test"]
Task = Literal["segmentation", "classification", "multitask", "detection"]

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
        tags: Where an image may be of several classes: 1 or 0 for each, `UNKNOWN` where
            nobody has told.
        channels: Files of the same size whose channels follow those of `image`.
    """

    id: str
    image: Path
    masks: tuple[Path, ...] = ()
    label: int | None = None
    patient: str | None = None
    split: SplitName | None = None
    tags: tuple[int, ...] | None = None
    channels: tuple[Path, ...] = ()

    @property
    def images(self) -> tuple[Path, ...]:
        """All files of the image, in the order of its channels."""
        return (self.image, *self.channels)


@dataclass(frozen=True)
class Layout:
    """The cases of a data set, in a fixed order.

    Args:
        root: Folder that holds all of it.
        cases: Every case, sorted by the path of its image.
        kind: ``folders`` (images/ beside masks/), ``classes`` (a folder per class),
            ``manifest`` (a CSV file) or ``nnunet`` (imagesTr/ beside labelsTr/).
        class_names: Names of the whole-image classes, if the cases have labels.
        class_kind: Whether an image is of one of them, or may be of several.
        plane_names: Names of the planes, if masks are multilabel.
        notes: What was seen and left aside, such as folders without a meaning here.
        findings: What is wrong with the list: missing files, doubled stems.
        spare: Images that are no cases for one of these reasons.
        mask_classes: Names of the ids of the masks, if the data set tells them.
        ignore_index: The id of pixels that don't count, if it tells that.
        channel_names: Names of every image's channels, if it tells them.
    """

    root: Path
    cases: tuple[Case, ...]
    kind: LayoutKind
    class_names: tuple[str, ...] | None = None
    class_kind: ClassKind = "multiclass"
    plane_names: tuple[str, ...] | None = None
    notes: tuple[str, ...] = ()
    findings: tuple[Finding, ...] = ()
    spare: tuple[Path, ...] = ()
    mask_classes: tuple[str, ...] | None = None
    ignore_index: int | None = None
    channel_names: tuple[str, ...] | None = None

    @classmethod
    def of(
        cls,
        cases: Iterable[Case],
        found: Findings,
        *,
        root: Path,
        kind: LayoutKind,
        class_names: tuple[str, ...] | None = None,
        class_kind: ClassKind = "multiclass",
        plane_names: tuple[str, ...] | None = None,
        mask_classes: tuple[str, ...] | None = None,
        ignore_index: int | None = None,
        channel_names: tuple[str, ...] | None = None,
    ) -> Self:
        """A layout of what was found; a case whose name is taken becomes a finding.

        Args:
            cases: The cases.
            found: What the look through the folders turned up.
            root: As in the layout, and so on.
            kind: Likewise.
            class_names: Likewise.
            class_kind: Likewise.
            plane_names: Likewise.
            mask_classes: Likewise.
            ignore_index: Likewise.
            channel_names: Likewise.
        """
        unique: dict[str, Case] = {}
        for case in cases:
            other = unique.setdefault(case.id.casefold(), case)
            if other is not case:
                found.add(
                    Code.DOUBLED_STEM,
                    case.image,
                    f"would be named {case.id} as is {other.image}",
                    expected="one image a name, capital letters or not",
                    fix="Keep one of them, or rename.",
                )
                found.spare.append(case.image)
        return cls(
            root=root,
            cases=tuple(unique.values()),
            kind=kind,
            class_names=class_names,
            class_kind=class_kind,
            plane_names=plane_names,
            mask_classes=mask_classes,
            ignore_index=ignore_index,
            channel_names=channel_names,
            notes=tuple(found.notes),
            findings=tuple(found.findings),
            spare=tuple(found.spare),
        )

    def refuse_defects(self) -> None:
        """Raise what is wrong with the list of the files, if anything is.

        Raises:
            DefectsError: With every error among the findings.
        """
        errors = errors_among(self.findings)
        if errors:
            raise DefectsError(f"Data set {self.root}", errors)

    @property
    def class_labels(self) -> Labels | None:
        """What the labels of whole images mean; None where there are none."""
        if self.class_names is None:
            return None
        return Labels(self.class_kind, self.class_names)

    def completed(self, data: DataConfig) -> DataConfig:
        """The config with what the data set tells of itself; what it sets stays."""
        told: dict[str, object] = {}
        if data.classes is None and self.mask_classes is not None:
            told["classes"] = self.mask_classes
        if data.ignore_index is None and self.ignore_index is not None:
            told["ignore_index"] = self.ignore_index
        if data.channels == "auto" and self.channel_names is not None:
            told["channels"] = len(self.channel_names)
        return data.model_copy(update=told)


def classes_of(case: Case) -> tuple[int, ...]:
    """Indices of the classes that a whole image is known to be of."""
    if case.tags is not None:
        return tuple(index for index, tag in enumerate(case.tags) if tag == 1)
    return () if case.label is None else (case.label,)


def is_labelled(case: Case) -> bool:
    """Whether anything is known of the class of a whole image."""
    return case.label is not None or case.tags is not None


def has_mask(case: Case) -> bool:
    """Whether there is anything to hold a predicted mask against."""
    return bool(case.masks)


def folder_beside(data: DataConfig, task: Task) -> str | None:
    """Name of the folder of masks beside images/; None where a task needs none.

    Examples:
        >>> from segx.config import DataConfig
        >>> folder_beside(DataConfig(boxes=Path("instances")), "detection")
        'instances'
        >>> folder_beside(DataConfig(boxes=Path("boxes.json")), "detection")
    """
    if task == "classification":
        return None
    if task != "detection":
        return "masks"
    return None if data.boxes is None or data.boxes.suffix else data.boxes.name


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
