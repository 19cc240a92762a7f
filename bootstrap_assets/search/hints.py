"""Why a search found nothing, where that is known."""

from collections.abc import Sequence
from difflib import get_close_matches

from bootstrap_assets.database.connection import Connection
from bootstrap_assets.database.statements import statements_of
from bootstrap_assets.search.query import PHRASE, Filters, Mode
from bootstrap_assets.texts.content import clean_text

statement = statements_of(__name__)


def why_nothing(connection: Connection, query: str, mode: Mode, filters: Filters) -> list[str]:
    """Sentences for a person: a category that no record has, a phrase that stands nowhere."""
    own = {"tenant": filters.tenant}
    if filters.tenant and not connection.execute(statement("has_documents"), own).rowcount:
        return [f"no document is of the tenant {filters.tenant!r}"]
    rows = connection.execute(statement("categories"))
    categories = {category.lower(): category for (category,) in rows}
    unknown = [name for name in filters.categories if name.lower() not in categories]
    if unknown:
        return [
            _unknown(name, [categories[near] for near in get_close_matches(name.lower(), categories)])
            for name in unknown
        ]
    words = connection.execute(statement("words_looked_for"), {"words": [clean_text(query)]}).fetchall()
    if mode is Mode.TEXT and not any(forms for _, forms in words):
        return [
            "the query has no words but those that are everywhere, such as 'the' and 'of': they are not looked for"
        ]
    phrases = PHRASE.findall(clean_text(query))
    places = connection.execute(statement("phrases"), {"phrases": phrases}).fetchall()
    if not places:
        return []
    sentence = "nothing holds " + " or ".join(f'"{phrase}"' for phrase, somewhere in places if not somewhere)
    if all(somewhere for _, somewhere in places):
        sentence = "nothing that was searched holds " + " and ".join(f'"{phrase}"' for phrase, _ in places)
    return [f"{sentence} word for word: without the quotes the words are looked for one by one"]


def _unknown(category: str, near: Sequence[str]) -> str:
    sentence = f"no record has the category {category!r}"
    return f"{sentence}: did you mean {' or '.join(map(repr, near))}?" if near else sentence
