//! A sink that costs little: raw HTTP/1.1, answered at once, counted by its path.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

/// How often a count is looked at.
const LOOK: Duration = Duration::from_millis(2);

/// Sinks behind one port: the first part of a path is a sink's number.
pub struct Sinks {
    port: u16,
    counts: Arc<[AtomicU64]>,
    /// When each command arrived.
    pub arrivals: mpsc::UnboundedReceiver<Instant>,
    _tasks: JoinSet<()>,
}

impl Sinks {
    /// So many of them. They answer until this is dropped.
    pub async fn start(sinks: usize) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port is free");
        let port = listener.local_addr().expect("a listener has an address").port();
        let counts: Arc<[AtomicU64]> = (0..sinks).map(|_| AtomicU64::new(0)).collect();
        let (arrived, arrivals) = mpsc::unbounded_channel();
        let all = Arc::clone(&counts);
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let mut open = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                open.spawn(answer(stream, Arc::clone(&all), arrived.clone()));
            }
        });
        Self { port, counts, arrivals, _tasks: tasks }
    }

    /// Where a sink answers.
    pub fn url(&self, sink: usize) -> String {
        format!("http://127.0.0.1:{}/{sink}", self.port)
    }

    /// Commands so far.
    pub fn count(&self) -> u64 {
        self.counts.iter().map(|it| it.load(Ordering::Relaxed)).sum()
    }

    /// Waits until so many commands arrived, or the time is up; how many did.
    pub async fn wait(&self, commands: u64, patience: Duration) -> u64 {
        let begun = Instant::now();
        while self.count() < commands && begun.elapsed() < patience {
            tokio::time::sleep(LOOK).await;
        }
        self.count()
    }
}

/// Answers the requests of one connection, each with an id that no other one got.
async fn answer(mut stream: TcpStream, counts: Arc<[AtomicU64]>, arrived: mpsc::UnboundedSender<Instant>) {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    drop(stream.set_nodelay(true));
    let mut buffer = Vec::with_capacity(16 << 10);
    loop {
        let (sink, end) = loop {
            if let Some(request) = request(&buffer) {
                break request;
            }
            // Whoever asked is gone.
            if !matches!(stream.read_buf(&mut buffer).await, Ok(1..)) {
                return;
            }
        };
        buffer.drain(..end);
        if let Some(count) = counts.get(sink) {
            count.fetch_add(1, Ordering::Relaxed);
        }
        let _ = arrived.send(Instant::now());
        let body = format!(r#"{{"remote_id":"{}"}}"#, NEXT.fetch_add(1, Ordering::Relaxed));
        let head = format!("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n", body.len());
        if stream.write_all(&[head.into_bytes(), body.into_bytes()].concat()).await.is_err() {
            return;
        }
    }
}

/// Whose request stands at the beginning, and where it ends. None: not all of it came yet.
fn request(buffer: &[u8]) -> Option<(usize, usize)> {
    let body = buffer.windows(4).position(|it| it == b"\r\n\r\n")? + 4;
    let head = String::from_utf8_lossy(&buffer[..body]).to_ascii_lowercase();
    let length: usize = head.lines().find_map(|it| it.strip_prefix("content-length:")).map_or(0, |it| it.trim().parse().unwrap_or(0));
    let sink = head.split('/').nth(1).and_then(|it| it.parse().ok()).unwrap_or(usize::MAX);
    (buffer.len() >= body + length).then_some((sink, body + length))
}
