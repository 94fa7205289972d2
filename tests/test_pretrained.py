"""An encoder starts from any source whole, or is left as it was."""

from pathlib import Path

import pytest
import timm
import torch
from safetensors.torch import save_file

from segx.artifact import Model, build_network, save_model
from segx.errors import ArtifactError
from segx.models.encoder import XceptionEncoder
from segx.pretrained import load_encoder_weights
from tests.test_artifact import spec


def encoder(channels: int = 3, *, seed: int = 1) -> XceptionEncoder:
    torch.manual_seed(seed)
    return XceptionEncoder("xception_narrow", channels).eval()


def equal(first: XceptionEncoder, second: XceptionEncoder) -> bool:
    one, two = first.state_dict(), second.state_dict()
    return all(torch.equal(one[name], two[name]) for name in one)


@pytest.mark.parametrize("suffix", [".safetensors", ".pth"])
def test_a_state_dict_of_timm_is_taken_and_its_classifier_left(
    suffix: str, tmp_path: Path
) -> None:
    source = encoder(seed=2)
    state = {**source.body.state_dict(), "head.fc.weight": torch.zeros(10, 96)}
    path = tmp_path / f"weights{suffix}"
    save_file(state, path) if suffix == ".safetensors" else torch.save(state, path)
    target = encoder()
    assert load_encoder_weights(target, str(path)) == len(target.state_dict())
    assert equal(target, source)


def test_one_channel_behaves_as_three_equal_ones(tmp_path: Path) -> None:
    source = encoder(3, seed=2)
    torch.save(source.body.state_dict(), tmp_path / "rgb.pth")
    grey = encoder(1)
    load_encoder_weights(grey, str(tmp_path / "rgb.pth"))
    image = torch.rand(1, 1, 40, 40)
    expected = source(image.repeat(1, 3, 1, 1))[-1]
    torch.testing.assert_close(grey(image)[-1], expected)


def test_a_model_of_our_own_gives_its_encoder(tmp_path: Path) -> None:
    torch.manual_seed(3)
    model = Model(build_network(spec()), spec(), Path())
    save_model(model, tmp_path / "model")
    target = encoder(1)
    load_encoder_weights(target, str(tmp_path / "model"))
    assert equal(target, model.network.encoder)


def test_weights_of_another_encoder_change_nothing(tmp_path: Path) -> None:
    torch.save({"layer1.weight": torch.zeros(3)}, tmp_path / "resnet.pth")
    target, before = encoder(), encoder()
    with pytest.raises(ArtifactError, match=r"resnet\.pth.*xception_narrow"):
        load_encoder_weights(target, str(tmp_path / "resnet.pth"))
    assert equal(target, before)


def test_imagenet_without_a_network_says_what_to_do(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def offline(*_: object, **__: object) -> None:
        raise OSError("Name or service not known")

    monkeypatch.setattr(timm, "create_model", offline)
    target = encoder()
    target.name = "legacy_xception"
    with pytest.raises(ArtifactError, match=r"downloaded here.*model\.init_from FILE"):
        load_encoder_weights(target, "imagenet")


def test_an_encoder_without_imagenet_weights_is_said() -> None:
    with pytest.raises(ArtifactError, match="has no ImageNet weights"):
        load_encoder_weights(encoder(), "imagenet")


def test_a_missing_file_is_said(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="There is no model"):
        load_encoder_weights(encoder(), str(tmp_path / "none.pth"))
