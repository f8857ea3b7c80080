"""Colours that the colour-blind can tell apart; the same scheme has the same one in every figure."""

from collections.abc import Sequence
from dataclasses import dataclass

# Okabe & Ito 2008, without its yellow (invisible on white) and its black (invisible on dark pages), which a darker
# ochre and the grey of the baseline replace.
_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#8A7A00")
_BASELINE = "#7A7F87"
# matplotlib's name, plotly's name
_DASHES = (("-", "solid"), ("--", "dash"), (":", "dot"), ("-.", "dashdot"))
_MARKERS = ("o", "s", "^", "D", "v", "P", "X")


@dataclass(frozen=True)
class Look:
    """How a scheme is drawn: told apart by colour first, by dash and marker in print."""

    colour: str
    dash: str
    plotly_dash: str
    marker: str


def looks(names: Sequence[str], baselines: Sequence[str]) -> dict[str, Look]:
    """Gives every scheme its look.

    Args:
        names: schemes in the order of the report.
        baselines: those without any bonus; they are grey, a background to the rest.
    """
    result = {}
    coloured = [name for name in names if name not in baselines]
    for group, palette in (([n for n in names if n in baselines], (_BASELINE,)), (coloured, _COLOURS)):
        for place, name in enumerate(group):
            dash, plotly_dash = _DASHES[(place // len(palette)) % len(_DASHES)]
            marker = "o" if palette == (_BASELINE,) else _MARKERS[(place + 1) % len(_MARKERS)]
            result[name] = Look(palette[place % len(palette)], dash, plotly_dash, marker)
    return result
