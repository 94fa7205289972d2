"""Every defect of a data set, found before training.

The stages, each of which goes on with what the one before could read:

    listing and pairing   names of files and lines of a manifest   layouts
    headers and pixels    each case by itself, side by side         examine
    agreement             channels, types, values of the masks      agree
    relations             patients, identical and similar images    leaks
    balance               classes by split, empty and full masks    balance
    summing up            the intensity scale, if nothing is wrong  survey
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from functools import partial
from itertools import groupby
from pathlib import Path

from segx.config import DataConfig
from segx.data.agree import Common, find_common
from segx.data.balance import (
    ClassShares,
    case_shares,
    find_imbalance,
    find_odd_masks,
    label_shares,
    shares,
)
from segx.data.boxes import BoxSet, find_boxes
from segx.data.case import Case, Layout, SplitName, Task
from segx.data.defects import (
    Code,
    DefectsError,
    Finding,
    Findings,
    Severity,
    errors_among,
)
from segx.data.demands import find_unmet
from segx.data.digests import identical_cases, image_digests
from segx.data.examine import CaseFacts, Examined, classes_held, examine
from segx.data.layouts import find_layout
from segx.data.leaks import find_identical, find_patient_leaks, find_similar
from segx.data.splits import Splits, split
from segx.data.splits_file import read_splits
from segx.data.survey import Survey, survey
from segx.environment import usable_cores
from segx.errors import DataError

__all__ = ["CheckedData", "check_data"]

logger = logging.getLogger(__name__)

Progress = Callable[[int, int], None]
"""Told how many cases are done, of how many."""


@dataclass(frozen=True)
class CheckedData:
    """A data set and all that was found in it.

    Args:
        layout: The cases, as they were listed.
        facts: What the cases hold whose image could be read, in the layout's order.
        common: What they are read as.
        boxes: The true objects, where boxes are learnt.
        splits: The cases by split; None where they can't be split as they are.
        survey: What training needs to know; None where there are errors.
        findings: Errors, then warnings; each kind together.
    """

    layout: Layout
    facts: tuple[CaseFacts, ...]
    common: Common
    boxes: BoxSet | None
    splits: Splits | None
    survey: Survey | None
    findings: tuple[Finding, ...]

    @property
    def errors(self) -> tuple[Finding, ...]:
        """What must be repaired."""
        return errors_among(self.findings)

    @property
    def warnings(self) -> tuple[Finding, ...]:
        """What should be looked at."""
        return self.findings[len(self.errors) :]

    @property
    def split_of(self) -> dict[str, SplitName]:
        """The split of each case by its id, as given or as drawn."""
        return _split_of(self.layout, self.splits)

    def refuse_defects(self) -> tuple[Splits, Survey]:
        """What training needs.

        Raises:
            DefectsError: With all errors, if there are any.
        """
        if self.splits is None or self.survey is None:
            raise DefectsError(f"Data set {self.layout.root}", self.errors)
        return self.splits, self.survey

    def log_warnings(self) -> None:
        """Log what was decided on the way, and a warning of each kind."""
        values = self.common.mask_values
        if values is not None and values.is_mapped:
            ids = dict(values.ids)
            logger.info("Stored mask values and their ids: %s.", ids)
        grey = sum(item.channels == 1 for item in self.facts)
        if self.common.channels == 3 and grey:
            logger.info("%d of %d images are grey: read as RGB.", grey, len(self.facts))
        for code, kind in groupby(self.warnings, key=lambda warning: warning.code):
            first, *more = kind
            others = f" ({len(more)} more like it: see segx check.)" if more else ""
            logger.warning("%s: %s%s", code.title, first, others)


def check_data(
    data: DataConfig,
    *,
    task: Task,
    seed: int,
    recorded: Path | None = None,
    progress: Progress | None = None,
) -> CheckedData:
    """Read every image and mask once, and find all that is wrong with them.

    Args:
        data: Names the data set, and says how it is to be read.
        task: Masks are not read for classification, and for detection as instances.
        seed: Decides the splits that are drawn.
        recorded: The splits.csv of a run: its splits are taken, and none is drawn.
        progress: Called from this thread after each case.

    Raises:
        DataError: If there is no data set, or none in a layout that segx knows.
    """
    layout = find_layout(data, task=task)
    data = layout.completed(data)
    found = Findings(list(layout.findings))
    examined = _examine_all(layout, data, progress, instances=task == "detection")
    for item in examined:
        found.findings += item.findings
    usable = {case.id for case in layout.cases}
    facts = tuple(
        item.facts
        for item in examined
        if item.facts is not None and item.facts.case.id in usable
    )
    common = find_common(facts, layout, data, task=task, found=found)
    boxes = find_boxes(facts, layout, data, found) if task == "detection" else None
    for note in found.notes:
        logger.info(note)
    traits = classes_held(facts) if boxes is None else boxes.traits()
    splits = _relations(layout, facts, data, seed, recorded, traits=traits, found=found)
    split_of = _split_of(layout, splits)
    parts = _parts(facts, split_of)
    learnt = parts.get("train", ())
    find_unmet(facts, learnt, data, root=layout.root, task=task, found=found)
    by_split = _weigh(layout, parts, common, boxes, found)
    if task == "multitask":
        _weigh_labels(layout, parts, found)
    sound = _sound(facts, found)
    training = _parts(sound, split_of).get("train")
    summed = None
    if training:
        fractions = by_split["train"]
        summed = survey(sound, training, common, data, fractions=fractions, found=found)
    return CheckedData(
        layout=layout,
        facts=facts,
        common=common,
        boxes=boxes,
        splits=splits,
        survey=None if errors_among(found.findings) else summed,
        findings=_ordered(found.findings),
    )


def _examine_all(
    layout: Layout, data: DataConfig, progress: Progress | None, *, instances: bool
) -> list[Examined]:
    """Read all cases side by side, and the images that are no cases for a reason."""
    look = partial(
        examine,
        channels=None if data.channels == "auto" else data.channels,
        axis=data.axis,
        measured=data.intensity not in {"auto", "range"},
        instances=instances,
    )
    spare = (Case(f"{path}", path) for path in layout.spare)
    cases = [*layout.cases, *spare]
    # Decoders let other threads run; processes would have to send back what they read.
    pool = ThreadPoolExecutor(min(8, usable_cores()))
    try:
        waiting = [pool.submit(look, case) for case in cases]
        for done, _ in enumerate(as_completed(waiting), start=1):
            if progress is not None:
                progress(done, len(cases))
        return [task.result() for task in waiting]
    finally:
        pool.shutdown(cancel_futures=True)  # on Ctrl-C, the rest is not read first


def _relations(
    layout: Layout,
    facts: Sequence[CaseFacts],
    data: DataConfig,
    seed: int,
    recorded: Path | None,
    *,
    traits: Mapping[str, frozenset[tuple[int, int]]],
    found: Findings,
) -> Splits | None:
    """Look for cases that belong together, and split the others from them."""
    digests = image_digests(layout.cases)
    same = identical_cases(digests)
    leaks = Findings()
    find_patient_leaks(layout.cases, leaks)
    find_identical(layout.cases, same, leaks)
    splits = None
    if recorded is not None:
        splits = read_splits(recorded, layout, digests=digests)
    elif not errors_among(leaks.findings):
        try:
            splits = split(layout, data, seed=seed, digests=digests, traits=traits)
        except DefectsError as error:
            leaks.findings += error.findings
        except DataError as error:
            leaks.add(
                Code.BAD_SPLIT,
                layout.root,
                str(error).removeprefix(f"{layout.root} ").rstrip("."),
                expected="cases for training and for validation",
                fix="Add cases, or set data.validation_split.",
            )
    find_similar(facts, _split_of(layout, splits), same, leaks)
    found.findings += leaks.findings
    return splits


def _weigh(
    layout: Layout,
    parts: Mapping[SplitName, Sequence[CaseFacts]],
    common: Common,
    boxes: BoxSet | None,
    found: Findings,
) -> dict[SplitName, ClassShares]:
    """The share of each class in each split, held against what is usual."""
    values = common.mask_values
    by_split = {
        name: shares(part, layout, values)
        if boxes is None
        else boxes.shares(item.case for item in part)
        for name, part in parts.items()
    }
    find_imbalance(by_split, layout, of_pixels=values is not None, found=found)
    if values is not None:
        facts = [item for part in parts.values() for item in part]
        find_odd_masks(case_shares(facts, values), layout, values, found)
    return by_split


def _weigh_labels(
    layout: Layout, parts: Mapping[SplitName, Sequence[CaseFacts]], found: Findings
) -> None:
    """Beside masks, hold the classes of whole images against what is usual, too."""
    by_split = {name: label_shares(part, layout) for name, part in parts.items()}
    find_imbalance(by_split, layout, of_pixels=False, found=found)


def _split_of(layout: Layout, splits: Splits | None) -> dict[str, SplitName]:
    """The split of each case: as it was made or, where it was not, as given."""
    if splits is None:
        return {case.id: case.split or "train" for case in layout.cases}
    named = {case.id: name for name, cases in splits.items() for case in cases}
    apart: dict[str, SplitName] = {case.id: "test" for case in splits.apart}
    return named | apart


def _parts(
    facts: Sequence[CaseFacts], split_of: dict[str, SplitName]
) -> dict[SplitName, list[CaseFacts]]:
    """The facts by split; splits without cases are left out."""
    names: tuple[SplitName, ...] = ("train", "val", "test")
    parts = {
        name: [item for item in facts if split_of[item.case.id] == name]
        for name in names
    }
    return {name: part for name, part in parts.items() if part}


def _sound(facts: Sequence[CaseFacts], found: Findings) -> list[CaseFacts]:
    """The facts of the cases none of whose files has an error."""
    bad = {item.file for item in errors_among(found.findings)}
    return [
        item for item in facts if bad.isdisjoint([*item.case.images, *item.case.masks])
    ]


def _ordered(findings: Sequence[Finding]) -> tuple[Finding, ...]:
    """Errors first, then by kind as `Code` lists them; none twice."""
    kinds = {code: number for number, code in enumerate(Code)}
    return tuple(
        sorted(
            dict.fromkeys(findings),
            key=lambda item: (item.severity is not Severity.ERROR, kinds[item.code]),
        )
    )
