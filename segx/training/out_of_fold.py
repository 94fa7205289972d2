"""What the folds of a cross-validation come to together, and what all of them adopt."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from segx.artifact import load_model, read_checkpoint, store_spec
from segx.config import CleaningConfig, FitConfig
from segx.data.splits_file import count_apart, join_folds
from segx.errors import TrainingError
from segx.evaluation.cases import CaseRow, read_cases, write_cases
from segx.evaluation.classification import (
    ClassificationSummary,
    summarise_classified,
)
from segx.evaluation.classified_file import read_classified, write_classified
from segx.evaluation.cleaning_choice import Choice, choose_cleaning, read_trials
from segx.evaluation.provenance import Provenance, versions
from segx.evaluation.report import write_classification_report, write_report
from segx.evaluation.run import classes_beside
from segx.evaluation.summary import Summary, summarise
from segx.evaluation.summary_file import write_classification_summary, write_summary
from segx.labels import Labels
from segx.spec import ModelSpec
from segx.training.run import RunFolder

__all__ = ["CrossValidated", "join_results", "trials_of", "tries_cleaning"]


@dataclass(frozen=True)
class CrossValidated:
    """What a cross-validation came to.

    Args:
        summary: Over all cases, each predicted by the fold that held it out.
        choice: The cleaning of masks that was adopted, or none; None where nothing
            was tried.
        n_apart: Test cases that no fold has seen.
        classes: The same of the classes, where masks and classes are learnt at once.
    """

    summary: Summary | ClassificationSummary
    choice: Choice | None
    n_apart: int
    classes: ClassificationSummary | None = None


def join_results(
    config: FitConfig, whole: RunFolder, runs: Sequence[RunFolder]
) -> CrossValidated:
    """Put the results of all folds into one table and one report.

    Args:
        config: Of all folds.
        whole: The folder of all of them; the table goes there.
        runs: The folds, trained and measured.
    """
    folder = whole.path
    join_folds([run.splits for run in runs], whole.splits)
    n_apart = count_apart(whole.splits)
    if config.task == "classification":
        found = _classified([run.test for run in runs], whole, folder)
        return CrossValidated(found, None, n_apart)
    classes = None
    if config.task == "multitask":
        tests = [classes_beside(run.test) for run in runs]
        classes = _classified(tests, whole, classes_beside(folder))
    rows = [row for run in runs for row in read_cases(run.test / "cases.csv")]
    choice = _adopt(config, runs, folder)
    labels = load_model(runs[0].path).spec.labels
    if labels is None:
        raise TrainingError(f"{runs[0].path} makes no masks, but was trained to.")
    summary = _segmented(rows, whole, labels)
    return CrossValidated(summary, choice, n_apart, classes)


def tries_cleaning(config: FitConfig) -> bool:
    """Whether cleaning is tried: not where the config says itself what to do."""
    is_free = config.inference.cleaning == CleaningConfig()
    return config.task == "segmentation" and is_free


def trials_of(run: RunFolder) -> Path:
    """Folder of a fold's counts, a table for each cleaning."""
    return run.path / "cleaning"


def _adopt(config: FitConfig, runs: Sequence[RunFolder], folder: Path) -> Choice | None:
    """Let every fold clean its masks, if that surely helps; write down why."""
    if not tries_cleaning(config):
        return None
    choice = choose_cleaning(read_trials(trials_of(run) for run in runs))
    for run in runs:
        if run.read_config().inference.cleaning != choice.cleaning:
            _set_cleaning(run, choice.cleaning)
    choice.write(folder / "cleaning.json")
    return choice


def _set_cleaning(run: RunFolder, cleaning: CleaningConfig) -> None:
    """Store what is cleaned with a run: in its config and in its checkpoints."""
    config = run.read_config()
    inference = config.inference.model_copy(update={"cleaning": cleaning})
    for path in filter(Path.is_file, (run.best, run.last, run.previous)):
        spec = ModelSpec.model_validate(
            read_checkpoint(path)["hyper_parameters"]["spec"]
        )
        store_spec(path, spec.model_copy(update={"inference": inference}))
    run.write_config(config.model_copy(update={"inference": inference}))


def _segmented(rows: list[CaseRow], whole: RunFolder, labels: Labels) -> Summary:
    """One table and one report over all cases."""
    summary = summarise(rows, provenance=_provenance(whole))
    write_cases(whole.path / "cases.csv", rows)
    write_summary(whole.path / "summary.json", summary)
    write_report(whole.path / "report.html", summary, rows, labels=labels)
    return summary


def _classified(
    tests: Sequence[Path], whole: RunFolder, out: Path
) -> ClassificationSummary:
    """One table and report over all cases; the folds tell the same classes apart."""
    tables = [read_classified(test / "cases.csv") for test in tests]
    names = tables[0][0]
    cases = [case for _, part in tables for case in part]
    summary = summarise_classified(
        cases, class_names=names, provenance=_provenance(whole)
    )
    write_classified(out / "cases.csv", cases, class_names=names)
    write_classification_summary(out / "summary.json", summary)
    write_classification_report(out / "report.html", summary, cases)
    return summary


def _provenance(whole: RunFolder) -> Provenance:
    """How the numbers of all folds together come about."""
    config = whole.read_config()
    return Provenance(
        truth=str(config.data.root or config.data.manifest),
        prediction=str(whole.path),
        config=config.model_dump(mode="json"),
        notes=("each case is predicted by the fold that held it out",),
        versions=versions(),
    )
