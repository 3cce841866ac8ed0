//! An interaction as people read it in a record's history: a headline, facts with their labels, what was said. How these are set (HTML,
//! BB code) is the connector's.

use patchbay_schemas::interaction::{CallResult, Revision};
use patchbay_schemas::{Detail, Direction, IdentityKind, Interaction, Lead};

/// What happened: `telegram: incoming message`.
#[must_use]
pub fn headline(channel: &str, it: &Interaction) -> String {
    let word = match &it.detail {
        Detail::Message(message) => match message.revision {
            Some(Revision::Edited) => "message edited",
            Some(Revision::Deleted) => "message deleted",
            None if message.choice.is_some() => "button pressed",
            None => "message",
        },
        Detail::Call(call) => match call.result {
            Some(CallResult::Answered) => "call, answered",
            Some(CallResult::Missed) => "call, missed",
            Some(CallResult::Busy) => "call, busy",
            Some(CallResult::Voicemail) => "call, voicemail",
            Some(CallResult::Failed) => "call, failed",
            None => "call",
        },
        Detail::Form(_) => "form",
        Detail::Mail(_) => "e-mail",
        Detail::Comment(_) => "comment",
        Detail::Rating(_) => "rating",
    };
    let direction = if it.direction == Direction::In { "incoming" } else { "outgoing" };
    [channel, ": ", direction, " ", word].concat()
}

/// The words of the interaction itself; `None` where there are none.
#[must_use]
pub fn said(it: &Interaction) -> Option<&str> {
    it.text.as_deref().map(str::trim).filter(|it| !it.is_empty())
}

/// Gives each fact with its label, in the order in which people read them. A text may be empty: then nothing is known.
pub fn facts(it: &Interaction, tell: &mut dyn FnMut(&str, &str)) {
    tell("From", it.person.name.display().as_deref().unwrap_or(""));
    let author = it.author.as_ref().and_then(|it| it.name.as_deref().or(it.id.as_deref()));
    tell("Answered by", author.unwrap_or(""));
    let some = |it: &Option<String>| it.clone().unwrap_or_default();
    match &it.detail {
        Detail::Message(message) => tell("Forwarded from", &some(&message.forwarded_from)),
        Detail::Call(call) => {
            tell("Called number", it.source.line.as_deref().unwrap_or(""));
            tell("Waited", &call.wait_s.map(minutes).unwrap_or_default());
            tell("Talked", &call.talk_s.map(minutes).unwrap_or_default());
            tell("Recording", &some(&call.recording));
        }
        Detail::Form(form) => {
            tell("Form", &some(&form.name));
            for (name, value) in &form.fields {
                tell(name, &value.as_str().map_or_else(|| written(value), str::to_owned));
            }
        }
        Detail::Mail(mail) => {
            tell("Subject", &some(&mail.subject));
            tell("To", &mail.to.join(", "));
        }
        Detail::Comment(comment) => tell("Under", &some(&comment.post)),
        Detail::Rating(rating) => {
            let number = |it: f64| written(&it).trim_end_matches(".0").to_owned();
            let best = rating.max.map(|it| [" of ", &number(it)].concat()).unwrap_or_default();
            tell("Score", &[number(rating.score), best].concat());
        }
    }
    tell("Page", it.source.page.as_deref().unwrap_or(""));
}

/// Gives where a lead came from and how else its person is reached. A text may be empty: then nothing is known.
pub fn origin(lead: &Lead, tell: &mut dyn FnMut(&str, &str)) {
    tell("Channel", &lead.source.channel);
    let origin = &lead.source.origin;
    tell("Page", origin.page.as_deref().unwrap_or(""));
    tell("Referrer", origin.referrer.as_deref().unwrap_or(""));
    tell("Called number", origin.line.as_deref().unwrap_or(""));
    tell("Link", origin.start.as_deref().unwrap_or(""));
    for (key, value) in &origin.clicks {
        tell(key, value);
    }
    for kind in [IdentityKind::Phone, IdentityKind::Email] {
        for it in lead.contact.identities.iter().filter(|it| it.kind == kind).skip(1) {
            tell("Also", &it.value);
        }
    }
    for it in lead.contact.identities.iter().filter(|it| it.kind == IdentityKind::Handle) {
        tell("Messenger", it.label.as_deref().unwrap_or(&it.value));
    }
}

fn minutes(seconds: u32) -> String {
    format!("{}:{:02}", seconds / 60, seconds % 60)
}

fn written<T: serde::Serialize + ?Sized>(value: &T) -> String {
    // Only a map whose keys are no texts cannot be written, and there is none here.
    patchbay_sdk::json::write(value).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn told(value: serde_json::Value) -> (String, Vec<(String, String)>) {
        let it: Interaction = serde_json::from_value(value).expect("an interaction");
        let mut all = Vec::new();
        facts(&it, &mut |label, text| {
            if !text.is_empty() {
                all.push((label.to_owned(), text.to_owned()));
            }
        });
        (headline("shop", &it), all)
    }

    fn pairs(all: &[(&str, &str)]) -> Vec<(String, String)> {
        all.iter().map(|(label, text)| ((*label).to_owned(), (*text).to_owned())).collect()
    }

    #[test]
    fn each_kind_is_told_in_its_own_words() {
        let person = json!({ "name": { "full": "Anna" } });
        let call = json!({ "direction": "in", "person": person, "call": { "id": "1", "result": "missed", "wait_s": 65 }, "source": { "line": "+7800" } });
        assert_eq!(
            told(call),
            ("shop: incoming call, missed".to_owned(), pairs(&[("From", "Anna"), ("Called number", "+7800"), ("Waited", "1:05")]))
        );
        let rating = json!({ "direction": "in", "person": {}, "rating": { "score": 4.0, "max": 5.0 } });
        assert_eq!(told(rating), ("shop: incoming rating".to_owned(), pairs(&[("Score", "4 of 5")])));
        let form = json!({ "direction": "in", "person": {}, "form": { "fields": { "Roof": ["a", 1], "Name": "Anna" } }, "source": { "page": "https://x.example" } });
        assert_eq!(told(form).1, pairs(&[("Name", "Anna"), ("Roof", "[\"a\",1]"), ("Page", "https://x.example")]));
        let answer = json!({ "direction": "out", "person": {}, "author": { "id": "7" }, "message": { "id": "1", "revision": "edited" } });
        assert_eq!(told(answer), ("shop: outgoing message edited".to_owned(), pairs(&[("Answered by", "7")])));
    }
}
