//! `connector …`: what the author of a connector needs, and who installs one.

mod build;
mod inspect;
mod list;
mod map;
mod new;
mod permissions;
mod report;
mod templates;
mod test;

use patchbay_host::plugin::Artifact;

use super::failure::Failure;
use super::files::{Here, ScratchCache};
use super::logging;
use super::output::complain;

#[derive(clap::Subcommand)]
pub enum Connectors {
    /// List the installed connectors
    List,
    New(new::New),
    Build(build::Build),
    Test(test::Test),
    /// Show what a connector can do, what it may reach and how it is configured, without running it
    Inspect {
        /// A connector's id, or the path of a .wasm
        connector: String,
    },
    Map(map::MapArgs),
}

impl Connectors {
    pub async fn run(self, here: &Here) -> Result<(), Failure> {
        match self {
            Self::New(it) => return it.run(here.out),
            Self::Build(it) => return it.run(here.out),
            Self::Test(it) => return it.run(here).await,
            Self::Map(it) => return it.run(here).await,
            Self::List | Self::Inspect { .. } => {}
        }
        logging::start_for_command();
        let config = here.config()?;
        let scratch = ScratchCache::find(&config);
        let catalogue = Here::catalogue(&config, scratch.cache.clone())?;
        let Self::Inspect { connector } = self else {
            let (found, broken) = catalogue.list()?;
            for error in broken {
                complain(&format!("warning: {}", Failure::from(error).what));
            }
            let artifacts: Vec<Artifact> = found.into_values().collect();
            return list::list(here.out, &artifacts, &config.connectors.display().to_string());
        };
        inspect::inspect(here.out, &map::find(&catalogue, &connector)?)
    }
}
