//! The command line: `patchbay <command>`.
//!
//! ```text
//! arguments ─ clap ─► one command ─► hub's operations or store ─► table or JSON on stdout, exit code
//! ```
//! Answers go to stdout and nothing else does; progress, questions and errors go to stderr.

mod audit;
mod bench;
mod builder;
mod call;
mod conformance;
mod connection;
mod connector;
mod contact;
mod dead;
mod delivery;
mod demo;
mod doctor;
mod failure;
mod fields;
mod files;
mod import;
mod key;
mod languages;
mod lead;
mod link;
mod logging;
mod mapping;
mod message;
mod output;
mod run;
mod samples;
mod sync;
mod token;
mod toolchain;
mod up;
mod view;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Arg, ArgMatches, CommandFactory as _, FromArgMatches as _, Parser, Subcommand};

use failure::{Exit, Failure};
use files::Here;
use output::{Out, complain};

/// Brings what people write, call and fill in anywhere to one list of leads, and from there to the CRM.
#[derive(Parser)]
#[command(name = "patchbay", version, subcommand_required = true, arg_required_else_help = true)]
struct Cli {
    /// Print JSON on stdout, and nothing else there
    #[arg(long, global = true, help_heading = EVERYWHERE)]
    json: bool,
    /// No progress and no hints on stderr
    #[arg(long, short, global = true, help_heading = EVERYWHERE)]
    quiet: bool,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Set up whatever is missing here, start the hub and say what to do next
    Up(up::Up),
    /// Start the hub, as a service does
    Serve,
    /// Play two messages and a form of one person through the real connectors and show the lead
    Demo(demo::Demo),
    /// Accounts of messengers, forms and CRMs
    #[command(subcommand, visible_alias = "connections")]
    Connection(connection::Connections),
    /// Which value of a lead goes into which field of a sink
    #[command(subcommand)]
    Mapping(mapping::Mappings),
    /// What would be written to a sink
    #[command(subcommand)]
    Sync(sync::Sync),
    /// Installed connectors: the .wasm files that connections are made of
    #[command(subcommand, visible_alias = "connectors")]
    Connector(connector::Connectors),
    /// Leads: who wants to buy, and what was said so far
    #[command(subcommand, visible_alias = "leads")]
    Lead(lead::Leads),
    /// People, with all their phones, addresses and accounts
    #[command(subcommand, visible_alias = "contacts")]
    Contact(contact::Contacts),
    /// Deep links and QR codes that tie a messenger's chat to a person, a visitor, a lead or a campaign
    #[command(subcommand, visible_alias = "links")]
    Link(link::Links),
    /// Messages to people
    #[command(subcommand)]
    Message(message::Messages),
    /// Telephone calls to people
    #[command(subcommand)]
    Call(call::Calls),
    /// Deliveries: what came in, what became of it, and which version of a connector read it
    #[command(subcommand, visible_alias = "deliveries")]
    Delivery(delivery::Deliveries),
    /// Dead letters: what stopped, and why
    #[command(subcommand)]
    Dead(dead::Dead),
    /// Tokens of the API
    #[command(subcommand, visible_alias = "tokens")]
    Token(token::Tokens),
    /// Which secret was used for what, who changed one, who erased a person
    Audit(audit::Audit),
    /// The keys that secrets are sealed with
    #[command(subcommand, visible_alias = "keys")]
    Key(key::Keys),
    /// Measure this build on your own data
    #[command(subcommand)]
    Bench(bench::Bench),
    /// Prove from the database that nothing was lost, and that keys and connectors are sound
    Doctor,
}

/// Heading of the options that every command has.
const EVERYWHERE: &str = "Options of every command";
/// Id of the option that names the hub's own configuration.
const HUB_CONFIG: &str = "hub_config";

/// Runs the command line to its end.
#[must_use]
pub fn main() -> ExitCode {
    let matches = match tree().try_get_matches() {
        Ok(matches) => matches,
        Err(error) => {
            // Nobody may be there to read it any more.
            let _ = error.print();
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(Exit::Usage as u8));
        }
    };
    match run_matches(&matches) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            if !failure.what.is_empty() {
                complain(&format!("error: {}", failure.what.trim_end()));
            }
            if let Some(help) = &failure.help {
                complain(&format!("help: {help}"));
            }
            ExitCode::from(failure.exit as u8)
        }
    }
}

fn run_matches(matches: &ArgMatches) -> Result<(), Failure> {
    let cli = Cli::from_arg_matches(matches).map_err(|error| Failure::new(Exit::Usage, error.to_string()))?;
    let here = Here::new(Out { json: cli.json, quiet: cli.quiet }, hub_config(matches).as_deref())?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::io("the runtime cannot start", &error))?;
    let ended = runtime.block_on(dispatch(here, cli.command));
    // A call that still hangs must not keep the process.
    runtime.shutdown_background();
    ended
}

async fn dispatch(here: Here, command: Command) -> Result<(), Failure> {
    let out = here.out;
    match command {
        Command::Up(it) => it.run(here).await,
        Command::Bench(it) => it.run(out),
        Command::Serve => run::serve(here).await,
        Command::Connector(it) => it.run(&here).await,
        Command::Demo(it) => here.with_hub(async |hub| it.run(out, hub).await).await,
        Command::Connection(it) => here.with_hub(async |hub| it.run(out, hub).await).await,
        Command::Mapping(it) => here.with_hub(async |hub| it.run(out, hub).await).await,
        Command::Sync(it) => here.with_hub(async |hub| it.run(out, hub).await).await,
        Command::Lead(it) => here.with_hub(async |hub| it.run(out, hub).await).await,
        Command::Contact(it) => here.with_hub(async |hub| it.run(out, hub).await).await,
        Command::Link(it) => here.with_hub(async |hub| it.run(out, hub).await).await,
        Command::Message(it) => here.with_hub(async |hub| it.run(out, hub).await).await,
        Command::Call(it) => here.with_hub(async |hub| it.run(out, hub).await).await,
        Command::Delivery(it) => here.with_hub(async |hub| it.run(out, hub).await).await,
        Command::Dead(it) => here.with_hub(async |hub| it.run(out, hub).await).await,
        Command::Token(it) => here.with_hub(async |hub| it.run(out, hub).await).await,
        Command::Audit(it) => here.with_hub(async |hub| it.run(out, hub).await).await,
        Command::Key(it) => here.with_hub(async |hub| it.run(out, hub).await).await,
        Command::Doctor => here.with_hub(async |hub| doctor::run(out, hub).await).await,
    }
}

/// The commands, each with `--config` for the hub's own configuration, unless it has a `--config` of its own.
fn tree() -> clap::Command {
    with_config(Cli::command()).after_help(format!("{}\nErrors go to stderr: what failed and why, then the cure.", Exit::table()))
}

fn with_config(command: clap::Command) -> clap::Command {
    let taken = command.get_arguments().any(|it| it.get_long() == Some("config"));
    let command = if taken {
        command.after_help("The hub's own configuration is named before the command: patchbay --config <FILE> …")
    } else {
        let file = Arg::new(HUB_CONFIG).long("config").value_name("FILE").value_parser(clap::value_parser!(PathBuf));
        command.arg(file.help("The hub's configuration [default: patchbay.toml]").help_heading(EVERYWHERE))
    };
    command.mut_subcommands(with_config)
}

/// The hub's configuration as it was named, at whatever level.
fn hub_config(matches: &ArgMatches) -> Option<PathBuf> {
    let below = matches.subcommand().and_then(|(_, it)| hub_config(it));
    below.or_else(|| matches.try_get_one::<PathBuf>(HUB_CONFIG).ok().flatten().cloned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_commands_are_sound() {
        tree().debug_assert();
    }

    #[test]
    fn the_hubs_configuration_is_named_before_or_after_the_command() {
        let named = |arguments: &[&str]| hub_config(&tree().try_get_matches_from(arguments).unwrap());
        assert_eq!(named(&["patchbay", "--config", "a.toml", "lead", "list"]), Some("a.toml".into()));
        assert_eq!(named(&["patchbay", "lead", "list", "--config", "a.toml", "--json"]), Some("a.toml".into()));
        assert_eq!(named(&["patchbay", "doctor"]), None);
    }

    #[test]
    fn a_connectors_configuration_is_not_the_hubs() {
        let arguments = ["patchbay", "--config", "hub.toml", "connector", "map", "x", "--body", "b.json", "--config", "x.toml"];
        assert_eq!(hub_config(&tree().try_get_matches_from(arguments).unwrap()), Some("hub.toml".into()));
        let arguments = ["patchbay", "connector", "map", "x", "--body", "b.json", "--config", "x.toml"];
        assert_eq!(hub_config(&tree().try_get_matches_from(arguments).unwrap()), None);
    }
}
