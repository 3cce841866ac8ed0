//! What was deleted leaves no bytes behind.

use std::io::Read as _;
use std::path::Path;

use super::Db;

/// Bytes of a file that are looked at once.
const CHUNK: usize = 4 << 20;
/// Tables that hold what people said, and what was asked about them.
const PERSONAL: &str = "vacuum contacts, identities, merges, questions, verdicts, blocks, leads, conversations, interactions, call_steps, events, \
                        deliveries, outbox, attempts, external_refs, lead_sayings, connector_state, terms, alerts, holds, connections";

impl Db {
    /// SQLite overwrites what is deleted from now on, or no more. PostgreSQL never does: see [`Db::scrub`].
    pub async fn overwrite_deleted(&self, on: bool) -> sqlx::Result<()> {
        if let Self::Sqlite { write, .. } = self {
            sqlx::query(if on { "pragma secure_delete = on" } else { "pragma secure_delete = off" }).execute(write).await?;
        }
        Ok(())
    }

    /// Empties SQLite's log and searches its files; where something is found, the database is written anew and searched once more. True: `found`
    /// finds nothing of at most `longest` bytes in them. PostgreSQL vacuums the tables that hold what people said: none, since its files are its own.
    pub async fn scrub(&self, longest: usize, found: impl Fn(&[u8]) -> bool) -> sqlx::Result<Option<bool>> {
        let (write, file) = match self {
            Self::Sqlite { write, file, .. } => (write, file),
            Self::Postgres { read, .. } => {
                sqlx::raw_sql(PERSONAL).execute(read).await?;
                return Ok(None);
            }
        };
        let log = file.with_file_name(format!("{}-wal", file.file_name().unwrap_or_default().to_string_lossy()));
        let holds = || -> sqlx::Result<bool> { Ok(stands_in(file, longest, &found)? || stands_in(&log, longest, &found)?) };
        sqlx::query("pragma wal_checkpoint(truncate)").execute(write).await?;
        if !holds()? {
            return Ok(Some(true));
        }
        // Old copies of cells may lie in the gaps of pages: only a database that is written anew has none.
        sqlx::query("vacuum").execute(write).await?;
        sqlx::query("pragma wal_checkpoint(truncate)").execute(write).await?;
        Ok(Some(!holds()?))
    }
}

fn stands_in(file: &Path, longest: usize, found: impl Fn(&[u8]) -> bool) -> sqlx::Result<bool> {
    let mut reader = match std::fs::File::open(file) {
        Ok(reader) => reader,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(sqlx::Error::Io(error)),
    };
    let mut window: Vec<u8> = Vec::with_capacity(CHUNK + longest);
    loop {
        let read = reader.by_ref().take(CHUNK as u64).read_to_end(&mut window).map_err(sqlx::Error::Io)?;
        if found(&window) {
            return Ok(true);
        }
        if read == 0 {
            return Ok(false);
        }
        // What lies across the border of two chunks is seen in the next one.
        window.drain(..window.len().saturating_sub(longest));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_lies_across_two_chunks_is_found() {
        let file = std::env::temp_dir().join(format!("patchbay-scrub-{}", std::process::id()));
        let mut bytes = vec![b'.'; CHUNK + 100];
        bytes[CHUNK - 3..CHUNK + 2].copy_from_slice(b"Petro");
        std::fs::write(&file, &bytes).unwrap();
        let finds = |text: &'static [u8]| stands_in(&file, text.len(), |it| it.windows(text.len()).any(|it| it == text)).unwrap();
        assert!(finds(b"Petro") && !finds(b"Petra"));
        std::fs::remove_file(&file).unwrap();
        assert!(!finds(b"Petro"), "what is not there holds nothing");
    }
}
