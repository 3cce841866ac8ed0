//! What a CRM knew before the hub was connected to it: asked for by people, read by whoever polls the connection (`poll/import`).

use crate::hub::Hub;
use crate::ids::{ConnectionId, WorkspaceId};
use crate::operations::{OperationError, not_found};
use crate::store::connections::ConnectionState;
use crate::store::imports::ImportView;

impl Hub {
    /// Asks for the import of a connection, or for an end of its pause. One that is done begins anew: what is known already is known then.
    pub async fn begin_import(&self, workspace: WorkspaceId, id: ConnectionId) -> Result<ImportView, OperationError> {
        let connection = self.found(workspace, id).await?;
        let manifest = self.manifest(&connection)?;
        let refused = |why: String| Err(OperationError::Refused(why));
        if !manifest.polling.as_ref().is_some_and(|it| it.import) {
            return refused(format!("the connector `{}` cannot tell what was there before (`import = true` under [polling])", manifest.id));
        }
        if !manifest.polls(&connection.config) {
            return refused(format!("`{}` is not polled as it is configured, and so cannot be imported", connection.name));
        }
        if connection.state != ConnectionState::Active {
            return refused(format!("`{}` is not active: `patchbay connection resume {id}`", connection.name));
        }
        self.store.begin_import(id).await?;
        self.imported(workspace, id).await
    }

    /// Ends an import before its end; it goes on where it was when it is asked for again.
    pub async fn stop_import(&self, workspace: WorkspaceId, id: ConnectionId) -> Result<ImportView, OperationError> {
        self.found(workspace, id).await?;
        self.store.stop_import(id, "hub.stopped: somebody stopped it").await?;
        self.imported(workspace, id).await
    }

    /// How far the import of a connection has come.
    pub async fn imported(&self, workspace: WorkspaceId, id: ConnectionId) -> Result<ImportView, OperationError> {
        self.found(workspace, id).await?;
        self.store.import(id).await?.ok_or_else(|| not_found("import of", id))
    }
}
