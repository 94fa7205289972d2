"""Training, validation and test cases: by patient, seeded, and proved disjoint."""

from collections import defaultdict
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from segx.config import DataConfig
from segx.data.case import Case, Layout, SplitName, classes_of, has_mask
from segx.data.defects import Code, DefectsError, Finding, plural
from segx.data.digests import identical_cases
from segx.data.stratified import Group, Traits, draw_share, part_groups
from segx.errors import DataError

__all__ = ["Splits", "split"]

_DRAWS = ("test", "val", "folds")
"""What is drawn; each draw has random numbers of its own."""


@dataclass(frozen=True)
class Splits:
    """Sets of cases that share no case, no patient and no identical image.

    Args:
        train: Cases that the weights are learnt from.
        val: Cases that choose the checkpoint.
        test: Cases that are looked at once, at the end; may be empty. In a fold of a
            cross-validation, those that the fold holds out.
        apart: Test cases that the folds of a cross-validation leave alone.
        digests: SHA-256 of each case's image by case id, as far as they are known.

    Raises:
        DefectsError: If two of them share a case, a patient or an identical image.
    """

    train: tuple[Case, ...]
    val: tuple[Case, ...]
    test: tuple[Case, ...]
    apart: tuple[Case, ...] = ()
    digests: Mapping[str, str] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        shared: dict[str, set[str]] = defaultdict(set)
        where: dict[str, Path] = {}
        for name, cases in (*self.items(), ("apart", self.apart)):
            for case in cases:
                for key in _identities(case, self.digests):
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
        """The name of each split that a run uses, with its cases."""
        return ("train", self.train), ("val", self.val), ("test", self.test)


def split(
    layout: Layout,
    data: DataConfig,
    *,
    seed: int,
    digests: Mapping[str, str] | None = None,
    traits: Traits | None = None,
) -> Splits:
    """Keep the splits that the data set gives; draw those that are missing.

    Cases of one patient stay together, and so do identical images. Labels and the
    classes of masks are drawn in the same proportion. The result depends on the cases
    and the seed only, not on the order of the cases.

    With `data.fold` the cases for training and validation are parted in `data.folds`
    parts, one of which is the test split; validation is drawn from the others.

    Args:
        layout: The cases.
        data: Gives `validation_split` and `test_split`, shares of the cases that are
            drawn from; and `folds` and `fold`.
        seed: Another seed draws other cases.
        digests: What `image_digests` gave; None where images are not compared.
        traits: The classes that each case's mask holds, by case id; labels are known
            without.

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
    _check_shares(data)
    draws = _Draws(seed, _with_labels(layout.cases, traits or {}))
    pool, val, test = _given(layout, digests or {})
    apart: list[Group] = []
    total = _size(pool)
    if not test and data.test_split:
        test, pool = draws.share(pool, data.test_split, "test")
    if data.fold is not None:
        apart = test
        test, pool = draws.fold([*pool, *val], data, layout)
        val, total = [], _size(pool)
    if not val and pool:
        val, pool = draws.share(
            pool, data.validation_split * total / _size(pool), "val"
        )
    if not pool or not val:
        raise DataError(
            f"{plural(total, 'case')} of {layout.root} in "
            f"{plural(len(pool) + len(val), 'group')} (by patient) can't be split into "
            "training and validation. Add cases or patients."
        )
    return Splits(_flat(pool), _flat(val), _flat(test), _flat(apart), digests or {})


@dataclass(frozen=True)
class _Draws:
    """What is drawn from a seed."""

    seed: int
    traits: Traits

    def share(
        self, pool: Sequence[Group], share: float, name: SplitName
    ) -> tuple[list[Group], list[Group]]:
        """About a share of the cases, and the rest."""
        seed = self._seed(name)
        return draw_share(_in_order(pool), share, traits=self.traits, seed=seed)

    def fold(
        self, pool: Sequence[Group], data: DataConfig, layout: Layout
    ) -> tuple[list[Group], list[Group]]:
        """What a fold holds out, and what it learns from."""
        if data.folds is None or data.fold is None:
            raise DataError("data.fold needs data.folds: the number of all folds.")
        groups, seed = _in_order(pool), self._seed("folds")
        parts: list[list[Group]] = [[], groups]
        if len(groups) >= data.folds:
            parts = part_groups(groups, data.folds, traits=self.traits, seed=seed)
        if len(groups) - max(map(len, parts)) < 2:
            # Said of the first fold, not of the one that turns out too small.
            raise DataError(
                f"{data.folds} folds need as many groups of cases (by patient), and "
                f"two more than one holds out; {layout.root} has {len(groups)} beside "
                "the test cases. Take fewer folds, or add patients."
            )
        held_out = parts.pop(data.fold)
        return held_out, [group for part in parts for group in part]

    def _seed(self, name: str) -> int:
        draw = np.random.SeedSequence([self.seed, _DRAWS.index(name)])
        return int(draw.generate_state(1)[0])


def _check_shares(data: DataConfig) -> None:
    """Refuse to draw everything away."""
    if data.validation_split + data.test_split >= 1:
        raise DataError(
            f"data.validation_split {data.validation_split:g} and data.test_split "
            f"{data.test_split:g} leave nothing to train on. Take less than 1 together."
        )


def _given(
    layout: Layout, digests: Mapping[str, str]
) -> tuple[list[Group], list[Group], list[Group]]:
    """Training, validation and test as the data set itself has them."""
    chosen: dict[SplitName, list[Group]] = {"train": [], "val": [], "test": []}
    for group in _groups(layout, identical_cases(digests)):
        chosen[group[0].split or "train"].append(group)
    if not chosen["train"]:
        raise DataError(f"{layout.root} has no training cases. Put some in train/.")
    return chosen["train"], chosen["val"], chosen["test"]


def _with_labels(cases: Sequence[Case], traits: Traits) -> Traits:
    """The classes of each case's mask, and those of the whole image.

    Where no two cases with masks share a label, labels are names, and no mix is kept.
    """
    labels = [case.label for case in cases if case.label is not None]
    if all(map(has_mask, cases)) and len(set(labels)) == len(labels):
        return traits
    none: frozenset[Hashable] = frozenset()
    return {
        case.id: traits.get(case.id, none)
        | {("label", index) for index in classes_of(case)}
        for case in cases
    }


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


def _in_order(groups: Iterable[Group]) -> list[Group]:
    """Groups by their first case, so that what is drawn depends on ids only."""
    return sorted(groups, key=lambda group: group[0].id)


def _flat(groups: Iterable[Group]) -> tuple[Case, ...]:
    """All cases of some groups, by id."""
    return tuple(
        sorted((case for group in groups for case in group), key=lambda case: case.id)
    )


def _size(groups: Iterable[Group]) -> int:
    """Number of cases."""
    return sum(map(len, groups))


def _places(group: Group) -> list[str]:
    """Where the cases of a group stand, in words."""
    return [f"{case.id} in {case.split}" for case in group]


def _identities(case: Case, digests: Mapping[str, str]) -> list[str]:
    """What must not stand in two splits."""
    patient = [] if case.patient is None else [f"patient {case.patient}"]
    image = [f"the image with SHA-256 {digests[case.id]}"] if case.id in digests else []
    return [f"case {case.id}", *patient, *image]
