import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from segx.data.smear import BACKGROUND, CYTOPLASM, NUCLEUS, paint_smear
from segx.geometry import Extent


@settings(max_examples=8)
@given(st.integers(1, 200), st.integers(1, 200), st.integers(0, 99))
def test_a_field_of_any_size_is_painted(rows: int, cols: int, seed: int) -> None:
    image, truth = paint_smear(Extent(rows, cols), np.random.default_rng(seed))
    assert (image.shape, image.dtype) == ((rows, cols, 3), np.uint8)
    assert (truth.shape, truth.dtype) == ((rows, cols), np.uint8)
    assert set(np.unique(truth)) <= {BACKGROUND, CYTOPLASM, NUCLEUS}


def test_a_field_follows_from_its_seed() -> None:
    fields = [
        paint_smear(Extent(64, 64), np.random.default_rng(seed)) for seed in (0, 0, 1)
    ]
    assert np.array_equal(fields[0][0], fields[1][0])
    assert np.array_equal(fields[0][1], fields[1][1])
    assert not np.array_equal(fields[0][0], fields[2][0])


@pytest.mark.parametrize("seed", range(4))
def test_every_class_covers_a_fair_share(seed: int) -> None:
    _, truth = paint_smear(Extent(256, 256), np.random.default_rng(seed))
    shares = np.bincount(truth.ravel(), minlength=3) / truth.size
    assert 0.45 < shares[BACKGROUND] < 0.9
    assert 0.05 < shares[CYTOPLASM] < 0.4
    assert 0.03 < shares[NUCLEUS] < 0.3


@pytest.mark.parametrize("seed", range(4))
def test_nuclei_are_darker_than_cytoplasm_and_light_is_not_clipped(seed: int) -> None:
    image, truth = paint_smear(Extent(256, 256), np.random.default_rng(seed))
    red = image[..., 0].astype(float)
    means = [red[truth == index].mean() for index in (BACKGROUND, CYTOPLASM, NUCLEUS)]
    assert means[0] > means[1] + 10 > means[2] + 20
    assert (image == 255).mean() < 0.05
