"""splits.csv: which case stood in which split, and what its image was."""

import csv
import io
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from segx.atomic import write_text
from segx.data.case import Case, Layout
from segx.data.defects import Code, DefectsError, Finding, plural
from segx.data.splits import Splits
from segx.data.table import read_table
from segx.errors import DataError

__all__ = [
    "check_splits",
    "count_apart",
    "join_folds",
    "read_splits",
    "refuse_trained_images",
    "write_splits",
]

_COLUMNS = ("case", "patient", "split", "image", "sha256")
_NEW = ("image", "sha256")  # columns that earlier versions did not write
_APART = "apart"
_SPLITS = ("train", "val", "test", _APART)


def write_splits(path: Path, splits: Splits, *, root: Path) -> None:
    """Write a CSV file with a row a case.

    Args:
        path: The file.
        splits: The cases; those that a cross-validation leaves alone are ``apart``.
        root: Folder of the data set, below which the images are named.
    """
    _write(path, _rows(splits, root))


def read_splits(
    path: Path, layout: Layout, *, digests: Mapping[str, str] | None = None
) -> Splits:
    """The cases of a data set by the split that they stood in.

    Args:
        path: What `write_splits` wrote.
        layout: The cases, of the same data set or of one with the same names.
        digests: SHA-256 of each case's image by case id, as far as they are known.

    Raises:
        DataError: If a case is not in the file, or the file is damaged.
    """
    stood: dict[str, list[Case]] = {name: [] for name in _SPLITS}
    rows = _read(path)
    for case in layout.cases:
        if case.id not in rows:
            raise DataError(
                f"{case.image} is new: {path} has no case {case.id!r}. Give the data "
                "set that the run was trained on."
            )
        name = rows[case.id][2]
        if name not in stood:
            raise DataError(
                f"{path} puts the case {case.id!r} into {name!r}; allowed: "
                f"{', '.join(_SPLITS)}. Restore the file that segx wrote."
            )
        stood[name].append(case)
    train, val, test, apart = (tuple(stood[name]) for name in _SPLITS)
    return Splits(train, val, test, apart, digests or {})


def join_folds(folds: Sequence[Path], path: Path) -> None:
    """Write which fold held out each case, from the files of the folds.

    Args:
        folds: What `write_splits` wrote for each fold, in order.
        path: The file to write; `split` is `fold0` and so on, or `apart`.

    Raises:
        DataError: If a case is held out by several folds or by none.
    """
    held_out: dict[str, list[str]] = {}
    rows: dict[str, tuple[str, ...]] = {}
    for number, file in enumerate(folds):
        for name, row in _read(file).items():
            rows[name] = row
            places = held_out.setdefault(name, [])
            if row[2] == "test":
                places.append(f"fold{number}")
            elif row[2] == _APART and _APART not in places:
                places.append(_APART)
    wrong = {name: places for name, places in held_out.items() if len(places) != 1}
    if wrong:
        name, places = next(iter(wrong.items()))
        raise DataError(
            f"{plural(len(wrong), 'case')} of {path.parent} were not held out once, "
            f"such as {name}: {', '.join(places) or 'by no fold'}. The data set has "
            "changed between folds; start anew."
        )
    joined = [
        (name, rows[name][1], held_out[name][0], *rows[name][3:]) for name in rows
    ]
    _write(path, sorted(joined))


def count_apart(path: Path) -> int:
    """Number of cases that a cross-validation left alone.

    Args:
        path: What `join_folds` wrote.

    Raises:
        DataError: If the file is damaged.
    """
    return sum(row[2] == _APART for row in _read(path).values())


def check_splits(path: Path, splits: Splits, *, root: Path) -> None:
    """Refuse a data set that is no longer what a run was started on.

    Args:
        path: What `write_splits` wrote then.
        splits: The cases now.
        root: Folder of the data set.

    Raises:
        DefectsError: With each case that is new, missing, in another split or patient,
            at another place, or has another image.
        DataError: If the file is damaged.
    """
    then = _read(path)
    now = {row[0]: row for row in _rows(splits, root)}
    defects = [
        _changed(path, f"case {name} is {'new' if name in now else 'missing'} now")
        for name in sorted(now.keys() ^ then.keys())
    ]
    for name in sorted(now.keys() & then.keys()):
        pairs = zip(_COLUMNS, then[name], now[name], strict=True)
        changes = [
            f"{column} is {new or 'unknown'}, and was {old or 'unknown'}"
            for column, old, new in pairs
            if old != new and (old or column not in _NEW)
        ]
        if changes:
            defects.append(_changed(path, f"of case {name}, {'; '.join(changes)}"))
    if defects:
        raise DefectsError(
            f"The data set {root} has changed since {path} was written; bring it back, "
            "or train anew",
            defects,
        )


def refuse_trained_images(path: Path, splits: Splits) -> None:
    """Refuse to measure on images that a run was trained on.

    Args:
        path: The splits.csv of a run, or of all folds together.
        splits: The cases of another data set; its test cases are looked at.

    Raises:
        DefectsError: With each test case whose image is one of the run's training.
    """
    rows = _read(path).values()
    then = {row[4]: row[0] for row in rows if row[2] not in {"test", _APART}}
    defects = [
        Finding(
            Code.TRAINED_ON,
            case.image,
            f"is the image of {then[digest]}, which {path} trained on",
            expected="an image that the run has not seen",
            fix="Take it out of the test.",
        )
        for case in splits.test
        if (digest := splits.digests.get(case.id)) in then and digest is not None
    ]
    if defects:
        raise DefectsError("Test cases that the run has seen", defects)


def _rows(splits: Splits, root: Path) -> Iterator[tuple[str, ...]]:
    """A text a column for each case."""
    for name, cases in (*splits.items(), (_APART, splits.apart)):
        for case in cases:
            image = Path(os.path.relpath(case.image, root)).as_posix()
            digest = splits.digests.get(case.id, "")
            yield case.id, case.patient or "", name, image, digest


def _write(path: Path, rows: Iterable[tuple[str, ...]]) -> None:
    """Write the header and the rows."""
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(_COLUMNS)
    table.writerows(rows)
    write_text(path, text.getvalue())


def _read(path: Path) -> dict[str, tuple[str, ...]]:
    """The rows by case."""
    table = read_table(path, column="case", exact=True)
    missing = [name for name in _COLUMNS if name not in (*table.header, *_NEW)]
    if missing or table.findings:
        reason = (
            f"it has no column {missing[0]}" if missing else table.findings[0].found
        )
        raise DataError(
            f"{path} can't be compared with the data set: {reason}. It was edited: "
            "bring it back, or train anew."
        )
    return {
        row.cells["case"]: tuple(row.cells.get(column, "") for column in _COLUMNS)
        for row in table.rows
    }


def _changed(path: Path, found: str) -> Finding:
    """One thing that is not as a file of splits says."""
    return Finding(
        Code.CHANGED_DATA,
        path,
        found,
        expected="the data set that the run was started on",
        fix="Bring it back, or train anew.",
    )
