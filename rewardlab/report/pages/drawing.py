"""Has figures drawn: here, or where there are many by helpers, which alone import matplotlib then."""

from collections.abc import Iterable
from itertools import chain

from rewardlab.report.helpers import Helpers
from rewardlab.report.pages.charts import Chart

_WORTH_A_HELPER = 12  # figures


def draw_figures(charts: Iterable[Chart], helpers: Helpers | None = None) -> Iterable[tuple[str, bytes]]:
    """Draws charts; where there are many, or helpers are at work already, these have begun when this returns.

    Returns:
        File names and contents, in order.
    """
    if helpers is None or not helpers.possible:
        return [file for chart in charts for file in _draw(chart)]
    if not helpers.running:  # else the first are drawn while the numbers of the last are computed
        charts = list(charts)
        if len(charts) < _WORTH_A_HELPER:
            return [file for chart in charts for file in _draw(chart)]
    drawn = [helpers.submit(_draw, chart) for chart in charts]
    return chain.from_iterable(future.result() for future in drawn)


def prepare() -> None:
    """Imports what a helper draws with, before there is anything to draw."""
    from rewardlab.report.pages import figures  # noqa: F401


def _draw(chart: Chart) -> list[tuple[str, bytes]]:
    from rewardlab.report.pages.figures import draw  # takes half a second

    return draw(chart)
