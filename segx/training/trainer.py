"""Lightning's Trainer as a config asks for it: precision, callbacks, loggers."""

import logging
import warnings
from importlib.util import find_spec
from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.loggers import Logger, TensorBoardLogger
from pytorch_lightning.strategies import DDPStrategy
from pytorch_lightning.utilities.exceptions import (  # type: ignore[attr-defined]
    MisconfigurationException,
)

from segx.config import Choice, FitConfig, typed_options
from segx.data.datamodule import SegxDataModule
from segx.environment import choose_precision
from segx.errors import ConfigError, MissingExtraError
from segx.extras import install_extra
from segx.training.budget import BudgetPlanner
from segx.training.callbacks import LastStep, Overlays, Progress, Resumed, Speed
from segx.training.checkpointing import AtomicCheckpoints, BestCheckpoint
from segx.training.guards import (
    Collapse,
    FiniteLoss,
    UnseenClasses,
    warn_of_repeats,
)
from segx.training.metrics_log import MetricsCsv
from segx.training.monitor import Patience
from segx.training.resume import LastCheckpoint, SeededSteps
from segx.training.run import RunFolder
from segx.training.statistics import FairStatistics

__all__ = ["build_trainer", "check_loggers", "trainer_options"]

logger = logging.getLogger(__name__)

# One device: every process repeats the command, which not every command can bear.
_DEFAULTS = {"devices": 1, "log_every_n_steps": 1, "num_sanity_val_steps": 0}
# What segx itself passes to the Trainer.
_OWN_KEYS = (
    "logger",
    "callbacks",
    "plugins",
    "default_root_dir",
    "enable_checkpointing",
    "use_distributed_sampler",
)


def build_trainer(
    config: FitConfig,
    run: RunFolder,
    data: SegxDataModule,
    *,
    first_step: int | None = None,
    planner: BudgetPlanner | None = None,
    progress: bool = True,
) -> pl.Trainer:
    """Build the Trainer of a run.

    Args:
        config: What to train.
        run: Where checkpoints, overlays and logs go.
        data: The data of the run.
        first_step: Step that a run goes on with; None for a new one.
        planner: Sets the length of the training, if a time budget does.
        progress: Show a progress bar.

    Raises:
        ConfigError: If Lightning can't do what is asked for, or processes together.
    """
    options = trainer_options(config)
    precision = choose_precision(
        str(options.pop("precision", None) or "auto"),
        device=str(options.get("accelerator", "auto")),
    )
    logger.info("precision %s: %s", precision.name, precision.reason)
    _quiet_lightning()
    try:
        trainer = pl.Trainer(
            **{**_DEFAULTS, **options},
            precision=precision.name,
            logger=_loggers(config, run, first_step),
            callbacks=[
                *([planner] if planner else []),
                *([] if first_step is None else [Resumed()]),
                *_callbacks(config, run, data),
                *([Progress()] if progress else []),
            ],
            plugins=[AtomicCheckpoints(run)],
            default_root_dir=run.path,
            enable_progress_bar=progress,
            enable_model_summary=False,
            use_distributed_sampler=False,  # the data module shares the work out
        )
    except (MisconfigurationException, ValueError) as error:
        raise ConfigError(f"trainer: {error}") from error
    if config.task == "multitask" and isinstance(trainer.strategy, DDPStrategy):
        # A batch without masks, or without labels, leaves one of the heads out.
        trainer.strategy._ddp_kwargs["find_unused_parameters"] = True  # noqa: SLF001
    _check_processes(config, processes=trainer.world_size)
    planes = sum(data.planes_of(data.splits.train))
    warn_of_repeats(planes, batch=config.data.batch_size * trainer.world_size)
    return trainer


def trainer_options(config: FitConfig) -> dict[str, Any]:
    """The `trainer` section, held against the Trainer's own signature.

    Raises:
        ConfigError: For an unknown key or a value of a wrong type.
    """
    choice = Choice(name="Trainer", options=config.trainer)
    return typed_options(pl.Trainer, choice, key="trainer", supplied=_OWN_KEYS)


def check_loggers(config: FitConfig) -> None:
    """Refuse a logger whose package is not installed.

    Raises:
        MissingExtraError: With what to install.
    """
    if config.training.logger == "tensorboard" and not find_spec("tensorboard"):
        raise MissingExtraError(
            "training.logger tensorboard needs a package that is not installed. "
            f"Install it: {install_extra('tensorboard')}"
        )


def _check_processes(config: FitConfig, *, processes: int) -> None:
    """Refuse what several processes can't do.

    Raises:
        ConfigError: If the encoder is to be thawed: they agree once, at the start, on
            the parameters whose gradients they share.
    """
    frozen = config.training.freeze_encoder
    if processes > 1 and frozen not in {0, "all"}:
        raise ConfigError(
            f"training.freeze_encoder {frozen}: {processes} processes can't thaw an "
            "encoder. Freeze it for all epochs (all) or none (0), or take one process "
            "(--trainer.devices 1)."
        )


def _callbacks(
    config: FitConfig, run: RunFolder, data: SegxDataModule
) -> list[pl.Callback]:
    """What happens beside the steps; Lightning calls the checkpoints last."""
    training = config.training
    present = {name for name, part in data.survey.class_fractions.items() if part}
    callbacks: list[pl.Callback] = [
        SeededSteps(config.seed),
        FairStatistics(),
        Speed(),
        FiniteLoss(run),
        UnseenClasses(data.class_names, data.labels, expected=present),
        Collapse(),
        LastStep(),
    ]
    draws = data.labels is not None or data.boxes is not None
    if draws and training.overlays:
        names = _middle_planes(data, training.overlays)
        callbacks.append(Overlays(run.overlays, names=names))
    if training.early_stopping is not None:
        callbacks.append(
            Patience(training.monitor, validations=training.early_stopping)
        )
    best = BestCheckpoint(run, monitor=training.monitor)
    return [*callbacks, best, LastCheckpoint(run)]


def _middle_planes(data: SegxDataModule, count: int) -> dict[tuple[int, int], str]:
    """Names of the first validation cases, by their number and their middle plane's."""
    number = {case.id: index for index, case in enumerate(data.splits.val)}
    cases = data.val_cases[:count]
    return {
        (number[case.id], planes // 2): case.id
        for case, planes in zip(cases, data.planes_of(cases), strict=True)
    }


def _loggers(config: FitConfig, run: RunFolder, first_step: int | None) -> list[Logger]:
    """metrics.csv always; TensorBoard's files beside it where they are asked for."""
    table = MetricsCsv(run.metrics, first_step=first_step)
    if config.training.logger == "csv":
        return [table]
    board = TensorBoardLogger(
        run.path, name="", version="tensorboard", purge_step=first_step
    )
    return [table, board]


def _quiet_lightning() -> None:
    """Hush Lightning's hints: on loaders, devices and paths segx has decided itself."""
    for name in ("pytorch_lightning", "lightning_fabric"):
        logging.getLogger(name).setLevel(logging.WARNING)
    for module in (r"pytorch_lightning\.", r"lightning_fabric\."):
        warnings.filterwarnings("ignore", module=module)
