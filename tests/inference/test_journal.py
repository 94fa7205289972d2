"""What the journal knows of one scan is no other scan's."""

from pathlib import Path

import pytest

from segx.inference.journal import Journal


@pytest.mark.parametrize("other", ["CT.thin", "CT.1", "CT.nii.gz", "C", "CT[1]"])
def test_a_finished_scan_leaves_the_spools_of_others(
    tmp_path: Path, other: str
) -> None:
    scans = [tmp_path / name for name in ("CT", other)]
    journal, spools = Journal(tmp_path, settings={}), []
    for scan in scans:
        scan.write_text(scan.name)
        spools.append(journal.spool(scan, journal.key(scan), "mask"))
    spools[0].parent.mkdir()
    for spool in spools:
        spool.touch()
    for scan in scans:
        own = spools.pop(0)
        journal.tidy(scan)
        assert not own.exists()
        assert all(spool.exists() for spool in spools)
