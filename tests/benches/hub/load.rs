//! A load generator that costs little: raw HTTP/1.1 over kept connections.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::world;

/// One kept connection.
pub struct Client {
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Client {
    /// Connects to a port of this machine.
    pub async fn connect(port: u16) -> std::io::Result<Self> {
        let stream = TcpStream::connect(("127.0.0.1", port)).await?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, buffer: Vec::with_capacity(4096) })
    }

    /// Sends a request and reads the answer; its status.
    pub async fn send(&mut self, request: &[u8]) -> std::io::Result<u16> {
        self.stream.write_all(request).await?;
        self.buffer.clear();
        let end = loop {
            if let Some(at) = self.buffer.windows(4).position(|it| it == b"\r\n\r\n") {
                break at + 4;
            }
            if self.stream.read_buf(&mut self.buffer).await? == 0 {
                return Err(std::io::ErrorKind::UnexpectedEof.into());
            }
        };
        let head = String::from_utf8_lossy(&self.buffer[..end]).to_ascii_lowercase();
        let status = head.split(' ').nth(1).and_then(|it| it.parse().ok()).ok_or(std::io::ErrorKind::InvalidData)?;
        let length: usize = head.lines().find_map(|it| it.strip_prefix("content-length:")).map_or(0, |it| it.trim().parse().unwrap_or(0));
        while self.buffer.len() < end + length {
            self.stream.read_buf(&mut self.buffer).await?;
        }
        Ok(status)
    }
}

/// What a run of load gave.
pub struct Run {
    /// Answers with 2xx a second.
    pub rate: f64,
    /// Milliseconds, sorted.
    pub latencies: Vec<f64>,
    /// Answers that were no 2xx.
    pub refused: u64,
}

impl Run {
    /// A percentile of the latencies, milliseconds.
    pub fn percentile(&self, share: f64) -> f64 {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            clippy::cast_precision_loss,
            reason = "an index into the latencies"
        )]
        let at = ((self.latencies.len() as f64 * share) as usize).min(self.latencies.len().saturating_sub(1));
        self.latencies.get(at).copied().unwrap_or(0.0)
    }
}

/// Posts updates with this many clients for a while; `pace` is the whole rate that is kept to, none: as fast as they can.
pub async fn post(port: u16, connection: &str, clients: u32, span: Duration, pace: Option<u32>, first: &Arc<AtomicU64>) -> Run {
    let started = Instant::now();
    let mut tasks = tokio::task::JoinSet::new();
    for client in 0..clients {
        let (connection, next) = (connection.to_owned(), Arc::clone(first));
        tasks.spawn(async move {
            let mut http = Client::connect(port).await.expect("the hub listens");
            let (mut latencies, mut refused) = (Vec::new(), 0_u64);
            let gap = pace.map(|it| Duration::from_secs_f64(f64::from(clients) / f64::from(it)));
            let mut due = started + gap.unwrap_or_default().mul_f64(f64::from(client) / f64::from(clients));
            while started.elapsed() < span {
                if let Some(gap) = gap {
                    tokio::time::sleep_until(due.into()).await;
                    due += gap;
                }
                let update = next.fetch_add(1, Ordering::Relaxed);
                let body = world::update(update, update / crate::store::NEWCOMERS);
                let request = format!(
                    "POST /in/{connection} HTTP/1.1\r\nhost: bench\r\ncontent-type: application/json\r\nx-telegram-bot-api-secret-token: {}\r\ncontent-length: {}\r\n\r\n{body}",
                    world::SECRET,
                    body.len()
                );
                let sent = Instant::now();
                match http.send(request.as_bytes()).await.expect("the hub answers") {
                    200..300 => latencies.push(sent.elapsed().as_secs_f64() * 1e3),
                    _ => refused += 1,
                }
            }
            (latencies, refused)
        });
    }
    let (mut latencies, mut refused) = (Vec::new(), 0);
    while let Some(ended) = tasks.join_next().await {
        let (more, not) = ended.expect("the client ends");
        latencies.extend(more);
        refused += not;
    }
    latencies.sort_unstable_by(f64::total_cmp);
    #[expect(clippy::cast_precision_loss, reason = "figures for people")]
    let rate = latencies.len() as f64 / started.elapsed().as_secs_f64();
    Run { rate, latencies, refused }
}
