//! The text of an HTML mail, for mails that have no other.

use mail_parser::decoders::html::html_to_text;

/// Elements that begin a line of their own.
const BLOCKS: [&str; 22] = [
    "p",
    "div",
    "br",
    "tr",
    "table",
    "li",
    "ul",
    "ol",
    "h1",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
    "blockquote",
    "hr",
    "pre",
    "section",
    "article",
    "header",
    "footer",
    "td",
];

/// Visible text: line breaks where blocks begin, no styles, no scripts, no comments.
#[must_use]
pub fn text(html: &str) -> String {
    let mut out = String::with_capacity(html.len());
    let mut rest = html;
    while let Some(at) = rest.find('<') {
        push(&mut out, &rest[..at]);
        rest = &rest[at..];
        if let Some(comment) = rest.strip_prefix("<!--") {
            rest = comment.find("-->").map_or("", |end| &comment[end + 3..]);
            continue;
        }
        // A `<` that begins no tag is text.
        if !rest[1..].starts_with(|it: char| it.is_ascii_alphabetic() || matches!(it, '/' | '!' | '?')) {
            out.push('<');
            rest = &rest[1..];
            continue;
        }
        let Some(end) = rest.find('>') else { return tidy(&out) };
        let inside = &rest[1..end];
        rest = &rest[end + 1..];
        let name: String = inside.trim_start_matches('/').chars().take_while(char::is_ascii_alphanumeric).collect();
        let name = name.to_ascii_lowercase();
        if matches!(name.as_str(), "style" | "script" | "head" | "title" | "template") && !inside.starts_with('/') {
            let closing = format!("</{name}");
            let found =
                rest.char_indices().find(|(at, _)| rest.get(*at..at + closing.len()).is_some_and(|it| it.eq_ignore_ascii_case(&closing)));
            rest = found.map_or("", |(at, _)| rest[at..].find('>').map_or("", |end| &rest[at + end + 1..]));
        } else if BLOCKS.contains(&name.as_str()) {
            out.push('\n');
        }
    }
    push(&mut out, rest);
    tidy(&out)
}

/// Text between tags: its line breaks are blanks, its entities letters.
fn push(out: &mut String, text: &str) {
    if text.is_empty() {
        return;
    }
    let (lead, trail) = (text.starts_with(char::is_whitespace), text.ends_with(char::is_whitespace));
    if lead {
        out.push(' ');
    }
    out.push_str(&if text.contains('&') { html_to_text(text) } else { text.split_whitespace().collect::<Vec<_>>().join(" ") });
    if trail {
        out.push(' ');
    }
}

fn tidy(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut blank = 0;
    for line in text.lines().map(|it| it.split_whitespace().collect::<Vec<_>>().join(" ")) {
        blank = if line.is_empty() { blank + 1 } else { 0 };
        if blank < 2 && !(line.is_empty() && out.is_empty()) {
            out.push_str(&line);
            out.push('\n');
        }
    }
    out.trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_seen_is_the_text() {
        let page = "<html><head><title>t</title><style>p{}</style></head><body><p>Hello&nbsp;&amp; <b>wel</b>come</p><!-- no -->\
                    <div>2 < 3<br>end</div><script>x()</script></body></html>";
        assert_eq!(text(page), "Hello & welcome\n\n2 < 3\nend");
        assert_eq!(text("no tags at all"), "no tags at all");
        assert_eq!(text("<p unclosed"), "");
    }
}
