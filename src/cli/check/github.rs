//! Workflow commands: GitHub Actions shows each as an annotation of its line.
//!
//! Form and escapes as GitHub documents them ("Workflow commands for GitHub Actions") and its
//! toolkit writes them: `%`, CR and LF in all values, `:` and `,` in properties, too.

use super::Run;
use crate::cli::report::Located;
use crate::openapi::diagnostic::Position;

/// One command a line: findings, then what could not be read.
pub(super) fn commands(run: &Run) -> String {
    let mut text = String::new();
    for checked in &run.checked {
        for located in &checked.findings {
            text.push_str(&command(&checked.file, located));
        }
    }
    for unread in &run.unread {
        text.push_str(&format!(
            "::error title=unread::{}\n",
            data(&format!("cannot read {}: {}", unread.path, unread.why))
        ));
    }
    text
}

fn command(file: &str, located: &Located) -> String {
    let finding = &located.finding;
    let name = finding.severity.name();
    let place = match located.spot.position {
        Some(Position { line, column }) => format!(",line={line},col={column}"),
        None => String::new(),
    };
    let mut message = finding.message.clone();
    for ((_, what), spot) in finding.related.iter().zip(&located.related) {
        message.push_str(&match spot.position {
            Some(Position { line, column }) => format!("\n{what}: line {line}, column {column}"),
            None => format!("\n{what}"),
        });
    }
    if let Some(help) = &finding.help {
        message.push_str(&format!("\nhelp: {help}"));
    }
    format!(
        "::{name} file={}{place},title={}::{}\n",
        property(file),
        property(finding.code),
        data(&message)
    )
}

fn data(text: &str) -> String {
    text.replace('%', "%25")
        .replace('\r', "%0D")
        .replace('\n', "%0A")
}

fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}
