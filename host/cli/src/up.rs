//! `up`: whatever is missing is made, then the hub runs.

use std::path::Path;

use serde_json::{Value, json};

use super::failure::{Exit, Failure};
use super::files::Here;
use super::output::{Out, complain, print};
use super::{logging, run, samples};
use crate::builder::{BuildError, Workspace};
use patchbay_host::clock::Clock;
use patchbay_host::config::Config;
use patchbay_host::hub::Hub;

#[derive(clap::Args)]
pub struct Up {
    /// Do not build the bundled connectors
    #[arg(long)]
    no_build: bool,
}

/// What `up` says once the hub answers.
struct Ready {
    base: String,
    form: Option<String>,
    config: String,
    database: String,
    connectors: String,
    key: String,
}

impl Up {
    pub async fn run(self, here: Here) -> Result<(), Failure> {
        let out = here.out;
        if here.write_config()? {
            out.note(format!("wrote {}, every setting commented", here.file.display()));
        }
        let config = here.config()?;
        logging::start(&config.log)?;
        if !self.no_build {
            build(out, &config.connectors)?;
        }
        let hub = Hub::open(config, Clock::steady()).await?;
        let form = example_form(out, &hub).await?;
        let ready = Ready::of(&here, &hub.config, form);
        run::run(hub, move || ready.say(out)).await
    }
}

/// Builds the bundled connectors that are missing or older than their sources.
fn build(out: Out, folder: &Path) -> Result<(), Failure> {
    let current = std::env::current_dir().map_err(|error| Failure::io("the current folder cannot be read", &error))?;
    let Some(workspace) = Workspace::around(&current)? else {
        if !folder.is_dir() {
            out.note(format!("no sources of connectors here and no {}: put the connectors' .wasm files there", folder.display()));
        }
        return Ok(());
    };
    let stale = workspace.stale(folder)?;
    if stale.is_empty() {
        out.note("the bundled connectors are up to date");
        return Ok(());
    }
    let names: Vec<&str> = stale.iter().map(|it| it.id.as_str()).collect();
    out.note(format!("building {}", names.join(", ")));
    workspace.prepare_target(|text| out.note(text))?;
    workspace.build(&stale, folder, out.quiet)?;
    out.note(format!("{} lie in {}", names.join(", "), folder.display()));
    Ok(())
}

/// The form connection of the example page; none where the form connector is not installed.
async fn example_form(out: Out, hub: &Hub) -> Result<Option<String>, Failure> {
    if hub.catalogue.artifact("webform").is_err() {
        return Ok(None);
    }
    let (form, made) = samples::form(hub).await?;
    if made {
        out.note(format!("made the connection `{}`", form.name));
    }
    Ok(hub.address(&form))
}

impl Ready {
    fn of(here: &Here, config: &Config, form: Option<String>) -> Self {
        Self {
            base: if config.public_url.is_empty() { format!("http://{}", run::reachable(config.listen)) } else { config.base_url() },
            form,
            config: here.file.display().to_string(),
            // A database's address may hold a password.
            database: config
                .database
                .rsplit_once('@')
                .map_or_else(|| config.database.clone(), |(_, place)| format!("postgres://…@{place}")),
            connectors: config.connectors.display().to_string(),
            key: config.secrets.key.to_string(),
        }
    }

    fn say(&self, out: Out) {
        let json = || serde_json::to_string(&self.json()).unwrap_or_default() + "\n";
        // The hub runs on, whether or not somebody reads this.
        if print(&if out.json { json() } else { self.human() }).is_err() {
            complain("nobody reads what to do next");
        }
    }

    fn json(&self) -> Value {
        json!({
            "url": self.base,
            "example": self.form.as_ref().map(|_| format!("{}/example", self.base)),
            "form": self.form,
            "config": self.config,
            "database": self.database,
            "connectors": self.connectors,
            "key": self.key,
        })
    }

    fn human(&self) -> String {
        let base = &self.base;
        // As this process was called, so that the lines can be copied.
        let me = std::env::args().next().unwrap_or_else(|| "patchbay".to_owned());
        let example = self.form.as_ref().map(|form| format!("  Try the form       {base}/example\n  Your own forms     post to {form}\n"));
        format!(
            "\nPatchbay runs at {base}   (Ctrl-C stops it)\n\n{}\
             \x20 See it work        {me} demo\n\
             \x20                    two messages and a form of one person become one lead\n\
             \x20 See the leads      {me} lead list\n\
             \x20 Connect a bot      {me} connection add telegram\n\
             \x20 Connect the CRM    {me} connection add odoo --set base_url=https://company.odoo.com --set database=company\n\
             \x20 Use the API        {me} token create <name>, then {base}/api/v1\n\
             \x20 Check everything   {me} doctor\n\n\
             \x20 Configuration      {}\n\
             \x20 Database           {}\n\
             \x20 Connectors         {}\n\
             \x20 Master key         {} (keep a copy: without it the stored secrets are lost)\n\n",
            example.unwrap_or_default(),
            self.config,
            self.database,
            self.connectors,
            self.key,
        )
    }
}

impl From<BuildError> for Failure {
    fn from(error: BuildError) -> Self {
        let help = error.cure();
        Self::new(Exit::Build, super::failure::chain(&error)).help(help)
    }
}
