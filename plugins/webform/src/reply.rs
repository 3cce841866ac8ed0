//! What the sender is told.

use patchbay_sdk::schemas::Event;
use patchbay_sdk::{Reply, Request};
use serde_json::json;

use crate::config::Config;

const THANKS: &str = "<!doctype html><html><head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\"><title>OK</title></head><body><p>&#10003;</p></body></html>";

/// A browser that left the page is sent on or shown a page; everybody else gets JSON.
#[must_use]
pub fn reply(request: &Request, classic: bool, config: &Config, events: Vec<Event>) -> Reply {
    let browser = request.header("accept").is_some_and(|it| it.contains("text/html"));
    if !(classic && browser) {
        return Reply::json(&json!({ "ok": true }), events);
    }
    let header = |name: &str, value: &str| vec![(name.to_owned(), value.to_owned())];
    match &config.redirect_url {
        Some(url) => Reply { status: 303, headers: header("location", url), body: Vec::new(), events },
        None => Reply { status: 200, headers: header("content-type", "text/html; charset=utf-8"), body: THANKS.into(), events },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(accept: &str, classic: bool, redirect: Option<&str>) -> (u16, String) {
        let request = Request { headers: vec![("accept".to_owned(), accept.to_owned())], ..Request::default() };
        let config = Config { redirect_url: redirect.map(str::to_owned), ..Config::default() };
        let reply = reply(&request, classic, &config, Vec::new());
        let (name, value) = &reply.headers[0];
        (reply.status, format!("{name}: {value}"))
    }

    #[test]
    fn only_a_browser_with_a_classic_form_is_sent_on() {
        let thanks = Some("https://example.com/thanks");
        assert_eq!(status("text/html,*/*", true, thanks), (303, "location: https://example.com/thanks".to_owned()));
        assert_eq!(status("text/html,*/*", true, None), (200, "content-type: text/html; charset=utf-8".to_owned()));
        assert_eq!(status("*/*", true, thanks), (200, "content-type: application/json".to_owned()));
        assert_eq!(status("text/html", false, thanks), (200, "content-type: application/json".to_owned()));
    }
}
