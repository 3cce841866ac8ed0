// The twin of src/lib.rs: each line is a word and an argument; `say 7 hello` is a message, which is acknowledged.
import { event, failure } from './patchbay.js';

const text = (bytes) => new TextDecoder().decode(bytes);
const bytes = (text) => new TextEncoder().encode(text);

export const stream = {
  choose() {
    return { endpoint: 'line', pathAndQuery: '' };
  },

  opened() {
    return { events: [], send: [[{ tag: 'bytes', val: bytes('hello ') }, { tag: 'secret', val: 'token' }]] };
  },

  received(frames) {
    const events = [];
    const send = [];
    for (const frame of frames) {
      const [word, id, ...rest] = text(frame).split(' ');
      if (word === 'renew') throw failure('ticker.renew', 'as it was asked', 'reauthorise');
      if (word !== 'say') continue;
      const person = { identities: [{ kind: 'handle', value: 'anna' }] };
      events.push(event(id, 'message', undefined, { direction: 'in', person, text: rest.join(' '), message: { id } }));
      send.push([{ tag: 'bytes', val: bytes(`ack ${id}`) }]);
    }
    return { events, send };
  },
};
