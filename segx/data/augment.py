"""How training images are varied; the only file that knows Albumentations."""

import os
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

os.environ["NO_ALBUMENTATIONS_UPDATE"] = "1"  # or it asks the network for its version

import albumentations as A
import cv2
from pydantic import ValidationError

from segx.boxes import Detections
from segx.config import (
    AugmentConfig,
    Choice,
    class_named,
    did_you_mean,
    typed_options,
)
from segx.config.names import explain
from segx.errors import ConfigError
from segx.geometry import Extent

__all__ = ["PRESETS", "Augment", "Preset", "objects_seen"]

# Each sample is small and has a worker of its own: threads would only get in the way.
cv2.setNumThreads(0)

_Value = TypeVar("_Value", bound=np.generic)
Transforms = list[A.BasicTransform | A.BaseCompose]


@dataclass(frozen=True)
class Preset:
    """A set of transforms.

    Args:
        summary: What it is for, in a line.
        build: Makes the transforms for images with so many channels.
        any_way_up: Whether images are mirrored and turned by quarters as well.
        mirrored: Whether left and right are exchanged, if not; by a transform.
    """

    summary: str
    build: Callable[[int], Transforms]
    any_way_up: bool = True
    mirrored: bool = False

    def views(self, extent: Extent) -> Sequence[int]:
        """Which of the eight views of an image there are; see `_seen`."""
        if self.any_way_up:
            return range(8 if extent.rows == extent.cols else 4)
        return (0,)


class Augment:
    """Varies an image and its mask, or its objects, together.

    Boxes follow flips and quarter turns exactly; the box of a warped object is not the
    warped box. So of the transforms, those that move pixels are left out for boxes.

    The result depends on the arguments and the generator only: not on the process, nor
    on what was varied before.

    Args:
        config: Name of a preset, and further transforms of Albumentations.
        channels: Channels of the images.
        extent: Size of the images, in pixels.
        for_boxes: Whether what is varied with the images are objects.

    Raises:
        ConfigError: If a name or an option is unknown, or a transform does not work on
            such images or changes their size, or moves pixels where there are boxes.
    """

    def __init__(
        self,
        config: AugmentConfig,
        *,
        channels: int,
        extent: Extent,
        for_boxes: bool = False,
    ) -> None:
        if config.preset not in PRESETS:
            near = did_you_mean(config.preset, PRESETS)
            raise ConfigError(
                f"data.augment.preset: there is no preset {config.preset!r}. {near}"
            )
        preset = PRESETS[config.preset]
        self._views = preset.views(extent)
        transforms = preset.build(channels)
        extra = [_named_transform(choice) for choice in config.extra]
        self._names = [choice.name for choice in config.extra]
        if for_boxes:
            self._views = (0, 2) if preset.mirrored else self._views
            transforms = [item for item in transforms if _stays(item)]
            _refuse_movers(extra, self._names)
        transforms += extra
        self._compose = A.Compose(transforms) if transforms else None
        for transform, name in zip(extra, self._names, strict=True):
            _try(transform, name, channels=channels, extent=extent)

    def __call__(
        self,
        image: NDArray[np.float32],
        mask: NDArray[np.uint8] | None,
        *,
        rng: np.random.Generator,
    ) -> tuple[NDArray[np.float32], NDArray[np.uint8] | None]:
        """Vary an image and its mask.

        Args:
            image: Values in [0, 1], shape (rows, cols, channels).
            mask: Ids, shape (rows, cols), or planes, shape (rows, cols, planes).
            rng: Decides what happens.

        Returns:
            The same shapes; image values in [0, 1].

        Raises:
            ConfigError: If a transform changed the size.
        """
        view = self._view(rng)
        mask = None if mask is None else np.ascontiguousarray(_seen(mask, view))
        return self._varied(_seen(image, view), mask, rng)

    def with_objects(
        self, image: NDArray[np.float32], objects: Detections, rng: np.random.Generator
    ) -> tuple[NDArray[np.float32], Detections]:
        """Vary an image and its objects.

        Args:
            image: Values in [0, 1], shape (rows, cols, channels).
            objects: In the image's pixels.
            rng: Decides what happens.

        Returns:
            The image, of the same shape, and the objects in it.
        """
        view = self._view(rng)
        moved = objects_seen(objects, view, Extent(*image.shape[:2]))
        return self._varied(_seen(image, view), None, rng)[0], moved

    def _view(self, rng: np.random.Generator) -> int:
        return self._views[int(rng.integers(len(self._views)))]

    def _varied(
        self,
        image: NDArray[np.float32],
        mask: NDArray[np.uint8] | None,
        rng: np.random.Generator,
    ) -> tuple[NDArray[np.float32], NDArray[np.uint8] | None]:
        """What the transforms make of them."""
        if self._compose is None:
            return image, mask
        # A seed would be handed to every transform, and all would draw the same
        # numbers; generators are shared, so that the transforms are independent.
        self._compose.set_random_state(rng, random.Random(int(rng.integers(2**63))))
        masks = {} if mask is None else {"mask": mask}
        varied = self._compose(image=np.ascontiguousarray(image), **masks)
        if varied["image"].shape != image.shape:
            raise ConfigError(
                f"data.augment.extra: {', '.join(self._names)} made an image of shape "
                f"{varied['image'].shape} from one of {image.shape}. Take transforms "
                "that keep the size."
            )
        return np.clip(varied["image"], 0, 1), varied.get("mask")


_BEYOND = 0.5
"""How far a transform may leave 0 … 1, as noise does; what is beyond is clipped."""


def _none(_channels: int) -> Transforms:
    return []


def _light(_channels: int) -> Transforms:
    return [_tone(0.1, p=0.5)]


def _standard(_channels: int) -> Transforms:
    return [
        _affine(scale=0.2, degrees=30, shear=8, p=0.4),
        _elastic(p=0.1),
        _tone(0.2, p=0.5),
        A.RandomGamma(gamma_limit=(70, 140), p=0.2),
        A.OneOf([_blur(1.0), _noise(0.04)], p=0.2),
    ]


def _microscopy(channels: int) -> Transforms:
    return [
        _affine(scale=0.25, degrees=45, shear=5, p=0.4),
        _elastic(p=0.15),
        _tone(0.2, p=0.5),
        *_stain(channels),
        A.OneOf([_blur(1.5), _noise(0.05)], p=0.3),
    ]


def _radiograph(_channels: int) -> Transforms:
    return [
        A.HorizontalFlip(p=0.5),
        _affine(scale=0.1, degrees=10, shear=3, p=0.6),
        _tone(0.12, p=0.5),
        A.RandomGamma(gamma_limit=(60, 160), p=0.3),
        A.OneOf([_blur(0.8), _noise(0.03)], p=0.15),
    ]


PRESETS: Mapping[str, Preset] = {
    "none": Preset("images as they are", _none, any_way_up=False),
    "light": Preset("flips, quarter turns, a little brightness and contrast", _light),
    "standard": Preset("any orientation, small warps, tone, blur and noise", _standard),
    "microscopy": Preset("as standard, with stain variation and defocus", _microscopy),
    "radiograph": Preset(
        "upright: mirrored, slightly turned, exposure",
        _radiograph,
        any_way_up=False,
        mirrored=True,
    ),
}
"""What `data.augment.preset` may be."""


def _seen(array: NDArray[_Value], view: int) -> NDArray[_Value]:
    """One of the eight views of a square, the first four of which keep its sides.

    They cost nothing, for the array is copied later anyway.
    """
    if view & 1:
        array = array[::-1]
    if view & 2:
        array = array[:, ::-1]
    return array.swapaxes(0, 1) if view & 4 else array


def objects_seen(objects: Detections, view: int, extent: Extent) -> Detections:
    """The objects of an image in one of its eight views.

    Args:
        objects: In the image's pixels.
        view: As for the image.
        extent: The image's size.

    Examples:
        >>> cell = Detections.of([[0, 0, 2, 1]], [1])
        >>> objects_seen(cell, 2, Extent(4, 5)).boxes.tolist()
        [[3.0, 0.0, 5.0, 1.0]]
    """
    left, top, right, bottom = objects.boxes.T
    if view & 1:
        top, bottom = extent.rows - bottom, extent.rows - top
    if view & 2:
        left, right = extent.cols - right, extent.cols - left
    if view & 4:
        left, top, right, bottom = top, left, bottom, right
    boxes = np.stack([left, top, right, bottom], axis=1)
    return Detections(boxes, objects.classes, objects.scores)


def _stays(transform: A.BasicTransform | A.BaseCompose) -> bool:
    """Whether a transform leaves every pixel where it is."""
    if isinstance(transform, A.BaseCompose):
        return all(_stays(item) for item in transform.transforms)
    return isinstance(transform, A.ImageOnlyTransform)


def _refuse_movers(extra: Sequence[A.BasicTransform], names: Sequence[str]) -> None:
    moving = [n for item, n in zip(extra, names, strict=True) if not _stays(item)]
    if moving:
        raise ConfigError(
            f"data.augment.extra: {', '.join(moving)} moves pixels, and boxes can't "
            "follow it exactly. Take transforms of values alone, such as CLAHE; a "
            "preset turns and mirrors by itself."
        )


def _affine(*, scale: float, degrees: float, shear: float, p: float) -> A.Affine:
    """Scale, turn, shear and shift; what comes in from outside is the mirror image."""
    return A.Affine(
        scale=(1 - scale, 1 + scale),
        rotate=(-degrees, degrees),
        shear=(-shear, shear),
        translate_percent=(-0.05, 0.05),
        border_mode=cv2.BORDER_REFLECT_101,
        p=p,
    )


def _elastic(*, p: float) -> A.ElasticTransform:
    """Shift pixels by a few px, smoothly; the costliest transform, so a rare one."""
    return A.ElasticTransform(
        alpha=60, sigma=8, approximate=True, border_mode=cv2.BORDER_REFLECT_101, p=p
    )


def _tone(limit: float, *, p: float) -> A.RandomBrightnessContrast:
    return A.RandomBrightnessContrast(
        brightness_limit=limit, contrast_limit=limit, brightness_by_max=True, p=p
    )


def _stain(channels: int) -> Transforms:
    """Other proportions of dyes: hue and saturation, or each channel by itself."""
    if channels == 3:
        return [A.HueSaturationValue(8, 20, 0, p=0.4)]
    return [A.MultiplicativeNoise((0.85, 1.15), per_channel=True, p=0.4)]


def _blur(sigma: float) -> A.GaussianBlur:
    return A.GaussianBlur(sigma_limit=(0.3, sigma), p=1)


def _noise(std: float) -> A.GaussNoise:
    return A.GaussNoise(std_range=(std / 4, std), p=1)


def _named_transform(choice: Choice) -> A.BasicTransform:
    """Build a transform that a config names."""
    key = "data.augment.extra"
    cls = class_named(choice.name, _ALBUMENTATIONS, key=key, base=A.BasicTransform)
    key = f"{key}.{choice.name}"
    options = typed_options(cls, choice, key=key)
    try:
        return cls(**options)
    except (TypeError, ValueError) as error:
        # Albumentations wraps what pydantic finds.
        if isinstance(error.__cause__, ValidationError):
            lines = explain(error.__cause__, prefix=key, allowed=lambda _: options)
            raise ConfigError("\n".join(lines)) from error
        raise ConfigError(f"{key}: {error}") from error


def _try(
    transform: A.BasicTransform, name: str, *, channels: int, extent: Extent
) -> None:
    """Apply a transform for certain, so that a wrong one is found before training."""
    rng = np.random.default_rng(0)
    noise = rng.random((extent.rows, extent.cols, channels), dtype=np.float32)
    mask = np.zeros((extent.rows, extent.cols), np.uint8)
    transform.set_random_state(rng, random.Random(0))
    key = f"data.augment.extra.{name}"
    try:
        varied = transform(image=noise, mask=mask, force_apply=True)
    except (TypeError, ValueError, KeyError, cv2.error) as error:
        raise ConfigError(
            f"{key} does not work on images with {channels} channels: {error}"
        ) from error
    if varied["image"].shape != noise.shape:
        raise ConfigError(
            f"{key} makes an image of shape {varied['image'].shape} from one of "
            f"{noise.shape}. Take a transform that keeps the size."
        )
    low, high = float(varied["image"].min()), float(varied["image"].max())
    if varied["image"].dtype != noise.dtype or low < -_BEYOND or high > 1 + _BEYOND:
        raise ConfigError(
            f"{key} makes {varied['image'].dtype} from {low:.3g} to {high:.3g} of an "
            "image from 0 to 1, which it must stay: segx scales images itself, for "
            "training and prediction alike. Leave the transform out."
        )


_ALBUMENTATIONS: dict[str, type[A.BasicTransform]] = {
    name: item
    for name, item in vars(A).items()
    if isinstance(item, type) and issubclass(item, A.BasicTransform)
}
