"""Numbers that somebody typed."""

import math
from typing import Any

import click


class Finite(click.FloatRange):
    """A number in a range; FloatRange by itself takes `nan` for one, and `inf` where the range is open."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """The number that somebody typed."""
        number: float = super().convert(value, param, ctx)
        if not math.isfinite(number):
            self.fail(f"{value} is not a finite number", param, ctx)
        return number
