//! `call.start`: what a telephone system is asked for.

use patchbay_schemas::command::CallStart;

use super::Reader;
use super::interaction::author;

/// Reads the payload of `call.start`.
pub fn call_start(mut it: Reader) -> CallStart {
    CallStart {
        number: it.needed("number"),
        extension: it.text("extension"),
        line: it.text("line"),
        author: it.object("author").map(author),
        until: it.time("until"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::agreement::agrees_on_all;
    use super::call_start;

    #[test]
    fn a_call_is_read_as_derive_reads_it() {
        let whole = json!({
            "number": "+79123456789", "extension": "101", "line": "+74951234567", "author": { "id": "17", "name": "Olga" },
            "until": "2026-03-14T09:31:53Z"
        });
        agrees_on_all(&whole, call_start);
    }
}
