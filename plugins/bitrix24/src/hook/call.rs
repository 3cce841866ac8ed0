//! Events of telephony: <https://apidocs.bitrix24.ru/api-reference/telephony/>.

use patchbay_sdk::Failure;
use patchbay_sdk::schemas::interaction::{Author, Call, CallResult, Source};
use patchbay_sdk::schemas::{Detail, Direction, Event, EventBody, Identity, Interaction, Notice, Person, time};

use super::{Hook, extra};

/// The event of a call.
pub fn event(hook: &Hook<'_>) -> Result<Event, Failure> {
    let data = hook.form.under("data");
    let phone = data.any(&["[PHONE_NUMBER_INTERNATIONAL]", "[PHONE_NUMBER]"]);
    let id = data.any(&["[CALL_ID]"]);
    // Of a call that somebody asked for there is no id yet.
    let Some(id) = id.or_else(|| phone.as_deref().map(|it| ["callback:", hook.ts, ":", it].concat())) else {
        return Err(Failure::never("bitrix24.hook", format!("the event {} has neither data[CALL_ID] nor a phone", hook.name)));
    };
    if hook.name == "ONVOXIMPLANTCALLSTART" {
        // Somebody answered: which call it is stands in another event, and who called whom only there.
        let notice = Notice { what: "call".to_owned(), person: None, conversation: None, extra: extra(&data) };
        return Ok(hook.notice(&id, notice));
    }
    let ends = hook.name == "ONVOXIMPLANTCALLEND";
    let started_at = time::parse(data.get("[CALL_START_DATE]"));
    let result = ends.then(|| result(data.get("[CALL_FAILED_CODE]"), data.get("[CALL_DURATION]")));
    let call = Call {
        result,
        started_at,
        answered_at: None,
        ended_at: if ends { hook.at() } else { None },
        wait_s: None,
        talk_s: data.get("[CALL_DURATION]").parse().ok().filter(|_| ends),
        recording: None,
        id: id.clone(),
    };
    let person = Person { identities: phone.map(Identity::phone).into_iter().collect(), ..Person::default() };
    let author = data.id("[USER_ID]").or_else(|| data.id("[PORTAL_USER_ID]"));
    let line = data.any(&["[LINE_NUMBER]", "[PORTAL_NUMBER]", "[CALLER_ID]"]);
    let interaction = Interaction {
        author: author.map(|id| Author { id: Some(id), name: None }),
        source: Source { line, ..Source::default() },
        extra: extra(&data),
        ..Interaction::new(direction(hook.name, data.get("[CALL_TYPE]")), person, Detail::Call(call))
    };
    let event = hook.event(&id, EventBody::Call(interaction));
    Ok(Event { occurred_at: started_at.or(event.occurred_at), ..event })
}

/// 1 out, 2 in, 3 in and passed on, 4 a call back, 5 a call with information. What a button in Bitrix24 begins goes out.
fn direction(name: &str, kind: &str) -> Direction {
    match (name, kind) {
        (_, "2" | "3") => Direction::In,
        _ => Direction::Out,
    }
}

/// Codes of SIP: <https://apidocs.bitrix24.ru/api-reference/telephony/voximplant/statistic/voximplant-statistic-get.html>.
fn result(code: &str, seconds: &str) -> CallResult {
    match code {
        "200" => CallResult::Answered,
        "486" | "600" | "603" | "603-S" => CallResult::Busy,
        "" if seconds.parse::<u32>().is_ok_and(|it| it > 0) => CallResult::Answered,
        "" | "304" | "408" | "480" | "487" => CallResult::Missed,
        _ => CallResult::Failed,
    }
}
