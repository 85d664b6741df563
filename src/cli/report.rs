//! Findings for people, in the manner of rustc: `FILE:LINE:COLUMN`, the line, a caret, the remedy.

use std::fmt::Write;

use crate::openapi::diagnostic::{Origin, Position};
use crate::openapi::source::{PointerIndex, positions};
use crate::openapi::{Diagnostic, Severity};

#[cfg(test)]
mod tests;

/// The most characters of a line that are shown: minified JSON is one line.
const EXCERPT_WIDTH: usize = 100;
/// Where an EndpointsService holds its document as text.
const INLINE: &str = "/spec/openapi/inline";
/// Where an EndpointsService holds its document as structure.
const DOCUMENT: &str = "/spec/openapi/document";

/// Renders findings about a file, one after the other. `source`: its text, for excerpts; `color`:
/// with the escapes of a terminal.
pub fn render(file: &str, source: Option<&str>, findings: &[Diagnostic], color: bool) -> String {
    let paint = Paint { color };
    let mut text = String::new();
    for (index, finding) in findings.iter().enumerate() {
        if index > 0 {
            text.push('\n');
        }
        // Writing to a String cannot fail.
        let _ = render_one(&mut text, file, source, finding, paint);
    }
    text
}

/// Gives findings about an EndpointsService their places in the file that holds it: those about its
/// document too, whether it stands there as a block of text or as structure. Of several YAML
/// documents in the file, the first EndpointsService counts.
pub fn locate(source: &str, findings: Vec<Diagnostic>) -> Vec<Diagnostic> {
    let Ok(index) = positions(source) else {
        return findings;
    };
    let manifest = (0..index.documents())
        .find(|document| index.string(*document, "/kind") == Some("EndpointsService"))
        .unwrap_or(0);
    let mut findings: Vec<_> = findings
        .into_iter()
        .map(|finding| locate_one(&index, manifest, finding))
        .collect();
    findings.sort_by_key(|finding| finding.place.position);
    findings
}

fn locate_one(index: &PointerIndex, manifest: usize, mut finding: Diagnostic) -> Diagnostic {
    let place = &mut finding.place;
    place.position = match (place.origin, place.position) {
        (Origin::Resource, _) => index.locate(manifest, &place.pointer),
        (Origin::Document, None) if index.string(manifest, INLINE).is_none() => {
            index.locate(manifest, &format!("{DOCUMENT}{}", place.pointer))
        }
        (Origin::Document, None) => index.locate(manifest, INLINE),
        (Origin::Document, Some(inner)) => match index.block(manifest, INLINE) {
            Some(block) => Some(block.outer(inner)),
            None => {
                // Quoted or folded text: its lines are not lines of the file.
                let Position { line, column } = inner;
                let note = format!(" (line {line}, column {column} of the document)");
                finding.message.push_str(&note);
                index.locate(manifest, INLINE)
            }
        },
    };
    finding
}

fn render_one(
    text: &mut String,
    file: &str,
    source: Option<&str>,
    finding: &Diagnostic,
    paint: Paint,
) -> std::fmt::Result {
    let position = finding.place.position;
    match position {
        Some(Position { line, column }) => write!(text, "{file}:{line}:{column}: ")?,
        None => write!(text, "{file}: ")?,
    }
    let (name, style) = match finding.severity {
        Severity::Error => ("error", Style::Error),
        Severity::Warning => ("warning", Style::Warning),
    };
    paint.write(text, style, &format!("{name}[{}]", finding.code))?;
    text.push_str(": ");
    paint.write(text, Style::Strong, &finding.message)?;
    text.push('\n');
    let gutter = position.map_or(1, |position| position.line.to_string().len());
    let line = position
        .zip(source)
        .and_then(|(position, source)| Some((position, source.lines().nth(position.line - 1)?)));
    if let Some((position, line)) = line {
        let (excerpt, caret) = excerpt(line, position.column);
        let bar = |text: &mut String, number: &str, rest: &str| {
            paint.write(text, Style::Frame, &format!("{number:>gutter$} |"))?;
            writeln!(text, "{rest}")
        };
        bar(text, "", "")?;
        bar(
            text,
            &position.line.to_string(),
            format!(" {excerpt}").trim_end(),
        )?;
        paint.write(text, Style::Frame, &format!("{:>gutter$} |", ""))?;
        write!(text, " {:caret$}", "")?;
        paint.write(text, style, "^")?;
        text.push('\n');
    }
    let mut note = |name: &str, note: &str| {
        write!(text, "{:>gutter$} ", "")?;
        paint.write(text, Style::Frame, "=")?;
        text.push(' ');
        paint.write(text, Style::Strong, name)?;
        writeln!(text, ": {note}")
    };
    if !finding.place.pointer.is_empty() {
        note("at", &finding.place.pointer)?;
    }
    finding
        .help
        .as_deref()
        .map_or(Ok(()), |help| note("help", help))
}

/// The part of a line around a column, and where the column is in it, from 0.
fn excerpt(line: &str, column: usize) -> (String, usize) {
    let characters = line.chars().count();
    let at = column.saturating_sub(1).min(characters);
    let start = match characters > EXCERPT_WIDTH {
        true => at.saturating_sub(EXCERPT_WIDTH / 2),
        false => 0,
    };
    // A tab or an escape would move the caret's line against the excerpt's.
    let shown = line
        .chars()
        .skip(start)
        .take(EXCERPT_WIDTH)
        .map(|character| {
            if character.is_control() {
                ' '
            } else {
                character
            }
        })
        .collect();
    (shown, at - start)
}

#[derive(Clone, Copy)]
struct Paint {
    color: bool,
}

#[derive(Clone, Copy)]
enum Style {
    Error,
    Warning,
    Strong,
    Frame,
}

impl Paint {
    fn write(self, text: &mut String, style: Style, what: &str) -> std::fmt::Result {
        if !self.color {
            text.push_str(what);
            return Ok(());
        }
        let code = match style {
            Style::Error => "1;31",
            Style::Warning => "1;33",
            Style::Strong => "1",
            Style::Frame => "1;34",
        };
        write!(text, "\x1b[{code}m{what}\x1b[0m")
    }
}
