//! Lists, page by page: `{ "items": […], "next": "…" }`, `?limit=` and `?cursor=`.

use serde::{Deserialize, Serialize};

/// Longest page.
const MOST: i64 = 200;
/// Length of a page where none is asked for.
const USUAL: i64 = 50;

/// How many items a page has: 1 to 200.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Limit(i64);

impl TryFrom<String> for Limit {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let number = text.parse().ok().filter(|it| (1..=MOST).contains(it));
        number.map(Self).ok_or_else(|| format!("limit: `{}` is not in the range 1 to {MOST}", text.chars().take(20).collect::<String>()))
    }
}

impl Default for Limit {
    fn default() -> Self {
        Self(USUAL)
    }
}

impl Limit {
    /// One more than the page has, so that it is known whether another page follows.
    pub fn and_one(self) -> i64 {
        self.0 + 1
    }
}

/// A page of a list.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct Page<T> {
    /// What was asked for.
    pub items: Vec<T>,
    /// The `cursor` of the next page; null: this is the last one.
    pub next: Option<String>,
}

impl<T> Page<T> {
    /// A page of rows that were asked for with [`Limit::and_one`].
    pub fn new(mut items: Vec<T>, limit: Limit, cursor: impl Fn(&T) -> String) -> Self {
        let most = usize::try_from(limit.0).unwrap_or(usize::MAX);
        let more = items.len() > most;
        items.truncate(most);
        let next = items.last().filter(|_| more).map(cursor);
        Self { items, next }
    }

    /// A page of a list that is there as a whole, in the order of `cursor`.
    pub fn of_all(items: Vec<T>, limit: Limit, after: Option<&str>, cursor: impl Fn(&T) -> String) -> Self {
        let after = after.unwrap_or_default();
        Self::new(items.into_iter().filter(|it| cursor(it).as_str() > after).collect(), limit, cursor)
    }

    /// The same page with every item shown in another way.
    pub fn map<U>(self, show: impl FnMut(T) -> U) -> Page<U> {
        Page { items: self.items.into_iter().map(show).collect(), next: self.next }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_page_says_that_it_is_the_last() {
        let limit = Limit::try_from("2".to_owned()).unwrap();
        assert_eq!(limit.and_one(), 3);
        let page = Page::new(vec![1, 2, 3], limit, ToString::to_string);
        assert_eq!((page.items, page.next.as_deref()), (vec![1, 2], Some("2")));
        assert_eq!(Page::new(vec![1, 2], limit, ToString::to_string).next, None);
        assert_eq!(Page::new(Vec::<i32>::new(), limit, ToString::to_string).next, None);
    }

    #[test]
    fn a_limit_out_of_range_names_the_range() {
        for text in ["0", "201", "-1", "many", "", "99999999999999999999"] {
            let error = Limit::try_from(text.to_owned()).unwrap_err();
            assert!(error.contains("1 to 200"), "{error}");
        }
    }
}
