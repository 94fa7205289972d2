import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from segx.errors import ModelError
from segx.labels import Labels
from segx.masks.activation import softmax, to_probabilities

_BINARY = Labels("binary", ("background", "cell"))
_THREE = Labels("multiclass", ("background", "a", "b"))
_LAYERS = Labels("multilabel", ("a", "b"))

logits = st.floats(-1e4, 1e4, width=32)


@given(arrays(np.float32, (3, 4, 5), elements=logits))
def test_classes_that_exclude_each_other_sum_to_one(values: np.ndarray) -> None:
    result = to_probabilities(values, _THREE)
    assert result.dtype == np.float32
    assert np.allclose(result.sum(axis=0), 1, atol=1e-5)
    expected = torch.softmax(torch.from_numpy(values), dim=0).numpy()
    assert np.allclose(result, expected, atol=1e-6)


@pytest.mark.parametrize("labels", [_BINARY, _LAYERS])
@given(data=st.data())
def test_others_are_independent_and_between_0_and_1(
    labels: Labels, data: st.DataObject
) -> None:
    values = data.draw(arrays(np.float32, (labels.logits, 4, 5), elements=logits))
    result = to_probabilities(values, labels)
    assert result.dtype == np.float32
    expected = torch.sigmoid(torch.from_numpy(values)).numpy()
    assert np.allclose(result, expected, atol=1e-6)


def test_the_classes_may_lie_on_any_axis() -> None:
    values = np.random.default_rng(0).normal(size=(2, 3, 4, 5)).astype(np.float32)
    batch = to_probabilities(values, _THREE, axis=1)
    assert np.array_equal(batch[1], to_probabilities(values[1], _THREE))
    assert np.allclose(softmax(values, axis=3).sum(axis=3), 1)


def test_another_number_of_classes_is_refused() -> None:
    with pytest.raises(ModelError, match="puts out 2 logits a pixel"):
        to_probabilities(np.zeros((2, 4, 4), np.float32), _THREE)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_logits_that_are_not_finite_are_counted(value: float) -> None:
    values = np.zeros((1, 10, 10), np.float32)
    values[0, :5, 0] = value
    with pytest.raises(ModelError, match=r"5\.0% of the network's logits"):
        to_probabilities(values, _BINARY)
