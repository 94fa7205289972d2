"""What prediction writes, and under which names."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from segx.atomic import check_folder
from segx.errors import ScanError, SegxError
from segx.labels import Labels
from segx.scans.damage import writing
from segx.scans.dicom import DICOM_SUFFIXES, is_dicom
from segx.scans.files import mask_files
from segx.scans.slide import SLIDE_SUFFIXES
from segx.scans.suffix import split_suffix

__all__ = [
    "Outcome",
    "OutputPlan",
    "PredictedFile",
    "Wanted",
    "plan_outputs",
    "prepare_folder",
]

_KEPT = (
    ".tif",
    ".tiff",
    ".ome.tif",
    ".ome.tiff",
    ".ome.zarr",
    ".nii",
    ".nii.gz",
    ".nrrd",
    ".mha",
)
_SUFFIXES = {
    **{kept: kept for kept in _KEPT},
    **dict.fromkeys(SLIDE_SUFFIXES, ".ome.tif"),
    ".zarr": ".ome.zarr",
    ".nhdr": ".nrrd",  # two files would not appear at once
    ".mhd": ".mha",
}
"""What the mask of a scan ends in; other masks are PNG."""


@dataclass(frozen=True)
class PredictedFile:
    """The files that were made of one scan.

    Args:
        masks: The mask; of a multilabel PNG one file a class, of a detector none.
        overlay: The scan with the mask or the boxes drawn over it; None if it was not
            wanted.
        extras: The summary first; then boxes, polygons and maps, where there are any
            and they were wanted.
        is_new: False if all were there already, made of the same bytes by the same
            model.
    """

    masks: tuple[Path, ...]
    overlay: Path | None
    extras: tuple[Path, ...] = ()
    is_new: bool = True

    @property
    def summary(self) -> Path:
        """Areas and volumes, and how far the mask can be trusted."""
        return self.extras[0]

    @property
    def findings(self) -> tuple[Path, ...]:
        """What somebody may correct: all but the summary and the overlay."""
        return (*self.masks, *self.extras[1:])

    @property
    def paths(self) -> tuple[Path, ...]:
        """All of them."""
        overlay = () if self.overlay is None else (self.overlay,)
        return (*self.masks, *overlay, *self.extras)


@dataclass(frozen=True)
class Wanted:
    """What is to be written of each scan, beside its mask.

    Args:
        overlay: The scan with the mask drawn over it.
        polygons: The mask as GeoJSON.
        probabilities: A TIFF with the probability of each class.
        uncertainty: A TIFF with the entropy of the probabilities, in [0, 1].
    """

    overlay: bool = True
    polygons: bool = False
    probabilities: bool = False
    uncertainty: bool = False


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
    """Where the mask or the boxes of one scan will go, and what is made beside them.

    Examples:
        >>> OutputPlan.of(Path("in/a.tif"), Path("out")).mask.as_posix()
        'out/a.tif'
    """

    mask: Path
    stem: str

    @classmethod
    def of(cls, source: Path, out: Path) -> "OutputPlan":
        """Name the outputs after the scan: PNG, or the scan's own format if it can."""
        if is_dicom(source):
            has_suffix = source.suffix.lower() in DICOM_SUFFIXES and source.is_file()
            # A series may have been given as "." or "..".
            named = source if source.name.strip(".") else source.resolve()
            stem = named.stem if has_suffix else named.name
            return cls(out / f"{stem}.dcm", stem)
        stem, suffix = split_suffix(source)
        return cls(out / f"{stem}{_SUFFIXES.get(suffix.lower(), '.png')}", stem)

    @property
    def boxes(self) -> Path:
        """The boxes as COCO has them; there is no mask then."""
        return self.mask.with_name(f"{self.stem}.coco.json")

    @property
    def overlay(self) -> Path:
        """The scan with the mask or the boxes drawn over it."""
        return self.mask.with_name(f"{self.stem}_overlay.png")

    @property
    def beside(self) -> tuple[Path, ...]:
        """All that may be made beside the mask, or the boxes."""
        return (
            self.summary,
            self.overlay,
            self.polygons,
            self.probabilities,
            self.uncertainty,
        )

    @property
    def summary(self) -> Path:
        """Areas and volumes, and how the mask was made."""
        return self.mask.with_name(f"{self.stem}.json")

    @property
    def polygons(self) -> Path:
        """The mask or the boxes as GeoJSON."""
        return self.mask.with_name(f"{self.stem}.geojson")

    @property
    def probabilities(self) -> Path:
        """The probability of each class."""
        return self.mask.with_name(f"{self.stem}_probabilities.tif")

    @property
    def uncertainty(self) -> Path:
        """The entropy of the probabilities."""
        return self.mask.with_name(f"{self.stem}_uncertainty.tif")


def prepare_folder(out: Path) -> Path:
    """Make the folder for the outputs, if files can be written there.

    Raises:
        ConfigError: If they can't.
    """
    check_folder(out)
    with writing(out):
        out.mkdir(parents=True, exist_ok=True)
    return out


def plan_outputs(
    sources: Iterable[Path], out: Path, *, labels: Labels | None
) -> dict[Path, OutputPlan]:
    """Name the outputs of all scans, before the first is read.

    Args:
        sources: The scans.
        out: The folder for the outputs.
        labels: What the masks hold; None where boxes are written in their place.

    Raises:
        ScanError: If two scans would be written to one file, or one over a scan; all
            such pairs are listed.
    """
    plans = {source: OutputPlan.of(source, out) for source in sources}
    # Some file systems take "A.png" for "a.png".
    origins = {_key(source): source for source in plans}
    takers: dict[str, Path] = {}
    clashes: dict[tuple[Path, Path], str] = {}
    for source, plan in plans.items():
        main = (plan.boxes,) if labels is None else mask_files(plan.mask, labels)
        for path in (*main, *plan.beside):
            rival = takers.setdefault(_key(path), source)
            if rival != source:
                clash = f"{rival} and {source} would both be written to {path}"
                clashes.setdefault((rival, source), clash)
            if _key(path) in origins:
                origin = origins[_key(path)]
                clash = f"{source} would be written over {origin}"
                clashes.setdefault((source, origin), clash)
    if clashes:
        raise ScanError(
            f"{'; '.join(clashes.values())}. Predict them by separate calls, each with "
            "an output folder of its own, which is not that of the scans."
        )
    return plans


def _key(path: Path) -> str:
    return str(path.resolve()).casefold()
