//! How well two texts agree.

use super::Level;
use crate::normalise::{date, email};

/// Slips of the fingers between two texts: letters changed, left out, added, or exchanged with their neighbour; `most + 1` where there are more.
pub(super) fn distance(a: &[u8], b: &[u8], most: usize) -> usize {
    if a.len().abs_diff(b.len()) > most {
        return most + 1;
    }
    rapidfuzz::distance::osa::distance(a.iter().copied(), b.iter().copied())
}

/// How many letters only one of two texts has, wherever they stand. A slip adds two at most. Letters count by their lowest five bits, which keeps
/// those of the alphabet apart.
pub(super) fn odd_letters(a: &[u8], b: &[u8]) -> usize {
    let mut letters = [0_i8; 32];
    for it in a {
        let count = &mut letters[usize::from(it & 31)];
        *count = count.saturating_add(1);
    }
    for it in b {
        let count = &mut letters[usize::from(it & 31)];
        *count = count.saturating_sub(1);
    }
    letters.iter().map(|it| usize::from(it.unsigned_abs())).sum()
}

/// What part of their letters two texts have in common, wherever they stand: 1 where one is the other scrambled.
#[expect(clippy::cast_precision_loss, reason = "lengths of words")]
pub(super) fn bag(odd: usize, a: &[u8], b: &[u8]) -> f32 {
    1.0 - odd as f32 / (a.len() + b.len()).max(1) as f32
}

pub(super) fn name_level(a: &[u8], b: &[u8]) -> Level {
    let (short, long) = if a.len() <= b.len() { (a, b) } else { (b, a) };
    if short.is_empty() {
        return Level::Apart;
    }
    if short.len() == 1 {
        return if long[0] == short[0] { Level::Initial } else { Level::Apart };
    }
    let odd = odd_letters(a, b);
    let bag = bag(odd, a, b);
    // Most pairs have so little in common that there is nothing to count.
    let slips = if odd > 6 { 4 } else { distance(a, b, 3) };
    let close = usize::from(long.len() >= 4);
    if slips <= close {
        return Level::Close;
    }
    if long.len() >= 4 && bag > 0.99 {
        return Level::Close;
    }
    if (slips <= 3 && slips * 3 <= long.len()) || (short.len() >= 4 && long.starts_with(short)) {
        return Level::Near;
    }
    if (long.len() >= 5 && bag >= 0.8) || (long.len() == 4 && slips <= 2 && bag >= 0.85) {
        return Level::Near;
    }
    Level::Apart
}

pub(super) fn code_level(a: &[u8], b: &[u8]) -> Level {
    if distance(a, b, 1) <= 1 && a.len().max(b.len()) >= 3 {
        return Level::Close;
    }
    let shared = a.iter().zip(b).take_while(|(one, other)| one == other).count();
    if shared >= 2 && shared * 2 >= a.len().max(b.len()) { Level::Part } else { Level::Apart }
}

pub(super) fn email_level(a: &[u8], b: &[u8]) -> Level {
    let at = |it: &[u8]| it.iter().position(|it| *it == b'@').unwrap_or(it.len());
    let ((one, here), (other, there)) = (a.split_at(at(a)), b.split_at(at(b)));
    let domain = |it: &[u8]| std::str::from_utf8(it.get(1..).unwrap_or_default()).is_ok_and(email::is_mailbox_provider);
    if domain(here) && domain(there) {
        // Millions have mailboxes there, named after their owners: two of them differ by a number.
        let digits = |it: &[u8]| it.iter().copied().filter(u8::is_ascii_digit).collect::<Vec<u8>>();
        return if one == other && one.len() >= 5 {
            Level::Part
        } else if here == there && one.len() >= 6 && digits(one) == digits(other) && distance(one, other, 1) <= 1 {
            Level::Close
        } else {
            Level::Apart
        };
    }
    let slips = distance(a, b, 8);
    if slips <= 2 {
        Level::Close
    } else if one == other && one.len() >= 5 {
        Level::Part
    } else if slips <= 8 && slips * 3 <= a.len().max(b.len()) {
        Level::Near
    } else {
        Level::Apart
    }
}

pub(super) fn phone_level(a: &[u8], b: &[u8]) -> Level {
    let tail = |it: &[u8]| it[it.len().saturating_sub(10)..].to_vec();
    let (one, other) = (tail(a), tail(b));
    if one == other {
        Level::Part
    } else if distance(&one, &other, 1) <= 1 {
        Level::Close
    } else {
        Level::Apart
    }
}

pub(super) fn date_level(a: &str, b: &str) -> Level {
    let (Some(year), Some(others)) = (a.get(..4), b.get(..4)) else { return Level::Apart };
    if year == others && a.get(4..6) == b.get(6..8) && a.get(6..8) == b.get(4..6) {
        return Level::Turned;
    }
    let slips = distance(a.as_bytes(), b.as_bytes(), 2);
    if slips <= 1 {
        return Level::Close;
    }
    if (date::days(a) - date::days(b)).abs() <= 62 {
        return Level::Shifted;
    }
    // A year mistyped by one digit, and the day a few weeks off.
    let year_slips = distance(year.as_bytes(), others.as_bytes(), 1);
    let apart = (date::days(a) - date::days(b)).rem_euclid(365);
    if slips <= 2 || a.get(4..) == b.get(4..) || (year_slips <= 1 && apart.min(365 - apart) <= 45) {
        return Level::Near;
    }
    if year == others { Level::Part } else { Level::Apart }
}
