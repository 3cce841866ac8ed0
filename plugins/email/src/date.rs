//! Dates (RFC 5322, section 3.3), old and broken ones too.

use patchbay_sdk::schemas::{Timestamp, time};

const MONTHS: [&str; 12] = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];

/// The moment, where the text names one: a time without a zone is none. A zone that nobody knows counts as UTC (section 4.3).
#[must_use]
pub fn parse(text: &str) -> Option<Timestamp> {
    let text = text.replace(',', " ").to_ascii_lowercase();
    let mut words = text.split_whitespace().peekable();
    // The day of the week says nothing, and is often wrong.
    if words.peek().is_some_and(|it| it.starts_with(|it: char| it.is_ascii_alphabetic()) && !is_month(it)) {
        words.next();
    }
    let first = words.next()?;
    // `2 May 2005`, `2-May-2005`, and as C writes it: `May 2 16:07:05 2005`.
    let (day, month, mut year, clock) = if is_month(first) {
        let day = words.next()?;
        let clock = words.next()?;
        (day.to_owned(), first.to_owned(), words.next().map(str::to_owned), clock)
    } else if let Some((day, rest)) = first.split_once('-') {
        let (month, year) = rest.split_once('-')?;
        (day.to_owned(), month.to_owned(), Some(year.to_owned()), words.next()?)
    } else {
        let month = words.next()?;
        (first.to_owned(), month.to_owned(), Some(words.next()?.to_owned()), words.next()?)
    };
    let month = MONTHS.iter().position(|it| month.starts_with(it))? + 1;
    let mut zone = words.next().map(str::to_owned);
    // C's order may have the zone before the year.
    if year.as_deref().is_some_and(|it| it.starts_with(|it: char| it.is_ascii_alphabetic())) {
        std::mem::swap(&mut year, &mut zone);
    }
    let year = match year?.parse::<u32>().ok()? {
        it @ 0..=49 => it + 2000,
        it @ 50..=999 => it + 1900,
        it => it,
    };
    let clock = clock.replace('.', ":");
    let mut parts = clock.split(':');
    let mut number = || parts.next().map(str::parse::<u32>);
    let (hour, minute) = (number()?.ok()?, number()?.ok()?);
    let second = number().and_then(Result::ok).unwrap_or(0).min(59);
    let offset = offset(&zone?)?;
    let day: u32 = day.parse().ok()?;
    let sign = if offset < 0 { '-' } else { '+' };
    let (hours, minutes) = (offset.abs() / 60, offset.abs() % 60);
    time::parse(&format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}{sign}{hours:02}:{minutes:02}"))
}

fn is_month(word: &str) -> bool {
    word.len() >= 3 && MONTHS.iter().any(|it| word.starts_with(it))
}

/// Minutes east of Greenwich.
fn offset(zone: &str) -> Option<i32> {
    if let Some(digits) = zone.strip_prefix(['+', '-']) {
        let digits: String = digits.chars().filter(char::is_ascii_digit).collect();
        let value: i32 = if digits.len() == 4 { digits.parse().ok()? } else { return None };
        let minutes = value / 100 * 60 + value % 100;
        return (minutes < 24 * 60).then_some(if zone.starts_with('-') { -minutes } else { minutes });
    }
    let hours = match zone {
        "edt" => -4,
        "est" | "cdt" => -5,
        "cst" | "mdt" => -6,
        "mst" | "pdt" => -7,
        "pst" => -8,
        "bst" | "cet" | "met" => 1,
        "cest" | "mest" | "eet" => 2,
        "msk" | "eest" => 3,
        "msd" => 4,
        "jst" => 9,
        _ => 0,
    };
    Some(hours * 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_of_all_times_are_read() {
        for (text, moment) in [
            ("Thu, 19 Aug 2021 14:14:31 +0530", "2021-08-19T08:44:31Z"),
            ("Mon,  1 Jan 2024 03:27:12 -0500 (EST)", "2024-01-01T08:27:12Z"),
            ("Wed, 20 Sep 1995 00:19:00 (EDT) -0400", "1995-09-20T00:19:00Z"),
            ("2 May 05 16:07 EDT", "2005-05-02T20:07:00Z"),
            ("Fri, 13-Jul-2012 10:06:49 GMT", "2012-07-13T10:06:49Z"),
            ("Mon May  2 16:07:05 2005 +0000", "2005-05-02T16:07:05Z"),
            ("Tue, 31 Dec 2019 23:59:60 +0000", "2019-12-31T23:59:59Z"),
            ("Sat, 1 Feb 2020 9.05.00 +0300", "2020-02-01T06:05:00Z"),
        ] {
            assert_eq!(parse(text).map(|it| it.to_string()).as_deref(), Some(moment), "{text}");
        }
        for none in ["", "yesterday", "Mon, 1 Jan 2024 03:27:12", "99 Jan 2024 03:27:12 +0000", "Mon, 1 Foo 2024 03:27:12 +0000", "1 Jan"] {
            assert_eq!(parse(none), None, "{none}");
        }
    }
}
