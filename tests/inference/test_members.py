"""Views are turned back, members on different scales see the same pixels."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from segx.errors import ModelError, ScanError
from segx.inference.members import Member, Members
from segx.inference.predictor import Predictor
from segx.inference.runtimes import Runtime
from segx.inference.views import VIEWS, Views, seen, unseen
from segx.labels import Labels
from segx.masks.calibration import Calibration
from segx.scans.intensity import Intensity
from segx.scans.memory import ArrayScan
from tests.inference.stubs import (
    BINARY,
    LAYERS,
    THREE,
    Brightness,
    Constant,
    Identity,
    model,
    predictor_with,
)


def _tiles(rows: int = 6, cols: int = 8, channels: int = 3) -> np.ndarray:
    return np.random.default_rng(0).random((2, channels, rows, cols), np.float32)


@given(st.sampled_from(range(8)), st.integers(1, 6), st.integers(1, 6))
def test_every_view_is_undone(view: int, rows: int, cols: int) -> None:
    tiles = _tiles(rows, cols)
    assert np.array_equal(unseen(seen(tiles, view), view), tiles)


def test_all_views_differ() -> None:
    square = _tiles(5, 5)
    assert len({seen(square, view).tobytes() for view in VIEWS["all"]}) == 8


@pytest.mark.parametrize("views", ["none", "flips", "all"])
def test_views_of_a_pixelwise_model_change_nothing(views: Views) -> None:
    runtime = Identity()
    members = Members([Member(model(LAYERS).spec, runtime, Path("a"))], views=views)
    assert np.allclose(members.probabilities(_tiles()), _tiles(), atol=1e-5)
    assert len(runtime.shapes) == len(VIEWS[views])


def test_members_are_averaged() -> None:
    spec = model(THREE).spec
    logits = ((0.0, 0.0, 0.0), (np.log(2.0), 0.0, 0.0))
    members = Members([Member(spec, Constant(item), Path("a")) for item in logits])
    found = members.probabilities(_tiles())[0, :, 0, 0]
    assert np.allclose(found, [(1 / 3 + 1 / 2) / 2, 7 / 24, 7 / 24], atol=1e-6)


def test_each_member_sees_pixels_on_its_own_scale() -> None:
    scales = [
        Intensity.from_percentiles([0.0] * 3, [high] * 3, mean=0.0, std=1.0)
        for high in (100.0, 200.0, 100.0)
    ]
    runtimes = [Identity(), Identity(), Identity()]
    members = Members(
        [
            Member(model(LAYERS, intensity=scale).spec, runtime, Path("a"))
            for scale, runtime in zip(scales, runtimes, strict=True)
        ]
    )
    pixels = np.full((4, 4, 3), 50, np.uint8)
    scales = members.scales_of(ArrayScan(pixels))
    image = members.normalise(pixels, scales, source=Path("a"))
    assert image.shape == (6, 4, 4)  # two scales of three channels
    found = members.probabilities(image[np.newaxis])
    assert np.allclose(found, (0.5 + 0.25 + 0.5) / 3, atol=1e-5)


def test_members_that_do_not_go_together_are_refused() -> None:
    first, second = model(THREE).spec, model(LAYERS).spec
    pair = [
        Member(spec, Identity(), Path(name))
        for spec, name in ((first, "a"), (second, "b"))
    ]
    with pytest.raises(ModelError, match="b and a can't be averaged: their labels"):
        Members(pair)
    with pytest.raises(ModelError, match="No model"):
        Members([])
    assert Members([pair[0], replace(pair[0], source=Path("c"))]).spec == first


@pytest.mark.parametrize("agrees", [True, False])
def test_an_engine_that_decides_otherwise_than_its_reference_is_given_up(
    agrees: bool, tmp_path: Path
) -> None:
    fast: Runtime = Brightness() if agrees else Constant((9.0, 0.0, 0.0))
    member = Member(model(THREE).spec, fast, Path("a"), reference=Brightness())
    predictor = Predictor(Members([member]))
    image = np.random.default_rng(0).integers(0, 256, (90, 120, 3), np.uint8)
    mask = predictor.predict(image)
    expected = predictor_with(model(THREE), Brightness()).predict(image)
    assert np.array_equal(mask, expected)
    assert predictor.members.about == "brightness"


def test_what_was_settled_once_is_taken_again_unseen() -> None:
    member = Member(
        model(THREE).spec, Constant((9.0, 0.0, 0.0)), Path("a"), reference=Brightness()
    )
    image = ArrayScan(np.zeros((40, 40, 3), np.uint8))
    kept, given_up = Predictor(Members([member])), Predictor(Members([member]))
    kept.settle(image, engines=["constant"])
    given_up.settle(image, engines=["brightness"])
    assert (kept.members.about, given_up.members.about) == ("constant", "brightness")


def test_a_damaged_scan_settles_nothing() -> None:
    fast = Constant((9.0, 0.0, 0.0))
    member = Member(model(THREE).spec, fast, Path("a"), reference=Brightness())
    predictor = Predictor(Members([member]))
    with pytest.raises(ScanError):
        predictor.predict(np.zeros((40, 40, 7), np.uint8))
    predictor.predict(np.random.default_rng(0).integers(0, 256, (90, 120, 3), np.uint8))
    assert predictor.members.about == "brightness"


def test_the_next_fastest_engine_is_tried_before_the_reference() -> None:
    class Other(Brightness):
        about = "other"

    member = Member(
        model(THREE).spec,
        Constant((9.0, 0.0, 0.0)),
        Path("a"),
        reference=Brightness(),
        spares=(lambda: Constant((0.0, 9.0, 0.0)), Other),
    )
    pixels = np.random.default_rng(0).integers(0, 256, (90, 120, 3), np.uint8)
    predictor = Predictor(Members([member]))
    predictor.settle(ArrayScan(pixels))
    assert predictor.members.engines == ("other",)
    resumed = Predictor(Members([member]))
    resumed.settle(ArrayScan(pixels), engines=["other"])
    assert resumed.members.engines == ("other",)


def _tempered(temperature: float) -> Member:
    spec = model(THREE).spec
    cooled = spec.model_copy(update={"calibration": Calibration(temperature)})
    return Member(cooled, Constant((0.0, 1.0, 3.0)), Path("a"))


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.0])
def test_logits_are_divided_by_the_members_own_temperature(temperature: float) -> None:
    found = Members([_tempered(temperature)]).probabilities(_tiles())[0, :, 0, 0]
    powers = np.exp(np.array([0.0, 1.0, 3.0]) / temperature)
    assert np.allclose(found, powers / powers.sum(), atol=1e-6)
    both = Members([_tempered(temperature), _tempered(1.0)])
    single = Members([_tempered(1.0)]).probabilities(_tiles())[0, :, 0, 0]
    found_both = both.probabilities(_tiles())[0, :, 0, 0]
    assert np.allclose(found_both, (found + single) / 2, atol=1e-6)


def test_opinions_are_the_mean_and_the_share_of_votes_against_it() -> None:
    spec = model(THREE).spec
    logits = ((0.0, 0.0, 4.0), (0.0, 0.0, 3.0), (0.0, 1.0, 0.0))
    members = Members([Member(spec, Constant(item), Path("a")) for item in logits])
    tiles = _tiles()
    found = members.opinions(tiles)
    assert np.array_equal(found[:, :3], members.probabilities(tiles))
    assert np.allclose(found[:, 3], 1 / 3)


@pytest.mark.parametrize("labels", [BINARY, LAYERS])
def test_views_of_a_pixelwise_model_agree(labels: Labels) -> None:
    stub = model(labels, channels=labels.logits)
    members = Members([Member(stub.spec, Identity(), Path("a"))], views="all")
    found = members.opinions(_tiles(channels=labels.logits))
    assert found.shape[1] == labels.logits + 1
    assert not found[:, -1].any()
