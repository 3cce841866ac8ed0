//! The form-encoded body of a delivery: PHP writes nested values as `data[FIELDS][ID]`.

use patchbay_sdk::Failure;

/// The most items of one list in a delivery. Bitrix24 sends one at a time, or a few.
const MOST_ITEMS: usize = 200;

/// Names and values, in order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Form(Vec<(String, String)>);

impl Form {
    /// Reads a body. What is not encoded as it should be is read as it stands there.
    #[must_use]
    pub fn parse(body: &[u8]) -> Self {
        Self(form_urlencoded::parse(body).into_owned().collect())
    }

    /// The value of a name; empty where there is none.
    #[must_use]
    pub fn get(&self, name: &str) -> &str {
        self.0.iter().find(|(it, _)| it == name).map_or("", |(_, value)| value.trim())
    }

    /// The value of a name, where there is one. PHP writes nothing and `0` for no id.
    #[must_use]
    pub fn id(&self, name: &str) -> Option<String> {
        Some(self.get(name)).filter(|it| !matches!(*it, "" | "0")).map(str::to_owned)
    }

    /// The value of the first of these names that has one.
    #[must_use]
    pub fn any(&self, names: &[&str]) -> Option<String> {
        names.iter().map(|it| self.get(it)).find(|it| !it.is_empty()).map(str::to_owned)
    }

    /// What stands under a name: `data[USER]` has `[ID]` and `[NAME]`.
    #[must_use]
    pub fn under(&self, name: &str) -> Self {
        let inside = |(it, value): &(String, String)| Some((it.strip_prefix(name)?.to_owned(), value.clone()));
        Self(self.0.iter().filter_map(inside).collect())
    }

    /// The items of a list or the values of a map, each with what stands under it.
    pub fn items(&self, name: &str) -> Result<Vec<Self>, Failure> {
        let mut items: Vec<(&str, Self)> = Vec::new();
        for (it, value) in &self.0 {
            let Some((index, rest)) = it.strip_prefix(name).and_then(|it| it.strip_prefix('[')).and_then(|it| it.split_once(']')) else {
                continue;
            };
            // An item's fields stand beside each other.
            if items.last().is_none_or(|(last, _)| *last != index) {
                if items.len() == MOST_ITEMS {
                    return Err(Failure::never(
                        "bitrix24.hook",
                        format!("a delivery with more than {MOST_ITEMS} items is none of Bitrix24's"),
                    ));
                }
                items.push((index, Self::default()));
            }
            if let Some((_, item)) = items.last_mut() {
                item.0.push((rest.to_owned(), value.clone()));
            }
        }
        Ok(items.into_iter().map(|(_, it)| it).collect())
    }

    /// Names and values.
    pub fn pairs(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_php_are_taken_apart() {
        let form = Form::parse(b"event=X&data%5BFIELDS%5D%5BID%5D=7&data[M][0][a]=%D1%8F+1&data[M][0][b]=2&data[M][1][a]=%zz&&c");
        assert_eq!((form.get("event"), form.get("data[FIELDS][ID]"), form.get("c"), form.get("d")), ("X", "7", "", ""));
        let items = form.items("data[M]").expect("two items");
        assert_eq!((items.len(), items[0].get("[a]"), items[0].get("[b]"), items[1].get("[a]")), (2, "я 1", "2", "%zz"));
        assert_eq!(form.under("data[FIELDS]").get("[ID]"), "7");
        assert_eq!(Form::parse(b"").pairs().count(), 0);
        let of = |items: usize| (0..items).map(|it| format!("m[{it}][a]=1")).collect::<Vec<_>>().join("&");
        let (most, many) = (of(MOST_ITEMS), of(MOST_ITEMS + 1));
        assert!(Form::parse(many.as_bytes()).items("m").is_err());
        assert_eq!(Form::parse(most.as_bytes()).items("m").map(|it| it.len()), Ok(MOST_ITEMS));
    }
}
