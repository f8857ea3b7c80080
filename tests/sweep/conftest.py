from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def importable(monkeypatch):
    """Subprocesses find the package, installed or not."""
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[2]))
