"""Any data set that segx reads, written as nnU-Net's raw data sets are laid out."""

import gzip
import json
import logging
import shutil
from abc import ABC, abstractmethod
from collections.abc import Callable
from pathlib import Path

import numpy as np
import tifffile
from numpy.typing import NDArray
from PIL import Image

from segx.atomic import replacing_folder
from segx.data.case import Case, Layout
from segx.data.defects import plural
from segx.data.mask_values import MaskValues
from segx.data.nnunet import DESCRIPTION, IGNORE
from segx.data.reader import CaseReader
from segx.data.survey import Survey
from segx.errors import DataError
from segx.geometry import Region
from segx.labels import Labels
from segx.scans import create_mask, open_scan
from segx.scans.suffix import suffix_of

__all__ = ["write_nnunet"]

logger = logging.getLogger(__name__)

_VOLUMES = {".nii": ".nii.gz", ".nii.gz": ".nii.gz", ".nrrd": ".nrrd", ".mha": ".mha"}
"""Endings of volumes, and those that nnU-Net reads them with."""

_RGB = ("R", "G", "B")


def write_nnunet(
    layout: Layout,
    survey: Survey,
    folder: Path,
    *,
    on_case: Callable[[int, int], None] | None = None,
) -> None:
    """Write a data set as nnU-Net reads it; `folder` appears when all is there.

    Pictures become PNG (TIFF where their values don't fit), their masks grey PNG of
    ids. Volumes are copied byte for byte, so their geometry stays as it is; so are
    their masks, unless their values change. Cases for validation join the training:
    nnU-Net draws its own folds.

    Args:
        layout: The cases, with masks.
        survey: What they hold.
        folder: Where to; nnU-Net wants a name such as ``Dataset042_Cells``.
        on_case: Called with the number of cases done, and of all.

    Raises:
        DataError: If the folder is there, or nnU-Net has no place for such data.
    """
    if folder.exists():
        raise DataError(f"{folder} exists already and is not overwritten.")
    values = survey.mask_values
    if values is None or values.labels.kind == "multilabel":
        what = "no masks" if values is None else "classes that may overlap"
        raise DataError(
            f"{layout.root} has {what}; nnU-Net's data sets hold one class a pixel."
        )
    is_volume = suffix_of(layout.cases[0].image) in _VOLUMES
    writer = (_Volumes if is_volume else _Pictures)(layout, survey, values)
    with replacing_folder(folder) as new:
        for done, case in enumerate(layout.cases, start=1):
            place = "Ts" if case.split == "test" else "Tr"
            for name in (f"images{place}", f"labels{place}"):
                (new / name).mkdir(exist_ok=True)
            writer.write_image(case, new / f"images{place}")
            writer.write_mask(case, new / f"labels{place}" / (case.id + writer.ending))
            if on_case is not None:
                on_case(done, len(layout.cases))
        text = json.dumps(writer.description(), indent=2) + "\n"
        (new / DESCRIPTION).write_text(text, encoding="utf-8")
    patients = {case.patient for case in layout.cases} - {None}
    if patients:
        logger.warning(
            "nnU-Net knows no patients: its own folds may part the cases of one of the "
            "%s. Give it a splits_final.json.",
            plural(len(patients), "patient"),
        )


class _Writer(ABC):
    """Writes images and masks with one ending."""

    ending: str
    channel_names: tuple[str, ...]

    def __init__(self, layout: Layout, survey: Survey, values: MaskValues) -> None:
        self.layout = layout
        self.values = values
        self.reader = CaseReader(
            channels=survey.channels, dtype=np.dtype(survey.dtype), mask_values=values
        )
        unnamed = tuple(f"channel_{number}" for number in range(survey.channels))
        self.channel_names = layout.channel_names or unnamed

    @abstractmethod
    def write_image(self, case: Case, folder: Path) -> None:
        """Write CASE_0000 and, of several channels, those that follow."""

    @abstractmethod
    def write_mask(self, case: Case, path: Path) -> None:
        """Write the ids of a case."""

    def description(self) -> dict[str, object]:
        """What dataset.json tells."""
        labels = self.values.labels
        names = ("background", *labels.foreground)
        ids = {name: number for number, name in enumerate(names)}
        if labels.ignore_index is not None:
            ids[IGNORE] = len(names)
        return {
            "channel_names": dict(enumerate(self.channel_names)),
            "labels": ids,
            "numTraining": sum(case.split != "test" for case in self.layout.cases),
            "file_ending": self.ending,
        }

    def ids(self, case: Case) -> NDArray[np.uint8]:
        """The mask of a case; what is ignored has the id after the last class."""
        mask, labels = self.reader.mask(case), self.values.labels
        if mask is None:
            raise DataError(f"{case.image} has no mask.")
        if labels.ignore_index is None:
            return mask
        last = np.uint8(len(labels.names))
        return np.where(mask == labels.ignore_index, last, mask)

    def name(self, case: Case, channel: int) -> str:
        """The file of a channel."""
        return f"{case.id}_{channel:04d}{self.ending}"


class _Pictures(_Writer):
    """Pictures of one plane: PNG, or TIFF where their values don't fit."""

    def __init__(self, layout: Layout, survey: Survey, values: MaskValues) -> None:
        super().__init__(layout, survey, values)
        if max(survey.planes.values()) > 1:
            raise DataError(
                f"{layout.root} holds stacks of planes in pictures; nnU-Net reads "
                "volumes as .nii.gz, .nrrd or .mha. Save them so."
            )
        is_png = survey.dtype in {"uint8", "uint16"}
        self.ending = ".png" if is_png else ".tif"
        self._is_rgb = survey.channels == len(_RGB) and survey.dtype == "uint8"
        if self._is_rgb and layout.channel_names is None:
            self.channel_names = _RGB

    def write_image(self, case: Case, folder: Path) -> None:
        """One file for colours; else one for each channel, all grey."""
        image = self.reader.image(case)
        files = [image] if self._is_rgb else list(np.moveaxis(image, 2, 0))
        for channel, pixels in enumerate(files):
            self._save(folder / self.name(case, channel), pixels)

    def write_mask(self, case: Case, path: Path) -> None:
        """Grey ids: a palette would be read as colours."""
        self._save(path, self.ids(case))

    def _save(self, path: Path, pixels: NDArray[np.generic]) -> None:
        if self.ending == ".tif":
            tifffile.imwrite(path, pixels, compression="zlib")
        else:
            Image.fromarray(np.ascontiguousarray(pixels)).save(path, compress_level=3)

    def description(self) -> dict[str, object]:
        """As of all; nnU-Net would try other readers of .tif, too."""
        reader = {"overwrite_image_reader_writer": "NaturalImage2DIO"}
        return {**super().description(), **reader}


class _Volumes(_Writer):
    """Volumes of one format, which stay as they are."""

    def __init__(self, layout: Layout, survey: Survey, values: MaskValues) -> None:
        super().__init__(layout, survey, values)
        files = [path for case in layout.cases for path in case.images]
        endings = sorted({_VOLUMES.get(suffix_of(p), suffix_of(p)) for p in files})
        if len(endings) > 1 or endings[0] not in _VOLUMES.values():
            raise DataError(
                f"The images of {layout.root} end in {', '.join(endings)}; nnU-Net "
                f"wants one of {', '.join(sorted(set(_VOLUMES.values())))} for all. "
                "Convert them first."
            )
        if any(len(case.images) != survey.channels for case in layout.cases):
            raise DataError(
                f"{layout.root} holds volumes of {survey.channels} channels in one "
                "file; nnU-Net wants a file a channel. Save them so."
            )
        (self.ending,) = endings
        last = values.labels.ignore_index
        self._is_as_stored = not values.is_mapped and last in {
            None,
            len(values.labels.names),
        }

    def write_image(self, case: Case, folder: Path) -> None:
        """Copy the file of each channel."""
        for channel, path in enumerate(case.images):
            self._copy(path, folder / self.name(case, channel))

    def write_mask(self, case: Case, path: Path) -> None:
        """Copy it, or write it anew, in its image's place, where its values change."""
        (mask,) = case.masks
        stored_so = _VOLUMES.get(suffix_of(mask)) == self.ending
        if self._is_as_stored and stored_so:
            self._copy(mask, path)
            return
        ids = self.ids(case)
        names = (*self.values.labels.names, IGNORE)
        labels = Labels("multiclass", names)
        with (
            open_scan(case.image) as scan,
            create_mask(path, like=scan, labels=labels) as sink,
        ):
            ids = ids.reshape(scan.planes, scan.extent.rows, scan.extent.cols)
            for plane, rows in enumerate(ids):
                sink.write(Region.whole(scan.extent), rows, plane=plane)

    def _copy(self, source: Path, target: Path) -> None:
        """The same bytes, compressed where nnU-Net wants that."""
        if suffix_of(source) == self.ending:
            shutil.copyfile(source, target)
            return
        # No name and no time in the header: the same volume gives the same bytes.
        with (
            source.open("rb") as file,
            target.open("wb") as raw,
            gzip.GzipFile("", "wb", compresslevel=6, fileobj=raw, mtime=0) as packed,
        ):
            shutil.copyfileobj(file, packed)
