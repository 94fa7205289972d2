import pickle
from pathlib import Path

from segx.data.defects import LISTED, Defect, DefectsError


def test_every_defect_is_listed_and_named() -> None:
    error = DefectsError("set", [Defect(Path(f"{n}.png"), "bad") for n in range(3)])
    assert str(error).splitlines() == [
        "set: 3 defects.",
        *(f"  {n}.png: bad" for n in range(3)),
    ]


def test_a_long_list_is_cut_in_the_text_and_whole_in_the_object() -> None:
    error = DefectsError("set", [Defect(Path("a"), "bad")] * (LISTED + 5))
    assert str(error).endswith("… and 5 more.")
    assert len(error.defects) == LISTED + 5


def test_a_problem_that_names_its_file_is_not_named_twice() -> None:
    assert str(Defect(Path("a.png"), "a.png is cut short.")) == "a.png is cut short."


def test_the_error_survives_the_way_out_of_a_process() -> None:
    error = DefectsError("set", [Defect(Path("a"), "bad")])
    back = pickle.loads(pickle.dumps(error))  # noqa: S301 - our own bytes
    assert str(back) == str(error)
    assert back.defects == error.defects
