"""The rules of the house that no linter knows, held against every file of a folder.

python scripts/gates.py [FOLDER …]   (default: segx); exit 1 if a rule is broken
"""

import ast
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Finding", "check_file", "check_source", "main"]

FILE_LINES = 400
FUNCTION_LINES = 60
BROAD = {"Exception", "BaseException"}
VAGUE_NAMES = {"common", "helper", "helpers", "manager", "misc", "util", "utils"}

Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True, order=True)
class Finding:
    """One place where a rule is broken; `line` counts from 1."""

    path: Path
    line: int
    text: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.text}"


def main(arguments: list[str]) -> int:
    """Check all Python files of the folders given and print what was found."""
    folders = [Path(name) for name in arguments or ["segx"]]
    files = sorted(file for folder in folders for file in folder.rglob("*.py"))
    if not files:
        print(f"gates: there is no Python file in {', '.join(map(str, folders))}")
        return 2
    findings = sorted(finding for file in files for finding in check_file(file))
    for finding in findings:
        print(finding)
    print(f"gates: {len(files)} files, {len(findings)} findings")
    return 1 if findings else 0


def check_file(path: Path) -> list[Finding]:
    """Hold one file against all rules."""
    return check_source(path.read_text(encoding="utf-8"), path)


def check_source(text: str, path: Path) -> list[Finding]:
    """Hold a module's text against all rules; `path` says where it would stand."""
    tree = ast.parse(text, filename=str(path))
    found = [
        *_size(text),
        *_name(path),
        *_docstring(tree),
        *_public_names(tree, path),
        *(place for node in ast.walk(tree) for place in _node(node)),
    ]
    return [Finding(path, line, message) for line, message in sorted(found)]


# A place is (line, message).


def _size(text: str) -> Iterator[tuple[int, str]]:
    lines = len(text.splitlines())
    if lines > FILE_LINES:
        yield 1, f"{lines} lines; a file has at most {FILE_LINES}: split it by topic"


def _name(path: Path) -> Iterator[tuple[int, str]]:
    for part in (*path.parts[:-1], path.stem):
        if part in VAGUE_NAMES:
            yield 1, f"{part!r} says nothing: name the file after what it holds"


def _docstring(tree: ast.Module) -> Iterator[tuple[int, str]]:
    if not ast.get_docstring(tree):
        yield 1, "no module docstring: say in one sentence what the file is"


def _public_names(tree: ast.Module, path: Path) -> Iterator[tuple[int, str]]:
    """`__all__` names exactly what is public, so that it can be believed."""
    if path.name == "__main__.py":
        return
    defined = {
        node.name: node.lineno
        for node in tree.body
        if isinstance(node, Function | ast.ClassDef) and not node.name.startswith("_")
    }
    listed = _all_of(tree)
    if listed is None:
        # An __init__.py that holds a docstring alone exports nothing.
        if len(tree.body) > (ast.get_docstring(tree) is not None):
            yield 1, "no __all__: list the public names"
        return
    for name, line in defined.items():
        if name not in listed:
            yield line, f"{name} is not in __all__: list it, or call it _{name}"


def _all_of(tree: ast.Module) -> set[str] | None:
    """The names in a module's `__all__`; None where there is none."""
    for node in tree.body:
        if (
            isinstance(node, ast.Assign)
            and isinstance(node.targets[0], ast.Name)
            and node.targets[0].id == "__all__"
            and isinstance(node.value, ast.List | ast.Tuple)
        ):
            return {
                str(item.value)
                for item in node.value.elts
                if isinstance(item, ast.Constant)
            }
    return None


def _node(node: ast.AST) -> Iterator[tuple[int, str]]:
    """Rules that hold for one node, wherever it stands."""
    if isinstance(node, Function):
        lines = (node.end_lineno or node.lineno) - node.lineno + 1
        if lines > FUNCTION_LINES:
            most = f"a function has at most {FUNCTION_LINES}"
            yield node.lineno, f"{node.name} has {lines} lines; {most}: name its steps"
    elif isinstance(node, ast.Assert):
        yield node.lineno, "assert vanishes under python -O: raise a SegxError"
    elif isinstance(node, ast.ExceptHandler) and _is_broad(node.type):
        yield node.lineno, "broad except: catch only what you can name"
    elif (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id == "print"
    ):
        yield node.lineno, "print: log, or write to the console of segx.cli.console"


def _is_broad(caught: ast.expr | None) -> bool:
    """Whether an except clause names nothing, or the root of all errors."""
    if caught is None:
        return True
    if isinstance(caught, ast.Tuple):
        return any(_is_broad(item) for item in caught.elts)
    return isinstance(caught, ast.Name) and caught.id in BROAD


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
