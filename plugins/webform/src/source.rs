//! Campaign tags and click ids: from fields, from Tilda's cookies, from the page's own address.

use patchbay_sdk::schemas::Source;

use crate::decode::urlencoded;
use crate::label::{Label, plain};
use crate::sheet::Leaf;
use crate::words::CLICKS;

/// What the fields say.
#[must_use]
pub fn of(leaves: &[Leaf]) -> Source {
    let mut source = Source::default();
    for leaf in leaves.iter().filter(|it| !it.text.is_empty()) {
        for label in &leaf.labels {
            note(&mut source, label, &leaf.text);
        }
        if leaf.labels.iter().any(|it| it.is("cookies")) {
            cookies(&mut source, &leaf.text);
        }
    }
    source
}

/// Fills what is missing from the tags in the page's address.
pub fn complete(source: &mut Source) {
    for address in [source.page.clone(), source.referrer.clone()].into_iter().flatten() {
        if let Some((_, query)) = address.split_once('?') {
            for (name, value) in urlencoded::pairs(query.split('#').next().unwrap_or_default().as_bytes()) {
                note(source, &Label::new(&name), &value);
            }
        }
    }
}

fn note(source: &mut Source, label: &Label, text: &str) {
    if text.is_empty() {
        return;
    }
    if let Some(tag) = label.utm() {
        source.utm.entry(tag).or_insert_with(|| text.to_owned());
    } else if let Some(click) = CLICKS.iter().find(|it| label.is(it)) {
        source.clicks.entry((*click).to_owned()).or_insert_with(|| text.to_owned());
    }
}

/// `_ym_uid=1; TILDAUTM=utm_source=a|||utm_medium=b` as Tilda sends them.
fn cookies(source: &mut Source, text: &str) {
    for (name, value) in text.split(';').filter_map(|it| it.split_once('=')) {
        let (name, value) = (name.trim(), urlencoded::decode(value.trim().as_bytes()));
        if plain(name) == "tildautm" {
            for (name, value) in value.split("|||").filter_map(|it| it.split_once('=')) {
                note(source, &Label::new(name), value);
            }
        } else {
            note(source, &Label::new(name), &value);
        }
    }
}
