"""What every connector in Python needs of the contract (wit/connector.wit in the SDK): values as the hub takes them."""

import datetime
import json
import re

from componentize_py_types import Err
from wit_world.imports.types import Event, Failure, Retry_AfterMs, Retry_Later, Retry_Never, Retry_Reauthorise

try:
    from wit_world.exports.webhook import Reply
except ModuleNotFoundError:  # nobody posts to this connector
    Reply = None

DEEPEST = 100
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?(Z|[+-]\d\d:\d\d)", re.ASCII)
EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)
# Possessive: a text of a megabyte is not remembered letter by letter.
PARTS = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"|[\[\]{}]', re.DOTALL)


def failure(code, message, retry="never"):
    """What a failed call asks of the hub: never, later, reauthorise, or milliseconds after which to try again. Raise it."""
    verdict = {"never": Retry_Never, "later": Retry_Later, "reauthorise": Retry_Reauthorise}.get(retry)
    return Err(Failure(code, cut(message, 1024), verdict() if verdict else Retry_AfterMs(retry)))


def event(key, kind, occurred_at_ms, payload):
    """One thing that happened. The key is for deduplication; no time where the vendor gives none."""
    return Event(key, kind, occurred_at_ms, clean(json.dumps(given(payload), ensure_ascii=False)))


def reply(events, status=200, body=b""):
    """The answer to a delivery, sent when its events are committed."""
    return Reply(status, [], body, events)


def parse(body, code):
    """The JSON of a body. What is no JSON is refused for good: sent again it would be no better."""
    if depth(body) > DEEPEST:
        raise failure(code, f"the body is nested more than {DEEPEST} deep")
    try:
        return json.loads(body.decode("utf-8"), parse_constant=unknown, parse_float=finite)
    except (ValueError, RecursionError) as error:
        raise failure(code, f"the body is no JSON: {error}") from None


def depth(body):
    """How deep a body is nested: the reader of JSON would use up the stack before it noticed."""
    deepest = here = 0
    for it in PARTS.finditer(body):
        first = it[0][:1]
        here += (first in b"[{") - (first in b"]}")
        deepest = max(deepest, here)
    return deepest


def unknown(word):
    raise ValueError(f"{word} is no value of JSON")


def finite(text):
    number = float(text)
    return number if abs(number) != float("inf") else unknown(text[:40])


def given(it):
    """The same without what is not known. What the vendor said, in `extra` and `fields`, stays as it is."""
    if isinstance(it, list):
        return [given(value) for value in it]
    if isinstance(it, dict):
        return {name: value if name in ("extra", "fields") else given(value) for name, value in it.items() if value is not None}
    return it


def clean(text):
    """The text without halves of characters, which no UTF-8 has."""
    return text.encode("utf-8", "replace").decode("utf-8")


def cut(text, most):
    """At most so many characters of a text."""
    return clean(text)[:most]


def line(it):
    """A text of one line that says something."""
    return cut(it, 1024) if isinstance(it, str) and it else None


def is_number(it):
    """True for a whole number that every language can tell from its neighbours."""
    return isinstance(it, int) and not isinstance(it, bool) and abs(it) < 2**53


def taken(fields, name, most):
    """Takes a text out of the fields that is not blank and not longer than the schemas allow; any other stays there."""
    text = fields.get(name)
    if not isinstance(text, str) or not text.strip() or len(text) > most:
        return None
    return clean(fields.pop(name))


def moment(fields, name):
    """Takes a time with its offset (RFC 3339) out of the fields; any other text stays there."""
    return None if milliseconds(fields.get(name)) is None else fields.pop(name)


def milliseconds(text):
    """Milliseconds since 1970 of a time with its offset, as an event wants them. None before 1970."""
    if not isinstance(text, str) or not TIME.fullmatch(text):
        return None
    try:
        since = datetime.datetime.fromisoformat(text) - EPOCH
    except (ValueError, OverflowError):
        return None
    at = since // datetime.timedelta(milliseconds=1)
    return at if at >= 0 else None
