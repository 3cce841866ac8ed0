//! Moments as text: RFC 3339, as `v1/common.json` describes it.
//!
//! By hand, since every connector carries it: jiff reads and writes a dozen notations, with zones and calendars, in 60 kB of machine
//! code. Tests hold this against jiff.

use jiff::Timestamp;
use serde::Serializer;

const DAY: i64 = 86_400;

/// The moment of a text: `2026-03-14T12:26:53.589+03:00`, also with a space for the `T`. None where it is no moment of the years 0 to
/// 9999, or has no offset.
///
/// ```
/// use patchbay_schemas::time;
///
/// let noon = time::parse("2026-03-14T12:00:00+03:00").unwrap();
/// assert_eq!(time::written(noon), "2026-03-14T09:00:00Z");
/// assert_eq!(time::parse("2026-03-14T12:00:00"), None);
/// ```
#[must_use]
pub fn parse(text: &str) -> Option<Timestamp> {
    let mut text = Digits(text.as_bytes());
    let year = text.number(4)?;
    let month = text.after(b"-")?.number(2)?;
    let day = text.after(b"-")?.number(2)?;
    let hour = text.after(b"Tt ")?.number(2)?;
    let minute = text.after(b":")?.number(2)?;
    let second = text.after(b":")?.number(2)?;
    let nanosecond = if text.after(b".").is_some() { text.fraction()? } else { 0 };
    let offset = text.offset()?;
    let is_date = (1..=12).contains(&month) && (1..=days_in(year, month)).contains(&day);
    if !is_date || hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    // The hub knows no leap seconds: the last one of a minute comes twice.
    let seconds = days(year, month, day) * DAY + hour * 3600 + minute * 60 + second.min(59) - offset;
    from_parts(seconds, nanosecond)
}

/// The moment so many seconds after 1970 began. None beyond the years −9999 to 9999.
#[must_use]
pub fn from_seconds(seconds: i64) -> Option<Timestamp> {
    from_parts(seconds, 0)
}

/// The moment so many milliseconds after 1970 began. None beyond the years −9999 to 9999.
#[must_use]
pub fn from_millis(ms: i64) -> Option<Timestamp> {
    from_parts(ms.div_euclid(1000), i32::try_from(ms.rem_euclid(1000)).ok()? * 1_000_000)
}

/// What `Timestamp::new` says, without jiff's error: it is never looked at, and is 2 kB.
#[inline(never)]
fn from_parts(seconds: i64, nanosecond: i32) -> Option<Timestamp> {
    let is_known = (Timestamp::MIN.as_second()..=Timestamp::MAX.as_second()).contains(&seconds);
    is_known.then(|| Timestamp::constant(seconds, nanosecond))
}

/// A moment in UTC with as many digits of its second as it has: `2026-03-14T09:26:53.589Z`.
#[must_use]
pub fn written(time: Timestamp) -> String {
    let (mut seconds, mut nanosecond) = (time.as_second(), i64::from(time.subsec_nanosecond()));
    if nanosecond < 0 {
        seconds -= 1;
        nanosecond += 1_000_000_000;
    }
    let (year, month, day) = date(seconds.div_euclid(DAY));
    let second = seconds.rem_euclid(DAY);
    let mut text = String::with_capacity(32);
    if year < 0 {
        text.push('-');
    }
    digits(&mut text, if year < 0 { 6 } else { 4 }, year.abs());
    for (before, number) in [('-', month), ('-', day), ('T', second / 3600), (':', second / 60 % 60), (':', second % 60)] {
        text.push(before);
        digits(&mut text, 2, number);
    }
    if nanosecond > 0 {
        text.push('.');
        digits(&mut text, 9, nanosecond);
        text.truncate(text.trim_end_matches('0').len());
    }
    text.push('Z');
    text
}

/// Days from 1970 to a date of the Gregorian calendar.
#[must_use]
pub fn days(year: i64, month: i64, day: i64) -> i64 {
    // Years that begin in March: the leap day is their last.
    let year = if month <= 2 { year - 1 } else { year };
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    year * 365 + year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400) + day_of_year - 719_468
}

/// Year, month and day of a number of days since 1970.
#[must_use]
pub fn date(days: i64) -> (i64, i64, i64) {
    const ERA: i64 = 146_097;
    let (era, day) = ((days + 719_468).div_euclid(ERA), (days + 719_468).rem_euclid(ERA));
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let month = (month + 2) % 12 + 1;
    (era * 400 + year + i64::from(month <= 2), month, day)
}

/// The days of a month.
#[must_use]
pub fn days_in(year: i64, month: i64) -> i64 {
    match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// For `serialize_with`.
#[expect(clippy::ref_option, reason = "serde passes a reference")]
pub(crate) fn write<S: Serializer>(time: &Option<Timestamp>, to: S) -> Result<S::Ok, S::Error> {
    match time {
        Some(time) => to.serialize_str(&written(*time)),
        None => to.serialize_none(),
    }
}

fn digits(text: &mut String, width: u32, number: i64) {
    for place in (0..width).rev() {
        let digit = (number / 10_i64.pow(place) % 10).unsigned_abs();
        text.push(char::from(b'0' + u8::try_from(digit).unwrap_or_default()));
    }
}

/// What is left of a text.
struct Digits<'a>(&'a [u8]);

impl Digits<'_> {
    /// Takes one of these bytes.
    fn after(&mut self, any: &[u8]) -> Option<&mut Self> {
        let (first, rest) = self.0.split_first()?;
        self.0 = any.contains(first).then_some(rest)?;
        Some(self)
    }

    /// Takes so many digits.
    fn number(&mut self, width: usize) -> Option<i64> {
        let (digits, rest) = self.0.split_at_checked(width)?;
        self.0 = digits.iter().all(u8::is_ascii_digit).then_some(rest)?;
        Some(digits.iter().fold(0, |sum, it| sum * 10 + i64::from(it - b'0')))
    }

    /// Takes one to nine digits: nanoseconds.
    fn fraction(&mut self) -> Option<i32> {
        let width = self.0.iter().take_while(|it| it.is_ascii_digit()).count();
        let number = if (1..=9).contains(&width) { self.number(width)? } else { return None };
        i32::try_from(number * 10_i64.pow(9 - u32::try_from(width).ok()?)).ok()
    }

    /// Takes `Z` or `+03:00`, the last there is: seconds.
    fn offset(&mut self) -> Option<i64> {
        if self.after(b"Zz").is_some() {
            return self.0.is_empty().then_some(0);
        }
        let sign = if self.after(b"-").is_some() { -1 } else { i64::from(self.after(b"+").is_some()) };
        let hours = self.number(2)?;
        let minutes = self.after(b":")?.number(2)?;
        (sign != 0 && hours < 24 && minutes < 60 && self.0.is_empty()).then_some(sign * (hours * 3600 + minutes * 60))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_read_as_jiff_reads_it() {
        for text in [
            "2026-03-14T09:26:53Z",
            "2026-03-14t12:26:53.589+03:00",
            "2024-02-29 23:59:59.123456789-11:30",
            "2016-12-31T23:59:60Z",
            "1969-12-31T23:59:59.5Z",
            "0000-01-01T00:00:00Z",
            "2026-02-29T00:00:00Z",
            "2026-13-01T00:00:00Z",
            "2026-00-01T00:00:00Z",
            "2026-01-00T00:00:00Z",
            "2026-01-01T24:00:00Z",
            "2026-01-01T00:60:00Z",
            "2026-01-01T00:00:61Z",
            "2026-01-01T00:00:00",
            "2026-01-01T00:00:00.Z",
            "2026-01-01T00:00:00Z ",
            "",
            "soon",
        ] {
            assert_eq!(parse(text), text.parse().ok(), "{text}");
        }
        // jiff reads these; they are not RFC 3339.
        for text in ["2026-01-01T00:00Z", "20260101T000000Z", "2026-01-01T00:00:00+03", "2026-01-01T00:00:00Z[Europe/Moscow]"] {
            assert_eq!(parse(text), None, "{text}");
        }
    }

    #[test]
    fn a_moment_is_written_as_jiff_writes_it_and_read_back() {
        let edges = [(0, 0), (-1, -1), (-1, 0), (1_773_480_413, 250_000_000), (951_782_400, 1), (-62_167_219_200, 0), (-62_167_219_201, 0)];
        let mut seed = 7_u64;
        let random = std::iter::repeat_with(|| {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (
                i64::try_from(seed >> 20).unwrap_or_default() % 600_000_000_000 - 300_000_000_000,
                i32::try_from(seed >> 34).unwrap_or_default() % 1_000,
            )
        });
        for (second, nanosecond) in edges.into_iter().chain(random.take(5_000)) {
            let Ok(time) = Timestamp::new(second, nanosecond) else { continue };
            assert_eq!(written(time), time.to_string());
            if !written(time).starts_with('-') {
                assert_eq!(parse(&written(time)), Some(time), "{time}");
            }
        }
    }

    #[test]
    fn a_count_is_the_moment_that_jiff_makes_of_it() {
        for count in [0, 1, -1, 999, -1_500, 1_773_480_413_250, i64::MAX, i64::MIN]
            .into_iter()
            .chain([Timestamp::MIN, Timestamp::MAX].into_iter().flat_map(|it| [it.as_second() - 1, it.as_second(), it.as_second() + 1]))
        {
            assert_eq!(from_seconds(count), Timestamp::from_second(count).ok(), "{count}");
            assert_eq!(from_millis(count), Timestamp::from_millisecond(count).ok(), "{count}");
            let ms = count.saturating_mul(1000);
            assert_eq!(from_millis(ms), Timestamp::from_millisecond(ms).ok(), "{ms}");
        }
    }

    #[test]
    fn days_and_dates_go_both_ways() {
        for day in (-800_000..3_000_000).step_by(13) {
            let (year, month, of_month) = date(day);
            assert_eq!(days(year, month, of_month), day);
            assert!((1..=days_in(year, month)).contains(&of_month));
        }
    }
}
