"""What all tests share: where the real data are, and a calm environment."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

REPOSITORY = Path(__file__).parents[1]

# Albumentations asks its server for a newer version when imported, unless told not to.
os.environ["NO_ALBUMENTATIONS_UPDATE"] = "1"
# Commands that tests start find this segx, installed or not, from any folder.
os.environ["PYTHONPATH"] = os.pathsep.join(
    item for item in (str(REPOSITORY), os.environ.get("PYTHONPATH")) if item
)

settings.register_profile(
    "segx",
    deadline=None,  # the first call of a law may load torch
    derandomize="CI" in os.environ,  # there, a failure must come again
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("segx")


@pytest.fixture(scope="session")
def shared_data() -> Callable[[str], Path]:
    """Find a folder of real data by name; skip the test where it is not at hand.

    The data stand in the folder that SEGX_SHARED_DATA names, or in ../shared/data.
    """
    named = os.environ.get("SEGX_SHARED_DATA")
    root = Path(named) if named else REPOSITORY.parent / "shared" / "data"

    def find(name: str) -> Path:
        if not (root / name).is_dir():
            pytest.skip(f"real data {name!r} are not in {root} (see SEGX_SHARED_DATA)")
        return root / name

    return find
