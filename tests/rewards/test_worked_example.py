"""The scheme that CONTRIBUTING.md shows: kept outside the package, found by its file's name, within the laws."""

from pathlib import Path

import pytest
from made_up import rollouts

from rewardlab import contracts, discovery
from rewardlab.config import composition
from rewardlab.contracts.reward_case import RewardCase
from rewardlab.contracts.worlds import worlds

EXAMPLE = Path(__file__).parent / "example"


@pytest.fixture(autouse=True)
def _path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REWARDLAB_PATH", str(EXAMPLE))


def test_it_obeys_the_laws() -> None:
    config = composition.compose(["reward=change"]).config.reward
    assert config.coef == 0.01  # its yaml's, not its schema's
    assert [result for result in contracts.check("reward", "change", config) if not result.passed] == []


def test_it_pays_less_for_a_change_that_was_seen_before() -> None:
    module = discovery.load("reward", "change")
    case = RewardCase(module.Scheme, module.Config(plugin="change"), worlds()["grid"])
    scheme, rollout = case.build()[0], rollouts(case, 20)[0]
    once = scheme.compute(rollout).streams["intrinsic"]
    twice = scheme.compute(rollout).streams["intrinsic"]
    assert (twice < once).all()


def test_a_scheme_stays_small() -> None:
    assert len((EXAMPLE / "rewards/change.py").read_text().splitlines()) <= 40
    assert len((EXAMPLE / "rewards/change.yaml").read_text().splitlines()) == 3
