//! The wizard that merges customers.

use serde_json::{Value, json};

use super::store::{Row, Store};

/// Its model: a record for each merge.
pub const WIZARD: &str = "base.partner.merge.automatic.wizard";

/// Does what these wizards say.
pub fn merge(store: &mut Store, wizards: &[i64]) -> Value {
    for id in wizards {
        let wizard = store.get(WIZARD, *id).cloned().unwrap_or_default();
        let left = wizard["dst_partner_id"].as_i64().unwrap_or(0);
        // Links are given as `[[6, 0, ids]]`.
        let given = wizard["partner_ids"][0][2].as_array().into_iter().flatten().filter_map(Value::as_i64);
        let gone: Vec<i64> = given.filter(|it| *it != left).collect();
        store.merge_customers(&gone, left);
    }
    json!(true)
}

impl Store {
    /// Merges customers: Odoo moves their records to the one that is left by SQL, so that nothing tells that these were written.
    pub fn merge_customers(&mut self, gone: &[i64], left: i64) {
        let moved = |it: &&Row| it["partner_id"].as_i64().is_some_and(|it| gone.contains(&it));
        let records: Vec<Row> = self.all("crm.lead").filter(moved).cloned().collect();
        for mut record in records {
            record.insert("partner_id".to_owned(), json!(left));
            self.put("crm.lead", record["id"].as_i64().unwrap_or(0), record);
        }
        self.update("res.partner", left, Row::new());
        for id in gone {
            self.remove("res.partner", *id);
        }
    }
}
