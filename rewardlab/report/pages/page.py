"""`report.html`: one page that holds all it needs, opens offline, and answers the question in its first screen."""

import json
from base64 import b64encode
from hashlib import sha256
from html import escape
from importlib.resources import files
from string import Template
from typing import Any

from rewardlab import __version__
from rewardlab.report.pages import html_tables, sections
from rewardlab.report.pages.data import Material, metrics, page_data, run_places


def render_page(material: Material) -> str:
    """Renders the whole page as one text; every name in it is escaped."""
    comparison, aggregated, styles = material.comparison, material.aggregated, material.styles
    drawn = {comparison.name(curve.setting.method) for lines in material.curves.values() for curve in lines}
    chips = sections.chips([(name, place) for place, name in enumerate(styles) if name in drawn], styles)
    overview = sections.overview(comparison, aggregated, material.answer, styles, material.filters)
    overview += sections.winners(comparison, material.efficiency, styles) + sections.careful(material.warnings)
    parts = {
        "overview": ("Overview", overview),
        "curves": ("Curves", sections.curves(material.curves, chips, metrics(material)) if drawn else ""),
        "efficiency": ("Sample efficiency", html_tables.efficiency(comparison, material.efficiency, styles)),
        "aggregate": ("Aggregate", html_tables.aggregate(aggregated, chips, styles)),
        "baseline": ("Baseline", html_tables.differences(material.differences, styles)),
        "runs": ("Runs", html_tables.runs(comparison, run_places(comparison))),
        "method": ("Method", sections.method()),
    }
    shown = {key: part for key, part in parts.items() if part[1]}
    navigation = "".join(f'<a href="#{key}">{title}</a>' for key, (title, _) in shown.items())
    body = "\n".join(f'<section id="{key}">{content}</section>' for key, (_, content) in shown.items())
    plotly = files("plotly").joinpath("package_data/plotly.min.js").read_text(encoding="utf-8")
    script = _asset("page.js")
    return Template(_asset("page.html")).substitute(
        title=escape(f"{material.answer.headline} – rewardlab report"),
        css=_asset("page.css"),
        navigation=navigation,
        body=body,
        footer=f"Made by rewardlab {escape(__version__)} from the files of the runs alone; the same runs give the same "
        "page, byte for byte. Tables and figures for papers lie beside it.",
        data=_for_script(page_data(material)),
        plotly=plotly,
        script=script,
        hashes=f"{_hash(plotly)} {_hash(script)}",
    )


def _for_script(value: dict[str, Any]) -> str:
    """JSON that cannot end the script element it stands in."""
    text = json.dumps(value, ensure_ascii=True, separators=(",", ":"), allow_nan=False)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _hash(script: str) -> str:
    """What a content security policy calls a script by; a page is parsed with single newlines."""
    normal = script.replace("\r\n", "\n").replace("\r", "\n")
    return f"'sha256-{b64encode(sha256(normal.encode()).digest()).decode()}'"


def _asset(name: str) -> str:
    return files("rewardlab.report.pages").joinpath("assets", name).read_text(encoding="utf-8")
