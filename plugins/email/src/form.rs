//! Forms of a web site that arrive as mail: `Name: Anna`, line by line, sent by a program.

use patchbay_sdk::schemas::{Identity, Name, Person};

use crate::address;
use crate::letter::{Automatic, Letter};

/// A form that was found in a mail.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Form {
    /// Labels and values as they stand.
    pub fields: Vec<(String, String)>,
    /// Who filled it in.
    pub person: Person,
    /// What was written into it.
    pub text: Option<String>,
    /// The page that it stood on.
    pub page: Option<String>,
}

/// What a label asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Asks {
    Name,
    Phone,
    Email,
    Text,
    Company,
    City,
    Page,
}

/// Labels by what they ask for, in small letters; a label that begins so asks for it.
const LABELS: [(Asks, &[&str]); 7] = [
    (
        Asks::Name,
        &[
            "name",
            "your name",
            "full name",
            "first name",
            "contact name",
            "имя",
            "ваше имя",
            "фио",
            "ф.и.о",
            "контактное лицо",
            "nombre",
            "nom",
        ],
    ),
    (
        Asks::Phone,
        &[
            "phone",
            "your phone",
            "telephone",
            "tel",
            "mobile",
            "телефон",
            "ваш телефон",
            "номер телефона",
            "тел",
            "контактный телефон",
            "teléfono",
            "telefon",
        ],
    ),
    (Asks::Email, &["email", "e-mail", "your email", "mail", "почта", "эл. почта", "электронная почта", "емейл", "correo"]),
    (
        Asks::Text,
        &["message", "your message", "comment", "question", "сообщение", "комментарий", "вопрос", "текст", "mensaje", "nachricht"],
    ),
    (Asks::Company, &["company", "organization", "компания", "организация"]),
    (Asks::City, &["city", "town", "город"]),
    (Asks::Page, &["page", "url", "referer", "referrer", "страница", "страница отправки"]),
];

/// Names that programs send under.
const ROBOTS: [&str; 12] = [
    "noreply",
    "no-reply",
    "no_reply",
    "donotreply",
    "do-not-reply",
    "wordpress",
    "form",
    "forms",
    "robot",
    "www-data",
    "site",
    "notification",
];

/// The form in a mail. Only a program's mail is taken for one: people write lists, too. `senders` are addresses that send nothing else.
#[must_use]
pub fn find(letter: &Letter, senders: &[String]) -> Option<Form> {
    let from = letter.from_address().to_ascii_lowercase();
    let user = from.split('@').next().unwrap_or_default();
    let is_named = senders.iter().any(|it| it.eq_ignore_ascii_case(&from));
    let is_robot = ROBOTS.iter().any(|it| user == *it || user.starts_with(&format!("{it}-")) || user.starts_with(&format!("{it}+")));
    let by_program =
        letter.mailer.as_deref().is_some_and(|it| it.to_ascii_lowercase().contains("php")) || letter.automatic == Some(Automatic::Bulk);
    if !(is_named || is_robot || by_program && letter.reply_to.is_some()) {
        return None;
    }
    let fields = fields(letter.text.as_deref()?);
    let value = |asks: Asks| fields.iter().find(|(label, _)| what(label) == Some(asks)).map(|it| it.1.clone());
    let own = |it: &str| it.eq_ignore_ascii_case(&from);
    let reply_to = letter.reply_to.as_ref().and_then(|it| it.address.clone()).filter(|it| !own(it));
    let email = reply_to.or_else(|| value(Asks::Email).filter(|it| address::is_address(it)));
    let phone = value(Asks::Phone).filter(|it| it.chars().filter(char::is_ascii_digit).count() >= 5);
    let known = fields.iter().filter(|(label, _)| what(label).is_some()).count();
    if known < 2 || email.is_none() && phone.is_none() {
        return None;
    }
    let phone = phone.map(|it| Identity::phone(it).stated());
    let email = email.map(|it| Identity::email(it).stated());
    let person = Person {
        identities: phone.into_iter().chain(email).collect(),
        name: value(Asks::Name).map(Name::full).unwrap_or_default(),
        company: value(Asks::Company),
        city: value(Asks::City),
        ..Person::default()
    };
    let page = value(Asks::Page).filter(|it| it.starts_with("http"));
    Some(Form { text: value(Asks::Text), page, person, fields })
}

/// Labels with their values; a line without a label goes on with the value before.
fn fields(text: &str) -> Vec<(String, String)> {
    let mut found: Vec<(String, String)> = Vec::new();
    for line in text.lines().map(str::trim) {
        if matches!(line, "--" | "---") {
            break;
        }
        let labelled = line.split_once(':').filter(|(label, rest)| {
            let length = label.chars().count();
            (1..=40).contains(&length) && !rest.starts_with("//") && label.chars().any(char::is_alphabetic)
        });
        match (labelled, found.last_mut()) {
            (Some((label, value)), _) => found.push((label.trim().to_owned(), value.trim().to_owned())),
            (None, Some((label, value))) if !line.is_empty() && (value.is_empty() || what(label) == Some(Asks::Text)) => {
                if !value.is_empty() {
                    value.push('\n');
                }
                value.push_str(line);
            }
            _ => {}
        }
    }
    found.retain(|it| !it.1.is_empty());
    found
}

fn what(label: &str) -> Option<Asks> {
    let label = label.trim().trim_end_matches('*').trim().to_lowercase();
    LABELS.iter().find(|(_, words)| words.contains(&label.as_str())).map(|it| it.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::address::Address;

    fn letter(from: &str, text: &str) -> Letter {
        let from = Address { name: None, address: Some(from.to_owned()) };
        Letter { from, text: Some(text.to_owned()), ..Letter::default() }
    }

    #[test]
    fn a_form_is_found_in_a_programs_mail_and_in_no_other() {
        let text = "Новая заявка\n\nИмя: Анна\nТелефон: 8 912 345-67-89\nE-mail: anna@example.com\nКомментарий: Сколько стоит\nдоставка?\n\n--\nСайт";
        let form = find(&letter("noreply@shop.example", text), &[]).unwrap();
        assert_eq!(form.person.name.full.as_deref(), Some("Анна"));
        assert_eq!(form.person.identities.iter().map(|it| it.value.as_str()).collect::<Vec<_>>(), ["8 912 345-67-89", "anna@example.com"]);
        assert_eq!(form.text.as_deref(), Some("Сколько стоит\nдоставка?"));
        assert_eq!(find(&letter("anna@example.com", text), &[]), None);
        assert!(find(&letter("anna@example.com", text), &["Anna@example.com".to_owned()]).is_some());
        assert_eq!(find(&letter("noreply@shop.example", "Your parcel: 12\nTotal: 30"), &[]), None);
    }

    #[test]
    fn who_wants_the_answer_filled_it_in() {
        let mut it = letter("wordpress@shop.example", "Name: Anna\nMessage: Hello");
        it.reply_to = Some(Address { name: None, address: Some("anna@example.com".to_owned()) });
        assert_eq!(find(&it, &[]).unwrap().person.identities[0].value, "anna@example.com");
    }
}
