"""Grad-CAM: which parts of an image speak for a class, as a picture."""

from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from segx.artifact import Model
from segx.errors import ModelError, ScanError
from segx.geometry import Extent, Region
from segx.inference.predictor import Predictor
from segx.models.network import Network
from segx.scans.overlay import as_rgb, write_png
from segx.scans.resize import resize_image
from segx.scans.scan import Scan
from segx.scans.suffix import split_suffix

__all__ = ["Explainer", "grad_cam"]

_SHORTEST_SIDE = 256  # smaller images are enlarged, so that the words can be read
_LONGEST_SIDE = 2048
_OPACITY = 0.6  # of the heat where it is greatest


def grad_cam(network: Network, image: Tensor, index: int) -> Tensor:
    """How much each place of an image speaks for a class.

    The channels of the encoder's last feature are summed, each weighed by the mean of
    the gradient that the class's logit has in it; what speaks against becomes 0.

    Args:
        network: With a classification head, in evaluation mode.
        image: Normalised, (1, C, rows, cols).
        index: The class.

    Returns:
        (rows, cols), in [0, 1]: 1 where it is greatest, 0 everywhere if nothing speaks
        for the class.

    Raises:
        ModelError: If the network has no classification head.

    References:
        Selvaraju et al. 2017, doi:10.1109/ICCV.2017.74.
    """
    head = network.class_head
    if head is None:
        raise ModelError("The network has no classification head to explain.")
    with torch.no_grad():
        padded = network.pad(image)
        feature = network.encoder(padded)[-1].float()
    feature.requires_grad_()
    with torch.enable_grad():
        (gradient,) = torch.autograd.grad(head(feature)[0, index], feature)
    weights = gradient.mean(dim=(2, 3), keepdim=True)
    heat = (weights * feature.detach()).sum(1, keepdim=True).relu()  # (1, 1, h, w)
    whole = F.interpolate(heat, size=padded.shape[-2:], mode="bilinear")
    cropped = whole[0, 0, : image.shape[-2], : image.shape[-1]]
    return cropped / cropped.max().clamp_min(torch.finfo(heat.dtype).tiny)


class Explainer:
    """Draws why a model took an image for what it took it for.

    Args:
        model: The model; of an ensemble, its first one.
        predictor: What classifies with it.
        out: Folder of the pictures.
    """

    def __init__(self, model: Model, predictor: Predictor, out: Path) -> None:
        self._network = model.logits_network
        self._predictor = predictor
        self._out = out
        self._drawn: dict[Path, Path] = {}

    def __call__(self, path: Path, probabilities: NDArray[np.float32]) -> None:
        """Write ``NAME_gradcam.png``: the image, and the heat of its first class.

        Args:
            path: The image.
            probabilities: What was predicted for it, one a class.

        Raises:
            ScanError: If another image of that name has been explained already.
        """
        target = self._out / f"{split_suffix(path)[0]}_gradcam.png"
        rival = self._drawn.setdefault(target, path)
        if rival != path:
            raise ScanError(
                f"{rival} and {path} would both be explained in {target}. Predict them "
                "by separate calls, each with an output folder of its own."
            )
        index = int(probabilities.argmax())
        name = self._predictor.members.class_labels.names[index]
        with self._predictor.open(path) as scan:
            picture = self._shown(scan)
            heat = self.heat(scan, index)
        words = f"{name} {probabilities[index]:.2f}"
        write_png(target, _draw(picture, heat, words))

    def heat(self, scan: Scan, index: int) -> NDArray[np.float32]:
        """The map of a class at the scan's own size, (rows, cols), in [0, 1]."""
        members = self._predictor.members
        image = members.own(members.members[0], self._predictor.whole(scan)[np.newaxis])
        device = next(self._network.parameters()).device
        found = grad_cam(self._network, torch.from_numpy(image).to(device), index)
        small = found.cpu().numpy()[..., np.newaxis]
        heat: NDArray[np.float32] = resize_image(small, scan.extent)[..., 0]
        return heat

    def _shown(self, scan: Scan) -> NDArray[np.uint8]:
        """The image for eyes, RGB."""
        predictor = self._predictor
        pixels = predictor.pixels(scan, 0, Region.whole(scan.extent))
        return as_rgb(pixels, intensity=predictor.members.scales_of(scan)[0])


def _draw(
    picture: NDArray[np.uint8], heat: NDArray[np.float32], words: str
) -> NDArray[np.uint8]:
    """Image and heat side by side, what was predicted written above."""
    # Imported here: it takes long, and only pictures need it.
    from matplotlib import colormaps

    extent = _drawn_extent(Extent(*heat.shape))
    base = resize_image(picture, extent).astype(np.float32)
    strength = resize_image(heat[..., np.newaxis], extent)
    colours = np.asarray(colormaps["inferno"](strength[..., 0]))[..., :3] * 255
    warm = base + _OPACITY * strength * (colours - base)
    panels = np.hstack([base, warm]).round().astype(np.uint8)
    return np.vstack([_caption(words, width=panels.shape[1]), panels])


def _drawn_extent(extent: Extent) -> Extent:
    """The size of a picture: the image's own, unless that is very small or large."""
    shortest, longest = sorted((extent.rows, extent.cols))
    scale = min(max(1.0, _SHORTEST_SIDE / shortest), _LONGEST_SIDE / longest)
    return Extent(
        max(1, round(extent.rows * scale)), max(1, round(extent.cols * scale))
    )


def _caption(words: str, *, width: int) -> NDArray[np.uint8]:
    """A dark strip with words, (rows, width, 3)."""
    size = max(14, width // 32)
    strip = Image.new("RGB", (width, 2 * size), (16, 16, 16))
    font = ImageFont.load_default(size)
    place = (size // 2, size // 2)
    ImageDraw.Draw(strip).text(place, words, (255, 255, 255), font)
    return np.asarray(strip)
