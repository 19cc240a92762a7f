"""How figures, times and sentences are written on the page."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import pandas as pd
from markupsafe import Markup, escape

from bootstrap_assets.report import pictures


def rows(frame: pd.DataFrame) -> list[Mapping[str, Any]]:
    """A frame's rows for a template, None where a value is missing."""
    rows = frame.astype(object).where(frame.notna(), None).to_dict("records")
    return [{str(name): value for name, value in row.items()} for row in rows]


def picture(figure: Any, alternative: str) -> Markup:
    """A figure as an image inside the page."""
    image = Markup('<img src="{}" alt="{}">')
    return image.format(Markup(pictures.address(figure)), alternative)


def bar(value: float, longest: float) -> Markup:
    """A bar beside a number. Drawn, not a background, so that printers keep it."""
    width = 100 * value / longest if longest else 0
    return Markup(
        '<svg class="bar" viewBox="0 0 100 10" preserveAspectRatio="none" aria-hidden="true">'
        '<rect width="{:.1f}" height="10"/></svg>'
    ).format(max(width, 0.8))


def number(value: Any) -> str:
    """A whole number with separators."""
    return f"{int(value):,}"


def share(value: float | None) -> str:
    """A share as per cent; a dash where there is none."""
    return "–" if value is None else f"{value:.1%}"


def dollars(value: float) -> str:
    """Dollars, to the hundredth of a cent where they are few."""
    if 0 < value < 0.0001:
        return "< $0.0001"
    return f"${value:,.2f}" if value >= 1 or not value else f"${value:.4f}"


def seconds(value: float | None) -> str:
    """A time, in the unit that a person would choose."""
    if value is None:
        return "–"
    if value < 90:
        return f"{value:,.1f} s"
    return f"{value / 60:,.0f} min" if value < 5400 else f"{value / 3600:,.1f} h"


def moment(value: datetime | None) -> str:
    """A date and time in UTC."""
    return "–" if value is None else f"{value.astimezone(UTC):%d %B %Y, %H:%M} UTC"


def code(sentence: str) -> Markup:
    """A sentence with what stands in backticks as code."""
    parts = sentence.split("`")
    return Markup("").join(
        Markup("<code>{}</code>").format(part) if number % 2 else escape(part) for number, part in enumerate(parts)
    )


def shortened(text: str, length: int) -> str:
    """A text in one line, cut at a word."""
    line = " ".join(text.split())
    return line if len(line) <= length else line[:length].rsplit(" ", 1)[0] + " …"
