"""Grad-CAM: as large as the image, in [0, 1], and mirrored with it."""

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from torch import nn

from segx.artifact import Model, build_network
from segx.config import Choice, EncoderConfig
from segx.errors import ModelError, ScanError
from segx.inference.explain import Explainer, grad_cam
from segx.inference.members import Member, Members
from segx.inference.predictor import Predictor
from segx.inference.runtimes.eager import TorchRuntime
from segx.models.network import Network
from tests.inference.stubs import BINARY, model
from tests.models.narrow import narrow_network

NAMES = ("ill", "well")


def classifier(*, decoder: str | None = None) -> Network:
    stub = model(BINARY if decoder else None, class_names=NAMES).spec
    spec = stub.model_copy(
        update={
            "encoder": EncoderConfig(name="xception_narrow"),
            "decoder": Choice(name=decoder) if decoder else None,
        }
    )
    torch.manual_seed(0)
    return made_positive(build_network(spec).eval())


def made_positive(network: Network) -> Network:
    """The same network, every value of its last feature speaking for every class."""
    assert network.class_head is not None
    with torch.no_grad():
        for parameter in network.class_head.parameters():
            parameter.abs_()
    return network


def made_symmetric(network: Network) -> Network:
    """The same network, its kernels equal to their mirror images."""
    with torch.no_grad():
        for module in network.encoder.modules():
            if isinstance(module, nn.Conv2d):
                weight = module.weight
                sideways = (weight + weight.flip(3)) / 2
                weight.copy_((sideways + sideways.flip(2)) / 2)
    return network


@pytest.mark.parametrize("axis", [2, 3])
def test_the_map_is_mirrored_with_the_image(axis: int) -> None:
    network = made_symmetric(classifier())
    # Halved by strides, an odd size keeps its middle: 65 → 33 → 17 → 9 → 5 → 3.
    image = torch.rand(1, 3, 65, 97, generator=torch.Generator().manual_seed(0))
    heat = grad_cam(network, image, 0)
    mirrored = grad_cam(network, image.flip(axis), 0)
    assert heat.std() > 0
    torch.testing.assert_close(mirrored, heat.flip(axis - 2), atol=1e-3, rtol=0)


@settings(max_examples=15)
@given(rows=st.integers(1, 90), cols=st.integers(1, 90), both=st.booleans())
def test_the_map_has_the_images_size(rows: int, cols: int, both: bool) -> None:
    network = _NETWORKS[both]
    heat = grad_cam(network, torch.rand(1, 3, rows, cols), 1)
    assert heat.shape == (rows, cols)
    assert 0 <= heat.min() <= heat.max() <= 1 + 1e-6


def test_it_is_the_gradient_by_numbers() -> None:
    network = classifier()
    image = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(3))
    head = network.class_head
    assert head is not None
    with torch.no_grad():
        feature = network.encoder(image)[-1]
        weights = []
        for channel in range(feature.shape[1]):
            more = feature.clone()
            more[:, channel] += 1e-2
            rise = head(more)[0, 1] - head(feature)[0, 1]
            weights.append(float(rise) / 1e-2 / feature[0, 0].numel())
        summed = (torch.tensor(weights).view(-1, 1, 1) * feature[0]).sum(0).relu()
    coarse = grad_cam(network, image, 1)[16::32, 16::32]  # centres, where it is exact
    expected = summed / summed.max()
    assert np.corrcoef(coarse.flatten(), expected.flatten())[0, 1] > 0.9


def test_a_network_without_classes_is_refused() -> None:
    with pytest.raises(ModelError, match="no classification head"):
        grad_cam(narrow_network("UNet").eval(), torch.rand(1, 3, 32, 32), 0)


@pytest.mark.parametrize(
    ("size", "drawn"),
    [((28, 28), (256, 256)), ((500, 31), (2048, 127)), ((300, 400), (300, 400))],
)
def test_a_picture_shows_image_and_heat_side_by_side(
    size: tuple[int, int], drawn: tuple[int, int], tmp_path: Path
) -> None:
    stub = model(None, class_names=NAMES, resize=(64, 64))
    spec = stub.spec.model_copy(
        update={"encoder": EncoderConfig(name="xception_narrow")}
    )
    made = Model(build_network(spec).eval(), spec, tmp_path)
    runtime = TorchRuntime(made.network, head="class")
    predictor = Predictor(Members([Member(spec, runtime, made.source)]))
    path = tmp_path / "a.png"
    pixels = np.random.default_rng(0).integers(0, 255, (*size, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path)
    explainer = Explainer(made, predictor, tmp_path / "out")
    explainer(path, predictor.classify(path))
    with Image.open(tmp_path / "out" / "a_gradcam.png") as picture:
        assert picture.width == 2 * drawn[1]
        assert picture.height > drawn[0]  # and the words above
    with predictor.open(path) as scan:
        assert explainer.heat(scan, 0).shape == size
    other = tmp_path / "deeper" / "a.png"
    other.parent.mkdir()
    Image.fromarray(pixels).save(other)
    with pytest.raises(ScanError, match="would both be explained"):
        explainer(other, predictor.classify(other))


_NETWORKS = {False: classifier(), True: classifier(decoder="UNet")}
