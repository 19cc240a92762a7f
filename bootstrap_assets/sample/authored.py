"""The sample as it was written: reads the manuscripts below `authored/` into what the archives are made of."""

from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

from bootstrap_assets.errors import FormatError
from bootstrap_assets.sample.cuad_format import CATEGORIES, DERIVED, Contract
from bootstrap_assets.sample.markup import Label, read_manuscript, strip_labels
from bootstrap_assets.sample.nli_format import HYPOTHESES, SPLITS, Nda, segment, spans_within

MANUSCRIPTS = Path(__file__).parent / "authored"
_JOINTS = {"numbered": "\n\n", "flat": " "}
_CHOICES = {"+": "Entailment", "-": "Contradiction"}
SILENT = "NotMentioned"

Choice = tuple[str, tuple[int, ...]]
"""The official word for a label, and the indices of the spans that show it."""


def contracts(folder: Path = MANUSCRIPTS / "contracts") -> Iterator[Contract]:
    """The contracts, sorted by title. Raises FormatError for an unknown category or layout."""
    return iter(sorted(map(_contract, _files(folder, ".txt")), key=lambda contract: contract.title))


def _contract(path: Path) -> Contract:
    manuscript = read_manuscript(path)
    header = dict(manuscript.header)
    title, layout = header.pop("title", ""), header.pop("layout", "")
    if not title or layout not in _JOINTS or not header.keys() <= set(DERIVED):
        raise FormatError(
            f"{path.name}: the header needs a title, a layout ({', '.join(_JOINTS)}), derived answers"
        )
    text, labels = strip_labels(_JOINTS[layout].join(manuscript.paragraphs), path.name)
    for label in labels:
        if label.name not in CATEGORIES:
            raise FormatError(f"{path.name}: there is no category {label.name!r}")
    return Contract(title, text, tuple((label.name, label.start, label.end) for label in labels), header)


def ndas(folder: Path = MANUSCRIPTS / "ndas") -> dict[str, list[Nda]]:
    """The confidentiality agreements of each split, in the order of their file names."""
    splits: dict[str, list[Nda]] = {split: [] for split in SPLITS}
    for number, path in enumerate(_files(folder, ".txt"), 1):
        split, document = _nda(path, number)
        splits[split].append(document)
    return splits


def _nda(path: Path, number: int) -> tuple[str, Nda]:
    manuscript = read_manuscript(path)
    text, labels = strip_labels("\n".join(manuscript.paragraphs), path.name)
    spans = segment(text)
    choices = _silent(manuscript.header.get("silent", "")) | _evidence(labels, spans, path.name)
    if choices.keys() != HYPOTHESES.keys() or manuscript.header.get("split") not in SPLITS:
        missing = sorted(HYPOTHESES.keys() ^ choices.keys())
        raise FormatError(
            f"{path.name}: no label, or an unknown one, for the hypotheses {missing}; or an unknown split"
        )
    return manuscript.header["split"], Nda(number, manuscript.header["file_name"], text, spans, choices)


def _silent(numbers: str) -> dict[int, Choice]:
    return {int(number): (SILENT, ()) for number in numbers.split(",") if number.strip()}


def _evidence(labels: list[Label], spans: tuple[tuple[int, int], ...], place: str) -> dict[int, Choice]:
    """Turn labels such as `+16` (the text entails hypothesis 16) or `-3` (it contradicts it) into choices."""
    choices: dict[int, str] = {}
    evidence: dict[int, set[int]] = defaultdict(set)
    for label in labels:
        choice, number = _CHOICES.get(label.name[0]), int(label.name[1:])
        if choice is None or choices.setdefault(number, choice) != choice:
            raise FormatError(f"{place}: the label {label.name!r} has no sign, or another sign than before")
        evidence[number].update(spans_within(spans, label.start, label.end))
    return {number: (choice, tuple(sorted(evidence[number]))) for number, choice in choices.items()}


def agreements(folder: Path = MANUSCRIPTS / "agreements") -> dict[str, list[tuple[str, bytes]]]:
    """Each repository of numbered agreements with its files: (name, content)."""
    repositories = sorted(path for path in folder.iterdir() if path.is_dir())
    return {path.name: [(file.name, file.read_bytes()) for file in _files(path, ".md")] for path in repositories}


def prose_objects(folder: Path = MANUSCRIPTS / "prose_objects") -> list[tuple[str, bytes]]:
    """The files of the prose-object library: (path below the library's root, content)."""
    files = sorted(path for path in folder.rglob("*") if path.is_file() and not path.name.startswith("."))
    return [(path.relative_to(folder).as_posix(), path.read_bytes()) for path in files]


def _files(folder: Path, suffix: str) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.suffix == suffix)
