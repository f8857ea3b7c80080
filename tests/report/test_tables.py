"""Tables: what is marked, and what a reader gets, line by line."""

import csv
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from run_folders import make, write_run

from rewardlab.report.statistics import Estimate
from rewardlab.report.tables import efficiency
from rewardlab.report.tables.columns import LESS, MORE, Column, Kind, Row, Table
from rewardlab.report.tables.describe import described
from rewardlab.report.tables.text import BEST, TIE, Text, long_csv, mark, to_csv, to_latex, to_markdown

GOLDEN = Path(__file__).parent / "golden"


@pytest.mark.parametrize("name", ["sample_efficiency", "aggregate", "differences"])
@pytest.mark.parametrize("form", ["md", "tex"])
def test_golden_tables(result, name, form):
    """To renew them after a change that is meant: copy the files of a report of `write_study` to golden/."""
    assert (result.out / f"{name}.{form}").read_text() == (GOLDEN / f"{name}.{form}").read_text()


@pytest.mark.parametrize("name", ["sample_efficiency", "aggregate", "differences"])
def test_golden_numbers(result, name):
    ours, golden = (
        list(csv.reader(path.open(newline=""))) for path in (result.out / f"{name}.csv", GOLDEN / f"{name}.csv")
    )
    assert ours[0] == golden[0]
    assert len(ours) == len(golden)
    for row, expected in zip(ours[1:], golden[1:], strict=True):
        for column, cell, other in zip(ours[0], row, expected, strict=True):
            if re.fullmatch(r"-?[\d.]+(e-?\d+)?", other) and column != "setting_id":
                assert float(cell) == pytest.approx(float(other), rel=1e-9, abs=1e-12), column
            else:
                assert cell == other, column


class TestMarks:
    def marks(self, estimates, better=MORE, group=lambda _: 0):
        rows = [
            Row(None, {"area": value, "area_low": low, "area_high": high, "group": group(Estimate(value, low, high))})
            for value, low, high in estimates
        ]
        return mark(rows, Column("area", Kind.ESTIMATE, None, better=better), ("group",))

    def test_the_best_and_its_ties(self):
        best, tie, behind = Estimate(0.9, 0.8, 1.0), Estimate(0.7, 0.6, 0.92), Estimate(0.5, 0.4, 0.6)
        assert self.marks([behind, best, tie]) == ["", BEST, TIE]

    def test_a_value_within_the_interval_of_the_best_is_a_tie(self):
        assert self.marks([Estimate(0.9, 0.7, 1.0), Estimate(0.75, 0.74, 0.76)]) == [BEST, TIE]

    def test_less_is_better_and_unreached_is_never_best(self):
        assert self.marks([Estimate(), Estimate(20e3, 10e3, 30e3), Estimate(50e3, 40e3, None)], LESS) == ["", BEST, ""]

    def test_an_open_interval_reaches_to_infinity(self):
        assert self.marks([Estimate(20e3, 10e3, 30e3), Estimate(40e3, 15e3, None)], LESS) == [BEST, TIE]

    def test_groups_are_compared_within_themselves_and_one_row_with_nothing(self):
        rows = [Estimate(0.1, 0.0, 0.2), Estimate(0.9, 0.8, 1.0)]
        assert self.marks(rows, group=lambda each: each.value) == ["", ""]

    def test_without_intervals_only_equals_tie(self):
        assert self.marks([Estimate(0.5), Estimate(0.5), Estimate(0.4)]) == [BEST, TIE, ""]


def test_marks_in_markdown_and_latex():
    text = Text(
        ("scheme", "area"), [("a_1", "0.90 [0.80, 1.00]"), ("b", "0.85 [0.70, 0.95]")], (), (("", BEST), ("", TIE))
    )
    assert "| a_1 | **0.90 [0.80, 1.00]** |" in to_markdown(text)
    assert "| b | 0.85 ≈ [0.70, 0.95] |" in to_markdown(text)
    latex = to_latex(text)
    assert r"a\_1 & \textbf{0.90} {\scriptsize [0.80, 1.00]} \\" in latex
    assert r"b & 0.85$^{\approx}$ {\scriptsize [0.70, 0.95]} \\" in latex
    assert latex.index(r"\toprule") < latex.index(r"\midrule") < latex.index(r"\bottomrule")


@pytest.mark.usefixtures("without_figures")
class TestDeclarations:
    def test_a_new_column_is_one_edit(self, tmp_path, monkeypatch):
        """Declared once, it is in every form of the table; `test_readme` holds the documentation to the same."""
        column = Column(
            "worst_return", Kind.ESTIMATE, lambda row: Estimate(min(run.late_return for run in row.setting.outcomes)),
            "the lowest late return of a seed", title="worst seed", better=MORE,
        )  # fmt: skip
        declared = replace(efficiency.SAMPLE_EFFICIENCY, columns=(*efficiency.SAMPLE_EFFICIENCY.columns, column))
        monkeypatch.setattr(efficiency, "efficiency_table", lambda thresholds: declared)
        for seed in range(2):
            write_run(tmp_path, reward="none", seed=seed, returns=[0.0, 0.5, 0.25 + seed])
            write_run(tmp_path, reward="rnd", seed=seed, returns=[0.0, 0.5, 0.75 + seed])
        result = make(tmp_path)
        with (result.out / "sample_efficiency.csv").open(newline="") as file:
            assert [row["worst_return"] for row in csv.DictReader(file)] == ["0.75", "0.25"]
        markdown, latex = (result.out / f"sample_efficiency.{form}" for form in ("md", "tex"))
        assert "| worst seed |" in markdown.read_text() and "| **0.75** |" in markdown.read_text()
        assert "& worst seed" in latex.read_text() and r"\textbf{0.75}" in latex.read_text()
        assert "worst seed" in result.text and "0.75" in result.text
        page = (result.out / "report.html").read_text()
        assert ">worst seed</button>" in page
        assert '<td data-sort="0.75"><span class="best">0.75</span>' in page
        assert "| `worst_return` `_low` `_high` | the lowest late return of a seed |" in described(declared)

    def test_empty_files_have_the_columns_of_full_ones(self, tmp_path, result):
        write_run(tmp_path, state="running", returns=[], budget=1000)
        for path in make(tmp_path).files:
            if path.suffix == ".csv" and path.name != "runs.csv":
                (header,) = path.read_text().splitlines()
                assert header == (result.out / path.name).read_text().splitlines()[0], path.name


@pytest.mark.usefixtures("without_figures")
class TestDifferences:
    def rows(self, folder, **options):
        make(folder, **options)
        with (folder / "report/differences.csv").open(newline="") as file:
            return {(row["env"], row["reward"]): row for row in csv.DictReader(file)}

    def study(self, tmp_path):
        """Seeds differ much from each other, and rnd is 0.1 above none in each."""
        levels = (0.1, 0.3, 0.5, 0.7, 0.8)
        for seed, level in enumerate(levels):
            write_run(tmp_path, reward="none", seed=seed, returns=[0.0, level, level])
            write_run(tmp_path, reward="rnd", seed=seed, returns=[0.0, level + 0.1, level + 0.1])
            write_run(tmp_path, reward="icm", seed=seed + 1, returns=[0.0, level, level])
        return tmp_path

    def test_unpaired_intervals_hold_the_noise_of_both(self, tmp_path):
        row = self.rows(self.study(tmp_path))["doorkey_5x5", "rnd"]
        assert float(row["late_return_difference"]) == pytest.approx(0.1)
        assert float(row["late_return_difference_low"]) < 0 < float(row["late_return_difference_high"])
        assert float(row["auc_difference"]) == pytest.approx(0.1 * 0.75)
        assert (row["n_seeds"], row["n_baseline"], row["paired"]) == ("5", "5", "false")

    def test_paired_intervals_leave_it_out(self, tmp_path):
        rows = self.rows(self.study(tmp_path), paired=True)
        row = rows["doorkey_5x5", "rnd"]
        for end in ("", "_low", "_high"):
            assert float(row[f"late_return_difference{end}"]) == pytest.approx(0.1)
        assert rows["doorkey_5x5", "icm"]["n_seeds"] == "4"  # seeds 1 to 4 are in both

    def test_the_baseline_can_be_chosen(self, tmp_path):
        rows = self.rows(self.study(tmp_path), baseline="rnd")
        assert set(rows) == {("doorkey_5x5", "none"), ("doorkey_5x5", "icm")}
        assert float(rows["doorkey_5x5", "none"]["late_return_difference"]) == pytest.approx(-0.1)

    def test_folders_are_compared_scheme_by_scheme_with_the_first(self, tmp_path):
        for seed in range(6):
            for name, height in (("before", 0.4), ("after", 0.8)):
                write_run(tmp_path / name, seed=seed, returns=[0, height + seed / 100, height])
        result = make(f"old={tmp_path / 'before'}", f"new={tmp_path / 'after'}", out=tmp_path / "out")
        assert result.text.startswith("new is ahead of old (clear, with 6 seeds)")
        with (tmp_path / "out/differences.csv").open(newline="") as file:
            (row,) = csv.DictReader(file)
        assert (row["folder"], row["baseline"]) == ("new", "old: rnd")
        assert float(row["late_return_difference"]) == pytest.approx(0.4)

    def test_an_interval_is_that_of_a_plain_loop(self):
        from rewardlab.report.statistics import bootstrap, generator, mean_over_tasks

        rng = np.random.default_rng(1)
        x, y = [rng.random(8), rng.random(8)], [rng.random(8), rng.random(8)]
        ours = bootstrap((x, y), lambda a, b: mean_over_tasks(a) - mean_over_tasks(b), generator("a"), paired=True)
        loop = []
        for _ in range(20_000):
            picks = rng.integers(0, 8, (2, 8))
            loop.append(np.mean([(x[t][picks[t]] - y[t][picks[t]]).mean() for t in range(2)]))
        low, high = np.quantile(loop, [0.025, 0.975])
        assert (ours.low, ours.high) == (pytest.approx(low, abs=0.02), pytest.approx(high, abs=0.02))


def test_a_long_table_is_written_as_its_data_frame_would_be():
    columns = (
        Column("name", Kind.TEXT, lambda source: source[0]),
        Column("known", Kind.NUMBER, lambda source: source[1]),
        Column("gaps", Kind.NUMBER, lambda source: source[2]),
        Column("count", Kind.COUNT, lambda source: source[1].astype(np.int64)),
        Column("one", Kind.NUMBER, lambda source: source[3]),
    )
    table = Table("long", "", columns, rows=lambda source: source[1].size)
    rng = np.random.default_rng(1)
    names = ("plain", 'with "quotes", a comma', "100 % %r %s", "", "two\nlines")
    sources = [(name, 10.0 ** rng.integers(-9, 20, 4), np.array([0.1, np.nan, np.inf, -0.0]), None) for name in names]
    sources.append(("empty", np.empty(0), np.empty(0), 2.5))
    assert "".join(long_csv(table, sources)) == to_csv(table.fill(sources).written)
