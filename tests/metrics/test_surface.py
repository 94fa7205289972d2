"""Surface distances against a brute-force reference, and their laws."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from segx.errors import DataError
from segx.metrics.surface import compare_surfaces

Pair = tuple[NDArray[np.bool_], NDArray[np.bool_]]


@st.composite
def pairs(draw: st.DrawFn, *, axes: int | None = None) -> Pair:
    """Two masks that are not empty, of one shape of 2 or 3 axes."""
    count = draw(st.integers(2, 3)) if axes is None else axes
    shape = tuple(draw(st.integers(1, 7)) for _ in range(count))
    random = np.random.default_rng(draw(st.integers(0, 2**32)))
    masks = random.random((2, *shape)) < draw(st.floats(0.1, 0.9))
    for mask in masks:
        mask.ravel()[random.integers(mask.size)] = True
    return masks[0], masks[1]


def spacing_of(mask: NDArray[np.bool_]) -> tuple[float, ...]:
    return (2.5, 0.5, 0.75)[: mask.ndim]


def border(mask: NDArray[np.bool_], spacing: tuple[float, ...]) -> NDArray[np.float64]:
    """Places of the pixels that have a neighbour outside the mask, in mm."""
    padded = np.pad(mask, 1)
    inner = np.ones_like(padded)
    for axis in range(mask.ndim):
        inner &= np.roll(padded, 1, axis) & np.roll(padded, -1, axis)
    edge = padded & ~inner
    return np.argwhere(edge) * np.array(spacing)


def all_distances(pair: Pair, spacing: tuple[float, ...]) -> NDArray[np.float64]:
    one, other = (border(mask, spacing) for mask in pair)
    return np.sqrt(((one[:, None] - other[None]) ** 2).sum(axis=2))


@settings(max_examples=40)
@given(pairs())
def test_hd95_is_that_of_all_pairs_of_border_pixels(pair: Pair) -> None:
    spacing = spacing_of(pair[0])
    table = all_distances(pair, spacing)
    wanted = max(
        np.percentile(table.min(axis=1), 95), np.percentile(table.min(axis=0), 95)
    )
    found = compare_surfaces(*pair, spacing=spacing)
    assert found.hd95 == pytest.approx(wanted, rel=1e-5)
    assert found.nsd is None


def corners(mask: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Of a 2D mask, which of the four pixels round each corner are in it."""
    padded = np.pad(mask, 1).astype(np.int64)
    return np.stack(
        [padded[:-1, :-1], padded[:-1, 1:], padded[1:, :-1], padded[1:, 1:]], axis=-1
    )


def contour_lengths(mask: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Length of the contour at each corner, by marching squares on unit pixels."""
    around = corners(mask)
    count = around.sum(axis=-1)
    diagonal = (count == 2) & (around[..., 0] == around[..., 3])
    lengths = np.where((count == 1) | (count == 3), math.sqrt(0.5), 0.0)
    lengths = np.where(count == 2, 1.0, lengths)
    return np.where(diagonal, 2 * math.sqrt(0.5), lengths)


@settings(max_examples=20)
@given(pairs(axes=2), st.sampled_from([0.5, 1.0, 1.5, 2.0]))
def test_nsd_is_the_share_of_the_contour_within_the_tolerance(
    pair: Pair, tolerance: float
) -> None:
    lengths = [contour_lengths(mask) for mask in pair]
    places = [np.argwhere(length > 0) for length in lengths]
    weights = [length[length > 0] for length in lengths]
    table = np.sqrt(((places[0][:, None] - places[1][None]) ** 2).sum(axis=2))
    near = [table.min(axis=1) <= tolerance, table.min(axis=0) <= tolerance]
    within = sum(
        weight[close].sum() for weight, close in zip(weights, near, strict=True)
    )
    found = compare_surfaces(*pair, spacing=(1.0, 1.0), tolerance=tolerance)
    assert found.nsd == pytest.approx(within / sum(w.sum() for w in weights), abs=1e-5)


@settings(max_examples=20)
@given(pairs(), st.floats(0.1, 10))
def test_spacing_times_k_gives_distances_times_k(pair: Pair, k: float) -> None:
    spacing = spacing_of(pair[0])
    scaled = tuple(k * length for length in spacing)
    there = compare_surfaces(*pair, spacing=spacing, tolerance=1.26)
    back = compare_surfaces(*pair, spacing=scaled, tolerance=1.26 * k)
    assert back.hd95 == pytest.approx(k * there.hd95, rel=1e-5)
    assert back.nsd == pytest.approx(there.nsd, abs=1e-4)


@settings(max_examples=20)
@given(pairs())
def test_truth_and_prediction_can_change_places(pair: Pair) -> None:
    there = compare_surfaces(*pair, spacing=spacing_of(pair[0]), tolerance=1)
    back = compare_surfaces(*pair[::-1], spacing=spacing_of(pair[0]), tolerance=1)
    assert there == pytest.approx(back)


@settings(max_examples=10)
@given(pairs(), st.lists(st.floats(0.01, 20), min_size=2, max_size=4))
def test_nsd_grows_with_the_tolerance(pair: Pair, tolerances: list[float]) -> None:
    found = [
        compare_surfaces(*pair, spacing=spacing_of(pair[0]), tolerance=tolerance).nsd
        for tolerance in sorted(tolerances)
    ]
    assert found == sorted(found)
    far = compare_surfaces(*pair, spacing=spacing_of(pair[0]), tolerance=100)
    assert far.nsd == 1


@settings(max_examples=20)
@given(pairs(), st.integers(0, 9))
def test_nothing_depends_on_what_is_round_the_objects(pair: Pair, margin: int) -> None:
    wider = [np.pad(mask, margin) for mask in pair]
    spacing = spacing_of(pair[0])
    there = compare_surfaces(*pair, spacing=spacing, tolerance=1)
    assert compare_surfaces(*wider, spacing=spacing, tolerance=1) == there


@pytest.mark.parametrize(
    ("truth", "predicted", "wanted"),
    [
        (False, False, (math.nan, math.nan)),
        (True, False, (math.inf, 0)),
        (False, True, (math.inf, 0)),
        (True, True, (0, 1)),
    ],
)
@pytest.mark.parametrize("shape", [(4, 5), (3, 4, 5)])
def test_the_four_empty_cases(
    truth: bool, predicted: bool, wanted: tuple[float, float], shape: tuple[int, ...]
) -> None:
    found = compare_surfaces(
        np.full(shape, truth),
        np.full(shape, predicted),
        spacing=spacing_of(np.empty(shape)),
        tolerance=1,
    )
    assert found == pytest.approx(wanted, nan_ok=True)


@pytest.mark.parametrize(
    ("spacing", "tolerance", "message"),
    [
        ((1.0,), None, "a spacing for each"),
        ((1.0, 0.0), None, "positive lengths"),
        ((1.0, math.nan), None, "positive lengths"),
        ((1.0, 1.0), -1.0, "positive lengths"),
    ],
)
def test_lengths_that_can_not_be_are_refused(
    spacing: tuple[float, ...], tolerance: float | None, message: str
) -> None:
    mask = np.ones((3, 4), bool)
    with pytest.raises(DataError, match=message):
        compare_surfaces(mask, mask, spacing=spacing, tolerance=tolerance)
    with pytest.raises(DataError, match=r"\(3, 4\).*\(4, 3\)"):
        compare_surfaces(mask, mask.T, spacing=(1.0, 1.0))
