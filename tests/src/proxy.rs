//! A way to a server that breaks when a test wants it: after so many bytes, in the middle of whatever was being said, or for as long as it likes.
//!
//! It has threads of its own, so that it goes on while a test waits for a program that goes through it.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// As many bytes as there will ever be.
const NEVER: i64 = i64::MAX;

struct Shared {
    /// `host:port` of the server.
    server: String,
    /// Bytes until the next cut.
    left: AtomicI64,
    cuts: AtomicU64,
    is_down: AtomicBool,
    is_gone: AtomicBool,
    live: Mutex<Vec<TcpStream>>,
}

/// A way to a server. It ends when it is dropped, with all that goes through it.
pub struct Proxy {
    port: u16,
    shared: Arc<Shared>,
}

impl Proxy {
    /// A way to the server at `host:port`, over a port of this machine.
    #[must_use]
    pub fn to(server: &str) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port is free");
        let port = listener.local_addr().expect("it is bound").port();
        let shared = Arc::new(Shared {
            server: server.to_owned(),
            left: AtomicI64::new(NEVER),
            cuts: AtomicU64::new(0),
            is_down: AtomicBool::new(false),
            is_gone: AtomicBool::new(false),
            live: Mutex::default(),
        });
        let accepting = Arc::clone(&shared);
        std::thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok).take_while(|_| !accepting.is_gone.load(Ordering::SeqCst)) {
                accepting.lead(client);
            }
        });
        Self { port, shared }
    }

    /// The port that clients connect to.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Breaks every connection once so many more bytes went through, counted over all of them and both ways.
    pub fn cut_after(&self, bytes: u32) {
        self.shared.left.store(bytes.into(), Ordering::SeqCst);
    }

    /// How often it broke.
    #[must_use]
    pub fn cuts(&self) -> u64 {
        self.shared.cuts.load(Ordering::SeqCst)
    }

    /// Breaks every connection and takes no new one, as a server that was stopped.
    pub fn stop(&self) {
        self.shared.is_down.store(true, Ordering::SeqCst);
        self.shared.cut();
    }

    /// Takes connections again.
    pub fn go_on(&self) {
        self.shared.is_down.store(false, Ordering::SeqCst);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.shared.is_gone.store(true, Ordering::SeqCst);
        self.stop();
        // The thread that accepts finds out.
        drop(TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)));
    }
}

impl Shared {
    fn live(&self) -> MutexGuard<'_, Vec<TcpStream>> {
        self.live.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn cut(&self) {
        self.left.store(NEVER, Ordering::SeqCst);
        for stream in self.live().drain(..) {
            // One that ended by itself needs no end.
            drop(stream.shutdown(Shutdown::Both));
        }
        self.cuts.fetch_add(1, Ordering::SeqCst);
    }

    /// Joins a client to the server, both ways.
    fn lead(self: &Arc<Self>, client: TcpStream) {
        if self.is_down.load(Ordering::SeqCst) {
            return;
        }
        let Ok(server) = TcpStream::connect(&self.server) else { return };
        let ends = [(client.try_clone(), server.try_clone()), (server.try_clone(), client.try_clone())];
        self.live().extend([client, server]);
        for (from, to) in ends {
            if let (Ok(from), Ok(to)) = (from, to) {
                let shared = Arc::clone(self);
                std::thread::spawn(move || shared.pass(from, to));
            }
        }
        // A stop that came meanwhile must not miss it.
        if self.is_down.load(Ordering::SeqCst) {
            self.cut();
        }
    }

    fn pass(&self, mut from: TcpStream, mut to: TcpStream) {
        let mut bytes = [0; 16 << 10];
        while let Ok(count @ 1..) = from.read(&mut bytes) {
            let passed = i64::try_from(count).expect("a buffer is short");
            let left = self.left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |it| Some(if it == NEVER { NEVER } else { it - passed }));
            let left = left.unwrap_or(NEVER);
            if left <= passed {
                // The rest of what was being said is never heard.
                let heard = usize::try_from(left.max(0)).unwrap_or(0);
                drop(to.write_all(&bytes[..heard]));
                return self.cut();
            }
            if to.write_all(&bytes[..count]).is_err() {
                break;
            }
        }
        for end in [from, to] {
            drop(end.shutdown(Shutdown::Both));
        }
    }
}
