//! What a connector is built from, looked at again and again.
//!
//! Sources are looked at rather than watched by the system: `notify` cannot leave out folders in which a build writes thousands of files, and
//! knows nothing of changes behind network shares and bind mounts. There are a few dozen files, and looking at them takes less than a
//! millisecond.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// What no build reads, or what it writes.
const UNREAD: [&str; 9] = ["fixtures", "tests", "examples", "target", "build", "node_modules", "__pycache__", "dist", "Cargo.lock"];
/// Hidden things that a build reads.
const HIDDEN: [&str; 1] = [".cargo"];
/// Most levels of folders that are looked into.
const DEEPEST: u32 = 12;

/// Each file with its length and the time of its last change.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sources(BTreeMap<PathBuf, (u64, Option<SystemTime>)>);

impl Sources {
    /// What lies there now. A file that goes away meanwhile is not there.
    pub fn of(folder: &Path) -> Self {
        let mut found = Self::default();
        found.look(folder, DEEPEST);
        found
    }

    /// A file that is another one than before, new or gone.
    pub fn changed<'a>(&'a self, before: &'a Self) -> Option<&'a Path> {
        let differs =
            |one: &'a Self, other: &Self| one.0.iter().find(|(path, it)| other.0.get(*path) != Some(it)).map(|(path, _)| path.as_path());
        differs(self, before).or_else(|| differs(before, self))
    }

    fn look(&mut self, folder: &Path, levels: u32) {
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            let name = entry.file_name();
            let name = name.to_string_lossy();
            let Ok(kind) = entry.file_type() else { continue };
            let is_hidden = name.starts_with('.') && !HIDDEN.contains(&name.as_ref());
            // What editors leave beside a file that they write.
            if is_hidden || UNREAD.contains(&name.as_ref()) || name.ends_with('~') || name.starts_with('#') {
                continue;
            }
            if kind.is_dir() && levels > 0 {
                self.look(&entry.path(), levels - 1);
            } else if let Some(meta) = entry.metadata().ok().filter(std::fs::Metadata::is_file) {
                self.0.insert(entry.path(), (meta.len(), meta.modified().ok()));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_that_changes_is_seen_and_what_a_build_writes_is_not() {
        let folder = std::env::temp_dir().join(format!("patchbay-watch-{}", std::process::id()));
        let write = |path: &str, text: &str| {
            let path = folder.join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        };
        write("src/lib.rs", "one");
        write(".cargo/config.toml", "");
        let before = Sources::of(&folder);
        for unread in ["target/x.wasm", "build/component.wasm", ".git/index", "src/.lib.rs.swp", "src/lib.rs~", "fixtures/a.json"] {
            write(unread, "x");
        }
        assert_eq!(Sources::of(&folder).changed(&before), None);
        for (path, text) in [("src/lib.rs", "longer"), ("src/map.rs", ""), (".cargo/config.toml", "[build]")] {
            let before = Sources::of(&folder);
            write(path, text);
            assert_eq!(Sources::of(&folder).changed(&before), Some(folder.join(path).as_path()));
        }
        let before = Sources::of(&folder);
        std::fs::remove_file(folder.join("src/map.rs")).unwrap();
        assert_eq!(Sources::of(&folder).changed(&before), Some(folder.join("src/map.rs").as_path()));
        std::fs::remove_dir_all(folder).unwrap();
    }
}
