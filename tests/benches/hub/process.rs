//! The hub as a process of its own: this program, started again in another role.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use patchbay_host::clock::Clock;
use patchbay_host::hub::Hub;
use tokio_util::sync::CancellationToken;

use crate::world;

/// The word that makes this program a hub.
pub const ROLE: &str = "serve-for-bench";

/// Runs a hub until it is killed: database, folder, port, connectors.
pub fn serve(arguments: &[String]) {
    let [database, folder, port, connectors] = arguments else { panic!("database, folder, port and connectors") };
    world::runtime().block_on(async {
        let mut config = world::config(database, &PathBuf::from(folder), PathBuf::from(connectors));
        config.listen.set_port(port.parse().expect("a port"));
        let hub = Hub::open(config, Clock::System).await.expect("the hub opens");
        patchbay_host::serve::serve(hub, CancellationToken::new()).await.expect("the hub runs");
    });
}

/// A hub that runs beside.
pub struct Beside {
    child: Child,
    /// Its port.
    pub port: u16,
    /// From the start of the process to the first answer that it is ready.
    pub ready_after: Duration,
}

impl Beside {
    /// Starts one with the connectors that were built, and waits until it is ready.
    pub async fn start(database: &str, folder: &Path) -> Self {
        Self::start_with(database, folder, &world::installed(folder), Duration::from_secs(30)).await
    }

    /// Starts one with the connectors of a folder, and waits so long at most until it is ready.
    pub async fn start_with(database: &str, folder: &Path, connectors: &Path, patience: Duration) -> Self {
        let port = std::net::TcpListener::bind(("127.0.0.1", 0)).and_then(|it| it.local_addr()).expect("a free port").port();
        let this = std::env::current_exe().expect("this program has a place");
        let started = Instant::now();
        let child = Command::new(this)
            .args([ROLE, database, &folder.display().to_string(), &port.to_string(), &connectors.display().to_string()])
            .stdout(Stdio::null())
            .spawn()
            .expect("this program can be started");
        let mut beside = Self { child, port, ready_after: Duration::ZERO };
        while !beside.answers().await {
            assert!(started.elapsed() < patience, "the hub does not become ready");
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        beside.ready_after = started.elapsed();
        beside
    }

    async fn answers(&self) -> bool {
        let Ok(mut client) = crate::load::Client::connect(self.port).await else { return false };
        client.send(b"GET /readyz HTTP/1.1\r\nhost: bench\r\n\r\n").await.is_ok_and(|it| it == 200)
    }

    /// Processor time so far, user and system, seconds.
    pub fn cpu(&self) -> f64 {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id())).expect("the process is there");
        let fields: Vec<&str> = stat.rsplit(") ").next().expect("the name is in brackets").split(' ').collect();
        let ticks: u32 = [fields[11], fields[12]].iter().map(|it| it.parse::<u32>().expect("ticks")).sum();
        f64::from(ticks) / 100.0
    }

    /// Resident memory now and at its highest, MiB.
    pub fn memory(&self) -> (f64, f64) {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).expect("the process is there");
        let of = |name: &str| {
            let line = status.lines().find(|it| it.starts_with(name)).expect("the line is there");
            line.split_whitespace().nth(1).and_then(|it| it.parse::<f64>().ok()).expect("kB") / 1024.0
        };
        (of("VmRSS"), of("VmHWM"))
    }
}

impl Drop for Beside {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
