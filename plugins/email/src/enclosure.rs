//! The file that goes along with an answer: fetched from the address that the message names.

use patchbay_sdk::schemas::Attachment;
use patchbay_sdk::{Failure, http};

/// Largest file, bytes: in base64 it makes a mail of 14 MB, and few servers take more than 20.
const LARGEST: usize = 10 << 20;
/// Longest name of a file, characters.
const NAME: usize = 120;
/// What a file is when nobody says what.
const UNKNOWN: &str = "application/octet-stream";
const TIMEOUT_MS: u32 = 50_000;

/// A file as it goes out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Enclosure {
    /// Its name, without control characters and slashes.
    pub name: String,
    /// Its MIME type.
    pub mime: String,
    /// Itself.
    pub bytes: Vec<u8>,
}

impl Enclosure {
    /// Fetches the file of a message.
    pub fn fetch(attachment: &Attachment) -> Result<Self, Failure> {
        let url = attachment.url.as_deref().ok_or_else(|| {
            Failure::never("email.file", "a mail takes a file by its address: give the attachment a `url`, from which the hub fetches it")
        })?;
        let answer = http::file(url).timeout_ms(TIMEOUT_MS).send()?;
        if !answer.is_success() {
            let said = format!("the address of the file answers with HTTP {}: there must be the file itself", answer.status);
            let passes = matches!(answer.status, 408 | 425 | 429 | 500..=599);
            return Err(if passes { Failure::later("email.file", said) } else { Failure::never("email.file", said) });
        }
        if answer.body.len() > LARGEST {
            let size = answer.body.len();
            return Err(Failure::never(
                "email.file_too_large",
                format!("the file has {size} bytes, a mail takes {LARGEST}: send a link to it"),
            ));
        }
        let said = attachment.mime.as_deref().or_else(|| answer.header("content-type"));
        Ok(Self { name: name(attachment.name.as_deref(), url), mime: mime(said), bytes: answer.body })
    }
}

/// The name that was given, else the last part of the address.
fn name(given: Option<&str>, url: &str) -> String {
    let path = url.split(['?', '#']).next().unwrap_or_default();
    let last = path.split_once("://").map_or(path, |it| it.1).split_once('/').and_then(|it| it.1.rsplit('/').next());
    let name = given.or(last).unwrap_or_default();
    let clean: String = name.chars().filter(|it| !it.is_control() && !matches!(it, '/' | '\\')).take(NAME).collect();
    let clean = clean.trim().trim_matches('.');
    if clean.is_empty() { "file".to_owned() } else { clean.to_owned() }
}

/// `image/png` of `image/png; charset=x`. What is no type, or a type whose content must not be in base64 (RFC 2046, section 5), is unknown.
fn mime(said: Option<&str>) -> String {
    let kind = said.unwrap_or_default().split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let is_token = |it: &str| !it.is_empty() && it.bytes().all(|it| it.is_ascii_alphanumeric() || b"!#$&^_.+-".contains(&it));
    match kind.split_once('/') {
        Some((main, sub)) if is_token(main) && is_token(sub) && kind.len() <= 127 && !matches!(main, "message" | "multipart") => kind,
        _ => UNKNOWN.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_what_was_given_or_ends_the_address_and_leads_nowhere() {
        for (given, url, due) in [
            (Some("Прайс.pdf"), "https://a.example/1", "Прайс.pdf"),
            (Some("../../etc/passwd\r\nBcc: x"), "https://a.example/1", "etcpasswdBcc: x"),
            (Some(" "), "https://a.example/1", "file"),
            (None, "https://a.example/files/price.pdf?token=1#p", "price.pdf"),
            (None, "https://a.example", "file"),
            (None, "https://a.example/", "file"),
        ] {
            assert_eq!(name(given, url), due, "{given:?} {url}");
        }
        assert_eq!(name(Some(&"ж".repeat(400)), "").chars().count(), NAME);
    }

    #[test]
    fn a_type_is_one_that_a_mail_may_name() {
        for (said, due) in [
            (Some("image/png"), "image/png"),
            (Some("Text/HTML; charset=utf-8"), "text/html"),
            (Some("message/rfc822"), UNKNOWN),
            (Some("image/png\r\nBcc: x"), UNKNOWN),
            (Some("png"), UNKNOWN),
            (None, UNKNOWN),
        ] {
            assert_eq!(mime(said), due, "{said:?}");
        }
    }
}
