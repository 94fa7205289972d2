"""Data sets laid out in folders: images/ beside masks/, or one folder per class."""

import itertools
from collections import defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path

from segx.config import DataConfig
from segx.data.case import SPLIT_FOLDERS, Case, Layout, SplitName, stem_of, with_ids
from segx.data.defects import Code, Findings, plural
from segx.errors import DataError
from segx.scans import IMAGE_SUFFIXES
from segx.scans.suffix import split_suffix

__all__ = [
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

_ENDINGS = f"Images end in {' '.join(IMAGE_SUFFIXES)}."


def read_image_folders(
    root: Path, data: DataConfig, *, beside: str | None = "masks"
) -> Layout:
    """Pair `images/STEM.*` with `masks/STEM.*`, in the root or in each split's folder.

    Multilabel masks stand one folder deeper, a folder per class:
    `masks/CLASS/STEM.*`, one for every image.

    Args:
        root: The data set's folder.
        data: Gives `mask_kind` and `classes`.
        beside: Name of the folder of masks; None where images stand alone. Multilabel
            masks stand in `masks` only.

    Returns:
        The pairs, with all missing, surplus and doubled stems as findings.

    Raises:
        DataError: If the folders are none of the layouts that segx knows.
    """
    places = split_folders(root)
    direct = (root / "images").is_dir()
    inner = [place for _, place in places if (place / "images").is_dir()]
    if direct and not places:
        places = [(None, root)]
    elif direct or not inner:
        wanted = f"images/ and {beside}/ side by side" if beside else "images/"
        raise DataError(_not_this_layout(root, wanted))
    found = Findings()
    planes = None
    if beside == "masks":
        planes = _plane_names([place / beside for _, place in places], data, found)
    names = [f"{beside}/{name}" for name in planes] if planes else [beside or ""]
    folders = names if beside else []
    cases = [case for place in places for case in _pairs(root, place, folders, found)]
    _ignored_folders(root, places, ("images", beside or "images"), found)
    named = with_ids(cases, root=root)
    return Layout.of(named, found, root=root, kind="folders", plane_names=planes)


def read_class_folders(root: Path, data: DataConfig) -> Layout:
    """Label every image by the folder it stands in, with or without split folders.

    Args:
        root: The data set's folder.
        data: Gives `classes`, which fixes the order of the class names.

    Returns:
        The images, with everything wrong in the folders as findings.

    Raises:
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
        found.add(
            Code.NO_IMAGES,
            root,
            "holds no image in any of its class folders",
            expected="images in each of them",
            fix=_ENDINGS,
        )
    named = with_ids(cases, root=root)
    return Layout.of(named, found, root=root, kind="classes", class_names=names)


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
    """The images in a folder, by stem; of a stem that stands there twice, the first.

    Args:
        folder: Folder to list, its subfolders not included.
        root: No image may be a link out of this folder.
        found: Collects doubled stems, links and files that are no images.
    """
    # Some file systems don't tell A.png from a.png: one would overwrite the other.
    same = defaultdict(list)
    for path in image_files(folder, root, found):
        same[stem_of(path).casefold()].append(path)
    for paths in same.values():
        for path in paths if len(paths) > 1 else ():
            others = ", ".join(item.name for item in paths if item != path)
            found.add(
                Code.DOUBLED_STEM,
                path,
                f"shares its stem with {others}",
                expected="one file a stem, capital letters or not",
                fix="Keep one of them, or rename.",
            )
    return {stem_of(paths[0]): paths[0] for paths in same.values()}


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
        _leads_out(folder, root, found)
    for path in sorted(folder.iterdir()):
        if path.name.startswith("."):
            continue
        if path.is_dir() or not is_image(path):
            others.append(path)
        elif path.is_symlink() and leaves(path, root):
            _leads_out(path, root, found)
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
        found.add(
            Code.CLASS_NAMES,
            where,
            f"holds the classes {', '.join(sorted(names))}",
            expected=f"those that data.classes names: {', '.join(classes)}",
            fix="Name the same ones, in the order that you want.",
        )
    return classes


def leaves(path: Path, root: Path) -> bool:
    """Whether a path, links followed, ends outside `root`."""
    return not path.resolve().is_relative_to(root.resolve())


def _pairs(
    root: Path, place: Place, names: Iterable[str], found: Findings
) -> list[Case]:
    """Cases of images/ and the folders of masks beside it."""
    split, folder = place
    image_folder = folder / "images"
    folders = [folder / name for name in names]
    images, *masks = (
        images_by_stem(item, root, found) for item in (image_folder, *folders)
    )
    for path, stems in zip((image_folder, *folders), (images, *masks), strict=True):
        if not stems:
            _no_image(path, found)
        elif images and path != image_folder:
            _unpaired(images, stems, path, found)
    found.spare += [
        image
        for stem, image in images.items()
        if not all(stem in stems for stems in masks)
    ]
    return [
        Case(stem, image, tuple(stems[stem] for stems in masks), split=split)
        for stem, image in images.items()
        if all(stem in stems for stems in masks)
    ]


def _leads_out(path: Path, root: Path, found: Findings) -> None:
    """Write down a link out of the data set."""
    found.add(
        Code.OUTSIDE_ROOT,
        path,
        "is a link out of the data set",
        expected=f"a place in {root}",
        fix="Put there what it leads to.",
    )


def _no_image(folder: Path, found: Findings) -> None:
    """Say what a folder holds instead of images."""
    if folder.is_dir():
        inner = ", ".join(_subfolders(folder))
        problem = f"holds no image{f', but the folders {inner}' if inner else ''}"
        fix = _ENDINGS
    else:
        problem = "is missing"
        fix = "Images and masks stand side by side, with the same stems in both."
    found.add(
        Code.NO_IMAGES, folder, problem, expected="a folder of images or masks", fix=fix
    )


def _unpaired(
    images: Mapping[str, Path], masks: Mapping[str, Path], folder: Path, found: Findings
) -> None:
    """Write down images without a mask and masks without an image."""
    missing = [path for stem, path in images.items() if stem not in masks]
    surplus = [path for stem, path in masks.items() if stem not in images]
    for path in missing:
        found.add(
            Code.MISSING_MASK,
            path,
            f"has no mask in {folder}",
            expected=f"{stem_of(path)}.* there",
            fix="Add the mask (an empty one if nothing is there), or take it out.",
        )
    for path in surplus:
        found.add(
            Code.SURPLUS_MASK,
            path,
            "belongs to no image",
            expected=f"an image {stem_of(path)}.*",
            fix="Add the image, or take the mask out.",
        )
    endings = {
        stem_of(mask).removeprefix(stem_of(image))
        for image, mask in itertools.product(missing[:1], surplus)
        if stem_of(mask).startswith(stem_of(image))
    }
    if missing and len(missing) == len(surplus) and endings:
        found.add(
            Code.MASK_ENDING,
            folder,
            f"holds stems that seem to end in {min(endings)!r}",
            expected="the stems of the images",
            fix="Rename the masks, or list the pairs in a CSV file: data.manifest.",
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
            found.add(
                Code.MISSING_CLASS,
                folder / name,
                "is missing",
                expected="a folder for each class, in every split",
                fix="Add it, with an empty mask where the class is absent.",
            )
    if not everywhere and data.mask_kind == "auto":
        return None
    if not everywhere:
        found.add(
            Code.NO_IMAGES,
            listed[0] if listed else Path("masks"),
            "holds no class folders",
            expected="a folder for each class, for data.mask_kind is multilabel",
            fix="Store masks/CLASS/STEM.png, one mask of 0 and 1 for each class.",
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
    files = [path.name for path in sorted(root.iterdir()) if path.is_file()]
    alone = f"no folders, but {', '.join(files[:3])}" if files else "no folders"
    seen = f"the folders {', '.join(inside)}" if inside else alone
    there = f" (there is {', '.join(tables)})" if tables else ""
    return (
        f"{root} holds {seen}. Allowed: {wanted}, either there or in train/, val/ (or "
        "valid/, validation/) and test/; or a CSV file of images that data.manifest "
        f"names{there}."
    )
