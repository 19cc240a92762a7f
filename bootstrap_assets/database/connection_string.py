"""Connection strings as other programs write them, read as libpq wants them. No message shows a value."""

import re
import shlex
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from urllib.parse import quote, unquote

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from bootstrap_assets.errors import ConfigurationError

_NAME = "BOOTSTRAP_DATABASE_URL"
UNREADABLE = (
    f"{_NAME} is no connection string that PostgreSQL can read; special characters in the password have to be "
    "percent-encoded"
)

_URL = re.compile(r"(postgres(?:ql)?://(?:[^/@]*@)?[^/@?]*(?:/[^@?]*)?)(?:\?(.*))?", re.DOTALL)
_QUOTES = {"'": "'", '"': '"', "`": "`", "“": "”", "‘": "’", "<": ">"}
_ASSIGNMENT = re.compile(r"(?:(?:export|set|setx|ENV)\s+)?(?:\$env:)?[A-Z][A-Z0-9_]*\s*[=:]\s*(?!//)(?=\S)")
_SCHEME = re.compile(r"(jdbc:)?([a-z][a-z0-9]*)(\+[a-z0-9_]+)?:(?=//|\w+$)", re.IGNORECASE)
_POSTGRES = {"postgres", "postgresql", "pgsql", "psql", "postgis", "pg"}
_PLACEHOLDER = re.compile(r"\[[A-Za-z _-]+\]|<[A-Za-z _-]+>|\*{3,}|YOUR[-_ ]?PASSWORD", re.IGNORECASE)

_OPTIONS = frozenset(option.keyword.decode() for option in psycopg.pq.Conninfo.get_defaults())

_SYNONYMS = {
    "applicationname": "application_name",
    "connecttimeout": "connect_timeout",
    "timeout": "connect_timeout",
    "logintimeout": "connect_timeout",
    "server": "host",
    "hostname": "host",
    "datasource": "host",
    "database": "dbname",
    "db": "dbname",
    "name": "dbname",
    "initialcatalog": "dbname",
    "username": "user",
    "userid": "user",
    "uid": "user",
    "pwd": "password",
    "pass": "password",
    "currentschema": "schema",
    "searchpath": "schema",
    "ssl": "sslmode",
    "tls": "sslmode",
    "rootcertificate": "sslrootcert",
    "targetservertype": "target_session_attrs",
}
"""Names of other drivers, without case, blanks and underscores."""

_OF_OTHERS = frozenset(
    "pgbouncer connectionlimit pooltimeout poolsize minpoolsize maxpoolsize maxoverflow poolrecycle "
    "poolpreping pool pooling minimumpoolsize maximumpoolsize statementcachesize "
    "preparedstatementcachesize preparethreshold preparedstatementcachequeries sockettimeout "
    "commandtimeout tcpkeepalive tcpkeepalives keepalive stringtype binarytransfer rewritebatchedinserts "
    "asyncfallback uselibpqcompat charset encoding serverversion supa workaround autocommit "
    "maxconnections reference trustservercertificate includeerrordetail maxautoprepare multiplexing "
    "connmaxage maxinactiveconnectionlifetime simpleprotocol defaultqueryexecmode statementcachemode "
    "poolmaxconns poolminconns poolmaxconnlifetime poolmaxconnidletime".split()
)
"""Parameters of other drivers' pools and caches, which mean nothing here."""

_MODES = {
    "true": "require",
    "1": "require",
    "yes": "require",
    "on": "require",
    "required": "require",
    "noverify": "require",
    "false": "disable",
    "0": "disable",
    "no": "disable",
    "off": "disable",
    "disabled": "disable",
    "preferred": "prefer",
    "verifyidentity": "verify-full",
    "verifyca": "verify-ca",
    "verifyfull": "verify-full",
} | {mode: mode for mode in ("disable", "allow", "prefer", "require")}

_SERVERS = {"master": "primary", "secondary": "standby", "slave": "standby", "prefersecondary": "prefer-standby"}


def is_readable(url: str) -> bool:
    """Whether libpq reads it as it is meant: with a bare @ or / in a password it takes the rest for the host."""
    try:
        conninfo_to_dict(url)
    except (psycopg.ProgrammingError, UnicodeError):
        return False
    return not url.startswith(("postgresql://", "postgres://")) or _URL.fullmatch(url) is not None


def read(text: str) -> str:
    """A connection string as libpq wants it; one that libpq reads comes back as it is.

    ConfigurationError says what cannot be read, and shows neither the string nor any value in it.
    """
    string = _bare(text)
    if string.startswith("psql "):
        string = _of_psql(string)
    scheme = _SCHEME.match(string)
    if scheme:
        url = _read_url(string, scheme)
    elif ";" in string and "=" in string:
        url = make_conninfo("", **_parameters(_pairs(string.split(";"))))
    else:
        url = _read_keywords(string)
    if not is_readable(url):
        raise ConfigurationError(UNREADABLE)
    _check(conninfo_to_dict(url))
    return url


def _bare(text: str) -> str:
    """Without what was copied with it: blanks, quotes, the name of a variable, a prompt."""
    string, before = text, None
    while string != before:
        before = string
        string = string.strip("\ufeff \t\r\n").removeprefix("$ ").removesuffix(";").strip()
        string = _ASSIGNMENT.sub("", string, count=1) if _ASSIGNMENT.match(string) else string
        if len(string) > 1 and _QUOTES.get(string[0]) == string[-1]:
            string = string[1:-1]
    if not string:
        raise ConfigurationError(f"{_NAME} holds nothing but blanks or quotes: name a database, or unset it")
    return string


def _read_url(text: str, scheme: "re.Match[str]") -> str:
    if scheme[2].lower() not in _POSTGRES:
        raise ConfigurationError(
            f"{_NAME} begins with {scheme[0]}//, but that is no PostgreSQL; postgresql://... is"
        )
    rest = re.sub(r"[\r\n\t]+\s*", "", text[scheme.end() :])  # broken over lines
    if " " in rest.partition("?")[0]:
        raise ConfigurationError(f"{_NAME} holds a blank; in a URL that is %20")
    plain = scheme[0] in ("postgresql:", "postgres:")
    name = scheme[0] if plain else "postgresql:"
    whole = _URL.fullmatch(f"{name}{rest}" if rest.startswith("//") else f"{name}///{rest}")
    if whole is None:
        raise ConfigurationError(UNREADABLE)
    address, query = whole[1], whole[2]
    if query is None:
        return address
    options = _pairs(part for part in query.split("&"))
    if options.keys() <= _OPTIONS and _is_mode(options.get("sslmode")):
        return whole[0]
    parameters = _parameters({name: unquote(value) for name, value in options.items()})
    new_query = "&".join(f"{name}={quote(value, safe='')}" for name, value in parameters.items())
    return f"{address}?{new_query}" if new_query else address


def _read_keywords(text: str) -> str:
    """`host=... dbname=...`, with names of other drivers for `database` or `username`."""
    try:
        conninfo_to_dict(text)
    except psycopg.ProgrammingError:
        if "=" not in text:
            raise ConfigurationError(
                f"{_NAME} is neither a URL (postgresql://user@host/database) nor host=... dbname=..."
            ) from None
        try:
            words = shlex.split(text)
        except ValueError:
            raise ConfigurationError(UNREADABLE) from None
        if not all("=" in word for word in words):
            raise ConfigurationError(UNREADABLE) from None
        return make_conninfo("", **_parameters(_pairs(words)))
    return text


_PSQL_OPTIONS = {
    "-h": "host",
    "--host": "host",
    "-p": "port",
    "--port": "port",
    "-U": "user",
    "--username": "user",
    "-d": "dbname",
    "--dbname": "dbname",
}


def _of_psql(text: str) -> str:
    """The connection string of a command line of psql."""
    try:
        words = shlex.split(text)[1:]
    except ValueError:
        raise ConfigurationError(f"{_NAME} is a command of psql whose quotes do not match") from None
    parameters: dict[str, str] = {}
    while words:
        word = words.pop(0)
        name, equals, value = word.partition("=")
        if name in _PSQL_OPTIONS and (equals or words):
            parameters[_PSQL_OPTIONS[name]] = value if equals else words.pop(0)
        elif word[:2] in _PSQL_OPTIONS and len(word) > 2 and not word.startswith("--"):
            parameters[_PSQL_OPTIONS[word[:2]]] = word[2:]
        elif not word.startswith("-"):
            parameters.setdefault("user" if "dbname" in parameters else "dbname", word)
        else:
            raise ConfigurationError(f"{_NAME} is a command of psql: only its connection string belongs here")
    whole = parameters.pop("dbname", "")
    if "://" in whole or "=" in whole:
        return whole if not parameters else make_conninfo(read(whole), **parameters)
    return make_conninfo("", **parameters, **({"dbname": whole} if whole else {}))


def _pairs(parts: Iterable[str]) -> dict[str, str]:
    pairs = (part.partition("=") for part in parts if part.strip())
    return {name.strip(): value.strip() for name, _, value in pairs}


def _parameters(options: Mapping[str, str]) -> dict[str, str]:
    """Parameters in libpq's names and values; ConfigurationError names one that means nothing to it."""
    parameters: dict[str, str] = {}
    for name, value in sorted(options.items(), key=lambda item: item[0] != "options"):  # a schema is added to them
        flat = re.sub(r"[\s_-]", "", name).lower()
        parameter = name if name in _OPTIONS and name != "ssl" else _SYNONYMS.get(flat)
        parameter = parameter or next((option for option in _OPTIONS if option.replace("_", "") == flat), None)
        if parameter == "sslmode":
            parameters["sslmode"] = _mode(name, value)
        elif parameter == "schema" or flat == "schema":
            parameters |= _schema(value, options)
        elif parameter == "target_session_attrs":
            parameters[parameter] = _SERVERS.get(value.lower(), value)
        elif parameter:
            parameters[parameter] = value
        elif flat == "sslaccept":
            parameters |= {"sslmode": "verify-full"} if value == "strict" else {"sslmode": "require"}
        elif flat not in _OF_OTHERS:
            raise ConfigurationError(_unknown(name, options))
    if parameters.get("sslmode") == "verify-full" and "sslaccept" in options and "sslrootcert" not in parameters:
        parameters["sslrootcert"] = "system"
    return parameters


def _unknown(name: str, options: Mapping[str, str]) -> str:
    """The message on an unknown parameter. It may be part of a password whose `&` is not encoded."""
    near = get_close_matches(name.lower(), _OPTIONS, n=1)
    secret = any(_SYNONYMS.get(other.lower(), other.lower()) == "password" for other in options)
    which = "" if secret and not near else f" {name!r}"
    hint = f": did you mean {near[0]}?" if near else "; leave it out"
    return f"{_NAME} has a parameter{which} that PostgreSQL does not know{hint}"


def _is_mode(value: str | None) -> bool:
    return value is None or value in ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")


def _mode(name: str, value: str) -> str:
    mode = _MODES.get(re.sub(r"[\s_-]", "", value).lower())
    if mode is None:
        raise ConfigurationError(
            f"{_NAME} has a value of {name!r} that is none of disable, allow, prefer, require, verify-ca and "
            "verify-full"
        )
    return mode


def _schema(value: str, options: Mapping[str, str]) -> dict[str, str]:
    """`schema=` of Prisma and JDBC. By the startup parameter `options`, which PgBouncer refuses."""
    if value in ("", "public"):  # where a role's tables are anyway
        return {}
    if options.get("pgbouncer", "false") != "false":
        raise ConfigurationError(
            f"{_NAME} has a schema, which cannot be said through PgBouncer: leave it out, and have an "
            "administrator run ALTER ROLE ... SET search_path"
        )
    path = re.sub(r"([\\ ])", r"\\\1", value)
    return {"options": f"{options.get('options', '')} -csearch_path={path}".strip()}


def _check(parameters: Mapping[str, object]) -> None:
    """ConfigurationError for what libpq would accept, and then report as a server that does not answer."""
    for port in str(parameters.get("port") or "").split(","):
        if port and not (port.isascii() and port.isdigit() and 0 < int(port) < 65_536):
            raise ConfigurationError(f"{_NAME} has a port that is no number from 1 to 65535")
    if _PLACEHOLDER.fullmatch(str(parameters.get("password") or "")):
        raise ConfigurationError(f"{_NAME} still has a placeholder where the password belongs")
    if not _is_mode(str(parameters["sslmode"]) if parameters.get("sslmode") else None):
        raise ConfigurationError(f"{_NAME} has an sslmode that libpq does not know")
