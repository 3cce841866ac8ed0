//! Does this request come from the vendor? Decided from the manifest, before any code of the connector runs.

use std::borrow::Cow;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use patchbay_schemas::manifest::{Algorithm, Encoding, Place, Verify};
use ring::hmac;
use serde_json::Value;

/// What is verified.
pub struct Presented<'a> {
    /// In capitals.
    pub method: &'a str,
    /// Names in lower case.
    pub headers: &'a [(String, String)],
    /// Without the question mark.
    pub query: &'a str,
    /// Byte for byte.
    pub body: &'a [u8],
}

/// Why a request is not taken for the vendor's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unverified {
    /// The token or signature is not there.
    #[error("there is no {0}")]
    Missing(String),
    /// It is there, but it is not the right one.
    #[error("the {0} is not the right one")]
    Wrong(String),
    /// No check is made for requests with this method.
    #[error("no check is made for the method {0}")]
    Method(String),
    /// The connection itself has no such secret.
    #[error("the connection's secret `{0}` is not set")]
    Unset(String),
}

impl Presented<'_> {
    /// The first header of that name.
    fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(it, _)| it.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }
}

/// Every check that is made for the request's method must pass. Where there are checks but none for it, nobody gets in.
pub fn verify<'s>(checks: &[Verify], presented: &Presented<'_>, secret: impl Fn(&str) -> Option<&'s str>) -> Result<(), Unverified> {
    let is_due = |it: &&Verify| it.methods().is_empty() || it.methods().iter().any(|it| it == presented.method);
    let mut due = checks.iter().filter(is_due).peekable();
    if due.peek().is_none() && !checks.is_empty() {
        return Err(Unverified::Method(presented.method.to_owned()));
    }
    due.try_for_each(|it| verify_one(it, presented, &secret))
}

fn verify_one<'s>(check: &Verify, presented: &Presented<'_>, secret: impl Fn(&str) -> Option<&'s str>) -> Result<(), Unverified> {
    let known = |name: &str| secret(name).filter(|it| !it.is_empty()).ok_or_else(|| Unverified::Unset(name.to_owned()));
    match check {
        Verify::Token { place, name, secret, .. } => {
            let what = || format!("{} `{name}`", place_name(*place));
            let token = token(*place, name, presented).ok_or_else(|| Unverified::Missing(what()))?;
            if same(known(secret)?.as_bytes(), token.as_bytes()) { Ok(()) } else { Err(Unverified::Wrong(what())) }
        }
        Verify::Hmac { algorithm, header, prefix, encoding, secret, over, .. } => {
            let what = || format!("signature in the header `{header}`");
            let signature = presented.header(header).ok_or_else(|| Unverified::Missing(what()))?;
            let signature = signature.strip_prefix(prefix.as_str()).ok_or_else(|| Unverified::Wrong(what()))?;
            let signature = decode(*encoding, signature).ok_or_else(|| Unverified::Wrong(what()))?;
            let key = hmac::Key::new(mac_algorithm(*algorithm), known(secret)?.as_bytes());
            let message = signed(over, presented, |_| None)?.ok_or_else(|| Unverified::Missing(what()))?;
            hmac::verify(&key, &message, &signature).map_err(|_| Unverified::Wrong(what()))
        }
        Verify::Digest { algorithm, place, name, encoding, over, .. } => {
            let what = || format!("signature in the {} `{name}`", place_name(*place));
            let signature = token(*place, name, presented).ok_or_else(|| Unverified::Missing(what()))?;
            let signature = decode(*encoding, &signature).ok_or_else(|| Unverified::Wrong(what()))?;
            let message = signed(over, presented, |name| Some(known(name)))?.ok_or_else(|| Unverified::Missing(what()))?;
            let digest = ring::digest::digest(digest_algorithm(*algorithm), &message);
            if same(digest.as_ref(), &signature) { Ok(()) } else { Err(Unverified::Wrong(what())) }
        }
    }
}

fn token(place: Place, name: &str, presented: &Presented<'_>) -> Option<String> {
    match place {
        Place::Header => presented.header(name).map(str::to_owned),
        Place::Query => field(presented.query.as_bytes(), name),
        Place::Form => field(presented.body, name),
        Place::Json => {
            let document: Value = serde_json::from_slice(presented.body).ok()?;
            document.pointer(name)?.as_str().map(str::to_owned)
        }
    }
}

fn field(encoded: &[u8], name: &str) -> Option<String> {
    form_urlencoded::parse(encoded).find(|(it, _)| it == name).map(|(_, value)| value.into_owned())
}

/// The signed bytes: the template with `{body}`, `{header:Name}`, `{query:name}`, `{form:name}` and `{secret:name}` filled in.
/// None: something of it is not there.
fn signed<'s>(
    over: &str,
    presented: &Presented<'_>,
    secret: impl Fn(&str) -> Option<Result<&'s str, Unverified>>,
) -> Result<Option<Vec<u8>>, Unverified> {
    let mut message = Vec::with_capacity(presented.body.len() + over.len());
    let mut rest = over;
    while let Some((before, after)) = rest.split_once('{') {
        let Some((name, after)) = after.split_once('}') else { return Ok(None) };
        message.extend_from_slice(before.as_bytes());
        let part = match name.split_once(':') {
            None if name == "body" => Some(Cow::Borrowed(presented.body)),
            Some(("header", name)) => presented.header(name).map(|it| Cow::Borrowed(it.as_bytes())),
            Some(("query", name)) => field(presented.query.as_bytes(), name).map(|it| Cow::Owned(it.into_bytes())),
            Some(("form", name)) => field(presented.body, name).map(|it| Cow::Owned(it.into_bytes())),
            Some(("secret", name)) => secret(name).transpose()?.map(|it| Cow::Borrowed(it.as_bytes())),
            _ => None,
        };
        let Some(part) = part else { return Ok(None) };
        message.extend_from_slice(&part);
        rest = after;
    }
    message.extend_from_slice(rest.as_bytes());
    Ok(Some(message))
}

fn decode(encoding: Encoding, text: &str) -> Option<Vec<u8>> {
    match encoding {
        Encoding::Hex => hex::decode(text.trim()).ok(),
        Encoding::Base64 => BASE64_STANDARD.decode(text.trim()).ok(),
    }
}

fn mac_algorithm(algorithm: Algorithm) -> hmac::Algorithm {
    match algorithm {
        Algorithm::Sha1 => hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY,
        Algorithm::Sha256 => hmac::HMAC_SHA256,
        Algorithm::Sha512 => hmac::HMAC_SHA512,
    }
}

fn digest_algorithm(algorithm: Algorithm) -> &'static ring::digest::Algorithm {
    match algorithm {
        Algorithm::Sha1 => &ring::digest::SHA1_FOR_LEGACY_USE_ONLY,
        Algorithm::Sha256 => &ring::digest::SHA256,
        Algorithm::Sha512 => &ring::digest::SHA512,
    }
}

fn place_name(place: Place) -> &'static str {
    match place {
        Place::Header => "header",
        Place::Query => "query parameter",
        Place::Form => "form field",
        Place::Json => "JSON value",
    }
}

/// Compares in a time that tells nothing about where the two differ.
#[must_use]
pub fn same(one: &[u8], other: &[u8]) -> bool {
    // Hashing first makes the lengths equal, so that the comparison tells nothing about the length either.
    let hash = |it: &[u8]| ring::digest::digest(&ring::digest::SHA256, it);
    let (one, other) = (hash(one), hash(other));
    one.as_ref().iter().zip(other.as_ref()).fold(0, |difference, (a, b)| difference | (a ^ b)) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(toml: &str) -> Verify {
        toml::from_str(toml).unwrap()
    }

    fn run(check: &Verify, headers: &[(&str, &str)], query: &str, body: &str) -> Result<(), Unverified> {
        let headers: Vec<_> = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let presented = Presented { method: "POST", headers: &headers, query, body: body.as_bytes() };
        verify_one(check, &presented, |name| (name == "key").then_some("vasya228"))
    }

    #[test]
    fn a_token_is_found_where_the_manifest_says() {
        let header = check("kind = 'token'\nplace = 'header'\nname = 'X-Token'\nsecret = 'key'");
        assert_eq!(run(&header, &[("x-token", "vasya228")], "", ""), Ok(()));
        assert_eq!(run(&header, &[("x-token", "vasya22")], "", ""), Err(Unverified::Wrong("header `X-Token`".to_owned())));
        assert_eq!(run(&header, &[], "", ""), Err(Unverified::Missing("header `X-Token`".to_owned())));
        let query = check("kind = 'token'\nplace = 'query'\nname = 'k'\nsecret = 'key'");
        assert_eq!(run(&query, &[], "a=1&k=vasya228", ""), Ok(()));
        let form = check("kind = 'token'\nplace = 'form'\nname = 'auth[token]'\nsecret = 'key'");
        assert_eq!(run(&form, &[], "", "auth%5Btoken%5D=vasya228"), Ok(()));
        let json = check("kind = 'token'\nplace = 'json'\nname = '/secret'\nsecret = 'key'");
        assert_eq!(run(&json, &[], "", r#"{"secret":"vasya228"}"#), Ok(()));
        assert!(run(&json, &[], "", "no json").is_err());
    }

    #[test]
    fn a_secret_that_is_not_set_lets_nobody_in() {
        let unset = check("kind = 'token'\nplace = 'header'\nname = 'X-Token'\nsecret = 'other'");
        assert_eq!(run(&unset, &[("x-token", "")], "", ""), Err(Unverified::Unset("other".to_owned())));
    }

    #[test]
    fn a_signature_is_over_what_the_manifest_says() {
        let over_body =
            check("kind = 'hmac'\nalgorithm = 'sha256'\nheader = 'X-Sig'\nprefix = 'sha256='\nencoding = 'hex'\nsecret = 'key'");
        let sign = |message: &str| hex::encode(hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, b"vasya228"), message.as_bytes()));
        let good = format!("sha256={}", sign("{\"a\":1}"));
        assert_eq!(run(&over_body, &[("x-sig", &good)], "", "{\"a\":1}"), Ok(()));
        assert!(run(&over_body, &[("x-sig", &good)], "", "{\"a\":2}").is_err());
        assert!(run(&over_body, &[("x-sig", &good[7..])], "", "{\"a\":1}").is_err());
        let with_time = check(
            "kind = 'hmac'\nalgorithm = 'sha256'\nheader = 'X-Sig'\nencoding = 'hex'\nsecret = 'key'\nover = '[{header:X-Time};{body}]'",
        );
        assert_eq!(run(&with_time, &[("x-sig", &sign("[17;hi]")), ("x-time", "17")], "", "hi"), Ok(()));
        assert!(run(&with_time, &[("x-sig", &sign("[17;hi]"))], "", "hi").is_err());
    }

    #[test]
    fn a_hash_over_secrets_and_fields_is_checked() {
        let over_field = check(
            "kind = 'digest'\nalgorithm = 'sha256'\nplace = 'form'\nname = 'sign'\nencoding = 'hex'\nover = '{secret:key}{form:json}{secret:key}'",
        );
        let sign = |message: &str| hex::encode(ring::digest::digest(&ring::digest::SHA256, message.as_bytes()));
        let good = sign("vasya228{\"a\": 1}vasya228");
        let what = "signature in the form field `sign`".to_owned();
        assert_eq!(run(&over_field, &[], "", &format!("sign={good}&json=%7B%22a%22%3A+1%7D")), Ok(()));
        assert_eq!(run(&over_field, &[], "", &format!("sign={good}&json=%7B%22a%22%3A1%7D")), Err(Unverified::Wrong(what.clone())));
        assert_eq!(run(&over_field, &[], "", "sign=none&json=1"), Err(Unverified::Wrong(what.clone())));
        assert_eq!(run(&over_field, &[], "", &format!("sign={good}")), Err(Unverified::Missing(what.clone())));
        assert_eq!(run(&over_field, &[], "", "json=1"), Err(Unverified::Missing(what)));
        let other =
            check("kind = 'digest'\nalgorithm = 'sha1'\nplace = 'query'\nname = 's'\nencoding = 'hex'\nover = '{secret:other}{query:t}'");
        assert_eq!(run(&other, &[], "t=1&s=00", ""), Err(Unverified::Unset("other".to_owned())));
        // A keyed hash never takes a secret as part of its text.
        let mixed = check("kind = 'hmac'\nalgorithm = 'sha256'\nheader = 'X-Sig'\nencoding = 'hex'\nsecret = 'key'\nover = '{secret:key}'");
        assert!(run(&mixed, &[("x-sig", "00")], "", "").is_err());
    }

    #[test]
    fn a_check_is_made_for_its_methods_and_no_other_method_gets_in() {
        let checks = [
            check("kind = 'token'\nplace = 'query'\nname = 'hub.verify_token'\nsecret = 'key'\nmethods = ['GET']"),
            check("kind = 'token'\nplace = 'header'\nname = 'X-Token'\nsecret = 'key'\nmethods = ['POST']"),
        ];
        let ask = |method: &str, query: &str, token: &str| {
            let headers = [("x-token".to_owned(), token.to_owned())];
            verify(&checks, &Presented { method, headers: &headers, query, body: b"" }, |_| Some("vasya228"))
        };
        assert_eq!(ask("GET", "hub.verify_token=vasya228", ""), Ok(()));
        assert_eq!(ask("POST", "", "vasya228"), Ok(()));
        assert!(ask("POST", "hub.verify_token=vasya228", "").is_err());
        assert!(ask("GET", "", "vasya228").is_err());
        assert_eq!(ask("PUT", "hub.verify_token=vasya228", "vasya228"), Err(Unverified::Method("PUT".to_owned())));
        assert_eq!(verify(&[], &Presented { method: "PUT", headers: &[], query: "", body: b"" }, |_| None), Ok(()));
    }
}
