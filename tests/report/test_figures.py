"""Figures are the same files however they are made."""

from io import BytesIO

import matplotlib as mpl
from matplotlib.figure import Figure

from rewardlab.report.pages.fonts import cut_once


def test_fonts_that_are_cut_once_make_the_same_files():
    texts = ("frames – 50 %", "frames", "τ ≈ 0.5", "frames – 50 %")
    plain = [written(text) for text in texts]
    with cut_once():
        assert [written(text) for text in texts] == plain
    assert written(texts[0]) == plain[0]


def written(text):
    figure = Figure()
    figure.text(0.1, 0.1, text)
    buffer = BytesIO()
    with mpl.rc_context({"pdf.fonttype": 42, "font.family": "DejaVu Sans"}):
        figure.savefig(buffer, format="pdf", metadata={"CreationDate": None})
    return buffer.getvalue()
