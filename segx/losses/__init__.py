"""How far a prediction is from the truth, as one differentiable number.

Every loss takes logits of any float type and computes in float32, leaves ignored
pixels out, stays finite when a class, a whole batch or all of the truth is missing,
and treats one sigmoid logit exactly as the softmax over two logits.
"""

from segx.losses.balance import TaskBalance
from segx.losses.classes import ClassCE, ClassificationLoss
from segx.losses.combined import DeepSupervision, DiceCE, shrink_target
from segx.losses.loss import SegmentationLoss
from segx.losses.pixelwise import BCE, CE, Focal
from segx.losses.regionwise import Dice, Lovasz, Tversky

__all__ = [
    "BCE",
    "CE",
    "CLASS_LOSSES",
    "LOSSES",
    "ClassCE",
    "ClassificationLoss",
    "DeepSupervision",
    "Dice",
    "DiceCE",
    "Focal",
    "Lovasz",
    "SegmentationLoss",
    "TaskBalance",
    "Tversky",
    "shrink_target",
]

LOSSES: dict[str, type[SegmentationLoss]] = {
    "DiceCE": DiceCE,
    "Dice": Dice,
    "CE": CE,
    "BCE": BCE,
    "Focal": Focal,
    "Tversky": Tversky,
    "Lovasz": Lovasz,
}
"""The losses of masks, by the name that a config gives them."""

CLASS_LOSSES: dict[str, type[ClassificationLoss]] = {"CE": ClassCE}
"""The losses of whole images' classes, by the name that a config gives them."""
