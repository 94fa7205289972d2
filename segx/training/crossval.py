"""Cross-validation: each fold a run of its own, judged on the cases it never saw."""

import logging
import shutil
from collections.abc import Sequence
from pathlib import Path

from segx.artifact import load_model
from segx.config import FitConfig
from segx.data.datamodule import SegxDataModule
from segx.errors import ConfigError, TrainingError
from segx.evaluation.cleaning_choice import Trials, has_trials
from segx.evaluation.run import measure, places_of
from segx.inference.folds import fold_folder
from segx.training.budget import Budget
from segx.training.changes import SURROUNDINGS, changes_between
from segx.training.checkpointing import last_valid
from segx.training.fit import check_training, fit
from segx.training.out_of_fold import (
    CrossValidated,
    join_results,
    trials_of,
    tries_cleaning,
)
from segx.training.run import RunFolder

__all__ = ["cross_validate"]

logger = logging.getLogger(__name__)


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
        return join_results(config, whole, runs)


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
    return measured and (not tries_cleaning(config) or has_trials(trials_of(run)))


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
    trials = Trials(data.labels) if data.labels and tries_cleaning(config) else None
    on_mask = trials.add if trials else None
    model = load_model(run.path)
    # The masks come last: their summary says that all is measured.
    for part, place in reversed(places_of(model.spec, run.test).items()):
        measure(model, data, place, config=config, part=part, on_mask=on_mask)
    if trials:
        trials.write(trials_of(run))
