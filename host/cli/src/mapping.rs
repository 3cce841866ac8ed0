//! `mapping fields`, `check`, `set`, `show`, `preview`

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde_json::{Value, json};

use super::connection::find;
use super::failure::{Exit, Failure};
use super::fields::read_object;
use super::output::{Out, Table, time};
use patchbay_host::hub::Hub;
use patchbay_host::ids::LeadId;
use patchbay_host::rules::mapping::MOST_FIELDS;
use patchbay_host::setup::SetupError;
use patchbay_host::sync::RecordView;

#[derive(clap::Subcommand)]
pub enum Mappings {
    /// List the fields that the sink has, with their types and choices
    Fields {
        /// cxn_…, or its name
        connection: String,
    },
    /// Say what is wrong with a mapping, and save nothing
    Check {
        /// cxn_…, or its name
        connection: String,
        /// The mapping, TOML or JSON
        #[arg(long, value_name = "FILE")]
        file: PathBuf,
        /// Do not ask the sink for its fields
        #[arg(long)]
        offline: bool,
    },
    /// Save a mapping as the connection's next version; it holds from the next write of each lead on
    Set {
        /// cxn_…, or its name
        connection: String,
        /// The mapping, TOML or JSON
        #[arg(long, value_name = "FILE")]
        file: PathBuf,
        /// Do not ask the sink for its fields
        #[arg(long)]
        offline: bool,
    },
    /// Print a connection's mapping as a file that `mapping set` takes
    Show {
        /// cxn_…, or its name
        connection: String,
        /// An older version
        #[arg(long, value_parser = clap::value_parser!(i64).range(1..))]
        version: Option<i64>,
    },
    /// Show what a mapping makes of a lead, beside what is written without one
    Preview {
        /// cxn_…, or its name
        connection: String,
        /// lead_…
        lead: LeadId,
        /// This mapping instead of the connection's own
        #[arg(long, value_name = "FILE")]
        file: Option<PathBuf>,
    },
}

impl Mappings {
    pub async fn run(self, out: Out, hub: &Hub) -> Result<(), Failure> {
        match self {
            Self::Fields { connection } => fields(out, hub, &connection).await,
            Self::Check { connection, file, offline } => check(out, hub, &connection, &file, !offline).await,
            Self::Set { connection, file, offline } => {
                let found = find(hub, &connection).await?;
                let document = Value::Object(read_object(&file)?);
                let version = hub.set_mapping(hub.workspace.id, found.id, &document, !offline).await?;
                out.answer(&json!({ "connection": found.id, "version": version }), || {
                    format!("version {version} of the mapping of `{}` holds\n", found.name)
                })?;
                out.note(format!("`patchbay sync plan {}` shows what it changes in the sink", found.id));
                Ok(())
            }
            Self::Show { connection, version } => show(out, hub, &connection, version).await,
            Self::Preview { connection, lead, file } => preview(out, hub, &connection, lead, file).await,
        }
    }
}

async fn fields(out: Out, hub: &Hub, connection: &str) -> Result<(), Failure> {
    let found = find(hub, connection).await?;
    let Some(fields) = hub.sink_fields(hub.workspace.id, found.id).await? else {
        return Err(Failure::new(Exit::Refused, format!("the connector `{}` cannot tell its fields (fields.list)", found.connector)));
    };
    out.answer(&fields, || {
        let mut table = Table::new(["FIELD", "TYPE", "LABEL", "CHOICES"]);
        for it in &fields {
            let choices: Vec<String> = it
                .options
                .iter()
                .map(|it| if it.value == it.label { it.value.clone() } else { format!("{} ({})", it.value, it.label) })
                .collect();
            let kind = if it.required { format!("{}, required", it.kind.as_str()) } else { it.kind.as_str().to_owned() };
            table.row([it.name.clone(), kind, it.label.clone(), choices.join(", ")]);
        }
        table.or("the sink has no fields that a mapping could fill")
    })
}

async fn check(out: Out, hub: &Hub, connection: &str, file: &std::path::Path, ask: bool) -> Result<(), Failure> {
    let found = find(hub, connection).await?;
    let document = Value::Object(read_object(file)?);
    let faults = hub.check_mapping(hub.workspace.id, found.id, &document, ask).await?;
    out.answer(&json!({ "faults": faults }), || if faults.is_empty() { "the mapping is sound\n".to_owned() } else { String::new() })?;
    if faults.is_empty() { Ok(()) } else { Err(SetupError::Mapping(faults).into()) }
}

async fn show(out: Out, hub: &Hub, connection: &str, version: Option<i64>) -> Result<(), Failure> {
    let found = find(hub, connection).await?;
    let versions = hub.store.mapping_versions(found.id).await?;
    let Some(it) = hub.store.mapping(found.id, version).await? else {
        let what = version.map_or_else(|| "no mapping".to_owned(), |it| format!("no version {it} of its mapping"));
        return Err(Failure::new(Exit::NotFound, format!("`{}` has {what}", found.name))
            .help("without one the connector decides alone what it writes where; `patchbay mapping set` saves one"));
    };
    let text = toml::to_string_pretty(&it.document).map_err(|error| Failure::new(Exit::Unexpected, error.to_string()))?;
    out.answer(&it, || text)?;
    out.note(format!("version {} of {}, saved {}", it.version, versions.first().map_or(it.version, |it| it.version), time(it.created_at)));
    Ok(())
}

async fn preview(out: Out, hub: &Hub, connection: &str, lead: LeadId, file: Option<PathBuf>) -> Result<(), Failure> {
    let found = find(hub, connection).await?;
    let document = file.map(|it| read_object(&it).map(Value::Object)).transpose()?;
    let preview = hub.preview_mapping(hub.workspace.id, found.id, lead, document.as_ref()).await?;
    out.answer(&preview, || {
        let mut rules = Table::new(["FIELD", "GIVES"]).indented();
        for (field, value) in &preview.fields {
            let gives = match preview.failed.get(field) {
                Some(reason) => format!("! {reason}"),
                None if value.is_null() => "nothing: the field is left alone".to_owned(),
                None => shown(value),
            };
            rules.row([field.clone(), gives]);
        }
        let mut text = format!(
            "Lead {} {}\nMapping, {} of {MOST_FIELDS} fields\n{}",
            preview.lead,
            preview.title,
            preview.fields.len(),
            rules.or("  none")
        );
        if let (Some(with), Some(without)) = (&preview.with, &preview.without) {
            text += &beside(with, without);
        } else {
            text += "The connector cannot say what would change in the sink (lead.plan)\n";
        }
        text
    })
}

/// What would be written with a mapping and without one, field by field.
fn beside(with: &RecordView, without: &RecordView) -> String {
    let mut rows: BTreeMap<&str, [String; 3]> = BTreeMap::new();
    for (column, record) in [(1, with), (2, without)] {
        for change in &record.changes {
            let row = rows.entry(&change.field).or_default();
            row[0] = shown(&change.from);
            row[column] = shown(&change.to);
        }
    }
    let result = |it: &RecordView| it.problem.clone().unwrap_or_else(|| it.result.to_owned());
    let record = with.remote_id.as_deref().map_or_else(|| "a new record".to_owned(), |it| format!("record {it}"));
    let mut table = Table::new(["FIELD", "NOW", "WITH THE MAPPING", "WITHOUT"]).indented();
    for (field, [now, with, without]) in rows {
        table.row([field.to_owned(), now, with, without]);
    }
    let left_out: Vec<String> = with.left_out.iter().map(|it| format!("  ! {it}\n")).collect();
    format!(
        "In the sink, {record}: {} with it, {} without\n{}{}",
        result(with),
        result(without),
        table.or("  nothing would change"),
        left_out.concat()
    )
}

/// A value as people read it; nothing for null.
pub fn shown(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        Value::Array(items) => items.iter().map(shown).collect::<Vec<_>>().join(", "),
        other => other.to_string(),
    }
}
