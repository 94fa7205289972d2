"""What a config asks of a data set that this one can't give."""

from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

from segx.config import DataConfig
from segx.data.case import Case, Task, has_mask, is_labelled
from segx.data.defects import Code, Findings
from segx.data.examine import CaseFacts
from segx.data.planes import are_small

__all__ = ["CROPPED", "find_unmet"]

CROPPED = ("segmentation", "detection")
"""Tasks whose training images may be crops."""


def find_unmet(
    facts: Sequence[CaseFacts],
    training: Sequence[CaseFacts],
    data: DataConfig,
    *,
    root: Path,
    task: Task,
    found: Findings,
) -> None:
    """Write down what training would be refused for, though each file is sound.

    Args:
        facts: All cases that could be read.
        training: Those that are learnt from.
        data: Gives `neighbours`, `crop`, `resize` and `batch_size`.
        root: The data set's folder.
        task: What is learnt.
        found: Where it is written down.
    """
    has_volumes = any(item.planes > 1 for item in facts)
    if data.neighbours and facts and not has_volumes:
        found.add(
            Code.UNMET,
            root,
            f"holds no image of several planes, and data.neighbours is "
            f"{data.neighbours}",
            expected="volumes",
            fix="Set data.neighbours to 0.",
        )
    if task != "segmentation" and has_volumes:
        found.add(
            Code.UNMET,
            root,
            f"holds volumes, and {task} takes single images",
            expected="images of one plane",
            fix="Save the planes that matter as images.",
        )
    if task == "multitask" and training:
        _find_missing_task((item.case for item in training), root, found)
    if task in CROPPED and not _makes_batches(training, data, has_volumes=has_volumes):
        sizes = Counter(item.extent for item in training).most_common(5)
        seen = ", ".join(f"{count} of {size} px" for size, count in sizes)
        found.add(
            Code.UNMET,
            root,
            f"holds training images that differ in size ({seen}), and data.crop is "
            "null: they make no batch",
            expected="images of one size",
            fix="Set data.crop or data.resize, or data.batch_size to 1.",
        )


def _find_missing_task(cases: Iterable[Case], root: Path, found: Findings) -> None:
    """Both tasks are learnt only where there is something of each."""
    kinds = [(has_mask(case), is_labelled(case)) for case in cases]
    masks, labels = (sum(kind) for kind in zip(*kinds, strict=True))
    if not (masks and labels):
        found.add(
            Code.UNMET,
            root,
            f"holds {len(kinds)} training cases, of which {masks} have a mask and "
            f"{labels} a label",
            expected="some of each, to learn both",
            fix="For one of them take -c unet or -c classify.",
        )


def _makes_batches(
    training: Sequence[CaseFacts], data: DataConfig, *, has_volumes: bool
) -> bool:
    """Whether training images, or crops of them, are of one size where they must be."""
    if data.crop is not None or isinstance(data.resize, tuple) or data.batch_size == 1:
        return True
    sizes = [item.extent for item in training]
    if data.resize == "auto" and has_volumes and sizes and are_small(sizes):
        return True
    return len(set(sizes)) <= 1
