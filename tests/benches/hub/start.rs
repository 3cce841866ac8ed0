//! From the start of the process to ready.

use serde_json::{Map, json};

use patchbay_host::operations::NewConnection;

use crate::process::Beside;
use crate::{figure, world};

/// Three connectors, cold and from the compile cache.
pub fn measure() {
    world::runtime().block_on(async {
        let folder = world::folder("start");
        let url = format!("sqlite:{}", folder.join("start.db").display());
        let (hub, _) = world::hub(&url, &folder).await;
        let mut odoo = Map::new();
        odoo.insert("base_url".to_owned(), json!("https://odoo.example.com"));
        odoo.insert("database".to_owned(), json!("bench"));
        odoo.insert("api_key".to_owned(), json!("0123456789abcdef0123456789abcdef01234567"));
        for (connector, config) in [("webform", Map::new()), ("odoo", odoo)] {
            let new = NewConnection { connector: connector.to_owned(), name: String::new(), config, networks: Vec::new() };
            hub.create_connection(hub.workspace.id, new).await.expect("the connection can be made");
        }
        hub.store.close().await;
        drop(hub);
        std::fs::remove_dir_all(folder.join("cache")).expect("the cache was filled");
        println!("\n# start, three connectors");
        for (what, beside) in [("cold", ""), ("from the compile cache", "target <= 300 ms")] {
            let hub = Beside::start(&url, &folder).await;
            figure(&format!("start to ready, {what}"), format!("{:.0} ms", hub.ready_after.as_secs_f64() * 1e3), beside);
            figure("  memory then", format!("{:.0} MiB", hub.memory().0), "target <= 60 with 10 connectors");
        }
    });
}
