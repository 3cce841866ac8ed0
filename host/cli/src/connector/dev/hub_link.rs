//! What `connector dev` sees of the hub: its connection as the hub runs it, the connector's log, and what came in.

use std::collections::BTreeSet;
use std::time::Duration;

use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::failure::{Exit, Failure};
use crate::run;
use patchbay_host::hub::Hub;
use patchbay_host::ids::{ConnectionId, DeliveryId, TokenId};
use patchbay_host::plugin::journal::Line;
use patchbay_host::rules::ingest::ReadBy;
use patchbay_host::store::deliveries::{DeliveryView, Filter};
use patchbay_host::store::replay::Stored;
use patchbay_host::store::shadows::ShadowView;

/// Longest wait for an answer.
const WAIT: Duration = Duration::from_secs(5);
/// Most deliveries of one connection that are looked at.
const MOST: i64 = 50;

/// The way to a hub that runs, and what was seen of it so far.
pub struct HubLink<'a> {
    hub: &'a Hub,
    connector: String,
    client: reqwest::Client,
    token: String,
    token_id: TokenId,
    /// Number of the last line of the log.
    last: u64,
    /// Deliveries that were told.
    told: BTreeSet<DeliveryId>,
    /// The digest of the version whose trial was told.
    tried: Option<String>,
}

/// A connection as the API shows it.
#[derive(Deserialize)]
pub struct Shown {
    /// What runs.
    pub running: Option<ReadBy>,
    /// Why it does not run.
    pub fault: Option<String>,
}

#[derive(Deserialize)]
struct Log {
    lines: Vec<Line>,
    last: u64,
}

impl<'a> HubLink<'a> {
    /// A way with a token of its own; what came in before is not told.
    pub async fn open(hub: &'a Hub, connector: &str) -> Result<Self, Failure> {
        let client = reqwest::Client::builder().no_proxy().timeout(WAIT).build();
        let client = client.map_err(|error| Failure::new(Exit::Unexpected, format!("the HTTP client cannot be made: {error}")))?;
        let (token_id, token) = hub.store.create_token(hub.workspace.id, "connector dev").await?;
        let connector = connector.to_owned();
        let mut link = Self { hub, connector, client, token, token_id, last: 0, told: BTreeSet::new(), tried: None };
        link.news_of_deliveries().await?;
        link.last = link.log().await.map_or(0, |it| it.last);
        Ok(link)
    }

    /// Makes its token worthless.
    pub async fn close(self) -> Result<(), Failure> {
        self.hub.store.revoke_token(self.hub.workspace.id, self.token_id).await?;
        Ok(())
    }

    /// The connection as the hub runs it; none: the hub does not answer.
    pub async fn connection(&self, id: ConnectionId) -> Option<Shown> {
        self.get(&format!("/connections/{id}")).await
    }

    /// New lines of the log.
    pub async fn lines(&mut self) -> Vec<Line> {
        let Some(log) = self.log().await else { return Vec::new() };
        let lines = if log.last < self.last {
            // The hub was started anew, and counts anew.
            self.last = 0;
            self.log().await.map_or_else(Vec::new, |it| it.lines)
        } else {
            log.lines
        };
        self.last = lines.last().map_or(log.last, |it| it.number);
        lines
    }

    /// The trial of this version, once.
    pub async fn trial(&mut self, id: ConnectionId, built: &ReadBy) -> Result<Option<ShadowView>, Failure> {
        if self.tried.as_ref() == Some(&built.digest) {
            return Ok(None);
        }
        let found = self.hub.store.shadow(id).await?.filter(|it| it.read_by.digest == built.digest);
        if found.is_some() {
            self.tried = Some(built.digest.clone());
        }
        Ok(found)
    }

    /// Deliveries that came to their end since the last look, oldest first, with what was read of them.
    pub async fn news_of_deliveries(&mut self) -> Result<Vec<(DeliveryView, Vec<Stored>)>, Failure> {
        let mut news = Vec::new();
        let all = crate::connection::all(self.hub).await?;
        for connection in all.iter().filter(|it| it.connector == self.connector) {
            let filter = Filter { connection: Some(connection.id), limit: MOST, ..Filter::default() };
            for it in self.hub.store.deliveries(self.hub.workspace.id, &filter).await? {
                if self.told.insert(it.id) {
                    let events = self.hub.store.events_of(connection.id, it.id, &[]).await?;
                    news.push((it, events));
                }
            }
        }
        news.sort_by_key(|(it, _)| it.id);
        Ok(news)
    }

    async fn log(&self) -> Option<Log> {
        self.get(&format!("/connectors/{}/log?after={}", self.connector, self.last)).await
    }

    async fn get<T: DeserializeOwned>(&self, path: &str) -> Option<T> {
        let address = run::reachable(self.hub.config.listen);
        let asked = self.client.get(format!("http://{address}/api/v1{path}")).bearer_auth(&self.token).send().await.ok()?;
        serde_json::from_slice(&asked.error_for_status().ok()?.bytes().await.ok()?).ok()
    }
}
