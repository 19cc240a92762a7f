"""A scenario's result, and the table of all of them."""

from dataclasses import dataclass, field

from rich.console import Console
from rich.table import Table


@dataclass
class Row:
    """What was done, what the provider was asked and paid for, and what was found wrong."""

    scenario: str
    done: str
    requests: int = 0
    paid: int = 0
    distinct: int = 0
    allowed: int = 0
    seconds: float = 0.0
    wrong: list[str] = field(default_factory=list)
    told: str = ""

    @property
    def passed(self) -> bool:
        return not self.wrong

    def require(self, holds: bool, otherwise: str) -> None:
        """Note what is wrong unless something holds."""
        if not holds:
            self.wrong.append(otherwise)

    def pay(self, requests: int, paid: int, distinct: int, allowed: int) -> None:
        """Add what a corpus cost; more than `allowed` texts beyond the distinct ones are wrong."""
        self.requests += requests
        self.paid += paid
        self.distinct += distinct
        self.allowed += allowed
        self.require(paid <= distinct + allowed, f"paid for {paid} texts, {distinct} distinct, {allowed} allowed")
        self.require(paid >= distinct, f"paid for {paid} texts only, of {distinct}")


def show(rows: list[Row], console: Console, title: str = "chaos") -> None:
    """Print the table."""
    table = Table(title=title, title_justify="left")
    for heading in ("scenario", "what was done"):
        table.add_column(heading, overflow="fold")
    for heading in ("requests", "texts paid", "distinct", "extra allowed", "seconds"):
        table.add_column(heading, justify="right")
    table.add_column("result")
    for row in rows:
        result = "[green]PASS[/]" if row.passed else "[bold red]FAIL[/]"
        figures = [f"{figure:,}" for figure in (row.requests, row.paid, row.distinct, row.allowed)]
        table.add_row(row.scenario, row.done, *figures, f"{row.seconds:.0f}", result)
    console.print(table)
    for row in rows:
        if row.told:
            console.print(f"{row.scenario}: {row.told}", soft_wrap=True, highlight=False, markup=False)
        for reason in row.wrong[:20]:
            console.print(f"FAIL {row.scenario}: {reason}", soft_wrap=True, highlight=False, markup=False)
