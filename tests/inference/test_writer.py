"""Outputs are made once, whole, and the same after an interruption as without one."""

import json
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from segx.atomic import sha256
from segx.config import CleaningConfig, InferenceConfig
from segx.errors import SegxError
from segx.inference.confidence import Confidence, sum_rows
from segx.inference.members import Member, Members
from segx.inference.outputs import Wanted
from segx.inference.plan import TilePlan
from segx.inference.predictor import Predictor, Working
from segx.inference.summary import read_confidence
from segx.inference.writer import predict_file, predict_files
from segx.labels import Labels
from segx.masks.decide import decide
from segx.masks.uncertainty import entropy
from segx.scans.files import mask_files, open_scan
from tests.inference.stubs import (
    LAYERS,
    THREE,
    Brightness,
    Constant,
    Identity,
    model,
    predictor_with,
)

_ALL = Wanted(overlay=True, probabilities=True, uncertainty=True)


class _Counting(Brightness):
    """Counts tiles, and stops like a killed process after so many."""

    def __init__(self, stop_after: int | None = None) -> None:
        self.tiles = 0
        self.stop_after = stop_after

    def run(self, tiles: np.ndarray) -> np.ndarray:
        if self.stop_after is not None and self.tiles >= self.stop_after:
            raise KeyboardInterrupt
        self.tiles += len(tiles)
        return super().run(tiles)


def _predictor(runtime: Brightness, *, batch_size: int = 2) -> Predictor:
    inference = InferenceConfig(tile=32, overlap=0.25, batch_size=batch_size)
    return predictor_with(model(THREE, inference=inference), runtime)


def _scan(path: Path, rows: int = 150, cols: int = 90, seed: int = 0) -> Path:
    pixels = np.random.default_rng(seed).integers(0, 256, (rows, cols, 3), np.uint8)
    Image.fromarray(pixels).save(path)
    return path


def _outputs(folder: Path) -> dict[str, bytes]:
    return {
        path.name: path.read_bytes()
        for path in sorted(folder.iterdir())
        if not path.name.startswith(".")
    }


@pytest.mark.parametrize("stop_after", [1, 4, 9, 14, 20, 22])
def test_what_was_interrupted_goes_on_and_ends_with_the_same_bytes(
    tmp_path: Path, stop_after: int
) -> None:
    source = _scan(tmp_path / "scan.png")
    whole = _Counting()
    predict_file(_predictor(whole), source, tmp_path / "whole", wanted=_ALL)
    first, second = _Counting(stop_after), _Counting()
    out = tmp_path / "out"
    with pytest.raises(KeyboardInterrupt):
        predict_file(_predictor(first), source, out, wanted=_ALL)
    assert _outputs(out) == {}
    predict_file(_predictor(second), source, out, wanted=_ALL)
    assert _outputs(out) == _outputs(tmp_path / "whole")
    # At most two rows of tiles, which reach into the band that was lost, run again.
    again = first.tiles + second.tiles - whole.tiles
    assert again <= 3 * 4
    assert not list(out.glob(".segx/*.spool"))


def test_what_is_there_already_is_not_predicted_again(tmp_path: Path) -> None:
    sources = [_scan(tmp_path / f"{name}.png", seed=name) for name in (1, 2)]
    predict_files(_predictor(_Counting()), sources, tmp_path / "out")
    idle = _Counting()
    outcomes = predict_files(_predictor(idle), sources, tmp_path / "out")
    assert idle.tiles == 0
    assert [item.written.is_new for item in outcomes if item.written] == [False, False]


@pytest.mark.parametrize("change", ["scan", "model", "mask", "overlay", "wanted"])
def test_what_changed_is_predicted_again(tmp_path: Path, change: str) -> None:
    source, out = _scan(tmp_path / "a.png"), tmp_path / "out"
    predict_file(_predictor(_Counting()), source, out)
    batch_size, wanted = 2, Wanted()
    if change == "scan":
        _scan(source, seed=5)
    elif change == "model":
        batch_size = 1
    elif change == "mask":
        (out / "a.png").write_bytes(b"damaged")
    elif change == "overlay":
        (out / "a_overlay.png").unlink()
    else:
        wanted = _ALL
    again = _Counting()
    written = predict_file(
        _predictor(again, batch_size=batch_size), source, out, wanted=wanted
    )
    assert again.tiles > 0
    assert written.is_new
    with open_scan(out / "a.png", as_mask=True) as mask:
        assert mask.read_all().shape == (150, 90, 1)


@pytest.mark.parametrize("before", ["done", "stopped", "none"])
@pytest.mark.parametrize("labels", [THREE, LAYERS], ids=["ids", "layers"])
def test_what_somebody_corrected_is_kept(
    before: str, labels: Labels, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    source, out = _scan(tmp_path / "a.png"), tmp_path / "out"
    out.mkdir()
    wanted = Wanted(polygons=True)

    def predict(*, overlap: float = 0.25, stop_after: int | None = None) -> None:
        inference = InferenceConfig(tile=32, overlap=overlap)
        runtime = _Counting(stop_after)
        predictor = predictor_with(model(labels, inference=inference), runtime)
        predict_file(predictor, source, out, wanted=wanted)

    if before == "stopped":
        with pytest.raises(KeyboardInterrupt):
            predict(stop_after=9)
    elif before == "done":
        predict()
    masks = mask_files(out / "a.png", labels)
    corrected = [*masks, out / "a.geojson"]
    for file in corrected:
        file.write_bytes(b"corrected")
    predict()
    for file in corrected:
        kept = file.with_name(f"{file.name}.before1")
        assert kept.read_bytes() == b"corrected"
        assert f"it is kept as {kept.name}" in caplog.text
    predict(overlap=0.5)
    assert not list(out.glob("*.before2"))


@pytest.mark.parametrize("there", ["a.png", "a.jpg"])
def test_masks_of_another_scan_do_not_give_way(tmp_path: Path, there: str) -> None:
    (tmp_path / "p1").mkdir()
    (tmp_path / "p2").mkdir()
    first, second = tmp_path / "p1" / there, _scan(tmp_path / "p2" / "a.png", seed=1)
    out = tmp_path / "out"
    predict_file(_predictor(_Counting()), _scan(first), out)
    made = _outputs(out)
    with pytest.raises(SegxError, match="would both be written to") as caught:
        predict_file(_predictor(_Counting()), second, out)
    assert str(first) in str(caught.value)
    assert _outputs(out) == made
    # The scan itself may change, or lie elsewhere.
    predict_file(_predictor(_Counting()), _scan(first, seed=2), out)
    moved = tmp_path / "p3" / there
    moved.parent.mkdir()
    first.rename(moved)
    predict_file(_predictor(_Counting()), moved, out, wanted=_ALL)
    for file in made:
        (out / file).unlink()
    predict_file(_predictor(_Counting()), second, out)


def test_another_region_is_another_prediction(tmp_path: Path) -> None:
    source, out = _scan(tmp_path / "a.png"), tmp_path / "out"
    region, found = tmp_path / "region.png", []
    for top in (0, 40, 40):
        marked = np.zeros((150, 90), np.uint8)
        marked[top : top + 50] = 255
        Image.fromarray(marked).save(region)
        members = _predictor(_Counting()).members
        predictor = Predictor(members, plan=TilePlan(32, 0.25), interest=region)
        written = predict_file(predictor, source, out)
        with open_scan(out / "a.png", as_mask=True) as mask:
            assert not mask.read_all()[..., 0][marked == 0].any()
        found.append(written.is_new)
    assert found == [True, True, False]
    summary = json.loads((out / "a.json").read_text())
    assert summary["region"] == {
        "file": "region.png",
        "sha256": sha256(region),
        "pixels": 50 * 90,
    }
    for counted in summary["classes"]:
        assert counted["share"] == counted["pixels"] / (150 * 90)
        assert counted["share_of_region"] == counted["pixels"] / (50 * 90)


def test_a_region_that_covers_nothing_stops_only_its_scan(tmp_path: Path) -> None:
    sources = [_scan(tmp_path / f"{name}.png") for name in "ab"]
    (tmp_path / "regions").mkdir()
    for name, value in (("a", 0), ("b", 255)):
        marked = Image.fromarray(np.full((150, 90), value, np.uint8))
        marked.save(tmp_path / "regions" / f"{name}.png")
    members = _predictor(_Counting()).members
    predictor = Predictor(
        members, plan=TilePlan(32, 0.25), interest=tmp_path / "regions"
    )
    failed, done = predict_files(predictor, sources, tmp_path / "out")
    assert "covers no pixel of a.png (150x90 px)" in str(failed.error)
    assert done.error is None


@pytest.mark.parametrize("stops", [False, True])
def test_what_is_not_wanted_any_more_is_removed_unless_it_was_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, stops: bool
) -> None:
    source, out = _scan(tmp_path / "a.png"), tmp_path / "out"
    wanted = Wanted(polygons=True, uncertainty=True)
    predict_file(_predictor(_Counting()), source, out, wanted=wanted)
    (out / "a.geojson").write_text("drawn by hand")
    (out / "b.json").write_text("of somebody else")
    if stops:  # just before the new entry is written

        def killed(path: Path, text: str) -> None:
            if path.name == "a.png.json":
                raise KeyboardInterrupt

        with monkeypatch.context() as patch:
            patch.setattr("segx.inference.journal.write_text", killed)
            with pytest.raises(KeyboardInterrupt):
                predict_file(_predictor(_Counting()), source, out)
    predict_file(_predictor(_Counting()), source, out)
    kept = {"a.png", "a_overlay.png", "a.json", "a.geojson", "b.json"}
    assert set(_outputs(out)) == kept
    assert (out / "a.geojson").read_text() == "drawn by hand"


def test_masks_of_another_model_give_way_with_a_word(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    sources = [_scan(tmp_path / f"{name}.png") for name in "abc"]
    out = tmp_path / "out"
    predict_files(_predictor(_Counting()), sources[:2], out)
    predict_files(_predictor(_Counting()), sources, out)
    assert "another model" not in caplog.text
    predict_files(_predictor(_Counting(), batch_size=1), sources, out)
    assert caplog.text.count("another model") == 1
    assert f"3 masks in {out} were made by another model" in caplog.text


def test_failures_alike_are_told_once_with_their_names(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    sources = [tmp_path / f"{name}.png" for name in "abcd"]
    for source in sources[:3]:
        source.write_bytes(b"no picture at all")
    _scan(sources[3])
    predict_files(_predictor(_Counting()), sources, tmp_path / "out")
    first, others = (
        item.message for item in caplog.records if item.levelname != "INFO"
    )
    assert first.startswith(f"{sources[0]} is no PNG")
    assert others == "… and 2 more failed as a.png did: b.png, c.png"


def test_maps_hold_the_probabilities_and_their_entropy(tmp_path: Path) -> None:
    source = _scan(tmp_path / "a.png")
    predictor = predictor_with(model(LAYERS), Identity())
    written = predict_file(predictor, source, tmp_path / "out", wanted=_ALL)
    probabilities, uncertainty = (tifffile.imread(path) for path in written.extras[1:])
    with open_scan(source) as scan:
        truth = np.moveaxis(scan.read_all(), 2, 0) / np.float32(255)
    assert np.abs(probabilities - truth).max() < 1e-3  # half precision on the way
    assert np.abs(uncertainty - entropy(probabilities, LAYERS)).max() < 1e-3


def test_a_mask_is_cleaned_the_same_in_memory_and_on_disk(tmp_path: Path) -> None:
    cleaning = CleaningConfig(min_size_px=12, fill_holes=True)
    inference = InferenceConfig(tile=32, overlap=0.25, cleaning=cleaning)
    source = _scan(tmp_path / "a.png")
    raw = _predictor(_Counting()).predict(source)
    cleaned = predictor_with(model(THREE, inference=inference), Brightness())
    mask = cleaned.predict(source)
    assert not np.array_equal(mask, raw)
    written = predict_file(cleaned, source, tmp_path / "out")
    with open_scan(written.masks[0], as_mask=True) as scan:
        assert np.array_equal(scan.read_all()[..., 0], mask)
    assert not list((tmp_path / "out").glob(".segx/*.spool"))
    counts = json.loads((tmp_path / "out" / "a.json").read_text())["classes"]
    assert [item["pixels"] for item in counts] == [(mask == 1).sum(), (mask == 2).sum()]
    assert counts[0]["components"] is not None
    method = json.loads((tmp_path / "out" / "a.json").read_text())["method"]
    assert CleaningConfig(**method["cleaning"]) == cleaning


def test_a_hole_is_not_filled_where_nothing_was_wanted(tmp_path: Path) -> None:
    source, region = tmp_path / "a.png", tmp_path / "region.png"
    Image.new("RGB", (90, 150), (128, 0, 0)).save(source)
    wanted = np.full((150, 90), 255, np.uint8)
    wanted[50:70, 20:60] = 0
    Image.fromarray(wanted).save(region)
    cleaning = CleaningConfig(fill_holes=True)
    inference = InferenceConfig(tile=32, overlap=0.25, cleaning=cleaning)
    members = predictor_with(model(THREE, inference=inference), Brightness()).members
    predictor = Predictor(members, interest=region)
    assert np.array_equal(predictor.predict(source), wanted > 0)
    written = predict_file(predictor, source, tmp_path / "out")
    with open_scan(written.masks[0], as_mask=True) as mask:
        assert np.array_equal(mask.read_all()[..., 0], wanted > 0)


def test_what_cannot_be_written_is_said_before_it_is_predicted(tmp_path: Path) -> None:
    pytest.importorskip("highdicom", reason="the extra 'dicom' is not installed")
    from tests.scans.dicoms import write_series

    series = write_series(tmp_path / "a", np.zeros((3, 40, 50), np.uint8))
    inference = InferenceConfig(tile=32, overlap=0.25)
    stub = model(THREE, channels=1, inference=inference)
    members = predictor_with(stub, _Counting(stop_after=0)).members
    predictor = Predictor(members, working=Working(level=0))
    with pytest.raises(SegxError, match="at another resolution"):
        predict_file(predictor, series, tmp_path / "out")


def test_what_cannot_be_read_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def forbidden(path: Path) -> str:
        raise PermissionError(13, "Permission denied", str(path))

    source = _scan(tmp_path / "a.png")
    monkeypatch.setattr("segx.inference.journal.sha256", forbidden)
    with pytest.raises(SegxError) as caught:
        predict_file(_predictor(_Counting()), source, tmp_path / "out")
    assert str(caught.value) == f"{source} can't be opened: Permission denied."


def test_polygons_are_written_on_demand(tmp_path: Path) -> None:
    source = _scan(tmp_path / "a.png")
    predictor = _predictor(_Counting())
    written = predict_file(
        predictor, source, tmp_path / "out", wanted=Wanted(polygons=True)
    )
    assert written.extras[1] == tmp_path / "out" / "a.geojson"
    features = json.loads(written.extras[1].read_text())["features"]
    names = {item["properties"]["classification"]["name"] for item in features}
    assert names == {"cytoplasm", "nucleus"}


def test_a_scan_is_written_while_the_next_is_predicted_and_errors_keep_their_place(
    tmp_path: Path,
) -> None:
    sources = [_scan(tmp_path / f"{name}.png", seed=name) for name in range(4)]
    sources[1].write_bytes(sources[1].read_bytes()[:500])
    (tmp_path / "out" / "2_overlay.png").mkdir(parents=True)  # can't be written over
    outcomes = predict_files(_predictor(_Counting()), sources, tmp_path / "out")
    assert [outcome.source for outcome in outcomes] == sources
    assert [outcome.error is None for outcome in outcomes] == [True, False, False, True]


def test_one_file_that_fails_raises(tmp_path: Path) -> None:
    source = _scan(tmp_path / "a.png")
    source.write_bytes(source.read_bytes()[:400])
    with pytest.raises(SegxError, match=r"a\.png"):
        predict_file(_predictor(_Counting()), source, tmp_path / "out")


def test_progress_is_told_in_pixels(tmp_path: Path) -> None:
    source, seen = _scan(tmp_path / "a.png"), []
    predict_files(
        _predictor(_Counting()),
        [source],
        tmp_path / "out",
        on_rows=lambda _, done, total: seen.append((done, total)),
    )
    assert seen[-1] == (150 * 90, 150 * 90)
    assert [done for done, _ in seen] == sorted({done for done, _ in seen})


def test_the_summary_says_how_far_the_whole_mask_can_be_trusted(tmp_path: Path) -> None:
    source = _scan(tmp_path / "a.png")
    predictor = _predictor(_Counting())
    written = predict_file(predictor, source, tmp_path / "out")
    with predictor.open(source) as scan:
        bands = [band.probabilities for band in predictor.predict_probabilities(scan)]
    probabilities = np.concatenate(bands, axis=1)
    mask = decide(probabilities, THREE)
    sums = sum_rows(probabilities, mask, THREE).sum(axis=0)
    expected = Confidence.of(sums, has_dissent=False, calibration=None)
    found = read_confidence(written.summary)
    assert found.soft_dice == pytest.approx(expected.soft_dice)
    assert found.mean_entropy == pytest.approx(expected.mean_entropy)
    assert found.flag is None
    counts = json.loads(written.summary.read_text())["classes"]
    masses = [item["expected_pixels"] for item in counts]
    assert masses == pytest.approx(probabilities[1:].sum(axis=(1, 2), dtype=float))


@pytest.mark.parametrize("skip_blank", [False, True])
def test_members_that_disagree_are_told(tmp_path: Path, *, skip_blank: bool) -> None:
    source = _scan(tmp_path / "a.png")
    spec = model(THREE, inference=InferenceConfig(tile=32, overlap=0.25)).spec
    logits = ((0.0, 0.0, 4.0), (0.0, 0.0, 3.0), (0.0, 1.0, 0.0))
    members = Members([Member(spec, Constant(item), Path("a")) for item in logits])
    predictor = Predictor(members, skip_blank=skip_blank)
    written = predict_file(predictor, source, tmp_path / "out")
    assert read_confidence(written.summary).disagreement == pytest.approx(1 / 3)
