"""docs/suites.md shows what results/reference/suites holds, and every pair of suites has an answer."""

import importlib
import re
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "results" / "reference" / "suites"


@pytest.fixture
def tables(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(str(ROOT / "scripts" / "peers" / "grid_suites"))
    return importlib.import_module("tables")


def test_the_page_has_the_tables_of_the_csv_files(tables: Any) -> None:
    page = (ROOT / "docs" / "suites.md").read_text()
    assert tables.filled(page, FOLDER) == page
    assert len(re.findall(r"^\| DoorKey-8x8 \|", page, re.MULTILINE)) == 1


def test_every_row_says_whether_curves_may_be_compared(tables: Any) -> None:
    for task, rows in tables.read_tasks(FOLDER).items():
        assert "farama" in rows, task
        for suite, row in rows.items():
            assert (row["compare"] == "") == (suite == "farama"), (task, suite)
            assert row["compare"] in ("", "yes", "only by success", "no", "not known")
            assert not row["episodes"] or float(row["random_low"]) <= float(row["random_success"]) <= float(
                row["random_high"]
            )


def test_intervals_of_shares(tables: Any) -> None:
    low, high = tables.wilson(0, 1000)
    assert low == pytest.approx(0, abs=1e-12) and high == pytest.approx(0.00383, abs=1e-5)  # z^2 / (n + z^2)
    assert sum(tables.wilson(500, 1000)) == pytest.approx(1)
