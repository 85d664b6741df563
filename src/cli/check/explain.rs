//! What the pages on findings say of one: `docs/lints.md` and `docs/cluster-findings.md`, which the
//! binary carries.

/// The pages: a section of the third level for each finding, called by its name.
const PAGES: [&str; 2] = [
    include_str!("../../../docs/lints.md"),
    include_str!("../../../docs/cluster-findings.md"),
];

/// The section of a finding, with its heading; `None`: there is no such finding.
pub(super) fn section(name: &str) -> Option<&'static str> {
    let sections = PAGES.iter().flat_map(|page| page.split("\n### ").skip(1));
    let section = sections
        .into_iter()
        .find(|section| section.lines().next() == Some(name))?;
    Some(section.split("\n## ").next().unwrap_or(section).trim_end())
}

/// The names of all findings.
pub(super) fn names() -> impl Iterator<Item = &'static str> {
    PAGES
        .iter()
        .flat_map(|page| page.lines().filter_map(|line| line.strip_prefix("### ")))
}
