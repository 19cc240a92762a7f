"""The commands of a group, imported: `bootstrap` itself imports each when it is called."""

import click


def commands_of(group: click.Group) -> dict[str, click.Command]:
    context = click.Context(group)
    commands = {name: group.get_command(context, name) for name in group.list_commands(context)}
    return {name: command for name, command in commands.items() if command is not None}
