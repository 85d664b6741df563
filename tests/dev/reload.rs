//! FILE is edited while `dev` runs.

use std::fs;
use std::os::unix::fs::symlink;

use crate::process::Dev;

fn document(path: &str) -> String {
    format!(
        "swagger: '2.0'\ninfo: {{title: t, version: '1'}}\npaths:\n  /{path}:\n    get:\n      \
         operationId: {path}\n"
    )
}

#[test]
fn an_edit_by_rename_and_by_symlink_swap_is_live() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("api.yaml");
    fs::write(&file, document("one")).unwrap();
    let dev = Dev::start(&file, &[]);
    dev.until("/one", "200");
    assert_eq!(dev.status("/two"), "404");

    let next = folder.path().join("next.yaml");
    fs::write(&next, document("two")).unwrap();
    fs::rename(&next, &file).unwrap();
    dev.until("/two", "200");
    assert_eq!(dev.status("/one"), "404");

    let (data, link) = (folder.path().join("data.yaml"), folder.path().join("link"));
    fs::write(&data, document("three")).unwrap();
    symlink(&data, &link).unwrap();
    fs::rename(&link, &file).unwrap();
    dev.until("/three", "200");
    assert_eq!(dev.status("/two"), "404");
}

#[test]
fn a_broken_edit_is_reported_with_its_place_and_the_last_good_policy_stays() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("api.yaml");
    fs::write(&file, document("one")).unwrap();
    let mut dev = Dev::start(&file, &[]);

    let broken = document("two") + "      security:\n        - nobody: []\n";
    fs::write(&file, broken).unwrap();
    let said = dev.wait_for("the last good policy stays");
    assert!(said.contains("api.yaml:8:"), "no place in:\n{said}");
    assert!(said.contains("nobody"), "{said}");
    assert_eq!(dev.status("/one"), "200");

    fs::write(&file, document("two")).unwrap();
    dev.until("/two", "200");
}

#[test]
fn a_place_inside_a_manifest_is_a_place_in_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("eps.yaml");
    let indented: String = document("one")
        .lines()
        .map(|line| format!("      {line}\n"))
        .collect();
    let manifest = format!(
        "apiVersion: endpoints.dev/v1alpha1\nkind: EndpointsService\nmetadata: {{name: a}}\nspec:\n  \
         openapi:\n    inline: |\n{indented}"
    );
    fs::write(&file, &manifest).unwrap();
    let mut dev = Dev::start(&file, &[]);

    fs::write(&file, manifest + "            security: [{nobody: []}]\n").unwrap();
    let said = dev.wait_for("the last good policy stays");
    assert!(said.contains("eps.yaml:13:"), "no place in:\n{said}");
}
