"""One offline HTML page: what it says as plain values, and how it is drawn."""

from segx.pages.blocks import (
    Block,
    Chart,
    Charts,
    Column,
    Estimate,
    Facts,
    Gallery,
    Headline,
    Listing,
    Matrix,
    Notice,
    Page,
    Section,
    Share,
    Table,
    Text,
)
from segx.pages.pictures import Contour, Line, Picture, contour, shrunk, thumbnail
from segx.pages.render import render, write_page

__all__ = [
    "Block",
    "Chart",
    "Charts",
    "Column",
    "Contour",
    "Estimate",
    "Facts",
    "Gallery",
    "Headline",
    "Line",
    "Listing",
    "Matrix",
    "Notice",
    "Page",
    "Picture",
    "Section",
    "Share",
    "Table",
    "Text",
    "contour",
    "render",
    "shrunk",
    "thumbnail",
    "write_page",
]
