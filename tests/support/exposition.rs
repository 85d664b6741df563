//! A scrape, and the table of `docs/metrics.md` that says the same.
#![allow(dead_code, missing_docs)]

use std::collections::BTreeSet;
use std::path::Path;

/// Name, type and labels of a metric, and what it says.
pub type Row = (String, String, BTreeSet<String>, String);

/// What a scrape (OpenMetrics) holds.
pub fn rows(text: &str) -> Vec<Row> {
    let mut rows: Vec<Row> = Vec::new();
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            let (name, help) = rest.split_once(' ').expect("a name and words");
            let help = help.trim_end_matches('.').to_owned();
            rows.push((name.to_owned(), String::new(), BTreeSet::new(), help));
        } else if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (_, kind) = rest.split_once(' ').expect("a name and a type");
            kind.clone_into(&mut rows.last_mut().expect("HELP came before").1);
        } else if !line.starts_with('#') {
            let row = rows.last_mut().expect("HELP came before");
            let labels = line
                .split_once('{')
                .and_then(|(_, rest)| rest.split_once('}'));
            let labels = labels.map_or("", |(labels, _)| labels);
            for label in labels.split(',').filter_map(|it| it.split_once('=')) {
                if label.0 != "le" {
                    row.2.insert(label.0.to_owned());
                }
            }
        }
    }
    for (name, kind, ..) in &mut rows {
        match &**kind {
            "counter" => name.push_str("_total"),
            "info" => name.push_str("_info"),
            _ => {}
        }
    }
    rows
}

/// Every metric of the scrape has its line under this heading of the page, and the other way round.
pub fn assert_documented(scrape: &str, heading: &str) {
    let scraped: BTreeSet<_> = rows(scrape).iter().map(written).collect();
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/metrics.md");
    let page = std::fs::read_to_string(page).expect("the page");
    let table: BTreeSet<_> = page
        .lines()
        .skip_while(|line| line.trim_start_matches('#').trim() != heading)
        .skip(1)
        .take_while(|line| !line.starts_with('#'))
        .filter(|line| line.starts_with("| `endpoints_"))
        .map(str::to_owned)
        .collect();
    let missing: Vec<_> = scraped.difference(&table).cloned().collect();
    let gone: Vec<_> = table.difference(&scraped).cloned().collect();
    assert!(
        missing.is_empty() && gone.is_empty(),
        "to add to docs/metrics.md:\n{}\nto remove from it:\n{}\n{scrape}",
        missing.join("\n"),
        gone.join("\n")
    );
}

fn written((name, kind, labels, help): &Row) -> String {
    let labels: Vec<_> = labels.iter().map(|label| format!("`{label}`")).collect();
    let labels = match labels.is_empty() {
        true => String::from("–"),
        false => labels.join(", "),
    };
    format!("| `{name}` | {kind} | {labels} | {help} |")
}
