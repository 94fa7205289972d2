"""A config for a data set: looked at, decided key by key, its batch measured."""

import math
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from segx.config import Advice, FitConfig, advised_config, commented_yaml, with_given
from segx.data.check import Progress
from segx.data.choices import advise_axis, advise_data, percent
from segx.data.defects import plural
from segx.data.fingerprint import Fingerprint, take_fingerprint
from segx.data.layouts import guess_task
from segx.data.modality import guess_modality
from segx.errors import ConfigError
from segx.geometry import Extent
from segx.models.encoder import encoder_normalisation
from segx.scans import Intensity
from segx.spec import ModelSpec
from segx.training.fit import check_training
from segx.training.monitor import check_monitor
from segx.training.plan import StepCost, choose_batch, device_of, measure_steps

__all__ = ["choose_class_weights", "choose_steps", "propose"]

Given = Sequence[tuple[str, Any]]
"""Keys and values that a user has decided."""

_CLASSIFIED_BATCH = 16
_STEP_PIXELS = 8 * 192 * 192
"""Of the crops in a step of the stock configs: many small ones teach more than few
large ones."""
_FEWEST_EPOCHS = 10
_UNEVEN = 1.5
_UNEVEN_PIXELS = 10.0
_HEAVIEST = 10.0
_WIDTH = 86


def propose(
    root: Path,
    given: Given,
    *,
    name: str,
    limit_s: float,
    progress: Progress | None = None,
) -> str:
    """Write a config for a data set.

    Args:
        root: Folder of the data set.
        given: Keys whose values are decided already; the rest is fitted to them.
        name: What the config will be called.
        limit_s: Seconds that measuring training steps may take; 0 measures nothing.
        progress: Told how many cases are read, of how many.

    Returns:
        YAML with the reason for each value in a comment.

    Raises:
        ConfigError: If a given key or value is not allowed, or two tasks are asked for.
        DataError: If the data set has a defect; all of them are listed.
    """

    def settled(advice: Iterable[Advice]) -> FitConfig:
        return advised_config(with_given(advice, given), name=name)

    known = settled([Advice("data.root", str(root.resolve()), "")])
    if not any(key == "task" for key, _ in given):
        known = known.model_copy(update={"task": guess_task(known.data)})
    stock = {"multitask": "multitask", "detection": "faster_rcnn"}.get(known.task)
    if stock is not None:
        raise ConfigError(
            "segx init fits a config to one task: --task segmentation or "
            f"classification. For {known.task} start from a stock config: segx fit -c "
            f"{stock}"
        )
    found = _fingerprint(known, progress)
    axis = advise_axis(found)
    turned = settled(axis).data.axis
    if turned != known.data.axis:
        data = known.data.model_copy(update={"axis": turned})
        found = _fingerprint(known.model_copy(update={"data": data}), progress)
    advice = _advise(known, found, axis)
    config = settled(advice)
    check_training(config)
    costs = _costs(config, found, limit_s=limit_s)
    advice.append(_batch(config, found, costs))
    advice += _length(settled(advice), found, costs)
    check_monitor(settled(advice))
    heading = _heading(root, name, found)
    return commented_yaml(with_given(advice, given), heading=heading)


def choose_steps(cases: int) -> int:
    """Training steps for so many cases: more for larger sets, but not in proportion.

    Examples:
        >>> [choose_steps(cases) for cases in (4, 50, 200, 100_000)]
        [1000, 2000, 4000, 20000]
    """
    return round(min(20_000.0, max(1000.0, 2000 * math.sqrt(cases / 50))))


def choose_class_weights(
    fractions: Mapping[str, float], *, power: float = 1.0
) -> list[float]:
    """One weight a class, of mean 1: the rarer, the heavier, up to ten times.

    A class that is not there weighs as much as the commonest: it can't be learnt.

    Args:
        fractions: Share of each class, at least one above 0.
        power: 1 lets all classes count alike; 0.5 goes half of the way.

    Examples:
        >>> choose_class_weights({"healthy": 0.8, "ill": 0.2})
        [0.4, 1.6]
    """
    commonest = max(fractions.values())
    raw = [
        min((commonest / share) ** power, _HEAVIEST) if share else 1.0
        for share in fractions.values()
    ]
    mean = sum(raw) / len(raw)
    return [round(weight / mean, 2) for weight in raw]


def _fingerprint(config: FitConfig, progress: Progress | None) -> Fingerprint:
    return take_fingerprint(
        config.data, task=config.task, seed=config.seed, progress=progress
    )


def _advise(
    known: FitConfig, found: Fingerprint, axis: Sequence[Advice]
) -> list[Advice]:
    """Everything but the batch and the length."""
    what = "there are masks" if found.labels else "a class for each image"
    return [
        Advice("task", known.task, what),
        *_model(found),
        Advice("data.root", str(known.data.root), ""),
        *axis,
        *advise_data(found),
    ]


def _model(found: Fingerprint) -> list[Advice]:
    """The network and its loss."""
    weights = "random; imagenet learns faster (fetched once over the network)"
    start = Advice("model.init_from", None, weights)
    if found.labels is not None:
        decoder = Advice("model.decoder", "UNet", "others: segx decoders")
        return [start, decoder, _mask_loss(found)]
    return [
        start,
        Advice("model.decoder", None, "a classifier has none"),
        Advice("model.head.dropout", 0.2, "classifiers soon know images by heart"),
        _class_loss(found),
    ]


def _mask_loss(found: Fingerprint) -> Advice:
    """Dice with cross-entropy; rare classes weigh more among common ones."""
    if found.imbalance < _UNEVEN_PIXELS:
        reason = f"heeds small classes, too: the rarest has {percent(found.rarest)}"
        return Advice("model.loss", "DiceCE", reason)
    foreground = found.labels.foreground if found.labels else ()
    shares = {name: found.class_fractions[name] for name in foreground}
    background = [1.0] * (len(found.class_names) - len(foreground))
    weights = background + choose_class_weights(shares, power=0.5)
    reason = f"the commonest class has {found.imbalance:.0f} times the rarest's pixels"
    return Advice("model.loss", {"name": "DiceCE", "class_weights": weights}, reason)


def _class_loss(found: Fingerprint) -> Advice:
    """Cross-entropy; rare classes weigh more where they are uneven."""
    if found.class_kind == "multilabel":
        return Advice("model.loss", "CE", "a sigmoid a class: there may be several")
    reason = f"the commonest class has {found.imbalance:.1f} times the rarest's images"
    if found.imbalance < _UNEVEN:
        return Advice("model.loss", "CE", reason)
    weights = choose_class_weights(found.class_fractions)
    return Advice("model.loss", {"name": "CE", "class_weights": weights}, reason)


def _costs(
    config: FitConfig, found: Fingerprint, *, limit_s: float
) -> tuple[StepCost, ...]:
    """What steps cost here, if it may be measured and is of use."""
    if limit_s <= 0:
        return ()
    mean, std = encoder_normalisation(config.model.encoder.name)
    segments = config.task == "segmentation"
    channels = found.channels * (2 * config.data.neighbours + 1)
    spec = ModelSpec(
        task=config.task,
        encoder=config.model.encoder,
        decoder=config.model.decoder if segments else None,
        head=config.model.head,
        in_channels=channels,
        labels=found.labels,
        class_names=None if segments else found.class_names,
        class_kind=found.class_kind,
        intensity=Intensity.for_dtype("uint8", channels, mean=mean, std=std),
        resize=None,
        inference=config.inference,
    )
    extent = _example_extent(config, found)
    least = _least_batch(config, found)
    return measure_steps(spec, config, extent=extent, least=least, limit_s=limit_s)


def _example_extent(config: FitConfig, found: Fingerprint) -> Extent:
    """Size of a training example."""
    if config.task == "segmentation" and config.data.crop is not None:
        return Extent(*config.data.crop)
    if isinstance(config.data.resize, tuple):
        return Extent(*config.data.resize)
    return found.median_size


def _least_batch(config: FitConfig, found: Fingerprint) -> int:
    """The power of 2, from 2 to 16, that comes nearest to the stock configs' step."""
    if config.task != "segmentation":
        return _CLASSIFIED_BATCH
    fitting = _STEP_PIXELS / _example_extent(config, found).pixels
    return min(max(2, 1 << max(0, round(math.log2(fitting)))), 16)


def _batch(config: FitConfig, found: Fingerprint, costs: Sequence[StepCost]) -> Advice:
    """The batch size, from what was measured."""
    if not costs:
        least = _least_batch(config, found)
        return Advice("data.batch_size", least, "unsure: it was not measured")
    chosen = choose_batch(costs)
    device, precision = device_of(config)
    times = ", ".join(f"{cost.image_s:.2g} with {cost.batch_size}" for cost in costs)
    reason = f"s an image, measured here ({device}, {precision.name}): {times}"
    if chosen.memory_bytes is not None:
        reason += f"; takes {chosen.memory_bytes / 2**30:.1f} GiB"
    return Advice("data.batch_size", chosen.batch_size, reason)


def _length(
    config: FitConfig, found: Fingerprint, costs: Sequence[StepCost]
) -> list[Advice]:
    """How long to train, and how."""
    cases, size = _learnt_from(config, found), config.data.batch_size
    planes = cases * sum(found.planes) // len(found.planes)
    epoch = max(planes // size, config.data.steps_per_epoch)
    epochs = max(_FEWEST_EPOCHS, math.ceil(choose_steps(cases) / epoch))
    reason = f"epochs of {epoch} steps, for {cases} cases to learn from"
    cost = next((cost for cost in costs if cost.batch_size == size), None)
    if cost is not None:
        minutes = epochs * epoch * cost.seconds / 60
        reason += (
            f": about {_duration(minutes)} here, {cost.seconds:.2g} s a step, and the "
            "validations; segx fit --budget 30m makes it half an hour"
        )
    advice = [Advice("trainer.max_epochs", epochs, reason)]
    if config.task == "classification":
        optimizer = {"name": "AdamW", "lr": 0.001, "weight_decay": 0.01}
        advice = [
            Advice("training.optimizer", optimizer, "a lower rate than for masks"),
            Advice("training.monitor", "val/auroc", "the best checkpoint is chosen by"),
            *advice,
        ]
    clip = "so that one odd batch undoes little"
    return [*advice, Advice("trainer.gradient_clip_val", 1.0, clip)]


def _learnt_from(config: FitConfig, found: Fingerprint) -> int:
    """Cases that are left to learn from when the shares to hold out are drawn."""
    drawn = 0.0 if found.cases["val"] else config.data.validation_split
    drawn += 0.0 if found.cases["test"] else config.data.test_split
    return max(1, round(found.cases["train"] * (1 - drawn)))


def _duration(minutes: float) -> str:
    """Minutes or hours, for people.

    Examples:
        >>> _duration(12.3), _duration(200)
        ('12 min', '3.3 h')
    """
    return f"{minutes:.0f} min" if minutes < 90 else f"{minutes / 60:.1f} h"


def _heading(root: Path, name: str, found: Fingerprint) -> list[str]:
    """What was seen, and what to type next."""
    count, guess = found.cases, guess_modality(found)
    size = f"{found.median_size} px (median)"
    if found.has_volumes:
        size = f"{sum(found.planes) // len(found.planes)} planes of {size}"
    seen = (
        f"{root.name}: {count['train']} cases to learn from, {count['val']} to "
        f"validate, {count['test']} to test; {size}; "
        f"{plural(found.channels, 'channel')} of {found.dtype}; {guess} ({guess.sign})."
    )
    return [
        *textwrap.wrap(seen, _WIDTH),
        "Written by segx init from the data; any value can be changed.",
        f"  segx fit -c {name}",
    ]
