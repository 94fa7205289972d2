"""The encoder laid bare: what it is made of, what it costs, and whether it is so."""

from segx.models.anatomy.blocks import (
    Anatomy,
    Block,
    Convolution,
    Layer,
    Skip,
    folded,
)
from segx.models.anatomy.claims import claims_of
from segx.models.anatomy.dissect import dissect
from segx.models.anatomy.laws import Claim
from segx.models.anatomy.paper import PAPER_SIZE, with_classifier
from segx.models.anatomy.twin import standard_twin

__all__ = [
    "PAPER_SIZE",
    "Anatomy",
    "Block",
    "Claim",
    "Convolution",
    "Layer",
    "Skip",
    "claims_of",
    "dissect",
    "folded",
    "standard_twin",
    "with_classifier",
]
