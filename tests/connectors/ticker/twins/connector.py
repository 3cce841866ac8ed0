"""The twin of src/lib.rs: each line is a word and an argument; `say 7 hello` is a message, which is acknowledged."""

from patchbay import event, failure
from wit_world import exports
from wit_world.exports.stream import Reply, Target
from wit_world.imports.types import Piece_Bytes, Piece_Secret


class Stream(exports.Stream):
    def choose(self):
        return Target("line", "")

    def opened(self):
        return Reply([], [[Piece_Bytes(b"hello "), Piece_Secret("token")]])

    def received(self, frames):
        events, send = [], []
        for frame in frames:
            word, _, rest = frame.decode().partition(" ")
            if word == "renew":
                raise failure("ticker.renew", "as it was asked", "reauthorise")
            if word == "say":
                key, _, text = rest.partition(" ")
                person = {"identities": [{"kind": "handle", "value": "anna"}]}
                events.append(event(key, "message", None, {"direction": "in", "person": person, "text": text, "message": {"id": key}}))
                send.append([Piece_Bytes(f"ack {key}".encode())])
        return Reply(events, send)
