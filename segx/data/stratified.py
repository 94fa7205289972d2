"""Groups of cases parted so that each part has the same mix of classes."""

import warnings
from collections import Counter
from collections.abc import Hashable, Mapping, Sequence
from fractions import Fraction
from math import ceil
from typing import TYPE_CHECKING, TypeAlias

from segx.data.case import Case

if TYPE_CHECKING:
    from sklearn.model_selection import BaseCrossValidator

__all__ = ["Group", "Traits", "draw_share", "part_groups"]

Group: TypeAlias = tuple[Case, ...]
"""Cases that must not be parted."""

Traits: TypeAlias = Mapping[str, frozenset[Hashable]]
"""What a case holds by its id: the classes of its mask, its label."""

_MOST_PARTS = 20  # more are made for smaller shares only: they show fewer classes
_FINEST = 100  # a share below a hundredth is drawn as one: parting takes time


def part_groups(
    groups: Sequence[Group], count: int, *, traits: Traits, seed: int
) -> list[list[Group]]:
    """Part groups into `count` parts of about equal size and mix of classes.

    scikit-learn's `StratifiedGroupKFold` does this for one class a case, where each
    class has at least `count` cases. What it can't do is done here: a case may hold
    several classes, so each combination counts as one class, see `_strata`; and where
    it leaves a part empty, `GroupKFold` parts the groups without looking at classes.

    Args:
        groups: At least `count` groups, in an order that depends on their ids only.
        count: Number of parts, at least 2.
        traits: What each case holds.
        seed: Another seed parts otherwise.

    Returns:
        The parts; each group stands in one, and none is empty.
    """
    from sklearn.model_selection import GroupKFold, StratifiedGroupKFold

    numbers = [number for number, group in enumerate(groups) for _ in group]
    strata = _strata([case for group in groups for case in group], count, traits)
    stratified = StratifiedGroupKFold(count, shuffle=True, random_state=seed)
    parts = _parts(stratified, groups, numbers, strata)
    if not all(parts):
        grouped = GroupKFold(count, shuffle=True, random_state=seed)
        parts = _parts(grouped, groups, numbers, strata)
    return parts


def draw_share(
    groups: Sequence[Group], share: float, *, traits: Traits, seed: int
) -> tuple[list[Group], list[Group]]:
    """Draw about a share of the cases, with the mix of classes of all of them.

    `StratifiedGroupKFold` knows equal parts only: p of q parts are drawn, where p/q is
    nearest to the share. Of a rare class, q parts may not all hold a case: fewer are
    made, as long as that does not double the share. And it may draw the only group
    that holds a class, which could then not be learnt: such groups are left.

    Args:
        groups: Groups to draw from, in an order that depends on their ids only.
        share: Share of the cases that is wanted, in (0, 1).
        traits: What each case holds.
        seed: Another seed draws other groups.

    Returns:
        The groups drawn, and those left; no group is drawn where that would leave none.
    """
    holders = _holders(groups, traits)
    free = [
        group
        for group in groups
        if all(holders[trait] > 1 for trait in _held(group, traits))
    ]
    fraction = _fraction(share * _size(groups) / max(_size(free), 1), free, traits)
    if fraction == 1 and len(free) == len(groups):
        most = min(_MOST_PARTS, len(free))
        fraction = Fraction(most - 1, most)
    if not fraction:
        return [], list(groups)
    count = fraction.denominator
    parts = part_groups(free, count, traits=traits, seed=seed) if count > 1 else [free]
    ideal = _size(free) / count

    def unlike(part: Sequence[Group]) -> tuple[int, int]:
        """Parts of about the right size come first, those with most classes ahead."""
        held = frozenset[Hashable]().union(*(_held(group, traits) for group in part))
        return abs(round(_size(part) / ideal) - 1), -len(held)

    chosen = sorted(parts, key=unlike)[: fraction.numerator]
    drawn = {group[0].id: group for part in chosen for group in part}
    return list(drawn.values()), [g for g in groups if g[0].id not in drawn]


def _fraction(share: float, groups: Sequence[Group], traits: Traits) -> Fraction:
    """How many of how many parts to draw: at least one, where there are groups."""
    if not groups:
        return Fraction(0)
    finest = min(len(groups), max(_MOST_PARTS, ceil(min(1 / share, _FINEST))))
    rarest = min(_holders(groups, traits).values(), default=finest)
    most = min(finest, max(rarest, ceil(min(0.5 / share, finest))))
    nearest = Fraction(share).limit_denominator(most)
    return min(max(nearest, Fraction(1, most)), Fraction(1))


def _parts(
    splitter: "BaseCrossValidator",
    groups: Sequence[Group],
    numbers: Sequence[int],
    strata: Sequence[int],
) -> list[list[Group]]:
    """The groups of each of a splitter's test sets."""
    with warnings.catch_warnings():
        # Strata that are rarer than there are parts can't stand in each: that is known.
        warnings.filterwarnings("ignore", message="The least populated class")
        found = list(splitter.split(numbers, strata, numbers))
    return [
        [groups[number] for number in sorted({numbers[index] for index in held_out})]
        for _, held_out in found
    ]


def _strata(cases: Sequence[Case], count: int, traits: Traits) -> list[int]:
    """One number a case, for its combination of traits.

    A combination that fewer than `count` cases have can't stand in each part: such a
    case counts for its rarest trait and, where too few count for that, for none.
    """
    held = [traits.get(case.id, frozenset()) for case in cases]
    often = Counter(trait for item in held for trait in item)

    def rarest(item: frozenset[Hashable]) -> frozenset[Hashable]:
        return frozenset(sorted(item, key=lambda trait: (often[trait], str(trait)))[:1])

    cases_of = Counter(held)
    held = [item if cases_of[item] >= count else rarest(item) for item in held]
    cases_of = Counter(held)
    held = [item if cases_of[item] >= count else frozenset() for item in held]
    if max(Counter(held).values()) < count:
        return [0] * len(held)
    number = {item: index for index, item in enumerate(dict.fromkeys(held))}
    return [number[item] for item in held]


def _holders(groups: Sequence[Group], traits: Traits) -> Counter[Hashable]:
    """How many groups hold each trait."""
    return Counter(trait for group in groups for trait in _held(group, traits))


def _held(group: Group, traits: Traits) -> frozenset[Hashable]:
    """What the cases of a group hold together."""
    none: frozenset[Hashable] = frozenset()
    return none.union(*(traits.get(case.id, none) for case in group))


def _size(groups: Sequence[Group]) -> int:
    """Number of cases."""
    return sum(map(len, groups))
