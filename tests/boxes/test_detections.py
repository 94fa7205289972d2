import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from segx.boxes import Detections
from segx.errors import ModelError
from segx.geometry import Extent

_NUMBERS = st.integers(-40, 80)


@st.composite
def detections(draw: st.DrawFn) -> Detections:
    boxes = draw(
        st.lists(
            st.tuples(_NUMBERS, _NUMBERS, st.integers(0, 60), st.integers(0, 60)).map(
                lambda box: (box[0], box[1], box[0] + box[2], box[1] + box[3])
            ),
            max_size=6,
        )
    )
    classes = [draw(st.integers(1, 3)) for _ in boxes]
    scores = [draw(st.floats(0, 1, width=32)) for _ in boxes]
    return Detections.of(boxes, classes, scores)


def _painted(found: Detections, extent: Extent) -> np.ndarray:
    """How many boxes cover each pixel."""
    canvas = np.zeros((extent.rows, extent.cols), int)
    for left, top, right, bottom in np.maximum(found.boxes, 0).astype(int):
        canvas[top:bottom, left:right] += 1
    return canvas


@given(detections(), st.integers(1, 50), st.integers(1, 50))
def test_clipping_keeps_every_pixel_inside_and_nothing_else(
    found: Detections, rows: int, cols: int
) -> None:
    extent = Extent(rows, cols)
    inside = found.clipped(extent)
    assert np.array_equal(_painted(inside, extent), _painted(found, extent))
    assert (inside.areas > 0).all()
    assert inside.areas.sum() == _painted(found, extent).sum()


@given(detections(), _NUMBERS, _NUMBERS)
def test_a_shift_there_and_back_changes_nothing(
    found: Detections, rows: int, cols: int
) -> None:
    back = found.shifted(rows=rows, cols=cols).shifted(rows=-rows, cols=-cols)
    assert np.array_equal(back.boxes, found.boxes)
    assert back.classes is found.classes
    assert back.scores is found.scores


@given(detections())
def test_a_scale_of_rows_and_columns_multiplies_areas(found: Detections) -> None:
    assert np.array_equal(found.scaled(rows=2, cols=3).areas, 6 * found.areas)


@given(st.lists(detections(), max_size=3))
def test_what_is_joined_is_all_of_the_parts_in_order(parts: list[Detections]) -> None:
    joined = Detections.joined(parts)
    first = 0
    for part in parts:
        own = joined.taken(np.arange(first, first + len(part)))
        assert np.array_equal(own.boxes, part.boxes)
        assert np.array_equal(own.classes, part.classes)
        assert np.array_equal(own.scores, part.scores)
        first += len(part)
    assert len(joined) == first


def test_truth_has_scores_of_one_and_nothing_is_a_value_too() -> None:
    truth = Detections.of([[0, 0, 4, 2], [1, 1, 2, 2]], [1, 2])
    assert truth.scores.tolist() == [1, 1]
    assert len(Detections.empty()) == 0


@pytest.mark.parametrize(
    ("boxes", "classes", "scores", "told"),
    [
        ([[0, 0, np.nan, 1]], [1], [1], "Detection 0 of 1 has boxes"),
        ([[0, 0, 1, 1], [3, 0, 2, 1]], [1, 1], [1, 1], "Detection 1 of 2 has boxes"),
        ([[0, 0, 1, 1]], [0], [1], "has classes 0"),
        ([[0, 0, 1, 1]], [1], [1.5], "has scores 1.5"),
        ([[0, 0, 1, 1]], [1], [np.nan], "has scores nan"),
        ([[0, 0, 1, 1]], [1, 2], [1], r"classes of 1 detections are int64 of shape"),
    ],
)
def test_what_can_not_be_is_refused(
    boxes: list[list[float]], classes: list[int], scores: list[float], told: str
) -> None:
    with pytest.raises(ModelError, match=told):
        Detections.of(boxes, classes, scores)


def test_other_types_are_refused_rather_than_converted_in_silence() -> None:
    with pytest.raises(ModelError, match="float64 of shape"):
        Detections(np.zeros((1, 4)), np.ones(1, np.int64), np.ones(1, np.float32))
