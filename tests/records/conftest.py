import os

import pytest


@pytest.fixture
def nobody_is_logged_in(monkeypatch, tmp_path_factory):
    """wandb finds no account, whoever runs the tests."""
    for name in [name for name in os.environ if name.startswith("WANDB")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("NETRC", str(tmp_path_factory.mktemp("home") / "netrc"))
