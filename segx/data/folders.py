"""Data sets laid out in folders: images/ beside masks/, or one folder per class."""

import itertools
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from segx.config import DataConfig
from segx.data.case import SPLIT_FOLDERS, Case, Layout, SplitName, stem_of, with_ids
from segx.data.defects import Defect, DefectsError, plural
from segx.errors import DataError
from segx.scans import IMAGE_SUFFIXES
from segx.scans.suffix import split_suffix

__all__ = [
    "Findings",
    "image_files",
    "images_by_stem",
    "is_image",
    "leaves",
    "named_in_order",
    "read_class_folders",
    "read_image_folders",
    "split_folders",
]

Place = tuple[SplitName | None, Path]


@dataclass
class Findings:
    """What a look through a data set turns up beside its cases."""

    defects: list[Defect] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def defect(self, path: Path, problem: str) -> None:
        """Write down something that must be repaired."""
        self.defects.append(Defect(path, problem))

    def note(self, text: str) -> None:
        """Write down something that was left aside."""
        self.notes.append(text)

    def refuse_if_any(self, root: Path) -> None:
        """Raise all defects at once, if there are any.

        Raises:
            DefectsError: With every defect found.
        """
        if self.defects:
            raise DefectsError(f"Data set {root}", self.defects)


def read_image_folders(root: Path, data: DataConfig) -> Layout:
    """Pair `images/STEM.*` with `masks/STEM.*`, in the root or in each split's folder.

    Multilabel masks stand one folder deeper, a folder per class:
    `masks/CLASS/STEM.*`, one for every image.

    Args:
        root: The data set's folder.
        data: Gives `mask_kind` and `classes`.

    Raises:
        DefectsError: With all missing, surplus and doubled stems.
        DataError: If the folders are none of the layouts that segx knows.
    """
    places = split_folders(root)
    direct = (root / "images").is_dir()
    inner = [place for _, place in places if (place / "images").is_dir()]
    if direct and not places:
        places = [(None, root)]
    elif direct or not inner:
        raise DataError(_not_this_layout(root, "images/ and masks/ side by side"))
    found = Findings()
    planes = _plane_names([place / "masks" for _, place in places], data, found)
    cases = [case for place in places for case in _pairs(root, place, planes, found)]
    _ignored_folders(root, places, ("images", "masks"), found)
    found.refuse_if_any(root)
    return Layout(
        root=root,
        cases=with_ids(cases, root=root),
        kind="folders",
        plane_names=planes,
        notes=tuple(found.notes),
    )


def read_class_folders(root: Path, data: DataConfig) -> Layout:
    """Label every image by the folder it stands in, with or without split folders.

    Args:
        root: The data set's folder.
        data: Gives `classes`, which fixes the order of the class names.

    Raises:
        DefectsError: With everything wrong in the folders.
        DataError: If there are fewer than two class folders.
    """
    places = split_folders(root) or [(None, root)]
    folders = {name for _, place in places for name in _subfolders(place)}
    if folders & {"images", "masks"} or len(folders) < 2:
        raise DataError(_not_this_layout(root, "one folder of images for each class"))
    found = Findings()
    names = named_in_order(folders, data.classes, root, found)
    cases = []
    for split, place in places:
        for label, name in enumerate(names):
            files = images_by_stem(place / name, root, found)
            if not files:
                found.note(f"{place / name} holds no image.")
            cases += [
                Case(stem_of(file), file, label=label, split=split)
                for file in files.values()
            ]
    if places[0][0] is not None:
        _ignored_folders(root, places, names, found)
    if not cases:
        found.defect(root, "no class folder holds an image.")
    found.refuse_if_any(root)
    return Layout(
        root=root,
        cases=with_ids(cases, root=root),
        kind="classes",
        class_names=names,
        notes=tuple(found.notes),
    )


def split_folders(root: Path) -> list[Place]:
    """The folders of the splits in `root`, in the order train, val, test.

    Raises:
        DataError: If one split has two folders, such as val and valid.
    """
    places: dict[SplitName, Path] = {}
    for name in SPLIT_FOLDERS:
        folder = root / name
        if not folder.is_dir():
            continue
        split = SPLIT_FOLDERS[name]
        if split in places:
            raise DataError(
                f"{folder} and {places[split]} both stand for the {split} split. "
                "Keep one of them, or move the other out of the data set."
            )
        places[split] = folder
    return list(places.items())


def images_by_stem(folder: Path, root: Path, found: Findings) -> dict[str, Path]:
    """The images in a folder, by stem; stems that stand there twice are defects.

    Args:
        folder: Folder to list, its subfolders not included.
        root: No image may be a link out of this folder.
        found: Collects doubled stems, links and files that are no images.
    """
    files = image_files(folder, root, found)
    same = Counter(stem_of(path).casefold() for path in files)
    for path in files:
        if same[stem_of(path).casefold()] > 1:
            found.defect(path, "its stem stands there twice; keep one or rename.")
    return {stem_of(path): path for path in files}


def is_image(path: Path) -> bool:
    """Whether a file's name ends like an image's or a volume's."""
    return split_suffix(path)[1].lower() in IMAGE_SUFFIXES


def image_files(folder: Path, root: Path, found: Findings) -> list[Path]:
    """The images in a folder, sorted by name; hidden files are passed over.

    Args:
        folder: Folder to list, its subfolders not included; it may be missing.
        root: No image may be a link out of this folder.
        found: Collects links and files that are no images.
    """
    files: list[Path] = []
    others: list[Path] = []
    if not folder.is_dir():
        return files
    if leaves(folder, root):
        found.defect(folder, "is a link out of the data set; put the files there.")
    for path in sorted(folder.iterdir()):
        if path.name.startswith("."):
            continue
        if path.is_dir() or not is_image(path):
            others.append(path)
        elif path.is_symlink() and leaves(path, root):
            found.defect(path, "is a link out of the data set; put the file there.")
        else:
            files.append(path)
    if others:
        kinds = ", ".join(sorted({path.suffix or path.name for path in others}))
        count = plural(len(others), "entry", "entries")
        found.note(f"{folder}: {count} of other kinds ignored ({kinds}).")
    return files


def named_in_order(
    found_names: Iterable[str],
    classes: tuple[str, ...] | None,
    where: Path,
    found: Findings,
) -> tuple[str, ...]:
    """Class names in the order of the config, or sorted if the config gives none."""
    names = set(found_names)
    if classes is None:
        return tuple(sorted(names))
    if names != set(classes):
        found.defect(
            where,
            f"holds the classes {sorted(names)}, but data.classes names "
            f"{list(classes)}. Name the same ones, in the order that you want.",
        )
    return classes


def leaves(path: Path, root: Path) -> bool:
    """Whether a path, links followed, ends outside `root`."""
    return not path.resolve().is_relative_to(root.resolve())


def _pairs(
    root: Path, place: Place, planes: tuple[str, ...] | None, found: Findings
) -> list[Case]:
    """Cases of one images/ and masks/ pair of folders."""
    split, folder = place
    image_folder, mask_folder = folder / "images", folder / "masks"
    folders = [mask_folder / name for name in planes] if planes else [mask_folder]
    images, *masks = (
        images_by_stem(item, root, found) for item in (image_folder, *folders)
    )
    for path, stems in zip((image_folder, *folders), (images, *masks), strict=True):
        if not stems:
            found.defect(path, _no_image(path))
        elif images and path != image_folder:
            _unpaired(images, stems, path, found)
    return [
        Case(stem, image, tuple(stems[stem] for stems in masks), split=split)
        for stem, image in images.items()
        if all(stem in stems for stems in masks)
    ]


def _no_image(folder: Path) -> str:
    """Say what a folder holds instead of images."""
    if not folder.is_dir():
        return (
            "is missing: images/ and masks/ stand side by side, a mask for each image "
            "with the same stem."
        )
    inner = ", ".join(_subfolders(folder))
    instead = f", but the folders {inner}" if inner else ""
    return f"holds no image{instead}. Images end in {' '.join(IMAGE_SUFFIXES)}."


def _unpaired(
    images: Mapping[str, Path], masks: Mapping[str, Path], folder: Path, found: Findings
) -> None:
    """Write down images without a mask and masks without an image."""
    missing = [path for stem, path in images.items() if stem not in masks]
    surplus = [path for stem, path in masks.items() if stem not in images]
    for path in missing:
        found.defect(path, f"has no mask {stem_of(path)}.* in {folder}.")
    for path in surplus:
        found.defect(path, f"belongs to no image: none has the stem {stem_of(path)}.")
    endings = {
        stem_of(mask).removeprefix(stem_of(image))
        for image, mask in itertools.product(missing[:1], surplus)
        if stem_of(mask).startswith(stem_of(image))
    }
    if missing and len(missing) == len(surplus) and endings:
        found.defect(
            folder,
            f"its stems seem to end in {min(endings)!r}. Give masks the same stems as "
            "images, or list the pairs in a CSV file and set data.manifest.",
        )


def _plane_names(
    folders: Iterable[Path], data: DataConfig, found: Findings
) -> tuple[str, ...] | None:
    """Names of the class folders in masks/, or nothing if it holds the masks itself."""
    listed = [folder for folder in folders if folder.is_dir()]
    direct = any(
        is_image(path)
        for folder in listed
        for path in folder.iterdir()
        if not path.is_dir()
    )
    if data.mask_kind in {"binary", "multiclass"} or (
        data.mask_kind == "auto" and direct
    ):
        return None
    names = {folder: _subfolders(folder) for folder in listed}
    everywhere = set().union(*names.values())
    for folder, inner in names.items():
        for name in sorted(everywhere - set(inner)):
            found.defect(folder / name, "is missing, but other splits have it.")
    if not everywhere and data.mask_kind == "auto":
        return None
    if not everywhere:
        found.defect(
            listed[0] if listed else Path("masks"),
            "holds no class folders, which data.mask_kind multilabel needs: "
            "masks/CLASS/STEM.png, one mask of 0 and 1 for each class.",
        )
        return None
    where = listed[0]
    return named_in_order(everywhere, data.classes, where, found)


def _ignored_folders(
    root: Path, places: Iterable[Place], used: Iterable[str], found: Findings
) -> None:
    """Note the folders that have no meaning in this layout."""
    splits = {place.name for split, place in places if split}
    spare = [root / name for name in _subfolders(root) if name not in {*splits, *used}]
    for split, place in places:
        if split:
            spare += [place / name for name in _subfolders(place) if name not in used]
    if spare:
        text = ", ".join(str(path.relative_to(root)) for path in spare)
        found.note(f"Folders ignored in {root}: {text}.")


def _subfolders(folder: Path) -> list[str]:
    """Names of the folders in a folder, hidden ones apart."""
    if not folder.is_dir():
        return []
    return sorted(
        path.name
        for path in folder.iterdir()
        if path.is_dir() and not path.name.startswith((".", "__"))
    )


def _not_this_layout(root: Path, wanted: str) -> str:
    """Say what a folder holds and what it should hold."""
    inside = _subfolders(root)
    for split in SPLIT_FOLDERS:
        inside += [f"{split}/{name}" for name in _subfolders(root / split)]
    tables = [path.name for path in sorted(root.glob("*.csv"))]
    seen = f"the folders {', '.join(inside)}" if inside else "no folders"
    there = f" (there is {', '.join(tables)})" if tables else ""
    return (
        f"{root} holds {seen}. Allowed: {wanted}, either there or in train/, val/ (or "
        "valid/, validation/) and test/; or a CSV file of images that data.manifest "
        f"names{there}."
    )
