// Forms: what a visitor filled in becomes an event of the kind `form`. What it must know of the hub stands in patchbay.js.
import { event, failure, fits, milliseconds, moment, parse, reply, taken } from './patchbay.js';

export const webhook = {
  /** The vendor posted something: the hub has verified it already, as connector.toml says. */
  handle(request) {
    return reply([submission(parse(request.body, 'form.json'))]);
  },
};

/** One submission. What has no place of its own stays under the vendor's names in `fields`. */
function submission(body) {
  if (!fits(body)) throw failure('form.shape', 'the body is no JSON object');
  const fields = { ...body };
  // The vendor's own id: the same submission, sent twice, is one event.
  const id = taken(fields, 'id', 512);
  if (id === undefined) throw failure('form.id', 'the submission has no `id`');
  // A visitor states these; the vendor does not vouch for them.
  const stated = (kind, value) => (value === undefined ? [] : [{ kind, value, assurance: 'stated' }]);
  const identities = [...stated('phone', taken(fields, 'phone', 512)), ...stated('email', taken(fields, 'email', 512))];
  const full = taken(fields, 'name', 1024);
  const text = taken(fields, 'message', 65536);
  const at = moment(fields, 'sent_at');
  const form = { name: taken(fields, 'form', 1024), fields: Object.keys(fields).length === 0 ? undefined : fields };
  return event(id, 'form', milliseconds(at), { direction: 'in', person: { identities, name: full && { full } }, text, form });
}
