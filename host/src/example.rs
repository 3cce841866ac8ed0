//! Placeholder: replaced by its author.
/// Nothing yet.
pub async fn example_page(_hub: &crate::hub::Hub) -> Option<String> { None }
