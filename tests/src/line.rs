//! A server of a line protocol whose every word the test decides.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

/// A server on a port of its own. It ends with the test.
pub struct LineServer {
    port: u16,
    open: Arc<AtomicUsize>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl LineServer {
    /// A server that does this with each connection, on a thread of its own.
    #[must_use]
    pub fn start(serve: impl Fn(TcpStream) + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        let port = listener.local_addr().expect("it is bound").port();
        let (stop, open, serve) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)), Arc::new(serve));
        let (stopped, counted) = (Arc::clone(&stop), Arc::clone(&open));
        let thread = std::thread::spawn(move || {
            for stream in listener.incoming() {
                if stopped.load(Ordering::Relaxed) {
                    return;
                }
                let Ok(stream) = stream else { continue };
                let (serve, open) = (Arc::clone(&serve), Arc::clone(&counted));
                open.fetch_add(1, Ordering::SeqCst);
                std::thread::spawn(move || {
                    serve(stream);
                    open.fetch_sub(1, Ordering::SeqCst);
                });
            }
        });
        Self { port, open, stop, thread: Some(thread) }
    }

    /// One that sends everything back, as it comes.
    #[must_use]
    pub fn echo() -> Self {
        Self::start(|mut stream| {
            let mut chunk = [0; 4096];
            while let Ok(bytes @ 1..) = stream.read(&mut chunk) {
                if stream.write_all(&chunk[..bytes]).is_err() {
                    return;
                }
            }
        })
    }

    /// One that sends everything back one byte after the other, each in a packet of its own.
    #[must_use]
    pub fn stammer() -> Self {
        Self::start(|mut stream| {
            let mut byte = [0];
            drop(stream.set_nodelay(true));
            while let Ok(1) = stream.read(&mut byte) {
                if stream.write_all(&byte).is_err() {
                    return;
                }
                std::thread::sleep(Duration::from_millis(2));
            }
        })
    }

    /// `127.0.0.1:<port>`
    #[must_use]
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Connections that are open now.
    #[must_use]
    pub fn open(&self) -> usize {
        self.open.load(Ordering::SeqCst)
    }
}

impl Drop for LineServer {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        // Wakes the listener.
        drop(TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)));
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}
