//! An identity: something that points at a person.

use serde::{Deserialize, Serialize};

/// Something that points at a person, as the vendor wrote it. The hub normalises it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// What sort of pointer it is.
    pub kind: IdentityKind,
    /// The value as written: `8 (912) 345-67-89`, `Anna@Example.com`, `1111111`.
    pub value: String,
    /// Who vouches for it.
    #[serde(default, skip_serializing_if = "Assurance::is_vendor")]
    pub assurance: Assurance,
    /// The changeable name that people know a handle by (`@anna`), never used to recognise somebody.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
}

impl Identity {
    /// A phone that the vendor vouches for.
    #[must_use]
    pub fn phone(value: impl Into<String>) -> Self {
        Self::new(IdentityKind::Phone, value)
    }

    /// An e-mail address that the vendor vouches for.
    #[must_use]
    pub fn email(value: impl Into<String>) -> Self {
        Self::new(IdentityKind::Email, value)
    }

    /// The vendor's own id of the person.
    #[must_use]
    pub fn handle(value: impl Into<String>) -> Self {
        Self::new(IdentityKind::Handle, value)
    }

    /// The same identity as the person typed it, not vouched for.
    #[must_use]
    pub fn stated(self) -> Self {
        Self { assurance: Assurance::Stated, ..self }
    }

    /// The same identity with the changeable name that people know it by.
    #[must_use]
    pub fn labelled(self, label: Option<impl Into<String>>) -> Self {
        Self { label: label.map(Into::into), ..self }
    }

    fn new(kind: IdentityKind, value: impl Into<String>) -> Self {
        Self { kind, value: value.into(), assurance: Assurance::Vendor, label: None }
    }
}

/// The sorts of identity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IdentityKind {
    /// A telephone number.
    Phone,
    /// An e-mail address.
    Email,
    /// The vendor's own id of the person. Whether it holds for all accounts of the vendor says the manifest (`handles`).
    Handle,
}

impl IdentityKind {
    /// As it stands in JSON and in the database.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Phone => "phone",
            Self::Email => "email",
            Self::Handle => "handle",
        }
    }
}

/// Who vouches for an identity.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Assurance {
    /// The vendor knows it: the number that called, the account that wrote.
    #[default]
    Vendor,
    /// The person said so: typed into a form, written in a message.
    Stated,
}

impl Assurance {
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
    fn is_vendor(&self) -> bool {
        *self == Self::Vendor
    }
}
