//! Times that say which moment they mean: with a zone, or counted from 1970. Anything else is no time.

use patchbay_sdk::schemas::Timestamp;
use patchbay_sdk::schemas::time::{days, days_in, from_millis};

/// Reads RFC 3339 and its relatives (`2018-02-28T08:49:14+0000`, `2025-01-01 12:00:00 UTC`), RFC 2822 and JavaScript's own
/// (`Mon, 15 Jan 2024 10:30:00 GMT`, `Mon Jan 15 2024 10:30:00 GMT+0300 (MSK)`), and seconds or milliseconds since 1970.
#[must_use]
pub fn parse(text: &str) -> Option<Timestamp> {
    let text = text.trim();
    if text.is_empty() || text.len() > 80 || !text.is_ascii() {
        return None;
    }
    if text.bytes().all(|it| it.is_ascii_digit()) {
        return epoch(text.parse().ok()?);
    }
    iso(text).or_else(|| worded(text))
}

fn epoch(count: i64) -> Option<Timestamp> {
    // Between 2001 and 2096, each unit has its own number of digits.
    let ms = match count {
        1_000_000_000..=4_000_000_000 => count * 1000,
        1_000_000_000_000..=4_000_000_000_000 => count,
        1_000_000_000_000_000..=4_000_000_000_000_000 => count / 1000,
        _ => return None,
    };
    from_millis(ms)
}

fn iso(text: &str) -> Option<Timestamp> {
    let date = [text.get(0..4)?, text.get(5..7)?, text.get(8..10)?];
    let marks = [text.as_bytes()[4], text.as_bytes()[7]];
    if marks != [b'-', b'-'] || !matches!(text.as_bytes().get(10), Some(b'T' | b't' | b' ')) {
        return None;
    }
    let (clock, zone) = split_zone(&text[11..])?;
    moment(number(date[0])?, number(date[1])?, number(date[2])?, clock, zone)
}

fn worded(text: &str) -> Option<Timestamp> {
    const MONTHS: [&str; 12] = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
    let text = text.split('(').next()?.trim();
    let words: Vec<&str> = text.split([' ', ',']).filter(|it| !it.is_empty()).collect();
    let at = words.iter().position(|it| it.contains(':'))?;
    let month = words.iter().position(|it| it.get(0..3).is_some_and(|it| MONTHS.contains(&it.to_ascii_lowercase().as_str())))?;
    let number_of_month = MONTHS.iter().position(|it| words[month].to_ascii_lowercase().starts_with(it))?;
    let numbers: Vec<i64> = words[..at].iter().filter_map(|it| number(it)).collect();
    let [day, year] = numbers[..] else { return None };
    let zone = words[at + 1..].concat();
    let clock = format!("{}{zone}", words[at]);
    let (clock, offset) = split_zone(&clock)?;
    moment(year, i64::try_from(number_of_month).ok()? + 1, day, clock, offset)
}

/// `10:30:00.5+03:00` → the clock and the offset in minutes.
fn split_zone(text: &str) -> Option<(&str, i64)> {
    let end = text.find(|it: char| !(it.is_ascii_digit() || ":.".contains(it)))?;
    let (clock, zone) = text.split_at(end);
    let zone = zone.trim();
    let zone = ["GMT", "UTC"].iter().find_map(|it| zone.strip_prefix(it).filter(|rest| !rest.is_empty())).unwrap_or(zone);
    if matches!(zone, "Z" | "z" | "GMT" | "UTC") {
        return Some((clock, 0));
    }
    let (sign, rest) = if let Some(rest) = zone.strip_prefix('-') { (-1, rest) } else { (1, zone.strip_prefix('+')?) };
    let digits: String = rest.chars().filter(|it| *it != ':').collect();
    let (hours, minutes) = match digits.len() {
        2 => (number(&digits)?, 0),
        4 => (number(&digits[..2])?, number(&digits[2..])?),
        _ => return None,
    };
    (hours <= 14 && minutes < 60).then_some((clock, sign * (hours * 60 + minutes)))
}

fn moment(year: i64, month: i64, day: i64, clock: &str, offset_minutes: i64) -> Option<Timestamp> {
    let mut parts = clock.split(':');
    let (hour, minute) = (number(parts.next()?)?, number(parts.next()?)?);
    let seconds = parts.next().unwrap_or("0");
    let (second, fraction) = seconds.split_once('.').unwrap_or((seconds, ""));
    let ms = number(&format!("{fraction:0<3}")[..3])?;
    let second = number(second)?;
    if parts.next().is_some() || !(1971..=2200).contains(&year) || !(1..=12).contains(&month) || !(1..=days_in(year, month)).contains(&day)
    {
        return None;
    }
    if hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    let seconds = days(year, month, day) * 86_400 + hour * 3600 + (minute - offset_minutes) * 60 + second;
    from_millis(seconds * 1000 + ms)
}

fn number(text: &str) -> Option<i64> {
    (!text.is_empty() && text.len() <= 4 && text.bytes().all(|it| it.is_ascii_digit())).then(|| text.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_with_a_zone_count() {
        let cases = [
            ("2025-11-07T14:30:00.000Z", "2025-11-07T14:30:00Z"),
            ("2018-02-28T08:49:14+0000", "2018-02-28T08:49:14Z"),
            ("2018-05-25T17:20:22+03:00", "2018-05-25T14:20:22Z"),
            ("2025-01-01 12:00:00 UTC", "2025-01-01T12:00:00Z"),
            ("2024-02-29 23:59:59.123456-05", "2024-03-01T04:59:59.123Z"),
            ("Mon, 15 Jan 2024 10:30:00 GMT", "2024-01-15T10:30:00Z"),
            ("Mon Jan 15 2024 10:30:00 GMT+0300 (Moscow Standard Time)", "2024-01-15T07:30:00Z"),
            ("1758794728", "2025-09-25T10:05:28Z"),
            ("1621346140426", "2021-05-18T13:55:40.426Z"),
        ];
        for (text, wanted) in cases {
            assert_eq!(parse(text), wanted.parse().ok(), "{text}");
        }
    }

    #[test]
    fn times_without_a_zone_do_not() {
        for text in [
            "2026-05-21 11:08:01",
            "2025-01-01",
            "21/12/2022, 00:00",
            "2017-02-21T05: 18: 14Z",
            "March 5, 2021",
            "2025-13-01T00:00:00Z",
            "123",
            "",
            "2023-02-29T00:00:00Z",
            "é234-01-01T00:00:00Z",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
