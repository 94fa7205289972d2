"""How numbers came about: the model, the engine, the data and the versions."""

import importlib.metadata
import os.path
import platform
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import segx
from segx.evaluation.records import Json

__all__ = ["Provenance", "folder_of_folds", "versions"]

# The packages that numbers depend on.
_PACKAGES = ("monai", "numpy", "pytorch-lightning", "scipy", "timm", "torch")


@dataclass(frozen=True, slots=True)
class Provenance:
    """All that is needed to get the same numbers again.

    Args:
        truth: Folder or file that the truth was read from.
        prediction: What was measured: a run, or the masks of any tool.
        model_sha256: Digest of the model's weights; None where there is no model.
        engine: What ran the model, such as ``openvino cpu bf16``; None likewise.
        split: Which cases: ``test``, ``val`` or ``train``; None for all that match.
        splits: Number of cases in each split; empty where there are none.
        config: The run's whole config; None where there is none.
        notes: What was decided on the way, such as ``0 → 0, 255 → 1``.
        versions: Of Python, segx and the packages that numbers depend on.
        title: What was measured, by name; None for the name of `prediction`.
    """

    truth: str
    prediction: str
    model_sha256: str | None = None
    engine: str | None = None
    split: str | None = None
    splits: tuple[tuple[str, int], ...] = ()
    config: Mapping[str, Json] | None = None
    notes: tuple[str, ...] = ()
    versions: tuple[tuple[str, str], ...] = ()
    title: str | None = None


def folder_of_folds(sources: Iterable[Path]) -> str:
    """The name of the folder that holds the models of several folds.

    Examples:
        >>> folder_of_folds([Path("runs/cv/fold1/best.ckpt"), Path("runs/cv/fold2")])
        'cv'
    """
    return Path(os.path.commonpath([path.absolute() for path in sources])).name


def versions() -> tuple[tuple[str, str], ...]:
    """Versions of Python, segx and the packages that numbers depend on."""
    packages = ((name, importlib.metadata.version(name)) for name in _PACKAGES)
    return (
        ("python", platform.python_version()),
        ("segx", segx.__version__),
        *packages,
    )
