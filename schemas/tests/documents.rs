//! The example documents on disk.

use std::fs;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::Value;

/// A document that its schema accepts.
pub struct Accepted {
    /// The schema's file: `event.json`.
    pub schema: &'static str,
    /// Where it stands.
    pub path: PathBuf,
    pub document: Value,
}

/// A document that its schema refuses.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Refused {
    /// JSON pointer to what is wrong.
    pub at: String,
    /// The rule, for people.
    pub why: String,
    pub document: Value,
}

/// `examples/<schema>/accept/*.json`.
pub fn accepted(schema: &'static str) -> Vec<Accepted> {
    files(schema, "accept").into_iter().map(|path| Accepted { schema, document: read(&path), path }).collect()
}

/// `examples/<schema>/refuse/*.json`.
pub fn refused(schema: &'static str) -> Vec<(PathBuf, Refused)> {
    let parse = |path: PathBuf| {
        let refused = serde_json::from_value(read(&path)).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        (path, refused)
    };
    files(schema, "refuse").into_iter().map(parse).collect()
}

fn files(schema: &str, what: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples").join(schema.trim_end_matches(".json")).join(what);
    let entries = fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.expect("a readable folder").path()).collect();
    files.sort();
    files
}

fn read(path: &Path) -> Value {
    let text = fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}
