"""The names of settings: a slip in one is an error, for it would have no effect."""

import logging
from difflib import get_close_matches
from functools import cache

from bootstrap_assets.errors import ConfigurationError

PREFIX = "BOOTSTRAP_"
KEY = "VOYAGE_API_KEY"

OURS = ("BOOTSTRAP_DAGSTER_URL", "BOOTSTRAP_ENV_FILE")
"""What `bootstrap env` exports besides settings."""

THE_CLIENTS = ("VOYAGE_LOG",)
"""What the client of Voyage AI reads by itself."""


@cache
def check_names(names: frozenset[str], settings: tuple[str, ...]) -> None:
    """ConfigurationError for a variable that is nearly one of the settings: it would have no effect.

    Of several that are as near, the first of `settings` is named.
    Any other may belong to another program (`BOOTSTRAP_SERVERS`, `VOYAGE_MODEL`): it causes one warning.
    """
    variables = {name.removeprefix(PREFIX): name for name in settings}
    for name in sorted(names):
        variable = name.upper()
        if variable in variables.values() or variable in (*OURS, *THE_CLIENTS):
            continue
        if not variable.startswith((PREFIX, "VOYAGE")):
            for slip in get_close_matches(variable, variables.values(), n=1, cutoff=0.9):
                raise ConfigurationError(f"{name} is no setting: did you mean {slip}?")
            continue
        rest = variable.removeprefix(PREFIX)
        near = [one for one in variables if one.endswith(f"_{rest}")]
        near += get_close_matches(rest, variables, n=1, cutoff=0.66)
        meant = variables[near[0]] if near else None
        if meant and (variable.startswith(PREFIX) or (meant == KEY and KEY not in names)):
            raise ConfigurationError(f"{name} is no setting: did you mean {meant}?")
        hint = f": did you mean {meant}?" if meant else " (README, Settings)"
        _log.warning("%s is no setting of bootstrap-assets and has no effect%s", name, hint)


_log = logging.getLogger(__name__)
