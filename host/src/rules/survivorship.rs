//! Which claim is shown where sources say different things of one person. It is decided on reading, so that a merge changes nothing.

use patchbay_schemas::Timestamp;

/// A value, and when its source said it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// As it was said.
    pub value: String,
    /// The source's time.
    pub said_at: Timestamp,
}

/// The claim that was made last; of several at one time, the one that sorts first, so that it does not matter who came first.
#[must_use]
pub fn newest(claims: &[Claim]) -> Option<&str> {
    claims.iter().min_by(|a, b| b.said_at.cmp(&a.said_at).then_with(|| a.value.cmp(&b.value))).map(|it| it.value.as_str())
}

/// The name with the most parts, three at most; of several, the one that was said last. A nickname does not hide a name.
#[must_use]
pub fn name(claims: &[Claim]) -> Option<&str> {
    let parts = |it: &Claim| it.value.split_whitespace().filter(|it| it.contains(char::is_alphabetic)).count().min(3);
    let order =
        |a: &&Claim, b: &&Claim| parts(b).cmp(&parts(a)).then_with(|| b.said_at.cmp(&a.said_at)).then_with(|| a.value.cmp(&b.value));
    claims.iter().min_by(order).map(|it| it.value.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claims(said: &[(&str, i64)]) -> Vec<Claim> {
        let claim = |(value, at): &(&str, i64)| Claim { value: (*value).to_owned(), said_at: Timestamp::from_second(*at).unwrap() };
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
    fn it_does_not_matter_who_came_first() {
        let mut said = claims(&[("Anna Lee", 5), ("Anne Leigh", 5), ("Anna", 7)]);
        let shown = name(&said).map(str::to_owned);
        said.reverse();
        assert_eq!(name(&said).map(str::to_owned), shown);
    }
}
