"""docs/levels.md names every task whose evaluation levels occur in training, with the kept numbers."""

import re
from pathlib import Path

import pytest

from rewardlab import discovery
from rewardlab.config.composition import compose
from rewardlab.gridworld import covers
from rewardlab.gridworld.task_facts import task_facts
from rewardlab.report.cautions import MUCH_SEEN

PAGE = (Path(__file__).parents[2] / "docs" / "levels.md").read_text()
ROW = re.compile(r"^\| `(\w+)` \| (\d+|not counted) \| (\d+) % \| (\d+) \|$", re.MULTILINE)


@pytest.mark.usefixtures("composed_together")
def test_the_table_holds_what_is_known() -> None:
    rows = {name: cells for name, *cells in ROW.findall(PAGE)}
    listed = set()
    for name in rows:
        config = compose([f"env={name}"]).config
        counts = task_facts(config.env.id).counts
        listed.add(config.env.id)
        distinct = len(set(config.env.level_keys(config.env.evaluation_seeds(100))))
        levels = "not counted" if counts.distinct_levels is None else str(counts.distinct_levels)
        assert rows[name] == [levels, f"{counts.seen_in_training:.0%}"[:-1], str(distinct)]
    for path in discovery.choices("env").values():
        named = re.search(r"^id:\s*(MiniGrid-\S+)", path.read_text(), re.MULTILINE)
        if named and covers(named[1]) and (task_facts(named[1]).counts.seen_in_training or 0) >= MUCH_SEEN:
            assert named[1] in listed
