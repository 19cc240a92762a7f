"""The options of the fake provider when it is started by hand."""

import argparse
import json
from pathlib import Path

from tests.fakes.faults import PASSING, UNPLANNED, Fault, RandomFaults

_DESCRIPTION = """\
A server on loopback that speaks the Voyage AI embeddings API: to try the pipeline without a key that costs money.
Vectors are random, but the same text always gets the same one.

  python tests/fakes/voyage_server.py --port 8765 --latency 0.1 --fail 0.3 --seed 7 &
  VOYAGE_API_KEY=any BOOTSTRAP_VOYAGE_BASE_URL=http://127.0.0.1:8765/v1 bootstrap run
  curl http://127.0.0.1:8765/stats
"""

_EPILOG = f"""\
faults: {", ".join(PASSING)}
and, only where they are named: {", ".join(sorted(UNPLANNED))}

While it runs:
  curl -d '{{"share": 0.3, "kinds": ["reset", "nan"], "seed": 7}}' http://127.0.0.1:8765/faults
  curl -d '{{"script": ["server_error", null, "quota"]}}' http://127.0.0.1:8765/faults
  curl -d '{{"always": "unauthorized"}}' http://127.0.0.1:8765/faults      ({{}} ends them)
  curl -d '["a text that is always refused"]' http://127.0.0.1:8765/poison  ([] ends it)

Ctrl-C or SIGTERM ends it; it then prints what it was paid for, as JSON.
"""


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    """The options, with `plan` (RandomFaults or None) and `poison` (a list of texts) made of them."""
    parser = argparse.ArgumentParser(
        description=_DESCRIPTION, epilog=_EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--port", type=int, default=8765, help="0 takes a free one; the URL is printed (default: 8765)")
    add("--latency", type=float, default=0.0, metavar="SECONDS", help="before each answer (default: 0)")
    add("--key", help="the only key that is taken (default: any)")
    add("--rpm", type=int, help="requests per minute; over it: 429 (default: no limit)")
    add("--tpm", type=int, help="tokens per minute; over it: 429 (default: no limit)")
    add("--window", type=float, default=60.0, metavar="SECONDS", help="length of that minute (default: 60)")
    add(
        "--fail", type=float, default=0.0, metavar="SHARE", help="share of requests that fail, 0 to 1 (default: 0)"
    )
    add("--seed", type=int, help="of the failures: the same seed, the same sequence")
    add(
        "--faults", type=_kinds, default=PASSING, metavar="NAME,NAME", help="kinds of failure (default: see below)"
    )
    add("--slow", type=float, default=65.0, metavar="SECONDS", help="length of slow and stalled (default: 65)")
    add("--poison", type=_texts, default=[], metavar="FILE", help="JSON list of texts that are always refused")
    options = parser.parse_args(arguments)
    if not 0 <= options.fail <= 1:
        parser.error("--fail is a share between 0 and 1")
    if options.faults is not PASSING and not options.fail:
        parser.error("--faults says which kinds; give their share too, as in --fail 0.3")
    options.plan = RandomFaults(options.fail, options.faults, options.seed)
    return options


def _kinds(names: str) -> tuple[Fault, ...]:
    try:
        return tuple(Fault(name.strip()) for name in names.split(","))
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _texts(path: str) -> list[str]:
    try:
        texts = json.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise argparse.ArgumentTypeError(f"{path}: {error}") from None
    if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
        raise argparse.ArgumentTypeError(f"{path} does not hold a JSON list of texts")
    return texts
