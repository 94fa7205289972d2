"""What is wrong with a data set: collected first, then told all at once."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from enum import Enum, StrEnum
from pathlib import Path
from typing import Self

from segx.errors import DataError

__all__ = [
    "LISTED",
    "Code",
    "DefectsError",
    "Finding",
    "Findings",
    "Severity",
    "errors_among",
    "plural",
]

LISTED = 100
"""Most defects that an error message spells out; the error object holds them all."""


class Severity(StrEnum):
    """How bad a finding is."""

    ERROR = "error"
    """It must be repaired: `segx fit` does not start."""
    WARNING = "warning"
    """It is allowed, but a person should look at it once."""


class Code(Enum):
    """Every kind of finding: a name that never changes, how bad it is, and a title.

    Examples:
        >>> Code.MISSING_MASK.value, str(Code.MISSING_MASK.severity)
        ('missing-mask', 'error')
    """

    severity: Severity
    title: str

    def __new__(cls, name: str, severity: Severity, title: str) -> Self:
        """A member whose value is the name alone."""
        member = object.__new__(cls)
        member._value_ = name
        member.severity, member.title = severity, title
        return member

    # Listing and pairing.
    NO_IMAGES = "no-images", Severity.ERROR, "Folders or lists without images"
    MISSING_MASK = "missing-mask", Severity.ERROR, "Images without a mask"
    SURPLUS_MASK = "surplus-mask", Severity.ERROR, "Masks without an image"
    MASK_ENDING = "mask-ending", Severity.ERROR, "Masks whose names end differently"
    DOUBLED_STEM = "doubled-stem", Severity.ERROR, "Files that share a stem"
    OUTSIDE_ROOT = "outside-root", Severity.ERROR, "Paths out of the data set"
    CLASS_NAMES = "class-names", Severity.ERROR, "Classes that differ from the config"
    MISSING_CLASS = "missing-class", Severity.ERROR, "Class folders that a split lacks"
    MANIFEST_ROW = "manifest-row", Severity.ERROR, "Lines that can't be understood"
    MISSING_FILE = "missing-file", Severity.ERROR, "Lines whose file is not there"
    AMBIGUOUS_FILE = "ambiguous-file", Severity.ERROR, "Names that fit several files"
    FILE_NAME = "file-name", Severity.ERROR, "Files whose names tell no case"
    CHANNEL_FILES = "channel-files", Severity.ERROR, "Images that lack a channel"
    NOT_AN_IMAGE = "not-an-image", Severity.ERROR, "Lines that name other files"
    LISTED_TWICE = "listed-twice", Severity.ERROR, "Images that are listed twice"

    # Boxes.
    BOX_ENTRY = "box-entry", Severity.ERROR, "Boxes that can't be understood"
    BAD_BOX = "bad-box", Severity.ERROR, "Boxes that are none, or leave their image"
    MISSING_BOXES = (
        "missing-boxes",
        Severity.ERROR,
        "Images of which no box file tells",
    )

    # Headers and pixels of one case.
    UNREADABLE = "unreadable", Severity.ERROR, "Files that can't be read"
    SIZE_MISMATCH = "size-mismatch", Severity.ERROR, "Masks of another size"
    GEOMETRY_MISMATCH = (
        "geometry-mismatch",
        Severity.ERROR,
        "Masks that lie elsewhere in the patient",
    )
    NOT_FINITE = "not-finite", Severity.ERROR, "Images that hold NaN or infinity"
    CONSTANT_IMAGE = "constant-image", Severity.WARNING, "Images of one value"
    EXIF_ROTATION = "exif-rotation", Severity.WARNING, "Images that EXIF turns"
    COLOUR_MASK = "colour-mask", Severity.ERROR, "Masks that are colour pictures"
    MASK_TYPE = "mask-type", Severity.ERROR, "Masks that hold no whole numbers"
    MASK_RANGE = "mask-range", Severity.ERROR, "Masks with ids out of range"

    # Across cases.
    CHANNEL_MIX = "channel-mix", Severity.ERROR, "Images with other channels"
    TYPE_MIX = "type-mix", Severity.ERROR, "Images of another type"
    MASK_VALUES = "mask-values", Severity.ERROR, "Masks with other values"
    BLURRED_MASK = "blurred-mask", Severity.ERROR, "Masks with blurred edges"
    LOSSY_MASK = "lossy-mask", Severity.ERROR, "Masks that JPEG has changed"
    LOSSY_FORMAT = "lossy-format", Severity.WARNING, "Masks that JPEG may have changed"
    STRAY_CLASS = "stray-class", Severity.WARNING, "Classes in a few pixels of one mask"
    EMPTY_MASK = "empty-mask", Severity.WARNING, "Masks without foreground"
    FULL_MASK = "full-mask", Severity.WARNING, "Masks of foreground alone"
    NO_INTENSITY_RANGE = (
        "no-intensity-range",
        Severity.ERROR,
        "Images whose values can't be scaled",
    )
    PATIENT_LEAK = "patient-leak", Severity.ERROR, "Patients in two splits"
    IMAGE_LEAK = "image-leak", Severity.ERROR, "Identical images in two splits"
    SIMILAR_LEAK = "similar-leak", Severity.WARNING, "Look-alikes in two splits"
    IDENTICAL_IMAGES = "identical-images", Severity.WARNING, "Identical images"
    SIMILAR_IMAGES = "similar-images", Severity.WARNING, "Images that look alike"
    CONFLICTING_LABELS = (
        "conflicting-labels",
        Severity.WARNING,
        "Identical images with different labels",
    )
    CHANGED_DATA = "changed-data", Severity.ERROR, "Cases that are not as they were"
    TRAINED_ON = "trained-on", Severity.ERROR, "Test images that a run was trained on"
    BAD_SPLIT = "bad-split", Severity.ERROR, "Splits that can't be made"
    UNMET = "unmet", Severity.ERROR, "What the config asks for and the data lack"
    ABSENT_CLASS = "absent-class", Severity.WARNING, "Classes that a split lacks"
    IMBALANCE = "imbalance", Severity.WARNING, "Classes that are hardly there"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong or odd, where it is and what to do about it.

    Args:
        code: What kind of thing.
        file: The file, or the folder where no file can be named.
        found: What is there, as the rest of a sentence that begins with the file.
        expected: What should be there, as a noun.
        fix: What to do, as whole sentences.

    Examples:
        >>> print(
        ...     Finding(
        ...         Code.MISSING_MASK,
        ...         Path("images/a.png"),
        ...         found="has no mask",
        ...         expected="masks/a.*",
        ...         fix="Add it, or take the image out.",
        ...     )
        ... )
        images/a.png: has no mask; expected: masks/a.*. Add it, or take the image out.
    """

    code: Code
    file: Path
    found: str
    expected: str
    fix: str

    @property
    def severity(self) -> Severity:
        """How bad it is."""
        return self.code.severity

    def __str__(self) -> str:
        return f"{self.file}: {self.found}; expected: {self.expected}. {self.fix}"


@dataclass
class Findings:
    """What a look through a data set turns up beside its cases.

    Args:
        findings: What is wrong or odd.
        notes: What was left aside, in words.
        spare: Images that can't be used, but are looked at all the same.
    """

    findings: list[Finding] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    spare: list[Path] = field(default_factory=list)

    def add(
        self, code: Code, file: Path, found: str, *, expected: str, fix: str
    ) -> None:
        """Write down something that is wrong or odd."""
        self.findings.append(Finding(code, file, found, expected, fix))

    def note(self, text: str) -> None:
        """Write down something that was left aside."""
        self.notes.append(text)


class DefectsError(DataError):
    """A data set that can't be used as it is, with every reason.

    Args:
        heading: What was looked at.
        findings: Everything that is wrong with it.

    Examples:
        >>> gap = Finding(Code.MISSING_MASK, Path("a.png"), "has none", "one", "Draw.")
        >>> raise DefectsError("cells", [gap])
        Traceback (most recent call last):
        segx.data.defects.DefectsError: cells: 1 defect.
          a.png: has none; expected: one. Draw.
    """

    def __init__(self, heading: str, findings: Iterable[Finding] = ()) -> None:
        self.findings: Sequence[Finding] = tuple(findings)
        if not self.findings:
            super().__init__(heading)
            return
        count = len(self.findings)
        lines = [f"  {finding}" for finding in self.findings[:LISTED]]
        if count > LISTED:
            lines.append(f"  … and {count - LISTED} more.")
        super().__init__("\n".join([f"{heading}: {plural(count, 'defect')}.", *lines]))


def errors_among(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """The findings that must be repaired."""
    return tuple(item for item in findings if item.severity is Severity.ERROR)


def plural(count: int, noun: str, several: str | None = None) -> str:
    """A number and its noun.

    Examples:
        >>> plural(1, "case"), plural(3, "case"), plural(0, "entry", "entries")
        ('1 case', '3 cases', '0 entries')
    """
    return f"{count} {noun if count == 1 else several or f'{noun}s'}"
