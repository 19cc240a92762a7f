"""What each command's `--help` ends with: examples, and the exit codes that are its own."""

import click

EXIT_CODES = (
    "Exit codes: 0 done, 1 failed, 2 wrong usage, 3 done but for dead letters, 4 budget reached, 5 timed out "
    "(wait), 130 and 143 stopped by SIGINT and SIGTERM, 141 a pipe that nobody reads any more."
)

EXAMPLES = {
    "run": ("run", "run cuad --data official --max-cost 2.50"),
    "plan": ("plan --data official", "plan cuad --json"),
    "status": ("status", "status --json"),
    "search": ('search "cap on liability" -k 3 --source cuad', "search '\"change of control\" consent' --json"),
    "show": ("show 6f1f2f0e-5d7c-5b8e-9a43-3f7d0f6f1a11", 'show "Mutual NDA" --json'),
    "embed": ('embed "cap on liability"',),
    "classify": ("classify contract.pdf", "classify - --json"),
    "labels train": ("labels train",),
    "labels list": ("labels list", "labels list --json"),
    "evaluate": ("evaluate", "evaluate --split dev --limit 50 --json"),
    "report": ("report --out report.html", "report --tenant acme --out acme.html"),
    "repositories add": ("repositories add cloud-terms https://github.com/Bonterms/Cloud-Terms --ref main",),
    "repositories index": ("repositories index cloud-terms --wait",),
    "repositories list": ("repositories list --json",),
    "repositories show": ("repositories show cloud-terms",),
    "repositories cancel": ("repositories cancel cloud-terms",),
    "repositories retry": ("repositories retry cloud-terms",),
    "repositories remove": ("repositories remove cloud-terms",),
    "repositories symbols": ("repositories symbols cloud-terms --kind section --json",),
    "repositories references": ("repositories references cloud-terms --json",),
    "repositories callers": ("repositories callers my-code Pool.get",),
    "repositories dependencies": ("repositories dependencies my-code --json",),
    "repositories cycles": ("repositories cycles my-code",),
    "failures list": ("failures list --source cuad", "failures list --all --json"),
    "failures show": ("failures show 7",),
    "failures export": ("failures export letters.jsonl",),
    "failures retry": ("failures retry --source cuad --max-cost 1",),
    "failures ignore": ("failures ignore 7",),
    "breaker status": ("breaker status",),
    "breaker reset": ("breaker reset", "breaker reset cuad"),
    "cost": ("cost", "cost --json"),
    "request": ("request cuad --priority 5 --by nightly-import", "request --tenant acme"),
    "cancel": ("cancel 7",),
    "resume": ("resume 7",),
    "wait": ("wait 7 --timeout 3600",),
    "events": ("events --follow --json",),
    "documents add": (
        "documents add contracts.zip nda.pdf --tenant acme",
        "documents add --sample --tenant demo --wait",
    ),
    "documents process": ("documents process --tenant acme --max-cost 1",),
    "documents list": ("documents list --tenant acme", "documents list --tenant acme --json"),
    "documents show": ("documents show nda.pdf --tenant acme",),
    "documents open": ("documents open nda.pdf --tenant acme --json",),
    "documents retry": ("documents retry --tenant acme", "documents retry nda.pdf --tenant acme --extract"),
    "documents cancel": ("documents cancel nda.pdf --tenant acme",),
    "documents remove": ("documents remove nda.pdf --tenant acme",),
    "documents scan": ("documents scan --tenant acme --allow-deletes",),
    "tenants add": ("tenants add acme --priority 5 --at-work 20",),
    "tenants list": ("tenants list", "tenants list --json"),
    "tenants remove": ("tenants remove acme --yes",),
    "tenants grant": ("tenants grant acme_app",),
    "spaces list": ("spaces list", "spaces list --json"),
    "spaces show": ("spaces show 2",),
    "spaces build": ("spaces build --provider voyage --model voyage-4-large --max-cost 2.50",),
    "spaces evaluate": ("spaces evaluate 2", "spaces evaluate 2 --split test --json"),
    "spaces promote": ("spaces promote 2", "spaces promote 2 --if-as-good"),
    "spaces rollback": ("spaces rollback",),
    "spaces drop": ("spaces drop 1 --yes",),
    "db up": ("db up", "db up --port 5433"),
    "db address": ('psql "$(bootstrap db address)"',),
    "db down": ("db down",),
    "db url": ('psql "$(bootstrap db url)"',),
    "db psql": ('db psql -c "SELECT count(*) FROM reference_embeddings"',),
    "db upgrade": ("db upgrade",),
    "db batches": ("BOOTSTRAP_BATCHES=256 bootstrap db batches",),
    "db downgrade": ("db downgrade base --yes",),
    "db reset": ("db reset --yes",),
    "env": ('eval "$(bootstrap env)"', "env --executor celery"),
    "settings": ("settings", "settings --json"),
    "doctor": ("doctor",),
    "metrics": ("metrics", "metrics --port 9187", "metrics --file /var/lib/node_exporter/bootstrap.prom"),
    "worker": ("worker --idle-exit", "worker --source cuad --max-cost 5", "worker --health"),
    "ui": ("ui", "ui --port 0 --check"),
}
"""By command; what is no line of its own begins with `bootstrap`."""

OWN_CODES = {
    "run": "Ends with 3 where records became dead letters, with 4 where --max-cost was reached.",
    "search": "Ends with 0 also where nothing was found, with 2 where nothing is searched yet.",
    "show": "Ends with 2 where nothing has that id, or several sources do.",
    "embed": "Ends with 2 where nothing is searched yet.",
    "classify": "Ends with 2 where no scorers have been trained yet, with 1 where the file gives no text.",
    "evaluate": "Ends with 1 where the search is worse than it was.",
    "spaces promote": "Ends with 1 where --if-as-good found a score that fell by more than noise.",
    "repositories index": "With --wait it ends with 3 where the index has findings, with 1 where the job failed.",
    "documents add": "Ends with 3 where some were refused or (--wait) failed, with 4 if --max-cost was reached.",
    "documents process": "Ends with 3 where some failed, with 4 where --max-cost was reached.",
    "documents scan": "Ends with 3 where some were refused, or more than a fifth vanished and is kept.",
    "failures retry": "Ends with 3 where some failed again, with 4 where --max-cost was reached.",
    "worker": "Ends with 0 where nothing is left (--idle-exit), 4 where --max-cost was reached; --health: or 1.",
    "wait": "Ends with 5 where --timeout came first.",
}
"""What a command's exit codes mean beyond those of `bootstrap --help`."""


def add_to(command: click.Command, path: str) -> None:
    """Give a command its examples and exit codes; a group: to each of its commands."""
    if isinstance(command, click.Group):
        for name, child in command.commands.items():
            add_to(child, f"{path} {name}")
    else:
        command.epilog = _epilog(path)


def _epilog(name: str) -> str:
    lines = [f"  {line if 'bootstrap' in line else f'bootstrap {line}'}" for line in EXAMPLES.get(name, ())]
    examples = "\n".join(["\b", "Examples:", *lines])
    return "\n\n".join(part for part in (examples, OWN_CODES.get(name)) if part)
