//! `lead.upsert`: what a CRM is to know of a lead.

use patchbay_schemas::command::{LeadUpsert, NewRecord};
use patchbay_schemas::lead::LeadSource;
use patchbay_schemas::{Contact, Lead, Qualification, Responsible, Stage, Temperature};

use super::Reader;
use super::interaction::{identity, source};

const QUALIFICATIONS: [(&str, Qualification); 3] =
    [("unknown", Qualification::Unknown), ("target", Qualification::Target), ("non_target", Qualification::NonTarget)];
const TEMPERATURES: [(&str, Temperature); 2] = [("cold", Temperature::Cold), ("hot", Temperature::Hot)];

const NEW_RECORDS: [(&str, NewRecord); 3] =
    [("unless_known", NewRecord::UnlessKnown), ("unless_open", NewRecord::UnlessOpen), ("always", NewRecord::Always)];

/// Reads the payload of `lead.upsert`.
pub fn lead_upsert(mut it: Reader) -> LeadUpsert {
    LeadUpsert {
        lead: lead(it.needed_object("lead")),
        remote_id: it.text("remote_id"),
        known: it.extra("known"),
        new_record: it.word("new_record", &NEW_RECORDS).unwrap_or_default(),
        fields: it.extra("fields"),
        settled: it.texts("settled"),
        find_only: it.flag("find_only").unwrap_or_default(),
        retried: it.flag("retried").unwrap_or_default(),
    }
}

fn lead(mut it: Reader) -> Lead {
    Lead {
        id: it.needed("id"),
        title: it.needed("title"),
        stage: stage(it.needed_object("stage")),
        contact: contact(it.needed_object("contact")),
        source: lead_source(it.needed_object("source")),
        responsible: it.object("responsible").map(responsible),
        next_contact_at: it.time("next_contact_at"),
        qualification: it.word("qualification", &QUALIFICATIONS).unwrap_or_default(),
        temperature: it.word("temperature", &TEMPERATURES).unwrap_or_default(),
        tags: it.texts("tags"),
        created_at: it.needed_time("created_at"),
        updated_at: it.needed_time("updated_at"),
    }
}

fn stage(mut it: Reader) -> Stage {
    match it.needed("name").as_str() {
        "interest" => Stage::Interest,
        "lead" => Stage::Lead,
        "client" => Stage::Client,
        "refused" => Stage::Refused { reason: it.text("reason"), return_at: it.time("return_at") },
        _ => {
            it.wrong("stage", "is not one of the known values");
            Stage::Interest
        }
    }
}

fn contact(mut it: Reader) -> Contact {
    if it.is_without("identities") {
        it.wrong("identities", "are missing");
    }
    Contact {
        id: it.needed("id"),
        name: it.text("name"),
        company: it.text("company"),
        city: it.text("city"),
        language: it.text("language"),
        identities: it.objects("identities", identity),
        created_at: it.needed_time("created_at"),
    }
}

fn lead_source(mut it: Reader) -> LeadSource {
    LeadSource { channel: it.needed("channel"), connection: it.needed("connection"), origin: source(it) }
}

fn responsible(mut it: Reader) -> Responsible {
    Responsible { id: it.text("id"), name: it.needed("name") }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::agreement::{agrees, agrees_on_all};
    use super::lead_upsert;

    #[test]
    fn a_lead_is_read_as_derive_reads_it() {
        let mut whole = json!({
            "lead": {
                "id": "lead_1", "title": "x", "stage": { "name": "refused", "reason": "dear", "return_at": "2026-09-01T06:00:00Z" },
                "contact": {
                    "id": "con_1", "name": "Анна", "company": "c", "city": "d", "language": "ru", "created_at": "2026-03-14T09:26:53.5Z",
                    "identities": [{ "kind": "phone", "value": "+7912", "assurance": "stated" }, { "kind": "handle", "value": "5", "label": "@a" }]
                },
                "source": {
                    "channel": "form", "connection": "cxn_1", "utm": { "source": "yandex" }, "clicks": { "yclid": "1" },
                    "page": "p", "referrer": "r", "line": "l", "start": "s"
                },
                "responsible": { "id": "17", "name": "Ольга" }, "next_contact_at": "2026-03-14T09:26:53+03:00",
                "qualification": "non_target", "temperature": "hot", "tags": ["a", "b"],
                "created_at": "2026-03-14T09:26:53Z", "updated_at": "2026-03-14T09:26:53Z"
            },
            "remote_id": "12", "known": { "wrote": { "a": [1] } }, "fields": { "x": 1.5, "y": null, "z": ["a"] }, "find_only": true, "retried": true
        });
        agrees_on_all(&whole, lead_upsert);
        for stage in ["interest", "lead", "client", "refused", "bought"] {
            whole["lead"]["stage"] = json!({ "name": stage });
            agrees(&whole, lead_upsert);
        }
    }
}
