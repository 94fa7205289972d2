"""The story of a training: check, read the data, build, learn, keep."""

import logging
import time
import warnings
from importlib.util import find_spec
from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.callbacks import EarlyStopping, ModelCheckpoint
from pytorch_lightning.loggers import Logger, TensorBoardLogger

from segx.artifact import check_model
from segx.config import Choice, FitConfig, typed_options
from segx.data.datamodule import SegxDataModule
from segx.environment import choose_precision
from segx.errors import ConfigError, MissingExtraError, TrainingError
from segx.pretrained import load_encoder_weights
from segx.spec import ModelSpec
from segx.training.budget import BudgetPlanner, Plan, open_ended, planned
from segx.training.callbacks import (
    FiniteLoss,
    LastStep,
    Overlays,
    Progress,
    Speed,
)
from segx.training.checkpointing import AtomicCheckpoints
from segx.training.classification import ClassificationTask
from segx.training.learner import Learner
from segx.training.loss_choice import balanced, check_loss
from segx.training.metrics_log import MetricsCsv
from segx.training.multitask import MultiTask
from segx.training.optim import check_optimizer
from segx.training.run import RunFolder
from segx.training.statistics import FairStatistics
from segx.training.task import SegmentationTask

__all__ = ["check_training", "fit"]

logger = logging.getLogger(__name__)

# What segx itself passes to the Trainer.
_OWN_TRAINER_KEYS = (
    "logger",
    "callbacks",
    "plugins",
    "default_root_dir",
    "enable_checkpointing",
)


def fit(
    config: FitConfig,
    run: RunFolder,
    *,
    budget_s: float | None = None,
    resume: bool = False,
    progress: bool = True,
) -> None:
    """Train the network that a config describes and fill a run folder.

    Args:
        config: What to train, on what.
        run: Where everything goes.
        budget_s: Seconds that the training may take, from now on; the number of
            steps follows from it.
        resume: Go on from the run's last checkpoint.
        progress: Show a progress bar.

    Raises:
        ConfigError: If the config asks for what can't work.
        DataError: If the data set has a defect.
        TrainingError: If the run exists already, there is nothing to resume, or the
            loss stops being a number.
    """
    started = time.monotonic()
    check_training(config)
    if resume:
        _check_resume(config, run)
    else:
        run.refuse_existing()
    if budget_s is not None:
        config = open_ended(config)
    pl.seed_everything(config.seed, workers=True, verbose=False)
    data = SegxDataModule.from_config(config)
    task = _build_task(config, data)
    if resume:
        data.check_splits(run.splits)
    else:
        # Only now: what failed before leaves no folder that would be in the way.
        run.create()
        run.write_config(config)
        data.write_splits(run.splits)
    _quiet_lightning()
    callbacks = _callbacks(config, run, data)
    if budget_s is not None:
        planner = _planner(
            budget_s, started, config=config, run=run, data=data, task=task
        )
        callbacks.insert(0, planner)
    trainer = _build_trainer(config, run, callbacks, progress=progress)
    try:
        trainer.fit(task, datamodule=data, ckpt_path=run.last if resume else None)
    except SystemExit as stop:
        # Lightning turns Ctrl-C into an exit with 1; callers expect 130.
        if stop.code == 1:
            raise KeyboardInterrupt from stop
        raise


def check_training(config: FitConfig) -> None:
    """Refuse what can't work before any data are read.

    Raises:
        ConfigError: With the key, the value and what is allowed.
    """
    check_model(config.model, task=config.task)
    check_loss(config.model.loss, task=config.task)
    check_optimizer(config.training.optimizer)
    _trainer_options(config)
    if config.data.root is None and config.data.manifest is None:
        raise ConfigError("data.root: say where the data set is: --data.root DIR")


def _check_resume(config: FitConfig, run: RunFolder) -> None:
    """A resumed run must have a checkpoint, and the config that it was started with."""
    if not run.last.is_file():
        raise TrainingError(
            f"There is nothing to resume in {run.path}: checkpoints/last.ckpt is "
            "missing. Leave --ckpt_path out to start afresh."
        )
    old = run.read_config().model_dump(mode="json")
    new = config.model_dump(mode="json")
    # How long to train may change; what is trained may not.
    changed = [key for key in old if key != "trainer" and old[key] != new[key]]
    if changed:
        raise TrainingError(
            f"{run.path} was started with another config: {', '.join(changed)} differ. "
            f"Resume with its own: segx fit -c {run.config_file} --name "
            f"{run.path.name} --ckpt_path last"
        )


def _build_task(config: FitConfig, data: SegxDataModule) -> Learner:
    """The module that learns, its encoder started from the weights asked for."""
    classes = data.class_labels
    spec = ModelSpec(
        task=config.task,
        encoder=config.model.encoder,
        decoder=config.model.decoder if data.labels else None,
        head=config.model.head,
        in_channels=data.channels,
        axis=config.data.axis,
        neighbours=config.data.neighbours,
        labels=data.labels,
        class_names=classes.names if classes else None,
        class_kind=data.layout.class_kind,
        intensity=data.intensity,
        resize=(data.resize.rows, data.resize.cols) if data.resize else None,
        inference=config.inference,
    )
    task = _task_of(spec, config, data)
    if config.model.encoder.weights is not None:
        load_encoder_weights(task.network.encoder, config.model.encoder.weights)
    return task


def _task_of(spec: ModelSpec, config: FitConfig, data: SegxDataModule) -> Learner:
    """The module of the config's task."""
    loss, training = config.model.loss, config.training
    planes = data.planes_of(data.splits.val)
    if data.class_labels is None:
        return SegmentationTask(
            spec, loss=loss, training=training, validation_planes=planes
        )
    loss = balanced(loss, data.class_labels, data.splits.train)
    if data.labels is None:
        return ClassificationTask(
            spec, loss=loss, training=training, validation_cases=len(planes)
        )
    return MultiTask(spec, loss=loss, training=training, validation_planes=planes)


def _build_trainer(
    config: FitConfig,
    run: RunFolder,
    callbacks: list[pl.Callback],
    *,
    progress: bool,
) -> pl.Trainer:
    """Lightning's Trainer with our checkpoints, log and precision."""
    options = _trainer_options(config)
    precision = choose_precision(
        str(options.pop("precision", None) or "auto"),
        device=str(options.get("accelerator", "auto")),
    )
    logger.info("precision %s: %s", precision.name, precision.reason)
    return pl.Trainer(
        **{"log_every_n_steps": 1, "num_sanity_val_steps": 0, **options},
        precision=precision.name,
        logger=_loggers(config, run),
        callbacks=[*callbacks, *([Progress()] if progress else [])],
        plugins=[AtomicCheckpoints()],
        default_root_dir=run.path,
        enable_progress_bar=progress,
        enable_model_summary=False,
    )


def _callbacks(
    config: FitConfig, run: RunFolder, data: SegxDataModule
) -> list[pl.Callback]:
    """What happens beside the steps."""
    training = config.training
    callbacks: list[pl.Callback] = [
        *_checkpoints(config, run),
        FairStatistics(),
        Speed(),
        FiniteLoss(),
        LastStep(),
    ]
    if data.labels is not None and training.overlays:
        names = _middle_planes(data, training.overlays)
        callbacks.append(Overlays(run.overlays, names=names))
    if training.early_stopping is not None:
        callbacks.append(
            EarlyStopping(
                training.monitor,
                mode="max",
                patience=training.early_stopping,
                check_finite=False,
                check_on_train_epoch_end=False,
            )
        )
    return callbacks


def _middle_planes(data: SegxDataModule, count: int) -> dict[tuple[int, int], str]:
    """Names of the first validation cases, by their number and their middle plane's."""
    number = {case.id: index for index, case in enumerate(data.splits.val)}
    cases = data.val_cases[:count]
    return {
        (number[case.id], planes // 2): case.id
        for case, planes in zip(cases, data.planes_of(cases), strict=True)
    }


def _checkpoints(config: FitConfig, run: RunFolder) -> list[ModelCheckpoint]:
    best = ModelCheckpoint(
        run.checkpoints,
        filename="best",
        monitor=config.training.monitor,
        mode="max",
        save_weights_only=True,
        enable_version_counter=False,
    )
    last = ModelCheckpoint(
        run.checkpoints,
        filename="last",
        every_n_epochs=1,
        save_on_train_epoch_end=False,
        enable_version_counter=False,
    )
    return [best, last]


def _loggers(config: FitConfig, run: RunFolder) -> list[Logger]:
    """metrics.csv always; TensorBoard's files beside it where they are asked for."""
    table = MetricsCsv(run.metrics)
    if config.training.logger == "csv":
        return [table]
    if not find_spec("tensorboard"):
        raise MissingExtraError(
            "training.logger tensorboard needs a package that is not installed. "
            "Install it: pip install 'segx[tensorboard]'"
        )
    return [table, TensorBoardLogger(run.path, name="", version="tensorboard")]


def _trainer_options(config: FitConfig) -> dict[str, Any]:
    """The `trainer` section, held against the Trainer's own signature."""
    choice = Choice(name="Trainer", options=config.trainer)
    return typed_options(pl.Trainer, choice, key="trainer", supplied=_OWN_TRAINER_KEYS)


def _planner(
    budget_s: float,
    started: float,
    *,
    config: FitConfig,
    run: RunFolder,
    data: SegxDataModule,
    task: Learner,
) -> BudgetPlanner:
    """What sets the length of the training from the first steps' time."""

    def keep(trainer: pl.Trainer, plan: Plan) -> None:
        task.schedule.total_steps = plan.steps
        if isinstance(task, SegmentationTask):
            planes = data.planes_of(data.val_cases)
            fitting = max(1, int(plan.validation_share * len(planes)))
            task.validation_limit = sum(planes[:fitting])
        trainer.fit_loop.epoch_loop.max_steps = plan.steps
        trainer.val_check_batch = plan.interval
        run.write_config(planned(config, plan))

    return BudgetPlanner(
        budget_s,
        started=started,
        warmup_steps=config.training.warmup_steps,
        # A forward pass is about a third of a step.
        validation_steps=data.validation_pixels / (3 * data.pixels_per_step),
        on_plan=keep,
    )


def _quiet_lightning() -> None:
    """Hush Lightning's hints: on loaders, devices and paths segx has decided itself."""
    logging.getLogger("pytorch_lightning").setLevel(logging.WARNING)
    for module in (r"pytorch_lightning\.", r"lightning_fabric\."):
        warnings.filterwarnings("ignore", module=module)
