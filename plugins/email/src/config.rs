//! The connection's configuration.

use patchbay_sdk::json::Node;

/// How the servers are logged in at.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Login {
    /// By the password.
    #[default]
    Password,
    /// By an access token that somebody put in the place of the password.
    Token,
    /// By an access token that the hub gets and renews (`OAuth2`).
    OAuth2,
    /// The SMTP server asks for no login.
    Nothing,
}

/// A way to present a token (SASL), and the secret that is made for it.
pub type Mechanism = (&'static str, &'static str);

impl Login {
    fn read(text: &str) -> Self {
        match text {
            "token" => Self::Token,
            "oauth2" => Self::OAuth2,
            "none" => Self::Nothing,
            _ => Self::Password,
        }
    }

    /// How a token is presented to a server that knows these mechanisms: Google's own, or that of RFC 7628. None: there is no token.
    pub fn by_token(self, is_known: impl Fn(&str) -> bool) -> Option<Mechanism> {
        let all: [Mechanism; 2] = match self {
            Self::Token => [("XOAUTH2", "sasl_token"), ("OAUTHBEARER", "bearer_token")],
            Self::OAuth2 => [("XOAUTH2", "sasl_oauth2"), ("OAUTHBEARER", "bearer_oauth2")],
            Self::Password | Self::Nothing => return None,
        };
        Some(all.into_iter().find(|it| is_known(it.0)).unwrap_or(all[0]))
    }
}

/// The connection's configuration, as `connector.toml` describes it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of its own")]
pub struct Config {
    /// Our own address: what it sent goes out, and it stands under answers.
    pub address: String,
    /// The name that stands beside it.
    pub name: String,
    /// Further addresses of ours.
    pub aliases: Vec<String>,
    /// The login at both servers.
    pub username: String,
    /// The mail box that is read.
    pub mailbox: String,
    /// Mails are marked as read.
    pub marks_read: bool,
    /// Mails that were there before the connection are read too.
    pub reads_old: bool,
    /// Addresses that send forms and nothing else.
    pub form_senders: Vec<String>,
    /// How the servers are logged in at.
    pub login: Login,
    /// Mail can be fetched.
    pub has_imap: bool,
    /// `starttls://` stands before the server's name.
    pub imap_starttls: bool,
    /// Mail can be sent.
    pub has_smtp: bool,
    /// The same of the server that sends.
    pub smtp_starttls: bool,
    /// Sent mail is put here; empty: the server does that, or nobody.
    pub sent_mailbox: String,
}

impl Config {
    /// Reads it from JSON.
    #[must_use]
    pub fn read(node: &Node) -> Self {
        let text = |name: &str| node.get(name).and_then(Node::as_str).unwrap_or_default().to_owned();
        let flag = |name: &str| matches!(node.get(name), Some(Node::Bool(true)));
        let list = |name: &str| text(name).split([',', ';', ' ']).filter(|it| !it.is_empty()).map(str::to_owned).collect();
        let (imap, smtp) = (text("imap"), text("smtp"));
        let address = text("address");
        let username = Some(text("username")).filter(|it| !it.is_empty()).unwrap_or_else(|| address.clone());
        Self {
            name: text("name"),
            aliases: list("aliases"),
            mailbox: Some(text("mailbox")).filter(|it| !it.is_empty()).unwrap_or_else(|| "INBOX".to_owned()),
            marks_read: flag("mark_read"),
            reads_old: flag("read_old"),
            form_senders: list("form_senders"),
            login: Login::read(&text("login")),
            has_imap: !imap.is_empty(),
            imap_starttls: imap.starts_with("starttls://"),
            has_smtp: !smtp.is_empty(),
            smtp_starttls: smtp.starts_with("starttls://"),
            sent_mailbox: text("sent_mailbox"),
            address,
            username,
        }
    }

    /// True for an address of ours.
    #[must_use]
    pub fn is_ours(&self, address: &str) -> bool {
        !address.is_empty()
            && (self.address.eq_ignore_ascii_case(address) || self.aliases.iter().any(|it| it.eq_ignore_ascii_case(address)))
    }
}
