"""Detectors on the narrow encoder: what they find, learn and refuse."""

import copy
from typing import Any

import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from torch import Tensor
from torchvision.models.detection.transform import GeneralizedRCNNTransform

from segx.errors import ModelError
from segx.models.detection import DETECTORS, DetectionNetwork
from segx.models.detection.faster_rcnn import FasterRCNN
from segx.models.encoder import XceptionEncoder
from tests.models.narrow import unlearnt

NONE = (torch.zeros(0, 4), torch.zeros(0, dtype=torch.int64))
TWO = (torch.tensor([[3.0, 4, 30, 40], [50, 50, 60, 62]]), torch.tensor([1, 2]))


def detector(
    name: str, *, channels: int = 3, output_stride: int = 32, **options: Any
) -> DetectionNetwork:
    torch.manual_seed(0)
    encoder = XceptionEncoder("xception_narrow", channels, output_stride=output_stride)
    build: Any = DETECTORS[name]
    return DetectionNetwork(
        encoder, build(encoder.info, classes=2, channels=32, **options)
    )


NETWORKS = {name: detector(name, score=0.0, detections=50) for name in DETECTORS}


def find(network: DetectionNetwork, image: Tensor) -> list[dict[str, Tensor]]:
    with torch.no_grad():
        return network.eval()(image)


def bright_squares(seed: int) -> tuple[Tensor, tuple[Tensor, Tensor]]:
    """Grey images with squares of two kinds: bright ones and dark ones."""
    generator = torch.Generator().manual_seed(seed)
    image = 0.05 * torch.randn(3, 96, 96, generator=generator)
    boxes, labels = [], []
    for quarter in range(4):
        side = int(torch.randint(14, 30, (), generator=generator))
        top, left = (48 * place + 9 for place in divmod(quarter, 2))
        label = 1 + (quarter + seed) % 2
        image[:, top : top + side, left : left + side] += 1.5 * (3 - 2 * label)
        boxes.append([left, top, left + side, top + side])
        labels.append(label)
    return image, (torch.tensor(boxes).float(), torch.tensor(labels))


@pytest.mark.parametrize("name", sorted(DETECTORS))
@settings(max_examples=12)
@given(rows=st.integers(1, 140), cols=st.integers(1, 140))
@example(rows=1, cols=1)
@example(rows=1, cols=130)
@example(rows=131, cols=2)
def test_boxes_lie_in_an_image_of_any_size(name: str, rows: int, cols: int) -> None:
    for found in find(NETWORKS[name], torch.rand(2, 3, rows, cols)):
        boxes = found["boxes"]
        assert (boxes >= 0).all()
        assert (boxes[:, 0::2] <= cols).all()
        assert (boxes[:, 1::2] <= rows).all()
        assert (boxes[:, 2:] > boxes[:, :2]).all()
        assert found["labels"].shape == found["scores"].shape == (len(boxes),)
        assert set(found["labels"].tolist()) <= {1, 2}
        assert found["scores"].diff().le(0).all()


@pytest.mark.parametrize("name", sorted(DETECTORS))
@pytest.mark.parametrize("output_stride", [32, 16])
def test_every_weight_learns_and_empty_images_do_no_harm(
    name: str, output_stride: int
) -> None:
    network = detector(name, output_stride=output_stride).train()
    losses = network.losses(torch.rand(2, 3, 97, 130), [TWO, NONE])
    assert all(loss.isfinite() for loss in losses.values())
    torch.stack(list(losses.values())).sum().backward()
    assert unlearnt(network) == []
    empty = network.losses(torch.rand(2, 3, 64, 64), [NONE, NONE])
    assert all(loss.isfinite() for loss in empty.values())
    network.zero_grad()
    torch.stack(list(empty.values())).sum().backward()
    assert unlearnt(network) == []  # or several processes would wait for each other
    assert [value for name, value in empty.items() if "box" in name and value] == []


@pytest.mark.parametrize("name", sorted(DETECTORS))
def test_the_loss_falls_from_random_weights(name: str) -> None:
    network = detector(name).train()
    optimizer = torch.optim.AdamW(network.parameters(), lr=2e-3)
    image, targets = zip(*(bright_squares(seed) for seed in range(4)), strict=True)
    totals = []
    for _ in range(16):
        loss = torch.stack(
            list(network.losses(torch.stack(image), targets).values())
        ).sum()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        totals.append(loss.item())
    assert sum(totals[-3:]) < 0.8 * sum(totals[:3])


@pytest.mark.parametrize("name", sorted(DETECTORS))
def test_places_are_float32_where_a_network_computes_in_bfloat16(name: str) -> None:
    network = detector(name, score=0.0)
    with torch.autocast("cpu", torch.bfloat16):
        found = find(network, torch.rand(1, 3, 64, 70))[0]
        losses = network.train().losses(torch.rand(2, 3, 64, 70), [TWO, NONE])
    assert len(found["boxes"])
    assert found["boxes"].dtype == found["scores"].dtype == torch.float32
    assert {loss.dtype for loss in losses.values()} == {torch.float32}


@pytest.mark.parametrize("name", sorted(DETECTORS))
def test_nothing_resizes_or_normalises_an_image(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(*arguments: object) -> None:
        raise AssertionError

    monkeypatch.setattr(GeneralizedRCNNTransform, "forward", never)
    seen = []
    network = copy.deepcopy(NETWORKS[name])
    network.encoder.register_forward_pre_hook(lambda _, given: seen.append(given[0]))
    image = torch.rand(1, 3, 64, 128)
    find(network, image)
    assert torch.equal(seen[0], image)


@pytest.mark.parametrize("name", sorted(DETECTORS))
def test_what_lies_far_away_changes_nothing(name: str) -> None:
    """Tiles of any size see a place alike: nothing is measured on the whole of one."""
    network = NETWORKS[name]
    features = [
        torch.randn(1, channels, 640 // stride, 160 // stride)
        for channels, stride in zip(
            network.encoder.info.channels, network.encoder.info.strides, strict=True
        )
    ]
    changed = [item.clone() for item in features]
    for item in changed:
        item[:, :, item.shape[2] // 2 :] *= 9
    logits, others = (
        finest_logits(network.detector, item) for item in (features, changed)
    )
    upper = slice(0, len(logits) // 4)
    assert torch.equal(logits[upper], others[upper])
    assert not torch.equal(logits, others)


def finest_logits(detector: Any, features: list[Tensor]) -> Tensor:
    """What is told of the finest map's pixels, row after row."""
    with torch.no_grad():
        finest = detector.pyramid(features)["0"]
        if isinstance(detector, FasterRCNN):
            logits = detector.rpn.head([finest])[0][0]  # (1, anchors, rows, cols)
            return logits.permute(0, 2, 3, 1).flatten()
        return detector.parts.head([finest])["cls_logits"].flatten()


@pytest.mark.parametrize("name", sorted(DETECTORS))
def test_images_of_other_channels_and_the_wrong_mode_are_refused(name: str) -> None:
    network = detector(name)
    with pytest.raises(ModelError, match="call eval"):
        network.train()(torch.rand(1, 3, 8, 8))
    with pytest.raises(ModelError, match="call train"):
        network.eval().losses(torch.rand(1, 3, 8, 8), [NONE])
    with pytest.raises(ModelError, match=r"shape \(1, 1, 8, 8\) .*\(batch, 3, rows"):
        network(torch.rand(1, 1, 8, 8))


@pytest.mark.parametrize("name", sorted(DETECTORS))
@pytest.mark.parametrize(
    "options",
    [
        {"anchors": (0, 1, 2, 3, 4)},
        {"scales": 0},
        {"aspects": ()},
        {"aspects": (-1.0,)},
    ],
)
def test_anchors_that_are_no_boxes_are_refused(
    name: str, options: dict[str, Any]
) -> None:
    with pytest.raises(ModelError, match=f"{name}: anchors .* above 0"):
        detector(name, **options)


@pytest.mark.parametrize("name", sorted(DETECTORS))
def test_anchors_fit_objects_of_any_size_from_10_px_on(name: str) -> None:
    """The nearest anchor of a square covers enough of it to be trained on."""
    network: Any = NETWORKS[name].detector
    boxes = network.rpn if name == "FasterRCNN" else network.parts
    cells = torch.cat(boxes.anchor_generator.cell_anchors)
    sizes = cells[:, 2:] - cells[:, :2]  # (anchors, 2)
    for side in range(10, 220):
        shared = sizes.clamp(max=side).prod(dim=1)
        iou = shared / (sizes.prod(dim=1) + side**2 - shared)
        assert iou.max() > 0.6, side
