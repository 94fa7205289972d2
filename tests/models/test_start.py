"""A random encoder begins as its shortcuts, and its branches learn at once."""

import pytest
import torch

from segx.models.encoder import ENCODERS, XceptionEncoder
from segx.models.start import start_as_shortcuts


def _encoder(name: str) -> XceptionEncoder:
    torch.manual_seed(0)
    encoder = XceptionEncoder(name, 1)
    start_as_shortcuts(encoder)
    return encoder.train()


@pytest.mark.parametrize("name", ENCODERS)
def test_one_scale_a_residual_block_is_zero_and_gets_a_gradient(name: str) -> None:
    encoder = _encoder(name)
    zeros = {
        key: item
        for key, item in encoder.named_parameters()
        if key.endswith("weight") and not item.any()
    }
    blocks = {key.split(".rep.")[0].split(".stack.")[0] for key in zeros}
    residual = {
        key
        for key, module in encoder.named_modules()
        if hasattr(module, "rep")
        or (hasattr(module, "stack") and not getattr(module, "no_skip", False))
    }
    assert len(zeros) == len(residual)
    assert blocks == residual
    sum(f.square().mean() for f in encoder(torch.randn(2, 1, 64, 64))).backward()
    for key, item in zeros.items():
        assert item.grad is not None
        assert item.grad.any(), key


def test_a_block_of_equal_sizes_hands_its_input_on() -> None:
    body = _encoder("legacy_xception").body
    x = torch.randn(2, 728, 5, 5)
    assert torch.equal(body.block6(x), x)


def test_the_tensors_keep_their_names_and_shapes() -> None:
    plain = XceptionEncoder("xception_narrow", 1).state_dict()
    started = _encoder("xception_narrow").state_dict()
    assert {k: v.shape for k, v in plain.items()} == {
        k: v.shape for k, v in started.items()
    }
