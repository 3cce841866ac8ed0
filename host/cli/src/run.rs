//! `serve`, and what `up` does once everything is in place: run until a signal.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

use super::failure::Failure;
use super::files::Here;
use super::logging;
use super::output::complain;
use patchbay_host::clock::Clock;
use patchbay_host::hub::Hub;
use patchbay_host::serve;

/// How often a hub that starts is asked whether it is there.
const ASK: Duration = Duration::from_millis(20);
/// Longest wait for an answer of `/healthz`.
const WAIT: Duration = Duration::from_secs(2);

/// `patchbay serve`
pub async fn serve(here: Here) -> Result<(), Failure> {
    let config = here.config()?;
    logging::start(&config.log)?;
    let hub = Hub::open(config, Clock::steady()).await?;
    run(hub, || ()).await
}

/// Runs the hub until SIGINT or SIGTERM; `ready` is called once it answers. A second signal ends it at once.
pub async fn run(hub: Hub, ready: impl FnOnce()) -> Result<(), Failure> {
    let failed = |error: std::io::Error| Failure::io("signals cannot be heard", &error);
    let mut interrupt = signal(SignalKind::interrupt()).map_err(failed)?;
    let mut terminate = signal(SignalKind::terminate()).map_err(failed)?;
    let address = hub.config.listen;
    let stop = CancellationToken::new();
    let serving = serve::serve(hub, stop.clone());
    tokio::pin!(serving);
    let mut ready = Some(ready);
    loop {
        tokio::select! {
            biased;
            ended = &mut serving => return Ok(ended?),
            number = heard(&mut interrupt, &mut terminate) => {
                if stop.is_cancelled() {
                    std::process::exit(128 + number);
                }
                complain("stopping: what was accepted is committed first; a second signal ends at once");
                stop.cancel();
            }
            () = answers_at_last(address), if ready.is_some() => {
                if let Some(ready) = ready.take() {
                    ready();
                }
            }
        }
    }
}

/// The number of the signal that came.
async fn heard(interrupt: &mut Signal, terminate: &mut Signal) -> i32 {
    tokio::select! {
        _ = interrupt.recv() => 2,
        _ = terminate.recv() => 15,
    }
}

async fn answers_at_last(address: SocketAddr) {
    while !answers(address).await {
        tokio::time::sleep(ASK).await;
    }
}

/// True when a hub answers at this address.
pub async fn answers(address: SocketAddr) -> bool {
    // Whoever asks before it opens a hub has no TLS provider yet; a second call finds it there already.
    drop(rustls::crypto::ring::default_provider().install_default());
    let Ok(client) = reqwest::Client::builder().no_proxy().timeout(WAIT).build() else { return false };
    let asked = client.get(format!("http://{}/healthz", reachable(address))).send().await;
    asked.is_ok_and(|it| it.status().is_success())
}

/// The address under which this machine itself reaches the listener.
pub fn reachable(listen: SocketAddr) -> SocketAddr {
    let ip = match listen.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        ip => ip,
    };
    SocketAddr::new(ip, listen.port())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hub_that_listens_everywhere_is_reached_on_this_machine() {
        let to = |from: &str| reachable(from.parse().unwrap()).to_string();
        assert_eq!(to("0.0.0.0:8700"), "127.0.0.1:8700");
        assert_eq!(to("[::]:80"), "[::1]:80");
        assert_eq!(to("10.0.0.5:8700"), "10.0.0.5:8700");
    }
}
