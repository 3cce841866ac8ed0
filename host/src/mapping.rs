//! What people do with field mappings: see the sink's fields, check a mapping, save it, try it on a lead.

use std::collections::BTreeMap;
use std::sync::Arc;

use patchbay_schemas::command::{CommandBody, Field, FieldList, Nothing};
use patchbay_schemas::{Extra, Lead};
use serde::Serialize;
use serde_json::Value;

use crate::hub::Hub;
use crate::ids::{ConnectionId, LeadId, WorkspaceId};
use crate::operations::{OperationError, not_found};
use crate::plugin::{CallError, Command};
use crate::registry::Running;
use crate::rules::mapping::{self, Mapped, Mapping, Said, Variables};
use crate::setup::{Fault, SetupError};
use crate::store::StoreError;
use crate::store::leads::Of;
use crate::sync::RecordView;

/// How many of a lead's interactions an expression sees, the newest.
const MOST_SAID: i64 = 20;

/// What a mapping makes of one lead.
#[derive(Debug, Default)]
pub struct Fields {
    /// What the command carries: null where a field is left alone.
    pub values: Extra,
    /// Rules that failed: field and reason.
    pub failed: BTreeMap<String, String>,
}

/// One lead under a mapping, beside what would be written without one.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct Preview {
    /// `lead_…`
    pub lead: String,
    /// Its title.
    pub title: String,
    /// What each rule gives; null: the field is left alone.
    #[schema(value_type = Object)]
    pub fields: Extra,
    /// Rules that failed, by field, and why; their fields are left alone.
    pub failed: BTreeMap<String, String>,
    /// What would be written with the mapping. Absent: the connector cannot plan.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub with: Option<RecordView>,
    /// What would be written without a mapping.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub without: Option<RecordView>,
}

impl Hub {
    /// The fields of a sink's records. None: its connector cannot tell.
    pub async fn sink_fields(&self, workspace: WorkspaceId, id: ConnectionId) -> Result<Option<Vec<Field>>, OperationError> {
        let running = self.registry.run(self.found(workspace, id).await?).await?;
        let ask = CommandBody::FieldsList(Nothing {});
        if !running.takes(ask.kind()) {
            return Ok(None);
        }
        let receipt = running.ask(&[ask]).await?.remove(0)?;
        let list: FieldList = serde_json::from_str(&receipt.details).map_err(|error| {
            OperationError::Refused(format!("the connector's answer to fields.list is not of the shape that receipt.json has: {error}"))
        })?;
        Ok(Some(list.fields))
    }

    /// Everything that is wrong with a mapping. `ask`: also against the sink's fields, where its connector can tell them.
    pub async fn check_mapping(
        &self,
        workspace: WorkspaceId,
        id: ConnectionId,
        document: &Value,
        ask: bool,
    ) -> Result<Vec<Fault>, OperationError> {
        let connection = self.found(workspace, id).await?;
        let mapping = match Mapping::read(document) {
            Ok(mapping) => mapping,
            Err(faults) => return Ok(faults),
        };
        // A connector that does not know its fields would pass the mapped values over in silence.
        let maps = self.manifest(&connection)?.commands.as_ref().is_some_and(|it| it.kinds.iter().any(|it| it == "fields.list"));
        if !maps {
            let problem = format!("the connector `{}` takes no mapped fields (fields.list): there is nothing to map", connection.connector);
            return Err(OperationError::Refused(problem));
        }
        let fields = if ask && !mapping.is_empty() { self.sink_fields(workspace, id).await? } else { None };
        Ok(mapping::faults(&mapping, fields.as_deref()))
    }

    /// Saves a mapping that has no fault, as the next version. It holds from the next write of each lead on.
    pub async fn set_mapping(&self, workspace: WorkspaceId, id: ConnectionId, document: &Value, ask: bool) -> Result<i64, OperationError> {
        let faults = self.check_mapping(workspace, id, document, ask).await?;
        if !faults.is_empty() {
            return Err(SetupError::Mapping(faults).into());
        }
        Ok(self.store.add_mapping(workspace, id, document).await?)
    }

    /// What a mapping, or the connection's own, makes of a lead, beside what is written without one.
    pub async fn preview_mapping(
        &self,
        workspace: WorkspaceId,
        id: ConnectionId,
        lead: LeadId,
        document: Option<&Value>,
    ) -> Result<Preview, OperationError> {
        let running = self.registry.run(self.found(workspace, id).await?).await?;
        let found = self.store.lead(workspace, lead).await?.ok_or_else(|| not_found("lead", lead))?;
        let mapping = chosen(&running, document)?;
        let made = self.mapped(mapping.as_deref(), workspace, lead, &found).await?;
        let (title, fields, failed) = (found.title.clone(), made.values.clone(), made.failed);
        let (mut with, mut without) = (None, None);
        if running.takes("lead.plan") {
            with = Some(self.plan_lead(&running, found.clone(), lead, made.values).await?);
            without = Some(self.plan_lead(&running, found, lead, Extra::new()).await?);
        }
        Ok(Preview { lead: lead.to_string(), title, fields, failed, with, without })
    }

    /// What a mapping makes of a lead.
    pub(crate) async fn mapped(
        &self,
        mapping: Option<&Mapping>,
        workspace: WorkspaceId,
        id: LeadId,
        lead: &Lead,
    ) -> Result<Fields, StoreError> {
        let Some(mapping) = mapping.filter(|it| !it.is_empty()) else { return Ok(Fields::default()) };
        let interactions = self.store.interactions(workspace, Of::Lead(id), None, MOST_SAID).await?;
        let said: Vec<Said> = interactions
            .iter()
            .map(|it| Said { at: it.at, kind: it.event["kind"].as_str().unwrap_or_default(), payload: &it.event["payload"] })
            .collect();
        let mut fields = Fields::default();
        for (name, mapped) in mapping.evaluate(&Variables::of(lead, &said)) {
            let value = match mapped {
                Mapped::Value(value) => value,
                Mapped::Nothing => Value::Null,
                Mapped::Failed(reason) => {
                    fields.failed.insert(name.clone(), reason);
                    Value::Null
                }
            };
            fields.values.insert(name, value);
        }
        Ok(fields)
    }

    /// The mapping that holds for a connection: from the registry, else from the database.
    pub(crate) async fn mapping_of(&self, connection: ConnectionId) -> Result<Option<Arc<Mapping>>, StoreError> {
        match self.registry.running(connection) {
            Some(running) => Ok(running.mapping.clone()),
            // A command line has no registry.
            None => Ok(self.store.mapping(connection, None).await?.and_then(|it| Mapping::read(&it.document).ok()).map(Arc::new)),
        }
    }
}

/// The mapping of this document, else the connection's own.
pub(crate) fn chosen(running: &Running, document: Option<&Value>) -> Result<Option<Arc<Mapping>>, OperationError> {
    match document {
        None => Ok(running.mapping.clone()),
        Some(document) => Mapping::read(document).map(|it| Some(Arc::new(it))).map_err(|faults| SetupError::Mapping(faults).into()),
    }
}

/// One answer to a question of the hub.
pub(crate) type Answered = Result<crate::plugin::Receipt, OperationError>;

impl Running {
    /// True where the connector understands this kind of command.
    #[must_use]
    pub fn takes(&self, kind: &str) -> bool {
        self.instances.connector().manifest.commands.as_ref().is_some_and(|it| it.kinds.iter().any(|it| it == kind))
    }

    /// Asks questions, which change nothing: one answer for each.
    pub(crate) async fn ask(&self, questions: &[CommandBody]) -> Result<Vec<Answered>, OperationError> {
        let mut commands = Vec::with_capacity(questions.len());
        for (at, it) in questions.iter().enumerate() {
            let payload = it.payload().map_err(|error| OperationError::Refused(error.to_string()))?;
            commands.push(Command { idempotency_key: format!("question-{at}"), kind: it.kind().to_owned(), payload });
        }
        let mut answers = self.instances.execute(&commands).await.0?.into_iter();
        let none = || Err(OperationError::Refused("the connector gave fewer answers than it was asked questions".to_owned()));
        Ok(questions.iter().map(|_| answers.next().map_or_else(none, |it| it.map_err(|it| CallError::Failed(it).into()))).collect())
    }
}
