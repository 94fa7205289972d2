"""Cross-validation: each fold a run of its own, judged on the cases it never saw."""

import logging
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from segx.artifact import load_model, read_checkpoint, store_spec
from segx.config import CleaningConfig, FitConfig
from segx.data.datamodule import SegxDataModule
from segx.data.splits_file import count_apart, join_folds
from segx.errors import ConfigError, TrainingError
from segx.evaluation.cases import CaseRow, read_cases, write_cases
from segx.evaluation.classification import (
    ClassificationSummary,
    summarise_classified,
)
from segx.evaluation.classified_file import read_classified, write_classified
from segx.evaluation.cleaning_choice import (
    Choice,
    Trials,
    choose_cleaning,
    has_trials,
    read_trials,
)
from segx.evaluation.provenance import Provenance, versions
from segx.evaluation.report import write_classification_report, write_report
from segx.evaluation.run import classes_beside, measure, places_of
from segx.evaluation.summary import Summary, summarise
from segx.evaluation.summary_file import write_classification_summary, write_summary
from segx.inference.folds import fold_folder
from segx.labels import Labels
from segx.spec import ModelSpec
from segx.training.budget import Budget
from segx.training.changes import SURROUNDINGS, changes_between
from segx.training.checkpointing import last_valid
from segx.training.fit import check_training, fit
from segx.training.run import RunFolder

__all__ = ["CrossValidated", "cross_validate"]

logger = logging.getLogger(__name__)


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


def cross_validate(
    config: FitConfig,
    folder: Path,
    *,
    folds: int,
    budget_s: float | None = None,
    progress: bool = True,
) -> CrossValidated:
    """Train and measure each fold, and put the results of all cases into one table.

    Called again, it goes on: finished folds are left as they are, an interrupted one
    resumes from its last checkpoint. Each fold holds out its part as the test split;
    the checkpoint is chosen on validation cases drawn from the others. Test cases that
    the data set sets apart stay apart.

    Args:
        config: What to train, on what.
        folder: Where the folds go, as `fold0` and so on, and the table of all cases.
        folds: Number of folds.
        budget_s: Seconds that each fold may train.
        progress: Show a progress bar.

    Raises:
        ConfigError: If the config asks for what can't work.
        DataError: If the data set has a defect, or has changed meanwhile.
        TrainingError: If the folder holds something else.
    """
    _refuse_boxes(config)
    check_training(config)
    config = _in_one_process(_with_data(config, folds=folds, fold=None))
    whole = RunFolder(folder)
    runs = [RunFolder(fold_folder(folder, fold)) for fold in range(folds)]
    with whole.alone():
        _start(config, whole)
        _check_budget(runs, budget_s)
        _train_all(config, runs, budget_s=budget_s, progress=progress)
        return _join(config, whole, runs)


def _train_all(
    config: FitConfig,
    runs: Sequence[RunFolder],
    *,
    budget_s: float | None,
    progress: bool,
) -> None:
    """Train and measure each fold that is not finished."""
    folds = len(runs)
    for fold, run in enumerate(runs):
        if _is_finished(run, config):
            logger.info("Fold %d of %d is finished already.", fold + 1, folds)
            continue
        logger.info("Fold %d of %d: %s", fold + 1, folds, run.path)
        _train(
            _with_data(config, folds=folds, fold=fold),
            run,
            budget_s=budget_s,
            progress=progress,
        )
        _measure(run)


def _join(
    config: FitConfig, whole: RunFolder, runs: Sequence[RunFolder]
) -> CrossValidated:
    """Put the results of all folds into one table."""
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


def _refuse_boxes(config: FitConfig) -> None:
    if config.task == "detection":
        raise ConfigError(
            "segx cv measures masks and classes. Train a detector on one split: segx "
            "fit, then segx test."
        )


def _with_data(config: FitConfig, *, folds: int, fold: int | None) -> FitConfig:
    """The config of one fold or, with none, of all."""
    data = config.data.model_copy(update={"folds": folds, "fold": fold})
    return config.model_copy(update={"data": data})


def _in_one_process(config: FitConfig) -> FitConfig:
    """The config for one process: each further one would repeat the whole command.

    Raises:
        ConfigError: If it asks for more.
    """
    devices = config.trainer.get("devices", "auto")
    is_one = len(devices) == 1 if isinstance(devices, list) else devices in (1, "auto")
    if not is_one:
        raise ConfigError(
            f"trainer.devices {devices}: segx cv trains in one process. Take 1, or "
            "train the folds by themselves: segx fit … --data.folds 5 --data.fold 0"
        )
    trainer = {**config.trainer, "devices": 1 if devices == "auto" else devices}
    return config.model_copy(update={"trainer": trainer})


def _start(config: FitConfig, whole: RunFolder) -> None:
    """Make the folder, or make sure that it is the same cross-validation."""
    if not whole.config_file.is_file():
        whole.create()
        whole.checkpoints.rmdir()  # each fold has its own
        whole.write_config(config)
        return
    changes = changes_between(whole.read_config(), config)
    refused = [text for key, text in changes.items() if key not in SURROUNDINGS]
    if refused:
        raise TrainingError(
            "\n  ".join([f"{whole.path} was started with another config:", *refused])
            + f"\nGo on with its own: segx cv -c {whole.config_file} --folds "
            f"{config.data.folds} {whole.arguments}; or take another --name."
        )


def _check_budget(runs: Sequence[RunFolder], budget_s: float | None) -> None:
    """Refuse to give the folds to come another time than those before had."""
    begun = next((run for run in runs if run.goes_on), None)
    if begun is None:
        return
    budget = Budget.in_checkpoint(last_valid(begun)[1])
    before = None if budget is None else budget.seconds
    if before != budget_s:
        had = "no --budget" if before is None else f"--budget {before:g}s"
        raise TrainingError(
            f"{begun.path} was trained with {had}, and all folds are to be alike. Go "
            f"on with {had}, or take another --name."
        )


def _is_finished(run: RunFolder, config: FitConfig) -> bool:
    """Whether a fold was trained and measured to the end."""
    measured = (run.test / "summary.json").is_file()
    return measured and (not _tries(config) or has_trials(_trials(run)))


def _train(
    config: FitConfig, run: RunFolder, *, budget_s: float | None, progress: bool
) -> None:
    """Train a fold, or go on with it."""
    if run.goes_on:
        fit(run.read_config(), run, resume=True, progress=progress)
        return
    if run.path.is_dir():
        logger.info("%s has no checkpoint yet: it starts again.", run.path)
        shutil.rmtree(run.path)
    fit(config, run, budget_s=budget_s, progress=progress)


def _measure(run: RunFolder) -> None:
    """Predict what a fold held out; of masks, count what each cleaning would do."""
    config = run.read_config()
    data = SegxDataModule.from_config(config, recorded=run.splits)
    data.check_splits(run.splits)
    trials = Trials(data.labels) if data.labels and _tries(config) else None
    on_mask = trials.add if trials else None
    model = load_model(run.path)
    # The masks come last: their summary says that all is measured.
    for part, place in reversed(places_of(model.spec, run.test).items()):
        measure(model, data, place, config=config, part=part, on_mask=on_mask)
    if trials:
        trials.write(_trials(run))


def _tries(config: FitConfig) -> bool:
    """Whether cleaning is tried: not where the config says itself what to do."""
    is_free = config.inference.cleaning == CleaningConfig()
    return config.task == "segmentation" and is_free


def _trials(run: RunFolder) -> Path:
    """Folder of a fold's counts, a table for each cleaning."""
    return run.path / "cleaning"


def _adopt(config: FitConfig, runs: Sequence[RunFolder], folder: Path) -> Choice | None:
    """Let every fold clean its masks, if that surely helps; write down why."""
    if not _tries(config):
        return None
    choice = choose_cleaning(read_trials(_trials(run) for run in runs))
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
