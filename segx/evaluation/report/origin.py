"""What both reports say of where their numbers come from, and how far they reach."""

from collections.abc import Iterable
from pathlib import Path

import yaml

import segx
from segx.data.defects import plural
from segx.evaluation.bootstrap import FEW_PATIENTS
from segx.evaluation.provenance import Provenance
from segx.pages import Block, Facts, Listing, Notice

__all__ = ["few_patients", "foot", "lead", "origin", "title"]


def title(source: Provenance | None) -> str:
    """What was measured: the run's name, or that of a folder of masks."""
    if source is None:
        return "Evaluation"
    if source.title is not None:
        return source.title
    path = Path(source.prediction).absolute()  # "." has no name
    return path.parents[1].name if path.parent.name == "checkpoints" else path.name


def lead(source: Provenance | None, patients: Iterable[str | None]) -> str:
    """The sentences under the title.

    Args:
        source: Where the numbers come from.
        patients: Whom each case is of.
    """
    named = list(patients)
    split = f" {source.split}" if source and source.split else ""
    where = f" from {Path(source.truth).absolute().name}" if source else ""
    known = "" if any(named) else " Patients are not known: each case counts as one."
    return (
        f"{len(named)}{split} cases{where}, each measured as a whole at its own size."
        f"{known}"
    )


def few_patients(n_patients: int, *, of: str = "") -> list[Notice]:
    """A warning where intervals are too narrow to be taken at their word.

    Args:
        n_patients: What the widest of them rest on.
        of: The class of these patients, where there are others.
    """
    if n_patients >= FEW_PATIENTS:
        return []
    patients = plural(n_patients, "patient") + (f" of '{of}'" if of else "")
    text = (
        f"The intervals rest on {patients}: under {FEW_PATIENTS} they are too narrow "
        "to be taken at their word. Measure more before you decide."
    )
    return [Notice("warning", text)]


def origin(source: Provenance | None) -> list[Block]:
    """Data, splits, model, engine, versions and the whole config."""
    if source is None:
        return []
    splits = ", ".join(f"{count} {name}" for name, count in source.splits)
    facts = [
        ("Truth", source.truth),
        ("Prediction", source.prediction),
        ("Cases", source.split or "all that match"),
        ("Split", splits),
        ("Engine", source.engine or ""),
        ("Weights, SHA-256", source.model_sha256 or ""),
        ("Versions", ", ".join(f"{name} {number}" for name, number in source.versions)),
        ("Decided on the way", "; ".join(source.notes)),
    ]
    blocks: list[Block] = [Facts([(name, value) for name, value in facts if value])]
    if source.config is not None:
        text = yaml.safe_dump(source.config, sort_keys=False, allow_unicode=True)
        blocks.append(Listing("The run's whole config", text))
    return blocks


def foot(source: Provenance | None) -> str:
    """The page's last line."""
    version = dict(source.versions).get("segx", "") if source else segx.__version__
    return f"Made by segx {version}. This page is one file: it loads nothing else."
