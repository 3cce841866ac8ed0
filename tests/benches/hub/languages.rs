//! The same connector in three languages: a bot of Telegram as the templates have it.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use patchbay_host::plugin::{Artifact, CompileCache, Instances, Runtime};
use patchbay_host::secrets::MasterKey;
use patchbay_tests::files;
use serde_json::{Value, json};

use crate::{figure, plugin, world};

/// How long warm calls are measured, and how many at most.
const WARM: Duration = Duration::from_secs(5);
const MOST: usize = 20_000;

/// Measures and prints.
pub fn measure() {
    println!("\n# the same bot of Telegram in three languages, one message of 1.4 KB");
    let rust = world::connectors().join("telegram.wasm");
    let all = [("Rust", Some(rust)), ("JavaScript", built("js")), ("Python", built("python"))];
    for (language, wasm) in all {
        match wasm {
            Some(wasm) => world::runtime().block_on(one(language, &wasm)),
            None => println!("{language} is not measured: `tests/run languages` installs its tools"),
        }
    }
}

async fn one(language: &str, wasm: &Path) {
    let folder = world::folder(&format!("languages-{}", language.to_lowercase()));
    let wasm = std::fs::read(wasm).expect("the connector is built");
    println!("\n## {language}");
    figure("size", format!("{:.2} MB", megabytes(wasm.len() as u64)), "of the .wasm");
    let artifact = Artifact::read(wasm).expect("it is a connector");
    let cache = || CompileCache::new(folder.clone(), MasterKey::random().cache_key());
    let runtime = Runtime::new(cache()).expect("the engine starts");
    let started = Instant::now();
    let connector = Arc::new(runtime.load(artifact.clone()).await.expect("it loads"));
    figure("compiled, cold", format!("{:.0} ms", started.elapsed().as_secs_f64() * 1e3), "once for each version, on both cores");
    let started = Instant::now();
    runtime.load(artifact.clone()).await.expect("it loads");
    figure("loaded from the cache", format!("{:.1} ms", started.elapsed().as_secs_f64() * 1e3), "");

    let instances = plugin::instances(&connector, json!({ "mode": "webhook" }));
    let call = async |instances: &Instances, number: u64| {
        let request = plugin::request(world::update(number, 1));
        let started = Instant::now();
        let reply = instances.webhook(&request).await.expect("the call works");
        assert_eq!(reply.events.len(), 1, "{language}");
        started.elapsed().as_nanos()
    };
    let mut first = Vec::new();
    for number in 0..20 {
        instances.retire_all();
        first.push(call(&instances, number).await);
    }
    figure("first call", plugin::micros(plugin::middle(first)), "on a new instance: instantiated, and its engine begun");
    let (mut warm, began) = (Vec::new(), Instant::now());
    while began.elapsed() < WARM && warm.len() < MOST {
        warm.push(call(&instances, warm.len() as u64).await);
    }
    let rate = per_second(&warm);
    figure("warm call", plugin::micros(plugin::middle(warm)), "on an instance that served others");
    figure("calls a second, one after the other", format!("{rate:.0}"), "");

    let measuring = Runtime::measuring(cache()).expect("the engine starts");
    let connector = Arc::new(measuring.load(artifact).await.expect("it loads"));
    let instances = plugin::instances(&connector, json!({ "mode": "webhook" }));
    call(&instances, 1).await;
    let usage = instances.usage().expect("this engine measures");
    figure("memory of an instance", format!("{:.1} MB", megabytes(usage.memory)), "linear memory after one call");
    figure("instructions of a first call", usage.fuel, "the same on every machine");
}

/// A connector that `connector new` wrote and its tools built. None: they are not installed.
fn built(language: &str) -> Option<PathBuf> {
    let tools = files::tools(language)?;
    let folder = world::folder(&format!("source-{language}"));
    patchbay(&folder, &["connector", "new", "acme", "--lang", language, "--kind", "messenger", "--json"]);
    let connector = folder.join("acme");
    files::lend_tools(language, &tools, &connector);
    let said = patchbay(&connector, &["connector", "build", "--json"]);
    Some(PathBuf::from(said["file"].as_str().expect("it says where the file is")))
}

fn patchbay(folder: &Path, arguments: &[&str]) -> Value {
    let output = Command::new(program()).args(arguments).current_dir(folder).output().expect("the program starts");
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("it answers in JSON")
}

/// The program of the release profile where it is there, else the one under test.
fn program() -> PathBuf {
    let released = files::target().join("release/patchbay");
    if released.is_file() { released } else { files::program() }
}

/// How often, by the time that each took, nanoseconds.
#[expect(clippy::cast_precision_loss, reason = "figures for people")]
fn per_second(times: &[u128]) -> f64 {
    times.len() as f64 * 1e9 / times.iter().sum::<u128>() as f64
}

#[expect(clippy::cast_precision_loss, reason = "figures for people")]
fn megabytes(bytes: u64) -> f64 {
    bytes as f64 / 1e6
}
