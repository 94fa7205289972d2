"""preview.html: one offline page on what a data set holds and what is wrong with it."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import segx
from segx.data.check import CheckedData
from segx.data.defects import Finding, Severity, plural
from segx.data.overview import Overview
from segx.data.preview_cases import galleries
from segx.pages import (
    Block,
    Chart,
    Charts,
    Column,
    Headline,
    Notice,
    Page,
    Section,
    Share,
    Table,
    Text,
    write_page,
)
from segx.pages.charts import Curve, Strip, curves, dots, strip_legend, strips

__all__ = ["preview_page", "write_preview"]

_MOST_FINDINGS = 500  # of a severity
_MOST_SIZES = 12
_MOST_CHANNELS = 8
_ACCENTS = {"red": 1, "green": 2, "blue": 0}


def write_preview(
    path: Path, found: Overview, checked: CheckedData, *, axis: int = 0
) -> None:
    """Write preview.html, whole or not at all.

    Args:
        path: Where to.
        found: The data set in numbers.
        checked: The data set itself; what it holds is read again for the pictures.
        axis: Axis along which volumes are cut into planes.
    """
    write_page(path, preview_page(found, checked, axis=axis))


def preview_page(found: Overview, checked: CheckedData, *, axis: int = 0) -> Page:
    """The page of `write_preview`, as values."""
    errors = [item for item in found.findings if item.severity is Severity.ERROR]
    warnings = [item for item in found.findings if item.severity is Severity.WARNING]
    sections = [
        Section("Errors", _findings(errors, found.root)),
        Section("Warnings", _findings(warnings, found.root)),
        Section("Cases and classes", _classes(found, checked)),
        Section("Sizes", _sizes(found)),
        Section("Intensities", _intensities(found, checked)),
        Section("Cases to look at", galleries(found, checked, axis=axis)),
    ]
    counts = ", ".join(f"{count} {split}" for split, count in found.counts.items())
    return Page(
        kicker="Data set preview",
        title=found.root.resolve().name,
        lead=f"{counts or 'No'} cases in {found.root}, as segx check found them.",
        top=[_verdict(errors, warnings), _headline(found, errors, warnings)],
        sections=[section for section in sections if section.blocks],
        foot=f"Made by segx {segx.__version__}. This page is one file: it loads "
        "nothing else.",
    )


def _verdict(errors: Sequence[Finding], warnings: Sequence[Finding]) -> Notice:
    if errors:
        text = (
            f"{plural(len(errors), 'error')}: segx fit starts when they are repaired."
        )
        return Notice("error", text)
    if warnings:
        text = f"{plural(len(warnings), 'finding')} to look at; segx fit would start."
        return Notice("warning", text)
    return Notice("note", "No errors, no warnings: segx fit would start.")


def _headline(
    found: Overview, errors: Sequence[Finding], warnings: Sequence[Finding]
) -> Headline:
    total = sum(found.counts.values())
    splits = " + ".join(f"{count} {split}" for split, count in found.counts.items())
    kind = plural(found.channels, "channel")
    return Headline(
        [
            ("Cases", total, splits),
            ("Classes", len(found.class_names), ", ".join(found.class_names[:6])),
            ("Sizes", len(found.sizes), f"{kind}, {found.dtype or 'unreadable'}"),
            ("Errors", len(errors), plural(len(warnings), "warning")),
        ]
    )


def _findings(findings: Sequence[Finding], root: Path) -> list[Block]:
    if not findings:
        return []
    listed = findings[:_MOST_FINDINGS]
    part = "All" if len(listed) == len(findings) else f"The first {len(listed)} of"
    caption = f"{part} n = {len(findings)} findings; files are named within {root}."
    heads = ("kind", "file", "found", "expected", "what to do")
    rows = [
        [
            item.code.title,
            _within(item.file, root),
            *(_short(text, root) for text in (item.found, item.expected, item.fix)),
        ]
        for item in listed
    ]
    columns = [Column(name, is_text=True) for name in heads]
    return [Table(caption, columns, rows, is_long=len(rows) > 20)]


def _classes(found: Overview, checked: CheckedData) -> list[Block]:
    if not found.counts:
        return []
    of = "pixels" if found.case_shares else "cases"
    names = found.class_names
    table = Table(
        f"Cases of each split, n = {sum(found.counts.values())}, and the share of each "
        f"class in their {of}.",
        [Column("split", is_text=True), Column("cases"), *map(Column, names)],
        [
            [
                *(split, count),
                *(_share(found.class_shares.get(split, {}), name) for name in names),
            ]
            for split, count in found.counts.items()
        ],
    )
    values, by_case = checked.common.mask_values, found.case_shares.values()
    if values is None or not by_case:
        return [table]
    drawn = [
        Strip(name, [shares[name] for shares in by_case])
        for name in values.labels.foreground
    ]
    chart = Chart(
        strips(drawn, axis="share of the case's pixels"),
        f"Share of each class in each case, n = {len(by_case)}. "
        f"{strip_legend(len(by_case), len(drawn))}",
    )
    return [table, Charts([chart])]


def _sizes(found: Overview) -> list[Block]:
    if not found.sizes:
        return []
    n = sum(item.images for item in found.sizes)
    shown = found.sizes[:_MOST_SIZES]
    part = "" if len(shown) == len(found.sizes) else f", the {len(shown)} most frequent"
    table = Table(
        f"Sizes of n = {n} images, in pixels{part}.",
        [Column(name) for name in ("rows", "columns", "planes", "images")],
        [[item.rows, item.cols, item.planes, item.images] for item in shown],
    )
    if len(found.sizes) <= 3:
        return [table]
    cols, rows = (
        [item.cols for item in found.sizes],
        [item.rows for item in found.sizes],
    )
    chart = Chart(
        dots([("size", cols, rows)], x_axis="columns, px", y_axis="rows, px"),
        f"Rows and columns of the {len(found.sizes)} sizes of n = {n} images, in "
        "pixels; a dot is a size.",
    )
    return [table, Charts([chart])]


def _intensities(found: Overview, checked: CheckedData) -> list[Block]:
    if not found.histograms:
        return []
    is_grey = len(set(found.histograms)) == 1
    shown = found.histograms[: 1 if is_grey else _MOST_CHANNELS]
    names = ["grey"] if is_grey else _channel_names(len(shown))
    lines = [
        Curve(
            name,
            histogram.edges,
            [*histogram.shares, 0.0],
            is_stepped=True,
            accent=_ACCENTS.get(name),
        )
        for name, histogram in zip(names, shown, strict=True)
    ]
    chart = Chart(
        curves(lines, x_axis="stored value", y_axis="share of pixels"),
        "Stored values by channel: share of a sample of evenly spread pixels of all "
        f"images, in {len(shown[0].shares)} bins.",
    )
    scale = checked.survey.intensity_source if checked.survey is not None else None
    told = [Text(f"Images are scaled by: {scale}.", is_policy=True)] if scale else []
    return [*told, Charts([chart])]


def _channel_names(count: int) -> list[str]:
    if count == 3:
        return ["red", "green", "blue"]
    return [f"channel {index}" for index in range(count)]


def _share(shares: Mapping[str, float], name: str) -> Share | None:
    return Share(shares[name]) if name in shares else None


def _within(file: Path, root: Path) -> str:
    """A file as it is called within the data set; what concerns the set names none."""
    if file == root:
        return "the set"
    return str(file.relative_to(root) if file.is_relative_to(root) else file)


def _short(text: str, root: Path) -> str:
    """A sentence whose paths are told within the data set, as its file is."""
    return text.replace(f"{root}{os.sep}", "")
