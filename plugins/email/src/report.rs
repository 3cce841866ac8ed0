//! Mails that tell what became of a mail of ours: bounces (RFC 3464, and older ones) and read receipts (RFC 8098).

use mail_parser::{Message, MessagePart, MimeHeaders, PartType};
use patchbay_sdk::schemas::MessageStatus;

use crate::letter::{Letter, ids};

/// What became of a mail of ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// Message-ID of ours, where the report names it.
    pub about: Option<String>,
    /// What became of it.
    pub status: MessageStatus,
    /// The reason that the server gives.
    pub reason: Option<String>,
    /// To whom it should have gone.
    pub recipient: Option<String>,
}

/// Subjects of bounces that are no reports by their structure.
const SUBJECTS: [&str; 12] = [
    "undeliver",
    "delivery status notification",
    "mail delivery failed",
    "mail delivery failure",
    "failure notice",
    "returned mail",
    "delivery failure",
    "delivery has failed",
    "message not delivered",
    "не доставлено",
    "недоставленное",
    "не удалось доставить",
];

/// The report that a mail is.
#[must_use]
pub fn find(message: &Message<'_>, letter: &Letter) -> Option<Report> {
    let about = message.parts.iter().find_map(original);
    let part = |sub: &str| {
        message.parts.iter().find(|it| it.content_type().is_some_and(|it| it.ctype() == "message" && it.subtype() == Some(sub)))
    };
    if let Some(part) = part("disposition-notification") {
        let fields = text(part);
        let about = field(&fields, "original-message-id").and_then(|it| ids(&it).into_iter().next()).or(about);
        let was_read = field(&fields, "disposition").is_none_or(|it| !it.to_ascii_lowercase().contains("deleted"));
        let status = if was_read { MessageStatus::Read } else { MessageStatus::Delivered };
        return Some(Report { about, status, reason: None, recipient: address(&fields) });
    }
    if let Some(part) = part("delivery-status") {
        let fields = text(part);
        let action = field(&fields, "action").unwrap_or_default().to_ascii_lowercase();
        let status = match action.trim() {
            "delivered" | "relayed" | "expanded" => MessageStatus::Delivered,
            "delayed" => MessageStatus::Sent,
            _ => MessageStatus::Failed,
        };
        let reason = field(&fields, "diagnostic-code").or_else(|| field(&fields, "status"));
        return Some(Report { about, status, reason, recipient: address(&fields) });
    }
    let from = letter.from_address().to_ascii_lowercase();
    let is_daemon =
        ["mailer-daemon@", "postmaster@", "mail-daemon@"].iter().any(|it| from.starts_with(it)) || from.is_empty() && letter.is_returned;
    let subject = letter.subject.as_deref().unwrap_or_default().to_lowercase();
    let is_bounce = is_daemon && SUBJECTS.iter().any(|it| subject.contains(it));
    is_bounce.then(|| Report { about, status: MessageStatus::Failed, reason: letter.subject.clone(), recipient: None })
}

/// The Message-ID of the mail that a report is about.
fn original(part: &MessagePart<'_>) -> Option<String> {
    if let PartType::Message(inner) = &part.body {
        return inner.message_id().map(str::to_owned);
    }
    let is_header = part.content_type().is_some_and(|it| it.subtype() == Some("rfc822-headers"));
    is_header.then(|| field(&text(part), "message-id")).flatten().and_then(|it| ids(&it).into_iter().next())
}

fn text(part: &MessagePart<'_>) -> String {
    String::from_utf8_lossy(part.contents()).into_owned()
}

/// A field of a report; lines that begin with white space belong to the one before.
fn field(fields: &str, name: &str) -> Option<String> {
    let mut found: Option<String> = None;
    for line in fields.lines() {
        match &mut found {
            Some(value) if line.starts_with([' ', '\t']) => {
                value.push(' ');
                value.push_str(line.trim());
            }
            Some(_) => break,
            None => {
                let value = line.split_once(':').filter(|(it, _)| it.trim().eq_ignore_ascii_case(name));
                found = value.map(|it| it.1.trim().to_owned());
            }
        }
    }
    found.filter(|it| !it.is_empty())
}

/// `rfc822; anna@example.com`
fn address(fields: &str) -> Option<String> {
    let value = field(fields, "final-recipient").or_else(|| field(fields, "original-recipient"))?;
    Some(value.rsplit(';').next().unwrap_or_default().trim().to_owned()).filter(|it| !it.is_empty())
}
