//! The real Asterisk that `tests/servers/asterisk-up.sh` brings up, and the phones around it: each a sipp.

use std::process::Stdio;
use std::time::Duration;

use reqwest::{Client, Method};
use serde_json::{Value, json};
use tokio::process::{Child, Command};

use crate::wait::until;

/// The way to a real Asterisk.
pub struct Asterisk {
    client: Client,
    ari: String,
    ami: String,
    password: String,
    sipp: String,
}

/// A phone that takes calls until it is dropped.
pub struct Phone(#[expect(dead_code, reason = "it ends when it is dropped")] Child);

impl Asterisk {
    /// The one that the environment names. Panics where it names none.
    #[must_use]
    pub fn named() -> Self {
        let variable = |name: &str| {
            std::env::var(name).unwrap_or_else(|_| {
                panic!(
                    "{name} is not set: start an Asterisk with `tests/servers/asterisk-up.sh`, then `eval \"$(tests/servers/asterisk-up.sh env)\"`"
                )
            })
        };
        Self {
            client: crate::api::client(),
            ari: variable("PATCHBAY_ASTERISK_ARI"),
            ami: variable("PATCHBAY_ASTERISK_AMI"),
            password: variable("PATCHBAY_ASTERISK_PASSWORD"),
            sipp: variable("PATCHBAY_ASTERISK_SIPP"),
        }
    }

    /// The configuration of a connection: `ari` or `ami`.
    #[must_use]
    pub fn config(&self, interface: &str) -> Value {
        let url = if interface == "ari" { &self.ari } else { &self.ami };
        json!({ "interface": interface, "url": url, "username": "hub", "password": self.password, "originate_context": "from-agents" })
    }

    /// Its password: it must stand in no log.
    #[must_use]
    pub fn password(&self) -> &str {
        &self.password
    }

    /// A phone on this port that behaves as the scenario says; `uas` answers.
    pub async fn phone(&self, port: u16, scenario: &str) -> Phone {
        let how = if scenario == "uas" { ["-sn", "uas"] } else { ["-sf", scenario] };
        let mut command = Command::new(&self.sipp);
        command.args(how).args(["-p", &port.to_string(), "-timeout", "300"]);
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true).spawn();
        let phone = Phone(child.expect("sipp starts"));
        until("the phone is there", async || std::net::UdpSocket::bind(("127.0.0.1", port)).is_err().then_some(())).await;
        phone
    }

    /// Somebody with this number calls, and does as the scenario says. Returns when it is over.
    pub async fn call(&self, number: &str, extension: &str, scenario: &str) {
        let mut command = Command::new(&self.sipp);
        command.args([
            "-sf",
            scenario,
            "-s",
            extension,
            "-key",
            "caller",
            number,
            "127.0.0.1:5060",
            "-p",
            "5071",
            "-m",
            "1",
            "-timeout",
            "40",
        ]);
        let ended = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true).status();
        let ended = tokio::time::timeout(Duration::from_secs(60), ended).await.expect("the call ends").expect("sipp starts");
        assert!(ended.success(), "{scenario} to {extension}: sipp ended with {ended}");
    }

    /// Asks ARI.
    pub async fn ask(&self, method: Method, path_and_query: &str) -> Value {
        let request = self.client.request(method, format!("{}/ari{path_and_query}", self.ari)).basic_auth("hub", Some(&self.password));
        let response = request.send().await.expect("Asterisk answers");
        let (status, text) = (response.status(), response.text().await.expect("it ends its answer"));
        assert!(status.is_success(), "{path_and_query}: {status}\n{text}");
        serde_json::from_str(&text).unwrap_or_default()
    }
}
