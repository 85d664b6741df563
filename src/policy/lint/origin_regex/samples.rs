//! A few texts that an expression matches, and which of their characters it leaves open.

use regex_syntax::hir::{Class, Hir, HirKind, Repetition};

/// The most samples of one expression.
const MAX_SAMPLES: usize = 64;
/// The longest sample, in characters.
const MAX_LENGTH: usize = 512;
/// The most copies of a repeated part that samples have.
const MAX_COPIES: u32 = 16;

/// What the expression says of a character.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// This one, or one of a few like it.
    Named,
    /// Any character would do, a dot as well.
    Any,
    /// A part of a stretch of any letters or digits.
    Run,
}

/// A text that the expression matches.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Sample {
    /// ASCII only, so that places of characters are those of bytes.
    pub(super) characters: Vec<(char, Kind)>,
}

impl Sample {
    pub(super) fn text(&self) -> String {
        self.characters
            .iter()
            .map(|(character, _)| character)
            .collect()
    }

    fn named(text: &str) -> Self {
        Self {
            characters: text.chars().map(|c| (c, Kind::Named)).collect(),
        }
    }

    fn run(text: &str) -> Self {
        Self {
            characters: text.chars().map(|c| (c, Kind::Run)).collect(),
        }
    }
}

/// Samples of an expression.
pub(super) struct Samples {
    pub(super) list: Vec<Sample>,
    /// Whether each way through the expression has one.
    pub(super) are_complete: bool,
}

/// `None` for an expression that does not parse, or is about more than ASCII.
pub(super) fn of(pattern: &str) -> Option<Samples> {
    let hir = regex_syntax::parse(pattern).ok()?;
    let mut samples = Samples {
        list: Vec::new(),
        are_complete: true,
    };
    samples.list = samples.visit(&hir, true);
    samples
        .list
        .retain(|sample| sample.characters.iter().all(|(c, _)| c.is_ascii()));
    (!samples.list.is_empty()).then_some(samples)
}

impl Samples {
    /// `first`: what stands here begins the origin. The syntax tree's depth is bounded by the parser.
    fn visit(&mut self, hir: &Hir, first: bool) -> Vec<Sample> {
        match hir.kind() {
            HirKind::Empty | HirKind::Look(_) => vec![Sample::default()],
            HirKind::Literal(literal) => {
                vec![Sample::named(&String::from_utf8_lossy(&literal.0))]
            }
            HirKind::Class(class) => vec![one_of(class)],
            HirKind::Capture(capture) => self.visit(&capture.sub, first),
            HirKind::Repetition(repetition) => self.repeated(repetition, first),
            HirKind::Alternation(branches) => {
                let all = branches
                    .iter()
                    .flat_map(|branch| self.visit(branch, first))
                    .collect();
                self.cut(all)
            }
            HirKind::Concat(parts) => {
                let mut all = vec![Sample::default()];
                for part in parts {
                    // Zero-width parts and options may stand before the beginning.
                    let first = first && all.iter().any(|sample| sample.characters.is_empty());
                    let next = self.visit(part, first);
                    all = self.joined(&all, &next);
                }
                all
            }
        }
    }

    fn repeated(&mut self, repetition: &Repetition, first: bool) -> Vec<Sample> {
        let copies = repetition.min.clamp(1, MAX_COPIES);
        let mut all = Vec::new();
        if repetition.min == 0 {
            all.push(Sample::default());
        }
        let is_open = repetition.max.is_none_or(|max| max >= 4);
        match repetition.sub.kind() {
            HirKind::Class(class) if is_open && spells(class) => {
                let count = copies as usize;
                if first && takes(class, ':') && takes(class, '/') {
                    all.push(Sample::run("https://a"));
                    all.push(Sample::run("https://"));
                }
                all.push(Sample::run(&"a".repeat(count)));
                if takes(class, '1') {
                    all.push(Sample::run(&"1".repeat(count)));
                }
            }
            _ => {
                let once = self.visit(&repetition.sub, first);
                let mut several = vec![Sample::default()];
                for _ in 0..copies {
                    several = self.joined(&several, &once);
                }
                all.extend(several);
            }
        }
        self.cut(all)
    }

    /// Each of these followed by each of those.
    fn joined(&mut self, these: &[Sample], those: &[Sample]) -> Vec<Sample> {
        let mut all = Vec::new();
        for a in these {
            for b in those {
                if all.len() > MAX_SAMPLES {
                    return self.cut(all);
                }
                let characters = [a.characters.as_slice(), &b.characters].concat();
                all.push(Sample { characters });
            }
        }
        self.cut(all)
    }

    fn cut(&mut self, mut all: Vec<Sample>) -> Vec<Sample> {
        let count = all.len();
        all.retain(|sample| sample.characters.len() <= MAX_LENGTH);
        all.truncate(MAX_SAMPLES);
        self.are_complete &= all.len() == count;
        all
    }
}

/// One character of a class: a dot where anything goes, else one that hosts are made of.
fn one_of(class: &Class) -> Sample {
    if takes(class, '.') && spells(class) {
        return Sample {
            characters: vec![('.', Kind::Any)],
        };
    }
    let likely = ('a'..='z').chain('0'..='9').chain("-./:".chars());
    let chosen = likely
        .into_iter()
        .find(|character| takes(class, *character))
        .or_else(|| match class {
            Class::Unicode(class) => class.ranges().first().map(|range| range.start()),
            Class::Bytes(class) => class
                .ranges()
                .first()
                .map(|range| char::from(range.start())),
        });
    Sample {
        characters: chosen
            .map(|chosen| (chosen, Kind::Named))
            .into_iter()
            .collect(),
    }
}

/// Whether a stranger's name can be spelt with it.
fn spells(class: &Class) -> bool {
    "evil".chars().all(|character| takes(class, character))
}

fn takes(class: &Class, character: char) -> bool {
    match class {
        Class::Unicode(class) => class
            .ranges()
            .iter()
            .any(|range| (range.start()..=range.end()).contains(&character)),
        Class::Bytes(class) => u8::try_from(character).is_ok_and(|byte| {
            class
                .ranges()
                .iter()
                .any(|range| (range.start()..=range.end()).contains(&byte))
        }),
    }
}
