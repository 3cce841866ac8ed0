//! Which claim is shown where sources say different things of one person. It is decided on reading, so that a merge changes nothing.
//!
//! What is pinned by hand comes first, then what the most trusted source says; of a name then the fullest, and of everything the newest. A name that people
//! of a CRM typed over the one that they were shown answers all that was said before, however full that is.

use std::cmp::Ordering;

use patchbay_schemas::Timestamp;

/// A value, and when its source said it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// As it was said.
    pub value: String,
    /// How far its source is trusted: 0 most.
    pub trust: usize,
    /// The source's time.
    pub said_at: Timestamp,
    /// People of a CRM said so, who had before them what was shown then.
    pub corrects: bool,
}

/// What a person is shown with, of which sources make claims.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Shown {
    /// The name.
    Name,
    /// The company that the person speaks for.
    Company,
    /// Where the person lives or is.
    City,
    /// BCP 47 language tag.
    Language,
}

impl Shown {
    /// All of them, in the order of the documents.
    pub const ALL: [Self; 4] = [Self::Name, Self::Company, Self::City, Self::Language];
    /// Longest value that can be pinned, characters.
    pub const LONGEST: usize = 512;

    /// As it stands in JSON and in the database.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Name => "name",
            Self::Company => "company",
            Self::City => "city",
            Self::Language => "language",
        }
    }

    /// The field of this name.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|it| it.as_str() == text)
    }

    /// A value as it may be pinned; none where it is empty, too long, or no single line.
    #[must_use]
    pub fn value(text: &str) -> Option<String> {
        let text = text.trim();
        let fits = !text.is_empty() && text.chars().count() <= Self::LONGEST && !text.contains(char::is_control);
        fits.then(|| text.to_owned())
    }
}

/// How far a connector's word is trusted: its place in the workspace's list, or behind all of them.
#[must_use]
pub fn trust(trusted: &[String], connector: &str) -> usize {
    trusted.iter().position(|it| it == connector).unwrap_or(trusted.len())
}

/// The claim of the most trusted source that was made last; of several at one time, the one that sorts first, so that it does not matter who
/// came first.
#[must_use]
pub fn newest(claims: &[Claim]) -> Option<&str> {
    claims.iter().min_by(|a, b| in_order(a, b)).map(|it| it.value.as_str())
}

/// The order that [`newest`] takes the first of.
#[must_use]
pub fn in_order(a: &Claim, b: &Claim) -> Ordering {
    a.trust.cmp(&b.trust).then_with(|| b.said_at.cmp(&a.said_at)).then_with(|| a.value.cmp(&b.value))
}

/// The name that the most trusted source says with the most parts, three at most; of several, the one that was said last. A nickname does not
/// hide a name, and no name that was said before one that corrects it.
#[must_use]
pub fn name(claims: &[Claim]) -> Option<&str> {
    let parts = |it: &Claim| it.value.split_whitespace().filter(|it| it.contains(char::is_alphabetic)).count().min(3);
    let order = |a: &&Claim, b: &&Claim| {
        let fuller = a.trust.cmp(&b.trust).then_with(|| parts(b).cmp(&parts(a)));
        fuller.then_with(|| b.corrects.cmp(&a.corrects)).then_with(|| b.said_at.cmp(&a.said_at)).then_with(|| a.value.cmp(&b.value))
    };
    let last = claims.iter().filter(|it| it.corrects).min_by(|a, b| in_order(a, b));
    let stands = |it: &&Claim| last.is_none_or(|last| it.trust < last.trust || it.said_at > last.said_at || *it == last);
    claims.iter().filter(stands).min_by(order).map(|it| it.value.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claims(said: &[(&str, i64)]) -> Vec<Claim> {
        let claim = |(value, at): &(&str, i64)| Claim {
            value: (*value).to_owned(),
            trust: 0,
            said_at: Timestamp::from_second(*at).unwrap(),
            corrects: false,
        };
        said.iter().map(claim).collect()
    }

    #[test]
    fn the_newest_is_shown_and_of_names_the_fullest() {
        assert_eq!(newest(&claims(&[("Berlin", 1), ("Rome", 3), ("Paris", 2)])), Some("Rome"));
        assert_eq!(name(&claims(&[("Анна Петрова", 1), ("Анечка ❤", 9)])), Some("Анна Петрова"));
        assert_eq!(name(&claims(&[("Анна Петрова", 1), ("Анна Сидорова", 2)])), Some("Анна Сидорова"));
        assert_eq!(name(&[]), None);
    }

    #[test]
    fn what_a_trusted_source_says_comes_before_the_newest_and_the_fullest() {
        let trusted = ["odoo".to_owned(), "webform".to_owned()];
        let said = |connectors: [&str; 3]| {
            let mut claims = claims(&[("Anna", 1), ("Anna Maria Petrova", 2), ("Anna Petrova", 3)]);
            claims.iter_mut().zip(connectors).for_each(|(it, connector)| it.trust = trust(&trusted, connector));
            (name(&claims).map(str::to_owned), newest(&claims).map(str::to_owned))
        };
        let both = |name: &str, newest: &str| (Some(name.to_owned()), Some(newest.to_owned()));
        assert_eq!(said(["odoo", "telegram", "telegram"]), both("Anna", "Anna"));
        assert_eq!(said(["telegram", "telegram", "webform"]), both("Anna Petrova", "Anna Petrova"));
        assert_eq!(said(["mango", "telegram", "telegram"]), both("Anna Maria Petrova", "Anna Petrova"));
    }

    #[test]
    fn a_name_that_people_of_a_crm_corrected_is_shown_until_somebody_says_a_fuller_one() {
        let corrected = |said: &[(&str, i64)], at: usize| {
            let mut claims = claims(said);
            claims[at].corrects = true;
            name(&claims).map(str::to_owned)
        };
        let shown = |it: &str| Some(it.to_owned());
        assert_eq!(corrected(&[("Anna Maria Petrova", 1), ("Anna Petrova", 2)], 1), shown("Anna Petrova"));
        assert_eq!(corrected(&[("Anna Petrova", 2), ("Анечка ❤", 9)], 0), shown("Anna Petrova"), "no nickname hides it");
        assert_eq!(corrected(&[("Anna", 2), ("Анечка", 9)], 0), shown("Anna"));
        assert_eq!(corrected(&[("Anna Petrova", 2), ("Anna Maria Petrova", 9)], 0), shown("Anna Maria Petrova"));
        let mut trusted = claims(&[("Anna", 1), ("Anna Petrova", 2)]);
        (trusted[1].trust, trusted[1].corrects) = (1, true);
        assert_eq!(name(&trusted), Some("Anna"), "a more trusted source is shown first");
    }

    #[test]
    fn it_does_not_matter_who_came_first() {
        let mut said = claims(&[("Anna Lee", 5), ("Anne Leigh", 5), ("Anna", 7)]);
        let shown = name(&said).map(str::to_owned);
        said.reverse();
        assert_eq!(name(&said).map(str::to_owned), shown);
    }

    #[test]
    fn what_is_pinned_is_one_line() {
        assert_eq!(Shown::value("  Анна "), Some("Анна".to_owned()));
        for wrong in ["", "  ", "a\nb", &"x".repeat(513)] {
            assert_eq!(Shown::value(wrong), None, "{wrong}");
        }
        assert!(Shown::value(&"x".repeat(512)).is_some());
        assert!(Shown::ALL.iter().all(|it| Shown::parse(it.as_str()) == Some(*it)) && Shown::parse("phone").is_none());
    }
}
