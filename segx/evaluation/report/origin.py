"""What both reports say of where their numbers come from, and how far they reach."""

from collections.abc import Iterable
from pathlib import Path

import yaml

import segx
from segx.evaluation.bootstrap import FEW_PATIENTS
from segx.evaluation.provenance import Provenance
from segx.pages import Block, Facts, Listing, Notice

__all__ = ["count_cases", "few_patients", "foot", "lead", "origin", "title"]


def title(source: Provenance | None) -> str:
    """What was measured: the run's name, or that of a folder of masks."""
    if source is None:
        return "Evaluation"
    path = Path(source.prediction)
    return path.parents[1].name if path.parent.name == "checkpoints" else path.name


def lead(source: Provenance | None, counted: str) -> str:
    """The sentence under the title; `counted` is made by `count_cases`."""
    split = f" ({source.split})" if source and source.split else ""
    where = f" from {Path(source.truth).name}" if source else ""
    return f"{counted}{where}{split}, each measured as a whole at its own size."


def count_cases(patients: Iterable[str | None], n_patients: int) -> str:
    """How many cases of how many patients there are, as far as these are known.

    Args:
        patients: Whom each case is of.
        n_patients: Number of patients; a case of an unknown one counts as its own.
    """
    known = [patient is not None for patient in patients]
    cases = f"{len(known)} case{'s' * (len(known) != 1)}"
    if not any(known):
        return f"{cases}, each taken for a patient of its own"
    return f"{cases} of {n_patients} patient{'s' * (n_patients != 1)}"


def few_patients(n_patients: int) -> list[Notice]:
    """A warning where intervals are too narrow to be taken at their word."""
    if n_patients >= FEW_PATIENTS:
        return []
    text = (
        f"The intervals rest on {n_patients} patients: under {FEW_PATIENTS} they are "
        "too narrow to be taken at their word. Measure more before you decide."
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
