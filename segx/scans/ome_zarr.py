"""The words in which OME-Zarr describes an image: axes, levels, sizes of pixels."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from segx.errors import ScanError

__all__ = ["VERSION", "Axis", "Multiscale", "multiscale_metadata", "read_multiscale"]

VERSION = "0.5"
"""Version of OME-Zarr that is written."""

_MM = {
    "angstrom": 1e-7,
    "nanometer": 1e-6,
    "micrometer": 1e-3,
    "millimeter": 1.0,
    "centimeter": 10.0,
    "meter": 1000.0,
}


@dataclass(frozen=True)
class Axis:
    """One axis of an image, and what a step along it is worth.

    Args:
        name: One of t, c, z, y and x.
        step_mm: Distance from one pixel to the next of the full resolution, in mm; None
            where the file is silent.
    """

    name: str
    step_mm: float | None = None


@dataclass(frozen=True)
class Multiscale:
    """An image's axes, and where the arrays of its levels lie in the folder.

    Args:
        axes: In the order of the arrays.
        paths: One a level, the full resolution first.
    """

    axes: tuple[Axis, ...]
    paths: tuple[str, ...]


def read_multiscale(path: Path, attributes: Mapping[str, Any]) -> Multiscale:
    """Read the first multiscale image that a group's attributes describe.

    Args:
        path: The folder; errors name it.
        attributes: Of version 0.4, or 0.5 in which they stand below "ome".

    Raises:
        ScanError: If there is none, or it is incomplete.

    References:
        https://ngff.openmicroscopy.org/0.5/#multiscale-md
    """
    stated = attributes.get("ome", attributes).get("multiscales")
    if not stated:
        inside = (
            " It is a plate: give one of its fields." if "plate" in attributes else ""
        )
        raise ScanError(
            f"{path} is a Zarr group without the multiscales of OME-Zarr 0.4 or 0.5."
            f"{inside} Give the folder of an image or of an array."
        )
    image = stated[0]
    axes, levels = image.get("axes"), image["datasets"]
    if not axes or not all(isinstance(axis, Mapping) for axis in axes):
        raise ScanError(
            f"{path} is an OME-Zarr older than 0.4, which does not name its axes. "
            "Convert it to 0.4 or 0.5."
        )
    scale = [1.0] * len(axes)
    for transforms in (levels[0], image):
        for factors in _scales(transforms.get("coordinateTransformations", ())):
            scale = [a * b for a, b in zip(scale, factors, strict=True)]
    return Multiscale(
        axes=tuple(
            Axis(str(axis["name"]).lower(), _step_mm(axis, step))
            for axis, step in zip(axes, scale, strict=True)
        ),
        paths=tuple(str(level["path"]) for level in levels),
    )


def multiscale_metadata(
    axes: Sequence[Axis], scales: Sequence[Sequence[float]], *, name: str
) -> dict[str, Any]:
    """Describe an image, as an entry of "multiscales".

    Args:
        axes: In the order of the arrays.
        scales: For each level, the pixels of the full resolution in one, by axis.
        name: Name of the image.
    """
    steps = [1.0 if axis.step_mm is None else axis.step_mm for axis in axes]
    return {
        "name": name,
        "axes": [_stated(axis) for axis in axes],
        "datasets": [
            {
                "path": str(level),
                "coordinateTransformations": [
                    {
                        "type": "scale",
                        "scale": [a * b for a, b in zip(scale, steps, strict=True)],
                    },
                    # The first pixel's centre moves away from the corner.
                    {
                        "type": "translation",
                        "translation": [
                            (a - 1) / 2 * b for a, b in zip(scale, steps, strict=True)
                        ],
                    },
                ],
            }
            for level, scale in enumerate(scales)
        ],
    }


def _scales(transforms: Sequence[Mapping[str, Any]]) -> list[list[float]]:
    return [
        [float(factor) for factor in transform["scale"]]
        for transform in transforms
        if transform.get("type") == "scale"
    ]


def _step_mm(axis: Mapping[str, Any], step: float) -> float | None:
    unit = _MM.get(str(axis.get("unit", "")))
    return step * unit if unit is not None and step > 0 else None


def _stated(axis: Axis) -> dict[str, str]:
    kind = {"c": "channel", "t": "time"}.get(axis.name, "space")
    unit = {} if axis.step_mm is None else {"unit": "millimeter"}
    return {"name": axis.name, "type": kind, **unit}
