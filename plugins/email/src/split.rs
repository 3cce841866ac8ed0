//! A text told apart: what the writer says now, what is quoted, the signature.

/// The parts of a mail's text.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Parts<'a> {
    /// What the writer says now.
    pub reply: &'a str,
    /// Name and address under it.
    pub signature: &'a str,
    /// What is repeated of earlier mails.
    pub quote: &'a str,
}

/// Lines that stand over a mail that is repeated whole.
const ORIGINAL: [&str; 8] = [
    "-----original message",
    "----- original message",
    "-----исходное сообщение",
    "---------- forwarded message",
    "-------- forwarded message",
    "-------- пересылаемое сообщение",
    "---------- пересылаемое сообщение",
    "________________________________",
];

/// Tells a text apart. A quote that the writer answers line by line stays with the answer: only what stands at the end goes.
#[must_use]
pub fn split(text: &str) -> Parts<'_> {
    let lines: Vec<(usize, &str)> = text
        .split_inclusive('\n')
        .scan(0, |at, line| {
            let begin = *at;
            *at += line.len();
            Some((begin, line.trim_end()))
        })
        .collect();
    let quote_at = quote(&lines);
    let (head, quoted) = text.split_at(quote_at.unwrap_or(text.len()));
    let own: Vec<(usize, &str)> = lines.into_iter().take_while(|it| it.0 < head.len()).collect();
    // The line of two hyphens and a blank (RFC 3676, section 4.3), or without the blank, as many leave it out.
    let mark = own.iter().rposition(|it| matches!(it.1, "--" | "—" | "__"));
    let mobile = own.iter().rposition(|it| {
        let line = it.1.trim_start().to_lowercase();
        ["sent from my ", "отправлено с ", "отправлено из ", "get outlook for ", "von meinem iphone"].iter().any(|it| line.starts_with(it))
    });
    let signature_at = mark.or(mobile).map_or(head.len(), |it| own[it].0);
    let (reply, signature) = head.split_at(signature_at);
    let (mut signature, mut quote) = (signature.trim(), quoted.trim());
    // A signature may also stand under the quote.
    if signature.is_empty()
        && let Some(at) = quoted.rfind("\n--\n").or_else(|| quoted.rfind("\n-- \n"))
        && !quoted[at + 3..].lines().any(|it| it.starts_with('>'))
    {
        (quote, signature) = (quoted[..at].trim(), quoted[at..].trim());
    }
    Parts { reply: reply.trim(), signature, quote }
}

/// Where the quote at the end begins.
fn quote(lines: &[(usize, &str)]) -> Option<usize> {
    for (number, (at, line)) in lines.iter().enumerate() {
        let lower = line.trim().to_lowercase();
        if ORIGINAL.iter().any(|it| lower.starts_with(it)) && number > 0 {
            return Some(*at);
        }
        let follows = |many: usize| lines[number + 1..].iter().filter(|it| !it.1.is_empty()).take(many).any(|it| it.1.starts_with('>'));
        // `On …, Anna wrote:` may take two or three lines.
        let introduces = |end: &str| {
            let end = end.trim_end().to_lowercase();
            end.ends_with("wrote:")
                || end.ends_with("писал:")
                || end.ends_with("писала:")
                || end.ends_with("пишет:")
                || end.ends_with("написал:")
                || end.ends_with("написал(а):")
                || end.ends_with("schrieb:")
                || end.ends_with("a écrit :")
                || end.ends_with("escribió:")
        };
        let begins =
            ["on ", "am ", "le ", "el "].iter().any(|it| lower.starts_with(it)) || lower.starts_with(|it: char| it.is_ascii_digit());
        let within = (0..3).any(|more| lines.get(number + more).is_some_and(|it| introduces(it.1)));
        if (introduces(line) || begins && within) && (follows(4) || number + 1 < lines.len()) {
            return Some(*at);
        }
        if line.starts_with('>') && lines[number..].iter().all(|it| it.1.is_empty() || it.1.starts_with('>')) {
            return Some(*at);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reply_signature_and_quote_are_told_apart() {
        let parts = |text: &'static str| {
            let it = split(text);
            (it.reply, it.signature, it.quote)
        };
        assert_eq!(
            parts("Yes\n\nOn Thu, Aug 19, 2021 at 2:07 PM T <\nt@chatwoot.com> wrote:\n\n> Any update?\n>\n\n--\n* Sony*\nMob:9999"),
            ("Yes", "--\n* Sony*\nMob:9999", "On Thu, Aug 19, 2021 at 2:07 PM T <\nt@chatwoot.com> wrote:\n\n> Any update?\n>"),
        );
        assert_eq!(parts("testing\n\n-- \nhttp://x/\nRails"), ("testing", "-- \nhttp://x/\nRails", ""));
        assert_eq!(parts("Да\n\n12.03.2026 10:00, Анна пишет:\n> Когда?"), ("Да", "", "12.03.2026 10:00, Анна пишет:\n> Когда?"));
        assert_eq!(parts("> one?\nyes\n> two?\nno"), ("> one?\nyes\n> two?\nno", "", ""));
        assert_eq!(parts("Ok\n-----Original Message-----\nFrom: a"), ("Ok", "", "-----Original Message-----\nFrom: a"));
        assert_eq!(parts("Call me\n\nSent from my iPhone"), ("Call me", "Sent from my iPhone", ""));
        assert_eq!(parts("just a text"), ("just a text", "", ""));
        assert_eq!(parts(""), ("", "", ""));
    }
}
