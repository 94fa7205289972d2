"""Seeded defects, one of each kind, to put into a sound data set."""

import shutil
import struct
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from segx.data.defects import Code
from tests.data.clean import LAYOUTS, SHAPE, Built, LayoutName, blob, picture, write

PAIRED: tuple[LayoutName, ...] = ("folders", "splits", "multilabel", "volumes")
PICTURES: tuple[LayoutName, ...] = ("folders", "splits", "manifest")


@dataclass(frozen=True)
class Fault:
    """A defect that a data set of some layouts can hold.

    Args:
        name: What it is called here; the stem of the case that has it.
        code: The finding that it must give.
        layouts: Those that can hold it.
        make: Puts it into a data set that has a sound case of that name, and tells
            the file that the finding must name.
        also: Further findings that follow from it.
    """

    name: str
    code: Code
    layouts: tuple[LayoutName, ...]
    make: Callable[[Built, str], Path]
    also: frozenset[Code] = frozenset()


FAULTS: list[Fault] = []


def fault(
    code: Code, layouts: tuple[LayoutName, ...], *also: Code
) -> Callable[[Callable[[Built, str], Path]], Callable[[Built, str], Path]]:
    """Add a function that makes a defect to the list."""

    def keep(make: Callable[[Built, str], Path]) -> Callable[[Built, str], Path]:
        FAULTS.append(Fault(make.__name__, code, layouts, make, frozenset(also)))
        return make

    return keep


def every_fault() -> Iterator[tuple[LayoutName, Fault]]:
    """Each defect in each layout that can hold it."""
    for layout in LAYOUTS:
        for item in FAULTS:
            if layout in item.layouts:
                yield layout, item


# --- pairs --------------------------------------------------------------------------


@fault(Code.MISSING_MASK, (*PAIRED, "nnunet"))
def no_mask(built: Built, stem: str) -> Path:
    built.mask(stem).unlink()
    return built.image(stem)


@fault(Code.SURPLUS_MASK, (*PAIRED, "nnunet"))
def no_image(built: Built, stem: str) -> Path:
    built.image(stem).unlink()
    return built.mask(stem)


@fault(Code.DOUBLED_STEM, ("folders", "splits", "multilabel", "classes"))
def two_suffixes(built: Built, stem: str) -> Path:
    twin = built.image(stem).with_suffix(".tif")
    write(twin, picture(901))
    return twin


@fault(Code.DOUBLED_STEM, (*PAIRED, "classes"))
def two_cases_of_letters(built: Built, stem: str) -> Path:
    built.add(stem.upper())
    return built.image(stem.upper())


@fault(Code.MISSING_FILE, ("manifest",))
def no_such_file(built: Built, stem: str) -> Path:
    built.image(stem).unlink()
    built.mask(stem).unlink()
    return built.root / "cases.csv"


@fault(Code.MISSING_FILE, ("manifest",))
def no_such_mask(built: Built, stem: str) -> Path:
    built.mask(stem).unlink()
    return built.root / "cases.csv"


@fault(Code.LISTED_TWICE, ("manifest",))
def listed_twice(built: Built, stem: str) -> Path:
    built.row(image=f"{stem}.png", split="train", patient=stem)
    return built.root / "cases.csv"


@fault(Code.MANIFEST_ROW, ("manifest",))
def no_name(built: Built, stem: str) -> Path:
    built.row(split="train", patient="nobody")
    return built.root / "cases.csv"


@fault(Code.OUTSIDE_ROOT, (*PICTURES, "multilabel", "classes"))
def symlink_out(built: Built, stem: str) -> Path:
    outside = built.root.parent / f"{built.root.name} outside" / "secret.png"
    write(outside, picture(902))
    built.image(stem).unlink()
    built.image(stem).symlink_to(outside)
    if built.layout == "manifest":
        built.rows[-1]["image"] = f"images/{stem}.png"
        return built.root / "cases.csv"
    if built.layout != "classes":
        built.mask(stem).unlink()
    for other in (built.root / "train" / "masks" / "two", built.root / "masks" / "two"):
        (other / f"{stem}.png").unlink(missing_ok=True)
    return built.image(stem)


@fault(Code.OUTSIDE_ROOT, ("manifest",))
def path_out(built: Built, stem: str) -> Path:
    outside = built.root.parent / f"{built.root.name}_outside.png"
    write(outside, picture(903))
    built.rows[-1]["image"] = f"../{outside.name}"
    return built.root / "cases.csv"


@fault(Code.FILE_NAME, ("nnunet",))
def no_channel_number(built: Built, stem: str) -> Path:
    stray = built.image(stem).with_name(f"{stem}_again.png")
    write(stray, picture(931))
    return stray


@fault(Code.CHANNEL_FILES, ("nnunet",))
def second_of_one_channel(built: Built, stem: str) -> Path:
    second = built.image(stem).with_name(f"{stem}_0003.png")
    built.image(stem).rename(second)
    return second


# --- files --------------------------------------------------------------------------


def _cut(path: Path, share: float = 0.5) -> Path:
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])
    return path


@fault(Code.UNREADABLE, LAYOUTS)
def cut_image(built: Built, stem: str) -> Path:
    return _cut(built.image(stem))


@fault(Code.UNREADABLE, (*PAIRED, "manifest", "nnunet"))
def cut_mask(built: Built, stem: str) -> Path:
    return _cut(built.mask(stem))


@fault(Code.UNREADABLE, LAYOUTS)
def empty_file(built: Built, stem: str) -> Path:
    built.image(stem).write_bytes(b"")
    return built.image(stem)


@fault(Code.UNREADABLE, (*PICTURES, "multilabel", "classes"))
def bomb(built: Built, stem: str) -> Path:
    # 400 million pixels, says the header.
    png = bytearray(built.image(stem).read_bytes())
    png[16:24] = struct.pack(">II", 20_000, 20_000)
    png[29:33] = struct.pack(">I", zlib.crc32(png[12:29]))
    built.image(stem).write_bytes(png)
    return built.image(stem)


@fault(Code.SIZE_MISMATCH, (*PAIRED, "manifest", "nnunet"))
def other_size(built: Built, stem: str) -> Path:
    mask = built.fresh_mask(904)
    write(built.mask(stem), mask[..., :-3].copy())
    return built.mask(stem)


@fault(Code.EXIF_ROTATION, (*PICTURES, "multilabel"))
def exif(built: Built, stem: str) -> Path:
    tag = Image.Exif()
    tag[0x0112] = 3
    write(built.image(stem), picture(905), exif=tag)
    return built.image(stem)


@fault(Code.SIZE_MISMATCH, (*PICTURES, "multilabel"))
def exif_on_its_side(built: Built, stem: str) -> Path:
    tag = Image.Exif()
    tag[0x0112] = 6
    write(built.image(stem), picture(906), exif=tag)
    return built.mask(stem)


# --- pixels -------------------------------------------------------------------------


@fault(Code.CHANNEL_MIX, (*PICTURES, "multilabel", "classes"))
def transparent(built: Built, stem: str) -> Path:
    colour = np.stack([picture(907 + number) for number in range(4)], axis=2)
    write(built.image(stem), colour)
    return built.image(stem)


@fault(Code.TYPE_MIX, (*PICTURES, "multilabel", "classes"))
def sixteen_bits(built: Built, stem: str) -> Path:
    write(built.image(stem), picture(911).astype(np.uint16) * 257)
    return built.image(stem)


@fault(Code.NOT_FINITE, ("volumes",))
def not_a_number(built: Built, stem: str) -> Path:
    voxels = built.fresh_image(912).astype(np.float32)
    voxels[2, 3, 4] = np.nan
    write(built.image(stem), voxels)
    return built.image(stem)


@fault(Code.NOT_FINITE, ("folders", "splits"), Code.TYPE_MIX)
def infinite(built: Built, stem: str) -> Path:
    pixels = picture(913).astype(np.float32)
    pixels[3, 4] = np.inf
    built.image(stem).unlink()
    write(built.image(stem).with_suffix(".tif"), pixels)
    return built.image(stem).with_suffix(".tif")


@fault(Code.CONSTANT_IMAGE, tuple(name for name in LAYOUTS if name != "volumes"))
def one_value(built: Built, stem: str) -> Path:
    write(built.image(stem), np.full_like(built.fresh_image(914), 7))
    return built.image(stem)


@fault(Code.NO_INTENSITY_RANGE, ("volumes",), Code.CONSTANT_IMAGE)
def blank_volume(built: Built, stem: str) -> Path:
    write(built.image(stem), np.full_like(built.fresh_image(914), 7))
    return built.image(stem)


@fault(Code.GEOMETRY_MISMATCH, ("volumes",))
def other_spacing(built: Built, stem: str) -> Path:
    write(built.mask(stem), built.fresh_mask(915), spacing_mm=(2.5, 1.0, 0.5))
    return built.mask(stem)


@fault(Code.GEOMETRY_MISMATCH, ("volumes",))
def other_origin(built: Built, stem: str) -> Path:
    write(built.mask(stem), built.fresh_mask(916), origin_mm=(5.0, -7.0, 21.0))
    return built.mask(stem)


@fault(Code.GEOMETRY_MISMATCH, ("volumes",))
def other_orientation(built: Built, stem: str) -> Path:
    sitk = pytest.importorskip("SimpleITK", reason="volumes need segx[volumes]")
    mask = sitk.ReadImage(str(built.mask(stem)))
    mask.SetDirection((-1, 0, 0, 0, -1, 0, 0, 0, 1))
    sitk.WriteImage(mask, str(built.mask(stem)))
    return built.mask(stem)


# --- values of masks ----------------------------------------------------------------


@fault(Code.COLOUR_MASK, (*PICTURES, "multilabel"))
def rgb_mask(built: Built, stem: str) -> Path:
    colours = np.array([(0, 0, 0), (200, 30, 30)], np.uint8)
    write(built.mask(stem), colours[blob(917)])
    return built.mask(stem)


@fault(Code.COLOUR_MASK, (*PICTURES, "multilabel"))
def rgba_mask(built: Built, stem: str) -> Path:
    colours = np.array([(0, 0, 0, 255), (200, 30, 30, 255)], np.uint8)
    write(built.mask(stem), colours[blob(918)])
    return built.mask(stem)


@fault(Code.MASK_VALUES, (*PAIRED, "manifest"))
def zero_and_255(built: Built, stem: str) -> Path:
    write(built.mask(stem), built.fresh_mask(919) * np.uint8(255))
    return built.mask(stem)


@fault(Code.MASK_VALUES, (*PICTURES, "multilabel"))
def palette(built: Built, stem: str) -> Path:
    indexed = Image.fromarray(blob(920) * np.uint8(9), mode="P")
    indexed.putpalette([value for value in range(10) for _ in "rgb"])
    indexed.save(built.mask(stem))
    return built.mask(stem)


@fault(Code.BLURRED_MASK, (*PICTURES, "multilabel"))
def antialiased(built: Built, stem: str) -> Path:
    large = Image.fromarray(blob(921) * np.uint8(255)).resize((11, 13))
    write(built.mask(stem), np.asarray(large.resize(SHAPE[::-1])))
    return built.mask(stem)


@fault(Code.LOSSY_MASK, (*PICTURES, "multilabel"))
def jpeg(built: Built, stem: str) -> Path:
    # Under a name that hides it, as some tools do.
    Image.fromarray(blob(922) * np.uint8(255)).save(
        built.mask(stem), format="JPEG", quality=60
    )
    return built.mask(stem)


@fault(Code.MASK_RANGE, ("folders", "splits", "multilabel"))
def negative(built: Built, stem: str) -> Path:
    built.mask(stem).unlink()
    write(built.mask(stem).with_suffix(".tif"), -blob(923).astype(np.int16))
    return built.mask(stem).with_suffix(".tif")


@fault(Code.MASK_RANGE, ("nnunet",))
def id_without_a_name(built: Built, stem: str) -> Path:
    write(built.mask(stem), built.fresh_mask(932) * np.uint8(7))
    return built.mask(stem)


@fault(Code.MASK_TYPE, ("folders", "splits", "multilabel"))
def fractions(built: Built, stem: str) -> Path:
    built.mask(stem).unlink()
    write(built.mask(stem).with_suffix(".tif"), blob(924) * np.float32(0.5))
    return built.mask(stem).with_suffix(".tif")


@fault(Code.EMPTY_MASK, ("folders", "splits", "manifest", "volumes"))
def nothing(built: Built, stem: str) -> Path:
    write(built.mask(stem), built.fresh_mask(925) * np.uint8(0))
    return built.mask(stem)


@fault(Code.FULL_MASK, (*PAIRED, "manifest", "nnunet"))
def everything(built: Built, stem: str) -> Path:
    write(built.mask(stem), np.ones_like(built.fresh_mask(926)))
    return built.mask(stem)


# --- relations ----------------------------------------------------------------------


@fault(Code.IDENTICAL_IMAGES, LAYOUTS)
def same_bytes(built: Built, stem: str) -> Path:
    built.add(f"{stem}_copy")
    shutil.copy(built.image(stem), built.image(f"{stem}_copy"))
    return built.image(stem)


@fault(Code.IMAGE_LEAK, tuple(name for name in LAYOUTS if name != "folders"))
def same_bytes_in_test(built: Built, stem: str) -> Path:
    built.add(f"{stem}_copy", "test")
    shutil.copy(built.image(stem), built.image(f"{stem}_copy", "test"))
    return built.image(f"{stem}_copy", "test")


@fault(Code.SIMILAR_IMAGES, ("splits", "multilabel", "manifest", "classes", "volumes"))
def brightened(built: Built, stem: str) -> Path:
    built.add(f"{stem}_again")
    image = built.fresh_image(927)
    write(built.image(stem), image)
    write(built.image(f"{stem}_again"), np.clip(image * 1.1 + 5, 0, 255).astype("u1"))
    return built.image(f"{stem}_again")


@fault(Code.SIMILAR_LEAK, tuple(name for name in LAYOUTS if name != "folders"))
def noisy_in_test(built: Built, stem: str) -> Path:
    built.add(f"{stem}_again", "test")
    image = built.fresh_image(928)
    noise = np.random.default_rng(0).normal(0, 1, image.shape)
    write(built.image(stem), image)
    path = built.image(f"{stem}_again", "test")
    write(path, np.clip(image + noise, 0, 255).astype(np.uint8))
    return path


@fault(Code.PATIENT_LEAK, ("manifest",))
def patient_in_two(built: Built, stem: str) -> Path:
    built.add(f"{stem}_again", "test", patient=stem)
    return built.image(stem)


@fault(Code.CONFLICTING_LABELS, ("classes",), Code.IDENTICAL_IMAGES)
def two_labels(built: Built, stem: str) -> Path:
    shutil.copy(built.image(stem), built.root / "train" / "dog" / "puppy.png")
    return built.image(stem)


@fault(Code.ABSENT_CLASS, ("splits", "manifest", "volumes"))
def rare_class(built: Built, stem: str) -> Path:
    built.classes += 1
    write(built.mask(stem), built.fresh_mask(929) * np.uint8(built.classes))
    return built.root


@fault(Code.IMBALANCE, ("splits", "manifest", "volumes"), Code.ABSENT_CLASS)
def tiny_class(built: Built, stem: str) -> Path:
    mask = built.fresh_mask(930)
    built.classes += 1
    mask[..., 0, :2] = built.classes
    write(built.mask(stem), mask)
    return built.root
