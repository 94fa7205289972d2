import pickle
from pathlib import Path

from segx.data.defects import LISTED, Code, DefectsError, Finding, errors_among


def finding(name: str = "a.png", code: Code = Code.UNREADABLE) -> Finding:
    return Finding(code, Path(name), "is cut short", "a whole file", "Copy it again.")


def test_every_defect_is_listed_with_what_to_do() -> None:
    error = DefectsError("set", [finding(f"{n}.png") for n in range(3)])
    assert str(error).splitlines() == [
        "set: 3 defects.",
        *(
            f"  {n}.png: is cut short; expected: a whole file. Copy it again."
            for n in range(3)
        ),
    ]


def test_a_long_list_is_cut_in_the_text_and_whole_in_the_object() -> None:
    error = DefectsError("set", [finding()] * (LISTED + 5))
    assert str(error).endswith("… and 5 more.")
    assert len(error.findings) == LISTED + 5


def test_the_error_survives_the_way_out_of_a_process() -> None:
    error = DefectsError("set", [finding()])
    back = pickle.loads(pickle.dumps(error))  # noqa: S301 - our own bytes
    assert str(back) == str(error)
    assert back.findings == error.findings


def test_names_of_codes_are_stable_and_all_different() -> None:
    names = [code.value for code in Code]
    assert len(set(names)) == len(names)
    assert all(name == name.lower().replace(" ", "-") for name in names)
    assert {code.name.lower().replace("_", "-") for code in Code} == set(names)


def test_errors_are_told_from_warnings() -> None:
    both = [finding(), finding(code=Code.EMPTY_MASK)]
    assert errors_among(both) == (both[0],)
