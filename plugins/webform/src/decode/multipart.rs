//! `multipart/form-data`: texts become fields, files become attachments without their bytes.

use patchbay_sdk::Failure;
use patchbay_sdk::schemas::{Attachment, Extra};

use super::{MOST_FIELDS, charset, find, urlencoded};
use crate::field::attachment;

/// Reads a whole body.
pub fn decode(content_type: &str, body: &[u8]) -> Result<(Extra, Vec<Attachment>), Failure> {
    let boundary = parameter(content_type, "boundary").or_else(|| first_line(body));
    let boundary = boundary.filter(|it| !it.is_empty() && it.len() <= 200);
    let Some(boundary) = boundary else { return Err(Failure::never("body.multipart", "the multipart body has no boundary")) };
    let mark = [b"--".as_slice(), boundary.as_bytes()].concat();
    let mut texts: Vec<(String, String)> = Vec::new();
    let mut files = Vec::new();
    let Some(start) = find(body, &mark) else {
        return Err(Failure::never("body.multipart", "the multipart body does not hold its boundary"));
    };
    let mut rest = &body[start + mark.len()..];
    let inner = [b"\r\n".as_slice(), &mark].concat();
    while !rest.starts_with(b"--") && texts.len() + files.len() <= MOST_FIELDS {
        rest = after_line_end(rest);
        let Some(end) = find(rest, &inner).map(|it| (it, inner.len())).or_else(|| find(rest, &mark).map(|it| (it, mark.len()))) else {
            return Err(Failure::never("body.multipart", "the multipart body ends before its last boundary"));
        };
        part(&rest[..end.0], &mut texts, &mut files);
        rest = &rest[end.0 + end.1..];
    }
    Ok((urlencoded::tree(texts.into_iter())?, files))
}

fn part(part: &[u8], texts: &mut Vec<(String, String)>, files: &mut Vec<Attachment>) {
    let split = find(part, b"\r\n\r\n").map(|it| (it, 4)).or_else(|| find(part, b"\n\n").map(|it| (it, 2)));
    let Some((end, gap)) = split else { return };
    let head = charset::text(&part[..end]);
    let content = &part[end + gap..];
    let header = |name: &str| {
        head.lines().filter_map(|it| it.split_once(':')).find(|it| it.0.trim().eq_ignore_ascii_case(name)).map(|it| it.1.trim().to_owned())
    };
    let Some(disposition) = header("content-disposition") else { return };
    let name = parameter(&disposition, "name").unwrap_or_default();
    match parameter(&disposition, "filename*").map(|it| extended(&it)).or_else(|| parameter(&disposition, "filename")) {
        // A file input that was left empty.
        Some(file) if file.is_empty() && content.is_empty() => {}
        Some(file) => files.push(attachment(Some(&file), header("content-type").as_deref(), u64::try_from(content.len()).ok(), None)),
        None => texts.push((name, charset::text(content))),
    }
}

/// A parameter of a header's value: `form-data; name="a"; filename="b.pdf"`.
fn parameter(header: &str, wanted: &str) -> Option<String> {
    let mut rest = header.split_once(';')?.1;
    loop {
        let (name, value) = rest.split_once('=')?;
        let (value, after) = value_of(value.trim_start());
        if name.trim().eq_ignore_ascii_case(wanted) {
            return Some(value);
        }
        rest = after.split_once(';')?.1;
    }
}

/// A quoted or bare value and what follows it.
fn value_of(text: &str) -> (String, &str) {
    let Some(quoted) = text.strip_prefix('"') else {
        let end = text.find(';').unwrap_or(text.len());
        return (text[..end].trim().to_owned(), &text[end..]);
    };
    let mut value = String::new();
    let mut chars = quoted.char_indices();
    while let Some((at, it)) = chars.next() {
        match it {
            '"' => return (value, &quoted[at + 1..]),
            // Only a quote is escaped: browsers on Windows send plain backslashes.
            '\\' if quoted[at + 1..].starts_with('"') => value.extend(chars.next().map(|it| it.1)),
            it => value.push(it),
        }
    }
    (value, "")
}

/// `UTF-8''%D0%90.pdf`
fn extended(value: &str) -> String {
    urlencoded::decode(value.rsplit('\'').next().unwrap_or_default().replace('+', "%2B").as_bytes())
}

fn first_line(body: &[u8]) -> Option<String> {
    let line = body.split(|it| matches!(it, b'\r' | b'\n')).find(|it| !it.is_empty())?;
    line.strip_prefix(b"--").map(charset::text)
}

fn after_line_end(body: &[u8]) -> &[u8] {
    body.strip_prefix(b"\r\n").or_else(|| body.strip_prefix(b"\n")).unwrap_or(body)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    const BODY: &str = "--XX\r\nContent-Disposition: form-data; name=\"name\"\r\n\r\nАнна\r\n--XX\r\nContent-Disposition: form-data; name=\"data[phone]\"\r\n\r\n+7 912\r\n345\r\n--XX\r\nContent-Disposition: form-data; name=\"cv\"; filename=\"my \\\"cv\\\".pdf\"\r\nContent-Type: application/pdf\r\n\r\n%PDF-\u{1}\r\n--XX\r\nContent-Disposition: form-data; name=\"photo\"; filename=\"\"\r\nContent-Type: application/octet-stream\r\n\r\n\r\n--XX--\r\n";

    #[test]
    fn texts_are_fields_and_files_are_attachments() {
        for content_type in
            ["multipart/form-data; boundary=XX", "multipart/form-data; charset=utf-8; boundary=\"XX\"", "multipart/form-data"]
        {
            let (fields, files) = decode(content_type, BODY.as_bytes()).expect("a whole body");
            assert_eq!(Value::Object(fields), json!({"name": "Анна", "data": {"phone": "+7 912\r\n345"}}), "{content_type}");
            let found: Vec<_> = files.iter().map(|it| (it.name.as_deref(), it.mime.as_deref(), it.size)).collect();
            assert_eq!(found, vec![(Some("my \"cv\".pdf"), Some("application/pdf"), Some(6))]);
        }
    }

    #[test]
    fn a_torn_body_is_refused() {
        for body in ["--XX\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\nb", "nothing", ""] {
            assert_eq!(decode("multipart/form-data; boundary=XX", body.as_bytes()).unwrap_err().code, "body.multipart", "{body}");
        }
    }

    #[test]
    fn names_of_files_in_utf_8_are_read() {
        assert_eq!(
            parameter("form-data; name=a; filename*=UTF-8''%D0%90+.pdf", "filename*").map(|it| extended(&it)).as_deref(),
            Some("А+.pdf")
        );
    }
}
