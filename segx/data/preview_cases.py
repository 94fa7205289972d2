"""Cases of a data set that tell what the others are like, drawn with their masks."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from segx.data.case import Case, classes_of, is_labelled
from segx.data.check import CheckedData
from segx.data.choices import percent
from segx.data.defects import Finding
from segx.data.overview import Overview
from segx.data.reader import CaseReader
from segx.errors import SegxError
from segx.geometry import Extent
from segx.labels import Labels
from segx.pages import Contour, Gallery, Line, Picture, contour, shrunk, thumbnail
from segx.pages.glance import glance
from segx.scans.resize import resize_mask

__all__ = ["galleries"]

_MOST = 6  # pictures of a split
_MOST_ODD = 6
_DASHES = ("none", "6 3", "1.5 2.5", "6 2 1.5 2")


class _Plane(NamedTuple):
    """A plane of a case, its number and their number, and its mask if it has one."""

    number: int
    planes: int
    mask: NDArray[np.uint8] | None


def galleries(found: Overview, checked: CheckedData, *, axis: int) -> list[Gallery]:
    """Some cases of each split, and some of those that something was found in.

    Which ones depends on the data alone.

    Args:
        found: The data set in numbers.
        checked: The data set itself.
        axis: Axis along which volumes are cut into planes.
    """
    artist = _Artist(found, checked, axis)
    by_split: defaultdict[str, list[Case]] = defaultdict(list)
    for case in checked.layout.cases:
        by_split[checked.split_of[case.id]].append(case)
    drawn = []
    for split in found.counts:
        cases = _telling(by_split[split], found, artist.labels)
        how = "from least to most foreground" if artist.labels else "over the classes"
        caption = (
            f"{len(cases)} of n = {len(by_split[split])} {split} cases, evenly spread "
            f"{how}."
        )
        drawn += artist.gallery(caption, cases)
    odd = _odd(checked.layout.cases, found.findings)
    shown = list(odd)[:_MOST_ODD]
    caption = f"{len(shown)} of n = {len(odd)} cases that something was found in."
    return drawn + artist.gallery(caption, shown, said=odd)


class _Artist:
    """Draws cases as they are read, with the contours of their classes."""

    def __init__(self, found: Overview, checked: CheckedData, axis: int) -> None:
        common = checked.common
        self.labels = common.mask_values.labels if common.mask_values else None
        self._found = found
        self._axis = axis
        self._names = checked.layout.class_names or ()
        self._intensity = (
            checked.survey.intensity(mean=0.5, std=0.5) if checked.survey else None
        )
        self._reader = CaseReader(
            channels=common.channels,
            dtype=np.dtype(common.dtype or np.uint8),
            mask_values=common.mask_values,
            axis=axis,
        )

    def gallery(
        self,
        caption: str,
        cases: Iterable[Case],
        *,
        said: Mapping[Case, str] | None = None,
    ) -> list[Gallery]:
        """The cases that can be drawn; no gallery if none can."""
        drawn = [self._picture(case, (said or {}).get(case)) for case in cases]
        pictures = [picture for picture in drawn if picture is not None]
        return [Gallery(caption, pictures)] if pictures else []

    def _picture(self, case: Case, said: str | None) -> Picture | None:
        plane = self._plane(case)
        try:
            pixels = glance(
                case.image,
                plane=plane.number,
                axis=self._axis,
                intensity=self._intensity,
            )
        except SegxError:
            return None
        size = Extent(*pixels.shape[:2])
        return Picture(
            source=thumbnail(pixels),
            extent=size,
            contours=_contours(plane.mask, size, self.labels),
            title=case.id,
            details=self._details(case, plane, said),
        )

    def _details(self, case: Case, plane: _Plane, said: str | None) -> list[str]:
        details = [] if said is None else [said]
        if plane.planes > 1:
            details.append(f"plane {plane.number + 1} of {plane.planes}")
        shares = self._found.case_shares.get(case.id)
        if shares is not None and self.labels is not None:
            details += [
                f"{name}: {percent(shares[name])}" for name in self.labels.foreground
            ]
        if is_labelled(case) and self._names:
            named = [self._names[index] for index in classes_of(case)]
            details.append(", ".join(named) or "none of the classes")
        return details

    def _plane(self, case: Case) -> _Plane:
        """The plane with most foreground; without a mask, the first one."""
        try:
            mask = self._reader.mask(case) if case.masks else None
        except SegxError:
            mask = None  # that is among the errors
        if mask is None or self.labels is None:
            return _Plane(0, 1, None)
        if mask.ndim == (3 if self.labels.kind == "multilabel" else 2):
            return _Plane(0, 1, mask)
        filled = (mask > 0).reshape(len(mask), -1).sum(axis=1)
        number = int(filled.argmax())
        return _Plane(number, len(mask), mask[number])


def _telling(
    cases: Sequence[Case], found: Overview, labels: Labels | None
) -> list[Case]:
    """Cases from the least to the most foreground, or of each class in turn."""
    if labels is not None:
        filled = {
            name: sum(shares[of] for of in labels.foreground)
            for name, shares in found.case_shares.items()
        }
        known = (case for case in cases if case.id in filled)
        ranked = sorted(known, key=lambda case: (filled[case.id], case.id))
        return _evenly(ranked, _MOST)
    classes: defaultdict[tuple[int, ...], list[Case]] = defaultdict(list)
    for case in cases:
        classes[classes_of(case)].append(case)
    of_each = max(1, _MOST // max(1, len(classes)))
    chosen = [_evenly(classes[label], of_each) for label in sorted(classes)]
    return [case for some in chosen for case in some][: 2 * _MOST]


def _evenly(cases: Sequence[Case], most: int) -> list[Case]:
    places = np.linspace(0, len(cases) - 1, min(most, len(cases))).round()
    return [cases[int(place)] for place in places]


def _odd(cases: Sequence[Case], findings: Sequence[Finding]) -> dict[Case, str]:
    """Cases that a finding names a file of, with its title."""
    owner = {path: case for case in cases for path in (case.image, *case.masks)}
    odd: dict[Case, str] = {}
    for item in findings:
        if item.file in owner:
            odd.setdefault(owner[item.file], f"{item.code.title}: {item.found}")
    return odd


def _contours(
    mask: NDArray[np.uint8] | None, size: Extent, labels: Labels | None
) -> list[Contour]:
    """Each class in its colour and its dashes; none if the mask is of another size."""
    if mask is None or labels is None or shrunk(Extent(*mask.shape[:2])) != size:
        return []
    small = resize_mask(mask, size)
    drawn = []
    for number, name in enumerate(labels.foreground):
        index = labels.names.index(name)
        is_plane = labels.kind == "multilabel"
        area = small[..., index] > 0 if is_plane else small == index
        red, green, blue = labels.colours[index]
        colour = f"#{red:02x}{green:02x}{blue:02x}"
        line = Line(name, colour, _DASHES[number % len(_DASHES)])
        drawn.append(contour(area, line))
    return [item for item in drawn if item is not None]
