//! Where things are: the checkout, the program under test, the connectors, a folder for each hub.

use std::fs::OpenOptions;
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::SystemTime;

/// The connectors that every hub under test has. `mended` has another one's id: tests install it themselves.
const INSTALLED: [&str; 6] = ["telegram", "webform", "odoo", "misbehaving", "relay", "ticker"];

/// Where cargo builds.
#[must_use]
pub fn target() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the crate lies in the workspace").to_owned();
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), |it| root.join(it))
}

/// The program under test: `PATCHBAY_BIN`, else the one of the dev profile.
#[must_use]
pub fn program() -> PathBuf {
    let path = std::env::var_os("PATCHBAY_BIN").map_or_else(|| target().join("debug/patchbay"), PathBuf::from);
    assert!(path.is_file(), "{} is not there: `cargo build` makes it, PATCHBAY_BIN names another one", path.display());
    path
}

/// The `.wasm` of a connector: in `PATCHBAY_CONNECTORS`, else where cargo puts it.
#[must_use]
pub fn connector(name: &str) -> PathBuf {
    let folder = std::env::var_os("PATCHBAY_CONNECTORS").map_or_else(|| target().join("wasm32-unknown-unknown/connector"), PathBuf::from);
    let path = folder.join(format!("{name}.wasm"));
    assert!(path.is_file(), "{} is not there: `./tests/run connectors` builds it", path.display());
    path
}

/// The component with a further manifest behind the first: the last one counts.
#[must_use]
pub fn with_manifest(component: &[u8], manifest: &str) -> Vec<u8> {
    let name = b"patchbay:manifest";
    // Numbers as WebAssembly writes them: seven bits a byte, the lowest first.
    let leb = |mut number: usize| {
        let mut bytes = Vec::new();
        while number > 0x7f {
            bytes.push(u8::try_from(number & 0x7f).expect("seven bits") | 0x80);
            number >>= 7;
        }
        bytes.push(u8::try_from(number).expect("seven bits"));
        bytes
    };
    let section = [leb(name.len()), name.to_vec(), manifest.as_bytes().to_vec()].concat();
    [component.to_vec(), vec![0], leb(section.len()), section].concat()
}

/// Where `tests/run` put what connectors in a language are made with, `js` or `python`. None: it is not there.
#[must_use]
pub fn tools(language: &str) -> Option<PathBuf> {
    Some(target().join("tests/languages").join(language).join(tools_place(language))).filter(|it| it.exists())
}

/// The same for a test, which may do without where `tests/run` said that they cannot be installed.
#[must_use]
pub fn tools_or_skip(language: &str) -> Option<PathBuf> {
    let found = tools(language);
    if found.is_none() {
        let without = std::env::var("PATCHBAY_TEST_WITHOUT").unwrap_or_default();
        let is_known = without.split(' ').any(|it| it == language);
        assert!(is_known, "the tools for {language} are not there: `./tests/run languages` installs them");
        eprintln!("skipped: the tools for {language} could not be installed here");
    }
    found
}

/// Puts the tools of a language where a connector of it has them.
pub fn lend_tools(language: &str, tools: &Path, connector: &Path) {
    std::os::unix::fs::symlink(tools, connector.join(tools_place(language))).expect("a link can be made");
}

fn tools_place(language: &str) -> &'static str {
    if language == "js" { "node_modules" } else { ".venv" }
}

/// The compile cache that all hubs under test share, so that each connector is compiled once.
#[must_use]
pub fn cache() -> PathBuf {
    target().join("tests/cache")
}

/// A folder for one hub. It stays when the test fails.
pub struct Folder {
    path: PathBuf,
    /// It is a file system of its own.
    is_disk: bool,
}

impl Folder {
    /// An empty folder with the connectors in it.
    #[must_use]
    pub fn new() -> Self {
        Self::new_with(None)
    }

    /// The same on a disk of its own of so many bytes.
    #[must_use]
    pub fn new_with(disk: Option<u64>) -> Self {
        let path = target().join(format!("tests/{}", unique_name()));
        std::fs::create_dir_all(&path).expect("the target folder can be written");
        if let Some(bytes) = disk {
            assert!(mount(&path, bytes), "no disk can be made for {}", path.display());
        }
        std::fs::create_dir_all(path.join("connectors")).expect("the target folder can be written");
        let folder = Self { path, is_disk: disk.is_some() };
        for name in INSTALLED {
            folder.install(name, name);
        }
        folder
    }

    /// An empty folder outside of the checkout, for an author who has none.
    #[must_use]
    pub fn outside() -> Self {
        let path = std::env::temp_dir().join(format!("patchbay-tests-{}", unique_name()));
        std::fs::create_dir_all(&path).expect("the system's folder for passing files can be written");
        Self { path, is_disk: false }
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The size of the largest file that lies in it, bytes.
    #[must_use]
    pub fn largest_file(&self) -> u64 {
        let entries = std::fs::read_dir(&self.path).expect("the folder is there").flatten();
        // A file may go away meanwhile.
        entries.filter_map(|it| it.metadata().ok()).filter(std::fs::Metadata::is_file).map(|it| it.len()).max().unwrap_or(0)
    }

    /// Fills its disk until only so many bytes are left.
    pub fn fill(&self, room: u64) {
        let mut ballast = OpenOptions::new().create(true).append(true).open(self.ballast()).expect("the disk takes one more file");
        let piece = [0; 4096];
        let full = loop {
            if let Err(error) = ballast.write_all(&piece) {
                break error;
            }
        };
        assert_eq!(full.kind(), ErrorKind::StorageFull, "{full}");
        let length = ballast.metadata().expect("the file is there").len();
        ballast.set_len(length.saturating_sub(room)).expect("a file can be cut");
    }

    /// Makes room again.
    pub fn empty(&self) {
        std::fs::remove_file(self.ballast()).expect("the disk was filled");
    }

    fn ballast(&self) -> PathBuf {
        self.path.join("ballast")
    }

    /// Puts a connector's file under the name of another one (or its own), in the place of what was there.
    pub fn install(&self, name: &str, place: &str) {
        let place = self.path.join(format!("connectors/{place}.wasm"));
        let new = place.with_extension("new");
        std::fs::copy(connector(name), &new).expect("the connector can be copied");
        std::fs::rename(&new, &place).expect("the connector can be put in place");
    }
}

impl Default for Folder {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // What stood in memory goes with it; a failed test has shown the end of the log.
        if self.is_disk && !unmount(&self.path) {
            eprintln!("{} cannot be unmounted", self.path.display());
        }
        if std::thread::panicking() {
            eprintln!("the hub's files stay in {}", self.path.display());
        } else if let Err(error) = std::fs::remove_dir_all(&self.path) {
            eprintln!("{} cannot be removed: {error}", self.path.display());
        }
    }
}

/// Whether this machine lets a test have disks of its own: root may, in most containers nobody may.
#[must_use]
pub fn has_disks() -> bool {
    let path = std::env::temp_dir().join(format!("patchbay-tests-{}", unique_name()));
    std::fs::create_dir_all(&path).expect("the system's folder for passing files can be written");
    let made = mount(&path, 1 << 20) && unmount(&path);
    std::fs::remove_dir(&path).expect("it is empty");
    made
}

/// A file system of so many bytes, in memory.
fn mount(path: &Path, bytes: u64) -> bool {
    succeeds(Command::new("mount").args(["-t", "tmpfs", "-o", &format!("size={bytes}"), "patchbay-tests"]).arg(path))
}

fn unmount(path: &Path) -> bool {
    succeeds(Command::new("umount").arg("--lazy").arg(path))
}

fn succeeds(command: &mut Command) -> bool {
    command.stderr(Stdio::null()).status().is_ok_and(|it| it.success())
}

/// A number that no other call in this process gets.
#[must_use]
pub fn unique() -> u32 {
    static LAST: AtomicU32 = AtomicU32::new(0);
    LAST.fetch_add(1, Ordering::Relaxed)
}

/// A name that nothing else has: servers and folders outlive a process, and the numbers of processes come again.
#[must_use]
pub fn unique_name() -> String {
    static STARTED: LazyLock<u128> = LazyLock::new(|| SystemTime::UNIX_EPOCH.elapsed().expect("it is later than 1970").as_micros());
    format!("{:x}_{:x}_{}", *STARTED, std::process::id(), unique())
}

/// A port that nobody listens on. Below the range from which the system takes ports for outgoing connections, so that it stays free
/// for a hub that is killed and started again.
#[must_use]
pub fn free_port() -> u16 {
    const FIRST: u32 = 10_000;
    const PORTS: u32 = 20_000;
    for _ in 0..PORTS {
        let port = FIRST + (std::process::id().wrapping_mul(97) + unique()) % PORTS;
        let port = u16::try_from(port).expect("the range is one of ports");
        if std::net::TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
    panic!("no port is free");
}
