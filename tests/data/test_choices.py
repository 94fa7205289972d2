"""Laws of the choices: what fits, what grows with what, what is said to be unsure."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from segx.config import Advice, DataConfig, advised_config
from segx.data.choices import (
    advise_axis,
    advise_data,
    choose_classified_size,
    choose_crop,
    choose_foreground_share,
    choose_resize,
    choose_window,
)
from segx.data.fingerprint import Fingerprint
from segx.data.modality import guess_modality
from segx.geometry import Extent
from segx.labels import Labels

NUCLEI = Fingerprint(
    task="segmentation",
    cases={"train": 80, "val": 0, "test": 20},
    labels=Labels("binary", ("background", "nucleus")),
    class_names=("background", "nucleus"),
    class_fractions={"background": 0.9, "nucleus": 0.1},
    has_patients=False,
    dtype="uint8",
    channels=3,
    sizes=(Extent(300, 300),),
    planes=(1,),
    spacing_mm=None,
    low=10.0,
    high=240.0,
    brightness=0.7,
    colour=0.3,
    scale_ratio=1.5,
    foreground=(50.0, 120.0),
    thickness_px=60.0,
    upright=0.0,
)
CT = replace(
    NUCLEI,
    channels=1,
    colour=None,
    dtype="int16",
    planes=(100,),
    sizes=(Extent(512, 512),),
    spacing_mm=(1.5, 0.8, 0.8),
    low=-1000.0,
    high=1500.0,
    foreground=(-20.0, 180.0),
)

SIDES = st.integers(1, 6000)


@st.composite
def fingerprints(draw: st.DrawFn) -> Fingerprint:
    sizes = draw(st.lists(st.builds(Extent, SIDES, SIDES), min_size=1, max_size=5))
    shortest = min(min(size.rows, size.cols) for size in sizes)
    return replace(
        draw(st.sampled_from([NUCLEI, CT])),
        sizes=tuple(sizes),
        thickness_px=draw(st.floats(0, shortest)),
        upright=draw(st.none() | st.floats(-1, 1)),
        scale_ratio=draw(st.floats(1, 100)),
        cases={
            "train": draw(st.integers(1, 3000)),
            "val": draw(st.integers(0, 3)),
            "test": draw(st.integers(0, 3)),
        },
        class_fractions={
            "background": 0.5,
            "nucleus": draw(st.floats(0, 0.5)),
        },
    )


def value_of(advice: list[Advice], key: str) -> object:
    return next((item.value for item in advice if item.key == key), None)


@given(found=fingerprints())
def test_a_crop_suits_the_encoder_and_the_images(found: Fingerprint) -> None:
    crop, resize = choose_crop(found), choose_resize(found)
    image = resize or found.median_size
    for side, room in ((crop.rows, image.rows), (crop.cols, image.cols)):
        assert side % 32 == 0
        assert 32 <= side <= max(32, room)
        assert side <= 512
    if resize is not None:
        assert resize.rows % 32 == resize.cols % 32 == 0


@given(found=fingerprints())
def test_whole_images_are_at_least_as_long_as_the_least_plane(
    found: Fingerprint,
) -> None:
    image = choose_resize(found) or found.median_size
    assert max(image.rows, image.cols) >= 128


@given(found=fingerprints(), factor=st.integers(2, 9))
def test_the_same_pictures_at_a_larger_scale_come_to_the_same_size(
    found: Fingerprint, factor: int
) -> None:
    if 2 * (found.thickness_px or 0) <= 512:
        return
    larger = replace(
        found,
        sizes=tuple(Extent(s.rows * factor, s.cols * factor) for s in found.sizes),
        thickness_px=(found.thickness_px or 0) * factor,
    )
    one, other = choose_resize(found), choose_resize(larger)
    assert one is not None
    assert other is not None
    # The median of an even number of sizes is rounded down.
    assert abs(one.rows - other.rows) <= 32
    assert abs(one.cols - other.cols) <= 32


@given(thickness=st.floats(0, 256), more=st.floats(0, 50))
def test_a_crop_sees_both_edges_and_grows_with_the_objects(
    thickness: float, more: float
) -> None:
    large = replace(NUCLEI, sizes=(Extent(2000, 3000),), thickness_px=thickness)
    crop = choose_crop(large)
    assert crop.rows >= 2 * thickness
    thicker = replace(large, thickness_px=min(256, thickness + more))
    assert choose_crop(thicker).rows >= crop.rows


@given(rarest=st.floats(0, 1), rarer=st.floats(0, 1))
def test_rarer_classes_never_get_fewer_crops(rarest: float, rarer: float) -> None:
    low, high = sorted((rarest, rarer))
    assert choose_foreground_share(low) >= choose_foreground_share(high)
    assert 0 < choose_foreground_share(low) < 1


@given(found=fingerprints())
def test_a_classifier_gets_whole_images_of_a_usual_size(found: Fingerprint) -> None:
    size = choose_classified_size(found)
    assert size.rows % 32 == size.cols % 32 == 0
    assert 128 <= max(size.rows, size.cols) <= 224


@given(found=fingerprints())
def test_all_advice_has_a_reason_and_makes_a_config(found: Fingerprint) -> None:
    advice = [*advise_data(found), *advise_axis(found)]
    assert all(item.reason for item in advice)
    config = advised_config(advice, name="a")
    assert config.data.classes == found.class_names
    assert config.data.validation_split + config.data.test_split < 1
    assert len({item.key for item in advice}) == len(advice)


@given(low=st.floats(-900, 900), width=st.floats(0, 2000))
def test_a_window_holds_the_objects(low: float, width: float) -> None:
    name, window = choose_window(
        replace(CT, foreground=(low, low + width), low=-2000.0, high=4000.0)
    )
    assert window[0] <= low
    assert low + width <= window[1]
    assert name


def test_ct_gets_a_window_and_mri_its_own_scale() -> None:
    assert value_of(advise_data(CT), "data.window") == [-150, 250]
    bone = replace(CT, foreground=(200.0, 900.0))
    assert value_of(advise_data(bone), "data.window") == [-450, 1050]
    mri = replace(CT, low=0.0, high=900.0)
    assert value_of(advise_data(mri), "data.intensity") == "scan_zscore"
    assert value_of(advise_data(mri), "data.window") is None


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, "range"),
        ({"low": 100.0, "high": 140.0}, "percentile"),
        ({"dtype": "uint16"}, "percentile"),
        ({"dtype": "float32", "scale_ratio": 9.0}, "scan_percentile"),
    ],
)
def test_the_scale_follows_type_and_values(
    changes: dict[str, object], expected: str
) -> None:
    found = replace(NUCLEI, **changes)  # type: ignore[arg-type]
    assert value_of(advise_data(found), "data.intensity") == expected


def test_volumes_are_cut_across_their_longest_voxels() -> None:
    def axis_of(*spacing_mm: float) -> object:
        found = replace(CT, spacing_mm=spacing_mm)  # type: ignore[arg-type]
        return value_of(advise_axis(found), "data.axis")

    assert axis_of(5.0, 0.8, 0.8) == 0
    assert axis_of(0.8, 0.8, 5.0) == 2
    assert axis_of(1.0, 1.2, 1.1) == 0
    assert advise_axis(NUCLEI) == []


@given(spacing_mm=st.tuples(*[st.floats(0.1, 9)] * 3))
def test_near_planes_are_seen_together(spacing_mm: tuple[float, ...]) -> None:
    found = replace(CT, spacing_mm=spacing_mm)  # type: ignore[arg-type]
    near = spacing_mm[0] <= 3 * min(spacing_mm[1:])
    assert value_of(advise_data(found), "data.neighbours") == int(near)


def test_a_spacing_that_is_not_told_is_said_to_be_unknown() -> None:
    found = replace(CT, spacing_mm=None)
    advice = [*advise_axis(found), *advise_data(found)]
    reasons = {item.key: item.reason for item in advice}
    assert "unsure" in reasons["data.axis"]
    assert "unsure" in reasons["data.neighbours"]


def test_splits_are_advised_where_they_are_missing() -> None:
    advice = advise_data(NUCLEI)
    usual = DataConfig().validation_split
    assert value_of(advice, "data.validation_split") == usual  # as segx check draws
    (more,) = (
        item
        for item in advise_data(
            replace(NUCLEI, cases={"train": 40, "val": 0, "test": 20})
        )
        if item.key == "data.validation_split"
    )
    assert more.value == 0.2
    assert "above the usual 0.1" in more.reason
    assert value_of(advice, "data.test_split") is None
    bare = replace(NUCLEI, cases={"train": 4, "val": 0, "test": 0})
    assert value_of(advise_data(bare), "data.validation_split") == 0.25
    assert value_of(advise_data(bare), "data.test_split") == 0
    given_all = replace(NUCLEI, cases={"train": 4, "val": 1, "test": 1})
    assert not any("split" in item.key for item in advise_data(given_all))


@pytest.mark.parametrize(
    ("changes", "modality", "preset"),
    [
        ({}, "stain", "microscopy"),
        ({"brightness": 0.4}, "photograph", "standard"),
        ({"colour": 0.0, "brightness": 0.05}, "fluorescence", "microscopy"),
        ({"colour": 0.0, "brightness": 0.5, "upright": 0.8}, "grey", "radiograph"),
        ({"colour": 0.0, "brightness": 0.5}, "grey", "standard"),
        ({"channels": 6, "colour": None}, "other", "standard"),
        ({"planes": (9,), "upright": 0.7}, "mri", "radiograph"),
    ],
)
def test_the_guess_decides_the_augmentation(
    changes: dict[str, object], modality: str, preset: str
) -> None:
    found = replace(NUCLEI, **changes)  # type: ignore[arg-type]
    assert guess_modality(found).modality == modality
    assert value_of(advise_data(found), "data.augment.preset") == preset


def test_too_few_images_are_said_to_be_too_few() -> None:
    few = replace(NUCLEI, upright=None, cases={"train": 4, "val": 0, "test": 0})
    reasons = {item.key: item.reason for item in advise_data(few)}
    assert "unsure" in reasons["data.augment.preset"]
    assert "only 4 cases" in reasons["data.validation_split"]


def test_images_of_other_proportions_are_said_to_be_stretched() -> None:
    mixed = replace(NUCLEI, sizes=(Extent(60, 60), Extent(60, 100)), thickness_px=10)
    reasons = {item.key: item.reason for item in advise_data(mixed)}
    assert "up to 1.7 times" in reasons["data.resize"]
