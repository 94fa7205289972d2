"""A page with one block of every kind."""

import numpy as np

from segx.geometry import Extent
from segx.pages import (
    Chart,
    Charts,
    Column,
    Estimate,
    Facts,
    Gallery,
    Headline,
    Line,
    Listing,
    Matrix,
    Notice,
    Page,
    Picture,
    Section,
    Share,
    Table,
    Text,
    contour,
    thumbnail,
)
from segx.pages.charts import Band, Curve, Strip, curves, dots, strips
from segx.pages.reliability import reliability

__all__ = ["every_block"]


def every_block(name: str = "cell") -> Page:
    """Every kind of block, with `name` wherever a file or a class may give one."""
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 255, (40, 60, 3), np.uint8)
    area = np.zeros((40, 60), np.bool_)
    area[5:20, 10:30] = True
    outline = contour(area, Line(name, "#56b4e9", "5 3"))
    assert outline is not None
    picture = Picture(thumbnail(pixels), Extent(40, 60), [outline], name, [name])
    values = rng.uniform(0, 1, 30).tolist()
    drawings = [
        strips([Strip(name, values, Estimate(0.5, 0.4, 0.6))], axis=name,
               limits=(0, 1)),
        curves([Curve(name, [0, 1], [0, 1])], x_axis=name, y_axis=name,
               band=Band([0, 1], [0, 0], [1, 1]), is_unit_square=True),
        curves([Curve(name, [0, 1], [2, 3]), Curve("b", [0, 1], [1, 2])],
               x_axis=name, y_axis=name),
        dots([(name, [1, 10], [0, 1]), ("b", [2, 20], [1, 0])],
             x_axis=name, y_axis=name, is_log=True),
        reliability([0.1, 0.9], [0.2, 0.8], [3, 400], unit=name, has_intervals=True),
    ]  # fmt: skip
    columns = [Column(name, is_text=True), Column("n"), Column("Dice"), Column("share")]
    rows = [
        [name, 1234, Estimate(0.5, 0.4, 0.6), Share(0.25)],
        [name, None, float("nan"), Share(float("nan"))],
        [name, -1, float("inf"), Share(0.0)],
    ]
    blocks = [
        Text(name),
        Text(name, is_policy=True),
        Notice("warning", name),
        Headline([(name, 0.5, name)]),
        Table(name, columns, rows, totals=rows[:1], is_long=True),
        Matrix(name, [name, "other"], [[3, 1], [0, 0]]),
        Charts([Chart(svg, name) for svg in drawings]),
        Gallery(name, [picture]),
        Facts([(name, name)]),
        Listing(name, name),
    ]
    return Page(name, name, name, blocks[:2], [Section(name, blocks)], name)
