//! The keys that secrets are sealed with, and how they change while hubs run.
//!
//! ```text
//! master key (file, environment, command) ─opens─► data keys (database) ─open─► secrets (database)
//! ```
//! A hub that meets a secret under a data key that it has not heard of reads the keys anew: the new one is sealed with every master key
//! that opened the old one, so it is opened with the one that the hub has. Nobody has to be told, and nobody has to start anew. What is
//! sealed under a key that is not the current one any more is refused by the database, so that it cannot be left behind.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

use crate::ids::ConnectionId;
use crate::secrets::{DataKey, KeyId, MasterKey, SecretError, SecretValue};
use crate::store::keys::{KeyView, Wrapped};
use crate::store::{Store, StoreError};

/// Secrets that are sealed anew in one transaction.
const STEP: i64 = 100;
/// Times that the keys are read anew because others changed them meanwhile.
const TRIES: u32 = 5;

/// Why the keys cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The configuration names none of the master keys that would open them.
    #[error("the secrets of this database are sealed with the master key {}, and the configuration names {}", list(.wanted), list(.given))]
    Locked {
        /// Master keys that open the current data key.
        wanted: Vec<KeyId>,
        /// Those that the configuration names.
        given: Vec<KeyId>,
    },
    /// Another hub may have only a master key that is not at hand here, and would not open the new data key.
    #[error("the master key {} opens the secrets too, and is not at hand here: what it opens cannot be sealed anew for it", list(.0))]
    OtherMasters(Vec<KeyId>),
    /// Some secrets cannot be opened, so that their key must stay.
    #[error("{} cannot be opened with any key that is here: the former keys stay until these are set anew", .0.join(", "))]
    Unopened(Vec<String>),
    /// That would lock the database.
    #[error("the master key {0} opens nothing here, or is the only one that does")]
    Needed(KeyId),
    /// Others kept changing the keys.
    #[error("other hubs change the keys right now: try again")]
    Contended,
    /// The database did not do it.
    #[error(transparent)]
    Store(#[from] StoreError),
}

fn list(ids: &[KeyId]) -> String {
    ids.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

/// What came of sealing everything anew.
#[derive(Debug, Clone, Copy, serde::Serialize)]
pub struct Rotated {
    /// True: a rotation that was begun before is finished; no further key was made.
    pub resumed: bool,
    /// Secrets that were sealed anew now.
    pub secrets: u64,
}

/// The data keys as they were read last.
struct Ring {
    current: DataKey,
    keys: BTreeMap<KeyId, DataKey>,
}

/// The keys of a hub.
pub struct Keyring {
    store: Store,
    /// The first one is the one that the hub is meant to have.
    masters: Vec<MasterKey>,
    ring: RwLock<Arc<Ring>>,
}

impl Keyring {
    /// Opens the database's keys with the configuration's master keys, the hub's own first; makes the first data key where there is none.
    pub async fn open(store: Store, masters: Vec<MasterKey>) -> Result<Self, KeyError> {
        let mut ring = read(&store, &masters).await?;
        if ring.is_none() {
            let first = DataKey::random();
            let wraps: Vec<_> = masters.iter().take(1).map(|it| (it.id(), it.wrap(&first))).collect();
            // Of two hubs that start on an empty database one makes it.
            store.put_key(first.id(), None, &wraps).await?;
            ring = read(&store, &masters).await?;
        }
        let ring = ring.ok_or(KeyError::Contended)?;
        let keyring = Self { store, masters, ring: RwLock::new(Arc::new(ring)) };
        keyring.adopt().await?;
        Ok(keyring)
    }

    /// Lets the hub's own master key open what was opened by a former one.
    async fn adopt(&self) -> Result<(), KeyError> {
        let Some(own) = self.masters.first() else { return Ok(()) };
        let wrapped = self.store.wrapped_keys().await?;
        for key in self.ring().keys.values() {
            if !wrapped.iter().any(|it| it.key == key.id() && it.master == own.id()) {
                self.store.add_wrap(key.id(), own.id(), &own.wrap(key)).await?;
            }
        }
        Ok(())
    }

    fn ring(&self) -> Arc<Ring> {
        Arc::clone(&self.ring.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Takes over what other hubs changed.
    pub async fn reload(&self) -> Result<(), KeyError> {
        let ring = read(&self.store, &self.masters).await?.ok_or(KeyError::Contended)?;
        *self.ring.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(ring);
        Ok(())
    }

    /// Seals a secret of a connection with the current key, as far as it is known here.
    #[must_use]
    pub fn seal(&self, connection: ConnectionId, name: &str, value: &SecretValue) -> Vec<u8> {
        self.ring().current.seal(&connection.to_string(), name, value)
    }

    /// The same of several secrets. Whoever writes them asks [`Keyring::again`] when they are refused.
    #[must_use]
    pub fn seal_all(&self, connection: ConnectionId, secrets: &BTreeMap<String, SecretValue>) -> BTreeMap<String, Vec<u8>> {
        secrets.iter().map(|(name, value)| (name.clone(), self.seal(connection, name, value))).collect()
    }

    /// Takes over another key that became the current one, after [`StoreError::FormerKey`], so that secrets can be sealed anew; a few times.
    pub async fn again(&self, tried: &mut u32) -> Result<(), StoreError> {
        *tried += 1;
        if *tried > TRIES {
            return Err(StoreError::FormerKey);
        }
        self.reload().await.map_err(|error| match error {
            KeyError::Store(error) => error,
            _ => StoreError::FormerKey,
        })
    }

    /// Opens a sealed secret of a connection. A key that is not known yet is looked up.
    pub async fn unseal(&self, connection: ConnectionId, name: &str, sealed: &[u8]) -> Result<SecretValue, UnsealError> {
        let damaged = || SecretError::Damaged { name: name.to_owned() };
        let key = KeyId::of_sealed(sealed).ok_or_else(damaged)?;
        let mut ring = self.ring();
        if !ring.keys.contains_key(&key) {
            match self.reload().await {
                Ok(()) | Err(KeyError::Locked { .. }) => ring = self.ring(),
                Err(KeyError::Store(error)) => return Err(error.into()),
                Err(_) => {}
            }
        }
        let opener = ring.keys.get(&key).ok_or_else(|| SecretError::Unknown { name: name.to_owned(), key })?;
        Ok(opener.open(&connection.to_string(), name, sealed).ok_or_else(damaged)?)
    }

    /// Makes a new data key and seals every secret with it, or finishes what was begun before. Hubs go on meanwhile. `author`: who wants it.
    pub async fn rotate(&self, author: &str) -> Result<Rotated, KeyError> {
        let resumed = self.store.data_keys().await?.iter().any(|it| it.state == "former");
        if !resumed {
            self.replace_key().await?;
        }
        let mut secrets = 0;
        for _ in 0..TRIES {
            self.reload().await?;
            secrets += self.seal_anew(author).await?;
            if self.store.end_former_keys(self.ring().current.id()).await? {
                return Ok(Rotated { resumed, secrets });
            }
        }
        Err(KeyError::Contended)
    }

    async fn replace_key(&self) -> Result<(), KeyError> {
        self.reload().await?;
        let current = self.ring().current.id();
        let openers: Vec<KeyId> = self.store.wrapped_keys().await?.into_iter().filter(|it| it.key == current).map(|it| it.master).collect();
        let absent: Vec<KeyId> = openers.iter().copied().filter(|id| !self.masters.iter().any(|it| it.id() == *id)).collect();
        if !absent.is_empty() {
            return Err(KeyError::OtherMasters(absent));
        }
        let new = DataKey::random();
        let wraps: Vec<_> = self.masters.iter().filter(|it| openers.contains(&it.id())).map(|it| (it.id(), it.wrap(&new))).collect();
        // Where another one was faster, its key is the one that everything is sealed with.
        self.store.put_key(new.id(), Some(current), &wraps).await?;
        Ok(())
    }

    /// Seals with the current key what is sealed with another one.
    async fn seal_anew(&self, author: &str) -> Result<u64, KeyError> {
        let ring = self.ring();
        let (mut done, mut after, mut unopened) = (0, None, Vec::new());
        loop {
            let page = self.store.sealed_otherwise(ring.current.id(), after.as_ref(), STEP).await?;
            let Some(last) = page.last().cloned() else { break };
            let mut anew = Vec::with_capacity(page.len());
            for secret in page {
                let place = secret.connection.to_string();
                let opener = KeyId::of_sealed(&secret.sealed).and_then(|it| ring.keys.get(&it));
                match opener.and_then(|it| it.open(&place, &secret.name, &secret.sealed)) {
                    Some(value) => {
                        let sealed = ring.current.seal(&place, &secret.name, &value);
                        anew.push((secret, sealed));
                    }
                    None => unopened.push(format!("{} `{}`", secret.connection, secret.name)),
                }
            }
            done += self.store.reseal(&anew, author).await?;
            after = Some(last);
        }
        if unopened.is_empty() { Ok(done) } else { Err(KeyError::Unopened(unopened)) }
    }

    /// A master key opens nothing any more: every hub has another one by now.
    pub async fn forget(&self, master: KeyId) -> Result<(), KeyError> {
        let own = self.masters.first().map(MasterKey::id);
        if own == Some(master) || !self.store.forget_master(master).await? {
            return Err(KeyError::Needed(master));
        }
        Ok(())
    }

    /// The data keys, for people.
    pub async fn list(&self) -> Result<Vec<KeyView>, KeyError> {
        Ok(self.store.data_keys().await?)
    }

    /// The master keys that the configuration names, the hub's own first.
    #[must_use]
    pub fn masters(&self) -> Vec<KeyId> {
        self.masters.iter().map(MasterKey::id).collect()
    }

    /// Secrets that no key opens that is here, for the doctor: connection, secret and key.
    pub async fn unknown(&self) -> Result<Vec<String>, KeyError> {
        self.reload().await?;
        let ring = self.ring();
        let (mut found, mut after) = (Vec::new(), None);
        loop {
            let page = self.store.sealed_otherwise(ring.current.id(), after.as_ref(), STEP).await?;
            let Some(last) = page.last().cloned() else { return Ok(found) };
            for it in page {
                match KeyId::of_sealed(&it.sealed) {
                    Some(key) if ring.keys.contains_key(&key) => {}
                    Some(key) => found.push(format!("{}: `{}` is sealed with the key {key}", it.connection, it.name)),
                    None => found.push(format!("{}: `{}` is no sealed value", it.connection, it.name)),
                }
            }
            after = Some(last);
        }
    }
}

/// Why a secret cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum UnsealError {
    /// The secret itself.
    #[error(transparent)]
    Secret(#[from] SecretError),
    /// The database did not answer.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The keys of the database, as far as these master keys open them. None: there is none yet.
async fn read(store: &Store, masters: &[MasterKey]) -> Result<Option<Ring>, KeyError> {
    let wrapped = store.wrapped_keys().await?;
    if wrapped.is_empty() {
        return Ok(None);
    }
    let open = |it: &Wrapped| masters.iter().find(|master| master.id() == it.master)?.unwrap(it.key, &it.sealed);
    let keys: BTreeMap<KeyId, DataKey> = wrapped.iter().filter_map(|it| Some((it.key, open(it)?))).collect();
    let current = wrapped.iter().find(|it| it.current).and_then(|it| keys.get(&it.key)).cloned();
    let locked = || KeyError::Locked {
        wanted: wrapped.iter().filter(|it| it.current).map(|it| it.master).collect(),
        given: masters.iter().map(MasterKey::id).collect(),
    };
    Ok(Some(Ring { current: current.ok_or_else(locked)?, keys }))
}
