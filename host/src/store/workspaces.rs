//! Workspaces.

use super::{Store, StoreError};
use crate::ids::WorkspaceId;
use crate::rules::ingest::Settings;

/// One company in the hub.
#[derive(Debug, Clone, PartialEq)]
pub struct Workspace {
    /// `wsp_…`
    pub id: WorkspaceId,
    /// Shown to people.
    pub name: String,
    /// ISO 3166 country of phones without a country code.
    pub region: String,
    /// What it decides about its leads.
    pub settings: Settings,
}

impl Store {
    /// Every workspace, oldest first.
    pub async fn workspaces(&self) -> Result<Vec<Workspace>, StoreError> {
        let rows = self.db.fetch("select id, name, region, settings from workspaces order by id", Vec::new()).await?;
        rows.iter().map(|row| Ok(Workspace { id: row.id(0)?, name: row.text(1)?, region: row.text(2)?, settings: row.json(3)? })).collect()
    }

    /// The first workspace; it is made, with these values, where there is none.
    pub async fn first_workspace(&self, name: &str, region: &str, settings: &Settings) -> Result<Workspace, StoreError> {
        if let Some(first) = self.workspaces().await?.into_iter().next() {
            return Ok(first);
        }
        let id: WorkspaceId = self.ids.next();
        let mut tx = self.db.begin().await?;
        let sql = "insert into workspaces (id, name, region, settings, created_at) select $1, $2, $3, $4, $5 \
                   where not exists (select 1 from workspaces)";
        let settings = serde_json::to_string(settings).expect("settings are plain values");
        // PostgreSQL does not know the types of a bare select's parameters.
        let sql = if tx.has_company() {
            sql.replace("$1, $2, $3, $4, $5", "$1::text, $2::text, $3::text, $4::text, $5::bigint")
        } else {
            sql.to_owned()
        };
        tx.execute(&sql, vec![id.into(), name.into(), region.into(), settings.into(), self.clock.now_ms().into()]).await?;
        tx.commit().await?;
        self.workspaces().await?.into_iter().next().ok_or(StoreError::Gone("the workspace"))
    }

    /// A further workspace, for the tests of what workspaces may see of one another.
    #[cfg(test)]
    pub async fn further_workspace(&self, name: &str, region: &str) -> Result<WorkspaceId, StoreError> {
        let id: WorkspaceId = self.ids.next();
        let mut tx = self.db.begin().await?;
        let sql = "insert into workspaces (id, name, region, settings, created_at) values ($1, $2, $3, $4, $5)";
        let settings = serde_json::to_string(&Settings::default()).expect("settings are plain values");
        tx.execute(sql, vec![id.into(), name.into(), region.into(), settings.into(), self.clock.now_ms().into()]).await?;
        tx.commit().await?;
        Ok(id)
    }

    /// Sets what a workspace decides.
    pub async fn set_workspace(&self, workspace: WorkspaceId, region: &str, settings: &Settings) -> Result<(), StoreError> {
        let settings = serde_json::to_string(settings).expect("settings are plain values");
        let mut tx = self.db.begin().await?;
        let sql = "update workspaces set region = $2, settings = $3 where id = $1";
        let touched = tx.execute(sql, vec![workspace.into(), region.into(), settings.into()]).await?;
        tx.commit().await?;
        if touched == 1 { Ok(()) } else { Err(StoreError::Gone("the workspace")) }
    }
}
