"""How optional parts of segx are installed: from where segx itself was."""

import importlib.metadata
import json
import shlex
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname

__all__ = ["install_extra"]


def install_extra(*names: str) -> str:
    """The command that installs extras.

    It asks no public index for segx: what has that name there is another's.

    Args:
        names: Such as ``volumes``.
    """
    folder, is_editable = _sources()
    target = shlex.quote(f"{folder}[{','.join(names)}]")
    where = " in the folder of segx's sources" if folder == "." else ""
    return f"pip install {'-e ' if is_editable else ''}{target}{where}"


def _sources() -> tuple[str, bool]:
    """The folder that segx was installed from, if known, and whether it runs there."""
    try:
        text = importlib.metadata.distribution("segx").read_text("direct_url.json")
    except importlib.metadata.PackageNotFoundError:
        text = None  # it runs from its folder of sources
    origin = json.loads(text or "{}")
    if "dir_info" in origin:
        folder = url2pathname(urlsplit(origin["url"]).path)
        if Path(folder).is_dir():
            return folder, bool(origin["dir_info"].get("editable", False))
    return ".", False
