"""Forms: what a visitor filled in becomes an event of the kind `form`. What it must know of the hub stands in patchbay.py."""

from patchbay import event, failure, milliseconds, moment, parse, reply, taken
from wit_world import exports


class Webhook(exports.Webhook):
    def handle(self, req):
        """The vendor posted something: the hub has verified it already, as connector.toml says."""
        return reply([submission(parse(req.body, "form.json"))])


def submission(fields):
    """One submission. What has no place of its own stays under the vendor's names in `fields`."""
    if not isinstance(fields, dict):
        raise failure("form.shape", "the body is no JSON object")
    # The vendor's own id: the same submission, sent twice, is one event.
    key = taken(fields, "id", 512)
    if key is None:
        raise failure("form.id", "the submission has no `id`")
    # A visitor states these; the vendor does not vouch for them.
    claims = [(kind, taken(fields, kind, 512)) for kind in ("phone", "email")]
    identities = [{"kind": kind, "value": value, "assurance": "stated"} for kind, value in claims if value]
    full = taken(fields, "name", 1024)
    text = taken(fields, "message", 65_536)
    at = moment(fields, "sent_at")
    form = {"name": taken(fields, "form", 1024), "fields": fields or None}
    person = {"identities": identities, "name": full and {"full": full}}
    return event(key, "form", milliseconds(at), {"direction": "in", "person": person, "text": text, "form": form})
