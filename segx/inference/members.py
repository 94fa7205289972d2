"""The networks of a prediction: one, or several whose probabilities are averaged."""

from collections.abc import Callable, Iterator, Sequence
from copy import copy
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from segx.errors import ModelError
from segx.inference.parity import parity
from segx.inference.runtimes import Runtime
from segx.inference.views import VIEWS, Views, seen, unseen
from segx.labels import Labels
from segx.masks.activation import to_probabilities
from segx.masks.calibration import Calibration
from segx.masks.decide import decide
from segx.scans.intensity import Intensity
from segx.scans.scan import Scan
from segx.spec import ModelSpec

__all__ = ["Member", "Members"]

# What models must have in common to be averaged.
_ALIKE = (
    "task",
    "in_channels",
    "axis",
    "neighbours",
    "labels",
    "class_names",
    "class_kind",
    "resize",
)


@dataclass(frozen=True)
class Member:
    """A trained network, ready to run.

    Args:
        spec: What the model is.
        runtime: The engine, with the network in it.
        source: Where it came from; errors name it.
        digest: SHA-256 of its weights; empty where there is no file.
        reference: The same network in float32, which a faster engine is held against;
            None where there is nothing to compare.
        spares: What builds the engines that come next, should the first not be as good
            as the reference.
        classifier: What tells the classes of images, where `runtime` makes masks.
    """

    spec: ModelSpec
    runtime: Runtime
    source: Path
    digest: str = ""
    reference: Runtime | None = None
    spares: tuple[Callable[[], Runtime], ...] = ()
    classifier: Runtime | None = None

    @property
    def tells_classes(self) -> Runtime:
        """The engine for whole images' classes.

        Raises:
            ModelError: If the model makes masks, and its classes were left behind.
        """
        if self.spec.labels is None:
            return self.runtime
        if self.classifier is None:
            raise ModelError(
                f"{self.source} was exported with its masks only. To have the classes, "
                "predict with the run that it was exported from."
            )
        return self.classifier

    def temper(self, logits: NDArray[np.float32]) -> NDArray[np.float32]:
        """Make logits as sure as validation cases say that they may be."""
        calibration = self.spec.calibration
        return logits if calibration is None else calibration.temper(logits)

    def engines(self) -> Iterator[Runtime]:
        """The engine, its spares, and at last the reference; each made when needed."""
        yield self.runtime
        yield from (make() for make in self.spares)
        if self.reference is not None:
            yield self.reference


class Members:
    """Networks that see the same pixels, each on its own intensity scale.

    Args:
        members: One or more, such as the folds of a cross-validation.
        views: Test-time flips and turns, see `VIEWS`.

    Raises:
        ModelError: If the members differ in what they read or in what they tell apart.
    """

    def __init__(self, members: Sequence[Member], *, views: Views = "none") -> None:
        if not members:
            raise ModelError("No model was given. Give one or more.")
        for member in members:
            _refuse_unlike(member, members[0])
        self.members = tuple(members)
        self.views = VIEWS[views]
        scales = dict.fromkeys(member.spec.intensity for member in members)
        self._scales = tuple(scales)

    @property
    def spec(self) -> ModelSpec:
        """What all members have in common, and the first one's own."""
        return self.members[0].spec

    def calibrated(self, calibration: Calibration | None) -> Self:
        """The same networks in the same engines, with another calibration."""
        other = copy(self)
        change = {"calibration": calibration}
        other.members = tuple(
            replace(member, spec=member.spec.model_copy(update=change))
            for member in self.members
        )
        return other

    @property
    def count(self) -> int:
        """Number of answers that are averaged: of each member in each view."""
        return len(self.members) * len(self.views)

    @property
    def class_labels(self) -> Labels:
        """What the classes of whole images are.

        Raises:
            ModelError: If the models tell none.
        """
        if self.spec.class_labels is None:
            raise ModelError(
                f"{self.members[0].source} segments images; it can't classify them. "
                "Use predict."
            )
        return self.spec.class_labels

    @property
    def settings(self) -> dict[str, object]:
        """All that the probabilities of a given image depend on."""
        models = [(item.digest, item.spec.model_dump()) for item in self.members]
        return {"models": models, "views": self.views, "runtime": self.about}

    @property
    def about(self) -> str:
        """The engines, each once."""
        return ", ".join(dict.fromkeys(self.engines))

    @property
    def engines(self) -> tuple[str, ...]:
        """Each member's engine, as it says of itself."""
        return tuple(member.runtime.about for member in self.members)

    def check(self, tiles: NDArray[np.float32]) -> float | None:
        """Give up engines that decide otherwise than their references.

        Args:
            tiles: A few tiles, as `normalise` gives them, (n, channels, rows, cols).

        Returns:
            The share of pixels that the engines left decide like their references, of
            the member with the least; None if all are their own references.
        """
        found = [_as_good(item, self.own(item, tiles)) for item in self.members]
        self.members = tuple(
            replace(member, runtime=runtime)
            for member, (runtime, _) in zip(self.members, found, strict=True)
        )
        return min((share for _, share in found if share is not None), default=None)

    def take(self, engines: Sequence[str]) -> None:
        """Take the engines, by name, that an earlier check ended with."""
        self.members = tuple(
            replace(member, runtime=_called(member, about))
            for member, about in zip(self.members, engines, strict=True)
        )

    def scales_of(self, scan: Scan) -> tuple[Intensity, ...]:
        """The scales that the members read a scan with, each once.

        Where a model measures each scan by itself, the scan is read for that.
        """
        neighbours = self.spec.neighbours
        return tuple(
            scale.fitted_to(scan, neighbours=neighbours) for scale in self._scales
        )

    def normalise(
        self, pixels: NDArray[Any], scales: Sequence[Intensity], *, source: Path
    ) -> NDArray[np.float32]:
        """Scale stored values as the members read them.

        Args:
            pixels: Stored values, shape (rows, cols, channels).
            scales: What `scales_of` gave for the scan.
            source: What an error calls the scan.

        Returns:
            Shape (scales * channels, rows, cols): one image for each scale that the
            members differ in, usually one.
        """
        images = [scale(pixels, source=source) for scale in scales]
        stacked = images[0] if len(images) == 1 else np.concatenate(images, axis=2)
        return np.moveaxis(stacked, 2, 0)

    def probabilities(self, tiles: NDArray[np.float32]) -> NDArray[np.float32]:
        """The mean over members and views.

        Args:
            tiles: What `normalise` gave, shape (n, scales * channels, rows, cols).

        Returns:
            Shape (n, classes, rows, cols), in [0, 1].
        """
        return self._mean(self._each(tiles))

    def opinions(self, tiles: NDArray[np.float32]) -> NDArray[np.float32]:
        """The mean over members and views, and how far these agree with it.

        Args:
            tiles: As above.

        Returns:
            Shape (n, classes + 1, rows, cols); the last channel is the share of members
            and views that decide otherwise than their mean, in [0, 1].
        """
        votes: list[NDArray[np.uint8]] = []

        def noted() -> Iterator[NDArray[np.float32]]:
            for found in self._each(tiles):
                votes.append(self._decided(found))
                yield found

        mean = self._mean(noted())
        decision = self._decided(mean)
        against = np.zeros((len(mean), 1, *mean.shape[2:]), np.float32)
        for vote in votes:
            against[:, 0] += (vote != decision).any(axis=3)
        return np.concatenate([mean, against / np.float32(len(votes))], axis=1)

    def classes(self, images: NDArray[np.float32]) -> NDArray[np.float32]:
        """Probabilities of whole images, shape (n, classes): the mean likewise.

        Raises:
            ModelError: If the models tell no classes.
        """
        labels = self.class_labels
        found = [
            to_probabilities(_classes_of(member, seen(own, view)), labels, axis=1)
            for member in self.members
            for own in (self.own(member, images),)
            for view in self.views
        ]
        return np.asarray(np.mean(found, axis=0), np.float32)

    def _mean(self, found: Iterator[NDArray[np.float32]]) -> NDArray[np.float32]:
        total = next(found)
        for further in found:
            total += further
        return total if self.count == 1 else total / np.float32(self.count)

    def _decided(self, found: NDArray[np.float32]) -> NDArray[np.uint8]:
        """Ids or layers, shape (n, rows, cols, 1 or classes)."""
        labels = _labels_of(self.members[0])
        masks = np.stack([decide(item, labels) for item in found])
        return masks if masks.ndim == 4 else masks[..., np.newaxis]

    def _each(self, tiles: NDArray[np.float32]) -> Iterator[NDArray[np.float32]]:
        """The probabilities of each member in each view."""
        for member in self.members:
            image, labels = self.own(member, tiles), _labels_of(member)
            for view in self.views:
                logits = member.runtime.run(seen(image, view) if view else image)
                found = to_probabilities(member.temper(logits), labels, axis=1)
                yield unseen(found, view) if view else found

    def own(self, member: Member, tiles: NDArray[np.float32]) -> NDArray[np.float32]:
        """The channels on a member's own scale, of what `normalise` gave."""
        if len(self._scales) == 1:
            return tiles
        place = self._scales.index(member.spec.intensity) * member.spec.in_channels
        return np.ascontiguousarray(tiles[:, place : place + member.spec.in_channels])


def _as_good(
    member: Member, tiles: NDArray[np.float32]
) -> tuple[Runtime, float | None]:
    """The fastest engine that decides as the reference does; at last, that itself.

    With it the share of pixels that it decides alike; None for the reference.
    """
    reference, labels = member.reference, member.spec.labels
    for engine in member.engines():
        if reference is None or engine is reference:
            break
        share = parity(engine, reference, tiles, labels)
        if share is not None:
            return engine, share
    return engine, None


def _called(member: Member, about: str) -> Runtime:
    """The engine of that name or, if it is not here any more, the reference."""
    exact = member.reference or member.runtime
    return next((item for item in member.engines() if item.about == about), exact)


def _classes_of(member: Member, images: NDArray[np.float32]) -> NDArray[np.float32]:
    """Logits of the classes; where there are masks, too, a calibration is of these."""
    logits = member.tells_classes.run(images)
    return member.temper(logits) if member.spec.labels is None else logits


def _labels_of(member: Member) -> Labels:
    if member.spec.labels is None:
        raise ModelError(
            f"{member.source} classifies images; it makes no masks. Use classify."
        )
    return member.spec.labels


def _refuse_unlike(member: Member, first: Member) -> None:
    """Members must read the same pixels and tell the same classes apart."""
    for key in _ALIKE:
        ours, theirs = getattr(member.spec, key), getattr(first.spec, key)
        if ours != theirs:
            raise ModelError(
                f"{member.source} and {first.source} can't be averaged: their {key} "
                f"are {ours} and {theirs}. Give models of one data set and one config."
            )
