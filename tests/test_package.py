"""The package as a whole: light to import, honest about what it needs."""

import ast
import importlib.metadata
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import segx
from tests.phantoms import write_discs

REPOSITORY = Path(__file__).parents[1]
PROJECT = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))

# Refuses sockets, runs what is asked, and lists the heavy modules that came along.
PROBE = """
import sys
def refuse(event, arguments):
    if event.startswith("socket."):
        raise RuntimeError(event, arguments)
sys.addaudithook(refuse)
{code}
heavy = {{"albumentations", "cv2", "numpy", "pydantic", "pytorch_lightning", "torch"}}
print("heavy:", *sorted(heavy & set(sys.modules)))
"""

# Module → the name that it is installed by, where more than "_" and "-" differ.
INSTALLED_BY = {
    "PIL": "pillow",
    "SimpleITK": "simpleitk",
    "cv2": "opencv-python-headless",
    "openslide": "openslide-python",
    "sklearn": "scikit-learn",
    "yaml": "pyyaml",
}
# Peers that can't stand beside segx: each script says how its environment is made.
ELSEWHERE = {"batchgenerators", "nnunetv2", "tiatoolbox", "zarr"}


def run_python(code: str, folder: Path) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize(
    "code",
    [
        "import segx; segx.SegxError; segx.__version__; dir(segx)",
        "from segx.cli.main import main; assert main(['--help']) == 0",
        "from segx.cli.main import main; assert main(['--version']) == 0",
    ],
)
def test_the_door_loads_nothing_heavy_and_opens_no_socket(
    code: str, tmp_path: Path
) -> None:
    assert run_python(PROBE.format(code=code), tmp_path).endswith("heavy:\n")


@pytest.mark.parametrize("more", [[], ["--sheet", "preview.html"]])
def test_a_data_set_is_checked_without_torch(tmp_path: Path, more: list[str]) -> None:
    root = write_discs(tmp_path / "discs", count=2)
    command = ["check", str(root), *more]
    code = f"from segx.cli.main import main; assert main({command!r}) == 0"
    heavy = run_python(PROBE.format(code=code), tmp_path).rpartition("heavy:")[2]
    assert not {"torch", "pytorch_lightning", "albumentations"} & set(heavy.split())


def test_help_costs_less_than_half_a_second(tmp_path: Path) -> None:
    # Processor time, so that a busy machine does not fail the test.
    before = os.times()
    run_python("from segx.cli.main import main; main(['--help'])", tmp_path)
    after = os.times()
    assert after.children_user - before.children_user < 0.5


def test_every_public_name_can_be_had() -> None:
    for name in segx.__all__:
        assert getattr(segx, name) is not None
        assert name in dir(segx)


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'laod'"):
        _ = segx.laod


def imported_packages(folder: str) -> set[str]:
    """What a folder's files import from others, at the top or in a function."""
    found = set()
    files = list((REPOSITORY / folder).rglob("*.py"))
    for path in files:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                found |= {item.name.partition(".")[0] for item in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                found.add(node.module.partition(".")[0])
    own = {"segx", "tests", *(path.stem for path in files)}
    others = found - set(sys.stdlib_module_names) - own
    return {INSTALLED_BY.get(name, name.replace("_", "-")) for name in others}


def declared(lines: list[str]) -> set[str]:
    return {re.split(r"[\[<>=~! ]", line, maxsplit=1)[0].lower() for line in lines}


def test_every_import_is_declared_and_every_dependency_is_used() -> None:
    needed = imported_packages("segx")
    required = declared(PROJECT["project"]["dependencies"])
    extras = PROJECT["project"]["optional-dependencies"]
    offered = extras.keys() - {"bench", "dev", "test"}
    optional = [line for extra in offered for line in extras[extra]]
    assert needed - required - declared(optional) == set()
    assert required - needed == set(), "declared and never imported"


@pytest.mark.parametrize(("folder", "extra"), [("tests", "test"), ("scripts", "bench")])
def test_what_stands_beside_segx_needs_only_its_extra(folder: str, extra: str) -> None:
    project = PROJECT["project"]
    extras = project["optional-dependencies"]
    # Tests of what is optional are skipped without it; an example runs an ONNX file.
    optional = extras["onnx"] + (extras["dicom"] if folder == "tests" else [])
    known = declared(project["dependencies"] + extras[extra] + optional)
    assert imported_packages(folder) - known - ELSEWHERE == set()


def test_the_stock_configs_travel_in_the_wheel() -> None:
    wheel = PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]
    assert wheel["force-include"] == {"configs": "segx/configs"}
    assert (REPOSITORY / "configs" / "unet.yaml").is_file()
    assert (REPOSITORY / "segx" / "py.typed").is_file()


def test_an_installed_segx_has_the_version_of_the_sources() -> None:
    try:
        installed = importlib.metadata.version("segx")
    except importlib.metadata.PackageNotFoundError:
        pytest.skip("segx runs from its sources here")
    assert installed == segx.__version__
