//! Phones, addresses and handles in one line.

use super::Claim;
use crate::normalise::email::{Reach, email};
use crate::normalise::phone::{Line, phone};

/// What says, shortly before a number, that it is no phone.
const NO_PHONE: &[&str] = &[
    "заказ",
    "№",
    "карт",
    "счет",
    "счёт",
    "р/с",
    "инн",
    "кпп",
    "огрн",
    "бик",
    "паспорт",
    "снилс",
    "договор",
    "артикул",
    "трек",
    "накладн",
    "order",
    "invoice",
    "card",
    "account",
    "iban",
    "tracking",
    "ticket",
    "article",
    "passport",
    "id:",
];
/// What says that a number is somebody else's.
const ANOTHERS: &[&str] = &[
    "муж",
    "жен",
    "мам",
    "пап",
    "сын",
    "доч",
    "брат",
    "сестр",
    "друг",
    "подруг",
    "коллег",
    "директор",
    "менеджер",
    "бухгалтер",
    "его ",
    "её ",
    "ее ",
    "их ",
    "контакт ",
    "номер клиента",
    "wife",
    "husband",
    "mother",
    "father",
    "son'",
    "daughter",
    "brother",
    "sister",
    "friend",
    "colleague",
    "manager",
    "his ",
    "her ",
    "their ",
    "boss",
    "director",
];
/// What says which messenger a name belongs to.
const MESSENGERS: &[(&str, &[&str])] = &[
    ("telegram", &["telegram", "телеграм", "телеге", "телега", "тг", "tg"]),
    ("instagram", &["instagram", "инстаграм", "инста", "insta"]),
];
/// Links to accounts: what begins them, and whose they are.
const LINKS: &[(&str, &str)] =
    &[("t.me/", "telegram"), ("telegram.me/", "telegram"), ("instagram.com/", "instagram"), ("vk.com/", "vk"), ("vk.me/", "vk")];
/// Parts of links that name no account.
const NO_ACCOUNT: &[&str] = &["joinchat", "share", "addstickers", "proxy", "c", "s", "p", "reel", "explore", "wall", "feed", "id"];

/// Finds what a line claims.
pub(super) fn scan(line: &str, region: &str, found: &mut Vec<Claim>) {
    let lower = line.to_lowercase();
    for word in lower.split(|it: char| it.is_whitespace() || matches!(it, ',' | ';' | '<' | '>' | '(' | ')' | '"')) {
        let word = word.trim_end_matches(['.', '!', '?', ':']);
        if !word.contains(['@', '/']) {
            continue;
        }
        if word.contains('@') && !word.starts_with('@') && !anothers(before(&lower, word)) {
            let address = word.rsplit(':').next().unwrap_or(word);
            found.extend(email(address).filter(|it| it.reach == Reach::Person).map(|it| Claim::Email(it.value)));
        } else if let Some(name) = word.strip_prefix('@') {
            let said = before(&lower, word);
            let scope = MESSENGERS.iter().find(|(_, cues)| said.split(|it: char| !it.is_alphanumeric()).any(|it| cues.contains(&it)));
            if let Some((scope, _)) = scope
                && !anothers(said)
            {
                found.extend(username(scope, name));
            }
        } else if let Some(digits) = word.split("wa.me/").nth(1) {
            numbers(&format!("+{}", digits.trim_start_matches('+')), region, found);
        } else if !anothers(before(&lower, word)) {
            for (link, scope) in LINKS {
                if let Some(rest) = word.split(link).nth(1) {
                    found.extend(username(scope, rest.split(['/', '?', '#']).next().unwrap_or_default()));
                    break;
                }
            }
        }
    }
    if !lower.contains("wa.me/") {
        numbers(&lower, region, found);
    }
}

fn username(scope: &str, name: &str) -> Option<Claim> {
    let sound = (4..=32).contains(&name.len())
        && name.bytes().all(|it| it.is_ascii_alphanumeric() || matches!(it, b'_' | b'.'))
        && !NO_ACCOUNT.contains(&name);
    sound.then(|| Claim::Username(format!("{scope}:@{name}")))
}

/// What stands in the line before a word, 40 characters at most.
fn before<'a>(line: &'a str, word: &str) -> &'a str {
    tail(&line[..line.find(word).unwrap_or(0)])
}

fn tail(text: &str) -> &str {
    let start = text.char_indices().rev().nth(39).map_or(0, |it| it.0);
    &text[start..]
}

fn anothers(said: &str) -> bool {
    ANOTHERS.iter().any(|it| said.contains(it))
}

fn numbers(line: &str, region: &str, found: &mut Vec<Claim>) {
    let part = |it: char| it.is_ascii_digit() || matches!(it, ' ' | '-' | '(' | ')' | '\u{a0}' | '–' | '+');
    let mut rest = 0;
    while let Some(start) = line[rest..].find(|it: char| it.is_ascii_digit() || it == '+').map(|it| it + rest) {
        let end = line[start..].char_indices().skip(1).find(|(_, it)| !part(*it) || *it == '+').map_or(line.len(), |it| it.0 + start);
        rest = end;
        let run = line[start..end].trim();
        let digits = run.bytes().filter(u8::is_ascii_digit).count();
        let glued =
            line[..start].ends_with(|it: char| it.is_alphanumeric() || matches!(it, '_' | '.' | '/' | '#')) && !run.starts_with('+');
        let said = tail(&line[..start]);
        if !(10..=15).contains(&digits) || glued || NO_PHONE.iter().any(|it| said.contains(it)) || anothers(said) {
            continue;
        }
        found.extend(phone(run, region, false).filter(|it| it.line != Line::Service).map(|it| Claim::Phone(it.value)));
    }
}
