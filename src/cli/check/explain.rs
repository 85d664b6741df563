//! What the page on findings says of one: `docs/lints.md`, which the binary carries.

/// The page: a section of the third level for each finding, called by its name.
const PAGE: &str = include_str!("../../../docs/lints.md");

/// The section of a finding, with its heading; `None`: there is no such finding.
pub(super) fn section(name: &str) -> Option<&'static str> {
    let mut sections = PAGE.split("\n### ").skip(1);
    let section = sections.find(|section| section.lines().next() == Some(name))?;
    Some(section.split("\n## ").next().unwrap_or(section).trim_end())
}

/// The names of all findings.
pub(super) fn names() -> impl Iterator<Item = &'static str> {
    PAGE.lines().filter_map(|line| line.strip_prefix("### "))
}
