// A CRM: leads go there and are never doubled; what changes there comes back. What it must know of the hub stands in patchbay.js.
import { send } from 'patchbay:connector/http@0.1.1';
import { event, failure, fits, json, milliseconds } from './patchbay.js';

const STAGES = ['interest', 'lead', 'client', 'refused'];

export const commands = {
  /** The hub asks for something to be written. The same command may come again, after a crash for example. */
  execute(batch) {
    return batch.map(({ kind, payload }) => {
      try {
        return { tag: 'ok', val: { remoteId: write(kind, JSON.parse(payload)), details: '{}' } };
      } catch (error) {
        const known = error?.payload ?? error;
        return { tag: 'err', val: known?.retry ? known : failure('crm.unexpected', String(error), 'later') };
      }
    });
  },
};

function write(kind, command) {
  if (kind === 'lead.upsert') return upsert(command);
  if (kind === 'interaction.add') return note(command);
  throw failure('crm.command', `\`${kind}\` is not for a CRM`);
}

/**
 * Writes a lead. One that the CRM may have already is looked for first, by our own reference: a crash between its answer and the hub's
 * commit must not make a second one.
 */
function upsert({ lead, remote_id }) {
  const known = remote_id ?? found(`/leads?reference=${lead.id}`);
  const first = (kind) => lead.contact.identities?.find((it) => it.kind === kind)?.value ?? null;
  const fields = {
    reference: lead.id,
    title: lead.title ?? null,
    stage: lead.stage.name,
    name: lead.contact.name ?? null,
    phone: first('phone'),
    email: first('email'),
    responsible: lead.responsible?.name ?? null,
  };
  if (known === undefined) return text(ask('POST', '/leads', fields), 'id');
  ask('PATCH', `/leads/${known}`, fields);
  return known;
}

/** Adds what was said to the lead's history, once. */
function note({ lead_remote_id, interaction_id, channel, event: { kind, payload } }) {
  const notes = `/leads/${lead_remote_id}/notes`;
  const known = found(`${notes}?reference=${interaction_id}`);
  if (known !== undefined) return known;
  return text(ask('POST', notes, { reference: interaction_id, channel, kind, text: payload?.text ?? null }), 'id');
}

/** The id of the first record that this question finds. */
function found(question) {
  const records = ask('GET', question);
  return Array.isArray(records) ? text(records[0], 'id') : undefined;
}

export const polling = {
  /** What changed since `cursor`, the time of the newest change that is known. */
  poll(cursor, limit) {
    const since = (cursor ?? '1970-01-01T00:00:00Z').replace('+', '%2B');
    const leads = ask('GET', `/leads?changed_since=${since}&limit=${limit}`);
    if (!Array.isArray(leads)) throw failure('crm.answer', 'the CRM did not answer with a list', 'later');
    const changes = leads.filter((it) => text(it, 'id') !== undefined && milliseconds(it.updated_at) !== undefined);
    const newest = changes.reduce((newest, it) => (newer(it.updated_at, newest) ? it.updated_at : newest), undefined);
    return { events: changes.map(change), nextCursor: newest ?? cursor, more: leads.length >= limit };
  },
};

const newer = (one, other) => other === undefined || milliseconds(one) > milliseconds(other);

/** A lead that changed there. The same change, read twice, is one event. */
function change(lead) {
  const external_id = text(lead, 'id');
  const stage = STAGES.find((it) => it === lead.stage);
  const name = text(lead, 'responsible');
  const fields = { stage: stage && { name: stage }, responsible: name && { name } };
  const says = stage !== undefined || name !== undefined;
  const record = { entity: 'lead', action: 'updated', external_id, fields: says ? fields : undefined };
  return event(`lead:${external_id}:${lead.updated_at}`, 'record', milliseconds(lead.updated_at), record);
}

export const check = {
  /** Does this connection work? */
  check() {
    const account = ask('GET', '/me');
    return json({ account: account?.name ?? null });
  },
};

/** Asks the CRM. The hub adds scheme, host and key. 401: the credential is refused; 429 and 5xx: later; anything else: never. */
function ask(method, pathAndQuery, body) {
  const headers = body === undefined ? [] : [{ name: 'content-type', value: 'application/json' }];
  const sent = new TextEncoder().encode(body === undefined ? '' : json(body));
  const answer = send({ endpoint: 'api', method, pathAndQuery, headers, body: sent, timeoutMs: 20000 }); // throws the hub's own failure
  const { status } = answer;
  if (status < 200 || status > 299) {
    const wait = Number(answer.headers.find((it) => it.name.toLowerCase() === 'retry-after')?.value);
    const later = [408, 425, 429].includes(status) || status > 499;
    const retry = status === 401 || status === 403 ? 'reauthorise' : !later ? 'never' : wait > 0 ? wait * 1000 : 'later';
    throw failure(`vendor.http_${status}`, 'the CRM did not do it', retry);
  }
  try {
    return JSON.parse(new TextDecoder().decode(answer.body));
  } catch {
    throw failure('crm.answer', 'the CRM did not answer in JSON', 'later');
  }
}

/** A text of a record that fits where the schemas want one. */
function text(record, name) {
  const value = fits(record) ? record[name] : undefined;
  return typeof value === 'string' && value !== '' && [...value].length <= 400 ? value : undefined;
}
