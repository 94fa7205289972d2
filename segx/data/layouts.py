"""From what lies on disk to cases: folders, class folders, nnU-Net's or a manifest."""

import logging
from pathlib import Path

from segx.config import DataConfig
from segx.data.case import SPLIT_FOLDERS, Case, Layout, Task, folder_beside
from segx.data.folders import read_class_folders, read_image_folders
from segx.data.manifest import read_manifest
from segx.data.nnunet import is_nnunet, read_nnunet
from segx.data.patients import with_patients
from segx.errors import DataError

__all__ = ["Case", "Layout", "find_layout", "guess_task", "read_layout"]

logger = logging.getLogger(__name__)


def read_layout(data: DataConfig, *, task: Task) -> Layout:
    """Find the cases of a data set, all of whose files are there.

    Raises:
        DataError: If the root is missing or holds another layout.
        DefectsError: With all missing, surplus and doubled files.
    """
    layout = find_layout(data, task=task)
    layout.refuse_defects()
    return layout


def find_layout(data: DataConfig, *, task: Task) -> Layout:
    """Find the cases of a data set; files are listed, none is opened.

    What is wrong with the list is among the findings, and the other cases go on.

    A manifest is read if `data.manifest` names one; both tasks at once need it.
    Otherwise segmentation expects `images/` beside `masks/`, detection `images/`, with
    instance masks beside it or a file of boxes, and classification a folder per class;
    each may stand in `train/`, `val/` (or `valid/`,
    `validation/`) and `test/`. A folder with `dataset.json` and `imagesTr/` is read as
    a raw data set of nnU-Net.

    Raises:
        DataError: If the root is missing or holds another layout, or the pattern of
            patients does not match every name.
    """
    root = data.root
    if root is not None and not root.is_dir():
        raise DataError(f"data.root {root} is no folder. Name the data set's folder.")
    try:
        layout = with_patients(_read(root, data, task), data.patient_pattern)
    except OSError as error:
        raise DataError(f"The data set can't be listed: {error}.") from error
    for note in layout.notes:
        logger.info(note)
    return layout


def _read(root: Path | None, data: DataConfig, task: Task) -> Layout:
    """Read the layout that the config asks for."""
    if data.manifest is not None:
        return read_manifest(data, task=task)
    if task == "multitask":
        raise DataError(
            "Masks and classes together are told by a CSV file: set data.manifest. It "
            "has the columns image, mask and label (data.columns gives them other "
            "names); a cell of mask or label may be empty."
        )
    if root is None:
        raise DataError("No data set is given. Set data.root to its folder.")
    if task == "segmentation" and is_nnunet(root):
        return read_nnunet(root)
    if task != "classification":
        return read_image_folders(root, data, beside=folder_beside(data, task))
    return read_class_folders(root, data)


def guess_task(data: DataConfig) -> Task:
    """What a data set is for, by its layout: masks tell segmentation.

    A manifest is read as segmentation; say otherwise where it has no masks.
    """
    if data.manifest is not None or data.root is None or is_nnunet(data.root):
        return "segmentation"
    places = (data.root, *(data.root / name for name in SPLIT_FOLDERS))
    with_images = any((place / "images").is_dir() for place in places)
    return "segmentation" if with_images else "classification"
