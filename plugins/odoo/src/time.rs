//! Odoo's times: UTC without a zone, microseconds in its database and in webhooks, seconds in the API.

use patchbay_sdk::schemas::{self, Timestamp};

/// `2026-11-22 01:42:33` from a time.
#[must_use]
pub fn written(time: Timestamp) -> String {
    // A moment prints as `2026-11-22T01:42:33.5Z`.
    let text = schemas::time::written(time);
    let part = |from: usize, to: usize| text.get(from..to).unwrap_or_default();
    [part(0, 10), " ", part(11, 19)].concat()
}

/// A time from `2026-11-22 01:42:33` or `2026-11-22 01:42:33.326725`.
#[must_use]
pub fn parse(text: &str) -> Option<Timestamp> {
    schemas::time::parse(&[text.trim(), "Z"].concat())
}

/// The same text a number of seconds later; as it is where it is no time.
#[must_use]
pub fn later(text: &str, seconds: i64) -> String {
    parse(text).and_then(|it| schemas::time::from_seconds(it.as_second() + seconds)).map_or_else(|| text.to_owned(), written)
}

/// Day and minute in office time: `("2026-12-01", "12:30")`.
#[must_use]
pub fn local(time: Timestamp, offset_s: i64) -> (String, String) {
    let text = schemas::time::from_seconds(time.as_second() + offset_s).map_or_else(|| written(time), written);
    (text.chars().take(10).collect(), text.chars().skip(11).take(5).collect())
}

/// The time of a day and minute in office time.
#[must_use]
pub fn from_local(day: &str, minute: &str, offset_s: i64) -> Option<Timestamp> {
    let local = parse(&format!("{day} {minute}:00"))?;
    schemas::time::from_seconds(local.as_second() - offset_s)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_go_both_ways() {
        let time = parse("2026-11-22 01:42:33").expect("a time");
        assert_eq!(written(time), "2026-11-22 01:42:33");
        assert_eq!(written(parse("2026-11-21 23:50:06.326725").expect("microseconds")), "2026-11-21 23:50:06");
        assert_eq!(later("2026-12-31 23:59:59", 1), "2027-01-01 00:00:00");
        assert_eq!(parse("tomorrow"), None);
    }

    #[test]
    fn a_day_begins_in_the_office() {
        let time = parse("2026-11-30 22:30:00").expect("a time");
        assert_eq!(local(time, 3 * 3_600), ("2026-12-01".to_owned(), "01:30".to_owned()));
        assert_eq!(from_local("2026-12-01", "01:30", 3 * 3_600), Some(time));
    }
}
