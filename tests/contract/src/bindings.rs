//! The SDK's bindings: made of the newest contract, one file for the shared imports and one for each ability.

use std::path::{Path, PathBuf};

use wit_bindgen_core::wit_parser::Resolve;
use wit_bindgen_core::{Files, WorldGenerator as _};
use wit_bindgen_rust::{Opts, WithOption};

/// The interfaces that every world imports. The types of each are those of the imports' module.
const SHARED: [&str; 6] = ["types", "host", "state", "http", "socket", "secrets"];
/// The exports, each with a world `<ability>-connector`.
const ABILITIES: [&str; 5] = ["check", "commands", "polling", "stream", "webhook"];

#[test]
fn the_bindings_are_made_of_the_newest_contract() {
    let (version, contract) = crate::versions().into_iter().next_back().expect("there is a version");
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).expect("it lies in tests/").join("sdk/src/bindings");
    let version = crate::text(version);
    let mut made = vec![(folder.join("imports.rs"), made(&contract, "imports", Opts { generate_all: true, ..settings() }))];
    for ability in ABILITIES {
        let with = |it: &str| {
            let ours = format!("crate::bindings::imports::patchbay::connector::{it}");
            (format!("patchbay:connector/{it}@{version}"), WithOption::Path(ours))
        };
        let settings = Opts {
            pub_export_macro: true,
            export_macro_name: Some(format!("export_{ability}")),
            default_bindings_module: Some(format!("patchbay_sdk::bindings::{ability}")),
            with: SHARED.iter().map(|it| with(it)).collect(),
            ..settings()
        };
        made.push((folder.join(format!("{ability}.rs")), self::made(&contract, &format!("{ability}-connector"), settings)));
    }
    if std::env::var_os("PATCHBAY_WRITE").is_some() {
        for (path, text) in made {
            std::fs::write(path, text).expect("it can be written");
        }
        return;
    }
    let stale: Vec<PathBuf> =
        made.into_iter().filter(|(path, text)| std::fs::read_to_string(path).ok().as_ref() != Some(text)).map(|it| it.0).collect();
    assert!(stale.is_empty(), "PATCHBAY_WRITE=1 cargo test -p patchbay-contract bindings makes anew: {stale:?}");
}

fn settings() -> Opts {
    Opts { format: true, ..Opts::default() }
}

fn made(contract: &Path, world: &str, settings: Opts) -> String {
    let mut resolve = Resolve::default();
    let (package, _) = resolve.push_dir(contract).expect("it is valid WIT");
    let world = resolve.select_world(&[package], Some(world)).expect("there is such a world");
    let mut files = Files::default();
    settings.build().generate(&mut resolve, world, &mut files).expect("the bindings can be made");
    let (_, text) = files.iter().next().expect("one file");
    String::from_utf8(text.to_vec()).expect("Rust is text")
}
