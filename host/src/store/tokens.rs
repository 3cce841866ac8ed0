//! API tokens: shown once, stored as a hash.

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use ring::digest;
use ring::rand::{SecureRandom as _, SystemRandom};

use super::{Store, StoreError};
use crate::ids::{TokenId, WorkspaceId};

/// What is known of a token; never the token itself.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct TokenInfo {
    /// `tok_…`
    pub id: TokenId,
    /// What it is used for.
    pub name: String,
    /// Milliseconds since 1970 UTC.
    pub created_at: i64,
    /// Milliseconds since 1970 UTC; none: it is valid.
    pub revoked_at: Option<i64>,
}

impl Store {
    /// Makes a token for the API of one workspace. The text is shown once and not kept.
    pub async fn create_token(&self, workspace: WorkspaceId, name: &str) -> Result<(TokenId, String), StoreError> {
        let mut random = [0; 32];
        SystemRandom::new().fill(&mut random).expect("the system's randomness is there");
        let token = format!("pb_{}", BASE64_URL_SAFE_NO_PAD.encode(random));
        let id: TokenId = self.ids.next();
        let mut tx = self.db.begin().await?;
        let sql = "insert into tokens (id, workspace_id, name, hash, created_at) values ($1, $2, $3, $4, $5)";
        tx.execute(sql, vec![id.into(), workspace.into(), name.into(), hash(&token).into(), self.clock.now_ms().into()]).await?;
        tx.commit().await?;
        Ok((id, token))
    }

    /// The workspace that a token opens, and the token's id.
    pub async fn token_workspace(&self, token: &str) -> Result<Option<(WorkspaceId, TokenId)>, StoreError> {
        let sql = "select workspace_id, id from tokens where hash = $1 and revoked_at is null";
        let row = self.db.fetch_optional(sql, vec![hash(token).into()]).await?;
        Ok(row.map(|it| Ok::<_, sqlx::Error>((it.id(0)?, it.id(1)?))).transpose()?)
    }

    /// The tokens of a workspace.
    pub async fn tokens(&self, workspace: WorkspaceId) -> Result<Vec<TokenInfo>, StoreError> {
        let sql = "select id, name, created_at, revoked_at from tokens where workspace_id = $1 order by id";
        let rows = self.db.fetch(sql, vec![workspace.into()]).await?;
        rows.iter()
            .map(|row| Ok(TokenInfo { id: row.id(0)?, name: row.text(1)?, created_at: row.int(2)?, revoked_at: row.opt_int(3)? }))
            .collect()
    }

    /// Revokes a token. False: there is no such valid token.
    pub async fn revoke_token(&self, workspace: WorkspaceId, token: TokenId) -> Result<bool, StoreError> {
        let mut tx = self.db.begin().await?;
        let sql = "update tokens set revoked_at = $3 where workspace_id = $1 and id = $2 and revoked_at is null";
        let touched = tx.execute(sql, vec![workspace.into(), token.into(), self.clock.now_ms().into()]).await?;
        tx.commit().await?;
        Ok(touched == 1)
    }
}

fn hash(token: &str) -> Vec<u8> {
    digest::digest(&digest::SHA256, token.as_bytes()).as_ref().to_vec()
}
