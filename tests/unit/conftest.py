"""What tests on a user's own images share."""

from pathlib import Path

import pytest
from own_folder import coloured


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Images of three colours in class folders."""
    return coloured(tmp_path / "mine")


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder to run in, which is no checkout, on one thread of the CPU."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FARFIELD_WORKERS", "1")
    monkeypatch.setenv("FARFIELD_DEVICE", "cpu")
    return tmp_path
