//! The cases of a connector: the files of its `fixtures/`.
//!
//! | File | Holds |
//! |---|---|
//! | `<case>.json`, `.form`, `.multipart`, `.xml`, `.txt`, `.eml` | a delivery's body, byte for byte; the ending says the content type |
//! | `<case>.jsonl`, `<case>.ami` | frames of a stream: one in each line, or in each block that ends with an empty line |
//! | `<case>.opened.json` | `{}`: the stream was connected |
//! | `<case>.command.json` | a command (or a list of them) as `schemas/v1/command.json` has it |
//! | `<case>.poll.json`, `<case>.check.json` | `{"cursor", "limit"}`; `{}` |
//! | `<case>.case.toml` | how it is posted, what it is configured with: see [`Settings`]; `case.toml` holds for all cases |
//! | `<case>.cassette.json` | what the vendor answers; `<case>.again.cassette.json`: when the same command comes once more |
//! | `<case>.expect.json` | what must come out |

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use patchbay_schemas::manifest::Framing;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::case::{Call, Case, Settings};
use patchbay_host::plugin::cassette::Exchange;
use patchbay_host::plugin::{Command, Header, Request};
use patchbay_host::stream::framing;

/// Most events that a poll asks for where the case does not say.
const LIMIT: u32 = 100;

/// Why the cases cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum FixtureError {
    /// A file or the folder cannot be read.
    #[error("{} cannot be read: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A file is not what its name promises.
    #[error("{} is not valid: {reason}", path.display())]
    Invalid {
        /// The file.
        path: PathBuf,
        /// Why, with line and column.
        reason: String,
    },
    /// Two files begin one case, or a file belongs to none.
    #[error("{}: {reason}", path.display())]
    Odd {
        /// The file.
        path: PathBuf,
        /// What is odd.
        reason: &'static str,
    },
}

/// What a file of the folder is.
#[derive(Debug, PartialEq, Eq)]
enum Part<'a> {
    Body,
    Command,
    Poll,
    Opened,
    Lines,
    Blocks,
    Check,
    Beside(&'a str),
}

/// The endings that say what a file is; anything else is a body.
const ENDINGS: [(&str, Part<'static>); 10] = [
    (".expect.json", Part::Beside("expect")),
    (".case.toml", Part::Beside("case")),
    (".again.cassette.json", Part::Beside("again")),
    (".cassette.json", Part::Beside("cassette")),
    (".command.json", Part::Command),
    (".poll.json", Part::Poll),
    (".check.json", Part::Check),
    (".opened.json", Part::Opened),
    (".jsonl", Part::Lines),
    (".ami", Part::Blocks),
];

fn part(file: &str) -> (&str, &Part<'_>) {
    let known = ENDINGS.iter().find_map(|(ending, part)| file.strip_suffix(ending).map(|name| (name, part)));
    known.unwrap_or_else(|| (file.rsplit_once('.').map_or(file, |it| it.0), &Part::Body))
}

/// The cases of a folder, in the order of their names. No folder: no cases.
pub fn read(folder: &Path) -> Result<Vec<Case>, FixtureError> {
    let mut files = BTreeSet::new();
    let failed = |source| FixtureError::Read { path: folder.to_owned(), source };
    match std::fs::read_dir(folder) {
        Ok(entries) => {
            for entry in entries {
                let entry = entry.map_err(failed)?;
                let name = entry.file_name().to_string_lossy().into_owned();
                if entry.path().is_file() && !name.starts_with('.') {
                    files.insert(name);
                }
            }
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        Err(source) => return Err(failed(source)),
    }
    let common = if files.remove("case.toml") { settings(&folder.join("case.toml"))? } else { Settings::default() };
    let mut cases = BTreeMap::new();
    for file in &files {
        let (name, part) = part(file);
        if matches!(part, Part::Beside(_)) {
            continue;
        }
        let case = case(folder, name, file, part, &files, &common)?;
        if cases.insert(name.to_owned(), case).is_some() {
            return Err(FixtureError::Odd { path: folder.join(file), reason: "another file begins a case of this name already" });
        }
    }
    let lost = files.iter().find(|it| matches!(part(it), (name, Part::Beside(_)) if !cases.contains_key(name)));
    if let Some(file) = lost {
        return Err(FixtureError::Odd {
            path: folder.join(file),
            reason: "there is no body, command, poll, stream or check of this name beside it",
        });
    }
    Ok(cases.into_values().collect())
}

fn case(folder: &Path, name: &str, file: &str, part: &Part<'_>, files: &BTreeSet<String>, common: &Settings) -> Result<Case, FixtureError> {
    let path = folder.join(file);
    let beside = |ending: &str| Some(format!("{name}{ending}")).filter(|it| files.contains(it)).map(|it| folder.join(it));
    let own = beside(".case.toml").map_or_else(|| Ok(Settings::default()), |it| settings(&it))?;
    let settings = own.over(common);
    let call = match part {
        Part::Command => Call::Execute(commands(&path)?),
        Part::Poll => {
            let poll: Poll = json(&path)?;
            Call::Poll { cursor: poll.cursor, limit: poll.limit.unwrap_or(LIMIT) }
        }
        Part::Check => Call::Check,
        Part::Opened => Call::Opened,
        Part::Lines => Call::Received(framing::cut(Framing::Lines, &read_file(&path)?)),
        Part::Blocks => Call::Received(framing::cut(Framing::Blocks, &read_file(&path)?)),
        _ => Call::Webhook(request(&path, &settings)?),
    };
    let cassette: Option<Vec<Exchange>> = beside(".cassette.json").map(|it| json(&it)).transpose()?;
    Ok(Case {
        name: name.to_owned(),
        call,
        settings,
        cassette: cassette.unwrap_or_default(),
        again: beside(".again.cassette.json").map(|it| json(&it)).transpose()?,
        expected: beside(".expect.json").map(|it| json(&it)).transpose()?,
        expectation: folder.join(format!("{name}.expect.json")),
    })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Poll {
    cursor: Option<String>,
    limit: Option<u32>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Commanded {
    idempotency_key: String,
    kind: String,
    payload: Value,
}

fn commands(path: &Path) -> Result<Vec<Command>, FixtureError> {
    let document: Value = json(path)?;
    let list = if let Value::Array(list) = document { list } else { vec![document] };
    let command = |it: Value| {
        let it: Commanded =
            serde_json::from_value(it).map_err(|error| FixtureError::Invalid { path: path.to_owned(), reason: error.to_string() })?;
        Ok(Command { idempotency_key: it.idempotency_key, kind: it.kind, payload: it.payload.to_string() })
    };
    list.into_iter().map(command).collect()
}

fn request(path: &Path, settings: &Settings) -> Result<Request, FixtureError> {
    let body = read_file(path)?;
    let mut headers: Vec<Header> =
        settings.headers.iter().map(|(name, value)| Header { name: name.to_ascii_lowercase(), value: value.clone() }).collect();
    if !headers.iter().any(|it| it.name == "content-type") {
        headers.extend(content_type(path).map(|it| Header { name: "content-type".to_owned(), value: it.to_owned() }));
    }
    let method = settings.method.as_deref().unwrap_or("POST").to_uppercase();
    Ok(Request {
        method,
        path: settings.path.clone().unwrap_or_default(),
        query: settings.query.clone().unwrap_or_default(),
        headers,
        body,
    })
}

/// What a file's ending says of the body in it.
#[must_use]
pub fn content_type(file: &Path) -> Option<&'static str> {
    Some(match file.extension()?.to_str()? {
        "json" => "application/json",
        "form" => "application/x-www-form-urlencoded",
        "multipart" => "multipart/form-data",
        "xml" => "text/xml",
        "txt" => "text/plain",
        "eml" => "message/rfc822",
        _ => return None,
    })
}

fn settings(path: &Path) -> Result<Settings, FixtureError> {
    let text = String::from_utf8_lossy(&read_file(path)?).into_owned();
    toml::from_str(&text).map_err(|error| FixtureError::Invalid { path: path.to_owned(), reason: error.to_string() })
}

fn json<T: DeserializeOwned>(path: &Path) -> Result<T, FixtureError> {
    serde_json::from_slice(&read_file(path)?).map_err(|error| FixtureError::Invalid { path: path.to_owned(), reason: error.to_string() })
}

fn read_file(path: &Path) -> Result<Vec<u8>, FixtureError> {
    std::fs::read(path).map_err(|source| FixtureError::Read { path: path.to_owned(), source })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A folder with these files, which goes with it.
    struct Folder(PathBuf);

    impl Folder {
        fn of(name: &str, files: &[(&str, &str)]) -> Self {
            let path = std::env::temp_dir().join(format!("patchbay-fixture-{name}-{}", std::process::id()));
            std::fs::create_dir_all(&path).unwrap();
            for (file, text) in files {
                std::fs::write(path.join(file), text).unwrap();
            }
            Self(path)
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn files_of_one_name_are_one_case_and_its_own_settings_win() {
        let folder = Folder::of(
            "cases",
            &[
                ("case.toml", "path = '/all'\n[headers]\nX-A = 'all'\n[config]\nmode = 'a'\nkept = 1"),
                ("b.form", "x=1"),
                ("b.case.toml", "path = '/own'\n[config]\nmode = 'b'"),
                ("a.command.json", r#"{ "idempotency_key": "k", "kind": "message.send", "payload": { "x": 1 } }"#),
                ("a.cassette.json", r#"[{ "request": { "endpoint": "api", "method": "GET" }, "response": { "status": 200 } }]"#),
                ("a.again.cassette.json", "[]"),
                ("c.poll.json", r#"{ "cursor": "7" }"#),
                ("d.check.json", "{}"),
                ("e.jsonl", "{\"a\":1}\n{\"a\":2}\n"),
                ("f.opened.json", "{}"),
                ("b.expect.json", "[]"),
            ],
        );
        let cases = read(&folder.0).unwrap();
        assert_eq!(cases.iter().map(|it| it.name.as_str()).collect::<Vec<_>>(), ["a", "b", "c", "d", "e", "f"]);
        assert_eq!((cases[0].cassette.len(), cases[0].again.as_ref().map(Vec::len)), (1, Some(0)));
        assert!(matches!(&cases[0].call, Call::Execute(it) if it[0].payload == r#"{"x":1}"#));
        let Call::Webhook(request) = &cases[1].call else { panic!("a delivery") };
        let headers: Vec<(&str, &str)> = request.headers.iter().map(|it| (it.name.as_str(), it.value.as_str())).collect();
        assert_eq!(headers, [("x-a", "all"), ("content-type", "application/x-www-form-urlencoded")]);
        assert_eq!((request.path.as_str(), request.method.as_str()), ("/own", "POST"));
        assert_eq!(Value::Object(cases[1].settings.config.clone()), serde_json::json!({ "mode": "b", "kept": 1 }));
        assert_eq!(cases[1].expected, Some(serde_json::json!([])));
        assert!(matches!(&cases[2].call, Call::Poll { cursor: Some(it), limit: LIMIT } if it == "7"));
        assert!(matches!(cases[3].call, Call::Check) && matches!(cases[5].call, Call::Opened));
        assert_eq!(cases[4].call.units(), [&b"{\"a\":1}"[..], &b"{\"a\":2}"[..]]);
        assert_eq!(cases[4].call.with_unit(1, b"x".to_vec()).units(), [&b"{\"a\":1}"[..], &b"x"[..]]);
        assert!(read(Path::new("/nowhere/at/all")).unwrap().is_empty());
    }

    #[test]
    fn a_file_that_belongs_to_nothing_and_a_case_with_two_beginnings_are_named() {
        let fails = |name: &str, files: &[(&str, &str)]| read(&Folder::of(name, files).0).unwrap_err().to_string();
        assert!(fails("lost", &[("a.expect.json", "[]")]).contains("a.expect.json: there is no body"));
        assert!(fails("twice", &[("a.json", "1"), ("a.form", "1")]).contains("begins a case of this name"));
        assert!(fails("odd", &[("a.json", "1"), ("a.case.toml", "colour = 1")]).contains("colour"));
        assert!(fails("torn", &[("a.command.json", "{")]).contains("a.command.json is not valid"));
    }
}
