// Telephony: each step of a call is an event; the steps of one call carry its id, and the last one says how it ended.
// What it must know of the hub stands in patchbay.js.
import { event, failure, fits, milliseconds, moment, parse, reply, taken } from './patchbay.js';

const RESULTS = ['answered', 'missed', 'busy', 'voicemail', 'failed'];

export const webhook = {
  /** The PBX posted something: the hub has verified it already, as connector.toml says. */
  handle(request) {
    return reply([step(parse(request.body, 'call.json'))]);
  },
};

/** One step of a call: `ringing`, `answered` or `ended`. */
function step(body) {
  if (!fits(body)) throw failure('call.shape', 'the body is no JSON object');
  const fields = { ...body };
  const due = (name, most) => {
    const text = taken(fields, name, most);
    if (text === undefined) throw failure('call.field', `the call has no \`${name}\``);
    return text;
  };
  const id = due('call_id', 256);
  const step = due('event', 64);
  const [from, to] = [due('from', 512), due('to', 512)];
  const direction = taken(fields, 'direction', 64) === 'out' ? 'out' : 'in';
  const [theirs, ours] = direction === 'out' ? [to, from] : [from, to];
  const at = moment(fields, 'at');
  // Only the end of a call says how it went: before that somebody may still answer.
  const result = step === 'ended' ? RESULTS.find((it) => it === fields.result) : undefined;
  if (result !== undefined) delete fields.result;
  const call = {
    id,
    result,
    started_at: moment(fields, 'started_at'),
    answered_at: moment(fields, 'answered_at'),
    ended_at: step === 'ended' ? at : undefined,
    wait_s: seconds(fields, 'wait_s'),
    talk_s: seconds(fields, 'talk_s'),
    recording: taken(fields, 'recording', 8192),
  };
  const operator = taken(fields, 'operator', 512);
  return event(`${id}:${step}`, 'call', milliseconds(at), {
    direction,
    person: { identities: [{ kind: 'phone', value: theirs }] },
    conversation: { key: theirs },
    author: operator && { id: operator },
    source: { line: ours },
    call,
    extra: Object.keys(fields).length === 0 ? undefined : fields,
  });
}

/** Takes a whole number of seconds. */
function seconds(fields, name) {
  const value = fields[name];
  if (!Number.isInteger(value) || value < 0 || value >= 2 ** 32) return undefined;
  delete fields[name];
  return value;
}
