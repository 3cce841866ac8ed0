//! What people decide of people: merging, taking back, why.

use patchbay_schemas::{Lead, Stage};

use crate::hub::Hub;
use crate::ids::{ContactId, LeadId, QuestionId, WorkspaceId};
use crate::operations::OperationError;
use crate::rules::ingest::Context;
use crate::rules::survivorship::Shown;
use crate::store::people::{Dossier, Erased, Erasure, Merging, QuestionView, Why};
use crate::store::stages::LeadWhy;

/// What somebody answers to a question whether two people are one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize, serde::Serialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// They are.
    Yes,
    /// They are two.
    No,
    /// They are two, and nobody is asked about them again.
    Never,
}

impl Answer {
    /// As it stands in the database.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Yes => "yes",
            Self::No => "no",
            Self::Never => "never",
        }
    }
}

impl Hub {
    /// Says that two contacts are one person; the contact that shows them from now on. `author` is who says so.
    pub async fn merge_contacts(
        &self,
        workspace: WorkspaceId,
        (one, other): (ContactId, ContactId),
        author: &str,
    ) -> Result<ContactId, OperationError> {
        let context = self.context(workspace).await?;
        let done = self.store.merge_contacts(workspace, (one, other), author, &context).await?;
        done_or_refused(done)?.into_iter().next().ok_or_else(|| OperationError::NotFound(format!("contact {one}")))
    }

    /// Takes a contact out of the person that it is shown as; the contacts that show both people from now on.
    pub async fn unmerge_contact(
        &self,
        workspace: WorkspaceId,
        contact: ContactId,
        author: &str,
    ) -> Result<Vec<ContactId>, OperationError> {
        let context = self.context(workspace).await?;
        done_or_refused(self.store.unmerge_contact(workspace, contact, author, &context).await?)
    }

    /// Who said what of a person, and why all of it is one.
    pub async fn why(&self, workspace: WorkspaceId, contact: ContactId) -> Result<Why, OperationError> {
        let found = self.store.why(workspace, contact).await?;
        found.ok_or_else(|| OperationError::NotFound(format!("contact {contact}")))
    }

    /// Puts a lead into a stage, as somebody decided; the lead as it is then.
    pub async fn set_stage(&self, workspace: WorkspaceId, lead: LeadId, stage: Stage) -> Result<Lead, OperationError> {
        let gone = || OperationError::NotFound(format!("lead {lead}"));
        match &stage {
            Stage::Interest => {
                return Err(OperationError::Refused("a lead goes no step back to an interest: lead, client or refused".to_owned()));
            }
            Stage::Refused { reason, .. } if reason.as_deref().is_none_or(|it| it.trim().is_empty()) => {
                return Err(OperationError::Refused("a refused lead needs the reason why it was refused".to_owned()));
            }
            Stage::Refused { return_at: Some(at), .. } if *at <= self.store.clock.now() => {
                return Err(OperationError::Refused(format!("the date to come back, {at}, is over: name one that is to come")));
            }
            _ => {}
        }
        let context = self.context(workspace).await?;
        if !self.store.set_stage(workspace, lead, stage, &context).await? {
            return Err(gone());
        }
        self.store.lead(workspace, lead).await?.ok_or_else(gone)
    }

    /// A lead among the others of its person, and why its interactions belong to it.
    pub async fn lead_why(&self, workspace: WorkspaceId, lead: LeadId) -> Result<LeadWhy, OperationError> {
        let found = self.store.lead_why(workspace, lead).await?;
        found.ok_or_else(|| OperationError::NotFound(format!("lead {lead}")))
    }

    /// Says by hand what is shown of a person, whatever sources say; with no value sources decide again. The reasons as they are then.
    pub async fn pin(
        &self,
        workspace: WorkspaceId,
        contact: ContactId,
        fields: &[(Shown, Option<String>)],
        author: &str,
    ) -> Result<Why, OperationError> {
        let mut checked = Vec::with_capacity(fields.len());
        for (field, value) in fields {
            let fits = value.as_deref().map(Shown::value);
            if fits == Some(None) {
                let (name, most) = (field.as_str(), Shown::LONGEST);
                return Err(OperationError::Refused(format!("{name}: one line of 1 to {most} characters, or nothing to take the pin off")));
            }
            checked.push((*field, fits.flatten()));
        }
        let context = self.context(workspace).await?;
        if !self.store.pin(workspace, contact, &checked, author, &context).await? {
            return Err(OperationError::NotFound(format!("contact {contact}")));
        }
        self.why(workspace, contact).await
    }

    /// Everything about one person.
    pub async fn dossier(&self, workspace: WorkspaceId, contact: ContactId) -> Result<Dossier, OperationError> {
        let found = self.store.dossier(workspace, contact).await?;
        found.ok_or_else(|| OperationError::NotFound(format!("contact {contact}")))
    }

    /// What an erasure of a person would erase.
    pub async fn erasure(&self, workspace: WorkspaceId, contact: ContactId) -> Result<Erasure, OperationError> {
        let found = self.store.erasure(workspace, contact).await?;
        found.ok_or_else(|| OperationError::NotFound(format!("contact {contact}")))
    }

    /// Erases one person everywhere in the hub; it cannot be taken back. `author` is who wants it.
    pub async fn erase_contact(&self, workspace: WorkspaceId, contact: ContactId, author: &str) -> Result<Erased, OperationError> {
        let done = self.store.erase_contact(workspace, contact, author).await?;
        done.ok_or_else(|| OperationError::NotFound(format!("contact {contact}")))
    }

    /// Answers a question; the question as it is then.
    pub async fn answer(
        &self,
        workspace: WorkspaceId,
        question: QuestionId,
        answer: Answer,
        author: &str,
    ) -> Result<QuestionView, OperationError> {
        let gone = || OperationError::NotFound(format!("question {question}"));
        let asked = self.store.asked(workspace, question).await?.ok_or_else(gone)?;
        if !asked.open {
            return Err(OperationError::Refused(format!("{question} was answered already; merge or unmerge the contacts by hand")));
        }
        let pair = (asked.one, asked.other);
        if answer == Answer::Yes {
            self.merge_contacts(workspace, pair, author).await?;
        } else {
            let context = self.context(workspace).await?;
            done_or_refused(self.store.part_contacts(workspace, pair, answer == Answer::Never, author, &context).await?)?;
        }
        self.store.question(workspace, question).await?.ok_or_else(gone)
    }

    /// What the rules must know of the workspace, fresh from the database.
    pub(super) async fn context(&self, workspace: WorkspaceId) -> Result<Context, OperationError> {
        self.registry.refresh().await?;
        Ok(self.registry.current().contexts.get(&workspace).cloned().unwrap_or_default())
    }
}

fn done_or_refused(merging: Merging) -> Result<Vec<ContactId>, OperationError> {
    let refused = |why: String| Err(OperationError::Refused(why));
    match merging {
        Merging::Done(shown) => Ok(shown),
        Merging::NoContact(contact) => Err(OperationError::NotFound(format!("contact {contact}"))),
        Merging::OneAlready(shown) => refused(format!("both are one person already: {shown}")),
        Merging::Alone(contact) => refused(format!("{contact} was not merged with anybody: there is nothing to take back")),
        Merging::WhichOne(others) => {
            let others: Vec<String> = others.iter().map(ToString::to_string).collect();
            refused(format!("this contact shows the person; name the one to take out of it: {}", others.join(", ")))
        }
    }
}
