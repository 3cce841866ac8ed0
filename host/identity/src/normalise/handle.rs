//! Ids of messenger accounts. They point at a person within the account that issued them, and nowhere else.

/// What an id of a messenger is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Handle {
    /// The vendor's own id of an account (Telegram's number, WhatsApp's BSUID or `@lid`, a Viber id of one bot). It never changes.
    Account(String),
    /// A name that its owner can give up and somebody else can take (Telegram's @name): weak.
    Username(String),
    /// It is a phone number in disguise (`79123456789@s.whatsapp.net`).
    Phone(String),
}

/// Longest id.
const LONGEST: usize = 512;
/// Ends of ids that hold a phone number.
const PHONE_SUFFIXES: &[&str] = &["@s.whatsapp.net", "@c.us"];

/// What `text` is as an id that `scope` issued: a vendor (`telegram`), or one connection where the vendor gives every bot ids of its own.
#[must_use]
pub fn handle(scope: &str, text: &str) -> Option<Handle> {
    let text = text.trim();
    if text.is_empty() || text.len() > LONGEST {
        return None;
    }
    for suffix in PHONE_SUFFIXES {
        if let Some(digits) = text.strip_suffix(suffix).map(|it| it.split(':').next().unwrap_or(it))
            && !digits.is_empty()
            && digits.bytes().all(|it| it.is_ascii_digit())
        {
            return Some(Handle::Phone(format!("+{digits}")));
        }
    }
    Some(match text.strip_prefix('@') {
        Some(name) if !name.is_empty() => Handle::Username(format!("{scope}:@{}", name.to_lowercase())),
        Some(_) => return None,
        None => Handle::Account(format!("{scope}:{text}")),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_belongs_to_its_scope() {
        assert_eq!(handle("telegram", " 42 "), Some(Handle::Account("telegram:42".into())));
        assert_ne!(handle("cxn_1", "42"), handle("cxn_2", "42"));
        assert_eq!(handle("telegram", "@Anna"), Some(Handle::Username("telegram:@anna".into())));
        assert_eq!(handle("whatsapp", "79123456789:3@s.whatsapp.net"), Some(Handle::Phone("+79123456789".into())));
        assert_eq!(handle("whatsapp", "123456@lid"), Some(Handle::Account("whatsapp:123456@lid".into())));
        assert_eq!(handle("whatsapp", " "), None);
        assert_eq!(handle("telegram", "@"), None);
    }
}
