import itertools
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from segx.config import DataConfig
from segx.data.cells import CELL_LABELS, write_cells
from segx.data.check import check_data
from segx.data.datamodule import SegxDataModule
from segx.errors import DataError
from segx.scans import open_scan

UINT8 = NDArray[np.uint8]


def otsu_levels(grey: UINT8) -> NDArray[np.intp]:
    """Part grey values into three classes, after Otsu 1979 with two thresholds."""
    share = np.bincount(grey.ravel(), minlength=256) / grey.size
    weight, moment = np.cumsum(share), np.cumsum(share * np.arange(256))
    low, high = np.triu_indices(256, k=1)

    def between(weights: np.ndarray, moments: np.ndarray) -> np.ndarray:
        return np.where(weights > 0, moments**2 / np.maximum(weights, 1e-12), 0)

    variance = (
        between(weight[low], moment[low])
        + between(weight[high] - weight[low], moment[high] - moment[low])
        + between(1 - weight[high], moment[-1] - moment[high])
    )
    best = int(variance.argmax())
    return np.digitize(grey, [low[best] + 1, high[best] + 1])


def dice(truth: NDArray[np.generic], found: NDArray[np.generic]) -> float:
    """Mean Dice of cytoplasm and nucleus."""
    scores = []
    for index in (1, 2):
        both = ((truth == index) & (found == index)).sum()
        total = (truth == index).sum() + (found == index).sum()
        scores.append(2 * both / total if total else np.nan)
    return float(np.nanmean(scores))


def otsu_baseline(pairs: list[tuple[UINT8, UINT8]]) -> float:
    """Mean Dice of the channel and the assignment of levels that are best."""
    best = 0.0
    for channel in range(3):
        levels = [otsu_levels(image[..., channel]) for image, _ in pairs]
        for classes in itertools.product(range(3), repeat=3):
            scores = [
                dice(truth, np.asarray(classes)[level])
                for level, (_, truth) in zip(levels, pairs, strict=True)
            ]
            best = max(best, float(np.mean(scores)))
    return best


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("cells")
    write_cells(folder, images=12, size=128, scan=200)
    return folder


def test_the_set_is_laid_out_as_segx_expects(root: Path) -> None:
    data = DataConfig(root=root, classes=CELL_LABELS.names, crop=64, workers=0)
    module = SegxDataModule(data, task="segmentation", seed=0, mean=0.5, std=0.5)
    assert [len(cases) for _, cases in module.splits.items()] == [8, 2, 2]
    assert module.labels == CELL_LABELS
    assert check_data(data, task="segmentation", seed=0).findings == ()
    assert module.survey.value_map == {0: 0, 1: 1, 2: 2}


def test_the_scan_and_its_truth_are_there(root: Path) -> None:
    with (
        open_scan(root / "scan.png") as scan,
        open_scan(root / "scan_mask.png", as_mask=True) as mask,
    ):
        assert (scan.extent, scan.channels) == (mask.extent, 3)
        assert scan.extent.pixels == 200 * 200
        assert set(np.unique(mask.read_all())) == {0, 1, 2}


def test_masks_are_shown_in_colours(root: Path) -> None:
    with Image.open(root / "scan_mask.png") as mask:
        assert mask.mode == "P"


def test_equal_arguments_give_equal_files(root: Path, tmp_path: Path) -> None:
    write_cells(tmp_path, images=12, size=128, scan=200)
    for path in root.rglob("*.png"):
        assert path.read_bytes() == (tmp_path / path.relative_to(root)).read_bytes()


def test_too_few_images_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="at least 6"):
        write_cells(tmp_path, images=5)


@pytest.mark.parametrize("seed", [0, 1])
def test_thresholds_do_not_solve_it(tmp_path: Path, seed: int) -> None:
    write_cells(tmp_path, seed=seed, images=8, scan=64)
    pairs = []
    for path in sorted(tmp_path.glob("*/images/*.png")):
        mask = path.parent.parent / "masks" / path.name
        pairs.append((np.asarray(Image.open(path)), np.asarray(Image.open(mask))))
    assert len(pairs) == 8
    assert 0.4 < otsu_baseline(pairs) < 0.7


def test_thresholds_do_solve_what_is_easy() -> None:
    truth = np.repeat([0, 1, 2], 100).reshape(3, 100).astype(np.uint8)
    image = np.repeat((truth * 100)[..., np.newaxis], 3, axis=2).astype(np.uint8)
    assert otsu_baseline([(image, truth)]) == 1
