//! A mail, read: what of its structure, fields and text matters here.

use mail_parser::decoders::base64::base64_decode;
use mail_parser::decoders::quoted_printable::quoted_printable_decode;
use mail_parser::{Encoding, HeaderName, Message, MessageParser, MessagePart, MimeHeaders, PartType};
use patchbay_sdk::Failure;
use patchbay_sdk::schemas::Timestamp;

use crate::address::{self, Address};
use crate::report::{self, Report};
use crate::{charset, date, html, words};

/// Most attachments that are told of.
const MOST_FILES: usize = 50;

/// A mail, read.
#[derive(Debug, Clone, Default)]
pub struct Letter {
    /// Who wrote it.
    pub from: Address,
    /// Where answers should go.
    pub reply_to: Option<Address>,
    /// To whom.
    pub to: Vec<Address>,
    /// Who else got it.
    pub cc: Vec<Address>,
    /// Decoded.
    pub subject: Option<String>,
    /// The writer's own time.
    pub date: Option<Timestamp>,
    /// Message-ID without brackets.
    pub id: Option<String>,
    /// References and In-Reply-To without brackets, oldest first.
    pub references: Vec<String>,
    /// What was written.
    pub text: Option<String>,
    /// Texts that stand behind the first one, between attachments.
    pub more: Vec<String>,
    /// Files.
    pub files: Vec<File>,
    /// Set when it tells what became of a mail of ours.
    pub report: Option<Report>,
    /// Set when no person wrote it for us.
    pub automatic: Option<Automatic>,
    /// The program that sent it.
    pub mailer: Option<String>,
    /// Empty `Return-Path`: nobody wants an answer.
    pub is_returned: bool,
}

/// What wrote a mail, where it was no person who wrote it for us.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Automatic {
    /// An answering machine: away until Monday.
    Reply,
    /// A mailing: a newsletter, a list, a notification of a program.
    Bulk,
}

/// A file that came along.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct File {
    /// Its name.
    pub name: Option<String>,
    /// MIME type.
    pub mime: Option<String>,
    /// Bytes, decoded.
    pub size: usize,
}

impl Letter {
    /// Reads a mail. Whatever has a header is one; the failure refuses what has none.
    pub fn read(raw: &[u8]) -> Result<Self, Failure> {
        let raw = beginning(raw);
        let Some(message) = MessageParser::default().parse(raw).filter(|it| !it.headers().is_empty()) else {
            return Err(Failure::never("mail.malformed", "this is no mail: there is no header field"));
        };
        let mut body = Body::default();
        if let Some(root) = message.parts.first() {
            body.walk(&message, raw, root, None);
        }
        // Fields without a charset of their own are in that of the text, if anywhere.
        let charset = body.charset.clone();
        let fields = Fields { message: &message, raw, charset: charset.as_deref() };
        let mut references = fields.ids(&HeaderName::References);
        for id in fields.ids(&HeaderName::InReplyTo) {
            if !references.contains(&id) {
                references.push(id);
            }
        }
        let mut letter = Self {
            from: fields.addresses(&HeaderName::From).into_iter().next().unwrap_or_default(),
            reply_to: fields.addresses(&HeaderName::ReplyTo).into_iter().find(|it| it.address.is_some()),
            to: fields.addresses(&HeaderName::To),
            cc: fields.addresses(&HeaderName::Cc),
            subject: fields.text(&HeaderName::Subject),
            date: fields.plain(&HeaderName::Date).and_then(|it| date::parse(&it)),
            id: fields.ids(&HeaderName::MessageId).into_iter().next(),
            references,
            text: body
                .plain
                .filter(|it| !it.trim().is_empty())
                .or_else(|| body.html.as_deref().map(html::text))
                .filter(|it| !it.trim().is_empty()),
            more: body.more,
            files: body.files,
            report: None,
            automatic: None,
            mailer: fields.text(&HeaderName::Other("X-Mailer".into())),
            is_returned: fields.plain(&HeaderName::ReturnPath).is_some_and(|it| it.trim() == "<>"),
        };
        letter.report = report::find(&message, &letter);
        letter.automatic = automatic(&fields, &letter);
        Ok(letter)
    }

    /// The writer's address.
    #[must_use]
    pub fn from_address(&self) -> &str {
        self.from.address.as_deref().unwrap_or_default()
    }
}

/// Without blank lines in front and without the line that a mail box file puts there.
fn beginning(raw: &[u8]) -> &[u8] {
    let raw = raw.trim_ascii_start();
    match raw.strip_prefix(b"From ").or_else(|| raw.strip_prefix(b">From ")) {
        Some(rest) => rest.iter().position(|it| *it == b'\n').map_or(raw, |end| &rest[end + 1..]),
        None => raw,
    }
}

struct Fields<'a> {
    message: &'a Message<'a>,
    raw: &'a [u8],
    charset: Option<&'a str>,
}

impl Fields<'_> {
    /// The first field of that name that holds something, as it stands.
    fn bytes(&self, name: &HeaderName<'_>) -> Option<&[u8]> {
        let found = self.message.headers().iter().filter(|it| it.name == *name);
        let mut values = found.filter_map(|it| self.raw.get(it.offset_start as usize..it.offset_end as usize));
        values.find(|it| !it.trim_ascii().is_empty())
    }

    fn plain(&self, name: &HeaderName<'_>) -> Option<String> {
        self.bytes(name).map(|it| String::from_utf8_lossy(&words::unfold(it)).into_owned())
    }

    fn text(&self, name: &HeaderName<'_>) -> Option<String> {
        self.bytes(name).and_then(|it| words::text(it, self.charset)).filter(|it| !it.is_empty())
    }

    fn addresses(&self, name: &HeaderName<'_>) -> Vec<Address> {
        self.bytes(name).map(|it| address::list(it, self.charset)).unwrap_or_default()
    }

    fn ids(&self, name: &HeaderName<'_>) -> Vec<String> {
        self.plain(name).map(|it| ids(&it)).unwrap_or_default()
    }

    fn has(&self, name: &'static str) -> bool {
        self.bytes(&HeaderName::Other(name.into())).is_some()
    }

    fn word(&self, name: &'static str) -> String {
        self.plain(&HeaderName::Other(name.into())).unwrap_or_default().trim().to_ascii_lowercase()
    }
}

/// The ids in a field, without brackets: between them, or word by word where there are none.
#[must_use]
pub fn ids(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    let bracketed: Vec<&str> = text.split('<').skip(1).filter_map(|it| it.split('>').next()).collect();
    let words = if bracketed.is_empty() { text.split_whitespace().filter(|it| it.contains('@')).collect() } else { bracketed };
    for word in words {
        let id: String = word.chars().filter(|it| !it.is_whitespace()).collect();
        if !id.is_empty() && id.len() <= 998 && !found.contains(&id) {
            found.push(id);
        }
    }
    found
}

fn automatic(fields: &Fields<'_>, letter: &Letter) -> Option<Automatic> {
    let (submitted, precedence) = (fields.word("Auto-Submitted"), fields.word("Precedence"));
    let subject = letter.subject.as_deref().unwrap_or_default().to_lowercase();
    let away = [
        "out of office",
        "automatic reply",
        "auto-reply",
        "autoreply",
        "auto reply",
        "автоответ",
        "автоматический ответ",
        "abwesenheit",
        "automatische antwort",
    ];
    let replied = submitted.starts_with("auto-replied")
        || precedence == "auto_reply"
        || ["X-Autoreply", "X-Autorespond", "X-Autoresponse"].iter().any(|it| fields.has(it))
        || away.iter().any(|it| subject.starts_with(it));
    if replied {
        return Some(Automatic::Reply);
    }
    let bulk = matches!(precedence.as_str(), "bulk" | "list" | "junk")
        || (!submitted.is_empty() && submitted != "no")
        || fields.bytes(&HeaderName::ListId).is_some()
        || fields.bytes(&HeaderName::ListUnsubscribe).is_some()
        || fields.has("Feedback-ID");
    bulk.then_some(Automatic::Bulk)
}

/// What the parts of a mail hold.
#[derive(Default)]
struct Body {
    plain: Option<String>,
    html: Option<String>,
    more: Vec<String>,
    files: Vec<File>,
    charset: Option<String>,
}

impl Body {
    fn walk(&mut self, message: &Message<'_>, raw: &[u8], part: &MessagePart<'_>, around: Option<&str>) {
        let kind = part.content_type();
        let main = kind.map(|it| it.ctype().to_ascii_lowercase()).unwrap_or_default();
        let sub = kind.and_then(|it| it.subtype()).unwrap_or_default().to_ascii_lowercase();
        if let PartType::Multipart(children) = &part.body {
            for child in children.iter().filter_map(|it| message.parts.get(*it as usize)) {
                self.walk(message, raw, child, Some(&sub));
            }
            return;
        }
        let is_file = part.content_disposition().is_some_and(mail_parser::ContentType::is_attachment) || part.attachment_name().is_some();
        let is_text = kind.is_none() || main == "text" && matches!(sub.as_str(), "plain" | "html" | "") || main.is_empty();
        // One whose boundary never comes has no parts that could be told apart.
        if main == "multipart" {
            return;
        }
        if !is_text || is_file {
            return self.file(part, &main, &sub);
        }
        let label = kind.and_then(|it| it.attribute("charset"));
        if self.charset.is_none() {
            self.charset = label.map(str::to_owned);
        }
        let text = charset::decode(&content(raw, part), label).replace('\0', "").replace("\r\n", "\n");
        let is_alternative = around == Some("alternative");
        match sub.as_str() {
            "html" if self.html.is_none() => self.html = Some(text),
            "html" => {}
            _ if self.plain.is_none() => self.plain = Some(text),
            _ if !is_alternative && !text.trim().is_empty() => self.more.push(text.trim().to_owned()),
            _ => {}
        }
    }

    fn file(&mut self, part: &MessagePart<'_>, main: &str, sub: &str) {
        // What a report holds is told by the report.
        if self.files.len() < MOST_FILES {
            let name = part.attachment_name().map(words::encoded).map(|it| it.trim().to_owned()).filter(|it| !it.is_empty());
            let mime = (!main.is_empty()).then(|| if sub.is_empty() { main.to_owned() } else { format!("{main}/{sub}") });
            self.files.push(File { name, mime, size: part.len() });
        }
    }
}

/// A part's bytes without their transfer encoding.
fn content(raw: &[u8], part: &MessagePart<'_>) -> Vec<u8> {
    let range = part.offset_body as usize..(part.offset_end as usize).max(part.offset_body as usize);
    let encoded = raw.get(range).unwrap_or_default();
    let decoded = match part.encoding {
        Encoding::None => Some(encoded.to_vec()),
        Encoding::Base64 => base64_decode(encoded),
        Encoding::QuotedPrintable => quoted_printable_decode(encoded),
    };
    decoded.unwrap_or_else(|| part.contents().to_vec())
}
