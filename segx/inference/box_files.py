"""The boxes of one scan as files: COCO, GeoJSON, a picture, numbers."""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

import segx
from segx.atomic import write_text
from segx.boxes import Detections
from segx.geometry import Region
from segx.inference.sketch import Thumbnail
from segx.inference.summary import BoxCount, BoxSummary, Method
from segx.labels import Labels
from segx.scans.channels import match_channels
from segx.scans.damage import writing
from segx.scans.intensity import Intensity
from segx.scans.overlay import draw_boxes, write_png
from segx.scans.polygons import annotation
from segx.scans.scan import Scan

__all__ = ["summarise_boxes", "write_box_overlay", "write_coco", "write_rectangles"]

# Rows that are read at once.
_BLOCK_ROWS = 512
# Digits that are written of a place in pixels, and of a score.
_PLACE, _SCORE = 2, 4


def write_coco(path: Path, scan: Scan, found: Detections, labels: Labels) -> None:
    """Write boxes as a data set of one image, as pycocotools reads it.

    Boxes are in pixels of the file's full resolution, and so is the image's size.

    Args:
        path: Where to.
        scan: Where they were found.
        found: In pixels of the scan.
        labels: What the classes mean.

    References:
        Lin et al. 2014, doi:10.1007/978-3-319-10602-1_48; https://cocodataset.org,
        "Data format". The member `score` of an annotation is that of "Results format".
    """
    rows, cols = scan.level0_scale
    image = {
        "id": 1,
        "file_name": scan.path.name,
        "width": round(scan.extent.cols * cols),
        "height": round(scan.extent.rows * rows),
    }
    ids = range(1, len(labels.names))
    head = {
        "info": {"description": f"Found by segx {segx.__version__}"},
        "images": [image],
        "categories": [{"id": number, "name": labels.names[number]} for number in ids],
    }
    full = _at_full_resolution(scan, found)
    _write_lines(path, head, "annotations", _annotations(full))


def write_rectangles(path: Path, scan: Scan, found: Detections, labels: Labels) -> None:
    """Write boxes as GeoJSON, as `Polygons` writes masks, each with its score.

    Args:
        path: Where to.
        scan: Where they were found.
        found: In pixels of the scan.
        labels: What the classes mean, and their colours.
    """
    features = []
    for box, number, score in _rows(_at_full_resolution(scan, found)):
        left, top, right, bottom = (round(side, _PLACE) for side in box)
        corners = [(left, top), (right, top), (right, bottom), (left, bottom)]
        feature = annotation(
            [[*corners, corners[0]]], name=labels.names[number], labels=labels
        )
        feature["properties"]["measurements"] = {"score": round(score, _SCORE)}
        features.append(feature)
    _write_lines(path, {"type": "FeatureCollection"}, "features", features)


def write_box_overlay(
    path: Path, scan: Scan, found: Detections, labels: Labels, *, intensity: Intensity
) -> None:
    """Draw boxes over the scan, the surest on top.

    Args:
        path: Where to.
        scan: Where they were found.
        found: In pixels of the scan, the highest score first.
        labels: What the classes mean, and their colours.
        intensity: The scale that the scan is shown with.
    """
    extent, thumbnail = scan.extent, Thumbnail(scan.extent, intensity=intensity)
    for top in range(0, extent.rows, _BLOCK_ROWS):
        region = Region(top, 0, min(_BLOCK_ROWS, extent.rows - top), extent.cols)
        pixels = scan.read(region)
        pixels = match_channels(pixels, intensity.channels, source=scan.path)
        thumbnail.add(region, pixels)
    boxes = found.boxes[::-1] / thumbnail.step
    picture = draw_boxes(thumbnail.picture(), boxes, found.classes[::-1], labels)
    write_png(path, picture)


def summarise_boxes(
    scan: Scan,
    found: Detections,
    labels: Labels,
    *,
    score_threshold: float,
    method: Method,
) -> BoxSummary:
    """Count the objects of each class.

    Args:
        scan: Where they were found.
        found: The objects.
        labels: What the classes mean.
        score_threshold: Least score of what was kept.
        method: How they were found.
    """
    counts = []
    for number, name in enumerate(labels.foreground, start=1):
        scores = found.scores[found.classes == number]
        mean = (
            round(float(scores.mean(dtype=np.float64)), _SCORE) if len(scores) else None
        )
        counts.append(BoxCount(name, len(scores), mean))
    return BoxSummary(
        scan=scan.path.name,
        rows=scan.extent.rows,
        cols=scan.extent.cols,
        spacing_mm=scan.spacing_mm,
        boxes=len(found),
        classes=tuple(counts),
        score_threshold=score_threshold,
        method=method,
    )


def _at_full_resolution(scan: Scan, found: Detections) -> Detections:
    rows, cols = scan.level0_scale
    return found.scaled(rows=rows, cols=cols)


def _annotations(found: Detections) -> Iterable[dict[str, Any]]:
    """Each object as COCO has it: its box by its corner, its width and its height."""
    for index, (box, number, score) in enumerate(_rows(found), start=1):
        left, top, right, bottom = (round(side, _PLACE) for side in box)
        width, height = round(right - left, _PLACE), round(bottom - top, _PLACE)
        yield {
            "id": index,
            "image_id": 1,
            "category_id": number,
            "bbox": [left, top, width, height],
            "area": round(width * height, _PLACE),
            "iscrowd": 0,
            "score": round(score, _SCORE),
        }


def _rows(found: Detections) -> Iterable[tuple[list[float], int, float]]:
    """Box, class and score of each object."""
    columns = (found.boxes.tolist(), found.classes.tolist(), found.scores.tolist())
    return zip(*columns, strict=True)


def _write_lines(
    path: Path, head: Mapping[str, Any], name: str, items: Iterable[object]
) -> None:
    """Write an object of JSON whose last member is a list, an item a line.

    Raises:
        ScanError: If it can't be written.
    """
    lines = ",\n".join(json.dumps(item) for item in items)
    text = f'{json.dumps(head)[:-1]}, "{name}": [\n{lines}\n]}}\n'
    with writing(path):
        write_text(path, text)
