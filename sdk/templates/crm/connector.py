"""A CRM: leads go there and are never doubled; what changes there comes back. What it must know of the hub stands in patchbay.py."""

import json

from componentize_py_types import Err, Ok
from patchbay import event, failure, milliseconds
from wit_world import exports
from wit_world.exports.commands import Receipt
from wit_world.exports.polling import Page
from wit_world.imports import http
from wit_world.imports.types import Header

STAGES = ("interest", "lead", "client", "refused")


class Commands(exports.Commands):
    def execute(self, batch):
        """The hub asks for something to be written. The same command may come again, after a crash for example."""
        return [self.one(it) for it in batch]

    def one(self, command):
        try:
            return Ok(Receipt(write(command.kind, json.loads(command.payload)), "{}"))
        except Err as error:
            return Err(error.value)


def write(kind, command):
    if kind == "lead.upsert":
        return upsert(command)
    if kind == "interaction.add":
        return note(command)
    raise failure("crm.command", f"`{kind}` is not for a CRM")


def upsert(command):
    """Writes a lead. One that the CRM may have already is looked for first, by our own reference: a crash between its answer and the
    hub's commit must not make a second one."""
    lead = command["lead"]
    known = command.get("remote_id") or found(f"/leads?reference={lead['id']}")
    contact = lead["contact"]
    fields = {
        "reference": lead["id"],
        "title": lead.get("title"),
        "stage": lead["stage"]["name"],
        "name": contact.get("name"),
        "phone": first(contact, "phone"),
        "email": first(contact, "email"),
        "responsible": lead.get("responsible", {}).get("name"),
    }
    if known is None:
        return text(ask("POST", "/leads", fields), "id")
    ask("PATCH", f"/leads/{known}", fields)
    return known


def first(contact, kind):
    return next((it["value"] for it in contact.get("identities", []) if it["kind"] == kind), None)


def note(command):
    """Adds what was said to the lead's history, once."""
    notes = f"/leads/{command['lead_remote_id']}/notes"
    known = found(f"{notes}?reference={command['interaction_id']}")
    if known is not None:
        return known
    said = command["event"]
    body = {"reference": command["interaction_id"], "channel": command["channel"], "kind": said["kind"], "text": said["payload"].get("text")}
    return text(ask("POST", notes, body), "id")


def found(question):
    """The id of the first record that this question finds."""
    records = ask("GET", question)
    return text(records[0], "id") if isinstance(records, list) and records else None


class Polling(exports.Polling):
    def poll(self, cursor, limit):
        """What changed since `cursor`, the time of the newest change that is known."""
        since = (cursor or "1970-01-01T00:00:00Z").replace("+", "%2B")
        leads = ask("GET", f"/leads?changed_since={since}&limit={limit}")
        if not isinstance(leads, list):
            raise failure("crm.answer", "the CRM did not answer with a list", "later")
        changed = [it for it in leads if text(it, "id") is not None and milliseconds(it.get("updated_at")) is not None]
        newest = max((it["updated_at"] for it in changed), key=milliseconds, default=cursor)
        return Page([change(it) for it in changed], newest, len(leads) >= limit)


def change(lead):
    """A lead that changed there. The same change, read twice, is one event."""
    key, name = text(lead, "id"), text(lead, "responsible")
    stage = lead["stage"] if lead.get("stage") in STAGES else None
    fields = {"stage": stage and {"name": stage}, "responsible": name and {"name": name}}
    record = {"entity": "lead", "action": "updated", "external_id": key, "fields": fields if stage or name else None}
    return event(f"lead:{key}:{lead['updated_at']}", "record", milliseconds(lead["updated_at"]), record)


class Check(exports.Check):
    def check(self):
        """Does this connection work?"""
        account = ask("GET", "/me")
        return json.dumps({"account": account.get("name") if isinstance(account, dict) else None})


def ask(method, path, body=None):
    """Asks the CRM. The hub adds scheme, host and key. 401: the credential is refused; 429 and 5xx: later; anything else: never."""
    headers, sent = ([], b"") if body is None else ([Header("content-type", "application/json")], json.dumps(body).encode())
    answer = http.send(http.Request("api", method, path, headers, sent, 20_000))  # raises the hub's own failure: a time-out, no connection
    if not 200 <= answer.status < 300:
        raise failure(f"vendor.http_{answer.status}", "the CRM did not do it", verdict(answer))
    try:
        return json.loads(answer.body)
    except (ValueError, RecursionError):
        raise failure("crm.answer", "the CRM did not answer in JSON", "later") from None


def verdict(answer):
    if answer.status in (401, 403):
        return "reauthorise"
    if answer.status not in (408, 425, 429) and answer.status < 500:
        return "never"
    wait = next((it.value for it in answer.headers if it.name.lower() == "retry-after"), "")
    return int(wait) * 1000 if wait.isascii() and wait.isdigit() else "later"


def text(record, name):
    """A text of a record that fits where the schemas want one."""
    value = record.get(name) if isinstance(record, dict) else None
    return value if isinstance(value, str) and 0 < len(value) <= 400 else None
