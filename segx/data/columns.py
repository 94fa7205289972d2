"""Which columns of a manifest hold what."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from segx.config import ColumnsConfig, DataConfig, did_you_mean
from segx.data.case import Task, folder_beside
from segx.data.table import Table
from segx.errors import DataError

__all__ = ["Columns", "match_columns"]


@dataclass(frozen=True)
class Columns:
    """The columns to read; nothing where the manifest has none."""

    masks: tuple[str | None, ...]
    """No mask, one a column; ``None`` stands for the image's stem in masks/."""
    planes: tuple[str, ...] | None
    label: str | None
    patient: str | None
    split: str | None
    tags: tuple[str, ...]
    """A column of 0 and 1 for each class, where an image may be of several."""
    may_lack: bool
    """Whether a row may go without mask or without label."""

    @property
    def labels(self) -> tuple[str, ...]:
        """The columns that tell classes."""
        return self.tags if self.label is None else (self.label,)

    def fit(self, masks: Sequence[Path]) -> bool:
        """Whether these are all the masks of a row."""
        return len(masks) == len(self.masks) or (self.may_lack and not masks)


def match_columns(
    table: Table, data: DataConfig, *, task: Task, manifest: Path
) -> Columns:
    """Match the config's column names with the header.

    A column that the config names itself must be there; one that goes by its default
    name may be missing, unless the task can't do without.

    Raises:
        DataError: If a column is missing, or the names don't fit the config.
    """
    given = data.columns

    def column(key: str, name: str, *, needed: bool = False) -> str | None:
        if name in table.header:
            return name
        if needed or name != ColumnsConfig.model_fields[key].default:
            raise DataError(
                f"{manifest} has no column {name!r}; its columns are "
                f"{', '.join(table.header)}. {did_you_mean(name, table.header)} Set "
                f"data.columns.{key}."
            )
        return None

    named = given.mask
    masks: tuple[str | None, ...] = ()
    planes = None
    has_masks = folder_beside(data, task) is not None
    if has_masks and isinstance(named, str):
        masks = (column("mask", named),)
    elif has_masks:
        masks = tuple(column("mask", name, needed=True) for name in named)
        planes = data.classes or tuple(named)
    _check_kind(data, masks, planes)
    several = () if isinstance(given.label, str) else given.label
    for name in several:
        column("label", name, needed=True)
    return Columns(
        masks=masks,
        planes=planes,
        label=column(
            "label", given.label, needed=task in {"classification", "multitask"}
        )
        if isinstance(given.label, str)
        else None,
        patient=column("patient", given.patient),
        split=column("split", given.split),
        tags=several,
        may_lack=task == "multitask",
    )


def _check_kind(
    data: DataConfig, masks: Sequence[str | None], planes: Sequence[str] | None
) -> None:
    """Several mask columns are a multilabel mask, one is any other."""
    several = planes is not None
    if masks and data.mask_kind not in {
        "auto",
        *(["multilabel"] if several else ["binary", "multiclass"]),
    }:
        raise DataError(
            f"data.mask_kind is {data.mask_kind}, but data.columns.mask is "
            f"{data.columns.mask!r}. Multilabel masks need a list with a column for "
            "each class, other masks need one column."
        )
    if planes is not None and len(planes) != len(masks):
        raise DataError(
            f"data.classes names {len(planes)} classes and data.columns.mask "
            f"{len(masks)} columns. Name one class for each column."
        )
