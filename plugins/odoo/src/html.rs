//! Plain text into the HTML that Odoo keeps.

/// Appends a text with its special characters escaped and its line breaks kept.
pub fn push(html: &mut String, text: &str) {
    for it in text.chars() {
        match it {
            '&' => html.push_str("&amp;"),
            '<' => html.push_str("&lt;"),
            '>' => html.push_str("&gt;"),
            '"' => html.push_str("&quot;"),
            '\n' => html.push_str("<br>"),
            '\r' => {}
            it => html.push(it),
        }
    }
}

/// Appends a line `label: text` to a paragraph, where there is a text.
pub fn line(html: &mut String, label: &str, text: &str) {
    if !text.trim().is_empty() {
        if !html.ends_with("<p>") {
            html.push_str("<br>");
        }
        push(html, label);
        html.push_str(": ");
        push(html, text.trim());
    }
}
