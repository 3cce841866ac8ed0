//! A stream as frames: the messages of a WebSocket, or bytes that are cut.

use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use patchbay_schemas::manifest::{Framing, Stream};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{self, Message};

use super::framing::{Cutter, TooLong, end};
use crate::oauth2::TokenError;
use crate::plugin::dial::{self, DialError, Scheme, Wire};
use crate::plugin::outbound::{self, OutboundError};
use crate::plugin::{Piece, Surroundings, Target};

/// Longest wait for the answer to a handshake, and for the other side to take a frame.
const PATIENCE: Duration = Duration::from_secs(10);
/// What is read at once of an endpoint that is no WebSocket, bytes.
const PORTION: usize = 16 << 10;

/// Why there is no stream, or none any more.
#[derive(Debug, thiserror::Error)]
pub enum LineError {
    /// No connection.
    #[error("{0}")]
    Dial(#[from] DialError),
    /// The handshake cannot be made.
    #[error("{0}")]
    Handshake(#[from] OutboundError),
    /// The other side does not take the handshake.
    #[error("the handshake was answered with HTTP {0}")]
    Refused(u16),
    /// The endpoint and the manifest's framing do not fit.
    #[error("the endpoint `{0}` is no WebSocket: `framing` in [stream] must say how its bytes are cut, `lines` or `blocks`")]
    NoFraming(String),
    /// The connection broke.
    #[error("the connection broke: {0}")]
    Broken(String),
    /// The other side closed it.
    #[error("the other side closed the connection")]
    Closed,
    /// A frame is too long.
    #[error("{0}")]
    TooLong(#[from] TooLong),
    /// Nothing came for too long.
    #[error("nothing came in for {0} ms, though stream.heartbeat asks for a sign of life")]
    Silent(u32),
    /// The other side does not read.
    #[error("the other side took no frame within {} ms", PATIENCE.as_millis())]
    Stuck,
    /// A secret is not set.
    #[error("a frame needs the secret `{0}`, which is not set for this connection")]
    MissingSecret(String),
    /// There is no access token for a frame.
    #[error("{0}")]
    Token(#[from] TokenError),
    /// A secret would end the frame that it stands in.
    #[error("the secret `{0}` has a line break in it, which would end the frame")]
    SecretBreaks(String),
}

impl LineError {
    /// Stable, for the log and for people.
    #[must_use]
    pub fn code(&self) -> &str {
        match self {
            Self::Dial(error) => error.code(),
            Self::Handshake(error) => error.code(),
            Self::Refused(_) => "stream.refused",
            Self::NoFraming(_) => "stream.framing",
            Self::Broken(_) => "stream.broken",
            Self::Closed => "stream.closed",
            Self::TooLong(_) => "stream.frame_too_long",
            Self::Silent(_) => "stream.silent",
            Self::Stuck => "stream.stuck",
            Self::MissingSecret(_) => "stream.missing_secret",
            Self::SecretBreaks(_) => "stream.secret",
            Self::Token(error) => error.code(),
        }
    }

    /// True when only another credential can help.
    #[must_use]
    pub fn is_about_credentials(&self) -> bool {
        matches!(
            self,
            Self::Refused(401 | 403)
                | Self::MissingSecret(_)
                | Self::SecretBreaks(_)
                | Self::Handshake(OutboundError::MissingSecret { .. })
        ) || matches!(self, Self::Handshake(OutboundError::Token(error)) | Self::Token(error) if !error.is_passing())
    }
}

impl From<tungstenite::Error> for LineError {
    fn from(error: tungstenite::Error) -> Self {
        match error {
            tungstenite::Error::ConnectionClosed | tungstenite::Error::AlreadyClosed => Self::Closed,
            tungstenite::Error::Http(response) => Self::Refused(response.status().as_u16()),
            error => Self::Broken(error.to_string()),
        }
    }
}

/// What came in.
#[derive(Debug, PartialEq, Eq)]
pub enum Heard {
    /// A frame.
    Frame(Vec<u8>),
    /// The other side lives.
    Sign,
}

/// A stream that stands.
pub struct Line {
    way: Way,
    most: u32,
}

enum Way {
    WebSocket(Box<WebSocketStream<Wire>>),
    Bytes { wire: Wire, cutter: Cutter, framing: Framing },
}

impl Line {
    /// Connects.
    pub async fn open(here: &Surroundings, stream: &Stream, target: &Target) -> Result<Self, LineError> {
        let wire = dial::dial(here, &target.endpoint).await?;
        let most = stream.max_frame_bytes;
        if !matches!(wire.address().scheme, Scheme::Ws | Scheme::Wss) {
            if stream.framing == Framing::Websocket {
                return Err(LineError::NoFraming(target.endpoint.clone()));
            }
            let (cutter, framing) = (Cutter::new(stream.framing, most), stream.framing);
            return Ok(Self { way: Way::Bytes { wire, cutter, framing }, most });
        }
        if here.manifest.endpoints.get(&target.endpoint).is_some_and(|it| it.credential.is_some()) {
            wire.may_carry_secrets()?;
        }
        let handshake = outbound::handshake(here, &target.endpoint, &target.path_and_query).await?;
        // What the web calls http is ws here.
        let address = handshake.url.as_str().replacen("http", "ws", 1);
        let mut request = address.into_client_request()?;
        request.headers_mut().extend(handshake.headers);
        let limits = WebSocketConfig::default().max_message_size(Some(most as usize)).max_frame_size(Some(most as usize));
        let shaken = tokio::time::timeout(PATIENCE, tokio_tungstenite::client_async_with_config(request, wire, Some(limits)));
        let (socket, _) = shaken.await.map_err(|_| DialError::Timeout(PATIENCE))??;
        Ok(Self { way: Way::WebSocket(Box::new(socket)), most })
    }

    /// What comes in next. Whoever stops waiting loses nothing.
    pub async fn next(&mut self) -> Result<Heard, LineError> {
        match &mut self.way {
            Way::WebSocket(socket) => match socket.next().await {
                None | Some(Ok(Message::Close(_))) => Err(LineError::Closed),
                Some(Ok(Message::Text(text))) => Ok(Heard::Frame(text.as_bytes().to_vec())),
                Some(Ok(Message::Binary(bytes))) => Ok(Heard::Frame(bytes.to_vec())),
                Some(Ok(_)) => Ok(Heard::Sign),
                Some(Err(tungstenite::Error::Capacity(_))) => Err(TooLong(self.most).into()),
                Some(Err(error)) => Err(error.into()),
            },
            Way::Bytes { wire, cutter, .. } => {
                if let Some(frame) = cutter.frame()? {
                    return Ok(Heard::Frame(frame));
                }
                let mut portion = Vec::with_capacity(PORTION);
                match wire.read_buf(&mut portion).await {
                    Ok(0) => Err(LineError::Closed),
                    Ok(_) => {
                        cutter.push(&portion);
                        Ok(cutter.frame()?.map_or(Heard::Sign, Heard::Frame))
                    }
                    Err(error) => Err(LineError::Broken(error.to_string())),
                }
            }
        }
    }

    /// Sends a frame that is made of these pieces, secrets filled in.
    pub async fn say(&mut self, here: &Surroundings, pieces: Vec<Piece>) -> Result<(), LineError> {
        let (mut frame, mut with_secret) = (Vec::new(), false);
        for piece in pieces {
            match piece {
                Piece::Bytes(bytes) => frame.extend(bytes),
                Piece::Secret(name) => {
                    let secret = here.outgoing(&name).await?.ok_or_else(|| LineError::MissingSecret(name.clone()))?;
                    if secret.reveal().contains(['\r', '\n']) {
                        return Err(LineError::SecretBreaks(name));
                    }
                    frame.extend_from_slice(secret.reveal().as_bytes());
                    with_secret = true;
                }
            }
        }
        self.send(frame, with_secret).await
    }

    /// Sends a frame; what ends it is added. `with_secret`: it holds one.
    pub async fn send(&mut self, frame: Vec<u8>, with_secret: bool) -> Result<(), LineError> {
        tokio::time::timeout(PATIENCE, self.put(frame, with_secret)).await.map_err(|_| LineError::Stuck)?
    }

    async fn put(&mut self, mut frame: Vec<u8>, with_secret: bool) -> Result<(), LineError> {
        match &mut self.way {
            Way::WebSocket(socket) => {
                if with_secret {
                    socket.get_ref().may_carry_secrets()?;
                }
                let message = match String::from_utf8(frame) {
                    Ok(text) => Message::text(text),
                    Err(error) => Message::binary(error.into_bytes()),
                };
                Ok(socket.send(message).await?)
            }
            Way::Bytes { wire, framing, .. } => {
                if with_secret {
                    wire.may_carry_secrets()?;
                }
                frame.extend_from_slice(end(*framing));
                let written = async {
                    wire.write_all(&frame).await?;
                    wire.flush().await
                };
                written.await.map_err(|error| LineError::Broken(error.to_string()))
            }
        }
    }

    /// Gives a sign of life: a ping, or the frame that the manifest names.
    pub async fn beat(&mut self, frame: Option<&str>) -> Result<(), LineError> {
        match (&mut self.way, frame) {
            (Way::WebSocket(socket), _) => {
                let sent = tokio::time::timeout(PATIENCE, socket.send(Message::Ping(tungstenite::Bytes::new())));
                Ok(sent.await.map_err(|_| LineError::Stuck)??)
            }
            (Way::Bytes { .. }, Some(frame)) => self.send(frame.as_bytes().to_vec(), false).await,
            (Way::Bytes { .. }, None) => Ok(()),
        }
    }

    /// Takes leave, in short: what goes wrong now is of no interest.
    pub async fn close(mut self) {
        const SHORT: Duration = Duration::from_secs(1);
        let leave = async {
            match &mut self.way {
                Way::WebSocket(socket) => drop((**socket).close(None).await),
                Way::Bytes { wire, .. } => drop(wire.shutdown().await),
            }
        };
        drop(tokio::time::timeout(SHORT, leave).await);
    }
}
