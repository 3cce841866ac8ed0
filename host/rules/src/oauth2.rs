//! OAuth 2 (RFC 6749), as far as it is arithmetic: the link that a person follows, the request for a token, what its answer means, and
//! when a token is renewed.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};
use patchbay_schemas::manifest::{ClientAuth, Grant, OAuth2};
use ring::digest;
use serde_json::Value;

use super::template::fill;
use crate::secret::SecretValue;

/// A token is renewed at least so often, milliseconds.
pub const DAY_MS: i64 = 86_400_000;
/// A token is renewed so long before it ends, but not before three quarters of its life, milliseconds.
const AHEAD_MS: i64 = 300_000;
/// Longest description of a refusal that is kept, bytes.
const LONGEST_DESCRIPTION: usize = 300;
/// Refusals that end by themselves (RFC 6749, section 4.1.2.1, and what vendors say of too many requests).
const PASSING: [&str; 4] = ["temporarily_unavailable", "server_error", "slow_down", "rate_limit_exceeded"];

/// What a manifest says of OAuth 2, with a connection's values in it.
#[derive(Debug, Clone)]
pub struct Terms {
    /// Who grants.
    pub grant: Grant,
    /// Whether the code is bound to who asked for it.
    pub pkce: bool,
    authorize_url: Option<String>,
    token_url: String,
    client_id: String,
    client_secret: Option<SecretValue>,
    client_auth: ClientAuth,
    scopes: String,
    authorize_parameters: BTreeMap<String, String>,
    token_parameters: BTreeMap<String, String>,
    take: BTreeMap<String, String>,
}

/// What a token is asked with.
#[derive(Debug, Clone, Copy)]
pub enum Ask<'a> {
    /// The code that came back from the link.
    Code {
        /// The code.
        code: &'a str,
        /// Where it came back to: the same text as in the link.
        redirect_uri: &'a str,
        /// Proves that we asked for it; none without PKCE.
        verifier: Option<&'a str>,
    },
    /// The refresh token.
    Refresh(&'a str),
    /// The client's own credentials.
    Client,
}

/// A request for a token.
#[derive(Clone, PartialEq, Eq)]
pub struct TokenRequest {
    /// `POST`, or `GET` where everything stands in the query.
    pub method: &'static str,
    /// The whole address.
    pub url: String,
    /// The header Authorization.
    pub authorization: Option<String>,
    /// Form-encoded.
    pub body: String,
}

/// What a request for a token was answered with.
#[derive(Debug, PartialEq, Eq)]
pub enum Answer {
    /// A token.
    Given(Given),
    /// It is refused for good: only a person can mend that.
    Refused {
        /// `oauth2.invalid_grant`
        code: String,
        /// What the vendor says of it.
        message: String,
    },
    /// It may work later.
    Passing(String),
}

/// A token as the vendor gave it.
#[derive(Debug, PartialEq, Eq)]
pub struct Given {
    /// The access token.
    pub access: SecretValue,
    /// The refresh token that is valid from now on. None: the one that was used stays valid, or there is none.
    pub refresh: Option<SecretValue>,
    /// How long the access token is valid, milliseconds. None: the vendor does not say.
    pub lifetime_ms: Option<i64>,
    /// What the answer says of the account, by the configuration's property.
    pub taken: BTreeMap<String, String>,
}

impl Terms {
    /// The manifest's terms with a connection's values; the error is the first name that has none.
    pub fn of(oauth2: &OAuth2, config: impl Fn(&str) -> Option<String>, secret: impl Fn(&str) -> Option<String>) -> Result<Self, String> {
        let parameters = |all: &BTreeMap<String, String>| {
            all.iter().map(|(name, value)| Ok((name.clone(), fill(value, &config)?))).collect::<Result<BTreeMap<_, _>, String>>()
        };
        let either = |name: &str| secret(name).or_else(|| config(name));
        Ok(Self {
            grant: oauth2.grant,
            pkce: oauth2.pkce && oauth2.grant == Grant::AuthorizationCode,
            authorize_url: oauth2.authorize_url.as_deref().map(|it| fill(it, &config)).transpose()?,
            token_url: fill(&oauth2.token_url, &config)?,
            client_id: fill(&oauth2.client_id, either)?,
            client_secret: oauth2.client_secret.as_deref().map(|it| fill(it, &secret)).transpose()?.map(SecretValue::new),
            client_auth: oauth2.client_auth,
            scopes: oauth2.scopes.join(" "),
            authorize_parameters: parameters(&oauth2.authorize_parameters)?,
            token_parameters: parameters(&oauth2.token_parameters)?,
            take: oauth2.take.clone(),
        })
    }

    /// The link that a person follows. None: nobody has to.
    #[must_use]
    pub fn link(&self, state: &str, redirect_uri: &str, verifier: &str) -> Option<String> {
        let address = self.authorize_url.as_deref()?;
        let mut query = form_urlencoded::Serializer::new(String::new());
        query.append_pair("response_type", "code").append_pair("client_id", &self.client_id).append_pair("redirect_uri", redirect_uri);
        if !self.scopes.is_empty() {
            query.append_pair("scope", &self.scopes);
        }
        query.append_pair("state", state);
        if self.pkce {
            query.append_pair("code_challenge", &challenge(verifier)).append_pair("code_challenge_method", "S256");
        }
        query.extend_pairs(&self.authorize_parameters);
        Some(with_query(address, &query.finish()))
    }

    /// A request for a token.
    #[must_use]
    pub fn request(&self, ask: Ask<'_>) -> TokenRequest {
        let mut form = form_urlencoded::Serializer::new(String::new());
        match ask {
            Ask::Code { code, redirect_uri, verifier } => {
                form.append_pair("grant_type", "authorization_code").append_pair("code", code).append_pair("redirect_uri", redirect_uri);
                if let Some(verifier) = verifier {
                    form.append_pair("code_verifier", verifier);
                }
            }
            Ask::Refresh(token) => {
                form.append_pair("grant_type", "refresh_token").append_pair("refresh_token", token);
            }
            Ask::Client => {
                form.append_pair("grant_type", "client_credentials");
                if !self.scopes.is_empty() {
                    form.append_pair("scope", &self.scopes);
                }
            }
        }
        let secret = self.client_secret.as_ref().map(SecretValue::reveal);
        let authorization = if let (ClientAuth::Basic, Some(secret)) = (self.client_auth, secret) {
            // Both are form-encoded first (RFC 6749, section 2.3.1).
            let encoded = |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
            Some(format!("Basic {}", BASE64_STANDARD.encode(format!("{}:{}", encoded(&self.client_id), encoded(secret)))))
        } else {
            form.append_pair("client_id", &self.client_id);
            if let Some(secret) = secret {
                form.append_pair("client_secret", secret);
            }
            None
        };
        form.extend_pairs(&self.token_parameters);
        let form = form.finish();
        match self.client_auth {
            ClientAuth::Query => {
                TokenRequest { method: "GET", url: with_query(&self.token_url, &form), authorization, body: String::new() }
            }
            ClientAuth::Basic | ClientAuth::Body => TokenRequest { method: "POST", url: self.token_url.clone(), authorization, body: form },
        }
    }

    /// What the answer to a request for a token means.
    #[must_use]
    pub fn read(&self, status: u16, body: &[u8]) -> Answer {
        let document: Value = serde_json::from_slice(body).unwrap_or_default();
        let text = |name: &str| document.get(name).and_then(Value::as_str).filter(|it| !it.is_empty());
        if let Some(access) = text("access_token").filter(|_| (200..300).contains(&status)) {
            let taken = self.take.iter().filter_map(|(property, field)| Some((property.clone(), text(field)?.to_owned())));
            return Answer::Given(Given {
                access: SecretValue::new(access.to_owned()),
                refresh: text("refresh_token").map(|it| SecretValue::new(it.to_owned())),
                lifetime_ms: document.get("expires_in").and_then(seconds).map(|it| it.saturating_mul(1_000)),
                taken: taken.collect(),
            });
        }
        let description = text("error_description").map_or("", |it| &it[..it.floor_char_boundary(LONGEST_DESCRIPTION)]);
        match text("error") {
            // Some vendors refuse with a 200.
            Some(error) if !PASSING.contains(&error) && status < 500 && !matches!(status, 408 | 429) => {
                let code: String = error.chars().filter(char::is_ascii_graphic).take(64).collect();
                let message =
                    if description.is_empty() { format!("the vendor answered with status {status}") } else { description.to_owned() };
                Answer::Refused { code: format!("oauth2.{}", code.to_ascii_lowercase()), message }
            }
            Some(error) => Answer::Passing(format!(
                "the vendor answered with status {status}: {} {description}",
                error.chars().take(64).collect::<String>()
            )),
            None => Answer::Passing(format!("the vendor answered with status {status} and without a token")),
        }
    }

    /// The client's secret, so that it can be kept out of texts.
    #[must_use]
    pub fn client_secret(&self) -> Option<&SecretValue> {
        self.client_secret.as_ref()
    }
}

/// When a token that is given now is renewed: ahead of its end, and at least daily. Milliseconds since 1970 UTC.
#[must_use]
pub fn due_at(now: i64, lifetime_ms: Option<i64>) -> i64 {
    let ahead = lifetime_ms.map_or(DAY_MS, |it| it - AHEAD_MS.min(it / 4));
    now.saturating_add(ahead.clamp(0, DAY_MS))
}

/// The challenge that belongs to a verifier (RFC 7636, S256).
#[must_use]
pub fn challenge(verifier: &str) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(digest::digest(&digest::SHA256, verifier.as_bytes()))
}

fn with_query(address: &str, query: &str) -> String {
    let and = if address.contains('?') { '&' } else { '?' };
    format!("{address}{and}{query}")
}

/// Some vendors write numbers as texts.
fn seconds(value: &Value) -> Option<i64> {
    value.as_i64().or_else(|| value.as_str()?.parse().ok()).filter(|it| *it > 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn terms(change: &Value) -> Terms {
        let mut manifest = json!({
            "authorize_url": "https://{portal}/authorize?prompt=consent", "token_url": "https://{portal}/token",
            "client_id": "{client_id}", "client_secret": "{client_secret}", "scopes": ["crm", "im"], "take": { "rest": "client_endpoint" },
        });
        manifest.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        let config = |name: &str| (name == "portal").then(|| "acme.example".to_owned());
        let secret = |name: &str| match name {
            "client_id" => Some("hub".to_owned()),
            "client_secret" => Some("a:b c".to_owned()),
            _ => None,
        };
        Terms::of(&serde_json::from_value(manifest).unwrap(), config, secret).unwrap()
    }

    /// The example of RFC 7636, appendix B.
    #[test]
    fn the_challenge_is_the_standards() {
        assert_eq!(challenge("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"), "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM");
    }

    #[test]
    fn the_link_carries_state_scopes_and_challenge() {
        let link =
            terms(&json!({ "authorize_parameters": { "access_type": "offline" } })).link("st", "https://hub/oauth/callback", "v").unwrap();
        assert_eq!(
            link,
            format!(
                "https://acme.example/authorize?prompt=consent&response_type=code&client_id=hub&redirect_uri=https%3A%2F%2Fhub%2Foauth%2Fcallback\
                 &scope=crm+im&state=st&code_challenge={}&code_challenge_method=S256&access_type=offline",
                challenge("v")
            )
        );
        assert!(!terms(&json!({ "pkce": false })).link("st", "x", "v").unwrap().contains("challenge"));
    }

    #[test]
    fn the_client_proves_itself_as_the_vendor_wants_it() {
        let basic = terms(&json!({})).request(Ask::Refresh("r1"));
        assert_eq!((basic.method, basic.body.as_str()), ("POST", "grant_type=refresh_token&refresh_token=r1"));
        assert_eq!(basic.authorization, Some(format!("Basic {}", BASE64_STANDARD.encode("hub:a%3Ab+c"))));
        let body = terms(&json!({ "client_auth": "body" })).request(Ask::Code { code: "c", redirect_uri: "u", verifier: Some("v") });
        assert_eq!(
            (body.authorization, body.body.as_str()),
            (None, "grant_type=authorization_code&code=c&redirect_uri=u&code_verifier=v&client_id=hub&client_secret=a%3Ab+c")
        );
        let query = terms(&json!({ "client_auth": "query", "token_parameters": { "x": "{portal}" } })).request(Ask::Refresh("r1"));
        let place =
            "https://acme.example/token?grant_type=refresh_token&refresh_token=r1&client_id=hub&client_secret=a%3Ab+c&x=acme.example";
        assert_eq!((query.method, query.url.as_str(), query.body.as_str()), ("GET", place, ""));
        let client = json!({ "grant": "client_credentials", "client_auth": "body" });
        assert!(terms(&client).request(Ask::Client).body.starts_with("grant_type=client_credentials&scope=crm+im&client_id=hub"));
    }

    #[test]
    fn a_name_without_a_value_is_named() {
        let manifest = json!({ "authorize_url": "https://x/a", "token_url": "https://{region}/token", "client_id": "x" });
        assert_eq!(Terms::of(&serde_json::from_value(manifest).unwrap(), |_| None, |_| None).unwrap_err(), "region");
    }

    #[test]
    fn answers_mean_what_they_say() {
        let terms = terms(&json!({}));
        let read = |status, body: Value| terms.read(status, body.to_string().as_bytes());
        let given = json!({ "access_token": "a", "refresh_token": "r", "expires_in": "3600", "client_endpoint": "https://b/rest/" });
        let Answer::Given(given) = read(200, given) else { panic!() };
        assert_eq!((given.access.reveal(), given.refresh.as_ref().map(SecretValue::reveal)), ("a", Some("r")));
        assert_eq!((given.lifetime_ms, given.taken["rest"].as_str()), (Some(3_600_000), "https://b/rest/"));
        let refused = |code: &str, message: &str| Answer::Refused { code: code.to_owned(), message: message.to_owned() };
        let body = json!({ "error": "invalid_grant", "error_description": "expired" });
        assert_eq!(read(400, body.clone()), refused("oauth2.invalid_grant", "expired"));
        assert_eq!(read(200, body.clone()), refused("oauth2.invalid_grant", "expired"), "some vendors refuse with a 200");
        assert_eq!(
            read(402, json!({ "error": "PAYMENT_REQUIRED" })),
            refused("oauth2.payment_required", "the vendor answered with status 402")
        );
        for (status, body) in [
            (500, body.clone()),
            (429, body),
            (503, json!({ "error": "temporarily_unavailable" })),
            (400, json!({ "error": "slow_down" })),
            (502, Value::Null),
            (200, json!({ "token": "a" })),
            (200, json!({ "access_token": "" })),
            (404, Value::Null),
        ] {
            assert!(matches!(read(status, body.clone()), Answer::Passing(_)), "{status} {body}");
        }
    }

    #[test]
    fn a_token_is_renewed_ahead_of_its_end_and_at_least_daily() {
        assert_eq!(due_at(1_000, Some(3_600_000)), 1_000 + 3_300_000);
        assert_eq!(due_at(1_000, Some(60_000)), 1_000 + 45_000, "a short one at three quarters of its life");
        assert_eq!(due_at(1_000, Some(90 * DAY_MS)), 1_000 + DAY_MS);
        assert_eq!(due_at(1_000, None), 1_000 + DAY_MS);
    }
}
