"""How much of each class there is: in a case, in a split, and where too little is."""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from segx.data.case import Layout, SplitName, classes_of, is_labelled
from segx.data.defects import Code, Findings
from segx.data.examine import CaseFacts
from segx.data.mask_values import MaskValues
from segx.labels import UNKNOWN

__all__ = [
    "ClassShares",
    "case_shares",
    "find_imbalance",
    "find_odd_masks",
    "label_shares",
    "shares",
]

ClassShares = Mapping[str, float]
"""Share of each class, by name."""

LEAST_PIXELS = 0.001
"""Of a class with less of the training pixels, a crop of 256x256 px holds 65 on
average: most crops hold none of it."""

LEAST_CASES = 0.05
"""A class of images with fewer cases than this share of the largest one's is rare."""

FEW = 0.05
"""Where more than this share of the masks are empty, that is what the set is like."""


def shares(
    facts: Sequence[CaseFacts], layout: Layout, values: MaskValues | None
) -> ClassShares:
    """Share of each class: of the pixels, or of the cases where there are no masks.

    Planes of multilabel masks may add up to more than 1.
    """
    if values is None:
        return label_shares(facts, layout)
    counted = [_pixels(item, values) for item in facts]
    total = sum(pixels for _, pixels in counted)
    return {
        name: sum(seen[index] for seen, _ in counted) / max(total, 1)
        for index, name in enumerate(values.labels.names)
    }


def label_shares(facts: Sequence[CaseFacts], layout: Layout) -> ClassShares:
    """Share of each class of whole images, among the cases where it is known."""
    cases = [item.case for item in facts if is_labelled(item.case)]
    seen = Counter(index for case in cases for index in classes_of(case))
    known = Counter(
        index
        for case in cases
        for index, tag in enumerate(case.tags or ())
        if tag != UNKNOWN
    )
    several = layout.class_kind == "multilabel"
    return {
        name: seen[index] / max(known[index] if several else len(cases), 1)
        for index, name in enumerate(layout.class_names or ())
    }


def case_shares(
    facts: Sequence[CaseFacts], values: MaskValues
) -> dict[str, ClassShares]:
    """Share of each class in the pixels of each case, by case id.

    A case is left out whose masks can't be read or hold values without a meaning.
    """
    known = values.ids.keys()
    counted = {
        item.case.id: _pixels(item, values)
        for item in facts
        if all(counts is not None and counts.keys() <= known for counts in item.values)
    }
    return {
        case: {
            name: seen[index] / total for index, name in enumerate(values.labels.names)
        }
        for case, (seen, total) in counted.items()
        if total > 0
    }


def find_imbalance(
    by_split: Mapping[SplitName, ClassShares],
    layout: Layout,
    *,
    of_pixels: bool,
    found: Findings,
) -> None:
    """Write down the classes that a split lacks, and those that are hardly there.

    Args:
        by_split: Share of each class in each split that has cases.
        layout: The cases.
        of_pixels: Whether the shares are of pixels; else they are of cases.
        found: Where it is written down.
    """
    consequence = {
        "train": "It can't be learnt.",
        "val": "Its validation scores are undefined.",
        "test": "Its test scores are undefined.",
    }
    for split, classes in by_split.items():
        for name, share in classes.items():
            if share == 0:
                found.add(
                    Code.ABSENT_CLASS,
                    layout.root,
                    f"has no {split} case with the class {name}",
                    expected="each class in every split",
                    fix=f"{consequence[split]} Move cases, or draw other splits.",
                )
    train = by_split.get("train", {})
    least = LEAST_PIXELS if of_pixels else LEAST_CASES * max(train.values(), default=0)
    for name, share in train.items():
        if 0 < share < least:
            told = f"{share:.3%}" if share >= 1e-5 else "<0.001%"
            found.add(
                Code.IMBALANCE,
                layout.root,
                f"has {told} of its training {'pixels' if of_pixels else 'cases'} "
                f"in the class {name}",
                expected=f"at least {least:.1%}",
                fix="Keep data.foreground_share high, crop closer, or take a loss that "
                "weights classes."
                if of_pixels
                else "Add cases of it, or take a loss that weights classes.",
            )


def find_odd_masks(
    by_case: Mapping[str, ClassShares],
    layout: Layout,
    values: MaskValues,
    found: Findings,
) -> None:
    """Write down masks that are empty or full, where that is rare.

    Where many are, absence is part of the task; where few are, somebody may have
    forgotten to draw.
    """
    masks: dict[str, Path] = {
        case.id: case.masks[0] for case in layout.cases if case.masks
    }
    foreground = values.labels.foreground
    empty = [
        name
        for name, classes in by_case.items()
        if not any(classes[of] for of in foreground)
    ]
    full = {
        name: of
        for name, classes in by_case.items()
        for of in foreground
        if classes[of] == 1
    }
    few = max(1, FEW * len(by_case))
    for name in empty if len(empty) <= few else ():
        found.add(
            Code.EMPTY_MASK,
            masks[name],
            "holds background alone",
            expected=f"foreground, as in {len(by_case) - len(empty)} other cases",
            fix="Was it drawn? If nothing is there, all is well.",
        )
    for name, of in full.items() if len(full) <= few else ():
        found.add(
            Code.FULL_MASK,
            masks[name],
            f"holds {of} in every pixel",
            expected="background too",
            fix="Was it inverted, or filled by mistake?",
        )


def _pixels(item: CaseFacts, values: MaskValues) -> tuple[Counter[int], float]:
    """Pixels of each class in a case, and of all that count; odd values do not."""
    labels = values.labels
    seen: Counter[int] = Counter()
    total = 0
    for plane, counts in enumerate(item.values):
        for stored, pixels in (counts or {}).items():
            index = values.ids.get(stored)
            if index is None or index == labels.ignore_index:
                continue
            total += pixels
            if labels.kind != "multilabel":
                seen[index] += pixels
            elif index == 1:
                seen[plane] += pixels
    # Each plane of a multilabel mask covers the whole image.
    planes = len(labels.names) if labels.kind == "multilabel" else 1
    return seen, total / planes
