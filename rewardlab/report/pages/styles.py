"""Colours that the colour-blind can tell apart; the same scheme has the same one in every figure."""

from dataclasses import dataclass

from rewardlab.report.comparison import Comparison

# Okabe & Ito 2008, without its yellow (invisible on white) and its black (invisible on dark pages), which a darker
# ochre and the grey of the baseline replace.
_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#8A7A00")
_BASELINES = ("#7A7F87", "#4B5563", "#A3A3A3")
# matplotlib's name, plotly's name
_DASHES = (("-", "solid"), ("--", "dash"), (":", "dot"), ("-.", "dashdot"))
_MARKERS = ("o", "s", "^", "D", "v", "P", "X")


@dataclass(frozen=True)
class Style:
    """How a scheme is drawn: told apart by colour first, by dash and marker in print."""

    colour: str
    dash: str
    plotly_dash: str
    marker: str


def choose_styles(comparison: Comparison, shown: Comparison) -> dict[str, Style]:
    """Gives every scheme its style; those without any bonus are grey, a background to the rest.

    The same approach in two folders has one colour and two dashes. A scheme looks the same in the whole comparison as
    in the part of it that is shown, by whose names the styles come.
    """
    approaches = list(dict.fromkeys(method.approach for method in comparison.methods))
    plain = [approach for approach in approaches if approach[0] == "none"]
    coloured = [approach for approach in approaches if approach[0] != "none"]
    result = {}
    for method in shown.methods:
        group, palette = (plain, _BASELINES) if method.approach in plain else (coloured, _COLOURS)
        place = group.index(method.approach)
        dash, plotly_dash = _DASHES[(place // len(palette) + method.place) % len(_DASHES)]
        # Once all dashes have been used, markers go on turning: no two of 196 look the same in print.
        turn = place // (len(palette) * len(_DASHES))
        marker = "o" if group is plain else _MARKERS[(place + 1 + turn) % len(_MARKERS)]
        result[shown.name(method)] = Style(palette[place % len(palette)], dash, plotly_dash, marker)
    return result
