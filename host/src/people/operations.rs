//! What people decide of people: merging, taking back, why.

use crate::hub::Hub;
use crate::ids::{ContactId, WorkspaceId};
use crate::operations::OperationError;
use crate::rules::ingest::Context;
use crate::store::people::{Merging, Why};

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
