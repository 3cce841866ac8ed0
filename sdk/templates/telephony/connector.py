"""Telephony: each step of a call is an event; the steps of one call carry its id, and the last one says how it ended.

What it must know of the hub stands in patchbay.py.
"""

from patchbay import event, failure, is_number, milliseconds, moment, parse, reply, taken
from wit_world import exports

RESULTS = ("answered", "missed", "busy", "voicemail", "failed")


class Webhook(exports.Webhook):
    def handle(self, req):
        """The PBX posted something: the hub has verified it already, as connector.toml says."""
        return reply([step(parse(req.body, "call.json"))])


def step(fields):
    """One step of a call: `ringing`, `answered` or `ended`."""
    if not isinstance(fields, dict):
        raise failure("call.shape", "the body is no JSON object")
    key, word = due(fields, "call_id", 256), due(fields, "event", 64)
    theirs, ours = due(fields, "from", 512), due(fields, "to", 512)
    direction = "out" if taken(fields, "direction", 64) == "out" else "in"
    if direction == "out":
        theirs, ours = ours, theirs
    at = moment(fields, "at")
    has_ended = word == "ended"
    # Only the end of a call says how it went: before that somebody may still answer.
    result = fields.pop("result") if has_ended and fields.get("result") in RESULTS else None
    call = {
        "id": key,
        "result": result,
        "started_at": moment(fields, "started_at"),
        "answered_at": moment(fields, "answered_at"),
        "ended_at": at if has_ended else None,
        "wait_s": seconds(fields, "wait_s"),
        "talk_s": seconds(fields, "talk_s"),
        "recording": taken(fields, "recording", 8192),
    }
    operator = taken(fields, "operator", 512)
    payload = {
        "direction": direction,
        "person": {"identities": [{"kind": "phone", "value": theirs}]},
        "conversation": {"key": theirs},
        "author": operator and {"id": operator},
        "source": {"line": ours},
        "call": call,
        "extra": fields or None,
    }
    return event(f"{key}:{word}", "call", milliseconds(at), payload)


def due(fields, name, most):
    """Takes a text that a call must have."""
    text = taken(fields, name, most)
    if text is None:
        raise failure("call.field", f"the call has no `{name}`")
    return text


def seconds(fields, name):
    """Takes a whole number of seconds."""
    value = fields.get(name)
    return fields.pop(name) if is_number(value) and 0 <= value < 2**32 else None
