"""The commands by name: where each is, and its line in `bootstrap --help`. One is imported when it is called."""

from importlib import import_module

import click

from bootstrap_assets.cli.examples import add_to
from bootstrap_assets.cli.streams import end_of_pipe, flush_output

COMMANDS = {
    "run": ("run:run", "Load, embed and index the corpus."),
    "metrics": ("metrics:metrics", "Print metrics in Prometheus' text format."),
    "plan": ("cost:plan", "Show what a run would embed and cost, and what it would refuse."),
    "status": ("status:status", "Show what is in the corpus."),
    "search": ("search:search", "Find the records that answer TEXT best."),
    "show": ("show:show", "Show a record or a document in full, with licence, attribution and address."),
    "embed": ("show:embed", "Print the vector of a query as a JSON array, in the space that is searched."),
    "classify": (
        "labels:classify",
        "Say what a contract holds and what is missing, by the corpus' labels.",
    ),
    "labels": ("labels:labels", "What the corpus' own labels teach: a scorer for each category and hypothesis."),
    "evaluate": ("evaluate:evaluation", "Measure the search on the labels of ContractNLI and CUAD."),
    "report": ("report:report", "Write a page about the corpus."),
    "failures": ("failures:failures", "Records that could not be taken or embedded, and why."),
    "documents": ("documents:documents", "Tenants' own documents."),
    "repositories": (
        "repositories:repositories",
        "Git repositories: what they define, what refers to what, what depends on what.",
    ),
    "tenants": ("tenants:tenants", "Whose documents are kept apart from each other."),
    "spaces": ("spaces:spaces", "The models' vectors: one space is searched, others are built beside it."),
    "breaker": ("breaker:breaker", "Circuit breakers of providers and sources."),
    "cost": ("cost:cost", "Show what requests have cost, by day (UTC), model and source."),
    "request": ("requests:request", "Ask for sources to be brought up to date, or a tenant's documents."),
    "cancel": ("requests:cancel", "Ask a request to end."),
    "resume": ("requests:resume", "Ask again for a request that failed or was cancelled."),
    "wait": ("requests:wait", "Wait until requests have ended, with their sources and the index."),
    "events": ("requests:events", "Show what was asked and what was done."),
    "db": ("database:db", "Start, stop, inspect and migrate the database."),
    "env": ("environment:env", 'Print what Dagster needs: eval "$(bootstrap env)".'),
    "settings": ("settings:settings_", "List every setting with its value and where that comes from."),
    "doctor": ("environment:doctor", "Check everything that a run needs."),
    "worker": ("worker:worker", "Embed what is missing, beside any number of other workers."),
    "ui": ("ui:ui", "Start Dagster's UI and daemon."),
}
"""Module and object below `bootstrap_assets.cli`, and the first sentence of the command's own help."""


class Commands(click.Group):
    """The group of all commands. They end quietly when nobody reads what they print."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Their names, in the order of the alphabet."""
        return sorted(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of a name, with its examples; None where there is none."""
        if cmd_name in COMMANDS and cmd_name not in self.commands:
            module, _, attribute = COMMANDS[cmd_name][0].partition(":")
            command = getattr(import_module(f"bootstrap_assets.cli.{module}"), attribute)
            self.add_command(command, cmd_name)
            add_to(command, cmd_name)
        return super().get_command(ctx, cmd_name)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of commands, which imports none of them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, COMMANDS[name][1]) for name in self.list_commands(ctx)])

    def invoke(self, ctx: click.Context) -> object:
        """Run the command, and flush its output here, where a closed pipe can still be handled."""
        try:
            return super().invoke(ctx)
        except BrokenPipeError:
            end_of_pipe()
        finally:
            flush_output()
