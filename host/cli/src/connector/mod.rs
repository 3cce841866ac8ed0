//! `connector …`: what the author of a connector needs, and who installs one.

mod build;
mod dev;
mod inspect;
mod install;
mod list;
mod map;
mod new;
mod package;
mod permissions;
mod record;
mod release;
mod report;
mod templates;
mod test;
mod upgrade;

use std::path::Path;

use super::failure::Failure;
use super::files::{Here, ScratchCache};
use super::logging;
use super::output::complain;
use patchbay_host::catalogue::{Catalogue, Waiting};
use patchbay_host::config::Config;
use patchbay_host::package::Package;
use patchbay_host::shelf::{self, Shelf};

#[derive(clap::Subcommand)]
pub enum Connectors {
    /// List the installed connectors
    List,
    New(new::New),
    Build(build::Build),
    Test(test::Test),
    Dev(Box<dev::Dev>),
    Key(package::Key),
    Package(package::Pack),
    Install(install::Install),
    Upgrade(upgrade::Upgrade),
    Rollback(install::Rollback),
    Release(release::Release),
    /// Show what a connector can do, what it may reach and how it is configured, without running it
    Inspect {
        /// A connector's id, or the path of a .wasm or a package
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
            Self::Dev(it) => return it.run(here).await,
            Self::Key(it) => return it.run(here.out),
            Self::Package(it) => return it.run(here.out),
            Self::Install(it) => return it.run(here).await,
            Self::Upgrade(it) => return it.run(here).await,
            Self::Rollback(it) => return it.run(here),
            Self::Release(it) => return it.run(here).await,
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
            let standing: Vec<_> = found.into_values().map(|it| catalogue.standing(it)).collect();
            return list::list(here.out, &standing, &config.connectors.display().to_string());
        };
        let (package, waiting) = found(&config, &catalogue, &connector)?;
        inspect::inspect(here.out, &package, &package.trust(&config.install.publishers), waiting.as_ref())
    }
}

/// A file, an installed connector with its signature (the version that runs, and the one that waits in its place), or one that was built in
/// this checkout.
fn found(config: &Config, catalogue: &Catalogue, wanted: &str) -> Result<(Package, Option<Waiting>), Failure> {
    let path = Path::new(wanted);
    match path.extension().and_then(|it| it.to_str()) {
        Some("wasm") if path.is_file() => return Ok((shelf::read(path)?, None)),
        Some("patchbay") => return Ok((install::read(path)?, None)),
        _ => {}
    }
    let is_id = !wanted.contains(std::path::MAIN_SEPARATOR);
    match Shelf::new(config.connectors.clone()).current(wanted) {
        Ok(Some(package)) if is_id => Ok((package, catalogue.standing(catalogue.installed(wanted)?).1)),
        Err(error) if is_id => Err(error.into()),
        _ => Ok((Package { artifact: map::find(catalogue, wanted)?, signature: None }, None)),
    }
}
