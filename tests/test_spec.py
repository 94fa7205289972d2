import pytest

from segx.config import CleaningConfig, InferenceConfig
from segx.errors import ConfigError
from segx.labels import Labels
from segx.masks.cleaning import Cleaning
from tests.inference.stubs import model

THREE = Labels("multiclass", ("background", "cytoplasm", "nucleus"))


def test_a_model_says_how_its_masks_are_cleaned() -> None:
    config = CleaningConfig(fill_holes=True, min_size_mm=0.5, classes=("nucleus",))
    spec = model(THREE, inference=InferenceConfig(cleaning=config)).spec
    assert spec.cleaning == Cleaning(
        fill_holes=True, min_size_mm=0.5, classes=("nucleus",)
    )
    assert not model(THREE).spec.cleaning.changes


def test_a_model_that_cleans_an_unknown_class_is_refused() -> None:
    config = CleaningConfig(largest=True, classes=("neclueus",))
    with pytest.raises(ConfigError, match=r"'neclueus'.*'cytoplasm', 'nucleus'"):
        model(THREE, inference=InferenceConfig(cleaning=config))
