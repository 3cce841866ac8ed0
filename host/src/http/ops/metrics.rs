//! `/metrics` as Prometheus reads it: what this process measured, and the sums that all hubs on the database share.
//!
//! A connection's id is the address that its vendor posts to, and for some vendors the only secret. This page needs no token, so every id
//! on it is cut to its first 18 characters: enough to tell connections apart, not enough to post.

use std::collections::HashMap;
use std::fmt::{Display, Write as _};
use std::time::Duration;

use patchbay_schemas::Timestamp;

use crate::http::App;
use crate::ids::ConnectionId;
use crate::registry::Current;
use crate::rules::breaker::{Hold, Why};
use crate::rules::ingest::Outcome;
use crate::store::StoreError;
use crate::store::alerts::Alert;
use crate::store::connections::{Connection, ConnectionState};
use crate::store::counters::Sums;
use crate::store::quarantines::Quarantined;
use crate::store::streams::StreamView;

/// What stays of a connection's id: the prefix, its time and 20 of its 79 random bits.
const SHOWN: usize = 18;
/// Length of a connection's whole id.
const WHOLE: usize = 30;

/// Everything that is measured.
pub async fn text(app: &App, uptime: Duration) -> Result<String, StoreError> {
    let store = &app.hub.store;
    let (sums, oldest, connections) = (store.all_sums().await?, store.oldest_waiting().await?, store.all_connections().await?);
    let now = store.clock.now_ms();
    let mut page = Page(app.prometheus.render());
    page.deliveries(&sums);
    page.outbox(&sums);
    page.family("patchbay_outbox_oldest_seconds", "gauge", "Age of the oldest command that waits.");
    for (connection, at) in oldest {
        let age = Duration::from_millis((now - at).max(0).unsigned_abs());
        page.line("patchbay_outbox_oldest_seconds", &[("connection", &connection.to_string())], age.as_secs_f64());
    }
    page.connections(&connections, &app.hub.registry.current());
    page.alerts(&store.all_alerts().await?);
    page.holds(&connections, &store.holds().await?, now);
    page.streams(&store.streams().await?, now);
    page.quarantines(&connections, &store.quarantines().await?);
    page.single("patchbay_commit_waiting", "Deliveries that were read and wait to be committed.", app.committer.waiting());
    page.single("patchbay_uptime_seconds", "Time since this process began to listen.", uptime.as_secs());
    if let Some(bytes) = resident_bytes() {
        page.single("process_resident_memory_bytes", "Memory that this process holds.", bytes);
    }
    Ok(without_addresses(&page.0))
}

struct Page(String);

impl Page {
    fn family(&mut self, name: &str, kind: &str, help: &str) {
        let _ = writeln!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}");
    }

    fn line(&mut self, name: &str, labels: &[(&str, &str)], value: impl Display) {
        let labels: Vec<String> = labels.iter().map(|(name, value)| format!("{name}=\"{}\"", escaped(value))).collect();
        let _ = writeln!(self.0, "{name}{{{}}} {value}", labels.join(","));
    }

    fn single(&mut self, name: &str, help: &str, value: impl Display) {
        self.family(name, "gauge", help);
        let _ = writeln!(self.0, "{name} {value}");
    }

    fn deliveries(&mut self, sums: &[Sums]) {
        self.family("patchbay_deliveries_received_total", "counter", "Deliveries: the sum of their outcomes.");
        for it in sums {
            self.line("patchbay_deliveries_received_total", &[("connection", &it.connection)], it.received);
        }
        // A redrive moves a delivery from one outcome to another, so a single outcome may fall.
        self.family("patchbay_deliveries_total", "gauge", "Deliveries by the outcome that they have now.");
        for it in sums {
            for (outcome, count) in Outcome::ALL.into_iter().zip([it.accepted, it.duplicate, it.ignored, it.refused, it.dead]) {
                self.line("patchbay_deliveries_total", &[("connection", &it.connection), ("outcome", outcome.as_str())], count);
            }
        }
        self.family(
            "patchbay_deliveries_unkept_total",
            "counter",
            "Refused or dead deliveries that were not kept, because the quota was full.",
        );
        for it in sums {
            self.line("patchbay_deliveries_unkept_total", &[("connection", &it.connection)], it.unkept);
        }
    }

    fn outbox(&mut self, sums: &[Sums]) {
        self.family("patchbay_outbox_total", "gauge", "Commands that were made, and those that have ended by how they ended.");
        for it in sums {
            let states = [("created", it.created), ("delivered", it.delivered), ("superseded", it.superseded), ("dead", it.outbox_dead)];
            for (state, count) in states {
                self.line("patchbay_outbox_total", &[("connection", &it.connection), ("state", state)], count);
            }
        }
        self.family("patchbay_outbox_pending", "gauge", "Commands that wait.");
        for it in sums {
            self.line("patchbay_outbox_pending", &[("connection", &it.connection)], it.pending());
        }
    }

    fn connections(&mut self, connections: &[Connection], current: &Current) {
        self.family("patchbay_connection_up", "gauge", "1: the connection is active and runs in this process.");
        for it in connections {
            let id = it.id.to_string();
            let state = match it.state {
                _ if current.failed.contains_key(&id) => "failed",
                ConnectionState::Active => "active",
                ConnectionState::Paused => "paused",
                ConnectionState::Broken { .. } => "broken",
                ConnectionState::Removed => "removed",
            };
            let labels = [("connection", id.as_str()), ("name", &it.name), ("connector", &it.connector), ("state", state)];
            let up = state == "active" && current.running.contains_key(&it.id);
            self.line("patchbay_connection_up", &labels, u8::from(up));
        }
    }

    fn alerts(&mut self, alerts: &[Alert]) {
        self.family("patchbay_alert", "gauge", "1: people must hear of it; see the API's /alerts for the reason.");
        for it in alerts {
            self.line("patchbay_alert", &[("connection", &it.connection.to_string()), ("kind", &it.kind)], 1);
        }
    }

    fn holds(&mut self, connections: &[Connection], holds: &HashMap<ConnectionId, Hold>, now: i64) {
        self.family(
            "patchbay_breaker_state",
            "gauge",
            "0: closed. 1: half open, one command finds out whether the vendor is back. 2: open, the vendor seems to be down.",
        );
        for it in connections {
            let state = match holds.get(&it.id).map(|it| &it.why) {
                Some(Why::Breaker { probing, .. }) => 2 - u8::from(*probing),
                Some(Why::After) | None => 0,
            };
            self.line("patchbay_breaker_state", &[("connection", &it.id.to_string())], state);
        }
        self.family("patchbay_held_seconds", "gauge", "How long the vendor's commands still wait for a 429 or a Retry-After.");
        for it in connections {
            let wait = holds.get(&it.id).filter(|it| it.why == Why::After).map_or(0, |it| (it.until - now).max(0));
            let wait = Duration::from_millis(wait.unsigned_abs());
            self.line("patchbay_held_seconds", &[("connection", &it.id.to_string())], wait.as_secs_f64());
        }
    }

    fn streams(&mut self, streams: &HashMap<ConnectionId, StreamView>, now: i64) {
        let age =
            |at: Option<Timestamp>| at.map(|it| Duration::from_millis((now - it.as_millisecond()).max(0).unsigned_abs()).as_secs_f64());
        self.family("patchbay_stream_connected_seconds", "gauge", "How long the stream of a connection stands; 0: it does not.");
        for (id, it) in streams {
            self.line("patchbay_stream_connected_seconds", &[("connection", &id.to_string())], age(it.since).unwrap_or_default());
        }
        self.family("patchbay_stream_silent_seconds", "gauge", "How long ago a frame came in last.");
        for (id, it) in streams {
            if let Some(age) = age(it.last_frame_at) {
                self.line("patchbay_stream_silent_seconds", &[("connection", &id.to_string())], age);
            }
        }
        self.family("patchbay_stream_reconnects_total", "counter", "How often the stream of a connection was connected anew.");
        for (id, it) in streams {
            self.line("patchbay_stream_reconnects_total", &[("connection", &id.to_string())], it.reconnects);
        }
    }
}

impl Page {
    fn quarantines(&mut self, connections: &[Connection], quarantines: &HashMap<ConnectionId, Quarantined>) {
        self.family(
            "patchbay_quarantined",
            "gauge",
            "1: this version of the connector is left alone in the connection after repeated faults.",
        );
        for it in connections {
            if let Some(found) = quarantines.get(&it.id) {
                let labels = [("connection", &*it.id.to_string()), ("connector", &it.connector), ("version", &found.version)];
                self.line("patchbay_quarantined", &labels, 1);
            }
        }
    }
}

fn escaped(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

/// The same text with every connection's id cut short.
fn without_addresses(text: &str) -> String {
    let mut short = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("cxn_") {
        let id = &rest[at..];
        let length = id.bytes().take(WHOLE).take_while(|it| it.is_ascii_alphanumeric() || *it == b'_').count();
        short.push_str(&rest[..at + length.min(SHOWN)]);
        rest = &id[length..];
    }
    short.push_str(rest);
    short
}

/// Linux says it in pages of the process's memory; elsewhere it is not told.
fn resident_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|it| it.strip_prefix("VmRSS:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_on_the_page_is_no_address() {
        let text = "a{connection=\"cxn_01JABCDEFGHJKMNPQRSTVWXYZ0\"} 1\nb{connection=\"cxn_01JABCDEFGHJKMNPQRSTVWXYZ0\",x=\"cxn_\"} 2\n";
        let short = without_addresses(text);
        assert_eq!(short, "a{connection=\"cxn_01JABCDEFGHJKM\"} 1\nb{connection=\"cxn_01JABCDEFGHJKM\",x=\"cxn_\"} 2\n");
    }

    #[test]
    fn a_label_cannot_break_out_of_its_quotes() {
        let mut page = Page(String::new());
        page.line("m", &[("name", "a\"} 9\n\\")], 1);
        assert_eq!(page.0, "m{name=\"a\\\"} 9\\n\\\\\"} 1\n");
    }
}
