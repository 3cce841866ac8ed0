//! Values: what looks like a phone, an e-mail address, a name, an agreement, or like nothing.

use crate::words::{NO, PLACEHOLDERS};

/// True for what a page or a template leaves where nobody typed: `<string>`, `[your-name]`, `{{name}}`.
#[must_use]
pub fn is_placeholder(text: &str) -> bool {
    let text = text.trim();
    let wrapped = |open: &str, close: &str| text.starts_with(open) && text.ends_with(close);
    text.is_empty()
        || (!text.contains(char::is_whitespace) && (wrapped("<", ">") || wrapped("[", "]") || (text.len() > 2 && wrapped("%", "%"))))
        || wrapped("{{", "}}")
        || wrapped("${", "}")
        || PLACEHOLDERS.contains(&text.to_lowercase().as_str())
}

/// The phones in a field that is called phone: usually one, several when they are listed.
#[must_use]
pub fn phones(text: &str) -> Vec<&str> {
    if text.contains("://") {
        return Vec::new();
    }
    if is_phone(text) && digits(text) <= 15 {
        return vec![text.trim()];
    }
    let parts: Vec<&str> = text.split([',', ';', '/', '\n']).map(str::trim).filter(|it| is_phone(it)).collect();
    if parts.is_empty() && is_phone(text) { vec![text.trim()] } else { parts }
}

/// Five digits at least, and no mask that was left unfilled: `+7 (xxx) xxx-xx-xx`, `+7 (9__) ___`.
fn is_phone(text: &str) -> bool {
    let letters = text.chars().filter(|it| it.is_alphabetic()).count();
    (5..=20).contains(&digits(text)) && letters <= 12 && !text.contains(['_', '#', '@', '{', '<']) && !text.to_lowercase().contains("xx")
}

/// A phone by its look alone, in a field whose name says nothing.
#[must_use]
pub fn looks_like_phone(text: &str) -> bool {
    let text = text.trim();
    if !text.chars().all(|it| it.is_ascii_digit() || "+()- .\u{a0}".contains(it)) {
        return false;
    }
    let count = digits(text);
    let formatted = text.contains('(') && text.contains(')');
    match text.chars().next() {
        Some('+') => (10..=15).contains(&count) && text.matches('+').count() == 1,
        Some('7' | '8') if count == 11 => {
            !text.contains('.') && text.chars().filter(char::is_ascii_digit).nth(1).is_some_and(|it| "3489".contains(it))
        }
        _ => formatted && (10..=13).contains(&count),
    }
}

fn digits(text: &str) -> usize {
    text.chars().filter(char::is_ascii_digit).count()
}

/// One address and nothing else.
#[must_use]
pub fn is_email(text: &str) -> bool {
    let text = text.trim();
    let Some((local, domain)) = text.split_once('@') else { return false };
    let clean = |it: &str| !it.is_empty() && !it.contains(|c: char| c.is_whitespace() || "@,;<>()[]{}\"/".contains(c));
    clean(local) && clean(domain) && domain.contains('.') && !domain.starts_with('.') && !domain.ends_with('.') && text.len() <= 254
}

/// Something that a person may be called.
#[must_use]
pub fn is_name(text: &str) -> bool {
    let text = text.trim();
    text.chars().any(char::is_alphabetic)
        && text.chars().count() <= 120
        && !text.contains("://")
        && !is_email(text)
        && !is_placeholder(text)
        && !matches!(text.to_lowercase().as_str(), "true" | "false" | "on" | "yes")
}

/// What a ticked, filled or chosen answer to a question of consent means.
#[must_use]
pub fn agrees(text: &str) -> bool {
    !NO.contains(&text.trim().to_lowercase().as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mask_or_a_template_is_no_phone() {
        for text in [
            "+7 (xxx) xxx-xx-xx",
            "+7 (9__) ___-__-__",
            "<string>",
            "[your-phone]",
            "123",
            "",
            "https://example.com/1234567",
            "anna@example.com",
        ] {
            assert!(phones(text).is_empty(), "{text}");
        }
        for text in ["+7 (912) 345-67-89", "8 912 345 67 89", "15550000000", "+123456789", "(555) 123-4567 ext. 12", "тел. 345-67-89"] {
            assert_eq!(phones(text), vec![text], "{text}");
        }
        assert_eq!(phones("+79261112233,+79221112233"), vec!["+79261112233", "+79221112233"]);
    }

    #[test]
    fn numbers_that_are_no_phones_do_not_look_like_one() {
        for text in ["2024-01-15 10:30", "192.168.1.1", "01135299455", "2130706433", "12345678901", "100.00", "+7", "5308741572752112119"] {
            assert!(!looks_like_phone(text), "{text}");
        }
        for text in ["+7 912 345-67-89", "89123456789", "(555) 123-4567", "+380441234567"] {
            assert!(looks_like_phone(text), "{text}");
        }
    }

    #[test]
    fn an_address_stands_alone() {
        assert!(is_email(" anna@example.com "));
        for text in
            ["[email protected]", "anna@", "@example.com", "anna@localhost", "mail anna@example.com", "https://u@example.com/", "a@b@c.de"]
        {
            assert!(!is_email(text), "{text}");
        }
    }

    #[test]
    fn templates_are_no_names() {
        for text in ["<string>", "{{ name }}", "[your-name]", "null", "12345", "https://x.y", "on"] {
            assert!(!is_name(text), "{text}");
        }
        for text in ["Имя", "John Doe", "O'Neil", "李"] {
            assert!(is_name(text), "{text}");
        }
    }
}
