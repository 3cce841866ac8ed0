//! The way out for lines and frames: a TCP or TLS connection to an endpoint of the manifest, every address checked and pinned as for HTTP.
//!
//! A secret goes out in clear text only where the operator granted the network: whoever may listen on the way to a public server is nobody
//! that the operator named.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use patchbay_schemas::Manifest;
use reqwest::Url;
use rustls::pki_types::ServerName;
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};
use tokio_rustls::TlsConnector;

use super::network::Network;
use super::outbound::{Outbound, allowed};
use super::surroundings::Surroundings;
use super::tls;
use crate::rules::template::{fill, plain};

/// Longest wait until a connection stands, TLS included.
pub const CONNECT_WAIT: Duration = Duration::from_secs(10);

/// How an endpoint is spoken to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scheme {
    /// `tcp://`: clear text.
    Tcp,
    /// `tls://`: TLS from the first byte.
    Tls,
    /// `starttls://`: clear text until the connector begins TLS.
    StartTls,
    /// `ws://`, `http://`: a WebSocket in clear text.
    Ws,
    /// `wss://`, `https://`: a WebSocket over TLS.
    Wss,
}

/// Where an endpoint leads.
#[derive(Debug, Clone)]
pub struct Address {
    /// How it is spoken to.
    pub scheme: Scheme,
    /// Name or IP address, the latter without brackets.
    pub host: String,
    /// Port.
    pub port: u16,
    /// The whole, filled in from the configuration.
    pub url: Url,
}

/// A connection that stands.
pub struct Wire {
    io: Box<dyn Io>,
    address: Address,
    protection: Protection,
}

/// What keeps others from reading along.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Protection {
    Tls,
    /// The operator granted the network.
    Granted,
    Nothing,
}

trait Io: AsyncRead + AsyncWrite + Send + Sync + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Sync + Unpin> Io for T {}

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub enum DialError {
    /// This run has no network.
    #[error("this run has no network: no connection to the endpoint `{0}` was made")]
    Closed(String),
    /// The manifest does not know the endpoint.
    #[error("the endpoint `{0}` is not in the manifest: a line `[endpoints.{0}]` with its `url` would allow it")]
    UnknownEndpoint(String),
    /// The endpoint's address with the configuration's values is no address.
    #[error("the address of the endpoint `{endpoint}` is not usable: {reason}")]
    Address {
        /// The endpoint.
        endpoint: String,
        /// What is wrong.
        reason: String,
    },
    /// The address is not public and the operator granted no such network.
    #[error(
        "the endpoint `{endpoint}` leads to {address}, which is not a public address: `patchbay connection add --allow-network {address}` would grant it"
    )]
    Private {
        /// The endpoint.
        endpoint: String,
        /// The address.
        address: IpAddr,
    },
    /// A secret would have gone over a public network in clear text.
    #[error(
        "`{url}` is spoken to in clear text, so no secret is sent there: write tls:// or starttls:// (wss:// for a WebSocket), \
         or grant the network that you trust by --allow-network"
    )]
    ClearText {
        /// The endpoint's address.
        url: String,
    },
    /// TLS is begun on a connection that is not for it.
    #[error(
        "TLS is begun by the connector only on an endpoint with starttls://, and once; `{url}` is not such a one or speaks TLS already"
    )]
    NoStartTls {
        /// The endpoint's address.
        url: String,
    },
    /// No connection in time.
    #[error("no connection within {} ms", .0.as_millis())]
    Timeout(Duration),
    /// The connection failed.
    #[error("the connection failed: {0}")]
    Transport(#[from] io::Error),
    /// TLS cannot be set up on this machine.
    #[error("TLS cannot be set up: {0}")]
    Tls(#[from] rustls::Error),
}

impl DialError {
    /// Stable, for the connector and the log.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Closed(_) => "socket.closed",
            Self::UnknownEndpoint(_) => "socket.unknown_endpoint",
            Self::Address { .. } => "socket.address",
            Self::Private { .. } => "socket.private_address",
            Self::ClearText { .. } => "socket.clear_text",
            Self::NoStartTls { .. } => "socket.no_starttls",
            Self::Timeout(_) => "socket.timeout",
            Self::Transport(_) => "socket.transport",
            Self::Tls(_) => "socket.tls",
        }
    }

    /// True when the same may work later.
    #[must_use]
    pub fn is_passing(&self) -> bool {
        matches!(self, Self::Timeout(_) | Self::Transport(_) | Self::Closed(_))
    }
}

/// Connects to an endpoint of the manifest: address filled in, looked up and checked, TLS spoken where its scheme says so.
pub async fn dial(here: &Surroundings, endpoint: &str) -> Result<Wire, DialError> {
    let address = Address::of(&here.manifest, &here.config, endpoint)?;
    connect(address, endpoint, granted(&here.outbound, endpoint)?, CONNECT_WAIT).await
}

fn granted<'a>(outbound: &'a Outbound, endpoint: &str) -> Result<&'a [Network], DialError> {
    match outbound {
        Outbound::Open { granted, .. } => Ok(granted),
        Outbound::Recorded { open, .. } => granted(open, endpoint),
        Outbound::Closed | Outbound::Played(_) => Err(DialError::Closed(endpoint.to_owned())),
    }
}

async fn connect(address: Address, endpoint: &str, granted: &[Network], wait: Duration) -> Result<Wire, DialError> {
    let late = |_| DialError::Timeout(wait);
    let ends = Instant::now() + wait;
    let found: Vec<SocketAddr> =
        timeout_at(ends, tokio::net::lookup_host((address.host.as_str(), address.port))).await.map_err(late)??.collect();
    // One private address among public ones is how rebinding looks: nothing of that name is trusted.
    if let Some(refused) = found.iter().find(|it| !allowed(it.ip(), granted)) {
        return Err(DialError::Private { endpoint: endpoint.to_owned(), address: refused.ip() });
    }
    let mut failed = io::Error::new(io::ErrorKind::NotFound, format!("`{}` has no address", address.host));
    for (tried, peer) in found.iter().enumerate() {
        // What is left of the time is shared out, so that an address that does not answer leaves some to the next.
        let share = ends.saturating_duration_since(Instant::now()) / u32::try_from(found.len() - tried).unwrap_or(u32::MAX);
        match tokio::time::timeout(share, TcpStream::connect(peer)).await {
            Ok(Ok(stream)) => {
                stream.set_nodelay(true)?;
                let protection = if granted.iter().any(|it| it.contains(peer.ip())) { Protection::Granted } else { Protection::Nothing };
                let wire = Wire { io: Box::new(stream), address, protection };
                let speaks_tls = matches!(wire.address.scheme, Scheme::Tls | Scheme::Wss);
                return if speaks_tls { timeout_at(ends, wire.encrypt()).await.map_err(late)? } else { Ok(wire) };
            }
            Ok(Err(error)) => failed = error,
            Err(_) => failed = io::Error::new(io::ErrorKind::TimedOut, format!("no connection within {} ms", share.as_millis())),
        }
    }
    if failed.kind() == io::ErrorKind::TimedOut { Err(DialError::Timeout(wait)) } else { Err(failed.into()) }
}

impl Address {
    /// Where an endpoint of the manifest leads under this configuration.
    pub fn of(manifest: &Manifest, config: &Value, endpoint: &str) -> Result<Self, DialError> {
        let declared = manifest.endpoints.get(endpoint).ok_or_else(|| DialError::UnknownEndpoint(endpoint.to_owned()))?;
        let wrong = |reason: String| DialError::Address { endpoint: endpoint.to_owned(), reason };
        let filled =
            fill(&declared.url, |it| config.get(it).and_then(plain)).map_err(|it| wrong(format!("the configuration has no `{it}`")))?;
        let url = Url::parse(&filled).map_err(|error| wrong(error.to_string()))?;
        let scheme = match url.scheme() {
            "tcp" => Scheme::Tcp,
            "tls" => Scheme::Tls,
            "starttls" => Scheme::StartTls,
            // A server that speaks HTTP and WebSockets at one address is configured once.
            "ws" | "http" => Scheme::Ws,
            "wss" | "https" => Scheme::Wss,
            other => return Err(wrong(format!("`{other}` is none of tcp, tls, starttls, ws, wss, http and https"))),
        };
        let port = url.port_or_known_default().ok_or_else(|| wrong(format!("`{filled}` has no port: write host:port")))?;
        if !url.username().is_empty() || url.password().is_some() {
            return Err(wrong("a user name or password does not belong into it".to_owned()));
        }
        // Names in other scripts and addresses in odd notations are read by the rules of the web alone for its own schemes.
        let rest = filled.split_once("://").map_or("", |it| it.1);
        let web = Url::parse(&format!("https://{rest}")).map_err(|error| wrong(error.to_string()))?;
        let host = web.host_str().unwrap_or_default().trim_start_matches('[').trim_end_matches(']').to_owned();
        Ok(Self { scheme, host, port, url })
    }
}

impl Wire {
    /// Where it leads.
    #[must_use]
    pub fn address(&self) -> &Address {
        &self.address
    }

    /// Refuses where a secret would be read along.
    pub fn may_carry_secrets(&self) -> Result<(), DialError> {
        match self.protection {
            Protection::Tls | Protection::Granted => Ok(()),
            Protection::Nothing => Err(DialError::ClearText { url: self.address.url.to_string() }),
        }
    }

    /// Begins TLS on an endpoint with `starttls://`. Bytes that came in before and were not read yet make it fail.
    pub async fn secure(self) -> Result<Self, DialError> {
        if self.address.scheme != Scheme::StartTls || self.protection == Protection::Tls {
            return Err(DialError::NoStartTls { url: self.address.url.to_string() });
        }
        tokio::time::timeout(CONNECT_WAIT, self.encrypt()).await.map_err(|_| DialError::Timeout(CONNECT_WAIT))?
    }

    async fn encrypt(self) -> Result<Self, DialError> {
        let Self { io, address, .. } = self;
        let name = ServerName::try_from(address.host.clone())
            .map_err(|_| io::Error::new(io::ErrorKind::InvalidInput, format!("no certificate can name `{}`", address.host)))?;
        let io = Box::new(TlsConnector::from(tls::client()?).connect(name, io).await?);
        Ok(Self { io, address, protection: Protection::Tls })
    }
}

impl AsyncRead for Wire {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_read(cx, buf)
    }
}

impl AsyncWrite for Wire {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    use super::*;

    const SOON: Duration = Duration::from_millis(200);
    /// Where time is not what is tested.
    const AMPLE: Duration = Duration::from_secs(30);

    fn address(url: &str) -> Result<Address, DialError> {
        let text = "id = 'x'\nversion = '1.0.0'\ncontract = '0.1.1'\nname = 'X'\nsummary = 'x'\nchannel = 'x'\nroles = ['source']\n\
                    [endpoints.line]\nurl = '{url}'";
        Address::of(&toml::from_str(text).unwrap(), &json!({ "url": url }), "line")
    }

    async fn listener() -> (TcpListener, u16) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        (listener, port)
    }

    fn house() -> [Network; 1] {
        ["127.0.0.0/8".parse().unwrap()]
    }

    #[test]
    fn an_address_has_a_scheme_a_host_and_a_port() {
        let read = |url: &str| address(url).map(|it| (it.scheme, it.host, it.port));
        assert_eq!(read("tls://imap.example.com:993").unwrap(), (Scheme::Tls, "imap.example.com".to_owned(), 993));
        assert_eq!(read("starttls://почта.рф:587").unwrap(), (Scheme::StartTls, "xn--80a1acny.xn--p1ai".to_owned(), 587));
        assert_eq!(read("tcp://[::1]:25").unwrap(), (Scheme::Tcp, "::1".to_owned(), 25));
        assert_eq!(read("tcp://0x7f.1:25").unwrap(), (Scheme::Tcp, "127.0.0.1".to_owned(), 25));
        assert_eq!(read("tls://example.com:443").unwrap().2, 443);
        assert_eq!(read("wss://example.com/ari").unwrap(), (Scheme::Wss, "example.com".to_owned(), 443));
        for wrong in ["ftp://example.com", "tls://example.com", "tcp://user:secret@example.com:1", "imap.example.com", "tcp://:25"] {
            assert_eq!(read(wrong).unwrap_err().code(), "socket.address", "{wrong}");
        }
        let known = Address::of(
            &toml::from_str("id='x'\nversion='1.0.0'\ncontract='0.1.1'\nname='X'\nsummary='x'\nchannel='x'\nroles=['source']").unwrap(),
            &Value::Null,
            "line",
        );
        assert!(known.unwrap_err().to_string().contains("[endpoints.line]"));
    }

    #[tokio::test]
    async fn the_own_house_is_reached_only_where_it_was_granted() {
        let (listener, port) = listener().await;
        for host in ["127.0.0.1", "localhost", "0x7f.1"] {
            let refused = connect(address(&format!("tcp://{host}:{port}")).unwrap(), "line", &[], AMPLE).await.err().unwrap();
            assert!(matches!(refused, DialError::Private { .. }) && refused.to_string().contains("--allow-network"), "{refused}");
        }
        let granted = house();
        let (wire, accepted) =
            tokio::join!(connect(address(&format!("tcp://127.0.0.1:{port}")).unwrap(), "line", &granted, AMPLE), listener.accept());
        let (mut wire, mut server) = (wire.unwrap(), accepted.unwrap().0);
        wire.write_all(b"hello").await.unwrap();
        let mut heard = [0; 5];
        server.read_exact(&mut heard).await.unwrap();
        assert_eq!(&heard, b"hello");
        assert!(wire.may_carry_secrets().is_ok(), "the operator granted this network");
        assert_eq!(wire.secure().await.err().unwrap().code(), "socket.no_starttls");
    }

    #[tokio::test]
    async fn a_secret_is_not_sent_in_clear_text_to_a_network_that_nobody_granted() {
        let wire = |protection| Wire { io: Box::new(tokio::io::duplex(64).0), address: address("tcp://1.1.1.1:25").unwrap(), protection };
        let refused = wire(Protection::Nothing).may_carry_secrets().unwrap_err();
        assert!(refused.to_string().contains("tls://"), "{refused}");
        assert!(wire(Protection::Tls).may_carry_secrets().is_ok());
    }

    #[tokio::test]
    async fn who_does_not_answer_or_speaks_no_tls_is_given_up() {
        let (listener, port) = listener().await;
        let granted = house();
        let silent = connect(address(&format!("tls://127.0.0.1:{port}")).unwrap(), "line", &granted, SOON).await.err().unwrap();
        assert!(matches!(silent, DialError::Timeout(_)), "{silent}");

        let wire = connect(address(&format!("starttls://127.0.0.1:{port}")).unwrap(), "line", &granted, AMPLE).await.unwrap();
        listener.accept().await.unwrap();
        let (mut server, _) = listener.accept().await.unwrap();
        server.write_all(b"220 no TLS here\r\n").await.unwrap();
        assert!(matches!(wire.secure().await.err().unwrap(), DialError::Transport(_)));
        let nobody = connect(address("tcp://127.0.0.1:1").unwrap(), "line", &granted, AMPLE).await.err().unwrap();
        assert!(nobody.is_passing() && matches!(nobody, DialError::Transport(_)), "{nobody}");
    }
}
