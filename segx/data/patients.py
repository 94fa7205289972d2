"""Whose image it is, as the files' names tell."""

import re
from dataclasses import replace

from segx.data.case import Case, Layout
from segx.data.defects import plural
from segx.errors import DataError

__all__ = ["with_patients"]

_SHOWN = 5


def with_patients(layout: Layout, pattern: str | None) -> Layout:
    """Read each case's patient from the name of its image.

    Args:
        layout: The cases.
        pattern: A regular expression that is searched in each file name; its group
            called ``patient``, else its first one, is the patient. None leaves all as
            it is.

    Raises:
        DataError: If a name does not match, or the patients are known already.
    """
    if pattern is None:
        return layout
    known = [case for case in layout.cases if case.patient is not None]
    if known:
        raise DataError(
            f"data.patient_pattern is set, but {layout.root} tells the patients "
            f"already, such as {known[0].patient!r} of {known[0].id}. Leave out one of "
            "the two."
        )
    expression = re.compile(pattern)
    patients = [_patient(expression, case) for case in layout.cases]
    unmatched = [
        case.image.name
        for case, patient in zip(layout.cases, patients, strict=True)
        if not patient
    ]
    if unmatched:
        shown = ", ".join(unmatched[:_SHOWN])
        more = len(unmatched) - _SHOWN
        raise DataError(
            f"data.patient_pattern {pattern!r} finds no patient in "
            f"{len(unmatched)} of {plural(len(patients), 'file name')}: {shown}"
            f"{f' and {more} more' if more > 0 else ''}. Every name must match."
        )
    pairs = zip(layout.cases, patients, strict=True)
    cases = tuple(replace(case, patient=patient) for case, patient in pairs)
    return replace(layout, cases=cases)


def _patient(expression: re.Pattern[str], case: Case) -> str | None:
    """The patient in a file name; None, or nothing, where it is not found."""
    match = expression.search(case.image.name)
    if match is None:
        return None
    found = match.group("patient" if "patient" in expression.groupindex else 1)
    return found.strip() if found else None
