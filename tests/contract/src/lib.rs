//! What `sdk/wit` says of itself: its versions, those of them that were released, and the interfaces of each.

#[cfg(test)]
mod bindings;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use wit_parser::{Resolve, WorldId, WorldItem};

/// The folders of `sdk/wit` by version, the oldest first.
#[must_use]
pub fn versions() -> BTreeMap<[u32; 3], PathBuf> {
    let wit = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).expect("it lies in tests/").join("sdk/wit");
    let entries = std::fs::read_dir(wit).expect("the contract is there").map(|it| it.expect("an entry").path());
    entries.filter(|it| it.is_dir()).map(|it| (number(&name(&it)), it)).collect()
}

/// `v0.1.0`, `0.1.0` → `[0, 1, 0]`
#[must_use]
pub fn number(name: &str) -> [u32; 3] {
    let parts: Vec<u32> = name.trim_start_matches('v').split('.').map(|it| it.parse().expect("a version is three numbers")).collect();
    parts.try_into().expect("a version is three numbers")
}

/// `[0, 1, 0]` → `0.1.0`
#[must_use]
pub fn text(version: [u32; 3]) -> String {
    version.map(|it| it.to_string()).join(".")
}

/// The last part of a path.
#[must_use]
pub fn name(path: &Path) -> String {
    path.file_name().expect("a name").to_string_lossy().into_owned()
}

/// The versions that were released, with file and digest: the line of each in `released.sha256`, as `sha256sum` writes and checks it.
#[must_use]
pub fn released() -> BTreeMap<[u32; 3], (String, String)> {
    let lines = include_str!("../../../sdk/wit/released.sha256").lines();
    let line = |it: &str| {
        let (digest, file) = it.split_once("  ").expect("a digest and a file");
        (number(file.split('/').next().expect("a folder")), (file.to_owned(), digest.to_owned()))
    };
    lines.map(line).collect()
}

/// The text of a version, whose folder this is.
#[must_use]
pub fn wit(folder: &Path) -> String {
    std::fs::read_to_string(folder.join("connector.wit")).expect("it can be read")
}

/// The worlds of a text.
#[must_use]
pub fn worlds(resolve: &mut Resolve, wit: &str) -> BTreeMap<String, WorldId> {
    let package = resolve.push_source("connector.wit", wit).expect("it is valid WIT");
    resolve.packages[package].worlds.iter().map(|(name, id)| (name.clone(), *id)).collect()
}

/// Every interface that a connector of this text may import or export.
#[must_use]
pub fn interfaces(wit: &str) -> BTreeSet<String> {
    let mut resolve = Resolve::default();
    let full = worlds(&mut resolve, wit)["full"];
    let full = &resolve.worlds[full];
    let name = |it: &WorldItem| match it {
        WorldItem::Interface { id, .. } => resolve.interfaces[*id].name.clone(),
        WorldItem::Function(_) | WorldItem::Type { .. } => None,
    };
    full.imports.values().chain(full.exports.values()).filter_map(name).collect()
}

/// The connectors in Rust that were built for a version and are kept: a folder each, with `connector.wasm` and `fixtures/`. Those of other
/// languages lie beside them as `connector.wasm.zlib`: they play their fixtures, too, and use no interface that these do not.
#[must_use]
pub fn kept(version: [u32; 3]) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(text(version));
    let entries = std::fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}: a release leaves connectors", folder.display()));
    entries.map(|it| it.expect("an entry").path()).filter(|it| it.join("connector.wasm").is_file()).collect()
}

#[cfg(test)]
mod tests {
    use ring::digest;

    use super::*;

    #[test]
    fn a_released_version_is_never_edited() {
        let (versions, released) = (versions(), released());
        assert!(!released.is_empty());
        for (version, (file, before)) in &released {
            let folder = versions.get(version).unwrap_or_else(|| panic!("{file} was released and is gone"));
            let text = std::fs::read(folder.parent().expect("sdk/wit").join(file)).expect("it can be read");
            let now = hex::encode(digest::digest(&digest::SHA256, &text));
            assert_eq!(&now, before, "{file} was released: a change needs a folder of its own");
            assert_eq!(std::fs::read_dir(folder).expect("it can be read").count(), 1, "{file} is the whole version");
        }
        // Only the newest one may still be open.
        let open: Vec<&PathBuf> = versions.iter().filter(|it| !released.contains_key(it.0)).map(|it| it.1).collect();
        assert!(open.is_empty() || open == [versions.values().next_back().expect("there is one")], "not in released.sha256: {open:?}");
    }

    /// Why what was built for the old text would not run where the new one is spoken. The world `full` is not compared: the host looks at what
    /// a component exports, so a further ability is none that an old one lacks. Each ability has a world of its own for that reason.
    fn broken(old: &str, new: &str) -> Vec<String> {
        let mut resolve = Resolve::default();
        let (before, after) = (worlds(&mut resolve, old), worlds(&mut resolve, new));
        let compare = |(name, id): (&String, &WorldId)| {
            let Some(next) = after.get(name) else { return Some(format!("the world {name} is gone")) };
            wit_component::semver_check(resolve.clone(), *id, *next).err().map(|it| format!("{name}: {it:#}"))
        };
        before.iter().filter(|it| it.0 != "full").filter_map(compare).collect()
    }

    fn newest() -> String {
        wit(&versions().into_values().next_back().expect("there is a version"))
    }

    #[test]
    fn each_version_takes_what_was_built_for_the_one_before() {
        let texts: Vec<(String, String)> = versions().values().map(|it| (name(it), wit(it))).collect();
        assert!(texts.len() > 1);
        for pair in texts.windows(2) {
            assert_eq!(broken(&pair[0].1, &pair[1].1), Vec::<String>::new(), "{} → {}", pair[0].0, pair[1].0);
        }
    }

    #[test]
    fn a_change_that_would_break_a_connector_is_noticed() {
        let newest = newest();
        let next = newest.replace("connector@0.1.1;", "connector@0.1.9;");
        assert_ne!(next, newest, "the test must know the newest version");
        assert_eq!(broken(&newest, &next), Vec::<String>::new());
        let more = next.replace("random: func(len: u32) -> list<u8>;", "random: func(len: u32) -> list<u8>;\n  zone: func() -> string;");
        assert_eq!(broken(&newest, &more), Vec::<String>::new(), "a function more is no harm");
        for (what, from, to) in [
            ("a function that is gone", "now-ms: func() -> u64;", ""),
            ("another result", "now-ms: func() -> u64;", "now-ms: func() -> s64;"),
            ("a field more", "record header { name: string, value: string }", "record header { name: string, value: string, raw: bool }"),
            ("a case more", "    reauthorise,", "    reauthorise,\n    maybe,"),
            ("a function that every connector must have", "handle: func(", "before: func();\n  handle: func("),
            ("an ability that is gone", "world check-connector { include imports; export check; }", ""),
        ] {
            let changed = next.replace(from, to);
            assert_ne!(changed, next, "{what}: the contract has no `{from}`");
            assert!(!broken(&newest, &changed).is_empty(), "{what} went unnoticed");
        }
    }

    #[test]
    fn each_interface_of_a_released_version_has_a_connector_that_uses_it() {
        for version in released().into_keys() {
            let wasm: Vec<Vec<u8>> =
                kept(version).iter().map(|it| std::fs::read(it.join("connector.wasm")).expect("it is there")).collect();
            let unused: Vec<String> = interfaces(&wit(&versions()[&version]))
                .into_iter()
                .map(|it| format!("patchbay:connector/{it}@{}", text(version)))
                .filter(|name| !wasm.iter().any(|it| it.windows(name.len()).any(|it| it == name.as_bytes())))
                .collect();
            assert_eq!(unused, Vec::<String>::new(), "nobody would notice if these broke");
        }
    }
}
