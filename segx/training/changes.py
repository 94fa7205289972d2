"""A run that goes on with another config: what may differ, and what must not."""

import logging
from typing import Any

from segx.config import FitConfig
from segx.errors import TrainingError
from segx.training.run import RunFolder

__all__ = ["SURROUNDINGS", "changes_between", "check_changes"]

logger = logging.getLogger(__name__)

SURROUNDINGS = frozenset(
    {
        "data.cache_mib",
        "data.workers",
        "training.logger",
        "training.overlays",
        "trainer.accelerator",
        "trainer.benchmark",
        "trainer.deterministic",
        "trainer.devices",
        "trainer.log_every_n_steps",
        "trainer.num_nodes",
        "trainer.precision",
        "trainer.profiler",
        "trainer.strategy",
    }
)
"""Keys of what changes neither what is learnt nor for how long."""

# A run may become longer; and its data may have been moved: splits.csv tells whether
# they are the same.
_FREE = SURROUNDINGS | {
    "data.manifest",
    "data.root",
    "training.early_stopping",
    "trainer.check_val_every_n_epoch",
    "trainer.max_epochs",
    "trainer.max_steps",
    "trainer.max_time",
    "trainer.val_check_interval",
}
_NOTHING = "not set"


def check_changes(config: FitConfig, run: RunFolder) -> None:
    """Hold a config against the one that a run was started with, key by key.

    What may change is noted.

    Raises:
        TrainingError: If the model, the data, the loss, the seed or anything else would
            change that the weights depend on; each key is named with both values.
    """
    changes = changes_between(run.read_config(), config)
    # Without its steps, a run that a budget planned would have another schedule.
    lost = "trainer.max_steps" if "max_steps" not in config.trainer else None
    refused = [text for key, text in changes.items() if key not in _FREE or key == lost]
    if refused:
        raise TrainingError(
            "\n  ".join([f"{run.path} was started with another config:", *refused])
            + f"\nGo on with its own: segx fit {run.arguments} --ckpt_path last; or "
            "start another run with another --name."
        )
    for text in changes.values():
        logger.info("Goes on with another config than before: %s", text)


def changes_between(before: FitConfig, now: FitConfig) -> dict[str, str]:
    """What differs between two configs: both values in words, by dotted key."""
    old, new = _flat(_plain(before)), _flat(_plain(now))
    return {
        key: f"{key}: {old.get(key, _NOTHING)} → {new.get(key, _NOTHING)}"
        for key in sorted(old.keys() | new.keys())
        if old.get(key) != new.get(key)
    }


def _plain(config: FitConfig) -> dict[str, Any]:
    return config.model_dump(mode="json")


def _flat(tree: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Leaves by their dotted keys; a key without a value is none."""
    leaves: dict[str, Any] = {}
    for key, value in tree.items():
        if isinstance(value, dict):
            leaves |= _flat(value, f"{prefix}{key}.")
        elif value is not None:
            leaves[f"{prefix}{key}"] = value
    return leaves
