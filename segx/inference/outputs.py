"""What prediction writes, and under which names."""

import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from segx.errors import ScanError, SegxError
from segx.labels import Labels
from segx.scans.damage import writing
from segx.scans.dicom import DICOM_SUFFIXES, is_dicom
from segx.scans.files import mask_files

__all__ = ["Outcome", "OutputPlan", "PredictedFile", "plan_outputs", "prepare_folder"]

_KEPT_SUFFIXES = (".tif", ".tiff")


@dataclass(frozen=True)
class PredictedFile:
    """The files that were made of one scan.

    Args:
        masks: The mask; of a multilabel PNG one file a class.
        overlay: The scan with the mask drawn over it; None if it was not wanted.
    """

    masks: tuple[Path, ...]
    overlay: Path | None


@dataclass(frozen=True)
class Outcome:
    """What became of one scan: files, or the error that stopped it.

    Args:
        source: The scan.
        written: What was made of it; None if it failed.
        error: Why it failed; None if it did not.
    """

    source: Path
    written: PredictedFile | None
    error: SegxError | None


@dataclass(frozen=True)
class OutputPlan:
    """Where the mask and the overlay of one scan will go.

    Examples:
        >>> OutputPlan.of(Path("in/a.tif"), Path("out")).mask.as_posix()
        'out/a.tif'
    """

    mask: Path
    overlay: Path

    @classmethod
    def of(cls, source: Path, out: Path) -> "OutputPlan":
        """Name the outputs after the scan: PNG, TIFF for TIFF, or DICOM for DICOM."""
        if is_dicom(source):
            has_suffix = source.suffix.lower() in DICOM_SUFFIXES and source.is_file()
            # A series may have been given as "." or "..".
            named = source if source.name.strip(".") else source.resolve()
            stem = named.stem if has_suffix else named.name
            return cls(out / f"{stem}.dcm", out / f"{stem}_overlay.png")
        suffix = source.suffix.lower()
        suffix = suffix if suffix in _KEPT_SUFFIXES else ".png"
        return cls(out / f"{source.stem}{suffix}", out / f"{source.stem}_overlay.png")


def prepare_folder(out: Path) -> Path:
    """Make the folder for the outputs, and write a file there to see that it can be.

    Raises:
        ScanError: If it can't be written.
    """
    with writing(out):
        out.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=out) as file:
            file.write(b"segx")
    return out


def plan_outputs(
    sources: Iterable[Path], out: Path, *, labels: Labels
) -> dict[Path, OutputPlan]:
    """Name the outputs of all scans, before the first is read.

    Args:
        sources: The scans.
        out: The folder for the outputs.
        labels: What the masks hold.

    Raises:
        ScanError: If two scans would be written to one file, or one over a scan; all
            such pairs are listed.
    """
    plans = {source: OutputPlan.of(source, out) for source in sources}
    # Some file systems take "A.png" for "a.png".
    origins = {_key(source): source for source in plans}
    takers: dict[str, Path] = {}
    clashes = []
    for source, plan in plans.items():
        for path in (*mask_files(plan.mask, labels), plan.overlay):
            rival = takers.setdefault(_key(path), source)
            if rival != source:
                clashes.append(f"{rival} and {source} would both be written to {path}")
            if _key(path) in origins:
                clashes.append(f"{source} would be written over {origins[_key(path)]}")
    if clashes:
        raise ScanError(
            f"{'; '.join(clashes)}. Predict them into different folders, and not into "
            "that of the scans."
        )
    return plans


def _key(path: Path) -> str:
    return str(path.resolve()).casefold()
