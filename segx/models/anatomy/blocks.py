"""What an encoder is made of, as values: convolutions, layers, blocks, flows."""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import groupby

from segx.geometry import Extent
from segx.models.anatomy.dataflow import Kind

__all__ = ["Anatomy", "Block", "Convolution", "Layer", "Skip", "folded"]


@dataclass(frozen=True, slots=True)
class Convolution:
    """One convolution as it ran.

    Args:
        name: The module's path in the encoder.
        kernel: Its side in pixels.
        stride: Pixels from one place to the next.
        dilation: Pixels between the kernel's columns; 1 is dense.
        groups: In how many groups the channels are convolved apart.
        in_channels: Channels that it takes.
        out_channels: Channels that it gives.
        extent: Size of what it gives.
        parameters: Number of values that it learns.
        macs: Multiply-accumulate operations that torch counted.
    """

    name: str
    kernel: int
    stride: int
    dilation: int
    groups: int
    in_channels: int
    out_channels: int
    extent: Extent
    parameters: int
    macs: int

    @property
    def is_pointwise(self) -> bool:
        """Whether it looks at one pixel, and at all channels of it."""
        return self.kernel == self.groups == 1

    @property
    def formula(self) -> int:
        """Multiply-accumulate operations that theory gives: H·W·N·K²·C / groups."""
        weights = self.kernel**2 * self.in_channels * self.out_channels
        return self.extent.pixels * weights // self.groups


@dataclass(frozen=True, slots=True)
class Layer:
    """A convolutional layer as papers count them: a separable one counts once.

    Args:
        spatial: The convolution, or the depthwise part of a separable one.
        pointwise: The other part of a separable one, else None.
        between: What is done between the two.
        standard: The standard convolution in the place of a separable one, as it ran in
            the twin; else `spatial` itself.
    """

    spatial: Convolution
    pointwise: Convolution | None
    between: tuple[Kind, ...]
    standard: Convolution

    @property
    def name(self) -> str:
        """Where it is in the encoder; the module that holds both parts of a pair."""
        name = self.spatial.name.removeprefix("body.")
        return name.rpartition(".")[0] if self.is_separable else name

    @property
    def is_separable(self) -> bool:
        """Whether it is depthwise, then pointwise."""
        return self.pointwise is not None

    @property
    def in_channels(self) -> int:
        """Channels that it takes."""
        return self.spatial.in_channels

    @property
    def out_channels(self) -> int:
        """Channels that it gives."""
        return (self.pointwise or self.spatial).out_channels

    @property
    def parameters(self) -> int:
        """Number of values that its convolutions learn."""
        return sum(part.parameters for part in self.parts)

    @property
    def macs(self) -> int:
        """Multiply-accumulate operations that torch counted."""
        return sum(part.macs for part in self.parts)

    @property
    def theory(self) -> Fraction:
        """Cost over that of the standard convolution: 1/N + 1/K² where separable."""
        if not self.is_separable:
            return Fraction(1)
        return Fraction(1, self.out_channels) + Fraction(1, self.spatial.kernel**2)

    @property
    def parts(self) -> tuple[Convolution, ...]:
        """Its convolutions."""
        if self.pointwise is None:
            return (self.spatial,)
        return self.spatial, self.pointwise


@dataclass(frozen=True, slots=True)
class Skip:
    """The way around a block.

    Args:
        convolutions: None for the identity, one for a projection.
        is_proved: Whether the block gave exactly this when its branch gave zeros.
    """

    convolutions: tuple[Convolution, ...]
    is_proved: bool

    def __str__(self) -> str:
        if not self.convolutions:
            return "identity"
        return ", ".join(
            f"{item.kernel}×{item.kernel}" + (f" ↓{item.stride}" * (item.stride > 1))
            for item in self.convolutions
        )


@dataclass(frozen=True, slots=True)
class Block:
    """Layers with a skip around them, or those between two of that kind.

    Chollet calls it a module.

    Args:
        number: Counted from 1.
        name: Where its modules are in the encoder.
        order: What is done, in order, the skip aside; a separable layer is one.
        fork: How many of these are done before the skip forks off.
        layers: Its convolutional layers.
        pool: Its max pooling, such as ``3×3 ↓2``; empty where it has none.
        skip: The way around; None: there is none.
        extent: Size of what it gives.
        parameters: Number of values that it learns, the skip and norms among them.
        standard_parameters: The same with standard convolutions.
    """

    number: int
    name: str
    order: tuple[str, ...]
    fork: int
    layers: tuple[Layer, ...]
    pool: str
    skip: Skip | None
    extent: Extent
    parameters: int
    standard_parameters: int

    @property
    def channels(self) -> tuple[int, ...]:
        """Channels that it takes, and those that each layer gives."""
        return (
            self.layers[0].in_channels,
            *(layer.out_channels for layer in self.layers),
        )

    @property
    def separable(self) -> tuple[Layer, ...]:
        """Its separable layers."""
        return tuple(layer for layer in self.layers if layer.is_separable)

    @property
    def macs(self) -> int:
        """Multiply-accumulate operations that torch counted, the skip's among them."""
        return sum(layer.macs for layer in self.layers) + self._skip_macs

    @property
    def standard_macs(self) -> int:
        """The same, counted with standard convolutions."""
        return sum(layer.standard.macs for layer in self.layers) + self._skip_macs

    @property
    def ratio(self) -> Fraction | None:
        """Counted cost of its separable layers over that of standard ones."""
        standard = sum(layer.standard.macs for layer in self.separable)
        if not standard:
            return None
        return Fraction(sum(layer.macs for layer in self.separable), standard)

    @property
    def theory(self) -> Fraction | None:
        """What `ratio` should be: the mean of 1/N + 1/K², weighted by standard cost."""
        standard = sum(layer.standard.formula for layer in self.separable)
        if not standard:
            return None
        own = sum(layer.theory * layer.standard.formula for layer in self.separable)
        return Fraction(own) / standard

    @property
    def _skip_macs(self) -> int:
        return sum(item.macs for item in self.skip.convolutions) if self.skip else 0


@dataclass(frozen=True, slots=True)
class Anatomy:
    """A whole encoder, taken apart for one size of square image.

    Args:
        encoder: Its name.
        in_channels: Channels of the image.
        output_stride: Stride of its deepest feature.
        size: Side of the image in pixels.
        blocks: From the image down.
        features: Channels and size of each feature, the image first.
        parameters: Number of values that it learns.
        standard_parameters: The same with standard convolutions.
    """

    encoder: str
    in_channels: int
    output_stride: int
    size: int
    blocks: tuple[Block, ...]
    features: tuple[tuple[int, Extent], ...]
    parameters: int
    standard_parameters: int

    @property
    def layers(self) -> tuple[Layer, ...]:
        """All convolutional layers, those of skips aside."""
        return tuple(layer for block in self.blocks for layer in block.layers)

    @property
    def macs(self) -> int:
        """Multiply-accumulate operations for one image."""
        return sum(block.macs for block in self.blocks)

    @property
    def standard_macs(self) -> int:
        """The same with standard convolutions."""
        return sum(block.standard_macs for block in self.blocks)

    @property
    def flows(self) -> dict[str, tuple[Block, ...]]:
        """Entry, middle and exit: the middle is the longest run of identity skips."""
        runs = [
            tuple(run)
            for is_identity, run in groupby(self.blocks, key=_keeps_all)
            if is_identity
        ]
        middle = max(runs, key=len, default=())
        first = middle[0].number if middle else len(self.blocks) + 1
        last = middle[-1].number if middle else len(self.blocks)
        return {
            "entry": tuple(item for item in self.blocks if item.number < first),
            "middle": middle,
            "exit": tuple(item for item in self.blocks if item.number > last),
        }


def folded(blocks: Sequence[Block]) -> list[tuple[Block, ...]]:
    """Blocks that follow each other and are alike in everything, together.

    Args:
        blocks: In order.
    """
    return [tuple(run) for _, run in groupby(blocks, key=_likeness)]


def _keeps_all(block: Block) -> bool:
    return block.skip is not None and not block.skip.convolutions


def _likeness(block: Block) -> tuple[object, ...]:
    """All that is shown of a block but its number and names."""
    return (
        block.order,
        block.fork,
        block.channels,
        block.pool,
        str(block.skip),
        block.extent,
        block.parameters,
        block.macs,
        block.standard_macs,
        tuple((item.spatial.groups, item.spatial.dilation) for item in block.layers),
    )
