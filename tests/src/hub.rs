//! A hub under test: the real program as a process of its own, on a folder, a port and a database that nobody else has.

use std::fs::{File, OpenOptions};
use std::io::{Read as _, Write as _};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::api::{Api, Connection};
use crate::bodies::PRIVATE;
use crate::clock::Clock;
use crate::database::{Database, Engine, Standstill};
use crate::files::{self, Folder};
use crate::wait::{PATIENCE, until};

/// The master key of all hubs under test: with one key they share one compile cache.
const KEY: &str = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";

/// What a test may want to be different.
#[derive(Debug, Clone)]
pub struct Settings {
    /// `intake.waiting`
    pub waiting: usize,
    /// `intake.waiting_bytes`
    pub waiting_bytes: usize,
    /// `delivery.tries`
    pub tries: u32,
    /// `delivery.first_wait_ms`
    pub first_wait_ms: u32,
    /// `delivery.longest_wait_ms`
    pub longest_wait_ms: u32,
    /// Lines of `[alerts]`.
    pub alerts: String,
    /// Lines of `[quarantine]`.
    pub quarantine: String,
    /// `public_url`, with `{port}` for the hub's own port; empty: no vendor is told of it.
    pub public_url: String,
    /// `webhooks.check_seconds`
    pub check_seconds: u32,
    /// The port of this machine over which it reaches PostgreSQL; none: straight.
    pub database_port: Option<u16>,
    /// The clock that it sees; none: the machine's own.
    pub clock: Option<Clock>,
    /// Bytes of a disk of its own ([`files::has_disks`]) for all that it writes; none: it lies on the one of the checkout.
    pub disk: Option<u64>,
}

impl Default for Settings {
    /// As the hub's own, but it is tried again at once.
    fn default() -> Self {
        Self {
            waiting: 1024,
            waiting_bytes: 64 << 20,
            tries: 1000,
            first_wait_ms: 20,
            longest_wait_ms: 200,
            alerts: String::new(),
            quarantine: String::new(),
            public_url: String::new(),
            check_seconds: 3_600,
            database_port: None,
            clock: None,
            disk: None,
        }
    }
}

/// A hub under test.
///
/// Dropping it kills it, has the doctor prove its sums, and looks for secrets and personal data in its log. A test that failed
/// already leaves the folder where it is and shows the end of the log.
pub struct Hub {
    process: Option<Child>,
    api: Api,
    folder: Folder,
    database: Arc<Database>,
    clock: Option<Clock>,
}

impl Hub {
    /// A hub that is ready.
    pub async fn start(engine: Engine) -> Self {
        Self::start_with(engine, &Settings::default()).await
    }

    /// A hub with settings of its own that is ready.
    pub async fn start_with(engine: Engine, settings: &Settings) -> Self {
        let (folder, database) = (Folder::new_with(settings.disk), Database::new(engine).await);
        let port = files::free_port();
        let url = settings.database_port.map_or_else(|| database.url(), |it| database.url_through(it));
        std::fs::write(folder.path().join("patchbay.toml"), config("hub", port, &url, settings)).expect("the folder can be written");
        let mut hub = Self { process: None, api: Api::new(port), folder, database: Arc::new(database), clock: settings.clock.clone() };
        let made = hub.cli(&["token", "create", "tests", "--json"]);
        let made: Value = serde_json::from_slice(&made.stdout).expect("token create answers with JSON");
        hub.api.token = made["token"].as_str().expect("token create shows the token").to_owned();
        hub.serve().await;
        hub
    }

    /// A second hub on the database of this one, that is ready. Its files are its own.
    pub async fn beside(&self) -> Self {
        self.beside_with(&Settings::default()).await
    }

    /// The same with settings of its own.
    pub async fn beside_with(&self, settings: &Settings) -> Self {
        let (folder, port) = (Folder::new(), files::free_port());
        let name = format!("hub-{port}");
        let config = config(&name, port, &self.database.url(), settings);
        std::fs::write(folder.path().join("patchbay.toml"), config).expect("the folder can be written");
        let mut api = Api::new(port);
        api.token.clone_from(&self.api.token);
        let mut hub = Self { process: None, api, folder, database: Arc::clone(&self.database), clock: settings.clock.clone() };
        hub.serve().await;
        hub
    }

    /// Stops all writing into its database until that ends.
    pub async fn standstill(&self) -> Standstill {
        Standstill::of(&self.database, self.folder.path()).await
    }

    /// What people and vendors reach of it.
    #[must_use]
    pub fn api(&self) -> &Api {
        &self.api
    }

    /// Its files.
    #[must_use]
    pub fn folder(&self) -> &Folder {
        &self.folder
    }

    /// Adds a connection that may reach this machine, and waits until the hub runs it.
    pub async fn connect(&self, connector: &str, config: Value) -> Connection {
        let new = serde_json::json!({ "connector": connector, "config": config, "networks": ["127.0.0.1"] });
        self.connect_as(new).await
    }

    /// Adds a connection as the API takes it, and waits until the hub runs it.
    pub async fn connect_as(&self, new: Value) -> Connection {
        let made = self.api.post("/connections", &new).await.expect(201);
        let connection = Connection::new(&self.api, &made);
        if connection.listens() {
            until("the new connection runs", async || connection.is_running().then_some(())).await;
        }
        connection
    }

    /// Starts the program on what is there already, and waits until it is ready.
    pub async fn serve(&mut self) {
        assert!(self.process.is_none(), "the hub runs already");
        let log = self.log_file();
        let process =
            self.command(&["serve"]).stdin(Stdio::null()).stdout(log.try_clone().expect("a file can be shared")).stderr(log).spawn();
        self.process = Some(process.expect("the program starts"));
        let started = Instant::now();
        while !self.is_ready().await {
            let ended = self.process.as_mut().and_then(|it| it.try_wait().expect("a child can be asked"));
            assert!(ended.is_none(), "the hub ended with {ended:?}\n{}", self.log_end());
            assert!(started.elapsed() < PATIENCE, "the hub is not ready after {PATIENCE:?}\n{}", self.log_end());
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// True when it says that it is ready.
    pub async fn is_ready(&self) -> bool {
        self.api.outside("/readyz").await.is_some_and(|it| it.status == 200)
    }

    /// Has the database server end all its sessions.
    pub async fn end_sessions(&self) {
        self.database.end_sessions().await;
    }

    /// No file of it may grow past so many bytes from now on; none: any may.
    pub fn limit_files(&self, bytes: Option<u64>) {
        let process = self.process.as_ref().expect("the hub runs");
        let limit = bytes.map_or_else(|| "unlimited".to_owned(), |it| it.to_string());
        let set = Command::new("prlimit").args(["--pid", &process.id().to_string(), &format!("--fsize={limit}:unlimited")]).status();
        assert!(set.is_ok_and(|it| it.success()), "prlimit (Debian's util-linux) could not set the limit");
    }

    /// Kills it as a power cut does: no signal handler runs.
    pub fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.kill().expect("a child can be killed");
            process.wait().expect("a child can be waited for");
        }
    }

    /// Asks it to stop.
    pub fn ask_to_stop(&self) {
        let process = self.process.as_ref().expect("the hub runs");
        let sent = Command::new("kill").args(["-TERM", &process.id().to_string()]).status();
        assert!(sent.is_ok_and(|it| it.success()), "the signal could not be sent");
    }

    /// Waits until it has ended by itself.
    pub async fn ended(&mut self) -> ExitStatus {
        let mut process = self.process.take().expect("the hub runs");
        until("the hub ends", async || process.try_wait().expect("a child can be asked")).await
    }

    /// Runs a command on the same hub. It must succeed.
    #[must_use]
    pub fn cli(&self, arguments: &[&str]) -> Output {
        let output = self.cli_any(arguments, "");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "patchbay {arguments:?} ended with {}:\n{said}", output.status);
        output
    }

    /// Runs a command on the same hub with this on its standard input, however it ends.
    #[must_use]
    pub fn cli_any(&self, arguments: &[&str], input: &str) -> Output {
        let mut command = self.command(arguments);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the program starts");
        let mut stdin = child.stdin.take().expect("it is piped");
        // A command that reads nothing closes its end.
        let _ = stdin.write_all(input.as_bytes());
        drop(stdin);
        child.wait_with_output().expect("a child can be waited for")
    }

    /// Runs a command that answers with JSON.
    #[must_use]
    pub fn cli_json(&self, arguments: &[&str]) -> Value {
        let output = self.cli(&[arguments, &["--json"]].concat());
        serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("patchbay {arguments:?} --json: {error}"))
    }

    /// A command on the same hub that is yet to be started.
    #[must_use]
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(files::program());
        for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("PATCHBAY_")) {
            command.env_remove(name);
        }
        command.env("PATCHBAY_KEY", KEY).args(arguments).current_dir(self.folder.path());
        if let Some(clock) = &self.clock {
            clock.show(&mut command);
        }
        command
    }

    fn log_file(&self) -> File {
        let path = self.folder.path().join("hub.log");
        OpenOptions::new().create(true).append(true).open(path).expect("the folder can be written")
    }

    /// Everything that it logged.
    #[must_use]
    pub fn log(&self) -> String {
        let mut text = Vec::new();
        if let Ok(mut file) = File::open(self.folder.path().join("hub.log")) {
            file.read_to_end(&mut text).expect("the log can be read");
        }
        String::from_utf8_lossy(&text).into_owned()
    }

    fn log_end(&self) -> String {
        let log = self.log();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(60)..].join("\n")
    }

    /// Most memory that the process had at any time, bytes.
    #[must_use]
    pub fn peak_memory(&self) -> u64 {
        let process = self.process.as_ref().expect("the hub runs");
        let status = std::fs::read_to_string(format!("/proc/{}/status", process.id())).expect("the process is there");
        let line = status.lines().find_map(|it| it.strip_prefix("VmHWM:")).expect("the kernel tells the peak");
        line.trim().trim_end_matches(" kB").parse::<u64>().expect("it is a number of kB") << 10
    }

    /// What the doctor says against it; empty: all rules hold.
    #[must_use]
    pub fn doctor(&self) -> String {
        let output = self.cli_any(&["doctor"], "");
        if output.status.success() {
            String::new()
        } else {
            format!("{}\n{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
        }
    }
}

impl Drop for Hub {
    fn drop(&mut self) {
        self.kill();
        if std::thread::panicking() {
            eprintln!("the hub's log ends with:\n{}", self.log_end());
            return;
        }
        let found = self.doctor();
        assert!(found.is_empty(), "the doctor found:\n{found}");
        let log = self.log();
        for private in PRIVATE {
            assert!(!log.contains(private), "`{private}` stands in the log:\n{}", self.log_end());
        }
        assert!(!log.contains("panicked at"), "the hub panicked:\n{}", self.log_end());
    }
}

fn config(name: &str, port: u16, database: &str, settings: &Settings) -> String {
    let Settings { waiting, waiting_bytes, tries, first_wait_ms, longest_wait_ms, alerts, quarantine, public_url, check_seconds, .. } =
        settings;
    let public_url = public_url.replace("{port}", &port.to_string());
    let cache = files::cache();
    format!(
        "name = \"{name}\"\n\
         listen = \"127.0.0.1:{port}\"\n\
         public_url = \"{public_url}\"\n\
         database = \"{database}\"\n\
         connectors = \"connectors\"\n\
         cache = \"{}\"\n\
         [intake]\nwaiting = {waiting}\nwaiting_bytes = {waiting_bytes}\n\
         [delivery]\ntries = {tries}\nfirst_wait_ms = {first_wait_ms}\nlongest_wait_ms = {longest_wait_ms}\n\
         breaker_longest_wait_ms = {longest_wait_ms}\n\
         [people]\nmatching = true\n\
         [alerts]\n{alerts}\
         [quarantine]\n{quarantine}\
         [webhooks]\ncheck_seconds = {check_seconds}\n\
         [install]\nunsigned = true\n\
         [log]\nlevel = \"info,patchbay_host=debug,patchbay=debug\"\n",
        cache.display()
    )
}
