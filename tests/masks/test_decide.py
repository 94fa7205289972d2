import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from segx.errors import ModelError
from segx.labels import Labels
from segx.masks.decide import decide

shares = st.floats(0, 1, width=32)
_LAYERS = Labels("multilabel", ("a", "b", "c"))


@given(arrays(np.float32, (1, 4, 5), elements=shares))
def test_binary_masks_take_what_is_at_least_as_likely_as_not(
    probabilities: np.ndarray,
) -> None:
    mask = decide(probabilities, Labels("binary", ("background", "cell")))
    assert (mask.dtype, mask.shape) == (np.uint8, (4, 5))
    assert np.array_equal(mask == 1, probabilities[0] >= 0.5)


@given(st.integers(2, 6), st.data())
def test_of_several_classes_the_most_probable_is_taken(
    count: int, data: st.DataObject
) -> None:
    probabilities = data.draw(arrays(np.float32, (count, 4, 5), elements=shares))
    labels = Labels("multiclass", tuple(f"class {index}" for index in range(count)))
    mask = decide(probabilities, labels)
    assert (mask.dtype, mask.shape) == (np.uint8, (4, 5))
    chosen = np.take_along_axis(probabilities, mask[np.newaxis].astype(int), axis=0)
    assert (chosen[0] == probabilities.max(axis=0)).all()


@given(arrays(np.float32, (3, 4, 5), elements=shares))
def test_layers_are_decided_one_by_one_and_put_last(probabilities: np.ndarray) -> None:
    mask = decide(probabilities, _LAYERS)
    assert (mask.dtype, mask.shape) == (np.uint8, (4, 5, 3))
    for index in range(3):
        assert np.array_equal(mask[..., index] == 1, probabilities[index] >= 0.5)


def test_another_number_of_classes_is_refused() -> None:
    with pytest.raises(ModelError, match="Probabilities of 2 classes were given"):
        decide(np.zeros((2, 4, 4), np.float32), _LAYERS)
