"""A bot of Telegram's Bot API: what people write to it, and answers to them. What it must know of the hub stands in patchbay.py."""

import json
import re

from componentize_py_types import Err, Ok
from patchbay import cut, event, failure, is_number, line, parse, reply
from wit_world import exports
from wit_world.exports.commands import Receipt
from wit_world.imports import http, state
from wit_world.imports.types import Header

# How long a sent message is remembered: longer than the hub repeats a command whose end it did not see.
REMEMBERED_MS = 2 * 24 * 60 * 60 * 1000
MESSAGES = ("message", "edited_message", "business_message", "edited_business_message")


class Webhook(exports.Webhook):
    def handle(self, req):
        update = parse(req.body, "telegram.update")
        if not isinstance(update, dict) or not is_number(update.get("update_id")):
            raise failure("telegram.update", "an update has a whole number as `update_id`")
        what, content = next(((it, update[it]) for it in update if it != "update_id"), (None, None))
        if what is None:
            return reply([])
        key = f"update:{update['update_id']}"
        if what == "callback_query" and isinstance(content, dict):
            return reply([button(key, content)])
        if what in MESSAGES and isinstance(content, dict) and isinstance(content.get("chat"), dict):
            return reply([message(key, what, content)])
        # Nothing is dropped: what this connector has no word for is kept as the vendor says it.
        extra = content if isinstance(content, dict) else {what: content}
        return reply([event(key, "other", time(extra.get("date")), {"what": cut(what, 64), "extra": extra})])


def message(key, what, it):
    """What somebody wrote. An edited message is a new fact: the old text stays."""
    edited = what.startswith("edited_")
    sender = it["from"] if isinstance(it.get("from"), dict) else None
    text = next((it[name] for name in ("text", "caption") if isinstance(it.get(name), str)), None)
    outgoing = sender is not None and sender.get("is_bot") is True
    answered = it.get("reply_to_message")
    payload = {
        "direction": "out" if outgoing else "in",
        "person": person(it["chat"] if outgoing or sender is None else sender),
        "conversation": {"key": number(it["chat"].get("id")) or "unknown", "title": line(it["chat"].get("title"))},
        "text": None if text is None else cut(text, 65536),
        "message": {
            "id": number(it.get("message_id")),
            "revision": "edited" if edited else None,
            "reply_to": number(answered.get("message_id")) if isinstance(answered, dict) else None,
        },
        "source": {"start": None if outgoing or text is None else start(text)},
        "extra": rest(it, ("from", "chat", "date", "edit_date", "text", "caption", "message_id", "reply_to_message")),
    }
    at = it.get("edit_date", it.get("date")) if edited else it.get("date")
    return event(key, "message", time(at), payload)


def button(key, it):
    """A button under a message was pressed. Telegram does not say when."""
    choice = line(it.get("data"))
    under = it["message"] if isinstance(it.get("message"), dict) else {}
    chat = under["chat"] if isinstance(under.get("chat"), dict) else {}
    there = number(chat.get("id"))
    payload = {
        "direction": "in",
        "person": person(it.get("from")),
        "conversation": there and {"key": there, "title": line(chat.get("title"))},
        "text": choice,
        "message": {"id": line(it.get("id")), "reply_to": number(under.get("message_id")), "choice": choice},
        "extra": rest(it, ("from", "message", "id", "data")),
    }
    return event(key, "message", None, payload)


def person(user):
    user = user if isinstance(user, dict) else {}
    there, username = number(user.get("id")), line(user.get("username"))
    handle = {"kind": "handle", "value": there, "label": username and f"@{cut(username, 500)}", "assurance": "vendor"}
    name = {"given": line(user.get("first_name")) or line(user.get("title")), "family": line(user.get("last_name"))}
    return {"identities": [handle] if there else [], "name": name}


def start(text):
    """The payload of a deep link: `/start <payload>`."""
    found = re.match(r"/start(?:@\w+)?\s+(.*)$", text, re.DOTALL)
    return (found and cut(found[1].strip(), 1024)) or None


def number(it):
    return str(it) if is_number(it) else None


def time(it):
    return it * 1000 if is_number(it) and 0 <= it < 250_000_000_000 else None


def rest(it, known):
    return {name: value for name, value in it.items() if name not in known}


class Commands(exports.Commands):
    def execute(self, batch):
        """Each command is carried out once: what was sent is noted, and found when the command comes again."""
        return [self.one(it) for it in batch]

    def one(self, command):
        try:
            return Ok(deliver(command))
        except Err as error:
            return Err(error.value)


def deliver(command):
    if command.kind != "message.send":
        raise failure("command.kind", f"`{command.kind}` is not carried out here")
    asked = json.loads(command.payload)
    text, chat = asked.get("text"), asked.get("conversation", {}).get("key", "")
    if asked.get("attachment") or not text:
        raise failure("telegram.unsupported", "this connector sends texts alone")
    if not re.fullmatch(r"-?\d{1,16}", chat):
        raise failure("telegram.chat", "the conversation is no chat of Telegram")
    note = f"sent:{command.idempotency_key}"
    sent = state.get(note)
    if sent is not None:
        return receipt(sent.decode())
    made = number(call("/sendMessage", {"chat_id": int(chat), "text": text}).get("message_id")) or ""
    state.set(note, made.encode(), REMEMBERED_MS)
    return receipt(made)


def receipt(made):
    return Receipt(made or None, "{}")


class Check(exports.Check):
    def check(self):
        bot = call("/getMe", {})
        return json.dumps({"account": f"@{bot.get('username')}", "id": bot.get("id"), "name": bot.get("first_name")})


def call(path, body):
    """Asks the Bot API. The hub adds scheme, host and token: this code never sees them."""
    request = http.Request("api", "POST", path, [Header("content-type", "application/json")], json.dumps(body).encode(), 20_000)
    answer = http.send(request)  # raises the hub's own failure: a time-out, no connection
    try:
        document = json.loads(answer.body)
    except ValueError:
        document = {}
    document = document if isinstance(document, dict) else {}
    if 200 <= answer.status < 300 and document.get("ok") is True:
        result = document.get("result")
        return result if isinstance(result, dict) else {}
    said = f"Telegram answered {answer.status}: {document.get('description', 'no JSON that it documents')}"
    parameters = document.get("parameters")
    wait = parameters.get("retry_after") if isinstance(parameters, dict) else None
    if answer.status in (401, 404):
        raise failure("telegram.token", said, "reauthorise")
    if answer.status == 429:
        raise failure("telegram.rate_limited", said, wait * 1000 if is_number(wait) else "later")
    if answer.status >= 500:
        raise failure("telegram.unavailable", said, "later")
    raise failure("telegram.refused", said)
