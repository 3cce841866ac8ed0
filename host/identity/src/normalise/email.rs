//! Mail addresses in the one form in which two spellings of it are equal.

use std::sync::OnceLock;

use rustc_hash::FxHashSet;

/// A mail address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Email {
    /// The one form: lower case, ASCII domain, what the provider ignores left out.
    pub value: String,
    /// The address as it was written, in lower case, where that is another spelling: the one to show and to write to.
    pub written: Option<String>,
    /// Who may read what is sent there.
    pub reach: Reach,
}

/// Who may read what is sent to an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// One person.
    Person,
    /// Whoever has the role (info@, sales@).
    Role,
    /// Nobody for long: the domain gives addresses away by the minute.
    Disposable,
}

/// Providers whose mailboxes have several spellings: domain and its twins, whether dots are ignored, what begins a tag.
const PROVIDERS: &[(&[&str], bool, Option<char>)] = &[
    (&["gmail.com", "googlemail.com"], true, Some('+')),
    (&["yandex.ru", "ya.ru", "yandex.com", "yandex.by", "yandex.kz", "yandex.ua", "narod.ru"], false, Some('+')),
    (&["icloud.com", "me.com", "mac.com"], false, Some('+')),
    (&["outlook.com", "hotmail.com", "live.com", "msn.com"], false, Some('+')),
    (&["fastmail.com"], false, Some('+')),
    (&["proton.me", "protonmail.com", "pm.me"], false, Some('+')),
    (&["mail.ru"], false, Some('+')),
    (&["bk.ru"], false, Some('+')),
    (&["list.ru"], false, Some('+')),
    (&["inbox.ru"], false, Some('+')),
    (&["yahoo.com"], false, Some('-')),
];
/// Providers of one firm that are different mailboxes under equal local parts.
const DISTINCT: &[&str] = &["outlook.com", "hotmail.com", "live.com", "msn.com", "icloud.com", "me.com", "mac.com"];

/// Where anybody can have a mailbox.
const MAILBOX_PROVIDERS: &[&str] = &[
    "gmail.com",
    "yandex.ru",
    "mail.ru",
    "bk.ru",
    "list.ru",
    "inbox.ru",
    "rambler.ru",
    "outlook.com",
    "hotmail.com",
    "live.com",
    "msn.com",
    "icloud.com",
    "me.com",
    "mac.com",
    "yahoo.com",
    "aol.com",
    "proton.me",
    "gmx.de",
    "gmx.net",
    "web.de",
    "ukr.net",
    "i.ua",
    "tut.by",
    "mail.kz",
    "qq.com",
    "163.com",
    "hotmail.co.uk",
    "yahoo.co.uk",
    "btinternet.com",
    "orange.fr",
    "free.fr",
    "libero.it",
    "uol.com.br",
    "bol.com.br",
    "comcast.net",
    "verizon.net",
];

/// True of a domain at which anybody can have a mailbox: two people of one name are there under nearly equal addresses.
#[must_use]
pub fn is_mailbox_provider(domain: &str) -> bool {
    MAILBOX_PROVIDERS.contains(&domain)
}

fn roles() -> &'static FxHashSet<&'static str> {
    static ROLES: OnceLock<FxHashSet<&'static str>> = OnceLock::new();
    ROLES.get_or_init(|| lines(include_str!("../../data/role_addresses.txt")))
}

fn disposable() -> &'static FxHashSet<&'static str> {
    static DOMAINS: OnceLock<FxHashSet<&'static str>> = OnceLock::new();
    DOMAINS.get_or_init(|| lines(include_str!("../../data/disposable_domains.txt")))
}

fn lines(text: &'static str) -> FxHashSet<&'static str> {
    text.lines().filter(|it| !it.is_empty() && !it.starts_with('#')).collect()
}

/// The address in its one form; none of what is no address.
#[must_use]
pub fn email(text: &str) -> Option<Email> {
    let text = text.trim().trim_start_matches("mailto:").trim_matches(['<', '>', '"', '\'', '.', ',', ';']);
    if text.is_ascii() { parse(&text.to_lowercase()) } else { parse(&text.to_lowercase().replace('\u{200b}', "")) }
}

fn parse(text: &str) -> Option<Email> {
    let (local, domain) = text.rsplit_once('@')?;
    let domain = if domain.is_ascii() { domain.to_owned() } else { idna::domain_to_ascii(domain).ok()? };
    let odd = |it: char| it.is_whitespace() || it.is_control() || matches!(it, ',' | ';' | '<' | '>' | '"' | '(' | ')' | '@');
    let sound = !local.is_empty()
        && local.len() <= 64
        && domain.len() <= 253
        && domain.contains('.')
        && domain
            .split('.')
            .all(|label| !label.is_empty() && label.bytes().all(|it| it.is_ascii_alphanumeric() || matches!(it, b'-' | b'_')))
        && !local.contains(odd);
    if !sound {
        return None;
    }
    let (domain, kept) = at_provider(domain, local);
    let local = kept.as_deref().unwrap_or(local);
    let reach = if is_disposable(&domain) {
        Reach::Disposable
    } else if roles().contains(local.trim_end_matches(|it: char| it.is_ascii_digit())) {
        Reach::Role
    } else {
        Reach::Person
    };
    let value = format!("{local}@{domain}");
    Some(Email { written: (value != text).then(|| text.to_owned()), value, reach })
}

/// The provider's own domain, and the local part where the provider knows another spelling of it.
fn at_provider(domain: String, local: &str) -> (String, Option<String>) {
    let Some((names, dots, tag)) = PROVIDERS.iter().find(|(names, ..)| names.contains(&domain.as_str())) else {
        return (domain, None);
    };
    let kept = tag.and_then(|it| local.split_once(it)).map_or(local, |(before, _)| before);
    let kept = if kept.is_empty() { local } else { kept };
    let kept = if *dots { kept.replace('.', "") } else { kept.to_owned() };
    // Yandex takes dots and dashes for the same letter.
    let kept = if names[0] == "yandex.ru" { kept.replace('-', ".") } else { kept };
    let domain = if DISTINCT.contains(&domain.as_str()) { domain } else { names[0].to_owned() };
    (domain, Some(kept))
}

/// True of a domain, or a domain below one, that gives addresses away.
fn is_disposable(domain: &str) -> bool {
    let mut rest = domain;
    loop {
        if disposable().contains(rest) {
            return true;
        }
        match rest.split_once('.') {
            Some((_, above)) if above.contains('.') => rest = above,
            _ => return false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_mailbox_has_one_form() {
        for (written, is) in [
            (" Anna@Example.COM ", "anna@example.com"),
            ("An.Na+shop@googlemail.com", "anna@gmail.com"),
            ("anna.petrova+x@ya.ru", "anna.petrova@yandex.ru"),
            ("anna-petrova@yandex.ru", "anna.petrova@yandex.ru"),
            ("anna+x@example.com", "anna+x@example.com"),
            ("a.n.na@example.com", "a.n.na@example.com"),
            ("почта@пример.рф", "почта@xn--e1afmkfd.xn--p1ai"),
            ("<bob@hotmail.com>", "bob@hotmail.com"),
            ("mailto:bob+1@outlook.com", "bob@outlook.com"),
        ] {
            assert_eq!(email(written).map(|it| it.value).as_deref(), Some(is), "{written}");
        }
    }

    #[test]
    fn what_was_written_can_still_be_written_to() {
        assert_eq!(email("An.Na+shop@googlemail.com").unwrap().written.as_deref(), Some("an.na+shop@googlemail.com"));
        assert_eq!(email(" Anna@Example.COM ").unwrap().written, None, "it is what is shown anyway");
    }

    #[test]
    fn what_is_no_address_points_at_nobody() {
        for written in
            ["anna", "anna@", "@example.com", "anna@example", "a b@example.com", "a@b@example.com", "a@example..com", "hannah88opowersc@m"]
        {
            assert_eq!(email(written), None, "{written}");
        }
    }

    #[test]
    fn an_address_of_a_role_or_of_a_minute_is_weak() {
        assert_eq!(email("info@example.com").unwrap().reach, Reach::Role);
        assert_eq!(email("Sales2@example.com").unwrap().reach, Reach::Role);
        assert_eq!(email("anna@mailinator.com").unwrap().reach, Reach::Disposable);
        assert_eq!(email("anna@x.mailinator.com").unwrap().reach, Reach::Disposable);
        assert_eq!(email("anna.informer@example.com").unwrap().reach, Reach::Person);
    }
}
