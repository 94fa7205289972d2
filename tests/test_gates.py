"""Each rule of scripts/gates.py finds what it is for, and leaves the rest alone."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

REPOSITORY = Path(__file__).parents[1]


def load_gates() -> ModuleType:
    spec = importlib.util.spec_from_file_location(
        "gates", REPOSITORY / "scripts" / "gates.py"
    )
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["gates"] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


gates = load_gates()

CLEAN = '''"""Nouns."""

__all__ = ["grow"]


def grow(size: int) -> int:
    """One more."""
    return _step(size)


def _step(size: int) -> int:
    try:
        return size + 1
    except (OverflowError, ValueError):
        return size
'''


def findings(text: str, path: str = "segx/tree.py") -> list[str]:
    return [str(item) for item in gates.check_source(text, Path(path))]


def long_function(lines: int) -> str:
    return CLEAN + "\n\ndef _long() -> None:\n" + "    pass\n" * (lines - 1)


def test_a_clean_file_passes() -> None:
    assert findings(CLEAN) == []


@pytest.mark.parametrize(
    ("text", "line", "word"),
    [
        (CLEAN.replace('"""Nouns."""', ""), 1, "docstring"),
        (CLEAN.replace('__all__ = ["grow"]', ""), 1, "__all__"),
        (CLEAN.replace('["grow"]', "[]"), 6, "grow is not in __all__"),
        (CLEAN.replace("return _step(size)", "print(size)"), 8, "print"),
        (CLEAN.replace("return _step(size)", "assert size"), 8, "assert"),
        (CLEAN.replace("(OverflowError, ValueError)", "Exception"), 14, "broad"),
        (CLEAN.replace("ValueError", "BaseException"), 14, "broad"),
        (CLEAN.replace("except (OverflowError, ValueError)", "except"), 14, "broad"),
        (long_function(61), 18, "_long has 61 lines"),
        (CLEAN + "# more\n" * 400, 1, "415 lines"),
    ],
)
def test_each_broken_rule_is_named_with_its_line(
    text: str, line: int, word: str
) -> None:
    (finding,) = findings(text)
    assert finding.startswith(f"segx/tree.py:{line}: ")
    assert word in finding


@pytest.mark.parametrize(
    ("text", "path"),
    [
        (long_function(60), "segx/tree.py"),
        (CLEAN + "#\n" * (400 - CLEAN.count("\n")), "segx/tree.py"),
        ('"""A room."""\n', "segx/room/__init__.py"),
        (CLEAN.replace("__all__", "_names"), "segx/__main__.py"),
    ],
)
def test_what_is_just_allowed_passes(text: str, path: str) -> None:
    assert findings(text, path) == []


@pytest.mark.parametrize("path", ["segx/utils.py", "segx/common/tree.py"])
def test_a_vague_name_is_refused(path: str) -> None:
    (finding,) = findings(CLEAN, path)
    assert "says nothing" in finding


def test_the_exit_code_says_whether_something_was_found(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert gates.main([str(tmp_path)]) == 2
    (tmp_path / "tree.py").write_text(CLEAN, encoding="utf-8")
    assert gates.main([str(tmp_path)]) == 0
    (tmp_path / "leaf.py").write_text("x = 1\n", encoding="utf-8")
    assert gates.main([str(tmp_path)]) == 1
    assert "leaf.py:1: no module docstring" in capsys.readouterr().out
