//! The versions of the contract between hub and connectors that this hub speaks.

/// Every version that a connector may have been built for, the oldest first. Within them a component is linked by the rules of semantic
/// versioning: what was built for 0.1.0 finds what it asks for in 0.1.1.
pub const SPOKEN: [&str; 2] = ["0.1.0", "0.1.1"];

/// Why a connector of this contract cannot run here; none: it can. What a later version may ask for is unknown here, so one that names it is
/// refused before any of it runs, even if it asks for nothing new.
#[must_use]
pub fn unspoken(contract: &str) -> Option<String> {
    let (oldest, newest) = (SPOKEN[0], SPOKEN[SPOKEN.len() - 1]);
    if SPOKEN.contains(&contract) {
        return None;
    }
    let spoken = format!("this hub speaks {oldest} to {newest}");
    Some(match (numbers(contract), numbers(newest)) {
        (None, _) => format!("`contract = \"{contract}\"` is no version such as \"{newest}\"; {spoken}"),
        (asked, newest) if asked > newest => format!("it was built for the contract {contract}, which is newer: {spoken}; upgrade the hub"),
        _ => format!("it was built for the contract {contract}, which was never released: {spoken}"),
    })
}

fn numbers(version: &str) -> Option<Vec<u32>> {
    let numbers: Option<Vec<u32>> = version.split('.').map(|it| it.parse().ok()).collect();
    numbers.filter(|it| it.len() == 3)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hub_speaks_each_version_that_has_a_folder_and_is_made_from_the_newest() {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).with_file_name("sdk").join("wit");
        let entries = std::fs::read_dir(folder).unwrap().map(|it| it.unwrap().path()).filter(|it| it.is_dir());
        let mut folders: Vec<_> = entries.map(|it| it.file_name().unwrap().to_string_lossy()[1..].to_owned()).collect();
        folders.sort_by_key(|it| numbers(it));
        assert_eq!(folders, SPOKEN);
        assert!(include_str!("bindings.rs").contains(&format!("sdk/wit/v{}\"", folders.last().unwrap())));
    }

    #[test]
    fn a_later_version_is_refused_with_the_cure() {
        assert_eq!(unspoken("0.1.0"), None);
        for (contract, words) in
            [("0.1.10", "upgrade the hub"), ("1.0.0", "upgrade the hub"), ("0.0.9", "never released"), ("new", "no version")]
        {
            let why = unspoken(contract).unwrap();
            assert!(why.contains(words) && why.contains("0.1.0 to"), "{contract}: {why}");
        }
    }
}
