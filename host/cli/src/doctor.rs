//! `doctor`: proves from the database that the sums hold, and looks at what the hub stands on.

use std::path::Path;

use super::failure::{Exit, Failure};
use super::output::{Out, clean};
use super::view::count;
use patchbay_host::hub::Hub;
use patchbay_host::secrets::KeySource;
use patchbay_host::store::doctor::Finding;

/// Looks at everything; violations end with exit code 7.
pub async fn run(out: Out, hub: &Hub) -> Result<(), Failure> {
    let mut findings = hub.store.examine().await?;
    let secrets = &hub.config.secrets;
    let files = secrets.former_keys.iter().chain([&secrets.key]).filter_map(KeySource::file);
    findings.push(Finding { rule: "the key file can be read by its owner only", violations: files.flat_map(key_file).collect() });
    findings.push(Finding { rule: "every secret is sealed with a key that is known here", violations: hub.keys.unknown().await? });
    findings.push(connectors(hub)?);
    findings.push(connections(hub).await?);
    let wrong = findings.iter().filter(|it| !it.violations.is_empty()).count();
    out.answer(&findings, || {
        let mut text = String::new();
        for it in &findings {
            let mark = if it.violations.is_empty() { "ok    " } else { "WRONG " };
            text.extend([mark, it.rule, "\n"]);
            text.extend(it.violations.iter().map(|it| format!("        {}\n", clean(it))));
        }
        text
    })?;
    if wrong == 0 {
        out.note(format!("{} hold", count(findings.len(), "rule")));
        return Ok(());
    }
    Err(Failure::new(Exit::Violated, format!("{wrong} of {} rules do not hold", findings.len()))
        .help("the lines above name rows, files and connections; keep a copy of the database before any row is touched"))
}

/// Who else could read the master key. A key that comes from the environment has no file.
fn key_file(path: &Path) -> Vec<String> {
    use std::os::unix::fs::MetadataExt as _;
    if std::env::var_os("PATCHBAY_KEY").is_some() {
        return Vec::new();
    }
    match std::fs::metadata(path) {
        Ok(file) if file.mode() & 0o077 != 0 => {
            vec![format!("{} has the mode {:o}: chmod 600 {0}", path.display(), file.mode() & 0o777)]
        }
        Ok(_) => Vec::new(),
        Err(error) => vec![format!("{}: {error}", path.display())],
    }
}

fn connectors(hub: &Hub) -> Result<Finding, Failure> {
    let (_, broken) = hub.catalogue.list()?;
    Ok(Finding {
        rule: "every file in the connectors' folder is a connector",
        violations: broken.into_iter().map(|it| Failure::from(it).what).collect(),
    })
}

/// Makes every connection ready, as the running hub does: its connector loads, its secrets open, its networks are networks.
async fn connections(hub: &Hub) -> Result<Finding, Failure> {
    let mut violations = Vec::new();
    for connection in hub.store.all_connections().await? {
        let (id, name) = (connection.id, connection.name.clone());
        if let Err(error) = hub.registry.run(connection).await {
            violations.push(format!("{id} ({name}): {}", Failure::from(error).what));
        }
    }
    Ok(Finding { rule: "every connection's connector loads and its secrets open", violations })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_that_others_can_read_is_told_with_the_cure() {
        use std::os::unix::fs::PermissionsExt as _;
        let path = std::env::temp_dir().join(format!("patchbay-key-{}", std::process::id()));
        std::fs::write(&path, "00").unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
        let open = key_file(&path);
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        let closed = key_file(&path);
        std::fs::remove_file(&path).unwrap();
        assert!(open[0].contains("644") && open[0].contains("chmod 600"), "{open:?}");
        assert!(closed.is_empty(), "{closed:?}");
        assert_eq!(key_file(&path).len(), 1);
    }
}
