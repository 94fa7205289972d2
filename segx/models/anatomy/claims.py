"""Everything that is claimed of an encoder, and whether it is found so."""

from segx.models.anatomy.blocks import Anatomy
from segx.models.anatomy.laws import Claim, laws
from segx.models.anatomy.paper import paper_claims

__all__ = ["claims_of"]


def claims_of(anatomy: Anatomy) -> list[Claim]:
    """The laws of all encoders; for Chollet's, what his paper says of it goes first.

    Args:
        anatomy: Of an image of `PAPER_SIZE`, which the paper speaks of.
    """
    said = paper_claims(anatomy) if anatomy.encoder == "legacy_xception" else ()
    return [*said, *laws(anatomy)]
