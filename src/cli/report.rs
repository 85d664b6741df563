//! Findings for people, drawn as rustc draws its own: what is wrong, where, the line with the place
//! underlined, what to write instead.

mod excerpt;
mod locate;

use annotate_snippets::{AnnotationKind, Element, Group, Level, Origin, Renderer, Snippet};

pub use self::locate::{Home, Located, Source, Spot, Tally};
use crate::openapi::Severity;
use crate::openapi::diagnostic::{Place, Position};

#[cfg(test)]
mod tests;

/// The most characters of a message: it may quote what a file says.
const LONGEST_MESSAGE: usize = 1000;

/// Renders findings about a file, an empty line after each. `color`: with the escapes of a terminal.
pub fn render(file: &str, findings: &[Located], color: bool) -> String {
    let renderer = match color {
        true => Renderer::styled(),
        false => Renderer::plain(),
    };
    let file = one_line(file);
    findings
        .iter()
        .map(|located| {
            let drawn = renderer.render(&groups(&file, located));
            let mut text = String::with_capacity(drawn.len() + 2);
            // A piece of a line has no path of its own, and this is what is drawn in its place.
            let lines = drawn
                .lines()
                .filter(|line| anstream::adapter::strip_str(line).to_string().trim() != ":::");
            for line in lines {
                text.push_str(line.trim_end());
                text.push('\n');
            }
            text.push('\n');
            text
        })
        .collect()
}

/// Text on one line that cannot play with a terminal, bounded.
pub fn one_line(text: &str) -> String {
    let mut shown: String = excerpt::visible(text.chars().take(LONGEST_MESSAGE)).replace('\t', " ");
    if text.chars().nth(LONGEST_MESSAGE).is_some() {
        shown.push('…');
    }
    shown
}

/// Whether a stream is shown with colours: `NO_COLOR`, `CLICOLOR_FORCE`, `TERM` and whether it is a
/// terminal at all.
pub fn wants_color(stream: &impl anstream::stream::RawStream) -> bool {
    anstream::AutoStream::choice(stream) != anstream::ColorChoice::Never
}

fn groups<'a>(file: &'a str, located: &'a Located) -> Vec<Group<'a>> {
    let finding = &located.finding;
    let level = match finding.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
    };
    let title = level
        .primary_title(one_line(&finding.message))
        .id(finding.code);
    let mut first =
        Group::with_title(title).elements(shown(file, &located.spot, AnnotationKind::Primary));
    if let Some(at) = at(&finding.place, located.spot.inner) {
        first = first.element(Level::NOTE.with_name("at").message(at));
    }
    if let Some(help) = &finding.help {
        first = first.element(Level::HELP.message(one_line(help)));
    }
    let related = finding.related.iter().zip(&located.related);
    std::iter::once(first)
        .chain(related.map(|((_, what), spot)| {
            Group::with_title(Level::NOTE.secondary_title(one_line(what))).elements(shown(
                file,
                spot,
                AnnotationKind::Context,
            ))
        }))
        .collect()
}

/// The place in the file, then what stands there.
fn shown<'a>(file: &'a str, spot: &'a Spot, kind: AnnotationKind) -> Vec<Element<'a>> {
    let origin = Origin::path(file);
    let origin = match spot.position {
        Some(Position { line, column }) => origin.line(line).char_column(column),
        None => origin,
    };
    let snippet = spot.excerpt.as_ref().map(|excerpt| {
        Snippet::source(&excerpt.text)
            .line_start(excerpt.line)
            .annotation(kind.span(excerpt.span.clone()))
            .into()
    });
    std::iter::once(origin.into()).chain(snippet).collect()
}

/// The way to a place inside its document.
fn at(place: &Place, inner: Option<Position>) -> Option<String> {
    let pointer = one_line(&place.pointer);
    match inner {
        Some(Position { line, column }) => {
            let lines = format!("line {line}, column {column} of the document");
            Some(match pointer.is_empty() {
                true => lines,
                false => format!("{pointer} ({lines})"),
            })
        }
        None => (!pointer.is_empty()).then_some(pointer),
    }
}
