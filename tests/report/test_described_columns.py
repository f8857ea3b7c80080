"""results/README.md says what the declared columns say."""

from pathlib import Path

import pytest

from rewardlab.report.tables.describe import TABLES, main, with_columns

README = Path(__file__).parents[2] / "results" / "README.md"


def test_the_columns_in_the_readme_are_the_declared_ones(tmp_path):
    """After a change: `python -m rewardlab.report.tables.describe`."""
    text = README.read_text()
    assert with_columns(text) == text
    copy = tmp_path / "README.md"
    copy.write_text(text.replace("processor time", "CPU time"))
    main(str(copy))
    assert copy.read_text() == text


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_every_written_column_has_a_meaning_and_a_name_of_its_own(table):
    names = [part for column in table.columns for part in column.parts]
    assert len(names) == len(set(names))
    assert all(column.definition for column in table.columns if column.written)
