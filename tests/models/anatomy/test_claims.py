"""Sound encoders pass every claim; one built wrongly fails the claim that says so."""

import pytest

from segx.models.anatomy import PAPER_SIZE, Claim, claims_of, dissect
from segx.models.encoder import ENCODERS, XceptionEncoder, can_dilate
from tests.models.anatomy.mutants import MUTANTS, mutant


@pytest.fixture(scope="module")
def legacy() -> XceptionEncoder:
    return XceptionEncoder("legacy_xception", 3)


def failing(encoder: XceptionEncoder) -> list[Claim]:
    return [item for item in claims_of(dissect(encoder)) if not item.holds]


def test_chollets_encoder_is_what_his_paper_says(legacy: XceptionEncoder) -> None:
    anatomy = dissect(legacy, PAPER_SIZE)
    claims = claims_of(anatomy)
    assert [item for item in claims if not item.holds] == []
    assert sum(bool(item.source) for item in claims) == 10
    assert anatomy.parameters == 20_806_952
    assert [len(blocks) for blocks in anatomy.flows.values()] == [4, 8, 2]


@pytest.mark.parametrize("name", MUTANTS)
def test_a_wrong_encoder_fails_the_claim_that_says_so(
    legacy: XceptionEncoder, name: str
) -> None:
    mutation, text, found = MUTANTS[name]
    named = [item for item in failing(mutant(legacy, mutation)) if text in item.text]
    assert len(named) == 1
    assert found in named[0].found
    assert named[0].found != named[0].expected


@pytest.mark.parametrize("channels", [1, 2, 5])
def test_claims_hold_for_any_number_of_channels(channels: int) -> None:
    assert failing(XceptionEncoder("xception_narrow", channels)) == []


@pytest.mark.parametrize("stride", [8, 16, 32])
def test_claims_hold_for_every_output_stride(stride: int) -> None:
    encoder = XceptionEncoder("xception_narrow", 3, output_stride=stride)
    assert failing(encoder) == []


@pytest.mark.slow
@pytest.mark.parametrize("name", ENCODERS)
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_claims_hold_for_every_encoder(name: str, channels: int) -> None:
    strides = (8, 16, 32) if can_dilate(name) and channels == 3 else (32,)
    for stride in strides:
        assert failing(XceptionEncoder(name, channels, output_stride=stride)) == []
