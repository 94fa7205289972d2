import copy

import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from torch import Tensor

from segx.errors import ModelError
from segx.models.decoders import DECODERS
from segx.models.encoder import XceptionEncoder
from segx.models.network import Network
from tests.models.narrow import decoder_on, narrow_network, unlearnt


def classifier(channels: int = 3) -> Network:
    torch.manual_seed(0)
    return Network(XceptionEncoder("xception_narrow", channels), classes=4, hidden=8)


def mask_of(network: Network, image: Tensor) -> Tensor:
    logits = network(image).mask_logits
    assert logits is not None
    return logits


@pytest.mark.parametrize("name", sorted(DECODERS))
@settings(max_examples=5)
@example(rows=127, cols=129, channels=1, logits=1)  # beside the least side of PAN
@given(
    rows=st.integers(1, 200),
    cols=st.integers(1, 200),
    channels=st.integers(1, 5),
    logits=st.integers(1, 4),
)
def test_any_size_in_the_same_size_out(
    name: str, rows: int, cols: int, channels: int, logits: int
) -> None:
    network = narrow_network(name, channels=channels, logits=logits).eval()
    with torch.no_grad():
        found = mask_of(network, torch.rand(1, channels, rows, cols))
    assert found.shape == (1, logits, rows, cols)
    assert found.isfinite().all()


@pytest.mark.parametrize(
    ("size", "mode"), [((33, 47), "reflect"), ((17, 32), "reflect"), ((9, 40), "edge")]
)
def test_images_are_padded_with_themselves_at_the_bottom_and_right(
    size: tuple[int, int], mode: str
) -> None:
    network = narrow_network("FPN").eval()
    image = np.random.default_rng(0).random((1, 3, *size), np.float32)
    rows, cols = size
    margins = [(0, 0), (0, 0), (0, -rows % 32), (0, -cols % 32)]
    padded = np.pad(image, margins, mode=mode)  # type: ignore[call-overload]
    with torch.no_grad():
        expected = mask_of(network, torch.from_numpy(padded))[..., :rows, :cols]
        found = mask_of(network, torch.from_numpy(image))
    torch.testing.assert_close(found, expected)


def test_an_image_that_fits_is_not_touched() -> None:
    network = narrow_network("FPN")
    seen = []
    network.encoder.register_forward_pre_hook(lambda _, given: seen.append(given[0]))
    image = torch.rand(2, 3, 64, 32)
    network(image)
    assert seen[0] is image


def test_small_images_are_padded_to_the_least_side_of_the_decoder() -> None:
    network = narrow_network("PAN", output_stride=16).eval()
    seen = []
    network.encoder.register_forward_pre_hook(lambda _, x: seen.append(x[0].shape))
    with torch.no_grad():
        assert mask_of(network, torch.rand(1, 3, 5, 130)).shape == (1, 2, 5, 130)
    assert seen == [(1, 3, 128, 144)]


def test_the_classifier_uses_the_encoder_alone() -> None:
    network = classifier()
    prediction = network(torch.rand(2, 3, 40, 33))
    assert prediction.class_logits is not None
    assert prediction.class_logits.shape == (2, 4)
    assert prediction.mask_logits is None
    assert prediction.auxiliary_logits == ()
    prediction.class_logits.square().sum().backward()
    assert unlearnt(network) == []


def test_one_encoder_can_carry_a_mask_and_a_class() -> None:
    encoder = XceptionEncoder("xception_narrow", 1)
    network = Network(
        encoder, decoder=decoder_on(encoder.info, "UNet"), mask_logits=3, classes=2
    )
    passes = []
    encoder.register_forward_hook(lambda *_: passes.append(1))
    prediction = network(torch.rand(2, 1, 40, 33))
    assert prediction.mask_logits.shape == (2, 3, 40, 33)
    assert prediction.class_logits.shape == (2, 2)
    assert len(passes) == 1


def test_auxiliary_logits_come_in_training_only_finest_first_and_learn() -> None:
    network = narrow_network("UNet", {"deep_supervision": True})
    prediction = network(torch.rand(2, 3, 64, 47))
    sizes = [tuple(item.shape) for item in prediction.auxiliary_logits]
    assert sizes == [(2, 2, 32, 24), (2, 2, 16, 12), (2, 2, 8, 6)]
    total = prediction.mask_logits.square().mean()
    total += sum(item.square().mean() for item in prediction.auxiliary_logits)
    total.backward()
    assert unlearnt(network) == []
    assert network.eval()(torch.rand(2, 3, 64, 47)).auxiliary_logits == ()


@pytest.mark.parametrize("name", sorted(DECODERS))
def test_a_training_batch_of_one_works_or_is_refused(name: str) -> None:
    network = narrow_network(name)
    assert network.decoder is not None
    image = torch.rand(1, 3, 64, 64)
    if network.decoder.needs_batch:
        with pytest.raises(ModelError, match=f"1 image given; {name} normalises"):
            network(image)
    else:
        mask_of(network, image).square().mean().backward()
        assert unlearnt(network) == []
    with torch.no_grad():
        assert mask_of(network.eval(), image).shape == (1, 2, 64, 64)


@pytest.mark.parametrize("network", [narrow_network("UNet"), classifier()])
def test_a_batch_of_one_that_shrinks_to_a_pixel_is_refused(network: Network) -> None:
    with pytest.raises(ModelError, match=r"1 image of 32x20 px .* larger than 32 px"):
        network(torch.rand(1, 3, 32, 20))
    network(torch.rand(1, 3, 33, 20))
    network(torch.rand(2, 3, 32, 20))
    network.eval()(torch.rand(1, 3, 1, 1))


def test_images_of_another_shape_are_refused() -> None:
    network = narrow_network("UNet", channels=3)
    with pytest.raises(ModelError, match=r"shape \(2, 1, 8, 8\) .*\(batch, 3, rows"):
        network(torch.rand(2, 1, 8, 8))
    with pytest.raises(ModelError, match=r"shape \(3, 8, 8\)"):
        network(torch.rand(3, 8, 8))
    with pytest.raises(ModelError, match=r"shape \(2, 3, 0, 8\)"):
        network(torch.rand(2, 3, 0, 8))


def test_parts_that_make_no_network_are_refused() -> None:
    encoder = XceptionEncoder("xception_narrow", 3)
    decoder = decoder_on(encoder.info, "UNet")
    with pytest.raises(ModelError, match="predicts nothing"):
        Network(encoder)
    with pytest.raises(ModelError, match="Decoder UNet and None mask logits"):
        Network(encoder, decoder=decoder)
    with pytest.raises(ModelError, match="Decoder NoneType and 2 mask logits"):
        Network(encoder, mask_logits=2)


@pytest.mark.parametrize("name", sorted(DECODERS))
def test_the_memory_format_and_a_copy_change_nothing(name: str) -> None:
    network = narrow_network(name, channels=1).eval()
    image = torch.rand(2, 1, 40, 33)
    with torch.no_grad():
        expected = mask_of(network, image)
        last = copy.deepcopy(network).to(memory_format=torch.channels_last)
        found = mask_of(last, image.contiguous(memory_format=torch.channels_last))
    torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize(
    "name",
    [
        # Processors without bf16 emulate it.
        name if name == "UNet" else pytest.param(name, marks=pytest.mark.slow)
        for name in sorted(DECODERS)
    ],
)
def test_bf16_autocast_runs_forward_and_backward(name: str) -> None:
    network = narrow_network(name)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        logits = mask_of(network, torch.rand(2, 3, 33, 47))
    assert logits.dtype == torch.bfloat16
    logits.float().square().mean().backward()
    assert unlearnt(network) == []


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(DECODERS))
def test_a_network_exports_to_a_graph_that_says_the_same(name: str) -> None:
    network = narrow_network(name).eval()
    image = torch.rand(1, 3, 64, 96)
    graph = torch.export.export(network, (image,)).module()
    other = torch.rand(1, 3, 64, 96)
    with torch.no_grad():
        torch.testing.assert_close(
            graph(other).mask_logits, mask_of(network, other), rtol=1e-3, atol=1e-4
        )
