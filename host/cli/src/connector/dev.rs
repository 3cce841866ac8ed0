//! `connector dev`: a connector's folder is watched, built at each change and run in a hub, and what it does there is shown.

mod hub_link;
mod news;
mod watch;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use patchbay_schemas::Manifest;
use serde_json::{Map, Value};
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::JoinHandle;

use self::hub_link::HubLink;
use self::news::News;
use self::watch::Sources;
use super::build::{self, Built};
use crate::connection::{all, find};
use crate::failure::{Exit, Failure};
use crate::fields::Fields;
use crate::files::Here;
use crate::output::Out;
use crate::run;
use patchbay_host::hub::Hub;
use patchbay_host::operations::NewConnection;
use patchbay_host::package::Package;
use patchbay_host::rules::ingest::ReadBy;
use patchbay_host::shelf::Shelf;
use patchbay_host::store::connections::Connection;

/// How often sources and hub are looked at.
const LOOK: Duration = Duration::from_millis(250);
/// How long a build that is under way at the end is waited for: a terminal's Ctrl-C ends it, too.
const ENDING: Duration = Duration::from_secs(5);

/// Watch a connector's folder: build it at each change, run it in the hub, and show its log and what becomes of each delivery
///
/// The hub must run, and take connectors that nobody signed (`install.unsigned = true` in its patchbay.toml, which is looked for here and in the
/// folders above the connector). A version that does not compile, or that breaks on a delivery that the one before reads, changes nothing.
/// Ctrl-C ends it; the connector stays in the hub.
#[derive(clap::Args)]
pub struct Dev {
    /// The connector's folder
    #[arg(default_value = ".")]
    folder: PathBuf,
    /// The connection to try it with, by id or name (the connector's name and `(dev)`, which is made where there is none)
    #[arg(long)]
    connection: Option<String>,
    #[command(flatten)]
    fields: Fields,
}

/// Where the connection comes from.
enum Place {
    /// It is there.
    There(Box<Connection>),
    /// It is made, with this configuration.
    New(Map<String, Value>),
}

/// A build, and when it began.
type UnderWay = (Instant, JoinHandle<Result<Built, Failure>>);

/// What is going on.
struct Session<'a> {
    out: Out,
    hub: &'a Hub,
    folder: PathBuf,
    id: String,
    connection: Option<Connection>,
    /// Where it comes from, until it is there.
    place: Option<Place>,
    /// What the last build was made of.
    sources: Sources,
    /// What was built last and put into the hub.
    built: Option<ReadBy>,
    /// What was last told of the connection.
    running: Option<ReadBy>,
    fault: Option<String>,
    answers: bool,
}

impl Dev {
    pub async fn run(&self, here: &Here) -> Result<(), Failure> {
        let folder = build::folder(&self.folder)?;
        let here = here.near(&folder)?;
        let config = here.config()?;
        if !config.install.unsigned {
            let what = "this hub takes no connectors that nobody signed, and what is built here is not signed";
            return Err(Failure::new(Exit::Unsigned, what)
                .help(format!("on a hub to develop with, write `unsigned = true` under [install] in {}", here.file.display())));
        }
        if !run::answers(config.listen).await {
            let what = format!("no hub answers at http://{}", run::reachable(config.listen));
            let place = here.file.parent().unwrap_or(Path::new(".")).display();
            let start = format!("`patchbay up` in {place} starts one (or `patchbay serve`, without building the bundled connectors)");
            return Err(
                Failure::new(Exit::Refused, what).help(format!("{start}; --config before the command names another hub's patchbay.toml"))
            );
        }
        here.with_hub(async |hub| self.develop(here.out, hub, folder).await).await
    }

    async fn develop(&self, out: Out, hub: &Hub, folder: PathBuf) -> Result<(), Failure> {
        let failed = |error: std::io::Error| Failure::io("signals cannot be heard", &error);
        let mut interrupt = signal(SignalKind::interrupt()).map_err(failed)?;
        let mut terminate = signal(SignalKind::terminate()).map_err(failed)?;
        let manifest = build::manifest(&folder)?;
        // Whoever must say something says it now, and not when the first build is done.
        let place = self.place(hub, &manifest).await?;
        let id = manifest.id;
        let mut link = HubLink::open(hub, &id).await?;
        let sources = Sources::default();
        let mut session = Session {
            out,
            hub,
            folder,
            id,
            connection: None,
            place: Some(place),
            sources,
            built: None,
            running: None,
            fault: None,
            answers: true,
        };
        let mut building: Option<UnderWay> = None;
        let mut look = tokio::time::interval(LOOK);
        let ended = loop {
            tokio::select! {
                biased;
                _ = interrupt.recv() => break Ok(()),
                _ = terminate.recv() => break Ok(()),
                _ = look.tick() => {}
            }
            if let Err(failure) = self.step(&mut session, &mut link, &mut building).await {
                break Err(failure);
            }
        };
        if let Some((_, building)) = building {
            // Ended by the same Ctrl-C, or not at all: what it makes lies in the folder, and is not put into the hub.
            let _ = tokio::time::timeout(ENDING, building).await;
        }
        link.close().await?;
        ended?;
        News::Stopped { connector: &session.id }.tell(out)
    }

    /// One look at everything.
    async fn step(&self, session: &mut Session<'_>, link: &mut HubLink<'_>, building: &mut Option<UnderWay>) -> Result<(), Failure> {
        match building.take() {
            Some((since, task)) if task.is_finished() => {
                let made = task.await.map_err(|error| Failure::new(Exit::Unexpected, format!("the build ended unexpectedly: {error}")))?;
                let taken = match made {
                    Ok(built) => self.take(session, built, since).await,
                    Err(failure) => Err(failure),
                };
                if let Err(failure) = taken {
                    // Without a connection and without a first version there is nothing to go on with but what the author changes.
                    News::Failed { failure: &failure }.tell(session.out)?;
                }
            }
            Some(under_way) => *building = Some(under_way),
            None => *building = session.begin()?,
        }
        session.look(link).await
    }

    /// Puts what was built into the hub, and makes a connection ready for it.
    async fn take(&self, session: &mut Session<'_>, built: Built, since: Instant) -> Result<(), Failure> {
        let (out, hub) = (session.out, session.hub);
        let artifact = built.artifact;
        if artifact.manifest.id != session.id {
            let what = format!("connector.toml says `{}` now, and this session is of `{}`", artifact.manifest.id, session.id);
            return Err(Failure::new(Exit::Refused, what).help("Ctrl-C ends it; a new one takes the new id"));
        }
        let now = ReadBy::new(&artifact.manifest.version, &artifact.digest);
        if session.built.as_ref() == Some(&now) {
            return News::Unchanged.tell(out);
        }
        News::Built { built: &now, size: artifact.wasm.len(), took_ms: since.elapsed().as_millis() }.tell(out)?;
        // What does not fit this hub is told here, and not found in its log.
        hub.catalogue.load(artifact.clone()).await?;
        let shelf = Shelf::new(hub.config.connectors.clone());
        let manifest = artifact.manifest.clone();
        if shelf.installed(&manifest.id)?.is_none_or(|it| it.artifact.digest != artifact.digest) {
            // What was there before this session is kept, and none of the many that come and go in it.
            if session.built.is_none() {
                shelf.keep(&manifest.id)?;
            }
            shelf.exchange(&Package { artifact, signature: None })?;
        }
        if let Some(place) = &session.place {
            let connection = match place {
                Place::There(connection) => (**connection).clone(),
                Place::New(config) => {
                    let (connector, networks) = (manifest.id.clone(), self.fields.networks.clone());
                    let new = NewConnection { connector, name: own_name(&manifest), config: config.clone(), networks };
                    hub.create_connection(hub.workspace.id, new).await?
                }
            };
            let base = Some(hub.config.base_url()).filter(|_| !hub.config.public_url.is_empty());
            let base = base.unwrap_or_else(|| format!("http://{}", run::reachable(hub.config.listen)));
            let address = manifest.listens(&connection.config).then(|| format!("{base}/in/{}", connection.id));
            News::Ready { connection: &connection.id.to_string(), name: &connection.name, address: address.as_deref() }.tell(out)?;
            (session.connection, session.place) = (Some(connection), None);
        }
        session.built = Some(now);
        Ok(())
    }

    /// The connection that was named, else the one that this command made before, else what one is made with.
    async fn place(&self, hub: &Hub, manifest: &Manifest) -> Result<Place, Failure> {
        if let Some(wanted) = &self.connection {
            let found = find(hub, wanted).await?;
            if found.connector != manifest.id {
                let what = format!("`{}` is a connection of `{}`, not of `{}`", found.name, found.connector, manifest.id);
                return Err(Failure::new(Exit::Refused, what).help("leave --connection out, and one is made"));
            }
            return Ok(Place::There(Box::new(found)));
        }
        match all(hub).await?.into_iter().find(|it| it.connector == manifest.id && it.name == own_name(manifest)) {
            Some(found) => Ok(Place::There(Box::new(found))),
            None => Ok(Place::New(self.fields.gather(manifest, &Map::new())?)),
        }
    }
}

/// What a connection is called that this command makes.
fn own_name(manifest: &Manifest) -> String {
    format!("{} (dev)", manifest.name)
}

impl Session<'_> {
    /// Begins a build where something changed and nobody writes any more.
    fn begin(&mut self) -> Result<Option<UnderWay>, Failure> {
        let now = Sources::of(&self.folder);
        let is_first = self.sources == Sources::default();
        let Some(changed) = now.changed(&self.sources).map(|it| it.strip_prefix(&self.folder).unwrap_or(it).display().to_string()) else {
            return Ok(None);
        };
        News::Building { because: (!is_first).then_some(changed.as_str()) }.tell(self.out)?;
        self.sources = now;
        let (folder, out) = (self.folder.clone(), self.out);
        Ok(Some((Instant::now(), tokio::task::spawn_blocking(move || build::build(&folder, out)))))
    }

    /// Tells what the hub did meanwhile.
    async fn look(&mut self, link: &mut HubLink<'_>) -> Result<(), Failure> {
        let out = self.out;
        let (Some(connection), Some(built)) = (&self.connection, &self.built) else { return Ok(()) };
        let shown = link.connection(connection.id).await;
        if shown.is_some() != self.answers {
            self.answers = shown.is_some();
            News::Hub { answers: self.answers }.tell(out)?;
        }
        if let Some(shadow) = link.trial(connection.id, built).await? {
            News::Tried { shadow: &shadow }.tell(out)?;
        }
        if let Some(shown) = shown {
            if let Some(version) = shown.running.as_ref().filter(|it| self.running.as_ref() != Some(it)) {
                News::Running { version }.tell(out)?;
            }
            if let Some(fault) = shown.fault.as_ref().filter(|it| self.fault.as_ref() != Some(it)) {
                News::Fault { fault }.tell(out)?;
            }
            (self.running, self.fault) = (shown.running, shown.fault);
        }
        // What a delivery was read with stands in the log before it is committed.
        let deliveries = link.news_of_deliveries().await?;
        for line in link.lines().await {
            News::Log { line: &line }.tell(out)?;
        }
        for (delivery, events) in deliveries {
            News::Delivery { delivery: &delivery, events: &events }.tell(out)?;
        }
        Ok(())
    }
}
