"""Tiles are what prediction would feed the network, the same ones each time."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from segx.config import DataConfig, FitConfig
from segx.data.case import Case
from segx.data.layouts import read_layout
from segx.data.splits import split
from segx.data.splits_file import write_splits
from segx.errors import DataError
from segx.evaluation.tiles import sample_tiles, splits_of_run
from tests.data.sets import disc, picture, save
from tests.inference.exports import spec


def cases(folder: Path, sizes: list[tuple[int, int]]) -> list[Case]:
    return [
        Case(str(i), save(folder / f"{i}.png", picture(*size, seed=i)))
        for i, size in enumerate(sizes)
    ]


def test_tiles_are_normalised_parts_of_the_images(tmp_path: Path) -> None:
    found = cases(tmp_path, [(90, 100), (20, 30)])
    described = spec(tile=64)
    tiles = sample_tiles(found, described, count=5)
    assert sorted({tile.shape for tile in tiles}) == [(3, 20, 30), (3, 64, 64)]
    whole = described.intensity(picture(20, 30, seed=1)).transpose(2, 0, 1)
    small = next(tile for tile in tiles if tile.shape == whole.shape)
    assert small.dtype == np.float32
    assert np.array_equal(small, whole)
    again = sample_tiles(found, described, count=5)
    assert all(np.array_equal(a, b) for a, b in zip(tiles, again, strict=True))


def test_tiles_of_scans_with_scales_of_their_own_are_scaled_by_them(
    tmp_path: Path,
) -> None:
    described = spec(tile=64)
    own = replace(described.intensity, of_each_scan="percentile")
    tiles = sample_tiles(
        cases(tmp_path, [(20, 30)]),
        described.model_copy(update={"intensity": own}),
        count=1,
    )
    assert tiles[0].shape == (3, 20, 30)
    assert np.isfinite(tiles[0]).all()


def test_images_that_are_resized_are_taken_whole(tmp_path: Path) -> None:
    found = cases(tmp_path, [(90, 100)])
    assert [tile.shape for tile in sample_tiles(found, spec(None), count=2)] == [
        (3, 64, 64),
        (3, 64, 64),
    ]


def test_no_cases_are_said(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no cases"):
        sample_tiles([], spec(), count=1)


def test_a_moved_data_set_is_split_as_was_written_down(tmp_path: Path) -> None:
    for name in ("here", "there"):
        for i in range(10):
            save(tmp_path / name / "images" / f"{i}.png", picture(seed=i))
            save(tmp_path / name / "masks" / f"{i}.png", disc())
    config = FitConfig(data=DataConfig(root=tmp_path / "here", validation_split=0.3))
    recorded = tmp_path / "splits.csv"
    drawn = split(read_layout(config.data, task="segmentation"), config.data, seed=7)
    write_splits(recorded, drawn, root=tmp_path / "here")
    one, two = (
        splits_of_run(config, recorded, root=root)
        for root in (None, tmp_path / "there")
    )
    assert one.items() == drawn.items()
    assert [case.id for case in one.val] == [case.id for case in two.val]
    assert one.val[0].image.is_relative_to(tmp_path / "here")
    assert two.val[0].image.is_relative_to(tmp_path / "there")
