// What every connector in JavaScript needs of the contract (wit/connector.wit in the SDK): values as the hub takes them.

/** What a failed call asks of the hub: `never`, `later`, `reauthorise`, or milliseconds after which to try again. Throw it. */
export function failure(code, message, retry = 'never') {
  return { code, message: cut(message, 1024), retry: typeof retry === 'number' ? { tag: 'after-ms', val: BigInt(retry) } : { tag: retry } };
}

/** One thing that happened. The id is the deduplication key; `occurredAtMs` is a BigInt, or undefined where the vendor gives no time. */
export function event(id, kind, occurredAtMs, payload) {
  return { id, kind, occurredAtMs, payload: json(payload) };
}

/** The answer to a delivery, sent when its events are committed. */
export function reply(events, status = 200, body = '') {
  return { status, headers: [], body: new TextEncoder().encode(body), events };
}

/** The JSON of a body. What is no JSON is refused for good: sent again it would be no better. */
export function parse(bytes, code) {
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch (error) {
    throw failure(code, `the body is no JSON: ${error.message}`);
  }
}

/** JSON without halves of characters, which no UTF-8 has. */
export function json(value) {
  return JSON.stringify(value, (_, it) => (typeof it === 'string' ? it.toWellFormed() : it));
}

/** At most so many characters of a text. */
export function cut(text, most) {
  const whole = String(text).toWellFormed();
  return whole.length <= most ? whole : [...whole.slice(0, most + 1)].slice(0, most - 1).join('').toWellFormed();
}

/** True for an object with names. */
export const fits = (it) => typeof it === 'object' && it !== null && !Array.isArray(it);

/** The value, where it is of this type. */
export const only = (type, it) => (typeof it === type ? it : undefined);

/** Takes a text out of the fields that is not blank and not longer than the schemas allow; any other stays there. */
export function taken(fields, name, most) {
  const text = fields[name];
  if (typeof text !== 'string' || text.trim() === '' || text.length > 2 * most || [...text].length > most) return undefined;
  delete fields[name];
  return text;
}

/** Takes a time with its offset (RFC 3339) out of the fields; any other text stays there. */
export function moment(fields, name) {
  const text = fields[name];
  if (milliseconds(text) === undefined) return undefined;
  delete fields[name];
  return text;
}

/** Milliseconds since 1970 of a time with its offset, as an event wants them. None before 1970. */
export function milliseconds(text) {
  if (typeof text !== 'string' || !TIME.test(text)) return undefined;
  const at = Date.parse(text);
  return at >= 0 ? BigInt(Math.floor(at)) : undefined;
}

const TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:\d\d)$/;
