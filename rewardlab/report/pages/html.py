"""Pieces of HTML: sortable tables and their cells. Callers escape what comes from files."""

from collections.abc import Sequence
from html import escape

from rewardlab.report.numbers import Form, bounds, score
from rewardlab.report.pages.styles import Style
from rewardlab.report.statistics import Estimate
from rewardlab.report.tables.text import BEST, TIE


def table(key: str, header: Sequence[str], body: Sequence[Sequence[str]], *, search: bool = True) -> str:
    """A sortable table; a star marks columns of text.

    Args:
        key: its id in the page.
        header: names of the columns.
        body: cells, as the functions below make them.
        search: whether it gets a field that filters its rows.
    """
    rows = "\n".join(f"<tr>{''.join(cells)}</tr>" for cells in body)
    return (
        f'{search_field(key) if search and len(body) > 3 else ""}<div class="card scroll"><table class="sortable" '
        f'id="{key}"><thead><tr>{heads(header)}</tr></thead><tbody>\n{rows}\n</tbody></table></div>'
    )


def heads(header: Sequence[str]) -> str:
    """The cells of a header, each a button that sorts; a star marks columns of text."""
    return "".join(
        f'<th scope="col"{" class=text" if name[0] == "*" else ""}><button type="button">{name.lstrip("*")}</button>'
        "</th>"
        for name in header
    )


def search_field(key: str) -> str:
    return (
        '<div class="tools"><input type="search" placeholder="Filter rows…" aria-label="Filter rows" '
        f'data-filter="{key}"><span class="count" data-count="{key}"></span></div>'
    )


def number(estimate: Estimate, form: Form = score, mark: str = "", extra: str = "") -> str:
    """A cell with a number and, small below it, its interval and whatever else there is to say."""
    below = " ".join(filter(None, (bounds(estimate, form), extra)))
    return cell(f"{marked(form(estimate.value), mark)}<small>{escape(below)}</small>", estimate.value)


def marked(text: str, mark: str) -> str:
    if mark == BEST:
        return f'<span class="best">{text}</span>'
    return f'{text} <span class="tie" title="a tie with the best">≈</span>' if mark == TIE else text


def cell(content: str, sort: float | None) -> str:
    return f'<td data-sort="{"" if sort is None else format(sort, ".9g")}">{content}</td>'


def plain(value: object) -> str:
    return f"<td>{escape(str(value))}</td>"


def text(content: str) -> str:
    return f'<td class="text">{content}</td>'


def swatch(style: Style) -> str:
    return f'<span class="swatch {style.plotly_dash}" style="background:{style.colour}"></span>'


def assumed(assumes: Sequence[str]) -> str:
    names = escape(", ".join(assumes))
    return f' <span title="assumes {names}">†</span>' if assumes else ""


def plural(count: int, noun: str) -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}"
