"""What a run without data shows of a network: sizes and operations, by hooks."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from segx.errors import ModelError
from segx.geometry import Extent
from segx.models.anatomy.blocks import Convolution
from segx.models.anatomy.dataflow import is_leaf
from segx.models.cost import count_parameters
from segx.models.encoder import XceptionEncoder

__all__ = ["Observed", "observe"]


@dataclass(frozen=True, slots=True)
class Observed:
    """What each module did, by its path in the encoder.

    Args:
        modules: All of them.
        extents: Size of what each leaf gave.
        macs: Multiply-accumulate operations that torch counted inside each.
        features: Channels and size of each feature, the image first.
    """

    modules: Mapping[str, nn.Module]
    extents: Mapping[str, Extent]
    macs: Mapping[str, int]
    features: tuple[tuple[int, Extent], ...]

    def convolution(self, name: str) -> Convolution:
        """A convolution as it ran.

        Raises:
            ModelError: If the module is none.
        """
        module = self.modules[name]
        if not isinstance(module, nn.Conv2d):
            raise ModelError(f"{name} is a {type(module).__name__}, no convolution.")
        return Convolution(
            name=name,
            kernel=module.kernel_size[0],
            stride=module.stride[0],
            dilation=module.dilation[0],
            groups=module.groups,
            in_channels=module.in_channels,
            out_channels=module.out_channels,
            extent=self.extents[name],
            parameters=count_parameters(module),
            macs=self.macs[name],
        )

    def parameters(self, names: set[str]) -> int:
        """Number of values that some modules learn."""
        return sum(count_parameters(self.modules[name]) for name in names)


def observe(shadow: XceptionEncoder, size: int) -> Observed:
    """Run an encoder on a square image without data.

    Args:
        shadow: On the device ``meta``, for evaluation.
        size: Side of the image in pixels.
    """
    modules = dict(shadow.named_modules())
    extents: dict[str, Extent] = {}

    def note(module: nn.Module, _given: object, output: Tensor) -> None:
        extents[names[module]] = _extent(output)

    names = {module: name for name, module in modules.items() if is_leaf(module)}
    hooks = [module.register_forward_hook(note) for module in names]
    image = torch.empty(1, shadow.in_channels, size, size, device="meta")
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        features = shadow(image)
    for hook in hooks:
        hook.remove()
    root = f"{type(shadow).__name__}."
    # A multiplication and an addition are two operations.
    macs = {
        name.removeprefix(root): sum(counts.values()) // 2
        for name, counts in counter.get_flop_counts().items()
    }
    sizes = tuple((item.shape[1], _extent(item)) for item in features)
    return Observed(modules, extents, macs, sizes)


def _extent(features: Tensor) -> Extent:
    return Extent(*features.shape[-2:])
