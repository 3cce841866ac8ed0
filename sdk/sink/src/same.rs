//! Whether two values mean the same, and how a value is remembered.

/// The digits of a phone.
#[must_use]
pub fn digits(text: &str) -> String {
    text.chars().filter(char::is_ascii_digit).collect()
}

/// Whether a number that a person typed is this number in E.164: equal digits, or the national form (at least nine digits behind the
/// country's code, with or without a trunk prefix 0 or 8).
#[must_use]
pub fn phones(e164: &str, typed: &str) -> bool {
    let (full, typed) = (digits(e164), digits(typed));
    let typed = typed.strip_prefix("00").unwrap_or(&typed);
    if full == typed {
        return true;
    }
    let national = |it: &str| it.len() >= 9 && full.len() > it.len() && full.len() - it.len() <= 3 && full.ends_with(it);
    national(typed) || typed.strip_prefix(['0', '8']).is_some_and(national)
}

/// Whether two texts are the same but for their case and the space around them: names, e-mail addresses.
#[must_use]
pub fn words(one: &str, other: &str) -> bool {
    one.trim().to_lowercase() == other.trim().to_lowercase()
}

/// A short fingerprint (FNV-1a, 16 hexadecimal digits): enough to see that a value changed, and not the value itself.
#[must_use]
pub fn print(text: &str) -> String {
    let hash = text.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    format!("{hash:016x}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_known_however_it_was_typed() {
        for typed in ["+7 912 345-67-89", "8 (912) 345-67-89", "9123456789", "79123456789", "007 912 345 67 89"] {
            assert!(phones("+79123456789", typed), "{typed}");
        }
        for typed in ["+7 812 345-67-89", "3456789", "23456789", "+1 912 345 6789", "", "+79123456789 ext 5"] {
            assert!(!phones("+79123456789", typed), "{typed}");
        }
        assert!(phones("+493012345678", "030 12345678"));
        assert!(!phones("+493012345678", "040 12345678"));
    }

    #[test]
    fn words_are_the_same_in_any_case_and_fingerprints_are_not() {
        assert!(words(" Anna@Example.com", "anna@example.COM ") && !words("anna", "anne"));
        assert_eq!(print(""), "cbf29ce484222325", "the offset of FNV-1a with 64 bits");
        assert_ne!(print("Roof"), print("roof"));
    }
}
