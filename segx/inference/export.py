"""From a trained model to one ONNX file that runs at any size, and proves it."""

import warnings
from copy import deepcopy
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from segx import __version__
from segx.atomic import replacing, sha256, write_digest
from segx.errors import MissingExtraError, ModelError
from segx.extras import install_extra
from segx.inference.exported import Passport
from segx.inference.runtimes.eager import TorchRuntime
from segx.inference.runtimes.onnx import OnnxRuntime

if TYPE_CHECKING:
    from segx.artifact import Model
    from segx.inference.runtimes import Head
    from segx.models.network import Network, Prediction

__all__ = ["PARITY_SHAPES", "ShapeParity", "export_onnx", "passport_of", "to_onnx"]

# 18: Resize as all engines of the last years have it.
_OPSET = 18

PARITY_SHAPES = ((1, 64, 96), (2, 97, 131), (3, 33, 160))
"""Batch, rows and columns that an exported network is compared at."""

# Of the largest logit. Sums in another order differ by 1e-5; a wrong pixel by 1.
_TOLERANCE = 1e-3


@dataclass(frozen=True)
class ShapeParity:
    """How near an exported network comes to torch in float32, for one shape.

    Args:
        shape: Batch, rows and columns.
        difference: Largest difference of two logits, as a share of the largest logit.
    """

    shape: tuple[int, int, int]
    difference: float


def export_onnx(model: "Model", path: Path) -> list[ShapeParity]:
    """Write a model as one ONNX file with its spec in it, and its SHA-256 beside it.

    Batch, rows and columns are free. The file appears only after its network was
    compared with torch at three shapes.

    Args:
        model: A trained model.
        path: Where to, with the suffix ``.onnx``.

    Returns:
        What the comparisons found.

    Raises:
        MissingExtraError: If the packages for ONNX are not installed.
        ModelError: If the network can't be exported, or the export computes something
            else.
    """
    content = to_onnx(model)
    parity = [_compare(model, content, shape) for shape in PARITY_SHAPES]
    with replacing(path) as temporary:
        temporary.write_bytes(content)
    write_digest(path)
    return parity


def to_onnx(model: "Model") -> bytes:
    """A model as an ONNX file's bytes, its spec among the metadata; see `export_onnx`.

    Raises:
        MissingExtraError: If the packages for ONNX are not installed.
        ModelError: If the network can't be exported.
    """
    onnx = _onnx()
    proto = onnx.load_model_from_string(_traced(model))
    onnx.helper.set_model_props(proto, passport_of(model).as_text())
    content: bytes = proto.SerializeToString()
    return content


def passport_of(model: "Model") -> Passport:
    """What an export of the model carries with it."""
    return Passport(model.spec, __version__, sha256(model.source))


class _Graph(nn.Module):
    """A network without branches on sizes, so that one trace holds for all of them.

    It pads as `Network` does, by indices, and crops back.
    """

    def __init__(self, network: "Network", head: "Head") -> None:
        super().__init__()
        self.network = network
        self.head = head

    def forward(self, image: Tensor) -> Tensor:
        """The head's logits for images (B, C, rows, cols) of any size."""
        rows, cols = image.shape[-2:]
        prediction: Prediction = self.network(self._padded(image))
        logits = (
            prediction.class_logits if self.head == "class" else prediction.mask_logits
        )
        if logits is None:
            raise ModelError(f"The network has no {self.head} head to export.")
        return logits if self.head == "class" else logits[..., :rows, :cols]

    def _padded(self, image: Tensor) -> Tensor:
        decoder = self.network.decoder
        if decoder is None or (decoder.multiple == 1 and decoder.least == 1):
            return image
        sides = [torch.as_tensor(side) for side in image.shape[-2:]]
        wanted = [
            (side.clamp(min=decoder.least) + decoder.multiple - 1)
            // decoder.multiple
            * decoder.multiple
            for side in sides
        ]
        reflect = (wanted[0] < 2 * sides[0]) & (wanted[1] < 2 * sides[1])
        for axis, (side, longer) in enumerate(zip(sides, wanted, strict=True), start=2):
            # A tensor, not a number, so that the trace keeps where it comes from.
            place = torch.arange(longer)  # type: ignore[call-overload]
            mirrored = torch.minimum(place, 2 * (side - 1) - place)
            repeated = place.clamp(max=side - 1)
            source = torch.where(reflect, mirrored, repeated)
            image = image.index_select(axis, source)
        return image


class _AveragePool(nn.Module):
    """What `nn.AdaptiveAvgPool2d` does, as two products of matrices.

    ONNX has no such pooling for sizes that are not known beforehand.
    """

    def __init__(self, cells: tuple[int, int]) -> None:
        super().__init__()
        self.cells = cells

    def forward(self, x: Tensor) -> Tensor:
        rows, cols = (
            _averages(side, cells)
            for side, cells in zip(x.shape[-2:], self.cells, strict=True)
        )
        return rows @ x @ cols.T


def _averages(side: int, cells: int) -> Tensor:
    """Weights that average a side in cells, shape (cells, side).

    Cell i reaches from floor(i side / cells) to ceil((i + 1) side / cells).
    """
    place, cell = torch.arange(side), torch.arange(cells)[:, None]
    first, end = cell * side // cells, ((cell + 1) * side + cells - 1) // cells
    weights = ((place >= first) & (place < end)).float()
    return weights / weights.sum(dim=1, keepdim=True)


def _traced(model: "Model") -> bytes:
    """The network as an ONNX graph with free batch, rows and columns."""
    head: Head = "class" if model.spec.labels is None else "mask"
    network = deepcopy(model.logits_network).cpu().float()
    graph: nn.Module = _Graph(network, head).eval()
    example = torch.zeros(2, model.spec.in_channels, 64, 96)
    file = BytesIO()
    free = {0: "n", 2: "rows", 3: "cols"}
    with warnings.catch_warnings():
        # torch advises its newer exporter. In torch 2.14 that one took 29 s for a small
        # U-Net, against 1 s, and found no graph for free sizes of decoders that pad.
        warnings.simplefilter("ignore", DeprecationWarning)
        warnings.simplefilter("ignore", FutureWarning)
        # It warns of each comparison of sizes: there are none on the way to the result.
        warnings.simplefilter("ignore", torch.jit.TracerWarning)  # type: ignore[attr-defined]
        if _replace_pools(network):
            # smp calls others, which ONNX lacks, when it sees that it is exported.
            warnings.filterwarnings("ignore", "no signature found")
            graph = torch.jit.trace(  # type: ignore[no-untyped-call]
                graph, example, check_trace=False
            )
        try:
            torch.onnx.export(
                graph,
                (example,),
                file,  # type: ignore[arg-type]
                input_names=["tiles"],
                output_names=["logits"],
                opset_version=_OPSET,
                dynamo=False,
                dynamic_axes={
                    "tiles": free,
                    "logits": {0: "n"} if head == "class" else free,
                },
            )
        except torch.onnx.OnnxExporterError as error:
            raise _not_exportable(model, str(error).splitlines()[0]) from error
    return file.getvalue()


def _replace_pools(network: nn.Module) -> int:
    """Replace pools into more than one cell; returns how many there were."""
    count = 0
    for module in list(network.modules()):
        for name, child in module.named_children():
            if not isinstance(child, nn.AdaptiveAvgPool2d):
                continue
            size = child.output_size
            rows, cols = size if isinstance(size, tuple) else (size, size)
            if (rows, cols) != (1, 1):
                setattr(module, name, _AveragePool((rows or 1, cols or 1)))
                count += 1
    return count


def _compare(
    model: "Model", content: bytes, shape: tuple[int, int, int]
) -> ShapeParity:
    """Run the same noise through both.

    Raises:
        ModelError: If they differ.
    """
    batch, rows, cols = shape
    noise = np.random.default_rng(0).standard_normal(
        (batch, model.spec.in_channels, rows, cols), np.float32
    )
    expected = _reference(model).run(noise)
    found = OnnxRuntime(content).run(noise)
    if found.shape != expected.shape:
        raise _not_exportable(
            model,
            f"for images of shape {noise.shape} the export gives logits of shape "
            f"{found.shape}, and the network {expected.shape}",
        )
    difference = _relative(found, expected)
    if not difference <= _TOLERANCE:
        raise _not_exportable(
            model,
            f"for images of shape {noise.shape} the export's logits differ by "
            f"{difference:.2g} of the largest",
        )
    return ShapeParity(shape, difference)


def _reference(model: "Model") -> TorchRuntime:
    return TorchRuntime(
        model.logits_network,
        precision="fp32",
        head="class" if model.spec.labels is None else "mask",
    )


def _relative(found: NDArray[np.float32], expected: NDArray[np.float32]) -> float:
    return float(np.abs(found - expected).max() / max(np.abs(expected).max(), 1e-12))


def _not_exportable(model: "Model", reason: str) -> ModelError:
    decoder = model.spec.decoder.name if model.spec.decoder else "no decoder"
    return ModelError(
        f"{model.source} ({model.spec.encoder.name}, {decoder}) can't be exported as "
        f"ONNX for images of any size: {reason}. Predict with --runtime torch, or "
        "train with another decoder, such as UNet."
    )


def _onnx() -> Any:
    try:
        import onnx
    except ModuleNotFoundError as error:
        raise MissingExtraError(
            "Exporting needs a package that is not installed. Install it: "
            f"{install_extra('onnx')}"
        ) from error
    return onnx
