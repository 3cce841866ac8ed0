//! Manifests.

use std::collections::BTreeMap;

use patchbay_schemas::Manifest;
use patchbay_schemas::manifest::{
    Algorithm, ClientAuth, Commands, Composed, Credential, Encoding, Endpoint, Framing, Grant, HandleScope, Heartbeat, Limits, Link,
    OAuth2, Place, Polling, RateLimit, RateScope, Registration, Role, Stream, Verify, Webhook, Writing,
};
use proptest::collection::{btree_map, btree_set, vec};
use proptest::option::of;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use serde_json::{Value, json};

use super::{json, word};

/// A manifest.
pub fn manifest() -> BoxedStrategy<Manifest> {
    let about = (name(), "[1-9]?[0-9]\\.[0-9]\\.[0-9](-rc\\.[0-9])?(\\+[a-z]{1,3})?", "[0-9]\\.[0-9]\\.[0-9]", "\\PC{1,20}", "\\PC{1,40}");
    let roles = subsequence(vec![Role::Source, Role::Messenger, Role::Sink], 1..=3);
    let handles = select(vec![HandleScope::Connection, HandleScope::Vendor]);
    let link = "https://[a-z]{1,8}/(\\{[a-z]{1,6}\\})?\\?x=\\{(token|text)\\}".prop_map(|url| Link { url });
    let work = (of(webhook()), of(polling()), of(stream()), of(commands()), of(link), vec(rate_limit(), 0..3), of(oauth2()));
    let reach = (btree_map(property(), composed(), 0..2), btree_map(name(), endpoint(), 0..3));
    (about, word(), roles, handles, config(), work, reach, limits())
        .prop_map(
            |(
                (id, version, contract, name, summary),
                channel,
                roles,
                handles,
                config,
                (webhook, polling, stream, commands, link, rate_limits, oauth2),
                (composed, endpoints),
                limits,
            )| {
                Manifest {
                    id,
                    version,
                    contract,
                    name,
                    summary,
                    channel,
                    roles,
                    handles,
                    config,
                    webhook,
                    polling,
                    stream,
                    commands,
                    link,
                    composed,
                    endpoints,
                    oauth2,
                    rate_limits,
                    limits,
                }
            },
        )
        .boxed()
}

fn name() -> impl Strategy<Value = String> {
    "[a-z][a-z0-9]{0,8}([_-][a-z0-9]{1,4})?"
}

fn property() -> impl Strategy<Value = String> {
    "[A-Za-z_][A-Za-z0-9_]{0,10}"
}

fn header() -> impl Strategy<Value = String> {
    "[!#$%&'*+.^_`|~0-9A-Za-z-]{1,16}"
}

fn value() -> impl Strategy<Value = String> {
    "[^\\r\\n\\x00]{0,12}(\\{[a-z]{1,6}\\})?"
}

fn config() -> impl Strategy<Value = Value> {
    let kind = select(vec!["string", "integer", "boolean", "array", "object"]);
    let property_schema = (kind, any::<bool>(), of(json())).prop_map(|(kind, secret, default)| {
        let mut schema = json!({ "type": kind, "writeOnly": secret });
        if let Some(default) = default {
            schema["default"] = default;
        }
        schema
    });
    btree_map(property(), property_schema, 0..3).prop_map(|properties| json!({ "type": "object", "properties": properties }))
}

fn webhook() -> BoxedStrategy<Webhook> {
    let registration = (of(property()), when()).prop_map(|(secret, when)| Registration { secret, when });
    (vec(verify(), 0..3), 1..=u32::MAX, 200..=599_u16, any::<bool>(), when(), of(registration))
        .prop_map(|(verify, max_body_bytes, refused_status, cors, when, registration)| Webhook {
            verify,
            max_body_bytes,
            refused_status,
            cors,
            when,
            registration,
        })
        .boxed()
}

fn verify() -> impl Strategy<Value = Verify> {
    let place = select(vec![Place::Header, Place::Query, Place::Form, Place::Json]);
    let algorithm = select(vec![Algorithm::Sha1, Algorithm::Sha256, Algorithm::Sha512]);
    let encoding = select(vec![Encoding::Hex, Encoding::Base64]);
    let methods = || vec("[A-Z]{1,8}", 0..3);
    prop_oneof![
        (place.clone(), "\\PC{1,16}", property(), methods()).prop_map(|(place, name, secret, methods)| Verify::Token {
            place,
            name,
            secret,
            methods
        }),
        (algorithm.clone(), header(), value(), encoding.clone(), property(), "\\{header:X-Time\\}\\.\\{body\\}", methods()).prop_map(
            |(algorithm, header, prefix, encoding, secret, over, methods)| Verify::Hmac {
                algorithm,
                header,
                prefix,
                encoding,
                secret,
                over,
                methods
            }
        ),
        (algorithm, place, "\\PC{1,16}", encoding, "\\{secret:key\\}\\{form:json\\}", methods()).prop_map(
            |(algorithm, place, name, encoding, over, methods)| Verify::Digest { algorithm, place, name, encoding, over, methods }
        ),
    ]
}

fn stream() -> impl Strategy<Value = Stream> {
    let framing = select(vec![Framing::Websocket, Framing::Lines, Framing::Blocks]);
    let heartbeat = (100..=3_600_000_u32, of("[ -~]{1,16}"), 200..=86_400_000_u32).prop_map(|(every_ms, send, silence_ms)| Heartbeat {
        every_ms,
        send,
        silence_ms,
    });
    (framing, 1..=(16_u32 << 20), heartbeat, when()).prop_map(|(framing, max_frame_bytes, heartbeat, when)| Stream {
        framing,
        max_frame_bytes,
        heartbeat,
        when,
    })
}

fn polling() -> impl Strategy<Value = Polling> {
    (1..=9_007_199_254_740_991_u64, of(1..=3_600_000_u32), 1..=u32::MAX, any::<bool>(), when())
        .prop_map(|(interval_ms, wait_ms, limit, import, when)| Polling { interval_ms, wait_ms, limit, import, when })
}

fn when() -> impl Strategy<Value = BTreeMap<String, Value>> {
    btree_map(property(), json(), 0..2)
}

fn commands() -> impl Strategy<Value = Commands> {
    (btree_set(word(), 1..4), 1..=u16::MAX, any::<bool>(), 1..=100_u16).prop_map(|(kinds, concurrency, files, batch)| Commands {
        kinds: kinds.into_iter().collect(),
        concurrency,
        files,
        batch,
    })
}

fn composed() -> impl Strategy<Value = Composed> {
    let encoding = select(vec![Writing::Plain, Writing::Base64, Writing::Quoted]);
    ("[a-z]{1,4}\\{[a-z]{1,5}\\}", encoding).prop_map(|(template, encoding)| Composed { template, encoding })
}

fn endpoint() -> BoxedStrategy<Endpoint> {
    let url = prop_oneof!["(https|wss)://[a-z]{1,8}\\.example(:[0-9]{2,4})?", "\\{[a-z_]{1,8}\\}"];
    let line = "(tcp|tls|starttls)://([a-z]{1,8}\\.example|\\{[a-z_]{1,8}\\}):[0-9]{2,4}";
    prop_oneof![
        (url, of(credential()), btree_map(header(), value(), 0..3), btree_map("\\PC{1,8}", value(), 0..2))
            .prop_map(|(url, credential, headers, form)| Endpoint { url, credential, headers, form }),
        line.prop_map(|url| Endpoint { url, credential: None, headers: BTreeMap::new(), form: BTreeMap::new() }),
    ]
    .boxed()
}

fn credential() -> impl Strategy<Value = Credential> {
    prop_oneof![
        (header(), value()).prop_map(|(name, value)| Credential::Header { name, value }),
        ("\\PC{1,8}", value()).prop_map(|(name, value)| Credential::Query { name, value }),
        ("\\PC{1,8}", value()).prop_map(|(name, value)| Credential::Form { name, value }),
        "/[a-z]{0,5}\\{[a-z]{1,5}\\}".prop_map(|prefix| Credential::Path { prefix }),
        (value(), value()).prop_map(|(user, password)| Credential::Basic { user, password }),
        Just(Credential::OAuth2 {}),
    ]
}

fn oauth2() -> BoxedStrategy<OAuth2> {
    let address = || "https://(\\{[a-z]{1,5}\\}|[a-z]{1,8}\\.example)/[a-z]{0,5}";
    let grant = prop_oneof![
        (address(), of("\\{[a-z]{1,5}\\}"), btree_map("[a-z_]{1,8}", value(), 0..2)).prop_map(|it| (
            Grant::AuthorizationCode,
            Some(it.0),
            it.1,
            it.2
        )),
        "\\{[a-z]{1,5}\\}".prop_map(|secret| (Grant::ClientCredentials, None, Some(secret), BTreeMap::new())),
    ];
    let client_auth = select(vec![ClientAuth::Basic, ClientAuth::Body, ClientAuth::Query]);
    let further = (btree_map("[a-z_]{1,8}", value(), 0..2), btree_map(property(), "[a-z_]{1,8}", 0..2), when());
    (grant, address(), "[a-z]{0,3}\\{[a-z]{1,5}\\}", client_auth, vec("[a-z:./]{1,12}", 0..3), any::<bool>(), further)
        .prop_map(
            |((grant, authorize_url, client_secret, authorize_parameters), token_url, client_id, client_auth, scopes, pkce, further)| {
                let (token_parameters, take, when) = further;
                OAuth2 {
                    grant,
                    authorize_url,
                    token_url,
                    client_id,
                    client_secret,
                    client_auth,
                    scopes,
                    pkce,
                    authorize_parameters,
                    token_parameters,
                    take,
                    when,
                }
            },
        )
        .boxed()
}

fn rate_limit() -> impl Strategy<Value = RateLimit> {
    let scope = || select(vec![RateScope::Connection, RateScope::Host]);
    prop_oneof![
        (1..=u32::MAX, 1..=86_400_u32, 1..=1_000_000_u32, scope()).prop_map(|(requests, per_seconds, burst, scope)| RateLimit::Bucket {
            requests,
            per_seconds,
            burst,
            scope
        }),
        (1..=u32::MAX, -1_440..=1_440_i16, scope()).prop_map(|(requests, utc_offset_minutes, scope)| RateLimit::Day {
            requests,
            utc_offset_minutes,
            scope
        }),
    ]
}

fn limits() -> BoxedStrategy<Limits> {
    let times = (1..=4096_u32, 1..=u32::MAX, 1..=u32::MAX, 1..=u32::MAX);
    (times, any::<[u32; 4]>())
        .prop_map(|((memory_mib, cpu_ms, webhook_ms, work_ms), [host_calls, response_bytes, output_bytes, state_bytes])| Limits {
            memory_mib,
            cpu_ms,
            webhook_ms,
            work_ms,
            host_calls,
            response_bytes,
            output_bytes,
            state_bytes,
        })
        .boxed()
}
