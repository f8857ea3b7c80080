"""Has figures drawn: here, or where there are many in processes of their own, which alone import matplotlib then."""

from collections.abc import Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from itertools import chain
from multiprocessing import get_context

from rewardlab.machine import cores
from rewardlab.report.pages.charts import Chart

_WORTH_A_POOL = 12  # figures


def draw_figures(charts: Sequence[Chart]) -> Iterable[tuple[str, bytes]]:
    """Draws charts; where there are many, in processes that have begun when this returns.

    Returns:
        File names and contents, in order.
    """
    if len(charts) < _WORTH_A_POOL or cores() < 2:
        return [file for chart in charts for file in _draw(chart)]
    pool = ProcessPoolExecutor(min(cores(), 8), mp_context=get_context("spawn"))
    drawn = pool.map(_draw, charts)
    pool.shutdown(wait=False)  # its processes end with the last chart
    return chain.from_iterable(drawn)


def _draw(chart: Chart) -> list[tuple[str, bytes]]:
    from rewardlab.report.pages.figures import draw  # takes half a second

    return draw(chart)
