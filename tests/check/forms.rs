//! What other programs read has the form that they expect.

use serde_json::Value;

use crate::check;

fn json(arguments: &[&str]) -> Value {
    serde_json::from_slice(&check(arguments, "").stdout).unwrap()
}

/// The members that SARIF 2.1.0 demands, and what its readers (code scanning) demand beside.
#[test]
fn sarif_has_the_members_that_the_standard_demands() {
    let log = json(&["--format", "sarif", "inline.yaml", "stream.yaml", "good"]);
    assert_eq!(log["version"], "2.1.0");
    let run = &log["runs"][0];
    let driver = &run["tool"]["driver"];
    assert_eq!(driver["name"], "endpoints");
    let rules = driver["rules"].as_array().unwrap();
    assert!(!rules.is_empty());
    for rule in rules {
        assert!(rule["shortDescription"]["text"].is_string(), "{rule}");
        assert!(rule["help"]["text"].is_string(), "{rule}");
    }
    assert_eq!(run["invocations"][0]["executionSuccessful"], true);
    let results = run["results"].as_array().unwrap();
    assert!(results.len() > 5);
    for result in results {
        let index = usize::try_from(result["ruleIndex"].as_u64().unwrap()).unwrap();
        assert_eq!(rules[index]["id"], result["ruleId"]);
        assert!(["error", "warning"].contains(&result["level"].as_str().unwrap()));
        assert!(result["message"]["text"].is_string());
        let location = &result["locations"][0]["physicalLocation"];
        let uri = location["artifactLocation"]["uri"].as_str().unwrap();
        assert!(["inline.yaml", "stream.yaml"].contains(&uri));
        let region = &location["region"];
        assert!(region["startLine"].as_u64().unwrap() > 0);
        if let Some(end) = region["endColumn"].as_u64() {
            assert!(end > region["startColumn"].as_u64().unwrap());
        }
    }
}

#[test]
fn sarif_names_files_by_uri() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("100% a:b.yaml");
    std::fs::write(&file, "swagger: '9'\n").unwrap();
    let log = json(&["--format", "sarif", file.to_str().unwrap()]);
    let location = &log["runs"][0]["results"][0]["locations"][0]["physicalLocation"];
    let uri = location["artifactLocation"]["uri"].as_str().unwrap();
    assert!(uri.starts_with("file:///"), "{uri}");
    assert!(uri.ends_with("/100%25%20a%3Ab.yaml"), "{uri}");
}

#[test]
fn github_commands_are_escaped() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("a,b:c%.yaml");
    std::fs::write(&file, "swagger: '50%,:'\n").unwrap();
    let output = check(&["--format", "github", file.to_str().unwrap()], "");
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(text.lines().count(), 1, "{text}");
    assert!(text.starts_with("::error file="), "{text}");
    assert!(text.contains("/a%2Cb%3Ac%25.yaml,line=1,col="), "{text}");
    assert!(text.contains("`50%25,:`"), "{text}");
}

#[test]
fn json_says_how_many_there_are() {
    let document = json(&["--format", "json", "inline.yaml", "good", "missing.yaml"]);
    assert_eq!(document["schemaVersion"], 1);
    let findings = document["findings"].as_array().unwrap();
    for severity in ["error", "warning"] {
        let number = findings
            .iter()
            .filter(|finding| finding["severity"] == severity)
            .count();
        assert!(number > 0, "{severity}");
        assert_eq!(document["summary"][format!("{severity}s")], number);
    }
    assert_eq!(document["summary"]["services"], 4);
    assert_eq!(document["summary"]["passedOver"], 1);
    assert_eq!(document["unread"][0]["file"], "missing.yaml");
    assert!(document.get("services").is_none());
}

#[test]
fn every_rule_has_a_section_in_the_page_that_it_points_to() {
    let page = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/lints.md"));
    let log = json(&["--format", "sarif", "inline.yaml", "stream.yaml"]);
    let rules = log["runs"][0]["tool"]["driver"]["rules"]
        .as_array()
        .unwrap();
    for rule in rules {
        let name = rule["id"].as_str().unwrap();
        assert!(page.contains(&format!("\n### {name}\n")), "{name}");
        let help = rule["help"]["markdown"].as_str().unwrap();
        assert!(
            help.contains(&format!("docs/lints.md#{}", name.to_lowercase())),
            "{help}"
        );
    }
}
