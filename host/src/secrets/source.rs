//! Where a master key stands: in a file, in the environment, or in what a command prints.

use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde::Deserialize;

use super::{MasterKey, SecretError};

/// How long a command may take: somebody may have to unlock something.
const COMMAND: Duration = Duration::from_secs(60);
/// How often it is asked whether it has ended.
const LOOK: Duration = Duration::from_millis(20);
/// Longest output that is read, bytes.
const LONGEST: u64 = 4_096;

/// Where a master key stands, as the configuration names it: `{ file = "…" }`, `{ environment = "…" }`, `{ command = ["…", "…"] }`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KeySource {
    /// A file, made with a new key where there is none.
    File(PathBuf),
    /// A variable of the environment.
    Environment(String),
    /// A command and its arguments, without a shell; it prints the key.
    Command(Vec<String>),
}

impl KeySource {
    /// The file, where it is one.
    #[must_use]
    pub fn file(&self) -> Option<&Path> {
        if let Self::File(path) = self { Some(path) } else { None }
    }

    /// Reads the key.
    pub fn read(&self) -> Result<MasterKey, SecretError> {
        match self {
            Self::File(path) => MasterKey::from_file(path),
            Self::Environment(name) => {
                let text = std::env::var(name).map_err(|_| SecretError::Environment(name.clone()))?;
                MasterKey::from_text(&text, name)
            }
            Self::Command(command) => printed(command, COMMAND),
        }
    }

    /// Reads the key; a file that is not there is made.
    pub fn read_or_new(&self) -> Result<MasterKey, SecretError> {
        match self {
            Self::File(path) => MasterKey::from_file_or_new(path),
            source => source.read(),
        }
    }
}

impl std::fmt::Display for KeySource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::File(path) => write!(f, "{}", path.display()),
            Self::Environment(name) => write!(f, "{name} in the environment"),
            Self::Command(command) => write!(f, "what `{}` prints", command.join(" ")),
        }
    }
}

fn printed(command: &[String], longest: Duration) -> Result<MasterKey, SecretError> {
    let text = command.join(" ");
    let failed = |reason: String| SecretError::Command { command: text.clone(), reason };
    let Some((program, arguments)) = command.split_first() else { return Err(failed("it names no program".to_owned())) };
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        .spawn()
        .map_err(|error| failed(error.to_string()))?;
    let began = Instant::now();
    let status = loop {
        match child.try_wait().map_err(|error| failed(error.to_string()))? {
            Some(status) => break status,
            None if began.elapsed() >= longest => {
                // It may have ended just now.
                drop(child.kill());
                drop(child.wait());
                return Err(failed(format!("it did not end within {} s", longest.as_secs())));
            }
            None => std::thread::sleep(LOOK),
        }
    };
    if !status.success() {
        return Err(failed(format!("it ended with {status}")));
    }
    let mut output = String::new();
    let mut stdout = child.stdout.take().ok_or_else(|| failed("it has no output".to_owned()))?.take(LONGEST);
    stdout.read_to_string(&mut output).map_err(|error| failed(error.to_string()))?;
    MasterKey::from_text(&output, &format!("the output of `{text}`"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn command(words: &[&str]) -> Result<MasterKey, SecretError> {
        printed(&words.iter().map(|it| (*it).to_owned()).collect::<Vec<_>>(), Duration::from_millis(300))
    }

    #[test]
    fn a_command_prints_the_key_or_is_named_with_what_became_of_it() {
        let digits = "ab".repeat(32);
        assert_eq!(command(&["echo", &digits]).unwrap().id(), MasterKey::from_text(&digits, "").unwrap().id());
        let says = |words: &[&str]| command(words).err().unwrap().to_string();
        assert!(says(&["echo", "abc"]).starts_with("the output of `echo abc` must hold a key of 64"), "{}", says(&["echo", "abc"]));
        assert!(says(&["false"]).contains("`false` gives no master key: it ended with"), "{}", says(&["false"]));
        assert!(says(&["sleep", "9"]).contains("did not end within"), "{}", says(&["sleep", "9"]));
        assert!(says(&["/no/such/program"]).contains("/no/such/program"));
        assert!(says(&[]).contains("names no program"));
    }

    #[test]
    fn a_source_is_one_of_three() {
        let read = |text: &str| toml::from_str::<std::collections::BTreeMap<String, KeySource>>(text).map(|it| it["key"].clone());
        assert_eq!(read("key = { file = 'a' }").unwrap(), KeySource::File("a".into()));
        assert_eq!(read("key = { command = ['pass', 'x'] }").unwrap().to_string(), "what `pass x` prints");
        let unset = read("key = { environment = 'PATCHBAY_NOT_SET' }").unwrap();
        assert!(unset.read().err().unwrap().to_string().contains("PATCHBAY_NOT_SET"));
        assert!(read("key = { vault = 'a' }").is_err());
    }
}
