//! An answer is written: fields, encoded words, the text.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use patchbay_sdk::schemas::Timestamp;

use crate::config::Config;
use crate::enclosure::Enclosure;

/// What an answer is made of.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Answer<'a> {
    /// Message-ID without brackets.
    pub id: &'a str,
    /// To whom.
    pub to: &'a str,
    /// Subject as it should be read.
    pub subject: &'a str,
    /// Message-IDs of the thread, oldest first; the last is the one that is answered.
    pub references: &'a [String],
    /// Plain text.
    pub text: &'a str,
    /// The file that goes along.
    pub file: Option<&'a Enclosure>,
}

/// Longest encoded word, bytes of text before the encoding: 75 characters with what stands around (RFC 2047, section 2).
const WORD: usize = 42;
/// Bytes of text in a line of base64.
const LINE: usize = 57;
/// What stands between the parts of a mail with a file: no line of base64 can begin so (RFC 2045, section 6.7).
const BOUNDARY: &str = "=_patchbay";
/// References that are kept: the first and the newest.
const REFERENCES: usize = 20;

/// The mail as it goes out, lines ended as SMTP wants them.
#[must_use]
pub fn compose(config: &Config, answer: &Answer<'_>, now: Timestamp) -> Vec<u8> {
    // A large file must not be in memory again and again while the mail grows.
    let mut out = answer.file.map_or_else(String::new, |it| String::with_capacity(it.bytes.len() / LINE * (LINE / 3 * 4 + 2) + 4096));
    let mut field = |name: &str, value: &str| {
        out.push_str(name);
        out.push_str(": ");
        out.push_str(value);
        out.push_str("\r\n");
    };
    field("Date", &date(now));
    let from = if config.name.is_empty() { config.address.clone() } else { format!("{} <{}>", phrase(&config.name), config.address) };
    field("From", &from);
    field("To", answer.to);
    field("Message-ID", &format!("<{}>", answer.id));
    if let Some(last) = answer.references.last() {
        field("In-Reply-To", &format!("<{last}>"));
        let dropped = answer.references.len().saturating_sub(REFERENCES);
        let kept = answer.references.iter().enumerate().filter(|(at, _)| *at == 0 || *at > dropped).map(|(_, it)| format!("<{it}>"));
        field("References", &kept.collect::<Vec<_>>().join("\r\n "));
    }
    field("Subject", &words(answer.subject));
    field("MIME-Version", "1.0");
    let text = answer.text.replace("\r\n", "\n").replace('\n', "\r\n");
    let plain = "text/plain; charset=utf-8";
    let Some(file) = answer.file else {
        part(&mut out, plain, "", text.as_bytes());
        return out.into_bytes();
    };
    field("Content-Type", &format!("multipart/mixed; boundary=\"{BOUNDARY}\""));
    out.push_str("\r\n");
    if !text.is_empty() {
        out.push_str(&format!("--{BOUNDARY}\r\n"));
        part(&mut out, plain, "", text.as_bytes());
    }
    out.push_str(&format!("--{BOUNDARY}\r\n"));
    part(&mut out, &file.mime, &format!("Content-Disposition: attachment; {}\r\n", file_name(&file.name)), &file.bytes);
    out.push_str(&format!("--{BOUNDARY}--\r\n"));
    out.into_bytes()
}

/// One part of a mail, or the whole of it: its fields and its content in base64.
fn part(out: &mut String, mime: &str, further: &str, content: &[u8]) {
    out.push_str(&format!("Content-Type: {mime}\r\nContent-Transfer-Encoding: base64\r\n{further}\r\n"));
    for line in content.chunks(LINE) {
        STANDARD.encode_string(line, out);
        out.push_str("\r\n");
    }
}

/// `filename="price.pdf"`, or by RFC 2231 where the name is not plain ASCII.
fn file_name(name: &str) -> String {
    if name.bytes().all(|it| it.is_ascii_alphanumeric() || b" ._-()".contains(&it)) {
        return format!("filename=\"{name}\"");
    }
    let mut value = String::new();
    for byte in name.bytes() {
        if byte.is_ascii_alphanumeric() || b"._-".contains(&byte) {
            value.push(char::from(byte));
        } else {
            value.push_str(&format!("%{byte:02X}"));
        }
    }
    format!("filename*=utf-8''{value}")
}

/// `Re:` in front, once.
#[must_use]
pub fn reply_subject(subject: &str) -> String {
    let clean: String = subject.chars().map(|it| if it.is_control() { ' ' } else { it }).collect();
    let is_reply = ["re:", "aw:", "sv:", "отв:", "ответ:"].iter().any(|it| clean.trim_start().to_lowercase().starts_with(it));
    if is_reply || clean.trim().is_empty() { clean.trim().to_owned() } else { format!("Re: {}", clean.trim()) }
}

fn phrase(text: &str) -> String {
    let is_plain = text.chars().all(|it| it.is_ascii_alphanumeric() || it == ' ');
    if is_plain { text.to_owned() } else { words(text) }
}

/// Encoded words where the text is not plain ASCII.
fn words(text: &str) -> String {
    let clean: String = text.chars().map(|it| if it.is_control() { ' ' } else { it }).collect();
    if clean.bytes().all(|it| (b' '..0x7f).contains(&it))
        && !clean.contains("=?")
        && clean.len() < 900
        && !clean.contains(['"', '<', '>', '@'])
    {
        return clean;
    }
    let (mut out, mut piece) = (Vec::new(), String::new());
    for letter in clean.chars() {
        if piece.len() + letter.len_utf8() > WORD {
            out.push(std::mem::take(&mut piece));
        }
        piece.push(letter);
    }
    out.push(piece);
    out.iter().map(|it| format!("=?utf-8?B?{}?=", STANDARD.encode(it))).collect::<Vec<_>>().join("\r\n ")
}

/// `Sun, 22 Nov 2026 10:00:00 +0000`
fn date(now: Timestamp) -> String {
    const DAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
    const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let text = now.to_string();
    let number = |from: usize, to: usize| text.get(from..to).and_then(|it| it.parse::<usize>().ok()).unwrap_or(1);
    let days = now.as_second().div_euclid(86_400).rem_euclid(7);
    let day = DAYS[usize::try_from(days).unwrap_or(0)];
    format!(
        "{day}, {:02} {} {} {} +0000",
        number(8, 10),
        MONTHS[(number(5, 7) - 1) % 12],
        number(0, 4),
        text.get(11..19).unwrap_or("00:00:00")
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::letter::Letter;

    #[test]
    fn what_is_written_is_read_back() {
        let config = Config { address: "sales@example.com".to_owned(), name: "Отдел продаж".to_owned(), ..Config::default() };
        let references = ["a@x".to_owned(), "b@x".to_owned()];
        let text = "Здравствуйте!\n\n.точка\nКонец";
        let subject = reply_subject("Сколько стоит доставка двадцати стульев в другой город и обратно?");
        let answer = Answer { id: "k@example.com", to: "anna@example.com", subject: &subject, references: &references, text, file: None };
        let now: Timestamp = "2026-11-22T10:00:00Z".parse().unwrap();
        let raw = compose(&config, &answer, now);
        assert!(raw.is_ascii() && raw.split(|it| *it == b'\n').all(|it| it.len() < 100));
        let letter = Letter::read(&raw).unwrap();
        assert_eq!((letter.from.name.as_deref(), letter.from_address()), (Some("Отдел продаж"), "sales@example.com"));
        assert_eq!((letter.subject.as_deref(), letter.date), (Some(subject.as_str()), Some(now)));
        assert_eq!((letter.references.as_slice(), letter.id.as_deref()), (references.as_slice(), Some("k@example.com")));
        assert_eq!(letter.text.unwrap().replace("\r\n", "\n"), text);
        assert!(String::from_utf8_lossy(&raw).contains("Date: Sun, 22 Nov 2026 10:00:00 +0000"));
        assert_eq!((reply_subject("Re: a"), reply_subject("a\r\nBcc: b")), ("Re: a".to_owned(), "Re: a  Bcc: b".to_owned()));
    }

    #[test]
    fn a_file_goes_along_and_is_read_back() {
        let config = Config { address: "sales@example.com".to_owned(), ..Config::default() };
        let now: Timestamp = "2026-11-22T10:00:00Z".parse().unwrap();
        let bytes: Vec<u8> = (0..=255).cycle().take(1_000).collect();
        for (name, text) in [("price.pdf", "Вот прайс."), ("Прайс-лист 2026.pdf", "")] {
            let file = Enclosure { name: name.to_owned(), mime: "application/pdf".to_owned(), bytes: bytes.clone() };
            let answer = Answer { id: "k@example.com", to: "anna@example.com", text, file: Some(&file), ..Answer::default() };
            let raw = compose(&config, &answer, now);
            assert!(raw.is_ascii() && raw.split(|it| *it == b'\n').all(|it| it.len() < 900));
            let mail = mail_parser::MessageParser::default().parse(&raw).unwrap();
            let found = mail_parser::MimeHeaders::attachment_name(mail.attachment(0).unwrap());
            assert_eq!((found, mail.attachment(0).unwrap().contents(), mail.attachment_count()), (Some(name), bytes.as_slice(), 1));
            let letter = Letter::read(&raw).unwrap();
            assert_eq!(letter.text.unwrap_or_default(), text);
        }
    }
}
