//! A vendor's client: it posts, and posts again until it gets a 2xx, since that alone says that the delivery is kept.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use patchbay_tests::api::Connection;
use patchbay_tests::bodies;
use patchbay_tests::wait::PATIENCE;
use serde_json::Value;

use crate::chance::Chance;

/// People that each client knows on each channel.
const PEOPLE: u64 = 4;

/// A delivery on its way.
struct Delivery {
    text: String,
    body: Value,
    is_form: bool,
}

/// A vendor's client.
pub struct Client {
    number: u32,
    made: u32,
    chance: Chance,
    bot: Connection,
    form: Connection,
    unanswered: VecDeque<Delivery>,
    done: Done,
}

/// What a client did.
#[derive(Default)]
pub struct Done {
    /// The texts of all that was posted; each got its 2xx in the end.
    pub posted: Vec<String>,
    /// How often something was sent again.
    pub repeats: u32,
}

impl Client {
    /// A client that posted nothing yet.
    pub fn new(number: u32, chance: Chance, bot: Connection, form: Connection) -> Self {
        Self { number, made: 0, chance, bot, form, unanswered: VecDeque::new(), done: Done::default() }
    }

    /// Posts new deliveries until `stop`, then repeats what is unanswered until nothing is.
    pub async fn post_until(mut self, stop: Arc<AtomicBool>) -> Done {
        while !stop.load(Ordering::Relaxed) {
            let again = if self.chance.below(2) == 0 { self.unanswered.pop_front() } else { None };
            self.done.repeats += u32::from(again.is_some());
            let delivery = match again {
                Some(delivery) => delivery,
                None => self.new_delivery(),
            };
            self.post(delivery).await;
            tokio::time::sleep(Duration::from_millis(20 + self.chance.below(60))).await;
        }
        let started = Instant::now();
        while let Some(delivery) = self.unanswered.pop_front() {
            assert!(started.elapsed() < PATIENCE, "`{}` gets no 2xx", delivery.text);
            self.done.repeats += 1;
            self.post(delivery).await;
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        self.done
    }

    fn new_delivery(&mut self) -> Delivery {
        self.made += 1;
        let (client, made) = (self.number, self.made);
        let text = format!("delivery {made} of client {client}.");
        self.done.posted.push(text.clone());
        // Now and then somebody new writes.
        let person = if self.chance.below(6) == 0 { u64::from(made) + PEOPLE } else { self.chance.below(PEOPLE) };
        let is_form = self.chance.below(2) == 0;
        let body = if is_form {
            bodies::form(&format!("f-{client}-{made}"), &format!("+7912{client:03}{person:04}"), &text)
        } else {
            let chat = i64::from(client) * 100_000 + i64::try_from(person).unwrap_or_default() + 1;
            bodies::telegram(i64::from(client) * 1_000_000 + i64::from(made), chat, &text)
        };
        Delivery { text, body, is_form }
    }

    async fn post(&mut self, delivery: Delivery) {
        let to = if delivery.is_form { &self.form } else { &self.bot };
        let json = ("content-type", "application/json");
        let headers = if delivery.is_form { vec![json] } else { vec![json, (bodies::TELEGRAM_HEADER, bodies::WEBHOOK_SECRET)] };
        let answer = to.deliver("", &headers, delivery.body.to_string()).await;
        if !answer.is_ok_and(|it| it.is_success()) {
            self.unanswered.push_back(delivery);
        }
    }
}
