"""How often a 95 % interval holds the true value, by simulation (scripts/interval_coverage.py prints the table)."""

import sys
from pathlib import Path

import pytest

from rewardlab.report.statistics import COVERED

sys.path.insert(0, str(Path(__file__).parents[2] / "scripts"))
from interval_coverage import DISTRIBUTIONS, covered


@pytest.mark.parametrize("kind", sorted(DISTRIBUTIONS))
def test_twenty_seeds_cover_95_percent(kind):
    # 600 repetitions know a share of 0.95 to 0.009, so this is 0.95 within four of those.
    assert covered(kind, seeds=20, tasks=4, repetitions=600) == pytest.approx(0.95, abs=0.036)


def test_few_seeds_cover_less_and_the_report_says_how_much():
    shares = [covered(kind, seeds=5, tasks=1, repetitions=600) for kind in DISTRIBUTIONS]
    low, high = COVERED[5]
    assert low == pytest.approx(min(shares), abs=0.05)
    assert high == pytest.approx(max(shares), abs=0.05)
    assert high < 0.93
