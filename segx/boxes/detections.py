"""Boxes with a class and a score each: what a detector finds, or what is true."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from segx.errors import ModelError
from segx.geometry import Extent

__all__ = ["Detections"]


@dataclass(frozen=True, eq=False)
class Detections:
    """The objects of one image.

    Args:
        boxes: Left, top, right and bottom in pixels, float32, shape (n, 4): columns
            from `left` to before `right`, as COCO and torchvision have them, so that a
            box that covers the first pixel alone is 0, 0, 1, 1.
        classes: The id of each object's class, from 1, int64, shape (n,).
        scores: How sure the detector is, in [0, 1], float32, shape (n,); 1 for truth.

    Raises:
        ModelError: If a shape, a type or a value is another.
    """

    boxes: NDArray[np.float32]
    classes: NDArray[np.int64]
    scores: NDArray[np.float32]

    def __post_init__(self) -> None:
        count = len(self.boxes)
        for name, array, shape, dtype in (
            ("boxes", self.boxes, (count, 4), np.float32),
            ("classes", self.classes, (count,), np.int64),
            ("scores", self.scores, (count,), np.float32),
        ):
            if array.shape != shape or array.dtype != dtype:
                raise ModelError(
                    f"The {name} of {count} detections are {array.dtype} of shape "
                    f"{array.shape}; they must be {np.dtype(dtype)} of shape {shape}. "
                    "Detections.of converts what it can."
                )
        starts, ends = self.boxes[:, :2], self.boxes[:, 2:]
        finite = np.isfinite(self.boxes)
        self._refuse("boxes", self.boxes, ~finite[:, :2] | ~finite[:, 2:])
        self._refuse("boxes", self.boxes, starts > ends)
        self._refuse("classes", self.classes, self.classes < 1)
        self._refuse("scores", self.scores, ~(self.scores >= 0) | (self.scores > 1))

    @classmethod
    def of(
        cls, boxes: ArrayLike, classes: ArrayLike, scores: ArrayLike | None = None
    ) -> Self:
        """Convert lists, tensors on the CPU or arrays; without scores, each is 1.

        Examples:
            >>> len(Detections.of([[0, 0, 4, 2]], [1]))
            1
        """
        ids = np.asarray(classes, np.int64).reshape(-1)
        return cls(
            np.asarray(boxes, np.float32).reshape(-1, 4),
            ids,
            np.ones(len(ids), np.float32)
            if scores is None
            else np.asarray(scores, np.float32).reshape(-1),
        )

    @classmethod
    def empty(cls) -> Self:
        """Nothing was found."""
        return cls.of([], [])

    @classmethod
    def joined(cls, parts: Iterable["Detections"]) -> Self:
        """All objects of several, in the order given; of none, nothing."""
        items: list[Detections] = [cls.empty(), *parts]
        return cls(
            np.concatenate([item.boxes for item in items]),
            np.concatenate([item.classes for item in items]),
            np.concatenate([item.scores for item in items]),
        )

    def __len__(self) -> int:
        return len(self.boxes)

    @property
    def areas(self) -> NDArray[np.float32]:
        """Pixels that each box covers, shape (n,)."""
        sides = self.boxes[:, 2:] - self.boxes[:, :2]
        return sides[:, 0] * sides[:, 1]

    def taken(self, which: NDArray[np.bool_] | NDArray[np.integer]) -> "Detections":
        """Those of a mask, shape (n,), or of indices, in their order."""
        return Detections(self.boxes[which], self.classes[which], self.scores[which])

    def shifted(self, *, rows: float, cols: float) -> "Detections":
        """The same objects, so many pixels further down and to the right.

        Examples:
            >>> Detections.of([[0, 0, 4, 2]], [1]).shifted(rows=1, cols=10).boxes
            array([[10.,  1., 14.,  3.]], dtype=float32)
        """
        shift = np.array([cols, rows, cols, rows], np.float32)
        return Detections(self.boxes + shift, self.classes, self.scores)

    def scaled(self, *, rows: float, cols: float) -> "Detections":
        """The same objects where a pixel becomes so many rows and columns, above 0."""
        factors = np.array([cols, rows, cols, rows], np.float32)
        return Detections(self.boxes * factors, self.classes, self.scores)

    def clipped(self, extent: Extent) -> "Detections":
        """What lies within an image; boxes of which no area is left are gone.

        Examples:
            >>> boxes = [[-2, 0, 4, 2], [6, 0, 9, 2]]
            >>> Detections.of(boxes, [1, 1]).clipped(Extent(8, 5)).boxes
            array([[0., 0., 4., 2.]], dtype=float32)
        """
        ends = np.array([extent.cols, extent.rows] * 2, np.float32)
        boxes = np.minimum(np.maximum(self.boxes, 0), ends)
        inside = Detections(boxes, self.classes, self.scores)
        return inside.taken(inside.areas > 0)

    def _refuse(
        self, name: str, values: NDArray[np.generic], wrong: NDArray[np.bool_]
    ) -> None:
        """Name the first detection that can't be."""
        if wrong.any():
            first = int(np.argwhere(wrong)[0, 0])
            raise ModelError(
                f"Detection {first} of {len(self)} has {name} {values[first].tolist()}."
                " Boxes are finite, left before right and top before bottom; classes "
                "count from 1; scores are from 0 to 1."
            )
