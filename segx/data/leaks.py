"""Cases that must not be parted: of one patient, identical, or nearly so."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

from segx.data.alike import LookAlike, look_alikes
from segx.data.case import Case, SplitName
from segx.data.defects import Code, Findings
from segx.data.examine import CaseFacts

__all__ = ["find_identical", "find_patient_leaks", "find_similar"]

_JUDGED: Mapping[SplitName | None, int] = {None: 0, "train": 0, "val": 1, "test": 2}
"""Of a leak, the image that is judged is named, not the one that is learnt."""


def find_patient_leaks(cases: Iterable[Case], found: Findings) -> None:
    """A patient stands in one split only; one finding a patient that does not."""
    by_patient = defaultdict(list)
    for case in cases:
        if case.patient is not None:
            by_patient[case.patient].append(case)
    for patient, own in by_patient.items():
        splits = sorted({case.split for case in own if case.split is not None})
        if len(splits) > 1:
            found.add(
                Code.PATIENT_LEAK,
                own[0].image,
                f"is of patient {patient}, of whom {_places(own)}",
                expected="all cases of a patient in one split",
                fix="Move them together: else scores tell how well a patient is known.",
            )


def find_identical(
    cases: Iterable[Case], same: Iterable[Sequence[str]], found: Findings
) -> None:
    """Images that are the same file, byte for byte; one finding a group.

    Args:
        cases: The cases.
        same: The ids of each group, as `identical_cases` gives them.
        found: Where it is written down.
    """
    by_id = {case.id: case for case in cases}
    for ids in same:
        group = [by_id[name] for name in ids]
        splits = {case.split for case in group if case.split is not None}
        first, *others = sorted(
            group, key=lambda case: _JUDGED[case.split], reverse=True
        )
        names = ", ".join(str(case.image) for case in others[:3])
        more = f" and {len(others) - 3} more" if len(others) > 3 else ""
        found.add(
            Code.IMAGE_LEAK if len(splits) > 1 else Code.IDENTICAL_IMAGES,
            first.image,
            f"is the same file as {names}{more}, byte for byte",
            expected="each image once",
            fix=f"Keep one of them: {_places(group)}."
            if len(splits) > 1
            else "Keep one of them, unless it is meant to count several times.",
        )
        if len({(case.label, case.tags) for case in group}) > 1:
            found.add(
                Code.CONFLICTING_LABELS,
                first.image,
                f"is the same file as {names}{more}, but their labels differ",
                expected="one label for one image",
                fix="Find out which one is right.",
            )


def find_similar(
    facts: Sequence[CaseFacts],
    split_of: Mapping[str, SplitName],
    same: Iterable[Sequence[str]],
    found: Findings,
) -> None:
    """Images that look alike without being the same file; one finding an image.

    Images of one patient may do so: they are kept together anyway.

    Args:
        facts: The cases that could be read.
        split_of: The split of each case, given or drawn.
        same: The ids of each group of identical files; these are no news.
        found: Where it is written down.
    """
    known = {name: number for number, ids in enumerate(same) for name in ids}
    cases = {item.case.id: item.case for item in facts}
    nearest: dict[tuple[str, Code], LookAlike] = {}
    signatures = {item.case.id: item.signature for item in facts}
    for pair in look_alikes({k: v for k, v in signatures.items() if v is not None}):
        one, two = pair.first, pair.second
        patients = cases[one].patient, cases[two].patient
        is_one_patient = patients[0] is not None and patients[0] == patients[1]
        is_one_file = one in known and known[one] == known.get(two)
        if is_one_patient or is_one_file:
            continue
        is_leak = split_of[one] != split_of[two]
        # max() keeps the first of equals.
        judged = max(two, one, key=lambda name: _JUDGED[split_of[name]])
        key = judged, Code.SIMILAR_LEAK if is_leak else Code.SIMILAR_IMAGES
        if key not in nearest or pair.bits < nearest[key].bits:
            nearest[key] = pair
    for (name, code), pair in nearest.items():
        other = pair.first if name == pair.second else pair.second
        found.add(
            code,
            cases[name].image,
            f"looks like {cases[other].image}: {100 * pair.likeness:.0f} % alike",
            expected="pictures of different things",
            fix="If both show the same, keep them in one split, as a patient column "
            "does, or keep one of them.",
        )


def _places(cases: Sequence[Case]) -> str:
    """Where some cases stand, in words."""
    shown = [f"{case.id} is in {case.split}" for case in cases[:4]]
    more = [f"{len(cases) - 4} more"] if len(cases) > 4 else []
    return " and ".join([", ".join(shown), *more])
