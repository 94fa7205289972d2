from pathlib import Path

import pytest

from segx.errors import ArtifactError
from segx.inference.folds import runs_of


def test_folds_come_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    for fold in range(12):
        (tmp_path / f"fold{fold}").mkdir()
    (tmp_path / "folder").mkdir()
    assert runs_of(tmp_path) == [tmp_path / f"fold{fold}" for fold in range(12)]


def test_anything_else_is_itself(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "model.onnx", tmp_path / "missing"):
        assert runs_of(path) == [path]


@pytest.mark.parametrize("there", [(0, 2), (0, 1)])
def test_missing_folds_are_told(tmp_path: Path, there: tuple[int, ...]) -> None:
    (tmp_path / "config.yaml").write_text("data: {folds: 3}")
    for fold in there:
        (tmp_path / f"fold{fold}").mkdir()
    (missing,) = {0, 1, 2} - set(there)
    with pytest.raises(ArtifactError, match=f"1 of 3 folds, .* fold{missing}"):
        runs_of(tmp_path)
