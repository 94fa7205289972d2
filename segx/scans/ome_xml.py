"""What an OME-TIFF says of its pixels, in the words of the OME model."""

from html import escape

from segx.geometry import Extent
from segx.labels import Labels

__all__ = ["ome_xml"]

_SCHEMA = "http://www.openmicroscopy.org/Schemas/OME/2016-06"


def ome_xml(
    extent: Extent,
    *,
    planes: int,
    labels: Labels,
    pixel_mm: tuple[float, float] | None,
    plane_mm: float | None,
) -> str:
    """Describe a mask: one page a plane, or one a plane and class if multilabel.

    No date and no identifier is in it, so that the same mask gives the same bytes.

    Args:
        extent: Size of a plane.
        planes: Number of planes.
        labels: Names and colours of the classes.
        pixel_mm: Height and width of a pixel, where they are known.
        plane_mm: Distance from one plane to the next, where it is known.

    References:
        Goldberg et al. 2005, doi:10.1186/gb-2005-6-5-r47; schema 2016-06.
    """
    layers = labels.names if labels.kind == "multilabel" else ("class",)
    sizes = {"X": None, "Y": None, "Z": plane_mm}
    if pixel_mm is not None:
        sizes |= {"X": pixel_mm[1], "Y": pixel_mm[0]}
    physical = "".join(
        f' PhysicalSize{axis}="{float(size)!r}" PhysicalSize{axis}Unit="mm"'
        for axis, size in sizes.items()
        if size is not None
    )
    channels = "".join(
        f'<Channel ID="Channel:0:{index}" Name="{escape(name)}" SamplesPerPixel="1"'
        f"{_colour(labels, index)}/>"
        for index, name in enumerate(layers)
    )
    reference, ids = ("", "") if labels.kind == "multilabel" else _ids(labels)
    return (
        f'<?xml version="1.0" encoding="UTF-8"?><OME xmlns="{_SCHEMA}" Creator="segx">'
        '<Image ID="Image:0" Name="mask"><Pixels ID="Pixels:0" DimensionOrder="XYCZT" '
        f'Type="uint8" SizeX="{extent.cols}" SizeY="{extent.rows}" '
        f'SizeC="{len(layers)}" SizeZ="{planes}" SizeT="1"{physical}>{channels}'
        f'<TiffData IFD="0" PlaneCount="{planes * len(layers)}"/></Pixels>'
        f"{reference}</Image>{ids}</OME>"
    )


def _colour(labels: Labels, index: int) -> str:
    """The colour of a multilabel mask's class: RGBA in one signed number."""
    if labels.kind != "multilabel":
        return ""
    value = int.from_bytes(bytes((*labels.colours[index], 255)), signed=True)
    return f' Color="{value}"'


def _ids(labels: Labels) -> tuple[str, str]:
    """What the ids mean: a reference, and the map from id to name that it is to."""
    pairs = "".join(
        f'<M K="{index}">{escape(name)}</M>' for index, name in enumerate(labels.names)
    )
    ids = (
        '<StructuredAnnotations><MapAnnotation ID="Annotation:0">'
        f"<Value>{pairs}</Value></MapAnnotation></StructuredAnnotations>"
    )
    return '<AnnotationRef ID="Annotation:0"/>', ids
