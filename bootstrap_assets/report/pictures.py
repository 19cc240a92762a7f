"""Figures: of the corpus, of its quality, of its map; as SVG or PNG, in a page or in Dagster's metadata.

Colours are those of Okabe and Ito, which the colour-blind tell apart; what a colour says, a place, a mark or a
word says too. No window system is asked for: figures are made without pyplot.
"""

from base64 import b64encode
from collections.abc import Mapping, Sequence
from io import BytesIO, StringIO
from math import ceil, floor
from typing import Any
from urllib.parse import quote

import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, PercentFormatter

from bootstrap_assets.evaluation.document import Point
from bootstrap_assets.evaluation.scores_of_tasks import Scores
from bootstrap_assets.report.labels import Trust
from bootstrap_assets.report.map import Map
from bootstrap_assets.report.quality import MODES

BLUE, ORANGE, GREEN, RED = "#0072B2", "#E69F00", "#009E73", "#D55E00"
PURPLE, SKY = "#CC79A7", "#56B4E9"
INK, GREY, PALE = "#222222", "#767676", "#CCCCCC"
PALETTE = (BLUE, ORANGE, GREEN, PURPLE, SKY, RED, INK)
"""Yellow is left out: on white it cannot be seen."""
MARKS = "osD^vPX<>*hp"

FONTS = "system-ui, 'Segoe UI', Roboto, Helvetica, Arial, 'DejaVu Sans', sans-serif"
"""What a browser draws the text of an SVG with; matplotlib measures it with DejaVu Sans, which is wider."""

_STYLE: Any = {
    "font.family": ["DejaVu Sans"],
    "font.size": 9,
    "svg.fonttype": "none",
    "svg.hashsalt": "bootstrap",
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": GREY,
    "xtick.color": INK,
    "ytick.color": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "legend.frameon": False,
    "figure.constrained_layout.use": True,
}

THOUSANDS = FuncFormatter(lambda value, _: f"{value:,.0f}")


_GRAINS = {"document": "whole documents", "template": "templates", "section": "sections", "clause": "clauses"} | {
    "span": "spans of evidence"
}


@rc_context(_STYLE)
def svg(figure: Figure) -> str:
    """The figure as SVG; its text stays text."""
    buffer = StringIO()
    figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    text = buffer.getvalue().replace("'DejaVu Sans'", FONTS)
    return text[text.index("<svg") :]


@rc_context(_STYLE)
def png(figure: Figure, *, dpi: int = 110) -> bytes:
    """The figure as PNG."""
    buffer = BytesIO()
    figure.savefig(buffer, format="png", dpi=dpi, metadata={"Software": None})
    return buffer.getvalue()


def address(figure: Figure) -> str:
    """The figure as SVG in a data URI, for the `src` of an image."""
    return "data:image/svg+xml," + quote(svg(figure), safe=" /:;,=+()'!*@$.?&[]-_~")


def markdown(figure: Figure, alternative: str) -> str:
    """The figure as an image in Markdown, for Dagster's metadata; `alternative` says it in words."""
    return f"![{alternative}](data:image/png;base64,{b64encode(png(figure, dpi=80)).decode()})"


@rc_context(_STYLE)
def corpus_bars(by_granularity: pd.DataFrame) -> Figure:
    """Records by source, each bar divided by granularity (the columns)."""
    figure, axes = _figure(7.2, 0.9 + 0.42 * len(by_granularity))
    left = pd.Series(0, index=by_granularity.index)
    for (grain, counts), colour in zip(by_granularity.items(), (INK, GREY, SKY, BLUE, ORANGE), strict=False):
        axes.barh(
            by_granularity.index,
            counts,
            left=left,
            color=colour,
            label=_GRAINS.get(str(grain), str(grain)),
            height=0.62,
        )
        left = left + counts
    for source, total in left.items():
        axes.annotate(f"{total:,}", (total, source), xytext=(5, 0), textcoords="offset points", va="center")
    axes.margins(x=0.1)
    _finish_bars(axes, columns=len(by_granularity.columns))
    axes.xaxis.set_major_formatter(THOUSANDS)
    return figure


@rc_context(_STYLE)
def coverage_bar(covered: pd.DataFrame) -> Figure:
    """By source the share of records with a vector, of dead letters, and of those with neither.

    `covered` has the columns records, embedded, dead and missing.
    """
    figure, axes = _figure(7.2, 0.9 + 0.36 * len(covered))
    left = pd.Series(0.0, index=covered.index)
    shares = (
        ("embedded", "with vector", GREEN, ""),
        ("dead", "failed", RED, "///"),
        ("missing", "none yet", PALE, ".."),
    )
    for column, label, colour, hatch in shares:
        share = covered[column] / covered["records"].clip(lower=1)
        axes.barh(
            covered.index, share, left=left, color=colour, hatch=hatch, edgecolor="white", label=label, height=0.6
        )
        left = left + share
    for source, row in covered.iterrows():
        text = f"{row['embedded'] / max(row['records'], 1):.1%}"
        axes.annotate(text, (1, source), xytext=(5, 0), textcoords="offset points", va="center")
    axes.set_xlim(0, 1.08)
    axes.set_xticks([0, 0.25, 0.5, 0.75, 1])
    axes.xaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    _finish_bars(axes, columns=3)
    return figure


@rc_context(_STYLE)
def recall_curve(points: Sequence[Point], effort: int | None = None) -> Figure:
    """What the index finds by effort (ef_search), and the time it takes; `effort`: the one in use."""
    figure, axes = _figure(7.2, 2.9)
    efforts = [point.ef_search for point in points]
    shares_10, shares_100 = [point.recall_10 for point in points], [point.recall_100 for point in points]
    axes.plot(efforts, shares_10, color=BLUE, marker="o", label="of the nearest 10", clip_on=False)
    axes.plot(efforts, shares_100, color=ORANGE, marker="s", label="of the nearest 100", clip_on=False)
    axes.set_xlabel("effort of the index (ef_search)")
    axes.set_ylabel("share found (recall)")
    axes.set_ylim(top=1.005)
    axes.yaxis.set_major_formatter(PercentFormatter(1, decimals=None))
    beside = axes.twinx()
    times = [point.ms for point in points]
    beside.plot(efforts, times, color=GREY, linestyle=":", marker="^", label="milliseconds a search")
    beside.set_ylabel("milliseconds a search", color=GREY)
    beside.set_ylim(bottom=0)
    beside.spines["right"].set_visible(True)
    if effort:
        axes.axvline(effort, color=GREEN, linestyle="--", label=f"in use: {effort}")
    axes.grid(axis="y", color=PALE, linewidth=0.6)
    figure.legend(loc="outside upper left", ncols=4)
    return figure


@rc_context(_STYLE)
def reliability(several: Sequence[Trust], titles: Mapping[str, str]) -> Figure:
    """Of what scorers say with a probability, the share that is right, by source; on the line they would agree."""
    figure, axes = _figure(5.2, 3.6)
    axes.plot([0, 1], [0, 1], color=GREY, linestyle="--", label="as it should be")
    for trust, colour, mark in zip(several, PALETTE, MARKS, strict=False):
        places, shares = zip(*((step.probability, step.right) for step in trust.steps), strict=True)
        axes.plot(places, shares, color=colour, marker=mark, label=titles[trust.source], clip_on=False)
    axes.set_xlabel("probability")
    axes.set_ylabel("share that is right")
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(PercentFormatter(1, decimals=None))
    axes.grid(color=PALE, linewidth=0.6)
    figure.legend(loc="outside upper left", ncols=3)
    return figure


@rc_context(_STYLE)
def scores(by_mode: Mapping[str, Scores], metrics: Sequence[str]) -> Figure:
    """Scores of each way to search, by metric, with confidence intervals as lines."""
    figure, axes = _figure(7.2, 1.1 + 0.6 * len(metrics))
    for number, (mode, of_mode) in enumerate(by_mode.items()):
        for row, metric in enumerate(metrics):
            score = of_mode[metric]
            y = row + (number - (len(by_mode) - 1) / 2) * 0.2
            axes.plot([score.low, score.high], [y, y], color=PALETTE[number], linewidth=2.2, solid_capstyle="butt")
            label = MODES.get(mode, mode) if row == 0 else None
            axes.plot(score.mean, y, MARKS[number], color=PALETTE[number], label=label, linestyle="none")
            axes.annotate(
                f"{score.mean:.3f}",
                (score.high, y),
                xytext=(5, 0),
                textcoords="offset points",
                va="center",
                size=8,
            )
    axes.set_yticks(range(len(metrics)), metrics)
    axes.invert_yaxis()
    of_all = [of_mode[metric] for of_mode in by_mode.values() for metric in metrics]
    lowest, highest = min(score.low for score in of_all), max(score.high for score in of_all)
    axes.set_xlim(max(floor(10 * lowest - 0.5) / 10, 0), ceil(10 * highest + 0.5) / 10)
    axes.grid(axis="x", color=PALE, linewidth=0.6)
    axes.tick_params(length=0)
    figure.legend(loc="outside upper left", ncols=2)
    return figure


@rc_context(_STYLE)
def map_by_source(layout: Map, titles: Mapping[str, str] | None = None) -> Figure:
    """The map, each text in the colour and mark of its source."""
    sources = layout.texts["source"].replace(dict(titles or {}))
    names = [str(name) for name in sources.value_counts().index]  # the largest first, so that it hides no other
    return _map(layout.texts, sources, names, columns=4)


@rc_context(_STYLE)
def map_by_category(layout: Map, *, most: int = 10) -> Figure:
    """The map, the most frequent categories in a colour and mark of their own, named where most of them lie."""
    categories = layout.texts["category"]
    names = [str(name) for name in categories.value_counts().index[:most]]
    figure = _map(layout.texts, categories, names, columns=2)
    _name_places(figure.axes[0], layout.texts, names)
    return figure


def _map(texts: pd.DataFrame, of: pd.Series, names: Sequence[str], *, columns: int) -> Figure:
    figure, axes = _figure(7.2, 5.4)
    figure.set_dpi(150)  # of the dots, which are a raster also in an SVG
    others = texts[~of.isin(names)]
    if len(others):
        axes.scatter(
            others["x"], others["y"], s=6, color=PALE, linewidths=0, label="other or none", rasterized=True
        )
    for number, name in enumerate(names):
        members = texts[of == name]
        colour, mark = PALETTE[number % len(PALETTE)], MARKS[number % len(MARKS)]
        axes.scatter(
            members["x"], members["y"], s=10, color=colour, marker=mark, linewidths=0, label=name, rasterized=True
        )
    axes.set_axis_off()
    axes.margins(0.02)
    figure.legend(loc="outside lower left", ncols=columns, markerscale=1.6, fontsize=8.5)
    return figure


def _name_places(axes: Axes, texts: pd.DataFrame, names: Sequence[str]) -> None:
    """Write each name where its texts are densest; a name that would cover another moves up or down."""
    boxes: list[tuple[float, float, float]] = []
    for name in names:
        x, y = densest(texts.loc[texts["category"] == name, ["x", "y"]].to_numpy())
        half = 0.0135 * len(name)
        x = min(max(x, half - 1), 1 - half)
        for step in (0, 1, -1, 2, -2, 3, -3):
            height = y + step * 0.075
            if not any(abs(x - a) < half + b and abs(height - c) < 0.07 for a, b, c in boxes):
                boxes.append((x, half, height))
                box = {"facecolor": "white", "alpha": 0.8, "edgecolor": "none", "pad": 1}
                axes.text(x, height, name, size=7.5, ha="center", va="center", bbox=box)
                break


def densest(points: npt.NDArray[np.float32], neighbours: int = 5) -> tuple[float, float]:
    """The point (of n × 2) whose nearest others are nearest: the middle of the largest heap, not of all heaps."""
    distances = np.sort(np.linalg.norm(points[:, None] - points[None], axis=2), axis=1)
    x, y = points[np.argmin(distances[:, : neighbours + 1].mean(axis=1))]
    return float(x), float(y)


def _figure(width: float, height: float) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(width, height))
    return figure, figure.add_subplot()


def _finish_bars(axes: Axes, *, columns: int) -> None:
    axes.invert_yaxis()
    axes.tick_params(axis="y", length=0)
    for side in ("left", "bottom"):
        axes.spines[side].set_visible(False)
    axes.grid(axis="x", color=PALE, linewidth=0.6)
    axes.set_axisbelow(True)
    axes.get_figure().legend(loc="outside upper left", ncols=columns)  # type: ignore[union-attr]
