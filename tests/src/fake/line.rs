//! A vendor on the other end of a connection that stays open: lines over TCP, or messages of a WebSocket, as the test says.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::broadcast;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::Role;

/// What is done to whoever is connected.
#[derive(Debug, Clone)]
enum Deed {
    Say(String),
    HangUp,
}

/// A vendor that anybody may connect to.
pub struct FakeLine {
    port: u16,
    deeds: broadcast::Sender<Deed>,
    seen: Arc<Mutex<Seen>>,
}

#[derive(Default)]
struct Seen {
    connections: usize,
    heads: Vec<String>,
    heard: Vec<String>,
    refusal: Option<u16>,
    is_dead: bool,
}

impl FakeLine {
    /// A vendor that waits for connections.
    #[expect(clippy::disallowed_methods, reason = "it lives as long as the test's runtime")]
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
        let port = listener.local_addr().expect("it is bound").port();
        let (deeds, _) = broadcast::channel(1024);
        let seen = Arc::<Mutex<Seen>>::default();
        let (sender, shared) = (deeds.clone(), Arc::clone(&seen));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, sender.subscribe(), Arc::clone(&shared)));
            }
        });
        Self { port, deeds, seen }
    }

    /// Where its lines are.
    #[must_use]
    pub fn lines(&self) -> String {
        format!("tcp://127.0.0.1:{}", self.port)
    }

    /// Where its WebSocket is.
    #[must_use]
    pub fn web_socket(&self) -> String {
        format!("ws://127.0.0.1:{}/events", self.port)
    }

    /// Sends this to whoever is connected, as it stands: a line needs its end.
    pub fn say(&self, text: &str) {
        // Nobody may be there.
        let _ = self.deeds.send(Deed::Say(text.to_owned()));
    }

    /// Breaks all connections off.
    pub fn hang_up(&self) {
        let _ = self.deeds.send(Deed::HangUp);
    }

    /// Answers every handshake with this status.
    pub fn refuse(&self, status: Option<u16>) {
        self.lock().refusal = status;
    }

    /// Answers no ping and says nothing more, but keeps its connections.
    pub fn play_dead(&self, is_dead: bool) {
        self.lock().is_dead = is_dead;
    }

    /// What it heard, line by line; heartbeats apart.
    #[must_use]
    pub fn heard(&self) -> Vec<String> {
        self.lock().heard.iter().filter(|it| *it != "beat").cloned().collect()
    }

    /// How many heartbeats it heard.
    #[must_use]
    pub fn beats(&self) -> usize {
        self.lock().heard.iter().filter(|it| *it == "beat").count()
    }

    /// How often somebody connected.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.lock().connections
    }

    /// The heads of the handshakes.
    #[must_use]
    pub fn heads(&self) -> Vec<String> {
        self.lock().heads.clone()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Seen> {
        lock(&self.seen)
    }
}

fn lock(seen: &Mutex<Seen>) -> std::sync::MutexGuard<'_, Seen> {
    seen.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn serve(mut stream: TcpStream, deeds: broadcast::Receiver<Deed>, seen: Arc<Mutex<Seen>>) {
    lock(&seen).connections += 1;
    let mut start = [0; 4];
    if stream.peek(&mut start).await.is_ok() && &start == b"GET " {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let Ok(byte) = stream.read_u8().await else { return };
            head.push(byte);
        }
        let head = String::from_utf8_lossy(&head).into_owned();
        let key = head.lines().find_map(|it| it.to_ascii_lowercase().starts_with("sec-websocket-key:").then(|| it[18..].trim().to_owned()));
        lock(&seen).heads.push(head);
        let refusal = lock(&seen).refusal;
        if let Some(status) = refusal {
            drop(stream.write_all(format!("HTTP/1.1 {status} No\r\nContent-Length: 0\r\n\r\n").as_bytes()).await);
            return;
        }
        let accept = derive_accept_key(key.unwrap_or_default().as_bytes());
        let answer = format!(
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {accept}\r\n\r\n"
        );
        if stream.write_all(answer.as_bytes()).await.is_ok() {
            web_socket(WebSocketStream::from_raw_socket(stream, Role::Server, None).await, deeds, &seen).await;
        }
        return;
    }
    lines(stream, deeds, &seen).await;
}

async fn lines(mut stream: TcpStream, mut deeds: broadcast::Receiver<Deed>, seen: &Mutex<Seen>) {
    let mut waiting = Vec::new();
    loop {
        tokio::select! {
            read = stream.read_buf(&mut waiting) => {
                if !matches!(read, Ok(1..)) {
                    return;
                }
                while let Some(at) = waiting.iter().position(|it| *it == b'\n') {
                    let line: Vec<u8> = waiting.drain(..=at).collect();
                    lock(seen).heard.push(String::from_utf8_lossy(&line).trim().to_owned());
                    let answers = !lock(seen).is_dead;
                    // A sign of life for each of theirs.
                    if answers && stream.write_all(b"\n").await.is_err() {
                        return;
                    }
                }
            }
            deed = deeds.recv() => match deed {
                Ok(Deed::Say(text)) => if stream.write_all(text.as_bytes()).await.is_err() { return },
                _ => return,
            },
        }
    }
}

async fn web_socket(mut socket: WebSocketStream<TcpStream>, mut deeds: broadcast::Receiver<Deed>, seen: &Mutex<Seen>) {
    loop {
        if lock(seen).is_dead {
            tokio::time::sleep(Duration::from_millis(50)).await;
            continue;
        }
        tokio::select! {
            came = socket.next() => match came {
                Some(Ok(Message::Text(text))) => lock(seen).heard.push(text.to_string()),
                Some(Ok(Message::Ping(_))) => lock(seen).heard.push("beat".to_owned()),
                Some(Ok(_)) => {}
                _ => return,
            },
            deed = deeds.recv() => match deed {
                Ok(Deed::Say(text)) => if socket.send(Message::text(text)).await.is_err() { return },
                _ => return,
            },
        }
    }
}
