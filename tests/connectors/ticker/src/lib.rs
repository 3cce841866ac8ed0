//! Each line is a word and an argument: `say 7 hello` is a message, which is acknowledged; the others are misdeeds.

use patchbay_sdk::schemas::{Detail, Direction, Event, EventBody, Identity, Interaction, Person, interaction::Message};
use patchbay_sdk::{Connector, Failure, Frames, Piece, Target, register};

struct Ticker;

impl Connector for Ticker {
    fn stream_choose() -> Result<Target, Failure> {
        Ok(Target { endpoint: "line".to_owned(), path_and_query: String::new() })
    }

    fn stream_opened() -> Result<Frames, Failure> {
        let mut frames = Frames::default();
        frames.send.push(vec![Piece::Bytes(b"hello ".to_vec()), Piece::Secret("token".to_owned())]);
        Ok(frames)
    }

    fn stream_received(lines: Vec<Vec<u8>>) -> Result<Frames, Failure> {
        let mut frames = Frames::default();
        for line in lines {
            let line = String::from_utf8_lossy(&line).into_owned();
            let (word, rest) = line.split_once(' ').unwrap_or((&line, ""));
            match word {
                "say" => {
                    let (id, text) = rest.split_once(' ').ok_or_else(|| Failure::never("ticker.say", "no text"))?;
                    frames.events.push(message(id, text));
                    frames.say(format!("ack {id}"));
                }
                "never" => return Err(Failure::never("ticker.never", "as it was asked")),
                "later" => return Err(Failure::later("ticker.later", "as it was asked")),
                "renew" => return Err(Failure::reauthorise("ticker.renew", "as it was asked")),
                "trap" => panic!("as it was asked"),
                _ => {}
            }
        }
        Ok(frames)
    }
}

fn message(id: &str, text: &str) -> Event {
    let person = Person { identities: vec![Identity::handle("anna")], ..Person::default() };
    let detail = Detail::Message(Message { id: Some(id.to_owned()), ..Message::default() });
    let message = Interaction { text: Some(text.to_owned()), ..Interaction::new(Direction::In, person, detail) };
    Event { id: id.to_owned(), occurred_at: None, body: EventBody::Message(message) }
}

register!(Ticker: stream);
