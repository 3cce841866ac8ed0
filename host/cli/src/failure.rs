//! How a command fails: what failed and why, the cure, and an exit code that scripts can use.

use std::error::Error;
use std::fmt::Write as _;

use patchbay_host::catalogue::CatalogueError;
use patchbay_host::config::ConfigError;
use patchbay_host::hub::OpenError;
use patchbay_host::ids::IdError;
use patchbay_host::keys::KeyError;
use patchbay_host::operations::OperationError;
use patchbay_host::plugin::network::NetworkError;
use patchbay_host::plugin::{CallError, LoadError};
use patchbay_host::registry::RunError;
use patchbay_host::secrets::SecretError;
use patchbay_host::serve::ServeError;
use patchbay_host::setup::{Fault, SetupError};
use patchbay_host::store::StoreError;

/// The exit codes. Their numbers are part of the command line's contract.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    Done = 0,
    Unexpected = 1,
    Usage = 2,
    Malformed = 3,
    Unsigned = 4,
    NotFound = 5,
    Invalid = 6,
    Violated = 7,
    Database = 8,
    Build = 9,
    Refused = 10,
}

impl Exit {
    /// All of them, in order, with what they mean.
    const MEANINGS: [(Self, &str); 11] = [
        (Self::Done, "done"),
        (Self::Unexpected, "unexpected failure"),
        (Self::Usage, "the command line is wrong"),
        (Self::Malformed, "malformed input: the connector cannot read the body, or its event does not fit the schema"),
        (Self::Unsigned, "the signature or token of a delivery was refused"),
        (Self::NotFound, "there is no such connection, connector, lead, contact, conversation or dead letter"),
        (Self::Invalid, "a configuration is not valid: patchbay.toml, a connection's, the key, or a connector's file"),
        (Self::Violated, "the doctor found something wrong, a test failed, or an upgrade would lose events"),
        (Self::Database, "the database cannot be reached or does not answer"),
        (Self::Build, "the connectors could not be built"),
        (Self::Refused, "not possible as things stand, or not confirmed"),
    ];

    /// The table that `--help` shows.
    pub fn table() -> String {
        let mut text = "Exit codes:\n".to_owned();
        for (exit, meaning) in Self::MEANINGS {
            // Writing into a text cannot fail.
            let _ = writeln!(text, "  {:>2}  {meaning}", exit as u8);
        }
        text
    }
}

/// Why a command ends without having done what it was asked.
#[derive(Debug)]
pub struct Failure {
    /// What the process ends with.
    pub exit: Exit,
    /// What failed and why. Empty: there is nothing left to say.
    pub what: String,
    /// The cure.
    pub help: Option<String>,
}

impl Failure {
    /// A failure without a cure yet.
    pub fn new(exit: Exit, what: impl Into<String>) -> Self {
        Self { exit, what: what.into(), help: None }
    }

    /// The same with its cure.
    pub fn help(self, help: impl Into<String>) -> Self {
        Self { help: Some(help.into()), ..self }
    }

    /// Ends the process with this code; everything was said already.
    pub fn silent(exit: Exit) -> Self {
        Self::new(exit, "")
    }

    /// A file or another part of the machine did not do it.
    pub fn io(what: impl std::fmt::Display, error: &std::io::Error) -> Self {
        Self::new(Exit::Unexpected, format!("{what}: {error}"))
    }
}

/// The error with its causes, as far as it does not tell them itself.
pub fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let said = cause.to_string();
        if !text.contains(&said) {
            // Writing into a text cannot fail.
            let _ = write!(text, ": {said}");
        }
        source = cause.source();
    }
    text
}

impl From<ConfigError> for Failure {
    fn from(error: ConfigError) -> Self {
        Self::new(Exit::Invalid, chain(&error))
            .help("every setting with its default stands, commented, in the file that `patchbay up` writes")
    }
}

impl From<SecretError> for Failure {
    fn from(error: SecretError) -> Self {
        let help = match &error {
            SecretError::File { .. } => {
                "give the user that runs the hub the right to read it, or name another place by `key` under [secrets] in patchbay.toml"
            }
            SecretError::Malformed { .. } => "restore the key from your copy; a new key cannot open the secrets that are stored",
            SecretError::Environment(_) | SecretError::Command { .. } => {
                "`key` under [secrets] in patchbay.toml says where the master key stands"
            }
            SecretError::Unknown { .. } | SecretError::Damaged { .. } => {
                "set the secret anew: patchbay connection update <connection> --secret <name>"
            }
        };
        Self::new(Exit::Invalid, chain(&error)).help(help)
    }
}

impl From<KeyError> for Failure {
    fn from(error: KeyError) -> Self {
        let what = chain(&error);
        match error {
            KeyError::Store(error) => error.into(),
            KeyError::Locked { .. } => Self::new(Exit::Invalid, what).help(
                "restore that master key from your copy; one that was replaced goes to `former_keys` under [secrets] in patchbay.toml",
            ),
            KeyError::OtherMasters(_) => Self::new(Exit::Refused, what)
                .help("name it in `former_keys` under [secrets], or, where no hub needs it any more: patchbay key forget <master key>"),
            KeyError::Unopened(_) => Self::new(Exit::Violated, what)
                .help("set them anew: patchbay connection update <connection> --secret <name>; then once more: patchbay key rotate"),
            KeyError::Needed(_) => Self::new(Exit::Refused, what).help("`patchbay key list` shows which master keys open what"),
            KeyError::Contended => Self::new(Exit::Refused, what),
        }
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        let what = chain(&error);
        match error {
            StoreError::Open { .. } => Self::new(Exit::Database, what)
                .help("check `database` in patchbay.toml (or PATCHBAY_DATABASE), and that it runs and may be written"),
            StoreError::Database(_) | StoreError::Claim { .. } | StoreError::FormerKey | StoreError::Contended(_) => {
                Self::new(Exit::Database, what).help("check that the database runs and has room, then try again")
            }
            StoreError::Gone(_) => Self::new(Exit::NotFound, what),
            StoreError::KeyReused => Self::new(Exit::Refused, what),
            StoreError::StateQuota { .. } => Self::new(Exit::Unexpected, what),
        }
    }
}

impl From<OpenError> for Failure {
    fn from(error: OpenError) -> Self {
        match error {
            OpenError::Key(error) => error.into(),
            OpenError::Keys(error) => error.into(),
            OpenError::Store(error) => error.into(),
            OpenError::Plugin(_) => Self::new(Exit::Unexpected, chain(&error))
                .help("the plugin host reserves address space for its instances: check `ulimit -v` and the container's limits"),
        }
    }
}

impl From<CatalogueError> for Failure {
    fn from(error: CatalogueError) -> Self {
        let what = chain(&error);
        match error {
            CatalogueError::Unknown { .. } => Self::new(Exit::NotFound, what)
                .help("`patchbay up` builds the bundled connectors; any other connector's .wasm is copied into that folder"),
            CatalogueError::Read { source, .. } if source.kind() == std::io::ErrorKind::NotFound => Self::new(Exit::NotFound, what),
            CatalogueError::Read { .. } | CatalogueError::Write { .. } => Self::new(Exit::Unexpected, what),
            CatalogueError::Refused { .. } => Self::new(Exit::Refused, what)
                .help("`patchbay connector upgrade <file>` takes a version after it was shown what it reads differently"),
            CatalogueError::Load { source: LoadError::Contract(_), .. } => Self::new(Exit::Invalid, what)
                .help("the table in sdk/README.md says which contract each hub speaks; an SDK of that version builds it for this one"),
            CatalogueError::Artifact { .. } | CatalogueError::Load { .. } => {
                Self::new(Exit::Invalid, what).help("the file must be a component of this hub's contract: build it anew, see sdk/README.md")
            }
        }
    }
}

/// Each fault on a line, with its place and what is allowed there.
fn lines(faults: &[Fault]) -> String {
    let each = faults.iter().map(|it| {
        let place = if it.at.is_empty() { String::new() } else { format!("{}: ", it.at) };
        let allowed = it.allowed.as_ref().map(|it| format!(" (allowed: {it})")).unwrap_or_default();
        format!("\n  {place}{}{allowed}", it.problem)
    });
    each.collect()
}

impl From<SetupError> for Failure {
    fn from(error: SetupError) -> Self {
        match error {
            SetupError::Faults(faults) => Self::new(Exit::Invalid, format!("the configuration does not fit:{}", lines(&faults)))
                .help("`patchbay connector inspect <connector>` lists every property with what is allowed"),
            SetupError::Mapping(faults) => Self::new(Exit::Invalid, format!("the mapping does not fit:{}", lines(&faults)))
                .help("`patchbay mapping fields <connection>` lists the sink's fields; host/README.md says what a rule may have"),
            SetupError::Schema(_) => Self::new(Exit::Invalid, chain(&error)),
        }
    }
}

impl From<NetworkError> for Failure {
    fn from(error: NetworkError) -> Self {
        Self::new(Exit::Usage, error.to_string())
    }
}

impl From<IdError> for Failure {
    fn from(error: IdError) -> Self {
        Self::new(Exit::Usage, error.to_string())
    }
}

impl From<RunError> for Failure {
    fn from(error: RunError) -> Self {
        match error {
            RunError::Connector(error) => error.into(),
            RunError::Secret(error) => error.into(),
            RunError::Network(error) => error.into(),
            RunError::Store(error) => error.into(),
            RunError::Client(_) | RunError::Mapping(_) => Self::new(Exit::Unexpected, chain(&error)),
        }
    }
}

impl From<OperationError> for Failure {
    fn from(error: OperationError) -> Self {
        match error {
            OperationError::Connector(error) => error.into(),
            OperationError::Setup(error) => error.into(),
            OperationError::Network(error) => error.into(),
            OperationError::Run(error) => error.into(),
            OperationError::Store(error) => error.into(),
            OperationError::NotFound(_) => Self::new(Exit::NotFound, error.to_string()),
            OperationError::Refused(_) => Self::new(Exit::Refused, error.to_string()),
            OperationError::Body(faults) => Self::new(Exit::Usage, format!("values are not allowed:{}", lines(&faults))),
            OperationError::Call(CallError::Quarantined(_)) => Self::new(Exit::Refused, chain(&error))
                .help("`patchbay connector release <connector>` ends it at once; so does another version of the connector"),
            OperationError::Call(_) => Self::new(Exit::Violated, chain(&error)),
        }
    }
}

impl From<ServeError> for Failure {
    fn from(error: ServeError) -> Self {
        match error {
            ServeError::Store(error) => error.into(),
            ServeError::Bind { .. } => Self::new(Exit::Unexpected, chain(&error))
                .help("is a hub running there already? `listen` in patchbay.toml or PATCHBAY_LISTEN names another address and port"),
            ServeError::Listen(_) | ServeError::Metrics(_) => Self::new(Exit::Unexpected, chain(&error)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_names_every_code_once_and_in_order() {
        let numbers: Vec<u8> = Exit::MEANINGS.iter().map(|(exit, _)| *exit as u8).collect();
        assert_eq!(numbers, (0..=10).collect::<Vec<u8>>());
        assert!(Exit::table().contains("\n   5  there is no such connection"), "{}", Exit::table());
    }

    #[test]
    fn a_cause_is_told_once() {
        let inner = std::io::Error::other("no room left");
        let error = ConfigError::Read { path: "x.toml".into(), source: inner };
        assert_eq!(chain(&error), "x.toml cannot be read: no room left");
        let key = SecretError::File { path: "k".into(), source: std::io::Error::other("denied") };
        assert_eq!(chain(&key), "the key file k cannot be used: denied");
    }

    #[test]
    fn each_fault_of_a_configuration_has_a_line() {
        let fault = |at: &str, allowed: Option<&str>| Fault {
            at: at.to_owned(),
            problem: "it is wrong".to_owned(),
            allowed: allowed.map(str::to_owned),
        };
        let failure = Failure::from(SetupError::Faults(vec![fault("/mode", Some("a, b")), fault("", None)]));
        assert_eq!(failure.exit, Exit::Invalid);
        assert!(failure.what.ends_with("does not fit:\n  /mode: it is wrong (allowed: a, b)\n  it is wrong"), "{}", failure.what);
    }
}
