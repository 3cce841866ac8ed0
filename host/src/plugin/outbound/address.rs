//! Which addresses may be reached: public ones, and those of networks that the operator granted.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use reqwest::Url;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use super::OutboundError;
use crate::plugin::network::{Network, is_public};

/// An address written as digits does not pass the resolver, so it is checked here.
pub(super) fn check_literal(endpoint: &str, url: &Url, granted: &[Network]) -> Result<(), OutboundError> {
    let Some(host) = url.host_str() else {
        return Err(OutboundError::Address { endpoint: endpoint.to_owned(), reason: "it has no host".to_owned() });
    };
    match host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>() {
        Ok(address) if !allowed(address, granted) => Err(OutboundError::Private { endpoint: endpoint.to_owned(), address }),
        _ => Ok(()),
    }
}

/// True for a public address and for one of a network that the operator granted.
pub(in crate::plugin) fn allowed(address: IpAddr, granted: &[Network]) -> bool {
    is_public(address) || granted.iter().any(|it| it.contains(address))
}

/// Resolves names and lets only allowed addresses through: the connection goes to the very addresses that were checked.
pub(super) struct CheckingResolver {
    pub granted: Arc<[Network]>,
}

/// What the resolver refused, carried through the HTTP client's error.
#[derive(Debug, thiserror::Error)]
#[error("{0} is not a public address")]
struct PrivateAddress(IpAddr);

impl Resolve for CheckingResolver {
    fn resolve(&self, name: Name) -> Resolving {
        let granted = Arc::clone(&self.granted);
        Box::pin(async move {
            let found: Vec<SocketAddr> = tokio::net::lookup_host((name.as_str(), 0)).await?.collect();
            let refused = found.iter().find(|it| !allowed(it.ip(), &granted)).map(SocketAddr::ip);
            // One private address among public ones is how rebinding looks: nothing of that name is trusted.
            match refused {
                Some(address) => Err(PrivateAddress(address).into()),
                None => Ok(Box::new(found.into_iter()) as Addrs),
            }
        })
    }
}

/// Why the HTTP client got no answer.
pub(super) fn transport(endpoint: &str, wait: Duration, error: &reqwest::Error) -> OutboundError {
    if error.is_timeout() {
        return OutboundError::Timeout(wait);
    }
    let mut cause: Option<&dyn std::error::Error> = Some(error);
    let mut deepest = String::new();
    while let Some(it) = cause {
        if let Some(PrivateAddress(address)) = it.downcast_ref() {
            return OutboundError::Private { endpoint: endpoint.to_owned(), address: *address };
        }
        deepest = it.to_string();
        cause = it.source();
    }
    // The outer texts carry the whole address, and with it credentials that stand in the path or the query.
    OutboundError::Transport(deepest)
}
