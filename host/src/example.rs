//! The example page: a form that posts to the first form connection.

use crate::hub::Hub;

/// The page with `{{action}}` where the connection's address goes.
const PAGE: &str = include_str!("../example/form.html");
/// The connector whose connections take forms.
const CONNECTOR: &str = "webform";
/// Most connections that are looked through.
const MOST: i64 = 10_000;

/// The page for the first form connection of the first workspace; none: there is no such connection.
pub async fn example_page(hub: &Hub) -> Option<String> {
    let connections = match hub.store.connections(hub.workspace.id, None, MOST).await {
        Ok(connections) => connections,
        Err(error) => {
            tracing::error!(error = %error, "the example page cannot be made");
            return None;
        }
    };
    let form = connections.into_iter().find(|it| it.connector == CONNECTOR)?;
    // Relative, so that it holds under whatever name the page was reached.
    Some(page(&format!("in/{}", form.id)))
}

fn page(action: &str) -> String {
    PAGE.replace("{{action}}", action)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_form_posts_to_the_connection_with_and_without_scripts() {
        let page = page("in/cxn_1");
        assert!(page.contains(r#"<form id="form" method="post" action="in/cxn_1""#));
        assert!(!page.contains("{{"));
        assert!(page.contains("fetch(form.action"));
    }
}
