//! Plain text in the BB code of Bitrix24's timeline and chats.

/// Appends a text in which nothing is taken for a code: what looks like one gets an invisible character.
pub fn push(code: &mut String, text: &str) {
    let mut rest = text.chars().filter(|it| *it != '\r').peekable();
    while let Some(it) = rest.next() {
        code.push(it);
        if it == '[' && rest.peek().is_some_and(|it| *it == '/' || *it == '*' || it.is_ascii_alphabetic()) {
            code.push('\u{200b}');
        }
    }
}

/// Appends a line `label: text`, where there is a text.
pub fn line(code: &mut String, label: &str, text: &str) {
    if !text.trim().is_empty() {
        if !code.is_empty() {
            code.push('\n');
        }
        push(code, label);
        code.push_str(": ");
        push(code, text.trim());
    }
}

/// The text without its codes; `[br]` is a line break.
#[must_use]
pub fn plain(code: &str) -> String {
    let mut text = String::with_capacity(code.len());
    let mut rest = code;
    while let Some(at) = rest.find('[') {
        text.push_str(&rest[..at]);
        rest = &rest[at..];
        let Some(end) = rest.find(']').filter(|it| is_tag(&rest[1..*it])) else {
            text.push('[');
            rest = &rest[1..];
            continue;
        };
        if rest[1..end].trim_end_matches('/').eq_ignore_ascii_case("br") {
            text.push('\n');
        }
        rest = &rest[end + 1..];
    }
    text.push_str(rest);
    text.trim().to_owned()
}

/// The codes that Bitrix24's chats know: <https://apidocs.bitrix24.ru/api-reference/chats/messages/formatting.html>.
fn is_tag(inside: &str) -> bool {
    let name = inside.trim_start_matches('/');
    let name = name.split(['=', ' ', '/']).next().unwrap_or("");
    [
        "b",
        "i",
        "u",
        "s",
        "br",
        "url",
        "user",
        "chat",
        "img",
        "icon",
        "code",
        "quote",
        "color",
        "size",
        "send",
        "put",
        "call",
        "context",
        "timestamp",
        "disk",
        "p",
        "list",
    ]
    .iter()
    .any(|it| it.eq_ignore_ascii_case(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_go_and_what_people_wrote_stays() {
        assert_eq!(plain("[b]Светлана:[/b] [br]Добрый день!"), "Светлана: \nДобрый день!");
        assert_eq!(plain("[USER=571]Bot[/USER], [url=https://e.com/a]here[/url] [1] and [not a tag] ["), "Bot, here [1] and [not a tag] [");
        assert_eq!(plain("[b"), "[b");
        let mut code = String::new();
        push(&mut code, "[img]x[/img] [1]\r\n");
        assert_eq!(code, "[\u{200b}img]x[\u{200b}/img] [1]\n");
        assert_eq!(plain(&code), "[\u{200b}img]x[\u{200b}/img] [1]");
    }
}
