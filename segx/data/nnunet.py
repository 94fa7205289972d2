"""Raw data sets of nnU-Net, version 2: read as they are.

References:
    Isensee et al. 2021, doi:10.1038/s41592-020-01008-z.
"""

import re
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path

from pydantic import BaseModel, Field, ValidationError

from segx.data.case import Case, Layout, SplitName
from segx.data.defects import Code, Findings
from segx.data.folders import image_files
from segx.errors import DataError
from segx.scans import IMAGE_SUFFIXES

__all__ = ["DESCRIPTION", "IGNORE", "Description", "is_nnunet", "read_nnunet"]

DESCRIPTION = "dataset.json"
"""The file that names channels and classes."""

IGNORE = "ignore"
"""The name that nnU-Net gives to pixels that don't count."""

_PLACES: Mapping[str, tuple[str, SplitName]] = {
    "imagesTr": ("labelsTr", "train"),
    "imagesTs": ("labelsTs", "test"),
}


class Description(BaseModel):
    """What dataset.json tells of a data set; further keys are left aside."""

    channel_names: dict[str, str] = Field(min_length=1)
    """By the channel's number."""
    labels: dict[str, int | list[int]] = Field(min_length=2)
    """Ids by class; nnU-Net allows several ids a class (regions)."""
    file_ending: str
    num_training: int = Field(alias="numTraining")

    def classes(self, path: Path) -> tuple[tuple[str, ...], int | None]:
        """Names of the ids 0 … K-1, and the id of pixels that don't count.

        Raises:
            DataError: If the ids are regions, or not 0 … K-1 and then ``ignore``.
        """
        regions = [name for name, ids in self.labels.items() if isinstance(ids, list)]
        if regions:
            raise DataError(
                f"{path} has regions, which are several ids as one class: "
                f"{', '.join(regions)}. segx learns classes of one id each: name the "
                "ids themselves."
            )
        ids = {name: value for name, value in self.labels.items() if name != IGNORE}
        names = sorted(ids, key=ids.__getitem__)
        # Held against what nnU-Net wants: the ids in order, then that of `ignore`.
        given = [*(ids[name] for name in names), self.labels.get(IGNORE, len(names))]
        if given != list(range(len(names) + 1)):
            raise DataError(
                f"{path} has the labels {self.labels}; nnU-Net wants 0, 1, 2 … without "
                f"a gap, the background first, and {IGNORE!r} last. Number them so."
            )
        return tuple(names), len(names) if IGNORE in self.labels else None


def is_nnunet(root: Path) -> bool:
    """Whether a folder is laid out as nnU-Net's raw data sets are."""
    return (root / DESCRIPTION).is_file() and (root / "imagesTr").is_dir()


def read_nnunet(root: Path) -> Layout:
    """Pair `imagesTr/CASE_0000.*` with `labelsTr/CASE.*`, and so for the test cases.

    Channels that lie in several files (`_0001` and so on) are one image. Names of
    classes and the number of channels come from `dataset.json`. Test images without
    labels are left aside.

    Args:
        root: The data set's folder.

    Returns:
        The cases, with all missing and surplus files as findings.

    Raises:
        DataError: If dataset.json can't be read, or has what segx can't learn.
    """
    description = _describe(root / DESCRIPTION)
    names, ignored = description.classes(root / DESCRIPTION)
    found = Findings()
    cases = []
    for folder, (labels, split) in _PLACES.items():
        if (root / folder).is_dir() and (root / labels).is_dir():
            cases += _cases(root, folder, description, found)
        elif (root / folder).is_dir() and split == "test":
            found.note(f"{root / folder} has no {labels} beside it: left aside.")
        elif split == "train":
            found.add(
                Code.NO_IMAGES,
                root / labels,
                "is missing",
                expected="a label file for each case",
                fix="Add the folder.",
            )
    training = sum(case.split == "train" for case in cases)
    if not found.findings and training != description.num_training:
        found.note(
            f"{root / DESCRIPTION} counts {description.num_training} training cases; "
            f"there are {training}."
        )
    return Layout.of(
        sorted(cases, key=lambda case: case.image.as_posix()),
        found,
        root=root,
        kind="nnunet",
        mask_classes=names,
        ignore_index=ignored,
        channel_names=tuple(description.channel_names.values()),
    )


def _describe(path: Path) -> Description:
    """Read dataset.json."""
    try:
        description = Description.model_validate_json(path.read_bytes())
    except OSError as error:
        raise DataError(f"{path} can't be read: {error.strerror}.") from error
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise DataError(
            f"{path} is no description that nnU-Net 2 knows: {where or 'the file'}: "
            f"{first['msg']}. It holds channel_names, labels (name: id), numTraining "
            "and file_ending; older ones are converted by nnU-Net's own commands, such "
            "as nnUNetv2_convert_MSD_dataset."
        ) from error
    if description.file_ending.lower() not in IMAGE_SUFFIXES:
        raise DataError(
            f"{path}: file_ending is {description.file_ending!r}; segx reads "
            f"{' '.join(IMAGE_SUFFIXES)}. Convert the files."
        )
    return description


def _cases(
    root: Path, folder: str, description: Description, found: Findings
) -> list[Case]:
    """The cases of one folder of images and its folder of labels."""
    labels, split = _PLACES[folder]
    ending = description.file_ending
    images: dict[str, dict[int, Path]] = defaultdict(dict)
    numbered = re.compile(rf"(.+)_(\d{{4}}){re.escape(ending)}")
    for path in _files(root / folder, root, ending, found):
        match = numbered.fullmatch(path.name)
        if match is None:
            found.add(
                Code.FILE_NAME,
                path,
                "names no case and channel",
                expected=f"CASE_0000{ending}, as nnU-Net wants",
                fix="Rename it, or take it out.",
            )
        else:
            images[match[1]][int(match[2])] = path
    masks = {
        path.name.removesuffix(ending): path
        for path in _files(root / labels, root, ending, found)
    }
    wanted = len(description.channel_names)
    for case, channels in images.items():
        # A picture may hold all of its channels in one file.
        if list(channels) not in ([0], list(range(wanted))):
            found.add(
                Code.CHANNEL_FILES,
                next(iter(channels.values())),
                f"stands for {case} with {', '.join(f'{n:04d}' for n in channels)}",
                expected=f"one file for all {wanted} channels, or one each",
                fix="Add what is missing, or correct channel_names.",
            )
        if case not in masks:
            found.spare += channels.values()
            found.add(
                Code.MISSING_MASK,
                next(iter(channels.values())),
                f"has no mask in {labels}",
                expected=f"{case}{ending} there",
                fix="Add the mask (an empty one if nothing is there), or take it out.",
            )
    for case in masks.keys() - images.keys():
        found.add(
            Code.SURPLUS_MASK,
            masks[case],
            "belongs to no image",
            expected=f"an image {case}_0000{ending}",
            fix="Add the image, or take the mask out.",
        )
    return [
        Case(case, first, (masks[case],), split=split, channels=tuple(others))
        for case, (first, *others) in ((c, i.values()) for c, i in images.items())
        if case in masks
    ]


def _files(folder: Path, root: Path, ending: str, found: Findings) -> list[Path]:
    """The files of a folder with the ending that dataset.json tells."""
    files = image_files(folder, root, found)
    others = [path.name for path in files if not path.name.endswith(ending)]
    if others:
        found.note(f"{folder}: files that do not end in {ending} ignored: {others}.")
    return [path for path in files if path.name.endswith(ending)]
