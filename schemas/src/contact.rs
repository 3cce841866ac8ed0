//! People: what a connector says of one, and what the hub shows of one.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{Extra, Identity};

/// The outside person as one event tells of them. Each value becomes a claim with its source and time.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Person {
    /// What points at the person, strongest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub identities: Vec<Identity>,
    /// The name.
    #[serde(default, skip_serializing_if = "Name::is_empty")]
    pub name: Name,
    /// The company that the person speaks for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub company: Option<String>,
    /// Where the person lives or is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub city: Option<String>,
    /// BCP 47 language tag as the vendor reports it: `ru`, `pt-BR`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub language: Option<String>,
    /// Vendor fields without a place of their own.
    #[serde(default, skip_serializing_if = "Extra::is_empty")]
    pub extra: Extra,
}

/// A name as far as the vendor splits it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Name {
    /// The whole name as one would show it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub full: Option<String>,
    /// First name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub given: Option<String>,
    /// Patronymic or middle name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub middle: Option<String>,
    /// Last name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub family: Option<String>,
}

impl Name {
    /// A name that came in one piece. Blank text is no name.
    #[must_use]
    pub fn full(text: impl Into<String>) -> Self {
        Self { full: present(Some(text.into())), ..Self::default() }
    }

    /// A name that came in two pieces. Blank text is no name.
    #[must_use]
    pub fn parts(given: Option<String>, family: Option<String>) -> Self {
        Self { given: present(given), family: present(family), ..Self::default() }
    }

    /// The name to show: the whole one, else its parts in the order given, middle, family.
    #[must_use]
    pub fn display(&self) -> Option<String> {
        if let Some(full) = &self.full {
            return Some(full.clone());
        }
        let parts: Vec<&str> = [&self.given, &self.middle, &self.family].into_iter().flatten().map(String::as_str).collect();
        (!parts.is_empty()).then(|| parts.join(" "))
    }

    /// True when nothing is known.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.full.is_none() && self.given.is_none() && self.middle.is_none() && self.family.is_none()
    }
}

fn present(text: Option<String>) -> Option<String> {
    text.map(|it| it.trim().to_owned()).filter(|it| !it.is_empty())
}

/// A person as the hub shows them: identities, and what survivorship chose from the claims.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Contact {
    /// `con_…`.
    pub id: String,
    /// The shown name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The shown company.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub company: Option<String>,
    /// The shown city.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub city: Option<String>,
    /// The shown language.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub language: Option<String>,
    /// Normalised identities: phones in E.164, e-mails in lower case, handles as `<scope>:<id>`.
    pub identities: Vec<Identity>,
    /// When the hub first heard of the person.
    pub created_at: Timestamp,
}

impl Contact {
    /// The first identity of a kind.
    #[must_use]
    pub fn first(&self, kind: crate::IdentityKind) -> Option<&str> {
        self.identities.iter().find(|it| it.kind == kind).map(|it| it.value.as_str())
    }
}
