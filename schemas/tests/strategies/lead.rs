//! Leads and their parts.

use patchbay_schemas::lead::LeadSource;
use patchbay_schemas::{Lead, Qualification, Responsible, Stage, Temperature};
use proptest::collection::vec;
use proptest::option::of;
use proptest::prelude::*;
use proptest::sample::select;

use super::interaction::source;
use super::person::contact;
use super::{id, line, moment, ours, text, word};

/// A lead of the hub.
pub fn lead() -> BoxedStrategy<Lead> {
    let found = (contact(), lead_source());
    let due = (of(responsible()), of(moment()));
    let judged = (
        select(vec![Qualification::Unknown, Qualification::Target, Qualification::NonTarget]),
        select(vec![Temperature::Cold, Temperature::Hot]),
    );
    (ours("lead"), line(), stage(), found, due, judged, tags(), (moment(), moment()))
        .prop_map(|(id, title, stage, (contact, source), (responsible, next_contact_at), (qualification, temperature), tags, times)| Lead {
            id,
            title,
            stage,
            contact,
            source,
            responsible,
            next_contact_at,
            qualification,
            temperature,
            tags,
            created_at: times.0,
            updated_at: times.1,
        })
        .boxed()
}

/// A stage, refusals with and without their reason.
pub fn stage() -> BoxedStrategy<Stage> {
    prop_oneof![
        Just(Stage::Interest),
        Just(Stage::Lead),
        Just(Stage::Client),
        (of(text()), of(moment())).prop_map(|(reason, return_at)| Stage::Refused { reason, return_at }),
    ]
    .boxed()
}

/// Somebody who answers for a lead.
pub fn responsible() -> impl Strategy<Value = Responsible> {
    (of(id()), line()).prop_map(|(id, name)| Responsible { id, name })
}

/// Labels.
pub fn tags() -> impl Strategy<Value = Vec<String>> {
    vec(id(), 0..4)
}

fn lead_source() -> impl Strategy<Value = LeadSource> {
    (word(), ours("cxn"), source()).prop_map(|(channel, connection, origin)| LeadSource { channel, connection, origin })
}
