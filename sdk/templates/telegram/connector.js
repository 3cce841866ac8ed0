// A bot of Telegram's Bot API: what people write to it, and answers to them. What it must know of the hub stands in patchbay.js.
import { send as ask } from 'patchbay:connector/http@0.1.1';
import * as state from 'patchbay:connector/state@0.1.1';
import { cut, event, failure, fits, json, only, parse, reply } from './patchbay.js';

/** How long a sent message is remembered: longer than the hub repeats a command whose end it did not see. */
const REMEMBERED_MS = 2n * 24n * 60n * 60n * 1000n;
const MESSAGES = ['message', 'edited_message', 'business_message', 'edited_business_message'];

export const webhook = {
  handle(request) {
    const update = parse(request.body, 'telegram.update');
    if (!Number.isSafeInteger(update?.update_id)) throw failure('telegram.update', 'an update has a whole number as `update_id`');
    const what = Object.keys(update).find((it) => it !== 'update_id');
    const content = what === undefined ? undefined : update[what];
    if (content === undefined) return reply([]);
    const id = `update:${update.update_id}`;
    if (what === 'callback_query' && fits(content)) return reply([button(id, content)]);
    if (MESSAGES.includes(what) && fits(content?.chat)) return reply([message(id, what, content)]);
    // Nothing is dropped: what this connector has no word for is kept as the vendor says it.
    return reply([event(id, 'other', time(content?.date), { what: cut(what, 64), extra: fits(content) ? content : { [what]: content } })]);
  },
};

/** What somebody wrote. An edited message is a new fact: the old text stays. */
function message(id, what, it) {
  const edited = what.startsWith('edited_');
  const text = only('string', it.text) ?? only('string', it.caption);
  const outgoing = it.from?.is_bot === true;
  const payload = {
    direction: outgoing ? 'out' : 'in',
    person: person(outgoing ? it.chat : (it.from ?? it.chat)),
    conversation: { key: number(it.chat.id) ?? 'unknown', title: line(it.chat.title) },
    text: text === undefined ? undefined : cut(text, 65536),
    message: {
      id: number(it.message_id),
      revision: edited ? 'edited' : undefined,
      reply_to: number(it.reply_to_message?.message_id),
    },
    source: { start: outgoing ? undefined : start(text) },
    extra: rest(it, ['from', 'chat', 'date', 'edit_date', 'text', 'caption', 'message_id', 'reply_to_message']),
  };
  return event(id, 'message', time(edited ? (it.edit_date ?? it.date) : it.date), payload);
}

/** A button under a message was pressed. Telegram does not say when. */
function button(id, it) {
  const choice = line(it.data);
  const chat = it.message?.chat;
  const payload = {
    direction: 'in',
    person: person(it.from),
    conversation: number(chat?.id) === undefined ? undefined : { key: number(chat.id), title: line(chat.title) },
    text: choice,
    message: { id: line(it.id), reply_to: number(it.message?.message_id), choice },
    extra: rest(it, ['from', 'message', 'id', 'data']),
  };
  return event(id, 'message', undefined, payload);
}

function person(user) {
  const id = number(user?.id);
  const username = line(user?.username);
  return {
    identities: id === undefined ? [] : [{ kind: 'handle', value: id, label: username && `@${cut(username, 500)}`, assurance: 'vendor' }],
    name: { given: line(user?.first_name) ?? line(user?.title), family: line(user?.last_name) },
  };
}

/** The payload of a deep link: `/start <payload>`. */
function start(text) {
  const payload = text?.match(/^\/start(?:@\w+)?\s+(.*)$/s)?.[1].trim();
  return payload ? cut(payload, 1024) : undefined;
}

const number = (it) => (Number.isSafeInteger(it) ? String(it) : undefined);
const line = (it) => (typeof it === 'string' && it !== '' ? cut(it, 1024) : undefined);
const time = (it) => (Number.isSafeInteger(it) && it >= 0 && it < 250e9 ? BigInt(it) * 1000n : undefined);
const rest = (it, known) => Object.fromEntries(Object.entries(it).filter(([name]) => !known.includes(name)));

export const commands = {
  /** Each command is carried out once: what was sent is noted, and found when the command comes again. */
  execute(batch) {
    return batch.map((command) => {
      try {
        return { tag: 'ok', val: deliver(command) };
      } catch (error) {
        const known = error?.payload ?? error;
        return { tag: 'err', val: known?.retry ? known : failure('telegram.unexpected', String(error), 'later') };
      }
    });
  },
};

function deliver({ idempotencyKey, kind, payload }) {
  if (kind !== 'message.send') throw failure('command.kind', `\`${kind}\` is not carried out here`);
  const { conversation, text, attachment } = JSON.parse(payload);
  if (attachment || !text) throw failure('telegram.unsupported', 'this connector sends texts alone');
  if (!/^-?\d{1,16}$/.test(conversation?.key ?? '')) throw failure('telegram.chat', 'the conversation is no chat of Telegram');
  const note = `sent:${idempotencyKey}`;
  const sent = state.get(note);
  const id = sent === undefined ? undefined : new TextDecoder().decode(sent);
  if (id !== undefined) return receipt(id);
  const result = call('/sendMessage', { chat_id: Number(conversation.key), text });
  const made = String(result.message_id ?? '');
  state.set(note, new TextEncoder().encode(made), REMEMBERED_MS);
  return receipt(made);
}

const receipt = (id) => ({ remoteId: id === '' ? undefined : id, details: '{}' });

export const check = {
  check() {
    const bot = call('/getMe', {});
    return json({ account: `@${bot.username}`, id: bot.id, name: bot.first_name });
  },
};

/** Asks the Bot API. The hub adds scheme, host and token: this code never sees them. */
function call(path, body) {
  const headers = [{ name: 'content-type', value: 'application/json' }];
  const request = { endpoint: 'api', method: 'POST', pathAndQuery: path, headers, body: new TextEncoder().encode(json(body)), timeoutMs: 20000 };
  const answer = ask(request); // throws the hub's own failure: a time-out, no connection
  let document;
  try {
    document = JSON.parse(new TextDecoder().decode(answer.body));
  } catch {
    document = {};
  }
  if (answer.status >= 200 && answer.status < 300 && document?.ok === true) return document.result ?? {};
  const said = `Telegram answered ${answer.status}: ${document?.description ?? 'no JSON that it documents'}`;
  const wait = document?.parameters?.retry_after;
  if (answer.status === 401 || answer.status === 404) throw failure('telegram.token', said, 'reauthorise');
  if (answer.status === 429) throw failure('telegram.rate_limited', said, Number.isSafeInteger(wait) ? wait * 1000 : 'later');
  if (answer.status >= 500) throw failure('telegram.unavailable', said, 'later');
  throw failure('telegram.refused', said);
}
