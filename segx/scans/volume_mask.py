"""A mask as a NIfTI, NRRD or MetaImage volume, in the place and order of its scan."""

import tempfile
from contextlib import ExitStack
from pathlib import Path
from types import ModuleType
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from segx.atomic import replacing
from segx.errors import ScanError
from segx.geometry import Space
from segx.labels import Labels
from segx.scans.itk import image_io, simpleitk
from segx.scans.scan import Scan
from segx.scans.sink import MaskSink
from segx.scans.suffix import class_files
from segx.scans.volume import VolumeScan
from segx.scans.volume_header import MOST_BYTES

__all__ = ["VolumeMask"]

_LONGEST_NIFTI = 2**15 - 1


class VolumeMask(MaskSink):
    """A volume of ids, uint8; of a multilabel mask one file a class, see `class_files`.

    It has the scan's spacing, origin and directions, and its stored order of axes,
    along whichever axis the scan was cut. A scan without a place in the patient gets
    its pixel size, or 1 mm. Bands are spooled to an unnamed file in the same folder;
    SimpleITK writes the volume from there, compressed, and what it wrote is read back.
    """

    holds_planes: ClassVar[bool] = True

    @classmethod
    def files(cls, path: Path, labels: Labels) -> tuple[Path, ...]:
        """The file itself, or one a class of a multilabel mask."""
        return class_files(path, labels)

    def _open(self, files: ExitStack, *, like: Scan) -> None:
        simpleitk(self.path)  # what is in the way shall be told before the prediction
        self._refuse_too_large()
        height, width = like.spacing_mm or (1.0, 1.0)
        self._space = like.space or Space((1.0, height, width))
        self._order = (0, 1, 2)
        self._axes = 3
        if isinstance(like, VolumeScan):
            self._space, self._order = like.header.space, like.order
            self._axes = 2 if like.header.is_picture else 3
        self._temporaries = [
            files.enter_context(replacing(path)) for path in self.paths
        ]
        spool = tempfile.TemporaryFile(dir=self.path.parent)  # noqa: SIM115 — `files` closes it
        self._spool = files.enter_context(spool)

    def _refuse_too_large(self) -> None:
        """Refuse what NIfTI can't hold, or what could not be read again."""
        rows, cols = self.extent.rows, self.extent.cols
        is_nifti = image_io(self.path) == "NiftiImageIO"
        is_inflated = self.path.suffix.lower() == ".gz"
        too_long = is_nifti and max(self.planes, rows, cols) > _LONGEST_NIFTI
        if too_long or (is_inflated and self.planes * rows * cols > MOST_BYTES):
            raise ScanError(
                f"{self.path} can't hold {self.planes} planes of {self.extent} px: an "
                f"axis of NIfTI has up to {_LONGEST_NIFTI} voxels, and .nii.gz is read "
                f"up to {MOST_BYTES / 2**30:.0f} GiB. Write it as .nrrd."
            )

    def _append(self, mask: NDArray[np.uint8]) -> None:
        self._spool.write(mask.data)

    def _finish(self) -> None:
        self._spool.flush()
        shape = (self.planes, self.extent.rows, self.extent.cols, len(self.paths))
        spooled = np.memmap(self._spool, np.uint8, "r", shape=shape)
        stored = spooled.transpose(*np.argsort(self._order), 3)
        for index, temporary in enumerate(self._temporaries):
            self._write_volume(temporary, np.ascontiguousarray(stored[..., index]))

    def _write_volume(self, temporary: Path, stored: NDArray[np.uint8]) -> None:
        """Write one volume, (planes, rows, cols) in stored order."""
        sitk = simpleitk(self.path)
        writer = sitk.ImageFileWriter()
        writer.SetImageIO(image_io(self.path))
        writer.SetUseCompression(stored.nbytes <= MOST_BYTES)
        writer.SetFileName(str(temporary))
        try:
            writer.Execute(self._image(sitk, stored))
        except RuntimeError as error:
            reason = str(error).strip().rpartition("\n")[2].rstrip(".")
            raise OSError(reason) from error
        # On a full disk SimpleITK writes half a NIfTI file and says nothing.
        if not _holds(temporary, stored):
            raise OSError("it can't be read back whole; is the disk full?")

    def _image(self, sitk: ModuleType, stored: NDArray[np.uint8]) -> Any:
        """The volume with its place as SimpleITK counts: columns first."""
        space, axes = self._space, self._axes
        matrix = np.transpose(space.directions[::-1])  # one column an axis
        image = sitk.GetImageFromArray(stored if axes == 3 else stored[0])
        image.SetSpacing(space.spacing_mm[::-1][:axes])
        image.SetOrigin(space.origin_mm[:axes])
        image.SetDirection(matrix[:axes, :axes].ravel().tolist())
        return image


def _holds(path: Path, stored: NDArray[np.uint8]) -> bool:
    """Whether a file holds these values, (planes, rows, cols), and is whole."""
    try:
        with VolumeScan(path) as scan:
            return all(
                np.array_equal(scan.read_all(plane=plane)[..., 0], stored[plane])
                for plane in range(scan.planes)
            )
    except ScanError:
        return False
