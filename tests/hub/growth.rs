//! What a stranger chooses the size of costs in proportion to it: twice the body, about twice the fuel, which is the same on every machine.

use std::process::Command;

use patchbay_tests::files::{self, Folder};
use serde_json::{Value, json};

/// Fields of the smaller body of each pair.
const FIELDS: usize = 600;

/// How many times the fuel of a body may be that of one half as long. Twice is proportion; four times would be its square.
const MOST: f64 = 2.5;

fn labelled(label: &str, count: usize) -> Value {
    json!({ "fields": (0..count).map(|it| json!({ "label": label, "value": format!("{label} {it}") })).collect::<Vec<_>>() })
}

/// Bodies whose reading looks for something among all that was read before.
fn shapes(count: usize) -> Vec<(&'static str, Value)> {
    let created = |it| (format!("created_at_{it}"), json!("not a time"));
    let defined = |it| json!({ "id": format!("q{it}"), "title": format!("Question {it}") });
    let answered = |it| json!({ "id": format!("q{it}"), "value": format!("answer {it}") });
    vec![
        ("unknown", labelled("a", count)),
        ("phones", labelled("phone", count)),
        ("messages", labelled("message", count)),
        ("consents", labelled("I agree", count)),
        ("times", json!({ "data": (0..count).map(created).collect::<serde_json::Map<_, _>>() })),
        (
            "titled",
            json!({ "form": { "questions": (0..count).map(defined).collect::<Vec<_>>() }, "answers": (0..count).map(answered).collect::<Vec<_>>() }),
        ),
    ]
}

#[test]
fn twice_the_fields_of_a_form_cost_twice_the_fuel() {
    let folder = Folder::outside();
    let fixtures = folder.path().join("fixtures");
    std::fs::create_dir(&fixtures).expect("a new folder can be written");
    for (count, size) in [(FIELDS, "once"), (2 * FIELDS, "twice")] {
        for (name, body) in shapes(count) {
            std::fs::write(fixtures.join(format!("fields-{name}-{size}.json")), body.to_string()).expect("a new file can be written");
        }
    }
    let output = Command::new(files::program())
        // A part of the cases: what the suite looks for is looked for elsewhere.
        .args(["connector", "test", "--json", "--case", "fields", "--wasm"])
        .arg(files::connector("webform"))
        .arg(folder.path())
        .current_dir(files::target())
        .output()
        .expect("the program starts");
    let found: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"));
    let fuel = |case: String| {
        let cases = found["cases"].as_array().into_iter().flatten();
        cases
            .filter(|it| it["case"] == *case)
            .find_map(|it| it["fuel"].as_f64())
            .filter(|it| *it > 0.0)
            .unwrap_or_else(|| panic!("{case}: {found:#}"))
    };
    for (name, _) in shapes(1) {
        let growth = fuel(format!("fields-{name}-twice")) / fuel(format!("fields-{name}-once"));
        assert!(growth < MOST, "{name}: twice the fields cost {growth:.2} times the fuel");
    }
}
