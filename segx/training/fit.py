"""The story of a training: check, read the data, build, learn, keep."""

import json
import time
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path

import pytorch_lightning as pl

from segx.artifact import check_model
from segx.atomic import write_text
from segx.config import FitConfig
from segx.data.datamodule import SegxDataModule
from segx.data.splits_file import refuse_trained_images
from segx.data.workers import release_loaders
from segx.errors import ConfigError, DataError, SegxError
from segx.metrics.case_boxes import check_counting
from segx.pretrained import Transfer, check_source, load_weights
from segx.spec import ModelSpec
from segx.training.budget import Budget, BudgetPlanner, Plan, open_ended, planned
from segx.training.changes import check_changes
from segx.training.checkpointing import last_valid
from segx.training.classification import ClassificationTask
from segx.training.detection import DetectionTask
from segx.training.learner import Learner
from segx.training.loss_choice import balanced, check_loss
from segx.training.monitor import check_monitor
from segx.training.multitask import MultiTask
from segx.training.optim import check_optimizer
from segx.training.processes import is_first, only_first_speaks
from segx.training.run import RunFolder
from segx.training.task import SegmentationTask
from segx.training.trainer import build_trainer, check_loggers, trainer_options

__all__ = ["check_training", "fit"]


def fit(
    config: FitConfig,
    run: RunFolder,
    *,
    budget_s: float | None = None,
    started: float | None = None,
    resume: bool = False,
    progress: bool = True,
) -> bool:
    """Train the network that a config describes and fill a run folder.

    Args:
        config: What to train, on what.
        run: Where everything goes.
        budget_s: Seconds that the training may take; the number of steps follows.
        started: Since when they count, by `time.monotonic`; None: from now on.
        resume: Go on from the run's last checkpoint.
        progress: Show a progress bar.

    Returns:
        False if the run to go on with was finished already: nothing was done.

    Raises:
        ConfigError: If the config asks for what can't work.
        DataError: If the data set has a defect.
        TrainingError: If the run exists already, there is nothing to resume, or the
            loss stops being a number.
        KeyboardInterrupt: After Ctrl-C, when the batch is finished and kept.
        SystemExit: With 143 after SIGTERM, likewise.
    """
    started = time.monotonic() if started is None else started
    only_first_speaks()
    check_training(config)
    check_monitor(config)
    with ExitStack() as held:
        start = _go_on(config, run, held) if resume else _begin(config, run, budget_s)
        if start.budget is not None and start.budget.plan is None:
            config = open_ended(config)
        pl.seed_everything(config.seed, workers=True, verbose=False)
        recorded = run.recorded if resume else None
        data = SegxDataModule.from_config(config, recorded=recorded)
        task = _build_task(config, data)
        check_monitor(config, labels=task.spec.labels)
        if resume:
            data.check_splits(run.splits)
        transfer = None if resume else _transfer(config, task, data)
        planner = _planner(start.budget, started, config, run=run, data=data, task=task)
        if not resume and is_first():
            # Only now: what failed before leaves no folder that would be in the way.
            held.enter_context(run.alone())
        _write_down(run, config, data, transfer, is_new=not resume)
        trainer = build_trainer(
            config, run, data, first_step=start.step, planner=planner, progress=progress
        )
        _learn(trainer, task, data, start.checkpoint)
    return trainer.global_step != (start.step or 0)


def check_training(config: FitConfig) -> None:
    """Refuse what can't work before any data are read.

    Raises:
        ConfigError: With the key, the value and what is allowed.
        MissingExtraError: If a package is needed that is not installed.
    """
    check_model(config.model, task=config.task)
    check_loss(config.model.loss, task=config.task)
    if config.task == "detection":
        check_counting()
    check_optimizer(config.training.optimizer)
    trainer_options(config)
    check_loggers(config)
    if config.data.root is None and config.data.manifest is None:
        raise ConfigError("data.root: say where the data set is: --data.root DIR")


@dataclass(frozen=True)
class _Start:
    """What a training starts from.

    Args:
        budget: Its time, if it has one.
        checkpoint: What it goes on from; None for a new run.
        step: Steps made before; None for a new run.
    """

    budget: Budget | None
    checkpoint: Path | None = None
    step: int | None = None


def _begin(config: FitConfig, run: RunFolder, budget_s: float | None) -> _Start:
    """Refuse a run that exists, and weights to start from that do not."""
    if is_first():
        run.refuse_existing()
    if config.model.init_from is not None:
        check_source(config.model.init_from)
    return _Start(None if budget_s is None else Budget(budget_s))


def _go_on(config: FitConfig, run: RunFolder, held: ExitStack) -> _Start:
    """Hold the run, so that no other process changes it, and read its state."""
    if is_first() and run.goes_on:
        held.enter_context(run.alone())
    checkpoint, content = last_valid(run)
    check_changes(config, run)
    return _Start(Budget.in_checkpoint(content), checkpoint, content["global_step"])


def _build_task(config: FitConfig, data: SegxDataModule) -> Learner:
    """The module that learns, with random weights."""
    classes = data.class_labels
    spec = ModelSpec(
        task=config.task,
        encoder=config.model.encoder,
        decoder=config.model.decoder if data.labels else None,
        detector=config.model.detector,
        head=config.model.head,
        in_channels=data.channels,
        axis=config.data.axis,
        neighbours=config.data.neighbours,
        labels=data.boxes.labels if data.boxes else data.labels,
        class_names=classes.names if classes else None,
        class_kind=data.layout.class_kind,
        intensity=data.intensity,
        resize=(data.resize.rows, data.resize.cols) if data.resize else None,
        inference=config.inference,
    )
    loss, training = config.model.loss, config.training
    planes = data.planes_of(data.splits.val)
    if data.boxes is not None:
        return DetectionTask(
            spec, loss=loss, training=training, validation_cases=len(planes)
        )
    if classes is None:
        return SegmentationTask(
            spec, loss=loss, training=training, validation_planes=planes
        )
    loss = balanced(loss, classes, data.splits.train)
    if data.labels is None:
        return ClassificationTask(
            spec, loss=loss, training=training, validation_cases=len(planes)
        )
    return MultiTask(spec, loss=loss, training=training, validation_planes=planes)


def _transfer(
    config: FitConfig, task: Learner, data: SegxDataModule
) -> Transfer | None:
    """Start from other weights, if the config names any.

    Raises:
        DefectsError: If they were trained on a case that is a test case here.
    """
    source = config.model.init_from
    if source is None:
        return None
    path = Path(source)
    run = RunFolder(path.parent.parent if path.suffix == ".ckpt" else path)
    if run.recorded is not None:
        refuse_trained_images(run.recorded, data.splits)
    whole = config.model.init_scope == "all"
    return load_weights(task.network, source, whole=whole)


def _write_down(
    run: RunFolder,
    config: FitConfig,
    data: SegxDataModule,
    transfer: Transfer | None,
    *,
    is_new: bool,
) -> None:
    """Keep what the run is made of; the first process does."""
    if not is_first():
        return
    if is_new:
        run.create()
        data.write_splits(run.splits)
    run.write_config(config)
    if transfer is not None:
        write_text(run.transfer, json.dumps(asdict(transfer), indent=2) + "\n")


def _planner(
    budget: Budget | None,
    started: float,
    config: FitConfig,
    *,
    run: RunFolder,
    data: SegxDataModule,
    task: Learner,
) -> BudgetPlanner | None:
    """What sets a training's length from the first steps' time, if a budget does."""
    if budget is None:
        return None
    gathered = max(1, config.trainer.get("accumulate_grad_batches", 1))

    def keep(trainer: pl.Trainer, plan: Plan) -> None:
        task.schedule.total_steps = plan.steps
        task.limit_validation(data.validation_batches(plan.validation_share))
        trainer.fit_loop.epoch_loop.max_steps = plan.steps
        trainer.val_check_batch = plan.interval * gathered
        if trainer.is_global_zero:
            run.write_config(planned(config, plan))

    # A forward pass is about a third of a step.
    passes = data.validation_pixels / (3 * data.pixels_per_step * gathered)
    return BudgetPlanner(
        budget,
        started=started,
        warmup_steps=config.training.warmup_steps,
        validation_steps=passes,
        on_plan=keep,
    )


def _learn(
    trainer: pl.Trainer,
    task: Learner,
    data: SegxDataModule,
    checkpoint: Path | None,
) -> None:
    """Train; what a loading process meets comes out as an error of ours.

    Raises:
        DataError: If a loading process dies; what it had in hand is named.
    """
    try:
        trainer.fit(task, datamodule=data, ckpt_path=checkpoint)
    except ValueError as error:
        if "val_check_interval" not in str(error):
            raise
        raise ConfigError(
            f"trainer.val_check_interval: an epoch has {data.steps_per_epoch} batches, "
            "and none ends with a validation. Take fewer, or let epochs not matter: "
            "--trainer.check_val_every_n_epoch null"
        ) from error
    except SystemExit as stop:
        # Lightning turns Ctrl-C into an exit with 1; callers expect 130.
        if stop.code == 1:
            raise KeyboardInterrupt from stop
        raise
    except SegxError as error:
        # From a loading process it comes as text, below a traceback.
        name = f"{type(error).__module__}.{type(error).__qualname__}: "
        _, below, message = str(error).rpartition(name)
        if not below:
            raise
        raise type(error)(message.strip()) from error
    except RuntimeError as error:
        if "DataLoader worker" not in str(error):
            raise
        held = ", ".join(data.cases_in_hand) or "no example"
        raise DataError(
            f"A process that loads training examples died ({error}). In hand: {held}. "
            "Did memory run out? Take fewer processes (--data.workers 0) or keep less "
            "in memory (--data.cache_mib 0), or look at the files with segx check."
        ) from error
    finally:
        release_loaders()
