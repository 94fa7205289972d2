"""The folds of a cross-validation, which predict together wherever a run may."""

import re
from pathlib import Path

from segx.config import parse_yaml
from segx.errors import ArtifactError

__all__ = ["fold_folder", "runs_of"]

_FOLD = re.compile(r"fold(\d+)")


def fold_folder(path: Path, fold: int) -> Path:
    """The run folder of one fold of a cross-validation, counted from 0."""
    return path / f"fold{fold}"


def runs_of(path: Path) -> list[Path]:
    """The folds in the folder of a cross-validation, in order; else the path itself.

    Raises:
        ArtifactError: If folds are missing.
    """
    if not fold_folder(path, 0).is_dir():
        return [path]
    found = [
        int(match[1])
        for entry in path.iterdir()
        if (match := _FOLD.fullmatch(entry.name)) and entry.is_dir()
    ]
    count = max(len(found), _planned(path))
    missing = sorted(set(range(count)) - set(found))
    if missing:
        raise ArtifactError(
            f"{path} lacks {len(missing)} of {count} folds, the first is "
            f"fold{missing[0]}. Let segx cv finish them, or give folds one by one: "
            f"{fold_folder(path, min(found))} --ensemble …"
        )
    return [fold_folder(path, fold) for fold in range(count)]


def _planned(path: Path) -> int:
    """How many folds the cross-validation was started with; 0 if that is not told."""
    try:
        text = (path / "config.yaml").read_text(encoding="utf-8")
    except OSError:
        return 0
    tree = parse_yaml(text, name=str(path / "config.yaml"))
    data = tree.get("data") if isinstance(tree, dict) else None
    folds = data.get("folds") if isinstance(data, dict) else None
    return folds if isinstance(folds, int) else 0
