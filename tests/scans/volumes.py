"""Small volumes of every kind, and where SimpleITK and NumPy see them."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import strategies as st
from numpy.typing import NDArray

from segx.scans.scan import Scan

sitk = pytest.importorskip("SimpleITK", reason="volumes need segx[volumes]")

SUFFIXES = (".nii", ".nii.gz", ".nrrd", ".nhdr", ".mha", ".mhd")
MASK_SUFFIXES = (".nii", ".nii.gz", ".nrrd", ".mha")
DTYPES = ("u1", "i1", "u2", "i2", "u4", "i4", "u8", "i8", "f4", "f8")


@dataclass(frozen=True)
class Volume:
    """Voxels, (planes, rows, cols[, channels]), and their place, columns first."""

    voxels: NDArray[Any]
    spacing: tuple[float, float, float] = (0.7, 0.8, 2.5)
    origin: tuple[float, float, float] = (-12.5, 30.25, 7.0)
    direction: tuple[float, ...] = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0)

    def write(self, path: Path, *, compress: bool = False) -> Path:
        """Let SimpleITK write it."""
        image = sitk.GetImageFromArray(self.voxels, isVector=self.voxels.ndim == 4)
        image.SetSpacing(self.spacing)
        image.SetOrigin(self.origin)
        image.SetDirection(self.direction)
        sitk.WriteImage(image, str(path), useCompression=compress)
        return path


def noise(*shape: int, dtype: str = "i2", seed: int = 0) -> NDArray[Any]:
    """Voxels that differ everywhere."""
    random = np.random.default_rng(seed)
    kind = np.dtype(dtype)
    if kind.kind == "f":
        return random.normal(size=shape).astype(kind)
    info = np.iinfo(kind)
    return random.integers(info.min, info.max, shape, kind, endpoint=True)


@st.composite
def volumes(draw: st.DrawFn, *, channels: bool = True) -> Volume:
    """Any shape, also one voxel thin; any type, place and rotation, mirrored or not."""
    shape = draw(st.tuples(*[st.integers(1, 5)] * 3))
    if channels and draw(st.booleans()):
        # Of a NIfTI file with channels, SimpleITK forgets the axes of a single voxel.
        shape = (max(shape[0], 2), *shape[1:], draw(st.integers(2, 4)))
    seed = draw(st.integers(0, 2**32 - 1))
    random = np.random.default_rng(seed)
    axes, _ = np.linalg.qr(random.normal(size=(3, 3)))
    if draw(st.booleans()):  # straight, in any order, mirrored or not
        axes = np.eye(3)[random.permutation(3)] * random.choice((-1.0, 1.0), 3)
    spacing = draw(st.tuples(*[st.floats(0.01, 20)] * 3))
    origin = draw(st.tuples(*[st.floats(-2000, 2000, allow_subnormal=False)] * 3))
    voxels = noise(*shape, dtype=draw(st.sampled_from(DTYPES)), seed=seed)
    return Volume(voxels, spacing, origin, tuple(axes.ravel().tolist()))


def read_volume(scan: Scan) -> NDArray[Any]:
    """All planes, (planes, rows, cols, channels)."""
    return np.stack([scan.read_all(plane=plane) for plane in range(scan.planes)])
