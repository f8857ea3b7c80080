"""Colours that the colour-blind can tell apart; the same scheme has the same one in every figure."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from rewardlab.report.comparison import Comparison

# Okabe & Ito 2008, without its yellow (invisible on white) and its black (invisible on dark pages), which a darker
# ochre and the grey of the baseline replace.
_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#8A7A00")
_BASELINE = "#7A7F87"
# matplotlib's name, plotly's name
_DASHES = (("-", "solid"), ("--", "dash"), (":", "dot"), ("-.", "dashdot"))
_MARKERS = ("s", "^", "D", "v", "P", "X", "o")


@dataclass(frozen=True)
class Style:
    """How a scheme is drawn: told apart by colour first, by dash and marker in print."""

    colour: str
    dash: str
    plotly_dash: str
    marker: str

    def turned(self, steps: int) -> "Style":
        """The same with a dash further on."""
        place = [name for _, name in _DASHES].index(self.plotly_dash)
        dash, plotly_dash = _DASHES[(place + steps) % len(_DASHES)]
        return replace(self, dash=dash, plotly_dash=plotly_dash)


def choose_styles(comparison: Comparison, shown: Comparison) -> dict[str, Style]:
    """Gives every scheme its style. Colour shows what differs.

    Where rewards differ, a single scheme without any bonus is grey, a background to the rest. Where agents, curricula
    or variants differ beside rewards, and are few, a colour is a reward and a dash is the rest. Otherwise every
    approach has its own colour, whatever it is that differs. The same approach in two folders has one colour and two
    dashes. A scheme looks the same in the whole comparison as in the part of it that is shown, by whose names the
    styles come.
    """
    approaches = list(dict.fromkeys(method.approach for method in comparison.methods))
    folders = len({method.place for method in comparison.methods})
    rewards = list(dict.fromkeys(approach[0] for approach in approaches))
    rests = list(dict.fromkeys(approach[1:] for approach in approaches))
    paired = len(rewards) > 1 and len(rests) > 1 and len(rests) * folders <= len(_DASHES)
    paired = paired and len(rewards) <= len(_COLOURS)
    keys: list[tuple[str, ...]] = [(reward,) for reward in rewards] if paired else [*approaches]
    colours = _colours(keys)
    result = {}
    for method in shown.methods:
        colour, place = colours[(method.reward,) if paired else method.approach]
        if paired:
            turn = rests.index(method.approach[1:]) * folders + method.place
            style = Style(colour, *_DASHES[0], _MARKERS[approaches.index(method.approach) % len(_MARKERS)])
        else:
            # Once all dashes have been used, markers go on turning: no two of 196 look the same in print.
            turn = place // len(_COLOURS)
            marker = _MARKERS[(place + turn // len(_DASHES)) % len(_MARKERS)]
            style = Style(colour, *_DASHES[0], "o" if colour == _BASELINE else marker)
            turn += method.place
        result[shown.name(method)] = style.turned(turn)
    return result


def _colours(keys: Sequence[tuple[str, ...]]) -> dict[tuple[str, ...], tuple[str, int]]:
    """Colours of approaches, or of rewards alone, with their places among those that are coloured."""
    plain = [key for key in keys if key[0] == "none"]
    grey = plain if len(plain) == 1 < len(keys) else []
    coloured = [key for key in keys if key not in grey]
    found = {key: (_COLOURS[place % len(_COLOURS)], place) for place, key in enumerate(coloured)}
    return found | {key: (_BASELINE, 0) for key in grey}
