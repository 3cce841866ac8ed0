//! What people and vendors reach of a hub: its API with a token, its addresses without.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::sync::Once;
use std::time::Duration;

use reqwest::{Client, Method, RequestBuilder};
use serde_json::Value;

use crate::wait::until;

/// What a hub answered.
#[derive(Debug, Clone)]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// Names are in lower case.
    pub headers: Vec<(String, String)>,
    /// Body.
    pub text: String,
}

impl Answer {
    /// The first header of that name.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(it, _)| it == name).map(|(_, value)| value.as_str())
    }

    /// The body as JSON, or null.
    #[must_use]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_default()
    }

    /// The body as JSON of an answer that must have this status.
    #[expect(clippy::must_use_candidate, reason = "that it has the status is often all that matters")]
    pub fn expect(self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}", self.text);
        self.json()
    }

    /// True for 2xx.
    #[must_use]
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }
}

/// The way to one hub.
#[derive(Debug, Clone)]
pub struct Api {
    client: Client,
    port: u16,
    /// Opens the API.
    pub token: String,
}

impl Api {
    /// The way to a hub on this port of the loopback.
    #[must_use]
    pub fn new(port: u16) -> Self {
        Self { client: client(), port, token: String::new() }
    }

    /// Reads something; it must be there.
    pub async fn get(&self, path: &str) -> Value {
        self.ask(Method::GET, path, None).await.expect(200)
    }

    /// Asks for something to be done.
    pub async fn post(&self, path: &str, body: &Value) -> Answer {
        self.ask(Method::POST, path, Some(body)).await
    }

    /// The same with headers.
    pub async fn post_with(&self, path: &str, headers: &[(&str, &str)], body: &Value) -> Answer {
        let mut request = self.client.post(format!("http://127.0.0.1:{}/api/v1{path}", self.port)).bearer_auth(&self.token).json(body);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        send(request).await.unwrap_or_else(|error| panic!("{path}: {error}"))
    }

    /// Any question with the token.
    pub async fn ask(&self, method: Method, path: &str, body: Option<&Value>) -> Answer {
        let mut request = self.client.request(method, format!("http://127.0.0.1:{}/api/v1{path}", self.port)).bearer_auth(&self.token);
        if let Some(body) = body {
            request = request.json(body);
        }
        send(request).await.unwrap_or_else(|error| panic!("{path}: {error}"))
    }

    /// Every item of a list, page by page.
    pub async fn all(&self, path: &str) -> Vec<Value> {
        let mut items = Vec::new();
        let mut cursor = String::new();
        loop {
            let separator = if path.contains('?') { '&' } else { '?' };
            let mut page = self.get(&format!("{path}{separator}limit=200{cursor}")).await;
            items.extend(page["items"].as_array_mut().map(std::mem::take).unwrap_or_default());
            match page["next"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => return items,
            }
        }
    }

    /// Reads what needs no token; none: nobody answers.
    pub async fn outside(&self, path: &str) -> Option<Answer> {
        send(self.client.get(format!("http://127.0.0.1:{}{path}", self.port))).await.ok()
    }

    /// The sum of a metric over all its labels, in whole numbers; 0 where it is not there.
    pub async fn metric(&self, name: &str) -> u64 {
        let text = self.outside("/metrics").await.expect("the hub answers").text;
        let values = text.lines().filter(|it| it.split(['{', ' ']).next() == Some(name));
        values.filter_map(|it| it.rsplit(' ').next()?.split('.').next()?.parse::<u64>().ok()).sum()
    }

    /// Waits until nothing waits in any outbox.
    pub async fn until_delivered(&self) {
        until("the outbox is empty", async || {
            self.get("/outbox?state=pending&limit=1").await["items"].as_array()?.is_empty().then_some(())
        })
        .await;
    }

    /// The sums of one connection.
    pub async fn sums(&self, connection: &str) -> Value {
        let sums = self.all("/sums").await;
        sums.into_iter().find(|it| it["connection"] == connection).unwrap_or_default()
    }
}

/// A connection of the hub, seen from its vendor.
#[derive(Debug, Clone)]
pub struct Connection {
    /// `cxn_…`
    pub id: String,
    /// Where the vendor posts to.
    address: Option<String>,
    api: Api,
}

impl Connection {
    /// A connection as the API or the command line shows it.
    #[must_use]
    pub fn new(api: &Api, shown: &Value) -> Self {
        let id = shown["id"].as_str().expect("a connection has an id").to_owned();
        Self { id, address: shown["address"].as_str().map(str::to_owned), api: api.clone() }
    }

    /// The same connection, where its vendor reaches another hub on the same database.
    #[must_use]
    pub fn at(&self, api: &Api) -> Self {
        Self { api: api.clone(), ..self.clone() }
    }

    /// Where a vendor on this machine posts to.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}/in/{}", self.api.port, self.id)
    }

    /// True when it has an address.
    #[must_use]
    pub fn listens(&self) -> bool {
        self.address.is_some()
    }

    /// True when the hub takes deliveries for it. Asked with a body that is announced too large, so that nothing is delivered.
    #[must_use]
    pub fn is_running(&self) -> bool {
        let ask = || -> std::io::Result<String> {
            let mut stream = TcpStream::connect(("127.0.0.1", self.api.port))?;
            stream.set_read_timeout(Some(Duration::from_secs(10)))?;
            let id = &self.id;
            write!(stream, "POST /in/{id} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4000000000\r\nConnection: close\r\n\r\n")?;
            let mut head = [0; 12];
            stream.read_exact(&mut head)?;
            Ok(String::from_utf8_lossy(&head).into_owned())
        };
        ask().is_ok_and(|it| it == "HTTP/1.1 413")
    }

    /// Posts a JSON document, as the vendor does.
    pub async fn post(&self, document: &Value) -> Answer {
        self.deliver("", &[("content-type", "application/json")], document.to_string()).await.expect("the hub answers")
    }

    /// Posts a JSON document to a path below the address.
    pub async fn post_to(&self, path: &str, document: &Value) -> Answer {
        self.deliver(path, &[("content-type", "application/json")], document.to_string()).await.expect("the hub answers")
    }

    /// Posts anything; an error: no answer came.
    pub async fn deliver(&self, path: &str, headers: &[(&str, &str)], body: impl Into<reqwest::Body>) -> Result<Answer, reqwest::Error> {
        let mut request = self.api.client.post(self.url() + path).body(body);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        send(request).await
    }

    /// What the hub keeps of its deliveries, newest first.
    pub async fn deliveries(&self) -> Vec<Value> {
        self.api.all(&format!("/deliveries?connection={}", self.id)).await
    }
}

/// A client for servers on this machine.
pub(crate) fn client() -> Client {
    static PROVIDER: Once = Once::new();
    PROVIDER.call_once(|| drop(rustls::crypto::ring::default_provider().install_default()));
    Client::builder().no_proxy().timeout(Duration::from_mins(1)).build().expect("a client can be made")
}

async fn send(request: RequestBuilder) -> Result<Answer, reqwest::Error> {
    let response = request.send().await?;
    let status = response.status().as_u16();
    let headers =
        response.headers().iter().map(|(name, value)| (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned())).collect();
    Ok(Answer { status, headers, text: response.text().await? })
}
