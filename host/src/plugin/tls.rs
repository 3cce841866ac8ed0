//! TLS of whatever leaves the hub. One configuration serves HTTP, streams and sockets: the machine's roots are read and kept once, not once for
//! each connection (2 ms and 0.3 MiB).

use std::sync::{Arc, OnceLock};

use reqwest::{Client, ClientBuilder};
use rustls::ClientConfig;
use rustls::crypto::ring;
use rustls_platform_verifier::BuilderVerifierExt as _;

/// The configuration of a client, with the roots of this machine.
pub fn client() -> Result<Arc<ClientConfig>, rustls::Error> {
    static CLIENT: OnceLock<Arc<ClientConfig>> = OnceLock::new();
    if let Some(config) = CLIENT.get() {
        return Ok(Arc::clone(config));
    }
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_platform_verifier()?
        .with_no_client_auth();
    Ok(Arc::clone(CLIENT.get_or_init(|| Arc::new(config))))
}

/// A client for HTTP that follows no redirect and no proxy of the environment.
pub fn http() -> ClientBuilder {
    let builder = Client::builder().redirect(reqwest::redirect::Policy::none()).no_proxy();
    // Where there is none, the builder finds the same fault and says it as its own.
    let Ok(shared) = client() else { return builder };
    let mut config = (*shared).clone();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    builder.tls_backend_preconfigured(config)
}
