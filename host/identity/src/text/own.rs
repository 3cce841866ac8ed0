//! Which lines of a text are the writer's own.

use super::Medium;

/// What begins a forwarded or quoted part that goes on to the end.
const DIVIDERS: &[&str] = &[
    "-----original message",
    "---original message",
    "----- исходное сообщение",
    "-----исходное сообщение",
    "forwarded message",
    "пересылаемое сообщение",
    "пересланное сообщение",
    "переслано от",
    "forwarded from",
    "begin forwarded message",
    "начало переадресованного сообщения",
    "конец переадресованного",
    "________________________________",
];
/// Header lines of a quoted mail: two of them in a row begin it.
const HEADERS: &[&str] = &[
    "from:",
    "sent:",
    "to:",
    "subject:",
    "date:",
    "от:",
    "отправлено:",
    "кому:",
    "тема:",
    "дата:",
    "von:",
    "gesendet:",
    "an:",
    "betreff:",
];

/// The writer's own lines: what stands before the first quoted or forwarded part, without quoted lines and contact cards.
#[must_use]
pub fn own(text: &str, medium: Medium) -> Vec<&str> {
    let lines: Vec<&str> = text.lines().collect();
    let mut kept = Vec::new();
    let mut card = false;
    for (at, line) in lines.iter().enumerate() {
        let trimmed = line.trim();
        let lower = trimmed.to_lowercase();
        if lower.starts_with("begin:vcard") {
            card = true;
        }
        if card {
            card = !lower.starts_with("end:vcard");
            continue;
        }
        if trimmed.starts_with('>') || trimmed.starts_with('|') {
            continue;
        }
        let next = lines.get(at + 1).map(|it| it.trim().to_lowercase()).unwrap_or_default();
        if divides(&lower) || (medium == Medium::Mail && (is_header(&lower) && is_header(&next) || introduces(&lower, &next))) {
            break;
        }
        kept.push(*line);
    }
    kept
}

fn divides(line: &str) -> bool {
    DIVIDERS.iter().any(|it| line.contains(it))
}

fn is_header(line: &str) -> bool {
    HEADERS.iter().any(|it| line.trim_start_matches('*').starts_with(it))
}

/// `On Monday Ivan <…> wrote:`, `пн, 2 нояб. 2026 г. в 10:00, Иван <…>:`
fn introduces(line: &str, next: &str) -> bool {
    let ends = |it: &str| {
        it.ends_with("wrote:") || it.ends_with("пишет:") || it.ends_with("писал:") || it.ends_with("писал(а):") || it.ends_with("schrieb:")
    };
    let dated = line.chars().any(|it| it.is_ascii_digit());
    ends(line) || (dated && line.ends_with(">:")) || (dated && line.starts_with("on ") && ends(next))
}
