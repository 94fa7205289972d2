"""Boxes are written once, whole, and the same after an interruption as without one."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from segx.boxes import Detections
from segx.errors import ScanError
from segx.inference import sketch
from segx.inference.box_files import write_coco, write_rectangles
from segx.inference.box_writer import detect_files
from segx.inference.outputs import Wanted, plan_outputs
from segx.inference.plan import TilePlan
from segx.scans.memory import ArrayScan
from tests.inference.stubs import THREE, Blobs, box_predictor, drawn

_TRUTH = Detections.of(
    [[3, 4, 20, 19], [25, 2, 60, 30], [70, 60, 89, 69], [30, 40, 44, 52]],
    [1, 2, 1, 1],
    [0.6, 0.8, 1.0, 0.2],
)
_ALL = Wanted(overlay=True, polygons=True)


class _Stopping(Blobs):
    """Stops like a killed process after so many tiles."""

    def __init__(self, after: int) -> None:
        super().__init__()
        self.after = after

    def find(self, tiles: np.ndarray) -> list[Detections]:
        if self.tiles >= self.after:
            raise KeyboardInterrupt
        return super().find(tiles)


def _scan(path: Path, truth: Detections = _TRUTH) -> Path:
    path.parent.mkdir(exist_ok=True)
    Image.fromarray(drawn(truth, 70, 90)).save(path)
    return path


def _outputs(folder: Path) -> dict[str, bytes]:
    return {
        path.name: path.read_bytes()
        for path in sorted(folder.iterdir())
        if not path.name.startswith(".")
    }


@pytest.mark.parametrize("after", [0, 3, 6, 12, 18])
def test_what_was_interrupted_goes_on_and_ends_with_the_same_bytes(
    tmp_path: Path, after: int
) -> None:
    scan, plan = _scan(tmp_path / "a.png"), TilePlan(32, 0.5, batch_size=3)
    whole = Blobs()
    detect_files(
        box_predictor(whole, plan=plan), [scan], tmp_path / "whole", wanted=_ALL
    )
    first, second, out = _Stopping(after), Blobs(), tmp_path / "out"
    with pytest.raises(KeyboardInterrupt):
        detect_files(box_predictor(first, plan=plan), [scan], out, wanted=_ALL)
    assert _outputs(out) == {}
    for spool in out.glob(".segx/*.spool"):
        with spool.open("ab") as file:
            file.write(np.float64([3, 3]).tobytes())  # as a killed process leaves it
    detect_files(box_predictor(second, plan=plan), [scan], out, wanted=_ALL)
    assert _outputs(out) == _outputs(tmp_path / "whole")
    assert first.tiles + second.tiles == whole.tiles
    assert not list(out.glob(".segx/*.spool"))


def test_what_is_there_is_found_again_only_if_something_changed(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    scan, out = _scan(tmp_path / "a.png"), tmp_path / "out"

    def tiles(*, wanted: Wanted = _ALL, threshold: float = 0.5) -> int:
        blobs = Blobs()
        predictor = box_predictor(blobs, score_threshold=threshold)
        (outcome,) = detect_files(predictor, [scan], out, wanted=wanted)
        assert outcome.written is not None
        assert outcome.written.is_new == (blobs.tiles > 0)
        assert {path.name for path in outcome.written.paths} == set(_outputs(out))
        return blobs.tiles

    assert tiles() > 0
    assert tiles() == 0
    assert "replaced" not in caplog.text
    assert tiles(threshold=0.1) > 0
    assert "Boxes of 1 scans" in caplog.text
    assert tiles(threshold=0.1, wanted=Wanted(overlay=False)) > 0
    assert set(_outputs(out)) == {"a.json", "a.coco.json"}
    _scan(scan, Detections.of([[0, 0, 9, 9]], [1]))
    assert tiles(threshold=0.1, wanted=Wanted(overlay=False)) > 0


@pytest.mark.parametrize("skip_blank", [False, True])
def test_boxes_that_somebody_corrected_are_kept(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, *, skip_blank: bool
) -> None:
    scan, out = _scan(tmp_path / "a.png"), tmp_path / "out"
    if skip_blank:  # then there are no tiles
        Image.new("RGB", (90, 70)).save(scan)
    for _ in range(2):
        predictor = box_predictor(Blobs(), skip_blank=skip_blank)
        detect_files(predictor, [scan], out, wanted=_ALL)
        if not list(out.glob("*.before1")):
            for name in ("a.coco.json", "a.geojson"):
                (out / name).write_text("corrected")
    for name in ("a.coco.json", "a.geojson"):
        assert (out / f"{name}.before1").read_text() == "corrected"
        assert f"it is kept as {name}.before1" in caplog.text
    assert "annotations" in json.loads((out / "a.coco.json").read_text())


def test_a_scan_that_fails_does_not_stop_the_others(tmp_path: Path) -> None:
    scans = [_scan(tmp_path / "in" / f"{name}.png") for name in "abc"]
    scans[1].write_bytes(b"no picture")
    outcomes = detect_files(box_predictor(Blobs()), [tmp_path / "in"], tmp_path / "out")
    assert [outcome.error is None for outcome in outcomes] == [True, False, True]
    assert "b.json" not in _outputs(tmp_path / "out")


def test_the_summary_counts_the_objects_of_each_class(tmp_path: Path) -> None:
    scan = _scan(tmp_path / "a.png")
    detect_files(box_predictor(Blobs()), [scan], tmp_path / "out")
    summary = json.loads((tmp_path / "out" / "a.json").read_text())
    assert (summary["boxes"], summary["score_threshold"]) == (3, 0.5)
    assert summary["classes"] == [
        {"name": "cytoplasm", "boxes": 2, "mean_score": 0.8},
        {"name": "nucleus", "boxes": 1, "mean_score": 0.8},
    ]
    assert summary["method"]["blend"] is None
    assert summary["method"]["overlap_px"] == [16, 16]


def test_nothing_found_is_written_too(tmp_path: Path) -> None:
    scan = _scan(tmp_path / "a.png", Detections.empty())
    detect_files(box_predictor(Blobs()), [scan], tmp_path / "out", wanted=_ALL)
    files = {name: tmp_path / "out" / f"a.{name}" for name in ("coco.json", "geojson")}
    assert json.loads(files["coco.json"].read_text())["annotations"] == []
    assert json.loads(files["geojson"].read_text())["features"] == []
    summary = json.loads((tmp_path / "out" / "a.json").read_text())
    assert summary["classes"][0] == {
        "name": "cytoplasm",
        "boxes": 0,
        "mean_score": None,
    }


def test_pycocotools_reads_the_boxes_and_finds_them_right(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    coco = pytest.importorskip("pycocotools.coco", reason="needs segx[detection]")
    cocoeval = pytest.importorskip("pycocotools.cocoeval")
    scan = _scan(tmp_path / "a.png")
    detect_files(box_predictor(Blobs(), score_threshold=0), [scan], tmp_path / "out")
    write_coco(
        tmp_path / "truth.json",
        ArrayScan(np.zeros((70, 90), np.uint8), path=scan),
        _TRUTH,
        THREE,
    )
    truth, found = (
        coco.COCO(str(path))
        for path in (tmp_path / "truth.json", tmp_path / "out" / "a.coco.json")
    )
    assert found.imgs[1]["file_name"] == "a.png"
    assert (found.imgs[1]["width"], found.imgs[1]["height"]) == (90, 70)
    assert [item["name"] for item in found.cats.values()] == ["cytoplasm", "nucleus"]
    results = truth.loadRes(list(found.anns.values()))
    score = cocoeval.COCOeval(truth, results, "bbox")
    score.evaluate()
    score.accumulate()
    score.summarize()
    assert score.stats[0] == pytest.approx(1)


def test_places_are_of_the_full_resolution(tmp_path: Path) -> None:
    scan = ArrayScan(np.zeros((70, 90), np.uint8))
    scan.level0_scale = (2.0, 4.0)
    found = Detections.of([[3, 5, 13, 8]], [2], [0.25])
    write_coco(tmp_path / "a.coco.json", scan, found, THREE)
    tree = json.loads((tmp_path / "a.coco.json").read_text())
    assert (tree["images"][0]["width"], tree["images"][0]["height"]) == (360, 140)
    (annotation,) = tree["annotations"]
    assert annotation["bbox"] == [12, 10, 40, 6]
    assert (annotation["category_id"], annotation["score"]) == (2, 0.25)
    write_rectangles(tmp_path / "a.geojson", scan, found, THREE)
    (feature,) = json.loads((tmp_path / "a.geojson").read_text())["features"]
    (ring,) = feature["geometry"]["coordinates"]
    assert ring == [[12, 10], [52, 10], [52, 16], [12, 16], [12, 10]]
    assert feature["properties"] == {
        "objectType": "annotation",
        "classification": {"name": "nucleus", "color": list(THREE.colours[2])},
        "measurements": {"score": 0.25},
    }


def test_the_overlay_shows_the_outlines(tmp_path: Path) -> None:
    scan = _scan(tmp_path / "a.png")
    detect_files(box_predictor(Blobs()), [scan], tmp_path / "out")
    with Image.open(tmp_path / "out" / "a_overlay.png") as picture:
        shown = np.asarray(picture)
    changed = (shown != drawn(_TRUTH, 70, 90)).any(axis=2)
    expected = np.zeros_like(changed)
    for left, top, right, bottom in _TRUTH.boxes[:3].astype(int):
        expected[top:bottom, left:right] = True
        expected[top + 1 : bottom - 1, left + 1 : right - 1] = False
    assert np.array_equal(changed, expected)
    assert shown[4, 3].tolist() == list(THREE.colours[1])


def test_the_overlay_of_a_large_scan_is_small_and_boxes_stay_in_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sketch, "_LONGEST_SIDE", 30)
    scan = _scan(tmp_path / "a.png")
    detect_files(box_predictor(Blobs()), [scan], tmp_path / "out")
    with Image.open(tmp_path / "out" / "a_overlay.png") as picture:
        shown = np.asarray(picture)
    assert shown.shape == (24, 30, 3)
    left, top, right, bottom = (_TRUTH.boxes[1] // 3).astype(int)
    colour = list(THREE.colours[2])
    assert shown[top, left].tolist() == colour
    assert shown[bottom - 1, right - 1].tolist() == colour


@pytest.mark.parametrize(
    "sources",
    [["a.png", "a.tif"], ["x/a.png", "y/a.jpg"], ["out/a_overlay.png", "a.png"]],
)
def test_boxes_are_not_written_over_a_scan_or_each_other(sources: list[str]) -> None:
    with pytest.raises(ScanError, match="would"):
        plan_outputs(map(Path, sources), Path("out"), labels=None)


def test_where_no_mask_is_written_its_name_is_free() -> None:
    plan_outputs([Path("out/a.png")], Path("out"), labels=None)
