"""Training, validation and test cases: by patient, seeded, and proved disjoint."""

import contextlib
import csv
import hashlib
import io
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from segx.atomic import write_text
from segx.config import DataConfig
from segx.data.case import Case, Layout, SplitName
from segx.data.defects import Code, DefectsError, Finding, plural
from segx.errors import DataError

__all__ = ["SplitRow", "Splits", "identical_files", "split", "write_splits"]

Group = tuple[Case, ...]


class SplitRow(NamedTuple):
    """A case and the split that it stands in."""

    case: str
    patient: str
    split: SplitName


@dataclass(frozen=True)
class Splits:
    """Three sets of cases that share neither a case nor a patient.

    Args:
        train: Cases that the weights are learnt from.
        val: Cases that choose the checkpoint.
        test: Cases that are looked at once, at the end; may be empty.

    Raises:
        DefectsError: If two of them share a case or a patient.
    """

    train: tuple[Case, ...]
    val: tuple[Case, ...]
    test: tuple[Case, ...]

    def __post_init__(self) -> None:
        shared: dict[str, set[SplitName]] = defaultdict(set)
        where: dict[str, Path] = {}
        for name, cases in self.items():
            for case in cases:
                for key in _identities(case):
                    shared[key].add(name)
                    where.setdefault(key, case.image)
        defects = [
            Finding(
                Code.BAD_SPLIT,
                where[key],
                found=f"{key} stands in {' and '.join(sorted(names))}",
                expected="one split",
                fix="Keep it in one of them.",
            )
            for key, names in sorted(shared.items())
            if len(names) > 1
        ]
        if defects:
            raise DefectsError("Splits that are not disjoint", defects)

    def items(self) -> tuple[tuple[SplitName, tuple[Case, ...]], ...]:
        """Each split's name with its cases."""
        return ("train", self.train), ("val", self.val), ("test", self.test)

    def to_rows(self) -> list[SplitRow]:
        """One row a case, to be written down beside a run."""
        return [
            SplitRow(case.id, case.patient or "", name)
            for name, cases in self.items()
            for case in cases
        ]


def split(
    layout: Layout,
    data: DataConfig,
    *,
    seed: int,
    same: Iterable[Sequence[str]] = (),
) -> Splits:
    """Keep the splits that the data set gives; draw those that are missing.

    Cases of one patient stay together. Cases with labels are drawn class by class, so
    that each split sees the classes in the same proportion. The result depends on the
    cases and the seed only, not on the order of the cases.

    Args:
        layout: The cases.
        data: Gives `validation_split` and `test_split`, shares of the cases that are
            drawn from.
        seed: Another seed draws other cases.
        same: Ids of cases that must stay together as well, such as `identical_files`.

    Raises:
        DefectsError: If cases that belong together stand in two given splits.
        DataError: If too few cases or patients are there to draw from.

    Examples:
        >>> cases = tuple(Case(str(i), Path(f"{i}.png")) for i in range(10))
        >>> layout = Layout(Path(), cases, kind="folders")
        >>> drawn = split(layout, DataConfig(validation_split=0.2), seed=0)
        >>> len(drawn.train), len(drawn.val), len(drawn.test)
        (8, 2, 0)
    """
    if data.validation_split + data.test_split >= 1:
        raise DataError(
            f"data.validation_split {data.validation_split:g} and data.test_split "
            f"{data.test_split:g} leave nothing to train on. Take less than 1 together."
        )
    chosen: dict[SplitName, list[Group]] = {"train": [], "val": [], "test": []}
    for group in _groups(layout, same):
        chosen[group[0].split or "train"].append(group)
    pool = chosen["train"]
    total = len(_flat(pool))
    if not total:
        raise DataError(f"{layout.root} has no training cases. Put some in train/.")
    missing: dict[SplitName, float] = {"test": data.test_split}
    missing["val"] = data.validation_split
    for number, (name, share) in enumerate(missing.items()):
        if not chosen[name] and share > 0:
            rng = np.random.default_rng([seed, number])
            chosen[name], pool = _draw(pool, share * total / len(_flat(pool)), rng)
    if not pool or not chosen["val"]:
        raise DataError(
            f"{plural(total, 'case')} of {layout.root} in "
            f"{plural(len(chosen['train']), 'group')} (by patient) can't be split into "
            "training and validation. Add cases or patients."
        )
    return Splits(_flat(pool), _flat(chosen["val"]), _flat(chosen["test"]))


def write_splits(path: Path, splits: Splits) -> None:
    """Write a CSV file with a row a case: case, patient, split."""
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(SplitRow._fields)
    table.writerows(splits.to_rows())
    write_text(path, text.getvalue())


def identical_files(cases: Iterable[Case]) -> list[tuple[str, ...]]:
    """Ids of the cases whose images are the same file, byte for byte.

    Only files of equal size are read. One that can't be read is like no other; the
    survey tells what is wrong with it.
    """
    by_size = defaultdict(list)
    by_digest = defaultdict(list)
    for case in cases:
        with contextlib.suppress(OSError):
            by_size[case.image.stat().st_size].append(case)
    for alike in by_size.values():
        for case in alike if len(alike) > 1 else ():
            with contextlib.suppress(OSError), case.image.open("rb") as file:
                digest = hashlib.file_digest(file, "blake2b").digest()
                by_digest[digest].append(case.id)
    return [tuple(ids) for ids in by_digest.values() if len(ids) > 1]


def _groups(layout: Layout, same: Iterable[Sequence[str]]) -> list[Group]:
    """Cases that must not be parted, in an order that depends on their ids only."""
    parent: dict[tuple[str, str], tuple[str, str]] = {}

    def root(key: tuple[str, str]) -> tuple[str, str]:
        while parent.setdefault(key, key) != key:
            key = parent[key]
        return key

    for case in layout.cases:
        if case.patient is not None:
            parent[root(("case", case.id))] = root(("patient", case.patient))
    for first, *others in same:
        for other in others:
            parent[root(("case", first))] = root(("case", other))
    together = defaultdict(list)
    for case in sorted(layout.cases, key=lambda case: case.id):
        together[root(("case", case.id))].append(case)
    groups = [tuple(cases) for cases in together.values()]
    defects = [
        Finding(
            Code.BAD_SPLIT,
            group[0].image,
            found="belongs together with cases in other splits, by patient or because "
            f"the files are identical: {', '.join(_places(group))}",
            expected="all of them in one split",
            fix="Keep them together.",
        )
        for group in groups
        if len({case.split for case in group}) > 1
    ]
    if defects:
        raise DefectsError(f"Splits of {layout.root}", defects)
    return groups


def _draw(
    pool: Sequence[Group], share: float, rng: np.random.Generator
) -> tuple[list[Group], list[Group]]:
    """Part groups into those drawn and those left, class by class.

    Of each class about `share` of the cases is drawn, at least one group, but never
    the last one.
    """
    strata = defaultdict(list)
    for group in pool:
        strata[Counter(case.label for case in group).most_common(1)[0][0]].append(group)
    drawn: list[Group] = []
    left: list[Group] = []
    for groups in strata.values():
        order = rng.permutation(len(groups)).tolist()
        room = max(1, round(share * sum(map(len, groups))))
        taken: set[int] = set()
        for index in order[:-1]:
            if len(groups[index]) <= room:
                taken.add(index)
                room -= len(groups[index])
        if not taken and len(groups) > 1:
            # Every group is larger than its share: the smallest does least harm.
            taken.add(min(order, key=lambda index: len(groups[index])))
        drawn += [groups[index] for index in order if index in taken]
        left += [groups[index] for index in order if index not in taken]
    return drawn, left


def _flat(groups: Iterable[Group]) -> tuple[Case, ...]:
    """All cases of some groups, by id."""
    return tuple(
        sorted((case for group in groups for case in group), key=lambda case: case.id)
    )


def _places(group: Group) -> list[str]:
    """Where the cases of a group stand, in words."""
    return [f"{case.id} in {case.split}" for case in group]


def _identities(case: Case) -> list[str]:
    """What must not stand in two splits."""
    patient = [] if case.patient is None else [f"patient {case.patient}"]
    return [f"case {case.id}", *patient]
