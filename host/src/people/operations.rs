//! What people decide of people: merging, taking back, why.

use crate::hub::Hub;
use crate::ids::{ContactId, QuestionId, WorkspaceId};
use crate::operations::OperationError;
use crate::rules::ingest::Context;
use crate::store::people::{Merging, QuestionView, Why};

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
            done_or_refused(self.store.part_contacts(workspace, pair, answer == Answer::Never, author).await?)?;
        }
        self.store.question(workspace, question).await?.ok_or_else(gone)
    }

    /// What the rules must know of the workspace, fresh from the database.
    async fn context(&self, workspace: WorkspaceId) -> Result<Context, OperationError> {
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
