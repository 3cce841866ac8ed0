//! Keys that secrets are sealed with, each sealed with master keys that stand outside the database; and what is sealed with them.

use super::audit::{Change, note_change};
use super::{Store, StoreError, Tx};
use crate::clock::timestamp;
use crate::ids::ConnectionId;
use crate::secrets::KeyId;

/// A data key as it stands in the database, sealed with one master key.
#[derive(Debug, Clone)]
pub struct Wrapped {
    /// The data key.
    pub key: KeyId,
    /// True for the one that secrets are sealed with now.
    pub current: bool,
    /// The master key that opens it.
    pub master: KeyId,
    /// The sealed data key.
    pub sealed: Vec<u8>,
}

/// A data key as it is shown.
#[derive(Debug, Clone, serde::Serialize)]
pub struct KeyView {
    /// Sixteen hexadecimal digits.
    pub id: String,
    /// `current`, or `former` while what was sealed with it is sealed anew.
    pub state: String,
    /// When it was made.
    pub made_at: patchbay_schemas::Timestamp,
    /// Secrets that are sealed with it.
    pub secrets: i64,
    /// The master keys that open it.
    pub masters: Vec<String>,
}

/// A sealed secret and its place.
#[derive(Debug, Clone)]
pub struct SealedSecret {
    /// Whose it is.
    pub connection: ConnectionId,
    /// Its name.
    pub name: String,
    /// As it is stored.
    pub sealed: Vec<u8>,
}

impl Store {
    /// Every data key with every master key that opens it.
    pub async fn wrapped_keys(&self) -> Result<Vec<Wrapped>, StoreError> {
        let sql =
            "select k.id, k.state, w.master_id, w.sealed from data_keys k join key_wraps w on w.key_id = k.id order by k.id, w.master_id";
        let rows = self.db.fetch(sql, Vec::new()).await?;
        let id = |text: String| text.parse().map_err(|()| sqlx::Error::Decode(format!("`{text}` is no key's id").into()));
        rows.iter()
            .map(|row| {
                Ok(Wrapped {
                    key: id(row.text(0)?)?,
                    current: row.text(1)? == "current",
                    master: id(row.text(2)?)?,
                    sealed: row.opt_bytes(3)?.unwrap_or_default(),
                })
            })
            .collect::<sqlx::Result<_>>()
            .map_err(Into::into)
    }

    /// The data keys, for people.
    pub async fn data_keys(&self) -> Result<Vec<KeyView>, StoreError> {
        let wrapped = self.wrapped_keys().await?;
        let rows = self.db.fetch("select id, state, made_at from data_keys order by made_at, id", Vec::new()).await?;
        let mut keys = Vec::with_capacity(rows.len());
        for row in rows {
            let id = row.text(0)?;
            let masters = wrapped.iter().filter(|it| it.key.to_string() == id).map(|it| it.master.to_string()).collect();
            let prefix = id.parse::<KeyId>().map(KeyId::prefix).unwrap_or_default();
            let counted =
                self.db.fetch_optional("select count(*) from secrets where substr(sealed, 1, 9) = $1", vec![prefix.into()]).await?;
            let secrets = counted.map(|it| it.int(0)).transpose()?.unwrap_or(0);
            keys.push(KeyView { id, state: row.text(1)?, made_at: timestamp(row.int(2)?), secrets, masters });
        }
        Ok(keys)
    }

    /// Makes a data key the current one; the one before becomes a former one. False: another hub did the same right now.
    pub async fn put_key(&self, key: KeyId, before: Option<KeyId>, wraps: &[(KeyId, Vec<u8>)]) -> Result<bool, StoreError> {
        let now = self.clock.now_ms();
        let mut tx = self.db.begin().await?;
        if let Some(before) = before {
            let sql = "update data_keys set state = 'former' where id = $1 and state = 'current'";
            if tx.execute(sql, vec![before.to_string().into()]).await? != 1 {
                return Ok(false);
            }
        }
        let sql =
            "insert into data_keys (id, state, made_at) values ($1, 'current', $2) on conflict (state) where state = 'current' do nothing";
        if tx.execute(sql, vec![key.to_string().into(), now.into()]).await? != 1 {
            return Ok(false);
        }
        for (master, sealed) in wraps {
            put_wrap(&mut tx, key, *master, sealed).await?;
        }
        tx.commit().await?;
        Ok(true)
    }

    /// Lets one more master key open a data key.
    pub async fn add_wrap(&self, key: KeyId, master: KeyId, sealed: &[u8]) -> Result<(), StoreError> {
        let mut tx = self.db.begin().await?;
        put_wrap(&mut tx, key, master, sealed).await?;
        tx.commit().await?;
        Ok(())
    }

    /// A master key opens nothing any more. False: it opened nothing, or no other one would open the current key.
    pub async fn forget_master(&self, master: KeyId) -> Result<bool, StoreError> {
        let mut tx = self.db.begin().await?;
        let touched = tx.execute("delete from key_wraps where master_id = $1", vec![master.to_string().into()]).await?;
        let sql = "select 1 from data_keys k where not exists (select 1 from key_wraps w where w.key_id = k.id)";
        if touched == 0 || !tx.fetch(sql, Vec::new()).await?.is_empty() {
            return Ok(false);
        }
        tx.commit().await?;
        Ok(true)
    }

    /// Secrets that are not sealed with this key, in order, after a place in it.
    pub async fn sealed_otherwise(&self, key: KeyId, after: Option<&SealedSecret>, limit: i64) -> Result<Vec<SealedSecret>, StoreError> {
        let (connection, name) = after.map_or_else(Default::default, |it| (it.connection.to_string(), it.name.clone()));
        let sql = "select connection_id, name, sealed from secrets where (connection_id > $2 or (connection_id = $2 and name > $3)) \
                   and substr(sealed, 1, 9) <> $1 order by connection_id, name limit $4";
        let values = vec![key.prefix().into(), connection.into(), name.into(), limit.into()];
        let rows = self.db.fetch(sql, values).await?;
        rows.iter()
            .map(|row| Ok(SealedSecret { connection: row.id(0)?, name: row.text(1)?, sealed: row.opt_bytes(2)?.unwrap_or_default() }))
            .collect::<sqlx::Result<_>>()
            .map_err(Into::into)
    }

    /// Puts a secret that was sealed anew in the place of what it was. Those that changed meanwhile stay as they are.
    pub async fn reseal(&self, anew: &[(SealedSecret, Vec<u8>)], author: &str) -> Result<u64, StoreError> {
        let now = self.clock.now_ms();
        let mut tx = self.db.begin().await?;
        let mut touched = 0;
        for (was, sealed) in anew {
            let sql = "update secrets set sealed = $4 where connection_id = $1 and name = $2 and sealed = $3";
            let values = vec![was.connection.into(), was.name.as_str().into(), was.sealed.clone().into(), sealed.clone().into()];
            if tx.execute(sql, values).await? == 1 {
                note_change(&mut tx, self.ids.next(), was.connection, &was.name, Change { action: "secret.resealed", author }, now).await?;
                touched += 1;
            }
        }
        tx.commit().await?;
        Ok(touched)
    }

    /// Destroys the former keys, where nothing is sealed with them any more. False: something is.
    pub async fn end_former_keys(&self, current: KeyId) -> Result<bool, StoreError> {
        let mut tx = self.db.begin().await?;
        let left = tx.fetch("select 1 from secrets where substr(sealed, 1, 9) <> $1 limit 1", vec![current.prefix().into()]).await?;
        if !left.is_empty() {
            return Ok(false);
        }
        let former = "select id from data_keys where state = 'former'";
        tx.execute(&format!("delete from key_wraps where key_id in ({former})"), Vec::new()).await?;
        tx.execute("delete from data_keys where state = 'former'", Vec::new()).await?;
        tx.commit().await?;
        Ok(true)
    }
}

async fn put_wrap(tx: &mut Tx, key: KeyId, master: KeyId, sealed: &[u8]) -> sqlx::Result<()> {
    let sql = "insert into key_wraps (key_id, master_id, sealed) values ($1, $2, $3) on conflict (key_id, master_id) do nothing";
    tx.execute(sql, vec![key.to_string().into(), master.to_string().into(), sealed.to_vec().into()]).await?;
    Ok(())
}

/// Whether what was sealed with this key may be written: no other one became current meanwhile, nor does until the commit.
pub(super) async fn is_current(tx: &mut Tx, key: KeyId) -> sqlx::Result<bool> {
    let sql = "select 1 from data_keys where id = $1 and state = 'current'";
    let sql = if tx.has_company() { format!("{sql} for share") } else { sql.to_owned() };
    Ok(!tx.fetch(&sql, vec![key.to_string().into()]).await?.is_empty())
}
