//! Phones, mail addresses and handles out of what people write: claims weaker than what a vendor vouches for.
//!
//! ```text
//! text ─ own (quotes, forwarded parts and cards cut off) ─► lines ─ scan ─► claims
//! ```
//! A number in a quoted part, in a forwarded message or on somebody else's card says nothing of the sender. Nor does one of which the sender says
//! that it is another's (`номер мужа`, `my wife's number`), or that it is no phone (a card, an account, an order).

mod own;
mod scan;

pub use own::own;

/// What was written down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Medium {
    /// A chat message or a comment.
    Message,
    /// A mail: quotes, and a signature.
    Mail,
    /// A message that was forwarded, or a contact card: it holds nothing of the sender's own.
    Forwarded,
}

/// What somebody wrote of themselves, normalised.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Claim {
    /// E.164.
    Phone(String),
    /// A mail address.
    Email(String),
    /// `scope:@name`.
    Username(String),
}

/// Longest text that is looked at, in bytes.
const LONGEST: usize = 64 * 1024;
/// Most claims of one text: who writes more is sending a list.
const MOST: usize = 5;

/// What the writer of `text` says of their own phones, addresses and handles; `region` is that of phones without a country code.
#[must_use]
pub fn claims(text: &str, medium: Medium, region: &str) -> Vec<Claim> {
    if medium == Medium::Forwarded || !may_hold(text) {
        return Vec::new();
    }
    let end = (0..=text.len().min(LONGEST)).rev().find(|it| text.is_char_boundary(*it)).unwrap_or(0);
    let mut found = Vec::new();
    for line in own(&text[..end], medium) {
        scan::scan(line, region, &mut found);
    }
    found.sort();
    found.dedup();
    if found.len() > MOST { Vec::new() } else { found }
}

/// Fewest digits of a phone in a text.
const FEWEST_DIGITS: usize = 10;

/// False of a text in which no phone, address or handle can stand. Nearly every message is such a one, and a look costs less than reading it.
fn may_hold(text: &str) -> bool {
    let mut digits = 0;
    text.bytes().any(|it| {
        digits += usize::from(it.is_ascii_digit());
        matches!(it, b'@' | b'/') || digits >= FEWEST_DIGITS
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn phone(it: &str) -> Claim {
        Claim::Phone(it.into())
    }

    fn email(it: &str) -> Claim {
        Claim::Email(it.into())
    }

    #[test]
    fn what_people_write_of_themselves_is_found() {
        for (text, is) in [
            ("Здравствуйте! Перезвоните мне: 8 (912) 345-67-89, Анна", vec![phone("+79123456789")]),
            ("мой номер 89123456789 или +7 903 111-22-33.", vec![phone("+79031112233"), phone("+79123456789")]),
            ("Пишите на Anna.Petrova@Gmail.com, спасибо", vec![email("annapetrova@gmail.com")]),
            ("telegram: @anna_petrova", vec![Claim::Username("telegram:@anna_petrova".into())]),
            (
                "я в тг @Anna_P и https://t.me/anna_work",
                vec![Claim::Username("telegram:@anna_p".into()), Claim::Username("telegram:@anna_work".into())],
            ),
            ("https://wa.me/79123456789", vec![phone("+79123456789")]),
            ("call me: +1 (415) 555-2671", vec![phone("+14155552671")]),
        ] {
            assert_eq!(claims(text, Medium::Message, "RU"), is, "{text}");
        }
    }

    #[test]
    fn what_is_no_contact_is_left_alone() {
        for text in [
            "Заказ № 89123456789 не пришёл",
            "карта 2202 2036 1234 5678",
            "ИНН 771234567890, р/с 40702810900000012345",
            "Позвоните мужу, его номер 89123456789",
            "my wife's number is +1 415 555 2671",
            "с 10.00 до 20.00, 12.03.2026, цена 1 200 000",
            "@channel, спасибо",
            "8 800 555-35-35",
            "BEGIN:VCARD\nTEL:+79123456789\nEND:VCARD",
            "> мой номер 89123456789",
        ] {
            assert_eq!(claims(text, Medium::Message, "RU"), [], "{text}");
        }
        assert_eq!(claims("мой номер 89123456789", Medium::Forwarded, "RU"), []);
    }

    #[test]
    fn a_signature_speaks_of_the_sender_and_a_quote_does_not() {
        let mail = "Добрый день, пришлите прайс.\n\n-- \nАнна Петрова\nООО Ромашка\nтел. +7 912 345-67-89 доб. 5\nanna@romashka.ru\n\n\
            пн, 2 нояб. 2026 г. в 10:00, Иван Сидоров <ivan@shop.ru>:\n> Звоните: +7 903 111-22-33\n";
        assert_eq!(claims(mail, Medium::Mail, "RU"), [phone("+79123456789"), email("anna@romashka.ru")]);
        for divider in [
            "-----Original Message-----",
            "On Mon, Nov 2, 2026 at 10:00 AM Ivan <ivan@shop.ru> wrote:",
            "---------- Forwarded message ---------",
            "-------- Пересылаемое сообщение --------",
            "From: Ivan <ivan@shop.ru>\nSent: Monday",
            "От: Иван <ivan@shop.ru>\nОтправлено: понедельник",
            "02.11.2026 10:00, Иван Сидоров пишет:",
        ] {
            let mail = format!("Спасибо!\n{divider}\nтел. +7 903 111-22-33, ivan@shop.ru");
            assert_eq!(claims(&mail, Medium::Mail, "RU"), [], "{divider}");
        }
    }
}
