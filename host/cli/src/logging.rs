//! Where the log goes: stderr, as text or JSON.

use std::io::IsTerminal as _;

use tracing_subscriber::EnvFilter;

use super::failure::{Exit, Failure};
use patchbay_host::config::{LogConfig, LogFormat};

/// The hub's own log, as patchbay.toml says.
pub fn start(config: &LogConfig) -> Result<(), Failure> {
    let filter = EnvFilter::try_new(&config.level).map_err(|error| {
        Failure::new(Exit::Invalid, format!("log.level = \"{}\": {error}", config.level))
            .help("error, warn, info, debug, or a filter such as info,patchbay_host::deliver=debug")
    })?;
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_ansi(std::io::stderr().is_terminal());
    // A line that finds no place, as on a full disk, is lost. To tell of it on the same stderr would end whatever was being done.
    let log = log.log_internal_errors(false);
    // Whoever set up a log before keeps it.
    let _ = match config.format {
        LogFormat::Text => log.try_init(),
        LogFormat::Json => log.json().try_init(),
    };
    Ok(())
}

/// The log of a command that answers and ends: warnings, unless `PATCHBAY_LOG` says otherwise.
pub fn start_for_command() {
    let wanted = std::env::var("PATCHBAY_LOG").ok().and_then(|it| EnvFilter::try_new(it).ok());
    let filter = wanted.unwrap_or_else(|| EnvFilter::new("warn"));
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).without_time().log_internal_errors(false);
    // Whoever set up a log before keeps it.
    let _ = log.with_ansi(std::io::stderr().is_terminal()).try_init();
}
