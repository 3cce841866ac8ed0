//! Phone numbers in E.164, and whether one points at a person.

use rlibphonenumber::{PHONE_NUMBER_UTIL, PhoneNumber, PhoneNumberFormat, PhoneNumberType, Region};

/// A valid number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Phone {
    /// E.164 in the one form of countries that have several.
    pub value: String,
    /// E.164 of what was written, where that is another form: the one to show and to dial.
    pub written: Option<String>,
    /// What stands after the number (`доб. 123`, `ext 5`): the way to a person behind a switchboard.
    pub extension: Option<String>,
    /// Who answers.
    pub line: Line,
}

/// Who answers a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Line {
    /// A person: mobile, or a country where mobiles look like any other number.
    Personal,
    /// A household or an office.
    Landline,
    /// Nobody in particular: toll-free, premium, shared cost, a company's access number. No identity.
    Service,
}

/// Longest text that is looked at.
const LONGEST: usize = 64;

/// Reads a number as people of `region` (ISO 3166) write it; none of what is no valid number.
///
/// A `vouched` number comes from the vendor: digits alone are then tried as an international number too, since vendors leave out the plus.
#[must_use]
pub fn phone(text: &str, region: &str, vouched: bool) -> Option<Phone> {
    let text = text.trim();
    if text.len() > LONGEST || text.bytes().filter(u8::is_ascii_digit).count() < 7 {
        return None;
    }
    let home = region.parse::<Region>().ok();
    let bare = text.bytes().all(|it| it.is_ascii_digit());
    read(text, home).or_else(|| if vouched && bare { read(&format!("+{text}"), None) } else { None })
}

fn read(text: &str, home: Option<Region>) -> Option<Phone> {
    let (text, extension) = apart(text);
    let number = PhoneNumber::parse(brazil(text).or_else(|| mexico(text)).as_deref().unwrap_or(text), home).ok()?;
    let written = number.format_as(PhoneNumberFormat::E164).into_owned();
    let (written, number) = match brazil(&written) {
        Some(longer) => (longer.clone(), PhoneNumber::parse(&longer, None).ok()?),
        None => (written, number),
    };
    let line = match PHONE_NUMBER_UTIL.get_number_type(&number) {
        // No valid number: the library says so by its type, and asking once is half the work of asking twice.
        PhoneNumberType::Unknown => return None,
        PhoneNumberType::FixedLine => Line::Landline,
        PhoneNumberType::Mobile | PhoneNumberType::FixedLineOrMobile | PhoneNumberType::VoIP | PhoneNumberType::PersonalNumber => {
            Line::Personal
        }
        _ => Line::Service,
    };
    let value = one_form(&written);
    Some(Phone { written: value.is_some().then(|| written.clone()), value: value.unwrap_or(written), extension, line })
}

/// The number and what stands after it.
fn apart(text: &str) -> (&str, Option<String>) {
    const MARKS: &[&str] = &["доб", "вн.", "внутр", "ext", "x", "#", ";ext=", "эксt"];
    // Most numbers are nothing but a number.
    if text.bytes().all(|it| it.is_ascii_digit() || matches!(it, b'+' | b'-' | b'(' | b')' | b' ' | b'.')) {
        return (text, None);
    }
    let lower = text.to_lowercase();
    if lower.len() != text.len() {
        return (text, None);
    }
    let found = MARKS.iter().filter_map(|mark| lower.find(mark)).min();
    match found {
        Some(at) if text[..at].bytes().filter(u8::is_ascii_digit).count() >= 7 => {
            let digits: String = text[at..].chars().filter(char::is_ascii_digit).take(8).collect();
            (text[..at].trim_end_matches([' ', ',', '(', ';']), (!digits.is_empty()).then_some(digits))
        }
        _ => (text, None),
    }
}

/// A Brazilian mobile number as it was before it got its ninth digit (2012–2016), with that digit. `WhatsApp` still sends the short form.
fn brazil(text: &str) -> Option<String> {
    let digits: String = text.strip_prefix("+55")?.chars().filter(char::is_ascii_digit).collect();
    let old = digits.len() == 10 && matches!(digits.as_bytes()[2], b'6'..=b'9');
    old.then(|| format!("+55{}9{}", &digits[..2], &digits[2..]))
}

/// A Mexican mobile number without the 1 that was dialled before it until 2019. `WhatsApp` still sends it.
fn mexico(text: &str) -> Option<String> {
    let digits: String = text.strip_prefix("+52")?.chars().filter(char::is_ascii_digit).collect();
    (digits.len() == 11 && digits.starts_with('1')).then(|| format!("+52{}", &digits[1..]))
}

/// Leaves out digits that say no more than `mobile` and that half of the senders leave out: Argentina's 9. None: there are none.
fn one_form(e164: &str) -> Option<String> {
    (e164.len() == 14 && e164.starts_with("+549")).then(|| format!("+54{}", &e164[4..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(text: &str, region: &str) -> Option<String> {
        phone(text, region, false).map(|it| it.value)
    }

    #[test]
    fn one_phone_has_one_form() {
        for written in ["8 (912) 345-67-89", "+7 912 345-67-89", "79123456789", "9123456789", " +7(912)345 67 89 "] {
            assert_eq!(value(written, "RU").as_deref(), Some("+79123456789"), "{written}");
        }
        for written in ["+55 11 98765-4321", "+55 11 8765-4321", "(11) 98765-4321"] {
            assert_eq!(value(written, "BR").as_deref(), Some("+5511987654321"), "{written}");
        }
        for written in ["+54 9 11 2345-6789", "+54 11 2345-6789", "011 15-2345-6789"] {
            assert_eq!(value(written, "AR").as_deref(), Some("+541123456789"), "{written}");
        }
        for written in ["+52 1 55 1234 5678", "+52 55 1234 5678", "55 1234 5678"] {
            assert_eq!(value(written, "MX").as_deref(), Some("+525512345678"), "{written}");
        }
    }

    #[test]
    fn what_was_written_can_still_be_dialled() {
        let read = phone("+54 9 11 2345-6789", "AR", false).unwrap();
        assert_eq!((read.value.as_str(), read.written.as_deref()), ("+541123456789", Some("+5491123456789")));
        assert_eq!(phone("8 (912) 345-67-89", "RU", false).unwrap().written, None, "it is what is shown anyway");
    }

    #[test]
    fn digits_that_a_vendor_vouches_for_may_be_international() {
        assert_eq!(phone("4915123456789", "RU", true).unwrap().value, "+4915123456789");
        assert_eq!(phone("4915123456789", "RU", false), None);
    }

    #[test]
    fn an_extension_is_kept_apart() {
        for written in
            ["+7 495 123-45-67 доб. 12", "8 (495) 123 45 67 ext 12", "+74951234567,доб 12", "+7 495 123-45-67 x12", "+74951234567#12"]
        {
            let read = phone(written, "RU", false).unwrap();
            assert_eq!(
                (read.value.as_str(), read.extension.as_deref(), read.line),
                ("+74951234567", Some("12"), Line::Landline),
                "{written}"
            );
        }
    }

    #[test]
    fn what_is_no_phone_or_nobodys_points_at_nobody() {
        for written in ["112", "+7 (xxx) xxx-xx-xx", "", "00000000000", "12345", "anonymous", "0000000000"] {
            assert_eq!(phone(written, "RU", true), None, "{written}");
        }
        assert_eq!(phone("8 800 555-35-35", "RU", false).unwrap().line, Line::Service);
        assert_eq!(phone("+1 800 253 0000", "US", false).unwrap().line, Line::Service);
    }
}
